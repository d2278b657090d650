/* SPDX-License-Identifier: MIT */
/* elementwise.cl – kernels whose work-item (c, r) makes element (r, c) of a matrix.
 *
 *            c = get_global_id(0) →
 *          ┌──────────────────────┐
 *    r     │ one work-item each   │   (rows, cols)
 *    ↓     └──────────────────────┘
 *
 * Copies move 32-bit words, so one kernel serves floats and integers. */

/* destination = word, over (rows, cols). */
kernel void adcl_fill(global uint *destination, ulong destination_offset, ulong destination_stride,
                      uint rows, uint cols, uint word)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    destination[adcl_at(destination_offset, destination_stride, r, c)] = word;
}

/* destination = source, both (rows, cols). */
kernel void adcl_copy(global const uint *source, ulong source_offset, ulong source_stride,
                      global uint *destination, ulong destination_offset, ulong destination_stride,
                      uint rows, uint cols)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    destination[adcl_at(destination_offset, destination_stride, r, c)] =
        source[adcl_at(source_offset, source_stride, r, c)];
}

/* destination row r = source row indices[r]; an index outside [0, source_rows) gives `outside`.
 * source (source_rows, cols), indices (rows, 1), destination (rows, cols). */
kernel void adcl_gather_rows(global const uint *source, ulong source_offset, ulong source_stride,
                             uint source_rows, global const int *indices, ulong indices_offset,
                             ulong indices_stride, global uint *destination,
                             ulong destination_offset, ulong destination_stride, uint rows,
                             uint cols, uint outside)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    int from = indices[adcl_at(indices_offset, indices_stride, r, 0)];
    bool inside = from >= 0 && (uint)from < source_rows;
    destination[adcl_at(destination_offset, destination_stride, r, c)] =
        inside ? source[adcl_at(source_offset, source_stride, (uint)from, c)] : outside;
}
