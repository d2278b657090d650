/* SPDX-License-Identifier: MIT */
/* report_json.c – the formats for programs. Their keys and their order are a promise. */
#include "bench/report.h"

#include <adapter_cl/version.h>

#include <jansson.h>
#include <math.h>

#define NUMBERS JSON_REAL_PRECISION(6)

/* A number, or null where there is none. */
static json_t *number(bool has, double value)
{
    return has && isfinite(value) ? json_real(value) : json_null();
}

static json_t *describe_times(const bench_row *row)
{
    return json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}",
        "ms_median", row->timing.median_ms,
        "ms_min", row->timing.min_ms,
        "ms_spread", row->timing.spread_ms,
        "median_s", 1e-3 * row->timing.median_ms,
        "spread_s", 1e-3 * row->timing.spread_ms,
        "repeats", (json_int_t)row->timing.samples,
        "samples", (json_int_t)row->timing.samples,
        "passes_per_sample", (json_int_t)row->timing.passes_per_sample);
}

static json_t *describe_rates(const bench_device *device, const bench_row *row)
{
    bool has = bench_has_rate(row);
    const adcl_peak *peak = &device->peak;
    return json_pack(
        "{s:o, s:o, s:f, s:f, s:o, s:o, s:o, s:o}",
        "gflops", number(has, bench_gflops(row)),
        "gbs", number(has, bench_gbs(row)),
        "peak_gflops", peak->gflops,
        "peak_gbs", peak->gbs,
        "share_of_peak", number(has, bench_share_of_peak(peak, row)),
        "share_of_bandwidth", number(has, bench_share_of_bandwidth(peak, row)),
        "share_of_roof", number(has, bench_share_of_roof(peak, row)),
        "flop_per_byte", number(has, bench_intensity(row)));
}

static json_t *describe_memory(const bench_row *row)
{
    return json_pack("{s:I, s:I}",
                     "workspace_bytes", (json_int_t)row->workspace_bytes,
                     "bottleneck_bytes", (json_int_t)bench_bottleneck_bytes(row));
}

/* What an encoder's row has besides. */
static json_t *describe_load(const bench_row *row)
{
    const bench_load *load = &row->shape.load;
    bool has = bench_has_rate(row);
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:o, s:b, s:I, s:o, s:o, s:o, s:I}",
        "model", row->shape.model->name,
        "config", row->shape.model->config,
        "batches", (json_int_t)load->batches,
        "sequences", (json_int_t)load->sequences,
        "length", load->length > 0 ? json_integer((json_int_t)load->length) : json_null(),
        "sorted", (int)load->sorted,
        "tokens", (json_int_t)load->tokens,
        "tokens_per_second", number(has, bench_rows_per_second(row)),
        "tokens_per_second_spread", number(has, bench_rows_per_second_spread(row)),
        "workspace_bytes_per_token", number(has, bench_workspace_bytes_per_token(row)),
        "encoder_bytes", (json_int_t)row->encoder_bytes);
}

static json_t *describe_comparison(const bench_row *row)
{
    bool has = row->base_ms > 0.0;
    return json_pack("{s:o, s:o, s:s}",
                     "base_ms_median", number(has, row->base_ms),
                     "speedup", number(has, row->base_ms / row->timing.median_ms),
                     "verdict", bench_verdict_name(row->verdict));
}

/* Moves the keys of `more` (NULL: memory ran out) behind those of *object. */
static bool append(json_t *object, json_t *more)
{
    bool complete = object != NULL && more != NULL && json_object_update(object, more) == 0;
    json_decref(more);
    return complete;
}

/* NULL when memory ran out. */
static json_t *describe_row(const bench_report *report, const bench_device *device,
                            const bench_row *row)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}",
        "device", device->name,
        "driver", device->driver,
        "platform", device->platform,
        "version", adcl_version(),
        "bench", bench_level_name(report->level),
        "engine", row->engine,
        "activation", adcl_activation_name(row->shape.activation),
        "rows", (json_int_t)row->shape.rows,
        "hidden", (json_int_t)row->shape.hidden,
        "bottleneck", (json_int_t)row->shape.bottleneck,
        "n", (json_int_t)row->shape.rows,
        "d", (json_int_t)row->shape.hidden,
        "r", (json_int_t)row->shape.bottleneck,
        "pass", bench_pass_name(row->pass));
    bool complete = append(object, describe_times(row)) &&
                    append(object, describe_rates(device, row)) &&
                    append(object, describe_memory(row)) &&
                    (report->level != BENCH_ENCODER || append(object, describe_load(row))) &&
                    (!report->compared || append(object, describe_comparison(row)));
    if (complete) return object;
    json_decref(object);
    return NULL;
}

/* NULL when memory ran out. */
static json_t *describe_all(const bench_report *report)
{
    json_t *array = json_array();
    for (size_t d = 0; d < report->device_count && array != NULL; d++) {
        const bench_device *device = &report->devices[d];
        for (size_t i = 0; i < device->count; i++)
            if (json_array_append_new(array, describe_row(report, device, &device->rows[i])) != 0) {
                json_decref(array);
                return NULL;
            }
    }
    return array;
}

bool bench_report_print_json(const bench_report *report, FILE *stream)
{
    json_t *array = describe_all(report);
    bool complete = array != NULL && json_dumpf(array, stream, JSON_INDENT(2) | NUMBERS) == 0;
    json_decref(array);
    return complete && fputc('\n', stream) != EOF;
}

bool bench_report_print_jsonl(const bench_report *report, FILE *stream)
{
    json_t *array = describe_all(report);
    bool complete = array != NULL;
    size_t index;
    json_t *row;
    json_array_foreach(array, index, row)
        complete = complete && json_dumpf(row, stream, JSON_COMPACT | NUMBERS) == 0 &&
                   fputc('\n', stream) != EOF;
    json_decref(array);
    return complete;
}

/* ---- CSV (RFC 4180) --------------------------------------------------------------------------*/

static void print_text(const char *text, FILE *stream)
{
    fputc('"', stream);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"') fputc('"', stream);
        fputc(*c, stream);
    }
    fputc('"', stream);
}

static void print_field(const json_t *value, FILE *stream)
{
    if (json_is_integer(value)) fprintf(stream, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value)) fprintf(stream, "%.6g", json_real_value(value));
    if (json_is_string(value)) print_text(json_string_value(value), stream);
}

/* One line: the keys of a row, or its values; null is an empty field. */
static void print_line(json_t *row, bool keys, FILE *stream)
{
    const char *key;
    json_t *value;
    const char *comma = "";
    json_object_foreach(row, key, value) {
        fputs(comma, stream);
        if (keys)
            fputs(key, stream);
        else
            print_field(value, stream);
        comma = ",";
    }
    fputc('\n', stream);
}

/* The columns are the keys of JSON's rows, in their order. */
bool bench_report_print_csv(const bench_report *report, FILE *stream)
{
    json_t *array = describe_all(report);
    size_t index;
    json_t *row;
    json_array_foreach(array, index, row) {
        if (index == 0) print_line(row, true, stream);
        print_line(row, false, stream);
    }
    bool complete = array != NULL;
    json_decref(array);
    return complete;
}
