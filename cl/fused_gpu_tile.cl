/* SPDX-License-Identifier: MIT */
/* fused_gpu_tile.cl – one tile of a matrix product in a work-group: what the programs of the GPU plan
 * (fused_gpu.cl, fused_gpu_gradients.cl) are made of. After common.cl.
 *
 *          right (STEP, COLS)     A step multiplies STEP columns of the left matrix with STEP rows of
 *            ┌──────────────┐     the right one. Both are in local memory with k as their row:
 *          k │              │
 *            └──────────────┘       left[k, row]    LEFT_STRIDE apart
 *    left    ┌──────────────┐       right[k, col]   RIGHT_STRIDE apart
 *     k      │ 0 1 2 … 0 1 2│
 *   ┌───┐    │ 0 1 2 … 0 1 2│     A work-item has ITEM_ROWS rows that follow each other, and four
 * M │   │    │ 3 4 5 … 3 4 5│     columns that lie LANES = COLS/4 apart: neighbours then read and
 *   └───┘    │ 3 4 5 … 3 4 5│     write neighbouring columns, of local and of global memory.
 *            └──────────────┘
 * (M, STEP)  acc (M, COLS)        M = GROUP / LANES · ITEM_ROWS
 *
 * Every element is one chain of multiply-adds over k ascending, whatever the tile, so a row has the
 * same bits in every batch. Tiles hang over the edges: outside, reads give 0 and nothing is written. */

/* The tile: work-items, columns, rows of an item, and depth of a step. */
#ifndef ADCL_GROUP
#define ADCL_GROUP 128
#endif
#ifndef ADCL_COLS
#define ADCL_COLS 64
#endif
#ifndef ADCL_ITEM_ROWS
#define ADCL_ITEM_ROWS 8
#endif
#ifndef ADCL_STEP
#define ADCL_STEP 16
#endif
#ifndef ADCL_DROPOUT /* 1: masks are applied */
#define ADCL_DROPOUT 0
#endif

#define ADCL_LANES (ADCL_COLS / 4)
#define ADCL_ROWS (ADCL_GROUP / ADCL_LANES * ADCL_ITEM_ROWS) /* M */
/* Strides in local memory, off the powers of two so that the transposed writes of neighbours fall
 * into different banks; rows of the left tile are read as float4. */
#define ADCL_LEFT_STRIDE (ADCL_ROWS + 4)
#define ADCL_RIGHT_STRIDE (ADCL_COLS + 1)
#define ADCL_LEFT_DEPTH (ADCL_COLS > ADCL_STEP ? ADCL_COLS : ADCL_STEP)
#define ADCL_LEFT_FLOAT4S (ADCL_LEFT_DEPTH * ADCL_LEFT_STRIDE / 4)

/* Bits of `flags`, as in fused_gpu.c. */
#define ADCL_KEEP_Z 1u   /* store z */
#define ADCL_KEEP_H 2u   /* store h */
#define ADCL_WHOLE 4u    /* go on to the wide tiles */
#define ADCL_RESIDUAL 8u /* not parallel */

/* Tiles live in registers, which end at a call; and loops unroll once their bounds are known. */
#define ADCL_INLINE static inline __attribute__((always_inline))

#define ADCL_TILED __attribute__((reqd_work_group_size(ADCL_GROUP, 1, 1)))
#define ADCL_IN(name) global const float *name, ulong name##_offset, ulong name##_stride
#define ADCL_OUT(name) global float *name, ulong name##_offset, ulong name##_stride
#define ADCL_VECTOR(name) global const float *name, ulong name##_offset
#define ADCL_MASK ulong seed, ulong step, uint threshold, float keep_scale

/* The same operations in every kernel, whatever the compiler would make of them: mad is what the device
 * does fastest where that is not a fused multiply-add. */
#pragma OPENCL FP_CONTRACT OFF
#ifdef FP_FAST_FMAF
#define adcl_multiply_add fma
#else
#define adcl_multiply_add mad
#endif

