/* SPDX-License-Identifier: MIT */
/* Attention over packed sequences beside plain C, which knows one sequence at a time. */
#include "ops/attention.h"
#include "reference/reference.h"
#include "support/compare.h"
#include "support/matrix.h"

#include <stdlib.h>

/* One token, fewer than a block has, a block, one more, several blocks with a rest: for blocks of 4
 * and 8. */
static const size_t lengths[] = {1, 2, 7, 8, 9, 31, 4, 1};

enum { SEQUENCES = sizeof lengths / sizeof lengths[0], MOST_BLOCKS = 64, TOKENS = 63 };

/* Some sequences in a row, cut into blocks. */
typedef struct batch {
    size_t sequences, tokens, block_count;
    size_t starts[SEQUENCES + 1];
    int32_t numbers[3 * MOST_BLOCKS];
    adcl_tensor *blocks;
} batch;

static batch make_batch(adcl_context *ctx, size_t width, const size_t *of, size_t sequences)
{
    batch b = {.sequences = sequences};
    for (size_t s = 0; s < sequences; s++) {
        b.starts[s + 1] = b.starts[s] + of[s];
        for (size_t first = b.starts[s]; first < b.starts[s + 1]; first += width) {
            cr_assert_lt(b.block_count, MOST_BLOCKS);
            int32_t *block = b.numbers + 3 * b.block_count++;
            block[0] = (int32_t)b.starts[s];
            block[1] = (int32_t)b.starts[s + 1];
            block[2] = (int32_t)first;
        }
    }
    b.tokens = b.starts[sequences];
    b.blocks = adcl_test_indices_create(ctx, 3 * b.block_count, b.numbers);
    return b;
}

/* ---- a pass on the device -------------------------------------------------------------------- */

typedef struct pass {
    adcl_context *ctx;
    adcl__attention rule;
    batch b;
    adcl_test_matrix qkv, dqkv;   /* (T, 3·D) */
    adcl_test_matrix out, dout;   /* (T, D) */
    adcl_tensor *log_sum, *delta; /* (T, H) */
} pass;

static float *scaled_numbers(uint64_t seed, size_t count, float factor)
{
    float *numbers = adcl_test_numbers(seed, count);
    for (size_t i = 0; i < count; i++) numbers[i] *= factor;
    return numbers;
}

/* q, k and v are `spread` wide. */
static pass make_pass(adcl_context *ctx, size_t heads, size_t head_size, const size_t *of,
                      size_t sequences, float spread)
{
    pass p = {.ctx = ctx, .rule = adcl__attention_describe(ctx, heads, head_size, 64)};
    p.b = make_batch(ctx, p.rule.width, of, sequences);
    size_t hidden = heads * head_size, tokens = p.b.tokens;
    float *qkv = scaled_numbers(1, tokens * 3 * hidden, spread);
    p.qkv = adcl_test_matrix_create(ctx, head_size, tokens, 3 * hidden, qkv);
    p.dqkv = adcl_test_matrix_empty(ctx, head_size + 1, tokens, 3 * hidden);
    p.out = adcl_test_matrix_empty(ctx, head_size + 2, tokens, hidden);
    p.dout = adcl_test_matrix_draw(ctx, head_size + 3, tokens, hidden);
    p.log_sum = adcl_test_tensor_create(ctx, tokens, heads, NULL);
    p.delta = adcl_test_tensor_create(ctx, tokens, heads, NULL);
    free(qkv);
    return p;
}

static void run_pass(pass *p)
{
    const adcl__attention_kept kept = {p->qkv.tensor, p->log_sum, p->out.tensor, p->b.blocks,
                                       p->b.block_count, NULL};
    ADCL_TEST_OK(p->ctx, adcl__attention_forward(p->ctx, &p->rule, p->qkv.tensor, p->b.blocks,
                                                 p->b.block_count, NULL, p->log_sum,
                                                 p->out.tensor));
    ADCL_TEST_OK(p->ctx, adcl__attention_backward(p->ctx, &p->rule, &kept, p->dout.tensor, p->delta,
                                                  p->dqkv.tensor));
}

