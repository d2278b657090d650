/* SPDX-License-Identifier: MIT */
/* sequence.cl – what an encoder does with tokens and sequences outside its products.
 *
 *      x (T, D)   rows of sequence s: starts[s] … starts[s + 1] − 1; sequence of row t: of_token[t]
 *
 * T tokens, S sequences, D hidden. Sums run in the order of rows and columns. */

/* Pooling's kinds, as adcl_pooling. */
#define ADCL_POOLING_CLS 0

/* out (S, D) = each sequence's first row, or the mean of its rows. */
kernel void adcl_pool_fwd(global const float *x, ulong x_offset, ulong x_stride,
                          global const int *starts, global float *out, ulong out_offset,
                          ulong out_stride, uint sequences, uint cols, uint pooling)
{
    const uint c = get_global_id(0), s = get_global_id(1);
    if (c >= cols || s >= sequences) return;
    const uint start = (uint)starts[s], end = (uint)starts[s + 1];
    float sum = x[adcl_at(x_offset, x_stride, start, c)];
    if (pooling != ADCL_POOLING_CLS) {
        for (uint t = start + 1; t < end; t++) sum += x[adcl_at(x_offset, x_stride, t, c)];
        sum /= (float)(end - start);
    }
    out[adcl_at(out_offset, out_stride, s, c)] = sum;
}

/* dx (T, D), from dout (S, D). */
kernel void adcl_pool_bwd(global const float *dout, ulong dout_offset, ulong dout_stride,
                          global const int *starts, global const int *of_token, global float *dx,
                          ulong dx_offset, ulong dx_stride, uint tokens, uint cols, uint pooling)
{
    const uint c = get_global_id(0), t = get_global_id(1);
    if (c >= cols || t >= tokens) return;
    const uint s = (uint)of_token[t], start = (uint)starts[s], end = (uint)starts[s + 1];
    float share = pooling != ADCL_POOLING_CLS ? 1.0f / (float)(end - start) : t == start ? 1.0f : 0.0f;
    dx[adcl_at(dx_offset, dx_stride, t, c)] = share * dout[adcl_at(dout_offset, dout_stride, s, c)];
}

/* Each row of x (N, D) divided by its Euclidean norm; a row of zeros stays. */
kernel void adcl_normalize_rows(global float *x, ulong x_offset, ulong x_stride, uint rows, uint cols)
{
    const uint r = get_global_id(0);
    if (r >= rows) return;
    float sum = 0.0f;
    for (uint c = 0; c < cols; c++) {
        float value = x[adcl_at(x_offset, x_stride, r, c)];
        sum += value * value;
    }
    const float factor = sum > 0.0f ? 1.0f / sqrt(sum) : 1.0f;
    for (uint c = 0; c < cols; c++) x[adcl_at(x_offset, x_stride, r, c)] *= factor;
}

/* out = a + b, all (N, D); out may be either. */
kernel void adcl_add(global const float *a, ulong a_offset, ulong a_stride, global const float *b,
                     ulong b_offset, ulong b_stride, global float *out, ulong out_offset,
                     ulong out_stride, uint rows, uint cols)
{
    const uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    out[adcl_at(out_offset, out_stride, r, c)] =
        a[adcl_at(a_offset, a_stride, r, c)] + b[adcl_at(b_offset, b_stride, r, c)];
}

/* out = tanh(x), and dx = dout ∘ (1 − out²), (N, D). */
kernel void adcl_tanh_fwd(global const float *x, ulong x_offset, ulong x_stride, global float *out,
                          ulong out_offset, ulong out_stride, uint rows, uint cols)
{
    const uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    out[adcl_at(out_offset, out_stride, r, c)] = tanh(x[adcl_at(x_offset, x_stride, r, c)]);
}

kernel void adcl_tanh_bwd(global const float *out, ulong out_offset, ulong out_stride,
                          global float *dout, ulong dout_offset, ulong dout_stride, uint rows,
                          uint cols)
{
    const uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    const float y = out[adcl_at(out_offset, out_stride, r, c)];
    dout[adcl_at(dout_offset, dout_stride, r, c)] *= (1.0f - y) * (1.0f + y);
}
