/* SPDX-License-Identifier: MIT */
/* tune.c – measures sets of CLBlast's parameters, then engines, on whole passes of an adapter.
 *
 *      for each shape: reference results (host, double)
 *      CLBlast's own set ─► before     candidates: override ─► compare ─► time ─► score
 *      the best set      ─► after      kept as "gemm"; scores meanwhile as "gemm-search"
 *      for each shape: engines ─► compare ─► time; the fastest is kept as "engine", for D × R */
#include "adapter/tune.h"

#include "base/platform.h"
#include "ops/gemm.h"
#include "runtime/stored.h"

#include <adapter_cl/tune.h>
#include <adapter_cl/workspace.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Kinds in the cache; the third is ADCL__GEMM_STORED. */
#define STORED_ENGINE "engine"
#define STORED_SEARCH "gemm-search"

/* Engines that compete; one that this version or device has not is passed over. */
static const adcl_engine engines[] = {ADCL_ENGINE_GEMM, ADCL_ENGINE_FUSED};
#define ENGINE_COUNT (sizeof engines / sizeof engines[0])

/* ---- what is stored for an adapter's sizes ----------------------------------------------------*/

static void print_sizes(char text[64], size_t hidden_size, size_t bottleneck_size)
{
    snprintf(text, 64, "%zux%zu", hidden_size, bottleneck_size);
}

/* False where nothing is stored, or an engine that this version has not. */
static bool read_engine(adcl_context *ctx, size_t hidden_size, size_t bottleneck_size,
                        adcl_engine *engine)
{
    char sizes[64], text[ADCL__STORED_SIZE];
    print_sizes(sizes, hidden_size, bottleneck_size);
    if (!adcl__stored_read(ctx, STORED_ENGINE, sizes, text)) return false;
    for (size_t i = 0; i < ENGINE_COUNT; i++)
        if (strcmp(text, adcl_engine_name(engines[i])) == 0) {
            adcl_error before = ctx->error; /* that an engine is missing is no failure here */
            bool available = adcl__engine_resolve(ctx, engines[i], engine) == ADCL_OK;
            ctx->error = before;
            return available;
        }
    return false;
}

void adcl__engine_from_tuning(adcl_context *ctx, const adcl_adapter *a, adcl_engine *engine)
{
    if (*engine != ADCL_ENGINE_AUTO || !ctx->automatic || !ctx->tuning) return;
    if (!read_engine(ctx, a->hidden_size, a->bottleneck_size, engine)) return;
    adcl__log(ctx, ADCL_LOG_INFO,
              "engine %s (auto: the fastest that was measured on this device for hidden_size %zu, "
              "bottleneck_size %zu)", adcl_engine_name(*engine), a->hidden_size,
              a->bottleneck_size);
}

/* ---- one shape --------------------------------------------------------------------------------*/

#define RESULT_COUNT (2 + ADCL_ADAPTER_SLOT_COUNT)

typedef struct trial {
    adcl_tune_shape shape;       /* N, D, R */
    adcl_adapter *adapter;
    adcl_tensor *x, *y, *dy, *dx; /* (N, D) */
    float *expected[RESULT_COUNT]; /* y, dx and the gradients, of the engine reference */
} trial;

/* Fastest passes of one engine. */
typedef struct rates {
    double forward, backward; /* GFLOP/s: forward, and forward with backward; 0: not right */
} rates;

static void trial_free(trial *t)
{
    for (size_t i = 0; i < RESULT_COUNT; i++) free(t->expected[i]);
    adcl_tensor_destroy(&t->x);
    adcl_tensor_destroy(&t->y);
    adcl_tensor_destroy(&t->dy);
    adcl_tensor_destroy(&t->dx);
    adcl_adapter_destroy(&t->adapter);
}

static const adcl_tensor *result_of(const trial *t, size_t index)
{
    if (index == 0) return t->y;
    if (index == 1) return t->dx;
    return adcl_adapter_gradient(t->adapter, (adcl_adapter_slot)(index - 2));
}

static size_t count_of(const adcl_tensor *tensor)
{
    return adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
}

