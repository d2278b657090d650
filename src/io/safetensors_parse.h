/* SPDX-License-Identifier: MIT */
/* safetensors_parse.h – the reader behind adcl_safetensors_load, for bytes that are in memory. */
#ifndef ADCL_IO_SAFETENSORS_PARSE_H
#define ADCL_IO_SAFETENSORS_PARSE_H

#include "base/error.h"

#include <adapter_cl/safetensors.h>

/* No file may have a longer header, nor do we write one. The format's own limit. */
#define ADCL__SAFETENSORS_MAX_HEADER ((size_t)100 * 1000 * 1000)

/* Far more than any model has; keeps the work on a hostile header small. */
#define ADCL__SAFETENSORS_MAX_TENSORS 100000

/* The key that is no tensor. */
#define ADCL__SAFETENSORS_METADATA "__metadata__"

/* Reads a file's `size` bytes, which stay the caller's and must outlive *out. `path` is named in
 * sentences. Errors: FORMAT, UNSUPPORTED, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY. */
adcl_status adcl__safetensors_parse(adcl_safetensors **out, const char *path,
                                    const unsigned char *bytes, size_t size, adcl_error *error);

#endif
