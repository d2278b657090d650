/* SPDX-License-Identifier: MIT */
/* Tuned results: how they are written, found, kept and used. How fast they are is the bench's
 * affair. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "adapter/tune.h"
#include "ops/gemm_tuning.h"
#include "support/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 5, HIDDEN = 16, BOTTLENECK = 4 };

/* ---- a cache in memory ----------------------------------------------------------------------- */

typedef struct store {
    struct entry {
        char key[512], value[512];
    } entries[8];
    size_t count, gets, puts;
    adcl_status put_fails;
    size_t warnings;
    char log[16384]; /* all lines */
} store;

static struct entry *find(store *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->entries[i].key, key) == 0) return &s->entries[i];
    return NULL;
}

static adcl_status get(void *user, const char *key, void *bytes, size_t room, size_t *size)
{
    store *s = user;
    const struct entry *entry = find(s, key);
    s->gets++;
    if (entry == NULL) return ADCL_ERR_NOT_FOUND;
    *size = strlen(entry->value);
    cr_assert_leq(*size, room);
    memcpy(bytes, entry->value, *size);
    return ADCL_OK;
}

static adcl_status put(void *user, const char *key, const void *bytes, size_t size)
{
    store *s = user;
    if (s->put_fails != ADCL_OK) return s->put_fails;
    struct entry *entry = find(s, key);
    if (entry == NULL) entry = &s->entries[s->count++];
    cr_assert_leq(s->count, 8);
    snprintf(entry->key, sizeof entry->key, "%s", key);
    snprintf(entry->value, sizeof entry->value, "%.*s", (int)size, (const char *)bytes);
    s->puts++;
    return ADCL_OK;
}

static void write_log(void *user, adcl_log_level level, const char *message)
{
    store *s = user;
    size_t length = strlen(s->log);
    snprintf(s->log + length, sizeof s->log - length, "%s\n", message);
    if (level == ADCL_LOG_WARNING) s->warnings++;
}

static adcl_context *context_over(store *s, adcl_tuning tuning, adcl_engine engine)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.engine = engine;
    params.tuning = tuning;
    params.cache = (adcl_cache_callbacks){s, get, put};
    params.log = write_log;
    params.log_user = s;
    params.log_level = ADCL_LOG_INFO;
    return adcl_test_context_create_with(&params);
}

/* Stores a value for the context's device. */
static void keep(adcl_context *ctx, store *s, const char *kind, const char *shape,
                 const char *value)
{
    char key[512];
    const adcl_device_info *device = adcl_context_device(ctx);
    snprintf(key, sizeof key, "%s/%s/%s%s", kind, device->name, device->driver, shape);
    put(s, key, value, strlen(value));
}

/* What is stored for a kind; "" for nothing. */
static const char *kept(store *s, const char *kind)
{
    for (size_t i = 0; i < s->count; i++)
        if (strncmp(s->entries[i].key, kind, strlen(kind)) == 0) return s->entries[i].value;
    return "";
}

/* The plan of a new workspace for a small adapter, and its engine. */
static adcl_engine make_pass(adcl_context *ctx, adcl_engine engine, char plan[256])
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = HIDDEN;
    params.bottleneck_size = BOTTLENECK;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    adcl_workspace_params batch = ADCL_WORKSPACE_PARAMS_INIT;
    batch.max_rows = ROWS;
    batch.engine = engine;
    adcl_workspace *workspace = NULL;
    ADCL_TEST_OK(ctx, adcl_workspace_create(&workspace, ctx, adapter, &batch));
    snprintf(plan, 256, "%s", adcl_workspace_plan(workspace));
    engine = adcl_workspace_engine(workspace);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    return engine;
}

/* ---- sets of parameters ---------------------------------------------------------------------- */

#define LATER "0,0,0,0,0,0,0,0,0,0,1"
#define SOUND "1,4,1,1,4,4,16,4,4,16,0,0,0,0,4,4," LATER

Test(gemm_tuning, reads_what_it_writes)
{
    size_t count;
    const adcl__gemm_tuning *candidates = adcl__gemm_candidates(&count);
    cr_assert_gt(count, 5);
    for (size_t i = 0; i < count; i++) {
        char text[ADCL__GEMM_TUNING_TEXT];
        adcl__gemm_tuning again;
        adcl__gemm_tuning_print(&candidates[i], text);
        cr_assert(adcl__gemm_tuning_parse(text, &again), "%s", text);
        cr_expect_eq(memcmp(&again, &candidates[i], sizeof again), 0, "%s", text);
        cr_expect_not(adcl__gemm_tuning_is_none(&again));
    }
    adcl__gemm_tuning none;
    cr_expect(adcl__gemm_tuning_parse("0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
                                      &none));
    cr_expect(adcl__gemm_tuning_is_none(&none));
}

