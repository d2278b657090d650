/* SPDX-License-Identifier: MIT */
#include "support/compare.h"
#include "support/device.h"
#include "support/golden.h"

#include <stdio.h>
#include <stdlib.h>

/* The golden shape: 3 rows, a dense layer 10 → 16, an adapter 16 → 4 → 16 behind it. */
enum { N = 3, IN = 10, D = 16, R = 4 };

/* A frozen dense layer of the application, computed on the host. */
typedef struct dense {
    float kernel[IN * D], bias[D];
    int forwards, backwards; /* calls */
    adcl_status answer;      /* what they return; the work is done all the same */
} dense;

static adcl_status dense_forward(void *user, adcl_context *ctx, const adcl_tensor *x,
                                 adcl_tensor *y)
{
    dense *layer = user;
    size_t rows = adcl_tensor_rows(x);
    float *in = adcl_test_tensor_read(ctx, x), out[N * D];
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < D; c++) {
            double sum = (double)layer->bias[c];
            for (size_t i = 0; i < IN; i++)
                sum += (double)in[r * IN + i] * (double)layer->kernel[i * D + c];
            out[r * D + c] = (float)sum;
        }
    free(in);
    layer->forwards++;
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, y, out, rows * D * sizeof *out));
    return layer->answer;
}

static adcl_status dense_backward(void *user, adcl_context *ctx, const adcl_tensor *x,
                                  const adcl_tensor *dy, adcl_tensor *dx)
{
    dense *layer = user;
    size_t rows = adcl_tensor_rows(x);
    float *in = adcl_test_tensor_read(ctx, dy), out[N * IN];
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < IN; i++) {
            double sum = 0.0;
            for (size_t c = 0; c < D; c++)
                sum += (double)in[r * D + c] * (double)layer->kernel[i * D + c];
            out[r * IN + i] = (float)sum;
        }
    free(in);
    layer->backwards++;
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, dx, out, rows * IN * sizeof *out));
    return layer->answer;
}

/* A layer, an adapter behind it, and a batch. */
typedef struct fixture {
    adcl_context *ctx;
    dense base;
    adcl_adapter *adapter;
    adcl_wrap *wrap;
    adcl_tensor *x, *y, *dy, *dx;
} fixture;

static adcl_layer layer_of(dense *base)
{
    return (adcl_layer){IN, D, dense_forward, dense_backward, base};
}

static adcl_workspace_params params_for(size_t max_rows, adcl_mode mode)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = max_rows;
    params.mode = mode;
    return params;
}

static const char prefix[] = "relu/b3_in10_h16_r4";
static const char *const slot_keys[ADCL_ADAPTER_SLOT_COUNT] = {
    "adapter_wrap_down.kernel", "adapter_wrap_down.bias", "adapter_wrap_up.kernel",
    "adapter_wrap_up.bias"};

static size_t element_count(const adcl_tensor *tensor)
{
    return adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
}

