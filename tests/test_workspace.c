/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv */
/* The life of a workspace, and when passes may be called. What they compute: test_pass.c. */
#include "runtime/context.h"
#include "support/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* An adapter, a workspace for it, and a batch. */
typedef struct fixture {
    adcl_context *ctx;
    adcl_adapter *adapter;
    adcl_workspace *workspace;
    adcl_tensor *x, *y, *dy, *dx; /* (N, D) */
} fixture;

enum { MAX_ROWS = 9, N = 5, D = 33, R = 7 };

static adcl_adapter_params adapter_params(void)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = D;
    params.bottleneck_size = R;
    params.init = ADCL_INIT_BERT;
    params.activation = ADCL_ACTIVATION_GELU;
    return params;
}

static const adcl_engine device_engines[] = {ADCL_ENGINE_GEMM, ADCL_ENGINE_FUSED};
enum { DEVICE_ENGINE_COUNT = sizeof device_engines / sizeof device_engines[0] };

static adcl_workspace_params workspace_params(size_t max_rows, adcl_mode mode)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = max_rows;
    params.mode = mode;
    return params;
}

static adcl_tensor *numbers_tensor(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols)
{
    float *numbers = adcl_test_numbers(seed, rows * cols);
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, rows, cols, numbers);
    free(numbers);
    return tensor;
}

static fixture fixture_create_with(const adcl_adapter_params *params, adcl_mode mode)
{
    fixture b = {.ctx = adcl_test_context_create()};
    b.adapter = adcl_test_adapter_create(b.ctx, params);
    b.workspace = adcl_test_workspace_create(b.ctx, b.adapter, MAX_ROWS, mode);
    b.x = numbers_tensor(b.ctx, 1, N, D);
    b.y = adcl_test_tensor_create(b.ctx, N, D, NULL);
    b.dy = numbers_tensor(b.ctx, 2, N, D);
    b.dx = adcl_test_tensor_create(b.ctx, N, D, NULL);
    return b;
}

static fixture fixture_create(adcl_mode mode)
{
    adcl_adapter_params params = adapter_params();
    return fixture_create_with(&params, mode);
}

/* A fixture whose workspace has the engine, and serves `rows` rows. */
static fixture fixture_create_for(adcl_engine engine, const adcl_adapter_params *params,
                                  size_t rows, adcl_mode mode)
{
    adcl_context_params of_context = ADCL_CONTEXT_PARAMS_INIT;
    of_context.engine = engine;
    fixture b = {.ctx = adcl_test_context_create_with(&of_context)};
    b.ctx->family->info.compute_units = 2; /* so that launches are as many on every machine */
    b.adapter = adcl_test_adapter_create(b.ctx, params);
    b.workspace = adcl_test_workspace_create(b.ctx, b.adapter, rows, mode);
    b.x = numbers_tensor(b.ctx, 1, rows, D);
    b.y = adcl_test_tensor_create(b.ctx, rows, D, NULL);
    b.dy = numbers_tensor(b.ctx, 2, rows, D);
    b.dx = adcl_test_tensor_create(b.ctx, rows, D, NULL);
    return b;
}

static void fixture_destroy(fixture *b)
{
    adcl_tensor_destroy(&b->x);
    adcl_tensor_destroy(&b->y);
    adcl_tensor_destroy(&b->dy);
    adcl_tensor_destroy(&b->dx);
    adcl_workspace_destroy(&b->workspace);
    adcl_adapter_destroy(&b->adapter);
    adcl_context_destroy(&b->ctx);
}

static adcl_status forward(const fixture *b)
{
    return adcl_adapter_forward(b->ctx, b->adapter, b->workspace, b->x, b->y);
}

static adcl_status backward(const fixture *b)
{
    return adcl_adapter_backward(b->ctx, b->adapter, b->workspace, b->dy, b->dx);
}

static void fill_gradients(const fixture *b, float value)
{
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        ADCL_TEST_OK(b->ctx, adcl_tensor_fill(b->ctx,
                                              adcl_adapter_gradient(b->adapter,
                                                                    (adcl_adapter_slot)slot),
                                              value));
}

/* True when both tensors hold the same bits. */
static bool same_bits(adcl_context *ctx, const adcl_tensor *a, const adcl_tensor *b)
{
    float *left = adcl_test_tensor_read(ctx, a), *right = adcl_test_tensor_read(ctx, b);
    size_t bytes = adcl_tensor_rows(a) * adcl_tensor_cols(a) * sizeof *left;
    bool same = adcl_test_same_bits("tensors", left, right, bytes);
    free(left);
    free(right);
    return same;
}

static void expect_all(adcl_context *ctx, const adcl_tensor *tensor, float value)
{
    float *seen = adcl_test_tensor_read(ctx, tensor);
    for (size_t i = 0; i < adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor); i++)
        cr_expect_eq(seen[i], value, "[%zu] is %g", i, (double)seen[i]);
    free(seen);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* The workspace keeps what adcl_workspace_bytes says. Its first launches need, for a moment, x and
 * y of max_rows rows and gradients to throw away. */
