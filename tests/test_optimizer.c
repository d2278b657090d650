/* SPDX-License-Identifier: MIT */
#include "reference/reference.h"
#include "support/compare.h"
#include "support/device.h"

#include <adapter_cl/optimizer.h>
#include <adapter_cl/profile.h>

#include <math.h>
#include <stdlib.h>

/* ---- a set of parameters, on the device and in double ---------------------------------------- */

enum { ARRAYS = 5 };

/* Odd sizes; each lies in a buffer of its own, with gaps between its rows. */
static const struct {
    const char *name;
    size_t rows, cols;
    int decays;
    float scale;
} arrays[ARRAYS] = {{"kernel", 33, 7, 1, 1.0f},
                    {"bias", 1, 7, 0, 1.0f},
                    {"long", 1, 1003, 1, 2.0f},
                    {"one", 1, 1, 0, 0.5f},
                    {"column", 65, 1, 1, 1.0f}};

typedef struct trained_set {
    adcl_parameters *set;
    adcl_test_guarded values[ARRAYS], gradients[ARRAYS];
    double *expected[ARRAYS]; /* values by the reference */
    double *first[ARRAYS], *second[ARRAYS];
} trained_set;

static size_t count_of(size_t array)
{
    return arrays[array].rows * arrays[array].cols;
}

static trained_set make_trained_set(adcl_context *ctx)
{
    trained_set t;
    ADCL_TEST_OK(ctx, adcl_parameters_create(&t.set, ctx));
    for (size_t i = 0; i < ARRAYS; i++) {
        size_t rows = arrays[i].rows, cols = arrays[i].cols;
        float *numbers = adcl_test_numbers(i, count_of(i));
        t.values[i] = adcl_test_guarded_draw(ctx, i, rows, cols, numbers);
        t.gradients[i] = adcl_test_guarded_draw(ctx, i + ARRAYS, rows, cols, NULL);
        t.expected[i] = adcl_test_doubles(numbers, count_of(i));
        t.first[i] = calloc(count_of(i), sizeof(double));
        t.second[i] = calloc(count_of(i), sizeof(double));
        const adcl_parameter parameter = {arrays[i].name, t.values[i].tensor,
                                          t.gradients[i].tensor, arrays[i].decays,
                                          arrays[i].scale};
        ADCL_TEST_OK(ctx, adcl_parameters_add(ctx, t.set, &parameter));
        free(numbers);
    }
    return t;
}

static void destroy_trained_set(trained_set *t)
{
    adcl_parameters_destroy(&t->set);
    for (size_t i = 0; i < ARRAYS; i++) {
        adcl_test_guarded_destroy(&t->values[i]);
        adcl_test_guarded_destroy(&t->gradients[i]);
        free(t->expected[i]);
        free(t->first[i]);
        free(t->second[i]);
    }
}

/* Gradients of one step: the same for the same seed. */
static float *draw_gradient(size_t array, uint64_t seed, float factor)
{
    float *numbers = adcl_test_numbers(1000 * seed + array, count_of(array));
    for (size_t k = 0; k < count_of(array); k++) numbers[k] *= factor;
    return numbers;
}

static void write_gradients(adcl_context *ctx, trained_set *t, uint64_t seed, float factor)
{
    for (size_t i = 0; i < ARRAYS; i++) {
        float *numbers = draw_gradient(i, seed, factor);
        ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, t->gradients[i].tensor, numbers,
                                            count_of(i) * sizeof *numbers));
        free(numbers);
    }
}

/* The norm of the gradients of one step, in double. */
static double norm_of(uint64_t seed, float factor)
{
    double sum = 0.0;
    for (size_t i = 0; i < ARRAYS; i++) {
        float *numbers = draw_gradient(i, seed, factor);
        double *doubles = adcl_test_doubles(numbers, count_of(i));
        sum += adcl__reference_square_sum(count_of(i), doubles);
        free(doubles);
        free(numbers);
    }
    return sqrt(sum);
}

static void step_by_reference(trained_set *t, adcl__reference_optimizer optimizer, uint64_t seed,
                              double clip_norm)
{
    double learning_rate = optimizer.learning_rate, decay = optimizer.weight_decay;
    optimizer.clip_factor = adcl__reference_clip_factor(norm_of(seed, 1.0f), clip_norm);
    for (size_t i = 0; i < ARRAYS; i++) {
        float *numbers = draw_gradient(i, seed, 1.0f);
        double *gradient = adcl_test_doubles(numbers, count_of(i));
        optimizer.learning_rate = learning_rate * (double)arrays[i].scale;
        optimizer.weight_decay = arrays[i].decays ? decay : 0.0;
        adcl__reference_optimizer_step(&optimizer, count_of(i), gradient, t->expected[i],
                                       t->first[i], t->second[i]);
        free(gradient);
        free(numbers);
    }
}

