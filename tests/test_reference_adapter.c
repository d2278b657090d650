/* SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "reference/reference.h"
#include "support/compare.h"
#include "support/golden.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Room for the largest adapter here: N = 5, D = 33, R = 7. */
enum { MOST_ROWS = 5, MOST_WIDE = 33, MOST_NARROW = 7, MOST = MOST_WIDE * MOST_NARROW };

static double scratch[MOST_WIDE + 3 * MOST_NARROW];

static size_t slot_count(const adcl__reference_adapter *adapter, int slot)
{
    size_t width = adcl_activation_width(adapter->activation, adapter->bottleneck_size);
    switch (slot) {
    case ADCL_DOWN_KERNEL: return adapter->hidden_size * adapter->bottleneck_size;
    case ADCL_DOWN_BIAS: return adapter->bottleneck_size;
    case ADCL_UP_KERNEL: return width * adapter->hidden_size;
    default: return adapter->hidden_size;
    }
}

/* ---- golden data ---------------------------------------------------------------------------- */

/* Three chained sums of at most 33 products, each rounded with 1.1e-16: 1.1e-14. */
static const double golden_tolerance = 2e-14;

static const char *const golden_keys[ADCL_ADAPTER_SLOT_COUNT] = {
    "adapter_down.kernel", "adapter_down.bias", "adapter_up.kernel", "adapter_up.bias"};

/* Everything about one activation and shape that is in the file under `prefix`. */
static void check_golden_case(adcl_test_golden *golden, const char *prefix,
                              adcl_activation activation, size_t rows, size_t d, size_t r)
{
    double gradients[ADCL_ADAPTER_SLOT_COUNT][MOST] = {{0.0}};
    adcl__reference_adapter adapter = {.hidden_size = d,
                                       .bottleneck_size = r,
                                       .activation = activation,
                                       .scaling = 1.0,
                                       .scratch = scratch};
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
        adapter.values[s] = adcl_test_golden_doubles(golden, slot_count(&adapter, s), "%s/in/p.%s",
                                                     prefix, golden_keys[s]);
        adapter.gradients[s] = gradients[s];
    }
    const double *x = adcl_test_golden_doubles(golden, rows * d, "%s/in/x", prefix);
    const double *dy = adcl_test_golden_doubles(golden, rows * d, "%s/in/dy", prefix);

    size_t width = adcl_activation_width(activation, r);
    double z[MOST_ROWS * MOST_NARROW], h[MOST_ROWS * MOST_NARROW];
    double y[MOST_ROWS * MOST_WIDE], u[MOST_ROWS * MOST_WIDE], dx[MOST_ROWS * MOST_WIDE];
    adcl__reference_adapter_forward(&adapter, rows, x, z, y);
    adcl__reference_activation_forward(activation, rows, r, z, h);
    adcl__reference_adapter_backward(&adapter, rows, x, z, dy, dx);
    adapter.parallel = 1;
    adcl__reference_adapter_forward(&adapter, rows, x, NULL, u);

    const struct {
        const char *key;
        const double *got;
        size_t count;
    } results[] = {
        {"down", z, rows * r},
        {"act", h, rows * width},
        {"up", u, rows * d},
        {"y", y, rows * d},
        {"gx", dx, rows * d},
        {"g.adapter_down.kernel", gradients[ADCL_DOWN_KERNEL], d * r},
        {"g.adapter_down.bias", gradients[ADCL_DOWN_BIAS], r},
        {"g.adapter_up.kernel", gradients[ADCL_UP_KERNEL], width * d},
        {"g.adapter_up.bias", gradients[ADCL_UP_BIAS], d},
    };
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        const double *expected =
            adcl_test_golden_doubles(golden, results[i].count, "%s/f64/%s", prefix, results[i].key);
        cr_expect(adcl_test_close(adcl_test_label("%s %s", prefix, results[i].key), results[i].got,
                                  expected, results[i].count, golden_tolerance));
    }
}

Test(reference_adapter, matches_golden_data_for_every_activation_and_shape)
{
    static const struct {
        size_t rows, hidden, bottleneck;
    } shapes[] = {{3, 16, 4}, {5, 33, 7}};
    adcl_test_golden *golden = adcl_test_golden_open("adapter.safetensors");
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++) {
        if (i == ADCL_ACTIVATION_GELU_TANH || i == ADCL_ACTIVATION_QUICK_GELU) continue;
        for (int s = 0; s < 2; s++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "%s/b%zu_h%zu_r%zu",
                     adcl_activation_name((adcl_activation)i), shapes[s].rows, shapes[s].hidden,
                     shapes[s].bottleneck);
            check_golden_case(golden, prefix, (adcl_activation)i, shapes[s].rows, shapes[s].hidden,
                              shapes[s].bottleneck);
        }
    }
    adcl_test_golden_close(golden);
}

/* ---- a small adapter with every option ------------------------------------------------------ */

enum { N = 4, D = 5, R = 3 };

