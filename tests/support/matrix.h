/* SPDX-License-Identifier: MIT */
/* matrix.h – a matrix on the device between guards, beside what it should hold, in double:
 *
 *     adcl_test_matrix x = adcl_test_matrix_draw(ctx, 1, rows, cols);     random numbers, both
 * sides adcl_test_matrix y = adcl_test_matrix_empty(ctx, 2, rows, cols);    NaN there, zeros here
 *     … plain C fills y.expected, the device y.tensor …
 *     adcl_test_matrix_check(ctx, label, &y, 1e-5);
 *
 * What cannot be made ends the test. */
#ifndef ADCL_TESTS_MATRIX_H
#define ADCL_TESTS_MATRIX_H

#include "support/device.h"

typedef struct adcl_test_matrix {
    size_t rows, cols;
    adcl_tensor *tensor;
    double *expected; /* (rows, cols) */
    /* Behind the door: */
    adcl_test_guarded guarded;
} adcl_test_matrix;

/* Numbers, offset and row stride drawn from the seed. */
adcl_test_matrix adcl_test_matrix_draw(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols);
/* These numbers, (rows, cols); offset and row stride drawn from the seed. NULL: NaN on the device.
 */
adcl_test_matrix adcl_test_matrix_create(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols,
                                         const float *numbers);
adcl_test_matrix adcl_test_matrix_empty(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols);

/* Fails the test unless the device holds what is expected, and the guards what they did. */
void adcl_test_matrix_check(adcl_context *ctx, const char *label, const adcl_test_matrix *matrix,
                            double tolerance);

void adcl_test_matrix_destroy(adcl_test_matrix *matrix);

#endif
