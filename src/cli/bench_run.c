/* SPDX-License-Identifier: MIT */
#include "cli/bench_run.h"

#include "bench/adapter_bench.h"
#include "bench/fixture.h"
#include "bench/start.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- engines ---------------------------------------------------------------------------------*/

static void add_every_engine(bench_engines *out)
{
    for (int engine = ADCL_ENGINE_AUTO + 1; out->count < BENCH_ENGINES_MOST; engine++) {
        if (strcmp(adcl_engine_name((adcl_engine)engine), "?") == 0) return;
        out->items[out->count++] = (adcl_engine)engine;
    }
}

int bench_engines_choose(session *s, const char *name, bench_engines *out)
{
    const char *wanted = getenv("ADCL_ENGINE");
    *out = (bench_engines){.items = {ADCL_ENGINE_AUTO, ADCL_ENGINE_GEMM}, .count = 1};
    if (name == NULL) {
        if (wanted == NULL || wanted[0] == '\0') out->count = 2;
        return DONE;
    }
    if (strcmp(name, "all") != 0)
        return session_check(s, adcl_engine_from_name(name, &out->items[0], &s->error));
    *out = (bench_engines){.may_lack = true};
    add_every_engine(out);
    return DONE;
}

/* ---- one device ------------------------------------------------------------------------------*/

typedef struct device_run {
    session *s;
    const bench_subject *subject;
    const bench_shapes *shapes;
    const bench_engines *engines;
    size_t rounds;
    bool lacking[BENCH_ENGINES_MOST]; /* engines that were passed over */
    bench_device *device;
} device_run;

/* The best of what the device has shown: a machine may be slower at one moment than at another. */
static int update_peak(const device_run *run)
{
    adcl_peak now;
    adcl_peak *peak = &run->device->peak;
    TRY_DEVICE(run->s, adcl_peak_measure(run->s->ctx, &now));
    if (now.gflops > peak->gflops) peak->gflops = now.gflops;
    if (now.gbs > peak->gbs) peak->gbs = now.gbs;
    return DONE;
}

static int add_rows(const device_run *run, const bench_row *rows, size_t count)
{
    if (bench_device_add(run->device, rows, count)) return DONE;
    return session_fail(run->s, "no memory for the rows");
}

void bench_arguments_add(bench_arguments *arguments, const char *format, ...)
{
    va_list values;
    if (arguments->count == BENCH_ARGUMENTS_MOST) return;
    va_start(values, format);
    vsnprintf(arguments->words[arguments->count++], BENCH_ARGUMENT_BYTES, format, values);
    va_end(values);
}

/* Two rows from processes of their own. */
static int measure_start(const device_run *run, const bench_start_kind *kind,
                         const bench_shape *shape, adcl_engine engine)
{
    session *s = run->s;
    bench_arguments words = {.count = 0};
    bench_arguments_add(&words, "adapter-cl");
    bench_arguments_add(&words, "bench");
    bench_arguments_add(&words, "%s", kind->work);
    bench_arguments_add(&words, "--device=%s", adcl_context_device(s->ctx)->selector);
    bench_arguments_add(&words, "--engine=%s", adcl_engine_name(engine));
    bench_arguments_add(&words, "--quiet");
    run->subject->describe_start(run->subject->self, shape, &words);
    char *argv[BENCH_ARGUMENTS_MOST + 1] = {NULL};
    for (size_t i = 0; i < words.count; i++) argv[i] = words.words[i];
    adcl_engine taken = engine == ADCL_ENGINE_AUTO ? adcl_context_engine(s->ctx) : engine;
    bench_row cold = {.shape = *shape, .pass = kind->cold, .engine = adcl_engine_name(taken)};
    bench_row warm = cold;
    warm.pass = kind->warm;
    TRY_HOST(s, bench_start_measure(argv, &cold.timing, &warm.timing, &s->error));
    TRY(add_rows(run, &cold, 1));
    return add_rows(run, &warm, 1);
}

