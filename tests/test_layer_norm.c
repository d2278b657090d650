/* SPDX-License-Identifier: MIT */
/* Layer norms of sums beside plain C, for vectors of every width that a device may claim. */
#include "ops/layer_norm.h"
#include "reference/reference.h"
#include "support/compare.h"
#include "support/matrix.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const float epsilon = 1e-5f;

/* Sums of up to a thousand numbers near 1, each rounded by 6e-8 of what is there so far, divided by
 * as many: a few 1e-6 at most. */
static const double tolerance = 1e-5;

/* ---- one norm -------------------------------------------------------------------------------- */

typedef struct norm_case {
    adcl_context *ctx;
    size_t rows, cols, summands;
    adcl_test_matrix summand[3], y, normal, dy, dx; /* (N, D) */
    adcl_test_matrix weight, bias, dweight, dbias;  /* (1, D) */
    adcl_tensor *inverse;                           /* (N, 1) */
    double *sum;                                    /* (N, D) */
    char label[96];
} norm_case;

static norm_case make_case(adcl_context *ctx, size_t rows, size_t cols, size_t summands)
{
    norm_case c = {.ctx = ctx, .rows = rows, .cols = cols, .summands = summands};
    for (size_t i = 0; i < 3; i++) c.summand[i] = adcl_test_matrix_draw(ctx, 1 + i, rows, cols);
    c.y = adcl_test_matrix_empty(ctx, 4, rows, cols);
    c.normal = adcl_test_matrix_empty(ctx, 5, rows, cols);
    c.dy = adcl_test_matrix_draw(ctx, 6, rows, cols);
    c.dx = adcl_test_matrix_draw(ctx, 7, rows, cols);
    c.weight = adcl_test_matrix_draw(ctx, 8, 1, cols);
    c.bias = adcl_test_matrix_draw(ctx, 9, 1, cols);
    c.dweight = adcl_test_matrix_draw(ctx, 10, 1, cols);
    c.dbias = adcl_test_matrix_draw(ctx, 11, 1, cols);
    c.inverse = adcl_test_tensor_create(ctx, rows, 1, NULL);
    c.sum = calloc(rows * cols, sizeof *c.sum);
    cr_assert_not_null(c.sum);
    for (size_t i = 0; i < summands; i++)
        for (size_t k = 0; k < rows * cols; k++) c.sum[k] += c.summand[i].expected[k];
    snprintf(c.label, sizeof c.label, "width %u, N=%zu D=%zu, %zu summands",
             (unsigned)ctx->family->vector_width, rows, cols, summands);
    return c;
}

static void discard_case(norm_case *c)
{
    adcl_test_matrix *all[] = {&c->summand[0], &c->summand[1], &c->summand[2], &c->y,
                               &c->normal,     &c->dy,         &c->dx,         &c->weight,
                               &c->bias,       &c->dweight,    &c->dbias};
    for (size_t i = 0; i < COUNT(all); i++) adcl_test_matrix_destroy(all[i]);
    adcl_tensor_destroy(&c->inverse);
    free(c->sum);
}

static adcl__reference_norm reference_of(const norm_case *c)
{
    return (adcl__reference_norm){.size = c->cols,
                                  .epsilon = (double)epsilon,
                                  .weight = c->weight.expected,
                                  .bias = c->bias.expected,
                                  .weight_gradient = c->dweight.expected,
                                  .bias_gradient = c->dbias.expected};
}

static adcl__layer_norm rule_of(const norm_case *c)
{
    return (adcl__layer_norm){c->weight.tensor, c->bias.tensor, epsilon};
}

static adcl__layer_norm_kept kept_of(const norm_case *c)
{
    return (adcl__layer_norm_kept){c->normal.tensor, c->inverse};
}

/* to: one of the summands, or y. */
static void forward(norm_case *c, bool keeps, adcl_test_matrix *to)
{
    const adcl__layer_norm rule = rule_of(c);
    const adcl__layer_norm_kept kept = kept_of(c);
    const adcl__reference_norm reference = reference_of(c);
    ADCL_TEST_OK(c->ctx, adcl__layer_norm_forward(c->ctx, &rule, c->summand[0].tensor,
                                                  c->summands > 1 ? c->summand[1].tensor : NULL,
                                                  c->summands > 2 ? c->summand[2].tensor : NULL,
                                                  keeps ? &kept : NULL, to->tensor));
    adcl__reference_norm_forward(&reference, c->rows, c->sum, to->expected);
}

