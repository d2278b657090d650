/* SPDX-License-Identifier: MIT */
/* fused_gpu_gradients.cl – the parameter gradients of the GPU plan, and dx where it is made apart
 * from dz. After common.cl and gpu_tile.cl. Knows no activation: forward has kept h.
 *
 *     dw_up   += s·hᵀ·(mask∘dy)   (width, D)      db_up   += s·Σ mask∘dy    (1, D)
 *     dw_down +=   xᵀ·dz          (D, R)          db_down +=   Σ dz         (1, R)
 *
 * N is cut into `splits` blocks of block_rows rows; a group sums one block for one tile, rows
 * ascending. A bias gradient is the column sum of the product's right matrix, and rides along in the
 * first row of tiles. One split: sums are added to the gradients at once. More, so that every
 * compute unit has a tile: they go to scratch, and adcl_fused_gpu_finish adds them up in order.
 *
 *     scratch, for each split:   dw_up (width, D) │ db_up (1, D) │ dw_down (D, R) │ db_down (1, R)
 *
 * Each tile reads (M + COLS)·4 bytes per row for 2·M·COLS FLOP: 16 FLOP a byte from the cache with
 * 64 × 64; scratch is written and read once, a few per cent of x and dy. */

/* Bits of `wanted`, one for each slot, as in include/adapter_cl/adapter.h. */
#define ADCL_WANTS_DOWN_KERNEL 1u
#define ADCL_WANTS_DOWN_BIAS 2u
#define ADCL_WANTS_UP_KERNEL 4u
#define ADCL_WANTS_UP_BIAS 8u

/* Where a product's sums go: += scale·sum in the gradients, or = sum in scratch. */
typedef struct adcl_sums {
    global float *kernel_sums, *bias_sums;
    ulong stride;
    float scale;
    bool adds, wants_kernel, wants_bias;
} adcl_sums;

ADCL_INLINE void adcl_put_sum(global float *place, float sum, adcl_sums to)
{
    *place = to.adds ? *place + to.scale * sum : sum;
}

/* One tile (first_row, first_col) of leftᵀ·right over rows first … of both, to the end of `left`. */
ADCL_INLINE void adcl_sum_tile(adcl_matrix left, adcl_matrix right, adcl_mask mask, uint first,
                               uint first_row, uint first_col, adcl_sums to, local float *left_tile,
                               local float *right_tile)
{
    const adcl_factors factors = {left, right, ADCL_NO_MASK, mask, true, false};
    const bool sums_columns = first_row == 0 && to.wants_bias;
    const uint item = adcl_item(), team = adcl_team();
    float acc[ADCL_ITEM_ROWS][4], column = 0.0f;
    adcl_product(factors, first_row, first_col, first, ADCL_TEAMS * ADCL_STEP, left.rows, left_tile,
                 right_tile, acc, sums_columns, &column);
    adcl_add_teams(left_tile, acc);
    /* The right tiles are done with: the teams' sums of columns take their place. */
    if (item < ADCL_COLS) right_tile[team * ADCL_COLS + item] = column;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (sums_columns && team == 0 && item < ADCL_COLS && first_col + item < right.cols) {
        column = 0.0f;
        for (uint i = 0; i < ADCL_TEAMS; i++) column += right_tile[i * ADCL_COLS + item];
        adcl_put_sum(to.bias_sums + first_col + item, column, to);
    }
    if (!to.wants_kernel || team != 0) return;
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            uint r = first_row + adcl_item_row() + i, c = first_col + adcl_item_col() + j;
            if (r < left.cols && c < right.cols)
                adcl_put_sum(to.kernel_sums + r * to.stride + c, acc[i][j], to);
        }
}