/* A matrix that is read, from its first element on. */
typedef struct adcl_matrix {
    global const float *first;
    ulong stride;
    uint rows, cols;
} adcl_matrix;

/* The dropout of a pass; adcl_dropout_factor has the meaning. `cols` is D, or 0 for none. */
typedef struct adcl_mask {
    ulong seed, step;
    uint cols, threshold;
    float keep_scale;
} adcl_mask;

#define ADCL_NO_MASK ((adcl_mask){0, 0, 0, 0, 0.0f})

/* value, the element (r, c) of a matrix, after dropout: dropped even when infinite or NaN. */
ADCL_INLINE float adcl_masked(float value, uint r, uint c, adcl_mask mask)
{
#if ADCL_DROPOUT
    if (mask.cols == 0) return value;
    float factor =
        adcl_dropout_factor(mask.seed, mask.step, r, c, mask.cols, mask.threshold, mask.keep_scale);
    return factor == 0.0f ? 0.0f : factor * value;
#else
    return value;
#endif
}

ADCL_INLINE float adcl_read(adcl_matrix m, uint r, uint c, adcl_mask mask)
{
    return r < m.rows && c < m.cols ? adcl_masked(m.first[r * m.stride + c], r, c, mask) : 0.0f;
}

/* ---- tiles ------------------------------------------------------------------------------------*/

/* tile[k, i] = m[k0 + k, first + i], k < STEP, i < extent. */
ADCL_INLINE void adcl_load_rows(local float *tile, uint tile_stride, uint extent, adcl_matrix m,
                                uint k0, uint first, adcl_mask mask)
{
#pragma unroll 4
    for (uint part = 0; part < ADCL_STEP * extent / ADCL_GROUP; part++) {
        uint at = part * ADCL_GROUP + (uint)get_local_id(0), k = at / extent, i = at % extent;
        tile[k * tile_stride + i] = adcl_read(m, k0 + k, first + i, mask);
    }
}

/* tile[k, i] = m[first + i, k0 + k]: the transposed one; neighbours read along m's rows. */
ADCL_INLINE void adcl_load_cols(local float *tile, uint tile_stride, uint extent, adcl_matrix m,
                                uint k0, uint first, adcl_mask mask)
{
#pragma unroll 4
    for (uint part = 0; part < ADCL_STEP * extent / ADCL_GROUP; part++) {
        uint at = part * ADCL_GROUP + (uint)get_local_id(0), k = at % ADCL_STEP, i = at / ADCL_STEP;
        tile[k * tile_stride + i] = adcl_read(m, first + i, k0 + k, mask);
    }
}

/* The first row of this work-item in its tile, and its first column: the others follow LANES apart. */
ADCL_INLINE uint adcl_item_row(void)
{
    return (uint)get_local_id(0) / ADCL_LANES * ADCL_ITEM_ROWS;
}

ADCL_INLINE uint adcl_item_col(uint j)
{
    return (uint)get_local_id(0) % ADCL_LANES + j * ADCL_LANES;
}

ADCL_INLINE void adcl_clear(float acc[ADCL_ITEM_ROWS][4])
{
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) acc[i][j] = 0.0f;
}

/* acc[i][j] += Σ_k left[k, row i]·right[k, column j], k < STEP. */
ADCL_INLINE void adcl_multiply(local const float *left, local const float *right,
                               float acc[ADCL_ITEM_ROWS][4])
{
    left += adcl_item_row();
#pragma unroll 4 /* all of them at once would need all registers */
    for (uint k = 0; k < ADCL_STEP; k++) {
        float4 a[ADCL_ITEM_ROWS / 4];
#pragma unroll
        for (uint i = 0; i < ADCL_ITEM_ROWS / 4; i++)
            a[i] = *(local const float4 *)(left + k * ADCL_LEFT_STRIDE + 4 * i);
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            float b = right[k * ADCL_RIGHT_STRIDE + adcl_item_col(j)];
#pragma unroll
            for (uint i = 0; i < ADCL_ITEM_ROWS; i += 4) {
                acc[i][j] = adcl_multiply_add(a[i / 4].x, b, acc[i][j]);
                acc[i + 1][j] = adcl_multiply_add(a[i / 4].y, b, acc[i + 1][j]);
                acc[i + 2][j] = adcl_multiply_add(a[i / 4].z, b, acc[i + 2][j]);
                acc[i + 3][j] = adcl_multiply_add(a[i / 4].w, b, acc[i + 3][j]);
            }
        }
    }
}