static void check_bytes(adcl_engine engine, adcl_activation activation, float dropout,
                        size_t hidden_size, size_t max_rows, adcl_mode mode)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = adapter_params();
    params.hidden_size = hidden_size;
    params.activation = activation;
    params.dropout = dropout;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    adcl_workspace_params of_workspace = workspace_params(max_rows, mode);
    of_workspace.engine = engine;
    size_t bytes = 0, temporary = 2 * max_rows * hidden_size * sizeof(float);
    if (mode == ADCL_TRAINING) temporary += adcl_adapter_parameter_count(adapter) * sizeof(float);
    adcl_counters before = adcl_context_counters(ctx);
    ADCL_TEST_OK(ctx, adcl_workspace_bytes(ctx, adapter, &of_workspace, &bytes));
    cr_expect_eq(adcl_context_counters(ctx).buffer_allocations, before.buffer_allocations);
    adcl_workspace *workspace = NULL;
    ADCL_TEST_OK(ctx, adcl_workspace_create(&workspace, ctx, adapter, &of_workspace));
    uint64_t taken = adcl_context_counters(ctx).bytes_allocated - before.bytes_allocated;
    cr_expect_eq(taken, bytes + temporary,
                 "%s, %s, dropout %g, D %zu, %zu rows, mode %d: said %zu, took %llu beside %zu",
                 adcl_engine_name(engine), adcl_activation_name(activation), (double)dropout, hidden_size, max_rows,
                 (int)mode, bytes, (unsigned long long)(taken - temporary), temporary);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

Test(workspace_bytes, are_what_creating_takes, .timeout = 300)
{
    for (int i = 0; i < 2 * DEVICE_ENGINE_COUNT; i++) {
        adcl_engine engine = device_engines[i / 2];
        adcl_mode mode = i % 2 == 0 ? ADCL_INFERENCE : ADCL_TRAINING;
        check_bytes(engine, ADCL_ACTIVATION_RELU, 0.0f, D, 1, mode);
        check_bytes(engine, ADCL_ACTIVATION_GELU, 0.5f, D, 65, mode);
        check_bytes(engine, ADCL_ACTIVATION_LOG_SUMEXP, 0.25f, D, 65, mode);
        check_bytes(engine, ADCL_ACTIVATION_SILU, 0.0f, 3, 1000, mode);
        check_bytes(engine, ADCL_ACTIVATION_RELU, 0.0f, 768, 4096, mode);
    }
}

/* Inference has h in z's place; training keeps z, h and dz. fused on a CPU pads rows to 16 floats, and has both
 * kernels packed, in training transposed, in panels of 8 floats for an R of 7; elsewhere so few rows make one block, whose sums need
 * no scratch. gemm has 256 partial sums of D columns; with its own parameters CLBlast copies no operands of
 * products as small as these. */
Test(workspace_bytes, are_no_more_than_a_pass_needs)
{
    setenv("ADCL_TUNING", "off", 1);
    fixture b = fixture_create(ADCL_INFERENCE);
    adcl_workspace_params params = workspace_params(MAX_ROWS, ADCL_INFERENCE);
    size_t bytes = 0;
    params.engine = ADCL_ENGINE_GEMM;
    ADCL_TEST_OK(b.ctx, adcl_workspace_bytes(b.ctx, b.adapter, &params, &bytes));
    cr_expect_eq(bytes, MAX_ROWS * R * sizeof(float));
    params.mode = ADCL_TRAINING;
    ADCL_TEST_OK(b.ctx, adcl_workspace_bytes(b.ctx, b.adapter, &params, &bytes));
    cr_expect_eq(bytes, (3 * MAX_ROWS * R + 256 * D) * sizeof(float));
    params.engine = ADCL_ENGINE_FUSED;
    ADCL_TEST_OK(b.ctx, adcl_workspace_bytes(b.ctx, b.adapter, &params, &bytes));
    bool on_cpu = adcl_test_has_cpu_plan(b.ctx);
    size_t floats = on_cpu ? 3 * MAX_ROWS * 16 + D * 8 + R * 40 : 3 * MAX_ROWS * R;
    cr_expect_eq(bytes, floats * sizeof(float));
    params.mode = ADCL_INFERENCE;
    ADCL_TEST_OK(b.ctx, adcl_workspace_bytes(b.ctx, b.adapter, &params, &bytes));
    floats = on_cpu ? MAX_ROWS * 16 + D * 8 + R * 40 : MAX_ROWS * R;
    cr_expect_eq(bytes, floats * sizeof(float));
    params.engine = ADCL_ENGINE_REFERENCE;
    ADCL_TEST_OK(b.ctx, adcl_workspace_bytes(b.ctx, b.adapter, &params, &bytes));
    cr_expect_eq(bytes, 0); /* all of it is host memory */
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_workspace_bytes(b.ctx, b.adapter, &params, NULL));
    params.max_rows = 0;
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "max_rows",
                    adcl_workspace_bytes(b.ctx, b.adapter, &params, &bytes));
    fixture_destroy(&b);
}

