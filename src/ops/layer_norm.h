/* SPDX-License-Identifier: MIT */
/* layer_norm.h – layer norm of a sum, and its gradients, cl/layer_norm.cl. All matrices (N, D). */
#ifndef ADCL_OPS_LAYER_NORM_H
#define ADCL_OPS_LAYER_NORM_H

#include "runtime/tensor.h"

/* What a layer norm's backward needs of its forward. */
typedef struct adcl__layer_norm_kept {
    adcl_tensor *normal;  /* x̂ (N, D) */
    adcl_tensor *inverse; /* 1/√(variance + ε), (N, 1) */
} adcl__layer_norm_kept;

/* y = LN(a [+ b [+ c]]); b and c NULL: without. kept NULL: no backward. y may be a, b or c. */
typedef struct adcl__layer_norm {
    const adcl_tensor *weight, *bias; /* (1, D) */
    float epsilon;
} adcl__layer_norm;
adcl_status adcl__layer_norm_forward(adcl_context *ctx, const adcl__layer_norm *norm,
                                     const adcl_tensor *a, const adcl_tensor *b,
                                     const adcl_tensor *c, const adcl__layer_norm_kept *kept,
                                     adcl_tensor *y);

/* dx = the gradient of a, b and c alike. dx may be dy. */
adcl_status adcl__layer_norm_backward(adcl_context *ctx, const adcl__layer_norm *norm,
                                      const adcl__layer_norm_kept *kept, const adcl_tensor *dy,
                                      adcl_tensor *dx);

/* weight_gradient, bias_gradient (1, D) +=. */
adcl_status adcl__layer_norm_gradients(adcl_context *ctx, const adcl__layer_norm_kept *kept,
                                       const adcl_tensor *dy, adcl_tensor *weight_gradient,
                                       adcl_tensor *bias_gradient);

#endif
