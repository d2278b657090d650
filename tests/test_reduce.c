/* SPDX-License-Identifier: MIT */
#include "ops/reduce.h"
#include "support/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* sums += scale · Σ rows, on a strided matrix between guards: the sums, to be freed. */
static float *run(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols, const float *numbers,
                  const float *before, float scale)
{
    adcl_test_guarded x = adcl_test_guarded_draw(ctx, seed, rows, cols, numbers);
    adcl_test_guarded sums = adcl_test_guarded_draw(ctx, seed + 1, 1, cols, before);
    cl_mem scratch = NULL;
    ADCL_TEST_OK(ctx, adcl__buffer_create(ctx, adcl__colsum_scratch(cols) * sizeof(float), NULL,
                                          &scratch));
    ADCL_TEST_OK(ctx, adcl__colsum(ctx, x.tensor, scale, scratch, sums.tensor));
    float *result = adcl_test_guarded_read(ctx, &sums);
    clReleaseMemObject(scratch);
    adcl_test_guarded_destroy(&x);
    adcl_test_guarded_destroy(&sums);
    return result;
}

/* A float sum of `rows` numbers in two stages (of at most `block_rows` and 256 numbers) is off by
 * at most block_rows + 256 roundings of the sum of magnitudes; scale and += cost two more. */
static void check_sums(const float *numbers, const float *before, size_t rows, size_t cols,
                       float scale, const float *got)
{
    double block_rows = fmax(64.0, ceil((double)rows / 256.0));
    for (size_t c = 0; c < cols; c++) {
        double sum = 0.0, magnitude = 0.0;
        for (size_t r = 0; r < rows; r++) {
            sum += (double)numbers[r * cols + c];
            magnitude += fabs((double)numbers[r * cols + c]);
        }
        double expected = (double)before[c] + (double)scale * sum;
        double bound = (block_rows + 258.0) * 0x1p-24 *
                       (fabs((double)scale) * magnitude + fabs((double)before[c]));
        cr_expect(fabs((double)got[c] - expected) <= bound,
                  "(%zu, %zu), column %zu: got %.9g, expected %.17g", rows, cols, c,
                  (double)got[c], expected);
    }
}

static void check_case(adcl_context *ctx, size_t rows, size_t cols, float scale)
{
    float *numbers = adcl_test_numbers(rows, rows * cols), *before = adcl_test_numbers(cols, cols);
    float *first = run(ctx, 1, rows, cols, numbers, before, scale);
    float *second = run(ctx, 3, rows, cols, numbers, before, scale);
    check_sums(numbers, before, rows, cols, scale, first);
    cr_expect(adcl_test_same_bits("the same sums once more", second, first, cols * sizeof *first),
              "(%zu, %zu)", rows, cols);
    free(numbers);
    free(before);
    free(first);
    free(second);
}

Test(colsum, agrees_with_double_sums_and_repeats_its_bits)
{
    static const size_t row_counts[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000};
    static const size_t col_counts[] = {1, 3, 64, 65, 200};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++)
        for (size_t j = 0; j < sizeof col_counts / sizeof col_counts[0]; j++)
            check_case(ctx, row_counts[i], col_counts[j], (i + j) % 2 == 0 ? 1.0f : -0.75f);
    adcl_context_destroy(&ctx);
}

/* Up to 256 blocks of 64 rows; beyond 16,384 rows the blocks grow. */
Test(colsum, has_no_more_than_256_blocks_however_many_rows)
{
    static const size_t row_counts[] = {16383, 16384, 16385, 20000, 70001};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++)
        check_case(ctx, row_counts[i], 5, 1.0f);
    adcl_context_destroy(&ctx);
}

/* Any other order of these sums would be seen: 2²⁴ + 1 is 2²⁴ in float. */
Test(colsum, adds_in_the_order_of_rows_within_a_block_then_of_blocks)
{
    enum { N = 130 };
    adcl_context *ctx = adcl_test_context_create();
    float numbers[N] = {0}, before = 0.0f;
    numbers[0] = 0x1p24f; /* block 0: 2²⁴ + 1 + 1 = 2²⁴ */
    numbers[1] = numbers[2] = 1.0f;
    numbers[64] = numbers[65] = 1.0f; /* block 1: 2, which then counts */
    numbers[128] = -0x1p24f;
    float *sum = run(ctx, 1, N, 1, numbers, &before, 1.0f);
    cr_expect_eq(sum[0], 2.0f, "%.9g", (double)sum[0]);
    free(sum);
    adcl_context_destroy(&ctx);
}

Test(colsum, of_no_rows_adds_nothing)
{
    const float before[3] = {1, 2, 3};
    adcl_context *ctx = adcl_test_context_create();
    float *sums = run(ctx, 1, 0, 3, NULL, before, 1.0f);
    cr_expect_arr_eq(sums, before, sizeof before);
    free(sums);
    adcl_context_destroy(&ctx);
}
