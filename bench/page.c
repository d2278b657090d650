/* SPDX-License-Identifier: MIT */
#include "bench/page.h"

#include "bench/chart.h"

#include <adapter_cl/version.h>

#include <string.h>

/* ---- words that the parts share --------------------------------------------------------------*/

const char *bench_page_pass_title(bench_pass pass)
{
    static const char *const titles[BENCH_PASS_COUNT] = {
        [BENCH_FORWARD] = "forward",
        [BENCH_FORWARD_BACKWARD] = "forward + backward",
        [BENCH_STEP] = "training step",
        [BENCH_STEP_RECOMPUTED] = "training step, layers run again",
        [BENCH_LATENCY] = "forward, waiting each time",
        [BENCH_BASE] = "forward of the model alone",
        [BENCH_START_COLD] = "start, cold",
        [BENCH_START_WARM] = "start, warm",
        [BENCH_FIRST_STEP_COLD] = "start until the first training step, cold",
        [BENCH_FIRST_STEP_WARM] = "start until the first training step, warm",
    };
    return titles[pass];
}

void bench_page_work_title(const bench_row *row, char *text, size_t size)
{
    const bench_shape *s = &row->shape;
    char shape[256];
    if (s->level == BENCH_ADAPTER)
        snprintf(shape, sizeof shape, "%zu × %zu × %zu, %s", s->rows, s->hidden, s->bottleneck,
                 adcl_activation_name(s->activation));
    else
        bench_shape_text(s, shape, sizeof shape);
    snprintf(text, size, "%s, %s", bench_page_pass_title(row->pass), shape);
}

/* ---- the legend ------------------------------------------------------------------------------*/

static bool has_pass(const bench_report *report, bench_pass pass)
{
    for (size_t d = 0; d < report->device_count; d++)
        for (size_t i = 0; i < report->devices[d].count; i++)
            if (report->devices[d].rows[i].pass == pass) return true;
    return false;
}

void bench_page_legend(const bench_series_list *list, FILE *out)
{
    bench_chart key = {.out = out};
    static const char open[] = "<span><svg viewBox=\"-7 -7 14 14\" aria-hidden=\"true\">";
    fputs("<div class=\"legend\">\n", out);
    for (size_t i = 0; i < list->count; i++) {
        char label[256];
        bench_series_label(list, i, label, sizeof label);
        bool peer = list->items[i].device == NULL;
        fprintf(out,
                "%s<rect class=\"bar s%zu%s\" x=\"-6\" y=\"-6\" width=\"12\" height=\"12\" "
                "rx=\"2\"/></svg>",
                open, i, peer ? " hollow" : "");
        bench_html_text(out, label);
        fputs("</span>\n", out);
    }
    for (int pass = 0; pass < BENCH_START_COLD; pass++) {
        if (!has_pass(list->report, (bench_pass)pass)) continue;
        fputs("<span class=\"ink\"><svg viewBox=\"-7 -7 14 14\" aria-hidden=\"true\">", out);
        /* Beyond the colours of series, so that it takes the legend's ink. */
        bench_chart_mark(&key, 0.0, 0.0, (bench_pass)pass, BENCH_SERIES_MOST, false, "");
        fprintf(out, "</svg>%s</span>\n", bench_page_pass_title((bench_pass)pass));
    }
    fputs("</div>\n", out);
}

/* ---- the head --------------------------------------------------------------------------------*/

static void print_tile(FILE *out, const char *figure, const char *unit, const char *what)
{
    fprintf(out, "<div class=\"tile\"><b>%s%s</b><span>", figure, unit);
    bench_html_text(out, what);
    fputs("</span></div>\n", out);
}

/* The reference engine is there to be right, not to be quick. */
static bool competes(const bench_row *row, bench_pass pass)
{
    return row->pass == pass && strcmp(row->engine, adcl_engine_name(ADCL_ENGINE_REFERENCE)) != 0;
}

/* The row of this pass that comes nearest to its roof, or NULL. */
static const bench_row *best_row(const bench_device *device, bench_pass pass)
{
    const bench_row *best = NULL;
    for (size_t i = 0; i < device->count; i++) {
        const bench_row *row = &device->rows[i];
        if (!competes(row, pass)) continue;
        if (best == NULL ||
            bench_share_of_roof(&device->peak, row) > bench_share_of_roof(&device->peak, best))
            best = row;
    }
    return best;
}

static void print_share_tile(const bench_device *device, bench_pass pass, FILE *out)
{
    const bench_row *row = best_row(device, pass);
    char figure[32], work[384], what[448];
    if (row == NULL) return;
    snprintf(figure, sizeof figure, "%.0f %%", 100.0 * bench_share_of_roof(&device->peak, row));
    bench_page_work_title(row, work, sizeof work);
    snprintf(what, sizeof what, "of the roof: %s (%s)", work, row->engine);
    print_tile(out, figure, "", what);
}

/* The quickest engine's start. */
static void print_start_tile(const bench_device *device, bench_pass pass, FILE *out)
{
    const bench_row *best = NULL;
    for (size_t i = 0; i < device->count; i++) {
        const bench_row *row = &device->rows[i];
        if (competes(row, pass) && (best == NULL || row->timing.median_ms < best->timing.median_ms))
            best = row;
    }
    char figure[32], what[256];
    if (best == NULL) return;
    bench_format_number(best->timing.median_ms, figure, sizeof figure);
    snprintf(what, sizeof what, "%s (%s)", bench_page_pass_title(pass), best->engine);
    print_tile(out, figure, " ms", what);
}