/* Half a tebibyte: known before it is asked for, and not there. */
Test(workspace_bytes, that_no_device_has_are_refused_without_a_leak)
{
    adcl_context *ctx = adcl_test_context_create();
    cl_context context = adcl_context_cl_context(ctx);
    adcl_adapter_params params = adapter_params();
    params.bottleneck_size = 64;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    ADCL_TEST_OK(ctx, adcl_context_finish(ctx));
    cl_uint references = 0, references_after = 0;
    clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof references, &references, NULL);
    adcl_workspace_params huge = workspace_params(INT32_MAX, ADCL_TRAINING);
    size_t bytes = 0;
    ADCL_TEST_OK(ctx, adcl_workspace_bytes(ctx, adapter, &huge, &bytes));
    cr_expect_geq(bytes, (size_t)INT32_MAX * 3 * 64 * sizeof(float));
    adcl_workspace *workspace = NULL;
    ADCL_TEST_FAILS(ctx, OUT_OF_DEVICE_MEMORY, "no buffer of 549755813632 bytes",
                    adcl_workspace_create(&workspace, ctx, adapter, &huge));
    cr_expect_null(workspace);
    clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof references_after,
                     &references_after, NULL);
    cr_expect_eq(references_after, references);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

/* ---- creating -------------------------------------------------------------------------------- */

Test(workspace_create, takes_the_engine_of_its_context_or_another)
{
    fixture b = fixture_create(ADCL_INFERENCE);
    cr_expect_eq(adcl_workspace_engine(b.workspace), ADCL_ENGINE_FUSED);
    cr_expect_str_eq(adcl_workspace_plan(b.workspace),
                     adcl_test_has_cpu_plan(b.ctx) ? "fused/cpu/3" : "fused/gpu/2");
    cr_expect_eq(adcl_workspace_max_rows(b.workspace), MAX_ROWS);
    adcl_workspace_params params = workspace_params(3, ADCL_TRAINING);
    params.engine = ADCL_ENGINE_REFERENCE;
    adcl_workspace *other = NULL;
    ADCL_TEST_OK(b.ctx, adcl_workspace_create(&other, b.ctx, b.adapter, &params));
    cr_expect_eq(adcl_workspace_engine(other), ADCL_ENGINE_REFERENCE);
    cr_expect_str_eq(adcl_workspace_plan(other), "reference/1");
    adcl_workspace_destroy(&other);
    fixture_destroy(&b);

    adcl_context_params context_params = ADCL_CONTEXT_PARAMS_INIT;
    context_params.engine = ADCL_ENGINE_REFERENCE;
    adcl_context *ctx = adcl_test_context_create_with(&context_params);
    adcl_adapter_params of_adapter = adapter_params();
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &of_adapter);
    adcl_workspace *workspace = adcl_test_workspace_create(ctx, adapter, 3, ADCL_INFERENCE);
    cr_expect_eq(adcl_workspace_engine(workspace), ADCL_ENGINE_REFERENCE);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

Test(workspace_create, params_must_make_sense)
{
    fixture b = fixture_create(ADCL_INFERENCE);
    adcl_context *other = adcl_test_context_create();
    adcl_workspace *workspace = NULL;
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "max_rows: expected 1 to 2147483647, got 0",
                    adcl_workspace_create(&workspace, b.ctx, b.adapter, NULL));
    adcl_workspace_params params = workspace_params((size_t)1 << 31, ADCL_INFERENCE);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got 2147483648",
                    adcl_workspace_create(&workspace, b.ctx, b.adapter, &params));
    params = workspace_params(1, (adcl_mode)7);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "ADCL_TRAINING, got 7",
                    adcl_workspace_create(&workspace, b.ctx, b.adapter, &params));
    params = workspace_params(1, ADCL_INFERENCE);
    params.engine = (adcl_engine)7;
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "adcl_engine, got 7",
                    adcl_workspace_create(&workspace, b.ctx, b.adapter, &params));
    params = workspace_params(1, ADCL_INFERENCE);
    params.struct_size = 0;
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "adcl_workspace_params: expected struct_size",
                    adcl_workspace_create(&workspace, b.ctx, b.adapter, &params));
    params = workspace_params(1, ADCL_INFERENCE);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "an adapter, got NULL",
                    adcl_workspace_create(&workspace, b.ctx, NULL, &params));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "place for the result, got NULL",
                    adcl_workspace_create(NULL, b.ctx, b.adapter, &params));
    ADCL_TEST_FAILS(other, INVALID_ARGUMENT, "got one of another",
                    adcl_workspace_create(&workspace, other, b.adapter, &params));
    cr_expect_null(workspace);
    adcl_context_destroy(&other);
    fixture_destroy(&b);
}

