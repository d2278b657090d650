/* SPDX-License-Identifier: MIT */
/* fused_gpu.cl – an adapter's forward and backward for devices of many work-groups with local
 * memory: the GPU plan of the engine `fused`. After common.cl, the activation's functions and
 * fused_gpu_tile.cl.
 *
 *   forward    z = x·w_down + b_down    h = act(z)             y = [x +] s·mask∘(h·w_up + b_up)
 *   backward   dh = s·(mask∘dy)·w_upᵀ   dz = dh ∘ act′(z)      dx = [dy +] dz·w_downᵀ
 *   gradients  dw_up += s·hᵀ·(mask∘dy), db_up; dw_down += xᵀ·dz, db_down: fused_gpu_gradients.cl
 *
 * Both passes have one shape: a wide matrix (N, D) to a narrow one (N, R) and back. A work-group
 * takes M rows through all of it, if R fits one tile (ADCL_WHOLE):
 *
 *        k → D               COLS ≥ R              one tile of COLS after the other → D
 *      ┌──┬──┬──┐           ┌────────┐              ┌────────┬────────┬───┐
 *    M │░░│  │  │ ── w₁ ──► │ narrow │ ─ act, w₂ ─► │        │        │   │
 *      └──┴──┴──┘           └────────┘              └────────┴────────┴───┘
 *      STEP columns and      registers, then
 *      rows of w₁ at a       local memory
 *      time, in local memory
 *
 * Otherwise – R larger, or few rows, which must be cut along R and D to give every compute unit
 * work – the same kernel ends after `narrow`, of which a group then has COLS columns, and
 * adcl_fused_gpu_out_fwd, or adcl_fused_gpu_finish for dx, makes the wide tiles, a group each.
 *
 * What it costs, forward. Global memory: x is read twice, the second time from the cache, and y
 * written: 8·D bytes a row for 4·D·R FLOP, R/2 FLOP a byte, 32 at R = 64. Cache: both kernels once for
 * M rows, M/2 FLOP a byte. Local memory: per k an item reads ITEM_ROWS + 4 floats for 8·ITEM_ROWS
 * FLOP, at ITEM_ROWS = 8 48 bytes for 64 FLOP, two thirds of them broadcast to the items beside it,
 * so that multiply-adds are the limit. 32 accumulators in 60 to 110 registers, 22 KiB of local memory
 * and 128 items leave room for several groups on a compute unit, which hide each other's barriers
 * and reads; scripts/check-kernels.sh --registers has the numbers. */

#define ADCL_ROW_WISE (ADCL_VARIANT >= ADCL_SOFTMAX)

/* ---- rows of the softmax family ---------------------------------------------------------------*/

#if ADCL_ROW_WISE

/* results[r] = the largest, or the sum, of columns 0 … cols − 1 of row r in left. */
ADCL_INLINE void adcl_row_reduce(local const float *left, uint cols, bool largest,
                                 local float *results)
{
    for (uint r = get_local_id(0); r < ADCL_ROWS; r += ADCL_GROUP) {
        float result = left[r];
        for (uint c = 1; c < cols; c++) {
            float value = left[c * ADCL_LEFT_STRIDE + r];
            result = largest ? fmax(result, value) : result + value;
        }
        results[r] = result;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* acc: z → h, of rows that are whole in this tile. Columns from the width of h on become 0. */
ADCL_INLINE void adcl_act_rows(float acc[ADCL_ITEM_ROWS][4], uint bottleneck, local float *left,
                               local float *largest, local float *sums)
{
    adcl_to_local(left, acc);
    adcl_row_reduce(left, bottleneck, true, largest);
    float e[ADCL_ITEM_ROWS][4];
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) e[i][j] = exp(acc[i][j] - largest[adcl_item_row() + i]);
    adcl_to_local(left, e);
    adcl_row_reduce(left, bottleneck, false, sums);
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            uint r = adcl_item_row() + i, c = adcl_item_col(j);
#if ADCL_VARIANT == ADCL_SOFTMAX
            acc[i][j] = c < bottleneck ? e[i][j] / sums[r] : 0.0f;
#elif ADCL_VARIANT == ADCL_LOG_SOFTMAX
            acc[i][j] = c < bottleneck ? acc[i][j] - largest[r] - log(sums[r]) : 0.0f;
#else
            acc[i][j] = c == 0 ? largest[r] + log(sums[r]) : 0.0f;
#endif
        }
}

#endif

