/* SPDX-License-Identifier: MIT */
/* baseline.h – rows of an earlier run, and this run's verdicts against them. */
#ifndef ADCL_BENCH_BASELINE_H
#define ADCL_BENCH_BASELINE_H

#include "bench/report.h"

#include <jansson.h>

typedef struct bench_baseline {
    json_t *rows; /* an array of objects that were checked */
} bench_baseline;

/* Reads what -o json or -o jsonl printed. Errors: FILE, FORMAT with the row's number and what it
 * lacks. */
adcl_status bench_baseline_load(const char *path, bench_baseline *out, adcl_error *error);
void bench_baseline_free(bench_baseline *base);

/* Gives every row of the device its verdict; see bench_compare for the tolerance. Rows belong
 * together when device, level, engine, model, sizes, activation and pass are the same. */
void bench_baseline_compare(const bench_baseline *base, bench_device *device, double tolerance);

#endif