static void print_device(const bench_device *device, FILE *out)
{
    char figure[32];
    fputs("<h3>", out);
    bench_html_text(out, device->name);
    fputs("</h3>\n<p>", out);
    bench_html_text(out, device->platform);
    fputs(", driver ", out);
    bench_html_text(out, device->driver);
    fprintf(out, ", %u compute units</p>\n<div class=\"tiles\">\n", device->compute_units);
    bench_format_number(device->peak.gflops, figure, sizeof figure);
    print_tile(out, figure, "", "GFLOP/s, measured peak of multiply-adds");
    bench_format_number(device->peak.gbs, figure, sizeof figure);
    print_tile(out, figure, "", "GB/s, measured copying");
    print_share_tile(device, BENCH_FORWARD, out);
    print_share_tile(device, BENCH_FORWARD_BACKWARD, out);
    for (int pass = BENCH_START_COLD; pass < BENCH_PASS_COUNT; pass++)
        print_start_tile(device, (bench_pass)pass, out);
    fputs("</div>\n", out);
}

static const char *const size_notes[] = {
    [BENCH_ADAPTER] = "Sizes are N × D × R: rows, hidden size, bottleneck size.",
    [BENCH_ENCODER] = "Sizes are sequences × tokens of each.",
    [BENCH_FROZEN] = "Sizes are N rows, K inputs, M outputs.",
};

static void print_head(const bench_report *report, FILE *out)
{
    fprintf(out,
            "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n"
            "<head>\n<meta charset=\"utf-8\"/>\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
            "<title>adapter_cl bench, %s</title>\n<style>\n",
            report->date);
    fputs(bench_page_style, out);
    fprintf(out,
            "</style>\n</head>\n<body>\n<main>\n<h1>How fast adapters run</h1>\n"
            "<p>adapter_cl %s, %s, float32. %s</p>\n",
            adcl_version(), report->date, size_notes[report->level]);
    for (size_t d = 0; d < report->device_count; d++) print_device(&report->devices[d], out);
}

/* ---- the page --------------------------------------------------------------------------------*/

static void print_bars(const bench_series_list *list, FILE *out)
{
    const bench_peers *peers = &list->report->peers;
    fputs(
        "<h2>Side by side</h2>\n<p>Longer bars are more GFLOP/s; beside them the median time and, "
        "on one device, the share of the roof. For starts a bar is a time, and shorter is "
        "better.",
        out);
    if (peers->count > 0) {
        fputs(" Pale bars are other libraries, measured on ", out);
        bench_html_text(out, peers->machine);
        fputs(", ", out);
        bench_html_text(out, peers->date);
        fputs(".", out);
    }
    fputs("</p>\n", out);
    bench_page_bars(list, out);
}

/* A table for each device, under its name where there are several. */
static void print_tables(const bench_report *report,
                         void (*table)(bench_level, const bench_device *, FILE *), FILE *out)
{
    for (size_t d = 0; d < report->device_count; d++) {
        if (report->device_count > 1) {
            fputs("<h3>", out);
            bench_html_text(out, report->devices[d].name);
            fputs("</h3>\n", out);
        }
        table(report->level, &report->devices[d], out);
    }
}

static void print_comparison(const bench_report *report, FILE *out)
{
    fputs("<h2>Against the earlier run</h2>\n<p>Two times are the same within their spreads "
          "together, or within the tolerance.</p>\n",
          out);
    print_tables(report, bench_page_verdicts, out);
}

static void print_figures(const bench_report *report, FILE *out)
{
    static const char *const notes[] = {
        [BENCH_ADAPTER] = "FLOP are 4·N·D·R forward and 8·N·D·R backward; bytes are 8·N·D forward "
                          "and the weights. Workspace in bytes, and what of it goes beyond N·R·4.",
        [BENCH_ENCODER] = "FLOP are those of frozen matrices, attention, adapters and head; no "
                          "gradient of a frozen matrix is among them, and no padding.",
        [BENCH_FROZEN] = "FLOP are 2·N·K·M.",
    };
    fprintf(out,
            "<h2>Figures</h2>\n<p>Medians; the spread lies between the first and the third "
            "quartile. %s</p>\n",
            notes[report->level]);
    print_tables(report, bench_page_table, out);
}

bool bench_page_print(const bench_report *report, FILE *out)
{
    bench_series_list list = bench_series_of(report);
    print_head(report, out);
    fputs("<h2>Roofline</h2>\n<p>What the device could do at each number of operations per byte, "
          "and what each row does. Both limits were measured in this run; what stays in caches may "
          "pass the slope.</p>\n",
          out);
    bench_page_legend(&list, out);
    bench_page_rooflines(&list, out);
    print_bars(&list, out);
    fputs("<h2>Scaling</h2>\n<p>Forward is a full line, with backward a dashed one.</p>\n", out);
    bench_page_legend(&list, out);
    bench_page_scaling(&list, out);
    if (report->compared) print_comparison(report, out);
    print_figures(report, out);
    fputs("</main>\n</body>\n</html>\n", out);
    return !ferror(out);
}
