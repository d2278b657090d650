/* SPDX-License-Identifier: MIT */
/* linear.h – a trainable dense layer y = x·K + b, as a classification or regression head.
 *     x (N, D)    kernel (D, C)    bias (1, C)    y (N, C)
 * Thread-safety: as adapters; one pass at a time, for it owns its scratch memory. */
#ifndef ADAPTER_CL_LINEAR_H
#define ADAPTER_CL_LINEAR_H

#include <adapter_cl/context.h>
#include <adapter_cl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adcl_linear_params {
    size_t struct_size;
    size_t input_size;  /* D; required */
    size_t output_size; /* C; required */
    size_t max_rows;    /* required: most rows of one pass */
    uint64_t seed;      /* kernel: Glorot uniform ±sqrt(6/(D+C)); bias: zeros */
    adcl_engine engine; /* 0 (AUTO): the context's. fused: the kernels of its CPU plan; under
                         * its GPU plan, which has none for a dense layer, gemm */
} adcl_linear_params;

#define ADCL_LINEAR_PARAMS_INIT {sizeof(adcl_linear_params), 0, 0, 0, 0, ADCL_ENGINE_AUTO}

typedef struct adcl_linear adcl_linear;

/* Allocates, compiles and launches everything once. The caller owns *out.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, UNSUPPORTED, memory, OPENCL, CLBLAST, PROGRAM_BUILD. */
ADCL_API adcl_status adcl_linear_create(adcl_linear **out, adcl_context *ctx,
                                        const adcl_linear_params *params);
ADCL_API void adcl_linear_destroy(adcl_linear **linear);

/* Borrowed tensors, valid while the layer lives. */
ADCL_API adcl_tensor *adcl_linear_kernel(const adcl_linear *linear);          /* (D, C) */
ADCL_API adcl_tensor *adcl_linear_bias(const adcl_linear *linear);            /* (1, C) */
ADCL_API adcl_tensor *adcl_linear_kernel_gradient(const adcl_linear *linear); /* (D, C) */
ADCL_API adcl_tensor *adcl_linear_bias_gradient(const adcl_linear *linear);   /* (1, C) */

/* y = x·K + b. No overlap. N = 0 does nothing. Enqueues.
 * Errors: SHAPE_MISMATCH, INVALID_ARGUMENT, OPENCL, CLBLAST. */
ADCL_API adcl_status adcl_linear_forward(adcl_context *ctx, adcl_linear *linear,
                                         const adcl_tensor *x, adcl_tensor *y);

/* dK += xᵀ·dy, db += colsum(dy), dx = dy·Kᵀ (NULL: not wanted). x is that of the forward. Enqueues.
 * Errors: as forward. */
ADCL_API adcl_status adcl_linear_backward(adcl_context *ctx, adcl_linear *linear,
                                          const adcl_tensor *x, const adcl_tensor *dy,
                                          adcl_tensor *dx);

#ifdef __cplusplus
}
#endif
#endif
