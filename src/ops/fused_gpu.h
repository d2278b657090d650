/* SPDX-License-Identifier: MIT */
/* fused_gpu.h – the GPU plan of the engine `fused`: which tiles serve a batch, and its launches.
 *
 *   forward    N > 64, R ≤ 256    fwd                        z, h and y at once
 *              else               fwd, out                   cut along R, then along D
 *   backward   N > 64, R ≤ 256    bwd, sums[, finish]        dz and dx at once, then the gradients
 *              else, or where dx is dy and dw_up is wanted, which still needs dy
 *                                 bwd, sums, finish          dz; the gradients; dx and sums of sums
 *   softmax, log_softmax and log_sumexp with R > 256: one launch more, for whole rows
 *
 * The kernels are in cl/fused_gpu*.cl. Ops enqueue; they never allocate and never wait. */
#ifndef ADCL_OPS_FUSED_GPU_H
#define ADCL_OPS_FUSED_GPU_H

#include "ops/elementwise.h"
#include "ops/gpu_tile.h"

#include <adapter_cl/adapter.h>

/* The tiles of a workspace, all known when it is made: then their programs are built. They have teams and
 * step in common, which are what the order of sums depends on. */
typedef struct adcl__fused_gpu_tiles {
    adcl__gpu_tile whole; /* takes all R columns at once; cols 0: R is too large */
    adcl__gpu_tile parts; /* for gradients, and for all where there is no `whole` */
    adcl__gpu_tile few;   /* for batches of at most ADCL__FUSED_GPU_FEW rows */
} adcl__fused_gpu_tiles;

#define ADCL__FUSED_GPU_FEW 64

/* Errors: UNSUPPORTED, on a device whose work-groups or local memory are too small. */
adcl_status adcl__fused_gpu_choose(adcl_context *ctx, size_t max_rows, size_t bottleneck_size,
                                   adcl__fused_gpu_tiles *tiles);

/* An adapter, and what a pass keeps in between. */
typedef struct adcl__fused_gpu {
    adcl__fused_gpu_tiles tiles;
    adcl_activation activation;
    float scaling;
    bool parallel;
    bool training;
    const adcl__dropout_mask *mask; /* NULL: no dropout */
    const adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT];
    adcl_tensor *gradients[ADCL_ADAPTER_SLOT_COUNT]; /* NULL: not wanted */
    const adcl_tensor *z; /* (N or more, R); in training */
    const adcl_tensor *h; /* (N or more, width); in training, and where forward is in parts */
    const adcl_tensor *dz; /* (N or more, R); in training */
    cl_mem sums;          /* adcl__fused_gpu_sums floats; NULL if that is 0 */
} adcl__fused_gpu;

/* Rows of h, and of z, that an inference of up to max_rows rows needs. z may be h, except for
 * log_sumexp. */
size_t adcl__fused_gpu_inference_rows(const adcl__fused_gpu_tiles *tiles, adcl_activation activation,
                                      size_t max_rows);

/* Floats of scratch for the sums of backward: a function of the sizes alone, as the order is. */
size_t adcl__fused_gpu_sums(size_t max_rows, size_t hidden_size, size_t bottleneck_size,
                            size_t width);

/* y from x. x, y (N, D) with N > 0; they may be the same in inference. */
adcl_status adcl__fused_gpu_forward(adcl_context *ctx, const adcl__fused_gpu *pass,
                                    const adcl_tensor *x, adcl_tensor *y);

/* dx from dy, and gradients += …; x of the forward. dx NULL: not wanted; dx may be dy. */
adcl_status adcl__fused_gpu_backward(adcl_context *ctx, const adcl__fused_gpu *pass,
                                     const adcl_tensor *x, const adcl_tensor *dy, adcl_tensor *dx);

#endif
