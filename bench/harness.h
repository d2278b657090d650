/* SPDX-License-Identifier: MIT */
/* harness.h – timing work on a device: warm up, repeat, take the median. */
#ifndef ADCL_BENCH_HARNESS_H
#define ADCL_BENCH_HARNESS_H

#include "bench/statistics.h"

#include <adapter_cl/context.h>

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
