/* SPDX-License-Identifier: MIT */
/* wrap.c – adapter(layer(x)): the layer's output v is kept for the adapter's backward, whose dx is
 * the layer's dy.
 *
 *      x (N, in) ──layer──► v (N, D) ──adapter──► y (N, D)
 *      dx ◄──layer.backward── dv ◄──adapter── dy
 */
#include "adapter/engine.h"

#include <adapter_cl/wrap.h>

#include <stdlib.h>

struct adcl_wrap {
    adcl_layer layer;
    adcl_adapter *adapter; /* borrowed */
    adcl_workspace *workspace;
    adcl_tensor *v;  /* (max_rows, D): what the layer gave */
    adcl_tensor *dv; /* (max_rows, D): its gradient; NULL in inference */
    bool has_forward;
    adcl_tensor x; /* of the last training forward; its buffer is retained */
};

static adcl_status check_layer(adcl_context *ctx, const adcl_layer *layer,
                               const adcl_adapter *adapter)
{
    if (ctx == NULL || layer == NULL || adapter == NULL || layer->forward == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap: expected an adapter and a layer with a forward, got NULL");
    if (layer->input_size == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap: layer input_size: expected at least 1, got 0");
    if (layer->output_size != adapter->hidden_size)
        return adcl__fail(ctx, ADCL_ERR_SHAPE_MISMATCH, 0,
                          "wrap: layer output_size: expected %zu (hidden_size of adapter \"%s\"), "
                          "got %zu", adapter->hidden_size, adapter->name, layer->output_size);
    return ADCL_OK;
}

adcl_status adcl_adapter_wrap(adcl_wrap **out, adcl_context *ctx, const adcl_layer *layer,
                              adcl_adapter *adapter, const adcl_workspace_params *params)
{
    if (out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap: expected a place for the result, got NULL");
    *out = NULL;
    ADCL_TRY(check_layer(ctx, layer, adapter));
    adcl_wrap *wrap = calloc(1, sizeof *wrap);
    if (wrap == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "wrap: no memory for it");
    wrap->layer = *layer;
    wrap->adapter = adapter;
    adcl_status status = adcl_workspace_create(&wrap->workspace, ctx, adapter, params);
    size_t rows = adcl_workspace_max_rows(wrap->workspace);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&wrap->v, ctx, ADCL_F32, rows, layer->output_size);
    if (status == ADCL_OK && wrap->workspace->mode == ADCL_TRAINING)
        status = adcl_tensor_create(&wrap->dv, ctx, ADCL_F32, rows, layer->output_size);
    if (status != ADCL_OK) {
        adcl_wrap_destroy(&wrap);
        return status;
    }
    *out = wrap;
    return ADCL_OK;
}

static void forget_forward(adcl_wrap *wrap)
{
    if (wrap->x.buffer != NULL) clReleaseMemObject(wrap->x.buffer);
    wrap->x = (adcl_tensor){0};
    wrap->has_forward = false;
}

void adcl_wrap_destroy(adcl_wrap **wrap_pointer)
{
    if (wrap_pointer == NULL || *wrap_pointer == NULL) return;
    adcl_wrap *wrap = *wrap_pointer;
    forget_forward(wrap);
    adcl_workspace_destroy(&wrap->workspace);
    adcl_tensor_destroy(&wrap->v);
    adcl_tensor_destroy(&wrap->dv);
    free(wrap);
    *wrap_pointer = NULL;
}

adcl_workspace *adcl_wrap_workspace(const adcl_wrap *wrap)
{
    return wrap == NULL ? NULL : wrap->workspace;
}

static adcl_status callback_failed(adcl_context *ctx, const char *which, adcl_status status)
{
    return adcl__fail(ctx, ADCL_ERR_CALLBACK, (int)status,
                      "wrap: the layer's %s reported failure: %s (%d)", which,
                      adcl_status_string(status), (int)status);
}

/* Keeps x, by reference, for the layer's backward. */
static adcl_status remember_input(adcl_context *ctx, adcl_wrap *wrap, const adcl_tensor *x)
{
    forget_forward(wrap);
    if (x->buffer != NULL) {
        cl_int code = clRetainMemObject(x->buffer);
        if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "wrap forward: x");
    }
    wrap->x = *x;
    return ADCL_OK;
}

adcl_status adcl_wrap_forward(adcl_context *ctx, adcl_wrap *wrap, const adcl_tensor *x,
                              adcl_tensor *y)
{
    if (ctx == NULL || wrap == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap forward: expected a context and a wrap, got NULL");
    ADCL_TRY(adcl__check_tensor(ctx, "wrap forward: x", x, ADCL_F32));
    ADCL_TRY(adcl__check_shape(ctx, "wrap forward: x", x, ADCL_F32, x->rows,
                               wrap->layer.input_size));
    ADCL_TRY(adcl__check_shape(ctx, "wrap forward: y", y, ADCL_F32, x->rows,
                               wrap->layer.output_size));
    if (x->rows > wrap->v->rows)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap forward: x: expected at most %zu rows (max_rows), got %zu",
                          wrap->v->rows, x->rows);
    if (adcl__tensors_overlap(x, y))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0, "wrap forward: x and y overlap");
    if (wrap->dv != NULL) ADCL_TRY(remember_input(ctx, wrap, x));
    adcl_tensor v = adcl__tensor_head(wrap->v, x->rows);
    if (x->rows > 0) {
        adcl_status status = wrap->layer.forward(wrap->layer.user, ctx, x, &v);
        if (status != ADCL_OK) return callback_failed(ctx, "forward", status);
    }
    ADCL_TRY(adcl_adapter_forward(ctx, wrap->adapter, wrap->workspace, &v, y));
    wrap->has_forward = true;
    return ADCL_OK;
}

adcl_status adcl_wrap_backward(adcl_context *ctx, adcl_wrap *wrap, const adcl_tensor *dy,
                               adcl_tensor *dx)
{
    if (ctx == NULL || wrap == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap backward: expected a context and a wrap, got NULL");
    if (wrap->dv == NULL || !wrap->has_forward)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "wrap backward: expected a forward in training mode before");
    if (dx == NULL) return adcl_adapter_backward(ctx, wrap->adapter, wrap->workspace, dy, NULL);
    if (wrap->layer.backward == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "wrap backward: dx is wanted, but the layer has no backward");
    ADCL_TRY(adcl__check_shape(ctx, "wrap backward: dx", dx, ADCL_F32, wrap->x.rows,
                               wrap->layer.input_size));
    adcl_tensor dv = adcl__tensor_head(wrap->dv, wrap->x.rows);
    ADCL_TRY(adcl_adapter_backward(ctx, wrap->adapter, wrap->workspace, dy, &dv));
    if (wrap->x.rows == 0) return ADCL_OK;
    adcl_status status = wrap->layer.backward(wrap->layer.user, ctx, &wrap->x, &dv, dx);
    return status == ADCL_OK ? ADCL_OK : callback_failed(ctx, "backward", status);
}
