/* SPDX-License-Identifier: MIT */
#include "bench/row.h"

#include <stdio.h>
#include <string.h>

const char *bench_level_name(bench_level level)
{
    static const char *const names[] = {"adapter", "encoder", "frozen"};
    return names[level];
}

void bench_shape_text(const bench_shape *s, char *text, size_t size)
{
    switch (s->level) {
    case BENCH_ADAPTER:
        snprintf(text, size, "%zu rows, hidden %zu, bottleneck %zu, %s", s->rows, s->hidden,
                 s->bottleneck, adcl_activation_name(s->activation));
        break;
    case BENCH_ENCODER:
        if (s->load.length > 0)
            snprintf(text, size, "%zu × %zu tokens, %s, %s", s->load.sequences, s->load.length,
                     s->model->name, s->model->config);
        else
            snprintf(text, size, "%zu × %zu %stexts, %s, %s", s->load.batches, s->load.sequences,
                     s->load.sorted ? "sorted " : "", s->model->name, s->model->config);
        break;
    case BENCH_FROZEN:
        snprintf(text, size, "%zu rows, %zu inputs, %zu outputs", s->rows, s->hidden,
                 s->bottleneck);
        break;
    }
}

/* ---- passes ----------------------------------------------------------------------------------*/

static const char *const pass_names[BENCH_PASS_COUNT] = {
    [BENCH_FORWARD] = "forward",
    [BENCH_FORWARD_BACKWARD] = "forward_backward",
    [BENCH_STEP] = "step",
    [BENCH_STEP_RECOMPUTED] = "step_recomputed",
    [BENCH_LATENCY] = "latency",
    [BENCH_BASE] = "base",
    [BENCH_START_COLD] = "start_cold",
    [BENCH_START_WARM] = "start_warm",
    [BENCH_FIRST_STEP_COLD] = "first_step_cold",
    [BENCH_FIRST_STEP_WARM] = "first_step_warm",
};

const char *bench_pass_name(bench_pass pass)
{
    return pass_names[pass];
}

/* The set that one name of `length` bytes stands for; 0 for none. */
static unsigned passes_of_name(const char *name, size_t length)
{
    static const struct {
        const char *name;
        unsigned passes;
    } others[] = {
        {"all", (1u << BENCH_PASS_COUNT) - 1},
        {"start", BENCH_PASSES_START},
        {"forward+backward", BENCH_PASS_BIT(BENCH_FORWARD_BACKWARD)},
    };
    for (int pass = 0; pass < BENCH_PASS_COUNT; pass++)
        if (strlen(pass_names[pass]) == length && strncmp(pass_names[pass], name, length) == 0)
            return BENCH_PASS_BIT(pass);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strlen(others[i].name) == length && strncmp(others[i].name, name, length) == 0)
            return others[i].passes;
    return 0;
}

bool bench_passes_from_names(const char *names, unsigned *passes)
{
    unsigned all = 0;
    for (const char *name = names;; name++) {
        size_t length = strcspn(name, ",");
        unsigned found = passes_of_name(name, length);
        if (found == 0) return false;
        all |= found;
        name += length;
        if (*name == '\0') break;
    }
    *passes = all;
    return true;
}

bool bench_has_rate(const bench_row *row)
{
    return (BENCH_PASS_BIT(row->pass) & BENCH_PASSES_START) == 0;
}

/* ---- how much work a row is ------------------------------------------------------------------*/

static bool has_backward(bench_pass pass)
{
    return pass == BENCH_FORWARD_BACKWARD || pass == BENCH_STEP;
}

static double width_of(const bench_shape *s)
{
    return (double)adcl_activation_width(s->activation, s->bottleneck);
}

static double parameter_count(const bench_shape *s)
{
    double d = (double)s->hidden, r = (double)s->bottleneck;
    return d * r + r + width_of(s) * d + d;
}

static double adapter_flops(const bench_row *row)
{
    const bench_shape *s = &row->shape;
    double forward =
        2.0 * (double)s->rows * (double)s->hidden * ((double)s->bottleneck + width_of(s));
    return has_backward(row->pass) ? 3.0 * forward : forward;
}