static int measure_starts(const device_run *run, const bench_shape *shape, adcl_engine engine)
{
    for (const bench_start_kind *kind = run->subject->starts; kind->work != NULL; kind++) {
        unsigned both = BENCH_PASS_BIT(kind->cold) | BENCH_PASS_BIT(kind->warm);
        if ((shape->passes & both) != 0) TRY(measure_start(run, kind, shape, engine));
    }
    return DONE;
}

/* *taken: the engine that it was, static; NULL when the engine was passed over. */
static int measure_engine(device_run *run, bench_shape *shape, size_t index,
                          const char **taken)
{
    session *s = run->s;
    adcl_engine engine = run->engines->items[index];
    bench_row rows[BENCH_PASS_COUNT];
    size_t count;
    *taken = NULL;
    if (run->lacking[index]) return DONE;
    adcl_status status =
        run->subject->run(run->subject->self, s->ctx, shape, engine, rows, &count, &s->error);
    if (status == ADCL_ERR_UNSUPPORTED && run->engines->may_lack) {
        run->lacking[index] = true;
        session_note(s, "engine %s: passed over: %s", adcl_engine_name(engine), s->error.message);
        return DONE;
    }
    TRY(session_check(s, status));
    TRY(add_rows(run, rows, count));
    *taken = count > 0 ? rows[0].engine : adcl_engine_name(adcl_context_engine(s->ctx));
    return measure_starts(run, shape, engine);
}

/* Engines that AUTO took already are not measured twice. */
static int measure_shape(device_run *run, bench_shape *shape)
{
    const char *automatic = NULL;
    for (size_t i = 0; i < run->engines->count; i++) {
        adcl_engine engine = run->engines->items[i];
        const char *taken;
        if (automatic != NULL && strcmp(automatic, adcl_engine_name(engine)) == 0) continue;
        TRY(measure_engine(run, shape, i, &taken));
        if (engine == ADCL_ENGINE_AUTO) automatic = taken;
    }
    return DONE;
}

/* A share above 1 says that either the work or the peak was not measured rightly. */
static int check_shares(const device_run *run)
{
    for (size_t i = 0; i < run->device->count; i++) {
        const bench_row *row = &run->device->rows[i];
        if (!bench_has_rate(row) || bench_share_of_peak(&run->device->peak, row) <= 1.0) continue;
        char text[256];
        bench_shape_text(&row->shape, text, sizeof text);
        return session_fail(run->s,
                            "%s, %s: %.1f GFLOP/s is above the peak of %.1f, so the measurement is "
                            "not to be trusted",
                            text, bench_pass_name(row->pass), bench_gflops(row),
                            run->device->peak.gflops);
    }
    return DONE;
}

static int measure_shapes(device_run *run)
{
    session *s = run->s;
    for (size_t i = 0; i < run->shapes->count; i++) {
        bench_shape shape = run->shapes->items[i];
        char text[256];
        bench_shape_text(&shape, text, sizeof text);
        session_note(s, "%zu of %zu: %s", i + 1, run->shapes->count, text);
        TRY(measure_shape(run, &shape));
    }
    return DONE;
}

static int measure_device(device_run *run)
{
    session *s = run->s;
    if (!bench_device_init(run->device, adcl_context_device(s->ctx)))
        return session_fail(s, "no memory for the device's name");
    session_note(s, "%s: measuring its peak", run->device->name);
    TRY(update_peak(run));
    for (size_t round = 1; round <= run->rounds; round++) {
        if (run->rounds > 1) session_note(s, "round %zu of %zu", round, run->rounds);
        TRY(measure_shapes(run));
    }
    TRY(update_peak(run));
    if (!bench_device_merge_rounds(run->device, run->rounds))
        return session_fail(s, "no memory for the rounds");
    return check_shares(run);
}

/* ---- devices ---------------------------------------------------------------------------------*/

static int measure_one(session *s, const bench_subject *subject, const bench_shapes *shapes,
                       const bench_engines *engines, size_t rounds, bench_report *report)
{
    bench_device *grown =
        realloc(report->devices, (report->device_count + 1) * sizeof *report->devices);
    if (grown == NULL) return session_fail(s, "no memory for another device");
    report->devices = grown;
    bench_device *device = &grown[report->device_count];
    *device = (bench_device){0};
    device_run run = {.s = s, .subject = subject, .shapes = shapes, .engines = engines,
                      .rounds = rounds, .device = device};
    int status = session_open(s, TALK_ALWAYS);
    if (status == DONE) status = measure_device(&run);
    if (subject->leave != NULL) subject->leave(subject->self);
    session_close(s);
    if (status == DONE)
        report->device_count++;
    else
        bench_device_free(device);
    return status;
}

