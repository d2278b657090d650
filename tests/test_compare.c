/* SPDX-License-Identifier: MIT */
/* The tests' own measure: too generous, it would let everything else pass. */
#include "support/compare.h"

#include <criterion/criterion.h>
#include <math.h>

static bool close_pair(double got, double expected, double tolerance)
{
    return adcl_test_close(adcl_test_label("%g and %g", got, expected), &got, &expected, 1,
                           tolerance);
}

Test(compare, tolerance_is_absolute_near_zero_and_relative_far_away)
{
    cr_expect(close_pair(0.9e-3, 0.0, 1e-3));
    cr_expect_not(close_pair(1.1e-3, 0.0, 1e-3));
    cr_expect(close_pair(-1000.9, -1000.0, 1e-3));
    cr_expect_not(close_pair(-1001.1, -1000.0, 1e-3));
}

Test(compare, tolerance_of_zero_asks_for_equality)
{
    cr_expect(close_pair(0.1, 0.1, 0.0));
    cr_expect_not(close_pair(0.1, nextafter(0.1, 1.0), 0.0));
}

Test(compare, what_is_not_finite_is_close_to_itself_only)
{
    cr_expect(close_pair(NAN, NAN, 1e-3));
    cr_expect(close_pair(INFINITY, INFINITY, 1e-3));
    cr_expect_not(close_pair(-INFINITY, INFINITY, 1e-3));
    cr_expect_not(close_pair(1.0, INFINITY, 1e-3));
    cr_expect_not(close_pair(INFINITY, 1.0, 1e-3));
    cr_expect_not(close_pair(NAN, 1.0, 1e-3));
    cr_expect_not(close_pair(1.0, NAN, 1e-3));
}

Test(compare, one_number_that_is_off_is_enough)
{
    const float got[] = {1.0f, 2.0f, 4.0f};
    const double expected[] = {1.0, 2.0, 3.0};
    cr_expect(adcl_test_close_floats("first two", got, expected, 2, 0.0));
    cr_expect_not(adcl_test_close_floats("all three", got, expected, 3, 0.1));
}
