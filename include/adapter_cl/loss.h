/* SPDX-License-Identifier: MIT */
/* loss.h – losses on the device, with their gradient.
 *
 * cross-entropy  L = mean over the rows whose label is not ignored of
 *                    (log Σ_c exp(logits[r, c])) − logits[r, label[r]]
 * MSE            L = mean over all N·C elements of (prediction − target)²
 * Sums run in a fixed order: the same input gives the same bits. */
#ifndef ADAPTER_CL_LOSS_H
#define ADAPTER_CL_LOSS_H

#include <adapter_cl/context.h>
#include <adapter_cl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adcl_loss_kind {
    ADCL_CROSS_ENTROPY = 0, /* targets: I32 (N, 1), classes from 0 */
    ADCL_MSE                /* targets: F32 (N, C) */
} adcl_loss_kind;

typedef struct adcl_loss_params {
    size_t struct_size;
    adcl_loss_kind kind; /* 0: cross-entropy */
    size_t max_rows;     /* required */
    size_t cols;         /* C, classes or outputs; required */
    int ignore_index;    /* label of rows that do not count; 0: −100 (0 itself is a class) */
} adcl_loss_params;

#define ADCL_LOSS_PARAMS_INIT {sizeof(adcl_loss_params), ADCL_CROSS_ENTROPY, 0, 0, 0}

typedef struct adcl_loss adcl_loss;

/* Allocates, compiles and launches everything once. The caller owns *out.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, memory, OPENCL, PROGRAM_BUILD. */
ADCL_API adcl_status adcl_loss_create(adcl_loss **out, adcl_context *ctx,
                                      const adcl_loss_params *params);
ADCL_API void adcl_loss_destroy(adcl_loss **loss);

/* Writes the loss to value (1, 1) and its gradient to gradient (N, C); either may be NULL, not
 * both. gradient may be predictions. A label outside [0, C) that is not ignore_index makes value
 * and that row's gradient NaN, for labels live on the device. When every row is ignored value is 0
 * and so is the gradient. N = 0: value 0. Enqueues.
 * Errors: SHAPE_MISMATCH, INVALID_ARGUMENT, OPENCL. */
ADCL_API adcl_status adcl_loss_compute(adcl_context *ctx, adcl_loss *loss,
                                       const adcl_tensor *predictions, const adcl_tensor *targets,
                                       adcl_tensor *value, adcl_tensor *gradient);

#ifdef __cplusplus
}
#endif
#endif
