/* SPDX-License-Identifier: MIT */
#include "adapter/init.h"
#include "support/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static adcl_adapter_params params_of(size_t hidden_size, size_t bottleneck_size)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = hidden_size;
    params.bottleneck_size = bottleneck_size;
    return params;
}

static void expect_shape(const adcl_tensor *tensor, size_t rows, size_t cols)
{
    cr_expect_eq(adcl_tensor_rows(tensor), rows);
    cr_expect_eq(adcl_tensor_cols(tensor), cols);
}

/* ---- creating -------------------------------------------------------------------------------- */

Test(adapter_create, has_the_defaults_of_the_reference_software)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = params_of(768, 0);
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    cr_expect_str_eq(adcl_adapter_name(adapter), "adapter");
    cr_expect_eq(adcl_adapter_hidden_size(adapter), 768);
    cr_expect_eq(adcl_adapter_bottleneck_size(adapter), 64);
    cr_expect_eq(adcl_adapter_activation(adapter), ADCL_ACTIVATION_RELU);
    cr_expect_eq(adcl_adapter_scaling(adapter), 1.0f);
    cr_expect_eq(adcl_adapter_dropout(adapter), 0.0f);
    cr_expect_eq(adcl_adapter_is_parallel(adapter), 0);
    cr_expect_eq(adcl_adapter_is_frozen(adapter), 0);
    cr_expect_eq(adcl_adapter_output_size(adapter), 768);
    cr_expect_eq(adcl_adapter_parameter_count(adapter), 99136);
    expect_shape(adcl_adapter_parameter(adapter, ADCL_DOWN_KERNEL), 768, 64);
    expect_shape(adcl_adapter_parameter(adapter, ADCL_DOWN_BIAS), 1, 64);
    expect_shape(adcl_adapter_parameter(adapter, ADCL_UP_KERNEL), 64, 768);
    expect_shape(adcl_adapter_parameter(adapter, ADCL_UP_BIAS), 1, 768);
    adcl_adapter_destroy(&adapter);
    cr_expect_null(adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter_create, takes_every_option)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = params_of(5, 7);
    params.activation = ADCL_ACTIVATION_LOG_SUMEXP;
    params.name = "übung/1";
    params.scaling = -0.5f;
    params.dropout = 0.25f;
    params.parallel = 1;
    params.frozen = 1;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    cr_expect_str_eq(adcl_adapter_name(adapter), "übung/1");
    cr_expect_eq(adcl_adapter_activation(adapter), ADCL_ACTIVATION_LOG_SUMEXP);
    cr_expect_eq(adcl_adapter_scaling(adapter), -0.5f);
    cr_expect_eq(adcl_adapter_dropout(adapter), 0.25f);
    cr_expect_eq(adcl_adapter_is_parallel(adapter), 1);
    cr_expect_eq(adcl_adapter_is_frozen(adapter), 1);
    expect_shape(adcl_adapter_parameter(adapter, ADCL_UP_KERNEL), 1, 5); /* h has one column */
    cr_expect_eq(adcl_adapter_parameter_count(adapter), 5 * 7 + 7 + 5 + 5);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        cr_expect_null(adcl_adapter_gradient(adapter, (adcl_adapter_slot)slot));
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

/* The initialiser itself is tested in test_init.c. */
Test(adapter_create, uploads_the_bits_of_the_initialiser_and_zero_gradients)
{
    enum { D = 19, R = 6 };
    adcl_context *ctx = adcl_test_context_create();
    for (int i = 0; i <= ADCL_INIT_MAM; i++) {
        adcl_adapter_params params = params_of(D, R);
        params.init = (adcl_init)i;
        params.seed = 0xFEDCBA9876543210u;
        adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
        for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
            adcl_adapter_slot slot = (adcl_adapter_slot)s;
            float expected[D * R], zeros[D * R] = {0};
            adcl_tensor *tensor = adcl_adapter_parameter(adapter, slot);
            size_t count = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
            adcl__init_fill(params.init, params.seed, slot, D, R, expected, count);
            float *got = adcl_test_tensor_read(ctx, tensor);
            float *gradient = adcl_test_tensor_read(ctx, adcl_adapter_gradient(adapter, slot));
            cr_expect(adcl_test_same_bits(adcl_adapter_slot_name(slot), got, expected,
                                          count * sizeof *got));
            cr_expect(adcl_test_same_bits("gradient", gradient, zeros, count * sizeof *got));
            free(got);
            free(gradient);
        }
        adcl_adapter_destroy(&adapter);
    }
    adcl_context_destroy(&ctx);
}

