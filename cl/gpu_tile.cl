/* SPDX-License-Identifier: MIT */
/* gpu_tile.cl – tiles of a matrix product in a work-group: what the programs of the GPU plan
 * (fused_gpu.cl, fused_gpu_gradients.cl, packed_gpu.cl) are made of. After common.cl.
 *
 *          right (STEP, COLS)     A step multiplies STEP columns of the left matrix with STEP rows of
 *            ┌──────────────┐     the right one. Both are in local memory with k as their row:
 *          k │              │
 *            └──────────────┘       left[k, row]    LEFT_STRIDE apart
 *    left    ┌──────────────┐       right[k, col]   RIGHT_STRIDE apart
 *     k      │ 0 0 0 0 1 1 1│
 *   ┌───┐    │ 0 0 0 0 1 1 1│     A work-item has ITEM_ROWS rows that follow each other, and four
 * M │   │    │ 4 4 4 4 5 5 5│     columns that do: neighbours read and write neighbouring columns, of
 *   └───┘    │ 4 4 4 4 5 5 5│     local and of global memory.
 *            └──────────────┘
 * (M, STEP)  acc (M, COLS)        M = ITEMS / LANES · ITEM_ROWS, LANES = COLS / 4
 *
 * ITEMS work-items are a team, which makes a tile; TEAMS of them are the work-group. Where a product has
 * one tile and a long inner dimension, teams take its steps in turns and add up what they have; where it
 * has many tiles, they take tiles in turns. So a compute unit has several warps at work, however few the
 * rows. While a step is multiplied, the items hold the next one's numbers in registers, already asked for.
 *
 * Every element is the sum over teams of chains of multiply-adds over k ascending, or one such chain, in an
 * order that tiles of the same TEAMS and STEP share: so a row has the same bits in every batch. Tiles hang
 * over the edges: outside, reads give 0 and nothing is written. */

/* The tile: teams, work-items of each, columns, rows of an item, and depth of a step. */
#ifndef ADCL_TEAMS
#define ADCL_TEAMS 4
#endif
#ifndef ADCL_ITEMS
#define ADCL_ITEMS 64
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

#define ADCL_GROUP (ADCL_TEAMS * ADCL_ITEMS)
#define ADCL_LANES (ADCL_COLS / 4)
#define ADCL_ROWS (ADCL_ITEMS / ADCL_LANES * ADCL_ITEM_ROWS) /* M */
/* Strides in local memory, off the powers of two so that the transposed writes of neighbours fall
 * into different banks; rows of both tiles are read as float4. */
#define ADCL_LEFT_STRIDE (ADCL_ROWS + 4)
#define ADCL_RIGHT_STRIDE (ADCL_COLS + 4)
#define ADCL_LEFT_TILE (ADCL_STEP * ADCL_LEFT_STRIDE)
#define ADCL_RIGHT_TILE (ADCL_STEP * ADCL_RIGHT_STRIDE)
/* The left tiles of all teams, in whose place the rows of a whole result are later, for the next product. */
#define ADCL_LEFT_DEPTH (ADCL_COLS > ADCL_TEAMS * ADCL_STEP ? ADCL_COLS : ADCL_TEAMS * ADCL_STEP)
#define ADCL_LEFT_FLOAT4S (ADCL_LEFT_DEPTH * ADCL_LEFT_STRIDE / 4)
#define ADCL_RIGHT_FLOAT4S (ADCL_TEAMS * ADCL_RIGHT_TILE / 4)

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

/* Item of its team, and team of its group. */
ADCL_INLINE uint adcl_item(void)
{
    return (uint)get_local_id(0) % ADCL_ITEMS;
}

ADCL_INLINE uint adcl_team(void)
{
    return (uint)get_local_id(0) / ADCL_ITEMS;
}

/* ---- matrices ---------------------------------------------------------------------------------*/

/* A matrix that is read, from its first element on. */
typedef struct adcl_matrix {
    global const float *first;
    ulong stride;
    uint rows, cols;
    bool in_fours; /* four elements from a multiple of four on lie as a float4 does */
} adcl_matrix;

/* One that is written. */
typedef struct adcl_result {
    global float *first;
    ulong stride;
    uint rows, cols;
    bool in_fours;
} adcl_result;

ADCL_INLINE bool adcl_in_fours(global const float *first, ulong stride)
{
    return ((size_t)first | (size_t)(stride * sizeof(float))) % sizeof(float4) == 0;
}

/* One of a kernel's arguments. Macros, for oclgrind does not know what clang makes of a struct that a function
 * returns; so adcl_place and adcl_wide_tile return vectors. */
