/* SPDX-License-Identifier: MIT */
#include "reference/reference.h"
#include "runtime/context.h"
#include "support/compare.h"
#include "support/device.h"

#include <adapter_cl/loss.h>
#include <adapter_cl/profile.h>

#include <math.h>
#include <stdlib.h>

/* Rows around a work-group and around the 256 blocks of the sum, classes from one to many. */
static const struct {
    size_t rows, cols;
} shapes[] = {{1, 1},   {1, 2},   {2, 1},   {3, 7},   {7, 3},   {63, 2},  {64, 16},  {65, 5},
              {33, 33}, {255, 4}, {256, 2}, {257, 3}, {513, 7}, {5000, 2}, {17, 1000}};

#define SHAPE_COUNT (sizeof shapes / sizeof shapes[0])

/* The roundings of a sum of n floats, about 3e-8 each, add up like a random walk: 1e-6 for the
 * longest row, n = 1000. */
static const double tolerance = 1e-6;

static adcl_loss *make_loss(adcl_context *ctx, adcl_loss_kind kind, size_t rows, size_t cols)
{
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    adcl_loss *loss = NULL;
    params.kind = kind;
    params.max_rows = rows;
    params.cols = cols;
    ADCL_TEST_OK(ctx, adcl_loss_create(&loss, ctx, &params));
    return loss;
}

static float read_one(adcl_context *ctx, const adcl_tensor *tensor)
{
    float number;
    ADCL_TEST_OK(ctx, adcl_tensor_read(ctx, tensor, &number, sizeof number));
    return number;
}

/* Labels as the middle column of a matrix of three: an offset and a row stride. */
static adcl_tensor *make_labels(adcl_context *ctx, size_t rows, const int32_t *labels)
{
    adcl_tensor *matrix = NULL, *column = NULL;
    int32_t *numbers = calloc(3 * rows, sizeof *numbers);
    for (size_t r = 0; r < rows; r++) numbers[3 * r + 1] = labels[r];
    ADCL_TEST_OK(ctx, adcl_tensor_create(&matrix, ctx, ADCL_I32, rows, 3));
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, matrix, numbers, 3 * rows * sizeof *numbers));
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&column, ctx, ADCL_I32, adcl_tensor_cl_mem(matrix), 1,
                                          rows, 1, 3));
    adcl_tensor_destroy(&matrix);
    free(numbers);
    return column;
}

/* Labels all over the classes, every fifth ignored. */
static int32_t *draw_labels(size_t rows, size_t classes)
{
    int32_t *labels = calloc(rows, sizeof *labels);
    for (size_t r = 0; r < rows; r++)
        labels[r] = r % 5 == 3 ? -100 : (int32_t)((r * 7 + r / 3) % classes);
    return labels;
}

/* Value and gradient by device, twice, and again in place of the predictions. */
static void check_against(adcl_context *ctx, adcl_loss *loss, size_t rows, size_t cols,
                          const float *numbers, const adcl_tensor *targets, double value,
                          const double *gradient)
{
    const char *label = adcl_test_label("loss (%zu, %zu)", rows, cols);
    adcl_test_guarded predictions = adcl_test_guarded_draw(ctx, rows, rows, cols, numbers);
    adcl_test_guarded result = adcl_test_guarded_draw(ctx, cols, rows, cols, NULL);
    adcl_test_guarded total = adcl_test_guarded_draw(ctx, rows + cols, 1, 1, NULL);
    float *first = NULL, first_total = 0.0f;
    for (int run = 0; run < 3; run++) {
        adcl_test_guarded *out = run < 2 ? &result : &predictions;
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, predictions.tensor, targets, total.tensor,
                                            out->tensor));
        float *got = adcl_test_guarded_read(ctx, out);
        float *got_total = adcl_test_guarded_read(ctx, &total);
        if (run == 0) {
            cr_expect(adcl_test_close_floats(label, got_total, &value, 1, tolerance));
            cr_expect(adcl_test_close_floats(label, got, gradient, rows * cols, tolerance));
            first = got;
            first_total = *got_total;
        } else {
            cr_expect(adcl_test_same_bits(label, got, first, rows * cols * sizeof *got));
            cr_expect(adcl_test_same_bits(label, got_total, &first_total, sizeof first_total));
            free(got);
        }
        free(got_total);
    }
    free(first);
    adcl_test_guarded_destroy(&predictions);
    adcl_test_guarded_destroy(&result);
    adcl_test_guarded_destroy(&total);
}

