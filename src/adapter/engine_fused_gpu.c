/* SPDX-License-Identifier: MIT */
/* engine_fused_gpu.c – the engine `fused` with its GPU plan: what ops/fused_gpu.c launches, and the
 * memory that it keeps from one launch to the next. */
#include "adapter/engine.h"

#include "ops/fused_gpu.h"

#include <stdlib.h>

typedef struct fused_state {
    adcl__fused_gpu_tiles tiles;
    adcl_tensor *z;  /* (max_rows, R), kept for backward; in inference: see matrices_of */
    adcl_tensor *h;  /* (max_rows, width), kept for backward; in inference fewer rows or NULL */
    adcl_tensor *dz; /* (max_rows, R); training */
    cl_mem sums;     /* scratch of the sums over rows; NULL if there is none */
} fused_state;

/* Rows of each matrix of the state, 0 for those that this workspace does without. */
typedef struct fused_rows {
    size_t z, h, dz;
} fused_rows;

static fused_rows rows_of(const adcl_workspace *ws, const adcl__fused_gpu_tiles *tiles)
{
    if (ws->mode == ADCL_TRAINING)
        return (fused_rows){ws->max_rows, ws->max_rows, ws->max_rows};
    size_t rows = adcl__fused_gpu_inference_rows(tiles, ws->activation, ws->max_rows);
    /* log_sumexp's h, one column, cannot stand in for z. */
    return (fused_rows){ws->width != ws->bottleneck_size ? rows : 0, rows, 0};
}

static size_t sums_bytes(const adcl_workspace *ws)
{
    if (ws->mode != ADCL_TRAINING) return 0;
    return sizeof(float) * adcl__fused_gpu_sums(ws->max_rows, ws->hidden_size, ws->bottleneck_size,
                                                ws->width);
}

static adcl_status fused_bytes(adcl_context *ctx, const adcl_workspace *ws, size_t *bytes)
{
    adcl__fused_gpu_tiles tiles;
    ADCL_TRY(adcl__fused_gpu_choose(ctx, ws->max_rows, ws->bottleneck_size, &tiles));
    fused_rows rows = rows_of(ws, &tiles);
    *bytes = sums_bytes(ws) + sizeof(float) * ((rows.z + rows.dz) * ws->bottleneck_size +
                                               rows.h * ws->width);
    return ADCL_OK;
}

static adcl_status fused_prepare(adcl_context *ctx, adcl_workspace *ws)
{
    fused_state *s = ws->state = calloc(1, sizeof *s);
    if (s == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "workspace: no memory for it");
    ADCL_TRY(adcl__fused_gpu_choose(ctx, ws->max_rows, ws->bottleneck_size, &s->tiles));
    fused_rows rows = rows_of(ws, &s->tiles);
    ADCL_TRY(adcl__make_matrix(ctx, rows.z, ws->bottleneck_size, &s->z));
    ADCL_TRY(adcl__make_matrix(ctx, rows.h, ws->width, &s->h));
    ADCL_TRY(adcl__make_matrix(ctx, rows.dz, ws->bottleneck_size, &s->dz));
    if (sums_bytes(ws) > 0) ADCL_TRY(adcl__buffer_create(ctx, sums_bytes(ws), NULL, &s->sums));
    return ADCL_OK;
}

static void fused_release(adcl_workspace *ws)
{
    fused_state *s = ws->state;
    if (s == NULL) return;
    adcl_tensor_destroy(&s->z);
    adcl_tensor_destroy(&s->h);
    adcl_tensor_destroy(&s->dz);
    if (s->sums != NULL) clReleaseMemObject(s->sums);
    free(s);
    ws->state = NULL;
}

static adcl__fused_gpu describe_pass(const adcl_adapter *a, const adcl_workspace *ws)
{
    const fused_state *s = ws->state;
    adcl__fused_gpu pass = {
        .tiles = s->tiles,
        .activation = a->activation,
        .scaling = a->scaling,
        .parallel = a->parallel,
        .training = ws->mode == ADCL_TRAINING,
        .mask = adcl__workspace_drops(ws) ? &ws->mask : NULL,
        .z = s->z != NULL ? s->z : s->h,
        .h = s->h,
        .dz = s->dz,
        .sums = s->sums,
    };
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        pass.values[slot] = a->values[slot];
        pass.gradients[slot] = adcl__adapter_wanted_gradient(a, (adcl_adapter_slot)slot);
    }
    return pass;
}

static adcl_status fused_forward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                 const adcl_tensor *x, adcl_tensor *y)
{
    adcl__fused_gpu pass = describe_pass(a, ws);
    return adcl__fused_gpu_forward(ctx, &pass, x, y);
}

static adcl_status fused_backward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                  const adcl_tensor *dy, adcl_tensor *dx)
{
    adcl__fused_gpu pass = describe_pass(a, ws);
    return adcl__fused_gpu_backward(ctx, &pass, &ws->x, dy, dx);
}

const adcl__engine_functions adcl__engine_fused_gpu = {
    .id = ADCL_ENGINE_FUSED,
    .plan = "fused/gpu/2",
    .bytes = fused_bytes,
    .prepare = fused_prepare,
    .release = fused_release,
    .forward = fused_forward,
    .backward = fused_backward,
};