static adcl_optimizer *make_optimizer(adcl_context *ctx, adcl_parameters *set,
                                      const adcl_optimizer_params *params)
{
    adcl_optimizer *optimizer = NULL;
    ADCL_TEST_OK(ctx, adcl_optimizer_create(&optimizer, ctx, set, params));
    return optimizer;
}

/* ---- against the reference ------------------------------------------------------------------- */

/* Five steps of a learning rate of 0.02 with changing gradients: values, state and norm. Each step
 * rounds a value near 1 a few times, with 6e-8 each. */
static void check_steps(const char *label, const adcl_optimizer_params *params)
{
    const double tolerance = 5e-7;
    adcl_context *ctx = adcl_test_context_create();
    trained_set t = make_trained_set(ctx);
    adcl_optimizer *optimizer = make_optimizer(ctx, t.set, params);
    adcl__reference_optimizer reference = {
        .kind = params->kind,
        .learning_rate = 0.02,
        .momentum = (double)params->momentum,
        .beta1 = params->beta1 != 0.0f ? (double)params->beta1 : 0.9,
        .beta2 = params->beta2 != 0.0f ? (double)params->beta2 : 0.999,
        .epsilon = params->epsilon != 0.0f ? (double)params->epsilon : 1e-8,
        .epsilon_root = (double)params->epsilon_root,
        .bias_correction = !params->no_bias_correction,
        .weight_decay = (double)params->weight_decay,
    };
    for (reference.step = 1; reference.step <= 5; reference.step++) {
        write_gradients(ctx, &t, reference.step, 1.0f);
        step_by_reference(&t, reference, reference.step, (double)params->clip_norm);
        ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.02));
    }
    cr_expect_eq(adcl_optimizer_step_count(optimizer), 5);
    for (size_t i = 0; i < ARRAYS; i++) {
        float *got = adcl_test_guarded_read(ctx, &t.values[i]);
        cr_expect(adcl_test_close_floats(adcl_test_label("%s: %s", label, arrays[i].name), got,
                                         t.expected[i], count_of(i), tolerance));
        free(got);
        free(adcl_test_guarded_read(ctx, &t.gradients[i]));
    }
    size_t rows = adcl_optimizer_state_count(optimizer) / ARRAYS;
    for (size_t i = 0; i < rows * ARRAYS; i++) {
        adcl_named_tensor state = adcl_optimizer_state(optimizer, i);
        const double *expected = i % rows == 0 ? t.first[i / rows] : t.second[i / rows];
        cr_expect(adcl_test_tensor_close(ctx, adcl_test_label("%s: %s", label, state.name),
                                         state.tensor, expected, tolerance));
    }
    const adcl_tensor *norm = adcl_optimizer_gradient_norm(optimizer);
    const double expected_norm = norm_of(5, 1.0f);
    cr_expect_eq(norm != NULL, params->clip_norm > 0.0f || params->record_norm);
    if (norm != NULL)
        cr_expect(adcl_test_tensor_close(ctx, label, norm, &expected_norm, tolerance));
    adcl_optimizer_destroy(&optimizer);
    destroy_trained_set(&t);
    adcl_context_destroy(&ctx);
}

#define SGD .struct_size = sizeof(adcl_optimizer_params), .kind = ADCL_SGD
#define ADAM .struct_size = sizeof(adcl_optimizer_params), .kind = ADCL_ADAM
#define ADAMW .struct_size = sizeof(adcl_optimizer_params), .kind = ADCL_ADAMW

Test(optimizer, sgd_agrees_with_the_reference)
{
    check_steps("plain", &(adcl_optimizer_params){SGD});
    check_steps("momentum", &(adcl_optimizer_params){SGD, .momentum = 0.9f});
    check_steps("decay", &(adcl_optimizer_params){SGD, .weight_decay = 0.1f});
    /* The norm of about 1300 normal numbers is 36. */
    check_steps("clip", &(adcl_optimizer_params){SGD, .clip_norm = 2.0f});
    check_steps("no clip", &(adcl_optimizer_params){SGD, .clip_norm = 50.0f});
    check_steps("all", &(adcl_optimizer_params){
                           SGD, .momentum = 0.5f, .weight_decay = 0.1f, .clip_norm = 2.0f});
}

Test(optimizer, adam_agrees_with_the_reference)
{
    check_steps("plain", &(adcl_optimizer_params){ADAM});
    check_steps("betas", &(adcl_optimizer_params){ADAM, .beta1 = 0.5f, .beta2 = 0.9f});
    check_steps("epsilons", &(adcl_optimizer_params){
                                ADAM, .epsilon = 1e-2f, .epsilon_root = 1e-3f});
    check_steps("decay, norm", &(adcl_optimizer_params){
                                   ADAM, .weight_decay = 0.1f, .record_norm = 1});
    check_steps("original BERT", &(adcl_optimizer_params){
                                     ADAM, .epsilon = 1e-6f, .no_bias_correction = 1});
    check_steps("clip", &(adcl_optimizer_params){ADAM, .epsilon = 0.1f, .clip_norm = 2.0f});
}

