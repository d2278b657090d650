/* SPDX-License-Identifier: MIT */
#include "bench/columns.h"

#include <stdio.h>

/* ---- the work --------------------------------------------------------------------------------*/

#define CELL(name)                                                                                 \
    static void name(const bench_device *device, const bench_row *row, char *text, size_t size)

CELL(print_rows)
{
    (void)device;
    snprintf(text, size, "%zu", row->shape.rows);
}

CELL(print_hidden)
{
    (void)device;
    snprintf(text, size, "%zu", row->shape.hidden);
}

CELL(print_bottleneck)
{
    (void)device;
    snprintf(text, size, "%zu", row->shape.bottleneck);
}

CELL(print_activation)
{
    (void)device;
    snprintf(text, size, "%s", adcl_activation_name(row->shape.activation));
}

CELL(print_pass)
{
    (void)device;
    snprintf(text, size, "%s", bench_pass_name(row->pass));
}

CELL(print_model)
{
    (void)device;
    snprintf(text, size, "%s", row->shape.model->name);
}

CELL(print_config)
{
    (void)device;
    snprintf(text, size, "%s", row->shape.model->config);
}

CELL(print_batch)
{
    const bench_load *load = &row->shape.load;
    (void)device;
    if (load->length > 0)
        snprintf(text, size, "%zu × %zu", load->sequences, load->length);
    else
        snprintf(text, size, "%zu × %zu %stexts", load->batches, load->sequences,
                 load->sorted ? "sorted " : "");
}

const bench_column *bench_work_columns(bench_level level)
{
    static const bench_column adapter[] = {
        {"rows", print_rows, false},
        {"hidden", print_hidden, false},
        {"bottleneck", print_bottleneck, false},
        {"activation", print_activation, true},
        {"pass", print_pass, true},
        {NULL, NULL, false},
    };
    static const bench_column encoder[] = {
        {"model", print_model, true},
        {"adapters", print_config, true},
        {"batch", print_batch, true},
        {"tokens", print_rows, false},
        {"pass", print_pass, true},
        {NULL, NULL, false},
    };
    static const bench_column frozen[] = {
        {"rows", print_rows, false},
        {"inputs", print_hidden, false},
        {"outputs", print_bottleneck, false},
        {"pass", print_pass, true},
        {NULL, NULL, false},
    };
    static const bench_column *const all[] = {adapter, encoder, frozen};
    return all[level];
}

/* ---- figures ---------------------------------------------------------------------------------*/

CELL(print_engine)
{
    (void)device;
    snprintf(text, size, "%s", row->engine);
}

CELL(print_median)
{
    (void)device;
    bench_print_ms(row->timing.median_ms, text, size);
}

CELL(print_least)
{
    (void)device;
    bench_print_ms(row->timing.min_ms, text, size);
}

CELL(print_spread)
{
    (void)device;
    snprintf(text, size, "%.2g", row->timing.spread_ms);
}

/* A number of a row that has a rate. */
static void print_rate(const bench_row *row, const char *format, double value, char *text,
                       size_t size)
{
    if (bench_has_rate(row))
        snprintf(text, size, format, value);
    else
        snprintf(text, size, "–");
}

CELL(print_tokens)
{
    (void)device;
    print_rate(row, "%.0f", bench_rows_per_second(row), text, size);
}

CELL(print_tokens_spread)
{
    (void)device;
    print_rate(row, "%.0f", bench_rows_per_second_spread(row), text, size);
}

CELL(print_gflops)
{
    (void)device;
    print_rate(row, "%.4g", bench_gflops(row), text, size);
}

CELL(print_gbs)
{
    (void)device;
    print_rate(row, "%.4g", bench_gbs(row), text, size);
}

CELL(print_share_of_peak)
{
    print_rate(row, "%.3f", bench_share_of_peak(&device->peak, row), text, size);
}

CELL(print_share_of_bandwidth)
{
    print_rate(row, "%.3f", bench_share_of_bandwidth(&device->peak, row), text, size);
}

CELL(print_share_of_roof)
{
    print_rate(row, "%.3f", bench_share_of_roof(&device->peak, row), text, size);
}

CELL(print_workspace)
{
    (void)device;
    print_rate(row, "%.0f", (double)row->workspace_bytes, text, size);
}

CELL(print_further)
{
    (void)device;
    print_rate(row, "%.0f", (double)bench_further_bytes(row), text, size);
}

CELL(print_workspace_of_token)
{
    (void)device;
    print_rate(row, "%.0f", bench_workspace_bytes_per_token(row), text, size);
}

CELL(print_encoder)
{
    (void)device;
    print_rate(row, "%.0f", (double)row->encoder_bytes, text, size);
}

#define TIMES                                                                                      \
    {"engine", print_engine, true}, {"ms median", print_median, false},                            \
        {"ms min", print_least, false}, {"ms spread", print_spread, false}
#define RATES                                                                                      \
    {"GFLOP/s", print_gflops, false}, {"GB/s", print_gbs, false},                                  \
        {"of peak", print_share_of_peak, false},                                                   \
        {"of bandwidth", print_share_of_bandwidth, false},                                         \
        {"of roof", print_share_of_roof, false}

const bench_column *bench_figure_columns(bench_level level)
{
    static const bench_column adapter[] = {
        TIMES,
        RATES,
        {"workspace bytes", print_workspace, false},
        {"beyond N·R·4", print_further, false},
        {NULL, NULL, false},
    };
    static const bench_column encoder[] = {
        TIMES,
        {"tokens/s", print_tokens, false},
        {"spread", print_tokens_spread, false},
        RATES,
        {"workspace bytes a token", print_workspace_of_token, false},
        {"encoder bytes", print_encoder, false},
        {NULL, NULL, false},
    };
    static const bench_column frozen[] = {TIMES, RATES, {NULL, NULL, false}};
    static const bench_column *const all[] = {adapter, encoder, frozen};
    return all[level];
}
