/* SPDX-License-Identifier: MIT */
#include "bench/peer_results.h"

#include "bench/read_json.h"

#include <stdio.h>
#include <stdlib.h>

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : otherwise;
}

static bool read_size(const json_t *object, const char *key, size_t *size)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    *size = value > 0 ? (size_t)value : 0;
    return value > 0;
}

/* A name that stands for one pass. */
static bool read_pass(const json_t *object, bench_pass *pass)
{
    unsigned passes = 0;
    if (!bench_passes_from_names(text_of(object, "pass", ""), &passes)) return false;
    for (int i = 0; i < BENCH_PASS_COUNT; i++)
        if (passes == BENCH_PASS_BIT(i)) {
            *pass = (bench_pass)i;
            return true;
        }
    return false;
}

/* NULL, or the key of what is wrong. */
static const char *read_row(const json_t *object, bench_row *row)
{
    *row = (bench_row){.engine = text_of(object, "peer", NULL)};
    const char *activation = text_of(object, "activation", "relu");
    if (row->engine == NULL) return "peer";
    if (!read_pass(object, &row->pass)) return "pass";
    if (!read_size(object, "n", &row->shape.rows)) return "n";
    if (!read_size(object, "d", &row->shape.hidden)) return "d";
    if (!read_size(object, "r", &row->shape.bottleneck)) return "r";
    if (adcl_activation_from_name(activation, &row->shape.activation, NULL) != ADCL_OK)
        return "activation";
    double median = json_number_value(json_object_get(object, "median_s"));
    if (median <= 0.0) return "median_s";
    row->timing.median_ms = 1e3 * median;
    row->timing.min_ms = row->timing.median_ms;
    row->timing.spread_ms = 1e3 * json_number_value(json_object_get(object, "spread_s"));
    row->timing.samples = (size_t)json_integer_value(json_object_get(object, "repeats"));
    row->timing.passes_per_sample = 1;
    return NULL;
}

static adcl_status read_rows(bench_peers *peers, const char *path, adcl_error *error)
{
    const json_t *rows = json_object_get(peers->file, "rows");
    if (!json_is_array(rows)) return bench_json_fail(error, path, "expected an array \"rows\"");
    size_t count = json_array_size(rows);
    peers->rows = calloc(count > 0 ? count : 1, sizeof *peers->rows);
    if (peers->rows == NULL) {
        bench_json_fail(error, path, "no memory for its rows");
        return error->status = ADCL_ERR_OUT_OF_HOST_MEMORY;
    }
    for (peers->count = 0; peers->count < count; peers->count++) {
        const char *wrong =
            read_row(json_array_get(rows, peers->count), &peers->rows[peers->count]);
        if (wrong == NULL) continue;
        char what[128];
        snprintf(what, sizeof what, "row %zu: \"%s\" is missing or no value for it",
                 peers->count + 1, wrong);
        return bench_json_fail(error, path, what);
    }
    return ADCL_OK;
}

adcl_status bench_peers_load(const char *path, bench_peers *out, adcl_error *error)
{
    *out = (bench_peers){0};
    adcl_status status = bench_json_load(path, &out->file, error);
    if (status == ADCL_OK) status = read_rows(out, path, error);
    out->machine = text_of(out->file, "machine", "an unnamed machine");
    out->date = text_of(out->file, "date", "no date");
    if (status != ADCL_OK) bench_peers_free(out);
    return status;
}

void bench_peers_free(bench_peers *peers)
{
    json_decref(peers->file);
    free(peers->rows);
    *peers = (bench_peers){0};
}
