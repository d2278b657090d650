/* SPDX-License-Identifier: MIT */
#include "reference/reference.h"
#include "support/compare.h"
#include "support/golden.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* A few operations on numbers near 1, each rounded with 1.1e-16. */
static const double tolerance = 2e-15;

/* ---- losses --------------------------------------------------------------------------------- */

Test(reference_cross_entropy, is_the_mean_over_rows_that_count)
{
    const double logits[] = {0.0, 0.0, 1.0, 3.0, 5.0, -5.0};
    const int32_t labels[] = {1, -100, 0};
    const double p = 1.0 / (1.0 + exp(-10.0)); /* of class 0 in the last row */
    const double loss = (log(2.0) - log(p)) / 2.0;
    const double expected[] = {0.25, -0.25, 0.0, 0.0, (p - 1.0) / 2.0, (1.0 - p) / 2.0};
    double gradient[6] = {9.0, 9.0, 9.0, 9.0, 9.0, 9.0};
    double got = adcl__reference_cross_entropy(3, 2, logits, labels, -100, gradient);
    cr_expect(adcl_test_close("loss", &got, &loss, 1, tolerance));
    cr_expect(adcl_test_close("gradient", gradient, expected, 6, tolerance));
    cr_expect_eq(adcl__reference_cross_entropy(3, 2, logits, labels, -100, NULL), got);
}

Test(reference_cross_entropy, gradient_may_take_the_place_of_the_logits)
{
    double logits[] = {0.5, -1.0, 2.0, 1.0, 3.0, 0.0}, gradient[6];
    const int32_t labels[] = {2, 0};
    adcl__reference_cross_entropy(2, 3, logits, labels, -100, gradient);
    adcl__reference_cross_entropy(2, 3, logits, labels, -100, logits);
    cr_expect_arr_eq(logits, gradient, sizeof gradient);
}

Test(reference_cross_entropy, is_zero_without_a_row_that_counts)
{
    const double logits[] = {1.0, 2.0};
    const int32_t ignored[] = {7};
    double gradient[] = {NAN, NAN};
    cr_expect_eq(adcl__reference_cross_entropy(1, 2, logits, ignored, 7, gradient), 0.0);
    cr_expect(gradient[0] == 0.0 && gradient[1] == 0.0);
    cr_expect_eq(adcl__reference_cross_entropy(0, 2, NULL, NULL, 7, NULL), 0.0);
}

Test(reference_cross_entropy, label_out_of_range_makes_the_value_and_its_row_nan)
{
    const double logits[] = {1.0, 2.0, 3.0, 4.0};
    for (int i = 0; i < 2; i++) {
        const int32_t labels[] = {i == 0 ? 2 : -1, 1};
        double gradient[4];
        cr_expect(isnan(adcl__reference_cross_entropy(2, 2, logits, labels, -100, gradient)));
        cr_expect(isnan(gradient[0]) && isnan(gradient[1]));
        cr_expect(isfinite(gradient[2]) && isfinite(gradient[3]));
    }
}

Test(reference_cross_entropy, large_logits_do_not_overflow)
{
    const double logits[] = {4096.0, 0.0};
    const int32_t labels[] = {1};
    double gradient[2];
    cr_expect_eq(adcl__reference_cross_entropy(1, 2, logits, labels, -100, gradient), 4096.0);
    cr_expect(gradient[0] == 1.0 && gradient[1] == -1.0);
}

Test(reference_mse, is_the_mean_of_the_squares)
{
    double prediction[] = {1.0, 2.0, 3.0, 5.0};
    const double target[] = {1.0, 0.0, 4.0, 2.0}, expected[] = {0.0, 1.0, -0.5, 1.5};
    cr_expect_eq(adcl__reference_mse(4, prediction, target, NULL), 3.5);
    cr_expect_eq(adcl__reference_mse(4, prediction, target, prediction), 3.5);
    cr_expect_arr_eq(prediction, expected, sizeof expected);
    cr_expect_eq(adcl__reference_mse(0, NULL, NULL, NULL), 0.0);
}

/* ---- one number, three steps of each optimizer ---------------------------------------------- */

/* w = 1 and gradients 0.5, −0.25, 0.125 with learning rate 0.01; expected values by 40-digit
 * arithmetic from the formulas of optimizer.h. */
static void check_three_steps(const char *label, adcl__reference_optimizer optimizer,
                              const double expected[3])
{
    const double gradients[3] = {0.5, -0.25, 0.125};
    double w = 1.0, first = 0.0, second = 0.0, got[3];
    optimizer.learning_rate = 0.01;
    for (int i = 0; i < 3; i++) {
        optimizer.step = (uint64_t)i + 1;
        adcl__reference_optimizer_step(&optimizer, 1, &gradients[i], &w, &first, &second);
        got[i] = w;
    }
    cr_expect(adcl_test_close(label, got, expected, 3, tolerance));
}

