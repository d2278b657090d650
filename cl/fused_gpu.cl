/* SPDX-License-Identifier: MIT */
/* fused_gpu.cl – an adapter's forward and backward for devices of many work-groups with local
 * memory: the GPU plan of the engine `fused`. After common.cl, the activation's functions and
 * gpu_tile.cl.
 *
 *   forward    z = x·w_down + b_down    h = act(z)             y = [x +] s·mask∘(h·w_up + b_up)
 *   backward   dh = s·(mask∘dy)·w_upᵀ   dz = dh ∘ act′(z)      dx = [dy +] dz·w_downᵀ
 *   gradients  dw_up += s·hᵀ·(mask∘dy), db_up; dw_down += xᵀ·dz, db_down: fused_gpu_gradients.cl
 *
 * Both passes have one shape: a wide matrix (N, D) to a narrow one (N, R) and back. A work-group
 * takes M rows through all of it, if R fits one tile (ADCL_WHOLE):
 *
 *        k → D               COLS ≥ R              tiles of COLS → D
 *      ┌──┬──┬──┬──┐        ┌────────┐              ┌────────┬────────┬────────┬───
 *    M │0 │1 │2 │0 │─ w₁ ─► │ narrow │ ─ act, w₂ ─► │   0    │   1    │   2    │ 0
 *      └──┴──┴──┴──┘        └────────┘              └────────┴────────┴────────┴───
 *      team t has the        registers, then          team t has the
 *      steps t, t + TEAMS …  local memory             tiles t, t + TEAMS …
 *
 * Otherwise – R larger, or few rows, which must be cut along R and D to give every compute unit
 * work – the same kernel ends after `narrow`, of which a group then has COLS columns, and
 * adcl_fused_gpu_out_fwd, or adcl_fused_gpu_finish for dx, makes the wide tiles, a team each.
 *
 * What it costs, forward. Global memory: x is read twice, the second time from the cache, and y
 * written: 8·D bytes a row for 4·D·R FLOP, R/2 FLOP a byte, 32 at R = 64. Cache: both kernels once for
 * M rows, M/2 FLOP a byte. Local memory: per k an item reads ITEM_ROWS + 4 floats for 8·ITEM_ROWS
 * FLOP, at ITEM_ROWS = 8 48 bytes for 64 FLOP, two thirds of them broadcast to the items beside it,
 * so that multiply-adds are the limit. scripts/check-kernels.sh --registers has the registers; 18 to 29 KiB
 * of local memory. */

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
            uint r = adcl_item_row() + i, c = adcl_item_col() + j;
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

#if ADCL_VARIANT == ADCL_SOFTMAX || ADCL_VARIANT == ADCL_LOG_SOFTMAX
#define ADCL_KEPT_FOR_BACKWARD h
#else
#define ADCL_KEPT_FOR_BACKWARD z
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
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++) {
        const uint r = first_row + adcl_item_row() + i, first = first_col + adcl_item_col();
        const adcl_matrix kept = ADCL_KEPT_FOR_BACKWARD;
        float4 four = adcl_read4(kept, r, first);
        const float of_kept[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (uint j = 0; j < 4; j++) {
#if ADCL_VARIANT == ADCL_SOFTMAX
            p[i][j] = of_kept[j];
            terms[i][j] = p[i][j] * acc[i][j];
#elif ADCL_VARIANT == ADCL_LOG_SOFTMAX
            p[i][j] = exp(of_kept[j]);
            terms[i][j] = acc[i][j];
#elif ADCL_VARIANT == ADCL_LOG_SUMEXP
            float p = exp(of_kept[j] - adcl_read4(h, r, 0).x);
            acc[i][j] = first + j < z.cols ? p * left[adcl_item_row() + i] : 0.0f;
#else
            acc[i][j] = first + j < z.cols ? acc[i][j] * adcl_act_slope(of_kept[j]) : 0.0f;
#endif
        }
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
            acc[i][j] = adcl_item_col() + j < z.cols ? dz : 0.0f;
        }
#endif
}

/* ---- forward ----------------------------------------------------------------------------------*/

