/* SPDX-License-Identifier: MIT */
/* engine.h – a workspace, and the engines that can stand behind it.
 *
 *      adcl_adapter_forward / backward         checks, same for all (workspace.c)
 *            └─► workspace->engine             engine_fused_cpu.c, engine_gemm.c, …
 *                     └─► workspace->state     what that engine needs for a batch
 */
#ifndef ADCL_ADAPTER_ENGINE_H
#define ADCL_ADAPTER_ENGINE_H

#include "adapter/adapter.h"
#include "ops/elementwise.h"

#include <adapter_cl/workspace.h>

typedef struct adcl__engine_functions {
    adcl_engine id;
    const char *plan; /* names engine and the version of its arithmetic's order; prepare may add */
    /* Device bytes that `prepare` takes; reads the sizes in the workspace only. */
    adcl_status (*bytes)(adcl_context *ctx, const adcl_workspace *ws, size_t *bytes);
    /* Makes ws->state. On failure `release` cleans up. */
    adcl_status (*prepare)(adcl_context *ctx, adcl_workspace *ws);
    void (*release)(adcl_workspace *ws); /* copes with a NULL or half-built state */
    /* Arguments are checked and N > 0. In training, ws->x is set. */
    adcl_status (*forward)(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                           const adcl_tensor *x, adcl_tensor *y);
    adcl_status (*backward)(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                            const adcl_tensor *dy, adcl_tensor *dx);
} adcl__engine_functions;

#define ADCL__PLAN_SIZE 192

struct adcl_workspace {
    const adcl__engine_functions *engine;
    char plan[ADCL__PLAN_SIZE]; /* the engine's, with what prepare added */
    void *state;
    adcl__family *family; /* retained */
    size_t max_rows;
    adcl_mode mode;
    /* Of the adapter it was made for: */
    size_t hidden_size, bottleneck_size; /* D, R */
    size_t width;                        /* columns of h */
    adcl_activation activation;
    float scaling;
    bool parallel;
    float dropout;
    /* Of the last training forward: */
    bool has_forward;
    adcl_tensor x;               /* its buffer is retained; NULL if none */
    adcl__dropout_mask mask;     /* seed and step of that forward */
    uint64_t next_seed, next_step; /* those of the next */
};

/* True when dropout is active: in training, with a probability above 0. */
bool adcl__workspace_drops(const adcl_workspace *ws);

/* A matrix of an engine's state; *out stays NULL, and nothing is made, when it has no rows or columns:
 * so engines say which of their matrices a workspace does without. */
adcl_status adcl__make_matrix(adcl_context *ctx, size_t rows, size_t cols, adcl_tensor **out);

extern const adcl__engine_functions adcl__engine_fused_cpu;
extern const adcl__engine_functions adcl__engine_fused_gpu;
extern const adcl__engine_functions adcl__engine_gemm;
extern const adcl__engine_functions adcl__engine_reference;

#endif
