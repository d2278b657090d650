/* SPDX-License-Identifier: MIT */
#include "bench/row.h"

#include <string.h>

/* ---- passes ----------------------------------------------------------------------------------*/

static const char *const pass_names[BENCH_PASS_COUNT] = {
    [BENCH_FORWARD] = "forward",
    [BENCH_FORWARD_BACKWARD] = "forward_backward",
    [BENCH_STEP] = "step",
    [BENCH_LATENCY] = "latency",
    [BENCH_START_COLD] = "start_cold",
    [BENCH_START_WARM] = "start_warm",
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

double bench_flops(const bench_row *row)
{
    const bench_shape *s = &row->shape;
    double forward =
        2.0 * (double)s->rows * (double)s->hidden * ((double)s->bottleneck + width_of(s));
    return has_backward(row->pass) ? 3.0 * forward : forward;
}

double bench_bytes(const bench_row *row)
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

size_t bench_bottleneck_bytes(const bench_row *row)
{
    return row->shape.rows * row->shape.bottleneck * sizeof(float);
}

size_t bench_further_bytes(const bench_row *row)
{
    size_t least = bench_bottleneck_bytes(row);
    return row->workspace_bytes > least ? row->workspace_bytes - least : 0;
}

/* ---- rates -----------------------------------------------------------------------------------*/

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

bool bench_same_work(const bench_row *a, const bench_row *b)
{
    return a->pass == b->pass && a->shape.rows == b->shape.rows &&
           a->shape.hidden == b->shape.hidden && a->shape.bottleneck == b->shape.bottleneck &&
           a->shape.activation == b->shape.activation;
}
