/* SPDX-License-Identifier: MIT */
#include "support/device.h"
#include "train/parameters.h"

#include <adapter_cl/profile.h>

#include <math.h>
#include <stdlib.h>

enum { D = 6, R = 3, C = 2 };
enum { ADAPTER_SIZE = 2 * D * R + R + D, LINEAR_SIZE = D * C + C };

static adcl_adapter *make_adapter(adcl_context *ctx, const char *name, int frozen)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    adcl_adapter *adapter = NULL;
    params.hidden_size = D;
    params.bottleneck_size = R;
    params.name = name;
    params.frozen = frozen;
    ADCL_TEST_OK(ctx, adcl_adapter_create(&adapter, ctx, &params));
    return adapter;
}

/* Engine reference: the layer is only a pair of parameters here. */
static adcl_linear *make_linear(adcl_context *ctx)
{
    adcl_linear_params params = ADCL_LINEAR_PARAMS_INIT;
    adcl_linear *linear = NULL;
    params.input_size = D;
    params.output_size = C;
    params.max_rows = 1;
    params.engine = ADCL_ENGINE_REFERENCE;
    ADCL_TEST_OK(ctx, adcl_linear_create(&linear, ctx, &params));
    return linear;
}

static adcl_parameters *make_set(adcl_context *ctx)
{
    adcl_parameters *set = NULL;
    ADCL_TEST_OK(ctx, adcl_parameters_create(&set, ctx));
    return set;
}

static void expect_names(const adcl_parameters *set, size_t count, const char *const *names)
{
    cr_assert_eq(adcl_parameters_count(set), count, "%zu", adcl_parameters_count(set));
    for (size_t i = 0; i < count; i++)
        cr_expect_str_eq(adcl_parameters_get(set, i)->name, names[i]);
}

Test(parameters, of_an_adapter_and_a_layer_have_their_names_and_tensors)
{
    static const char *const names[] = {"a_down.kernel", "a_up.kernel", "a_down.bias",
                                        "a_up.bias",     "head.kernel", "head.bias"};
    static const adcl_adapter_slot slots[] = {ADCL_DOWN_KERNEL, ADCL_UP_KERNEL, ADCL_DOWN_BIAS,
                                              ADCL_UP_BIAS};
    adcl_context *ctx = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_adapter *adapter = make_adapter(ctx, "a", 0);
    adcl_linear *linear = make_linear(ctx);
    cr_expect_eq(adcl_parameters_size(set), 0);
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, adapter, 1.0f));
    ADCL_TEST_OK(ctx, adcl_parameters_add_linear(ctx, set, linear, "head", 0.5f));
    expect_names(set, 6, names);
    cr_expect_eq(adcl_parameters_size(set), ADAPTER_SIZE + LINEAR_SIZE);
    for (size_t i = 0; i < 4; i++) {
        const adcl_parameter *p = adcl_parameters_get(set, i);
        cr_expect_eq(p->value, adcl_adapter_parameter(adapter, slots[i]));
        cr_expect_eq(p->gradient, adcl_adapter_gradient(adapter, slots[i]));
        cr_expect_eq(p->decays, i < 2, "kernels decay, biases do not");
        cr_expect_eq(p->learning_rate_scale, 1.0f);
    }
    const adcl_parameter *kernel = adcl_parameters_get(set, 4), *bias = adcl_parameters_get(set, 5);
    cr_expect_eq(kernel->value, adcl_linear_kernel(linear));
    cr_expect_eq(kernel->gradient, adcl_linear_kernel_gradient(linear));
    cr_expect_eq(bias->value, adcl_linear_bias(linear));
    cr_expect_eq(bias->gradient, adcl_linear_bias_gradient(linear));
    cr_expect(kernel->decays == 1 && bias->decays == 0);
    cr_expect_eq(bias->learning_rate_scale, 0.5f);
    cr_expect_null(adcl_parameters_get(set, 6));
    adcl_parameters_destroy(&set);
    adcl_adapter_destroy(&adapter);
    adcl_linear_destroy(&linear);
    adcl_context_destroy(&ctx);
}