/* y = [x +] mask∘(s·(acc + bias)) for one tile, acc being that of h·w_up. */
ADCL_INLINE void adcl_store_y(float acc[ADCL_ITEM_ROWS][4], adcl_matrix x, global const float *bias,
                              adcl_result y, uint first_row, uint first_col, float scaling, uint flags,
                              adcl_mask mask)
{
    const uint c = first_col + adcl_item_col();
    const float4 of_bias = (float4)(c < x.cols ? bias[c] : 0.0f, c + 1 < x.cols ? bias[c + 1] : 0.0f,
                                    c + 2 < x.cols ? bias[c + 2] : 0.0f,
                                    c + 3 < x.cols ? bias[c + 3] : 0.0f);
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++) {
        uint r = first_row + adcl_item_row() + i;
        float4 own = flags & ADCL_RESIDUAL ? adcl_read4(x, r, c) : (float4)(0.0f);
        adcl_write4(y, r, c, own + adcl_masked(scaling * (adcl_four(acc[i]) + of_bias), r, c, mask));
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
    local float4 left4[ADCL_LEFT_FLOAT4S], right4[ADCL_RIGHT_FLOAT4S];
    local float *left = (local float *)left4, *right = (local float *)right4;
    const uint col_tiles = (bottleneck + ADCL_COLS - 1) / ADCL_COLS, group = get_group_id(0);
    const uint first_row = group / col_tiles * ADCL_ROWS, first_col = group % col_tiles * ADCL_COLS;
    const adcl_matrix in = ADCL_MATRIX(x, rows, hidden), w_up = ADCL_MATRIX(up, width, hidden);
    const adcl_factors factors = {in, ADCL_MATRIX(down, hidden, bottleneck), ADCL_NO_MASK, ADCL_NO_MASK,
                                  false, false};
    const adcl_mask mask = {seed, step, hidden, threshold, keep_scale};
    float acc[ADCL_ITEM_ROWS][4];

    adcl_product(factors, first_row, first_col, 0, ADCL_TEAMS * ADCL_STEP, hidden, left, right, acc,
                 false, NULL);
    adcl_add_teams(left, acc);
#pragma unroll
    for (uint j = 0; j < 4; j++) {
        uint c = first_col + adcl_item_col() + j;
        float bias = c < bottleneck ? down_bias[down_bias_offset + c] : 0.0f;
#pragma unroll
        for (uint i = 0; i < ADCL_ITEM_ROWS; i++) acc[i][j] += bias;
    }
    if ((flags & ADCL_KEEP_Z) && adcl_team() == 0)
        adcl_store(ADCL_RESULT(z, rows, bottleneck), first_row, first_col, acc);
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
    if ((flags & ADCL_KEEP_H) && adcl_team() == 0)
        adcl_store(ADCL_RESULT(h, rows, width), first_row, first_col, acc);
    if (!(flags & ADCL_WHOLE)) return;

    float4 of_right[ADCL_CARRIED_RIGHT];
    const adcl_result out = ADCL_RESULT(y, rows, hidden);
    uint col = adcl_team() * ADCL_COLS;
    adcl_fetch(w_up, false, 0, col, ADCL_COLS, ADCL_NO_MASK, of_right);
    adcl_to_local(left, acc);
    for (uint done = 0; done < hidden; done += ADCL_TEAMS * ADCL_COLS, col += ADCL_TEAMS * ADCL_COLS) {
        adcl_product_local(left, width, w_up, false, col, col + ADCL_TEAMS * ADCL_COLS, right, of_right,
                           acc);
        adcl_store_y(acc, in, up_bias + up_bias_offset, out, first_row, col, scaling, flags, mask);
    }
}

/* ---- backward ---------------------------------------------------------------------------------*/

