/* SPDX-License-Identifier: MIT */
/* device.h – finding devices and matching selector strings against them. */
#ifndef ADCL_RUNTIME_DEVICE_H
#define ADCL_RUNTIME_DEVICE_H

#include <adapter_cl/opencl.h>

#include <stddef.h>

/* Fills *info for one device; its strings are freed by adcl__device_info_free. */
adcl_status adcl__device_info_read(adcl_device_info *info, cl_platform_id platform,
                                   cl_device_id device, const char *selector, adcl_error *error);
void adcl__device_info_free(adcl_device_info *info);

/* The devices that `selector` (NULL or "": any) matches, best first, as indices into the list:
 * order[adcl_device_list_count] is filled with *matches of them. Errors: NO_DEVICE, with the list
 * of what there is, or what to install. */
adcl_status adcl__device_select(const adcl_device_list *list, const char *selector, size_t *order,
                                size_t *matches, adcl_error *error);

cl_device_id adcl__device_list_id(const adcl_device_list *list, size_t index);

#endif