Test(reference_optimizer, sgd_follows_its_formula)
{
    const adcl__reference_optimizer plain = {.kind = ADCL_SGD, .clip_factor = 1.0};
    const double expected[] = {0.995, 0.9975, 0.99625};
    check_three_steps("plain", plain, expected);

    const adcl__reference_optimizer all = {
        .kind = ADCL_SGD, .momentum = 0.9, .weight_decay = 0.1, .clip_factor = 0.5};
    const double expected_all[] = {0.9965, 0.9936035, 0.9893780465};
    check_three_steps("momentum, decay, clipping", all, expected_all);
}

Test(reference_optimizer, adam_follows_its_formula)
{
    adcl__reference_optimizer adam = {.kind = ADCL_ADAM,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .epsilon = 1e-8,
                                      .bias_correction = 1,
                                      .clip_factor = 1.0};
    const double expected[] = {0.9900000002, 0.98733662987078462, 0.9839323384916654};
    check_three_steps("plain", adam, expected);

    adam.bias_correction = 0;
    const double uncorrected[] = {0.96837724339830356, 0.95705901310393818, 0.94020697838748229};
    check_three_steps("no bias correction", adam, uncorrected);

    adam.bias_correction = 1;
    adam.weight_decay = 0.1;
    adam.epsilon_root = 1e-4;
    const double rooted[] = {0.99000138876622438, 0.98532180881476216, 0.97974863430218781};
    check_three_steps("decay, epsilon inside the root", adam, rooted);
}

Test(reference_optimizer, adamw_decays_apart_from_the_gradient)
{
    adcl__reference_optimizer adamw = {.kind = ADCL_ADAMW,
                                       .beta1 = 0.9,
                                       .beta2 = 0.999,
                                       .epsilon = 1e-8,
                                       .bias_correction = 1,
                                       .weight_decay = 0.1,
                                       .clip_factor = 1.0};
    const double expected[] = {0.9890000002, 0.98534762987058462, 0.98095799086159481};
    check_three_steps("plain", adamw, expected);

    adamw.clip_factor = 0.5;
    const double clipped[] = {0.98900000039999998, 0.98534763013777325, 0.98095799123148914};
    check_three_steps("clipping", adamw, clipped);
}

Test(reference_optimizer, clips_by_the_global_norm)
{
    const double gradient[] = {3.0, 4.0};
    double norm = sqrt(adcl__reference_square_sum(2, gradient));
    cr_expect_eq(norm, 5.0);
    cr_expect_eq(adcl__reference_clip_factor(norm, 1.0), 0.2);
    cr_expect_eq(adcl__reference_clip_factor(norm, 10.0), 1.0);
    cr_expect_eq(adcl__reference_clip_factor(norm, 0.0), 1.0, "0 means no clipping");
    cr_expect_eq(adcl__reference_clip_factor(0.0, 1.0), 1.0);
    cr_expect(isnan(adcl__reference_clip_factor((double)INFINITY, 1.0)), "seen, not hidden");
    cr_expect_eq(adcl__reference_clip_factor((double)INFINITY, 0.0), 1.0);
}

/* ---- golden data: an adapter behind a dense layer ------------------------------------------- */

/* Sizes of the case: N rows, I inputs of the base layer, D its outputs, R the bottleneck. */
enum { N = 3, I = 10, D = 16, R = 4, ARRAYS = 6, ADAPTER_ARRAYS = 4, LARGEST = I * D };

#define CASE "relu/b3_in10_h16_r4"

static const struct {
    const char *name;
    size_t count;
} arrays[ARRAYS] = {
    {"adapter_wrap_down.kernel", D *R}, {"adapter_wrap_down.bias", R},
    {"adapter_wrap_up.kernel", R *D},   {"adapter_wrap_up.bias", D},
    {"base_layer.kernel", I *D},        {"base_layer.bias", D},
};

/* The model with its gradients, optimizer state and last results. */
typedef struct model {
    double values[ARRAYS][LARGEST], gradients[ARRAYS][LARGEST];
    double first[ARRAYS][LARGEST], second[ARRAYS][LARGEST];
    double hidden[N * D], z[N * R], y[N * D], dhidden[N * D], dx[N * I];
    double scratch[D + 3 * R];
} model;

static void load(model *m, adcl_test_golden *golden)
{
    memset(m, 0, sizeof *m);
    for (size_t a = 0; a < ARRAYS; a++) {
        const double *values =
            adcl_test_golden_doubles(golden, arrays[a].count, CASE "/in/p.%s", arrays[a].name);
        memcpy(m->values[a], values, arrays[a].count * sizeof *values);
    }
}

static adcl__reference_adapter adapter_of(model *m)
{
    adcl__reference_adapter adapter = {.hidden_size = D,
                                       .bottleneck_size = R,
                                       .activation = ADCL_ACTIVATION_RELU,
                                       .scaling = 1.0,
                                       .scratch = m->scratch};
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
        adapter.values[s] = m->values[s];
        adapter.gradients[s] = m->gradients[s];
    }
    return adapter;
}

