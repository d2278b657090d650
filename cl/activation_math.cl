/* SPDX-License-Identifier: MIT */
/* activation_math.cl – act(x) and act′(x) of one activation, ADCL_VARIANT (its number in
 * include/adapter_cl/activation.h), for ADCL_WIDTH numbers at once; put before the files that use it.
 *
 * Formulas that would overflow or cancel are written in e = exp(−|x|), which is in (0, 1]. NaN goes
 * through. Exponentials and the error function are polynomials of our own: a driver's are exact
 * to the last bit or nearly so, and several times slower on vectors. Their errors against double over all
 * floats, in units of the last place, are in docs/activations.md and tested. */

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

/* True for the activations that take numbers one by one, false for those that take whole rows. */
#define ADCL_ELEMENTWISE (ADCL_VARIANT < ADCL_SOFTMAX)

#ifndef ADCL_WIDTH
#define ADCL_WIDTH 1
#endif

/* REAL: ADCL_WIDTH floats; INTEGER: as many ints. */
#define ADCL_PASTE2(a, b) a##b
#define ADCL_PASTE(a, b) ADCL_PASTE2(a, b)
#if ADCL_WIDTH == 1
typedef float REAL;
typedef int INTEGER;
#define ADCL_LOAD(p) (*(p))
#define ADCL_STORE(value, p) (*(p) = (value))
#define ADCL_AS_INTEGER as_int
#define ADCL_AS_REAL as_float
#else
typedef ADCL_PASTE(float, ADCL_WIDTH) REAL;
typedef ADCL_PASTE(int, ADCL_WIDTH) INTEGER;
#define ADCL_LOAD(p) ADCL_PASTE(vload, ADCL_WIDTH)(0, p)
#define ADCL_STORE(value, p) ADCL_PASTE(vstore, ADCL_WIDTH)(value, 0, p)
#define ADCL_AS_INTEGER ADCL_PASTE(as_int, ADCL_WIDTH)
#define ADCL_AS_REAL ADCL_PASTE(as_float, ADCL_WIDTH)
#endif

/* `a` where the comparison holds, else `b`; NaN compares false. */
#define ADCL_PICK(comparison, a, b) ((comparison) ? (REAL)(a) : (REAL)(b))

/* ---- exponentials ----------------------------------------------------------------------------- */

/* Next to 1.5·2²³ floats are whole numbers: a sum with it is rounded to one, which its last bits are. Drivers take
 * twenty instructions to round a vector. */
#define ADCL_ROUNDER 12582912.0f
#define ADCL_ROUNDER_BITS 0x4B400000

/* x = n·ln 2 + r with |r| <= ln 2 / 2, for x in [−104, 89]; returns exp(r) − 1. */
REAL adcl_reduced_expm1(REAL x, INTEGER *n)
{
    REAL rounded = x * 1.44269504f + ADCL_ROUNDER;
    *n = ADCL_AS_INTEGER(rounded) - ADCL_ROUNDER_BITS;
    REAL whole = rounded - ADCL_ROUNDER;
    REAL r = x - whole * 0.693359375f; /* exact: ln 2 in two parts */
    r = r + whole * 2.12194440e-4f;
    REAL p = r * 0.00139012781f + 0.00836316217f;
    p = p * r + 0.0416668542f;
    p = p * r + 0.166665778f;
    p = p * r + 0.5f;
    return r * r * p + r;
}

/* 2ⁿ for n in [−126, 127]. */
REAL adcl_power_of_two(INTEGER n)
{
    return ADCL_AS_REAL((n + 127) << 23);
}

REAL adcl_exp(REAL x)
{
    INTEGER n;
    REAL bounded = ADCL_PICK(x > 89.0f, 89.0f, x);
    bounded = ADCL_PICK(bounded < -104.0f, -104.0f, bounded);
    REAL e = 1.0f + adcl_reduced_expm1(bounded, &n);
    INTEGER half_n = n >> 1; /* in two steps: results below the normal numbers exist, too */
    return e * adcl_power_of_two(half_n) * adcl_power_of_two(n - half_n);
}

/* exp(x) − 1 for x <= 0, exact also near 0. */
REAL adcl_expm1_negative(REAL x)
{
    INTEGER n;
    REAL bounded = ADCL_PICK(x < -20.0f, -20.0f, x);
    REAL rest = adcl_reduced_expm1(bounded, &n), power = adcl_power_of_two(n);
    return power * rest + (power - 1.0f);
}

/* 1/(1+exp(−x)). */
REAL adcl_sigmoid(REAL x)
{
    REAL e = adcl_exp(-fabs(x));
    return ADCL_PICK(x >= 0.0f, 1.0f, e) / (1.0f + e);
}

