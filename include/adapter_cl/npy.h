/* SPDX-License-Identifier: MIT */
/* npy.h – NumPy's .npy files, format versions 1.0, 2.0 and 3.0. No OpenCL is involved. */
#ifndef ADAPTER_CL_NPY_H
#define ADAPTER_CL_NPY_H

#include <adapter_cl/dtype.h>
#include <adapter_cl/status.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADCL_NPY_MAX_RANK 32

/* An array read into memory, always little-endian and in C order, whatever the file had. Owned by
 * the caller. */
typedef struct adcl_npy adcl_npy;

/* Reads a file: booleans, integers of 8 to 64 bits, f2, f4, f8; little-endian ('<', '|'), C or
 * Fortran order. Big-endian, structured and object arrays are refused by name. On failure *out is
 * NULL. Errors: FILE, FORMAT, UNSUPPORTED, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_npy_load(adcl_npy **out, const char *path, adcl_error *error);
ADCL_API void adcl_npy_destroy(adcl_npy **array);

ADCL_API adcl_dtype adcl_npy_dtype(const adcl_npy *array);
ADCL_API size_t adcl_npy_rank(const adcl_npy *array);
ADCL_API const size_t *adcl_npy_shape(const adcl_npy *array); /* rank sizes */
ADCL_API size_t adcl_npy_count(const adcl_npy *array);        /* elements: the product of the shape */
ADCL_API const void *adcl_npy_data(const adcl_npy *array);
/* What the file called its dtype, e.g. "<f8"; for messages. */
ADCL_API const char *adcl_npy_descr(const adcl_npy *array);

/* The elements as f32 in out[count]. F16 and F32 always; F64 and integers only if `cast` is 1
 * (rounding to nearest). Errors: UNSUPPORTED, INVALID_ARGUMENT when count differs. */
ADCL_API adcl_status adcl_npy_to_f32(const adcl_npy *array, int cast, float *out, size_t count,
                                     adcl_error *error);
/* The elements, of any integer type, as int32 in out[count]. Errors: UNSUPPORTED for floats,
 * FORMAT when a value does not fit (with its index), INVALID_ARGUMENT when count differs. */
ADCL_API adcl_status adcl_npy_to_i32(const adcl_npy *array, int32_t *out, size_t count,
                                     adcl_error *error);

/* Writes format 1.0 in C order: a temporary file beside `path`, synced, then renamed over it, so
 * `path` is either old or complete. Errors: FILE, UNSUPPORTED (BF16), INVALID_ARGUMENT,
 * SIZE_OVERFLOW. */
ADCL_API adcl_status adcl_npy_save(const char *path, adcl_dtype dtype, size_t rank,
                                   const size_t *shape, const void *data, adcl_error *error);

#ifdef __cplusplus
}
#endif
#endif
