/* SPDX-License-Identifier: MIT */
/* workspace.c – the life of a workspace, and the checks of forward and backward. */
#include "adapter/engine.h"

#include "adapter/tune.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool adcl__workspace_drops(const adcl_workspace *ws)
{
    return ws->mode == ADCL_TRAINING && ws->dropout > 0.0f;
}

adcl_status adcl__make_matrix(adcl_context *ctx, size_t rows, size_t cols, adcl_tensor **out)
{
    return rows == 0 || cols == 0 ? ADCL_OK : adcl_tensor_create(out, ctx, ADCL_F32, rows, cols);
}

/* ---- making and destroying --------------------------------------------------------------------*/

static adcl_status read_workspace_params(adcl_context *ctx, const adcl_adapter *a,
                                         const adcl_workspace_params *given,
                                         adcl_workspace_params *p)
{
    if (ctx == NULL || a == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "workspace: expected a context and an adapter, got NULL");
    *p = (adcl_workspace_params)ADCL_WORKSPACE_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_workspace_params", p, sizeof *p, given));
    if (a->values[0]->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "workspace: expected an adapter of this context or of one it shares with, "
                          "got one of another");
    if (p->max_rows == 0 || p->max_rows > INT32_MAX)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "workspace max_rows: expected 1 to %d, got %zu", INT32_MAX, p->max_rows);
    if (p->mode != ADCL_INFERENCE && p->mode != ADCL_TRAINING)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "workspace mode: expected ADCL_INFERENCE or ADCL_TRAINING, got %d",
                          (int)p->mode);
    adcl__engine_from_tuning(ctx, a, &p->engine);
    return adcl__engine_resolve(ctx, p->engine, &p->engine);
}

static const adcl__engine_functions *functions_of(const adcl_context *ctx, adcl_engine engine)
{
    switch (engine) {
    case ADCL_ENGINE_FUSED:
        return ctx->fused_plan == ADCL_FUSED_PLAN_GPU ? &adcl__engine_fused_gpu
                                                      : &adcl__engine_fused_cpu;
    case ADCL_ENGINE_REFERENCE: return &adcl__engine_reference;
    default: return &adcl__engine_gemm;
    }
}

/* The sizes of a workspace, without any memory behind them. */
static adcl_workspace describe(const adcl_context *ctx, const adcl_adapter *a,
                               const adcl_workspace_params *p)
{
    return (adcl_workspace){
        .engine = functions_of(ctx, p->engine),
        .max_rows = p->max_rows,
        .mode = p->mode,
        .hidden_size = a->hidden_size,
        .bottleneck_size = a->bottleneck_size,
        .width = adcl_activation_width(a->activation, a->bottleneck_size),
        .activation = a->activation,
        .scaling = a->scaling,
        .parallel = a->parallel,
        .dropout = a->dropout,
        .mask = {.threshold = adcl__dropout_threshold(a->dropout),
                 .keep_scale = adcl__dropout_scale(a->dropout)},
    };
}

/* Sizes in bytes of everything, the largest product being max_rows · max(D, R): refused here, so
 * that engines multiply without a check. */
static adcl_status check_product(adcl_context *ctx, const adcl_workspace *ws)
{
    size_t wide = ws->hidden_size > ws->bottleneck_size ? ws->hidden_size : ws->bottleneck_size;
    if (wide > SIZE_MAX / 64 / ws->max_rows)
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "workspace: max_rows %zu × %zu columns is too large", ws->max_rows, wide);
    return ADCL_OK;
}

/* One training pass of `rows` rows of zeros. Its gradients go to tensors of its own, and so leave
 * the adapter's untouched. */
static adcl_status warm_up_rows(adcl_context *ctx, const adcl_adapter *scratch_adapter,
                                adcl_workspace *ws, adcl_tensor *x, adcl_tensor *y, size_t rows)
{
    adcl_tensor x_head = adcl__tensor_head(x, rows), y_head = adcl__tensor_head(y, rows);
    ADCL_TRY(adcl_adapter_forward(ctx, scratch_adapter, ws, &x_head, &y_head));
    if (ws->mode == ADCL_INFERENCE) return ADCL_OK;
    ADCL_TRY(adcl_adapter_backward(ctx, scratch_adapter, ws, &y_head, &y_head));
    /* What a training launches besides: dx apart from dy, and gradients cleared. */
    ADCL_TRY(adcl_tensor_copy(ctx, &y_head, &x_head));
    return adcl_tensor_fill(ctx, &y_head, 0.0f);
}

