/* SPDX-License-Identifier: MIT */
/* tensor.h – what a tensor is made of, and the checks that every call makes of its tensors. */
#ifndef ADCL_RUNTIME_TENSOR_H
#define ADCL_RUNTIME_TENSOR_H

#include "runtime/context.h"

#include <adapter_cl/tensor.h>

struct adcl_tensor {
    adcl__family *family; /* retained */
    cl_mem buffer;        /* retained; NULL for a tensor of no rows */
    size_t buffer_start;  /* where `buffer` begins in the memory it is a part of, in bytes */
    const void *memory;   /* identity of that memory: the root buffer, or the host's address */
    adcl_dtype dtype;
    size_t offset; /* elements */
    size_t rows, cols, row_stride;
    void *mapped; /* NULL unless mapped */
};

/* Fails unless `tensor` is there, belongs to the context's family and has the dtype. `name` is what
 * the caller's documentation calls it. */
adcl_status adcl__check_tensor(adcl_context *ctx, const char *name, const adcl_tensor *tensor,
                               adcl_dtype dtype);
/* The same, and the shape must be (rows, cols). */
adcl_status adcl__check_shape(adcl_context *ctx, const char *name, const adcl_tensor *tensor,
                              adcl_dtype dtype, size_t rows, size_t cols);

/* True when both are the very same elements in the same layout. */
bool adcl__tensors_equal(const adcl_tensor *a, const adcl_tensor *b);
/* True when they have an element's memory in common. */
bool adcl__tensors_overlap(const adcl_tensor *a, const adcl_tensor *b);

/* A tensor over part of `base`'s memory: `offset` in elements from base's first, dense. For rooms
 * that keep several matrices in one buffer. */
adcl_status adcl__tensor_part(adcl_tensor **out, adcl_context *ctx, const adcl_tensor *base,
                              size_t offset, size_t rows, size_t cols);

/* The first `rows` rows as a value on the stack, for one call: nothing is retained. */
adcl_tensor adcl__tensor_head(const adcl_tensor *tensor, size_t rows);

/* A new dense F32 tensor with these numbers. Errors: memory, OPENCL; then *out may be there without them, to be
 * destroyed. */
adcl_status adcl__tensor_from(adcl_context *ctx, const float *numbers, size_t rows, size_t cols,
                              adcl_tensor **out);

/* A copy on its way to the device; {0}: none. */
typedef struct adcl__upload {
    cl_event done;
} adcl__upload;

/* Enqueues a copy of the first `bytes` bytes of a dense tensor from `source`, which must stay as it is until
 * one of the calls below has waited for *upload. Errors: OPENCL. */
adcl_status adcl__tensor_upload(adcl_context *ctx, adcl_tensor *tensor, const void *source,
                                size_t bytes, adcl__upload *upload);

/* Waits until the copy's source is free again; a copy that failed has ended, too. After another error nobody
 * knows, and *upload stays to be waited for once more. Errors: OPENCL. */
adcl_status adcl__upload_wait(adcl_context *ctx, adcl__upload *upload);

/* Waits as well as it can and forgets the copy: for what destroys its source. */
void adcl__upload_release(adcl__upload *upload);

/* How kernels take a tensor: buffer, offset, row stride – three arguments. */
#define ADCL__TENSOR_ARGS(tensor)                                                                  \
    {sizeof(cl_mem), &(tensor)->buffer}, {sizeof(cl_ulong), &(cl_ulong){(tensor)->offset}},        \
        {sizeof(cl_ulong), &(cl_ulong){(tensor)->row_stride}}
/* The same for one that is dense, or a single row: buffer and offset – two arguments. */
#define ADCL__VECTOR_ARGS(tensor)                                                                  \
    {sizeof(cl_mem), &(tensor)->buffer}, {sizeof(cl_ulong), &(cl_ulong){(tensor)->offset}}
#define ADCL__UINT_ARG(number) {sizeof(cl_uint), &(cl_uint){(cl_uint)(number)}}

#endif
