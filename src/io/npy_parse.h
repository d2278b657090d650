/* SPDX-License-Identifier: MIT */
/* npy_parse.h – the reader behind adcl_npy_load, for bytes that are in memory. */
#ifndef ADCL_IO_NPY_PARSE_H
#define ADCL_IO_NPY_PARSE_H

#include "base/error.h"

#include <adapter_cl/npy.h>

/* Reads a file's `size` bytes into an array of its own. `path` is named in sentences.
 * Errors: FORMAT, UNSUPPORTED, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY. */
adcl_status adcl__npy_parse(adcl_npy **out, const char *path, const unsigned char *bytes,
                            size_t size, adcl_error *error);

#endif