static adcl__reference_linear base_of(model *m)
{
    return (adcl__reference_linear){
        I, D, m->values[4], m->values[5], m->gradients[4], m->gradients[5]};
}

static void model_forward(model *m, const double *x)
{
    adcl__reference_linear base = base_of(m);
    adcl__reference_adapter adapter = adapter_of(m);
    adcl__reference_linear_forward(&base, N, x, m->hidden);
    adcl__reference_adapter_forward(&adapter, N, m->hidden, m->z, m->y);
}

static void model_backward(model *m, const double *x, const double *dy)
{
    adcl__reference_linear base = base_of(m);
    adcl__reference_adapter adapter = adapter_of(m);
    memset(m->gradients, 0, sizeof m->gradients);
    adcl__reference_adapter_backward(&adapter, N, m->hidden, m->z, dy, m->dhidden);
    adcl__reference_linear_backward(&base, N, x, m->dhidden, m->dx);
}

Test(reference_training, wrapped_layer_has_the_golden_gradients)
{
    adcl_test_golden *golden = adcl_test_golden_open("training.safetensors");
    const double *x = adcl_test_golden_doubles(golden, N * I, CASE "/in/x");
    const double *dy = adcl_test_golden_doubles(golden, N * D, CASE "/in/dy");
    const double *y = adcl_test_golden_doubles(golden, N * D, CASE "/f64/y");
    const double *dx = adcl_test_golden_doubles(golden, N * I, CASE "/f64/gx");
    model m;
    load(&m, golden);
    model_forward(&m, x);
    model_backward(&m, x, dy);
    /* Four chained sums of at most 16 products. */
    cr_expect(adcl_test_close("y", m.y, y, N * D, 1e-14));
    cr_expect(adcl_test_close("dx", m.dx, dx, N * I, 1e-14));
    for (size_t a = 0; a < ARRAYS; a++)
        cr_expect(adcl_test_close(
            arrays[a].name, m.gradients[a],
            adcl_test_golden_doubles(golden, arrays[a].count, CASE "/f64/g.%s", arrays[a].name),
            arrays[a].count, 1e-14));
    adcl_test_golden_close(golden);
}

/* Ten full-batch steps of MSE on the first `trained` arrays, then all parameters against the golden
 * ones under `key`, which are f32: ten steps, each rounded with 6e-8, some steps of Adam more. */
static void check_trajectory(const char *key, const adcl__reference_optimizer *settings,
                             size_t trained)
{
    adcl_test_golden *golden = adcl_test_golden_open("training.safetensors");
    const double *x = adcl_test_golden_doubles(golden, N * I, CASE "/in/x");
    const double *target = adcl_test_golden_doubles(golden, N * D, CASE "/in/target");
    adcl__reference_optimizer optimizer = *settings;
    model m;
    load(&m, golden);
    for (optimizer.step = 1; optimizer.step <= 10; optimizer.step++) {
        double dy[N * D];
        model_forward(&m, x);
        adcl__reference_mse(N * D, m.y, target, dy);
        model_backward(&m, x, dy);
        for (size_t a = 0; a < trained; a++)
            adcl__reference_optimizer_step(&optimizer, arrays[a].count, m.gradients[a], m.values[a],
                                           m.first[a], m.second[a]);
    }
    for (size_t a = 0; a < ARRAYS; a++)
        cr_expect(adcl_test_close(
            adcl_test_label("%s %s", key, arrays[a].name), m.values[a],
            adcl_test_golden_doubles(golden, arrays[a].count, CASE "/%s/p.%s", key, arrays[a].name),
            arrays[a].count, a < trained ? 1e-5 : 0.0));
    model_forward(&m, x);
    cr_expect(adcl_test_close(adcl_test_label("%s y", key), m.y,
                              adcl_test_golden_doubles(golden, N * D, CASE "/%s/y", key), N * D,
                              1e-5));
    adcl_test_golden_close(golden);
}

Test(reference_training, ten_steps_of_sgd_follow_the_golden_trajectory)
{
    const adcl__reference_optimizer sgd = {
        .kind = ADCL_SGD, .learning_rate = 0.05, .clip_factor = 1.0};
    check_trajectory("sgd_lr0.05/frozen", &sgd, ADAPTER_ARRAYS);
    check_trajectory("sgd_lr0.05/all", &sgd, ARRAYS);
}

Test(reference_training, ten_steps_of_adam_follow_the_golden_trajectory)
{
    const adcl__reference_optimizer adam = {.kind = ADCL_ADAM,
                                            .learning_rate = 0.01,
                                            .beta1 = 0.9,
                                            .beta2 = 0.999,
                                            .epsilon = 1e-8,
                                            .epsilon_root = 1e-15,
                                            .bias_correction = 1,
                                            .clip_factor = 1.0};
    check_trajectory("adam_lr0.01/frozen", &adam, ADAPTER_ARRAYS);
    check_trajectory("adam_lr0.01/all", &adam, ARRAYS);
}
