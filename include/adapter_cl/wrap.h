/* SPDX-License-Identifier: MIT */
/* wrap.h – an adapter behind a frozen layer of the application: y = adapter(layer(x)).
 *
 * The layer is two functions of the application. Its parameters are never touched here: no gradient
 * of them is formed, no optimizer sees them. */
#ifndef ADAPTER_CL_WRAP_H
#define ADAPTER_CL_WRAP_H

#include <adapter_cl/workspace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The application's layer: (N, input_size) → (N, output_size). The functions enqueue on the
 * context's queue (adcl_context_cl_queue in opencl.h) or wait as they like, and return ADCL_OK or
 * anything else for failure, which ends the pass with CALLBACK. */
typedef struct adcl_layer {
    size_t input_size;
    size_t output_size;
    /* y = layer(x). x: (N, input_size), y: (N, output_size). Required. */
    adcl_status (*forward)(void *user, adcl_context *ctx, const adcl_tensor *x, adcl_tensor *y);
    /* dx = dy·∂layer/∂x. NULL if adcl_wrap_backward is never asked for dx. */
    adcl_status (*backward)(void *user, adcl_context *ctx, const adcl_tensor *x,
                            const adcl_tensor *dy, adcl_tensor *dx);
    void *user;
} adcl_layer;

typedef struct adcl_wrap adcl_wrap;

/* Puts `adapter` (hidden_size = layer->output_size), which must outlive the wrap, behind `layer`,
 * which is copied. Makes the workspace and the layer's output buffers for params->max_rows rows.
 * Errors: those of adcl_workspace_create, SHAPE_MISMATCH. */
ADCL_API adcl_status adcl_adapter_wrap(adcl_wrap **out, adcl_context *ctx, const adcl_layer *layer,
                                       adcl_adapter *adapter, const adcl_workspace_params *params);
ADCL_API void adcl_wrap_destroy(adcl_wrap **wrap);

/* The wrap's workspace, for adcl_workspace_set_dropout_step and the like; owned by the wrap. */
ADCL_API adcl_workspace *adcl_wrap_workspace(const adcl_wrap *wrap);

/* y = adapter(layer(x)). x: (N, input_size), y: (N, output_size). In training x must stay unchanged
 * until backward. Errors: CALLBACK, and those of adcl_adapter_forward. */
ADCL_API adcl_status adcl_wrap_forward(adcl_context *ctx, adcl_wrap *wrap, const adcl_tensor *x,
                                       adcl_tensor *y);

/* Accumulates the adapter's gradients, and writes dx (N, input_size) through the layer's backward,
 * unless dx is NULL. Errors: INVALID_STATE (no forward before; dx wanted but the layer has no
 * backward), CALLBACK, and those of adcl_adapter_backward. */
ADCL_API adcl_status adcl_wrap_backward(adcl_context *ctx, adcl_wrap *wrap, const adcl_tensor *dy,
                                        adcl_tensor *dx);

#ifdef __cplusplus
}
#endif
#endif