/* The right tile of a product with a kernel w, or (transposed) with wᵀ: rows k0 …, columns first …
 * of it. */
ADCL_INLINE void adcl_load_right(local float *right, adcl_matrix w, bool transposed, uint k0,
                                 uint first)
{
    if (transposed)
        adcl_load_cols(right, ADCL_RIGHT_STRIDE, ADCL_COLS, w, k0, first, ADCL_NO_MASK);
    else
        adcl_load_rows(right, ADCL_RIGHT_STRIDE, ADCL_COLS, w, k0, first, ADCL_NO_MASK);
}

/* acc = tile (first_row, first_col) of (mask∘a)·w, or ·wᵀ. */
ADCL_INLINE void adcl_product(adcl_matrix a, uint first_row, adcl_mask mask, adcl_matrix w,
                              bool transposed, uint first_col, local float *left,
                              local float *right, float acc[ADCL_ITEM_ROWS][4])
{
    adcl_clear(acc);
    for (uint k0 = 0; k0 < a.cols; k0 += ADCL_STEP) {
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_load_cols(left, ADCL_LEFT_STRIDE, ADCL_ROWS, a, k0, first_row, mask);
        adcl_load_right(right, w, transposed, k0, first_col);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_multiply(left, right, acc);
    }
}

/* The same for the `inner` columns of a that all are in local memory, as left[k, row]. */
ADCL_INLINE void adcl_product_local(local const float *left, uint inner, adcl_matrix w,
                                    bool transposed, uint first_col, local float *right,
                                    float acc[ADCL_ITEM_ROWS][4])
{
    adcl_clear(acc);
    for (uint k0 = 0; k0 < inner; k0 += ADCL_STEP) {
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_load_right(right, w, transposed, k0, first_col);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_multiply(left + k0 * ADCL_LEFT_STRIDE, right, acc);
    }
}

/* left[column, row] = acc, for adcl_product_local and the sums below. */
ADCL_INLINE void adcl_to_local(local float *left, float acc[ADCL_ITEM_ROWS][4])
{
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint j = 0; j < 4; j++)
#pragma unroll
        for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
            left[adcl_item_col(j) * ADCL_LEFT_STRIDE + adcl_item_row() + i] = acc[i][j];
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* Writes a tile into m (rows, cols). */
ADCL_INLINE void adcl_store(global float *m, ulong stride, uint rows, uint cols, uint first_row,
                            uint first_col, float acc[ADCL_ITEM_ROWS][4])
{
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            uint r = first_row + adcl_item_row() + i, c = first_col + adcl_item_col(j);
            if (r < rows && c < cols) m[r * stride + c] = acc[i][j];
        }
}

/* dx = [dy +] acc for one tile, acc being that of dz·w_downᵀ. dx may be dy. */
ADCL_INLINE void adcl_store_dx(float acc[ADCL_ITEM_ROWS][4], adcl_matrix dy, global float *dx,
                               ulong dx_stride, uint first_row, uint first_col, uint flags)
{
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            uint r = first_row + adcl_item_row() + i, c = first_col + adcl_item_col(j);
            if (r >= dy.rows || c >= dy.cols) continue;
            float own = flags & ADCL_RESIDUAL ? dy.first[r * dy.stride + c] : 0.0f;
            dx[r * dx_stride + c] = own + acc[i][j];
        }
}
