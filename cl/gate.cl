/* SPDX-License-Identifier: MIT */
/* gate.cl – options of adapters that are numbers to multiply with: learned scaling, and gates.
 *
 *      x (T, D)   rows of sequence s: starts[s] … starts[s + 1] − 1; sequence of row t: of_token[t]
 *
 * T tokens, S sequences, D hidden. Sums run in the order of rows and columns. */

/* ---- learned scaling -------------------------------------------------------------------------- */

/* out = scale∘v: scale (1, D), or one number (channels 0). */
kernel void adcl_scale_fwd(global const float *v, ulong v_offset, ulong v_stride,
                           global const float *scale, ulong scale_offset, uint channels,
                           global float *out, ulong out_offset, ulong out_stride, uint rows,
                           uint cols)
{
    const uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    out[adcl_at(out_offset, out_stride, r, c)] =
        scale[scale_offset + (channels ? c : 0)] * v[adcl_at(v_offset, v_stride, r, c)];
}

/* sums (1, D) = Σ a∘b over the rows; work-item c. */
kernel void adcl_product_sums(global const float *a, ulong a_offset, ulong a_stride,
                              global const float *b, ulong b_offset, ulong b_stride,
                              global float *sums, ulong sums_offset, uint rows, uint cols, uint adds)
{
    const uint c = get_global_id(0);
    if (c >= cols) return;
    float sum = adds ? sums[sums_offset + c] : 0.0f;
    for (uint r = 0; r < rows; r++)
        sum += a[adcl_at(a_offset, a_stride, r, c)] * b[adcl_at(b_offset, b_stride, r, c)];
    sums[sums_offset + c] = sum;
}

/* to[0] += Σ numbers, by one work-item. */
kernel void adcl_add_total(global const float *numbers, ulong numbers_offset, global float *to,
                           ulong to_offset, uint count)
{
    if (get_global_id(0) > 0) return;
    float sum = 0.0f;
    for (uint i = 0; i < count; i++) sum += numbers[numbers_offset + i];
    to[to_offset] += sum;
}

/* ---- gates ------------------------------------------------------------------------------------ */

float adcl_gate_sigmoid(float x)
{
    float e = exp(-fabs(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

/* Work-item t: tokens (T) = sigmoid(x·kernel + bias). */
kernel void adcl_gate_tokens(global const float *x, ulong x_offset, ulong x_stride,
                             global const float *gate_kernel, ulong kernel_offset,
                             ulong kernel_stride, global const float *bias, ulong bias_offset,
                             global float *tokens, uint rows, uint cols)
{
    const uint t = get_global_id(0);
    if (t >= rows) return;
    float sum = bias[bias_offset];
    for (uint c = 0; c < cols; c++)
        sum += x[adcl_at(x_offset, x_stride, t, c)] *
               gate_kernel[adcl_at(kernel_offset, kernel_stride, c, 0)];
    tokens[t] = adcl_gate_sigmoid(sum);
}

/* gates (S) = each sequence's mean of tokens. */
kernel void adcl_gate_means(global const float *tokens, global const int *starts,
                            global float *gates, uint sequences)
{
    const uint s = get_global_id(0);
    if (s >= sequences) return;
    const uint start = (uint)starts[s], end = (uint)starts[s + 1];
    float sum = 0.0f;
    for (uint t = start; t < end; t++) sum += tokens[t];
    gates[s] = sum / (float)(end - start);
}

/* out = gates[sequence]·u, (T, D). */
kernel void adcl_gate_apply(global const float *u, ulong u_offset, ulong u_stride,
                            global const float *gates, global const int *of_token,
                            global float *out, ulong out_offset, ulong out_stride, uint rows,
                            uint cols)
{
    const uint c = get_global_id(0), t = get_global_id(1);
    if (c >= cols || t >= rows) return;
    out[adcl_at(out_offset, out_stride, t, c)] =
        gates[of_token[t]] * u[adcl_at(u_offset, u_stride, t, c)];
}

/* Work-item s: dlogits of the sequence's tokens, from dout (T, D) and the u that was gated. */
kernel void adcl_gate_bwd(global const float *dout, ulong dout_offset, ulong dout_stride,
                          global const float *u, ulong u_offset, ulong u_stride,
                          global const float *tokens, global const int *starts,
                          global float *dlogits, uint sequences, uint cols)
{
    const uint s = get_global_id(0);
    if (s >= sequences) return;
    const uint start = (uint)starts[s], end = (uint)starts[s + 1];
    float dgate = 0.0f;
    for (uint t = start; t < end; t++)
        for (uint c = 0; c < cols; c++)
            dgate += dout[adcl_at(dout_offset, dout_stride, t, c)] *
                     u[adcl_at(u_offset, u_stride, t, c)];
    dgate /= (float)(end - start);
    for (uint t = start; t < end; t++) dlogits[t] = dgate * tokens[t] * (1.0f - tokens[t]);
}

/* dx += dlogits·kernelᵀ, (T, D). */
kernel void adcl_gate_bwd_input(global const float *dlogits, global const float *gate_kernel,
                                ulong kernel_offset, ulong kernel_stride, global float *dx,
                                ulong dx_offset, ulong dx_stride, uint rows, uint cols)
{
    const uint c = get_global_id(0), t = get_global_id(1);
    if (c >= cols || t >= rows) return;
    dx[adcl_at(dx_offset, dx_stride, t, c)] +=
        dlogits[t] * gate_kernel[adcl_at(kernel_offset, kernel_stride, c, 0)];
}

/* Work-item c: row c of the kernel's gradient (D, 1); the first also the bias's. */
kernel void adcl_gate_gradients(global const float *dlogits, global const float *x, ulong x_offset,
                                ulong x_stride, global float *dkernel, ulong dkernel_offset,
                                ulong dkernel_stride, global float *dbias, ulong dbias_offset,
                                uint rows, uint cols)
{
    const uint c = get_global_id(0);
    if (c >= cols) return;
    float sum = 0.0f, total = 0.0f;
    for (uint t = 0; t < rows; t++) {
        sum += dlogits[t] * x[adcl_at(x_offset, x_stride, t, c)];
        total += dlogits[t];
    }
    dkernel[adcl_at(dkernel_offset, dkernel_stride, c, 0)] += sum;
    if (c == 0) dbias[dbias_offset] += total;
}