/* sigmoid(x)·(1−sigmoid(x)). */
REAL adcl_sigmoid_slope(REAL x)
{
    REAL e = adcl_exp(-fabs(x));
    return e / ((1.0f + e) * (1.0f + e));
}

/* With m = exp(−2|x|) − 1: tanh|x| = −m/(m + 2). */
REAL adcl_tanh(REAL x)
{
    REAL m = adcl_expm1_negative(-2.0f * fabs(x));
    return copysign(-m / (m + 2.0f), x);
}

/* 1 − tanh(x)² = (2/(exp(x)+exp(−x)))². */
REAL adcl_tanh_slope(REAL x)
{
    REAL e = adcl_exp(-2.0f * fabs(x));
    return 4.0f * e / ((1.0f + e) * (1.0f + e));
}

REAL adcl_softplus(REAL x)
{
    return ADCL_PICK(x < 0.0f, 0.0f, x) + log1p(adcl_exp(-fabs(x)));
}

/* exp(−x²/2); x² in two parts, for its error would be magnified. */
REAL adcl_bell(REAL x)
{
    REAL bounded = ADCL_PICK(fabs(x) > 15.0f, 15.0f, x);
    REAL square = bounded * bounded, error = fma(bounded, bounded, -square);
    REAL e = adcl_exp(-0.5f * square);
    return e - 0.5f * error * e;
}

/* Φ(−|x|) = erfc(|x|/√2)/2 = bell·P(q)/2, q = 1/(1 + 0.35·|x|/√2): P is a minimax polynomial for
 * exp(t²)·erfc(t) over t in [0, 10.2]. */
REAL adcl_normal_tail(REAL x, REAL bell)
{
    REAL q = 1.0f / (fabs(x) * 0.247487373f + 1.0f);
    REAL p = q * 0.0643662065f - 0.388387829f;
    p = p * q + 0.811542213f;
    p = p * q - 0.701767445f;
    p = p * q + 0.639740646f;
    p = p * q - 0.056968607f;
    p = p * q + 0.246225342f;
    p = p * q + 0.1867515f;
    p = p * q + 0.198545247f;
    p = p * q - 4.72752072e-05f;
    return 0.5f * bell * p;
}

/* Φ(x). */
REAL adcl_normal_cdf(REAL x, REAL bell)
{
    REAL tail = adcl_normal_tail(x, bell);
    return ADCL_PICK(x > 0.0f, 1.0f - tail, tail);
}

/* ---- the activations that take numbers one by one --------------------------------------------- */

#define ADCL_SELU_ALPHA 1.6732632423543772f
#define ADCL_SELU_LAMBDA 1.0507009873554805f

/* x·gate, where gate goes to 0 at −∞. */
REAL adcl_gated(REAL x, REAL gate)
{
    return ADCL_PICK(x == -INFINITY, 0.0f, x * gate);
}

/* Slope of x·gate(x): gate + x·bend, bend = gate′(x); 0 wins over ∞. */
REAL adcl_gated_slope(REAL x, REAL gate, REAL bend)
{
    return gate + ADCL_PICK(bend == 0.0f, 0.0f, x * bend);
}

/* gelu_tanh's gate is (1 + tanh(t))/2 = sigmoid(2t), t = A·(x + B·x³); this is 2t. */
#define ADCL_GELU_TANH_A 0.7978845608028654f
#define ADCL_GELU_TANH_B 0.044715f
REAL adcl_gelu_tanh_inner(REAL x)
{
    return 2.0f * ADCL_GELU_TANH_A * (x + ADCL_GELU_TANH_B * x * x * x);
}

REAL adcl_hard_sigmoid(REAL x)
{
    REAL line = 0.2f * x + 0.2f; /* clamp would turn NaN into a number */
    return ADCL_PICK(line <= 0.0f, 0.0f, ADCL_PICK(line >= 1.0f, 1.0f, line));
}

/* 0.2 inside (−1, 4), half of it at the kinks. */
REAL adcl_hard_sigmoid_slope(REAL x)
{
    REAL inside = ADCL_PICK(x > -1.0f, ADCL_PICK(x < 4.0f, 0.2f, 0.0f), 0.0f);
    return ADCL_PICK(x == -1.0f, 0.1f, ADCL_PICK(x == 4.0f, 0.1f, inside));
}

/* mish's gate. With e = exp(−|x|): tanh(softplus(x)) = (1+2e)/(1+2e+2e²) for x >= 0,
 * (e²+2e)/(e²+2e+2) below. */