Test(optimizer, adamw_agrees_with_the_reference)
{
    check_steps("plain", &(adcl_optimizer_params){ADAMW});
    check_steps("decay", &(adcl_optimizer_params){ADAMW, .weight_decay = 0.1f});
    check_steps("all", &(adcl_optimizer_params){
                           ADAMW, .weight_decay = 0.1f, .epsilon = 0.1f, .clip_norm = 2.0f});
}

/* ---- clipping -------------------------------------------------------------------------------- */

/* The norm of one step, and one value after it, with gradients multiplied by `factor`. */
static void check_norm(adcl_context *ctx, float factor)
{
    trained_set t = make_trained_set(ctx);
    const adcl_optimizer_params params = {SGD, .clip_norm = 1.0f};
    adcl_optimizer *optimizer = make_optimizer(ctx, t.set, &params);
    write_gradients(ctx, &t, 1, factor);
    ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 1.0));
    double norm = norm_of(1, factor), got_norm;
    float number;
    ADCL_TEST_OK(ctx, adcl_tensor_read(ctx, adcl_optimizer_gradient_norm(optimizer), &number,
                                       sizeof number));
    got_norm = (double)number / norm;
    /* A sum of 1300 squares: errors of 6e-8 that add up like a random walk, halved by the root. */
    cr_expect_lt(fabs(got_norm - 1.0), 1e-6, "norm %g, expected %g", (double)number, norm);
    float *gradient = draw_gradient(0, 1, factor);
    float *got = adcl_test_guarded_read(ctx, &t.values[0]);
    double scale = norm > 1.0 ? norm : 1.0;
    for (size_t k = 0; k < count_of(0); k++) t.expected[0][k] -= (double)gradient[k] / scale;
    cr_expect(adcl_test_close_floats(adcl_test_label("gradients × %g", (double)factor), got,
                                     t.expected[0], count_of(0), 1e-6));
    free(got);
    free(gradient);
    adcl_optimizer_destroy(&optimizer);
    destroy_trained_set(&t);
}

Test(optimizer, norm_neither_overflows_nor_vanishes)
{
    static const float factors[] = {1.0f, 1e-3f, 1e18f, 1e30f, 1e-25f, 1e-32f};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) check_norm(ctx, factors[i]);
    adcl_context_destroy(&ctx);
}

Test(optimizer, norm_sees_one_large_gradient_among_zeros)
{
    adcl_context *ctx = adcl_test_context_create();
    trained_set t = make_trained_set(ctx);
    const adcl_optimizer_params params = {SGD, .clip_norm = 1.0f};
    adcl_optimizer *optimizer = make_optimizer(ctx, t.set, &params);
    const float four = 4e30f;
    const double norm = 5e30;
    float last[1003] = {0}; /* the array called "long" */
    last[1002] = 3e30f;
    ADCL_TEST_OK(ctx, adcl_parameters_zero_grad(ctx, t.set));
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, t.gradients[2].tensor, last, sizeof last));
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, t.gradients[3].tensor, &four, sizeof four));
    ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 1.0));
    cr_expect(adcl_test_tensor_close(ctx, "norm", adcl_optimizer_gradient_norm(optimizer), &norm,
                                     3e-7));
    t.expected[2][1002] -= 2.0 * 0.6; /* learning_rate_scale 2 */
    cr_expect(adcl_test_tensor_close(ctx, "long", t.values[2].tensor, t.expected[2], 3e-7));
    adcl_optimizer_destroy(&optimizer);
    destroy_trained_set(&t);
    adcl_context_destroy(&ctx);
}

Test(optimizer, gradient_that_is_not_finite_makes_every_clipped_update_nan)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
        trained_set t = make_trained_set(ctx);
        const adcl_optimizer_params params = {ADAM, .clip_norm = 1.0f};
        adcl_optimizer *optimizer = make_optimizer(ctx, t.set, &params);
        write_gradients(ctx, &t, 1, 1.0f);
        ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, t.gradients[3].tensor, &bad[b], sizeof bad[b]));
        ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.01));
        for (size_t i = 0; i < ARRAYS; i++) {
            float *got = adcl_test_guarded_read(ctx, &t.values[i]);
            for (size_t k = 0; k < count_of(i); k++) cr_expect(isnan(got[k]));
            free(got);
        }
        adcl_optimizer_destroy(&optimizer);
        destroy_trained_set(&t);
    }
    adcl_context_destroy(&ctx);
}

