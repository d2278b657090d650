/* SPDX-License-Identifier: MIT */
/* random.h – random numbers that are functions of where they stand: of a seed and an index, never
 * of what was drawn before. Everything is made of integers and of + − × ÷ sqrt on doubles, which
 * IEEE 754 rounds in one way only, so a seed gives the same bits on every machine.
 *
 * The source is Philox4x32-10 (Salmon et al. 2011): key and counter in, four 32-bit words out. The
 * key is the seed. The top two bits of counter word 1 tell the uses apart, so that no two of them
 * share a word:
 *
 *      counter word    0             1                           2           3
 *      dropout         block, low    block, high                 step, low   step, high
 *      initial values  index, low    1 << 31 | index, high       stream      attempt
 *      row order       position      3 << 30 | attempt           epoch, low  epoch, high
 *
 * An attempt is redrawn when its numbers must be rejected. The row order is in train/schedule.c. */
#ifndef ADCL_BASE_RANDOM_H
#define ADCL_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Marks in counter word 1; dropout has none. */
#define ADCL__RANDOM_INITIAL_VALUES (UINT32_C(1) << 31)
#define ADCL__RANDOM_ROW_ORDER (UINT32_C(3) << 30)

/* Four random words. */
void adcl__random_words(uint64_t seed, const uint32_t counter[4], uint32_t words[4]);

/* ---- initial values ------------------------------------------------------------------------- */

/* Keeps the parameters of one seed apart. Values never change: a seed must keep its meaning. */
typedef enum adcl__random_stream {
    ADCL__STREAM_DOWN_KERNEL = 0,
    ADCL__STREAM_UP_KERNEL = 1,
    ADCL__STREAM_LINEAR_KERNEL = 2
} adcl__random_stream;

/* out[i] is a function of (seed, stream, i) and the distribution alone, drawn in double and rounded
 * once. */

/* Uniform in [−limit, limit). */
void adcl__random_fill_uniform(uint64_t seed, adcl__random_stream stream, double limit, float *out,
                               size_t count);

/* Glorot uniform: limit sqrt(6/(fan_in + fan_out)). */
void adcl__random_fill_glorot(uint64_t seed, adcl__random_stream stream, size_t fan_in,
                              size_t fan_out, float *out, size_t count);

/* Normal with mean 0; redrawn beyond cut standard deviations, unless cut is 0. */
void adcl__random_fill_normal(uint64_t seed, adcl__random_stream stream, double standard_deviation,
                              double cut, float *out, size_t count);

/* ---- dropout -------------------------------------------------------------------------------- */

/* floor(probability·2³²), exactly; probability in [0, 1). */
uint32_t adcl__dropout_threshold(float probability);

/* Whether dropout keeps element row·D + column of a batch. cl/elementwise.cl decides the same. */
bool adcl__dropout_keeps(uint64_t seed, uint64_t step, uint64_t element, uint32_t threshold);

/* 1/(1 − probability), what kept elements are multiplied by: in float, as on the device. */
float adcl__dropout_scale(float probability);

#endif
