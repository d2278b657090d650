/* SPDX-License-Identifier: MIT */
/* engine_reference.c – the engine `reference`: matrices come to the host, src/reference computes
 * them in double, results go back, each number rounded once. Waits for the device. */
#include "adapter/engine.h"

#include "adapter/host_matrix.h"
#include "base/size.h"
#include "reference/reference.h"

#include <stdlib.h>

typedef struct reference_state {
    double *x;       /* (max_rows, D); forward puts y in its place */
    double *dy;      /* (max_rows, D); backward puts dx in its place; training */
    double *z;       /* (max_rows, R): kept from forward for backward; training */
    double *scratch; /* of src/reference */
    double *values[ADCL_ADAPTER_SLOT_COUNT];
    double *gradients[ADCL_ADAPTER_SLOT_COUNT]; /* training */
} reference_state;

static adcl_status reference_bytes(adcl_context *ctx, const adcl_workspace *ws, size_t *bytes)
{
    (void)ctx;
    (void)ws;
    *bytes = 0; /* all of it is host memory */
    return ADCL_OK;
}

/* rows × cols doubles; NULL when they do not fit. */
static double *matrix(size_t rows, size_t cols)
{
    size_t count;
    return adcl__size_mul(rows, cols, &count) ? calloc(count, sizeof(double)) : NULL;
}

static bool allocate(reference_state *s, const adcl_workspace *ws)
{
    size_t d = ws->hidden_size, r = ws->bottleneck_size;
    size_t slot_counts[ADCL_ADAPTER_SLOT_COUNT] = {d * r, r, ws->width * d, d};
    bool training = ws->mode == ADCL_TRAINING, complete = true;
    s->x = matrix(ws->max_rows, d);
    s->scratch = matrix(1, adcl__reference_scratch_size(d, r));
    if (training) s->dy = matrix(ws->max_rows, d);
    if (training) s->z = matrix(ws->max_rows, r);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        s->values[slot] = matrix(1, slot_counts[slot]);
        if (training) s->gradients[slot] = matrix(1, slot_counts[slot]);
        complete = complete && s->values[slot] != NULL && (!training || s->gradients[slot] != NULL);
    }
    return complete && s->x != NULL && s->scratch != NULL &&
           (!training || (s->dy != NULL && s->z != NULL));
}

static adcl_status reference_prepare(adcl_context *ctx, adcl_workspace *ws)
{
    reference_state *s = ws->state = calloc(1, sizeof *s);
    if (s == NULL || !allocate(s, ws))
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                          "workspace: no host memory for %zu rows of engine reference",
                          ws->max_rows);
    return ADCL_OK;
}

static void reference_release(adcl_workspace *ws)
{
    reference_state *s = ws->state;
    if (s == NULL) return;
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        free(s->values[slot]);
        free(s->gradients[slot]);
    }
    free(s->x);
    free(s->dy);
    free(s->z);
    free(s->scratch);
    free(s);
    ws->state = NULL;
}

/* The adapter with its parameters as they are on the device now. */
static adcl_status read_adapter(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                adcl__reference_adapter *out)
{
    reference_state *s = ws->state;
    *out = (adcl__reference_adapter){
        .hidden_size = a->hidden_size,
        .bottleneck_size = a->bottleneck_size,
        .activation = a->activation,
        .scaling = (double)a->scaling,
        .parallel = a->parallel,
        .dropout = adcl__workspace_drops(ws) ? a->dropout : 0.0f,
        .dropout_seed = ws->mask.seed,
        .dropout_step = ws->mask.step,
        .scratch = s->scratch,
    };
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        ADCL_TRY(adcl__matrix_to_host(ctx, a->values[slot], s->values[slot]));
        out->values[slot] = s->values[slot];
    }
    return ADCL_OK;
}

static adcl_status reference_forward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                     const adcl_tensor *x, adcl_tensor *y)
{
    reference_state *s = ws->state;
    adcl__reference_adapter adapter;
    ADCL_TRY(read_adapter(ctx, a, ws, &adapter));
    ADCL_TRY(adcl__matrix_to_host(ctx, x, s->x));
    adcl__reference_adapter_forward(&adapter, x->rows, s->x, s->z, s->x);
    return adcl__matrix_from_host(ctx, s->x, y);
}

/* Gradients are added to what the device has, in double. */
static adcl_status reference_backward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                      const adcl_tensor *dy, adcl_tensor *dx)
{
    reference_state *s = ws->state;
    adcl__reference_adapter adapter;
    adcl_tensor *wanted[ADCL_ADAPTER_SLOT_COUNT];
    ADCL_TRY(read_adapter(ctx, a, ws, &adapter));
    ADCL_TRY(adcl__matrix_to_host(ctx, &ws->x, s->x));
    ADCL_TRY(adcl__matrix_to_host(ctx, dy, s->dy));
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        wanted[slot] = adcl__adapter_wanted_gradient(a, (adcl_adapter_slot)slot);
        if (wanted[slot] == NULL) continue;
        ADCL_TRY(adcl__matrix_to_host(ctx, wanted[slot], s->gradients[slot]));
        adapter.gradients[slot] = s->gradients[slot];
    }
    adcl__reference_adapter_backward(&adapter, dy->rows, s->x, s->z, s->dy,
                                     dx != NULL ? s->dy : NULL);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        if (wanted[slot] != NULL)
            ADCL_TRY(adcl__matrix_from_host(ctx, s->gradients[slot], wanted[slot]));
    return dx == NULL ? ADCL_OK : adcl__matrix_from_host(ctx, s->dy, dx);
}

const adcl__engine_functions adcl__engine_reference = {
    .id = ADCL_ENGINE_REFERENCE,
    .plan = "reference/1",
    .bytes = reference_bytes,
    .prepare = reference_prepare,
    .release = reference_release,
    .forward = reference_forward,
    .backward = reference_backward,
};
