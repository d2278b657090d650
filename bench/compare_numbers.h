/* SPDX-License-Identifier: MIT */
/* compare_numbers.h – what an engine computes beside what the reference engine computes. */
#ifndef ADCL_BENCH_COMPARE_NUMBERS_H
#define ADCL_BENCH_COMPARE_NUMBERS_H

#include "bench/row.h"

#include <adapter_cl/status.h>

/* INVALID_STATE, with a sentence, at the first number that is further off than
 * tolerance·(scale + |expected|). `what` is the matrix ("dx"). */
adcl_status bench_compare_numbers(const bench_shape *shape, const char *what, const float *got,
                                  const float *expected, size_t count, double scale,
                                  double tolerance, adcl_error *error);

#endif
