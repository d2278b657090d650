/* SPDX-License-Identifier: MIT */
/* residual.cl – what an adapter whose products are CLBlast's does besides: the residual, and dropout. Work-item
 * (c, r) makes elements of row r. */

/* y = residual·x + scaling·bias: what the up product is then added to. x, y (rows, cols) may be the
 * same; bias (1, cols); residual is 1, or 0 for a parallel adapter (x is then not read). */
kernel void adcl_residual_fwd(global const float *x, ulong x_offset, ulong x_stride,
                              global const float *bias, ulong bias_offset, global float *y,
                              ulong y_offset, ulong y_stride, uint rows, uint cols, float scaling,
                              uint residual)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    float own = residual ? x[adcl_at(x_offset, x_stride, r, c)] : 0.0f;
    y[adcl_at(y_offset, y_stride, r, c)] = own + scaling * bias[bias_offset + c];
}

/* y = residual·x + mask·scaling·(y + bias), where y holds h·w_up before. Shapes as above; x and y
 * must not overlap. */
kernel void adcl_dropout_fwd(global const float *x, ulong x_offset, ulong x_stride,
                             global const float *bias, ulong bias_offset, global float *y,
                             ulong y_offset, ulong y_stride, uint rows, uint cols, float scaling,
                             uint residual, ulong seed, ulong step, uint threshold,
                             float keep_scale)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    float own = residual ? x[adcl_at(x_offset, x_stride, r, c)] : 0.0f;
    ulong at = adcl_at(y_offset, y_stride, r, c);
    float u = scaling * (y[at] + bias[bias_offset + c]);
    float factor = adcl_dropout_factor(seed, step, r, c, cols, threshold, keep_scale);
    /* A dropped element is dropped even when it is infinite or NaN. */
    y[at] = own + (factor == 0.0f ? 0.0f : factor * u);
}

/* du = mask·dy, both (rows, cols): the gradient of scaling·(h·w_up + b_up) before scaling. */
kernel void adcl_dropout_bwd(global const float *dy, ulong dy_offset, ulong dy_stride,
                             global float *du, ulong du_offset, ulong du_stride, uint rows,
                             uint cols, ulong seed, ulong step, uint threshold, float keep_scale)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    float factor = adcl_dropout_factor(seed, step, r, c, cols, threshold, keep_scale);
    float value = dy[adcl_at(dy_offset, dy_stride, r, c)];
    du[adcl_at(du_offset, du_stride, r, c)] = factor == 0.0f ? 0.0f : factor * value;
}