/* acc: dh → dz of the columns from first_col on. For softmax and log_softmax the tile has whole
 * rows (if not, acc stays dh: adcl_fused_gpu_rows_bwd follows); for log_sumexp acc has dh (N, 1). */
ADCL_INLINE void adcl_act_backward(float acc[ADCL_ITEM_ROWS][4], adcl_matrix z, adcl_matrix h,
                                   uint first_row, uint first_col, local float *left,
                                   local float *sums)
{
#if ADCL_VARIANT == ADCL_SOFTMAX || ADCL_VARIANT == ADCL_LOG_SOFTMAX
    if (z.cols > ADCL_COLS) return;
    float p[ADCL_ITEM_ROWS][4], terms[ADCL_ITEM_ROWS][4];
#endif
#if ADCL_VARIANT == ADCL_LOG_SUMEXP
    adcl_to_local(left, acc); /* its row 0 is dh */
#endif
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            uint r = first_row + adcl_item_row() + i, c = first_col + adcl_item_col(j);
#if ADCL_VARIANT == ADCL_SOFTMAX
            p[i][j] = adcl_read(h, r, c, ADCL_NO_MASK);
            terms[i][j] = p[i][j] * acc[i][j];
#elif ADCL_VARIANT == ADCL_LOG_SOFTMAX
            p[i][j] = exp(adcl_read(h, r, c, ADCL_NO_MASK));
            terms[i][j] = acc[i][j];
#elif ADCL_VARIANT == ADCL_LOG_SUMEXP
            float p = exp(adcl_read(z, r, c, ADCL_NO_MASK) - adcl_read(h, r, 0, ADCL_NO_MASK));
            acc[i][j] = c < z.cols ? p * left[adcl_item_row() + i] : 0.0f;
#else
            float slope = adcl_act_slope(adcl_read(z, r, c, ADCL_NO_MASK));
            acc[i][j] = c < z.cols ? acc[i][j] * slope : 0.0f;
#endif
        }
#if ADCL_VARIANT == ADCL_SOFTMAX || ADCL_VARIANT == ADCL_LOG_SOFTMAX
    adcl_to_local(left, terms);
    adcl_row_reduce(left, z.cols, false, sums);
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            float sum = sums[adcl_item_row() + i];
#if ADCL_VARIANT == ADCL_SOFTMAX
            float dz = p[i][j] * (acc[i][j] - sum);
#else
            float dz = acc[i][j] - p[i][j] * sum;
#endif
            acc[i][j] = adcl_item_col(j) < z.cols ? dz : 0.0f;
        }
#endif
}

/* ---- forward ----------------------------------------------------------------------------------*/

/* y = [x +] mask∘(s·(acc + bias)) for one tile, acc being that of h·w_up. */
ADCL_INLINE void adcl_store_y(float acc[ADCL_ITEM_ROWS][4], adcl_matrix x, global const float *bias,
                              global float *y, ulong y_stride, uint first_row, uint first_col,
                              float scaling, uint flags, adcl_mask mask)
{
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            uint r = first_row + adcl_item_row() + i, c = first_col + adcl_item_col(j);
            if (r >= x.rows || c >= x.cols) continue;
            float own = flags & ADCL_RESIDUAL ? x.first[r * x.stride + c] : 0.0f;
            y[r * y_stride + c] = own + adcl_masked(scaling * (acc[i][j] + bias[c]), r, c, mask);
        }
}

/* z and h of M rows and COLS columns; with ADCL_WHOLE (then R ≤ COLS) also y, all D columns of it.
 * Groups: row tiles × column tiles, the latter next to each other. h (N, width). y may be x. */
