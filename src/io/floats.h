/* SPDX-License-Identifier: MIT */
/* floats.h – the numbers of a file as floats, and floats as the numbers of a file. */
#ifndef ADCL_IO_FLOATS_H
#define ADCL_IO_FLOATS_H

#include <adapter_cl/dtype.h>

#include <stdbool.h>
#include <stddef.h>

/* Whether every number of that dtype is a float: F32, F16 and BF16. */
bool adcl__dtype_is_float(adcl_dtype dtype);

/* out[count] = the numbers at `data`, aligned to 1 byte only; exact. */
void adcl__floats_read(float *out, adcl_dtype dtype, const void *data, size_t count);

/* The numbers in[count], rounded to nearest, ties to even; what is too large becomes an infinity,
 * a NaN stays one. `out` takes count · adcl_dtype_size(dtype) bytes. */
void adcl__floats_write(void *out, adcl_dtype dtype, const float *in, size_t count);

#endif
