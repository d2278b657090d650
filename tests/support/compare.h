/* SPDX-License-Identifier: MIT */
/* compare.h – are two arrays equal up to a tolerance? For use inside an assertion:
 *
 *     cr_expect(adcl_test_close(adcl_test_label("y, N=%zu D=%zu", n, d), y, golden, n * d, 1e-5));
 */
#ifndef ADCL_TESTS_COMPARE_H
#define ADCL_TESTS_COMPARE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What a report begins with: name, shape, seed, device – all that is needed to repeat the case.
 * Valid until the next call. */
const char *adcl_test_label(const char *format, ...) ADCL__PRINTF(1, 2);

/* True when |got[i] − expected[i]| ≤ tolerance·(1 + |expected[i]|) for every i; NaN is close to NaN
 * only, an infinity to itself. Otherwise prints the label, how many are off, and the worst. */
bool adcl_test_close(const char *label, const double *got, const double *expected, size_t count,
                     double tolerance);

/* The same for numbers of a device. */
bool adcl_test_close_floats(const char *label, const float *got, const double *expected,
                            size_t count, double tolerance);

#endif