static void discard_pass(pass *p)
{
    adcl_test_matrix_destroy(&p->qkv);
    adcl_test_matrix_destroy(&p->dqkv);
    adcl_test_matrix_destroy(&p->out);
    adcl_test_matrix_destroy(&p->dout);
    adcl_tensor_destroy(&p->log_sum);
    adcl_tensor_destroy(&p->delta);
    adcl_tensor_destroy(&p->b.blocks);
}

/* ---- plain C --------------------------------------------------------------------------------- */

/* Columns first … first + cols − 1 of `wide` (rows, stride) to a dense matrix, or back. */
static void take_columns(const double *wide, size_t rows, size_t stride, size_t first, size_t cols,
                         double *out)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) out[r * cols + c] = wide[r * stride + first + c];
}

static void put_columns(const double *dense, size_t rows, size_t stride, size_t first, size_t cols,
                        double *wide)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) wide[r * stride + first + c] = dense[r * cols + c];
}

static void expect_sequence(pass *p, size_t s, double *memory)
{
    size_t hidden = p->out.cols, first = p->b.starts[s], rows = p->b.starts[s + 1] - first;
    size_t count = rows * hidden;
    double *parts[3], *gradients[3];
    for (size_t i = 0; i < 3; i++) {
        parts[i] = memory + i * count;
        gradients[i] = memory + (3 + i) * count;
        take_columns(p->qkv.expected + first * 3 * hidden, rows, 3 * hidden, i * hidden, hidden,
                     parts[i]);
    }
    const adcl__reference_attention attention = {rows,     hidden,   p->rule.heads,     parts[0],
                                                 parts[1], parts[2], memory + 6 * count};
    adcl__reference_attention_forward(&attention, p->out.expected + first * hidden);
    adcl__reference_attention_backward(&attention, p->dout.expected + first * hidden, gradients[0],
                                       gradients[1], gradients[2]);
    for (size_t i = 0; i < 3; i++)
        put_columns(gradients[i], rows, 3 * hidden, i * hidden, hidden,
                    p->dqkv.expected + first * 3 * hidden);
}

static void expect_pass(pass *p)
{
    double *memory = calloc(p->b.tokens * (6 * p->out.cols + 4), sizeof *memory);
    cr_assert_not_null(memory);
    for (size_t s = 0; s < p->b.sequences; s++) expect_sequence(p, s, memory);
    free(memory);
}

static void check_pass(adcl_context *ctx, size_t heads, size_t head_size, float spread,
                       double tolerance)
{
    pass p = make_pass(ctx, heads, head_size, lengths, SEQUENCES, spread);
    cr_assert_eq(p.b.tokens, TOKENS);
    const char *label = adcl_test_label("blocks of %zu, %zu heads of %zu, numbers of %g",
                                        p.rule.width, heads, head_size, (double)spread);
    run_pass(&p);
    expect_pass(&p);
    adcl_test_matrix_check(ctx, label, &p.qkv, 0.0);
    adcl_test_matrix_check(ctx, label, &p.dout, 0.0);
    adcl_test_matrix_check(ctx, label, &p.out, tolerance);
    adcl_test_matrix_check(ctx, label, &p.dqkv, tolerance);
    discard_pass(&p);
}

/* Scores near 1 are off by some 1e-7, and so are shares of them; sums of 31 of those, by 1e-6. */
static const double tolerance_near_1 = 5e-6;

Test(attention, matches_plain_c_forward_and_backward_in_blocks_of_16, .timeout = 300)
{
    adcl_context *ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_CPU);
    ctx->family->vector_width = 16; /* more than 16 tokens are never taken */
    check_pass(ctx, 3, 1, 1.0f, tolerance_near_1);
    check_pass(ctx, 1, 3, 1.0f, tolerance_near_1);
    check_pass(ctx, 3, 32, 1.0f, tolerance_near_1);
    check_pass(ctx, 2, 64, 1.0f, tolerance_near_1);
    adcl_context_destroy(&ctx);
}

Test(attention, matches_plain_c_forward_and_backward_in_blocks_of_8, .timeout = 300)
{
    adcl_context *ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_CPU);
    ctx->family->vector_width = 1; /* also of devices without vectors */
    check_pass(ctx, 4, 8, 1.0f, tolerance_near_1);
    check_pass(ctx, 2, 3, 1.0f, tolerance_near_1);
    adcl_context_destroy(&ctx);
}