static double adapter_bytes(const bench_row *row)
{
    const bench_shape *s = &row->shape;
    double x = 4.0 * (double)s->rows * (double)s->hidden;
    double z = (double)bench_bottleneck_bytes(row);
    double parameters = 4.0 * parameter_count(s);
    double bytes = 2.0 * x + parameters;
    if (has_backward(row->pass)) bytes += 3.0 * x + 2.0 * z + 3.0 * parameters;
    if (row->pass == BENCH_STEP) bytes += 3.0 * x + 7.0 * parameters;
    return bytes;
}

static bench_extent extent_of(bench_pass pass)
{
    switch (pass) {
    case BENCH_BASE: return BENCH_MODEL_ALONE;
    case BENCH_FORWARD_BACKWARD: return BENCH_MODEL_BACKWARD;
    case BENCH_STEP:
    case BENCH_STEP_RECOMPUTED: return BENCH_MODEL_STEP; /* what is run again is no work done */
    default: return BENCH_MODEL_FORWARD;
    }
}

double bench_flops(const bench_row *row)
{
    const bench_shape *s = &row->shape;
    if (s->level == BENCH_ENCODER)
        return bench_model_flops(s->model, &s->load, extent_of(row->pass));
    if (s->level == BENCH_FROZEN)
        return 2.0 * (double)s->rows * (double)s->hidden * (double)s->bottleneck;
    return adapter_flops(row);
}

double bench_bytes(const bench_row *row)
{
    const bench_shape *s = &row->shape;
    double n = (double)s->rows, k = (double)s->hidden, m = (double)s->bottleneck;
    if (s->level == BENCH_ENCODER)
        return bench_model_bytes(s->model, &s->load, extent_of(row->pass));
    if (s->level == BENCH_FROZEN) return 4.0 * (n * k + n * m + k * m + m);
    return adapter_bytes(row);
}

size_t bench_bottleneck_bytes(const bench_row *row)
{
    return row->shape.rows * row->shape.bottleneck * sizeof(float);
}

size_t bench_further_bytes(const bench_row *row)
{
    size_t least = bench_bottleneck_bytes(row);
    return row->workspace_bytes > least ? row->workspace_bytes - least : 0;
}

double bench_workspace_bytes_per_token(const bench_row *row)
{
    if (row->workspace_tokens == 0) return 0.0;
    return (double)row->workspace_bytes / (double)row->workspace_tokens;
}

/* ---- rates -----------------------------------------------------------------------------------*/

double bench_rows_per_second(const bench_row *row)
{
    return 1e3 * (double)row->shape.rows / row->timing.median_ms;
}

double bench_rows_per_second_spread(const bench_row *row)
{
    return bench_rows_per_second(row) * row->timing.spread_ms / row->timing.median_ms;
}

double bench_gflops(const bench_row *row)
{
    return 1e-6 * bench_flops(row) / row->timing.median_ms;
}

double bench_gbs(const bench_row *row)
{
    return 1e-6 * bench_bytes(row) / row->timing.median_ms;
}

double bench_intensity(const bench_row *row)
{
    return bench_flops(row) / bench_bytes(row);
}

double bench_roof(const adcl_peak *peak, double intensity)
{
    double through_memory = intensity * peak->gbs;
    return through_memory < peak->gflops ? through_memory : peak->gflops;
}

double bench_share_of_peak(const adcl_peak *peak, const bench_row *row)
{
    return bench_gflops(row) / peak->gflops;
}

double bench_share_of_bandwidth(const adcl_peak *peak, const bench_row *row)
{
    return bench_gbs(row) / peak->gbs;
}

double bench_share_of_roof(const adcl_peak *peak, const bench_row *row)
{
    return bench_gflops(row) / bench_roof(peak, bench_intensity(row));
}

static bool same_model(const bench_shape *a, const bench_shape *b)
{
    if (a->level != BENCH_ENCODER) return true;
    return strcmp(a->model->name, b->model->name) == 0 &&
           strcmp(a->model->config, b->model->config) == 0 && a->load.length == b->load.length &&
           a->load.sequences == b->load.sequences && a->load.batches == b->load.batches;
}

bool bench_same_work(const bench_row *a, const bench_row *b)
{
    const bench_shape *s = &a->shape, *t = &b->shape;
    return a->pass == b->pass && s->level == t->level && s->rows == t->rows &&
           s->hidden == t->hidden && s->bottleneck == t->bottleneck &&
           s->activation == t->activation && same_model(s, t);
}