Test(parameters, frozen_adapter_adds_none_but_keeps_its_name)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_adapter *frozen = make_adapter(ctx, "a", 1), *other = make_adapter(ctx, "a", 0);
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, frozen, 1.0f));
    cr_expect_eq(adcl_parameters_count(set), 0);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "an adapter \"a\" is in the set already",
                    adcl_parameters_add_adapter(ctx, set, other, 1.0f));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "\"a\"",
                    adcl_parameters_add_adapter(ctx, set, frozen, 1.0f));
    cr_expect_eq(adcl_parameters_count(set), 0);
    adcl_parameters_destroy(&set);
    adcl_adapter_destroy(&frozen);
    adcl_adapter_destroy(&other);
    adcl_context_destroy(&ctx);
}

Test(parameters, gradients_that_are_not_kept_are_not_trained)
{
    static const char *const names[] = {"a_up.kernel", "a_up.bias"};
    adcl_context *ctx = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    adcl_tensor *values[4], *gradients[4] = {NULL};
    static const size_t rows[] = {D, 1, R, 1}, cols[] = {R, R, D, D};
    for (int slot = 0; slot < 4; slot++) {
        values[slot] = adcl_test_tensor_create(ctx, rows[slot], cols[slot], NULL);
        if (slot >= ADCL_UP_KERNEL)
            gradients[slot] = adcl_test_tensor_create(ctx, rows[slot], cols[slot], NULL);
    }
    adcl_adapter *block = NULL;
    params.hidden_size = D;
    params.bottleneck_size = R;
    params.name = "a";
    ADCL_TEST_OK(ctx, adcl_adapter_block(&block, ctx, &params, values, gradients));
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, block, 1.0f));
    expect_names(set, 2, names);
    adcl_parameters_destroy(&set);
    adcl_adapter_destroy(&block);
    for (int slot = 0; slot < 4; slot++) {
        adcl_tensor_destroy(&values[slot]);
        adcl_tensor_destroy(&gradients[slot]);
    }
    adcl_context_destroy(&ctx);
}

Test(parameters, failed_add_changes_nothing)
{
    static const char *const names[] = {"a_up.bias", "head.bias"};
    adcl_context *ctx = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_adapter *adapter = make_adapter(ctx, "a", 0), *other = make_adapter(ctx, "b", 0);
    adcl_linear *linear = make_linear(ctx);
    adcl_tensor *value = adcl_test_tensor_create(ctx, 2, 2, NULL);
    adcl_tensor *gradient = adcl_test_tensor_create(ctx, 2, 2, NULL);
    adcl_tensor *halves[4];
    for (size_t i = 0; i < 4; i++)
        ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&halves[i], ctx, i < 2 ? value : gradient, i % 2,
                                                1));
    for (size_t i = 0; i < 2; i++) {
        const adcl_parameter plain = {names[i], halves[i], halves[2 + i], 0, 1.0f};
        ADCL_TEST_OK(ctx, adcl_parameters_add(ctx, set, &plain));
    }
    /* The last of the adapter's, then of the layer's parameters has a name that is taken. */
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "\"a_up.bias\" is in the set already",
                    adcl_parameters_add_adapter(ctx, set, adapter, 1.0f));
    expect_names(set, 2, names);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "\"head.bias\" is in the set already",
                    adcl_parameters_add_linear(ctx, set, linear, "head", 1.0f));
    expect_names(set, 2, names);
    cr_expect_eq(adcl_parameters_size(set), 4);
    /* Nor is the refused adapter's name taken. */
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, other, 1.0f));
    adcl_adapter *namesake = make_adapter(ctx, "a", 1);
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, namesake, 1.0f));
    cr_expect_eq(adcl_parameters_count(set), 6);
    adcl_parameters_destroy(&set);
    for (int i = 0; i < 4; i++) adcl_tensor_destroy(&halves[i]);
    adcl_adapter_destroy(&adapter);
    adcl_adapter_destroy(&other);
    adcl_adapter_destroy(&namesake);
    adcl_linear_destroy(&linear);
    adcl_tensor_destroy(&value);
    adcl_tensor_destroy(&gradient);
    adcl_context_destroy(&ctx);
}

