/* SPDX-License-Identifier: MIT */
#include <adapter_cl/loss.h>

#include "ops/loss.h"

#include <stdlib.h>

#define DEFAULT_IGNORE_INDEX (-100)

struct adcl_loss {
    adcl_loss_params params; /* complete: defaults are filled in */
    adcl__loss_scratch scratch;
    adcl_tensor *unasked_value; /* (1, 1): where the value goes when nobody wants it */
};

/* ---- making and destroying ------------------------------------------------------------------- */

static adcl_status read_loss_params(adcl_context *ctx, const adcl_loss_params *given,
                                    adcl_loss_params *p)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    *p = (adcl_loss_params)ADCL_LOSS_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_loss_params", p, sizeof *p, given));
    if (p->ignore_index == 0) p->ignore_index = DEFAULT_IGNORE_INDEX;
    if (p->kind != ADCL_CROSS_ENTROPY && p->kind != ADCL_MSE)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss kind: expected ADCL_CROSS_ENTROPY or ADCL_MSE, got %d",
                          (int)p->kind);
    if (p->max_rows == 0 || p->max_rows > INT32_MAX)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss max_rows: expected 1 to %d, got %zu", INT32_MAX, p->max_rows);
    if (p->cols == 0 || p->cols > INT32_MAX)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss cols: expected 1 to %d, got %zu", INT32_MAX, p->cols);
    return ADCL_OK;
}

static adcl_status make_scratch(adcl_context *ctx, adcl_loss *loss)
{
    adcl__loss_scratch *s = &loss->scratch;
    size_t row_bytes = loss->params.max_rows * 2 * sizeof(float);
    if (loss->params.kind == ADCL_CROSS_ENTROPY)
        ADCL_TRY(adcl__buffer_create(ctx, row_bytes, NULL, &s->row_sums));
    ADCL_TRY(adcl__buffer_create(ctx, ADCL__LOSS_PARTIALS * sizeof(float), NULL, &s->partials));
    ADCL_TRY(adcl__buffer_create(ctx, sizeof(float), NULL, &s->share));
    return adcl_tensor_create(&loss->unasked_value, ctx, ADCL_F32, 1, 1);
}

/* The value and the gradient, in place, of the first `rows` rows. */
static adcl_status warm_up_rows(adcl_context *ctx, adcl_loss *loss, const adcl_tensor *predictions,
                                const adcl_tensor *targets, size_t rows)
{
    adcl_tensor some = adcl__tensor_head(predictions, rows);
    adcl_tensor some_targets = adcl__tensor_head(targets, rows);
    return adcl_loss_compute(ctx, loss, &some, &some_targets, loss->unasked_value, &some);
}

/* Launches every kernel once: drivers compile a kernel at its first launch, some of them once more
 * for large ranges. */
static adcl_status warm_up(adcl_context *ctx, adcl_loss *loss)
{
    const adcl_loss_params *p = &loss->params;
    bool labels = p->kind == ADCL_CROSS_ENTROPY;
    adcl_tensor *predictions = NULL, *targets = NULL;
    adcl_status status = adcl_tensor_create(&predictions, ctx, ADCL_F32, p->max_rows, p->cols);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&targets, ctx, labels ? ADCL_I32 : ADCL_F32, p->max_rows,
                                    labels ? 1 : p->cols);
    if (status == ADCL_OK) status = warm_up_rows(ctx, loss, predictions, targets, p->max_rows);
    if (status == ADCL_OK) status = warm_up_rows(ctx, loss, predictions, targets, 1);
    if (status == ADCL_OK) status = adcl__finish(ctx);
    adcl_tensor_destroy(&predictions);
    adcl_tensor_destroy(&targets);
    return status;
}

