/* SPDX-License-Identifier: MIT */
/* loss.h – cross-entropy and mean squared error. Sums run in a fixed order: the same input gives
 * the same bits. */
#ifndef ADCL_OPS_LOSS_H
#define ADCL_OPS_LOSS_H

#include "runtime/tensor.h"

/* What passes from one kernel of a loss to the next. */
typedef struct adcl__loss_scratch {
    cl_mem row_sums; /* two floats for each row; cross-entropy only */
    cl_mem partials; /* ADCL__LOSS_PARTIALS floats */
    cl_mem share;    /* one float: 1 / (what was counted) */
} adcl__loss_scratch;

#define ADCL__LOSS_BLOCKS 256
#define ADCL__LOSS_PARTIALS (2 * ADCL__LOSS_BLOCKS)

/* value = mean over the rows whose label is not ignore_index.
 * logits (N, C), labels (N, 1) I32, value (1, 1). */
adcl_status adcl__cross_entropy_forward(adcl_context *ctx, const adcl_tensor *logits,
                                        const adcl_tensor *labels, int32_t ignore_index,
                                        const adcl__loss_scratch *scratch, adcl_tensor *value);

/* The gradient of the forward before it with the same logits. gradient (N, C) may be logits. */
adcl_status adcl__cross_entropy_backward(adcl_context *ctx, const adcl_tensor *logits,
                                         const adcl_tensor *labels, int32_t ignore_index,
                                         const adcl__loss_scratch *scratch, adcl_tensor *gradient);

/* value = mean of (predictions − targets)².  predictions, targets (N, C), value (1, 1). gradient, where it is not
 * NULL, as of the backward. */
adcl_status adcl__mse_forward(adcl_context *ctx, const adcl_tensor *predictions,
                              const adcl_tensor *targets, const adcl__loss_scratch *scratch,
                              adcl_tensor *value, adcl_tensor *gradient);

/* True where the forward had better make the gradient, too: where a work-item reads whole rows. */
bool adcl__mse_descends_at_once(const adcl_context *ctx);

/* Needs no forward. gradient (N, C) may be predictions. */
adcl_status adcl__mse_backward(adcl_context *ctx, const adcl_tensor *predictions,
                               const adcl_tensor *targets, adcl_tensor *gradient);

#endif