Test(optimizer, norm_of_zero_gradients_is_zero_and_moves_nothing)
{
    adcl_context *ctx = adcl_test_context_create();
    trained_set t = make_trained_set(ctx);
    const adcl_optimizer_params params = {ADAM, .clip_norm = 1.0f};
    adcl_optimizer *optimizer = make_optimizer(ctx, t.set, &params);
    const double zero = 0.0;
    ADCL_TEST_OK(ctx, adcl_parameters_zero_grad(ctx, t.set));
    ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.1));
    cr_expect(adcl_test_tensor_close(ctx, "norm", adcl_optimizer_gradient_norm(optimizer), &zero,
                                     0.0));
    for (size_t i = 0; i < ARRAYS; i++)
        cr_expect(adcl_test_tensor_close(ctx, arrays[i].name, t.values[i].tensor, t.expected[i],
                                         0.0));
    adcl_optimizer_destroy(&optimizer);
    destroy_trained_set(&t);
    adcl_context_destroy(&ctx);
}

/* ---- weight decay, learning rates, freezing -------------------------------------------------- */

Test(optimizer, weight_decay_skips_what_does_not_decay)
{
    static const adcl_optimizer_kind kinds[] = {ADCL_SGD, ADCL_ADAMW};
    adcl_context *ctx = adcl_test_context_create();
    for (int kind = 0; kind < 2; kind++) {
        trained_set t = make_trained_set(ctx);
        const adcl_optimizer_params params = {sizeof params, kinds[kind], .weight_decay = 0.5f};
        adcl_optimizer *optimizer = make_optimizer(ctx, t.set, &params);
        ADCL_TEST_OK(ctx, adcl_parameters_zero_grad(ctx, t.set));
        ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.5));
        for (size_t i = 0; i < ARRAYS; i++) {
            /* Powers of two: one rounding at the end. */
            double factor = arrays[i].decays ? 1.0 - 0.25 * (double)arrays[i].scale : 1.0;
            for (size_t k = 0; k < count_of(i); k++) t.expected[i][k] *= factor;
            cr_expect(adcl_test_tensor_close(ctx, arrays[i].name, t.values[i].tensor, t.expected[i],
                                             arrays[i].decays ? 6e-8 : 0.0));
        }
        adcl_optimizer_destroy(&optimizer);
        destroy_trained_set(&t);
    }
    adcl_context_destroy(&ctx);
}

/* A set of one adapter and one layer, with gradients that are not zero. */
typedef struct head_model {
    adcl_adapter *adapter;
    adcl_linear *linear;
    adcl_parameters *set;
} head_model;

static void write_head_gradients(adcl_context *ctx, head_model *m, uint64_t seed)
{
    for (size_t i = 0; i < adcl_parameters_count(m->set); i++) {
        adcl_tensor *gradient = adcl_parameters_get(m->set, i)->gradient;
        size_t count = adcl_tensor_rows(gradient) * adcl_tensor_cols(gradient);
        float *numbers = adcl_test_numbers(100 * seed + i, count);
        ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, gradient, numbers, count * sizeof *numbers));
        free(numbers);
    }
}

static head_model make_head_model(adcl_context *ctx, float adapter_scale, float linear_scale)
{
    head_model m = {0};
    adcl_adapter_params adapter = ADCL_ADAPTER_PARAMS_INIT;
    adapter.hidden_size = 129;
    adapter.bottleneck_size = 17;
    adapter.init = ADCL_INIT_BERT;
    ADCL_TEST_OK(ctx, adcl_adapter_create(&m.adapter, ctx, &adapter));
    adcl_linear_params linear = ADCL_LINEAR_PARAMS_INIT;
    linear.input_size = 129;
    linear.output_size = 3;
    linear.max_rows = 1;
    linear.engine = ADCL_ENGINE_REFERENCE; /* no pass is made */
    ADCL_TEST_OK(ctx, adcl_linear_create(&m.linear, ctx, &linear));
    ADCL_TEST_OK(ctx, adcl_parameters_create(&m.set, ctx));
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, m.set, m.adapter, adapter_scale));
    ADCL_TEST_OK(ctx, adcl_parameters_add_linear(ctx, m.set, m.linear, "head", linear_scale));
    write_head_gradients(ctx, &m, 1);
    return m;
}

static void destroy_head_model(head_model *m)
{
    adcl_parameters_destroy(&m->set);
    adcl_adapter_destroy(&m->adapter);
    adcl_linear_destroy(&m->linear);
}

/* All values of a set, one behind the other; to be freed. */
static float *read_values(adcl_context *ctx, const adcl_parameters *set)
{
    float *all = calloc(adcl_parameters_size(set), sizeof *all), *next = all;
    for (size_t i = 0; i < adcl_parameters_count(set); i++) {
        const adcl_tensor *value = adcl_parameters_get(set, i)->value;
        size_t count = adcl_tensor_rows(value) * adcl_tensor_cols(value);
        ADCL_TEST_OK(ctx, adcl_tensor_read(ctx, value, next, count * sizeof *next));
        next += count;
    }
    return all;
}