/* An adapter with all that belongs to it, and a batch for it. */
typedef struct batch {
    adcl__reference_adapter adapter;
    double values[ADCL_ADAPTER_SLOT_COUNT][D * R];
    double gradients[ADCL_ADAPTER_SLOT_COUNT][D * R];
    double x[N * D], z[N * R], y[N * D], dy[N * D], dx[N * D];
} batch;

/* count numbers, normal with deviation 1, the same for the same seed. */
static void draw(uint64_t seed, double *out, size_t count)
{
    float numbers[N * D];
    adcl__random_fill_normal(seed, ADCL__STREAM_DOWN_KERNEL, 1.0, 0.0, numbers, count);
    for (size_t i = 0; i < count; i++) out[i] = (double)numbers[i];
}

static void make_batch(batch *b, adcl_activation activation, double scaling, int parallel,
                       float dropout)
{
    memset(b, 0, sizeof *b);
    b->adapter = (adcl__reference_adapter){.hidden_size = D,
                                           .bottleneck_size = R,
                                           .activation = activation,
                                           .scaling = scaling,
                                           .parallel = parallel,
                                           .dropout = dropout,
                                           .dropout_seed = 3,
                                           .dropout_step = 8,
                                           .scratch = scratch};
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
        draw(100 + (uint64_t)s, b->values[s], slot_count(&b->adapter, s));
        b->adapter.values[s] = b->values[s];
        b->adapter.gradients[s] = b->gradients[s];
    }
    draw(1, b->x, N * D);
    draw(2, b->dy, N * D);
}

static void forward(batch *b)
{
    adcl__reference_adapter_forward(&b->adapter, N, b->x, b->z, b->y);
}

static void backward(batch *b)
{
    adcl__reference_adapter_backward(&b->adapter, N, b->x, b->z, b->dy, b->dx);
}

/* L = Σ y·dy, whose gradient with respect to y is dy. */
static double loss(batch *b)
{
    forward(b);
    double sum = 0.0;
    for (size_t i = 0; i < N * D; i++) sum += b->y[i] * b->dy[i];
    return sum;
}

/* Compares `gradient` with central differences of L along `variable`. They are off by
 * step²/6·L‴ = 2e-11·L‴ and by the rounding of L, 1.1e-16·L/step = 1e-11·L for each of some ten
 * additions. */
static void check_differences(batch *b, const char *label, double *variable, const double *gradient,
                              size_t count)
{
    const double step = 1e-5;
    double expected[N * D];
    for (size_t i = 0; i < count; i++) {
        double kept = variable[i];
        variable[i] = kept + step;
        double above = loss(b);
        variable[i] = kept - step;
        double below = loss(b);
        variable[i] = kept;
        expected[i] = (above - below) / (2.0 * step);
    }
    cr_expect(adcl_test_close(label, gradient, expected, count, 1e-8));
}

Test(reference_adapter, gradients_match_finite_differences_with_every_option)
{
    static const struct {
        const char *name;
        double scaling;
        int parallel;
        float dropout;
    } options[] = {
        {"plain", 1.0, 0, 0.0f},   {"scaling", -2.5, 0, 0.0f},    {"parallel", 1.0, 1, 0.0f},
        {"dropout", 1.0, 0, 0.4f}, {"all options", 0.5, 1, 0.4f},
    };
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++)
        for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
            batch b;
            make_batch(&b, (adcl_activation)i, options[o].scaling, options[o].parallel,
                       options[o].dropout);
            forward(&b);
            backward(&b);
            const char *name = adcl_activation_name((adcl_activation)i);
            check_differences(&b, adcl_test_label("%s, %s, dx", name, options[o].name), b.x, b.dx,
                              N * D);
            for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++)
                check_differences(&b, adcl_test_label("%s, %s, slot %d", name, options[o].name, s),
                                  b.values[s], b.gradients[s], slot_count(&b.adapter, s));
        }
}

Test(reference_adapter, gradients_accumulate)
{
    batch once, twice;
    make_batch(&once, ADCL_ACTIVATION_GELU, 1.0, 0, 0.0f);
    make_batch(&twice, ADCL_ACTIVATION_GELU, 1.0, 0, 0.0f);
    forward(&once);
    backward(&once);
    forward(&twice);
    backward(&twice);
    backward(&twice);
    cr_expect_arr_eq(once.dx, twice.dx, sizeof once.dx);
    for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++) {
        size_t count = slot_count(&once.adapter, s);
        for (size_t i = 0; i < count; i++) once.gradients[s][i] *= 2.0;
        /* 2·N additions in another order than N additions and a doubling. */
        cr_expect(adcl_test_close(adcl_test_label("slot %d", s), twice.gradients[s],
                                  once.gradients[s], count, 1e-15 * N));
    }
}

