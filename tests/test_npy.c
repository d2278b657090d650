/* SPDX-License-Identifier: MIT */
#include "io/array.h"
#include "io/npy_parse.h"
#include "support/files.h"

#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(npy_load, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);
TestSuite(npy_save, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;

/* ---- making files ----------------------------------------------------------------------------*/

/* Parses a file of version major.0 with this dictionary and data, in memory of exactly its size. */
static adcl_status parse_version(unsigned major, const char *dictionary, const void *data,
                                 size_t data_size, adcl_npy **out)
{
    size_t length = strlen(dictionary), width = major == 1 ? 2 : 4, size = 8 + width + length;
    unsigned char *bytes = malloc(size + data_size);
    cr_assert_not_null(bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)major;
    bytes[7] = 0;
    memcpy(bytes + 8, &(uint32_t){(uint32_t)length}, width);
    memcpy(bytes + 8 + width, dictionary, length);
    memcpy(bytes + size, data, data_size);
    adcl_status status = adcl__npy_parse(out, "x.npy", bytes, size + data_size, &error);
    free(bytes);
    return status;
}

static adcl_npy *parse_good(const char *dictionary, const void *data, size_t data_size)
{
    adcl_npy *array;
    cr_assert_eq(parse_version(1, dictionary, data, data_size, &array), ADCL_OK, "%s: %s",
                 dictionary, error.message);
    return array;
}

/* An array of one axis. */
static adcl_npy *parse_vector(const char *descr, size_t count, const void *data, size_t data_size)
{
    char dictionary[96];
    snprintf(dictionary, sizeof dictionary,
             "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }\n", descr, count);
    return parse_good(dictionary, data, data_size);
}

/* ---- reading ---------------------------------------------------------------------------------*/

static const float floats[6] = {1, 2, 3, 4, 5, 6};

Test(npy_parse, gives_dtype_shape_and_data)
{
    adcl_npy *array = parse_good(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }      \n", floats, 24);
    cr_expect_eq(adcl_npy_dtype(array), ADCL_F32);
    cr_expect_str_eq(adcl_npy_descr(array), "<f4");
    cr_expect_eq(adcl_npy_rank(array), 2);
    cr_expect_eq(adcl_npy_shape(array)[0], 2);
    cr_expect_eq(adcl_npy_shape(array)[1], 3);
    cr_expect_eq(adcl_npy_count(array), 6);
    cr_expect_arr_eq(adcl_npy_data(array), floats, 24);
    adcl_npy_destroy(&array);
    cr_expect_null(array);
    adcl_npy_destroy(NULL);
}

Test(npy_parse, takes_every_way_to_write_the_dictionary)
{
    static const char *const dictionaries[] = {
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
        "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(2,3)}",
        "{ 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , 'descr' : '<f4' , } \n",
        "  {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n\n",
    };
    for (size_t i = 0; i < sizeof dictionaries / sizeof dictionaries[0]; i++) {
        adcl_npy *array = parse_good(dictionaries[i], floats, 24);
        cr_expect_eq(adcl_npy_rank(array), 2);
        cr_expect_arr_eq(adcl_npy_data(array), floats, 24);
        adcl_npy_destroy(&array);
    }
}

Test(npy_parse, takes_all_three_versions)
{
    for (unsigned major = 1; major <= 3; major++) {
        adcl_npy *array;
        cr_expect_eq(parse_version(major, "{'descr':'<f4','fortran_order':False,'shape':(6,)}",
                                   floats, 24, &array),
                     ADCL_OK, "%s", error.message);
        adcl_npy_destroy(&array);
    }
}

Test(npy_parse, takes_scalars_and_empty_arrays)
{
    adcl_npy *array = parse_good("{'descr':'<f4','fortran_order':False,'shape':()}", floats, 4);
    cr_expect_eq(adcl_npy_rank(array), 0);
    cr_expect_eq(adcl_npy_count(array), 1);
    adcl_npy_destroy(&array);
    array = parse_good("{'descr':'<f4','fortran_order':True,'shape':()}", floats, 4);
    cr_expect_eq(((const float *)adcl_npy_data(array))[0], 1.0f);
    adcl_npy_destroy(&array);
    array = parse_good("{'descr':'<f4','fortran_order':True,'shape':(5, 0, 7)}", floats, 0);
    cr_expect_eq(adcl_npy_count(array), 0);
    cr_expect_not_null(adcl_npy_data(array));
    adcl_npy_destroy(&array);
}

Test(npy_parse, turns_fortran_order_into_c_order)
{
    static const uint8_t file[24] = {0,  12, 4, 16, 8,  20, 1, 13, 5, 17, 9,  21,
                                     2,  14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23};
    adcl_npy *array =
        parse_good("{'descr':'|u1','fortran_order':True,'shape':(2, 3, 4)}", file, sizeof file);
    const uint8_t *got = adcl_npy_data(array);
    for (unsigned i = 0; i < 24; i++) cr_expect_eq(got[i], i, "element %u is %u", i, got[i]);
    adcl_npy_destroy(&array);
    static const float columns[6] = {1, 4, 2, 5, 3, 6};
    array = parse_good("{'descr':'<f4','fortran_order':True,'shape':(2, 3)}", columns, 24);
    cr_expect_arr_eq(adcl_npy_data(array), floats, 24);
    adcl_npy_destroy(&array);
}

#define D(descr, order, shape) "{'descr':" descr ",'fortran_order':" order ",'shape':" shape "}"
#define ONES_33 "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"

static const struct {
    const char *dictionary;
    size_t data_size;
    adcl_status status;
    const char *part; /* of the sentence */
} hostile[] = {
    /* the dictionary */
    {"", 4, ADCL_ERR_FORMAT, "expected { at character 0"},
    {"[]", 4, ADCL_ERR_FORMAT, "expected {"},
    {"{}", 4, ADCL_ERR_FORMAT, "each of 'descr', 'fortran_order' and 'shape' once"},
    {"{'descr':'<f4'}", 4, ADCL_ERR_FORMAT, "expected a comma"},
    {"{'descr':'<f4',}", 4, ADCL_ERR_FORMAT, "each of"},
    {"{'descr':'<f4','fortran_order':False}", 4, ADCL_ERR_FORMAT, "expected a comma"},
    {"{'descr':'<f4','fortran_order':False,'descr':'<f4'}", 4, ADCL_ERR_FORMAT, "each of"},
    {"{'descr':'<f4','fortran_order':False,'shape':(1,),'more':1}", 4, ADCL_ERR_FORMAT,
     "expected }"},
    {"{'descr':'<f4','fortran_order':False,'shape':(1,),,}", 4, ADCL_ERR_FORMAT, "expected }"},
    {"{'descr':'<f4' 'fortran_order':False,'shape':(1,)}", 4, ADCL_ERR_FORMAT, "expected a comma"},
    {"{'descr' '<f4','fortran_order':False,'shape':(1,)}", 4, ADCL_ERR_FORMAT, "expected a colon"},
    {"{descr:'<f4','fortran_order':False,'shape':(1,)}", 4, ADCL_ERR_FORMAT, "each of"},
    {"{'descr:'<f4','fortran_order':False,'shape':(1,)}", 4, ADCL_ERR_FORMAT, "each of"},
    {"{'descr_that_is_too_long':'<f4'}", 4, ADCL_ERR_FORMAT, "each of"},
    {D("'<f4'", "False", "(1,)") "x", 4, ADCL_ERR_FORMAT, "nothing but spaces"},
    {D("'<f4'", "False", "(1,)") "\t", 4, ADCL_ERR_FORMAT, "nothing but spaces"},
    {"{'descr':'<f4','fortran_order':False,'shape':(1,)", 4, ADCL_ERR_FORMAT, "expected }"},
    {"{'descr", 4, ADCL_ERR_FORMAT, "each of"},
    /* descr */
    {D("<f4", "False", "(1,)"), 4, ADCL_ERR_FORMAT, "expected a string"},
    {D("'<f4", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"<f4,\""},
    {D("'\\x3cf4'", "False", "(1,)"), 4, ADCL_ERR_FORMAT, "expected a string"},
    {D("None", "False", "(1,)"), 4, ADCL_ERR_FORMAT, "expected a string"},
    {D("[('a','<f4')]", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "a structured array"},
    {D("'>f4'", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "big-endian"},
    {D("'>i8'", "False", "(1,)"), 8, ADCL_ERR_UNSUPPORTED, "big-endian"},
    {D("'|O'", "False", "(1,)"), 8, ADCL_ERR_UNSUPPORTED, "Python objects"},
    {D("'=f4'", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"=f4\""},
    {D("'|f4'", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"|f4\""},
    {D("'f4'", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"f4\""},
    {D("''", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"\""},
    {D("'<f44'", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"<f44\""},
    {D("'<f4\x1b'", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"<f4?\""},
    {D("'<f16'", "False", "(1,)"), 16, ADCL_ERR_UNSUPPORTED, "got \"<f16\""},
    {D("'<c8'", "False", "(1,)"), 8, ADCL_ERR_UNSUPPORTED, "got \"<c8\""},
    {D("'<U1'", "False", "(1,)"), 4, ADCL_ERR_UNSUPPORTED, "got \"<U1\""},
    {D("'|S1'", "False", "(1,)"), 1, ADCL_ERR_UNSUPPORTED, "got \"|S1\""},
    {D("'<M8[ns]'", "False", "(1,)"), 8, ADCL_ERR_UNSUPPORTED, "got \"<M8[ns]\""},
    /* fortran_order */
    {D("'<f4'", "0", "(1,)"), 4, ADCL_ERR_FORMAT, "expected True or False"},
    {D("'<f4'", "false", "(1,)"), 4, ADCL_ERR_FORMAT, "expected True or False"},
    {D("'<f4'", "'False'", "(1,)"), 4, ADCL_ERR_FORMAT, "expected True or False"},
    {D("'<f4'", "FalseX", "(1,)"), 4, ADCL_ERR_FORMAT, "expected a comma"},
    /* shape */
    {D("'<f4'", "False", "1"), 4, ADCL_ERR_FORMAT, "expected a tuple"},
    {D("'<f4'", "False", "[1]"), 4, ADCL_ERR_FORMAT, "expected a tuple"},
    {D("'<f4'", "False", "(1)"), 4, ADCL_ERR_FORMAT, "a comma in a tuple of one size"},
    {D("'<f4'", "False", "(,)"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", "(1,,)"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", "(1 1)"), 4, ADCL_ERR_FORMAT, "expected a comma or )"},
    {D("'<f4'", "False", "(1,"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", "(-1,)"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", "(+1,)"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", "(01,)"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", "(1.0,)"), 4, ADCL_ERR_FORMAT, "expected a comma or )"},
    {D("'<f4'", "False", "(0x1,)"), 4, ADCL_ERR_FORMAT, "expected a comma or )"},
    {D("'<f4'", "False", "(1_0,)"), 4, ADCL_ERR_FORMAT, "expected a comma or )"},
    {D("'<f4'", "False", "(None,)"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", "((1,),)"), 4, ADCL_ERR_FORMAT, "expected a non-negative integer"},
    {D("'<f4'", "False", ONES_33), 4, ADCL_ERR_UNSUPPORTED, "at most 32 sizes"},
    {D("'<f4'", "False", "(99999999999999999999,)"), 4, ADCL_ERR_SIZE_OVERFLOW, "does not fit"},
    {D("'<f4'", "False", "(18446744073709551615,)"), 4, ADCL_ERR_SIZE_OVERFLOW, "does not fit"},
    {D("'|u1'", "False", "(4294967296, 4294967296)"), 4, ADCL_ERR_SIZE_OVERFLOW,
     "(4294967296, 4294967296) does not fit"},
    {D("'<f8'", "True", "(2305843009213693952,)"), 0, ADCL_ERR_SIZE_OVERFLOW, "does not fit"},
    /* the size of the file */
    {D("'<f4'", "False", "(2,)"), 4, ADCL_ERR_FORMAT,
     "expected 8 bytes for <f4 of shape (2), got 4"},
    {D("'<f4'", "False", "(1,)"), 5, ADCL_ERR_FORMAT, "expected 4 bytes"},
    {D("'<f4'", "False", "(0,)"), 1, ADCL_ERR_FORMAT, "expected 0 bytes"},
    {D("'|u1'", "False", "(1000000000000,)"), 1, ADCL_ERR_FORMAT, "expected 1000000000000 bytes"},
};

Test(npy_parse, refuses_every_hostile_header)
{
    static const unsigned char zeros[16];
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        adcl_npy *array = NULL;
        adcl_status status =
            parse_version(1, hostile[i].dictionary, zeros, hostile[i].data_size, &array);
        cr_expect_eq(status, hostile[i].status, "%s: %s, %s", hostile[i].dictionary,
                     adcl_status_name(status), error.message);
        cr_expect_not_null(strstr(error.message, hostile[i].part), "%s: %s", hostile[i].dictionary,
                           error.message);
        cr_expect_eq(strncmp(error.message, "x.npy: ", 7), 0, "%s", error.message);
        cr_expect_null(array);
    }
}

/* Fails the test unless a file that begins with these bytes is refused. */
static void expect_refused(const char *bytes, size_t size, adcl_status status, const char *part)
{
    unsigned char *copy = malloc(size + 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, size);
    adcl_npy *array;
    cr_expect_eq(adcl__npy_parse(&array, "x.npy", copy, size, &error), status, "%s", part);
    cr_expect_not_null(strstr(error.message, part), "%s", error.message);
    free(copy);
}

#define PLAIN "{'descr':'|u1','fortran_order':False,'shape':(2,)}" /* 0x32 bytes */

Test(npy_parse, refuses_other_files_and_versions)
{
    static const char good[] = "\x93NUMPY\1\0\x32\0" PLAIN "ab";
    for (size_t size = 0; size < sizeof good - 1; size++)
        expect_refused(good, size, ADCL_ERR_FORMAT, "x.npy: ");
    expect_refused("\x93NUMPZ\1\0\x32\0" PLAIN "ab", 62, ADCL_ERR_FORMAT, "not a .npy file");
    expect_refused("PK\3\4          ", 14, ADCL_ERR_FORMAT, "not a .npy file");
    expect_refused("\x93NUMPY\0\0\x32\0" PLAIN "ab", 62, ADCL_ERR_UNSUPPORTED, "got 0.0");
    expect_refused("\x93NUMPY\1\1\x32\0" PLAIN "ab", 62, ADCL_ERR_UNSUPPORTED, "got 1.1");
    expect_refused("\x93NUMPY\4\0\x32\0" PLAIN "ab", 62, ADCL_ERR_UNSUPPORTED, "got 4.0");
    expect_refused("\x93NUMPY\1\0\xFF\xFF" PLAIN "ab", 62, ADCL_ERR_FORMAT, "truncated");
    expect_refused("\x93NUMPY\2\0\xFF\xFF\xFF\xFF" PLAIN "ab", 64, ADCL_ERR_FORMAT, "truncated");
    expect_refused("\x93NUMPY\2\0\x32\0", 10, ADCL_ERR_FORMAT, "truncated");
}

Test(npy_parse, refuses_a_nul_inside_a_string)
{
    expect_refused("\x93NUMPY\1\0\x33\0{'descr':'|u1\0','fortran_order':False,'shape':(2,)}ab", 63,
                   ADCL_ERR_FORMAT, "expected a string");
}

Test(npy_load, refuses_what_is_no_file)
{
    adcl_npy *array;
    cr_expect_eq(adcl_npy_load(&array, adcl_test_path("none"), &error), ADCL_ERR_FILE);
    cr_expect_null(array);
    cr_expect_eq(adcl_npy_load(&array, adcl_test_path(""), &error), ADCL_ERR_FILE);
    cr_expect_eq(adcl_npy_load(&array, NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
    adcl_test_file_write(adcl_test_path("empty"), "", 0);
    cr_expect_eq(adcl_npy_load(&array, adcl_test_path("empty"), &error), ADCL_ERR_FORMAT);
}

/* ---- converting ------------------------------------------------------------------------------*/

/* Every half is fraction · 2^exponent by its definition; no rounding is involved. */
Test(npy_to_f32, converts_every_half_exactly)
{
    static uint16_t halves[65536];
    static float got[65536];
    for (unsigned i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    adcl_npy *array = parse_vector("<f2", 65536, halves, sizeof halves);
    cr_assert_eq(adcl_npy_to_f32(array, 0, got, 65536, &error), ADCL_OK, "%s", error.message);
    for (unsigned i = 0; i < 65536; i++) {
        int exponent = (int)(i >> 10 & 31), fraction = (int)(i & 1023);
        double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
        if (exponent == 31) value = fraction == 0 ? INFINITY : NAN;
        if (i & 0x8000) value = -value;
        bool equal = isnan(value) ? isnan(got[i]) : (double)got[i] == value;
        cr_expect(equal, "half %04x: expected %g, got %g", i, value, (double)got[i]);
        cr_expect_eq(signbit(got[i]) != 0, i >= 0x8000, "half %04x: sign", i);
    }
    adcl_npy_destroy(&array);
}

/* Fails the test unless `data` is refused without cast and gives `expected` with it. */
static void expect_cast(const char *descr, size_t count, const void *data, size_t data_size,
                        const float *expected)
{
    float got[8];
    adcl_npy *array = parse_vector(descr, count, data, data_size);
    cr_expect_eq(adcl_npy_to_f32(array, 0, got, count, &error), ADCL_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, descr), "%s", error.message);
    cr_expect_eq(adcl_npy_to_f32(array, 1, got, count, &error), ADCL_OK, "%s", error.message);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(got[i], expected[i], "%s: element %zu: expected %g, got %g", descr, i,
                     (double)expected[i], (double)got[i]);
    adcl_npy_destroy(&array);
}

Test(npy_to_f32, casts_where_asked)
{
    /* 2²⁴ + 1 lies between two floats: the even one is taken. */
    const double doubles[] = {0.1, -1e300, 16777217.0};
    expect_cast("<f8", 3, doubles, sizeof doubles, (float[]){0.1f, -INFINITY, 16777216.0f});
    const int64_t i64[] = {INT64_MIN, 16777219, -1};
    expect_cast("<i8", 3, i64, sizeof i64, (float[]){-0x1p63f, 16777220.0f, -1.0f});
    const uint64_t u64[] = {UINT64_MAX, 1};
    expect_cast("<u8", 2, u64, sizeof u64, (float[]){0x1p64f, 1.0f});
    const int32_t i32[] = {INT32_MIN, 7};
    expect_cast("<i4", 2, i32, sizeof i32, (float[]){-0x1p31f, 7.0f});
    const uint32_t u32[] = {UINT32_MAX, 7};
    expect_cast("<u4", 2, u32, sizeof u32, (float[]){0x1p32f, 7.0f});
    const int16_t i16[] = {INT16_MIN, INT16_MAX};
    expect_cast("<i2", 2, i16, sizeof i16, (float[]){-32768.0f, 32767.0f});
    const uint16_t u16[] = {UINT16_MAX, 0};
    expect_cast("<u2", 2, u16, sizeof u16, (float[]){65535.0f, 0.0f});
    const int8_t i8[] = {INT8_MIN, INT8_MAX};
    expect_cast("|i1", 2, i8, sizeof i8, (float[]){-128.0f, 127.0f});
    const uint8_t u8[] = {0, 1, 255};
    expect_cast("|u1", 3, u8, sizeof u8, (float[]){0.0f, 1.0f, 255.0f});
    expect_cast("|b1", 3, u8, sizeof u8, (float[]){0.0f, 1.0f, 1.0f});
    expect_cast("<u1", 3, u8, sizeof u8, (float[]){0.0f, 1.0f, 255.0f});
}

Test(npy_to_f32, refuses_another_count)
{
    float got[6];
    adcl_npy *array = parse_vector("<f4", 6, floats, sizeof floats);
    cr_expect_eq(adcl_npy_to_f32(array, 0, got, 5, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(error.message, "the array's 6 elements, got 5"), "%s", error.message);
    cr_expect_eq(adcl_npy_to_f32(array, 0, got, 6, &error), ADCL_OK);
    cr_expect_arr_eq(got, floats, sizeof floats);
    adcl_npy_destroy(&array);
}

/* Fails the test unless the last element, and it only, does not fit; the others are `expected`. */
static void expect_misfit(const char *descr, size_t count, const void *data, size_t data_size,
                          const int32_t *expected)
{
    int32_t got[8];
    char part[32];
    snprintf(part, sizeof part, "element %zu does not fit", count - 1);
    adcl_npy *array = parse_vector(descr, count, data, data_size);
    cr_expect_eq(adcl_npy_to_i32(array, got, count, &error), ADCL_ERR_FORMAT, "%s", descr);
    cr_expect_not_null(strstr(error.message, part), "%s", error.message);
    adcl_npy_destroy(&array);
    array = parse_vector(descr, count - 1, data, data_size / count * (count - 1));
    cr_expect_eq(adcl_npy_to_i32(array, got, count - 1, &error), ADCL_OK, "%s", error.message);
    cr_expect_arr_eq(got, expected, (count - 1) * sizeof got[0], "%s", descr);
    adcl_npy_destroy(&array);
}

Test(npy_to_i32, refuses_values_that_do_not_fit)
{
    const int64_t i64[] = {INT32_MIN, INT32_MAX, (int64_t)INT32_MAX + 1};
    expect_misfit("<i8", 3, i64, sizeof i64, (int32_t[]){INT32_MIN, INT32_MAX});
    const int64_t low[] = {-1, (int64_t)INT32_MIN - 1};
    expect_misfit("<i8", 2, low, sizeof low, (int32_t[]){-1});
    const uint64_t u64[] = {INT32_MAX, 0, UINT64_MAX};
    expect_misfit("<u8", 3, u64, sizeof u64, (int32_t[]){INT32_MAX, 0});
    const uint32_t u32[] = {INT32_MAX, 0, UINT32_MAX};
    expect_misfit("<u4", 3, u32, sizeof u32, (int32_t[]){INT32_MAX, 0});
}

static void expect_i32(const char *descr, const void *data, size_t data_size,
                       const int32_t expected[2])
{
    int32_t got[2];
    adcl_npy *array = parse_vector(descr, 2, data, data_size);
    cr_expect_eq(adcl_npy_to_i32(array, got, 2, &error), ADCL_OK, "%s", error.message);
    cr_expect_arr_eq(got, expected, sizeof got, "%s: got %d, %d", descr, got[0], got[1]);
    adcl_npy_destroy(&array);
}

Test(npy_to_i32, takes_every_integer_type)
{
    expect_i32("<i4", (int32_t[]){INT32_MIN, INT32_MAX}, 8, (int32_t[]){INT32_MIN, INT32_MAX});
    expect_i32("<i2", (int16_t[]){INT16_MIN, 2}, 4, (int32_t[]){INT16_MIN, 2});
    expect_i32("|i1", (int8_t[]){INT8_MIN, 2}, 2, (int32_t[]){INT8_MIN, 2});
    expect_i32("<u2", (uint16_t[]){UINT16_MAX, 2}, 4, (int32_t[]){UINT16_MAX, 2});
    expect_i32("|u1", (uint8_t[]){UINT8_MAX, 2}, 2, (int32_t[]){UINT8_MAX, 2});
    expect_i32("|b1", (uint8_t[]){0, 2}, 2, (int32_t[]){0, 1});
}

Test(npy_to_i32, refuses_floats_and_another_count)
{
    static const char *const descrs[] = {"<f2", "<f4", "<f8"};
    int32_t got[4];
    for (size_t i = 0; i < 3; i++) {
        size_t width = 2u << i;
        adcl_npy *array = parse_vector(descrs[i], 2, floats, 2 * width);
        cr_expect_eq(adcl_npy_to_i32(array, got, 2, &error), ADCL_ERR_UNSUPPORTED);
        cr_expect_not_null(strstr(error.message, descrs[i]), "%s", error.message);
        cr_expect_eq(adcl_npy_to_i32(array, got, 3, &error), ADCL_ERR_INVALID_ARGUMENT);
        adcl_npy_destroy(&array);
    }
}

/* ---- writing ---------------------------------------------------------------------------------*/

static void expect_saved(size_t rank, const size_t *shape, const char *tuple, size_t count)
{
    char dictionary[128];
    snprintf(dictionary, sizeof dictionary,
             "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", tuple);
    unsigned char expected[152] = "\x93NUMPY\1\0\x76"; /* 0x76 + 10 = 128 */
    memset(expected + 10, ' ', 118);
    memcpy(expected + 10, dictionary, strlen(dictionary));
    expected[127] = '\n';
    memcpy(expected + 128, floats, 4 * count);
    const char *path = adcl_test_path("x.npy");
    cr_expect_eq(adcl_npy_save(path, ADCL_F32, rank, shape, floats, &error), ADCL_OK, "%s",
                 error.message);
    adcl_test_file_expect(path, expected, 128 + 4 * count);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(npy_save, has_exactly_the_bytes_of_numpy)
{
    expect_saved(2, (size_t[]){2, 3}, "(2, 3)", 6);
    expect_saved(1, (size_t[]){6}, "(6,)", 6);
    expect_saved(3, (size_t[]){1, 0, 3}, "(1, 0, 3)", 0);
    expect_saved(0, NULL, "()", 1);
}

Test(npy_save, writes_what_load_reads_for_every_dtype)
{
    for (int i = 0; adcl_dtype_size((adcl_dtype)i) != 0; i++) {
        adcl_dtype dtype = (adcl_dtype)i;
        if (dtype == ADCL_BF16) continue;
        const size_t shape[] = {2, 1};
        cr_assert_eq(adcl_npy_save(adcl_test_path("x"), dtype, 2, shape, floats, &error), ADCL_OK);
        adcl_npy *array;
        cr_assert_eq(adcl_npy_load(&array, adcl_test_path("x"), &error), ADCL_OK, "%s",
                     error.message);
        cr_expect_eq(adcl_npy_dtype(array), dtype);
        cr_expect_eq(adcl_npy_count(array), 2);
        cr_expect_arr_eq(adcl_npy_data(array), floats, 2 * adcl_dtype_size(dtype));
        adcl_npy_destroy(&array);
    }
}

Test(npy_save, takes_the_longest_shape_there_is)
{
    size_t shape[ADCL_NPY_MAX_RANK];
    for (size_t axis = 0; axis < ADCL_NPY_MAX_RANK; axis++) shape[axis] = 1;
    const char *path = adcl_test_path("x");
    cr_assert_eq(adcl_npy_save(path, ADCL_F32, ADCL_NPY_MAX_RANK, shape, floats, &error), ADCL_OK);
    adcl_npy *array;
    cr_assert_eq(adcl_npy_load(&array, path, &error), ADCL_OK, "%s", error.message);
    cr_expect_eq(adcl_npy_rank(array), ADCL_NPY_MAX_RANK);
    adcl_npy_destroy(&array);
}

Test(npy_save, refuses_wrong_arguments)
{
    const size_t shape[] = {2, 3}, huge[] = {SIZE_MAX, 2};
    const char *path = adcl_test_path("x");
    adcl_test_file_write(path, "old", 3);
    cr_expect_eq(adcl_npy_save(path, ADCL_BF16, 2, shape, floats, &error), ADCL_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, "BF16"), "%s", error.message);
    cr_expect_eq(adcl_npy_save(path, ADCL_U8, 2, huge, floats, &error), ADCL_ERR_SIZE_OVERFLOW);
    cr_expect_eq(adcl_npy_save(path, ADCL_F32, 33, shape, floats, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_npy_save(path, ADCL_F32, 2, NULL, floats, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_npy_save(path, ADCL_F32, 2, shape, NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_npy_save(NULL, ADCL_F32, 2, shape, floats, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_npy_save(adcl_test_path("none/x"), ADCL_F32, 2, shape, floats, &error),
                 ADCL_ERR_FILE);
    adcl_test_file_expect(path, "old", 3);
    cr_expect_eq(adcl_test_file_count(), 1);
}
