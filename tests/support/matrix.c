/* SPDX-License-Identifier: MIT */
#include "support/matrix.h"

#include "support/compare.h"

#include <stdlib.h>

adcl_test_matrix adcl_test_matrix_create(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols,
                                         const float *numbers)
{
    adcl_test_matrix m = {.rows = rows, .cols = cols};
    m.guarded = adcl_test_guarded_draw(ctx, seed, rows, cols, numbers);
    m.tensor = m.guarded.tensor;
    m.expected = calloc(rows * cols, sizeof *m.expected);
    cr_assert_not_null(m.expected);
    for (size_t i = 0; numbers != NULL && i < rows * cols; i++) m.expected[i] = (double)numbers[i];
    return m;
}

adcl_test_matrix adcl_test_matrix_draw(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols)
{
    float *numbers = adcl_test_numbers(seed, rows * cols);
    adcl_test_matrix m = adcl_test_matrix_create(ctx, seed, rows, cols, numbers);
    free(numbers);
    return m;
}

adcl_test_matrix adcl_test_matrix_empty(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols)
{
    return adcl_test_matrix_create(ctx, seed, rows, cols, NULL);
}

void adcl_test_matrix_check(adcl_context *ctx, const char *label, const adcl_test_matrix *m,
                            double tolerance)
{
    float *got = adcl_test_guarded_read(ctx, &m->guarded);
    cr_expect(adcl_test_close_floats(label, got, m->expected, m->rows * m->cols, tolerance), "%s",
              label);
    free(got);
}

void adcl_test_matrix_destroy(adcl_test_matrix *m)
{
    adcl_test_guarded_destroy(&m->guarded);
    free(m->expected);
}
