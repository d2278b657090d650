/* SPDX-License-Identifier: MIT */
/* elementwise.cl – kernels whose work-item (i, r) makes item_cols columns of row r of a matrix: one on a GPU, on a
 * CPU as many as make a loop that its compiler turns into vectors.
 *
 *            i = get_global_id(0) →
 *          ┌──────────────────────┐
 *    r     │ item_cols elements   │   (rows, cols)
 *    ↓     └──────────────────────┘
 *
 * They move 32-bit words, so one kernel serves floats and integers. */

/* destination = word, over (rows, cols). */
kernel void adcl_fill(global uint *destination, ulong destination_offset, ulong destination_stride,
                      uint rows, uint cols, uint word, uint item_cols)
{
    uint first = get_global_id(0) * item_cols, r = get_global_id(1);
    if (first >= cols || r >= rows) return;
    uint last = first + min(cols - first, item_cols);
    global uint *to = destination + adcl_at(destination_offset, destination_stride, r, 0);
    for (uint c = first; c < last; c++) to[c] = word;
}

/* destination = source, both (rows, cols). */
kernel void adcl_copy(global const uint *source, ulong source_offset, ulong source_stride,
                      global uint *destination, ulong destination_offset, ulong destination_stride,
                      uint rows, uint cols, uint item_cols)
{
    uint first = get_global_id(0) * item_cols, r = get_global_id(1);
    if (first >= cols || r >= rows) return;
    uint last = first + min(cols - first, item_cols);
    global const uint *from = source + adcl_at(source_offset, source_stride, r, 0);
    global uint *to = destination + adcl_at(destination_offset, destination_stride, r, 0);
    for (uint c = first; c < last; c++) to[c] = from[c];
}

/* destination row r = source row indices[r]; an index outside [0, source_rows) gives `outside`.
 * source (source_rows, cols), indices (rows, 1), destination (rows, cols). */
kernel void adcl_gather_rows(global const uint *source, ulong source_offset, ulong source_stride,
                             uint source_rows, global const int *indices, ulong indices_offset,
                             ulong indices_stride, global uint *destination,
                             ulong destination_offset, ulong destination_stride, uint rows,
                             uint cols, uint outside, uint item_cols)
{
    uint first = get_global_id(0) * item_cols, r = get_global_id(1);
    if (first >= cols || r >= rows) return;
    uint last = first + min(cols - first, item_cols);
    int index = indices[adcl_at(indices_offset, indices_stride, r, 0)];
    bool inside = index >= 0 && (uint)index < source_rows;
    global const uint *from = source + adcl_at(source_offset, source_stride, inside ? (uint)index : 0, 0);
    global uint *to = destination + adcl_at(destination_offset, destination_stride, r, 0);
    for (uint c = first; c < last; c++) to[c] = inside ? from[c] : outside;
}
