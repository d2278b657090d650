/* SPDX-License-Identifier: MIT */
#include "bench/encoder_bench.h"

#include "bench/encoder_verify.h"

/* How each pass that runs in this process is measured. */
typedef struct method {
    bench_work work;
    adcl_mode mode;
    bench_waiting waiting;
    bool recomputes;
} method;

static const method methods[BENCH_PASS_COUNT] = {
    [BENCH_FORWARD] = {bench_encoder_forward, ADCL_INFERENCE, BENCH_WAIT_SELDOM, false},
    [BENCH_FORWARD_BACKWARD] = {bench_encoder_forward_backward, ADCL_TRAINING, BENCH_WAIT_SELDOM,
                                false},
    [BENCH_STEP] = {bench_encoder_step, ADCL_TRAINING, BENCH_WAIT_SELDOM, false},
    [BENCH_STEP_RECOMPUTED] = {bench_encoder_step, ADCL_TRAINING, BENCH_WAIT_SELDOM, true},
    [BENCH_LATENCY] = {bench_encoder_forward, ADCL_INFERENCE, BENCH_WAIT_EACH, false},
    [BENCH_BASE] = {bench_encoder_base, ADCL_INFERENCE, BENCH_WAIT_SELDOM, false},
};

/* ---- what is loaded --------------------------------------------------------------------------*/

void bench_encoder_leave(bench_encoder_level *level)
{
    for (int mode = 0; mode < 2; mode++) {
        bench_encoder_free(&level->loaded[mode]);
        level->loaded[mode] = (bench_encoder){0};
    }
    level->verified = 0;
}

/* *out: what is loaded of that engine and mode, loaded now where it was not. */
static adcl_status load(bench_encoder_level *level, adcl_context *ctx, adcl_engine engine,
                        adcl_mode mode, bench_encoder **out)
{
    const bench_encoder_params params = {level->folder, level->set, engine, mode};
    unsigned verified = level->verified;
    if (level->engine != engine) bench_encoder_leave(level);
    level->verified = verified;
    level->engine = engine;
    *out = &level->loaded[mode == ADCL_TRAINING];
    if ((*out)->set != NULL) return ADCL_OK;
    (*out)->ctx = ctx;
    BENCH_TRY(bench_encoder_make(*out, &params));
    bench_encoder_describe(*out, &level->model);
    return ADCL_OK;
}

static adcl_status verify_once(bench_encoder_level *level, adcl_context *ctx,
                               const bench_shape *shape, adcl_engine engine, adcl_error *error)
{
    bench_encoder *f;
    if ((level->verified & 1u << engine) != 0) return ADCL_OK;
    BENCH_TRY(load(level, ctx, engine, ADCL_TRAINING, &f));
    BENCH_TRY(bench_encoder_verify(f, level->folder, level->set, shape, error));
    level->verified |= 1u << engine;
    return ADCL_OK;
}

/* ---- passes ----------------------------------------------------------------------------------*/

/* Which texts, or random ids. */
static bool make_batches(const bench_encoder_level *level, const bench_shape *shape,
                         bench_batches *out)
{
    const bench_load *load = &shape->load;
    if (load->length > 0)
        return bench_batches_random(out, load->sequences, load->length, level->model.vocabulary);
    return bench_batches_of_texts(out, level->texts, load->sequences, load->batches, load->sorted,
                                  level->seed);
}

static void complete_shape(const bench_encoder_level *level, const bench_batches *batches,
                           bench_shape *shape)
{
    shape->rows = batches->load.tokens;
    shape->hidden = level->model.hidden;
    shape->bottleneck = level->model.bottleneck;
    shape->activation = level->set->activation;
    shape->level = BENCH_ENCODER;
    shape->model = &level->model;
    shape->load = batches->load;
}

static adcl_status measure(bench_encoder_level *level, adcl_context *ctx, const bench_shape *shape,
                           adcl_engine engine, const bench_batches *batches, bench_pass pass,
                           bench_row *out)
{
    const method *m = &methods[pass];
    bench_encoder *f;
    BENCH_TRY(load(level, ctx, engine, m->mode, &f));
    if (f->batches != batches || f->recomputes != m->recomputes)
        BENCH_TRY(bench_encoder_take(f, batches, m->recomputes));
    *out = (bench_row){
        .shape = *shape,
        .pass = pass,
        .engine = adcl_engine_name(adcl_encoder_engine(f->encoder)),
        .workspace_bytes = adcl_encoder_workspace_bytes(f->workspace),
        .workspace_tokens = batches->most_tokens,
        .encoder_bytes = adcl_encoder_bytes(f->encoder),
    };
    return bench_measure(ctx, m->work, f, m->waiting, &out->timing);
}

static adcl_status run(bench_encoder_level *level, adcl_context *ctx, bench_shape *shape,
                       adcl_engine engine, bench_batches *batches, bench_row *rows, size_t *count,
                       adcl_error *error)
{
    BENCH_TRY(verify_once(level, ctx, shape, engine, error));
    if (!make_batches(level, shape, batches)) return ADCL_ERR_OUT_OF_HOST_MEMORY;
    complete_shape(level, batches, shape);
    for (int pass = 0; pass < BENCH_PASS_COUNT; pass++)
        if (methods[pass].work != NULL && (shape->passes & BENCH_PASS_BIT(pass)) != 0) {
            BENCH_TRY(
                measure(level, ctx, shape, engine, batches, (bench_pass)pass, &rows[*count]));
            ++*count;
        }
    return ADCL_OK;
}

/* What is loaded must not point to batches that are gone. */
static void forget_batches(bench_encoder_level *level, bench_batches *batches)
{
    for (int mode = 0; mode < 2; mode++) level->loaded[mode].batches = NULL;
    bench_batches_free(batches);
}

adcl_status bench_encoder_run(bench_encoder_level *level, adcl_context *ctx,
                              bench_shape *shape, adcl_engine engine,
                              bench_row rows[BENCH_PASS_COUNT], size_t *count, adcl_error *error)
{
    bench_batches batches = {0};
    *count = 0;
    *error = (adcl_error){.status = ADCL_OK};
    adcl_status status = run(level, ctx, shape, engine, &batches, rows, count, error);
    bench_keep_sentence(ctx, status, error);
    forget_batches(level, &batches);
    return status;
}

static adcl_status run_once(bench_encoder_level *level, adcl_context *ctx,
                            const bench_shape *shape, adcl_engine engine, bench_pass pass,
                            bench_batches *batches, const char **taken)
{
    bench_encoder *f;
    BENCH_TRY(load(level, ctx, engine, methods[pass].mode, &f));
    if (!make_batches(level, shape, batches)) return ADCL_ERR_OUT_OF_HOST_MEMORY;
    BENCH_TRY(bench_encoder_take(f, batches, methods[pass].recomputes));
    *taken = adcl_engine_name(adcl_encoder_engine(f->encoder));
    BENCH_TRY(methods[pass].work(f));
    return adcl_context_finish(ctx);
}

adcl_status bench_encoder_run_once(bench_encoder_level *level, adcl_context *ctx,
                                   const bench_shape *shape, adcl_engine engine, bench_pass pass,
                                   const char **taken, adcl_error *error)
{
    bench_batches batches = {0};
    *error = (adcl_error){.status = ADCL_OK};
    adcl_status status = run_once(level, ctx, shape, engine, pass, &batches, taken);
    bench_keep_sentence(ctx, status, error);
    forget_batches(level, &batches);
    return status;
}
