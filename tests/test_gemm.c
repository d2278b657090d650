/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "base/random.h"
#include "base/size.h"
#include "ops/gemm.h"
#include "support/compare.h"
#include "support/device.h"

#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* One product with everything that belongs to it. */
typedef struct product {
    bool transpose_a, transpose_b;
    size_t m, n, k;
    float alpha, beta;
    uint64_t seed; /* of the numbers, the offsets and the strides */
} product;

/* Element (r, c) of op(matrix), where the dense matrix has `cols` columns. */
static double element(const float *matrix, size_t cols, bool transpose, size_t r, size_t c)
{
    return (double)(transpose ? matrix[c * cols + r] : matrix[r * cols + c]);
}

/* Compares every element with a sum in double. A float sum of k + 1 products is off by at most
 * (k + 3)·2⁻²⁴ of the sum of their magnitudes, whatever the order; alpha and beta cost three of
 * these roundings. */
static void check_sums(const product *p, const float *a, const float *b, const float *c,
                       const float *got)
{
    size_t wrong = 0;
    for (size_t r = 0; r < p->m; r++)
        for (size_t s = 0; s < p->n; s++) {
            double sum = 0.0, magnitude = 0.0;
            for (size_t i = 0; i < p->k; i++) {
                double term = element(a, p->transpose_a ? p->m : p->k, p->transpose_a, r, i) *
                              element(b, p->transpose_b ? p->k : p->n, p->transpose_b, i, s);
                sum += term;
                magnitude += fabs(term);
            }
            double own = p->beta == 0.0f ? 0.0 : (double)p->beta * (double)c[r * p->n + s];
            double expected = (double)p->alpha * sum + own;
            double bound = ((double)p->k + 3.0) * 0x1p-24 *
                           (fabs((double)p->alpha) * magnitude + fabs(own));
            /* NaN is wrong too. */
            if (!(fabs((double)got[r * p->n + s] - expected) <= bound)) wrong++;
        }
    cr_expect_eq(wrong, 0, "%zu of %zu wrong: m %zu, n %zu, k %zu, op(A) %d, op(B) %d, %g, %g",
                 wrong, p->m * p->n, p->m, p->n, p->k, p->transpose_a, p->transpose_b,
                 (double)p->alpha, (double)p->beta);
}

static cl_mem create_scratch(adcl_context *ctx, const product *p)
{
    size_t bytes = 0;
    ADCL_TEST_OK(ctx, adcl__gemm_scratch_bytes(ctx, p->transpose_a, p->transpose_b, p->m, p->n,
                                               p->k, &bytes));
    cl_mem scratch = NULL;
    if (bytes > 0) ADCL_TEST_OK(ctx, adcl__buffer_create(ctx, bytes, NULL, &scratch));
    return scratch;
}

/* Runs a product on strided matrices between guards: its result, dense. With beta 0, C begins as
 * NaN. */
static float *run(adcl_context *ctx, const product *p, const float *a, const float *b,
                  const float *c)
{
    size_t a_rows = p->transpose_a ? p->k : p->m, a_cols = p->transpose_a ? p->m : p->k;
    size_t b_rows = p->transpose_b ? p->n : p->k, b_cols = p->transpose_b ? p->k : p->n;
    adcl_test_guarded on_a = adcl_test_guarded_draw(ctx, p->seed, a_rows, a_cols, a);
    adcl_test_guarded on_b = adcl_test_guarded_draw(ctx, p->seed + 1, b_rows, b_cols, b);
    adcl_test_guarded on_c =
        adcl_test_guarded_draw(ctx, p->seed + 2, p->m, p->n, p->beta == 0.0f ? NULL : c);
    cl_mem scratch = create_scratch(ctx, p);
    ADCL_TEST_OK(ctx, adcl__gemm_run(ctx, &(adcl__gemm){.transpose_a = p->transpose_a,
                                                        .transpose_b = p->transpose_b,
                                                        .alpha = p->alpha, .beta = p->beta,
                                                        .a = on_a.tensor, .b = on_b.tensor,
                                                        .c = on_c.tensor, .scratch = scratch}));
    float *result = adcl_test_guarded_read(ctx, &on_c);
    if (scratch != NULL) clReleaseMemObject(scratch);
    adcl_test_guarded_destroy(&on_a);
    adcl_test_guarded_destroy(&on_b);
    adcl_test_guarded_destroy(&on_c);
    return result;
}