/* x̂ is what plain C gives with weights of 1 and no bias. */
static void expect_normal(norm_case *c)
{
    double *ones = calloc(2 * c->cols, sizeof *ones);
    cr_assert_not_null(ones);
    for (size_t i = 0; i < c->cols; i++) ones[i] = 1.0;
    const adcl__reference_norm plain = {c->cols, (double)epsilon, ones, ones + c->cols, NULL, NULL};
    adcl__reference_norm_forward(&plain, c->rows, c->sum, c->normal.expected);
    free(ones);
}

static void check_forward(norm_case *c, bool keeps)
{
    forward(c, keeps, &c->y);
    if (keeps) expect_normal(c);
    adcl_test_matrix_check(c->ctx, c->label, &c->y, tolerance);
    if (keeps) adcl_test_matrix_check(c->ctx, c->label, &c->normal, tolerance);
    for (size_t i = 0; i < 3; i++) adcl_test_matrix_check(c->ctx, c->label, &c->summand[i], 0.0);
    adcl_test_matrix_check(c->ctx, c->label, &c->weight, 0.0);
    adcl_test_matrix_check(c->ctx, c->label, &c->bias, 0.0);
}

/* Both gradients begin with numbers of their own. dx is multiplied
 * with 1/√(variance + ε): with few columns that may be some hundreds, which tolerance must be, too.
 */
