/* SPDX-License-Identifier: MIT */
#include "reference/reference.h"
#include "support/compare.h"
#include "support/golden.h"

#include <criterion/criterion.h>
#include <math.h>

/* The arithmetic is a handful of operations and calls of libm, each right to about 1 ulp
 * (1.1e-16): 1e-14 leaves room for another libm and none for another formula. */
static const double tolerance = 1e-14;

static int takes_rows(adcl_activation activation)
{
    return activation >= ADCL_ACTIVATION_SOFTMAX;
}

static double value_at(adcl_activation activation, double x)
{
    double h;
    adcl__reference_activation_forward(activation, 1, 1, &x, &h);
    return h;
}

static double derivative_at(adcl_activation activation, double x)
{
    double one = 1.0, dz;
    adcl__reference_activation_backward(activation, 1, 1, &x, &one, &dz);
    return dz;
}

/* ---- golden data ---------------------------------------------------------------------------- */

enum { POINTS = 138, FINITE_POINTS = POINTS - 3 }; /* then +∞, −∞ and NaN */

/* The golden derivative, without the accidents of the reference. In f64 only one is left, at the
 * first point, which is 0: softplus′ and log_sigmoid′ are 0.5 there, not 0. */
static void golden_derivatives(adcl_test_golden *golden, adcl_activation activation,
                               double derivatives[POINTS])
{
    const char *name = adcl_activation_name(activation);
    const double *raw = adcl_test_golden_doubles(golden, POINTS, "B/%s/f64/deriv", name);
    for (size_t i = 0; i < POINTS; i++) derivatives[i] = raw[i];
    if (activation == ADCL_ACTIVATION_SOFTPLUS || activation == ADCL_ACTIVATION_LOG_SIGMOID) {
        cr_expect_eq(derivatives[0], 0.0, "%s: no accident to correct", name);
        derivatives[0] = 0.5;
    }
}

Test(reference_activation, matches_golden_data)
{
    adcl_test_golden *golden = adcl_test_golden_open("activations.safetensors");
    const double *x = adcl_test_golden_doubles(golden, POINTS, "B/in/x");
    cr_assert_eq(x[0], 0.0);
    double ones[POINTS], got[POINTS], derivatives[POINTS];
    for (size_t i = 0; i < POINTS; i++) ones[i] = 1.0;

    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++) {
        adcl_activation activation = (adcl_activation)i;
        if (takes_rows(activation) || activation == ADCL_ACTIVATION_GELU_TANH ||
            activation == ADCL_ACTIVATION_QUICK_GELU)
            continue;
        const char *name = adcl_activation_name(activation);
        const double *values = adcl_test_golden_doubles(golden, POINTS, "B/%s/f64/value", name);
        golden_derivatives(golden, activation, derivatives);
        adcl__reference_activation_forward(activation, 1, POINTS, x, got);
        cr_expect(adcl_test_close(name, got, values, FINITE_POINTS, tolerance));
        adcl__reference_activation_backward(activation, 1, POINTS, x, ones, got);
        cr_expect(adcl_test_close(adcl_test_label("%s, derivative", name), got, derivatives,
                                  FINITE_POINTS, tolerance));
    }
    adcl_test_golden_close(golden);
}

Test(reference_activation, matches_golden_data_for_rows)
{
    enum { N = 6, R = 5 };
    adcl_test_golden *golden = adcl_test_golden_open("activations.safetensors");
    const double *z = adcl_test_golden_doubles(golden, N * R, "Brow/in/x");
    for (int i = ADCL_ACTIVATION_SOFTMAX; i <= ADCL_ACTIVATION_LOG_SUMEXP; i++) {
        adcl_activation activation = (adcl_activation)i;
        const char *name = adcl_activation_name(activation);
        size_t width = adcl_activation_width(activation, R);
        const char *dh_key = width == 1 ? "Brow/in/dy1" : "Brow/in/dy";
        const double *dh = adcl_test_golden_doubles(golden, N * width, "%s", dh_key);
        const double *h = adcl_test_golden_doubles(golden, N * width, "Brow/%s/f64/value", name);
        const double *dz = adcl_test_golden_doubles(golden, N * R, "Brow/%s/f64/vjp", name);
        double got[N * R];
        adcl__reference_activation_forward(activation, N, R, z, got);
        cr_expect(adcl_test_close(name, got, h, N * width, tolerance));
        adcl__reference_activation_backward(activation, N, R, z, dh, got);
        cr_expect(adcl_test_close(adcl_test_label("%s, vjp", name), got, dz, N * R, tolerance));
    }
    adcl_test_golden_close(golden);
}

/* ---- what golden data does not hold --------------------------------------------------------- */

