/* SPDX-License-Identifier: MIT */
/* series.h – the rows of a report put side by side: who did the same work in what time. A series is
 * an engine on a device, or a peer. */
#ifndef ADCL_BENCH_SERIES_H
#define ADCL_BENCH_SERIES_H

#include "bench/report.h"

#define BENCH_SERIES_MOST 32

typedef struct bench_series {
    const char *engine;         /* or the peer's name */
    const bench_device *device; /* NULL for a peer */
} bench_series;

typedef struct bench_series_list {
    const bench_report *report;
    bench_series items[BENCH_SERIES_MOST]; /* engines in the order of their rows, then peers */
    size_t count;
} bench_series_list;

bench_series_list bench_series_of(const bench_report *report);

/* Whose row this is; `device` NULL for a peer's. Count when there were too many series. */
size_t bench_series_index(const bench_series_list *list, const bench_device *device,
                          const char *engine);

/* The series' row of this work, or NULL. */
const bench_row *bench_series_find(const bench_series_list *list, size_t index,
                                   const bench_row *work);

/* "fused", with the device's name where the report has several. */
void bench_series_label(const bench_series_list *list, size_t index, char *label, size_t size);

/* Goes over the different works of all devices: the first row of each. Start with i = 0; NULL at
 * the end. */
const bench_row *bench_next_work(const bench_report *report, size_t *i);

#endif
