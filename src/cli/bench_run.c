/* SPDX-License-Identifier: MIT */
#include "cli/bench_run.h"

#include "bench/adapter_bench.h"
#include "bench/fixture.h"
#include "bench/start.h"

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
    const bench_shapes *shapes;
    const bench_engines *engines;
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

/* Two rows from processes of their own. */
static int measure_start(const device_run *run, const bench_shape *shape, adcl_engine engine)
{
    session *s = run->s;
    char rows[32], hidden[32], bottleneck[32];
    snprintf(rows, sizeof rows, "--rows=%zu", shape->rows);
    snprintf(hidden, sizeof hidden, "--hidden=%zu", shape->hidden);
    snprintf(bottleneck, sizeof bottleneck, "--bottleneck=%zu", shape->bottleneck);
    const char *arguments[] = {
        "adapter-cl",
        "bench",
        "first-forward",
        "--device",
        adcl_context_device(s->ctx)->selector,
        "--engine",
        adcl_engine_name(engine),
        "--activation",
        adcl_activation_name(shape->activation),
        rows,
        hidden,
        bottleneck,
        "--quiet",
        NULL,
    };
    char *argv[sizeof arguments / sizeof arguments[0]];
    memcpy(argv, arguments, sizeof argv); /* exec changes none of them, but does not say so */
    adcl_engine taken = engine == ADCL_ENGINE_AUTO ? adcl_context_engine(s->ctx) : engine;
    bench_row cold = {.shape = *shape, .pass = BENCH_START_COLD, .engine = adcl_engine_name(taken)};
    bench_row warm = cold;
    warm.pass = BENCH_START_WARM;
    TRY_HOST(s, bench_start_measure(argv, &cold.timing, &warm.timing, &s->error));
    TRY(add_rows(run, &cold, 1));
    return add_rows(run, &warm, 1);
}

/* *taken: the engine that it was, static; NULL when the engine was passed over. */
static int measure_engine(device_run *run, const bench_shape *shape, size_t index,
                          const char **taken)
{
    session *s = run->s;
    adcl_engine engine = run->engines->items[index];
    bench_row rows[BENCH_PASS_COUNT];
    size_t count;
    *taken = NULL;
    if (run->lacking[index]) return DONE;
    adcl_status status = bench_adapter_verify(s->ctx, shape, engine, &s->error);
    if (status == ADCL_ERR_UNSUPPORTED && run->engines->may_lack) {
        run->lacking[index] = true;
        session_note(s, "engine %s: passed over: %s", adcl_engine_name(engine), s->error.message);
        return DONE;
    }
    TRY(session_check(s, status));
    TRY_HOST(s, bench_adapter_run(s->ctx, shape, engine, rows, &count, &s->error));
    TRY(add_rows(run, rows, count));
    *taken = count > 0 ? rows[0].engine : adcl_engine_name(adcl_context_engine(s->ctx));
    return (shape->passes & BENCH_PASSES_START) != 0 ? measure_start(run, shape, engine) : DONE;
}

/* Engines that AUTO took already are not measured twice. */
static int measure_shape(device_run *run, const bench_shape *shape)
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
        return session_fail(run->s,
                            "%zu rows, hidden %zu, bottleneck %zu, %s: %.1f GFLOP/s is "
                            "above the peak of %.1f, so the measurement is not to be trusted",
                            row->shape.rows, row->shape.hidden, row->shape.bottleneck,
                            bench_pass_name(row->pass), bench_gflops(row),
                            run->device->peak.gflops);
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
    for (size_t i = 0; i < run->shapes->count; i++) {
        const bench_shape *shape = &run->shapes->items[i];
        session_note(s, "%zu of %zu: %zu rows, hidden %zu, bottleneck %zu, %s", i + 1,
                     run->shapes->count, shape->rows, shape->hidden, shape->bottleneck,
                     adcl_activation_name(shape->activation));
        TRY(measure_shape(run, shape));
    }
    TRY(update_peak(run));
    return check_shares(run);
}

/* ---- devices ---------------------------------------------------------------------------------*/

static int measure_one(session *s, const bench_shapes *shapes, const bench_engines *engines,
                       bench_report *report)
{
    bench_device *grown =
        realloc(report->devices, (report->device_count + 1) * sizeof *report->devices);
    if (grown == NULL) return session_fail(s, "no memory for another device");
    report->devices = grown;
    bench_device *device = &grown[report->device_count];
    *device = (bench_device){0};
    device_run run = {.s = s, .shapes = shapes, .engines = engines, .device = device};
    int status = session_open(s, TALK_ALWAYS);
    if (status == DONE) status = measure_device(&run);
    session_close(s);
    if (status == DONE)
        report->device_count++;
    else
        bench_device_free(device);
    return status;
}

static int measure_all(session *s, const adcl_device_list *list, const bench_shapes *shapes,
                       const bench_engines *engines, bench_report *report, size_t *left_out)
{
    for (size_t i = 0; i < adcl_device_list_count(list); i++) {
        const adcl_device_info *info = adcl_device_list_get(list, i);
        if (!info->usable) {
            session_note(s, "%s %s: passed over: %s", info->selector, info->name, info->reason);
            continue;
        }
        s->common.device = info->selector;
        if (measure_one(s, shapes, engines, report) == DONE) continue;
        session_note(s, "%s %s: left out", info->selector, info->name);
        ++*left_out;
    }
    if (report->device_count > 0) return DONE;
    return session_fail(s, "no device could be measured; adapter-cl devices lists what there is");
}

int bench_run_devices(session *s, const bench_shapes *shapes, const bench_engines *engines,
                      bench_report *report, size_t *left_out)
{
    *left_out = 0;
    if (s->common.device == NULL || strcmp(s->common.device, "all") != 0)
        return measure_one(s, shapes, engines, report);
    adcl_device_list *list = NULL;
    TRY_HOST(s, adcl_device_list_create(&list, &s->error));
    int status = measure_all(s, list, shapes, engines, report, left_out);
    s->common.device = "all";
    adcl_device_list_destroy(&list);
    return status;
}

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
