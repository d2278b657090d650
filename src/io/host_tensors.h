/* SPDX-License-Identifier: MIT */
/* host_tensors.h – device tensors read back, as entries of a file to be written. */
#ifndef ADCL_IO_HOST_TENSORS_H
#define ADCL_IO_HOST_TENSORS_H

#include <adapter_cl/optimizer.h>
#include <adapter_cl/safetensors.h>

typedef struct adcl__host_tensors {
    adcl_safetensors_entry *entries; /* shape (rows, cols); names are borrowed from the caller */
    size_t count;
    size_t *shapes;      /* two sizes for each entry */
    unsigned char *data; /* of all entries, one behind the other */
} adcl__host_tensors;

/* Reads `count` tensors; `path` is named in sentences. Waits. On failure *out is empty.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY, OPENCL. */
adcl_status adcl__host_tensors_read(adcl__host_tensors *out, adcl_context *ctx, const char *path,
                                    const adcl_named_tensor *tensors, size_t count);
void adcl__host_tensors_free(adcl__host_tensors *tensors);

#endif