/* Launches everything once: drivers compile a kernel at its first launch. CLBlast has one kernel
 * for small products and others for large ones, so both ends of the sizes are run. */
static adcl_status warm_up(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws)
{
    adcl_adapter scratch = *a;
    adcl_tensor *x = NULL, *y = NULL;
    memset(scratch.gradients, 0, sizeof scratch.gradients);
    scratch.frozen = false;
    adcl_status status = adcl_tensor_create(&x, ctx, ADCL_F32, ws->max_rows, ws->hidden_size);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&y, ctx, ADCL_F32, ws->max_rows, ws->hidden_size);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT && status == ADCL_OK; slot++)
        if (ws->mode == ADCL_TRAINING)
            status = adcl_tensor_create(&scratch.gradients[slot], ctx, ADCL_F32,
                                        a->values[slot]->rows, a->values[slot]->cols);
    if (status == ADCL_OK) status = warm_up_rows(ctx, &scratch, ws, x, y, ws->max_rows);
    if (status == ADCL_OK) status = warm_up_rows(ctx, &scratch, ws, x, y, 1);
    if (status == ADCL_OK) status = adcl__finish(ctx);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        adcl_tensor_destroy(&scratch.gradients[slot]);
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    return status;
}

static void forget_forward(adcl_workspace *ws)
{
    if (ws->x.buffer != NULL) clReleaseMemObject(ws->x.buffer);
    ws->x = (adcl_tensor){0};
    ws->has_forward = false;
}

adcl_status adcl_workspace_create(adcl_workspace **out, adcl_context *ctx, const adcl_adapter *a,
                                  const adcl_workspace_params *given)
{
    if (out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "workspace: expected a place for the result, got NULL");
    *out = NULL;
    adcl_workspace_params p;
    ADCL_TRY(read_workspace_params(ctx, a, given, &p));
    adcl_workspace *ws = calloc(1, sizeof *ws);
    if (ws == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "workspace: no memory for it");
    *ws = describe(ctx, a, &p);
    snprintf(ws->plan, sizeof ws->plan, "%s", ws->engine->plan);
    ws->family = ctx->family;
    adcl__family_retain(ws->family);
    adcl_status status = check_product(ctx, ws);
    if (status == ADCL_OK) status = ws->engine->prepare(ctx, ws);
    if (status == ADCL_OK) status = warm_up(ctx, a, ws);
    forget_forward(ws);
    if (status != ADCL_OK) {
        adcl_workspace_destroy(&ws);
        return status;
    }
    *out = ws;
    return ADCL_OK;
}

adcl_status adcl_workspace_bytes(adcl_context *ctx, const adcl_adapter *a,
                                 const adcl_workspace_params *given, size_t *bytes)
{
    adcl_workspace_params p;
    ADCL_TRY(read_workspace_params(ctx, a, given, &p));
    if (bytes == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "workspace bytes: expected a place for the result, got NULL");
    adcl_workspace ws = describe(ctx, a, &p);
    ADCL_TRY(check_product(ctx, &ws));
    return ws.engine->bytes(ctx, &ws, bytes);
}

void adcl_workspace_destroy(adcl_workspace **workspace)
{
    if (workspace == NULL || *workspace == NULL) return;
    adcl_workspace *ws = *workspace;
    forget_forward(ws);
    ws->engine->release(ws);
    adcl__family_release(ws->family);
    free(ws);
    *workspace = NULL;
}

/* ---- asking -----------------------------------------------------------------------------------*/

size_t adcl_workspace_max_rows(const adcl_workspace *workspace)
{
    return workspace == NULL ? 0 : workspace->max_rows;
}

adcl_engine adcl_workspace_engine(const adcl_workspace *workspace)
{
    return workspace == NULL ? ADCL_ENGINE_AUTO : workspace->engine->id;
}

const char *adcl_workspace_plan(const adcl_workspace *workspace)
{
    return workspace == NULL ? "" : workspace->plan;
}

void adcl_workspace_set_dropout_step(adcl_workspace *workspace, uint64_t seed, uint64_t step)
{
    if (workspace == NULL) return;
    workspace->next_seed = seed;
    workspace->next_step = step;
}

/* ---- passes -----------------------------------------------------------------------------------*/