/* All from the golden data. The fixture must stay where it is: the layer points to b->base. */
static void fixture_create(fixture *b, adcl_mode mode)
{
    adcl_test_golden *golden = adcl_test_golden_open("training.safetensors");
    *b = (fixture){.ctx = adcl_test_context_create()};
    memcpy(b->base.kernel,
           adcl_test_golden_floats(golden, IN * D, "%s/in/p.base_layer.kernel", prefix),
           sizeof b->base.kernel);
    memcpy(b->base.bias, adcl_test_golden_floats(golden, D, "%s/in/p.base_layer.bias", prefix),
           sizeof b->base.bias);
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = D;
    params.bottleneck_size = R;
    b->adapter = adcl_test_adapter_create(b->ctx, &params);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        adcl_tensor *value = adcl_adapter_parameter(b->adapter, (adcl_adapter_slot)slot);
        size_t count = element_count(value);
        const float *numbers = adcl_test_golden_floats(golden, count, "%s/in/p.%s", prefix,
                                                       slot_keys[slot]);
        ADCL_TEST_OK(b->ctx, adcl_tensor_write(b->ctx, value, numbers, count * sizeof *numbers));
    }
    adcl_layer layer = layer_of(&b->base);
    adcl_workspace_params workspace = params_for(N, mode);
    ADCL_TEST_OK(b->ctx, adcl_adapter_wrap(&b->wrap, b->ctx, &layer, b->adapter, &workspace));
    b->x = adcl_test_tensor_create(b->ctx, N, IN,
                                   adcl_test_golden_floats(golden, N * IN, "%s/in/x", prefix));
    b->dy = adcl_test_tensor_create(b->ctx, N, D,
                                    adcl_test_golden_floats(golden, N * D, "%s/in/dy", prefix));
    b->y = adcl_test_tensor_create(b->ctx, N, D, NULL);
    b->dx = adcl_test_tensor_create(b->ctx, N, IN, NULL);
    adcl_test_golden_close(golden);
}

static void fixture_destroy(fixture *b)
{
    adcl_tensor_destroy(&b->x);
    adcl_tensor_destroy(&b->y);
    adcl_tensor_destroy(&b->dy);
    adcl_tensor_destroy(&b->dx);
    adcl_wrap_destroy(&b->wrap);
    adcl_adapter_destroy(&b->adapter);
    adcl_context_destroy(&b->ctx);
}

static void expect_golden(const fixture *b, adcl_test_golden *golden, const adcl_tensor *tensor,
                          const char *key)
{
    size_t count = element_count(tensor);
    float *got = adcl_test_tensor_read(b->ctx, tensor);
    const double *expected = adcl_test_golden_doubles(golden, count, "%s/f64/%s", prefix, key);
    cr_expect(adcl_test_close_floats(key, got, expected, count, 1e-5));
    free(got);
}

/* ---- passes ---------------------------------------------------------------------------------- */

Test(wrap, matches_golden_data_and_never_touches_the_base)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    dense before = b.base;
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    ADCL_TEST_OK(b.ctx, adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    adcl_test_golden *golden = adcl_test_golden_open("training.safetensors");
    expect_golden(&b, golden, b.y, "y");
    expect_golden(&b, golden, b.dx, "gx");
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        char key[64];
        snprintf(key, sizeof key, "g.%s", slot_keys[slot]);
        expect_golden(&b, golden, adcl_adapter_gradient(b.adapter, (adcl_adapter_slot)slot), key);
    }
    cr_expect_arr_eq(b.base.kernel, before.kernel, sizeof before.kernel);
    cr_expect_arr_eq(b.base.bias, before.bias, sizeof before.bias);
    cr_expect(b.base.forwards == 1 && b.base.backwards == 1);
    adcl_test_golden_close(golden);
    fixture_destroy(&b);
}

Test(wrap, asks_the_layer_for_dx_only_where_it_is_wanted)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    ADCL_TEST_OK(b.ctx, adcl_wrap_backward(b.ctx, b.wrap, b.dy, NULL));
    cr_expect_eq(b.base.backwards, 0);
    adcl_test_golden *golden = adcl_test_golden_open("training.safetensors");
    expect_golden(&b, golden, adcl_adapter_gradient(b.adapter, ADCL_DOWN_KERNEL),
                  "g.adapter_wrap_down.kernel");
    adcl_test_golden_close(golden);
    fixture_destroy(&b);
}

Test(wrap, allocates_and_builds_nothing_in_a_pass)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    adcl_counters before = adcl_context_counters(b.ctx);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    ADCL_TEST_OK(b.ctx, adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    adcl_counters now = adcl_context_counters(b.ctx);
    cr_expect_eq(now.buffer_allocations, before.buffer_allocations);
    cr_expect_eq(now.program_builds, before.program_builds);
    cr_expect_eq(now.host_waits - before.host_waits, 4); /* the layer's: two reads, two writes */
    cr_expect_eq(now.launches - before.launches, adcl_test_has_cpu_plan(b.ctx) ? 1 + 3 : 2 + 3);
    fixture_destroy(&b);
}