/* The last head is too large for local memory, and so takes the other kernels. */
Test(attention, matches_plain_c_forward_and_backward_in_work_groups, .timeout = 300)
{
    adcl_context *ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_GPU);
    check_pass(ctx, 3, 1, 1.0f, tolerance_near_1);
    check_pass(ctx, 1, 3, 1.0f, tolerance_near_1);
    check_pass(ctx, 3, 32, 1.0f, tolerance_near_1);
    check_pass(ctx, 2, 64, 1.0f, tolerance_near_1);
    check_pass(ctx, 1, 65, 1.0f, tolerance_near_1);
    adcl_context_destroy(&ctx);
}

static const adcl_fused_plan plans[] = {ADCL_FUSED_PLAN_CPU, ADCL_FUSED_PLAN_GPU};

/* Scores of thousands: exp would overflow, had the largest not been taken away; almost all of the
 * sum is one key's. A score of 3e4 is off by 3e-3, and so is its share of the sum. Gradients are
 * products of these shares with numbers of hundreds: forward alone tells more. */
static void check_scores_of_thousands(adcl_fused_plan plan)
{
    adcl_context *ctx = adcl_test_context_create_for(plan);
    ctx->family->vector_width = 8;
    pass p = make_pass(ctx, 3, 32, lengths, SEQUENCES, 100.0f);
    run_pass(&p);
    expect_pass(&p);
    adcl_test_matrix_check(ctx, "scores of thousands", &p.out, 1e-2);
    float *dqkv = adcl_test_guarded_read(ctx, &p.dqkv.guarded);
    for (size_t i = 0; i < p.b.tokens * p.dqkv.cols; i++)
        cr_assert(dqkv[i] - dqkv[i] == 0.0f, "a gradient is %g", (double)dqkv[i]);
    free(dqkv);
    discard_pass(&p);
    adcl_context_destroy(&ctx);
}

Test(attention, survives_scores_of_thousands, .timeout = 300)
{
    for (size_t i = 0; i < 2; i++) check_scores_of_thousands(plans[i]);
}

/* ---- bits ------------------------------------------------------------------------------------ */

/* Rows of `got` are those of `all` from row `first` on. */
static void expect_rows(const char *label, adcl_context *ctx, const adcl_test_matrix *got,
                        const adcl_test_matrix *all, size_t first)
{
    float *some = adcl_test_guarded_read(ctx, &got->guarded);
    float *every = adcl_test_guarded_read(ctx, &all->guarded);
    cr_expect(adcl_test_same_bits(label, some, every + first * got->cols,
                                  got->rows * got->cols * sizeof *some));
    free(some);
    free(every);
}

/* matrix (T, …) = rows `first` and after of `all`. */
static void copy_rows(adcl_context *ctx, const adcl_test_matrix *all, size_t first,
                      const adcl_test_matrix *matrix)
{
    float *every = adcl_test_guarded_read(ctx, &all->guarded);
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, matrix->tensor, every + first * matrix->cols,
                                        matrix->rows * matrix->cols * sizeof *every));
    free(every);
}

static void check_bits(adcl_fused_plan plan)
{
    adcl_context *ctx = adcl_test_context_create_for(plan);
    ctx->family->vector_width = 8;
    pass all = make_pass(ctx, 3, 32, lengths, SEQUENCES, 1.0f);
    run_pass(&all);
    for (size_t s = 0; s < SEQUENCES; s++) {
        pass alone = make_pass(ctx, 3, 32, &lengths[s], 1, 1.0f);
        copy_rows(ctx, &all.qkv, all.b.starts[s], &alone.qkv);
        copy_rows(ctx, &all.dout, all.b.starts[s], &alone.dout);
        run_pass(&alone);
        const char *label = adcl_test_label("a sequence of %zu", lengths[s]);
        expect_rows(label, ctx, &alone.out, &all.out, all.b.starts[s]);
        expect_rows(label, ctx, &alone.dqkv, &all.dqkv, all.b.starts[s]);
        discard_pass(&alone);
    }
    discard_pass(&all);
    adcl_context_destroy(&ctx);
}

Test(attention, gives_a_sequence_the_same_bits_alone_and_among_others, .timeout = 300)
{
    for (size_t i = 0; i < 2; i++) check_bits(plans[i]);
}
