/* SPDX-License-Identifier: MIT */
#include "ops/layer_norm.h"

#include "ops/cpu_tile.h"
#include "runtime/program.h"

/* As in cl/layer_norm.cl. */
enum { SECOND = 1, THIRD = 2, KEEPS = 4 };

/* One program for each width. The widest, so that the order of sums is the device's alone. */
static adcl__kernel_id kernel(const adcl_context *ctx, const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_LAYER_NORM,
                             .name = name,
                             .options = adcl__width_option(adcl__widest_vector(ctx))};
}

/* Work-items of a group in cl/layer_norm_gpu.cl. */
enum { GROUP_ITEMS = 64 };

/* Over rows, an item or a group each. */
static adcl_status launch(adcl_context *ctx, const char *of_items, const char *of_groups, size_t rows,
                          const adcl__argument *arguments, size_t count)
{
    if (!adcl__takes_groups(ctx))
        return adcl__launch(ctx, kernel(ctx, of_items), (adcl__range){.items = {rows, 1}}, arguments,
                            count);
    return adcl__launch(
        ctx, (adcl__kernel_id){.program = ADCL__PROGRAM_LAYER_NORM_GPU, .name = of_groups},
        (adcl__range){{rows * GROUP_ITEMS, 1}, {GROUP_ITEMS, 1}}, arguments, count);
}

#define LAUNCH_PER_ROW(pass, rows, arguments)                                                      \
    launch(ctx, "adcl_layer_norm_" pass, "adcl_layer_norm_gpu_" pass, rows, arguments,             \
           sizeof(arguments) / sizeof((arguments)[0]))

adcl_status adcl__layer_norm_forward(adcl_context *ctx, const adcl__layer_norm *norm,
                                     const adcl_tensor *a, const adcl_tensor *b,
                                     const adcl_tensor *c, const adcl__layer_norm_kept *kept,
                                     adcl_tensor *y)
{
    /* Some buffer must be named also for what is not used. */
    const adcl_tensor *second = b != NULL ? b : a, *third = c != NULL ? c : a;
    const adcl_tensor *normal = kept != NULL ? kept->normal : y;
    const adcl_tensor *inverse = kept != NULL ? kept->inverse : y;
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(a), ADCL__TENSOR_ARGS(second), ADCL__TENSOR_ARGS(third),
        ADCL__VECTOR_ARGS(norm->weight), ADCL__VECTOR_ARGS(norm->bias), ADCL__ARG(norm->epsilon),
        ADCL__TENSOR_ARGS(normal), ADCL__ARG(inverse->buffer), ADCL__TENSOR_ARGS(y),
        ADCL__UINT_ARG(a->rows), ADCL__UINT_ARG(a->cols),
        ADCL__UINT_ARG((b != NULL ? SECOND : 0) | (c != NULL ? THIRD : 0) |
                       (kept != NULL ? KEEPS : 0))};
    return LAUNCH_PER_ROW("fwd", a->rows, arguments);
}

adcl_status adcl__layer_norm_backward(adcl_context *ctx, const adcl__layer_norm *norm,
                                      const adcl__layer_norm_kept *kept, const adcl_tensor *dy,
                                      adcl_tensor *dx)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(dy), ADCL__VECTOR_ARGS(norm->weight), ADCL__TENSOR_ARGS(kept->normal),
        ADCL__ARG(kept->inverse->buffer), ADCL__TENSOR_ARGS(dx), ADCL__UINT_ARG(dy->rows),
        ADCL__UINT_ARG(dy->cols)};
    return LAUNCH_PER_ROW("bwd", dy->rows, arguments);
}

adcl_status adcl__layer_norm_gradients(adcl_context *ctx, const adcl__layer_norm_kept *kept,
                                       const adcl_tensor *dy, adcl_tensor *weight_gradient,
                                       adcl_tensor *bias_gradient)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(dy), ADCL__TENSOR_ARGS(kept->normal), ADCL__VECTOR_ARGS(weight_gradient),
        ADCL__VECTOR_ARGS(bias_gradient), ADCL__UINT_ARG(dy->rows), ADCL__UINT_ARG(dy->cols)};
    return ADCL__LAUNCH(ctx, kernel(ctx, "adcl_layer_norm_gradients"),
                        ((adcl__range){.items = {dy->cols, 1}}), arguments);
}