#define ADCL_WHOLE_MATRIX(type, name, rows, cols)                                                  \
    ((type){name + name##_offset, name##_stride, rows, cols,                                       \
            adcl_in_fours(name + name##_offset, name##_stride)})
#define ADCL_MATRIX(name, rows, cols) ADCL_WHOLE_MATRIX(adcl_matrix, name, rows, cols)
#define ADCL_RESULT(name, rows, cols) ADCL_WHOLE_MATRIX(adcl_result, name, rows, cols)

/* The dropout of a pass; adcl_dropout_factor has the meaning. `cols` is D, or 0 for none. */
typedef struct adcl_mask {
    ulong seed, step;
    uint cols, threshold;
    float keep_scale;
} adcl_mask;

#define ADCL_NO_MASK ((adcl_mask){0, 0, 0, 0, 0.0f})

/* value, the elements (r, c) … (r, c + 3) of a matrix, after dropout: dropped even when infinite or NaN. */
ADCL_INLINE float4 adcl_masked(float4 value, uint r, uint c, adcl_mask mask)
{
#if ADCL_DROPOUT
    if (mask.cols == 0) return value;
    ulong element = (ulong)r * mask.cols + c;
    uint4 words = adcl_dropout_words(mask.seed, mask.step, element / 4);
    uint shift = (uint)element & 3;
    if (shift != 0) { /* the four are of two blocks */
        uint4 next = adcl_dropout_words(mask.seed, mask.step, element / 4 + 1);
        words = shift == 1   ? (uint4)(words.y, words.z, words.w, next.x)
                : shift == 2 ? (uint4)(words.z, words.w, next.x, next.y)
                             : (uint4)(words.w, next.x, next.y, next.z);
    }
    return words >= (uint4)(mask.threshold) ? mask.keep_scale * value : (float4)(0.0f);
#else
    return value;
#endif
}

/* Elements (r, c) … (r, c + 3) of m. */
ADCL_INLINE float4 adcl_read4(adcl_matrix m, uint r, uint c)
{
    if (r >= m.rows || c >= m.cols) return (float4)(0.0f);
    global const float *at = m.first + r * m.stride + c;
    if (m.in_fours && c + 4 <= m.cols) return *(global const float4 *)at;
    return (float4)(at[0], c + 1 < m.cols ? at[1] : 0.0f, c + 2 < m.cols ? at[2] : 0.0f,
                    c + 3 < m.cols ? at[3] : 0.0f);
}

ADCL_INLINE void adcl_write4(adcl_result m, uint r, uint c, float4 value)
{
    if (r >= m.rows || c >= m.cols) return;
    global float *at = m.first + r * m.stride + c;
    if (m.in_fours && c + 4 <= m.cols) {
        *(global float4 *)at = value;
        return;
    }
    at[0] = value.x;
    if (c + 1 < m.cols) at[1] = value.y;
    if (c + 2 < m.cols) at[2] = value.z;
    if (c + 3 < m.cols) at[3] = value.w;
}

/* ---- from global to local memory --------------------------------------------------------------*/

/* How many float4 of a tile (STEP, extent) an item carries. */
#define ADCL_CARRIED(extent) ((ADCL_STEP * (extent) / 4 + ADCL_ITEMS - 1) / ADCL_ITEMS)
#define ADCL_CARRIED_LEFT ADCL_CARRIED(ADCL_ROWS)
#define ADCL_CARRIED_RIGHT ADCL_CARRIED(ADCL_COLS)

/* The place (k, i) in a tile of an item's n-th float4: four columns of one row, or, transposed, four rows of one
 * column, so that neighbours read along m's rows in both cases. */
ADCL_INLINE uint2 adcl_place(uint n, uint extent, bool transposed)
{
    uint at = n * ADCL_ITEMS + adcl_item();
    return transposed ? (uint2)(at % (ADCL_STEP / 4) * 4, at / (ADCL_STEP / 4))
                      : (uint2)(at / (extent / 4), at % (extent / 4) * 4);
}

/* False where a tile has fewer float4 than a team has items. */
ADCL_INLINE bool adcl_is_in_tile(uint2 place, uint extent)
{
    return place.x < ADCL_STEP && place.y < extent;
}

/* carried = mask∘m[k0 + k, first + i] for this item's places (k, i); transposed, of m[first + i, k0 + k]. */
ADCL_INLINE void adcl_fetch(adcl_matrix m, bool transposed, uint k0, uint first, uint extent,
                            adcl_mask mask, float4 *carried)
{
#pragma unroll
    for (uint n = 0; n < ADCL_CARRIED(extent); n++) {
        uint2 place = adcl_place(n, extent, transposed);
        uint r = transposed ? first + place.y : k0 + place.x;
        uint c = transposed ? k0 + place.x : first + place.y;
        carried[n] = adcl_is_in_tile(place, extent) ? adcl_masked(adcl_read4(m, r, c), r, c, mask)
                                                    : (float4)(0.0f);
    }
}

/* tile[k, i] = what was fetched. */
ADCL_INLINE void adcl_put(local float *tile, uint stride, bool transposed, uint extent,
                          const float4 *carried)
{
#pragma unroll
    for (uint n = 0; n < ADCL_CARRIED(extent); n++) {
        uint2 place = adcl_place(n, extent, transposed);
        if (!adcl_is_in_tile(place, extent)) continue;
        local float *to = tile + place.x * stride + place.y;
        if (transposed) {
            to[0] = carried[n].x;
            to[stride] = carried[n].y;
            to[2 * stride] = carried[n].z;
            to[3 * stride] = carried[n].w;
        } else {
            *(local float4 *)to = carried[n];
        }
    }
}

/* ---- tiles ------------------------------------------------------------------------------------*/

/* The first row and the first column of this work-item in its tile. */
ADCL_INLINE uint adcl_item_row(void)
{
    return adcl_item() / ADCL_LANES * ADCL_ITEM_ROWS;
}

ADCL_INLINE uint adcl_item_col(void)
{
    return adcl_item() % ADCL_LANES * 4;
}

ADCL_INLINE float4 adcl_four(const float numbers[4])
{
    return (float4)(numbers[0], numbers[1], numbers[2], numbers[3]);
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
    right += adcl_item_col();
#pragma unroll 4 /* all of them at once would need all registers */
    for (uint k = 0; k < ADCL_STEP; k++) {
        float4 b = *(local const float4 *)(right + k * ADCL_RIGHT_STRIDE);
#pragma unroll
        for (uint i = 0; i < ADCL_ITEM_ROWS; i += 4) {
            float4 a = *(local const float4 *)(left + k * ADCL_LEFT_STRIDE + i);
            const float of_a[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
            for (uint n = 0; n < 4; n++) {
                acc[i + n][0] = adcl_multiply_add(of_a[n], b.x, acc[i + n][0]);
                acc[i + n][1] = adcl_multiply_add(of_a[n], b.y, acc[i + n][1]);
                acc[i + n][2] = adcl_multiply_add(of_a[n], b.z, acc[i + n][2]);
                acc[i + n][3] = adcl_multiply_add(of_a[n], b.w, acc[i + n][3]);
            }
        }
    }
}

/* left[column, row] = acc of the first team, for the next product and the sums of rows. */
ADCL_INLINE void adcl_to_local(local float *left, float acc[ADCL_ITEM_ROWS][4])
{
    barrier(CLK_LOCAL_MEM_FENCE);
    if (adcl_team() == 0)
#pragma unroll
        for (uint j = 0; j < 4; j++)
#pragma unroll
            for (uint i = 0; i < ADCL_ITEM_ROWS; i += 4)
                *(local float4 *)(left + (adcl_item_col() + j) * ADCL_LEFT_STRIDE + adcl_item_row() + i) =
                    (float4)(acc[i][j], acc[i + 1][j], acc[i + 2][j], acc[i + 3][j]);
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* acc = the sum over teams of acc, in their order; every team gets it. */
ADCL_INLINE void adcl_add_teams(local float *left, float acc[ADCL_ITEM_ROWS][4])
{
    local float *own = left + adcl_item_col() * ADCL_LEFT_STRIDE + adcl_item_row();
    adcl_to_local(left, acc);
    for (uint team = 1; team < ADCL_TEAMS; team++) {
        if (adcl_team() == team)
#pragma unroll
            for (uint j = 0; j < 4; j++)
#pragma unroll
                for (uint i = 0; i < ADCL_ITEM_ROWS; i++) own[j * ADCL_LEFT_STRIDE + i] += acc[i][j];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#pragma unroll
    for (uint j = 0; j < 4; j++)
#pragma unroll
        for (uint i = 0; i < ADCL_ITEM_ROWS; i++) acc[i][j] = own[j * ADCL_LEFT_STRIDE + i];
}

/* ---- products ---------------------------------------------------------------------------------*/

/* What is multiplied: left[k, row] is (mask∘a)[row, k], or of_rows a[k, row]; right[k, col] is w[k, col], or
 * transposed w[col, k]. */
typedef struct adcl_factors {
    adcl_matrix a, w;
    adcl_mask a_mask, w_mask;
    bool of_rows, transposed;
} adcl_factors;

/* The sum of the right tile's column `item`; COLS ≤ ITEMS where it is wanted. */
ADCL_INLINE float adcl_column_sum(local const float *right)
{
    float sum = 0.0f;
    if (adcl_item() < ADCL_COLS)
        for (uint k = 0; k < ADCL_STEP; k++) sum += right[k * ADCL_RIGHT_STRIDE + adcl_item()];
    return sum;
}

/* acc = this team's part of tile (first_row, first_col): steps that begin at k = first, first + apart, …
 * below `last`, the same number of them in every team. Where sums_column, *column is the sum of the same rows
 * of right's column `item`. */
ADCL_INLINE void adcl_product(adcl_factors f, uint first_row, uint first_col, uint first, uint apart,
                              uint last, local float *left, local float *right,
                              float acc[ADCL_ITEM_ROWS][4], bool sums_column, float *column)
{
    float4 of_left[ADCL_CARRIED_LEFT], of_right[ADCL_CARRIED_RIGHT];
    uint k0 = first + adcl_team() % (apart / ADCL_STEP) * ADCL_STEP;
    left += adcl_team() * ADCL_LEFT_TILE;
    right += adcl_team() * ADCL_RIGHT_TILE;
    adcl_clear(acc);
    adcl_fetch(f.a, !f.of_rows, k0, first_row, ADCL_ROWS, f.a_mask, of_left);
    adcl_fetch(f.w, f.transposed, k0, first_col, ADCL_COLS, f.w_mask, of_right);
    for (; first < last; first += apart) {
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_put(left, ADCL_LEFT_STRIDE, !f.of_rows, ADCL_ROWS, of_left);
        adcl_put(right, ADCL_RIGHT_STRIDE, f.transposed, ADCL_COLS, of_right);
        barrier(CLK_LOCAL_MEM_FENCE);
        k0 += apart;
        adcl_fetch(f.a, !f.of_rows, k0, first_row, ADCL_ROWS, f.a_mask, of_left);
        adcl_fetch(f.w, f.transposed, k0, first_col, ADCL_COLS, f.w_mask, of_right);
        adcl_multiply(left, right, acc);
        if (sums_column) *column += adcl_column_sum(right);
    }
}

/* acc = tile `first_col` of left·w, or left·wᵀ, where all `inner` columns of left are in local memory as
 * left[k, row]. of_right has been fetched for it, and is for tile next_col afterwards. */
ADCL_INLINE void adcl_product_local(local const float *left, uint inner, adcl_matrix w,
                                    bool transposed, uint first_col, uint next_col,
                                    local float *right, float4 *of_right,
                                    float acc[ADCL_ITEM_ROWS][4])
{
    right += adcl_team() * ADCL_RIGHT_TILE;
    adcl_clear(acc);
    for (uint k0 = 0; k0 < inner; k0 += ADCL_STEP) {
        bool goes_on = k0 + ADCL_STEP < inner;
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_put(right, ADCL_RIGHT_STRIDE, transposed, ADCL_COLS, of_right);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_fetch(w, transposed, goes_on ? k0 + ADCL_STEP : 0, goes_on ? first_col : next_col,
                   ADCL_COLS, ADCL_NO_MASK, of_right);
        adcl_multiply(left + k0 * ADCL_LEFT_STRIDE, right, acc);
    }
}

/* Writes a tile. */
ADCL_INLINE void adcl_store(adcl_result m, uint first_row, uint first_col, float acc[ADCL_ITEM_ROWS][4])
{
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
        adcl_write4(m, first_row + adcl_item_row() + i, first_col + adcl_item_col(), adcl_four(acc[i]));
}

/* dx = [dy +] acc for one tile, acc being that of dz·w_downᵀ. dx may be dy. */
ADCL_INLINE void adcl_store_dx(float acc[ADCL_ITEM_ROWS][4], adcl_matrix dy, adcl_result dx,
                               uint first_row, uint first_col, uint flags)
{
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++) {
        uint r = first_row + adcl_item_row() + i, c = first_col + adcl_item_col();
        float4 own = flags & ADCL_RESIDUAL ? adcl_read4(dy, r, c) : (float4)(0.0f);
        adcl_write4(dx, r, c, own + adcl_four(acc[i]));
    }
}

/* First row and first column of a team's tile in a wide result, whose groups have TEAMS tiles side by side. */
ADCL_INLINE uint2 adcl_wide_tile(uint group, uint cols)
{
    const uint group_cols = ADCL_TEAMS * ADCL_COLS, col_groups = (cols + group_cols - 1) / group_cols;
    return (uint2)(group / col_groups * ADCL_ROWS,
                   group % col_groups * group_cols + adcl_team() * ADCL_COLS);
}