Test(workspace_create, leaves_parameters_and_gradients_as_they_are)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = adapter_params();
    fixture b = {.ctx = ctx, .adapter = adcl_test_adapter_create(ctx, &params)};
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx,
                                           adcl_adapter_parameter(b.adapter,
                                                                  (adcl_adapter_slot)slot),
                                           INFINITY)); /* so that NaN would spread */
    fill_gradients(&b, 5.0f);
    b.workspace = adcl_test_workspace_create(ctx, b.adapter, MAX_ROWS, ADCL_TRAINING);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        expect_all(ctx, adcl_adapter_parameter(b.adapter, (adcl_adapter_slot)slot), INFINITY);
        expect_all(ctx, adcl_adapter_gradient(b.adapter, (adcl_adapter_slot)slot), 5.0f);
    }
    fixture_destroy(&b);
}

Test(workspace, copes_with_null)
{
    adcl_workspace *none = NULL;
    cr_expect_eq(adcl_workspace_max_rows(NULL), 0);
    cr_expect_eq(adcl_workspace_engine(NULL), ADCL_ENGINE_AUTO);
    cr_expect_str_eq(adcl_workspace_plan(NULL), "");
    adcl_workspace_set_dropout_step(NULL, 1, 2);
    adcl_workspace_destroy(NULL);
    adcl_workspace_destroy(&none);
    fixture b = fixture_create(ADCL_TRAINING);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "forward: expected a context, an adapter and a",
                    adcl_adapter_forward(b.ctx, NULL, b.workspace, b.x, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "forward: expected a context, an adapter and a",
                    adcl_adapter_forward(b.ctx, b.adapter, NULL, b.x, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "x: expected a tensor, got NULL",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, NULL, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "y: expected a tensor, got NULL",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, b.x, NULL));
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "dy: expected a tensor, got NULL",
                    adcl_adapter_backward(b.ctx, b.adapter, b.workspace, NULL, b.dx));
    ADCL_TEST_FAILS(NULL, INVALID_ARGUMENT, "got NULL",
                    adcl_adapter_forward(NULL, b.adapter, b.workspace, b.x, b.y));
    fixture_destroy(&b);
}

/* ---- what a pass costs ----------------------------------------------------------------------- */

/* The launches since `before`; nothing was allocated, built, copied or waited for. */
static unsigned long long launches_since(adcl_context *ctx, adcl_counters before)
{
    adcl_counters now = adcl_context_counters(ctx);
    cr_expect_eq(now.buffer_allocations, before.buffer_allocations);
    cr_expect_eq(now.bytes_allocated, before.bytes_allocated);
    cr_expect_eq(now.program_builds, before.program_builds);
    cr_expect_eq(now.host_waits, before.host_waits);
    cr_expect_eq(now.transfers, before.transfers);
    return now.launches - before.launches;
}

/* How many launches a pass takes. */
typedef struct launches {
    adcl_engine engine;
    size_t rows;
    bool drops, parallel;
    unsigned forward, backward;
    unsigned without_dx, in_place;       /* backward with dx NULL; with dx in dy's place */
    unsigned frozen, frozen_without_dx;
} launches;

/* gemm: forward is 2 products, activation, residual; backward 4 products, activation, 2 column sums of
 * 2 launches, dy copied to dx, and du = mask·dy under dropout.
 * fused: forward is 1, of very many rows 2 with the kernels packed; backward dz with dx, gradients; with dx in dy's
 * place, dx by itself behind them. Where forward did not pack, backward packs first. */
static const launches launches_of[] = {
    {ADCL_ENGINE_GEMM, 5, false, false, 4, 10, 8, 9, 4, 0},
    {ADCL_ENGINE_GEMM, 5, true, false, 4, 11, 9, 10, 5, 0},
    {ADCL_ENGINE_GEMM, 5, false, true, 4, 9, 8, 9, 3, 0},
    {ADCL_ENGINE_FUSED, 5, false, false, 1, 3, 3, 4, 2, 0},
    {ADCL_ENGINE_FUSED, 5, true, false, 1, 3, 3, 4, 2, 0},
    {ADCL_ENGINE_FUSED, 5, false, true, 1, 3, 3, 4, 2, 0},
    {ADCL_ENGINE_FUSED, 100, false, false, 1, 3, 3, 4, 2, 0},
    {ADCL_ENGINE_FUSED, 300, false, false, 2, 2, 2, 3, 1, 0},
    {ADCL_ENGINE_FUSED, 100, true, false, 1, 3, 3, 4, 2, 0},
    {ADCL_ENGINE_FUSED, 300, true, false, 2, 2, 2, 3, 1, 0},
    {ADCL_ENGINE_FUSED, 100, false, true, 1, 3, 3, 4, 2, 0},
    {ADCL_ENGINE_FUSED, 300, false, true, 2, 2, 2, 3, 1, 0},
};

