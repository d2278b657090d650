/* SPDX-License-Identifier: MIT */
#include "ops/activation.h"
#include "reference/reference.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/golden.h"

#include <math.h>
#include <stdlib.h>

/* A float function of OpenCL may be off by 16 ulp (erf), by 4 at most for what most activations are
 * made of, each 2⁻²⁴; a handful of them: 16·4·6e-8 = 4e-6. */
static const double tolerance = 4e-6;

/* What one activation makes of a matrix: h (N, width), dz (N, R), and h as backward forms it. */
typedef struct outcome {
    float *h, *dz, *h_again;
} outcome;

/* Forward, then backward with dh, each on matrices between guards. z (rows, cols), bias (1, cols);
 * NULL: zeros. */
static outcome run(adcl_context *ctx, adcl_activation activation, size_t rows, size_t cols,
                   const float *z_numbers, const float *bias_numbers, const float *dh_numbers)
{
    size_t width = adcl_activation_width(activation, cols);
    adcl_tensor *bias = adcl_test_tensor_create(ctx, 1, cols, bias_numbers);
    adcl_test_guarded z = adcl_test_guarded_draw(ctx, 1, rows, cols, z_numbers);
    adcl_test_guarded h = adcl_test_guarded_draw(ctx, 2, rows, width, NULL);
    adcl_test_guarded dh = adcl_test_guarded_draw(ctx, 3, rows, width, dh_numbers);
    adcl_test_guarded dz = adcl_test_guarded_draw(ctx, 4, rows, cols, NULL);
    adcl_test_guarded again = adcl_test_guarded_draw(ctx, 5, rows, width, NULL);
    ADCL_TEST_OK(ctx, adcl__activation_forward(ctx, activation, z.tensor, bias, h.tensor));
    ADCL_TEST_OK(ctx, adcl__activation_backward(ctx, activation, z.tensor, dh.tensor, dz.tensor,
                                                again.tensor));
    outcome result = {adcl_test_guarded_read(ctx, &h), adcl_test_guarded_read(ctx, &dz),
                      adcl_test_guarded_read(ctx, &again)};
    free(adcl_test_guarded_read(ctx, &z)); /* it was written: its guards count too */
    adcl_test_guarded_destroy(&z);
    adcl_test_guarded_destroy(&h);
    adcl_test_guarded_destroy(&dh);
    adcl_test_guarded_destroy(&dz);
    adcl_test_guarded_destroy(&again);
    adcl_tensor_destroy(&bias);
    return result;
}

static void discard(outcome *result)
{
    free(result->h);
    free(result->dz);
    free(result->h_again);
}

static bool takes_rows(adcl_activation activation)
{
    return activation >= ADCL_ACTIVATION_SOFTMAX;
}

/* ---- golden data ----------------------------------------------------------------------------- */

enum { POINTS = 138, FINITE_POINTS = POINTS - 3 }; /* then +∞, −∞ and NaN */

/* Softplus′(0) and log_sigmoid′(0), which the reference software gives as 0, are at point 0. */
static void golden_slopes(adcl_test_golden *golden, adcl_activation activation,
                          double slopes[POINTS])
{
    const double *raw = adcl_test_golden_doubles(golden, POINTS, "B/%s/f64/deriv",
                                                 adcl_activation_name(activation));
    memcpy(slopes, raw, POINTS * sizeof *slopes);
    if (activation == ADCL_ACTIVATION_SOFTPLUS || activation == ADCL_ACTIVATION_LOG_SIGMOID)
        slopes[0] = 0.5;
}