Test(gemm_tuning, refuses_what_is_none)
{
    static const char *const texts[] = {
        "", "1", SOUND ",1", SOUND " ", "-" SOUND, " " SOUND,
        "1,4,1,1,4,4,16,4,4,16,0,0,0,0,4,4,0,0,0,0,0,0,0,0,0,0",     /* one is missing */
        "1,4,1,1,4,4,16,4,4,16,0,0,0,0,4,4,0,0,0,0,0,0,0,0,0,0,4097", /* too large */
        "1,4,1,1,4,4,16,4,4,16,0,0,0,0,4,4,0,0,0,0,0,0,0,0,0,0,99999999999999999999",
        "1,2,1,1,4,4,16,4,4,16,0,0,0,0,4,4," LATER, /* KREG no multiple of VWN */
        "1,4,1,1,4,4,32,4,4,16,0,0,0,0,8,4," LATER, /* not square */
        "2,4,1,1,4,4,16,4,4,16,0,0,0,0,4,4," LATER, /* no such kernel */
        "1,4,1,1,0,4,16,4,4,16,0,0,0,0,4,4," LATER, /* nothing to divide by */
        "1,4,1,1,4,4,16,4,4,16,0,0,0,0,4,4,2,8,8,8,8,1,1,4,1,8,1", /* WGD below MDIMCD·VWMD */
    };
    adcl__gemm_tuning tuning = {{77}};
    cr_assert(adcl__gemm_tuning_parse(SOUND, &tuning));
    cr_expect_eq(tuning.values[1], 4);
    tuning.values[0] = 77;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect_not(adcl__gemm_tuning_parse(texts[i], &tuning), "%s", texts[i]);
    cr_expect_eq(tuning.values[0], 77);
}

Test(gemm_tuning, table_has_sets_only_where_they_were_checked)
{
    adcl_device_info device = {.type = ADCL_DEVICE_CPU, .platform = "Portable Computing Language"};
    adcl__gemm_tuning set = adcl__gemm_table(&device);
    cr_expect_not(adcl__gemm_tuning_is_none(&set));
    device.type = ADCL_DEVICE_GPU;
    set = adcl__gemm_table(&device);
    cr_expect(adcl__gemm_tuning_is_none(&set));
    device = (adcl_device_info){.type = ADCL_DEVICE_CPU, .platform = "another"};
    set = adcl__gemm_table(&device);
    cr_expect(adcl__gemm_tuning_is_none(&set));
}

/* ---- what a context does with them ----------------------------------------------------------- */

Test(tuning, comes_from_the_parameter_then_the_environment)
{
    adcl_error error;
    adcl_tuning tuning = ADCL_TUNING_AUTO;
    cr_expect_eq(adcl_tuning_from_name("off", &tuning, &error), ADCL_OK);
    cr_expect_eq(tuning, ADCL_TUNING_OFF);
    ADCL_TEST_FAILS_WITH(&error, NOT_FOUND, "auto, on, off",
                         adcl_tuning_from_name("never", &tuning, &error));
    adcl_context *ctx = NULL;
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.tuning = (adcl_tuning)77;
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got 77",
                         adcl_context_create(&ctx, &params, &error));
    setenv("ADCL_TUNING", "never", 1);
    ADCL_TEST_FAILS_WITH(&error, NOT_FOUND, "\"never\"", adcl_context_create(&ctx, NULL, &error));
    params.tuning = ADCL_TUNING_ON;
    ctx = adcl_test_context_create_with(&params);
    adcl_context_destroy(&ctx);
}

Test(tuning, of_the_cache_is_used_and_named_in_the_plan, .timeout = 300)
{
    store s = {.count = 0};
    char plan[256];
    adcl_context *ctx = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_AUTO);
    keep(ctx, &s, "gemm", "", SOUND);
    cr_expect_eq(make_pass(ctx, ADCL_ENGINE_GEMM, plan), ADCL_ENGINE_GEMM);
    cr_expect_str_eq(plan, "gemm/1:" SOUND);
    cr_expect_not_null(strstr(s.log, "parameters tuned on this device"), "%s", s.log);
    size_t gets = s.gets;
    make_pass(ctx, ADCL_ENGINE_GEMM, plan);
    cr_expect_eq(s.gets, gets, "asked again");
    adcl_context_destroy(&ctx);
}

Test(tuning, that_is_not_ours_is_ignored, .timeout = 300)
{
    store s = {.count = 0};
    char plan[256];
    adcl_context *ctx = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_AUTO);
    keep(ctx, &s, "gemm", "", "1,2,3");
    keep(ctx, &s, "engine", "/16x4", "turbo");
    cr_expect_eq(make_pass(ctx, ADCL_ENGINE_AUTO, plan), adcl_context_engine(ctx));
    make_pass(ctx, ADCL_ENGINE_GEMM, plan);
    cr_expect_null(strstr(plan, "1,2,3"));
    cr_expect_geq(s.warnings, 1);
    cr_expect_eq(adcl_context_error(ctx)->status, ADCL_OK);
    adcl_context_destroy(&ctx);
}

