/* SPDX-License-Identifier: MIT */
/* activation.c – the 24 activations and their derivatives.
 *
 * Values at kinks: docs/activations.md. Formulas are chosen so that nothing cancels or overflows
 * where the result does not: 1 − sigmoid(x) is sigmoid(−x), 1 − tanh(x)² is 1/cosh(x)², Φ(x) is
 * erfc(−x/√2)/2. NaN goes through; infinities give limits. */
#include "reference/reference.h"

#include <math.h>

static const double sqrt_half = 0.70710678118654752440;
static const double inverse_sqrt_2_pi = 0.39894228040143267794; /* φ(0) */
static const double sqrt_2_over_pi = 0.79788456080286535588;
static const double selu_alpha = 1.6732632423543772;
static const double selu_lambda = 1.0507009873554805;
static const double gelu_tanh_cubic = 0.044715;
static const double quick_gelu_slope = 1.702;

/* x·gate for a gate that reaches 0 faster than x reaches infinity. */
static double gated(double x, double gate)
{
    return gate == 0.0 ? 0.0 : x * gate;
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double sigmoid_derivative(double x)
{
    return sigmoid(x) * sigmoid(-x);
}

static double tanh_derivative(double x)
{
    return 1.0 / (cosh(x) * cosh(x));
}

static double softplus(double x)
{
    return fmax(0.0, x) + log1p(exp(-fabs(x)));
}

/* Φ, the cumulative distribution of the standard normal. */
static double normal_cdf(double x)
{
    return 0.5 * erfc(-x * sqrt_half);
}

/* gelu_tanh is x·(1 + tanh(t))/2 with t = √(2/π)·(x + 0.044715·x³), and (1 + tanh(t))/2 is
 * sigmoid(2t). This is 2t, and its derivative. */
static double gelu_tanh_inner(double x)
{
    return 2.0 * sqrt_2_over_pi * (x + gelu_tanh_cubic * x * x * x);
}

static double gelu_tanh_inner_derivative(double x)
{
    return 2.0 * sqrt_2_over_pi * (1.0 + 3.0 * gelu_tanh_cubic * x * x);
}

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double hard_sigmoid(double x)
{
    return clip(0.2 * x + 0.2, 0.0, 1.0);
}

/* 1 inside (low, high), 0 outside and half of it at the kinks. */
static double clip_derivative(double x, double low, double high)
{
    if (x == low || x == high) return 0.5;
    return x > low && x < high ? 1.0 : 0.0;
}

static double hard_sigmoid_derivative(double x)
{
    return 0.2 * clip_derivative(x, -1.0, 4.0);
}

/* f(x) of the activations that take one element at a time. */
static double value(adcl_activation activation, double x)
{
    switch (activation) {
    case ADCL_ACTIVATION_RELU: return x < 0.0 ? 0.0 : x;
    case ADCL_ACTIVATION_RELU6: return clip(x, 0.0, 6.0);
    case ADCL_ACTIVATION_LEAKY_RELU: return x > 0.0 ? x : 0.01 * x;
    case ADCL_ACTIVATION_ELU: /* elu and celu are the same at α = 1 */
    case ADCL_ACTIVATION_CELU: return x > 0.0 ? x : expm1(x);
    case ADCL_ACTIVATION_SELU: return selu_lambda * (x > 0.0 ? x : selu_alpha * expm1(x));
    case ADCL_ACTIVATION_GELU: return gated(x, normal_cdf(x));
    case ADCL_ACTIVATION_GELU_TANH: return gated(x, sigmoid(gelu_tanh_inner(x)));
    case ADCL_ACTIVATION_QUICK_GELU: return gated(x, sigmoid(quick_gelu_slope * x));
    case ADCL_ACTIVATION_SILU: return gated(x, sigmoid(x));
    case ADCL_ACTIVATION_MISH: return gated(x, tanh(softplus(x)));
    case ADCL_ACTIVATION_SIGMOID: return sigmoid(x);
    case ADCL_ACTIVATION_TANH: return tanh(x);
    case ADCL_ACTIVATION_EXP: return exp(x);
    case ADCL_ACTIVATION_SOFTPLUS: return softplus(x);
    case ADCL_ACTIVATION_SOFTSIGN: return isinf(x) ? copysign(1.0, x) : x / (1.0 + fabs(x));
    case ADCL_ACTIVATION_LOG_SIGMOID: return -softplus(-x);
    case ADCL_ACTIVATION_HARD_TANH: return clip(x, -1.0, 1.0);
    case ADCL_ACTIVATION_HARD_SIGMOID: return hard_sigmoid(x);
    case ADCL_ACTIVATION_HARD_SILU: return gated(x, hard_sigmoid(x));
    default: return x; /* linear */
    }
}

/* f′(x) of the same. */
static double derivative(adcl_activation activation, double x)
{
    switch (activation) {
    case ADCL_ACTIVATION_RELU: return x > 0.0 ? 1.0 : 0.0;
    case ADCL_ACTIVATION_RELU6: return clip_derivative(x, 0.0, 6.0);
    case ADCL_ACTIVATION_LEAKY_RELU: return x > 0.0 ? 1.0 : 0.01;
    case ADCL_ACTIVATION_ELU:
    case ADCL_ACTIVATION_CELU: return x > 0.0 ? 1.0 : exp(x);
    case ADCL_ACTIVATION_SELU: return selu_lambda * (x > 0.0 ? 1.0 : selu_alpha * exp(x));
    case ADCL_ACTIVATION_GELU:
        return normal_cdf(x) + gated(x, inverse_sqrt_2_pi * exp(-0.5 * x * x));
    case ADCL_ACTIVATION_GELU_TANH:
        return sigmoid(gelu_tanh_inner(x)) +
               gated(x * gelu_tanh_inner_derivative(x), sigmoid_derivative(gelu_tanh_inner(x)));
    case ADCL_ACTIVATION_QUICK_GELU:
        return sigmoid(quick_gelu_slope * x) +
               gated(quick_gelu_slope * x, sigmoid_derivative(quick_gelu_slope * x));
    case ADCL_ACTIVATION_SILU: return sigmoid(x) + gated(x, sigmoid_derivative(x));
    case ADCL_ACTIVATION_MISH:
        return tanh(softplus(x)) + gated(x, tanh_derivative(softplus(x)) * sigmoid(x));
    case ADCL_ACTIVATION_SIGMOID: return sigmoid_derivative(x);
    case ADCL_ACTIVATION_TANH: return tanh_derivative(x);
    case ADCL_ACTIVATION_EXP: return exp(x);
    case ADCL_ACTIVATION_SOFTPLUS: return sigmoid(x);
    case ADCL_ACTIVATION_SOFTSIGN: return 1.0 / ((1.0 + fabs(x)) * (1.0 + fabs(x)));
    case ADCL_ACTIVATION_LOG_SIGMOID: return sigmoid(-x);
    case ADCL_ACTIVATION_HARD_TANH: return fabs(x) <= 1.0 ? 1.0 : 0.0;
    case ADCL_ACTIVATION_HARD_SIGMOID: return hard_sigmoid_derivative(x);
    case ADCL_ACTIVATION_HARD_SILU: return hard_sigmoid(x) + gated(x, hard_sigmoid_derivative(x));
    default: return 1.0; /* linear */
    }
}

/* ---- activations that take a whole row ------------------------------------------------------ */

static int takes_rows(adcl_activation activation)
{
    return activation == ADCL_ACTIVATION_SOFTMAX || activation == ADCL_ACTIVATION_LOG_SOFTMAX ||
           activation == ADCL_ACTIVATION_LOG_SUMEXP;
}

/* log Σ exp(z) = max + log Σ exp(z − max): the largest term is 1, so nothing overflows and the sum
 * is at least 1. The parts are kept apart, for log_softmax would lose digits to their sum. */
typedef struct log_sum {
    double max, log_rest;
} log_sum;

static log_sum row_log_sum(size_t cols, const double *z)
{
    log_sum sum = {z[0], 0.0};
    for (size_t c = 1; c < cols; c++)
        if (z[c] > sum.max) sum.max = z[c];
    double rest = 0.0;
    for (size_t c = 0; c < cols; c++) rest += exp(z[c] - sum.max);
    sum.log_rest = log(rest);
    return sum;
}

static double log_softmax(double z, log_sum sum)
{
    return z - sum.max - sum.log_rest;
}

static void row_forward(adcl_activation activation, size_t cols, const double *z, double *h)
{
    log_sum sum = row_log_sum(cols, z);
    if (activation == ADCL_ACTIVATION_LOG_SUMEXP) {
        h[0] = sum.max + sum.log_rest;
        return;
    }
    for (size_t c = 0; c < cols; c++) {
        double log_h = log_softmax(z[c], sum);
        h[c] = activation == ADCL_ACTIVATION_SOFTMAX ? exp(log_h) : log_h;
    }
}

/* With p = softmax(z):    softmax      dz = p ∘ (dh − Σ p·dh)
 *                         log_softmax  dz = dh − p·Σ dh
 *                         log_sumexp   dz = p·dh                 dh is one number */
static void row_backward(adcl_activation activation, size_t cols, const double *z, const double *dh,
                         double *dz)
{
    double *p = dz;
    row_forward(ADCL_ACTIVATION_SOFTMAX, cols, z, p);
    if (activation == ADCL_ACTIVATION_LOG_SUMEXP) {
        for (size_t c = 0; c < cols; c++) dz[c] = p[c] * dh[0];
    } else if (activation == ADCL_ACTIVATION_SOFTMAX) {
        double dot = 0.0;
        for (size_t c = 0; c < cols; c++) dot += p[c] * dh[c];
        for (size_t c = 0; c < cols; c++) dz[c] = p[c] * (dh[c] - dot);
    } else {
        double sum = 0.0;
        for (size_t c = 0; c < cols; c++) sum += dh[c];
        for (size_t c = 0; c < cols; c++) dz[c] = dh[c] - p[c] * sum;
    }
}

/* ---- matrices ------------------------------------------------------------------------------- */

void adcl__reference_activation_forward(adcl_activation activation, size_t rows, size_t cols,
                                        const double *z, double *h)
{
    if (!takes_rows(activation)) {
        for (size_t i = 0; i < rows * cols; i++) h[i] = value(activation, z[i]);
        return;
    }
    size_t width = adcl_activation_width(activation, cols);
    for (size_t r = 0; r < rows; r++) row_forward(activation, cols, z + r * cols, h + r * width);
}

void adcl__reference_activation_backward(adcl_activation activation, size_t rows, size_t cols,
                                         const double *z, const double *dh, double *dz)
{
    if (!takes_rows(activation)) {
        for (size_t i = 0; i < rows * cols; i++) dz[i] = dh[i] * derivative(activation, z[i]);
        return;
    }
    size_t width = adcl_activation_width(activation, cols);
    for (size_t r = 0; r < rows; r++)
        row_backward(activation, cols, z + r * cols, dh + r * width, dz + r * cols);
}
