/* SPDX-License-Identifier: MIT */
#include "bench/adapter_bench.h"

#include "bench/fixture.h"
#include "bench/harness.h"

/* How each pass that runs in this process is measured. */
typedef struct method {
    bench_work work;
    adcl_mode mode;
    bench_waiting waiting;
} method;

static const method methods[BENCH_PASS_COUNT] = {
    [BENCH_FORWARD] = {bench_fixture_forward, ADCL_INFERENCE, BENCH_WAIT_SELDOM},
    [BENCH_FORWARD_BACKWARD] = {bench_fixture_forward_backward, ADCL_TRAINING, BENCH_WAIT_SELDOM},
    [BENCH_STEP] = {bench_fixture_step, ADCL_TRAINING, BENCH_WAIT_SELDOM},
    [BENCH_LATENCY] = {bench_fixture_forward, ADCL_INFERENCE, BENCH_WAIT_EACH},
};

static adcl_status workspace_bytes(const bench_fixture *f, size_t rows, adcl_mode mode,
                                   adcl_engine engine, size_t *bytes)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = rows;
    params.mode = mode;
    params.engine = engine;
    return adcl_workspace_bytes(f->ctx, f->adapter, &params, bytes);
}

static adcl_status measure(bench_fixture *f, const bench_shape *shape, adcl_engine engine,
                           bench_pass pass, bench_row *out)
{
    const method *m = &methods[pass];
    BENCH_TRY(bench_fixture_make_workspace(f, shape->rows, m->mode, engine));
    if (pass == BENCH_STEP) BENCH_TRY(bench_fixture_make_training(f));
    *out = (bench_row){
        .shape = *shape,
        .pass = pass,
        .engine = adcl_engine_name(adcl_workspace_engine(f->workspace)),
    };
    BENCH_TRY(workspace_bytes(f, shape->rows, m->mode, engine, &out->workspace_bytes));
    return bench_measure(f->ctx, m->work, f, m->waiting, &out->timing);
}

static adcl_status run(bench_fixture *f, const bench_shape *shape, adcl_engine engine,
                       bench_row rows[BENCH_PASS_COUNT], size_t *count)
{
    BENCH_TRY(bench_fixture_make(f, shape, shape->rows, shape->activation));
    for (int pass = 0; pass < BENCH_PASS_COUNT; pass++)
        if (methods[pass].work != NULL && (shape->passes & BENCH_PASS_BIT(pass)) != 0) {
            BENCH_TRY(measure(f, shape, engine, (bench_pass)pass, &rows[*count]));
            ++*count;
        }
    return ADCL_OK;
}

adcl_status bench_adapter_run(adcl_context *ctx, const bench_shape *shape, adcl_engine engine,
                              bench_row rows[BENCH_PASS_COUNT], size_t *count, adcl_error *error)
{
    bench_fixture f = {.ctx = ctx};
    *count = 0;
    *error = (adcl_error){.status = ADCL_OK};
    adcl_status status = run(&f, shape, engine, rows, count);
    bench_keep_sentence(ctx, status, error);
    bench_fixture_free(&f);
    return status;
}
