/* SPDX-License-Identifier: MIT */
/* The GPU plan of the engine fused: its tiles, its launches, its memory. What every engine must do is
 * in test_pass.c, which runs with this plan too. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "ops/fused_gpu.h"
#include "support/compare.h"
#include "support/device.h"

#include <stdio.h>
#include <stdlib.h>

static adcl_context *create_context(void)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.engine = ADCL_ENGINE_FUSED;
    params.fused_plan = ADCL_FUSED_PLAN_GPU;
    return adcl_test_context_create_with(&params);
}

/* ---- a pass ---------------------------------------------------------------------------------- */

typedef struct shape {
    size_t rows, max_rows, hidden_size, bottleneck_size;
    adcl_activation activation;
} shape;

/* What a training pass gives, and how many launches forward and backward took. */
typedef struct outcome {
    float *y, *dx;
    float *gradients[ADCL_ADAPTER_SLOT_COUNT];
    uint64_t forward_launches, backward_launches;
} outcome;

static const char *describe(const shape *s)
{
    return adcl_test_label("N %zu of %zu, D %zu, R %zu, %s", s->rows, s->max_rows, s->hidden_size,
                           s->bottleneck_size, adcl_activation_name(s->activation));
}

static adcl_tensor *draw(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols, float scale)
{
    float *numbers = adcl_test_numbers(seed, rows * cols);
    for (size_t i = 0; i < rows * cols; i++) numbers[i] *= scale;
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, rows, cols, numbers);
    free(numbers);
    return tensor;
}

/* An adapter whose parameters are drawn, small enough for sums near 1. */
static adcl_adapter *draw_adapter(adcl_context *ctx, const shape *s)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = s->hidden_size;
    params.bottleneck_size = s->bottleneck_size;
    params.activation = s->activation;
    params.scaling = 0.5f;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        adcl_tensor *value = adcl_adapter_parameter(adapter, (adcl_adapter_slot)slot);
        adcl_tensor *drawn = draw(ctx, 10 + (uint64_t)slot, adcl_tensor_rows(value),
                                  adcl_tensor_cols(value), 0.1f);
        ADCL_TEST_OK(ctx, adcl_tensor_copy(ctx, drawn, value));
        adcl_tensor_destroy(&drawn);
    }
    return adapter;
}

static adcl_workspace *create_workspace(adcl_context *ctx, const shape *s,
                                        const adcl_adapter *adapter, adcl_engine engine)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = s->max_rows;
    params.mode = ADCL_TRAINING;
    params.engine = engine;
    adcl_workspace *workspace = NULL;
    ADCL_TEST_OK(ctx, adcl_workspace_create(&workspace, ctx, adapter, &params));
    return workspace;
}

/* One training pass over the first rows of always the same batch. in_place: dx takes dy's place. */
static outcome run(adcl_context *ctx, const shape *s, adcl_engine engine, bool in_place)
{
    size_t n = s->rows, d = s->hidden_size;
    adcl_adapter *adapter = draw_adapter(ctx, s);
    adcl_workspace *workspace = create_workspace(ctx, s, adapter, engine);
    adcl_tensor *x = draw(ctx, 1, n, d, 1.0f), *dy = draw(ctx, 2, n, d, 0.1f);
    adcl_tensor *y = adcl_test_tensor_create(ctx, n, d, NULL);
    adcl_tensor *dx = adcl_test_tensor_create(ctx, n, d, NULL);
    adcl_tensor *on_dx = in_place ? dy : dx;
    uint64_t before = adcl_context_counters(ctx).launches;
    ADCL_TEST_OK(ctx, adcl_adapter_forward(ctx, adapter, workspace, x, y));
    uint64_t between = adcl_context_counters(ctx).launches;
    ADCL_TEST_OK(ctx, adcl_adapter_backward(ctx, adapter, workspace, dy, on_dx));
    outcome result = {.forward_launches = between - before,
                      .backward_launches = adcl_context_counters(ctx).launches - between,
                      .y = adcl_test_tensor_read(ctx, y),
                      .dx = adcl_test_tensor_read(ctx, on_dx)};
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        result.gradients[slot] = adcl_test_tensor_read(
            ctx, adcl_adapter_gradient(adapter, (adcl_adapter_slot)slot));
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    adcl_tensor_destroy(&dy);
    adcl_tensor_destroy(&dx);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    return result;
}

static void discard(outcome *result)
{
    free(result->y);
    free(result->dx);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) free(result->gradients[slot]);
}

/* ---- results --------------------------------------------------------------------------------- */

static void expect_close(const char *label, const float *got, const float *expected, size_t count)
{
    double *exact = adcl_test_doubles(expected, count);
    cr_expect(adcl_test_close_floats(label, got, exact, count, 2e-5));
    free(exact);
}