Test(cross_entropy, agrees_with_the_reference_whatever_the_shape)
{
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        size_t rows = shapes[i].rows, cols = shapes[i].cols;
        adcl_loss *loss = make_loss(ctx, ADCL_CROSS_ENTROPY, rows + i % 3, cols);
        float *logits = adcl_test_numbers(i, rows * cols);
        for (size_t k = 0; k < rows * cols; k++) logits[k] *= 4.0f;
        double *gradient = adcl_test_doubles(logits, rows * cols);
        int32_t *labels = draw_labels(rows, cols);
        double value =
            adcl__reference_cross_entropy(rows, cols, gradient, labels, -100, gradient);
        adcl_tensor *targets = make_labels(ctx, rows, labels);
        check_against(ctx, loss, rows, cols, logits, targets, value, gradient);
        adcl_tensor_destroy(&targets);
        free(labels);
        free(gradient);
        free(logits);
        adcl_loss_destroy(&loss);
    }
    adcl_context_destroy(&ctx);
}

Test(mse, agrees_with_the_reference_whatever_the_shape)
{
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        size_t rows = shapes[i].rows, cols = shapes[i].cols;
        adcl_loss *loss = make_loss(ctx, ADCL_MSE, rows + i % 3, cols);
        float *predictions = adcl_test_numbers(i, rows * cols);
        float *wanted = adcl_test_numbers(i + 100, rows * cols);
        double *gradient = adcl_test_doubles(predictions, rows * cols);
        double *wanted_doubles = adcl_test_doubles(wanted, rows * cols);
        double value = adcl__reference_mse(rows * cols, gradient, wanted_doubles, gradient);
        adcl_test_guarded targets = adcl_test_guarded_draw(ctx, i, rows, cols, wanted);
        check_against(ctx, loss, rows, cols, predictions, targets.tensor, value, gradient);
        adcl_test_guarded_destroy(&targets);
        free(wanted_doubles);
        free(gradient);
        free(wanted);
        free(predictions);
        adcl_loss_destroy(&loss);
    }
    adcl_context_destroy(&ctx);
}

Test(loss, value_and_gradient_can_be_had_one_without_the_other)
{
    enum { N = 70, C = 3 };
    adcl_context *ctx = adcl_test_context_create();
    float *numbers = adcl_test_numbers(1, N * C);
    int32_t *labels = draw_labels(N, C);
    adcl_tensor *predictions = adcl_test_tensor_create(ctx, N, C, numbers);
    adcl_tensor *classes = adcl_test_indices_create(ctx, N, labels);
    adcl_tensor *numbers_wanted = adcl_test_tensor_create(ctx, N, C, NULL);
    for (int kind = ADCL_CROSS_ENTROPY; kind <= ADCL_MSE; kind++) {
        adcl_loss *loss = make_loss(ctx, (adcl_loss_kind)kind, N, C);
        adcl_tensor *targets = kind == ADCL_MSE ? numbers_wanted : classes;
        adcl_tensor *values[2], *gradients[2];
        for (int i = 0; i < 2; i++) {
            values[i] = adcl_test_tensor_create(ctx, 1, 1, NULL);
            gradients[i] = adcl_test_tensor_create(ctx, N, C, NULL);
        }
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, predictions, targets, values[0],
                                            gradients[0]));
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, predictions, targets, NULL, gradients[1]));
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, predictions, targets, values[1], NULL));
        float *both = adcl_test_tensor_read(ctx, gradients[0]);
        float *alone = adcl_test_tensor_read(ctx, gradients[1]);
        cr_expect(adcl_test_same_bits("gradient alone", alone, both, N * C * sizeof *both));
        cr_expect_eq(read_one(ctx, values[0]), read_one(ctx, values[1]));
        cr_expect_gt(read_one(ctx, values[0]), 0.1f);
        free(both);
        free(alone);
        for (int i = 0; i < 2; i++) {
            adcl_tensor_destroy(&values[i]);
            adcl_tensor_destroy(&gradients[i]);
        }
        adcl_loss_destroy(&loss);
    }
    adcl_tensor_destroy(&predictions);
    adcl_tensor_destroy(&classes);
    adcl_tensor_destroy(&numbers_wanted);
    free(labels);
    free(numbers);
    adcl_context_destroy(&ctx);
}

