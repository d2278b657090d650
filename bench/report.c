/* SPDX-License-Identifier: MIT */
#include "bench/report.h"

#include <adapter_cl/version.h>

#include <jansson.h>
#include <string.h>

bool bench_format_from_name(const char *name, bench_format *out)
{
    static const char *const names[] = {"md", "csv", "json", "jsonl"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (bench_format)i;
            return true;
        }
    return false;
}

double bench_share_of_peak(const bench_report *report, const bench_row *row)
{
    return row->gflops / report->peak.gflops;
}

/* Data that stays in caches is faster than a copy through memory, so this may be above 1. */
static double share_of_bandwidth(const bench_report *report, const bench_row *row)
{
    return row->gbs / report->peak.gbs;
}

/* ---- Markdown --------------------------------------------------------------------------------*/

static void print_md(const bench_report *report, FILE *stream)
{
    const adcl_device_info *device = report->device;
    fprintf(stream, "%s, %s, driver %s; adapter_cl %s  \n", device->name, device->platform,
            device->driver, adcl_version());
    fprintf(stream, "peak %.1f GFLOP/s, %.1f GB/s\n\n", report->peak.gflops, report->peak.gbs);
    fprintf(stream, "| rows | hidden | bottleneck | pass | engine | ms median | ms min | ms spread "
                    "| GFLOP/s | GB/s | of peak | of bandwidth | workspace bytes |\n");
    fprintf(stream, "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->count; i++) {
        const bench_row *row = &report->rows[i];
        fprintf(stream, "| %zu | %zu | %zu | %s | %s | %.4g | %.4g | %.2g | %.4g | %.4g | %.3f | "
                        "%.3f | %zu |\n",
                row->shape.rows, row->shape.hidden, row->shape.bottleneck, row->pass, row->engine,
                row->timing.median_ms, row->timing.min_ms, row->timing.spread_ms, row->gflops,
                row->gbs, bench_share_of_peak(report, row), share_of_bandwidth(report, row),
                row->workspace_bytes);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------*/

static json_t *describe_row(const bench_report *report, const bench_row *row)
{
    const adcl_device_info *device = report->device;
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f,"
        " s:f, s:I, s:I, s:I}",
        "device", device->name,
        "driver", device->driver,
        "platform", device->platform,
        "version", adcl_version(),
        "bench", report->bench,
        "engine", row->engine,
        "rows", (json_int_t)row->shape.rows,
        "hidden", (json_int_t)row->shape.hidden,
        "bottleneck", (json_int_t)row->shape.bottleneck,
        "pass", row->pass,
        "ms_median", row->timing.median_ms,
        "ms_min", row->timing.min_ms,
        "ms_spread", row->timing.spread_ms,
        "gflops", row->gflops,
        "gbs", row->gbs,
        "peak_gflops", report->peak.gflops,
        "peak_gbs", report->peak.gbs,
        "share_of_peak", bench_share_of_peak(report, row),
        "share_of_bandwidth", share_of_bandwidth(report, row),
        "workspace_bytes", (json_int_t)row->workspace_bytes,
        "samples", (json_int_t)row->timing.samples,
        "passes_per_sample", (json_int_t)row->timing.passes_per_sample);
}

#define NUMBERS JSON_REAL_PRECISION(6)

static bool print_json(const bench_report *report, FILE *stream)
{
    json_t *array = json_array();
    bool complete = array != NULL;
    for (size_t i = 0; i < report->count; i++)
        complete = complete &&
                   json_array_append_new(array, describe_row(report, &report->rows[i])) == 0;
    complete = complete && json_dumpf(array, stream, JSON_INDENT(2) | NUMBERS) == 0;
    json_decref(array);
    return complete && fputc('\n', stream) != EOF;
}

static bool print_jsonl(const bench_report *report, FILE *stream)
{
    bool complete = true;
    for (size_t i = 0; i < report->count; i++) {
        json_t *row = describe_row(report, &report->rows[i]);
        complete = complete && row != NULL &&
                   json_dumpf(row, stream, JSON_COMPACT | NUMBERS) == 0 &&
                   fputc('\n', stream) != EOF;
        json_decref(row);
    }
    return complete;
}

/* ---- CSV (RFC 4180) --------------------------------------------------------------------------*/

static void print_field(const json_t *value, FILE *stream)
{
    if (json_is_integer(value)) fprintf(stream, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value)) fprintf(stream, "%.6g", json_real_value(value));
    if (!json_is_string(value)) return;
    fputc('"', stream);
    for (const char *c = json_string_value(value); *c != '\0'; c++) {
        if (*c == '"') fputc('"', stream);
        fputc(*c, stream);
    }
    fputc('"', stream);
}

/* The columns are the keys of JSON's rows, in their order. */
static bool print_csv(const bench_report *report, FILE *stream)
{
    for (size_t i = 0; i < report->count; i++) {
        json_t *row = describe_row(report, &report->rows[i]);
        if (row == NULL) return false;
        const char *key;
        json_t *value;
        const char *comma = "";
        if (i == 0) {
            json_object_foreach(row, key, value) {
                fprintf(stream, "%s%s", comma, key);
                comma = ",";
            }
            fputc('\n', stream);
        }
        comma = "";
        json_object_foreach(row, key, value) {
            fputs(comma, stream);
            print_field(value, stream);
            comma = ",";
        }
        fputc('\n', stream);
        json_decref(row);
    }
    return true;
}

bool bench_report_print(const bench_report *report, bench_format format, FILE *stream)
{
    switch (format) {
    case BENCH_MD: print_md(report, stream); return !ferror(stream);
    case BENCH_CSV: return print_csv(report, stream) && !ferror(stream);
    case BENCH_JSON: return print_json(report, stream) && !ferror(stream);
    case BENCH_JSONL: return print_jsonl(report, stream) && !ferror(stream);
    }
    return false;
}
