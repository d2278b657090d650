/* SPDX-License-Identifier: MIT */
/* sequence.h – pooling over sequences, and the options of adapters in an encoder, cl/sequence.cl. T tokens,
 * S sequences, D hidden. */
#ifndef ADCL_OPS_SEQUENCE_H
#define ADCL_OPS_SEQUENCE_H

#include "runtime/tensor.h"

/* Where sequences begin and which one a token is in: on the device. */
typedef struct adcl__sequences {
    size_t count;               /* S */
    const adcl_tensor *starts;   /* S + 1 ints */
    const adcl_tensor *of_token; /* T ints */
} adcl__sequences;

/* out (S, D): each sequence's first row (mean false), or the mean of its rows; and dx (T, D). */
adcl_status adcl__pool_forward(adcl_context *ctx, const adcl_tensor *x, const adcl__sequences *s,
                               bool mean, adcl_tensor *out);
adcl_status adcl__pool_backward(adcl_context *ctx, const adcl_tensor *dout,
                                const adcl__sequences *s, bool mean, adcl_tensor *dx);
/* Rows of x divided by their norms. */
adcl_status adcl__normalize_rows(adcl_context *ctx, adcl_tensor *x);

/* out = a + b; out may be either. */
adcl_status adcl__add(adcl_context *ctx, const adcl_tensor *a, const adcl_tensor *b,
                      adcl_tensor *out);
/* out = tanh(x), may be x; dout ∘= 1 − out². */
adcl_status adcl__tanh_forward(adcl_context *ctx, const adcl_tensor *x, adcl_tensor *out);
adcl_status adcl__tanh_backward(adcl_context *ctx, const adcl_tensor *out, adcl_tensor *dout);

/* out = scale∘v, scale (1, D) or (1, 1). */
adcl_status adcl__scale_forward(adcl_context *ctx, const adcl_tensor *v, const adcl_tensor *scale,
                                adcl_tensor *out);
/* gradient += that of scale, from dout and v; sums: (1, D) of scratch. dv is scale_forward of dout. */
adcl_status adcl__scale_gradient(adcl_context *ctx, const adcl_tensor *dout, const adcl_tensor *v,
                                 adcl_tensor *sums, adcl_tensor *gradient);

/* A gate: one number a sequence, the mean of sigmoid(x·kernel + bias) over its tokens. */
typedef struct adcl__gate {
    const adcl_tensor *kernel, *bias; /* (D, 1), (1, 1) */
    const adcl_tensor *tokens;        /* (T, 1): each token's sigmoid; kept for backward */
    const adcl_tensor *gates;         /* (S, 1); kept for backward */
    const adcl_tensor *dlogits;       /* (T, 1): scratch of backward */
} adcl__gate;
/* Makes tokens and gates, and out (T, D) = gates∘u; out may be u. */
adcl_status adcl__gate_forward(adcl_context *ctx, const adcl__gate *gate, const adcl__sequences *s,
                               const adcl_tensor *x, const adcl_tensor *u, adcl_tensor *out);
/* out (T, D) = gates∘u, as they are. */
adcl_status adcl__gate_apply(adcl_context *ctx, const adcl__gate *gate, const adcl__sequences *s,
                             const adcl_tensor *u, adcl_tensor *out);
/* From dout (T, D) and the u that was gated: the gradients of kernel and bias +=, dx +=. NULL: not wanted. */
adcl_status adcl__gate_backward(adcl_context *ctx, const adcl__gate *gate, const adcl__sequences *s,
                                const adcl_tensor *x, const adcl_tensor *u, const adcl_tensor *dout,
                                adcl_tensor *kernel_gradient, adcl_tensor *bias_gradient,
                                adcl_tensor *dx);

#endif
