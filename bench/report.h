/* SPDX-License-Identifier: MIT */
/* report.h – what was measured, for people (Markdown; page.h has a page with pictures) and for
 * programs (CSV, JSON, JSON Lines). */
#ifndef ADCL_BENCH_REPORT_H
#define ADCL_BENCH_REPORT_H

#include "bench/peer_results.h"

#include <adapter_cl/context.h>

#include <stdio.h>

typedef enum bench_format { BENCH_MD = 0, BENCH_CSV, BENCH_JSON, BENCH_JSONL } bench_format;

/* All rows of one device, with what the device can do at most. */
typedef struct bench_device {
    char *name; /* these three are valid UTF-8, and owned */
    char *platform;
    char *driver;
    adcl_device_type type;
    unsigned compute_units;
    adcl_peak peak;
    bench_row *rows; /* owned */
    size_t count;
} bench_device;

/* False when memory ran out; free it all the same. */
bool bench_device_init(bench_device *device, const adcl_device_info *info);
/* Appends rows. False when memory ran out. */
bool bench_device_add(bench_device *device, const bench_row *rows, size_t count);
/* Rows that came so many times, all in the same order, become one each. False when memory ran out. */
bool bench_device_merge_rounds(bench_device *device, size_t rounds);
void bench_device_free(bench_device *device);

typedef struct bench_report {
    bench_level level; /* of all rows */
    const char *date;
    bench_device *devices;
    size_t device_count;
    bench_peers peers; /* none: count 0 */
    bool compared;     /* rows have verdicts */
} bench_report;

/* Four digits, or all that are before the point. */
void bench_print_ms(double ms, char *text, size_t size);

/* "md", "csv", "json", "jsonl"; false for another name. */
bool bench_format_from_name(const char *name, bench_format *out);

/* Peers appear in Markdown only. False when memory ran out or the stream failed. */
bool bench_report_print(const bench_report *report, bench_format format, FILE *stream);

/* The single formats, for bench_report_print: */
void bench_report_print_md(const bench_report *report, FILE *stream);
bool bench_report_print_json(const bench_report *report, FILE *stream);
bool bench_report_print_jsonl(const bench_report *report, FILE *stream);
bool bench_report_print_csv(const bench_report *report, FILE *stream);

#endif
