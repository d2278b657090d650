/* SPDX-License-Identifier: MIT */
#include "io/floats.h"

#include <criterion/criterion.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

static uint16_t write_one(adcl_dtype dtype, float value)
{
    uint16_t bits;
    adcl__floats_write(&bits, dtype, &value, 1);
    return bits;
}

static float read_one(adcl_dtype dtype, uint16_t bits)
{
    float value;
    adcl__floats_read(&value, dtype, &bits, 1);
    return value;
}

Test(floats, every_number_of_16_bits_comes_back)
{
    static const adcl_dtype dtypes[] = {ADCL_F16, ADCL_BF16};
    for (size_t i = 0; i < 2; i++)
        for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
            float value = read_one(dtypes[i], (uint16_t)bits);
            uint16_t back = write_one(dtypes[i], value);
            /* A NaN stays one, of the same sign; which one may change. */
            if (isnan(value))
                cr_assert(isnan(read_one(dtypes[i], back)) && (back ^ bits) < 0x8000);
            else
                cr_assert_eq(back, bits, "%s %04x: got %04x", adcl_dtype_name(dtypes[i]),
                             (unsigned)bits, (unsigned)back);
        }
}

Test(floats, rounds_to_nearest_and_ties_to_even)
{
    static const struct {
        adcl_dtype dtype;
        float value;
        uint16_t bits;
    } cases[] = {
        {ADCL_F16, 1.0f, 0x3C00}, {ADCL_F16, -2.0f, 0xC000}, {ADCL_F16, 65504.0f, 0x7BFF},
        {ADCL_F16, 65519.996f, 0x7BFF}, {ADCL_F16, 65520.0f, 0x7C00}, {ADCL_F16, 1e30f, 0x7C00},
        {ADCL_F16, 0x1.002p0f, 0x3C00}, {ADCL_F16, 0x1.006p0f, 0x3C02},
        {ADCL_F16, 0x1.002002p0f, 0x3C01}, {ADCL_F16, 0x1p-24f, 1}, {ADCL_F16, 0x1p-25f, 0},
        {ADCL_F16, 0x1.000002p-25f, 1}, {ADCL_F16, -0x1.8p-24f, 0x8002},
        {ADCL_F16, 0x1.ffep-15f, 0x0400}, {ADCL_F16, 0x1.ff8p-15f, 0x03FF}, {ADCL_F16, -0.0f, 0x8000},
        {ADCL_F16, 1e-40f, 0},
        {ADCL_BF16, 1.0f, 0x3F80}, {ADCL_BF16, 0x1.01p0f, 0x3F80}, {ADCL_BF16, 0x1.03p0f, 0x3F82},
        {ADCL_BF16, 0x1.010002p0f, 0x3F81}, {ADCL_BF16, 0x1.fffffep127f, 0x7F80},
        {ADCL_BF16, -INFINITY, 0xFF80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint16_t got = write_one(cases[i].dtype, cases[i].value);
        cr_expect_eq(got, cases[i].bits, "%s %a: expected %04x, got %04x",
                     adcl_dtype_name(cases[i].dtype), (double)cases[i].value,
                     (unsigned)cases[i].bits, (unsigned)got);
    }
}

Test(floats, a_nan_of_low_bits_stays_one)
{
    uint32_t bits = 0x7F800001;
    float nan_of_low_bits;
    memcpy(&nan_of_low_bits, &bits, sizeof bits);
    cr_expect(isnan(read_one(ADCL_F16, write_one(ADCL_F16, nan_of_low_bits))));
    cr_expect(isnan(read_one(ADCL_BF16, write_one(ADCL_BF16, nan_of_low_bits))));
}

Test(floats, reads_at_any_byte)
{
    unsigned char bytes[1 + 2 * sizeof(float)] = {0};
    const float values[] = {1.5f, -3.0f};
    float got[2];
    memcpy(bytes + 1, values, sizeof values);
    adcl__floats_read(got, ADCL_F32, bytes + 1, 2);
    cr_expect_arr_eq(got, values, sizeof values);
    adcl__floats_write(bytes + 1, ADCL_BF16, values, 2);
    adcl__floats_read(got, ADCL_BF16, bytes + 1, 2);
    cr_expect_arr_eq(got, values, sizeof values);
    cr_expect(adcl__dtype_is_float(ADCL_BF16) && !adcl__dtype_is_float(ADCL_F64) &&
              !adcl__dtype_is_float(ADCL_I32));
}