/* What is decided stays: the scratch of workspaces that exist was made for it. */
Test(tuning, is_left_alone_when_off_and_by_whoever_comes_later, .timeout = 300)
{
    store s = {.count = 0};
    char plan[256];
    setenv("ADCL_TUNING", "off", 1);
    adcl_context *off = context_over(&s, ADCL_TUNING_AUTO, ADCL_ENGINE_AUTO);
    adcl_context *on = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_AUTO);
    keep(off, &s, "gemm", "", SOUND);
    keep(off, &s, "engine", "/16x4", "gemm");
    make_pass(off, ADCL_ENGINE_GEMM, plan);
    make_pass(off, ADCL_ENGINE_AUTO, plan);
    cr_expect_eq(s.gets, 0);
    make_pass(on, ADCL_ENGINE_GEMM, plan);
    cr_expect_str_eq(plan, "gemm/1");
    adcl_context_destroy(&on);
    adcl_context_destroy(&off);
}

Test(tuning, tells_auto_the_engine_unless_one_is_forced, .timeout = 300)
{
    store s = {.count = 0};
    char plan[256];
    adcl_context *ctx = context_over(&s, ADCL_TUNING_OFF, ADCL_ENGINE_AUTO), *shared = NULL;
    keep(ctx, &s, "engine", "/16x4", "gemm");
    adcl_context_destroy(&ctx);
    ctx = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_AUTO);
    cr_expect_eq(make_pass(ctx, ADCL_ENGINE_AUTO, plan), ADCL_ENGINE_GEMM);
    cr_expect_not_null(strstr(s.log, "engine gemm (auto: the fastest that was measured on this "
                                     "device for hidden_size 16, bottleneck_size 4)"),
                       "%s", s.log);
    s.log[0] = '\0';
    cr_assert_eq(adcl_context_share(&shared, ctx, NULL), ADCL_OK);
    make_pass(shared, ADCL_ENGINE_AUTO, plan);
    cr_expect_not_null(strstr(s.log, "the fastest that was measured"), "%s", s.log);
    cr_expect_eq(make_pass(ctx, ADCL_ENGINE_REFERENCE, plan), ADCL_ENGINE_REFERENCE);
    adcl_context_destroy(&shared);
    adcl_context_destroy(&ctx);
    ctx = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_REFERENCE);
    cr_expect_eq(make_pass(ctx, ADCL_ENGINE_AUTO, plan), ADCL_ENGINE_REFERENCE);
    adcl_context_destroy(&ctx);
}

/* ---- tuning ---------------------------------------------------------------------------------- */

typedef struct witness {
    size_t steps, stop_after;
    size_t total;
    double gflops[32];
} witness;

static int watch(void *user, const adcl_tune_step *step)
{
    witness *w = user;
    cr_expect_eq(step->done, w->steps + 1);
    cr_expect_leq(step->done, step->total);
    cr_expect_geq(step->best_gflops, step->gflops);
    w->gflops[w->steps++] = step->gflops;
    w->total = step->total;
    return w->steps == w->stop_after;
}

static const adcl_tune_shape shape = {ROWS, HIDDEN, BOTTLENECK};

static adcl_tune_params params_for(witness *w)
{
    *w = (witness){.steps = 0};
    adcl_tune_params params = ADCL_TUNE_PARAMS_INIT;
    params.shapes = &shape;
    params.shape_count = 1;
    params.max_candidates = 1;
    params.progress = watch;
    params.user = w;
    return params;
}

Test(tune, keeps_what_it_found_and_measures_it_once, .timeout = 600)
{
    store s = {.count = 0};
    witness w;
    adcl_tune_result result;
    char plan[256];
    adcl_context *ctx = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_AUTO);
    adcl_tune_params params = params_for(&w);
    params.dry_run = 1;
    ADCL_TEST_OK(ctx, adcl_tune(ctx, &params, &result));
    cr_expect_eq(s.puts, 0, "a dry run stored something");

    params = params_for(&w);
    ADCL_TEST_OK(ctx, adcl_tune(ctx, &params, &result));
    cr_expect_eq(w.steps, w.total);
    cr_expect_gt(result.forward_before, 0.0);
    cr_expect_gt(result.backward_before, 0.0);
    cr_expect_gt(result.forward_after, 0.0);
    cr_expect_not(result.parameters_kept || result.engine_kept);
    cr_expect_geq(result.engine_count, 1);
    cr_expect_eq(result.engines[0], ADCL_ENGINE_GEMM);
    adcl__gemm_tuning found;
    cr_expect(adcl__gemm_tuning_parse(kept(&s, "gemm/"), &found), "%s", kept(&s, "gemm/"));
    cr_expect_str_eq(kept(&s, "engine/"), adcl_engine_name(result.engine));
    cr_expect_eq(make_pass(ctx, ADCL_ENGINE_AUTO, plan), result.engine);

    size_t puts = s.puts;
    params = params_for(&w);
    ADCL_TEST_OK(ctx, adcl_tune(ctx, &params, &result));
    cr_expect(result.parameters_kept && result.engine_kept);
    cr_expect_eq(s.puts, puts);
    cr_expect_eq(w.steps, 1);
    params = params_for(&w);
    params.force = 1;
    ADCL_TEST_OK(ctx, adcl_tune(ctx, &params, &result));
    cr_expect_not(result.parameters_kept || result.engine_kept);
    cr_expect_gt(s.puts, puts);
    adcl_context_destroy(&ctx);
}