Test(adapter_create, params_must_make_sense)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter *adapter = NULL;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "hidden_size: expected at least 1, got 0",
                    adcl_adapter_create(&adapter, ctx, NULL));
    adcl_adapter_params params = params_of(0, 4);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "hidden_size: expected at least 1, got 0",
                    adcl_adapter_create(&adapter, ctx, &params));
    params = params_of(4, 4);
    params.struct_size = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "adcl_adapter_params: expected struct_size",
                    adcl_adapter_create(&adapter, ctx, &params));
    params = params_of(4, 4);
    params.activation = (adcl_activation)24;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "below 24, got 24",
                    adcl_adapter_create(&adapter, ctx, &params));
    params = params_of(4, 4);
    params.init = (adcl_init)-1;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "init: expected a value of adcl_init, got -1",
                    adcl_adapter_create(&adapter, ctx, &params));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_adapter_create(NULL, ctx, &params));
    cr_expect_eq(adcl_adapter_create(&adapter, NULL, &params), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_null(adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter_create, scaling_must_be_finite_and_dropout_a_probability_below_1)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter *adapter = NULL;
    const float scalings[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        adcl_adapter_params params = params_of(4, 4);
        params.scaling = scalings[i];
        ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "scaling: expected a finite number",
                        adcl_adapter_create(&adapter, ctx, &params));
    }
    const float dropouts[] = {NAN, 1.0f, -0.125f, INFINITY};
    for (int i = 0; i < 4; i++) {
        adcl_adapter_params params = params_of(4, 4);
        params.dropout = dropouts[i];
        ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "dropout: expected a probability in [0, 1)",
                        adcl_adapter_create(&adapter, ctx, &params));
    }
    cr_expect_null(adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter_create, sizes_whose_product_overflows_are_refused)
{
    static const size_t sizes[][2] = {{SIZE_MAX, 2}, {2, SIZE_MAX}, {(size_t)1 << 31, 1},
                                      {1, (size_t)1 << 31}, {SIZE_MAX / 2, 2}, {65536, 65536}};
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter *adapter = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        adcl_adapter_params params = params_of(sizes[i][0], sizes[i][1]);
        ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "too large",
                        adcl_adapter_create(&adapter, ctx, &params));
    }
    cr_expect_null(adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter_create, names_are_1_to_127_bytes_of_text)
{
    adcl_context *ctx = adcl_test_context_create();
    char longest[129];
    memset(longest, 'n', sizeof longest);
    longest[128] = '\0';
    const char *bad[] = {"", longest, "tab\t", "line\n", "\x7F", "\xFF", "\xC3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        adcl_adapter *adapter = NULL;
        adcl_adapter_params params = params_of(4, 4);
        params.name = bad[i];
        ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "expected 1 to 127 bytes of UTF-8",
                        adcl_adapter_create(&adapter, ctx, &params));
    }
    longest[127] = '\0';
    adcl_adapter_params params = params_of(4, 4);
    params.name = longest;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    longest[0] = 'x'; /* the name was copied */
    cr_expect_eq(adcl_adapter_name(adapter)[0], 'n');
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

/* ---- asking ---------------------------------------------------------------------------------- */