/* The numbers of one result; *out is to be freed. */
static adcl_status read_result(adcl_context *ctx, const trial *t, size_t index, float **out)
{
    const adcl_tensor *tensor = result_of(t, index);
    size_t bytes = count_of(tensor) * sizeof(float);
    if ((*out = malloc(bytes)) == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "tune: no memory for %zu bytes",
                          bytes);
    return adcl_tensor_read(ctx, tensor, *out, bytes);
}

static adcl_status make_workspace(adcl_context *ctx, const trial *t, adcl_engine engine,
                                  adcl_workspace **out)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = t->shape.rows;
    params.mode = ADCL_TRAINING;
    params.engine = engine;
    return adcl_workspace_create(out, ctx, t->adapter, &params);
}

static adcl_status run_forward(adcl_context *ctx, trial *t, adcl_workspace *ws)
{
    return adcl_adapter_forward(ctx, t->adapter, ws, t->x, t->y);
}

static adcl_status run_both(adcl_context *ctx, trial *t, adcl_workspace *ws)
{
    ADCL_TRY(run_forward(ctx, t, ws));
    return adcl_adapter_backward(ctx, t->adapter, ws, t->dy, t->dx);
}

/* y, dx and gradients anew. They begin as something that no pass leaves unwritten unseen. */
static adcl_status compute(adcl_context *ctx, trial *t, adcl_workspace *ws)
{
    ADCL_TRY(adcl_adapter_zero_grad(ctx, t->adapter));
    ADCL_TRY(adcl_tensor_fill(ctx, t->y, NAN));
    ADCL_TRY(adcl_tensor_fill(ctx, t->dx, NAN));
    return run_both(ctx, t, ws);
}

static adcl_status compute_expected(adcl_context *ctx, trial *t)
{
    adcl_workspace *ws = NULL;
    adcl_status status = make_workspace(ctx, t, ADCL_ENGINE_REFERENCE, &ws);
    if (status == ADCL_OK) status = compute(ctx, t, ws);
    for (size_t i = 0; i < RESULT_COUNT && status == ADCL_OK; i++)
        status = read_result(ctx, t, i, &t->expected[i]);
    adcl_workspace_destroy(&ws);
    return status;
}

/* Numbers in [-1, 1), by Numerical Recipes' generator. */
static adcl_status make_numbers(adcl_context *ctx, const trial *t, adcl_tensor **out,
                                uint32_t state)
{
    size_t count = t->shape.rows * t->shape.hidden_size; /* checked by adcl_tensor_create */
    ADCL_TRY(adcl_tensor_create(out, ctx, ADCL_F32, t->shape.rows, t->shape.hidden_size));
    float *numbers = malloc(count * sizeof *numbers);
    if (numbers == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "tune: no memory for %zu numbers",
                          count);
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        numbers[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
    adcl_status status = adcl_tensor_write(ctx, *out, numbers, count * sizeof *numbers);
    free(numbers);
    return status;
}

/* gelu, for it has no kink where engines may fall on different sides; bert, for neither of its
 * kernels is zero. */
static adcl_status trial_create(adcl_context *ctx, trial *t, const adcl_tune_shape *shape)
{
    t->shape = *shape;
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = shape->hidden_size;
    params.bottleneck_size = shape->bottleneck_size;
    params.activation = ADCL_ACTIVATION_GELU;
    params.init = ADCL_INIT_BERT;
    ADCL_TRY(adcl_adapter_create(&t->adapter, ctx, &params));
    ADCL_TRY(make_numbers(ctx, t, &t->x, 1));
    ADCL_TRY(make_numbers(ctx, t, &t->dy, 2));
    ADCL_TRY(adcl_tensor_create(&t->y, ctx, ADCL_F32, shape->rows, shape->hidden_size));
    return adcl_tensor_create(&t->dx, ctx, ADCL_F32, shape->rows, shape->hidden_size);
}

/* ---- comparing --------------------------------------------------------------------------------*/

/* A sum of K products is off by some sqrt(K) roundings of 6e-8 of its typical size, so a ten
 * thousandth leaves room for every K that fits; a set that computes nonsense is off by the whole
 * typical size. */
bool adcl__tune_agrees(const float *got, const float *expected, size_t count)
{
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) squares += (double)expected[i] * (double)expected[i];
    double typical = sqrt(squares / (double)count);
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)got[i] - (double)expected[i]);
        /* NaN differs too. */
        if (!(difference <= 1e-4 * (typical + fabs((double)expected[i])))) return false;
    }
    return true;
}

