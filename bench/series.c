/* SPDX-License-Identifier: MIT */
#include "bench/series.h"

#include <string.h>

size_t bench_series_index(const bench_series_list *list, const bench_device *device,
                          const char *engine)
{
    size_t i = 0;
    while (i < list->count &&
           (list->items[i].device != device || strcmp(list->items[i].engine, engine) != 0))
        i++;
    return i;
}

static void add(bench_series_list *list, const bench_device *device, const bench_row *rows,
                size_t count)
{
    for (size_t i = 0; i < count && list->count < BENCH_SERIES_MOST; i++)
        if (bench_series_index(list, device, rows[i].engine) == list->count)
            list->items[list->count++] = (bench_series){rows[i].engine, device};
}

bench_series_list bench_series_of(const bench_report *report)
{
    bench_series_list list = {.report = report};
    for (size_t d = 0; d < report->device_count; d++)
        add(&list, &report->devices[d], report->devices[d].rows, report->devices[d].count);
    add(&list, NULL, report->peers.rows, report->peers.count);
    return list;
}

const bench_row *bench_series_find(const bench_series_list *list, size_t index,
                                   const bench_row *work)
{
    const bench_series *series = &list->items[index];
    const bench_row *rows = series->device ? series->device->rows : list->report->peers.rows;
    size_t count = series->device ? series->device->count : list->report->peers.count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].engine, series->engine) == 0 && bench_same_work(&rows[i], work))
            return &rows[i];
    return NULL;
}

void bench_series_label(const bench_series_list *list, size_t index, char *label, size_t size)
{
    const bench_series *series = &list->items[index];
    bool several = series->device != NULL && list->report->device_count > 1;
    snprintf(label, size, "%s%s%s", series->engine, several ? ", " : "",
             several ? series->device->name : "");
}

/* The i-th row of all devices together, or NULL. */
static const bench_row *row_at(const bench_report *report, size_t i)
{
    for (size_t d = 0; d < report->device_count; d++) {
        if (i < report->devices[d].count) return &report->devices[d].rows[i];
        i -= report->devices[d].count;
    }
    return NULL;
}

static bool seen_before(const bench_report *report, size_t i)
{
    const bench_row *row = row_at(report, i);
    for (size_t k = 0; k < i; k++)
        if (bench_same_work(row_at(report, k), row)) return true;
    return false;
}

const bench_row *bench_next_work(const bench_report *report, size_t *i)
{
    while (row_at(report, *i) != NULL && seen_before(report, *i)) ++*i;
    return row_at(report, (*i)++);
}