/* Kinks and their neighbours, ±30, ±100, tiny and random points. exp overflows a float at 100. */
Test(activation, matches_golden_data_at_every_point)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_test_golden *golden = adcl_test_golden_open("activations.safetensors");
    const float *x = adcl_test_golden_floats(golden, POINTS, "B/in/x");
    float ones[POINTS];
    double slopes[POINTS];
    for (int i = 0; i < POINTS; i++) ones[i] = 1.0f;
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++) {
        adcl_activation activation = (adcl_activation)i;
        if (takes_rows(activation) || activation == ADCL_ACTIVATION_GELU_TANH ||
            activation == ADCL_ACTIVATION_QUICK_GELU)
            continue;
        const char *name = adcl_activation_name(activation);
        const double *raw = adcl_test_golden_doubles(golden, POINTS, "B/%s/f64/value", name);
        double values[POINTS];
        golden_slopes(golden, activation, slopes);
        for (int p = 0; p < POINTS; p++) {
            values[p] = raw[p] > 3.5e38 ? INFINITY : raw[p];
            if (slopes[p] > 3.5e38) slopes[p] = INFINITY;
        }
        outcome got = run(ctx, activation, 1, POINTS, x, NULL, ones);
        cr_expect(adcl_test_close_floats(name, got.h, values, FINITE_POINTS, tolerance));
        cr_expect(adcl_test_close_floats(adcl_test_label("%s, slope", name), got.dz, slopes,
                                         FINITE_POINTS, tolerance));
        cr_expect(adcl_test_same_bits(name, got.h_again, got.h, sizeof ones));
        discard(&got);
    }
    adcl_test_golden_close(golden);
    adcl_context_destroy(&ctx);
}

Test(activation, matches_golden_data_for_rows)
{
    enum { N = 6, R = 5 };
    adcl_context *ctx = adcl_test_context_create();
    adcl_test_golden *golden = adcl_test_golden_open("activations.safetensors");
    const float *z = adcl_test_golden_floats(golden, N * R, "Brow/in/x");
    for (int i = ADCL_ACTIVATION_SOFTMAX; i < ADCL_ACTIVATION_COUNT; i++) {
        adcl_activation activation = (adcl_activation)i;
        const char *name = adcl_activation_name(activation);
        size_t width = adcl_activation_width(activation, R);
        const char *dh_key = width == 1 ? "Brow/in/dy1" : "Brow/in/dy";
        const float *dh = adcl_test_golden_floats(golden, N * width, "%s", dh_key);
        const double *h = adcl_test_golden_doubles(golden, N * width, "Brow/%s/f64/value", name);
        const double *dz = adcl_test_golden_doubles(golden, N * R, "Brow/%s/f64/vjp", name);
        outcome got = run(ctx, activation, N, R, z, NULL, dh);
        cr_expect(adcl_test_close_floats(name, got.h, h, N * width, tolerance));
        cr_expect(adcl_test_close_floats(adcl_test_label("%s, vjp", name), got.dz, dz, N * R,
                                         tolerance));
        cr_expect(adcl_test_same_bits(name, got.h_again, got.h, N * width * sizeof(float)));
        discard(&got);
    }
    adcl_test_golden_close(golden);
    adcl_context_destroy(&ctx);
}

/* ---- all 24 against the reference ------------------------------------------------------------ */

/* Compares what the device made of points (rows, cols) with the reference. */
static void check_against_reference(adcl_activation activation, size_t rows, size_t cols,
                                    const double *z, const double *dh, const outcome *got)
{
    const char *name = adcl_activation_name(activation);
    size_t width = adcl_activation_width(activation, cols);
    double *h = calloc(rows * cols, sizeof *h), *dz = calloc(rows * cols, sizeof *dz);
    cr_assert(h != NULL && dz != NULL);
    adcl__reference_activation_forward(activation, rows, cols, z, h);
    adcl__reference_activation_backward(activation, rows, cols, z, dh, dz);
    cr_expect(adcl_test_close_floats(name, got->h, h, rows * width, tolerance));
    cr_expect(adcl_test_close_floats(adcl_test_label("%s, backward", name), got->dz, dz,
                                     rows * cols, tolerance));
    cr_expect(adcl_test_same_bits(name, got->h_again, got->h, rows * width * sizeof(float)));
    free(h);
    free(dz);
}

Test(activation, agrees_with_the_reference_on_matrices_with_a_bias)
{
    enum { N = 67, R = 33 };
    adcl_context *ctx = adcl_test_context_create();
    float *z = adcl_test_numbers(1, N * R), *bias = adcl_test_numbers(2, R);
    float *dh = adcl_test_numbers(3, N * R);
    double *sums = adcl_test_doubles(z, N * R), *slopes = adcl_test_doubles(dh, N * R);
    /* The device adds the bias in float; so does this, to look at the same points. */
    for (int i = 0; i < N * R; i++) sums[i] = (double)(z[i] + bias[i % R]);
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++) {
        outcome got = run(ctx, (adcl_activation)i, N, R, z, bias, dh);
        check_against_reference((adcl_activation)i, N, R, sums, slopes, &got);
        discard(&got);
    }
    free(z);
    free(bias);
    free(dh);
    free(sums);
    free(slopes);
    adcl_context_destroy(&ctx);
}

