/* SPDX-License-Identifier: MIT */
/* harness.h – timing work on a device: warm up, repeat, take the median. */
#ifndef ADCL_BENCH_HARNESS_H
#define ADCL_BENCH_HARNESS_H

#include <adapter_cl/context.h>

/* Enqueues what is measured, once. */
typedef adcl_status (*bench_pass)(void *state);

/* One sample enqueues as many passes as fill about two milliseconds, waits once, and counts the
 * time of one pass: so do applications that care, and the cost of waking a device is not counted as
 * work. */
typedef struct bench_timing {
    double median_ms;
    double min_ms;
    double spread_ms; /* between the first and the third quartile */
    size_t samples;
    size_t passes_per_sample;
} bench_timing;

/* Measures for about half a second, or five samples where these take longer. Waits for the queue
 * before and after. Errors: those of the pass, OPENCL. */
adcl_status bench_measure(adcl_context *ctx, bench_pass pass, void *state, bench_timing *out);

#endif
