/* SPDX-License-Identifier: MIT */
#include "bench/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- devices ---------------------------------------------------------------------------------*/

/* A copy; when it is no UTF-8, which drivers may give, with question marks for what is no ASCII. */
static char *copy_text(const char *text)
{
    size_t length = strlen(text);
    char *copy = malloc(length + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, text, length + 1);
    json_t *valid = json_string(text);
    if (valid == NULL)
        for (size_t i = 0; i < length; i++)
            if ((copy[i] & 0x80) != 0) copy[i] = '?';
    json_decref(valid);
    return copy;
}

bool bench_device_init(bench_device *device, const adcl_device_info *info)
{
    *device = (bench_device){
        .name = copy_text(info->name),
        .platform = copy_text(info->platform),
        .driver = copy_text(info->driver),
        .type = info->type,
        .compute_units = info->compute_units,
    };
    return device->name != NULL && device->platform != NULL && device->driver != NULL;
}

bool bench_device_add(bench_device *device, const bench_row *rows, size_t count)
{
    if (count == 0) return true;
    bench_row *grown = realloc(device->rows, (device->count + count) * sizeof *grown);
    if (grown == NULL) return false;
    memcpy(grown + device->count, rows, count * sizeof *rows);
    device->rows = grown;
    device->count += count;
    return true;
}

/* One timing of a row's, which lie `step` rows apart: the median of the rounds' medians and their spread, the least
 * and the number of all samples. */
static bench_timing merge_rounds(const bench_row *row, size_t step, size_t rounds, double *medians)
{
    bench_timing all = row->timing;
    for (size_t i = 0; i < rounds; i++) medians[i] = row[i * step].timing.median_ms;
    const bench_timing middle = bench_summarise(medians, rounds, all.passes_per_sample);
    for (size_t i = 1; i < rounds; i++) {
        const bench_timing *t = &row[i * step].timing;
        all.samples += t->samples;
        if (t->min_ms < all.min_ms) all.min_ms = t->min_ms;
    }
    all.median_ms = middle.median_ms;
    if (rounds > 1) all.spread_ms = middle.spread_ms;
    return all;
}

bool bench_device_merge_rounds(bench_device *device, size_t rounds)
{
    double *medians = malloc(rounds * sizeof *medians);
    if (medians == NULL) return false;
    device->count /= rounds;
    for (size_t i = 0; i < device->count; i++)
        device->rows[i].timing = merge_rounds(&device->rows[i], device->count, rounds, medians);
    free(medians);
    return true;
}

void bench_device_free(bench_device *device)
{
    free(device->name);
    free(device->platform);
    free(device->driver);
    free(device->rows);
    *device = (bench_device){0};
}

void bench_print_ms(double ms, char *text, size_t size)
{
    snprintf(text, size, ms < 1e4 ? "%.4g" : "%.0f", ms);
}

/* ---- formats ---------------------------------------------------------------------------------*/

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

bool bench_report_print(const bench_report *report, bench_format format, FILE *stream)
{
    bool complete = true;
    switch (format) {
    case BENCH_MD: bench_report_print_md(report, stream); break;
    case BENCH_CSV: complete = bench_report_print_csv(report, stream); break;
    case BENCH_JSON: complete = bench_report_print_json(report, stream); break;
    case BENCH_JSONL: complete = bench_report_print_jsonl(report, stream); break;
    }
    return complete && !ferror(stream);
}