Test(adapter, parameters_can_be_read_and_written)
{
    const float bias[3] = {1.5f, -2.0f, 3.0f};
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = params_of(3, 2);
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    adcl_tensor *tensor = adcl_adapter_parameter(adapter, ADCL_UP_BIAS);
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, tensor, bias, sizeof bias));
    float *seen = adcl_test_tensor_read(ctx, adcl_adapter_parameter(adapter, ADCL_UP_BIAS));
    cr_expect_arr_eq(seen, bias, sizeof bias);
    free(seen);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter, zero_grad_clears_all_gradients)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = params_of(5, 3);
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
        adcl_tensor *gradient = adcl_adapter_gradient(adapter, (adcl_adapter_slot)s);
        ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, gradient, NAN));
    }
    ADCL_TEST_OK(ctx, adcl_adapter_zero_grad(ctx, adapter));
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
        adcl_tensor *gradient = adcl_adapter_gradient(adapter, (adcl_adapter_slot)s);
        float *seen = adcl_test_tensor_read(ctx, gradient);
        for (size_t i = 0; i < adcl_tensor_rows(gradient) * adcl_tensor_cols(gradient); i++)
            cr_expect_eq(seen[i], 0.0f);
        free(seen);
    }
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter, copes_with_null)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter *none = NULL;
    cr_expect_str_eq(adcl_adapter_name(NULL), "");
    cr_expect_eq(adcl_adapter_hidden_size(NULL), 0);
    cr_expect_eq(adcl_adapter_bottleneck_size(NULL), 0);
    cr_expect_eq(adcl_adapter_activation(NULL), ADCL_ACTIVATION_RELU);
    cr_expect_eq(adcl_adapter_scaling(NULL), 1.0f);
    cr_expect_eq(adcl_adapter_dropout(NULL), 0.0f);
    cr_expect_eq(adcl_adapter_is_parallel(NULL), 0);
    cr_expect_eq(adcl_adapter_is_frozen(NULL), 0);
    cr_expect_eq(adcl_adapter_output_size(NULL), 0);
    cr_expect_eq(adcl_adapter_parameter_count(NULL), 0);
    cr_expect_null(adcl_adapter_parameter(NULL, ADCL_UP_BIAS));
    cr_expect_null(adcl_adapter_gradient(NULL, ADCL_UP_BIAS));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_adapter_freeze(ctx, NULL, 1));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_adapter_zero_grad(ctx, NULL));
    adcl_adapter_destroy(NULL);
    adcl_adapter_destroy(&none);
    adcl_context_destroy(&ctx);
}

Test(adapter, slots_have_names_and_there_are_four)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = params_of(5, 3);
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    cr_expect_str_eq(adcl_adapter_slot_name(ADCL_DOWN_KERNEL), "down.kernel");
    cr_expect_str_eq(adcl_adapter_slot_name(ADCL_DOWN_BIAS), "down.bias");
    cr_expect_str_eq(adcl_adapter_slot_name(ADCL_UP_KERNEL), "up.kernel");
    cr_expect_str_eq(adcl_adapter_slot_name(ADCL_UP_BIAS), "up.bias");
    cr_expect_str_eq(adcl_adapter_slot_name((adcl_adapter_slot)4), "?");
    cr_expect_null(adcl_adapter_parameter(adapter, (adcl_adapter_slot)4));
    cr_expect_null(adcl_adapter_gradient(adapter, (adcl_adapter_slot)-1));
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

/* ---- freezing -------------------------------------------------------------------------------- */

