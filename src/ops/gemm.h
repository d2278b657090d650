/* SPDX-License-Identifier: MIT */
/* gemm.h – C = alpha·op(A)·op(B) + beta·C by CLBlast. The only room's corner that knows CLBlast. */
#ifndef ADCL_OPS_GEMM_H
#define ADCL_OPS_GEMM_H

#include "ops/gemm_tuning.h"
#include "runtime/tensor.h"

typedef struct adcl__gemm {
    bool transpose_a, transpose_b;
    float alpha, beta;    /* beta 0: C is written only */
    const adcl_tensor *a; /* (m, k), or (k, m) if transposed */
    const adcl_tensor *b; /* (k, n), or (n, k) if transposed */
    adcl_tensor *c;       /* (m, n) */
    cl_mem scratch;       /* at least adcl__gemm_scratch_bytes; NULL if that is 0 */
} adcl__gemm;

/* Enqueues the product. Shapes were checked by the caller. An empty product does nothing.
 * Errors: CLBLAST, OPENCL. */
adcl_status adcl__gemm_run(adcl_context *ctx, const adcl__gemm *product);

/* The largest scratch that a product of at most (m, n, k), with any offsets and strides, may need:
 * CLBlast copies an operand where its size, place or transposition does not suit its kernel. */
adcl_status adcl__gemm_scratch_bytes(adcl_context *ctx, bool transpose_a, bool transpose_b,
                                     size_t m, size_t n, size_t k, size_t *bytes);

/* A product's shape, as adcl__gemm_scratch_bytes takes it. */
typedef struct adcl__gemm_shape {
    bool transpose_a, transpose_b;
    size_t m, n, k;
} adcl__gemm_shape;

/* The largest scratch that any of `count` products may need. */
adcl_status adcl__gemm_scratch_most(adcl_context *ctx, const adcl__gemm_shape *products,
                                    size_t count, size_t *bytes);

/* ---- CLBlast's parameters ---------------------------------------------------------------------*/

/* What CLBlast computes with on this device is decided before its first product there, for the
 * whole process: see adcl_context_params. It is looked up in the cache under this name. */
#define ADCL__GEMM_STORED "gemm"

/* Leaves CLBlast's own on this device, unless it was decided already. */
void adcl__gemm_leave(adcl_context *ctx);

/* Another set from now on, for the tuner. Groups of zeros stay as they are. Scratch of workspaces
 * that exist may then be too small: their products would fail. Errors: CLBLAST. */
adcl_status adcl__gemm_override(adcl_context *ctx, const adcl__gemm_tuning *tuning);

/* The set that is in use; zeros for what is CLBlast's own. */
void adcl__gemm_current(adcl_context *ctx, adcl__gemm_tuning *tuning);

#endif