static adcl_status compare(adcl_context *ctx, const trial *t, bool *right)
{
    adcl_status status = ADCL_OK;
    *right = true;
    for (size_t i = 0; i < RESULT_COUNT && *right && status == ADCL_OK; i++) {
        float *got = NULL;
        status = read_result(ctx, t, i, &got);
        if (status == ADCL_OK)
            *right = adcl__tune_agrees(got, t->expected[i], count_of(result_of(t, i)));
        free(got);
    }
    return status;
}

/* ---- timing -----------------------------------------------------------------------------------*/

#define SAMPLE_SECONDS 0.005
#define MEASURE_SECONDS 0.25
#define SAMPLES_LEAST 3
#define PASSES_MOST 1000

typedef adcl_status (*pass)(adcl_context *ctx, trial *t, adcl_workspace *ws);

static adcl_status time_passes(adcl_context *ctx, trial *t, adcl_workspace *ws, pass run,
                               size_t count, double *seconds)
{
    ADCL_TRY(adcl__finish(ctx));
    double start = adcl__clock_seconds();
    for (size_t i = 0; i < count; i++) ADCL_TRY(run(ctx, t, ws));
    ADCL_TRY(adcl__finish(ctx));
    *seconds = (adcl__clock_seconds() - start) / (double)count;
    return ADCL_OK;
}

/* The fewest seconds of a pass. */
static adcl_status time_best(adcl_context *ctx, trial *t, adcl_workspace *ws, pass run,
                             double *best)
{
    double start = adcl__clock_seconds(), seconds;
    ADCL_TRY(time_passes(ctx, t, ws, run, 1, best));
    double wanted = *best > 0.0 ? SAMPLE_SECONDS / *best : PASSES_MOST;
    size_t passes = wanted < 1.0 ? 1 : wanted > PASSES_MOST ? PASSES_MOST : (size_t)wanted;
    for (size_t i = 0;
         i < SAMPLES_LEAST || adcl__clock_seconds() - start < MEASURE_SECONDS; i++) {
        ADCL_TRY(time_passes(ctx, t, ws, run, passes, &seconds));
        if (seconds < *best) *best = seconds;
    }
    return ADCL_OK;
}

static adcl_status measure_with(adcl_context *ctx, trial *t, adcl_workspace *ws, rates *out)
{
    bool right;
    double forward, both;
    const adcl_tune_shape *s = &t->shape;
    double flop = 4e-9 * (double)s->rows * (double)s->hidden_size * (double)s->bottleneck_size;
    ADCL_TRY(compute(ctx, t, ws));
    ADCL_TRY(compare(ctx, t, &right));
    if (!right) return ADCL_OK;
    ADCL_TRY(time_best(ctx, t, ws, run_forward, &forward));
    ADCL_TRY(time_best(ctx, t, ws, run_both, &both));
    *out = (rates){flop / forward, 3.0 * flop / both};
    return ADCL_OK;
}

/* Zeros where the results are wrong. */
static adcl_status measure(adcl_context *ctx, trial *t, adcl_engine engine, rates *out)
{
    *out = (rates){0.0, 0.0};
    if (t->expected[0] == NULL) ADCL_TRY(compute_expected(ctx, t));
    adcl_workspace *ws = NULL;
    adcl_status status = make_workspace(ctx, t, engine, &ws);
    if (status == ADCL_OK) status = measure_with(ctx, t, ws, out);
    adcl_workspace_destroy(&ws);
    return status;
}

/* ---- a tuning ---------------------------------------------------------------------------------*/

typedef struct tuning {
    adcl_context *ctx;
    const adcl_tune_params *params;
    adcl_tune_result *results;
    trial *trials;
    size_t count; /* of results and trials */
    size_t done, total; /* measurements */
} tuning;