Test(activation, agrees_with_the_reference_far_out_and_at_infinity)
{
    const float far[] = {-INFINITY, -3e38f, -1e20f, -1e6f, -200.0f, 200.0f, 1e6f,
                         1e20f,     3e38f,  INFINITY};
    enum { POINT_COUNT = sizeof far / sizeof far[0] };
    float ones[POINT_COUNT];
    for (int i = 0; i < POINT_COUNT; i++) ones[i] = 1.0f;
    double *points = adcl_test_doubles(far, POINT_COUNT);
    double *slopes = adcl_test_doubles(ones, POINT_COUNT);
    adcl_context *ctx = adcl_test_context_create();
    for (int i = 0; i < ADCL_ACTIVATION_SOFTMAX; i++) {
        if (i == ADCL_ACTIVATION_EXP) continue; /* a double can hold exp(200) */
        outcome got = run(ctx, (adcl_activation)i, 1, POINT_COUNT, far, NULL, ones);
        check_against_reference((adcl_activation)i, 1, POINT_COUNT, points, slopes, &got);
        discard(&got);
    }
    free(points);
    free(slopes);
    adcl_context_destroy(&ctx);
}

/* ---- over all floats ------------------------------------------------------------------------- */

/* |got − exact| in units of the last place that a float near `exact` has. */
static double error_in_ulp(float got, double exact)
{
    int exponent;
    frexp(exact, &exponent);
    return fabs((double)got - exact) / ldexp(1.0, exponent < -125 ? -149 : exponent - 24);
}

/* The largest error of h over every 4,099th finite float, where h and the exponential in it, which is
 * smaller by a factor of 104 at most, are numbers of full precision. */
static double worst_error(adcl_context *ctx, adcl_activation activation)
{
    enum { COLS = 1024, STEP = 4099 };
    size_t rows = (size_t)(UINT64_C(0x100000000) / STEP / COLS), count = rows * COLS;
    float *points = malloc(count * sizeof *points);
    double *z = malloc(count * sizeof *z), *h = malloc(count * sizeof *h), worst = 0.0;
    cr_assert(points != NULL && z != NULL && h != NULL);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)(i * STEP);
        memcpy(&points[i], &bits, sizeof bits);
        if (!isfinite(points[i])) points[i] = 0.0f;
        z[i] = (double)points[i];
    }
    adcl__reference_activation_forward(activation, rows, COLS, z, h);
    outcome got = run(ctx, activation, rows, COLS, points, NULL, points);
    for (size_t i = 0; i < count; i++) {
        if (fabs(h[i]) > 3.4e38 || fabs(h[i]) < 0x1p-119) continue;
        double error = error_in_ulp(got.h[i], h[i]);
        if (error > worst) worst = error;
    }
    discard(&got);
    free(points);
    free(z);
    free(h);
    return worst;
}

/* What cl/activation_math.cl and docs/activations.md promise. */
Test(activation, is_within_its_units_in_the_last_place_over_all_floats, .timeout = 300)
{
    static const struct {
        adcl_activation activation;
        double ulp;
    } promised[] = {{ADCL_ACTIVATION_EXP, 1.0},     {ADCL_ACTIVATION_ELU, 1.0},
                    {ADCL_ACTIVATION_TANH, 3.0},    {ADCL_ACTIVATION_SIGMOID, 3.0},
                    {ADCL_ACTIVATION_SILU, 4.0},    {ADCL_ACTIVATION_GELU, 8.0},
                    {ADCL_ACTIVATION_GELU_TANH, 128.0}};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++) {
        double worst = worst_error(ctx, promised[i].activation);
        cr_expect_leq(worst, promised[i].ulp, "%s: %.2f ulp",
                      adcl_activation_name(promised[i].activation), worst);
    }
    adcl_context_destroy(&ctx);
}

/* ---- what is easily lost --------------------------------------------------------------------- */

/* act(x), act′(x) of an activation that takes numbers one by one. */
static void evaluate(adcl_context *ctx, adcl_activation activation, float x, float result[2])
{
    const float one = 1.0f;
    outcome got = run(ctx, activation, 1, 1, &x, NULL, &one);
    result[0] = got.h[0];
    result[1] = got.dz[0];
    discard(&got);
}