static unsigned long long launches_of_backward(const fixture *b, adcl_tensor *dx)
{
    adcl_counters before = adcl_context_counters(b->ctx);
    ADCL_TEST_OK(b->ctx, adcl_adapter_backward(b->ctx, b->adapter, b->workspace, b->dy, dx));
    return launches_since(b->ctx, before);
}

static void check_launches(const launches *expected)
{
    adcl_adapter_params params = adapter_params();
    params.dropout = expected->drops ? 0.5f : 0.0f;
    params.parallel = expected->parallel;
    fixture b = fixture_create_for(expected->engine, &params, expected->rows, ADCL_TRAINING);
    if (expected->engine == ADCL_ENGINE_FUSED && !adcl_test_has_cpu_plan(b.ctx)) {
        fixture_destroy(&b); /* what the other plan launches is in test_fused_gpu.c */
        return;
    }
    for (int i = 0; i < 3; i++) {
        adcl_counters before = adcl_context_counters(b.ctx);
        ADCL_TEST_OK(b.ctx, forward(&b));
        cr_expect_eq(launches_since(b.ctx, before), expected->forward);
        cr_expect_eq(launches_of_backward(&b, b.dx), expected->backward);
        before = adcl_context_counters(b.ctx);
        ADCL_TEST_OK(b.ctx, adcl_adapter_zero_grad(b.ctx, b.adapter));
        cr_expect_eq(launches_since(b.ctx, before), 1);
    }
    cr_expect_eq(launches_of_backward(&b, NULL), expected->without_dx);
    cr_expect_eq(launches_of_backward(&b, b.dy), expected->in_place);
    ADCL_TEST_OK(b.ctx, adcl_adapter_freeze(b.ctx, b.adapter, 1));
    cr_expect_eq(launches_of_backward(&b, b.dx), expected->frozen);
    cr_expect_eq(launches_of_backward(&b, NULL), expected->frozen_without_dx);
    fixture_destroy(&b);
}

Test(workspace_counters, tell_a_fixed_number_of_launches_and_nothing_else, .timeout = 300)
{
    for (size_t i = 0; i < sizeof launches_of / sizeof launches_of[0]; i++)
        check_launches(&launches_of[i]);
}

/* Rows from few to many, in a workspace for many: every kernel was there when it was made. */
Test(workspace_counters, build_nothing_for_another_number_of_rows, .timeout = 300)
{
    enum { MANY = 100 };
    static const size_t row_counts[] = {1, 2, 5, 30, 64, 65, MANY};
    adcl_adapter_params params = adapter_params();
    for (size_t e = 0; e < DEVICE_ENGINE_COUNT; e++) {
        fixture b = fixture_create_for(device_engines[e], &params, MANY, ADCL_TRAINING);
        adcl_counters before = adcl_context_counters(b.ctx);
        for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++) {
            fixture part = b;
            part.x = part.y = NULL;
            ADCL_TEST_OK(b.ctx, adcl_tensor_view_rows(&part.x, b.ctx, b.x, 0, row_counts[i]));
            ADCL_TEST_OK(b.ctx, adcl_tensor_view_rows(&part.y, b.ctx, b.y, 0, row_counts[i]));
            ADCL_TEST_OK(b.ctx, forward(&part));
            ADCL_TEST_OK(b.ctx, adcl_adapter_backward(b.ctx, b.adapter, b.workspace, part.y, part.y));
            adcl_tensor_destroy(&part.x);
            adcl_tensor_destroy(&part.y);
        }
        cr_expect_gt(launches_since(b.ctx, before), 0);
        fixture_destroy(&b);
    }
}

Test(workspace_counters, of_a_batch_without_rows_stay_as_they_are)
{
    fixture b = fixture_create(ADCL_TRAINING);
    fill_gradients(&b, 5.0f);
    adcl_tensor *empty = adcl_test_tensor_create(b.ctx, 0, D, NULL);
    adcl_tensor *other = adcl_test_tensor_create(b.ctx, 0, D, NULL);
    adcl_counters before = adcl_context_counters(b.ctx);
    ADCL_TEST_OK(b.ctx, adcl_adapter_forward(b.ctx, b.adapter, b.workspace, empty, other));
    ADCL_TEST_OK(b.ctx, adcl_adapter_backward(b.ctx, b.adapter, b.workspace, empty, other));
    cr_expect_eq(launches_since(b.ctx, before), 0);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        expect_all(b.ctx, adcl_adapter_gradient(b.adapter, (adcl_adapter_slot)slot), 5.0f);
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "dy: expected shape (0, 33), got (5, 33)", backward(&b));
    adcl_tensor_destroy(&empty);
    adcl_tensor_destroy(&other);
    fixture_destroy(&b);
}

/* ---- order ----------------------------------------------------------------------------------- */

Test(pass_order, backward_needs_a_training_forward_before)
{
    fixture b = fixture_create(ADCL_TRAINING);
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "expected a forward", backward(&b));
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_OK(b.ctx, backward(&b));
    ADCL_TEST_OK(b.ctx, backward(&b));
    fixture_destroy(&b);
    b = fixture_create(ADCL_INFERENCE);
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "the workspace is for inference", backward(&b));
    fixture_destroy(&b);
}