Test(parameters, say_what_is_wrong_with_one)
{
    adcl_context *ctx = adcl_test_context_create(), *stranger = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_tensor *value = adcl_test_tensor_create(ctx, 4, 2, NULL), *part = NULL;
    adcl_tensor *gradient = adcl_test_tensor_create(ctx, 4, 2, NULL);
    adcl_tensor *other = adcl_test_tensor_create(ctx, 4, 2, NULL);
    adcl_tensor *transposed = adcl_test_tensor_create(ctx, 2, 4, NULL);
    adcl_tensor *empty = adcl_test_tensor_create(ctx, 0, 2, NULL);
    adcl_tensor *foreign = adcl_test_tensor_create(stranger, 4, 2, NULL);
    adcl_tensor *integers = adcl_test_indices_create(ctx, 1, (int32_t[]){0});
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&part, ctx, value, 0, 4));
    const struct {
        adcl_status status;
        const char *words;
        adcl_parameter parameter;
    } cases[] = {
        {ADCL_ERR_INVALID_ARGUMENT, "got NULL",
         {NULL, value, gradient, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "an empty one",
         {"", value, gradient, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "UTF-8, got other bytes",
         {"\xff", value, gradient, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "\"w\": value: expected a tensor",
         {"w", NULL, gradient, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "\"w\": gradient: expected a tensor",
         {"w", value, NULL, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "of another",
         {"w", foreign, gradient, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "expected F32 elements, got I32",
         {"w", integers, gradient, 0, 1.0f}},
        {ADCL_ERR_SHAPE_MISMATCH, "gradient: expected shape (4, 2), got (2, 4)",
         {"w", value, transposed, 0, 1.0f}},
        {ADCL_ERR_SHAPE_MISMATCH, "at least 1 row, got shape (0, 2)",
         {"w", empty, empty, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "at least 0, got -1",
         {"w", value, gradient, 0, -1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "got nan",
         {"w", value, gradient, 0, NAN}},
        {ADCL_ERR_INVALID_ARGUMENT, "got inf",
         {"w", value, gradient, 0, INFINITY}},
        {ADCL_ERR_INVALID_ARGUMENT, "value and gradient overlap",
         {"w", value, part, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "\"old\" is in the set already",
         {"old", value, gradient, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "\"w\" overlaps \"old\"",
         {"w", other, gradient, 0, 1.0f}},
        {ADCL_ERR_INVALID_ARGUMENT, "\"w\" overlaps \"old\"",
         {"w", gradient, other, 0, 1.0f}},
    };
    adcl_tensor *old_value = adcl_test_tensor_create(ctx, 4, 2, NULL);
    const adcl_parameter old = {"old", old_value, other, 0, 1.0f};
    ADCL_TEST_OK(ctx, adcl_parameters_add(ctx, set, &old));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        adcl_status status = adcl_parameters_add(ctx, set, &cases[i].parameter);
        const char *message = adcl_context_error(ctx)->message;
        cr_expect_eq(status, cases[i].status, "case %zu: %s", i, message);
        cr_expect_not_null(strstr(message, cases[i].words), "case %zu: %s", i, message);
    }
    cr_expect_eq(adcl_parameters_count(set), 1);
    cr_expect_eq(adcl_parameters_size(set), 8);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL", adcl_parameters_add(ctx, set, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL", adcl_parameters_add(ctx, NULL, &old));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL", adcl_parameters_add_adapter(ctx, set, NULL, 1));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL",
                    adcl_parameters_add_linear(ctx, set, NULL, "head", 1));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL", adcl_parameters_zero_grad(ctx, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL", adcl_parameters_create(NULL, ctx));
    cr_expect_eq(adcl_parameters_count(NULL), 0);
    cr_expect_eq(adcl_parameters_size(NULL), 0);
    cr_expect_null(adcl_parameters_get(NULL, 0));
    adcl_tensor *all[] = {value,   part,     gradient, other,    transposed,
                          empty,   foreign,  integers, old_value};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) adcl_tensor_destroy(&all[i]);
    adcl_parameters_destroy(&set);
    adcl_parameters_destroy(&set);
    adcl_parameters_destroy(NULL);
    adcl_context_destroy(&stranger);
    adcl_context_destroy(&ctx);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* The numbers of elements of the runs that a rule gives, as text: "45 14". */
static const char *runs_of(const adcl_parameters *set, adcl__run_rule rule)
{
    static char text[128];
    size_t length = 0;
    adcl__run run = {0};
    text[0] = '\0';
    while (adcl__run_next(set, rule, &run))
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%zu@%zu",
                                   length == 0 ? "" : " ", run.value.rows * run.value.cols,
                                   run.first);
    return text;
}

Test(parameters_runs, join_neighbours_that_are_treated_alike)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_adapter *a = make_adapter(ctx, "a", 0), *b = make_adapter(ctx, "b", 0);
    adcl_linear *linear = make_linear(ctx);
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, a, 1.0f));
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, b, 1.0f));
    ADCL_TEST_OK(ctx, adcl_parameters_add_linear(ctx, set, linear, "head", 2.0f));
    /* Adapters are 36 + 9 numbers, the layer 12 + 2. */
    const adcl__run_rule any = {0}, decay = {.equal_decay = true}, trained = {.skip_frozen = true};
    cr_expect_str_eq(runs_of(set, any), "45@0 45@45 14@90");
    cr_expect_str_eq(runs_of(set, decay), "36@0 9@36 36@45 9@81 12@90 2@102");
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, a, 1));
    cr_expect_str_eq(runs_of(set, any), "45@0 45@45 14@90");
    cr_expect_str_eq(runs_of(set, trained), "45@45 14@90");
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, b, 1));
    cr_expect_str_eq(runs_of(set, trained), "14@90");
    adcl_parameters_destroy(&set);
    adcl_adapter_destroy(&a);
    adcl_adapter_destroy(&b);
    adcl_linear_destroy(&linear);
    adcl_context_destroy(&ctx);
}

