/* SPDX-License-Identifier: MIT */
#include "ops/update.h"

#include "runtime/program.h"

static adcl__kernel_id kernel(const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_UPDATE, .name = name};
}

/* ---- norm ------------------------------------------------------------------------------------ */

/* A partial for each work-item: enough of them to keep a device busy, few enough for one work-item
 * to add up. A function of the shape alone, so that the order of the sum is too. */
size_t adcl__norm_partial_count(const adcl_tensor *gradient)
{
    size_t groups = (gradient->cols + 15) / 16; /* of columns */
    return groups < ADCL__NORM_PARTIALS_MOST ? groups : ADCL__NORM_PARTIALS_MOST;
}

adcl_status adcl__norm_partials(adcl_context *ctx, const adcl_tensor *gradient, cl_mem partials,
                                size_t first)
{
    size_t items = adcl__norm_partial_count(gradient);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(gradient), ADCL__ARG(partials), {sizeof(cl_ulong), &(cl_ulong){first}},
        ADCL__UINT_ARG(gradient->rows), ADCL__UINT_ARG(gradient->cols), ADCL__UINT_ARG(items),
        ADCL__UINT_ARG(adcl__item_columns(ctx) > 1)};
    return ADCL__LAUNCH(ctx, kernel("adcl_norm_partials"), ((adcl__range){.items = {items, 1}}),
                        arguments);
}

adcl_status adcl__norm_finish(adcl_context *ctx, cl_mem partials, size_t count, adcl_tensor *norm)
{
    const adcl__argument arguments[] = {ADCL__ARG(partials), ADCL__VECTOR_ARGS(norm),
                                        ADCL__UINT_ARG(count)};
    return ADCL__LAUNCH(ctx, kernel("adcl_norm_finish"), ((adcl__range){.items = {1, 1}}),
                        arguments);
}

/* ---- step ------------------------------------------------------------------------------------ */

/* The arguments that both step kernels begin with. */
#define UPDATE_ARGS(u)                                                                             \
    ADCL__TENSOR_ARGS((u)->value), ADCL__TENSOR_ARGS((u)->gradient),                               \
        ADCL__UINT_ARG((u)->value->rows), ADCL__UINT_ARG((u)->value->cols),                        \
        ADCL__VECTOR_ARGS((u)->norm), ADCL__ARG((u)->clip_norm), ADCL__ARG((u)->rate),             \
        ADCL__ARG((u)->decay)

static adcl__range range_of(const adcl_context *ctx, const adcl__update *u)
{
    return adcl__column_range(ctx, u->value->rows, u->value->cols);
}

adcl_status adcl__sgd_step(adcl_context *ctx, const adcl__update *u, const adcl_tensor *velocity,
                           float momentum)
{
    const adcl_tensor *state = velocity != NULL ? velocity : u->value; /* must be some buffer */
    const adcl__argument arguments[] = {UPDATE_ARGS(u), ADCL__VECTOR_ARGS(state),
                                        ADCL__ARG(momentum),
                                        ADCL__UINT_ARG(adcl__item_columns(ctx))};
    return ADCL__LAUNCH(ctx, kernel("adcl_sgd_step"), range_of(ctx, u), arguments);
}

adcl_status adcl__adam_step(adcl_context *ctx, const adcl__update *u, const adcl__adam *adam)
{
    float beta1 = (float)adam->beta1, beta1_rest = (float)(1.0 - adam->beta1);
    float beta2 = (float)adam->beta2, beta2_rest = (float)(1.0 - adam->beta2);
    const adcl__argument arguments[] = {
        UPDATE_ARGS(u), ADCL__ARG(u->shrink), ADCL__VECTOR_ARGS(&adam->m),
        {sizeof(cl_ulong), &(cl_ulong){adam->v.offset}}, ADCL__ARG(beta1), ADCL__ARG(beta1_rest),
        ADCL__ARG(beta2), ADCL__ARG(beta2_rest), ADCL__ARG(adam->v_scale),
        ADCL__ARG(adam->epsilon_root), ADCL__ARG(adam->epsilon),
        ADCL__UINT_ARG(adcl__item_columns(ctx))};
    return ADCL__LAUNCH(ctx, kernel("adcl_adam_step"), range_of(ctx, u), arguments);
}
