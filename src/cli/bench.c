/* SPDX-License-Identifier: MIT */
/* bench.c – adapter-cl bench: reads what is wanted, has it measured, compares, prints. */
#define _POSIX_C_SOURCE 200809L
#include "bench/baseline.h"
#include "bench/page.h"
#include "bench/report.h"
#include "bench/shapes.h"
#include "cli/bench_encoder.h"
#include "cli/bench_run.h"
#include "cli/options.h"
#include "cli/outputs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_options {
    size_list rows;
    size_list hidden;
    size_list bottleneck;
    const char *shapes_path;
    bench_defaults defaults; /* passes and activations */
    bench_engines engines;
    size_t rounds;
    bench_format format;
    const char *compare_path;
    double tolerance; /* percent */
    int fail_slower;
    const char *peers_path;
    const char *report_path;
} bench_options;

/* One run: what was read for it and what it gave. */
typedef struct bench_job {
    session *s;
    const bench_options *o;
    bench_encoder_options *encoder_options; /* of that level; NULL: it is the adapter's */
    bench_encoder_job encoder;
    bench_shapes shapes;
    bench_baseline base;
    bench_report report;
    size_t left_out; /* devices */
    char date[32];
} bench_job;

/* ---- what is measured ------------------------------------------------------------------------*/

/* All combinations of the lists. */
static int combine(bench_job *job)
{
    const bench_options *o = job->o;
    const bench_defaults *defaults = &o->defaults;
    for (size_t a = 0; a < defaults->activation_count; a++)
        for (size_t d = 0; d < o->hidden.count; d++)
            for (size_t r = 0; r < o->bottleneck.count; r++)
                for (size_t n = 0; n < o->rows.count; n++) {
                    bench_shape shape = {.rows = o->rows.values[n],
                                         .hidden = o->hidden.values[d],
                                         .bottleneck = o->bottleneck.values[r],
                                         .activation = defaults->activations[a],
                                         .passes = defaults->passes};
                    TRY_HOST(job->s, bench_shapes_add(&job->shapes, &shape, &job->s->error));
                }
    return DONE;
}

/* Everything that can be found wrong before the work begins. */
static int prepare(bench_job *job)
{
    session *s = job->s;
    const bench_options *o = job->o;
    if (o->report_path != NULL) TRY(output_check(s, o->report_path));
    if (o->compare_path != NULL)
        TRY_HOST(s, bench_baseline_load(o->compare_path, &job->base, &s->error));
    if (o->peers_path != NULL)
        TRY_HOST(s, bench_peers_load(o->peers_path, &job->report.peers, &s->error));
    if (job->encoder_options != NULL)
        return bench_encoder_prepare(s, &job->encoder, job->encoder_options, o->defaults.passes,
                                     &job->shapes);
    if (o->shapes_path == NULL) return combine(job);
    TRY_HOST(s, bench_shapes_load(o->shapes_path, &o->defaults, &job->shapes, &s->error));
    return DONE;
}

/* ---- what comes of it ------------------------------------------------------------------------*/

static int write_page(const bench_job *job)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    bool complete = stream != NULL && bench_page_print(&job->report, stream);
    if (stream != NULL && fclose(stream) != 0) complete = false;
    int status = complete ? output_write(job->s, job->o->report_path, text, size)
                          : session_fail(job->s, "%s: no memory to write it", job->o->report_path);
    free(text);
    if (status == DONE) session_note(job->s, "saved %s", job->o->report_path);
    return status;
}

static size_t count_verdicts(const bench_report *report, bench_verdict verdict)
{
    size_t count = 0;
    for (size_t d = 0; d < report->device_count; d++)
        for (size_t i = 0; i < report->devices[d].count; i++)
            count += report->devices[d].rows[i].verdict == verdict;
    return count;
}

static void compare(bench_job *job)
{
    bench_report *report = &job->report;
    report->compared = true;
    for (size_t d = 0; d < report->device_count; d++)
        bench_baseline_compare(&job->base, &report->devices[d], 0.01 * job->o->tolerance);
    session_note(job->s, "against %s: %zu faster, %zu slower, %zu the same, %zu new",
                 job->o->compare_path, count_verdicts(report, BENCH_FASTER),
                 count_verdicts(report, BENCH_SLOWER), count_verdicts(report, BENCH_SAME),
                 count_verdicts(report, BENCH_NEW));
}

/* What is a failure although there are results. */
static int judge(const bench_job *job)
{
    size_t slower = count_verdicts(&job->report, BENCH_SLOWER);
    if (job->left_out > 0)
        return session_fail(job->s, "devices that could not be measured: %zu", job->left_out);
    if (job->o->fail_slower && slower > 0)
        return session_fail(job->s, "rows slower than in %s: %zu", job->o->compare_path, slower);
    return DONE;
}