/* A forward that was refused has touched nothing: backward is that of the one before. */
Test(pass_order, a_refused_forward_leaves_the_last_one_standing)
{
    fixture b = fixture_create(ADCL_TRAINING);
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_OK(b.ctx, backward(&b));
    adcl_tensor *expected = adcl_test_tensor_create(b.ctx, N, D, NULL);
    ADCL_TEST_OK(b.ctx, adcl_tensor_copy(b.ctx, b.dx, expected));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "overlap",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, b.dy, b.dy));
    ADCL_TEST_OK(b.ctx, backward(&b));
    cr_expect(same_bits(b.ctx, b.dx, expected));
    adcl_tensor_destroy(&expected);
    fixture_destroy(&b);
}

/* The workspace keeps the memory of x, if not the tensor. */
Test(pass_order, x_may_be_destroyed_between_forward_and_backward)
{
    fixture b = fixture_create(ADCL_TRAINING);
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_OK(b.ctx, backward(&b));
    adcl_tensor *gradient = adcl_adapter_gradient(b.adapter, ADCL_DOWN_KERNEL);
    adcl_tensor *expected = adcl_test_tensor_create(b.ctx, D, R, NULL);
    ADCL_TEST_OK(b.ctx, adcl_tensor_copy(b.ctx, gradient, expected));
    ADCL_TEST_OK(b.ctx, adcl_adapter_zero_grad(b.ctx, b.adapter));
    adcl_tensor_destroy(&b.x);
    ADCL_TEST_OK(b.ctx, backward(&b));
    cr_expect(same_bits(b.ctx, gradient, expected));
    adcl_tensor_destroy(&expected);
    fixture_destroy(&b);
}

Test(pass_order, several_workspaces_may_be_in_flight)
{
    fixture b = fixture_create(ADCL_TRAINING);
    adcl_workspace *second = adcl_test_workspace_create(b.ctx, b.adapter, N, ADCL_TRAINING);
    adcl_tensor *dx = adcl_test_tensor_create(b.ctx, N, D, NULL);
    adcl_tensor *expected = adcl_test_tensor_create(b.ctx, N, D, NULL);
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_OK(b.ctx, backward(&b));
    ADCL_TEST_OK(b.ctx, adcl_tensor_copy(b.ctx, b.dx, expected));

    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_OK(b.ctx, adcl_adapter_forward(b.ctx, b.adapter, second, b.dy, dx));
    ADCL_TEST_OK(b.ctx, backward(&b));
    cr_expect(same_bits(b.ctx, b.dx, expected));
    ADCL_TEST_OK(b.ctx, adcl_adapter_backward(b.ctx, b.adapter, second, b.dy, dx));
    adcl_tensor_destroy(&dx);
    adcl_tensor_destroy(&expected);
    adcl_workspace_destroy(&second);
    fixture_destroy(&b);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void expect_refused(const fixture *b, size_t rows, size_t cols, const char *words)
{
    adcl_tensor *x = adcl_test_tensor_create(b->ctx, rows, cols, NULL);
    adcl_tensor *y = adcl_test_tensor_create(b->ctx, rows, cols, NULL);
    ADCL_TEST_FAILS(b->ctx, SHAPE_MISMATCH, words,
                    adcl_adapter_forward(b->ctx, b->adapter, b->workspace, x, y));
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
}

Test(pass_shapes, the_width_must_be_hidden_size_also_when_one_of_them_is_1)
{
    fixture b = fixture_create(ADCL_INFERENCE);
    expect_refused(&b, N, D + 1, "expected 33 columns (hidden_size), got shape (5, 34)");
    expect_refused(&b, N, 1, "expected 33 columns (hidden_size), got shape (5, 1)");
    expect_refused(&b, 0, 1, "expected 33 columns (hidden_size), got shape (0, 1)");
    fixture_destroy(&b);
    adcl_adapter_params params = adapter_params();
    params.hidden_size = 1;
    b = fixture_create_with(&params, ADCL_INFERENCE);
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "expected 1 columns (hidden_size), got shape (5, 33)",
                    forward(&b));
    fixture_destroy(&b);
}

Test(pass_shapes, rows_are_at_most_max_rows_and_the_same_in_all_matrices)
{
    fixture b = fixture_create(ADCL_TRAINING);
    adcl_tensor *many = adcl_test_tensor_create(b.ctx, MAX_ROWS + 1, D, NULL);
    adcl_tensor *more = adcl_test_tensor_create(b.ctx, MAX_ROWS + 1, D, NULL);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "at most 9 rows (max_rows of the workspace), got 10",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, many, more));
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "y: expected shape (5, 33), got (10, 33)",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, b.x, more));
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "dy: expected shape (5, 33), got (10, 33)",
                    adcl_adapter_backward(b.ctx, b.adapter, b.workspace, many, b.dx));
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "dx: expected shape (5, 33), got (10, 33)",
                    adcl_adapter_backward(b.ctx, b.adapter, b.workspace, b.dy, many));
    adcl_tensor_destroy(&many);
    adcl_tensor_destroy(&more);
    fixture_destroy(&b);
}