static void check_backward(norm_case *c)
{
    const adcl__layer_norm rule = rule_of(c);
    const adcl__layer_norm_kept kept = kept_of(c);
    const adcl__reference_norm reference = reference_of(c);
    double *dx = calloc(c->rows * c->cols, sizeof *dx);
    cr_assert_not_null(dx);
    adcl__reference_norm_backward(&reference, c->rows, c->sum, c->dy.expected, dx);
    for (size_t i = 0; i < c->rows * c->cols; i++)
        c->dx.expected[i] = dx[i];
    free(dx);
    ADCL_TEST_OK(c->ctx, adcl__layer_norm_gradients(c->ctx, &kept, c->dy.tensor, c->dweight.tensor,
                                                    c->dbias.tensor));
    ADCL_TEST_OK(c->ctx,
                 adcl__layer_norm_backward(c->ctx, &rule, &kept, c->dy.tensor, c->dx.tensor));
    adcl_test_matrix_check(c->ctx, c->label, &c->dweight, tolerance);
    adcl_test_matrix_check(c->ctx, c->label, &c->dbias, tolerance);
    adcl_test_matrix_check(c->ctx, c->label, &c->dx, tolerance);
    adcl_test_matrix_check(c->ctx, c->label, &c->dy, 0.0);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void check_sizes(adcl_fused_plan plan, unsigned width)
{
    static const size_t row_counts[] = {1, 2, 13, 65};
    static const size_t col_counts[] = {3, 7, 8, 15, 16, 17, 33, 383, 384, 769};
    adcl_context *ctx = adcl_test_context_create_for(plan);
    ctx->family->vector_width = width;
    size_t turn = 0;
    for (size_t r = 0; r < COUNT(row_counts); r++)
        for (size_t d = 0; d < COUNT(col_counts); d++, turn++) {
            norm_case c = make_case(ctx, row_counts[r], col_counts[d], 1 + turn % 3);
            check_forward(&c, false);
            check_forward(&c, true);
            check_backward(&c);
            discard_case(&c);
        }
    adcl_context_destroy(&ctx);
}

Test(layer_norm, matches_plain_c_in_vectors_of_every_width, .timeout = 300)
{
    check_sizes(ADCL_FUSED_PLAN_CPU, 16);
    check_sizes(ADCL_FUSED_PLAN_CPU, 8);
    check_sizes(ADCL_FUSED_PLAN_CPU, 1); /* vectors of 4, also for devices that have none */
}

Test(layer_norm, matches_plain_c_in_work_groups, .timeout = 300)
{
    check_sizes(ADCL_FUSED_PLAN_GPU, 1);
}

/* By both plans' kernels, the CPU's in vectors of 8. */
static void by_both_plans(void (*check)(adcl_context *))
{
    static const adcl_fused_plan plans[] = {ADCL_FUSED_PLAN_CPU, ADCL_FUSED_PLAN_GPU};
    for (size_t i = 0; i < 2; i++) {
        adcl_context *ctx = adcl_test_context_create_for(plans[i]);
        ctx->family->vector_width = 8;
        check(ctx);
        adcl_context_destroy(&ctx);
    }
}

/* ---- in place -------------------------------------------------------------------------------- */

static void check_takes_the_place_of_any_summand(adcl_context *ctx)
{
    for (size_t place = 0; place < 3; place++)
        for (int keeps = 0; keeps < 2; keeps++) {
            norm_case c = make_case(ctx, 5, 19, 3);
            forward(&c, keeps, &c.summand[place]);
            adcl_test_matrix_check(ctx, c.label, &c.summand[place], tolerance);
            discard_case(&c);
        }
}

Test(layer_norm, takes_the_place_of_any_summand)
{
    by_both_plans(check_takes_the_place_of_any_summand);
}

static void check_gradient_takes_the_place_of_dy(adcl_context *ctx)
{
    norm_case c = make_case(ctx, 5, 19, 2);
    forward(&c, true, &c.y);
    const adcl__layer_norm rule = rule_of(&c);
    const adcl__layer_norm_kept kept = kept_of(&c);
    const adcl__reference_norm reference = reference_of(&c);
    adcl__reference_norm_backward(&reference, c.rows, c.sum, c.dy.expected, c.dy.expected);
    ADCL_TEST_OK(ctx,
                 adcl__layer_norm_backward(ctx, &rule, &kept, c.dy.tensor, c.dy.tensor));
    adcl_test_matrix_check(ctx, c.label, &c.dy, tolerance);
    discard_case(&c);
}

Test(layer_norm, gradient_takes_the_place_of_dy)
{
    by_both_plans(check_gradient_takes_the_place_of_dy);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Rows of numbers far from 0 that differ little: Σx² − D·mean² would have no digit left. 1000 is
 * rounded by 3e-5 itself, of a deviation of 1. */
static void check_keeps_its_digits_far_from_0(adcl_context *ctx)
{
    norm_case c = make_case(ctx, 7, 300, 1);
    float *far = adcl_test_numbers(1, c.rows * c.cols);
    for (size_t i = 0; i < c.rows * c.cols; i++) {
        far[i] += 1000.0f;
        c.sum[i] = (double)far[i];
    }
    ADCL_TEST_OK(ctx,
                 adcl_tensor_write(ctx, c.summand[0].tensor, far, c.rows * c.cols * sizeof *far));
    free(far);
    forward(&c, false, &c.y);
    adcl_test_matrix_check(ctx, c.label, &c.y, 5e-4);
    discard_case(&c);
}

Test(layer_norm, keeps_its_digits_far_from_0)
{
    by_both_plans(check_keeps_its_digits_far_from_0);
}

/* The variance is 0: what is left is the bias. */
static void check_gives_the_bias_for_rows_of_one_number(adcl_context *ctx)
{
    norm_case c = make_case(ctx, 3, 17, 1);
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, c.summand[0].tensor, 0.5f));
    for (size_t i = 0; i < c.rows * c.cols; i++) c.sum[i] = 0.5;
    forward(&c, false, &c.y);
    for (size_t i = 0; i < c.rows * c.cols; i++) c.y.expected[i] = c.bias.expected[i % c.cols];
    adcl_test_matrix_check(ctx, c.label, &c.y, 0.0);
    discard_case(&c);
}

Test(layer_norm, gives_the_bias_for_rows_of_one_number)
{
    by_both_plans(check_gives_the_bias_for_rows_of_one_number);
}

static void check_gives_a_row_the_same_bits_among_any_number_of_rows(adcl_context *ctx)
{
    norm_case all = make_case(ctx, 66, 37, 3);
    forward(&all, false, &all.y);
    float *every = adcl_test_guarded_read(ctx, &all.y.guarded);
    for (size_t rows = 1; rows < all.rows; rows += 9) {
        norm_case some = make_case(ctx, rows, 37, 3);
        forward(&some, true, &some.y);
        float *few = adcl_test_guarded_read(ctx, &some.y.guarded);
        cr_expect(adcl_test_same_bits(some.label, few, every, rows * 37 * sizeof *few));
        free(few);
        discard_case(&some);
    }
    free(every);
    discard_case(&all);
}

Test(layer_norm, gives_a_row_the_same_bits_among_any_number_of_rows)
{
    by_both_plans(check_gives_a_row_the_same_bits_among_any_number_of_rows);
}