Test(wrap, keeps_the_memory_of_x_for_backward)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    adcl_tensor_destroy(&b.x);
    ADCL_TEST_OK(b.ctx, adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    adcl_test_golden *golden = adcl_test_golden_open("training.safetensors");
    expect_golden(&b, golden, b.dx, "gx");
    adcl_test_golden_close(golden);
    fixture_destroy(&b);
}

Test(wrap, of_no_rows_does_not_call_the_layer)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    adcl_tensor *x = adcl_test_tensor_create(b.ctx, 0, IN, NULL);
    adcl_tensor *y = adcl_test_tensor_create(b.ctx, 0, D, NULL);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, x, y));
    ADCL_TEST_OK(b.ctx, adcl_wrap_backward(b.ctx, b.wrap, y, x));
    cr_expect(b.base.forwards == 0 && b.base.backwards == 0);
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    fixture_destroy(&b);
}

/* ---- failures of the layer ------------------------------------------------------------------- */

Test(wrap, ends_the_pass_when_the_layer_fails)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    b.base.answer = ADCL_ERR_FILE;
    ADCL_TEST_FAILS(b.ctx, CALLBACK, "the layer's backward reported failure",
                    adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    cr_expect_eq(adcl_context_error(b.ctx)->native_code, ADCL_ERR_FILE);
    b.base.answer = (adcl_status)-77; /* anything but ADCL_OK */
    ADCL_TEST_FAILS(b.ctx, CALLBACK, "the layer's forward reported failure: unknown status (-77)",
                    adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    fixture_destroy(&b);
}

/* The layer may have overwritten what the forward before left: there is nothing to go back from. */
Test(wrap, has_no_backward_after_a_forward_that_failed)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    b.base.answer = ADCL_ERR_FILE;
    cr_expect_eq(adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y), ADCL_ERR_CALLBACK);
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "expected a forward",
                    adcl_wrap_backward(b.ctx, b.wrap, b.dy, NULL));
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "expected a forward",
                    adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    b.base.answer = ADCL_OK;
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    ADCL_TEST_OK(b.ctx, adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    fixture_destroy(&b);
}

Test(wrap, needs_the_layers_backward_only_for_dx)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    adcl_layer layer = layer_of(&b.base);
    layer.backward = NULL;
    adcl_workspace_params params = params_for(N, ADCL_TRAINING);
    adcl_wrap *wrap = NULL;
    ADCL_TEST_OK(b.ctx, adcl_adapter_wrap(&wrap, b.ctx, &layer, b.adapter, &params));
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, wrap, b.x, b.y));
    ADCL_TEST_OK(b.ctx, adcl_wrap_backward(b.ctx, wrap, b.dy, NULL));
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "dx is wanted, but the layer has no backward",
                    adcl_wrap_backward(b.ctx, wrap, b.dy, b.dx));
    adcl_wrap_destroy(&wrap);
    fixture_destroy(&b);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

Test(wrap, backward_comes_after_a_training_forward)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "expected a forward",
                    adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    fixture_destroy(&b);
    fixture_create(&b, ADCL_INFERENCE);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "expected a forward in training mode",
                    adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.dx));
    fixture_destroy(&b);
}