/* Value and gradient of a cross-entropy over a few numbers: (rows, cols) of at most 8. */
static float cross_entropy_of(int ignore_index, size_t rows, size_t cols, const float *logits,
                              const int32_t *labels, float *gradient)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    adcl_loss *loss = NULL;
    params.max_rows = rows;
    params.cols = cols;
    params.ignore_index = ignore_index;
    ADCL_TEST_OK(ctx, adcl_loss_create(&loss, ctx, &params));
    adcl_tensor *predictions = adcl_test_tensor_create(ctx, rows, cols, logits);
    adcl_tensor *targets = adcl_test_indices_create(ctx, rows, labels);
    adcl_tensor *value = adcl_test_tensor_create(ctx, 1, 1, NULL);
    ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, predictions, targets, value, predictions));
    ADCL_TEST_OK(ctx, adcl_tensor_read(ctx, predictions, gradient, rows * cols * sizeof *gradient));
    float number = read_one(ctx, value);
    adcl_tensor_destroy(&predictions);
    adcl_tensor_destroy(&targets);
    adcl_tensor_destroy(&value);
    adcl_loss_destroy(&loss);
    adcl_context_destroy(&ctx);
    return number;
}

Test(cross_entropy, ignored_rows_count_for_nothing)
{
    const float logits[] = {0.0f, 0.0f, NAN, 9.0f};
    const int32_t labels[] = {0, 7}, all_ignored[] = {7, 7};
    float gradient[4];
    /* log is rounded by at most 3 units in the last place. */
    cr_expect_lt(fabsf(cross_entropy_of(7, 2, 2, logits, labels, gradient) - logf(2.0f)), 2e-7f);
    cr_expect_eq(gradient[0], -0.5f);
    cr_expect_eq(gradient[1], 0.5f);
    cr_expect(gradient[2] == 0.0f && gradient[3] == 0.0f, "though a logit is NaN");
    cr_expect_eq(cross_entropy_of(7, 2, 2, logits, all_ignored, gradient), 0.0f);
    for (int i = 0; i < 4; i++) cr_expect_eq(gradient[i], 0.0f);
}

Test(cross_entropy, ignores_a_class_when_asked_to_and_minus_100_by_default)
{
    const float logits[] = {0.0f, 0.0f, 0.0f, 40.0f};
    const int32_t first_class[] = {0, 1}, default_ignored[] = {-100, 0};
    float gradient[4];
    cr_expect_lt(cross_entropy_of(0, 2, 2, logits, default_ignored, gradient) - 40.0f, 1e-5f,
                 "0 is a class");
    cr_expect_eq(gradient[0], 0.0f);
    cr_expect_eq(gradient[2], -1.0f);
    cr_expect_eq(cross_entropy_of(1, 2, 2, logits, first_class, gradient), logf(2.0f));
    cr_expect_eq(gradient[3], 0.0f);
}

Test(cross_entropy, label_out_of_range_makes_the_value_and_its_row_nan)
{
    const float logits[] = {1.0f, 2.0f, 3.0f, 4.0f};
    const int32_t wrong[] = {2, -1, -99, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const int32_t labels[] = {wrong[i], 1};
        float gradient[4];
        cr_expect(isnan(cross_entropy_of(0, 2, 2, logits, labels, gradient)), "%d", (int)wrong[i]);
        cr_expect(isnan(gradient[0]) && isnan(gradient[1]));
        cr_expect(isfinite(gradient[2]) && isfinite(gradient[3]), "the other row");
    }
}

Test(cross_entropy, large_and_masked_logits_do_not_overflow)
{
    const float logits[] = {3e38f, -3e38f, 0.0f, 1e8f, 1e8f, -INFINITY, 5.0f, 5.0f};
    const int32_t labels[] = {0, 1, 0, 1};
    float gradient[8];
    /* Rows: certain and right, 0; certain and right, 0; nothing possible but the other, ∞. */
    cr_expect_eq(cross_entropy_of(0, 2, 2, logits, labels, gradient), 0.0f);
    for (int i = 0; i < 4; i++) cr_expect_eq(gradient[i], 0.0f);
    const int32_t masked[] = {0};
    cr_expect_eq(cross_entropy_of(0, 1, 2, logits + 4, masked, gradient), 0.0f);
    const int32_t impossible[] = {1};
    cr_expect_eq(cross_entropy_of(0, 1, 2, logits + 4, impossible, gradient), INFINITY);
    cr_expect(gradient[0] == 1.0f && gradient[1] == -1.0f);
    cr_expect_eq(cross_entropy_of(0, 1, 2, logits + 2, masked, gradient), 1e8f);
}

