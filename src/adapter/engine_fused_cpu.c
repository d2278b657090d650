/* SPDX-License-Identifier: MIT */
/* engine_fused_cpu.c – whole passes in one to four launches of cl/fused_cpu.cl.
 *
 *   forward    one launch, two for few rows               z, h
 *   backward   transpose the kernels                      w_up_t, w_down_t
 *              dz (and dx)                                dz, du under dropout
 *              gradients                                  into the adapter's
 *              dx, if it takes dy's place or rows are few
 *
 * Nothing is kept between calls but z and h, so parameters may change at any time. */
#include "adapter/engine.h"

#include "ops/fused_cpu.h"

#include <stdlib.h>

typedef struct fused_state {
    adcl__fused_cpu program;
    adcl_tensor *z;  /* (max_rows, R): kept from forward for backward */
    adcl_tensor *h;  /* (max_rows, W); NULL in inference, where h takes z's place */
    adcl_tensor *dz; /* (max_rows, R); training */
    adcl_tensor *du; /* (max_rows, D); with dropout */
    adcl_tensor *w_up_t;   /* (D, W); training */
    adcl_tensor *w_down_t; /* (R, D); training */
} fused_state;

/* ---- memory ----------------------------------------------------------------------------------- */

/* Columns of each of the state's matrices, 0 for those that this workspace does without. */
typedef struct fused_columns {
    size_t z, h, dz, du, w_up_t, w_down_t;
} fused_columns;

static fused_columns columns_of(const adcl_workspace *ws)
{
    bool training = ws->mode == ADCL_TRAINING, one_column = ws->width != ws->bottleneck_size;
    size_t bottleneck = adcl__fused_cpu_padded(ws->bottleneck_size);
    size_t width = adcl__fused_cpu_padded(ws->width);
    return (fused_columns){
        .z = bottleneck,
        .h = training || one_column ? width : 0,
        .dz = training ? bottleneck : 0,
        .du = adcl__workspace_drops(ws) ? ws->hidden_size : 0,
        .w_up_t = training ? width : 0,
        .w_down_t = training ? adcl__fused_cpu_padded(ws->hidden_size) : 0,
    };
}

static adcl_status fused_bytes(adcl_context *ctx, const adcl_workspace *ws, size_t *bytes)
{
    (void)ctx;
    fused_columns columns = columns_of(ws);
    *bytes = sizeof(float) * (ws->max_rows * (columns.z + columns.h + columns.dz + columns.du) +
                              ws->hidden_size * columns.w_up_t +
                              ws->bottleneck_size * columns.w_down_t);
    return ADCL_OK;
}

static adcl_status fused_prepare(adcl_context *ctx, adcl_workspace *ws)
{
    fused_state *s = ws->state = calloc(1, sizeof *s);
    if (s == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "workspace: no memory for it");
    s->program =
        adcl__fused_cpu_describe(ctx, ws->activation, ws->hidden_size, ws->bottleneck_size);
    fused_columns columns = columns_of(ws);
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.z, &s->z));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.h, &s->h));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.dz, &s->dz));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, columns.du, &s->du));
    ADCL_TRY(adcl__make_matrix(ctx, ws->hidden_size, columns.w_up_t, &s->w_up_t));
    return adcl__make_matrix(ctx, ws->bottleneck_size, columns.w_down_t, &s->w_down_t);
}

static void fused_release(adcl_workspace *ws)
{
    fused_state *s = ws->state;
    if (s == NULL) return;
    adcl_tensor_destroy(&s->z);
    adcl_tensor_destroy(&s->h);
    adcl_tensor_destroy(&s->dz);
    adcl_tensor_destroy(&s->du);
    adcl_tensor_destroy(&s->w_up_t);
    adcl_tensor_destroy(&s->w_down_t);
    free(s);
    ws->state = NULL;
}

/* ---- passes ----------------------------------------------------------------------------------- */

static adcl__fused_pass pass_of(const adcl_adapter *a, const adcl_workspace *ws)
{
    const fused_state *s = ws->state;
    return (adcl__fused_pass){
        .program = &s->program,
        .w_down = a->values[ADCL_DOWN_KERNEL],
        .b_down = a->values[ADCL_DOWN_BIAS],
        .w_up = a->values[ADCL_UP_KERNEL],
        .b_up = a->values[ADCL_UP_BIAS],
        .z = s->z,
        .h = s->h != NULL ? s->h : s->z,
        .dz = s->dz,
        .w_up_t = s->w_up_t,
        .w_down_t = s->w_down_t,
        .mask = adcl__workspace_drops(ws) ? &ws->mask : NULL,
        .scaling = a->scaling,
        .residual = !a->parallel,
    };
}

static adcl_status fused_forward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                 const adcl_tensor *x, adcl_tensor *y)
{
    adcl__fused_pass pass = pass_of(a, ws);
    return adcl__fused_cpu_forward(ctx, &pass, x, y);
}

static adcl_status fused_backward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                  const adcl_tensor *dy, adcl_tensor *dx)
{
    const fused_state *s = ws->state;
    adcl__fused_pass pass = pass_of(a, ws);
    adcl_tensor du = s->du != NULL ? adcl__tensor_head(s->du, dy->rows) : *dy;
    const adcl__fused_gradients to = {
        adcl__adapter_wanted_gradient(a, ADCL_DOWN_KERNEL),
        adcl__adapter_wanted_gradient(a, ADCL_DOWN_BIAS),
        adcl__adapter_wanted_gradient(a, ADCL_UP_KERNEL),
        adcl__adapter_wanted_gradient(a, ADCL_UP_BIAS)};
    bool any = to.w_down != NULL || to.b_down != NULL || to.w_up != NULL || to.b_up != NULL;
    bool needs_dz = dx != NULL || to.w_down != NULL || to.b_down != NULL;
    bool needs_du = pass.mask != NULL && any;
    /* dx in dy's place waits until the gradients have read dy. */
    bool dx_last = dx != NULL && (adcl__tensors_equal(dx, dy) ||
                                  adcl__fused_cpu_splits(&s->program, dy->rows));
    int parts = ADCL__FUSED_DZ | (dx != NULL && !dx_last ? ADCL__FUSED_DX : 0);
    if (needs_dz || needs_du) {
        ADCL_TRY(adcl__fused_cpu_transpose(ctx, &pass));
        ADCL_TRY(adcl__fused_cpu_backward(ctx, &pass, parts, dy, &du, dx));
    }
    if (any) ADCL_TRY(adcl__fused_cpu_gradients(ctx, &pass, &ws->x, &du, &to));
    return dx_last ? adcl__fused_cpu_backward(ctx, &pass, ADCL__FUSED_DX, dy, &du, dx) : ADCL_OK;
}

const adcl__engine_functions adcl__engine_fused_cpu = {
    .id = ADCL_ENGINE_FUSED,
    .plan = "fused/cpu/1",
    .bytes = fused_bytes,
    .prepare = fused_prepare,
    .release = fused_release,
    .forward = fused_forward,
    .backward = fused_backward,
};
