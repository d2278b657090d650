/* SPDX-License-Identifier: MIT */
/* reference.h – the library's mathematics in plain C and in double: the specification that devices
 * are compared with, and the engine `reference`. Written to be read, not to be fast.
 *
 * Matrices are dense and row-major. N rows, D hidden_size, R bottleneck_size. Nothing is allocated
 * and nothing can fail: sizes are the caller's to check. Sums run from the first element to the
 * last, so the same input gives the same bits on the same machine. */
#ifndef ADCL_REFERENCE_REFERENCE_H
#define ADCL_REFERENCE_REFERENCE_H

#include <adapter_cl/adapter.h>
#include <adapter_cl/optimizer.h>

#include <stddef.h>
#include <stdint.h>

/* ---- activation.c --------------------------------------------------------------------------- */

/* h = act(z).        z (N, R), h (N, R); (N, 1) for log_sumexp */
void adcl__reference_activation_forward(adcl_activation activation, size_t rows, size_t cols,
                                        const double *z, double *h);

/* dz = (∂h/∂z)ᵀ·dh, which is dh ∘ act′(z) unless the activation takes whole rows.
 * z, dz (N, R), dh as h. dz must not overlap z or dh. */
void adcl__reference_activation_backward(adcl_activation activation, size_t rows, size_t cols,
                                         const double *z, const double *dh, double *dz);

/* ---- linear.c ------------------------------------------------------------------------------- */

typedef struct adcl__reference_linear {
    size_t input_size;       /* D */
    size_t output_size;      /* C */
    const double *kernel;    /* (D, C) */
    const double *bias;      /* (1, C) */
    double *kernel_gradient; /* (D, C), added to; NULL: not wanted */
    double *bias_gradient;   /* (1, C), added to; NULL: not wanted */
} adcl__reference_linear;

/* y = x·kernel + bias.        x (N, D), y (N, C); no overlap */
void adcl__reference_linear_forward(const adcl__reference_linear *linear, size_t rows,
                                    const double *x, double *y);

/* kernel_gradient += xᵀ·dy, bias_gradient += colsum(dy), dx = dy·kernelᵀ (NULL: not wanted).
 * x, dx (N, D), dy (N, C); dx overlaps neither. */
void adcl__reference_linear_backward(const adcl__reference_linear *linear, size_t rows,
                                     const double *x, const double *dy, double *dx);

/* ---- layer_norm.c --------------------------------------------------------------------------- */

typedef struct adcl__reference_norm {
    size_t size;             /* D */
    double epsilon;          /* added to the variance */
    const double *weight;    /* (1, D) */
    const double *bias;      /* (1, D) */
    double *weight_gradient; /* (1, D), added to; NULL: not wanted */
    double *bias_gradient;   /* (1, D), added to; NULL: not wanted */
} adcl__reference_norm;

/* y = x̂ ∘ weight + bias, where x̂ is a row of x less its mean, divided by √(variance + epsilon);
 * the variance is divided by D, not by D − 1. x, y (N, D); y may be x. */
void adcl__reference_norm_forward(const adcl__reference_norm *norm, size_t rows, const double *x,
                                  double *y);

/* Adds to the gradients and writes dx, given x of the forward. x, dy, dx (N, D); dx may be dy. */
void adcl__reference_norm_backward(const adcl__reference_norm *norm, size_t rows, const double *x,
                                   const double *dy, double *dx);

/* ---- attention.c ---------------------------------------------------------------------------- */

/* One sequence: each of its tokens attends to all of them. */
typedef struct adcl__reference_attention {
    size_t rows;        /* N tokens */
    size_t hidden_size; /* D */
    size_t heads;       /* a divisor of D; each takes K = D / heads columns */
    const double *query, *key, *value; /* (N, D) each */
    double *scratch;    /* 4·N numbers */
} adcl__reference_attention;

/* In each head o = softmax(q·kᵀ/√K)·v.        o (N, D); no overlap */
void adcl__reference_attention_forward(const adcl__reference_attention *attention, double *o);

