/* SPDX-License-Identifier: MIT */
/* frozen.h – a dense layer of the model that never changes: packed, or multiplied
 * by CLBlast. N rows, K inputs, M outputs. */
#ifndef ADCL_ENCODER_FROZEN_H
#define ADCL_ENCODER_FROZEN_H

#include "ops/packed.h"

#include <adapter_cl/adapter.h>
#include <adapter_cl/workspace.h>

typedef struct adcl__frozen {
    size_t inputs, outputs;         /* K, M */
    adcl__packed forward, backward; /* engine fused; backward for training only */
    adcl_tensor *weight, *bias;     /* engine gemm: (M, K), (1, M) */
} adcl__frozen;

typedef struct adcl__frozen_source {
    size_t inputs, outputs;
    const float *weight; /* (M, K), as PyTorch keeps it */
    const float *bias;   /* (M) */
} adcl__frozen_source;

/* engine: FUSED or GEMM. On failure *out is to be released all the same. */
adcl_status adcl__frozen_create(adcl_context *ctx, adcl_engine engine, adcl_mode mode,
                                const adcl__frozen_source *source, adcl__frozen *out);
void adcl__frozen_release(adcl__frozen *frozen);
/* Bytes of device memory that it holds. */
size_t adcl__frozen_bytes(const adcl__frozen *frozen);

/* What CLBlast needs besides: its scratch, and a matrix (N, M) for activations that are computed once
 * more. */
typedef struct adcl__frozen_scratch {
    cl_mem products;
    adcl_tensor *again;
} adcl__frozen_scratch;
adcl_status adcl__frozen_scratch_bytes(adcl_context *ctx, const adcl__frozen *frozen, size_t rows,
                                       size_t *bytes);

/* out (N, M) = end(a (N, K)·Wᵀ + bias). By CLBlast end.keep, and end.slope of the backward, are the value before the
 * activation, whose backward is a kernel of its own. */
adcl_status adcl__frozen_forward(adcl_context *ctx, const adcl__frozen *frozen,
                                 const adcl_tensor *a, const adcl__product_end *end,
                                 const adcl__frozen_scratch *scratch, adcl_tensor *out);
/* da (N, K) = end(dout (N, M)·W). */
adcl_status adcl__frozen_backward(adcl_context *ctx, const adcl__frozen *frozen,
                                  const adcl_tensor *dout, const adcl__product_end *end,
                                  const adcl__frozen_scratch *scratch, adcl_tensor *da);

#endif
