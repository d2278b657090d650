/* SPDX-License-Identifier: MIT */
/* engine_gemm.c – CLBlast for the products, small kernels for the rest.
 *
 *   forward    z = x·w_down         h = act(z + b_down)         y = [x +] s·b_up;  y += s·h·w_up
 *   backward   db_up += s·Σdy       dh = s·dy·w_upᵀ             dz = dh ∘ act′(z);  h once more
 *              dw_up += s·hᵀ·dy     db_down += Σdz              dw_down += xᵀ·dz
 *              dx = [dy]            dx += dz·w_downᵀ
 *
 * With dropout, du = mask·dy stands in for dy on the way to the parameters, and the forward forms
 * h·w_up before the residual. [ ]: not for a parallel adapter. */
#include "adapter/engine.h"

#include "ops/activation.h"
#include "ops/gemm.h"
#include "ops/reduce.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct gemm_state {
    adcl_tensor *z;  /* (max_rows, R): kept from forward for backward */
    adcl_tensor *h;  /* (max_rows, width); NULL in inference, where h takes z's place */
    adcl_tensor *dz; /* (max_rows, R); training */
    adcl_tensor *dh; /* (max_rows, 1): for log_sumexp; NULL where dz serves */
    adcl_tensor *du; /* (max_rows, D); with dropout */
    cl_mem products; /* CLBlast's scratch; NULL if it never needs any */
    cl_mem sums;     /* scratch of column sums; training */
} gemm_state;

/* ---- memory -----------------------------------------------------------------------------------*/

/* The largest scratch over all products of a pass. */
static adcl_status product_scratch(adcl_context *ctx, const adcl_workspace *ws, size_t *bytes)
{
    size_t rows = ws->max_rows, d = ws->hidden_size, r = ws->bottleneck_size, width = ws->width;
    const adcl__gemm_shape products[] = {
        {false, false, rows, r, d},    /* z = x·w_down */
        {false, false, rows, d, width}, /* y += h·w_up */
        {false, true, rows, width, d}, /* dh = dy·w_upᵀ */
        {true, false, width, d, rows}, /* dw_up += hᵀ·dy */
        {true, false, d, r, rows},     /* dw_down += xᵀ·dz */
        {false, true, rows, d, r},     /* dx += dz·w_downᵀ */
    };
    size_t count = ws->mode == ADCL_TRAINING ? sizeof products / sizeof products[0] : 2;
    return adcl__gemm_scratch_most(ctx, products, count, bytes);
}

/* Columns of each of the state's matrices, 0 for those that this workspace does without. */
typedef struct gemm_columns {
    size_t z, h, dz, dh, du;
} gemm_columns;

static gemm_columns columns_of(const adcl_workspace *ws)
{
    bool training = ws->mode == ADCL_TRAINING, one_column = ws->width != ws->bottleneck_size;
    return (gemm_columns){
        .z = ws->bottleneck_size,
        .h = training || one_column ? ws->width : 0,
        .dz = training ? ws->bottleneck_size : 0,
        .dh = training && one_column ? ws->width : 0,
        .du = adcl__workspace_drops(ws) ? ws->hidden_size : 0,
    };
}

static size_t sums_bytes(const adcl_workspace *ws)
{
    if (ws->mode != ADCL_TRAINING) return 0;
    size_t d = ws->hidden_size, r = ws->bottleneck_size;
    return adcl__colsum_scratch(d > r ? d : r) * sizeof(float);
}

static adcl_status gemm_bytes(adcl_context *ctx, const adcl_workspace *ws, size_t *bytes)
{
    gemm_columns columns = columns_of(ws);
    ADCL_TRY(product_scratch(ctx, ws, bytes));
    *bytes += sums_bytes(ws) + sizeof(float) * ws->max_rows *
                                   (columns.z + columns.h + columns.dz + columns.dh + columns.du);
    return ADCL_OK;
}

