/* SPDX-License-Identifier: MIT */
#include <adapter_cl/schedule.h>

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static double factor(adcl_schedule_kind kind, uint64_t warmup, uint64_t total, uint64_t step)
{
    adcl_schedule schedule = {kind, warmup, total};
    return adcl_schedule_factor(&schedule, step);
}

Test(schedule_names, lead_there_and_back)
{
    const char *const names[] = {"constant", "linear", "cosine"};
    for (int i = 0; i < 3; i++) {
        adcl_schedule_kind got = (adcl_schedule_kind)-1;
        cr_expect_str_eq(adcl_schedule_kind_name((adcl_schedule_kind)i), names[i]);
        cr_expect_eq(adcl_schedule_kind_from_name(names[i], &got, NULL), ADCL_OK);
        cr_expect_eq((int)got, i);
    }
    cr_expect_str_eq(adcl_schedule_kind_name((adcl_schedule_kind)3), "?");
    cr_expect_str_eq(adcl_schedule_kind_name((adcl_schedule_kind)-1), "?");
}

Test(schedule_names, unknown_name_is_answered_with_the_list)
{
    adcl_schedule_kind got = ADCL_SCHEDULE_COSINE;
    adcl_error error;
    cr_expect_eq(adcl_schedule_kind_from_name("step", &got, &error), ADCL_ERR_NOT_FOUND);
    cr_expect_str_eq(error.message,
                     "unknown schedule \"step\"; expected one of: constant, linear, cosine");
    cr_expect_eq(got, ADCL_SCHEDULE_COSINE);
    cr_expect_eq(adcl_schedule_kind_from_name(NULL, &got, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_schedule_kind_from_name("step", NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
}

Test(schedule_factor, warms_up_from_zero_whatever_the_kind)
{
    for (int kind = ADCL_SCHEDULE_CONSTANT; kind <= ADCL_SCHEDULE_COSINE; kind++) {
        cr_expect_eq(factor((adcl_schedule_kind)kind, 4, 10, 0), 0.0);
        cr_expect_eq(factor((adcl_schedule_kind)kind, 4, 10, 1), 0.25);
        cr_expect_eq(factor((adcl_schedule_kind)kind, 4, 10, 3), 0.75);
        cr_expect_eq(factor((adcl_schedule_kind)kind, 4, 10, 4), 1.0);
        cr_expect_eq(factor((adcl_schedule_kind)kind, 0, 10, 0), 1.0);
    }
}

Test(schedule_factor, constant_stays_one_for_ever)
{
    cr_expect_eq(factor(ADCL_SCHEDULE_CONSTANT, 4, 10, 9), 1.0);
    cr_expect_eq(factor(ADCL_SCHEDULE_CONSTANT, 0, 0, UINT64_MAX), 1.0);
}

Test(schedule_factor, linear_reaches_zero_at_the_end_and_stays_there)
{
    cr_expect_eq(factor(ADCL_SCHEDULE_LINEAR, 2, 10, 4), 0.75);
    cr_expect_eq(factor(ADCL_SCHEDULE_LINEAR, 2, 10, 9), 0.125);
    cr_expect_eq(factor(ADCL_SCHEDULE_LINEAR, 2, 10, 10), 0.0);
    cr_expect_eq(factor(ADCL_SCHEDULE_LINEAR, 2, 10, UINT64_MAX), 0.0);
    cr_expect_eq(factor(ADCL_SCHEDULE_LINEAR, 20, 10, 15), 0.0, "past the end, though warming up");
}

Test(schedule_factor, cosine_is_a_half_in_the_middle_and_zero_at_the_end)
{
    /* One rounding of cos and one of the sum. */
    cr_expect_lt(fabs(factor(ADCL_SCHEDULE_COSINE, 2, 10, 6) - 0.5), 1e-15);
    cr_expect_lt(fabs(factor(ADCL_SCHEDULE_COSINE, 2, 10, 4) - (2.0 + sqrt(2.0)) / 4.0), 1e-15);
    cr_expect_eq(factor(ADCL_SCHEDULE_COSINE, 2, 10, 10), 0.0);
    cr_expect_eq(factor(ADCL_SCHEDULE_COSINE, 2, 10, 11), 0.0);
}

/* Computed by another program, in another language, from the formulas in schedule.c. */
Test(shuffled_order, is_the_same_on_every_machine)
{
    static const struct {
        uint64_t seed, epoch;
        int32_t order[10];
    } known[] = {
        {0, 0, {0, 5, 9, 4, 1, 2, 7, 6, 8, 3}},
        {1, 2, {5, 1, 6, 9, 8, 0, 4, 2, 3, 7}},
        {1, (UINT64_C(1) << 32) + 2, {6, 2, 0, 1, 4, 7, 3, 5, 9, 8}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        int32_t order[10];
        adcl_shuffled_order(known[i].seed, known[i].epoch, 10, order);
        cr_expect_arr_eq(order, known[i].order, sizeof order, "case %zu", i);
    }
}

Test(shuffled_order, is_a_permutation)
{
    enum { COUNT = 4459 };
    static int32_t order[COUNT + 1];
    static char seen[COUNT];
    order[COUNT] = -7;
    adcl_shuffled_order(3, 1, COUNT, order);
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert(order[i] >= 0 && order[i] < COUNT);
        cr_assert_not(seen[order[i]], "row %d twice", (int)order[i]);
        seen[order[i]] = 1;
    }
    cr_expect_eq(order[COUNT], -7, "written past the end");
}

Test(shuffled_order, copes_with_no_row_and_with_one)
{
    int32_t order[1] = {5};
    adcl_shuffled_order(3, 1, 0, order);
    cr_expect_eq(order[0], 5);
    adcl_shuffled_order(3, 1, 1, order);
    cr_expect_eq(order[0], 0);
}

Test(shuffled_order, makes_all_permutations_equally_often)
{
    /* Chi-squared over the 24 orders of 4 rows, 23 degrees of freedom: above 58 once in 10⁴ trials.
     * The shuffle that swaps each row with any of the four reaches several hundred. */
    enum { TRIALS = 24000 };
    int counts[24] = {0};
    for (uint64_t epoch = 0; epoch < TRIALS; epoch++) {
        int32_t order[4];
        adcl_shuffled_order(9, epoch, 4, order);
        int rank = 0;
        for (int i = 0; i < 4; i++) {
            int smaller = 0;
            for (int j = i + 1; j < 4; j++) smaller += order[j] < order[i];
            rank = rank * (4 - i) + smaller;
        }
        counts[rank]++;
    }
    double chi_squared = 0.0, expected = TRIALS / 24.0;
    for (int i = 0; i < 24; i++)
        chi_squared += (counts[i] - expected) * (counts[i] - expected) / expected;
    cr_expect_lt(chi_squared, 58.0, "%g", chi_squared);
}