Test(adapter_freeze, keeps_gradients_that_are_there_and_makes_them_when_there_are_none)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = params_of(5, 3);
    params.frozen = 1;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    ADCL_TEST_OK(ctx, adcl_adapter_zero_grad(ctx, adapter)); /* there are none: nothing to do */
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, adapter, 0));
    cr_expect_eq(adcl_adapter_is_frozen(adapter), 0);
    adcl_tensor *gradient = adcl_adapter_gradient(adapter, ADCL_DOWN_KERNEL);
    expect_shape(gradient, 5, 3);
    float *seen = adcl_test_tensor_read(ctx, gradient);
    for (int i = 0; i < 15; i++) cr_expect_eq(seen[i], 0.0f);
    free(seen);
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, adapter, 1));
    cr_expect_eq(adcl_adapter_is_frozen(adapter), 1);
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, adapter, 0));
    cr_expect_eq(adcl_adapter_gradient(adapter, ADCL_DOWN_KERNEL), gradient);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter_freeze, refuses_an_adapter_of_another_context)
{
    adcl_context *ctx = adcl_test_context_create(), *other = adcl_test_context_create();
    adcl_adapter_params params = params_of(5, 3);
    params.frozen = 1;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    ADCL_TEST_FAILS(other, INVALID_ARGUMENT, "of another", adcl_adapter_freeze(other, adapter, 0));
    cr_expect_eq(adcl_adapter_is_frozen(adapter), 1);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
    adcl_context_destroy(&other);
}

/* ---- the caller's parameters ----------------------------------------------------------------- */

enum { BLOCK_D = 5, BLOCK_R = 3 };

static const size_t block_shapes[ADCL_ADAPTER_SLOT_COUNT][2] = {
    {BLOCK_D, BLOCK_R}, {1, BLOCK_R}, {BLOCK_R, BLOCK_D}, {1, BLOCK_D}};

/* Four tensors of the shapes above, full of zeros. */
static void create_block(adcl_context *ctx, adcl_tensor *tensors[ADCL_ADAPTER_SLOT_COUNT])
{
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++)
        tensors[s] = adcl_test_tensor_create(ctx, block_shapes[s][0], block_shapes[s][1], NULL);
}

static void destroy_block(adcl_tensor *tensors[ADCL_ADAPTER_SLOT_COUNT])
{
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) adcl_tensor_destroy(&tensors[s]);
}

Test(adapter_block, works_on_the_callers_tensors_and_never_initialises_them)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT], *gradients[ADCL_ADAPTER_SLOT_COUNT];
    create_block(ctx, values);
    create_block(ctx, gradients);
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, values[ADCL_UP_KERNEL], 2.0f));
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, gradients[ADCL_UP_KERNEL], 3.0f));
    adcl_adapter_params params = params_of(BLOCK_D, BLOCK_R);
    params.init = ADCL_INIT_BERT;
    adcl_adapter *adapter = NULL;
    ADCL_TEST_OK(ctx, adcl_adapter_block(&adapter, ctx, &params, values, gradients));
    adcl_tensor *value = adcl_adapter_parameter(adapter, ADCL_UP_KERNEL);
    adcl_tensor *gradient = adcl_adapter_gradient(adapter, ADCL_UP_KERNEL);
    cr_expect_eq(adcl_tensor_cl_mem(value), adcl_tensor_cl_mem(values[ADCL_UP_KERNEL]));
    cr_expect_eq(adcl_tensor_cl_mem(gradient), adcl_tensor_cl_mem(gradients[ADCL_UP_KERNEL]));
    destroy_block(values);
    destroy_block(gradients); /* the block keeps what it needs */
    float *seen = adcl_test_tensor_read(ctx, value);
    for (int i = 0; i < BLOCK_D * BLOCK_R; i++) cr_expect_eq(seen[i], 2.0f);
    free(seen);
    seen = adcl_test_tensor_read(ctx, gradient);
    for (int i = 0; i < BLOCK_D * BLOCK_R; i++) cr_expect_eq(seen[i], 3.0f);
    free(seen);
    ADCL_TEST_OK(ctx, adcl_adapter_zero_grad(ctx, adapter));
    seen = adcl_test_tensor_read(ctx, gradient);
    for (int i = 0; i < BLOCK_D * BLOCK_R; i++) cr_expect_eq(seen[i], 0.0f);
    free(seen);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

