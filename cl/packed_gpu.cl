/* SPDX-License-Identifier: MIT */
/* packed_gpu.cl – what packed.cl computes, for devices of many work-groups with local memory: out (N, M) =
 * A (N, K)·W (K, M), with what comes before and after it in a layer. W lies in panels of COLS columns, one behind
 * the other, the last of them filled up with zeros: [M / COLS] [K] [COLS]. After common.cl, activation_math.cl
 * and gpu_tile.cl.
 *
 * A work-group makes one tile of one panel: its teams take the steps along K in turns, and when their sums are
 * added up each of them finishes some of the rows. Known when the program is built besides the tile:
 * ADCL_VARIANT (the activation), ADCL_WIDTH 4 (numbers that it takes at once). */

/* Bits of `mode`, as in packed.cl. */
#define ADCL_HAS_BIAS 1
#define ADCL_HAS_OWN 2
#define ADCL_ACTIVATES 4
#define ADCL_KEEPS_SLOPE 8
#define ADCL_TAKES_SLOPE 16

/* Arguments are those of adcl_packed_product; bias is filled up to whole panels. Groups: row tiles × panels, the
 * latter next to each other. out may be own. */
ADCL_TILED kernel void adcl_packed_gpu_product(ADCL_IN(a), global const float *panels,
                                               global const float *bias, ADCL_IN(own), ADCL_OUT(slope),
                                               ADCL_OUT(out), uint rows, uint depth, uint cols, uint mode)
{
    local float4 left4[ADCL_LEFT_FLOAT4S], right4[ADCL_RIGHT_FLOAT4S];
    local float *left = (local float *)left4;
    const uint panel_count = (cols + ADCL_COLS - 1) / ADCL_COLS, group = get_group_id(0);
    const uint first_row = group / panel_count * ADCL_ROWS, panel = group % panel_count;
    const adcl_matrix w = {panels + (ulong)panel * depth * ADCL_COLS, ADCL_COLS, depth, ADCL_COLS, true};
    const adcl_factors factors = {ADCL_MATRIX(a, rows, depth), w, ADCL_NO_MASK, ADCL_NO_MASK, false, false};
    const adcl_matrix of_own = ADCL_MATRIX(own, rows, cols), of_slope = ADCL_MATRIX(slope, rows, cols);
    const adcl_result to_slope = ADCL_RESULT(slope, rows, cols), to = ADCL_RESULT(out, rows, cols);
    const uint c = panel * ADCL_COLS + adcl_item_col();
    float acc[ADCL_ITEM_ROWS][4];

    adcl_product(factors, first_row, 0, 0, ADCL_TEAMS * ADCL_STEP, depth, left, (local float *)right4, acc,
                 false, NULL);
    adcl_add_teams(left, acc);
    const float4 of_bias = mode & ADCL_HAS_BIAS ? *(global const float4 *)(bias + c) : (float4)(0.0f);
#pragma unroll
    for (uint i = 0; i < ADCL_ITEM_ROWS; i++) {
        const uint r = first_row + adcl_item_row() + i;
        if (i / (ADCL_ITEM_ROWS / ADCL_TEAMS) != adcl_team()) continue;
        float4 value = adcl_four(acc[i]) + of_bias;
        if (mode & ADCL_HAS_OWN) value += adcl_read4(of_own, r, c);
        if (mode & ADCL_TAKES_SLOPE) value *= adcl_read4(of_slope, r, c);
#if ADCL_ELEMENTWISE
        if (mode & ADCL_KEEPS_SLOPE) adcl_write4(to_slope, r, c, adcl_act_slope(value));
        if (mode & ADCL_ACTIVATES) value = adcl_act(value);
#endif
        adcl_write4(to, r, c, value);
    }
}