Test(optimizer, learning_rate_scale_multiplies_the_learning_rate)
{
    adcl_context *ctx = adcl_test_context_create();
    const adcl_optimizer_params params = {ADAMW, .weight_decay = 0.1f};
    float *results[2], *before = NULL;
    size_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        head_model m = make_head_model(ctx, i == 0 ? 1.0f : 0.5f, 0.0f);
        adcl_optimizer *optimizer = make_optimizer(ctx, m.set, &params);
        if (i == 0) before = read_values(ctx, m.set);
        bytes = adcl_parameters_size(m.set) * sizeof *before;
        ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, i == 0 ? 0.01 : 0.02));
        results[i] = read_values(ctx, m.set);
        adcl_optimizer_destroy(&optimizer);
        destroy_head_model(&m);
    }
    cr_expect(adcl_test_same_bits("half of twice", results[1], results[0], bytes));
    size_t layer = (129 * 3 + 3) * sizeof(float); /* the last: its scale is 0 */
    const char *old_end = (const char *)before + bytes, *new_end = (const char *)results[0] + bytes;
    cr_expect(adcl_test_same_bits("scale 0", new_end - layer, old_end - layer, layer));
    cr_expect_neq(results[0][0], before[0]);
    free(before);
    free(results[0]);
    free(results[1]);
    adcl_context_destroy(&ctx);
}

Test(optimizer, neighbours_keep_learning_rates_of_their_own)
{
    adcl_context *ctx = adcl_test_context_create();
    const float ones[] = {1.0f, 1.0f, 1.0f, 1.0f};
    const double expected[] = {-0.5, -0.5, -1.0, -1.0};
    adcl_tensor *value = adcl_test_tensor_create(ctx, 2, 2, NULL), *values[2];
    adcl_tensor *gradient = adcl_test_tensor_create(ctx, 2, 2, ones), *gradients[2];
    adcl_parameters *set = NULL;
    ADCL_TEST_OK(ctx, adcl_parameters_create(&set, ctx));
    for (size_t i = 0; i < 2; i++) {
        ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&values[i], ctx, value, i, 1));
        ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&gradients[i], ctx, gradient, i, 1));
        const adcl_parameter parameter = {i == 0 ? "first" : "second", values[i], gradients[i], 0,
                                          i == 0 ? 1.0f : 2.0f};
        ADCL_TEST_OK(ctx, adcl_parameters_add(ctx, set, &parameter));
    }
    adcl_optimizer *optimizer = make_optimizer(ctx, set, &(adcl_optimizer_params){SGD});
    ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.5));
    cr_expect(adcl_test_tensor_close(ctx, "rows", value, expected, 0.0));
    adcl_optimizer_destroy(&optimizer);
    adcl_parameters_destroy(&set);
    for (size_t i = 0; i < 2; i++) {
        adcl_tensor_destroy(&values[i]);
        adcl_tensor_destroy(&gradients[i]);
    }
    adcl_tensor_destroy(&value);
    adcl_tensor_destroy(&gradient);
    adcl_context_destroy(&ctx);
}

Test(optimizer, adapter_frozen_later_is_skipped_until_it_is_not)
{
    adcl_context *ctx = adcl_test_context_create();
    head_model m = make_head_model(ctx, 1.0f, 1.0f);
    const adcl_optimizer_params params = {ADAM, .weight_decay = 0.1f, .clip_norm = 1e9f};
    adcl_optimizer *optimizer = make_optimizer(ctx, m.set, &params);
    size_t adapter_bytes = adcl_adapter_parameter_count(m.adapter) * sizeof(float);
    ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.01));
    float *before = read_values(ctx, m.set);
    size_t last = adcl_parameters_size(m.set) - 1;
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, m.adapter, 1));
    /* Its gradients count in the norm no more, whatever they are. */
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, adcl_adapter_gradient(m.adapter, 0), NAN));
    ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.01));
    float *frozen = read_values(ctx, m.set);
    cr_expect(adcl_test_same_bits("frozen", frozen, before, adapter_bytes));
    cr_expect_lt(fabsf(frozen[last] - before[last]), 0.1f);
    cr_expect_neq(frozen[last], before[last], "the layer learns on");
    ADCL_TEST_OK(ctx, adcl_adapter_freeze(ctx, m.adapter, 0));
    write_head_gradients(ctx, &m, 2);
    ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.01));
    float *thawed = read_values(ctx, m.set);
    cr_expect_neq(thawed[0], frozen[0]);
    cr_expect_lt(fabsf(thawed[0] - frozen[0]), 0.1f);
    free(before);
    free(frozen);
    free(thawed);
    adcl_optimizer_destroy(&optimizer);
    destroy_head_model(&m);
    adcl_context_destroy(&ctx);
}

