/* SPDX-License-Identifier: MIT */
#include "ops/loss.h"

#include "runtime/program.h"

static adcl__kernel_id kernel(const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_LOSS, .name = name};
}

/* Rows are cut into at most ADCL__LOSS_BLOCKS blocks: a function of N alone, so that the order of
 * the sum is too. */
typedef struct row_blocks {
    size_t rows; /* of one block */
    size_t count;
} row_blocks;

static row_blocks cut_rows(size_t rows)
{
    size_t block_rows = (rows + ADCL__LOSS_BLOCKS - 1) / ADCL__LOSS_BLOCKS;
    if (block_rows == 0) block_rows = 1;
    return (row_blocks){block_rows, (rows + block_rows - 1) / block_rows};
}

/* value = mean of what the forward left in the partials. */
static adcl_status finish(adcl_context *ctx, const adcl__loss_scratch *scratch, size_t block_count,
                          adcl_tensor *value)
{
    const adcl__argument arguments[] = {
        ADCL__ARG(scratch->partials), ADCL__ARG(scratch->share), ADCL__VECTOR_ARGS(value),
        ADCL__UINT_ARG(block_count)};
    return ADCL__LAUNCH(ctx, kernel("adcl_loss_finish"), ((adcl__range){.items = {1, 1}}),
                        arguments);
}

adcl_status adcl__cross_entropy_forward(adcl_context *ctx, const adcl_tensor *logits,
                                        const adcl_tensor *labels, int32_t ignore_index,
                                        const adcl__loss_scratch *scratch, adcl_tensor *value)
{
    row_blocks blocks = cut_rows(logits->rows);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(logits),     ADCL__TENSOR_ARGS(labels),
        ADCL__ARG(scratch->row_sums),  ADCL__ARG(scratch->partials),
        ADCL__UINT_ARG(logits->rows),  ADCL__UINT_ARG(logits->cols),
        ADCL__ARG(ignore_index),       ADCL__UINT_ARG(blocks.rows)};
    ADCL_TRY(ADCL__LAUNCH(ctx, kernel("adcl_cross_entropy_fwd"),
                          ((adcl__range){.items = {blocks.count, 1}}), arguments));
    return finish(ctx, scratch, blocks.count, value);
}

adcl_status adcl__cross_entropy_backward(adcl_context *ctx, const adcl_tensor *logits,
                                         const adcl_tensor *labels, int32_t ignore_index,
                                         const adcl__loss_scratch *scratch, adcl_tensor *gradient)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(logits),    ADCL__TENSOR_ARGS(labels),
        ADCL__ARG(scratch->row_sums), ADCL__ARG(scratch->share),
        ADCL__TENSOR_ARGS(gradient),  ADCL__UINT_ARG(logits->rows),
        ADCL__UINT_ARG(logits->cols), ADCL__ARG(ignore_index)};
    return ADCL__LAUNCH(ctx, kernel("adcl_cross_entropy_bwd"),
                        ((adcl__range){.items = {logits->cols, logits->rows}}), arguments);
}

bool adcl__mse_descends_at_once(const adcl_context *ctx)
{
    return adcl__item_columns(ctx) > 1;
}

static float mse_slope(const adcl_tensor *predictions)
{
    return (float)(2.0 / ((double)predictions->rows * (double)predictions->cols));
}

adcl_status adcl__mse_forward(adcl_context *ctx, const adcl_tensor *predictions,
                              const adcl_tensor *targets, const adcl__loss_scratch *scratch,
                              adcl_tensor *value, adcl_tensor *gradient)
{
    row_blocks blocks = cut_rows(predictions->rows);
    adcl__range range = {.items = {blocks.count, 1}};
    if (adcl__mse_descends_at_once(ctx)) range.local[0] = range.local[1] = 1;
    float slope = mse_slope(predictions);
    const adcl_tensor *to = gradient != NULL ? gradient : predictions; /* some buffer must be named */
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(predictions), ADCL__TENSOR_ARGS(targets), ADCL__TENSOR_ARGS(to),
        ADCL__ARG(scratch->partials), ADCL__UINT_ARG(predictions->rows),
        ADCL__UINT_ARG(predictions->cols), ADCL__UINT_ARG(blocks.rows), ADCL__ARG(slope),
        ADCL__UINT_ARG(gradient != NULL)};
    ADCL_TRY(ADCL__LAUNCH(ctx, kernel("adcl_mse_fwd"), range, arguments));
    return finish(ctx, scratch, blocks.count, value);
}

adcl_status adcl__mse_backward(adcl_context *ctx, const adcl_tensor *predictions,
                               const adcl_tensor *targets, adcl_tensor *gradient)
{
    float slope = mse_slope(predictions);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(predictions), ADCL__TENSOR_ARGS(targets), ADCL__TENSOR_ARGS(gradient),
        ADCL__UINT_ARG(predictions->rows), ADCL__UINT_ARG(predictions->cols), ADCL__ARG(slope),
        ADCL__UINT_ARG(adcl__item_columns(ctx))};
    return ADCL__LAUNCH(ctx, kernel("adcl_mse_bwd"),
                        adcl__column_range(ctx, predictions->rows, predictions->cols), arguments);
}
