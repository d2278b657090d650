/* SPDX-License-Identifier: MIT */
/* harness.h – timing work on a device: warm up, repeat, take the median. */
#ifndef ADCL_BENCH_HARNESS_H
#define ADCL_BENCH_HARNESS_H

#include "bench/statistics.h"

#include <adapter_cl/context.h>
#include <adapter_cl/tensor.h>

/* Leaves the calling function when a call of the library failed. */
#define BENCH_TRY(call)                                       \
    do {                                                      \
        adcl_status status_of_call = (call);                  \
        if (status_of_call != ADCL_OK) return status_of_call; \
    } while (0)

/* Keeps the sentence of a failed call, which the context forgets at its next call, unless `error`
 * says something already. Returns the status. */
adcl_status bench_keep_sentence(const adcl_context *ctx, adcl_status status, adcl_error *error);

/* A new tensor of numbers in [-1, 1), the same on every machine. */
adcl_status bench_make_random(adcl_context *ctx, adcl_tensor **out, size_t rows, size_t cols);

/* Enqueues what is measured, once. */
typedef adcl_status (*bench_work)(void *state);

/* How often the host waits. BENCH_WAIT_SELDOM: a sample enqueues as many passes as fill about two
 * milliseconds, waits once, and counts the time of one pass: so do applications that care, and the
 * cost of waking a device is not counted as work. BENCH_WAIT_EACH: after each pass, as an
 * application does that needs its result at once. */
typedef enum bench_waiting { BENCH_WAIT_SELDOM, BENCH_WAIT_EACH } bench_waiting;

/* Measures for about half a second, or five samples where these take longer. Waits for the queue
 * before and after. Errors: those of the work, OPENCL. */
adcl_status bench_measure(adcl_context *ctx, bench_work work, void *state, bench_waiting waiting,
                          bench_timing *out);

#endif