/* Part of two buffers, one of values and one of gradients. */
typedef struct part {
    size_t offset, rows, cols, stride;
    float scale;
    size_t gradient_offset; /* 0: as the values */
} part;

static void add_part(adcl_context *ctx, adcl_parameters *set, const part *p,
                     adcl_tensor *const buffers[2], adcl_tensor *tensors[2])
{
    char name[32];
    snprintf(name, sizeof name, "at %zu", p->offset);
    const size_t offsets[] = {p->offset, p->gradient_offset > 0 ? p->gradient_offset : p->offset};
    for (int i = 0; i < 2; i++)
        ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&tensors[i], ctx, ADCL_F32,
                                              adcl_tensor_cl_mem(buffers[i]), offsets[i], p->rows,
                                              p->cols, p->stride));
    const adcl_parameter parameter = {name, tensors[0], tensors[1], 1, p->scale};
    ADCL_TEST_OK(ctx, adcl_parameters_add(ctx, set, &parameter));
}

Test(parameters_runs, end_at_gaps_strides_and_other_learning_rates)
{
    enum { PARTS = 9 };
    adcl_context *ctx = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_tensor *buffers[] = {adcl_test_tensor_create(ctx, 1, 100, NULL),
                              adcl_test_tensor_create(ctx, 1, 100, NULL)};
    adcl_tensor *tensors[PARTS][2];
    static const part parts[PARTS] = {
        {0, 2, 3, 3, 1.0f, 0},  /* the next begins where it ends */
        {6, 1, 4, 9, 1.0f, 0},  /* one row is dense, whatever its stride */
        {11, 1, 2, 5, 1.0f, 0}, /* behind a gap of one */
        {13, 1, 1, 1, 1.0f, 0},
        {14, 3, 2, 4, 1.0f, 0}, /* has gaps inside: 14 15, 18 19, 22 23 */
        {24, 1, 5, 5, 1.0f, 0},
        {29, 2, 2, 2, 3.0f, 0},  /* another learning rate */
        {33, 1, 2, 2, 3.0f, 60}, /* gradients elsewhere */
        {40, 1, 1, 1, 3.0f, 0},
    };
    for (int i = 0; i < PARTS; i++) add_part(ctx, set, &parts[i], buffers, tensors[i]);
    const adcl__run_rule any = {0}, scale = {.equal_scale = true};
    cr_expect_str_eq(runs_of(set, any), "10@0 3@10 6@13 9@19 2@28 1@30");
    cr_expect_str_eq(runs_of(set, scale), "10@0 3@10 6@13 5@19 4@24 2@28 1@30");
    adcl__run run = {0};
    for (int i = 0; i < 3; i++) cr_assert(adcl__run_next(set, any, &run));
    cr_expect(run.value.rows == 3 && run.value.cols == 2 && run.value.row_stride == 4);
    cr_assert(adcl__run_next(set, any, &run));
    cr_expect(run.gradient.offset == 24 && run.gradient.rows == 1 && run.gradient.cols == 9);
    adcl_parameters_destroy(&set);
    for (int i = 0; i < PARTS; i++) {
        adcl_tensor_destroy(&tensors[i][0]);
        adcl_tensor_destroy(&tensors[i][1]);
    }
    adcl_tensor_destroy(&buffers[0]);
    adcl_tensor_destroy(&buffers[1]);
    adcl_context_destroy(&ctx);
}

