/* SPDX-License-Identifier: MIT */
/* npy_header.h – the beginning of a .npy file:
 *
 *     \x93NUMPY  major minor  length (2 bytes in version 1, 4 from version 2 on; little-endian)
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   padded by spaces, then newline
 *
 * The text is a dictionary as Python writes one; its keys may come in any order. */
#ifndef ADCL_IO_NPY_HEADER_H
#define ADCL_IO_NPY_HEADER_H

#include "base/error.h"

#include <adapter_cl/npy.h>

#include <stdbool.h>

typedef struct adcl__npy_header {
    char descr[4]; /* e.g. "<f4" */
    adcl_dtype dtype;
    bool fortran_order;
    size_t rank;
    size_t shape[ADCL_NPY_MAX_RANK];
    size_t size; /* bytes before the first element */
} adcl__npy_header;

/* Errors: FORMAT, UNSUPPORTED, SIZE_OVERFLOW (a size of the shape). */
adcl_status adcl__npy_header_parse(adcl__npy_header *header, const char *path,
                                   const unsigned char *bytes, size_t size, adcl_error *error);

/* What the format calls this dtype, "<f4" and so on; NULL for BF16, which it does not have. */
const char *adcl__npy_descr(adcl_dtype dtype);

#endif