ADCL_TILED kernel void adcl_fused_gpu_fwd(ADCL_IN(x), ADCL_IN(down), ADCL_VECTOR(down_bias),
                                          ADCL_OUT(z), ADCL_OUT(h), ADCL_IN(up),
                                          ADCL_VECTOR(up_bias), ADCL_OUT(y), uint rows, uint hidden,
                                          uint bottleneck, uint width, float scaling, uint flags,
                                          ADCL_MASK)
{
    local float4 left4[ADCL_LEFT_FLOAT4S];
    local float right[ADCL_STEP * ADCL_RIGHT_STRIDE];
    local float *left = (local float *)left4;
    uint col_tiles = (bottleneck + ADCL_COLS - 1) / ADCL_COLS, group = get_group_id(0);
    uint first_row = group / col_tiles * ADCL_ROWS, first_col = group % col_tiles * ADCL_COLS;
    adcl_matrix in = {x + x_offset, x_stride, rows, hidden};
    adcl_matrix w_down = {down + down_offset, down_stride, hidden, bottleneck};
    adcl_matrix w_up = {up + up_offset, up_stride, width, hidden};
    adcl_mask mask = {seed, step, hidden, threshold, keep_scale};
    float acc[ADCL_ITEM_ROWS][4];

    adcl_product(in, first_row, ADCL_NO_MASK, w_down, false, first_col, left, right, acc);
#pragma unroll
    for (uint j = 0; j < 4; j++) {
        uint c = first_col + adcl_item_col(j);
        float bias = c < bottleneck ? down_bias[down_bias_offset + c] : 0.0f;
#pragma unroll
        for (uint i = 0; i < ADCL_ITEM_ROWS; i++) acc[i][j] += bias;
    }
    if (flags & ADCL_KEEP_Z)
        adcl_store(z + z_offset, z_stride, rows, bottleneck, first_row, first_col, acc);
#if ADCL_ROW_WISE
    local float largest[ADCL_ROWS], sums[ADCL_ROWS];
    if (bottleneck > ADCL_COLS) return; /* adcl_fused_gpu_rows_fwd follows */
    adcl_act_rows(acc, bottleneck, left, largest, sums);
#else
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) acc[i][j] = adcl_act(acc[i][j]);
#endif
    if (flags & ADCL_KEEP_H)
        adcl_store(h + h_offset, h_stride, rows, width, first_row, first_col, acc);
    if (!(flags & ADCL_WHOLE)) return;

    adcl_to_local(left, acc);
    for (uint col = 0; col < hidden; col += ADCL_COLS) {
        adcl_product_local(left, width, w_up, false, col, right, acc);
        adcl_store_y(acc, in, up_bias + up_bias_offset, y + y_offset, y_stride, first_row, col,
                     scaling, flags, mask);
    }
}

/* ---- backward ---------------------------------------------------------------------------------*/

/* dz of M rows and COLS columns; with ADCL_WHOLE also dx. Groups as in forward. */
ADCL_TILED kernel void adcl_fused_gpu_bwd(ADCL_IN(dy), ADCL_IN(up), ADCL_IN(z), ADCL_IN(h),
                                          ADCL_OUT(dz), ADCL_IN(down), ADCL_OUT(dx), uint rows,
                                          uint hidden, uint bottleneck, uint width, float scaling,
                                          uint flags, ADCL_MASK)
{
    local float4 left4[ADCL_LEFT_FLOAT4S];
    local float right[ADCL_STEP * ADCL_RIGHT_STRIDE];
    local float sums[ADCL_ROWS];
    local float *left = (local float *)left4;
    uint col_tiles = (bottleneck + ADCL_COLS - 1) / ADCL_COLS, group = get_group_id(0);
    uint first_row = group / col_tiles * ADCL_ROWS, first_col = group % col_tiles * ADCL_COLS;
    adcl_matrix in = {dy + dy_offset, dy_stride, rows, hidden};
    adcl_matrix w_up = {up + up_offset, up_stride, width, hidden};
    adcl_matrix w_down = {down + down_offset, down_stride, hidden, bottleneck};
    adcl_matrix z_in = {z + z_offset, z_stride, rows, bottleneck};
    adcl_matrix h_in = {h + h_offset, h_stride, rows, width};
    adcl_mask mask = {seed, step, hidden, threshold, keep_scale};
    float acc[ADCL_ITEM_ROWS][4];

    uint dh_col = width == bottleneck ? first_col : 0; /* log_sumexp has dh (N, 1) */
    adcl_product(in, first_row, mask, w_up, true, dh_col, left, right, acc);
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) acc[i][j] *= scaling;
    adcl_act_backward(acc, z_in, h_in, first_row, first_col, left, sums);
    adcl_store(dz + dz_offset, dz_stride, rows, bottleneck, first_row, first_col, acc);
    if (!(flags & ADCL_WHOLE)) return;

    adcl_to_local(left, acc);
    for (uint col = 0; col < hidden; col += ADCL_COLS) {
        adcl_product_local(left, bottleneck, w_down, true, col, right, acc);
        adcl_store_dx(acc, in, dx + dx_offset, dx_stride, first_row, col, flags);
    }
}

/* ---- in parts ---------------------------------------------------------------------------------*/