Test(tune, goes_on_where_it_was_stopped, .timeout = 600)
{
    store s = {.count = 0};
    witness w;
    adcl_tune_result result;
    adcl_context *ctx = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_AUTO);
    adcl_tune_params params = params_for(&w);
    w.stop_after = 2; /* CLBlast's own set, and the first candidate */
    ADCL_TEST_FAILS(ctx, CALLBACK, "stopped after 2 of", adcl_tune(ctx, &params, &result));
    cr_expect_str_eq(kept(&s, "gemm/"), "");
    cr_assert_str_neq(kept(&s, "gemm-search/"), "");
    /* A score that no machine reaches shows that the candidate was not measured again. */
    char search[64];
    snprintf(search, sizeof search, "%s", kept(&s, "gemm-search/"));
    char *score = strchr(search, ' ');
    cr_assert_not_null(score);
    strcpy(score, " 77777");
    keep(ctx, &s, "gemm-search", "", search);
    params = params_for(&w);
    ADCL_TEST_OK(ctx, adcl_tune(ctx, &params, &result));
    cr_expect_float_eq(w.gflops[1], 77777, 1e-9);
    cr_expect_str_eq(kept(&s, "gemm-search/"), "");
    /* Of other shapes it says nothing. */
    keep(ctx, &s, "gemm-search", "", search);
    search[0] = search[0] == '1' ? '2' : '1';
    keep(ctx, &s, "gemm-search", "", search);
    keep(ctx, &s, "gemm", "", "");
    params = params_for(&w);
    ADCL_TEST_OK(ctx, adcl_tune(ctx, &params, &result));
    cr_expect_lt(w.gflops[1], 77777);
    adcl_context_destroy(&ctx);
}

Test(tune, says_when_the_cache_takes_nothing, .timeout = 600)
{
    store s = {.put_fails = ADCL_ERR_FILE};
    witness w;
    adcl_tune_result result;
    adcl_context *ctx = context_over(&s, ADCL_TUNING_ON, ADCL_ENGINE_AUTO);
    adcl_tune_params params = params_for(&w);
    ADCL_TEST_FAILS(ctx, CALLBACK, "did not take gemm-search/", adcl_tune(ctx, &params, &result));
    adcl_context_destroy(&ctx);
}

Test(tune, refuses_what_it_cannot_measure)
{
    adcl_tune_result result;
    witness w;
    adcl_context *ctx = adcl_test_context_create();
    adcl_tune_params params = params_for(&w);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_tune(ctx, NULL, &result));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_tune(ctx, &params, NULL));
    cr_expect_eq(adcl_tune(NULL, &params, &result), ADCL_ERR_INVALID_ARGUMENT);
    params.shape_count = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got none", adcl_tune(ctx, &params, &result));
    params.struct_size = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "struct_size", adcl_tune(ctx, &params, &result));
    const adcl_tune_shape no_rows = {0, HIDDEN, BOTTLENECK};
    params = params_for(&w);
    params.shapes = &no_rows;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got 0", adcl_tune(ctx, &params, &result));
    adcl_context_destroy(&ctx);
}

Test(tune, tells_right_results_from_wrong_ones)
{
    float expected[100], got[100];
    for (int i = 0; i < 100; i++) expected[i] = got[i] = (float)(i - 50);
    got[7] *= 1.00001f;
    got[50] = 1e-4f; /* zero, but for roundings of numbers like the others */
    cr_expect(adcl__tune_agrees(got, expected, 100));
    got[7] = -43.1f;
    cr_expect_not(adcl__tune_agrees(got, expected, 100));
    got[7] = NAN;
    cr_expect_not(adcl__tune_agrees(got, expected, 100));
    memset(got, 0, sizeof got);
    cr_expect_not(adcl__tune_agrees(got, expected, 100));
    cr_expect(adcl__tune_agrees(got, got, 100));
}