/* dz of M rows and COLS columns; with ADCL_WHOLE also dx. Groups as in forward. */
ADCL_TILED kernel void adcl_fused_gpu_bwd(ADCL_IN(dy), ADCL_IN(up), ADCL_IN(z), ADCL_IN(h),
                                          ADCL_OUT(dz), ADCL_IN(down), ADCL_OUT(dx), uint rows,
                                          uint hidden, uint bottleneck, uint width, float scaling,
                                          uint flags, ADCL_MASK)
{
    local float4 left4[ADCL_LEFT_FLOAT4S], right4[ADCL_RIGHT_FLOAT4S];
    local float sums[ADCL_ROWS];
    local float *left = (local float *)left4, *right = (local float *)right4;
    const uint col_tiles = (bottleneck + ADCL_COLS - 1) / ADCL_COLS, group = get_group_id(0);
    const uint first_row = group / col_tiles * ADCL_ROWS, first_col = group % col_tiles * ADCL_COLS;
    const adcl_matrix in = ADCL_MATRIX(dy, rows, hidden);
    const adcl_matrix w_down = ADCL_MATRIX(down, hidden, bottleneck);
    const adcl_mask mask = {seed, step, hidden, threshold, keep_scale};
    const adcl_factors factors = {in, ADCL_MATRIX(up, width, hidden), mask, ADCL_NO_MASK, false, true};
    float acc[ADCL_ITEM_ROWS][4];

    const uint dh_col = width == bottleneck ? first_col : 0; /* log_sumexp has dh (N, 1) */
    adcl_product(factors, first_row, dh_col, 0, ADCL_TEAMS * ADCL_STEP, hidden, left, right, acc,
                 false, NULL);
    adcl_add_teams(left, acc);
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < 4; j++) acc[i][j] *= scaling;
    adcl_act_backward(acc, ADCL_MATRIX(z, rows, bottleneck), ADCL_MATRIX(h, rows, width), first_row,
                      first_col, left, sums);
    if (adcl_team() == 0) adcl_store(ADCL_RESULT(dz, rows, bottleneck), first_row, first_col, acc);
    if (!(flags & ADCL_WHOLE)) return;

    float4 of_right[ADCL_CARRIED_RIGHT];
    const adcl_result out = ADCL_RESULT(dx, rows, hidden);
    uint col = adcl_team() * ADCL_COLS;
    adcl_fetch(w_down, true, 0, col, ADCL_COLS, ADCL_NO_MASK, of_right);
    adcl_to_local(left, acc);
    for (uint done = 0; done < hidden; done += ADCL_TEAMS * ADCL_COLS, col += ADCL_TEAMS * ADCL_COLS) {
        adcl_product_local(left, bottleneck, w_down, true, col, col + ADCL_TEAMS * ADCL_COLS, right,
                           of_right, acc);
        adcl_store_dx(acc, in, out, first_row, col, flags);
    }
}

/* ---- in parts ---------------------------------------------------------------------------------*/

/* y of M rows and TEAMS·COLS columns from h (N, width). Groups: row tiles × column tiles of D. */
ADCL_TILED kernel void adcl_fused_gpu_out_fwd(ADCL_IN(h), ADCL_IN(up), ADCL_VECTOR(up_bias),
                                              ADCL_IN(x), ADCL_OUT(y), uint rows, uint hidden,
                                              uint width, float scaling, uint flags, ADCL_MASK)
{
    local float4 left4[ADCL_LEFT_FLOAT4S], right4[ADCL_RIGHT_FLOAT4S];
    const uint2 tile = adcl_wide_tile(get_group_id(0), hidden);
    const adcl_factors factors = {ADCL_MATRIX(h, rows, width), ADCL_MATRIX(up, width, hidden),
                                  ADCL_NO_MASK, ADCL_NO_MASK, false, false};
    const adcl_mask mask = {seed, step, hidden, threshold, keep_scale};
    float acc[ADCL_ITEM_ROWS][4];
    adcl_product(factors, tile.x, tile.y, 0, ADCL_STEP, width, (local float *)left4,
                 (local float *)right4, acc, false, NULL);
    adcl_store_y(acc, ADCL_MATRIX(x, rows, hidden), up_bias + up_bias_offset,
                 ADCL_RESULT(y, rows, hidden), tile.x, tile.y, scaling, flags, mask);
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