/* The reference software returns 0, infinity and NaN in these places. */
Test(activation, does_not_copy_the_accidents_of_the_reference_software)
{
    adcl_context *ctx = adcl_test_context_create();
    float got[2];
    evaluate(ctx, ADCL_ACTIVATION_SOFTPLUS, 0.0f, got);
    cr_expect_eq(got[1], 0.5f);
    evaluate(ctx, ADCL_ACTIVATION_LOG_SIGMOID, 0.0f, got);
    cr_expect_eq(got[1], 0.5f);
    for (float x = -89.0f; x > -1e30f; x *= 10.0f) {
        evaluate(ctx, ADCL_ACTIVATION_SIGMOID, x, got);
        cr_expect(got[1] >= 0.0f && got[1] < 3e-39f, "sigmoid'(%g) = %g", (double)x,
                  (double)got[1]);
        evaluate(ctx, ADCL_ACTIVATION_SILU, x, got);
        cr_expect(got[1] <= 0.0f && got[1] > -2e-37f, "silu'(%g) = %g", (double)x, (double)got[1]);
        evaluate(ctx, ADCL_ACTIVATION_CELU, -x, got);
        cr_expect_eq(got[1], 1.0f, "celu'(%g) = %g", (double)-x, (double)got[1]);
    }
    adcl_context_destroy(&ctx);
}

/* Relative to the value; from 120-digit arithmetic. −x/√2, rounded, is off by 1.5·2⁻²⁴ of itself,
 * which erfc makes 2·50 times more at −10: 9e-6. gelu_tanh's argument of 50 is off by 4 roundings,
 * which exp makes 50 times more: 1.2e-5. */
Test(activation, loses_no_digits_where_it_saturates)
{
    static const struct {
        adcl_activation activation;
        float x;
        double value, slope;
    } known[] = {
        {ADCL_ACTIVATION_SIGMOID, -80.0f, 1.8048513878454152e-35, 1.8048513878454152e-35},
        {ADCL_ACTIVATION_SIGMOID, 80.0f, 1.0, 1.8048513878454152e-35},
        {ADCL_ACTIVATION_SILU, -80.0f, -1.4438811102763321e-33, -1.425832596397878e-33},
        {ADCL_ACTIVATION_MISH, -80.0f, -1.4438811102763321e-33, -1.425832596397878e-33},
        {ADCL_ACTIVATION_TANH, 30.0f, 1.0, 3.5026043050786081e-26},
        {ADCL_ACTIVATION_TANH, -30.0f, -1.0, 3.5026043050786081e-26},
        {ADCL_ACTIVATION_SOFTPLUS, -80.0f, 1.8048513878454152e-35, 1.8048513878454152e-35},
        {ADCL_ACTIVATION_LOG_SIGMOID, 80.0f, -1.8048513878454152e-35, 1.8048513878454152e-35},
        {ADCL_ACTIVATION_GELU, -10.0f, -7.6198530241605261e-23, -7.6184000964648141e-22},
        {ADCL_ACTIVATION_GELU_TANH, -8.0f, -3.1077829375011112e-21, -4.7147845041068416e-20},
        {ADCL_ACTIVATION_QUICK_GELU, -40.0f, -1.0846551018154304e-28, -1.8189666057444767e-28},
        {ADCL_ACTIVATION_ELU, -0x1p-40f, -9.0949470177251465e-13, 0.99999999999909051},
    };
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        float got[2];
        evaluate(ctx, known[i].activation, known[i].x, got);
        const double ratios[2] = {(double)got[0] / known[i].value, (double)got[1] / known[i].slope};
        const double ones[2] = {1.0, 1.0};
        cr_expect(adcl_test_close(adcl_test_label("%s at %g",
                                                  adcl_activation_name(known[i].activation),
                                                  (double)known[i].x),
                                  ratios, ones, 2, 1.2e-5));
    }
    adcl_context_destroy(&ctx);
}

Test(activation, passes_nan_on)
{
    const float x = NAN;
    adcl_context *ctx = adcl_test_context_create();
    for (int i = 0; i < ADCL_ACTIVATION_SOFTMAX; i++) {
        float got[2];
        evaluate(ctx, (adcl_activation)i, x, got);
        cr_expect(isnan(got[0]), "%s(NaN) = %g", adcl_activation_name((adcl_activation)i),
                  (double)got[0]);
    }
    adcl_context_destroy(&ctx);
}

