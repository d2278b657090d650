/* SPDX-License-Identifier: MIT */
/* packed.h – products with frozen matrices that were packed once: cl/packed.cl, or cl/packed_gpu.cl under the GPU
 * plan. N rows, K inputs, M outputs. */
#ifndef ADCL_OPS_PACKED_H
#define ADCL_OPS_PACKED_H

#include "runtime/tensor.h"

#include <adapter_cl/activation.h>

/* False where the work-groups of a device are too small: then it takes CLBlast. */
bool adcl__packs_products(const adcl_context *ctx);

/* A frozen dense layer: out = a·W + bias. */
typedef struct adcl__packed {
    size_t inputs, outputs; /* K, M */
    adcl_tensor *panels;    /* W in panels of columns */
    adcl_tensor *bias;      /* (1, M) filled up to whole panels; NULL: none */
} adcl__packed;

/* Packs W: element (k, m) is weight[k · k_stride + m · m_stride]. bias (M), or NULL. On failure *out is
 * all zeros. Errors: SIZE_OVERFLOW, memory, OPENCL. */
typedef struct adcl__packed_source {
    size_t inputs, outputs;
    const float *weight;
    size_t k_stride, m_stride;
    const float *bias;
} adcl__packed_source;
adcl_status adcl__packed_create(adcl_context *ctx, const adcl__packed_source *source,
                                adcl__packed *out);
void adcl__packed_release(adcl__packed *packed);

/* What happens to value = a·W [+ bias] [+ own]: fields NULL or false: nothing. */
typedef struct adcl__product_end {
    const adcl_tensor *own;  /* (N, M) */
    bool activates;          /* out = act(value) */
    /* Of a layer that activates, what its backward wants of it, so that nothing is computed twice; (N, M). */
    adcl_tensor *keep;       /* forward: act′(value) goes there */
    const adcl_tensor *slope; /* backward: out = value ∘ slope */
    adcl_activation activation;
} adcl__product_end;

/* out (N, M), which may be own. */
adcl_status adcl__packed_product(adcl_context *ctx, const adcl__packed *packed,
                                 const adcl_tensor *a, const adcl__product_end *end,
                                 adcl_tensor *out);

#endif