Test(reference_adapter, gradient_that_is_not_wanted_changes_no_other)
{
    batch all;
    make_batch(&all, ADCL_ACTIVATION_SOFTMAX, 1.0, 0, 0.0f);
    forward(&all);
    backward(&all);
    for (int wanted = 0; wanted < ADCL_ADAPTER_SLOT_COUNT; wanted++) {
        batch one;
        make_batch(&one, ADCL_ACTIVATION_SOFTMAX, 1.0, 0, 0.0f);
        for (int s = 0; s < ADCL_ADAPTER_SLOT_COUNT; s++)
            if (s != wanted) one.adapter.gradients[s] = NULL;
        forward(&one);
        adcl__reference_adapter_backward(&one.adapter, N, one.x, one.z, one.dy, NULL);
        cr_expect_arr_eq(one.gradients[wanted], all.gradients[wanted], sizeof one.gradients[0]);
    }
    batch none;
    make_batch(&none, ADCL_ACTIVATION_SOFTMAX, 1.0, 0, 0.0f);
    memset(none.adapter.gradients, 0, sizeof none.adapter.gradients);
    forward(&none);
    backward(&none);
    cr_expect_arr_eq(none.dx, all.dx, sizeof none.dx);
}

Test(reference_adapter, result_may_take_the_place_of_the_input)
{
    batch apart, in_place;
    make_batch(&apart, ADCL_ACTIVATION_MISH, 0.5, 0, 0.25f);
    make_batch(&in_place, ADCL_ACTIVATION_MISH, 0.5, 0, 0.25f);
    forward(&apart);
    backward(&apart);
    adcl__reference_adapter_backward(&in_place.adapter, N, in_place.x, apart.z, in_place.dy,
                                     in_place.dy);
    cr_expect_arr_eq(in_place.dy, apart.dx, sizeof apart.dx);
    adcl__reference_adapter_forward(&in_place.adapter, N, in_place.x, NULL, in_place.x);
    cr_expect_arr_eq(in_place.x, apart.y, sizeof apart.y);
}

Test(reference_adapter, no_rows_touch_nothing)
{
    batch b;
    make_batch(&b, ADCL_ACTIVATION_RELU, 1.0, 0, 0.0f);
    b.y[0] = b.dx[0] = b.z[0] = 7.0;
    adcl__reference_adapter_forward(&b.adapter, 0, b.x, b.z, b.y);
    adcl__reference_adapter_backward(&b.adapter, 0, b.x, b.z, b.dy, b.dx);
    cr_expect(b.y[0] == 7.0 && b.dx[0] == 7.0 && b.z[0] == 7.0);
}

Test(reference_adapter, scaling_multiplies_the_branch_and_not_the_residual)
{
    batch branch, scaled;
    make_batch(&branch, ADCL_ACTIVATION_TANH, 1.0, 1, 0.0f);
    make_batch(&scaled, ADCL_ACTIVATION_TANH, -2.5, 0, 0.0f);
    forward(&branch);
    forward(&scaled);
    for (size_t i = 0; i < N * D; i++) branch.y[i] = branch.x[i] - 2.5 * branch.y[i];
    cr_expect_arr_eq(scaled.y, branch.y, sizeof branch.y);
}

Test(reference_adapter, dropout_drops_by_the_mask_and_scales_what_it_keeps)
{
    const float probability = 0.4f;
    batch whole, dropped;
    make_batch(&whole, ADCL_ACTIVATION_TANH, 2.0, 1, 0.0f);
    make_batch(&dropped, ADCL_ACTIVATION_TANH, 2.0, 1, probability);
    forward(&whole);
    forward(&dropped);
    uint32_t threshold = adcl__dropout_threshold(probability);
    double scale = (double)(1.0f / (1.0f - probability));
    size_t kept = 0;
    for (size_t e = 0; e < N * D; e++) {
        bool keeps = adcl__dropout_keeps(dropped.adapter.dropout_seed, dropped.adapter.dropout_step,
                                         e, threshold);
        double expected = keeps ? scale * whole.y[e] : 0.0;
        kept += keeps;
        cr_expect(
            adcl_test_close(adcl_test_label("element %zu", e), &dropped.y[e], &expected, 1, 1e-15));
    }
    cr_expect(kept > 0 && kept < N * D, "the mask is trivial: %zu of %d kept", kept, N * D);
}

/* A fresh adapter with zeros above is the identity to the bit, and so is one whose every element is
 * dropped, even where it is not a number. */
Test(reference_adapter, is_the_exact_identity_when_nothing_is_added)
{
    batch b;
    make_batch(&b, ADCL_ACTIVATION_RELU, 1.0, 0, 0.0f);
    memset(b.values[ADCL_UP_KERNEL], 0, sizeof b.values[ADCL_UP_KERNEL]);
    memset(b.values[ADCL_UP_BIAS], 0, sizeof b.values[ADCL_UP_BIAS]);
    forward(&b);
    cr_expect_arr_eq(b.y, b.x, sizeof b.y);

    make_batch(&b, ADCL_ACTIVATION_RELU, 1.0, 0, 0x1.fffffep-1f);
    for (size_t c = 0; c < D; c++) b.values[ADCL_UP_BIAS][c] = NAN;
    forward(&b);
    cr_expect_arr_eq(b.y, b.x, sizeof b.y);
}