/* Runs a product twice and checks sums and bits. */
static void check_product(adcl_context *ctx, product p)
{
    float *a = adcl_test_numbers(p.seed, p.m * p.k), *b = adcl_test_numbers(p.seed + 1, p.k * p.n);
    float *c = adcl_test_numbers(p.seed + 2, p.m * p.n);
    float *first = run(ctx, &p, a, b, c), *second = run(ctx, &p, a, b, c);
    check_sums(&p, a, b, c, first);
    cr_expect(adcl_test_same_bits("the same product once more", second, first,
                                  p.m * p.n * sizeof *first),
              "m %zu, n %zu, k %zu", p.m, p.n, p.k);
    free(a);
    free(b);
    free(c);
    free(first);
    free(second);
}

/* Three sizes that lie at least three places apart in a circle of eleven: small ones meet large
 * ones, and each size comes up in every role. */
Test(gemm, agrees_with_double_sums_over_sizes_strides_and_transpositions, .timeout = 300)
{
    static const size_t sizes[11] = {1, 2, 3, 7, 16, 33, 63, 64, 65, 127, 384};
    static const size_t steps[4][2] = {{3, 7}, {4, 8}, {7, 3}, {8, 4}};
    static const float factors[4][2] = {{1.0f, 0.0f}, {1.0f, 1.0f}, {-0.5f, 1.0f}, {1.5f, 0.25f}};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < 11; i++)
        for (size_t s = 0; s < 4; s++)
            for (size_t t = 0; t < 4; t++) {
                const float *factor = factors[(i + s + t) % 4];
                check_product(ctx, (product){t & 1, t >> 1, sizes[i], sizes[(i + steps[s][0]) % 11],
                                             sizes[(i + steps[s][1]) % 11], factor[0], factor[1],
                                             1000 * i + 100 * s + 10 * t});
            }
    adcl_context_destroy(&ctx);
}

/* CLBlast copies operands to its scratch before these. */
static void check_large_sizes(void)
{
    static const size_t sizes[][3] = {{384, 384, 384}, {384, 128, 512}, {385, 129, 513},
                                      {1000, 64, 768}};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t t = 0; t < 4; t++)
            check_product(ctx, (product){t & 1, t >> 1, sizes[i][0], sizes[i][1], sizes[i][2], 1.0f,
                                         t % 2 == 0 ? 0.0f : 1.0f, 10 * i + t});
    adcl_context_destroy(&ctx);
}

Test(gemm, agrees_with_double_sums_for_large_sizes_too, .timeout = 300)
{
    check_large_sizes();
}

/* Then it has one kernel for small products and another one beyond a size. */
Test(gemm, agrees_with_double_sums_when_clblast_keeps_its_own_parameters, .timeout = 300)
{
    setenv("ADCL_TUNING", "off", 1);
    check_large_sizes();
    adcl_context *ctx = adcl_test_context_create();
    for (size_t t = 0; t < 4; t++)
        check_product(ctx, (product){t & 1, t >> 1, 33, 7, 65, -0.5f, 1.0f, t});
    adcl_context_destroy(&ctx);
}

Test(gemm, of_nothing_does_nothing)
{
    adcl_context *ctx = adcl_test_context_create();
    const float numbers[4] = {1, 2, 3, 4};
    adcl_tensor *none = adcl_test_tensor_create(ctx, 0, 2, NULL);
    adcl_tensor *square = adcl_test_tensor_create(ctx, 2, 2, numbers);
    adcl__gemm no_rows = {.alpha = 1.0f, .a = none, .b = square, .c = none};
    adcl__gemm no_sum = {.transpose_a = true, .alpha = 1.0f, .beta = 1.0f, .a = none, .b = none,
                         .c = square};
    ADCL_TEST_OK(ctx, adcl__gemm_run(ctx, &no_rows));
    ADCL_TEST_OK(ctx, adcl__gemm_run(ctx, &no_sum));
    cr_expect_eq(adcl_context_counters(ctx).launches, 0);
    float *seen = adcl_test_tensor_read(ctx, square);
    cr_expect_arr_eq(seen, numbers, sizeof numbers);
    free(seen);
    adcl_tensor_destroy(&none);
    adcl_tensor_destroy(&square);
    adcl_context_destroy(&ctx);
}