/* The accidents of the reference software, most of which only its f32 has: the right values. */
Test(reference_activation, does_not_copy_the_accidents)
{
    cr_expect_eq(derivative_at(ADCL_ACTIVATION_SOFTPLUS, 0.0), 0.5);
    cr_expect_eq(derivative_at(ADCL_ACTIVATION_LOG_SIGMOID, 0.0), 0.5);
    for (double x = -89.0; x > -1e300; x *= 10.0) {
        double sigmoid = derivative_at(ADCL_ACTIVATION_SIGMOID, x);
        cr_expect(sigmoid >= 0.0 && sigmoid < 3e-39, "sigmoid'(%g) = %g", x, sigmoid);
        double silu = derivative_at(ADCL_ACTIVATION_SILU, x);
        cr_expect(silu <= 0.0 && silu > -2e-37, "silu'(%g) = %g", x, silu);
        cr_expect_eq(derivative_at(ADCL_ACTIVATION_CELU, -x), 1.0, "celu'(%g)", -x);
    }
}

Test(reference_activation, has_the_derivatives_of_the_specification_at_kinks)
{
    static const struct {
        adcl_activation activation;
        double x, derivative;
    } kinks[] = {
        {ADCL_ACTIVATION_RELU, 0.0, 0.0},
        {ADCL_ACTIVATION_RELU6, 0.0, 0.5},
        {ADCL_ACTIVATION_RELU6, 6.0, 0.5},
        {ADCL_ACTIVATION_LEAKY_RELU, 0.0, 0.01},
        {ADCL_ACTIVATION_ELU, 0.0, 1.0},
        {ADCL_ACTIVATION_CELU, 0.0, 1.0},
        {ADCL_ACTIVATION_SELU, 0.0, 1.0507009873554805 * 1.6732632423543772},
        {ADCL_ACTIVATION_HARD_TANH, -1.0, 1.0},
        {ADCL_ACTIVATION_HARD_TANH, 1.0, 1.0},
        {ADCL_ACTIVATION_HARD_SIGMOID, -1.0, 0.1},
        {ADCL_ACTIVATION_HARD_SIGMOID, 4.0, 0.1},
        {ADCL_ACTIVATION_HARD_SILU, -1.0, -0.1},
        {ADCL_ACTIVATION_HARD_SILU, 4.0, 1.4},
    };
    for (size_t i = 0; i < sizeof kinks / sizeof kinks[0]; i++)
        cr_expect_eq(derivative_at(kinks[i].activation, kinks[i].x), kinks[i].derivative, "%s'(%g)",
                     adcl_activation_name(kinks[i].activation), kinks[i].x);
}

/* The two activations that golden data lacks, from 120-digit arithmetic. */
Test(reference_activation, gelu_tanh_and_quick_gelu_match_high_precision_values)
{
    static const struct {
        double x, gelu_tanh, gelu_tanh_derivative, quick_gelu, quick_gelu_derivative;
    } known[] = {
        {-12, -1.6359854493534811e-61, -5.2904033525225585e-60, -1.6186417835847618e-8,
         -2.6200414966464994e-8},
        {-4.5, -5.1367374119586498e-6, -2.9322270442755096e-5, -0.002122004175814449,
         -0.0031383915262260613},
        {-1.25, -0.1322857970302854, -0.12249263224964863, -0.13306569855683068,
         -0.095916116749961834},
        {-0.0009765625, -0.00048790078905422456, 0.49922081610751285, -0.00048787546167178863,
         0.49916894569514617},
        {0, 0.0, 0.5, 0.0, 0.5},
        {0.5, 0.34571400982514392, 0.86736990353464231, 0.35038843660638012, 0.87922191196541427},
        {2.75, 2.742276855926382, 1.0219489215934982, 2.7247298322908259, 1.0334254497278467},
        {7, 6.9999999999999977, 1.0000000000000277, 6.9999531283033172, 1.000073079136911},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        double x = known[i].x;
        double got[4] = {
            value_at(ADCL_ACTIVATION_GELU_TANH, x), derivative_at(ADCL_ACTIVATION_GELU_TANH, x),
            value_at(ADCL_ACTIVATION_QUICK_GELU, x), derivative_at(ADCL_ACTIVATION_QUICK_GELU, x)};
        cr_expect(
            adcl_test_close(adcl_test_label("at %g", x), got, &known[i].gelu_tanh, 4, tolerance));
    }
}

/* Far from 0 the right digits are still there, not only the right order: relative to the value.
 * Rounding the argument of exp, up to 450, costs 450 times 1.1e-16. */