/* With other parameters than its own CLBlast adds in another order. */
static void name_parameters(adcl_context *ctx, adcl_workspace *ws)
{
    adcl__gemm_tuning tuning;
    char text[ADCL__GEMM_TUNING_TEXT];
    adcl__gemm_current(ctx, &tuning);
    if (adcl__gemm_tuning_is_none(&tuning)) return;
    adcl__gemm_tuning_print(&tuning, text);
    snprintf(ws->plan, sizeof ws->plan, "%s:%s", ws->engine->plan, text);
}

static adcl_status gemm_prepare(adcl_context *ctx, adcl_workspace *ws)
{
    gemm_state *s = ws->state = calloc(1, sizeof *s);
    if (s == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "workspace: no memory for it");
    name_parameters(ctx, ws);
    gemm_columns columns = columns_of(ws);
    size_t products;
    ADCL_TRY(product_scratch(ctx, ws, &products));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.z, &s->z));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.h, &s->h));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.dz, &s->dz));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.dh, &s->dh));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.du, &s->du));
    if (products > 0) ADCL_TRY(adcl__buffer_create(ctx, products, NULL, &s->products));
    if (sums_bytes(ws) > 0) ADCL_TRY(adcl__buffer_create(ctx, sums_bytes(ws), NULL, &s->sums));
    return ADCL_OK;
}

static void gemm_release(adcl_workspace *ws)
{
    gemm_state *s = ws->state;
    if (s == NULL) return;
    adcl_tensor_destroy(&s->z);
    adcl_tensor_destroy(&s->h);
    adcl_tensor_destroy(&s->dz);
    adcl_tensor_destroy(&s->dh);
    adcl_tensor_destroy(&s->du);
    if (s->products != NULL) clReleaseMemObject(s->products);
    if (s->sums != NULL) clReleaseMemObject(s->sums);
    free(s);
    ws->state = NULL;
}

/* ---- passes -----------------------------------------------------------------------------------*/

static adcl_status gemm_forward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                const adcl_tensor *x, adcl_tensor *y)
{
    gemm_state *s = ws->state;
    adcl_tensor z = adcl__tensor_head(s->z, x->rows);                         /* (N, R) */
    adcl_tensor h = adcl__tensor_head(s->h != NULL ? s->h : s->z, x->rows);   /* (N, width) */
    const adcl_tensor *own = a->parallel ? NULL : x;
    const adcl_tensor *b_up = a->values[ADCL_UP_BIAS];
    ADCL_TRY(adcl__gemm_run(ctx, &(adcl__gemm){.alpha = 1.0f, .a = x,
                                               .b = a->values[ADCL_DOWN_KERNEL], .c = &z,
                                               .scratch = s->products}));
    ADCL_TRY(adcl__activation_forward(ctx, a->activation, &z, a->values[ADCL_DOWN_BIAS], &h));
    adcl__gemm up = {.alpha = a->scaling, .beta = 1.0f, .a = &h, .b = a->values[ADCL_UP_KERNEL],
                     .c = y, .scratch = s->products};
    if (adcl__workspace_drops(ws)) {
        up.alpha = 1.0f;
        up.beta = 0.0f;
        ADCL_TRY(adcl__gemm_run(ctx, &up));
        return adcl__dropout_forward(ctx, own, b_up, a->scaling, &ws->mask, y);
    }
    ADCL_TRY(adcl__residual_forward(ctx, own, b_up, a->scaling, y));
    return adcl__gemm_run(ctx, &up);
}

/* dz (N, R) and h (N, width) from du (N, D). */
static adcl_status bottleneck_gradient(adcl_context *ctx, const adcl_adapter *a, gemm_state *s,
                                       const adcl_tensor *du, adcl_tensor *dz, adcl_tensor *h)
{
    adcl_tensor z = adcl__tensor_head(s->z, du->rows);
    adcl_tensor dh = adcl__tensor_head(s->dh != NULL ? s->dh : s->dz, du->rows);
    ADCL_TRY(adcl__gemm_run(ctx, &(adcl__gemm){.transpose_b = true, .alpha = a->scaling, .a = du,
                                               .b = a->values[ADCL_UP_KERNEL], .c = &dh,
                                               .scratch = s->products}));
    return adcl__activation_backward(ctx, a->activation, &z, &dh, dz, h);
}

