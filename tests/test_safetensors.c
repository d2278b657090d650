/* SPDX-License-Identifier: MIT */
#include "io/safetensors_parse.h"
#include "support/files.h"

#include <criterion/criterion.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(safetensors_load, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);
TestSuite(safetensors_save, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;

/* ---- reading ---------------------------------------------------------------------------------*/

/* Parses a file of this header's length and text and of data bytes 0, 1, 2, … The bytes stand in
 * memory of their own size, so that a sanitizer sees a read beyond them. They are never freed: the
 * object borrows them. */
static adcl_status parse_sized(uint64_t header_size, const char *header, size_t text_size,
                               size_t data_size, adcl_safetensors **out)
{
    size_t size = sizeof header_size + text_size + data_size;
    static unsigned char *bytes;
    free(bytes);
    bytes = malloc(size);
    cr_assert_not_null(bytes);
    memcpy(bytes, &header_size, sizeof header_size);
    memcpy(bytes + sizeof header_size, header, text_size);
    for (size_t i = 0; i < data_size; i++)
        bytes[sizeof header_size + text_size + i] = (unsigned char)i;
    return adcl__safetensors_parse(out, "x.safetensors", bytes, size, &error);
}

static adcl_status parse(const char *header, size_t data_size, adcl_safetensors **out)
{
    return parse_sized(strlen(header), header, strlen(header), data_size, out);
}

#define F32_2x3 "{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"

Test(safetensors_parse, gives_name_dtype_shape_and_data)
{
    adcl_safetensors *file;
    cr_assert_eq(parse("{\"a.b/ü\":" F32_2x3 "}  ", 24, &file), ADCL_OK, "%s", error.message);
    cr_expect_eq(adcl_safetensors_count(file), 1);
    const adcl_safetensors_entry *entry = adcl_safetensors_get(file, 0);
    cr_expect_str_eq(entry->name, "a.b/ü");
    cr_expect_eq(entry->dtype, ADCL_F32);
    cr_expect_eq(entry->rank, 2);
    cr_expect_eq(entry->shape[0], 2);
    cr_expect_eq(entry->shape[1], 3);
    cr_expect_eq(entry->bytes, 24);
    for (size_t i = 0; i < 24; i++) cr_expect_eq(((const unsigned char *)entry->data)[i], i);
    cr_expect_null(adcl_safetensors_get(file, 1));
    cr_expect_eq(adcl_safetensors_find(file, "a.b/ü"), entry);
    cr_expect_null(adcl_safetensors_find(file, "a.b"));
    cr_expect_eq(adcl_safetensors_metadata_count(file), 0);
    cr_expect_null(adcl_safetensors_metadata_get(file, 0));
    cr_expect_null(adcl_safetensors_metadata_find(file, "a"));
    adcl_safetensors_destroy(&file);
    cr_expect_null(file);
}

Test(safetensors_parse, orders_tensors_by_place_whatever_the_header_does)
{
    adcl_safetensors *file;
    cr_assert_eq(parse("{\"last\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[6,7]},"
                       "\"second\":{\"dtype\":\"I16\",\"shape\":[],\"data_offsets\":[4,6]},"
                       "\"empty\":{\"dtype\":\"F64\",\"shape\":[3,0],\"data_offsets\":[4,4]},"
                       "\"first\":{\"dtype\":\"F32\",\"shape\":[1,1,1],\"data_offsets\":[0,4]}}",
                       7, &file),
                 ADCL_OK, "%s", error.message);
    static const char *const names[] = {"first", "empty", "second", "last"};
    static const size_t ranks[] = {3, 2, 0, 1};
    cr_assert_eq(adcl_safetensors_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(adcl_safetensors_get(file, i)->name, names[i]);
        cr_expect_eq(adcl_safetensors_get(file, i)->rank, ranks[i]);
        cr_expect_eq(adcl_safetensors_find(file, names[i]), adcl_safetensors_get(file, i));
    }
    adcl_safetensors_destroy(&file);
}

Test(safetensors_parse, keeps_the_order_of_metadata)
{
    adcl_safetensors *file;
    static const char header[] =
        "{\"__metadata__\":{\"z\":\"1\",\"a\":\"\",\"m\":\"\\u00e9\\n\"}}";
    cr_assert_eq(parse(header, 0, &file), ADCL_OK, "%s", error.message);
    static const adcl_metadata expected[] = {{"z", "1"}, {"a", ""}, {"m", "é\n"}};
    cr_assert_eq(adcl_safetensors_metadata_count(file), 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_str_eq(adcl_safetensors_metadata_get(file, i)->key, expected[i].key);
        cr_expect_str_eq(adcl_safetensors_metadata_get(file, i)->value, expected[i].value);
        cr_expect_str_eq(adcl_safetensors_metadata_find(file, expected[i].key), expected[i].value);
    }
    cr_expect_null(adcl_safetensors_metadata_find(file, "none"));
    cr_expect_eq(adcl_safetensors_count(file), 0);
    adcl_safetensors_destroy(&file);
}

Test(safetensors_parse, knows_every_dtype)
{
    for (int dtype = 0; adcl_dtype_size((adcl_dtype)dtype) != 0; dtype++) {
        char header[128];
        size_t bytes = adcl_dtype_size((adcl_dtype)dtype);
        snprintf(header, sizeof header,
                 "{\"x\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[0,%zu]}}",
                 adcl_dtype_name((adcl_dtype)dtype), bytes);
        adcl_safetensors *file;
        cr_assert_eq(parse(header, bytes, &file), ADCL_OK, "%s", error.message);
        cr_expect_eq((int)adcl_safetensors_get(file, 0)->dtype, dtype);
        adcl_safetensors_destroy(&file);
    }
}

Test(safetensors_parse, takes_a_header_without_tensors)
{
    adcl_safetensors *file;
    cr_expect_eq(parse("{}", 0, &file), ADCL_OK);
    adcl_safetensors_destroy(&file);
    cr_expect_eq(parse("{ \"__metadata__\" : { } }        ", 0, &file), ADCL_OK);
    adcl_safetensors_destroy(&file);
}

#define X(dtype, shape, offsets)                                                                   \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define MAX_SIZE "9223372036854775807"

static const struct {
    const char *header;
    size_t data_size;
    adcl_status status;
    const char *part; /* of the sentence */
} hostile[] = {
    /* not a JSON object */
    {"", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {"   ", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {"[]", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {"null", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {" {}", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {"\n{}", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {"\xEF\xBB\xBF{}", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {"{}\n", 0, ADCL_ERR_FORMAT, "padded with spaces only"},
    {"{}\t", 0, ADCL_ERR_FORMAT, "padded with spaces only"},
    {"{", 0, ADCL_ERR_FORMAT, "expected a JSON object"},
    {"{}{}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{},{}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{'x':1}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"x\":1,}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"x\":NaN}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{/**/}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"\xFF\":1}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"\xC0\x80\":1}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"\xED\xA0\x80\":1}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"\\ud800\":1}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"\\u0000\":1}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"a\tb\":1}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    {"{\"x\":" F32_2x3 ",\"x\":" F32_2x3 "}", 24, ADCL_ERR_FORMAT, "duplicate object key"},
    {"{\"x\":" F32_2x3 ",\"\\u0078\":" F32_2x3 "}", 24, ADCL_ERR_FORMAT, "duplicate object key"},
    {"{\"x\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
     ADCL_ERR_FORMAT, "duplicate object key"},
    /* metadata */
    {"{\"__metadata__\":[]}", 0, ADCL_ERR_FORMAT, "__metadata__: expected an object"},
    {"{\"__metadata__\":null}", 0, ADCL_ERR_FORMAT, "__metadata__: expected an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, ADCL_ERR_FORMAT, "expected a string under \"a\""},
    {"{\"__metadata__\":{\"a\":null}}", 0, ADCL_ERR_FORMAT, "expected a string under \"a\""},
    {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, ADCL_ERR_FORMAT, "expected a string"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, ADCL_ERR_FORMAT, "duplicate object key"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, ADCL_ERR_FORMAT, "duplicate object key"},
    {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, ADCL_ERR_FORMAT, "expected JSON"},
    /* a tensor that is none */
    {"{\"x\":1}", 0, ADCL_ERR_FORMAT, "expected an object of dtype, shape and data_offsets"},
    {"{\"x\":[]}", 0, ADCL_ERR_FORMAT, "expected an object of dtype, shape and data_offsets"},
    {"{\"x\":{}}", 0, ADCL_ERR_FORMAT, "expected an object of dtype, shape and data_offsets"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0, ADCL_ERR_FORMAT, "expected an object of"},
    {"{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", 0, ADCL_ERR_FORMAT, "expected an object"},
    {"{\"x\":{\"shape\":[0],\"data_offsets\":[0,0]}}", 0, ADCL_ERR_FORMAT, "expected an object of"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"more\":1}}", 0,
     ADCL_ERR_FORMAT, "nothing else"},
    /* dtype */
    {X("1", "[]", "[0,4]"), 4, ADCL_ERR_FORMAT, "dtype: expected a string"},
    {X("null", "[]", "[0,4]"), 4, ADCL_ERR_FORMAT, "dtype: expected a string"},
    {X("\"F8_E4M3\"", "[4]", "[0,4]"), 4, ADCL_ERR_UNSUPPORTED, "got \"F8_E4M3\""},
    {X("\"f32\"", "[]", "[0,4]"), 4, ADCL_ERR_UNSUPPORTED, "got \"f32\""},
    {X("\"F32\\n\"", "[]", "[0,4]"), 4, ADCL_ERR_UNSUPPORTED, "got \"F32?\""},
    {X("\"?\"", "[]", "[0,4]"), 4, ADCL_ERR_UNSUPPORTED, "got \"?\""},
    /* shape */
    {X("\"F32\"", "1", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected an array"},
    {X("\"F32\"", "{}", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected an array"},
    {X("\"F32\"", "null", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected an array"},
    {X("\"F32\"", "[-1]", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected non-negative integers"},
    {X("\"F32\"", "[1.0]", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected non-negative integers"},
    {X("\"F32\"", "[1e0]", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected non-negative integers"},
    {X("\"F32\"", "[\"1\"]", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected non-negative integers"},
    {X("\"F32\"", "[true]", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected non-negative integers"},
    {X("\"F32\"", "[[1]]", "[0,4]"), 4, ADCL_ERR_FORMAT, "shape: expected non-negative integers"},
    {X("\"F32\"", "[01]", "[0,4]"), 4, ADCL_ERR_FORMAT, "expected JSON"},
    {X("\"F32\"", "[18446744073709551617]", "[0,4]"), 4, ADCL_ERR_FORMAT, "expected JSON"},
    {X("\"U8\"",
       "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"), 1,
     ADCL_ERR_FORMAT, "at most 32 sizes"},
    {X("\"F32\"", "[" MAX_SIZE "]", "[0,4]"), 4, ADCL_ERR_SIZE_OVERFLOW, "(" MAX_SIZE ")"},
    {X("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, ADCL_ERR_SIZE_OVERFLOW, "does not fit"},
    {X("\"U8\"", "[4294967296,4294967296,0]", "[0,0]"), 0, ADCL_ERR_SIZE_OVERFLOW, "does not fit"},
    /* offsets */
    {X("\"F32\"", "[]", "4"), 4, ADCL_ERR_FORMAT, "data_offsets: expected two"},
    {X("\"F32\"", "[]", "[]"), 4, ADCL_ERR_FORMAT, "data_offsets: expected two"},
    {X("\"F32\"", "[]", "[4]"), 4, ADCL_ERR_FORMAT, "data_offsets: expected two"},
    {X("\"F32\"", "[]", "[0,4,4]"), 4, ADCL_ERR_FORMAT, "data_offsets: expected two"},
    {X("\"F32\"", "[]", "[0,\"4\"]"), 4, ADCL_ERR_FORMAT, "data_offsets: expected two"},
    {X("\"F32\"", "[]", "[0,4.0]"), 4, ADCL_ERR_FORMAT, "data_offsets: expected two"},
    {X("\"F32\"", "[]", "[-4,0]"), 4, ADCL_ERR_FORMAT, "data_offsets: expected two"},
    {X("\"F32\"", "[]", "[0,8]"), 4, ADCL_ERR_FORMAT, "end ≤ 4"},
    {X("\"F32\"", "[]", "[4,0]"), 4, ADCL_ERR_FORMAT, "got [4, 0]"},
    {X("\"F32\"", "[]", "[8,12]"), 4, ADCL_ERR_FORMAT, "got [8, 12]"},
    {X("\"F32\"", "[]", "[0," MAX_SIZE "]"), 4, ADCL_ERR_FORMAT, "end ≤ 4"},
    {X("\"F32\"", "[]", "[0,3]"), 3, ADCL_ERR_FORMAT, "expected 4 bytes for F32 of shape ()"},
    {X("\"F32\"", "[2,3]", "[0,4]"), 4, ADCL_ERR_FORMAT,
     "expected 24 bytes for F32 of shape (2, 3)"},
    {X("\"F32\"", "[0]", "[0,4]"), 4, ADCL_ERR_FORMAT, "expected 0 bytes"},
    /* data that nobody has, or two have */
    {"{}", 1, ADCL_ERR_FORMAT, "expected 0 bytes of data"},
    {X("\"F32\"", "[]", "[0,4]"), 5, ADCL_ERR_FORMAT,
     "expected 4 bytes of data, as the tensors need"},
    {X("\"F32\"", "[]", "[1,5]"), 5, ADCL_ERR_FORMAT, "expected its data at offset 0"},
    {X("\"F32\"", "[0]", "[4,4]"), 4, ADCL_ERR_FORMAT, "expected its data at offset 0"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
     4, ADCL_ERR_FORMAT, "tensor \"b\": expected its data at offset 4"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
     7, ADCL_ERR_FORMAT, "tensor \"b\": expected its data at offset 4"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]}}",
     9, ADCL_ERR_FORMAT, "tensor \"b\": expected its data at offset 4"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}",
     4, ADCL_ERR_FORMAT, "expected its data at offset 4"},
};

Test(safetensors_parse, refuses_every_hostile_header)
{
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        adcl_safetensors *file = NULL;
        adcl_status status = parse(hostile[i].header, hostile[i].data_size, &file);
        cr_expect_eq(status, hostile[i].status, "%s: %s, %s", hostile[i].header,
                     adcl_status_name(status), error.message);
        cr_expect_not_null(strstr(error.message, hostile[i].part), "%s: %s", hostile[i].header,
                           error.message);
        cr_expect_eq(strncmp(error.message, "x.safetensors: ", 15), 0, "%s", error.message);
        cr_expect_null(file);
    }
}

Test(safetensors_parse, refuses_a_header_longer_than_the_file)
{
    static const uint64_t lengths[] = {3, 1000, 100000000, 100000001, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        adcl_safetensors *file;
        cr_expect_eq(parse_sized(lengths[i], "{}", 2, 0, &file), ADCL_ERR_FORMAT);
        const char *part = lengths[i] > 100000000 ? "at most 100000000 bytes" : "truncated";
        cr_expect_not_null(strstr(error.message, part), "%s", error.message);
    }
}

Test(safetensors_parse, refuses_a_file_cut_anywhere)
{
    static const char header[] = "{\"x\":" F32_2x3 "}";
    unsigned char bytes[8 + sizeof header - 1 + 24] = {sizeof header - 1};
    memcpy(bytes + 8, header, sizeof header - 1);
    for (size_t size = 0; size < sizeof bytes; size++) {
        unsigned char *cut = malloc(size + 1);
        cr_assert_not_null(cut);
        memcpy(cut, bytes, size);
        adcl_safetensors *file;
        cr_expect_eq(adcl__safetensors_parse(&file, "x", cut, size, &error), ADCL_ERR_FORMAT);
        free(cut);
    }
}

Test(safetensors_parse, refuses_nul_bytes_in_the_header)
{
    adcl_safetensors *file;
    cr_expect_eq(parse_sized(3, "{\0}", 3, 0, &file), ADCL_ERR_FORMAT);
    cr_expect_eq(parse_sized(3, "{}\0", 3, 0, &file), ADCL_ERR_FORMAT);
}

Test(safetensors_parse, refuses_deep_nesting)
{
    enum { depth = 100000 };
    char *header = malloc(depth * 6 + 1);
    cr_assert_not_null(header);
    for (size_t i = 0; i < depth; i++) memcpy(header + 5 * i, "{\"a\":", 5);
    memset(header + 5 * depth, '}', depth);
    header[6 * depth] = '\0';
    adcl_safetensors *file;
    cr_expect_eq(parse(header, 0, &file), ADCL_ERR_FORMAT);
    free(header);
}

Test(safetensors_parse, refuses_more_tensors_than_any_model_has)
{
    enum { count = ADCL__SAFETENSORS_MAX_TENSORS + 2 };
    char *header = malloc(count * 16 + 2), *next = header;
    cr_assert_not_null(header);
    for (size_t i = 0; i < count; i++) next += sprintf(next, "%c\"%zu\":0", i ? ',' : '{', i);
    strcpy(next, "}");
    adcl_safetensors *file;
    cr_expect_eq(parse(header, 0, &file), ADCL_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, "at most 100000 tensors"), "%s", error.message);
    free(header);
}

Test(safetensors_parse, cuts_long_names_out_of_its_sentences)
{
    char header[600], name[300];
    memset(name, 'n', sizeof name);
    snprintf(header, sizeof header, "{\"%.300s\":1}", name);
    adcl_safetensors *file;
    cr_expect_eq(parse(header, 0, &file), ADCL_ERR_FORMAT);
    cr_expect_lt(strlen(error.message), 250);
    cr_expect_not_null(strstr(error.message, "n…\": expected"), "%s", error.message);
}

Test(safetensors_load, refuses_what_is_no_file)
{
    adcl_safetensors *file;
    cr_expect_eq(adcl_safetensors_load(&file, adcl_test_path("none"), &error), ADCL_ERR_FILE);
    cr_expect_null(file);
    cr_expect_eq(adcl_safetensors_load(&file, adcl_test_path(""), &error), ADCL_ERR_FILE);
    cr_expect_eq(adcl_safetensors_load(&file, NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_safetensors_load(&file, adcl_test_path("none"), NULL), ADCL_ERR_FILE);
    adcl_test_file_write(adcl_test_path("empty"), "", 0);
    cr_expect_eq(adcl_safetensors_load(&file, adcl_test_path("empty"), &error), ADCL_ERR_FORMAT);
    adcl_safetensors_destroy(&file);
    adcl_safetensors_destroy(NULL);
}

/* ---- writing ---------------------------------------------------------------------------------*/

static const float floats[6] = {1, 2, 3, 4, 5, 6};
static const uint8_t bytes_data[3] = {7, 8, 9};
static const double wide = 0.5;
static const size_t shape_2x3[] = {2, 3}, shape_3[] = {3};

Test(safetensors_save, has_exactly_these_bytes)
{
    const adcl_safetensors_entry entries[] = {
        {"c", ADCL_U8, 1, shape_3, bytes_data, sizeof bytes_data},
        {"b", ADCL_F32, 2, shape_2x3, floats, sizeof floats},
        {"d", ADCL_F64, 0, NULL, &wide, sizeof wide},
        {"a\"", ADCL_U8, 1, shape_3, bytes_data, sizeof bytes_data},
    };
    const adcl_metadata metadata[] = {{"z", "\n"}, {"a", "é"}};
    const char *path = adcl_test_path("x.safetensors");
    cr_assert_eq(adcl_safetensors_save(path, entries, 4, metadata, 2, &error), ADCL_OK, "%s",
                 error.message);
    static const char header[] =
        "{\"__metadata__\":{\"z\":\"\\n\",\"a\":\"é\"},"
        "\"d\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
        "\"a\\\"\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[32,35]},"
        "\"c\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[35,38]}}";
    size_t padded = (sizeof header - 1 + 7) / 8 * 8, size = 8 + padded + 38;
    unsigned char expected[512];
    cr_assert_leq(size, sizeof expected);
    memset(expected, ' ', sizeof expected);
    memcpy(expected, &(uint64_t){padded}, 8);
    memcpy(expected + 8, header, sizeof header - 1);
    memcpy(expected + 8 + padded, &wide, 8);
    memcpy(expected + 8 + padded + 8, floats, 24);
    memcpy(expected + 8 + padded + 32, bytes_data, 3);
    memcpy(expected + 8 + padded + 35, bytes_data, 3);
    adcl_test_file_expect(path, expected, size);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(safetensors_save, writes_what_load_reads)
{
    const size_t empty_shape[] = {0, 4};
    const adcl_safetensors_entry entries[] = {
        {"", ADCL_F32, 2, shape_2x3, floats, sizeof floats},
        {"empty", ADCL_I64, 2, empty_shape, NULL, 0},
    };
    const adcl_metadata metadata[] = {{"", ""}};
    const char *path = adcl_test_path("x.safetensors");
    cr_assert_eq(adcl_safetensors_save(path, entries, 2, metadata, 1, &error), ADCL_OK, "%s",
                 error.message);
    adcl_safetensors *file;
    cr_assert_eq(adcl_safetensors_load(&file, path, &error), ADCL_OK, "%s", error.message);
    const adcl_safetensors_entry *entry = adcl_safetensors_find(file, "");
    cr_assert_not_null(entry);
    cr_expect_arr_eq(entry->data, floats, sizeof floats);
    entry = adcl_safetensors_find(file, "empty");
    cr_assert_not_null(entry);
    cr_expect_eq(entry->bytes, 0);
    cr_expect_eq(entry->shape[1], 4);
    cr_expect_str_eq(adcl_safetensors_metadata_find(file, ""), "");
    adcl_safetensors_destroy(&file);
}

Test(safetensors_save, writes_a_file_of_nothing)
{
    cr_assert_eq(adcl_safetensors_save(adcl_test_path("x"), NULL, 0, NULL, 0, &error), ADCL_OK);
    adcl_test_file_expect(adcl_test_path("x"), "\x08\0\0\0\0\0\0\0{}      ", 16);
}

/* Fails the test unless saving these is refused, with an old file left as it was. */
static void expect_refused(const adcl_safetensors_entry *entries, size_t count,
                           const adcl_metadata *metadata, adcl_status status, const char *part)
{
    const char *path = adcl_test_path("old");
    adcl_test_file_write(path, "old", 3);
    cr_expect_eq(adcl_safetensors_save(path, entries, count, metadata, metadata != NULL, &error),
                 status, "%s", part);
    cr_expect_not_null(strstr(error.message, part), "%s", error.message);
    adcl_test_file_expect(path, "old", 3);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(safetensors_save, refuses_wrong_tensors)
{
    const size_t huge[] = {SIZE_MAX / 2, 3}, huge_and_empty[] = {0, SIZE_MAX};
    const struct {
        adcl_safetensors_entry entry;
        adcl_status status;
        const char *part;
    } wrong[] = {
        {{NULL, ADCL_U8, 1, shape_3, bytes_data, 3}, ADCL_ERR_INVALID_ARGUMENT, "got NULL"},
        {{"\xFF", ADCL_U8, 1, shape_3, bytes_data, 3}, ADCL_ERR_INVALID_ARGUMENT, "expected UTF-8"},
        {{"__metadata__", ADCL_U8, 1, shape_3, bytes_data, 3}, ADCL_ERR_INVALID_ARGUMENT,
         "no tensor can be called __metadata__"},
        {{"x", (adcl_dtype)99, 1, shape_3, bytes_data, 3}, ADCL_ERR_INVALID_ARGUMENT, "got 99"},
        {{"x", ADCL_U8, 33, shape_3, bytes_data, 3}, ADCL_ERR_INVALID_ARGUMENT, "at most 32 sizes"},
        {{"x", ADCL_U8, 1, NULL, bytes_data, 3}, ADCL_ERR_INVALID_ARGUMENT, "got 1 (NULL)"},
        {{"x", ADCL_U8, 1, shape_3, bytes_data, 2}, ADCL_ERR_INVALID_ARGUMENT, "expected 3 bytes"},
        {{"x", ADCL_U8, 1, shape_3, NULL, 3}, ADCL_ERR_INVALID_ARGUMENT, "got 3 (NULL)"},
        {{"x", ADCL_U8, 2, huge, bytes_data, 3}, ADCL_ERR_SIZE_OVERFLOW, "does not fit"},
        {{"x", ADCL_U8, 2, huge_and_empty, bytes_data, 0}, ADCL_ERR_SIZE_OVERFLOW, "does not fit"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_refused(&wrong[i].entry, 1, NULL, wrong[i].status, wrong[i].part);
}

Test(safetensors_save, refuses_a_name_twice)
{
    const adcl_safetensors_entry entries[] = {
        {"x", ADCL_U8, 1, shape_3, bytes_data, 3},
        {"x", ADCL_F32, 2, shape_2x3, floats, sizeof floats},
    };
    expect_refused(entries, 2, NULL, ADCL_ERR_INVALID_ARGUMENT, "got tensor \"x\" twice");
    const adcl_metadata metadata[] = {{"k", "1"}, {"k", "2"}};
    cr_expect_eq(adcl_safetensors_save(adcl_test_path("x"), NULL, 0, metadata, 2, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(error.message, "got metadata key \"k\" twice"), "%s", error.message);
}

Test(safetensors_save, refuses_wrong_strings)
{
    static const adcl_metadata wrong[] = {{NULL, ""}, {"k", NULL}, {"\x80", ""}, {"k", "\xC3"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_refused(NULL, 0, &wrong[i], ADCL_ERR_INVALID_ARGUMENT, "expected UTF-8");
}

Test(safetensors_save, refuses_bytes_whose_sum_does_not_fit)
{
    /* All entries lie at the same address: what is refused is refused before a byte is read. */
    const size_t half[] = {SIZE_MAX / 2};
    const adcl_safetensors_entry entries[] = {
        {"a", ADCL_U8, 1, half, bytes_data, SIZE_MAX / 2},
        {"b", ADCL_U8, 1, half, bytes_data, SIZE_MAX / 2},
        {"c", ADCL_U8, 1, half, bytes_data, SIZE_MAX / 2},
    };
    expect_refused(entries, 2, NULL, ADCL_ERR_SIZE_OVERFLOW, "sum of all tensors' bytes");
    expect_refused(entries, 3, NULL, ADCL_ERR_SIZE_OVERFLOW, "sum of all tensors' bytes");
}

Test(safetensors_save, refuses_missing_arguments)
{
    cr_expect_eq(adcl_safetensors_save(NULL, NULL, 0, NULL, 0, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_safetensors_save(adcl_test_path("x"), NULL, 1, NULL, 0, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_safetensors_save(adcl_test_path("x"), NULL, 0, NULL, 1, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_safetensors_save(adcl_test_path("none/x"), NULL, 0, NULL, 0, &error),
                 ADCL_ERR_FILE);
}