Test(wrap, shapes_must_fit)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    adcl_tensor *many = adcl_test_tensor_create(b.ctx, N + 1, IN, NULL);
    adcl_tensor *more = adcl_test_tensor_create(b.ctx, N + 1, D, NULL);
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "x: expected shape (3, 10), got (3, 16)",
                    adcl_wrap_forward(b.ctx, b.wrap, b.y, b.dy));
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "y: expected shape (3, 16), got (3, 10)",
                    adcl_wrap_forward(b.ctx, b.wrap, b.x, b.dx));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "at most 3 rows (max_rows), got 4",
                    adcl_wrap_forward(b.ctx, b.wrap, many, more));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "x: expected a tensor, got NULL",
                    adcl_wrap_forward(b.ctx, b.wrap, NULL, b.y));
    cr_expect_eq(b.base.forwards, 0);
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, b.wrap, b.x, b.y));
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "dx: expected shape (3, 10), got (3, 16)",
                    adcl_wrap_backward(b.ctx, b.wrap, b.dy, b.y));
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "dy: expected shape (3, 16), got (3, 10)",
                    adcl_wrap_backward(b.ctx, b.wrap, b.x, b.dx));
    cr_expect_eq(b.base.backwards, 0);
    adcl_tensor_destroy(&many);
    adcl_tensor_destroy(&more);
    fixture_destroy(&b);
}

static adcl_status square_forward(void *user, adcl_context *ctx, const adcl_tensor *x,
                                  adcl_tensor *y)
{
    (void)user;
    return adcl_tensor_copy(ctx, x, y);
}

Test(wrap, x_and_y_lie_apart)
{
    fixture b;
    fixture_create(&b, ADCL_INFERENCE);
    adcl_layer layer = {D, D, square_forward, NULL, NULL};
    adcl_workspace_params params = params_for(N, ADCL_INFERENCE);
    adcl_wrap *wrap = NULL;
    ADCL_TEST_OK(b.ctx, adcl_adapter_wrap(&wrap, b.ctx, &layer, b.adapter, &params));
    ADCL_TEST_OK(b.ctx, adcl_wrap_forward(b.ctx, wrap, b.dy, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "x and y overlap",
                    adcl_wrap_forward(b.ctx, wrap, b.y, b.y));
    adcl_wrap_destroy(&wrap);
    fixture_destroy(&b);
}

Test(wrap, the_layer_must_fit_the_adapter)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    adcl_workspace_params params = params_for(N, ADCL_TRAINING);
    adcl_wrap *wrap = NULL;
    adcl_layer layer = layer_of(&b.base);
    layer.output_size = D + 1;
    ADCL_TEST_FAILS(b.ctx, SHAPE_MISMATCH, "16 (hidden_size of adapter \"adapter\"), got 17",
                    adcl_adapter_wrap(&wrap, b.ctx, &layer, b.adapter, &params));
    layer = layer_of(&b.base);
    layer.input_size = 0;
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "input_size: expected at least 1, got 0",
                    adcl_adapter_wrap(&wrap, b.ctx, &layer, b.adapter, &params));
    layer = layer_of(&b.base);
    layer.forward = NULL;
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "a layer with a forward, got NULL",
                    adcl_adapter_wrap(&wrap, b.ctx, &layer, b.adapter, &params));
    layer = layer_of(&b.base);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "max_rows",
                    adcl_adapter_wrap(&wrap, b.ctx, &layer, b.adapter, NULL));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_adapter_wrap(&wrap, b.ctx, NULL, b.adapter, &params));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_adapter_wrap(&wrap, b.ctx, &layer, NULL, &params));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_adapter_wrap(NULL, b.ctx, &layer, b.adapter, &params));
    cr_expect_null(wrap);
    fixture_destroy(&b);
}

Test(wrap, copes_with_null_and_shows_its_workspace)
{
    fixture b;
    fixture_create(&b, ADCL_TRAINING);
    adcl_wrap *none = NULL;
    cr_expect_eq(adcl_workspace_max_rows(adcl_wrap_workspace(b.wrap)), N);
    cr_expect_null(adcl_wrap_workspace(NULL));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_wrap_forward(b.ctx, NULL, b.x, b.y));
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_wrap_backward(b.ctx, NULL, b.dy, b.dx));
    adcl_wrap_destroy(NULL);
    adcl_wrap_destroy(&none);
    fixture_destroy(&b);
}
