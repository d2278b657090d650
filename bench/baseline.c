/* SPDX-License-Identifier: MIT */
#include "bench/baseline.h"

#include "bench/read_json.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ---------------------------------------------------------------------------------*/

/* NULL, or what a row lacks. */
static const char *missing_in(const json_t *row)
{
    static const char *const texts[] = {"device", "engine", "pass"};
    static const char *const numbers[] = {"rows", "hidden", "ms_median"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!json_is_string(json_object_get(row, texts[i]))) return texts[i];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (json_number_value(json_object_get(row, numbers[i])) <= 0.0) return numbers[i];
    return NULL;
}

static adcl_status check_rows(const char *path, const json_t *rows, adcl_error *error)
{
    size_t index;
    json_t *row;
    if (!json_is_array(rows))
        return bench_json_fail(error, path, "expected an array of rows, as bench -o json prints");
    json_array_foreach(rows, index, row)
    {
        const char *missing = missing_in(row);
        char what[128];
        if (missing == NULL) continue;
        snprintf(what, sizeof what, "row %zu: expected \"%s\", got none or another kind of value",
                 index + 1, missing);
        return bench_json_fail(error, path, what);
    }
    return ADCL_OK;
}

/* JSON Lines of a single row are an object. */
static json_t *as_array(json_t *value)
{
    return json_is_object(value) ? json_pack("[o]", value) : value;
}

adcl_status bench_baseline_load(const char *path, bench_baseline *out, adcl_error *error)
{
    adcl_status status = bench_json_load(path, &out->rows, error);
    out->rows = as_array(out->rows);
    if (status == ADCL_OK) status = check_rows(path, out->rows, error);
    if (status != ADCL_OK) bench_baseline_free(out);
    return status;
}

void bench_baseline_free(bench_baseline *base)
{
    json_decref(base->rows);
    base->rows = NULL;
}

/* ---- comparing -------------------------------------------------------------------------------*/

static bool has_text(const json_t *row, const char *key, const char *text, const char *otherwise)
{
    const char *value = json_string_value(json_object_get(row, key));
    return strcmp(value != NULL ? value : otherwise, text) == 0;
}

static bool has_size(const json_t *row, const char *key, size_t size)
{
    return json_number_value(json_object_get(row, key)) == (double)size;
}

/* What an encoder's rows are told apart by besides; the length of texts is null. */
static bool is_same_load(const json_t *base, const bench_shape *shape)
{
    if (shape->level != BENCH_ENCODER) return true;
    return has_text(base, "model", shape->model->name, "") &&
           has_text(base, "config", shape->model->config, "") &&
           has_size(base, "batches", shape->load.batches) &&
           has_size(base, "sequences", shape->load.sequences) &&
           has_size(base, "length", shape->load.length) &&
           json_is_true(json_object_get(base, "sorted")) == shape->load.sorted;
}

/* Earlier versions knew no level but adapter, and no activation but relu. */
static bool is_same(const json_t *base, const bench_device *device, const bench_row *row)
{
    return has_text(base, "device", device->name, "") &&
           has_text(base, "engine", row->engine, "") &&
           has_text(base, "pass", bench_pass_name(row->pass), "") &&
           has_text(base, "bench", bench_level_name(row->shape.level), "adapter") &&
           is_same_load(base, &row->shape) &&
           has_text(base, "activation", adcl_activation_name(row->shape.activation), "relu") &&
           has_size(base, "rows", row->shape.rows) && has_size(base, "hidden", row->shape.hidden) &&
           has_size(base, "bottleneck", row->shape.bottleneck);
}

static const json_t *find(const bench_baseline *base, const bench_device *device,
                          const bench_row *row)
{
    size_t index;
    json_t *candidate;
    json_array_foreach(base->rows, index,
                       candidate) if (is_same(candidate, device, row)) return candidate;
    return NULL;
}

static bench_timing timing_of(const json_t *row)
{
    return (bench_timing){
        .median_ms = json_number_value(json_object_get(row, "ms_median")),
        .min_ms = json_number_value(json_object_get(row, "ms_min")),
        .spread_ms = json_number_value(json_object_get(row, "ms_spread")),
    };
}

void bench_baseline_compare(const bench_baseline *base, bench_device *device, double tolerance)
{
    for (size_t i = 0; i < device->count; i++) {
        bench_row *row = &device->rows[i];
        const json_t *found = find(base, device, row);
        row->verdict = BENCH_NEW;
        if (found == NULL) continue;
        bench_timing earlier = timing_of(found);
        row->base_ms = earlier.median_ms;
        row->verdict = bench_compare(&row->timing, &earlier, tolerance);
    }
}
