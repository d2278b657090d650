/* SPDX-License-Identifier: MIT */
/* random.c – Philox itself is Random123's. "The same bits" needs doubles that are evaluated as
 * doubles (FLT_EVAL_METHOD 0) and no contraction to fused multiply-adds (see meson.build). */
#include "base/random.h"

#include <Random123/philox.h>

#include <math.h>

void adcl__random_words(uint64_t seed, const uint32_t counter[4], uint32_t words[4])
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t block = {{counter[0], counter[1], counter[2], counter[3]}};
    block = philox4x32(block, key);
    for (int i = 0; i < 4; i++) words[i] = block.v[i];
}

/* ---- initial values ------------------------------------------------------------------------- */

/* Two independent numbers, uniform in [−1, 1) on a grid of 2⁻⁵². */
static void draw_pair(uint64_t seed, adcl__random_stream stream, uint64_t index, uint32_t attempt,
                      double pair[2])
{
    uint32_t counter[4] = {(uint32_t)index, ADCL__RANDOM_INITIAL_VALUES | (uint32_t)(index >> 32),
                           (uint32_t)stream, attempt};
    uint32_t words[4];
    adcl__random_words(seed, counter, words);
    for (int i = 0; i < 2; i++) {
        uint64_t bits = (uint64_t)words[2 * i] << 21 | words[2 * i + 1] >> 11; /* 53 of them */
        pair[i] = (double)bits * 0x1p-52 - 1.0;
    }
}

/* Natural logarithm of s > 0, for the C library's differs between machines. s = 2^e·m with
 * 1/√2 ≤ m < √2, and log m = 2·artanh(f) = 2·(f + f³/3 + f⁵/5 + …) with f = (m−1)/(m+1). As
 * f² < 0.0295, the terms left out after f²¹/21 are together less than 2⁻⁶⁰ of the sum. */
static double exact_log(double s)
{
    const double ln_2 = 0.6931471805599453;
    const double half_root = 0.7071067811865476;
    int exponent;
    double mantissa = frexp(s, &exponent); /* in [1/2, 1) */
    if (mantissa < half_root) {
        mantissa *= 2.0;
        exponent--;
    }
    double f = (mantissa - 1.0) / (mantissa + 1.0);
    double sum = 0.0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * (f * f) + 1.0 / k;
    return exponent * ln_2 + 2.0 * f * sum;
}

/* A standard normal number by the polar method (Marsaglia & Bray 1964). The second number that the
 * method gives is left unused: it would belong to another index. */
static double draw_normal(uint64_t seed, adcl__random_stream stream, uint64_t index, double cut)
{
    for (uint32_t attempt = 0;; attempt++) {
        double pair[2];
        draw_pair(seed, stream, index, attempt, pair);
        double s = pair[0] * pair[0] + pair[1] * pair[1];
        if (s >= 1.0 || s == 0.0) continue;
        double normal = pair[0] * sqrt(-2.0 * exact_log(s) / s);
        if (cut == 0.0 || fabs(normal) <= cut) return normal;
    }
}

void adcl__random_fill_uniform(uint64_t seed, adcl__random_stream stream, double limit, float *out,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double pair[2];
        draw_pair(seed, stream, i, 0, pair);
        out[i] = (float)(limit * pair[0]);
    }
}

void adcl__random_fill_glorot(uint64_t seed, adcl__random_stream stream, size_t fan_in,
                              size_t fan_out, float *out, size_t count)
{
    double limit = sqrt(6.0 / ((double)fan_in + (double)fan_out));
    adcl__random_fill_uniform(seed, stream, limit, out, count);
}

void adcl__random_fill_normal(uint64_t seed, adcl__random_stream stream, double standard_deviation,
                              double cut, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(standard_deviation * draw_normal(seed, stream, i, cut));
}

/* ---- dropout -------------------------------------------------------------------------------- */

uint32_t adcl__dropout_threshold(float probability)
{
    return (uint32_t)((double)probability * 0x1p32);
}

bool adcl__dropout_keeps(uint64_t seed, uint64_t step, uint64_t element, uint32_t threshold)
{
    uint64_t block = element / 4;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)step,
                           (uint32_t)(step >> 32)};
    uint32_t words[4];
    adcl__random_words(seed, counter, words);
    return words[element % 4] >= threshold;
}

float adcl__dropout_scale(float probability)
{
    return 1.0f / (1.0f - probability);
}
