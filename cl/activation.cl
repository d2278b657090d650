/* SPDX-License-Identifier: MIT */
/* activation.cl – h = act(z + bias) and dz = dh ∘ act′(z), one activation per build: ADCL_VARIANT
 * is its number in include/adapter_cl/activation.h.
 *
 * z (N, R), bias (1, R), h (N, R) – (N, 1) for log_sumexp. Formulas that would overflow or cancel
 * are written in e = exp(−|x|), which is in (0, 1]. NaN goes through. */

#define ADCL_RELU 0
#define ADCL_RELU6 1
#define ADCL_LEAKY_RELU 2
#define ADCL_ELU 3
#define ADCL_CELU 4
#define ADCL_SELU 5
#define ADCL_GELU 6
#define ADCL_GELU_TANH 7
#define ADCL_QUICK_GELU 8
#define ADCL_SILU 9
#define ADCL_MISH 10
#define ADCL_SIGMOID 11
#define ADCL_TANH 12
#define ADCL_EXP 13
#define ADCL_LINEAR 14
#define ADCL_SOFTPLUS 15
#define ADCL_SOFTSIGN 16
#define ADCL_LOG_SIGMOID 17
#define ADCL_HARD_TANH 18
#define ADCL_HARD_SIGMOID 19
#define ADCL_HARD_SILU 20
#define ADCL_SOFTMAX 21
#define ADCL_LOG_SOFTMAX 22
#define ADCL_LOG_SUMEXP 23

#define ADCL_SELU_ALPHA 1.6732632423543772f
#define ADCL_SELU_LAMBDA 1.0507009873554805f