Test(pass_shapes, a_workspace_serves_adapters_of_its_own_shape_and_options_only)
{
    fixture b = fixture_create(ADCL_TRAINING);
    for (int i = 0; i < 7; i++) {
        adcl_adapter_params params = adapter_params();
        params.name = "another";
        if (i == 1) params.hidden_size++;
        if (i == 2) params.bottleneck_size++;
        if (i == 3) params.activation = ADCL_ACTIVATION_RELU;
        if (i == 4) params.scaling = 2.0f;
        if (i == 5) params.parallel = 1;
        if (i == 6) params.dropout = 0.5f;
        adcl_adapter *other = adcl_test_adapter_create(b.ctx, &params);
        if (i == 0) /* another name is no other shape */
            ADCL_TEST_OK(b.ctx, adcl_adapter_forward(b.ctx, other, b.workspace, b.x, b.y));
        else
            ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "adapter \"another\"",
                            adcl_adapter_forward(b.ctx, other, b.workspace, b.x, b.y));
        adcl_adapter_destroy(&other);
    }
    fixture_destroy(&b);
}

Test(pass_shapes, tensors_are_floats_of_the_same_context)
{
    fixture b = fixture_create(ADCL_TRAINING), other = fixture_create(ADCL_TRAINING);
    adcl_tensor *integers = NULL;
    ADCL_TEST_OK(b.ctx, adcl_tensor_create(&integers, b.ctx, ADCL_I32, N, D));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "x: expected F32 elements, got I32",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, integers, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "y: expected F32 elements, got I32",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, b.x, integers));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "x: expected a tensor of this context",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, other.x, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "adapter and workspace of this context",
                    adcl_adapter_forward(b.ctx, other.adapter, b.workspace, b.x, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "adapter and workspace of this context",
                    adcl_adapter_forward(b.ctx, b.adapter, other.workspace, b.x, b.y));
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "dy: expected a tensor of this context",
                    adcl_adapter_backward(b.ctx, b.adapter, b.workspace, other.dy, b.dx));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "dx: expected F32 elements, got I32",
                    adcl_adapter_backward(b.ctx, b.adapter, b.workspace, b.dy, integers));
    adcl_tensor_destroy(&integers);
    fixture_destroy(&b);
    fixture_destroy(&other);
}

/* Rows 0 to N−1 and 1 to N of one tensor. */
typedef struct shifted {
    adcl_tensor *all, *low, *high;
} shifted;

static shifted shifted_create(adcl_context *ctx)
{
    shifted s = {.all = adcl_test_tensor_create(ctx, N + 1, D, NULL)};
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&s.low, ctx, s.all, 0, N));
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&s.high, ctx, s.all, 1, N));
    return s;
}

static void shifted_destroy(shifted *s)
{
    adcl_tensor_destroy(&s->all);
    adcl_tensor_destroy(&s->low);
    adcl_tensor_destroy(&s->high);
}

Test(pass_overlap, in_training_x_and_y_lie_apart)
{
    fixture b = fixture_create(ADCL_TRAINING);
    shifted s = shifted_create(b.ctx);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "in training x must stay unchanged until backward",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, b.x, b.x));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "in training x must stay unchanged until backward",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, s.low, s.high));
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "dx overlaps the x of the forward",
                    adcl_adapter_backward(b.ctx, b.adapter, b.workspace, b.dy, b.x));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "dx must be exactly dy or lie apart",
                    adcl_adapter_backward(b.ctx, b.adapter, b.workspace, s.high, s.low));
    shifted_destroy(&s);
    fixture_destroy(&b);
}

Test(pass_overlap, in_inference_y_is_x_or_lies_apart)
{
    fixture b = fixture_create(ADCL_INFERENCE);
    shifted s = shifted_create(b.ctx);
    ADCL_TEST_OK(b.ctx, adcl_adapter_forward(b.ctx, b.adapter, b.workspace, b.x, b.x));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "y must be exactly x or lie apart",
                    adcl_adapter_forward(b.ctx, b.adapter, b.workspace, s.low, s.high));
    shifted_destroy(&s);
    fixture_destroy(&b);
}

/* ---- packed kernels -------------------------------------------------------------------------- */

static fixture inference_fixture(size_t rows)
{
    adcl_adapter_params params = adapter_params();
    return fixture_create_for(ADCL_ENGINE_FUSED, &params, rows, ADCL_INFERENCE);
}

static const size_t packed_rows[] = {5, 100, 300};
enum { PACKED_ROWS_COUNT = sizeof packed_rows / sizeof packed_rows[0] };