static adcl_status check_pass(adcl_context *ctx, const char *what, const adcl_adapter *a,
                              const adcl_workspace *ws)
{
    if (ctx == NULL || a == NULL || ws == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: expected a context, an adapter and a workspace, got NULL", what);
    if (ws->family != ctx->family || a->values[0]->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: expected adapter and workspace of this context or of one it shares "
                          "with, got one of another", what);
    if (a->hidden_size != ws->hidden_size || a->bottleneck_size != ws->bottleneck_size ||
        a->activation != ws->activation || a->scaling != ws->scaling ||
        a->parallel != ws->parallel || a->dropout != ws->dropout)
        return adcl__fail(ctx, ADCL_ERR_SHAPE_MISMATCH, 0,
                          "%s: the workspace was made for an adapter of hidden_size %zu, "
                          "bottleneck_size %zu, %s; adapter \"%s\" has %zu, %zu, %s or another "
                          "scaling, placement or dropout", what, ws->hidden_size,
                          ws->bottleneck_size, adcl_activation_name(ws->activation), a->name,
                          a->hidden_size, a->bottleneck_size, adcl_activation_name(a->activation));
    return ADCL_OK;
}

static adcl_status check_input(adcl_context *ctx, const adcl_workspace *ws, const adcl_tensor *x)
{
    ADCL_TRY(adcl__check_tensor(ctx, "forward: x", x, ADCL_F32));
    if (x->cols != ws->hidden_size)
        return adcl__fail(ctx, ADCL_ERR_SHAPE_MISMATCH, 0,
                          "forward: x: expected %zu columns (hidden_size), got shape (%zu, %zu)",
                          ws->hidden_size, x->rows, x->cols);
    if (x->rows > ws->max_rows)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "forward: x: expected at most %zu rows (max_rows of the workspace), got "
                          "%zu", ws->max_rows, x->rows);
    return ADCL_OK;
}

adcl_status adcl_adapter_forward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                 const adcl_tensor *x, adcl_tensor *y)
{
    ADCL_TRY(check_pass(ctx, "forward", a, ws));
    ADCL_TRY(check_input(ctx, ws, x));
    ADCL_TRY(adcl__check_shape(ctx, "forward: y", y, ADCL_F32, x->rows, x->cols));
    bool training = ws->mode == ADCL_TRAINING;
    if (adcl__tensors_overlap(x, y) && (training || !adcl__tensors_equal(x, y)))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          training ? "forward: x and y overlap; in training x must stay unchanged "
                                     "until backward"
                                   : "forward: x and y overlap without being the same; y must be "
                                     "exactly x or lie apart");
    if (training) {
        forget_forward(ws);
        if (x->buffer != NULL) {
            cl_int code = clRetainMemObject(x->buffer);
            if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "forward: x");
        }
        ws->x = *x;
        ws->mask.seed = ws->next_seed;
        ws->mask.step = ws->next_step;
    }
    if (x->rows > 0) ADCL_TRY(ws->engine->forward(ctx, a, ws, x, y));
    ws->has_forward = training;
    return ADCL_OK;
}

static adcl_status check_input_gradient(adcl_context *ctx, const adcl_workspace *ws,
                                        const adcl_tensor *dy, const adcl_tensor *dx)
{
    ADCL_TRY(adcl__check_shape(ctx, "backward: dx", dx, ADCL_F32, dy->rows, dy->cols));
    if (adcl__tensors_overlap(dx, dy) && !adcl__tensors_equal(dx, dy))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "backward: dx and dy overlap without being the same; dx must be exactly "
                          "dy or lie apart");
    if (adcl__tensors_overlap(dx, &ws->x))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "backward: dx overlaps the x of the forward");
    return ADCL_OK;
}

adcl_status adcl_adapter_backward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                  const adcl_tensor *dy, adcl_tensor *dx)
{
    ADCL_TRY(check_pass(ctx, "backward", a, ws));
    if (ws->mode != ADCL_TRAINING)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "backward: the workspace is for inference; make one with mode = "
                          "ADCL_TRAINING");
    if (!ws->has_forward)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "backward: expected a forward with this workspace before");
    ADCL_TRY(adcl__check_shape(ctx, "backward: dy", dy, ADCL_F32, ws->x.rows, ws->hidden_size));
    if (dx != NULL) ADCL_TRY(check_input_gradient(ctx, ws, dy, dx));
    return dy->rows == 0 ? ADCL_OK : ws->engine->backward(ctx, a, ws, dy, dx);
}
