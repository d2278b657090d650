/* SPDX-License-Identifier: MIT */
/* workspace.h – forward and backward, and the memory that one batch needs for them.
 *
 * A workspace is made for one adapter (or any adapter of the same sizes, activation, scaling,
 * placement and dropout) and at most max_rows rows. Creating it allocates, compiles and launches
 * everything once, so that a pass does none of that. Use one workspace per batch in flight.
 * Thread-safety: one thread at a time, with contexts of the family it was made in. */
#ifndef ADAPTER_CL_WORKSPACE_H
#define ADAPTER_CL_WORKSPACE_H

#include <adapter_cl/adapter.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adcl_mode {
    ADCL_INFERENCE = 0, /* forward only; keeps nothing */
    ADCL_TRAINING       /* forward keeps z (N, R) and borrows x until backward */
} adcl_mode;

typedef struct adcl_workspace_params {
    size_t struct_size;
    size_t max_rows;    /* at least 1 */
    adcl_mode mode;     /* 0: inference */
    adcl_engine engine; /* 0 (AUTO): the context's, or, where that is AUTO too and the context's
                           cache has a result of tune.h for these sizes, what was fastest there */
} adcl_workspace_params;

#define ADCL_WORKSPACE_PARAMS_INIT {sizeof(adcl_workspace_params), 0, ADCL_INFERENCE, \
                                    ADCL_ENGINE_AUTO}

typedef struct adcl_workspace adcl_workspace;

/* The caller owns *out; on failure *out is NULL. Blocks while the driver compiles: for
 * `fused` a few seconds, for `gemm` on a CPU device 10 to 20, for CLBlast's first use compiles all of it
 * (said in the log at INFO), unless the driver has it cached.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, UNSUPPORTED (engine), OUT_OF_HOST_MEMORY,
 * OUT_OF_DEVICE_MEMORY, OPENCL, CLBLAST, PROGRAM_BUILD. */
ADCL_API adcl_status adcl_workspace_create(adcl_workspace **out, adcl_context *ctx,
                                           const adcl_adapter *adapter,
                                           const adcl_workspace_params *params);

/* Bytes of device memory that adcl_workspace_create would take, without taking them. For `gemm`
 * this includes CLBlast's temporary buffer in its worst case.
 * Errors: as create, except those of memory. */
ADCL_API adcl_status adcl_workspace_bytes(adcl_context *ctx, const adcl_adapter *adapter,
                                          const adcl_workspace_params *params, size_t *bytes);

ADCL_API void adcl_workspace_destroy(adcl_workspace **workspace);

ADCL_API size_t adcl_workspace_max_rows(const adcl_workspace *workspace);
/* The engine it uses: never AUTO. */
ADCL_API adcl_engine adcl_workspace_engine(const adcl_workspace *workspace);
/* One line that names engine and plan, e.g. "gemm/1", or "gemm/1:1,4,…" where CLBlast has other
 * parameters than its own (see adcl_tuning). Results are the same bits as long as device,
 * driver and this line are the same; checkpoints keep it. Lives as long as the workspace. */
ADCL_API const char *adcl_workspace_plan(const adcl_workspace *workspace);

/* The dropout mask of the next training forward is a function of (seed, step, row, column) alone.
 * Set both before each forward; without it every forward uses (0, 0). Masks are redrawn, not
 * stored, in backward: the same ones. */
ADCL_API void adcl_workspace_set_dropout_step(adcl_workspace *workspace, uint64_t seed,
                                              uint64_t step);

/* y = x + dropout(scaling · (act(x·w_down + b_down)·w_up + b_up)).    x, y: (N, D), N <= max_rows.
 * y may be x in inference; otherwise they must not overlap. In training x must stay unchanged until
 * backward. N = 0 does nothing. Dropout is active in training only. Enqueues and returns.
 * Errors: SHAPE_MISMATCH, INVALID_ARGUMENT (overlap, another dtype or family, more rows than
 * max_rows), OPENCL, CLBLAST. */
ADCL_API adcl_status adcl_adapter_forward(adcl_context *ctx, const adcl_adapter *adapter,
                                          adcl_workspace *workspace, const adcl_tensor *x,
                                          adcl_tensor *y);

/* Given dy = ∂L/∂y (N, D) of the last forward, writes dx = ∂L/∂x (N, D) and adds the gradients of
 * the parameters to those in the adapter:
 *     db_up += colsum(du)   dw_up += hᵀ·du   dz = (du·w_upᵀ) ∘ act′(z)   [du = scaling · mask ∘ dy]
 *     db_down += colsum(dz) dw_down += xᵀ·dz dx = dy + dz·w_downᵀ        [parallel: without dy]
 * dx NULL: not wanted. dx may be dy, otherwise it overlaps neither dy nor x. A gradient that the
 * adapter does not keep, or all of a frozen adapter's, are not computed. May be called again for
 * the same forward. Enqueues and returns.
 * Errors: INVALID_STATE without a training forward before, or with an inference workspace;
 * otherwise as forward. */
ADCL_API adcl_status adcl_adapter_backward(adcl_context *ctx, const adcl_adapter *adapter,
                                           adcl_workspace *workspace, const adcl_tensor *dy,
                                           adcl_tensor *dx);

#ifdef __cplusplus
}
#endif
#endif