static adcl_status report(tuning *t, const char *what, double gflops, double best)
{
    t->done++;
    if (t->params->progress == NULL) return ADCL_OK;
    const adcl_tune_step step = {what, t->done, t->total, gflops, best};
    if (t->params->progress(t->params->user, &step) == 0) return ADCL_OK;
    return adcl__fail(t->ctx, ADCL_ERR_CALLBACK, 0,
                      "the tuning was stopped after %zu of %zu measurements", t->done, t->total);
}

static adcl_status store(const tuning *t, const char *kind, const char *shape, const char *text)
{
    return t->params->dry_run ? ADCL_OK : adcl__stored_write(t->ctx, kind, shape, text);
}

/* ---- CLBlast's parameters ---------------------------------------------------------------------*/

/* The geometric mean over all shapes, for forward and backward together: a set must serve them all.
 * 0 as soon as one is wrong, or CLBlast refuses to compute it. */
static adcl_status score_all(tuning *t, rates *each, double *score)
{
    double logarithms = 0.0;
    *score = 0.0;
    for (size_t i = 0; i < t->count; i++) {
        adcl_status status = measure(t->ctx, &t->trials[i], ADCL_ENGINE_GEMM, &each[i]);
        if (status == ADCL_ERR_CLBLAST) return ADCL_OK; /* this set's fault */
        ADCL_TRY(status);
        if (each[i].backward <= 0.0) return ADCL_OK;
        logarithms += log(each[i].backward);
    }
    *score = exp(logarithms / (double)t->count);
    return ADCL_OK;
}

static adcl_status score_set(tuning *t, const adcl__gemm_tuning *set, rates *each, double *score)
{
    *score = 0.0;
    if (adcl__gemm_override(t->ctx, set) != ADCL_OK) return ADCL_OK; /* refused */
    return score_all(t, each, score);
}

#define SCORES_MOST 32

/* Scores of candidates, and what they hold for. */
typedef struct search {
    uint64_t digest; /* of shapes and candidates */
    size_t count;    /* candidates whose score is known */
    double scores[SCORES_MOST];
} search;

static uint64_t digest_search(const tuning *t)
{
    size_t count;
    const adcl__gemm_tuning *candidates = adcl__gemm_candidates(&count);
    uint64_t of_candidates = XXH3_64bits(candidates, count * sizeof *candidates);
    return XXH3_64bits_withSeed(t->params->shapes, t->count * sizeof *t->params->shapes,
                                of_candidates);
}

/* What an interrupted search of the same shapes left; nothing where there was none. */
static void read_search(const tuning *t, search *s)
{
    char text[ADCL__STORED_SIZE], *next;
    *s = (search){.digest = digest_search(t)};
    if (t->params->force || !adcl__stored_read(t->ctx, STORED_SEARCH, NULL, text)) return;
    if (strtoull(text, &next, 16) != s->digest) return;
    while (*next == ' ' && s->count < SCORES_MOST) s->scores[s->count++] = strtod(next + 1, &next);
}

static adcl_status write_search(const tuning *t, const search *s)
{
    char text[ADCL__STORED_SIZE];
    size_t length = (size_t)snprintf(text, sizeof text, "%llx", (unsigned long long)s->digest);
    for (size_t i = 0; i < s->count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, " %.5g", s->scores[i]);
    return store(t, STORED_SEARCH, NULL, text);
}

static size_t candidate_count(const adcl_tune_params *params)
{
    size_t count;
    adcl__gemm_candidates(&count);
    if (count > SCORES_MOST) count = SCORES_MOST;
    return params->max_candidates > 0 && params->max_candidates < count ? params->max_candidates
                                                                        : count;
}

/* Tries what has not been tried. *best: the index of the best candidate; unchanged where none is
 * better than `best_score`. */
static adcl_status try_candidates(tuning *t, search *s, rates *each, double best_score,
                                  size_t *best)
{
    size_t known;
    const adcl__gemm_tuning *candidates = adcl__gemm_candidates(&known);
    size_t count = candidate_count(t->params);
    for (size_t i = 0; i < count; i++) {
        bool tried = i < s->count;
        if (!tried) {
            ADCL_TRY(score_set(t, &candidates[i], each, &s->scores[i]));
            s->count = i + 1;
            ADCL_TRY(write_search(t, s));
        }
        if (s->scores[i] > best_score) {
            best_score = s->scores[i];
            *best = i;
        }
        ADCL_TRY(report(t, "CLBlast parameters", s->scores[i], best_score));
    }
    return ADCL_OK;
}