/* 1/(1+exp(−x)) without overflow. */
float adcl_sigmoid(float x)
{
    float e = exp(-fabs(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

/* sigmoid(x)·(1−sigmoid(x)) without cancellation. */
float adcl_sigmoid_slope(float x)
{
    float e = exp(-fabs(x));
    return e / ((1.0f + e) * (1.0f + e));
}

/* 1 − tanh(x)² = (2/(exp(x)+exp(−x)))² without cancellation. */
float adcl_tanh_slope(float x)
{
    float e = exp(-2.0f * fabs(x));
    return 4.0f * e / ((1.0f + e) * (1.0f + e));
}

float adcl_softplus(float x)
{
    return fmax(0.0f, x) + log1p(exp(-fabs(x)));
}

/* The argument of gelu_tanh's tanh, and its slope. */
#define ADCL_GELU_TANH_A 0.7978845608028654f
#define ADCL_GELU_TANH_B 0.044715f

float adcl_gelu_tanh_inner(float x)
{
    return ADCL_GELU_TANH_A * (x + ADCL_GELU_TANH_B * x * x * x);
}

float adcl_hard_sigmoid(float x)
{
    float line = 0.2f * x + 0.2f; /* clamp would turn NaN into a number */
    return line <= 0.0f ? 0.0f : line >= 1.0f ? 1.0f : line;
}

/* 0.2 inside (−1, 4), half of it at the kinks. */
float adcl_hard_sigmoid_slope(float x)
{
    return x > -1.0f && x < 4.0f ? 0.2f : x == -1.0f || x == 4.0f ? 0.1f : 0.0f;
}

#if ADCL_VARIANT < ADCL_SOFTMAX

#if ADCL_VARIANT == ADCL_RELU
float adcl_act(float x) { return x <= 0.0f ? 0.0f : x; }
float adcl_act_slope(float x) { return x > 0.0f ? 1.0f : 0.0f; }
#elif ADCL_VARIANT == ADCL_RELU6
float adcl_act(float x) { return x <= 0.0f ? 0.0f : x >= 6.0f ? 6.0f : x; }
float adcl_act_slope(float x)
{
    return x > 0.0f && x < 6.0f ? 1.0f : x == 0.0f || x == 6.0f ? 0.5f : 0.0f;
}
#elif ADCL_VARIANT == ADCL_LEAKY_RELU
float adcl_act(float x) { return x > 0.0f ? x : 0.01f * x; }
float adcl_act_slope(float x) { return x > 0.0f ? 1.0f : 0.01f; }
#elif ADCL_VARIANT == ADCL_ELU || ADCL_VARIANT == ADCL_CELU /* equal at alpha = 1 */
float adcl_act(float x) { return x > 0.0f ? x : expm1(x); }
float adcl_act_slope(float x) { return x > 0.0f ? 1.0f : exp(x); }
#elif ADCL_VARIANT == ADCL_SELU
float adcl_act(float x)
{
    return ADCL_SELU_LAMBDA * (x > 0.0f ? x : ADCL_SELU_ALPHA * expm1(x));
}
float adcl_act_slope(float x)
{
    return ADCL_SELU_LAMBDA * (x > 0.0f ? 1.0f : ADCL_SELU_ALPHA * exp(x));
}
#elif ADCL_VARIANT == ADCL_GELU /* Φ(x) = erfc(−x/√2)/2; φ(x) = exp(−x²/2)/√(2π) */
float adcl_act(float x)
{
    float value = 0.5f * x * erfc(-0.70710678118654752f * x);
    return x == -INFINITY ? 0.0f : value;
}
float adcl_act_slope(float x)
{
    float slope = 0.5f * erfc(-0.70710678118654752f * x) +
                  0.39894228040143268f * x * exp(-0.5f * x * x);
    return isinf(x) ? (x > 0.0f ? 1.0f : 0.0f) : slope;
}
#elif ADCL_VARIANT == ADCL_GELU_TANH /* (1 + tanh(t))/2 = sigmoid(2t) */
float adcl_act(float x)
{
    float value = x * adcl_sigmoid(2.0f * adcl_gelu_tanh_inner(x));
    return x == -INFINITY ? 0.0f : value;
}
float adcl_act_slope(float x)
{
    float t = 2.0f * adcl_gelu_tanh_inner(x);
    float t_slope = 2.0f * ADCL_GELU_TANH_A * (1.0f + 3.0f * ADCL_GELU_TANH_B * x * x);
    float bend = adcl_sigmoid_slope(t);
    return adcl_sigmoid(t) + (bend == 0.0f ? 0.0f : x * bend * t_slope);
}
#elif ADCL_VARIANT == ADCL_QUICK_GELU
float adcl_act(float x)
{
    float value = x * adcl_sigmoid(1.702f * x);
    return x == -INFINITY ? 0.0f : value;
}
float adcl_act_slope(float x)
{
    float bend = adcl_sigmoid_slope(1.702f * x);
    return adcl_sigmoid(1.702f * x) + (bend == 0.0f ? 0.0f : 1.702f * x * bend);
}
#elif ADCL_VARIANT == ADCL_SILU
float adcl_act(float x)
{
    float value = x * adcl_sigmoid(x);
    return x == -INFINITY ? 0.0f : value;
}
float adcl_act_slope(float x)
{
    float bend = adcl_sigmoid_slope(x);
    return adcl_sigmoid(x) + (bend == 0.0f ? 0.0f : x * bend);
}
#elif ADCL_VARIANT == ADCL_MISH
/* With e = exp(−|x|): tanh(softplus(x)) = (1+2e)/(1+2e+2e²) for x ≥ 0, (e²+2e)/(e²+2e+2) below. */
float adcl_mish_gate(float x)
{
    float e = exp(-fabs(x));
    float over = x >= 0.0f ? 1.0f + 2.0f * e : e * (e + 2.0f);
    return over / (over + (x >= 0.0f ? 2.0f * e * e : 2.0f));
}
/* 1 − gate² = 4q²/(q²+1)², q = 1+exp(x); both sides divided by exp(2x) for x ≥ 0. */
float adcl_mish_gate_bend(float x)
{
    float e = exp(-fabs(x)), q = 1.0f + e;
    float under = x >= 0.0f ? q * q + e * e : q * q + 1.0f;
    return 4.0f * q * q * (x >= 0.0f ? e * e : 1.0f) / (under * under);
}
float adcl_act(float x)
{
    float value = x * adcl_mish_gate(x);
    return x == -INFINITY ? 0.0f : value;
}
float adcl_act_slope(float x)
{
    float bend = adcl_mish_gate_bend(x) * adcl_sigmoid(x);
    return adcl_mish_gate(x) + (bend == 0.0f ? 0.0f : x * bend);
}
#elif ADCL_VARIANT == ADCL_SIGMOID
float adcl_act(float x) { return adcl_sigmoid(x); }
float adcl_act_slope(float x) { return adcl_sigmoid_slope(x); }
#elif ADCL_VARIANT == ADCL_TANH
float adcl_act(float x) { return tanh(x); }
float adcl_act_slope(float x) { return adcl_tanh_slope(x); }
#elif ADCL_VARIANT == ADCL_EXP
float adcl_act(float x) { return exp(x); }
float adcl_act_slope(float x) { return exp(x); }
#elif ADCL_VARIANT == ADCL_LINEAR
float adcl_act(float x) { return x; }
float adcl_act_slope(float x) { return 1.0f; }
#elif ADCL_VARIANT == ADCL_SOFTPLUS
float adcl_act(float x) { return adcl_softplus(x); }
float adcl_act_slope(float x) { return adcl_sigmoid(x); }
#elif ADCL_VARIANT == ADCL_SOFTSIGN
float adcl_act(float x)
{
    float value = x / (1.0f + fabs(x));
    return isinf(x) ? copysign(1.0f, x) : value;
}
float adcl_act_slope(float x) { return 1.0f / ((1.0f + fabs(x)) * (1.0f + fabs(x))); }
#elif ADCL_VARIANT == ADCL_LOG_SIGMOID
float adcl_act(float x) { return -adcl_softplus(-x); }
float adcl_act_slope(float x) { return adcl_sigmoid(-x); }
#elif ADCL_VARIANT == ADCL_HARD_TANH
float adcl_act(float x) { return x <= -1.0f ? -1.0f : x >= 1.0f ? 1.0f : x; }
float adcl_act_slope(float x) { return fabs(x) <= 1.0f ? 1.0f : 0.0f; }
#elif ADCL_VARIANT == ADCL_HARD_SIGMOID
float adcl_act(float x) { return adcl_hard_sigmoid(x); }
float adcl_act_slope(float x) { return adcl_hard_sigmoid_slope(x); }
#elif ADCL_VARIANT == ADCL_HARD_SILU
float adcl_act(float x)
{
    float value = x * adcl_hard_sigmoid(x);
    return x == -INFINITY ? 0.0f : value;
}
float adcl_act_slope(float x)
{
    float bend = adcl_hard_sigmoid_slope(x);
    return adcl_hard_sigmoid(x) + (bend == 0.0f ? 0.0f : x * bend);
}
#endif

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

/* h of one row from its z: h has cols columns, or 1 for log_sumexp. h may be z otherwise. */
void adcl_act_row(global const float *z, global float *h, uint cols, float2 row)
{
#if ADCL_VARIANT == ADCL_LOG_SUMEXP
    h[0] = row.x + log(row.y);
#else
    for (uint c = 0; c < cols; c++)
#if ADCL_VARIANT == ADCL_SOFTMAX
        h[c] = exp(z[c] - row.x) / row.y;
#else
        h[c] = z[c] - row.x - log(row.y);
#endif
#endif
}

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
 * both have cols columns.
 *   softmax      dz = p ∘ (dh − Σ p·dh)      p = softmax(z)
 *   log_softmax  dz = dh − p·Σ dh
 *   log_sumexp   dz = p·dh                    dh (N, 1) */
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
#if ADCL_VARIANT == ADCL_LOG_SUMEXP
    float g = dh_row[0];
    for (uint c = 0; c < cols; c++) dz_row[c] = g * exp(z_row[c] - row.x) / row.y;
#else
    float dot = 0.0f; /* softmax: Σ p·dh; log_softmax: Σ dh */
    for (uint c = 0; c < cols; c++)
#if ADCL_VARIANT == ADCL_SOFTMAX
        dot += dh_row[c] * exp(z_row[c] - row.x) / row.y;
#else
        dot += dh_row[c];
#endif
    for (uint c = 0; c < cols; c++) {
        float p = exp(z_row[c] - row.x) / row.y;
#if ADCL_VARIANT == ADCL_SOFTMAX
        dz_row[c] = p * (dh_row[c] - dot);
#else
        dz_row[c] = dh_row[c] - p * dot;
#endif
    }
#endif
    adcl_act_row(z_row, h + adcl_at(h_offset, h_stride, r, 0), cols, row);
}

#endif