Test(reference_activation, loses_no_digits_where_it_saturates)
{
    static const struct {
        adcl_activation activation;
        double x, value, derivative;
    } far[] = {
        {ADCL_ACTIVATION_SIGMOID, -100, 3.720075976020836e-44, 3.720075976020836e-44},
        {ADCL_ACTIVATION_SIGMOID, 100, 1.0, 3.720075976020836e-44},
        {ADCL_ACTIVATION_SILU, -100, -3.720075976020836e-42, -3.6828752162606276e-42},
        {ADCL_ACTIVATION_MISH, -100, -3.720075976020836e-42, -3.6828752162606276e-42},
        {ADCL_ACTIVATION_TANH, 30, 1.0, 3.5026043050786081e-26},
        {ADCL_ACTIVATION_TANH, -30, -1.0, 3.5026043050786081e-26},
        {ADCL_ACTIVATION_SOFTPLUS, -100, 3.720075976020836e-44, 3.720075976020836e-44},
        {ADCL_ACTIVATION_LOG_SIGMOID, 100, -3.720075976020836e-44, 3.720075976020836e-44},
        {ADCL_ACTIVATION_GELU, -30, -1.4720141781444561e-196, -4.4160316907084944e-195},
        {ADCL_ACTIVATION_GELU_TANH, -12, -1.6359854493534811e-61, -5.2904033525225585e-60},
    };
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        adcl_activation activation = far[i].activation;
        double got[2] = {value_at(activation, far[i].x) / far[i].value,
                         derivative_at(activation, far[i].x) / far[i].derivative};
        double ones[2] = {1.0, 1.0};
        cr_expect(
            adcl_test_close(adcl_test_label("%s at %g", adcl_activation_name(activation), far[i].x),
                            got, ones, 2, 450 * 1.1e-16));
    }
}

Test(reference_activation, has_limits_at_infinity_and_passes_nan_on)
{
    for (int i = 0; i < ADCL_ACTIVATION_SOFTMAX; i++) {
        adcl_activation activation = (adcl_activation)i;
        const char *name = adcl_activation_name(activation);
        cr_expect(isnan(value_at(activation, NAN)), "%s(NaN)", name);
        for (double x = -1e6; x <= 1e6; x += 2e6) {
            double far = value_at(activation, x);
            double limit = value_at(activation, copysign(INFINITY, x));
            /* Either it has come to rest (softsign not quite), or it grows with x. */
            cr_expect(fabs(limit - far) < 2e-6 || fabs(limit) == INFINITY, "%s(%g): %g, limit %g",
                      name, x, far, limit);
            double slope = derivative_at(activation, x);
            cr_expect(fabs(derivative_at(activation, copysign(INFINITY, x)) - slope) < 2e-6 ||
                          activation == ADCL_ACTIVATION_EXP,
                      "%s'(%g)", name, x);
        }
    }
}

/* A row shifted by a constant has the same softmax, even where exp of it would overflow. */
Test(reference_activation, rows_may_be_large)
{
    const double small[3] = {0.0, 1.0, 3.0}, large[3] = {4096.0, 4097.0, 4099.0};
    double expected[3], got[3];
    adcl__reference_activation_forward(ADCL_ACTIVATION_LOG_SOFTMAX, 1, 3, small, expected);
    adcl__reference_activation_forward(ADCL_ACTIVATION_LOG_SOFTMAX, 1, 3, large, got);
    cr_expect_arr_eq(got, expected, sizeof got);
    adcl__reference_activation_forward(ADCL_ACTIVATION_LOG_SUMEXP, 1, 3, small, expected);
    adcl__reference_activation_forward(ADCL_ACTIVATION_LOG_SUMEXP, 1, 3, large, got);
    cr_expect(fabs(got[0] - (expected[0] + 4096.0)) < 1e-12, "%.17g", got[0]); /* an ulp of 4099 */
}

/* Σ h·dh for one row of R = 3. */
static double weighted_sum(adcl_activation activation, const double z[3], const double dh[3])
{
    double h[3], sum = 0.0;
    adcl__reference_activation_forward(activation, 1, 3, z, h);
    for (size_t c = 0; c < adcl_activation_width(activation, 3); c++) sum += h[c] * dh[c];
    return sum;
}

Test(reference_activation, derivatives_match_finite_differences)
{
    /* No kink is within a step of these. A central difference is off by step²/6·f‴ = 2e-11·f‴ and
     * by the rounding of f, 1.1e-16·f/step = 1e-11·f. */
    const double rows[][3] = {{-7.3, -2.1, -0.7}, {0.35, 1.6, 3.3}, {5.2, 4.6, -0.2}};
    const double dh[3] = {1.0, -0.5, 2.0}, step = 1e-5;
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++)
        for (int r = 0; r < 3; r++) {
            adcl_activation activation = (adcl_activation)i;
            double dz[3], expected[3];
            for (int c = 0; c < 3; c++) {
                double above[3], below[3];
                for (int k = 0; k < 3; k++) {
                    above[k] = rows[r][k] + (k == c ? step : 0.0);
                    below[k] = rows[r][k] - (k == c ? step : 0.0);
                }
                expected[c] =
                    (weighted_sum(activation, above, dh) - weighted_sum(activation, below, dh)) /
                    (2.0 * step);
            }
            adcl__reference_activation_backward(activation, 1, 3, rows[r], dh, dz);
            cr_expect(
                adcl_test_close(adcl_test_label("%s, row %d", adcl_activation_name(activation), r),
                                dz, expected, 3, 1e-9));
        }
}