/* ---- state ----------------------------------------------------------------------------------- */

Test(optimizer, state_has_names_and_shapes_of_its_parameters)
{
    adcl_context *ctx = adcl_test_context_create();
    trained_set t = make_trained_set(ctx);
    static const char *const adam_names[] = {"kernel.m", "kernel.v", "bias.m", "bias.v",
                                             "long.m",   "long.v",   "one.m",  "one.v",
                                             "column.m", "column.v"};
    static const char *const sgd_names[] = {"kernel.momentum", "bias.momentum", "long.momentum",
                                            "one.momentum", "column.momentum"};
    const struct {
        adcl_optimizer_params params;
        size_t rows;
        const char *const *names;
    } cases[] = {{{ADAM}, 2, adam_names},
                 {{ADAMW}, 2, adam_names},
                 {{SGD, .momentum = 0.9f}, 1, sgd_names},
                 {{SGD}, 0, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        adcl_optimizer *optimizer = make_optimizer(ctx, t.set, &cases[i].params);
        size_t count = adcl_optimizer_state_count(optimizer);
        cr_assert_eq(count, cases[i].rows * ARRAYS);
        for (size_t k = 0; k < count; k++) {
            adcl_named_tensor state = adcl_optimizer_state(optimizer, k);
            double *zeros = calloc(count_of(k / cases[i].rows), sizeof *zeros);
            cr_expect_str_eq(state.name, cases[i].names[k]);
            cr_expect_eq(adcl_tensor_rows(state.tensor), arrays[k / cases[i].rows].rows);
            cr_expect_eq(adcl_tensor_cols(state.tensor), arrays[k / cases[i].rows].cols);
            cr_expect(adcl_test_tensor_close(ctx, state.name, state.tensor, zeros, 0.0));
            free(zeros);
        }
        cr_expect_null(adcl_optimizer_state(optimizer, count).tensor);
        cr_expect_eq(adcl_optimizer_step_count(optimizer), 0);
        adcl_optimizer_destroy(&optimizer);
    }
    destroy_trained_set(&t);
    adcl_context_destroy(&ctx);
}

/* Steps `first` to `last` of a training with gradients of their own. */
static void take_steps(adcl_context *ctx, head_model *m, adcl_optimizer *optimizer, uint64_t first,
                       uint64_t last)
{
    for (uint64_t step = first; step <= last; step++) {
        write_head_gradients(ctx, m, step);
        ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.01));
    }
}

static void copy_tensor(adcl_context *ctx, const adcl_tensor *from, adcl_tensor *to)
{
    size_t bytes = adcl_tensor_rows(from) * adcl_tensor_cols(from) * sizeof(float);
    void *numbers = adcl_test_tensor_read(ctx, from);
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, to, numbers, bytes));
    free(numbers);
}

Test(optimizer, resumed_from_its_state_ends_with_the_same_bits)
{
    static const adcl_optimizer_params cases[] = {
        {ADAM}, {ADAMW, .weight_decay = 0.1f, .clip_norm = 1.0f}, {SGD, .momentum = 0.9f}};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        head_model whole = make_head_model(ctx, 1.0f, 1.0f);
        head_model resumed = make_head_model(ctx, 1.0f, 1.0f);
        adcl_optimizer *first = make_optimizer(ctx, whole.set, &cases[i]);
        adcl_optimizer *second = make_optimizer(ctx, resumed.set, &cases[i]);
        take_steps(ctx, &whole, first, 1, 3);
        for (size_t k = 0; k < adcl_parameters_count(whole.set); k++)
            copy_tensor(ctx, adcl_parameters_get(whole.set, k)->value,
                        adcl_parameters_get(resumed.set, k)->value);
        for (size_t k = 0; k < adcl_optimizer_state_count(first); k++)
            copy_tensor(ctx, adcl_optimizer_state(first, k).tensor,
                        adcl_optimizer_state(second, k).tensor);
        adcl_optimizer_set_step_count(second, adcl_optimizer_step_count(first));
        take_steps(ctx, &whole, first, 4, 6);
        take_steps(ctx, &resumed, second, 4, 6);
        float *expected = read_values(ctx, whole.set), *got = read_values(ctx, resumed.set);
        cr_expect(adcl_test_same_bits(adcl_optimizer_kind_name(cases[i].kind), got, expected,
                                      adcl_parameters_size(whole.set) * sizeof *got));
        cr_expect_eq(adcl_optimizer_step_count(second), 6);
        free(expected);
        free(got);
        adcl_optimizer_destroy(&first);
        adcl_optimizer_destroy(&second);
        destroy_head_model(&whole);
        destroy_head_model(&resumed);
    }
    adcl_context_destroy(&ctx);
}