/* kernel_gradient += alpha·inputᵀ·output_gradient, bias_gradient += alpha·Σ output_gradient; a NULL
 * gradient is not wanted. */
static adcl_status parameter_gradients(adcl_context *ctx, gemm_state *s, float alpha,
                                       const adcl_tensor *input, const adcl_tensor *output_gradient,
                                       adcl_tensor *kernel_gradient, adcl_tensor *bias_gradient)
{
    if (bias_gradient != NULL)
        ADCL_TRY(adcl__colsum(ctx, output_gradient, alpha, s->sums, bias_gradient));
    if (kernel_gradient == NULL) return ADCL_OK;
    return adcl__gemm_run(ctx, &(adcl__gemm){.transpose_a = true, .alpha = alpha, .beta = 1.0f,
                                             .a = input, .b = output_gradient, .c = kernel_gradient,
                                             .scratch = s->products});
}

/* dx = [dy +] dz·w_downᵀ. dx may be dy. */
static adcl_status input_gradient(adcl_context *ctx, const adcl_adapter *a, gemm_state *s,
                                  const adcl_tensor *dy, const adcl_tensor *dz, adcl_tensor *dx)
{
    if (!a->parallel && !adcl__tensors_equal(dx, dy)) ADCL_TRY(adcl_tensor_copy(ctx, dy, dx));
    return adcl__gemm_run(ctx, &(adcl__gemm){.transpose_b = true, .alpha = 1.0f,
                                             .beta = a->parallel ? 0.0f : 1.0f, .a = dz,
                                             .b = a->values[ADCL_DOWN_KERNEL], .c = dx,
                                             .scratch = s->products});
}

static adcl_status gemm_backward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                 const adcl_tensor *dy, adcl_tensor *dx)
{
    gemm_state *s = ws->state;
    adcl_tensor dz = adcl__tensor_head(s->dz, dy->rows), h = adcl__tensor_head(s->h, dy->rows);
    adcl_tensor *wanted[ADCL_ADAPTER_SLOT_COUNT];
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        wanted[slot] = adcl__adapter_wanted_gradient(a, (adcl_adapter_slot)slot);
    bool bottleneck = dx != NULL || wanted[ADCL_DOWN_KERNEL] != NULL ||
                      wanted[ADCL_DOWN_BIAS] != NULL || wanted[ADCL_UP_KERNEL] != NULL;
    if (!bottleneck && wanted[ADCL_UP_BIAS] == NULL) return ADCL_OK;
    adcl_tensor du = *dy;
    if (adcl__workspace_drops(ws)) {
        du = adcl__tensor_head(s->du, dy->rows);
        ADCL_TRY(adcl__dropout_backward(ctx, dy, &ws->mask, &du));
    }
    if (bottleneck) ADCL_TRY(bottleneck_gradient(ctx, a, s, &du, &dz, &h));
    ADCL_TRY(parameter_gradients(ctx, s, a->scaling, &h, &du, wanted[ADCL_UP_KERNEL],
                                 wanted[ADCL_UP_BIAS]));
    ADCL_TRY(parameter_gradients(ctx, s, 1.0f, &ws->x, &dz, wanted[ADCL_DOWN_KERNEL],
                                 wanted[ADCL_DOWN_BIAS]));
    return dx == NULL ? ADCL_OK : input_gradient(ctx, a, s, dy, &dz, dx);
}

const adcl__engine_functions adcl__engine_gemm = {
    .id = ADCL_ENGINE_GEMM,
    .plan = "gemm/1",
    .bytes = gemm_bytes,
    .prepare = gemm_prepare,
    .release = gemm_release,
    .forward = gemm_forward,
    .backward = gemm_backward,
};
