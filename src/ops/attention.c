/* SPDX-License-Identifier: MIT */
#include "ops/attention.h"

#include "ops/cpu_tile.h"
#include "runtime/program.h"

#include <math.h>
#include <stdio.h>

/* More lanes than this would mostly be empty: many sequences have a dozen tokens. */
enum { WIDEST = 16 };

/* Of cl/attention_gpu.cl: tokens of a block, items of a group, and columns of a head at most, for local memory. */
enum { GROUP_TOKENS = 16, GROUP_ITEMS = 64, GROUP_HEAD_MOST = 64 };

adcl__attention adcl__attention_describe(const adcl_context *ctx, size_t heads, size_t head_size,
                                         size_t longest)
{
    bool in_groups = adcl__takes_groups(ctx) && head_size <= GROUP_HEAD_MOST;
    /* Two of the device's vectors: a number of a key that was loaded serves both. */
    size_t lanes = adcl__least(2 * adcl__widest_vector(ctx), WIDEST);
    return (adcl__attention){.heads = heads,
                             .head_size = head_size,
                             .in_groups = in_groups,
                             .width = in_groups ? GROUP_TOKENS : lanes,
                             .longest = longest};
}

/* Enqueues over (blocks, heads), an item or a group each; masked programs are others. */
static adcl_status launch(adcl_context *ctx, const adcl__attention *attention, const char *of_items,
                          const char *of_groups, bool masked, size_t block_count,
                          const adcl__argument *arguments, size_t count)
{
    char options[96];
    bool in_groups = attention->in_groups;
    snprintf(options, sizeof options, "-DADCL_WIDTH=%zu -DADCL_HEAD=%zu -DADCL_DROPOUT=%d",
             in_groups ? 1 : attention->width, attention->head_size, masked);
    const adcl__kernel_id kernel = {.program = in_groups ? ADCL__PROGRAM_ATTENTION_GPU
                                                         : ADCL__PROGRAM_ATTENTION,
                                    .name = in_groups ? of_groups : of_items,
                                    .options = options};
    size_t items = in_groups ? GROUP_ITEMS : 1;
    return adcl__launch(ctx, kernel,
                        (adcl__range){{block_count * items, attention->heads}, {items, 1}},
                        arguments, count);
}

#define LAUNCH(pass, masked, blocks, arguments)                                                    \
    launch(ctx, attention, "adcl_attention_" pass, "adcl_attention_gpu_" pass, masked, blocks,     \
           arguments, sizeof(arguments) / sizeof((arguments)[0]))

static const adcl__dropout_mask no_mask;

#define MASK_ARGS(mask)                                                                            \
    {sizeof(cl_ulong), &(mask)->seed}, {sizeof(cl_ulong), &(mask)->step},                          \
        {sizeof(cl_uint), &(mask)->threshold}, {sizeof(float), &(mask)->keep_scale},               \
        ADCL__UINT_ARG(attention->longest)

static float scale_of(const adcl__attention *attention)
{
    return (float)(1.0 / sqrt((double)attention->head_size));
}

adcl_status adcl__attention_forward(adcl_context *ctx, const adcl__attention *attention,
                                    const adcl_tensor *qkv, const adcl_tensor *blocks,
                                    size_t block_count, const adcl__dropout_mask *mask,
                                    const adcl_tensor *log_sum, adcl_tensor *out)
{
    const float scale = scale_of(attention);
    const adcl__dropout_mask *m = mask != NULL ? mask : &no_mask;
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(qkv), ADCL__ARG(blocks->buffer), ADCL__ARG(log_sum->buffer),
        ADCL__TENSOR_ARGS(out), ADCL__UINT_ARG(block_count), ADCL__UINT_ARG(attention->heads),
        ADCL__ARG(scale), MASK_ARGS(m)};
    return LAUNCH("fwd", mask != NULL, block_count, arguments);
}

adcl_status adcl__attention_backward(adcl_context *ctx, const adcl__attention *attention,
                                     const adcl__attention_kept *kept, const adcl_tensor *dout,
                                     const adcl_tensor *delta, adcl_tensor *dqkv)
{
    const float scale = scale_of(attention);
    const adcl__dropout_mask *m = kept->mask != NULL ? kept->mask : &no_mask;
    bool masked = kept->mask != NULL;
    const adcl__argument of_queries[] = {
        ADCL__TENSOR_ARGS(kept->qkv), ADCL__ARG(kept->blocks->buffer),
        ADCL__ARG(kept->log_sum->buffer), ADCL__TENSOR_ARGS(kept->out), ADCL__TENSOR_ARGS(dout),
        ADCL__ARG(delta->buffer), ADCL__TENSOR_ARGS(dqkv), ADCL__UINT_ARG(kept->block_count),
        ADCL__UINT_ARG(attention->heads), ADCL__ARG(scale), MASK_ARGS(m)};
    const adcl__argument of_keys[] = {
        ADCL__TENSOR_ARGS(kept->qkv), ADCL__ARG(kept->blocks->buffer),
        ADCL__ARG(kept->log_sum->buffer), ADCL__TENSOR_ARGS(dout), ADCL__ARG(delta->buffer),
        ADCL__TENSOR_ARGS(dqkv), ADCL__UINT_ARG(kept->block_count),
        ADCL__UINT_ARG(attention->heads), ADCL__ARG(scale), MASK_ARGS(m)};
    ADCL_TRY(LAUNCH("bwd_queries", masked, kept->block_count, of_queries));
    return LAUNCH("bwd_keys", masked, kept->block_count, of_keys);
}