/* ---- what a step costs ----------------------------------------------------------------------- */

Test(optimizer, step_enqueues_a_few_kernels_and_nothing_else)
{
    static const struct {
        const char *why;
        uint64_t launches;
        adcl_optimizer_params params;
    } cases[] = {
        {"adapter and layer, a run each", 2, {ADAM}},
        {"kernels and biases apart", 4, {ADAMW, .weight_decay = 0.1f}},
        {"and partials of two gradients, their sum", 5, {ADAM, .clip_norm = 1.0f}},
        {"all of that", 7, {SGD, .momentum = 0.9f, .weight_decay = 0.1f, .record_norm = 1}},
    };
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        head_model m = make_head_model(ctx, 1.0f, 2.0f);
        adcl_optimizer *optimizer = make_optimizer(ctx, m.set, &cases[i].params);
        adcl_counters before = adcl_context_counters(ctx);
        ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, 0.01));
        adcl_counters after = adcl_context_counters(ctx);
        cr_expect_eq(after.launches - before.launches, cases[i].launches, "%s", cases[i].why);
        before.launches = after.launches;
        cr_expect(memcmp(&before, &after, sizeof before) == 0, "nothing built, made or awaited");
        adcl_optimizer_destroy(&optimizer);
        destroy_head_model(&m);
    }
    adcl_context_destroy(&ctx);
}

Test(optimizer, creation_touches_no_parameter_and_no_gradient)
{
    static const adcl_optimizer_params cases[] = {
        {ADAM, .clip_norm = 1.0f}, {SGD, .momentum = 0.9f, .weight_decay = 0.1f}};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        head_model m = make_head_model(ctx, 1.0f, 1.0f);
        adcl_tensor *gradient = adcl_parameters_get(m.set, 0)->gradient;
        size_t count = adcl_tensor_rows(gradient) * adcl_tensor_cols(gradient);
        ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, gradient, INFINITY));
        float *before = read_values(ctx, m.set);
        adcl_optimizer *optimizer = make_optimizer(ctx, m.set, &cases[i]);
        float *after = read_values(ctx, m.set), *numbers = adcl_test_tensor_read(ctx, gradient);
        cr_expect(adcl_test_same_bits("values", after, before,
                                      adcl_parameters_size(m.set) * sizeof *after));
        for (size_t k = 0; k < count; k++) cr_expect_eq(numbers[k], INFINITY);
        for (size_t k = 0; k < adcl_optimizer_state_count(optimizer); k++) {
            adcl_named_tensor state = adcl_optimizer_state(optimizer, k);
            double *zeros = calloc(adcl_parameters_size(m.set), sizeof *zeros);
            cr_expect(adcl_test_tensor_close(ctx, state.name, state.tensor, zeros, 0.0));
            free(zeros);
        }
        free(before);
        free(after);
        free(numbers);
        adcl_optimizer_destroy(&optimizer);
        destroy_head_model(&m);
    }
    adcl_context_destroy(&ctx);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