/* CLBlast's own set is the first to be measured, for once it is overridden CLBlast cannot be asked
 * to take it back. */
static adcl_status search_parameters(tuning *t, rates *before, rates *after)
{
    const size_t none = SIZE_MAX;
    size_t best = none;
    search s;
    double score;
    adcl__gemm_tuning chosen = {{0}};
    char text[ADCL__GEMM_TUNING_TEXT];
    read_search(t, &s);
    adcl__gemm_current(t->ctx, &chosen);
    ADCL_TRY(score_all(t, before, &score));
    ADCL_TRY(report(t, "CLBlast parameters", score, score));
    memcpy(after, before, t->count * sizeof *after);
    ADCL_TRY(try_candidates(t, &s, after, score, &best));
    memcpy(after, before, t->count * sizeof *after);
    if (best != none) {
        size_t count;
        chosen = adcl__gemm_candidates(&count)[best];
        ADCL_TRY(score_set(t, &chosen, after, &score));
    }
    adcl__gemm_tuning_print(&chosen, text);
    ADCL_TRY(store(t, ADCL__GEMM_STORED, NULL, text));
    return store(t, STORED_SEARCH, NULL, "");
}

/* False where parameters are stored and not to be searched again. */
static bool wants_search(const tuning *t)
{
    char text[ADCL__STORED_SIZE];
    adcl__gemm_tuning stored;
    return t->params->force || !adcl__stored_read(t->ctx, ADCL__GEMM_STORED, NULL, text) ||
           !adcl__gemm_tuning_parse(text, &stored);
}

static adcl_status tune_parameters(tuning *t, bool wanted, rates *before, rates *after)
{
    if (wanted) {
        adcl__gemm_leave(t->ctx); /* so that `before` is CLBlast as it comes */
        ADCL_TRY(search_parameters(t, before, after));
    } else {
        double score;
        ADCL_TRY(score_all(t, after, &score));
        ADCL_TRY(report(t, "CLBlast parameters", score, score));
    }
    for (size_t i = 0; i < t->count; i++) {
        adcl_tune_result *r = &t->results[i];
        r->parameters_kept = !wanted;
        r->forward_before = before[i].forward;
        r->backward_before = before[i].backward;
        r->forward_after = after[i].forward;
        r->backward_after = after[i].backward;
    }
    return ADCL_OK;
}

/* ---- engines ----------------------------------------------------------------------------------*/

/* The rate of one engine; gemm's is known. *available: whether this device has it. */
static adcl_status measure_engine(tuning *t, size_t index, adcl_engine engine, double *gflops,
                                  bool *available)
{
    rates found;
    *available = true;
    *gflops = t->results[index].backward_after;
    if (engine == ADCL_ENGINE_GEMM) return ADCL_OK;
    adcl_error before = t->ctx->error;
    adcl_status status = measure(t->ctx, &t->trials[index], engine, &found);
    *gflops = found.backward;
    if (status != ADCL_ERR_UNSUPPORTED) return status;
    *available = false;
    t->ctx->error = before;
    return ADCL_OK;
}

/* Of several shapes of one adapter the one with the most rows decides. */
static bool decides(const tuning *t, size_t index)
{
    const adcl_tune_shape *own = &t->trials[index].shape;
    for (size_t i = 0; i < t->count; i++) {
        const adcl_tune_shape *other = &t->trials[i].shape;
        if (other->hidden_size == own->hidden_size &&
            other->bottleneck_size == own->bottleneck_size && other->rows > own->rows)
            return false;
    }
    return true;
}

