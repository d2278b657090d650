/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { MANY = 100000 };

static float numbers[MANY];

/* Sample moments of `numbers`. */
static double mean(void)
{
    double sum = 0.0;
    for (size_t i = 0; i < MANY; i++) sum += (double)numbers[i];
    return sum / MANY;
}

static double mean_square(void)
{
    double sum = 0.0;
    for (size_t i = 0; i < MANY; i++) sum += (double)numbers[i] * (double)numbers[i];
    return sum / MANY;
}

static double largest(void)
{
    double most = 0.0;
    for (size_t i = 0; i < MANY; i++) most = fmax(most, fabs((double)numbers[i]));
    return most;
}

/* FNV-1a over the bits of `numbers`, in little-endian order. */
static uint64_t fingerprint(void)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < MANY; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        for (int byte = 0; byte < 4; byte++)
            hash = (hash ^ (bits >> 8 * byte & 0xFF)) * UINT64_C(0x100000001B3);
    }
    return hash;
}

/* The vectors for philox4x32 with 10 rounds in the file kat_vectors of Random123. */
Test(random_words, are_the_known_answers_of_philox)
{
    static const struct {
        uint64_t seed; /* key word 1, key word 0 */
        uint32_t counter[4], words[4];
    } known[] = {
        {0, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX,
         {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {UINT64_C(0x299f31d0a4093822),
         {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t words[4];
        adcl__random_words(known[i].seed, known[i].counter, words);
        for (int w = 0; w < 4; w++)
            cr_expect_eq(words[w], known[i].words[w], "vector %zu, word %d: %08x", i, w, words[w]);
    }
}

/* Bounds on sample moments are five standard deviations of theirs: sqrt(variance / MANY). */

Test(random_fill, uniform_stays_in_its_limits_and_fills_them_evenly)
{
    const double limit = 0.25;
    adcl__random_fill_uniform(1, ADCL__STREAM_DOWN_KERNEL, limit, numbers, MANY);
    cr_expect_leq(largest(), limit);
    cr_expect_geq(largest(), limit * (1.0 - 1e-3));
    cr_expect_lt(fabs(mean()), 5.0 * limit / sqrt(3.0 * MANY));
    /* x²'s mean is limit²/3, its variance limit⁴·4/45. */
    cr_expect_lt(fabs(mean_square() - limit * limit / 3.0),
                 5.0 * limit * limit * sqrt(4.0 / 45.0 / MANY));
}

Test(random_fill, glorot_has_the_limit_of_its_two_fans)
{
    adcl__random_fill_glorot(1, ADCL__STREAM_LINEAR_KERNEL, 20, 4, numbers, MANY);
    cr_expect_leq(largest(), 0.5);
    cr_expect_geq(largest(), 0.5 * (1.0 - 1e-3));
}

Test(random_fill, normal_has_the_moments_and_tails_of_a_normal_distribution)
{
    const double deviation = 0.02;
    adcl__random_fill_normal(2, ADCL__STREAM_UP_KERNEL, deviation, 0.0, numbers, MANY);
    cr_expect_lt(fabs(mean()), 5.0 * deviation / sqrt(MANY));
    cr_expect_lt(fabs(mean_square() - deviation * deviation),
                 5.0 * deviation * deviation * sqrt(2.0 / MANY));
    /* P(|x| > k·σ) = erfc(k/√2). */
    for (int k = 1; k <= 3; k++) {
        size_t beyond = 0;
        for (size_t i = 0; i < MANY; i++) beyond += fabs((double)numbers[i]) > k * deviation;
        double expected = erfc(k / sqrt(2.0)), spread = sqrt(expected * (1.0 - expected) / MANY);
        cr_expect_lt(fabs((double)beyond / MANY - expected), 5.0 * spread, "beyond %d: %zu", k,
                     beyond);
    }
}

Test(random_fill, truncated_normal_is_redrawn_beyond_its_cut_and_only_there)
{
    static float whole[MANY];
    const double deviation = 1e-3;
    adcl__random_fill_normal(3, ADCL__STREAM_DOWN_KERNEL, deviation, 0.0, whole, MANY);
    adcl__random_fill_normal(3, ADCL__STREAM_DOWN_KERNEL, deviation, 2.0, numbers, MANY);
    cr_expect_leq(largest(), (double)(float)(2.0 * deviation));
    size_t redrawn = 0;
    for (size_t i = 0; i < MANY; i++) {
        if (fabs((double)whole[i]) < 1.999 * deviation)
            cr_assert_eq(numbers[i], whole[i], "element %zu", i);
        redrawn += numbers[i] != whole[i];
    }
    /* 4.55 % lie beyond two standard deviations. The variance of what is left is
     * 1 − 4·φ(2)/(1 − 0.0455) = 0.7737, that of its square below 2. */
    cr_expect_lt(fabs((double)redrawn / MANY - 0.0455), 5.0 * sqrt(0.0455 * 0.9545 / MANY));
    cr_expect_lt(fabs(mean_square() / (deviation * deviation) - 0.7737), 5.0 * sqrt(2.0 / MANY));
}

Test(random_fill, element_depends_on_its_index_not_on_the_count)
{
    float few[7];
    adcl__random_fill_normal(4, ADCL__STREAM_UP_KERNEL, 1.0, 2.0, numbers, MANY);
    adcl__random_fill_normal(4, ADCL__STREAM_UP_KERNEL, 1.0, 2.0, few, 7);
    cr_expect_arr_eq(few, numbers, sizeof few);
}

Test(random_fill, seeds_and_streams_differ)
{
    float base[4], other[4];
    adcl__random_fill_uniform(0, ADCL__STREAM_DOWN_KERNEL, 1.0, base, 4);
    adcl__random_fill_uniform(0, ADCL__STREAM_UP_KERNEL, 1.0, other, 4);
    for (int i = 0; i < 4; i++) cr_expect_neq(base[i], other[i]);
    adcl__random_fill_uniform(UINT64_C(1) << 32, ADCL__STREAM_DOWN_KERNEL, 1.0, other, 4);
    for (int i = 0; i < 4; i++) cr_expect_neq(base[i], other[i]);
}

/* The promise of adapter.h: a seed gives the same bits on every machine. The hashes were computed
 * by another program, in another language, from the formulas in random.c. */
Test(random_fill, gives_the_same_bits_for_ever)
{
    adcl__random_fill_uniform(7, ADCL__STREAM_DOWN_KERNEL, 0.125, numbers, MANY);
    cr_expect_eq(fingerprint(), UINT64_C(0xebed07f63d314b09), "uniform: %016llx",
                 (unsigned long long)fingerprint());
    adcl__random_fill_normal(7, ADCL__STREAM_UP_KERNEL, 0.02, 0.0, numbers, MANY);
    cr_expect_eq(fingerprint(), UINT64_C(0x58858e90ec56645e), "normal: %016llx",
                 (unsigned long long)fingerprint());
    adcl__random_fill_normal(7, ADCL__STREAM_UP_KERNEL, 1e-3, 2.0, numbers, MANY);
    cr_expect_eq(fingerprint(), UINT64_C(0x14cf4f67ec2de53c), "truncated normal: %016llx",
                 (unsigned long long)fingerprint());
}

Test(dropout, threshold_is_the_floor_of_the_probability_times_two_to_the_32)
{
    cr_expect_eq(adcl__dropout_threshold(0.0f), 0u);
    cr_expect_eq(adcl__dropout_threshold(0.5f), UINT32_C(1) << 31);
    cr_expect_eq(adcl__dropout_threshold(0x1p-32f), 1u);
    cr_expect_eq(adcl__dropout_threshold(0x1.8p-32f), 1u);
    cr_expect_eq(adcl__dropout_threshold(0x1p-33f), 0u);
    cr_expect_eq(adcl__dropout_threshold(0.1f), 429496736u); /* 0.1f is 13421773·2⁻²⁷ */
    cr_expect_eq(adcl__dropout_threshold(0x1.fffffep-1f), UINT32_MAX - 255);
}

Test(dropout, keeps_the_right_share)
{
    const float probability = 0.1f;
    uint32_t threshold = adcl__dropout_threshold(probability);
    size_t kept = 0;
    for (uint64_t e = 0; e < MANY; e++) kept += adcl__dropout_keeps(5, 17, e, threshold);
    cr_expect_lt(fabs((double)kept / MANY - 0.9), 5.0 * sqrt(0.09 / MANY), "%zu kept", kept);
    cr_expect_eq(adcl__dropout_scale(probability), 1.0f / 0.9f);
}

/* The definition that device code repeats: key = seed, counter = (block, step), word e mod 4. */
Test(dropout, compares_the_word_of_its_element)
{
    const uint64_t seed = UINT64_C(0x299f31d0a4093822), step = UINT64_C(0x0370734413198a2e);
    const uint64_t block = UINT64_C(0x05a308d3243f6a88);
    uint32_t counter[4] = {0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344}, words[4];
    adcl__random_words(seed, counter, words);
    for (uint64_t e = 0; e < 4; e++) {
        cr_expect(adcl__dropout_keeps(seed, step, 4 * block + e, words[e]));
        cr_expect_not(adcl__dropout_keeps(seed, step, 4 * block + e, words[e] + 1));
    }
}