adcl_status adcl_loss_create(adcl_loss **out, adcl_context *ctx, const adcl_loss_params *given)
{
    if (out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss: expected a place for the result, got NULL");
    *out = NULL;
    adcl_loss_params p;
    ADCL_TRY(read_loss_params(ctx, given, &p));
    adcl_loss *loss = calloc(1, sizeof *loss);
    if (loss == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "loss: no memory for it");
    loss->params = p;
    adcl_status status = make_scratch(ctx, loss);
    if (status == ADCL_OK) status = warm_up(ctx, loss);
    if (status != ADCL_OK) {
        adcl_loss_destroy(&loss);
        return status;
    }
    *out = loss;
    return ADCL_OK;
}

void adcl_loss_destroy(adcl_loss **loss_pointer)
{
    if (loss_pointer == NULL || *loss_pointer == NULL) return;
    adcl_loss *loss = *loss_pointer;
    if (loss->scratch.row_sums != NULL) clReleaseMemObject(loss->scratch.row_sums);
    if (loss->scratch.partials != NULL) clReleaseMemObject(loss->scratch.partials);
    if (loss->scratch.share != NULL) clReleaseMemObject(loss->scratch.share);
    adcl_tensor_destroy(&loss->unasked_value);
    free(loss);
    *loss_pointer = NULL;
}

/* ---- computing ------------------------------------------------------------------------------- */

static adcl_status check_inputs(adcl_context *ctx, const adcl_loss *loss,
                                const adcl_tensor *predictions, const adcl_tensor *targets)
{
    const adcl_loss_params *p = &loss->params;
    ADCL_TRY(adcl__check_tensor(ctx, "loss: predictions", predictions, ADCL_F32));
    ADCL_TRY(adcl__check_shape(ctx, "loss: predictions", predictions, ADCL_F32, predictions->rows,
                               p->cols));
    if (predictions->rows > p->max_rows)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss: predictions: expected at most %zu rows (max_rows), got %zu",
                          p->max_rows, predictions->rows);
    if (p->kind == ADCL_CROSS_ENTROPY)
        return adcl__check_shape(ctx, "loss: targets", targets, ADCL_I32, predictions->rows, 1);
    return adcl__check_shape(ctx, "loss: targets", targets, ADCL_F32, predictions->rows, p->cols);
}

static adcl_status check_outputs(adcl_context *ctx, const adcl_tensor *predictions,
                                 const adcl_tensor *targets, const adcl_tensor *value,
                                 const adcl_tensor *gradient)
{
    if (value == NULL && gradient == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss: expected a value or a gradient to write, got NULL for both");
    if (value != NULL) ADCL_TRY(adcl__check_shape(ctx, "loss: value", value, ADCL_F32, 1, 1));
    if (value != NULL && (adcl__tensors_overlap(value, predictions) ||
                          adcl__tensors_overlap(value, targets) ||
                          (gradient != NULL && adcl__tensors_overlap(value, gradient))))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss: value overlaps another tensor of the call");
    if (gradient == NULL) return ADCL_OK;
    ADCL_TRY(adcl__check_shape(ctx, "loss: gradient", gradient, ADCL_F32, predictions->rows,
                               predictions->cols));
    if (adcl__tensors_overlap(gradient, targets) ||
        (adcl__tensors_overlap(gradient, predictions) &&
         !adcl__tensors_equal(gradient, predictions)))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss: gradient overlaps the targets, or the predictions without being "
                          "the same; it must be exactly the predictions or lie apart");
    return ADCL_OK;
}

static adcl_status cross_entropy(adcl_context *ctx, const adcl_loss *loss,
                                 const adcl_tensor *logits, const adcl_tensor *labels,
                                 adcl_tensor *value, adcl_tensor *gradient)
{
    int32_t ignore_index = loss->params.ignore_index;
    ADCL_TRY(adcl__cross_entropy_forward(ctx, logits, labels, ignore_index, &loss->scratch,
                                         value != NULL ? value : loss->unasked_value));
    if (gradient == NULL) return ADCL_OK;
    return adcl__cross_entropy_backward(ctx, logits, labels, ignore_index, &loss->scratch,
                                        gradient);
}

static adcl_status mse(adcl_context *ctx, const adcl_loss *loss, const adcl_tensor *predictions,
                       const adcl_tensor *targets, adcl_tensor *value, adcl_tensor *gradient)
{
    bool at_once = value != NULL && gradient != NULL && adcl__mse_descends_at_once(ctx);
    if (value != NULL)
        ADCL_TRY(adcl__mse_forward(ctx, predictions, targets, &loss->scratch, value,
                                   at_once ? gradient : NULL));
    if (at_once || gradient == NULL || gradient->rows == 0) return ADCL_OK;
    return adcl__mse_backward(ctx, predictions, targets, gradient);
}

adcl_status adcl_loss_compute(adcl_context *ctx, adcl_loss *loss, const adcl_tensor *predictions,
                              const adcl_tensor *targets, adcl_tensor *value, adcl_tensor *gradient)
{
    if (ctx == NULL || loss == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss: expected a context and a loss, got NULL");
    if (loss->unasked_value->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "loss: expected a loss of this context or of one it shares with, got one "
                          "of another");
    ADCL_TRY(check_inputs(ctx, loss, predictions, targets));
    ADCL_TRY(check_outputs(ctx, predictions, targets, value, gradient));
    return loss->params.kind == ADCL_CROSS_ENTROPY
               ? cross_entropy(ctx, loss, predictions, targets, value, gradient)
               : mse(ctx, loss, predictions, targets, value, gradient);
}
