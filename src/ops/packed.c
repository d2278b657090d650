/* SPDX-License-Identifier: MIT */
#include "ops/packed.h"

#include "base/size.h"
#include "ops/cpu_tile.h"
#include "ops/gpu_tile.h"
#include "runtime/program.h"

#include <stdlib.h>

/* As in cl/packed.cl. */
enum { HAS_BIAS = 1, HAS_OWN = 2, ACTIVATES = 4, KEEPS_SLOPE = 8, TAKES_SLOPE = 16 };

/* Tiles of cl/packed_gpu.cl, of PANEL columns: for many rows, and for fewer, so that every compute unit has
 * one. Teams and steps are the same, so that results are. scripts/check-kernels.sh compiles each of them. */
#define PANEL 64
#define GROUP_ITEMS 256 /* of the larger */
static const adcl__gpu_tile many_rows_tile = {2, 128, 64, 8, 16};
static const adcl__gpu_tile low_tile = {2, 64, 64, 4, 16};

bool adcl__packs_products(const adcl_context *ctx)
{
    if (ctx->fused_plan == ADCL_FUSED_PLAN_CPU) return true;
    return adcl__takes_groups(ctx) && ctx->family->max_work_group_size >= GROUP_ITEMS;
}

static size_t panel_columns(const adcl_context *ctx)
{
    return adcl__takes_groups(ctx) ? PANEL : adcl__panel_columns(adcl__widest_vector(ctx));
}

/* ---- packing ---------------------------------------------------------------------------------- */

static void pack(const adcl__packed_source *s, size_t columns, float *panels)
{
    for (size_t first = 0; first < s->outputs; first += columns)
        for (size_t k = 0; k < s->inputs; k++, panels += columns)
            for (size_t c = 0; c < columns && first + c < s->outputs; c++)
                panels[c] = s->weight[k * s->k_stride + (first + c) * s->m_stride];
}

adcl_status adcl__packed_create(adcl_context *ctx, const adcl__packed_source *source,
                                adcl__packed *out)
{
    size_t columns = panel_columns(ctx), padded = adcl__round_up(source->outputs, columns);
    size_t count; /* of the panels and the bias */
    *out = (adcl__packed){0};
    if (!adcl__size_add(source->inputs, 1, &count) || !adcl__size_mul(padded, count, &count))
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "packing a matrix of %zu × %zu: it is too large", source->inputs,
                          source->outputs);
    float *numbers = calloc(count, sizeof *numbers);
    if (numbers == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                          "packing a matrix of %zu × %zu: no memory for it", source->inputs,
                          source->outputs);
    pack(source, columns, numbers);
    *out = (adcl__packed){.inputs = source->inputs, .outputs = source->outputs};
    adcl_status status = adcl__tensor_from(ctx, numbers, 1, padded * source->inputs, &out->panels);
    if (status == ADCL_OK && source->bias != NULL) {
        float *bias = numbers + padded * source->inputs;
        for (size_t m = 0; m < source->outputs; m++) bias[m] = source->bias[m];
        status = adcl__tensor_from(ctx, bias, 1, padded, &out->bias);
    }
    free(numbers);
    if (status != ADCL_OK) adcl__packed_release(out);
    return status;
}

void adcl__packed_release(adcl__packed *packed)
{
    adcl_tensor_destroy(&packed->panels);
    adcl_tensor_destroy(&packed->bias);
    *packed = (adcl__packed){0};
}

/* ---- products --------------------------------------------------------------------------------- */

/* How the work is cut: rows first, for a matrix read once serves many of them; columns where rows are
 * few. Results do not depend on it. */
static adcl__range cut(const adcl_context *ctx, size_t rows, size_t outputs)
{
    size_t units = ctx->family->info.compute_units;
    size_t items = ADCL__ITEMS_PER_UNIT * (units > 0 ? units : 1);
    size_t row_items = adcl__least(adcl__blocks_of(adcl__blocks_of(rows, ADCL__TILE_ROWS), 8), items);
    size_t panels = adcl__blocks_of(outputs, panel_columns(ctx));
    return (adcl__range){{row_items, adcl__least(panels, adcl__blocks_of(items, row_items))}, {1, 1}};
}

static adcl__kernel_id kernel(const adcl_context *ctx, adcl_activation activation)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_PACKED,
                             .variant = (int)activation,
                             .name = "adcl_packed_product",
                             .options = adcl__width_option(adcl__widest_vector(ctx))};
}

static adcl_status launch_groups(adcl_context *ctx, adcl_activation activation, size_t rows,
                                 size_t outputs, const adcl__argument *arguments, size_t count)
{
    bool many = adcl__gpu_tile_count(many_rows_tile, rows, outputs) >= ctx->family->info.compute_units;
    adcl__gpu_tile tile = many ? many_rows_tile : low_tile;
    char options[160];
    adcl__gpu_tile_options(tile, "-DADCL_WIDTH=4", options, sizeof options);
    const adcl__kernel_id id = {.program = ADCL__PROGRAM_PACKED_GPU,
                                .variant = (int)activation,
                                .name = "adcl_packed_gpu_product",
                                .options = options};
    const adcl__range range = adcl__gpu_tile_range(tile, adcl__gpu_tile_count(tile, rows, outputs));
    return adcl__launch(ctx, id, range, arguments, count);
}

adcl_status adcl__packed_product(adcl_context *ctx, const adcl__packed *packed,
                                 const adcl_tensor *a, const adcl__product_end *end,
                                 adcl_tensor *out)
{
    /* Some buffer must be named also for what is not used. */
    const adcl_tensor *bias = packed->bias != NULL ? packed->bias : packed->panels;
    const adcl_tensor *own = end->own != NULL ? end->own : a;
    const adcl_tensor *slope = end->keep != NULL ? end->keep : end->slope != NULL ? end->slope : a;
    int mode = (packed->bias != NULL ? HAS_BIAS : 0) | (end->own != NULL ? HAS_OWN : 0) |
               (end->activates ? ACTIVATES : 0) | (end->keep != NULL ? KEEPS_SLOPE : 0) |
               (end->slope != NULL ? TAKES_SLOPE : 0);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(a), ADCL__ARG(packed->panels->buffer), ADCL__ARG(bias->buffer),
        ADCL__TENSOR_ARGS(own), ADCL__TENSOR_ARGS(slope), ADCL__TENSOR_ARGS(out),
        ADCL__UINT_ARG(out->rows), ADCL__UINT_ARG(packed->inputs), ADCL__UINT_ARG(packed->outputs),
        ADCL__UINT_ARG(mode)};
    const size_t count = sizeof arguments / sizeof arguments[0];
    if (adcl__takes_groups(ctx))
        return launch_groups(ctx, end->activation, out->rows, packed->outputs, arguments, count);
    return adcl__launch(ctx, kernel(ctx, end->activation), cut(ctx, out->rows, packed->outputs), arguments,
                        count);
}