Test(activation, nan_and_infinity_in_one_row_leave_the_others_alone)
{
    enum { N = 3, R = 4 };
    const float z[N * R] = {1, 2, 3, 4, 1, NAN, 3, 4, 4, 3, 2, 1}, dh[N * R] = {1, 1, 1, 1, 1, 1};
    adcl_context *ctx = adcl_test_context_create();
    for (int i = ADCL_ACTIVATION_SOFTMAX; i < ADCL_ACTIVATION_COUNT; i++) {
        const char *name = adcl_activation_name((adcl_activation)i);
        size_t width = adcl_activation_width((adcl_activation)i, R);
        outcome got = run(ctx, (adcl_activation)i, N, R, z, NULL, dh);
        for (size_t c = 0; c < N * width; c++)
            cr_expect_eq(isnan(got.h[c]), c / width == 1, "%s, h[%zu] = %g", name, c,
                         (double)got.h[c]);
        discard(&got);
    }
    adcl_context_destroy(&ctx);
}

/* A row shifted by a constant has the same softmax, even where exp of it would overflow. */
Test(activation, rows_may_be_large)
{
    const float small[3] = {0.0f, 1.0f, 3.0f}, large[3] = {4096.0f, 4097.0f, 4099.0f};
    const float dh[3] = {1.0f, 0.0f, 0.0f};
    adcl_context *ctx = adcl_test_context_create();
    for (int i = ADCL_ACTIVATION_SOFTMAX; i <= ADCL_ACTIVATION_LOG_SOFTMAX; i++) {
        outcome expected = run(ctx, (adcl_activation)i, 1, 3, small, NULL, dh);
        outcome got = run(ctx, (adcl_activation)i, 1, 3, large, NULL, dh);
        cr_expect_arr_eq(got.h, expected.h, sizeof small);
        cr_expect_arr_eq(got.dz, expected.dz, sizeof small);
        discard(&expected);
        discard(&got);
    }
    outcome got = run(ctx, ADCL_ACTIVATION_LOG_SUMEXP, 1, 3, large, NULL, dh);
    cr_expect_eq(got.h[0], 4099.16992f, "%.9g", (double)got.h[0]); /* 4096 + log Σ, rounded */
    discard(&got);
    adcl_context_destroy(&ctx);
}

/* ---- in place -------------------------------------------------------------------------------- */

Test(activation, h_may_take_the_place_of_z_and_dz_that_of_dh)
{
    enum { N = 5, R = 66 };
    adcl_context *ctx = adcl_test_context_create();
    float *z = adcl_test_numbers(1, N * R), *bias = adcl_test_numbers(2, R);
    float *dh = adcl_test_numbers(3, N * R);
    adcl_tensor *on_bias = adcl_test_tensor_create(ctx, 1, R, bias);
    for (int i = 0; i < ADCL_ACTIVATION_LOG_SUMEXP; i++) {
        adcl_activation activation = (adcl_activation)i;
        const char *name = adcl_activation_name(activation);
        outcome expected = run(ctx, activation, N, R, z, bias, dh);
        adcl_tensor *on_z = adcl_test_tensor_create(ctx, N, R, z);
        adcl_tensor *on_dh = adcl_test_tensor_create(ctx, N, R, dh);
        adcl_tensor *on_h = adcl_test_tensor_create(ctx, N, R, NULL);
        ADCL_TEST_OK(ctx, adcl__activation_forward(ctx, activation, on_z, on_bias, on_h));
        ADCL_TEST_OK(ctx, adcl__activation_backward(ctx, activation, on_z, on_dh, on_dh, on_h));
        float *dz = adcl_test_tensor_read(ctx, on_dh);
        cr_expect(adcl_test_same_bits(name, dz, expected.dz, N * R * sizeof *dz));
        ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, on_z, z, N * R * sizeof *z));
        ADCL_TEST_OK(ctx, adcl__activation_forward(ctx, activation, on_z, on_bias, on_z));
        float *h = adcl_test_tensor_read(ctx, on_z);
        cr_expect(adcl_test_same_bits(name, h, expected.h, N * R * sizeof *h));
        free(h);
        free(dz);
        adcl_tensor_destroy(&on_z);
        adcl_tensor_destroy(&on_dh);
        adcl_tensor_destroy(&on_h);
        discard(&expected);
    }
    free(z);
    free(bias);
    free(dh);
    adcl_tensor_destroy(&on_bias);
    adcl_context_destroy(&ctx);
}