Test(packed_kernels, are_packed_once_while_nobody_else_has_the_parameters, .timeout = 300)
{
    static const unsigned once[] = {1, 1, 1}, anew[] = {1, 1, 2}; /* launches */
    for (size_t i = 0; i < PACKED_ROWS_COUNT; i++) {
        fixture b = inference_fixture(packed_rows[i]);
        for (int pass = 0; adcl_test_has_cpu_plan(b.ctx) && pass < 4; pass++) {
            if (pass == 2) adcl_adapter_parameter(b.adapter, ADCL_DOWN_BIAS);
            adcl_counters before = adcl_context_counters(b.ctx);
            ADCL_TEST_OK(b.ctx, forward(&b));
            cr_expect_eq(launches_since(b.ctx, before), pass < 2 ? once[i] : anew[i]);
        }
        fixture_destroy(&b);
    }
}

/* With w_up and b_up zero an adapter is the identity. */
Test(packed_kernels, are_not_kept_when_parameters_change, .timeout = 300)
{
    static const adcl_adapter_slot slots[] = {ADCL_UP_KERNEL, ADCL_UP_BIAS};
    for (size_t i = 0; i < PACKED_ROWS_COUNT; i++) {
        fixture b = inference_fixture(packed_rows[i]);
        for (size_t k = 0; k < 2; k++)
            ADCL_TEST_OK(
                b.ctx, adcl_tensor_fill(b.ctx, adcl_adapter_parameter(b.adapter, slots[k]), 0.0f));
        ADCL_TEST_OK(b.ctx, forward(&b));
        cr_expect(same_bits(b.ctx, b.y, b.x));
        fixture_destroy(&b);
    }
}

/* Two adapters in turn, and one that may lie where another one was. */
Test(packed_kernels, are_those_of_the_adapter_of_the_pass, .timeout = 300)
{
    adcl_adapter_params params = adapter_params();
    for (size_t i = 0; i < PACKED_ROWS_COUNT; i++) {
        fixture b = inference_fixture(packed_rows[i]);
        for (uint64_t seed = 1; seed < 4; seed++) {
            params.seed = seed;
            adcl_adapter *other = adcl_test_adapter_create(b.ctx, &params);
            adcl_workspace *own =
                adcl_test_workspace_create(b.ctx, other, packed_rows[i], ADCL_INFERENCE);
            ADCL_TEST_OK(b.ctx, adcl_adapter_forward(b.ctx, other, b.workspace, b.x, b.dx));
            ADCL_TEST_OK(b.ctx, adcl_adapter_forward(b.ctx, other, own, b.x, b.dy));
            cr_expect(same_bits(b.ctx, b.dx, b.dy));
            if (seed < 3) ADCL_TEST_OK(b.ctx, forward(&b));
            adcl_workspace_destroy(&own);
            adcl_adapter_destroy(&other);
        }
        fixture_destroy(&b);
    }
}

/* ---- contexts -------------------------------------------------------------------------------- */

Test(workspace, serves_every_context_of_its_family)
{
    fixture b = fixture_create(ADCL_INFERENCE);
    adcl_context *second = NULL;
    cr_assert_eq(adcl_context_share(&second, b.ctx, NULL), ADCL_OK);
    ADCL_TEST_OK(b.ctx, forward(&b));
    ADCL_TEST_OK(b.ctx, adcl_context_finish(b.ctx));
    ADCL_TEST_OK(second, adcl_adapter_forward(second, b.adapter, b.workspace, b.x, b.dx));
    cr_expect_eq(adcl_context_counters(second).program_builds, 0);
    cr_expect(same_bits(second, b.dx, b.y));
    adcl_context_destroy(&second);
    fixture_destroy(&b);
}

Test(workspace, and_adapter_may_outlive_their_context)
{
    fixture b = fixture_create(ADCL_TRAINING);
    ADCL_TEST_OK(b.ctx, forward(&b));
    adcl_context_destroy(&b.ctx);
    fixture_destroy(&b);
}

/* ---- log ------------------------------------------------------------------------------------- */

static void count_announcements(void *user, adcl_log_level level, const char *message)
{
    (void)level;
    size_t *count = user;
    if (strstr(message, "preparing CLBlast's kernels") != NULL) (*count)++;
}

Test(workspace_create, announces_once_in_a_process_that_clblast_compiles)
{
    size_t announcements = 0;
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.log = count_announcements;
    params.log_user = &announcements;
    params.log_level = ADCL_LOG_INFO;
    params.engine = ADCL_ENGINE_GEMM;
    adcl_context *ctx = adcl_test_context_create_with(&params);
    adcl_adapter_params of_adapter = adapter_params();
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &of_adapter);
    for (int i = 0; i < 2; i++) {
        adcl_workspace *workspace = adcl_test_workspace_create(ctx, adapter, N, ADCL_INFERENCE);
        cr_expect_eq(announcements, 1);
        adcl_workspace_destroy(&workspace);
    }
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}