static adcl_status race_engines(tuning *t, size_t index)
{
    adcl_tune_result *r = &t->results[index];
    double best = 0.0;
    for (size_t i = 0; i < ENGINE_COUNT; i++) {
        double gflops;
        bool available;
        char what[64];
        ADCL_TRY(measure_engine(t, index, engines[i], &gflops, &available));
        if (available) {
            r->engines[r->engine_count] = engines[i];
            r->engine_gflops[r->engine_count++] = gflops;
        }
        if (available && gflops <= 0.0)
            adcl__log(t->ctx, ADCL_LOG_WARNING,
                      "engine %s is left out: for %zu rows, hidden_size %zu, bottleneck_size %zu it "
                      "computes something else than the reference", adcl_engine_name(engines[i]),
                      r->shape.rows, r->shape.hidden_size, r->shape.bottleneck_size);
        if (available && gflops > best) {
            best = gflops;
            r->engine = engines[i];
        }
        snprintf(what, sizeof what, "engine %s", adcl_engine_name(engines[i]));
        ADCL_TRY(report(t, what, available ? gflops : 0.0, best));
    }
    if (best <= 0.0)
        return adcl__fail(t->ctx, ADCL_ERR_INVALID_STATE, 0,
                          "tune: no engine computes %zu rows, hidden_size %zu, bottleneck_size %zu "
                          "rightly on this device", r->shape.rows, r->shape.hidden_size,
                          r->shape.bottleneck_size);
    return ADCL_OK;
}

static adcl_status tune_engines(tuning *t, const bool *kept)
{
    for (size_t i = 0; i < t->count; i++) {
        adcl_tune_result *r = &t->results[i];
        if (kept[i]) continue;
        ADCL_TRY(race_engines(t, i));
        if (!decides(t, i)) continue;
        char sizes[64];
        print_sizes(sizes, r->shape.hidden_size, r->shape.bottleneck_size);
        ADCL_TRY(store(t, STORED_ENGINE, sizes, adcl_engine_name(r->engine)));
    }
    return ADCL_OK;
}

/* ---- all of it --------------------------------------------------------------------------------*/

static adcl_status check_params(adcl_context *ctx, const adcl_tune_params *given,
                                adcl_tune_params *p, const adcl_tune_result *results)
{
    if (ctx == NULL || given == NULL || results == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "tune: expected a context, params and a place for results, got NULL");
    *p = (adcl_tune_params)ADCL_TUNE_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_tune_params", p, sizeof *p, given));
    if (p->shapes == NULL || p->shape_count == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0, "tune: expected shapes, got none");
    return ADCL_OK;
}

static adcl_status tune_trials(tuning *t, bool *kept, rates *before, rates *after)
{
    bool wanted = wants_search(t);
    t->total = wanted ? 1 + candidate_count(t->params) : 1;
    for (size_t i = 0; i < t->count; i++) {
        adcl_tune_result *r = &t->results[i];
        *r = (adcl_tune_result){.shape = t->params->shapes[i]};
        kept[i] = !t->params->force && read_engine(t->ctx, r->shape.hidden_size,
                                                   r->shape.bottleneck_size, &r->engine);
        r->engine_kept = kept[i];
        if (!kept[i]) t->total += ENGINE_COUNT;
        ADCL_TRY(trial_create(t->ctx, &t->trials[i], &r->shape));
    }
    ADCL_TRY(tune_parameters(t, wanted, before, after));
    return tune_engines(t, kept);
}

adcl_status adcl_tune(adcl_context *ctx, const adcl_tune_params *given, adcl_tune_result *results)
{
    adcl_tune_params params;
    ADCL_TRY(check_params(ctx, given, &params, results));
    tuning t = {.ctx = ctx, .params = &params, .results = results, .count = params.shape_count};
    t.trials = calloc(t.count, sizeof *t.trials);
    bool *kept = calloc(t.count, sizeof *kept);
    rates *before = calloc(t.count, sizeof *before), *after = calloc(t.count, sizeof *after);
    adcl_status status =
        t.trials == NULL || kept == NULL || before == NULL || after == NULL
            ? adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "tune: no memory for %zu shapes",
                         t.count)
            : tune_trials(&t, kept, before, after);
    for (size_t i = 0; i < t.count && t.trials != NULL; i++) trial_free(&t.trials[i]);
    free(t.trials);
    free(kept);
    free(before);
    free(after);
    return status;
}
