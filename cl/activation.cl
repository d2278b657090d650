/* SPDX-License-Identifier: MIT */
/* activation.cl – h = act(z + bias) and dz = dh ∘ act′(z), one activation per build; see
 * activation_math.cl. z (N, R), bias (1, R), h (N, R) – (N, 1) for log_sumexp. */

#if ADCL_ELEMENTWISE

/* Work-item (c, r): z[r, c] += bias[c]; h[r, c] = act(z[r, c]). h may be z. */
kernel void adcl_activation_fwd(global float *z, ulong z_offset, ulong z_stride,
                                global const float *bias, ulong bias_offset, global float *h,
                                ulong h_offset, ulong h_stride, uint rows, uint cols)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    ulong at = adcl_at(z_offset, z_stride, r, c);
    float value = z[at] + bias[bias_offset + c];
    z[at] = value;
    h[adcl_at(h_offset, h_stride, r, c)] = adcl_act(value);
}

/* Work-item (c, r): dz[r, c] = dh[r, c]·act′(z[r, c]); h[r, c] = act(z[r, c]). dz may be dh. */
kernel void adcl_activation_bwd(global const float *z, ulong z_offset, ulong z_stride,
                                global const float *dh, ulong dh_offset, ulong dh_stride,
                                global float *dz, ulong dz_offset, ulong dz_stride,
                                global float *h, ulong h_offset, ulong h_stride, uint rows,
                                uint cols)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    float value = z[adcl_at(z_offset, z_stride, r, c)];
    dz[adcl_at(dz_offset, dz_stride, r, c)] =
        dh[adcl_at(dh_offset, dh_stride, r, c)] * adcl_act_slope(value);
    h[adcl_at(h_offset, h_stride, r, c)] = adcl_act(value);
}

#else /* the softmax family: a work-item takes a row */

/* Work-item r: z[r, :] += bias; h[r, :] = act(z[r, :]). */
kernel void adcl_activation_fwd(global float *z, ulong z_offset, ulong z_stride,
                                global const float *bias, ulong bias_offset, global float *h,
                                ulong h_offset, ulong h_stride, uint rows, uint cols)
{
    uint r = get_global_id(0);
    if (r >= rows || get_global_id(1) > 0) return;
    global float *z_row = z + adcl_at(z_offset, z_stride, r, 0);
    for (uint c = 0; c < cols; c++) z_row[c] += bias[bias_offset + c];
    adcl_act_row(z_row, h + adcl_at(h_offset, h_stride, r, 0), cols, adcl_row_sum(z_row, cols));
}

/* Work-item r: dz[r, :] = (∂h[r, :]/∂z[r, :])ᵀ·dh[r, :]; h[r, :] = act(z[r, :]). dz may be dh where
 * both have cols columns. */
kernel void adcl_activation_bwd(global const float *z, ulong z_offset, ulong z_stride,
                                global const float *dh, ulong dh_offset, ulong dh_stride,
                                global float *dz, ulong dz_offset, ulong dz_stride,
                                global float *h, ulong h_offset, ulong h_stride, uint rows,
                                uint cols)
{
    uint r = get_global_id(0);
    if (r >= rows || get_global_id(1) > 0) return;
    global const float *z_row = z + adcl_at(z_offset, z_stride, r, 0);
    global const float *dh_row = dh + adcl_at(dh_offset, dh_stride, r, 0);
    global float *dz_row = dz + adcl_at(dz_offset, dz_stride, r, 0);
    float2 row = adcl_row_sum(z_row, cols);
    adcl_act_row_bwd(z_row, dh_row, dz_row, cols, row);
    adcl_act_row(z_row, h + adcl_at(h_offset, h_stride, r, 0), cols, row);
}

#endif