static int bench(bench_job *job)
{
    session *s = job->s;
    TRY(prepare(job));
    const bench_subject *subject =
        job->encoder_options != NULL ? &job->encoder.subject : &bench_adapter_subject;
    job->report.level = subject->level;
    TRY(bench_run_devices(s, subject, &job->shapes, &job->o->engines, job->o->rounds,
                          &job->report, &job->left_out));
    if (job->o->compare_path != NULL) compare(job);
    if (!bench_report_print(&job->report, job->o->format, stdout))
        return session_fail(s, "the result could not be printed");
    if (job->o->report_path != NULL) TRY(write_page(job));
    return judge(job);
}

static int run_job(session *s, const bench_options *o, bench_encoder_options *encoder_options)
{
    bench_job job = {
        .s = s, .o = o, .encoder_options = encoder_options, .report = {.date = job.date}};
    time_t now = time(NULL);
    struct tm utc;
    strftime(job.date, sizeof job.date, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
    int status = bench(&job);
    for (size_t d = 0; d < job.report.device_count; d++) bench_device_free(&job.report.devices[d]);
    free(job.report.devices);
    bench_peers_free(&job.report.peers);
    bench_baseline_free(&job.base);
    bench_shapes_free(&job.shapes);
    bench_encoder_job_free(&job.encoder);
    return status;
}

/* ---- the command line ------------------------------------------------------------------------*/

/* Names with commas between. */
static int read_activations(session *s, const char *names, bench_defaults *out)
{
    char name[32];
    out->activation_count = 0;
    for (const char *rest = names;; rest++) {
        size_t length = strcspn(rest, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, rest);
        if (out->activation_count == ADCL_ACTIVATION_COUNT)
            return session_misused(s, "option --activation: expected at most %d names",
                                   ADCL_ACTIVATION_COUNT);
        TRY_HOST(s, adcl_activation_from_name(name, &out->activations[out->activation_count++],
                                              &s->error));
        rest += length;
        if (*rest == '\0') return DONE;
    }
}

/* What was given as text, before it is understood. */
typedef struct given_texts {
    const char *passes;
    const char *activations;
    const char *engine;
    const char *format;
} given_texts;

static int understand(session *s, const given_texts *texts, bench_options *o)
{
    if (texts->format != NULL && !bench_format_from_name(texts->format, &o->format))
        return session_misused(s, "option -o: expected md, csv, json or jsonl, got \"%s\"",
                               texts->format);
    if (!bench_passes_from_names(texts->passes, &o->defaults.passes))
        return session_misused(
            s,
            "option --passes: expected forward, forward_backward, step, step_recomputed, latency, "
            "base, start or all, with commas between, got \"%s\"",
            texts->passes);
    if (o->fail_slower && o->compare_path == NULL)
        return session_misused(s, "option --fail-slower: expected --compare BASE.json beside it");
    TRY(read_activations(s, texts->activations, &o->defaults));
    return bench_engines_choose(s, texts->engine, &o->engines);
}

/* Of an encoder gemm and reference take minutes, so they are measured only when they are asked
 * for by name, gemm also by "all". */
static void choose_encoder_engines(const char *name, bench_engines *engines)
{
    size_t kept = 0;
    if (name == NULL) engines->count = 1;
    if (name == NULL || strcmp(name, "all") != 0) return;
    for (size_t i = 0; i < engines->count; i++)
        if (engines->items[i] != ADCL_ENGINE_REFERENCE) engines->items[kept++] = engines->items[i];
    engines->count = kept;
}

static int run_level(session *s, const char *level, const given_texts *given,
                     bench_options *o, bench_encoder_options *encoder)
{
    if (level == NULL || strcmp(level, "adapter") == 0) return run_job(s, o, NULL);
    if (strcmp(level, "encoder") == 0) {
        choose_encoder_engines(given->engine, &o->engines);
        return run_job(s, o, encoder);
    }
    if (strcmp(level, "first-answer") == 0)
        return bench_encoder_run_first(s, encoder, o->engines.items[0], BENCH_FORWARD);
    if (strcmp(level, "first-step") == 0)
        return bench_encoder_run_first(s, encoder, o->engines.items[0], BENCH_STEP);
    if (strcmp(level, "first-forward") != 0)
        return session_misused(s, "unknown bench \"%s\"; expected one of: adapter, encoder, "
                                  "first-forward, first-answer, first-step",
                               level);
    bench_shape shape = {.rows = o->rows.values[0],
                         .hidden = o->hidden.values[0],
                         .bottleneck = o->bottleneck.values[0],
                         .activation = o->defaults.activations[0]};
    return bench_run_first_forward(s, &shape, o->engines.items[0]);
}

static int run_bench(session *s, int argc, char **argv)
{
    bench_options o = {.rows = {{1, 32, 512, 4096}, 4},
                       .hidden = {{768}, 1},
                       .bottleneck = {{64}, 1},
                       .rounds = 1,
                       .tolerance = 5.0};
    bench_encoder_options encoder = BENCH_ENCODER_OPTIONS_INIT;
    given_texts texts = {.activations = "relu"};
    const option_spec specs[] = {
        {"rows", 0, OPTION_SIZES, &o.rows, "N,...", "rows of a batch (default 1,32,512,4096)"},
        {"hidden", 0, OPTION_SIZES, &o.hidden, "D,...", "hidden sizes (default 768)"},
        {"bottleneck", 0, OPTION_SIZES, &o.bottleneck, "R,...", "bottleneck sizes (default 64)"},
        {"shapes", 0, OPTION_TEXT, &o.shapes_path, "FILE",
         "lines of `rows hidden bottleneck [passes [activation]]` instead"},
        {"passes", 0, OPTION_TEXT, &texts.passes, "PASS,...",
         "of those above, or all (adapter: default forward,forward_backward)"},
        {"activation", 0, OPTION_TEXT, &texts.activations, "NAME,...",
         "activations (default relu)"},
        {"device", 0, OPTION_TEXT, &s->common.device, "SEL",
         "gpu, cpu, 0:1 (platform:device), pocl:, part of a name, or all"},
        {"engine", 0, OPTION_TEXT, &texts.engine, "NAME",
         "auto, gemm, fused, reference or all (default auto, and gemm beside it)"},
        {"rounds", 0, OPTION_SIZE, &o.rounds, "N",
         "so many times over all of it, and each row's median (default 1)"},
        {"output", 'o', OPTION_TEXT, &texts.format, "FORMAT",
         "md, csv, json or jsonl (default md)"},
        {"format", 0, OPTION_TEXT, &texts.format, "FORMAT", "the same as --output"},
        {"compare", 0, OPTION_TEXT, &o.compare_path, "BASE.json",
         "an earlier run's json or jsonl: a verdict for each row"},
        {"tolerance", 0, OPTION_POSITIVE, &o.tolerance, "PERCENT",
         "rows that differ by no more are the same (default 5)"},
        {"fail-slower", 0, OPTION_FLAG, &o.fail_slower, NULL,
         "leave with status 1 when a row is slower"},
        {"peers", 0, OPTION_TEXT, &o.peers_path, "FILE.json",
         "times of other libraries, to show beside (bench/peers)"},
        {"report", 0, OPTION_TEXT, &o.report_path, "FILE.html", "also write a page with pictures"},
        BENCH_ENCODER_SPECS(encoder),
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &bench_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    bool is_encoder = operands[0] != NULL && strcmp(operands[0], "encoder") == 0;
    if (texts.passes == NULL)
        texts.passes =
            is_encoder ? "forward,step,step_recomputed,base,latency,start" : "forward,forward_backward";
    TRY(understand(s, &texts, &o));
    return run_level(s, operands[0], &texts, &o, &encoder);
}

const command_spec bench_command = {
    .name = "bench",
    .synopsis = "[adapter|encoder|first-forward|first-answer|first-step] [OPTION ...]",
    .summary = "measure how fast adapters, or a model with them, are on a device",
    .description =
        "Measures passes over an adapter at every combination of the given sizes, after the\n"
        "results were compared with the reference engine. The peak of the device, in arithmetic\n"
        "and in copying, is measured before and after; a share of the peak above 1.00 is a failed\n"
        "bench.\n"
        "\n"
        "Passes: forward; forward_backward; step (forward, loss, backward, clipping, Adam);\n"
        "latency (forward, the host waiting after each); start (a new process until its first\n"
        "forward is done, with an empty cache of the driver and once more with a full one).\n"
        "first-forward is what such a process runs.\n"
        "\n"
        "encoder measures a frozen model with adapters and a head at batches of random ids, and\n"
        "with --input at shuffled batches of texts, which are packed: tokens a second count no\n"
        "padding, for there is none. Its passes, by default all: forward; step; step_recomputed,\n"
        "which keeps the layers' inputs alone; base (forward of the model alone); of single\n"
        "sequences also latency, and start: a new process until its first answer is there, and\n"
        "until its first step of training is done, which first-answer and first-step run.",
    .examples = "  adapter-cl bench\n"
                "  adapter-cl bench adapter --rows 32,512 --hidden 384,768 -o csv\n"
                "  adapter-cl bench --shapes bench/shapes/targets.txt --report bench.html\n"
                "  adapter-cl bench -o json >base.json\n"
                "  adapter-cl bench --compare base.json --fail-slower\n"
                "  adapter-cl bench --device all --engine all --passes all\n"
                "  adapter-cl bench encoder --model minilm --input train.tsv\n"
                "  adapter-cl bench encoder --model minilm --config pfeiffer --sizes 32x64 \\\n"
                "      --passes forward,step -o json",
    .most_operands = 1,
    .run = run_bench,
};
