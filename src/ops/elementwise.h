/* SPDX-License-Identifier: MIT */
/* elementwise.h – residual, bias and dropout. Ops enqueue; they never allocate and never wait, and
 * their callers have checked the shapes. */
#ifndef ADCL_OPS_ELEMENTWISE_H
#define ADCL_OPS_ELEMENTWISE_H

#include "runtime/tensor.h"

/* Which elements dropout drops; see adcl_dropout_factor in cl/elementwise.cl. */
typedef struct adcl__dropout_mask {
    uint64_t seed, step;
    uint32_t threshold; /* an element whose random word is below it is dropped */
    float keep_scale;   /* 1/(1−p) */
} adcl__dropout_mask;

/* y = x + scaling·bias; x NULL: y = scaling·bias. x, y (N, D), may be the same; bias (1, D). */
adcl_status adcl__residual_forward(adcl_context *ctx, const adcl_tensor *x, const adcl_tensor *bias,
                                   float scaling, adcl_tensor *y);

/* y = x + mask·scaling·(y + bias); x NULL: without x. */
adcl_status adcl__dropout_forward(adcl_context *ctx, const adcl_tensor *x, const adcl_tensor *bias,
                                  float scaling, const adcl__dropout_mask *mask, adcl_tensor *y);

/* du = mask·dy. */
adcl_status adcl__dropout_backward(adcl_context *ctx, const adcl_tensor *dy,
                                   const adcl__dropout_mask *mask, adcl_tensor *du);

#endif
