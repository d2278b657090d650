/* SPDX-License-Identifier: MIT */
/* test_metrics.c – figures of evaluations against values computed by hand. */
#include "cli/metrics.h"

#include <criterion/criterion.h>
#include <math.h>

#define NEAR(a, b) cr_assert_float_eq((a), (b), 1e-12)

static confusion confusion_of(size_t classes, const size_t *counts)
{
    confusion c;
    cr_assert(confusion_create(&c, classes));
    for (size_t right = 0; right < classes; right++)
        for (size_t answer = 0; answer < classes; answer++)
            for (size_t i = 0; i < counts[right * classes + answer]; i++)
                confusion_add(&c, (int32_t)right, (int32_t)answer);
    return c;
}

/* TP 6, FN 2, FP 1, TN 3: Matthews (6·3 − 1·2)/sqrt(7·8·4·5) = 16/sqrt(1120). */
Test(metrics, of_two_classes)
{
    confusion c = confusion_of(2, (const size_t[]){3, 1, 2, 6});
    NEAR(confusion_accuracy(&c), 9.0 / 12.0);
    NEAR(confusion_matthews(&c), 16.0 / sqrt(1120.0));
    /* F1 of class 0: 2·3/(4 + 5); of class 1: 2·6/(8 + 7). */
    NEAR(confusion_macro_f1(&c), (6.0 / 9.0 + 12.0 / 15.0) / 2.0);
    confusion_free(&c);
}

/* t = 4, 3, 3; p = 4, 4, 2; N = 10, correct 7: (10·7 − 34)/sqrt((100 − 36)·(100 − 34)). */
Test(metrics, of_three_classes)
{
    confusion c = confusion_of(3, (const size_t[]){3, 1, 0, 0, 3, 0, 1, 0, 2});
    c.counts[8] = 1; /* one of class 2 less */
    c.total--;
    NEAR(confusion_accuracy(&c), 7.0 / 9.0);
    confusion_add(&c, 2, 1);
    NEAR(confusion_accuracy(&c), 0.7);
    /* now t = 4, 3, 3 and p = 4, 5, 1: Σ t·p = 16 + 15 + 3, Σ p² = 42, Σ t² = 34 */
    NEAR(confusion_matthews(&c), (70.0 - 34.0) / sqrt((100.0 - 42.0) * (100.0 - 34.0)));
    NEAR(confusion_macro_f1(&c), (6.0 / 8.0 + 6.0 / 8.0 + 2.0 / 4.0) / 3.0);
    confusion_free(&c);
}

Test(metrics, count_only_classes_that_occur)
{
    confusion c = confusion_of(4, (const size_t[]){2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    NEAR(confusion_macro_f1(&c), (4.0 / 5.0 + 2.0 / 3.0) / 2.0);
    confusion_free(&c);
}

Test(metrics, of_one_answer_or_none)
{
    confusion c = confusion_of(2, (const size_t[]){3, 0, 2, 0});
    NEAR(confusion_matthews(&c), 0.0);
    NEAR(confusion_macro_f1(&c), 6.0 / 8.0 / 2.0);
    confusion_clear(&c);
    cr_assert(isnan(confusion_accuracy(&c)));
    cr_assert(isnan(confusion_matthews(&c)));
    cr_assert(isnan(confusion_macro_f1(&c)));
    cr_assert_eq(confusion_worst(&c, NULL, 0), 0);
    confusion_free(&c);
    cr_assert_not(confusion_create(&c, 0));
}

Test(metrics, name_the_worst_confused_pairs_first)
{
    confusion c = confusion_of(3, (const size_t[]){9, 2, 1, 2, 9, 5, 0, 2, 9});
    confused_pair pairs[4];
    cr_assert_eq(confusion_worst(&c, pairs, 4), 4);
    const size_t expected[4][3] = {{1, 2, 5}, {0, 1, 2}, {1, 0, 2}, {2, 1, 2}};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pairs[i].right, expected[i][0]);
        cr_assert_eq(pairs[i].answer, expected[i][1]);
        cr_assert_eq(pairs[i].count, expected[i][2]);
    }
    cr_assert_eq(confusion_worst(&c, pairs, 2), 2);
    cr_assert_eq(pairs[1].answer, 1);
    confusion_free(&c);
}

Test(metrics, of_logits)
{
    const float logits[] = {1.0f, 3.0f, 3.0f};
    cr_assert_eq(largest_logit(logits, 3), 1);
    NEAR(softmax_probability(logits, 3, 0), exp(-2.0) / (exp(-2.0) + 2.0));
    NEAR(softmax_loss(logits, 3, 1), log(exp(-2.0) + 2.0));
    const float far[] = {1000.0f, -1000.0f};
    NEAR(softmax_probability(far, 2, 0), 1.0);
    NEAR(softmax_loss(far, 2, 1), 2000.0);
}

Test(metrics, of_numbers)
{
    /* Deviations −1.5 −0.5 0.5 1.5 and −1 −2 1 2: Σab = 1.5 + 1 + 0.5 + 3, Σa² = 5, Σb² = 10. */
    const float a[] = {1, 2, 3, 4};
    const float b[] = {4, 3, 6, 7};
    NEAR(pearson(a, b, 4), 6.0 / sqrt(50.0));
    NEAR(mean_squared_error(a, b, 4), (9.0 + 1.0 + 9.0 + 9.0) / 4.0);
    /* Ranks 0 1 2 3 and 1 0 2 3: Σab = 0.75 + 0.75 + 0.25 + 2.25, Σa² = Σb² = 5. */
    NEAR(spearman(a, b, 4), 4.0 / 5.0);
    /* Ranks of b with ties: 0.5 0.5 2 3; deviations −1 −1 0.5 1.5: Σab = 4.5, Σb² = 4.5. */
    const float ties[] = {1, 1, 2, 9};
    NEAR(spearman(a, ties, 4), 4.5 / sqrt(5.0 * 4.5));
}

Test(metrics, of_constant_numbers_or_none_are_not_numbers)
{
    const float a[] = {1, 2, 3};
    const float constant[] = {2, 2, 2};
    cr_assert(isnan(pearson(a, constant, 3)));
    cr_assert(isnan(spearman(constant, a, 3)));
    cr_assert(isnan(pearson(a, a, 0)));
    cr_assert(isnan(mean_squared_error(a, a, 0)));
    NEAR(mean_squared_error(a, constant, 3), 2.0 / 3.0);
}