static void compare_with_reference(adcl_context *ctx, const shape *s, bool in_place)
{
    outcome got = run(ctx, s, ADCL_ENGINE_FUSED, in_place);
    outcome expected = run(ctx, s, ADCL_ENGINE_REFERENCE, false);
    size_t count = s->rows * s->hidden_size;
    size_t width = adcl_activation_width(s->activation, s->bottleneck_size);
    size_t counts[ADCL_ADAPTER_SLOT_COUNT] = {s->hidden_size * s->bottleneck_size,
                                              s->bottleneck_size, width * s->hidden_size,
                                              s->hidden_size};
    expect_close(describe(s), got.y, expected.y, count);
    expect_close(describe(s), got.dx, expected.dx, count);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        expect_close(describe(s), got.gradients[slot], expected.gradients[slot], counts[slot]);
    discard(&got);
    discard(&expected);
}

/* One activation for each width of a tile, for every pair is a program that takes a driver seconds. */
static adcl_activation activation_for(size_t bottleneck_size)
{
    return bottleneck_size <= 32    ? ADCL_ACTIVATION_GELU
           : bottleneck_size <= 64  ? ADCL_ACTIVATION_SOFTMAX
           : bottleneck_size <= 128 ? ADCL_ACTIVATION_LOG_SUMEXP
           : bottleneck_size <= 256 ? ADCL_ACTIVATION_LOG_SOFTMAX
                                    : ADCL_ACTIVATION_SOFTMAX;
}

/* Sizes as in test_pass.c, each as N, D and R, and a tile's width that they miss. */
Test(fused_gpu, agrees_with_the_reference_over_sizes_on_every_tile, .timeout = 900)
{
    static const size_t sizes[13] = {1, 2, 3, 7, 16, 33, 63, 64, 65, 127, 384, 768, 1000};
    adcl_context *ctx = create_context();
    for (size_t i = 0; i < 13; i++) {
        size_t rows = sizes[i], d = sizes[(i + 4) % 13], r = sizes[(i + 8) % 13];
        shape s = {rows, rows + 2, d, r, activation_for(r)};
        compare_with_reference(ctx, &s, i % 2 == 0);
    }
    shape wide = {150, 151, 77, 200, activation_for(200)};
    compare_with_reference(ctx, &wide, false);
    wide.rows = 9;
    compare_with_reference(ctx, &wide, true);
    adcl_context_destroy(&ctx);
}

/* Groups of one team and of two, where devices have no larger ones. */
Test(fused_gpu, agrees_with_the_reference_on_devices_of_small_work_groups, .timeout = 900)
{
    for (size_t items = 64; items <= 128; items *= 2) {
        adcl_context *ctx = create_context();
        ctx->family->max_work_group_size = items;
        shape s = {70, 70, 77, 20, ADCL_ACTIVATION_RELU};
        compare_with_reference(ctx, &s, false);
        s.rows = 9;
        compare_with_reference(ctx, &s, true);
        adcl_context_destroy(&ctx);
    }
}

/* The first rows of y and dx, in batches that take every kind of tile and cut. */
Test(fused_gpu, gives_a_row_the_same_bits_in_every_batch, .timeout = 900)
{
    static const size_t rows[] = {129, 65, 64, 17, 1};
    static const size_t bottlenecks[] = {20, 70, 270};
    adcl_context *ctx = create_context();
    for (size_t i = 0; i < 3; i++) {
        shape s = {200, 200, 67, bottlenecks[i], ADCL_ACTIVATION_TANH};
        outcome all = run(ctx, &s, ADCL_ENGINE_FUSED, false);
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            s.rows = rows[k];
            s.max_rows = k % 2 == 0 ? 200 : rows[k];
            outcome some = run(ctx, &s, ADCL_ENGINE_FUSED, k % 2 == 1);
            size_t bytes = s.rows * s.hidden_size * sizeof(float);
            cr_expect(adcl_test_same_bits(describe(&s), some.y, all.y, bytes), "y");
            cr_expect(adcl_test_same_bits(describe(&s), some.dx, all.dx, bytes), "dx");
            discard(&some);
        }
        discard(&all);
    }
    adcl_context_destroy(&ctx);
}

/* ---- launches and memory --------------------------------------------------------------------- */

