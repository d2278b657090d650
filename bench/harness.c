/* SPDX-License-Identifier: MIT */
#include "bench/harness.h"

#include "bench/clock.h"

#include <stdio.h>

#define SAMPLES_LEAST 5
#define SAMPLES_MOST 200
#define SAMPLE_SECONDS 2e-3
#define MEASURE_SECONDS 0.5
#define WARM_UP_SECONDS 0.1
#define PASSES_MOST 1000

/* Seconds that `count` passes take, from an empty queue to an empty queue. */
static adcl_status time_passes(adcl_context *ctx, bench_work work, void *state, size_t count,
                               double *seconds)
{
    double start = clock_seconds();
    for (size_t i = 0; i < count; i++) {
        adcl_status status = work(state);
        if (status != ADCL_OK) return status;
    }
    adcl_status status = adcl_context_finish(ctx);
    *seconds = clock_seconds() - start;
    return status;
}

/* At least two passes: the first one may still compile something. *seconds: of the last one. */
static adcl_status warm_up(adcl_context *ctx, bench_work work, void *state, double *seconds)
{
    double start = clock_seconds();
    for (int i = 0; i < 2 || clock_seconds() - start < WARM_UP_SECONDS; i++) {
        adcl_status status = time_passes(ctx, work, state, 1, seconds);
        if (status != ADCL_OK) return status;
    }
    return ADCL_OK;
}

/* How many passes a sample has, when one takes so long. */
static size_t passes_per_sample(bench_waiting waiting, double seconds)
{
    if (waiting == BENCH_WAIT_EACH || seconds >= SAMPLE_SECONDS) return 1;
    double wanted = seconds > 0.0 ? SAMPLE_SECONDS / seconds : PASSES_MOST;
    return wanted > PASSES_MOST ? PASSES_MOST : (size_t)wanted;
}

adcl_status bench_measure(adcl_context *ctx, bench_work work, void *state, bench_waiting waiting,
                          bench_timing *out)
{
    double samples[SAMPLES_MOST];
    size_t count = 0;
    double seconds = 0.0;
    double total = 0.0;
    adcl_status status = adcl_context_finish(ctx);
    if (status == ADCL_OK) status = warm_up(ctx, work, state, &seconds);
    size_t passes = passes_per_sample(waiting, seconds);
    while (status == ADCL_OK && count < SAMPLES_MOST &&
           (count < SAMPLES_LEAST || total < MEASURE_SECONDS)) {
        status = time_passes(ctx, work, state, passes, &seconds);
        total += seconds;
        samples[count++] = 1e3 * seconds / (double)passes;
    }
    if (status == ADCL_OK) *out = bench_summarise(samples, count, passes);
    return status;
}

/* ---- what every bench needs ------------------------------------------------------------------*/

adcl_status bench_make_random(adcl_context *ctx, adcl_tensor **out, size_t rows, size_t cols)
{
    BENCH_TRY(adcl_tensor_create(out, ctx, ADCL_F32, rows, cols));
    void *data;
    BENCH_TRY(adcl_tensor_map(ctx, *out, ADCL_MAP_WRITE, &data));
    float *values = data;
    size_t stride = adcl_tensor_row_stride(*out);
    uint32_t state = 1;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            state = state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
            values[r * stride + c] = (float)(state >> 8) * 0x1p-23f - 1.0f;
        }
    return adcl_tensor_unmap(ctx, *out);
}

adcl_status bench_keep_sentence(const adcl_context *ctx, adcl_status status, adcl_error *error)
{
    if (status == ADCL_OK || error->status != ADCL_OK) return status;
    *error = *adcl_context_error(ctx);
    if (error->status == ADCL_OK) /* it was not the context that failed */
        snprintf(error->message, sizeof error->message, "bench: %s", adcl_status_string(status));
    error->status = status;
    return status;
}
