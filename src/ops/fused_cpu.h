/* SPDX-License-Identifier: MIT */
/* fused_cpu.h – the kernels of cl/fused_cpu.cl: whole passes of an adapter in one to four launches, for
 * devices that are CPUs. N rows, D hidden, R bottleneck, W columns of h (R; 1 for log_sumexp). */
#ifndef ADCL_OPS_FUSED_CPU_H
#define ADCL_OPS_FUSED_CPU_H

#include "ops/elementwise.h"

#include <adapter_cl/activation.h>

/* Which kernels the program is to have, as in cl/fused_cpu.cl: fewer take less time to compile. */
typedef enum adcl__fused_part {
    ADCL__FUSED_ALL,
    ADCL__FUSED_INFERENCE, /* adcl__fused_cpu_forward, and packing for it */
    ADCL__FUSED_PRODUCTS,  /* adcl__fused_cpu_product and what belongs to it */
    ADCL__FUSED_GRADIENTS  /* chosen where it is needed */
} adcl__fused_part;

/* The program for an activation and a pair of sizes, and how its work is cut. */
typedef struct adcl__fused_cpu {
    adcl_activation activation;
    size_t hidden, bottleneck, width; /* D, R, W */
    size_t vector_width;              /* floats */
    size_t compute_units;
    adcl__fused_part part;
    char options[256]; /* for the compiler */
} adcl__fused_cpu;

/* bottleneck 0: for the calls that do without it (adcl__fused_cpu_product and its gradients).
 * drops: passes may have a mask. */
adcl__fused_cpu adcl__fused_cpu_describe(const adcl_context *ctx, adcl_activation activation,
                                         size_t hidden, size_t bottleneck, bool drops,
                                         adcl__fused_part part);

/* Columns that a row of scratch for `cols` columns takes: whole vectors, for any device. */
size_t adcl__fused_cpu_padded(size_t cols);

/* Floats of a packed copy of a matrix: its columns filled up to whole panels. */
size_t adcl__fused_cpu_packed(const adcl__fused_cpu *program, size_t rows, size_t cols);

/* Floats of the room in which gradients over at most so many rows gather what they read; may be 0. */
size_t adcl__fused_cpu_rooms(const adcl__fused_cpu *program, size_t max_rows);

/* What an adapter's passes read and write. Scratch matrices have rows of padded columns. Packed copies and
 * rooms are (1, count); they may be NULL where no pass needs them. */
typedef struct adcl__fused_pass {
    const adcl__fused_cpu *program;
    const adcl_tensor *w_down, *b_down, *w_up, *b_up;
    const adcl_tensor *z, *h, *dz;                  /* (N, R), (N, W), (N, R) */
    const adcl_tensor *w_down_packed,
        *w_up_packed; /* of (D, R), (W, D): read by forward unless NULL */
    const adcl_tensor *w_up_t, *w_down_t;           /* (D, W), (R, D): backward, unless it turns */
    const adcl_tensor *rooms;
    const adcl__dropout_mask *mask; /* NULL: nothing is dropped */
    float scaling;
    bool residual;
} adcl__fused_pass;

/* y = [x +] mask∘scaling·(act(x·w_down + b_down)·w_up + b_up); leaves z and h. y may be x; h may be
 * z but for log_sumexp. One launch; two where rows are split. */
adcl_status adcl__fused_cpu_forward(adcl_context *ctx, const adcl__fused_pass *p,
                                    const adcl_tensor *x, adcl_tensor *y);

/* Makes w_down_packed and w_up_packed, w_up_t and w_down_t, or all of them. One launch. */
adcl_status adcl__fused_cpu_pack(adcl_context *ctx, const adcl__fused_pass *p, bool kernels,
                                 bool transposes);

/* Parts of the input's gradient: DZ makes dz, and du = mask∘dy where something is dropped (otherwise
 * du is dy); DX makes dx = [dy +] dz·w_downᵀ. One launch, of both parts or, where rows are split, of one. */
enum { ADCL__FUSED_DZ = 1, ADCL__FUSED_DX = 2 };
adcl_status adcl__fused_cpu_backward(adcl_context *ctx, const adcl__fused_pass *p, int parts,
                                     const adcl_tensor *dy, const adcl_tensor *du, adcl_tensor *dx);

/* True where rows are so few, and the kernels so large, that a pass is launched in parts, which cuts it into more
 * work-items: backward takes one part at a time then. */
bool adcl__fused_cpu_splits(const adcl__fused_cpu *program, size_t rows);

/* True where rows are so few that backward reads w_up and w_down themselves, without w_up_t and w_down_t. */
bool adcl__fused_cpu_turns(const adcl__fused_cpu *program, size_t rows);

/* True where rows are so many that packing the kernels for one forward pays. */
bool adcl__fused_cpu_packs(const adcl__fused_cpu *program, size_t rows);

/* Adds to the gradients that are not NULL. One launch. */
typedef struct adcl__fused_gradients {
    adcl_tensor *w_down, *b_down, *w_up, *b_up;
} adcl__fused_gradients;
adcl_status adcl__fused_cpu_gradients(adcl_context *ctx, const adcl__fused_pass *p,
                                      const adcl_tensor *x, const adcl_tensor *du,
                                      const adcl__fused_gradients *to);

/* out (N, D) = a (N, K)·kernel (K, D) + bias; bias NULL: none. */
adcl_status adcl__fused_cpu_product(adcl_context *ctx, const adcl__fused_cpu *program,
                                    const adcl_tensor *a, const adcl_tensor *kernel,
                                    const adcl_tensor *bias, adcl_tensor *out);

/* kernel_gradient (K, D) += aᵀ·du, bias_gradient (1, D) += Σ du. */
adcl_status adcl__fused_cpu_product_gradients(adcl_context *ctx, const adcl__fused_cpu *program,
                                              const adcl_tensor *a, const adcl_tensor *du,
                                              const adcl_tensor *rooms,
                                              adcl_tensor *kernel_gradient,
                                              adcl_tensor *bias_gradient);

/* da (N, K) = dout (N, D)·kernelᵀ (D, K). The program is that of K columns; packed: for a (D, K). Two launches. */
adcl_status adcl__fused_cpu_product_back(adcl_context *ctx, const adcl__fused_cpu *program,
                                         const adcl_tensor *dout, const adcl_tensor *kernel,
                                         const adcl_tensor *packed, adcl_tensor *da);

#endif
