/* SPDX-License-Identifier: MIT */
#include "bench/harness.h"

#include "bench/clock.h"

#include <stdlib.h>

#define SAMPLES_LEAST 5
#define SAMPLES_MOST 200
#define SAMPLE_SECONDS 2e-3
#define MEASURE_SECONDS 0.5
#define WARM_UP_SECONDS 0.1
#define PASSES_MOST 1000

/* Seconds that `count` passes take, from an empty queue to an empty queue. */
static adcl_status time_passes(adcl_context *ctx, bench_pass pass, void *state, size_t count,
                               double *seconds)
{
    double start = clock_seconds();
    for (size_t i = 0; i < count; i++) {
        adcl_status status = pass(state);
        if (status != ADCL_OK) return status;
    }
    adcl_status status = adcl_context_finish(ctx);
    *seconds = clock_seconds() - start;
    return status;
}

/* At least two passes: the first one may still compile something. *seconds: of the last one. */
static adcl_status warm_up(adcl_context *ctx, bench_pass pass, void *state, double *seconds)
{
    double start = clock_seconds();
    for (int i = 0; i < 2 || clock_seconds() - start < WARM_UP_SECONDS; i++) {
        adcl_status status = time_passes(ctx, pass, state, 1, seconds);
        if (status != ADCL_OK) return status;
    }
    return ADCL_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

adcl_status bench_measure(adcl_context *ctx, bench_pass pass, void *state, bench_timing *out)
{
    double samples[SAMPLES_MOST];
    size_t count = 0;
    double seconds = 0.0;
    double total = 0.0;
    adcl_status status = adcl_context_finish(ctx);
    if (status == ADCL_OK) status = warm_up(ctx, pass, state, &seconds);
    double wanted = seconds > 0 ? SAMPLE_SECONDS / seconds : PASSES_MOST;
    size_t passes = wanted < 1 ? 1 : wanted > PASSES_MOST ? PASSES_MOST : (size_t)wanted;
    while (status == ADCL_OK && count < SAMPLES_MOST &&
           (count < SAMPLES_LEAST || total < MEASURE_SECONDS)) {
        status = time_passes(ctx, pass, state, passes, &seconds);
        total += seconds;
        samples[count++] = 1e3 * seconds / (double)passes;
    }
    if (status != ADCL_OK) return status;
    qsort(samples, count, sizeof samples[0], compare_doubles);
    *out = (bench_timing){
        .median_ms = samples[count / 2],
        .min_ms = samples[0],
        .spread_ms = samples[3 * count / 4] - samples[count / 4],
        .samples = count,
        .passes_per_sample = passes,
    };
    return ADCL_OK;
}