Test(fused_gpu, launches_one_forward_kernel_for_many_rows_and_at_most_three_backward,
     .timeout = 900)
{
    static const struct {
        shape s;
        bool in_place;
        uint64_t forward, backward;
    } cases[] = {
        {{65, 65, 40, 8, ADCL_ACTIVATION_RELU}, false, 1, 3},
        {{65, 65, 40, 8, ADCL_ACTIVATION_RELU}, true, 1, 3},
        {{64, 65, 40, 8, ADCL_ACTIVATION_RELU}, false, 2, 3},
        {{1, 65, 40, 8, ADCL_ACTIVATION_RELU}, true, 2, 3},
        {{65, 65, 40, 257, ADCL_ACTIVATION_RELU}, false, 2, 3},
        {{65, 65, 40, 8, ADCL_ACTIVATION_SOFTMAX}, false, 1, 3},
        {{64, 65, 40, 8, ADCL_ACTIVATION_SOFTMAX}, false, 1, 2}, /* one block: no sums of sums */
        {{65, 65, 40, 257, ADCL_ACTIVATION_SOFTMAX}, false, 3, 4},
    };
    adcl_context *ctx = create_context();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        outcome result = run(ctx, &cases[i].s, ADCL_ENGINE_FUSED, cases[i].in_place);
        cr_expect_eq(result.forward_launches, cases[i].forward, "%s: forward %llu",
                     describe(&cases[i].s), (unsigned long long)result.forward_launches);
        cr_expect_eq(result.backward_launches, cases[i].backward, "%s: backward %llu",
                     describe(&cases[i].s), (unsigned long long)result.backward_launches);
        discard(&result);
    }
    adcl_context_destroy(&ctx);
}

/* Passes of any size that the workspace was made for: nothing is built, allocated or waited for. */
Test(fused_gpu, does_nothing_but_launch_once_the_workspace_is_made, .timeout = 900)
{
    shape s = {150, 150, 40, 8, ADCL_ACTIVATION_RELU};
    adcl_context *ctx = create_context();
    adcl_adapter *adapter = draw_adapter(ctx, &s);
    adcl_workspace *workspace = create_workspace(ctx, &s, adapter, ADCL_ENGINE_FUSED);
    for (size_t rows = 1; rows <= 150; rows += 50) {
        adcl_tensor *x = adcl_test_tensor_create(ctx, rows, s.hidden_size, NULL);
        adcl_tensor *y = adcl_test_tensor_create(ctx, rows, s.hidden_size, NULL);
        adcl_counters before = adcl_context_counters(ctx);
        ADCL_TEST_OK(ctx, adcl_adapter_forward(ctx, adapter, workspace, x, y));
        ADCL_TEST_OK(ctx, adcl_adapter_backward(ctx, adapter, workspace, y, y));
        adcl_counters after = adcl_context_counters(ctx);
        after.launches = before.launches;
        cr_expect_eq(memcmp(&after, &before, sizeof after), 0, "N %zu", rows);
        adcl_tensor_destroy(&x);
        adcl_tensor_destroy(&y);
    }
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

static size_t workspace_bytes(adcl_context *ctx, size_t bottleneck_size, adcl_mode mode)
{
    shape s = {1, 4096, 64, bottleneck_size, ADCL_ACTIVATION_RELU};
    adcl_adapter *adapter = draw_adapter(ctx, &s);
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = s.max_rows;
    params.mode = mode;
    size_t bytes = 0;
    ADCL_TEST_OK(ctx, adcl_workspace_bytes(ctx, adapter, &params, &bytes));
    adcl_adapter_destroy(&adapter);
    return bytes;
}

Test(fused_gpu, keeps_the_bottleneck_of_few_rows_only_in_inference)
{
    adcl_context *ctx = create_context();
    cr_expect_eq(workspace_bytes(ctx, 16, ADCL_INFERENCE), 64 * 16 * sizeof(float));
    cr_expect_eq(workspace_bytes(ctx, 512, ADCL_INFERENCE), 4096 * 512 * sizeof(float));
    /* z, h and dz, and 64 blocks of the gradients. */
    cr_expect_eq(workspace_bytes(ctx, 16, ADCL_TRAINING),
                 (3 * 4096 * 16 + 64 * (17 * 64 + 65 * 16)) * sizeof(float));
    adcl_context_destroy(&ctx);
}

/* POCL offers such devices to those who ask; on another driver there is nothing to see. */
Test(fused_gpu, says_when_the_work_groups_of_a_device_are_too_small, .timeout = 60)
{
    setenv("POCL_MAX_WORK_GROUP_SIZE", "32", 1);
    shape s = {1, 1, 8, 4, ADCL_ACTIVATION_RELU};
    adcl_context *ctx = create_context();
    adcl__fused_gpu_tiles tiles;
    if (adcl__fused_gpu_choose(ctx, 1, 4, &tiles) != ADCL_OK) {
        adcl_adapter *adapter = draw_adapter(ctx, &s);
        adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
        params.max_rows = 1;
        adcl_workspace *workspace = NULL;
        ADCL_TEST_FAILS(ctx, UNSUPPORTED, "expected work-groups of 64",
                        adcl_workspace_create(&workspace, ctx, adapter, &params));
        adcl_adapter_destroy(&adapter);
    }
    adcl_context_destroy(&ctx);
}