Test(cross_entropy, nan_among_the_logits_is_seen)
{
    const float logits[] = {NAN, 1.0f, 2.0f, 1.0f, 1.0f, NAN};
    const int32_t labels[] = {1, 0, 0};
    float gradient[6];
    cr_expect(isnan(cross_entropy_of(0, 3, 2, logits, labels, gradient)));
    cr_expect(isnan(gradient[0]) && isnan(gradient[1]) && isnan(gradient[4]));
    cr_expect(isfinite(gradient[2]) && isfinite(gradient[3]));
}

Test(loss, of_no_rows_is_zero)
{
    adcl_context *ctx = adcl_test_context_create();
    const float seven = 7.0f;
    adcl_tensor *none = adcl_test_tensor_create(ctx, 0, 3, NULL);
    adcl_tensor *no_labels = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_create(&no_labels, ctx, ADCL_I32, 0, 1));
    for (int kind = ADCL_CROSS_ENTROPY; kind <= ADCL_MSE; kind++) {
        adcl_loss *loss = make_loss(ctx, (adcl_loss_kind)kind, 5, 3);
        adcl_tensor *value = adcl_test_tensor_create(ctx, 1, 1, &seven);
        const adcl_tensor *targets = kind == ADCL_MSE ? none : no_labels;
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, none, targets, value, none));
        cr_expect_eq(read_one(ctx, value), 0.0f);
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, none, targets, NULL, none));
        adcl_tensor_destroy(&value);
        adcl_loss_destroy(&loss);
    }
    adcl_tensor_destroy(&none);
    adcl_tensor_destroy(&no_labels);
    adcl_context_destroy(&ctx);
}

Test(loss, enqueues_its_kernels_and_nothing_else)
{
    enum { N = 300, C = 4 };
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *predictions = adcl_test_tensor_create(ctx, N, C, NULL);
    adcl_tensor *numbers = adcl_test_tensor_create(ctx, N, C, NULL);
    adcl_tensor *classes = NULL, *value = adcl_test_tensor_create(ctx, 1, 1, NULL);
    ADCL_TEST_OK(ctx, adcl_tensor_create(&classes, ctx, ADCL_I32, N, 1));
    for (int kind = ADCL_CROSS_ENTROPY; kind <= ADCL_MSE; kind++) {
        adcl_loss *loss = make_loss(ctx, (adcl_loss_kind)kind, N, C);
        adcl_counters before = adcl_context_counters(ctx);
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, loss, predictions,
                                            kind == ADCL_MSE ? numbers : classes, value,
                                            predictions));
        adcl_counters after = adcl_context_counters(ctx);
        unsigned apart = kind == ADCL_CROSS_ENTROPY || ctx->family->info.type != ADCL_DEVICE_CPU;
        cr_expect_eq(after.launches - before.launches, 2 + apart,
                     "sum of blocks, their sum, and by itself, but for MSE on a CPU, the gradient");
        before.launches = after.launches;
        cr_expect(memcmp(&before, &after, sizeof before) == 0, "nothing built, made or awaited");
        adcl_loss_destroy(&loss);
    }
    adcl_tensor_destroy(&predictions);
    adcl_tensor_destroy(&numbers);
    adcl_tensor_destroy(&classes);
    adcl_tensor_destroy(&value);
    adcl_context_destroy(&ctx);
}

Test(loss, says_what_is_wrong_with_its_params)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_loss_params good = ADCL_LOSS_PARAMS_INIT;
    adcl_loss *loss = (adcl_loss *)ctx; /* anything but NULL */
    good.max_rows = 3;
    good.cols = 2;
    adcl_loss_params p = good;
    p.kind = (adcl_loss_kind)2;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got 2", adcl_loss_create(&loss, ctx, &p));
    cr_expect_null(loss);
    p = good;
    p.max_rows = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "max_rows: expected 1 to 2147483647, got 0",
                    adcl_loss_create(&loss, ctx, &p));
    p.max_rows = SIZE_MAX;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "max_rows", adcl_loss_create(&loss, ctx, &p));
    p = good;
    p.cols = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "cols: expected 1", adcl_loss_create(&loss, ctx, &p));
    p = good;
    p.struct_size = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "struct_size", adcl_loss_create(&loss, ctx, &p));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "max_rows", adcl_loss_create(&loss, ctx, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL", adcl_loss_create(NULL, ctx, &good));
    cr_expect_eq(adcl_loss_create(&loss, NULL, &good), ADCL_ERR_INVALID_ARGUMENT);
    adcl_loss_destroy(&loss);
    adcl_loss_destroy(NULL);
    adcl_context_destroy(&ctx);
}

