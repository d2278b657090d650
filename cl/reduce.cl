/* SPDX-License-Identifier: MIT */
/* reduce.cl – sums in a fixed order: no atomics, so the same input gives the same bits.
 *
 *      x (N, C)                     blocks (B, C)             sums (1, C)
 *    ┌──────────┐ block 0  ──►     ┌──────────┐
 *    │          │ block 1  ──►     │ partial  │   ──►        += scale · total
 *    └──────────┘ …                └──────────┘
 */

/* blocks[b, c] = sum of x[r, c] over the block_rows rows of block b, in order. */
kernel void adcl_colsum_blocks(global const float *x, ulong x_offset, ulong x_stride,
                               global float *blocks, uint rows, uint cols, uint block_rows)
{
    uint c = get_global_id(0), block = get_global_id(1);
    uint first = block * block_rows;
    if (c >= cols || first >= rows) return;
    uint last = min(rows - first, block_rows) + first;
    float sum = 0.0f;
    for (uint r = first; r < last; r++) sum += x[adcl_at(x_offset, x_stride, r, c)];
    blocks[(ulong)block * cols + c] = sum;
}

/* sums[c] += scale · Σ_b blocks[b, c], in order. */
kernel void adcl_colsum_finish(global const float *blocks, global float *sums, ulong sums_offset,
                               uint block_count, uint cols, float scale)
{
    uint c = get_global_id(0);
    if (c >= cols || get_global_id(1) > 0) return;
    float total = 0.0f;
    for (uint block = 0; block < block_count; block++) total += blocks[(ulong)block * cols + c];
    sums[sums_offset + c] += scale * total;
}