REAL adcl_mish_gate(REAL x)
{
    REAL e = adcl_exp(-fabs(x));
    REAL over = ADCL_PICK(x >= 0.0f, 1.0f + 2.0f * e, e * (e + 2.0f));
    return over / (over + ADCL_PICK(x >= 0.0f, 2.0f * e * e, 2.0f));
}

/* 1 − gate² = 4q²/(q²+1)², q = 1+exp(x); both sides divided by exp(2x) for x >= 0. */
REAL adcl_mish_gate_bend(REAL x)
{
    REAL e = adcl_exp(-fabs(x)), q = 1.0f + e;
    REAL under = q * q + ADCL_PICK(x >= 0.0f, e * e, 1.0f);
    return 4.0f * q * q * ADCL_PICK(x >= 0.0f, e * e, 1.0f) / (under * under);
}

#if ADCL_VARIANT == ADCL_RELU
REAL adcl_act(REAL x) { return ADCL_PICK(x <= 0.0f, 0.0f, x); }
REAL adcl_act_slope(REAL x) { return ADCL_PICK(x > 0.0f, 1.0f, 0.0f); }
#elif ADCL_VARIANT == ADCL_RELU6
REAL adcl_act(REAL x) { return ADCL_PICK(x <= 0.0f, 0.0f, ADCL_PICK(x >= 6.0f, 6.0f, x)); }
REAL adcl_act_slope(REAL x)
{
    REAL inside = ADCL_PICK(x > 0.0f, ADCL_PICK(x < 6.0f, 1.0f, 0.0f), 0.0f);
    return ADCL_PICK(x == 0.0f, 0.5f, ADCL_PICK(x == 6.0f, 0.5f, inside));
}
#elif ADCL_VARIANT == ADCL_LEAKY_RELU
REAL adcl_act(REAL x) { return ADCL_PICK(x > 0.0f, x, 0.01f * x); }
REAL adcl_act_slope(REAL x) { return ADCL_PICK(x > 0.0f, 1.0f, 0.01f); }
#elif ADCL_VARIANT == ADCL_ELU || ADCL_VARIANT == ADCL_CELU /* equal at alpha = 1 */
REAL adcl_act(REAL x) { return ADCL_PICK(x > 0.0f, x, adcl_expm1_negative(x)); }
REAL adcl_act_slope(REAL x) { return ADCL_PICK(x > 0.0f, 1.0f, adcl_exp(x)); }
#elif ADCL_VARIANT == ADCL_SELU
REAL adcl_act(REAL x)
{
    return ADCL_SELU_LAMBDA * ADCL_PICK(x > 0.0f, x, ADCL_SELU_ALPHA * adcl_expm1_negative(x));
}
REAL adcl_act_slope(REAL x)
{
    return ADCL_SELU_LAMBDA * ADCL_PICK(x > 0.0f, 1.0f, ADCL_SELU_ALPHA * adcl_exp(x));
}
#elif ADCL_VARIANT == ADCL_GELU /* x·Φ(x); Φ′(x) = exp(−x²/2)/√(2π) */
REAL adcl_act(REAL x) { return adcl_gated(x, adcl_normal_cdf(x, adcl_bell(x))); }
REAL adcl_act_slope(REAL x)
{
    REAL bell = adcl_bell(x);
    return adcl_gated_slope(x, adcl_normal_cdf(x, bell), 0.39894228040143268f * bell);
}
#elif ADCL_VARIANT == ADCL_GELU_TANH
REAL adcl_act(REAL x) { return adcl_gated(x, adcl_sigmoid(adcl_gelu_tanh_inner(x))); }
REAL adcl_act_slope(REAL x)
{
    REAL inner = adcl_gelu_tanh_inner(x), bend = adcl_sigmoid_slope(inner);
    REAL inner_slope = 2.0f * ADCL_GELU_TANH_A * (1.0f + 3.0f * ADCL_GELU_TANH_B * x * x);
    return adcl_gated_slope(x, adcl_sigmoid(inner),
                            ADCL_PICK(bend == 0.0f, 0.0f, bend * inner_slope));
}
#elif ADCL_VARIANT == ADCL_QUICK_GELU
REAL adcl_act(REAL x) { return adcl_gated(x, adcl_sigmoid(1.702f * x)); }
REAL adcl_act_slope(REAL x)
{
    return adcl_gated_slope(x, adcl_sigmoid(1.702f * x), 1.702f * adcl_sigmoid_slope(1.702f * x));
}
#elif ADCL_VARIANT == ADCL_SILU
REAL adcl_act(REAL x) { return adcl_gated(x, adcl_sigmoid(x)); }
REAL adcl_act_slope(REAL x)
{
    return adcl_gated_slope(x, adcl_sigmoid(x), adcl_sigmoid_slope(x));
}
#elif ADCL_VARIANT == ADCL_MISH
REAL adcl_act(REAL x) { return adcl_gated(x, adcl_mish_gate(x)); }
REAL adcl_act_slope(REAL x)
{
    return adcl_gated_slope(x, adcl_mish_gate(x), adcl_mish_gate_bend(x) * adcl_sigmoid(x));
}
#elif ADCL_VARIANT == ADCL_SIGMOID
REAL adcl_act(REAL x) { return adcl_sigmoid(x); }
REAL adcl_act_slope(REAL x) { return adcl_sigmoid_slope(x); }
#elif ADCL_VARIANT == ADCL_TANH
REAL adcl_act(REAL x) { return adcl_tanh(x); }
REAL adcl_act_slope(REAL x) { return adcl_tanh_slope(x); }
#elif ADCL_VARIANT == ADCL_EXP
REAL adcl_act(REAL x) { return adcl_exp(x); }
REAL adcl_act_slope(REAL x) { return adcl_exp(x); }
#elif ADCL_VARIANT == ADCL_LINEAR
REAL adcl_act(REAL x) { return x; }
REAL adcl_act_slope(REAL x) { return (REAL)(1.0f); }
#elif ADCL_VARIANT == ADCL_SOFTPLUS
REAL adcl_act(REAL x) { return adcl_softplus(x); }
REAL adcl_act_slope(REAL x) { return adcl_sigmoid(x); }
#elif ADCL_VARIANT == ADCL_SOFTSIGN
REAL adcl_act(REAL x)
{
    return ADCL_PICK(fabs(x) == INFINITY, copysign((REAL)(1.0f), x), x / (1.0f + fabs(x)));
}
REAL adcl_act_slope(REAL x) { return 1.0f / ((1.0f + fabs(x)) * (1.0f + fabs(x))); }
#elif ADCL_VARIANT == ADCL_LOG_SIGMOID
REAL adcl_act(REAL x) { return -adcl_softplus(-x); }
REAL adcl_act_slope(REAL x) { return adcl_sigmoid(-x); }
#elif ADCL_VARIANT == ADCL_HARD_TANH
REAL adcl_act(REAL x) { return ADCL_PICK(x <= -1.0f, -1.0f, ADCL_PICK(x >= 1.0f, 1.0f, x)); }
REAL adcl_act_slope(REAL x) { return ADCL_PICK(fabs(x) <= 1.0f, 1.0f, 0.0f); }
#elif ADCL_VARIANT == ADCL_HARD_SIGMOID
REAL adcl_act(REAL x) { return adcl_hard_sigmoid(x); }
REAL adcl_act_slope(REAL x) { return adcl_hard_sigmoid_slope(x); }
#elif ADCL_VARIANT == ADCL_HARD_SILU
REAL adcl_act(REAL x) { return adcl_gated(x, adcl_hard_sigmoid(x)); }
REAL adcl_act_slope(REAL x)
{
    return adcl_gated_slope(x, adcl_hard_sigmoid(x), adcl_hard_sigmoid_slope(x));
}
#endif