Test(optimizer, names_lead_there_and_back)
{
    static const char *const names[] = {"adam", "adamw", "sgd"};
    adcl_optimizer_kind kind = ADCL_SGD;
    adcl_error error;
    for (int i = 0; i < 3; i++) {
        cr_expect_str_eq(adcl_optimizer_kind_name((adcl_optimizer_kind)i), names[i]);
        cr_expect_eq(adcl_optimizer_kind_from_name(names[i], &kind, NULL), ADCL_OK);
        cr_expect_eq((int)kind, i);
    }
    cr_expect_str_eq(adcl_optimizer_kind_name((adcl_optimizer_kind)3), "?");
    cr_expect_eq(adcl_optimizer_kind_from_name("lion", &kind, &error), ADCL_ERR_NOT_FOUND);
    cr_expect_str_eq(error.message,
                     "unknown optimizer \"lion\"; expected one of: adam, adamw, sgd");
    cr_expect_eq(kind, ADCL_SGD, "unchanged");
    cr_expect_eq(adcl_optimizer_kind_from_name(NULL, &kind, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_optimizer_kind_from_name("sgd", NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
}

Test(optimizer, says_what_is_wrong_with_its_params)
{
    static const struct {
        const char *words;
        adcl_optimizer_params params;
    } cases[] = {
        {"kind: expected ADCL_ADAM, ADCL_ADAMW or ADCL_SGD, got 3",
         {.struct_size = sizeof(adcl_optimizer_params), .kind = (adcl_optimizer_kind)3}},
        {"momentum: expected a number in [0, 1), got 1", {SGD, .momentum = 1.0f}},
        {"momentum", {SGD, .momentum = -0.1f}},
        {"beta1: expected a number in (0, 1), or 0 for 0.9, got 1", {ADAM, .beta1 = 1.0f}},
        {"beta1", {ADAM, .beta1 = NAN}},
        {"beta2: expected a number in (0, 1), or 0 for 0.999, got -1", {ADAM, .beta2 = -1.0f}},
        {"epsilon: expected a finite number above 0, or 0 for 1e-8, got inf",
         {ADAM, .epsilon = INFINITY}},
        {"epsilon_root: expected a finite number of at least 0, got -1",
         {ADAM, .epsilon_root = -1.0f}},
        {"weight_decay: expected a finite number of at least 0, got nan",
         {ADAM, .weight_decay = NAN}},
        {"clip_norm", {ADAM, .clip_norm = -1.0f}},
        {"struct_size", {.struct_size = 3}},
    };
    adcl_context *ctx = adcl_test_context_create();
    trained_set t = make_trained_set(ctx);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        adcl_optimizer *optimizer = (adcl_optimizer *)ctx; /* anything but NULL */
        ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, cases[i].words,
                        adcl_optimizer_create(&optimizer, ctx, t.set, &cases[i].params));
        cr_expect_null(optimizer);
    }
    destroy_trained_set(&t);
    adcl_context_destroy(&ctx);
}

Test(optimizer, says_what_is_wrong_with_its_set)
{
    adcl_context *ctx = adcl_test_context_create(), *stranger = adcl_test_context_create();
    trained_set t = make_trained_set(ctx);
    adcl_parameters *empty = NULL;
    adcl_optimizer *optimizer = NULL;
    ADCL_TEST_OK(ctx, adcl_parameters_create(&empty, ctx));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "at least 1 parameter in the set, got none",
                    adcl_optimizer_create(&optimizer, ctx, empty, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL",
                    adcl_optimizer_create(&optimizer, ctx, NULL, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL",
                    adcl_optimizer_create(NULL, ctx, t.set, NULL));
    ADCL_TEST_FAILS(stranger, INVALID_ARGUMENT, "of another",
                    adcl_optimizer_create(&optimizer, stranger, t.set, NULL));
    cr_expect_eq(adcl_optimizer_create(&optimizer, NULL, t.set, NULL), ADCL_ERR_INVALID_ARGUMENT);

    ADCL_TEST_OK(ctx, adcl_optimizer_create(&optimizer, ctx, t.set, NULL)); /* Adam */
    adcl_tensor *value = adcl_test_tensor_create(ctx, 1, 1, NULL);
    adcl_tensor *gradient = adcl_test_tensor_create(ctx, 1, 1, NULL);
    const adcl_parameter late = {"late", value, gradient, 0, 1.0f};
    ADCL_TEST_OK(ctx, adcl_parameters_add(ctx, t.set, &late));
    ADCL_TEST_FAILS(ctx, INVALID_STATE, "set of 5 parameters that the optimizer was made for, got "
                                        "one that has grown to 6",
                    adcl_optimizer_step(ctx, optimizer, 0.1));
    cr_expect_eq(adcl_optimizer_step_count(optimizer), 0);
    adcl_optimizer_destroy(&optimizer);
    adcl_parameters_destroy(&empty);
    destroy_trained_set(&t);
    adcl_tensor_destroy(&value);
    adcl_tensor_destroy(&gradient);
    adcl_context_destroy(&stranger);
    adcl_context_destroy(&ctx);
}

Test(optimizer, says_what_is_wrong_with_a_step)
{
    adcl_context *ctx = adcl_test_context_create(), *stranger = adcl_test_context_create();
    trained_set t = make_trained_set(ctx);
    adcl_optimizer *optimizer = make_optimizer(ctx, t.set, NULL);
    static const double rates[] = {-0.1, (double)NAN, (double)INFINITY, 1e39};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "learning_rate: expected a finite number",
                        adcl_optimizer_step(ctx, optimizer, rates[i]));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "an optimizer, got NULL",
                    adcl_optimizer_step(ctx, NULL, 0.1));
    ADCL_TEST_FAILS(stranger, INVALID_ARGUMENT, "an optimizer of this context",
                    adcl_optimizer_step(stranger, optimizer, 0.1));
    cr_expect_eq(adcl_optimizer_step(NULL, optimizer, 0.1), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_optimizer_step_count(optimizer), 0);
    cr_expect_null(adcl_optimizer_gradient_norm(optimizer));
    cr_expect_null(adcl_optimizer_gradient_norm(NULL));
    cr_expect_eq(adcl_optimizer_state_count(NULL), 0);
    cr_expect_eq(adcl_optimizer_step_count(NULL), 0);
    adcl_optimizer_set_step_count(NULL, 3);
    adcl_optimizer_destroy(&optimizer);
    adcl_optimizer_destroy(&optimizer);
    adcl_optimizer_destroy(NULL);
    destroy_trained_set(&t);
    adcl_context_destroy(&stranger);
    adcl_context_destroy(&ctx);
}
