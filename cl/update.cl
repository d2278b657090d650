/* SPDX-License-Identifier: MIT */
/* update.cl – one step of an optimizer, and the norm of all gradients that clipping needs.
 *
 *      gradient of run 0 ──► partials ┐
 *      gradient of run 1 ──► partials ┼──► norm (1) ──► clip factor, in each step kernel
 *                              …      ┘
 *
 * A run is one parameter, or several that lie one behind the other; values and gradients are
 * matrices (rows, cols), the optimizer's state is dense. Each sum has a fixed order. */

/* Work-item i: its partial = (largest |g|, Σ (g / largest)²) over the columns i, i + items, … of
 * all rows. Relative to the largest no square overflows or vanishes; NaN and infinity give NaN. */
kernel void adcl_norm_partials(global const float *gradient, ulong gradient_offset,
                               ulong gradient_stride, global float *partials,
                               ulong partials_offset, uint rows, uint cols, uint items)
{
    uint item = get_global_id(0);
    if (item >= items || get_global_id(1) > 0) return;
    float largest = 0.0f;
    for (uint r = 0; r < rows; r++)
        for (uint c = item; c < cols; c += items)
            largest = fmax(largest,
                           fabs(gradient[adcl_at(gradient_offset, gradient_stride, r, c)]));
    float unit = largest > 0.0f ? largest : 1.0f, sum = 0.0f;
    for (uint r = 0; r < rows; r++)
        for (uint c = item; c < cols; c += items) {
            float share = gradient[adcl_at(gradient_offset, gradient_stride, r, c)] / unit;
            sum += share * share;
        }
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
                          global float *velocity, ulong velocity_offset, float momentum)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    ulong at = adcl_at(value_offset, value_stride, r, c);
    float w = value[at];
    float g = gradient[adcl_at(gradient_offset, gradient_stride, r, c)];
    g = adcl_clip_factor(norm[norm_offset], clip_norm) * g + decay * w;
    if (momentum != 0.0f) {
        ulong v_at = adcl_at(velocity_offset, cols, r, c);
        g += momentum * velocity[v_at];
        velocity[v_at] = g;
    }
    value[at] = w - rate * g;
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
                           float v_scale, float epsilon_root, float epsilon)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= cols || r >= rows) return;
    ulong at = adcl_at(value_offset, value_stride, r, c);
    ulong m_at = adcl_at(m_offset, cols, r, c), v_at = adcl_at(v_offset, cols, r, c);
    float w = value[at];
    float g = gradient[adcl_at(gradient_offset, gradient_stride, r, c)];
    g = adcl_clip_factor(norm[norm_offset], clip_norm) * g + decay * w;
    float m = beta1 * state[m_at] + beta1_rest * g;
    float v = beta2 * state[v_at] + beta2_rest * g * g;
    state[m_at] = m;
    state[v_at] = v;
    w -= shrink * w;
    value[at] = w - rate * m / (sqrt(v_scale * v + epsilon_root) + epsilon);
}