/* Groups: splits × (up_tiles tiles of the up product, then those of the down product). */
ADCL_TILED kernel void adcl_fused_gpu_sums(ADCL_IN(h), ADCL_IN(dy), ADCL_IN(x), ADCL_IN(dz),
                                           ADCL_OUT(dw_up), global float *db_up, ulong db_up_offset,
                                           ADCL_OUT(dw_down), global float *db_down,
                                           ulong db_down_offset, global float *scratch, uint rows,
                                           uint hidden, uint bottleneck, uint width, float scaling,
                                           uint wanted, uint splits, uint block_rows, uint up_tiles,
                                           ADCL_MASK)
{
    local float4 left4[ADCL_LEFT_FLOAT4S], right4[ADCL_RIGHT_FLOAT4S];
    uint split = (uint)get_group_id(0) % splits, tile = (uint)get_group_id(0) / splits;
    bool up = tile < up_tiles;
    if (!up) tile -= up_tiles;
    uint first = split * block_rows, end = min(rows - first, block_rows) + first;
    adcl_matrix left = ADCL_MATRIX(x, end, hidden), right = ADCL_MATRIX(dz, end, bottleneck);
    adcl_sums to = {dw_down + dw_down_offset, db_down + db_down_offset, dw_down_stride, 1.0f,
                    splits == 1, wanted & ADCL_WANTS_DOWN_KERNEL, wanted & ADCL_WANTS_DOWN_BIAS};
    if (up) {
        left = ADCL_MATRIX(h, end, width);
        right = ADCL_MATRIX(dy, end, hidden);
        to = (adcl_sums){dw_up + dw_up_offset, db_up + db_up_offset, dw_up_stride, scaling,
                         splits == 1, wanted & ADCL_WANTS_UP_KERNEL, wanted & ADCL_WANTS_UP_BIAS};
    }
    if (splits > 1) {
        ulong up_size = (width + 1ul) * hidden, down_size = (hidden + 1ul) * bottleneck;
        to.kernel_sums = scratch + split * (up_size + down_size) + (up ? 0 : up_size);
        to.bias_sums = to.kernel_sums + (ulong)left.cols * right.cols;
        to.stride = right.cols;
    }
    adcl_mask mask = {seed, step, up ? hidden : 0, threshold, keep_scale};
    uint col_tiles = (right.cols + ADCL_COLS - 1) / ADCL_COLS;
    adcl_sum_tile(left, right, mask, first, tile / col_tiles * ADCL_ROWS,
                  tile % col_tiles * ADCL_COLS, to, (local float *)left4,
                  (local float *)right4);
}

/* Element `at` of a gradient (rows, cols) += scale·(its sums over all splits); row `rows` of the sums
 * is the bias gradient's. */
ADCL_INLINE void adcl_add_sums(global const float *sums, ulong split_size, uint splits, ulong at,
                               uint rows, uint cols, float scale, global float *kernel_gradient,
                               ulong stride, global float *bias_gradient, bool wants_kernel,
                               bool wants_bias)
{
    ulong r = at / cols, c = at % cols;
    if (r < rows ? !wants_kernel : !wants_bias) return;
    float sum = 0.0f;
    for (uint split = 0; split < splits; split++) sum += sums[split * split_size + at];
    global float *place = r < rows ? kernel_gradient + r * stride + c : bias_gradient + c;
    *place = *place + scale * sum;
}

/* dx = [dy +] dz·w_downᵀ in the first dx_groups groups: row tiles × column tiles of D. In the others
 * an item adds up the splits of one element of scratch. */
ADCL_TILED kernel void adcl_fused_gpu_finish(ADCL_IN(dz), ADCL_IN(down), ADCL_IN(dy), ADCL_OUT(dx),
                                             ADCL_OUT(dw_up), global float *db_up,
                                             ulong db_up_offset, ADCL_OUT(dw_down),
                                             global float *db_down, ulong db_down_offset,
                                             global const float *scratch, uint rows, uint hidden,
                                             uint bottleneck, uint width, float scaling,
                                             uint wanted, uint splits, uint dx_groups, uint flags)
{
    local float4 left4[ADCL_LEFT_FLOAT4S], right4[ADCL_RIGHT_FLOAT4S];
    uint group = get_group_id(0);
    if (group < dx_groups) {
        const uint2 tile = adcl_wide_tile(group, hidden);
        const adcl_factors factors = {ADCL_MATRIX(dz, rows, bottleneck),
                                      ADCL_MATRIX(down, hidden, bottleneck), ADCL_NO_MASK, ADCL_NO_MASK,
                                      false, true};
        float acc[ADCL_ITEM_ROWS][4];
        adcl_product(factors, tile.x, tile.y, 0, ADCL_STEP, bottleneck,
                     (local float *)left4, (local float *)right4, acc, false, NULL);
        adcl_store_dx(acc, ADCL_MATRIX(dy, rows, hidden), ADCL_RESULT(dx, rows, hidden), tile.x,
                      tile.y, flags);
    } else {
        ulong at = (ulong)(group - dx_groups) * ADCL_GROUP + get_local_id(0);
        ulong up_size = (width + 1ul) * hidden, size = up_size + (hidden + 1ul) * bottleneck;
        if (at < up_size)
            adcl_add_sums(scratch, size, splits, at, width, hidden, scaling, dw_up + dw_up_offset,
                          dw_up_stride, db_up + db_up_offset, wanted & ADCL_WANTS_UP_KERNEL,
                          wanted & ADCL_WANTS_UP_BIAS);
        else if (at < size)
            adcl_add_sums(scratch + up_size, size, splits, at - up_size, hidden, bottleneck, 1.0f,
                          dw_down + dw_down_offset, dw_down_stride, db_down + db_down_offset,
                          wanted & ADCL_WANTS_DOWN_KERNEL, wanted & ADCL_WANTS_DOWN_BIAS);
    }
}