/* ---- those that take whole rows --------------------------------------------------------------- */

#if !ADCL_ELEMENTWISE

/* h of one row from its z (1, cols): h has cols columns, or 1 for log_sumexp. h may be z otherwise.
 * `row` is adcl_row_sum of z. */
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

/* dz of one row; dz may be dh where both have cols columns.
 *   softmax      dz = p ∘ (dh − Σ p·dh)      p = softmax(z)
 *   log_softmax  dz = dh − p·Σ dh
 *   log_sumexp   dz = p·dh                    dh (1, 1) */
void adcl_act_row_bwd(global const float *z, global const float *dh, global float *dz, uint cols,
                      float2 row)
{
#if ADCL_VARIANT == ADCL_LOG_SUMEXP
    float g = dh[0];
    for (uint c = 0; c < cols; c++) dz[c] = g * exp(z[c] - row.x) / row.y;
#else
    float dot = 0.0f; /* softmax: Σ p·dh; log_softmax: Σ dh */
    for (uint c = 0; c < cols; c++)
#if ADCL_VARIANT == ADCL_SOFTMAX
        dot += dh[c] * exp(z[c] - row.x) / row.y;
#else
        dot += dh[c];
#endif
    for (uint c = 0; c < cols; c++) {
        float p = exp(z[c] - row.x) / row.y;
#if ADCL_VARIANT == ADCL_SOFTMAX
        dz[c] = p * (dh[c] - dot);
#else
        dz[c] = dh[c] - p * dot;
#endif
    }
#endif
}

#endif
