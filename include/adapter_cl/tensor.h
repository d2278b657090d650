/* SPDX-License-Identifier: MIT */
/* tensor.h – two-dimensional row-major matrices in device memory.
 *
 * Element (r, c) lies at offset + r · row_stride + c, counted in elements. A tensor holds a
 * reference to its memory, so views and tensors over the application's memory may outlive the
 * object they were made from. Thread-safety: a tensor that nobody writes may be read from several
 * contexts of one sharing family; a tensor of another family is refused with INVALID_ARGUMENT. */
#ifndef ADAPTER_CL_TENSOR_H
#define ADAPTER_CL_TENSOR_H

#include <adapter_cl/context.h>
#include <adapter_cl/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adcl_tensor adcl_tensor;

/* A new dense tensor, filled with zeros. dtype: ADCL_F32 or ADCL_I32. rows may be 0, cols may not.
 * On failure *out is NULL. Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY,
 * OUT_OF_DEVICE_MEMORY, OPENCL. */
ADCL_API adcl_status adcl_tensor_create(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype,
                                        size_t rows, size_t cols);

/* The same for `rank` sizes: all leading ones are multiplied into rows, the last is cols
 * ([batch, seq, D] becomes (batch·seq, D)). Errors: as above, and SHAPE_MISMATCH for rank < 2. */
ADCL_API adcl_status adcl_tensor_create_nd(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype,
                                           size_t rank, const size_t *shape);

/* Folds a shape as above without making anything. Errors: SHAPE_MISMATCH, SIZE_OVERFLOW. */
ADCL_API adcl_status adcl_fold_shape(size_t rank, const size_t *shape, size_t *rows, size_t *cols,
                                     adcl_error *error);

/* A tensor over the application's host memory (rows × cols dense elements, at least aligned to the
 * element), which must stay valid until the tensor and all its views are destroyed. On CPU devices
 * nothing is copied. After a device call has written the tensor, map it to see the result.
 * rows must be at least 1. Errors: as adcl_tensor_create. */
ADCL_API adcl_status adcl_tensor_wrap_host(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype,
                                           size_t rows, size_t cols, void *data);

/* Rows [first, first + count) of `tensor`, sharing its memory. Errors: INVALID_ARGUMENT when they
 * are not inside, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_tensor_view_rows(adcl_tensor **out, adcl_context *ctx,
                                           const adcl_tensor *tensor, size_t first, size_t count);

ADCL_API void adcl_tensor_destroy(adcl_tensor **tensor);

ADCL_API adcl_dtype adcl_tensor_dtype(const adcl_tensor *tensor);
ADCL_API size_t adcl_tensor_rows(const adcl_tensor *tensor);
ADCL_API size_t adcl_tensor_cols(const adcl_tensor *tensor);
ADCL_API size_t adcl_tensor_row_stride(const adcl_tensor *tensor); /* in elements */

/* Copies rows × cols dense elements between host memory of `bytes` bytes and the tensor. Both wait
 * until the copy is done. Errors: INVALID_ARGUMENT when `bytes` is not rows · cols · element size;
 * OPENCL. */
ADCL_API adcl_status adcl_tensor_write(adcl_context *ctx, adcl_tensor *tensor, const void *source,
                                       size_t bytes);
ADCL_API adcl_status adcl_tensor_read(adcl_context *ctx, const adcl_tensor *tensor,
                                      void *destination, size_t bytes);

typedef enum adcl_map_access {
    ADCL_MAP_READ = 1,
    ADCL_MAP_WRITE = 2,
    ADCL_MAP_READ_WRITE = 3
} adcl_map_access;

/* Makes the tensor's rows visible at *data, row r at *data + r · adcl_tensor_row_stride elements;
 * waits until earlier work is done. Between map and unmap no call may use the tensor. One mapping
 * at a time. Errors: INVALID_STATE when mapped already (or, for unmap, when not), OPENCL. */
ADCL_API adcl_status adcl_tensor_map(adcl_context *ctx, adcl_tensor *tensor, adcl_map_access access,
                                     void **data);
ADCL_API adcl_status adcl_tensor_unmap(adcl_context *ctx, adcl_tensor *tensor);

/* The next three enqueue and return. */

/* Every element = value (converted to int for I32). Errors: OPENCL. */
ADCL_API adcl_status adcl_tensor_fill(adcl_context *ctx, adcl_tensor *tensor, float value);
/* destination = source; equal dtype and shape, no overlap. Errors: SHAPE_MISMATCH,
 * INVALID_ARGUMENT, OPENCL. */
ADCL_API adcl_status adcl_tensor_copy(adcl_context *ctx, const adcl_tensor *source,
                                      adcl_tensor *destination);
/* destination row i = source row indices[i]. indices: (rows of destination, 1) I32; source and
 * destination F32 or I32 of equal dtype and cols. An index outside the source gives a row of NaN
 * (F32) or INT32_MIN (I32): indices live on the device, so they cannot be checked here.
 * Errors: SHAPE_MISMATCH, INVALID_ARGUMENT, OPENCL. */
ADCL_API adcl_status adcl_tensor_gather_rows(adcl_context *ctx, const adcl_tensor *source,
                                             const adcl_tensor *indices, adcl_tensor *destination);

#ifdef __cplusplus
}
#endif
#endif
