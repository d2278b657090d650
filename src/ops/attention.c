/* SPDX-License-Identifier: MIT */
#include "ops/attention.h"

#include "runtime/program.h"

#include <math.h>
#include <stdio.h>

/* More lanes than this would mostly be empty: many sequences have a dozen tokens. */
enum { WIDEST = 8 };

adcl__attention adcl__attention_describe(const adcl_context *ctx, size_t heads, size_t head_size)
{
    size_t vector = ctx->family->vector_width;
    adcl__attention attention = {
        .heads = heads, .head_size = head_size, .width = vector >= WIDEST ? WIDEST : 4};
    snprintf(attention.options, sizeof attention.options, "-DADCL_WIDTH=%zu -DADCL_HEAD=%zu",
             attention.width, head_size);
    return attention;
}

static adcl__kernel_id kernel(const adcl__attention *attention, const char *name)
{
    return (adcl__kernel_id){ADCL__PROGRAM_ATTENTION, 0, name, attention->options};
}

static float scale_of(const adcl__attention *attention)
{
    return (float)(1.0 / sqrt((double)attention->head_size));
}

adcl_status adcl__attention_forward(adcl_context *ctx, const adcl__attention *attention,
                                    const adcl_tensor *qkv, const adcl_tensor *blocks,
                                    size_t block_count, const adcl_tensor *log_sum,
                                    adcl_tensor *out)
{
    const float scale = scale_of(attention);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(qkv), ADCL__ARG(blocks->buffer), ADCL__ARG(log_sum->buffer),
        ADCL__TENSOR_ARGS(out), ADCL__UINT_ARG(block_count), ADCL__UINT_ARG(attention->heads),
        ADCL__ARG(scale)};
    return ADCL__LAUNCH(ctx, kernel(attention, "adcl_attention_fwd"),
                        ((adcl__range){{block_count, attention->heads}, {1, 1}}), arguments);
}

adcl_status adcl__attention_backward(adcl_context *ctx, const adcl__attention *attention,
                                     const adcl__attention_kept *kept, const adcl_tensor *dout,
                                     const adcl_tensor *delta, adcl_tensor *dqkv)
{
    const float scale = scale_of(attention);
    const adcl__range range = {{kept->block_count, attention->heads}, {1, 1}};
    const adcl__argument of_queries[] = {
        ADCL__TENSOR_ARGS(kept->qkv), ADCL__ARG(kept->blocks->buffer),
        ADCL__ARG(kept->log_sum->buffer), ADCL__TENSOR_ARGS(kept->out), ADCL__TENSOR_ARGS(dout),
        ADCL__ARG(delta->buffer), ADCL__TENSOR_ARGS(dqkv), ADCL__UINT_ARG(kept->block_count),
        ADCL__UINT_ARG(attention->heads), ADCL__ARG(scale)};
    const adcl__argument of_keys[] = {
        ADCL__TENSOR_ARGS(kept->qkv), ADCL__ARG(kept->blocks->buffer),
        ADCL__ARG(kept->log_sum->buffer), ADCL__TENSOR_ARGS(dout), ADCL__ARG(delta->buffer),
        ADCL__TENSOR_ARGS(dqkv), ADCL__UINT_ARG(kept->block_count),
        ADCL__UINT_ARG(attention->heads), ADCL__ARG(scale)};
    ADCL_TRY(ADCL__LAUNCH(ctx, kernel(attention, "adcl_attention_bwd_queries"), range, of_queries));
    return ADCL__LAUNCH(ctx, kernel(attention, "adcl_attention_bwd_keys"), range, of_keys);
}
