/* SPDX-License-Identifier: MIT */
/* report_md.c – the report as Markdown. */
#include "bench/series.h"

#include <adapter_cl/version.h>

/* Four digits, or all that are before the point. */
static void print_ms(double ms, FILE *stream)
{
    fprintf(stream, ms < 1e4 ? "%.4g" : "%.0f", ms);
}

/* ---- a device's rows -------------------------------------------------------------------------*/

static void print_device_head(const bench_report *report, const bench_device *device, FILE *stream)
{
    fprintf(stream, "%s, %s, driver %s; adapter_cl %s, %s  \n", device->name, device->platform,
            device->driver, adcl_version(), report->date);
    fprintf(stream, "peak %.1f GFLOP/s, %.1f GB/s\n\n", device->peak.gflops, device->peak.gbs);
}

static void print_row_head(bool compared, FILE *stream)
{
    fprintf(stream,
            "| rows | hidden | bottleneck | activation | pass | engine | ms median | "
            "ms min | ms spread | GFLOP/s | GB/s | of peak | of bandwidth | of roof | "
            "workspace bytes | beyond N·R·4 |%s\n",
            compared ? " ms before | × as fast | verdict |" : "");
    fprintf(stream, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|%s\n",
            compared ? "---|---|---|" : "");
}

static void print_rates(const bench_device *device, const bench_row *row, FILE *stream)
{
    if (!bench_has_rate(row)) {
        fprintf(stream, " – | – | – | – | – | – | – |");
        return;
    }
    fprintf(stream, " %.4g | %.4g | %.3f | %.3f | %.3f | %zu | %zu |", bench_gflops(row),
            bench_gbs(row), bench_share_of_peak(&device->peak, row),
            bench_share_of_bandwidth(&device->peak, row), bench_share_of_roof(&device->peak, row),
            row->workspace_bytes, bench_further_bytes(row));
}

static void print_verdict(const bench_row *row, FILE *stream)
{
    if (row->base_ms > 0.0)
        fprintf(stream, " %.4g | %.2f | %s |", row->base_ms, row->base_ms / row->timing.median_ms,
                bench_verdict_name(row->verdict));
    else
        fprintf(stream, " – | – | %s |", bench_verdict_name(row->verdict));
}

static void print_work(const bench_row *row, FILE *stream)
{
    fprintf(stream, "| %zu | %zu | %zu | %s | %s |", row->shape.rows, row->shape.hidden,
            row->shape.bottleneck, adcl_activation_name(row->shape.activation),
            bench_pass_name(row->pass));
}

static void print_device(const bench_report *report, const bench_device *device, FILE *stream)
{
    print_device_head(report, device, stream);
    print_row_head(report->compared, stream);
    for (size_t i = 0; i < device->count; i++) {
        const bench_row *row = &device->rows[i];
        print_work(row, stream);
        fprintf(stream, " %s | ", row->engine);
        print_ms(row->timing.median_ms, stream);
        fputs(" | ", stream);
        print_ms(row->timing.min_ms, stream);
        fprintf(stream, " | %.2g |", row->timing.spread_ms);
        print_rates(device, row, stream);
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
    fprintf(stream, "\n\n| rows | hidden | bottleneck | activation | pass |");
    for (size_t i = 0; i < list->count; i++) {
        char label[256];
        bench_series_label(list, i, label, sizeof label);
        fprintf(stream, " %s |", label);
    }
    fprintf(stream, "\n|---|---|---|---|---|");
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
    fprintf(stream, " %s", bold);
    print_ms(row->timing.median_ms, stream);
    fprintf(stream, "%s |", bold);
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
        print_work(work, stream);
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