Test(parameters, zero_grad_clears_every_gradient_with_one_launch_for_each_buffer)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_parameters *set = make_set(ctx);
    adcl_adapter *adapter = make_adapter(ctx, "a", 0);
    adcl_linear *linear = make_linear(ctx);
    float *numbers = adcl_test_numbers(1, 5 * 3);
    adcl_tensor *value = adcl_test_tensor_create(ctx, 5, 3, numbers);
    adcl_test_guarded strided = adcl_test_guarded_create(ctx, 5, 3, 7, 11, numbers);
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, set, adapter, 1.0f));
    ADCL_TEST_OK(ctx, adcl_parameters_add_linear(ctx, set, linear, "head", 2.0f));
    const adcl_parameter parameter = {"w", value, strided.tensor, 1, 1.0f};
    ADCL_TEST_OK(ctx, adcl_parameters_add(ctx, set, &parameter));
    for (size_t i = 0; i < adcl_parameters_count(set); i++)
        ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, adcl_parameters_get(set, i)->gradient, NAN));
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, adapter, 1)); /* zeroed though not trained */

    adcl_counters before = adcl_context_counters(ctx);
    ADCL_TEST_OK(ctx, adcl_parameters_zero_grad(ctx, set));
    adcl_counters after = adcl_context_counters(ctx);
    cr_expect_eq(after.launches - before.launches, 3, "adapter, layer, w");
    cr_expect_eq(after.host_waits, before.host_waits);
    for (size_t i = 0; i < adcl_parameters_count(set); i++) {
        const adcl_tensor *gradient = adcl_parameters_get(set, i)->gradient;
        size_t count = adcl_tensor_rows(gradient) * adcl_tensor_cols(gradient);
        float *got = adcl_test_tensor_read(ctx, gradient);
        for (size_t k = 0; k < count; k++) cr_expect_eq(got[k], 0.0f, "parameter %zu", i);
        free(got);
    }
    free(adcl_test_guarded_read(ctx, &strided));
    float *kept = adcl_test_tensor_read(ctx, value);
    cr_expect(adcl_test_same_bits("value", kept, numbers, 15 * sizeof *numbers));
    free(kept);
    free(numbers);
    adcl_parameters_destroy(&set);
    adcl_test_guarded_destroy(&strided);
    adcl_tensor_destroy(&value);
    adcl_adapter_destroy(&adapter);
    adcl_linear_destroy(&linear);
    adcl_context_destroy(&ctx);
}