/* y of M rows and COLS columns from h (N, width). Groups: row tiles × column tiles of D. */
ADCL_TILED kernel void adcl_fused_gpu_out_fwd(ADCL_IN(h), ADCL_IN(up), ADCL_VECTOR(up_bias),
                                              ADCL_IN(x), ADCL_OUT(y), uint rows, uint hidden,
                                              uint width, float scaling, uint flags, ADCL_MASK)
{
    local float4 left4[ADCL_STEP * ADCL_LEFT_STRIDE / 4];
    local float right[ADCL_STEP * ADCL_RIGHT_STRIDE];
    uint col_tiles = (hidden + ADCL_COLS - 1) / ADCL_COLS, group = get_group_id(0);
    uint first_row = group / col_tiles * ADCL_ROWS, first_col = group % col_tiles * ADCL_COLS;
    adcl_matrix in = {h + h_offset, h_stride, rows, width};
    adcl_matrix w_up = {up + up_offset, up_stride, width, hidden};
    adcl_matrix own = {x + x_offset, x_stride, rows, hidden};
    adcl_mask mask = {seed, step, hidden, threshold, keep_scale};
    float acc[ADCL_ITEM_ROWS][4];
    adcl_product(in, first_row, ADCL_NO_MASK, w_up, false, first_col, (local float *)left4, right,
                 acc);
    adcl_store_y(acc, own, up_bias + up_bias_offset, y + y_offset, y_stride, first_row, first_col,
                 scaling, flags, mask);
}

#if ADCL_ROW_WISE

/* The largest, or the sum, of one number per work-item; every item gets it. */
ADCL_INLINE float adcl_group_reduce(float value, bool largest, local float *parts)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    parts[get_local_id(0)] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    float result = parts[0];
    for (uint i = 1; i < ADCL_GROUP; i++)
        result = largest ? fmax(result, parts[i]) : result + parts[i];
    return result;
}

/* h = act(z) where R > COLS; a group takes a row, an item every GROUP-th column. h may be z, except
 * for log_sumexp, whose h is (N, 1). */
ADCL_TILED kernel void adcl_fused_gpu_rows_fwd(ADCL_IN(z), ADCL_OUT(h), uint bottleneck)
{
    local float parts[ADCL_GROUP];
    uint r = get_group_id(0), item = get_local_id(0);
    global const float *z_row = z + z_offset + r * z_stride;
    global float *h_row = h + h_offset + r * h_stride;
    float largest = -INFINITY, sum = 0.0f;
    for (uint c = item; c < bottleneck; c += ADCL_GROUP) largest = fmax(largest, z_row[c]);
    largest = adcl_group_reduce(largest, true, parts);
    for (uint c = item; c < bottleneck; c += ADCL_GROUP) sum += exp(z_row[c] - largest);
    sum = adcl_group_reduce(sum, false, parts);
#if ADCL_VARIANT == ADCL_LOG_SUMEXP
    if (item == 0) h_row[0] = largest + log(sum);
#else
    for (uint c = item; c < bottleneck; c += ADCL_GROUP)
#if ADCL_VARIANT == ADCL_SOFTMAX
        h_row[c] = exp(z_row[c] - largest) / sum;
#else
        h_row[c] = z_row[c] - largest - log(sum);
#endif
#endif
}

#if ADCL_VARIANT != ADCL_LOG_SUMEXP

/* dz, which holds dh, from it and h, where R > COLS. */
ADCL_TILED kernel void adcl_fused_gpu_rows_bwd(ADCL_IN(h), ADCL_OUT(dz), uint bottleneck)
{
    local float parts[ADCL_GROUP];
    uint r = get_group_id(0), item = get_local_id(0);
    global const float *h_row = h + h_offset + r * h_stride;
    global float *dz_row = dz + dz_offset + r * dz_stride;
    float sum = 0.0f;
    for (uint c = item; c < bottleneck; c += ADCL_GROUP)
#if ADCL_VARIANT == ADCL_SOFTMAX
        sum += h_row[c] * dz_row[c];
#else
        sum += dz_row[c];
#endif
    sum = adcl_group_reduce(sum, false, parts);
    for (uint c = item; c < bottleneck; c += ADCL_GROUP)
#if ADCL_VARIANT == ADCL_SOFTMAX
        dz_row[c] = h_row[c] * (dz_row[c] - sum);
#else
        dz_row[c] = dz_row[c] - exp(h_row[c]) * sum;
#endif
}

#endif
#endif
