/* SPDX-License-Identifier: MIT */
/* report.h – what was measured, for people (Markdown) and for programs (CSV, JSON, JSON Lines). */
#ifndef ADCL_BENCH_REPORT_H
#define ADCL_BENCH_REPORT_H

#include "bench/adapter_bench.h"

#include <adapter_cl/profile.h>

#include <stdbool.h>
#include <stdio.h>

typedef enum bench_format { BENCH_MD = 0, BENCH_CSV, BENCH_JSON, BENCH_JSONL } bench_format;

/* All rows of one run on one device, with what the device can do at most. */
typedef struct bench_report {
    const char *bench; /* "adapter" */
    const adcl_device_info *device;
    adcl_peak peak;
    const bench_row *rows;
    size_t count;
} bench_report;

/* "md", "csv", "json", "jsonl"; false for another name. */
bool bench_format_from_name(const char *name, bench_format *out);

/* gflops / peak gflops. */
double bench_share_of_peak(const bench_report *report, const bench_row *row);

/* False when memory ran out or the stream failed. */
bool bench_report_print(const bench_report *report, bench_format format, FILE *stream);

#endif
