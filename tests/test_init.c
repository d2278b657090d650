/* SPDX-License-Identifier: MIT */
#include "adapter/init.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { D = 96, R = 32, COUNT = D * R };

static float kernel[COUNT];

static double largest(void)
{
    double most = 0.0;
    for (size_t i = 0; i < COUNT; i++) most = fmax(most, fabs((double)kernel[i]));
    return most;
}

static double deviation(void)
{
    double sum = 0.0;
    for (size_t i = 0; i < COUNT; i++) sum += (double)kernel[i] * (double)kernel[i];
    return sqrt(sum / COUNT);
}

static void fill(adcl_init init, adcl_adapter_slot slot)
{
    adcl__init_fill(init, 11, slot, D, R, kernel, COUNT);
}

/* A standard deviation from COUNT samples is off by 1/sqrt(2·COUNT) = 1.3 % or less; allow 5 %. */
static bool near(double got, double expected)
{
    return fabs(got - expected) < 0.05 * expected;
}

Test(init_names, lead_there_and_back)
{
#define CHECK_NAME(NAME, value, name)                                                              \
    {                                                                                              \
        adcl_init got = (adcl_init)-1;                                                             \
        cr_expect_str_eq(adcl_init_name(ADCL_INIT_##NAME), name);                                  \
        cr_expect_eq(adcl_init_from_name(name, &got, NULL), ADCL_OK);                              \
        cr_expect_eq(got, ADCL_INIT_##NAME);                                                       \
    }
    ADCL_INIT_MAP(CHECK_NAME)
    cr_expect_str_eq(adcl_init_name((adcl_init)5), "?");
    cr_expect_str_eq(adcl_init_name((adcl_init)-1), "?");
}

Test(init_names, unknown_name_is_answered_with_the_list)
{
    adcl_init got = ADCL_INIT_MAM;
    adcl_error error;
    cr_expect_eq(adcl_init_from_name("xavier", &got, &error), ADCL_ERR_NOT_FOUND);
    cr_expect_str_eq(error.message, "unknown initialiser \"xavier\"; expected one of: identity, "
                                    "houlsby, houlsby_paper, bert, mam");
    cr_expect_eq(got, ADCL_INIT_MAM);
    cr_expect_eq(adcl_init_from_name(NULL, &got, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_init_from_name("bert", NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
}

Test(init_fill, identity_is_glorot_below_and_zeros_above)
{
    double limit = sqrt(6.0 / (D + R));
    fill(ADCL_INIT_IDENTITY, ADCL_DOWN_KERNEL);
    cr_expect_leq(largest(), limit);
    cr_expect(near(deviation(), limit / sqrt(3.0)));
    fill(ADCL_INIT_IDENTITY, ADCL_UP_KERNEL);
    cr_expect_eq(largest(), 0.0);
}

Test(init_fill, houlsby_is_a_normal_cut_at_two_deviations_for_both_kernels)
{
    const adcl_init inits[] = {ADCL_INIT_HOULSBY, ADCL_INIT_HOULSBY_PAPER};
    const double deviations[] = {1e-3, 1e-2};
    for (int i = 0; i < 2; i++)
        for (int slot = ADCL_DOWN_KERNEL; slot <= ADCL_UP_KERNEL; slot += ADCL_UP_KERNEL) {
            fill(inits[i], (adcl_adapter_slot)slot);
            cr_expect_leq(largest(), (double)(float)(2.0 * deviations[i]));
            cr_expect_gt(largest(), 1.9 * deviations[i]);
            cr_expect(near(deviation(), sqrt(0.7737) * deviations[i]), "%g", deviation());
        }
}

Test(init_fill, bert_is_a_whole_normal_for_both_kernels)
{
    for (int slot = ADCL_DOWN_KERNEL; slot <= ADCL_UP_KERNEL; slot += ADCL_UP_KERNEL) {
        fill(ADCL_INIT_BERT, (adcl_adapter_slot)slot);
        cr_expect(near(deviation(), 0.02), "%g", deviation());
        cr_expect_gt(largest(), 3.0 * 0.02);
    }
}

Test(init_fill, mam_is_kaiming_below_and_zeros_above)
{
    double limit = sqrt(1.0 / D);
    fill(ADCL_INIT_MAM, ADCL_DOWN_KERNEL);
    cr_expect_leq(largest(), limit);
    cr_expect(near(deviation(), limit / sqrt(3.0)));
    fill(ADCL_INIT_MAM, ADCL_UP_KERNEL);
    cr_expect_eq(largest(), 0.0);
}

Test(init_fill, biases_are_zeros)
{
    for (int init = ADCL_INIT_IDENTITY; init <= ADCL_INIT_MAM; init++) {
        memset(kernel, 0xFF, sizeof kernel);
        adcl__init_fill((adcl_init)init, 1, ADCL_DOWN_BIAS, D, R, kernel, R);
        adcl__init_fill((adcl_init)init, 1, ADCL_UP_BIAS, D, R, kernel + R, COUNT - R);
        cr_expect_eq(largest(), 0.0);
    }
}

Test(init_fill, kernels_of_one_seed_differ)
{
    static float down[COUNT];
    fill(ADCL_INIT_BERT, ADCL_DOWN_KERNEL);
    memcpy(down, kernel, sizeof down);
    fill(ADCL_INIT_BERT, ADCL_UP_KERNEL);
    cr_expect_arr_neq(kernel, down, sizeof down);
}
