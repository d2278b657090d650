/* SPDX-License-Identifier: MIT */
/* update.cl – one step of an optimizer, and the norm of all gradients that clipping needs.
 *
 *      gradient of run 0 ──► partials ┐
 *      gradient of run 1 ──► partials ┼──► norm (1) ──► clip factor, in each step kernel
 *                              …      ┘
 *
 * A run is one parameter, or several that lie one behind the other; values and gradients are
 * matrices (rows, cols), the optimizer's state is dense. Each sum has a fixed order. In the step kernels
 * work-item (i, r) takes item_cols columns of row r: one on a GPU, on a CPU as many as make a loop that
 * its compiler turns into vectors. */

/* Sixteen columns of a row from column c on; zeros behind the last. */
float16 adcl_load_columns(global const float *row, uint c, uint cols)
{
    if (cols - c >= 16) return vload16(0, row + c);
    float lanes[16];
    for (uint lane = 0; lane < 16; lane++) lanes[lane] = c + lane < cols ? row[c + lane] : 0.0f;
    return vload16(0, lanes);
}

/* Work-item i: its partial = (largest |g|, Σ (g / largest)²) over its groups of sixteen columns, of all rows: a
 * GPU's i, i + items, … (neighbours read side by side), or, where it `reads_on`, a CPU's one behind the other.
 * Relative to the largest no square overflows or vanishes; NaN and infinity give NaN. */
kernel void adcl_norm_partials(global const float *gradient, ulong gradient_offset,
                               ulong gradient_stride, global float *partials,
                               ulong partials_offset, uint rows, uint cols, uint items, uint reads_on)
{
    uint item = get_global_id(0);
    if (item >= items || get_global_id(1) > 0) return;
    const uint groups = (cols + 15) / 16, share = (groups + items - 1) / items;
    const uint step = 16 * (reads_on ? 1 : items), first = 16 * item * (reads_on ? share : 1);
    const uint last = reads_on ? min(first + 16 * share, cols) : cols;
    float16 largest_lanes = 0.0f;
    for (uint r = 0; r < rows; r++)
        for (uint c = first; c < last; c += step)
            largest_lanes = fmax(largest_lanes,
                                 fabs(adcl_load_columns(gradient + adcl_at(gradient_offset,
                                                                           gradient_stride, r, 0),
                                                        c, cols)));
    float lanes[16], largest = 0.0f, sum = 0.0f;
    vstore16(largest_lanes, 0, lanes);
    for (uint lane = 0; lane < 16; lane++) largest = fmax(largest, lanes[lane]);
    float unit = largest > 0.0f ? largest : 1.0f;
    float16 sum_lanes = 0.0f;
    for (uint r = 0; r < rows; r++)
        for (uint c = first; c < last; c += step) {
            float16 part = adcl_load_columns(gradient + adcl_at(gradient_offset, gradient_stride, r,
                                                                0), c, cols) / unit;
            sum_lanes += part * part;
        }
    vstore16(sum_lanes, 0, lanes);
    for (uint lane = 0; lane < 16; lane++) sum += lanes[lane];
    partials[2 * (partials_offset + item)] = largest;
    partials[2 * (partials_offset + item) + 1] = sum;
}

/* norm = sqrt(Σ g²) of all partials. */
kernel void adcl_norm_finish(global const float *partials, global float *norm, ulong norm_offset,
                             uint count)
{
    if (get_global_id(0) > 0 || get_global_id(1) > 0) return;
    float largest = 0.0f;
    for (uint i = 0; i < count; i++) largest = fmax(largest, partials[2 * i]);
    float unit = largest > 0.0f ? largest : 1.0f, sum = 0.0f;
    for (uint i = 0; i < count; i++) {
        float share = partials[2 * i] / unit;
        sum += share * share * partials[2 * i + 1];
    }
    norm[norm_offset] = unit * sqrt(sum);
}

/* What gradients are multiplied by: min(1, clip_norm / norm), or 1 when clip_norm is 0. A norm that
 * is not finite makes every update NaN, so that it is seen: 0 would hide it. */
float adcl_clip_factor(float norm, float clip_norm)
{
    if (clip_norm == 0.0f) return 1.0f;
    return isfinite(norm) ? fmin(1.0f, clip_norm / norm) : NAN;
}

/* g = factor·gradient + decay·w;  v ← momentum·v + g;  w ← w − rate·v. v is `velocity` at
 * velocity_offset, dense; without momentum there is none, and v = g. */
kernel void adcl_sgd_step(global float *value, ulong value_offset, ulong value_stride,
                          global const float *gradient, ulong gradient_offset,
                          ulong gradient_stride, uint rows, uint cols, global const float *norm,
                          ulong norm_offset, float clip_norm, float rate, float decay,
                          global float *velocity, ulong velocity_offset, float momentum,
                          uint item_cols)
{
    uint first = get_global_id(0) * item_cols, r = get_global_id(1);
    if (first >= cols || r >= rows) return;
    uint last = first + min(cols - first, item_cols);
    float factor = adcl_clip_factor(norm[norm_offset], clip_norm);
    global float *w = value + adcl_at(value_offset, value_stride, r, 0);
    global const float *slope = gradient + adcl_at(gradient_offset, gradient_stride, r, 0);
    global float *v = velocity + adcl_at(velocity_offset, cols, r, 0);
    for (uint c = first; c < last; c++) {
        float g = factor * slope[c] + decay * w[c];
        if (momentum != 0.0f) {
            g += momentum * v[c];
            v[c] = g;
        }
        w[c] -= rate * g;
    }
}

/* g = factor·gradient + decay·w;  w ← w − shrink·w;
 * m ← beta1·m + beta1_rest·g;  v ← beta2·v + beta2_rest·g²;
 * w ← w − rate·m / (sqrt(v_scale·v + epsilon_root) + epsilon).
 * beta_rest is 1 − beta; rate and v_scale hold the bias corrections. m and v are dense parts of
 * `state`. */
kernel void adcl_adam_step(global float *value, ulong value_offset, ulong value_stride,
                           global const float *gradient, ulong gradient_offset,
                           ulong gradient_stride, uint rows, uint cols, global const float *norm,
                           ulong norm_offset, float clip_norm, float rate, float decay,
                           float shrink, global float *state, ulong m_offset, ulong v_offset,
                           float beta1, float beta1_rest, float beta2, float beta2_rest,
                           float v_scale, float epsilon_root, float epsilon, uint item_cols)
{
    uint first = get_global_id(0) * item_cols, r = get_global_id(1);
    if (first >= cols || r >= rows) return;
    uint last = first + min(cols - first, item_cols);
    float factor = adcl_clip_factor(norm[norm_offset], clip_norm);
    global float *w = value + adcl_at(value_offset, value_stride, r, 0);
    global const float *slope = gradient + adcl_at(gradient_offset, gradient_stride, r, 0);
    global float *m = state + adcl_at(m_offset, cols, r, 0);
    global float *v = state + adcl_at(v_offset, cols, r, 0);
    for (uint c = first; c < last; c++) {
        float g = factor * slope[c] + decay * w[c];
        float m_new = beta1 * m[c] + beta1_rest * g;
        float v_new = beta2 * v[c] + beta2_rest * g * g;
        m[c] = m_new;
        v[c] = v_new;
        w[c] = w[c] - shrink * w[c] - rate * m_new / (sqrt(v_scale * v_new + epsilon_root) + epsilon);
    }
}