/* ---- scratch --------------------------------------------------------------------------------- */

static size_t scratch_of(adcl_context *ctx, const product *p, size_t offset, size_t padding)
{
    size_t bytes = 0;
    cl_command_queue queue = adcl_context_cl_queue(ctx);
    CLBlastStatusCode code = CLBlastSGemmTempBufferSize(
        CLBlastLayoutRowMajor, p->transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
        p->transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, p->m, p->n, p->k, offset,
        (p->transpose_a ? p->m : p->k) + padding, offset, (p->transpose_b ? p->k : p->n) + padding,
        offset, p->n + padding, &queue, &bytes);
    cr_assert_eq(code, CLBlastSuccess);
    return bytes;
}

/* What a workspace for at most m rows sets aside must do for every batch that is smaller. */
Test(gemm_scratch, is_enough_for_all_smaller_products_offsets_and_strides)
{
    adcl_context *ctx = adcl_test_context_create();
    size_t largest = 0;
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t words[4];
        adcl__random_words(7, (const uint32_t[4]){i}, words);
        product most = {i & 1, i >> 1 & 1, 1 + words[0] % 1200, 1 + words[1] % 1200,
                        1 + words[2] % 1200, 1.0f, 0.0f, 0};
        if (i & 4) { /* whole tiles, which may need no copy where they are dense */
            most.m = adcl__round_up(most.m, 128);
            most.n = adcl__round_up(most.n, 128);
            most.k = adcl__round_up(most.k, 128);
        }
        size_t bound = 0;
        ADCL_TEST_OK(ctx, adcl__gemm_scratch_bytes(ctx, most.transpose_a, most.transpose_b, most.m,
                                                   most.n, most.k, &bound));
        if (bound > largest) largest = bound;
        for (uint32_t j = 0; j < 100; j++) {
            adcl__random_words(8 + i, (const uint32_t[4]){j}, words);
            product p = most;
            if (words[3] & 1) p.m = 1 + words[0] % most.m;
            if (words[3] & 2) p.n = 1 + words[1] % most.n;
            if (words[3] & 4) p.k = 1 + words[2] % most.k;
            size_t needed = scratch_of(ctx, &p, words[3] >> 3 & 1, words[3] >> 4 & 1);
            cr_expect_leq(needed, bound, "(%zu, %zu, %zu) needs more than (%zu, %zu, %zu)", p.m,
                          p.n, p.k, most.m, most.n, most.k);
        }
    }
    if (adcl_context_device(ctx)->type == ADCL_DEVICE_CPU) /* elsewhere CLBlast may copy nothing of products of this size */
        cr_expect_gt(largest, 0, "no product needed any scratch");
    adcl_context_destroy(&ctx);
}

/* A product is refused that needs scratch and is given none; how large that is depends on the device. */
Test(gemm, says_what_clblast_refused)
{
    adcl_context *ctx = adcl_test_context_create();
    product p = {.transpose_a = true, .m = 1200, .n = 1200, .k = 1200, .alpha = 1.0f};
    while (scratch_of(ctx, &p, 0, 0) == 0 && p.m < 10000) p.m = p.n = p.k = 2 * p.m;
    adcl_tensor *a = adcl_test_tensor_create(ctx, p.m, p.k, NULL);
    adcl_tensor *c = adcl_test_tensor_create(ctx, p.m, p.n, NULL);
    cl_mem scratch = NULL;
    ADCL_TEST_OK(ctx, adcl__buffer_create(ctx, 4, NULL, &scratch));
    adcl__gemm too_little = {.transpose_a = true, .alpha = 1.0f, .a = a, .b = a, .c = c,
                             .scratch = scratch};
    const char *sentence =
        adcl_test_label("CLBlast Sgemm of (%zu, %zu, %zu) failed with code", p.m, p.n, p.k);
    ADCL_TEST_FAILS(ctx, CLBLAST, sentence, adcl__gemm_run(ctx, &too_little));
    cr_expect_neq(adcl_context_error(ctx)->native_code, 0);
    clReleaseMemObject(scratch);
    adcl_tensor_destroy(&a);
    adcl_tensor_destroy(&c);
    adcl_context_destroy(&ctx);
}
