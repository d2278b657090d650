/* SPDX-License-Identifier: MIT */
/* bench.c – adapter-cl bench: chooses shapes, lets bench/ measure them, prints the report. */
#include "bench/report.h"
#include "bench/shapes.h"
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

typedef struct bench_options {
    size_list rows;
    size_list hidden;
    size_list bottleneck;
    const char *shapes_path;
    bench_format format;
} bench_options;

/* All combinations of the three lists. */
static int combine(const session *s, const bench_options *o, bench_shape **out, size_t *count)
{
    void *memory;
    *count = 0;
    TRY(session_allocate(s, &memory, o->rows.count * o->hidden.count, o->bottleneck.count,
                         sizeof **out));
    *out = memory;
    for (size_t d = 0; d < o->hidden.count; d++)
        for (size_t r = 0; r < o->bottleneck.count; r++)
            for (size_t n = 0; n < o->rows.count; n++)
                (*out)[(*count)++] =
                    (bench_shape){o->rows.values[n], o->hidden.values[d], o->bottleneck.values[r]};
    return DONE;
}

static int choose_shapes(session *s, const bench_options *o, bench_shape **out, size_t *count)
{
    if (o->shapes_path == NULL) return combine(s, o, out, count);
    TRY_HOST(s, bench_shapes_load(o->shapes_path, out, count, &s->error));
    return DONE;
}

/* The best of what the device has shown: a machine may be slower at one moment than at another. */
static int update_peak(session *s, adcl_peak *peak)
{
    adcl_peak now;
    TRY_DEVICE(s, adcl_peak_measure(s->ctx, &now));
    if (now.gflops > peak->gflops) peak->gflops = now.gflops;
    if (now.gbs > peak->gbs) peak->gbs = now.gbs;
    return DONE;
}

static int measure(session *s, const bench_shape *shapes, size_t count, bench_row *rows,
                   adcl_peak *peak)
{
    *peak = (adcl_peak){0};
    TRY(update_peak(s, peak));
    for (size_t i = 0; i < count; i++) {
        session_note(s, "%zu of %zu: %zu rows, hidden %zu, bottleneck %zu", i + 1, count,
                     shapes[i].rows, shapes[i].hidden, shapes[i].bottleneck);
        TRY_HOST(s, bench_adapter_verify(s->ctx, &shapes[i], &s->error));
        TRY_HOST(s,
                 bench_adapter_run(s->ctx, &shapes[i], rows + i * BENCH_ADAPTER_PASSES, &s->error));
    }
    return update_peak(s, peak);
}

/* A share above 1 says that either the work or the peak was not measured rightly. */
static int check_shares(const session *s, const bench_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const bench_row *row = &report->rows[i];
        double share = bench_share_of_peak(report, row);
        if (share > 1.0)
            return session_fail(s,
                                "%zu rows, hidden %zu, bottleneck %zu, %s: %.1f GFLOP/s is "
                                "above the peak of %.1f, so the measurement is not to be trusted",
                                row->shape.rows, row->shape.hidden, row->shape.bottleneck,
                                row->pass, row->gflops, report->peak.gflops);
    }
    return DONE;
}

static int measure_and_print(session *s, const bench_options *o, const bench_shape *shapes,
                             size_t count, bench_row *rows)
{
    bench_report report = {
        .bench = "adapter",
        .device = adcl_context_device(s->ctx),
        .rows = rows,
        .count = count * BENCH_ADAPTER_PASSES,
    };
    TRY(measure(s, shapes, count, rows, &report.peak));
    TRY(check_shares(s, &report));
    if (!bench_report_print(&report, o->format, stdout))
        return session_fail(s, "the result could not be printed");
    return DONE;
}

static int bench(session *s, const bench_options *o, const bench_shape *shapes, size_t count)
{
    void *rows;
    TRY(session_open(s, TALK_ALWAYS));
    TRY(session_allocate(s, &rows, count, BENCH_ADAPTER_PASSES, sizeof(bench_row)));
    int status = measure_and_print(s, o, shapes, count, rows);
    free(rows);
    return status;
}

static int check_usage(const session *s, const char *level, const char *format, bench_options *o)
{
    if (level != NULL && strcmp(level, "adapter") != 0)
        return session_misused(s, "unknown bench \"%s\"; expected one of: adapter", level);
    if (format != NULL && !bench_format_from_name(format, &o->format))
        return session_misused(s, "option -o: expected md, csv, json or jsonl, got \"%s\"", format);
    return DONE;
}

static int run_bench(session *s, int argc, char **argv)
{
    bench_options o = {
        .rows = {{1, 32, 512, 4096}, 4}, .hidden = {{768}, 1}, .bottleneck = {{64}, 1}};
    const char *format = NULL;
    const option_spec specs[] = {
        {"rows", 0, OPTION_SIZES, &o.rows, "N,...", "rows of a batch (default 1,32,512,4096)"},
        {"hidden", 0, OPTION_SIZES, &o.hidden, "D,...", "hidden sizes (default 768)"},
        {"bottleneck", 0, OPTION_SIZES, &o.bottleneck, "R,...", "bottleneck sizes (default 64)"},
        {"shapes", 0, OPTION_TEXT, &o.shapes_path, "FILE",
         "lines of `rows hidden bottleneck` instead"},
        {"output", 'o', OPTION_TEXT, &format, "FORMAT", "md, csv, json or jsonl (default md)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &bench_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    TRY(check_usage(s, operands[0], format, &o));
    bench_shape *shapes = NULL;
    size_t count = 0;
    status = choose_shapes(s, &o, &shapes, &count);
    if (status == DONE) status = bench(s, &o, shapes, count);
    free(shapes);
    return status;
}

const command_spec bench_command = {
    .name = "bench",
    .synopsis = "[adapter] [OPTION ...]",
    .summary = "measure how fast adapters are on a device",
    .description =
        "Measures forward, and forward with backward, at every combination of the given sizes,\n"
        "after the results were compared with the reference engine. The peak of the device is\n"
        "measured before and after; a share of it above 1.00 is a failed bench.",
    .examples = "  adapter-cl bench\n"
                "  adapter-cl bench adapter --rows 32,512 --hidden 384,768 -o csv\n"
                "  adapter-cl bench --shapes bench/shapes/adapter.txt -o json --device gpu",
    .most_operands = 1,
    .run = run_bench,
};
