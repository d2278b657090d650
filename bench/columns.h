/* SPDX-License-Identifier: MIT */
/* columns.h – what a table of rows shows, for each level: the work, and then its figures. */
#ifndef ADCL_BENCH_COLUMNS_H
#define ADCL_BENCH_COLUMNS_H

#include "bench/report.h"

typedef struct bench_column {
    const char *title;
    /* What stands there; "–" where the row has no such figure. `device` is whose row it is. */
    void (*print)(const bench_device *device, const bench_row *row, char *text, size_t size);
    bool word; /* text rather than a number */
} bench_column;

#define BENCH_CELL_BYTES 128

/* Both end with a column without title. Static. */
const bench_column *bench_work_columns(bench_level level);
const bench_column *bench_figure_columns(bench_level level);

#endif