static int measure_all(session *s, const adcl_device_list *list, const bench_subject *subject,
                       const bench_shapes *shapes, const bench_engines *engines, size_t rounds,
                       bench_report *report, size_t *left_out)
{
    for (size_t i = 0; i < adcl_device_list_count(list); i++) {
        const adcl_device_info *info = adcl_device_list_get(list, i);
        if (!info->usable) {
            session_note(s, "%s %s: passed over: %s", info->selector, info->name, info->reason);
            continue;
        }
        s->common.device = info->selector;
        if (measure_one(s, subject, shapes, engines, rounds, report) == DONE) continue;
        session_note(s, "%s %s: left out", info->selector, info->name);
        ++*left_out;
    }
    if (report->device_count > 0) return DONE;
    return session_fail(s, "no device could be measured; adapter-cl devices lists what there is");
}

int bench_run_devices(session *s, const bench_subject *subject, const bench_shapes *shapes,
                      const bench_engines *engines, size_t rounds, bench_report *report,
                      size_t *left_out)
{
    *left_out = 0;
    if (s->common.device == NULL || strcmp(s->common.device, "all") != 0)
        return measure_one(s, subject, shapes, engines, rounds, report);
    adcl_device_list *list = NULL;
    TRY_HOST(s, adcl_device_list_create(&list, &s->error));
    int status = measure_all(s, list, subject, shapes, engines, rounds, report, left_out);
    s->common.device = "all";
    adcl_device_list_destroy(&list);
    return status;
}

/* ---- one adapter -----------------------------------------------------------------------------*/

static adcl_status run_adapter(void *self, adcl_context *ctx, bench_shape *shape,
                               adcl_engine engine, bench_row rows[BENCH_PASS_COUNT], size_t *count,
                               adcl_error *error)
{
    (void)self;
    *count = 0;
    BENCH_TRY(bench_adapter_verify(ctx, shape, engine, error));
    return bench_adapter_run(ctx, shape, engine, rows, count, error);
}

static void describe_adapter_start(const void *self, const bench_shape *shape,
                                   bench_arguments *out)
{
    (void)self;
    bench_arguments_add(out, "--rows=%zu", shape->rows);
    bench_arguments_add(out, "--hidden=%zu", shape->hidden);
    bench_arguments_add(out, "--bottleneck=%zu", shape->bottleneck);
    bench_arguments_add(out, "--activation=%s", adcl_activation_name(shape->activation));
}

static const bench_start_kind adapter_starts[] = {
    {"first-forward", BENCH_START_COLD, BENCH_START_WARM},
    {.work = NULL},
};

const bench_subject bench_adapter_subject = {
    .level = BENCH_ADAPTER,
    .run = run_adapter,
    .starts = adapter_starts,
    .describe_start = describe_adapter_start,
};

/* ---- a start ---------------------------------------------------------------------------------*/

static adcl_status forward_once(bench_fixture *f, const bench_shape *shape, adcl_engine engine)
{
    BENCH_TRY(bench_fixture_make(f, shape, shape->rows, shape->activation));
    BENCH_TRY(bench_fixture_make_workspace(f, shape->rows, ADCL_INFERENCE, engine));
    BENCH_TRY(bench_fixture_forward(f));
    return adcl_context_finish(f->ctx);
}

int bench_run_first_forward(session *s, const bench_shape *shape, adcl_engine engine)
{
    TRY(session_open(s, TALK_ALWAYS));
    bench_fixture f = {.ctx = s->ctx};
    int status = session_check_context(s, forward_once(&f, shape, engine));
    if (status == DONE) {
        printf("%s\n", adcl_engine_name(adcl_workspace_engine(f.workspace)));
        fflush(stdout);
    }
    bench_fixture_free(&f);
    return status;
}