Test(adapter_block, without_gradients_is_frozen_and_stays_so)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT];
    create_block(ctx, values);
    adcl_adapter_params params = params_of(BLOCK_D, BLOCK_R);
    adcl_adapter *adapter = NULL;
    ADCL_TEST_OK(ctx, adcl_adapter_block(&adapter, ctx, &params, values, NULL));
    cr_expect_eq(adcl_adapter_is_frozen(adapter), 1);
    ADCL_TEST_FAILS(ctx, INVALID_STATE, "a block made without gradients stays frozen",
                    adcl_adapter_freeze(ctx, adapter, 0));
    cr_expect_eq(adcl_adapter_is_frozen(adapter), 1);
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, adapter, 1));
    adcl_adapter_destroy(&adapter);
    destroy_block(values);
    adcl_context_destroy(&ctx);
}

/* Tries a block in which one tensor was exchanged. */
static adcl_status try_block(adcl_context *ctx, adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT],
                             adcl_tensor *gradients[ADCL_ADAPTER_SLOT_COUNT], bool of_gradients,
                             int slot, adcl_tensor *other)
{
    adcl_tensor **place = of_gradients ? &gradients[slot] : &values[slot], *kept = *place;
    adcl_adapter_params params = params_of(BLOCK_D, BLOCK_R);
    adcl_adapter *adapter = NULL;
    *place = other;
    adcl_status status = adcl_adapter_block(&adapter, ctx, &params, values, gradients);
    *place = kept;
    cr_expect_eq(adapter == NULL, status != ADCL_OK);
    adcl_adapter_destroy(&adapter);
    return status;
}

Test(adapter_block, tensors_must_have_the_right_shapes_and_lie_apart)
{
    adcl_context *ctx = adcl_test_context_create(), *stranger = adcl_test_context_create();
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT], *gradients[ADCL_ADAPTER_SLOT_COUNT];
    create_block(ctx, values);
    create_block(ctx, gradients);
    adcl_tensor *wrong = adcl_test_tensor_create(ctx, BLOCK_D + 1, 1, NULL);
    adcl_tensor *foreign = adcl_test_tensor_create(stranger, 1, BLOCK_D, NULL);
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
        char words[96];
        snprintf(words, sizeof words, "value of %s: expected shape (%zu, %zu), got (6, 1)",
                 adcl_adapter_slot_name((adcl_adapter_slot)s), block_shapes[s][0],
                 block_shapes[s][1]);
        ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, words,
                        try_block(ctx, values, gradients, false, s, wrong));
        ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "expected a tensor, got NULL",
                        try_block(ctx, values, gradients, false, s, NULL));
        ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "gradient of",
                        try_block(ctx, values, gradients, true, s, wrong));
        ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "overlaps another tensor of the block",
                        try_block(ctx, values, gradients, true, s, values[s]));
        cr_expect_eq(try_block(ctx, values, gradients, true, s, NULL), ADCL_OK);
    }
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "of another",
                    try_block(ctx, values, gradients, false, ADCL_UP_BIAS, foreign));
    adcl_adapter *adapter = NULL;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_adapter_block(&adapter, ctx, NULL, NULL, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "hidden_size",
                    adcl_adapter_block(&adapter, ctx, NULL, values, gradients));
    cr_expect_null(adapter);
    adcl_tensor_destroy(&wrong);
    adcl_tensor_destroy(&foreign);
    destroy_block(values);
    destroy_block(gradients);
    adcl_context_destroy(&ctx);
    adcl_context_destroy(&stranger);
}

/* Two gradients in one place would be added to twice. */
Test(adapter_block, gradients_must_lie_apart_from_each_other)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT], *gradients[ADCL_ADAPTER_SLOT_COUNT];
    create_block(ctx, values);
    create_block(ctx, gradients);
    adcl_tensor *same = NULL; /* (1, R) in the down kernel's gradient */
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&same, ctx, gradients[ADCL_DOWN_KERNEL], 2, 1));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "overlaps another tensor of the block",
                    try_block(ctx, values, gradients, true, ADCL_DOWN_BIAS, same));
    adcl_tensor_destroy(&same);
    destroy_block(values);
    destroy_block(gradients);
    adcl_context_destroy(&ctx);
}
