/* SPDX-License-Identifier: MIT */
#include "support/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

const char *adcl_test_label(const char *format, ...)
{
    static char label[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(label, sizeof label, format, arguments);
    va_end(arguments);
    return label;
}

/* What is off so far. */
typedef struct misses {
    size_t count;
    size_t worst; /* its index */
    double worst_error, worst_got, worst_expected;
} misses;

/* |got − expected| / (1 + |expected|); infinity where one of them is not finite and they differ. */
static double scaled_error(double got, double expected)
{
    if (got == expected || (isnan(got) && isnan(expected))) return 0.0;
    if (!isfinite(got) || !isfinite(expected)) return INFINITY;
    return fabs(got - expected) / (1.0 + fabs(expected));
}

static void check(misses *found, size_t index, double got, double expected, double tolerance)
{
    double error = scaled_error(got, expected);
    if (error <= tolerance) return;
    if (found->count++ == 0 || error > found->worst_error) {
        found->worst = index;
        found->worst_error = error;
        found->worst_got = got;
        found->worst_expected = expected;
    }
}

static bool report(const char *label, const misses *found, size_t count, double tolerance)
{
    if (found->count == 0) return true;
    fprintf(stderr,
            "%s: %zu of %zu are off; worst at [%zu]: got %.17g, expected %.17g, "
            "|d| / (1 + |expected|) = %.3g > %.3g\n",
            label, found->count, count, found->worst, found->worst_got, found->worst_expected,
            found->worst_error, tolerance);
    return false;
}

bool adcl_test_close(const char *label, const double *got, const double *expected, size_t count,
                     double tolerance)
{
    misses found = {0};
    for (size_t i = 0; i < count; i++) check(&found, i, got[i], expected[i], tolerance);
    return report(label, &found, count, tolerance);
}

bool adcl_test_close_floats(const char *label, const float *got, const double *expected,
                            size_t count, double tolerance)
{
    misses found = {0};
    for (size_t i = 0; i < count; i++) check(&found, i, (double)got[i], expected[i], tolerance);
    return report(label, &found, count, tolerance);
}