Test(loss, says_what_is_wrong_with_its_tensors)
{
    adcl_context *ctx = adcl_test_context_create(), *stranger = adcl_test_context_create();
    adcl_loss *classes = make_loss(ctx, ADCL_CROSS_ENTROPY, 3, 2);
    adcl_loss *numbers = make_loss(ctx, ADCL_MSE, 3, 2);
    adcl_tensor *p32 = adcl_test_tensor_create(ctx, 3, 2, NULL);
    adcl_tensor *p33 = adcl_test_tensor_create(ctx, 3, 3, NULL);
    adcl_tensor *p42 = adcl_test_tensor_create(ctx, 4, 2, NULL);
    adcl_tensor *one = adcl_test_tensor_create(ctx, 1, 1, NULL);
    adcl_tensor *foreign = adcl_test_tensor_create(stranger, 3, 2, NULL);
    adcl_tensor *labels = NULL, *labels4 = NULL, *shifted = NULL, *column = NULL, *inside = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_create(&labels, ctx, ADCL_I32, 3, 1));
    ADCL_TEST_OK(ctx, adcl_tensor_create(&labels4, ctx, ADCL_I32, 4, 1));
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&shifted, ctx, p42, 1, 3));
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&inside, ctx, p42, 0, 3));
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&column, ctx, ADCL_F32, adcl_tensor_cl_mem(p32), 2, 1, 1,
                                          0));
    const struct {
        adcl_status status;
        const char *words;
        adcl_loss *loss;
        const adcl_tensor *predictions, *targets;
        adcl_tensor *value, *gradient;
    } cases[] = {
        {ADCL_ERR_INVALID_ARGUMENT, "a loss, got NULL", NULL, p32, labels, one, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "predictions: expected a tensor", classes, NULL, labels, one,
         NULL},
        {ADCL_ERR_SHAPE_MISMATCH, "predictions: expected shape (3, 2), got (3, 3)", classes, p33,
         labels, one, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "at most 3 rows (max_rows), got 4", classes, p42, labels4, one,
         NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "of another", classes, foreign, labels, one, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "targets: expected I32 elements, got F32", classes, p32, p42,
         one, NULL},
        {ADCL_ERR_SHAPE_MISMATCH, "targets: expected shape (3, 1), got (4, 1)", classes, p32,
         labels4, one, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "targets: expected F32 elements, got I32", numbers, p32, labels,
         one, NULL},
        {ADCL_ERR_SHAPE_MISMATCH, "targets: expected shape (3, 2), got (3, 3)", numbers, p32, p33,
         one, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "NULL for both", classes, p32, labels, NULL, NULL},
        {ADCL_ERR_SHAPE_MISMATCH, "value: expected shape (1, 1)", classes, p32, labels, p33, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "value overlaps", classes, p32, labels, column, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "value overlaps", numbers, inside, p32, column, NULL},
        {ADCL_ERR_INVALID_ARGUMENT, "value overlaps", classes, inside, labels, column, p32},
        {ADCL_ERR_SHAPE_MISMATCH, "gradient: expected shape (3, 2), got (3, 3)", classes, p32,
         labels, NULL, p33},
        {ADCL_ERR_INVALID_ARGUMENT, "gradient overlaps", classes, inside, labels, NULL, shifted},
        {ADCL_ERR_INVALID_ARGUMENT, "gradient overlaps", numbers, inside, p32, NULL, p32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        adcl_status status =
            adcl_loss_compute(ctx, cases[i].loss, cases[i].predictions, cases[i].targets,
                              cases[i].value, cases[i].gradient);
        const char *message = adcl_context_error(ctx)->message;
        cr_expect_eq(status, cases[i].status, "case %zu: %s", i, message);
        cr_expect_not_null(strstr(message, cases[i].words), "case %zu: %s", i, message);
    }
    ADCL_TEST_FAILS(stranger, INVALID_ARGUMENT, "a loss of this context",
                    adcl_loss_compute(stranger, classes, foreign, labels, one, NULL));
    cr_expect_eq(adcl_loss_compute(NULL, classes, p32, labels, one, NULL),
                 ADCL_ERR_INVALID_ARGUMENT);

    adcl_tensor *all[] = {p32, p33, p42, one, foreign, labels, labels4, shifted, column, inside};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) adcl_tensor_destroy(&all[i]);
    adcl_loss_destroy(&classes);
    adcl_loss_destroy(&numbers);
    adcl_context_destroy(&stranger);
    adcl_context_destroy(&ctx);
}