/* Given dout = ∂L/∂o. dout, dquery, dkey, dvalue (N, D); no overlap. */
void adcl__reference_attention_backward(const adcl__reference_attention *attention,
                                        const double *dout, double *dquery, double *dkey,
                                        double *dvalue);

/* ---- adapter.c ------------------------------------------------------------------------------ */

typedef struct adcl__reference_adapter {
    size_t hidden_size;     /* D */
    size_t bottleneck_size; /* R */
    adcl_activation activation;
    double scaling;
    int parallel;           /* 1: y has no own residual */
    float dropout;          /* probability; 0 in inference */
    uint64_t dropout_seed, dropout_step;
    const double *values[ADCL_ADAPTER_SLOT_COUNT]; /* in the shapes of adapter.h */
    double *gradients[ADCL_ADAPTER_SLOT_COUNT];    /* the same, added to; NULL: not wanted */
    double *scratch; /* adcl__reference_scratch_size numbers, whatever the number of rows */
} adcl__reference_adapter;

size_t adcl__reference_scratch_size(size_t hidden_size, size_t bottleneck_size);

/* y = x + dropout(scaling·(act(x·w_down + b_down)·w_up + b_up)); parallel: without "x +".
 * x, y (N, D), z (N, R) = x·w_down + b_down for backward; NULL: not wanted. y may be x. */
void adcl__reference_adapter_forward(const adcl__reference_adapter *adapter, size_t rows,
                                     const double *x, double *z, double *y);

/* Adds to the gradients, and writes dx (NULL: not wanted), given dy (N, D) and x and z of the
 * forward. dx (N, D) may be dy. The formulas are in workspace.h. */
void adcl__reference_adapter_backward(const adcl__reference_adapter *adapter, size_t rows,
                                      const double *x, const double *z, const double *dy,
                                      double *dx);

/* ---- loss.c --------------------------------------------------------------------------------- */

/* The mean over the rows whose label is not ignore_index of log Σ exp(logits) − logits[label]; 0
 * when there is none. A label outside [0, C) makes the result and its row of the gradient NaN.
 * logits, gradient (N, C), labels (N, 1). gradient may be logits, or NULL: not wanted. */
double adcl__reference_cross_entropy(size_t rows, size_t classes, const double *logits,
                                     const int32_t *labels, int32_t ignore_index,
                                     double *gradient);

/* The mean of (prediction − target)²; 0 when count is. gradient may be prediction, or NULL: not
 * wanted. */
double adcl__reference_mse(size_t count, const double *prediction, const double *target,
                           double *gradient);

/* ---- optimizer.c ---------------------------------------------------------------------------- */

typedef struct adcl__reference_optimizer {
    adcl_optimizer_kind kind;
    double learning_rate;
    double momentum;     /* SGD */
    double beta1, beta2; /* Adam and AdamW, as the rest */
    double epsilon;      /* outside the root */
    double epsilon_root; /* inside it */
    int bias_correction;
    uint64_t step;       /* t of the bias correction: 1 in the first update */
    double weight_decay; /* 0 for a parameter that does not decay */
    double clip_factor;  /* every gradient is multiplied by it; see below */
} adcl__reference_optimizer;

/* Σ g² over one array. The norm of a set is the root of the sum over its arrays. */
double adcl__reference_square_sum(size_t count, const double *gradient);

/* min(1, clip_norm / norm); 1 when clip_norm is 0, else NaN when the norm is not finite. */
double adcl__reference_clip_factor(double norm, double clip_norm);

/* One update of one parameter array. State, zeros before the first update: first[count] is SGD's v
 * (unused when momentum is 0) or Adam's m, second[count] Adam's v (unused by SGD). */
void adcl__reference_optimizer_step(const adcl__reference_optimizer *optimizer, size_t count,
                                    const double *gradient, double *value, double *first,
                                    double *second);

#endif
