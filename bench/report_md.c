/* SPDX-License-Identifier: MIT */
/* report_md.c – the report as Markdown. */
#include "bench/columns.h"
#include "bench/series.h"

#include <adapter_cl/version.h>

/* ---- a device's rows -------------------------------------------------------------------------*/

static void print_device_head(const bench_report *report, const bench_device *device, FILE *stream)
{
    fprintf(stream, "%s, %s, driver %s; adapter_cl %s, %s  \n", device->name, device->platform,
            device->driver, adcl_version(), report->date);
    fprintf(stream, "peak %.1f GFLOP/s, %.1f GB/s\n\n", device->peak.gflops, device->peak.gbs);
}

static void print_titles(const bench_column *columns, FILE *stream)
{
    for (; columns->title != NULL; columns++) fprintf(stream, " %s |", columns->title);
}

static void print_rules(const bench_column *columns, FILE *stream)
{
    for (; columns->title != NULL; columns++) fputs("---|", stream);
}

static void print_cells(const bench_column *columns, const bench_device *device,
                        const bench_row *row, FILE *stream)
{
    char text[BENCH_CELL_BYTES];
    for (; columns->title != NULL; columns++) {
        columns->print(device, row, text, sizeof text);
        fprintf(stream, " %s |", text);
    }
}

static void print_row_head(const bench_report *report, FILE *stream)
{
    const bench_column *work = bench_work_columns(report->level);
    const bench_column *figures = bench_figure_columns(report->level);
    fputs("|", stream);
    print_titles(work, stream);
    print_titles(figures, stream);
    fprintf(stream, "%s\n|", report->compared ? " ms before | × as fast | verdict |" : "");
    print_rules(work, stream);
    print_rules(figures, stream);
    fprintf(stream, "%s\n", report->compared ? "---|---|---|" : "");
}

static void print_verdict(const bench_row *row, FILE *stream)
{
    if (row->base_ms > 0.0)
        fprintf(stream, " %.4g | %.2f | %s |", row->base_ms, row->base_ms / row->timing.median_ms,
                bench_verdict_name(row->verdict));
    else
        fprintf(stream, " – | – | %s |", bench_verdict_name(row->verdict));
}

static void print_device(const bench_report *report, const bench_device *device, FILE *stream)
{
    print_device_head(report, device, stream);
    print_row_head(report, stream);
    for (size_t i = 0; i < device->count; i++) {
        const bench_row *row = &device->rows[i];
        fputs("|", stream);
        print_cells(bench_work_columns(report->level), device, row, stream);
        print_cells(bench_figure_columns(report->level), device, row, stream);
        if (report->compared) print_verdict(row, stream);
        fputc('\n', stream);
    }
}

/* ---- side by side ----------------------------------------------------------------------------*/

static void print_side_by_side_head(const bench_series_list *list, FILE *stream)
{
    fprintf(stream, "\nmedian ms, side by side; the least in bold");
    if (list->report->peers.count > 0)
        fprintf(stream, "; peers measured on %s, %s", list->report->peers.machine,
                list->report->peers.date);
    const bench_column *work = bench_work_columns(list->report->level);
    fprintf(stream, "\n\n|");
    print_titles(work, stream);
    for (size_t i = 0; i < list->count; i++) {
        char label[256];
        bench_series_label(list, i, label, sizeof label);
        fprintf(stream, " %s |", label);
    }
    fprintf(stream, "\n|");
    print_rules(work, stream);
    for (size_t i = 0; i < list->count; i++) fprintf(stream, "---|");
    fputc('\n', stream);
}

static void print_cell(const bench_row *row, double least, FILE *stream)
{
    if (row == NULL) {
        fputs(" – |", stream);
        return;
    }
    const char *bold = row->timing.median_ms <= least ? "**" : "";
    char ms[32];
    bench_print_ms(row->timing.median_ms, ms, sizeof ms);
    fprintf(stream, " %s%s%s |", bold, ms, bold);
}

static void print_side_by_side(const bench_series_list *list, FILE *stream)
{
    size_t next = 0;
    const bench_row *work;
    print_side_by_side_head(list, stream);
    while ((work = bench_next_work(list->report, &next)) != NULL) {
        const bench_row *found[BENCH_SERIES_MOST];
        double least = 0.0;
        for (size_t i = 0; i < list->count; i++) {
            found[i] = bench_series_find(list, i, work);
            if (found[i] != NULL && (least <= 0.0 || found[i]->timing.median_ms < least))
                least = found[i]->timing.median_ms;
        }
        fputs("|", stream);
        print_cells(bench_work_columns(list->report->level), NULL, work, stream);
        for (size_t i = 0; i < list->count; i++) print_cell(found[i], least, stream);
        fputc('\n', stream);
    }
}

void bench_report_print_md(const bench_report *report, FILE *stream)
{
    for (size_t d = 0; d < report->device_count; d++) {
        if (d > 0) fputc('\n', stream);
        print_device(report, &report->devices[d], stream);
    }
    bench_series_list list = bench_series_of(report);
    if (list.count > 1) print_side_by_side(&list, stream);
}
