/* SPDX-License-Identifier: MIT */
#include "support/files.h"

#include <adapter_cl/adapter_file.h>

#include <criterion/criterion.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static adcl_context *ctx;
static adcl_error error;

static void set_up(void)
{
    adcl_test_folder_create();
    cr_assert_eq(adcl_context_create(&ctx, NULL, &error), ADCL_OK, "%s", error.message);
}

static void tear_down(void)
{
    adcl_context_destroy(&ctx);
    adcl_test_folder_remove();
}

TestSuite(adapter_file, .init = set_up, .fini = tear_down);
TestSuite(adapter_file_load, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

/* ---- making adapters and files ---------------------------------------------------------------*/

enum { hidden_size = 5, bottleneck_size = 3 };

static adcl_adapter *make_adapter(const char *name, adcl_activation activation, float scaling,
                                  float dropout, int parallel)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = hidden_size;
    params.bottleneck_size = bottleneck_size;
    params.name = name;
    params.activation = activation;
    params.init = ADCL_INIT_BERT;
    params.scaling = scaling;
    params.dropout = dropout;
    params.parallel = parallel;
    adcl_adapter *adapter;
    cr_assert_eq(adcl_adapter_create(&adapter, ctx, &params), ADCL_OK, "%s",
                 adcl_context_error(ctx)->message);
    return adapter;
}

static void save(const char *path, const adcl_adapter *const *adapters, size_t count,
                 const adcl_adapter_file *keep)
{
    cr_assert_eq(adcl_adapter_save(ctx, path, adapters, count, keep), ADCL_OK, "%s",
                 adcl_context_error(ctx)->message);
}

static adcl_adapter_file *load(const char *path)
{
    adcl_adapter_file *file;
    cr_assert_eq(adcl_adapter_file_load(&file, path, &error), ADCL_OK, "%s", error.message);
    return file;
}

static void expect_equal_values(const adcl_adapter *a, const adcl_adapter *b)
{
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        float left[hidden_size * bottleneck_size], right[hidden_size * bottleneck_size];
        adcl_tensor *tensor = adcl_adapter_parameter(a, (adcl_adapter_slot)slot);
        size_t bytes = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor) * sizeof(float);
        cr_assert_eq(adcl_tensor_read(ctx, tensor, left, bytes), ADCL_OK);
        tensor = adcl_adapter_parameter(b, (adcl_adapter_slot)slot);
        cr_assert_eq(adcl_tensor_read(ctx, tensor, right, bytes), ADCL_OK);
        cr_expect_arr_eq(left, right, bytes, "%s", adcl_adapter_slot_name((adcl_adapter_slot)slot));
    }
}

static void expect_strings(const adcl_safetensors *file, const adcl_metadata *expected,
                           size_t count)
{
    cr_expect_eq(adcl_safetensors_metadata_count(file), count);
    for (size_t i = 0; i < count; i++) {
        const adcl_metadata *got = adcl_safetensors_metadata_get(file, i);
        cr_assert_not_null(got, "%s is missing", expected[i].key);
        cr_expect_str_eq(got->key, expected[i].key);
        cr_expect_str_eq(got->value, expected[i].value, "%s: %s", got->key, got->value);
    }
}

/* ---- saving and loading ----------------------------------------------------------------------*/

Test(adapter_file, gives_back_the_same_bits_and_options)
{
    const char *path = adcl_test_path("a.safetensors");
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++) {
        adcl_adapter *saved = make_adapter("tä_st", (adcl_activation)i, 0.1f, 1.0f / 3.0f, i % 2);
        adcl_adapter *loaded;
        save(path, (const adcl_adapter *const[]){saved}, 1, NULL);
        cr_assert_eq(adcl_adapter_load(&loaded, ctx, path, NULL), ADCL_OK, "%s",
                     adcl_context_error(ctx)->message);
        cr_expect_str_eq(adcl_adapter_name(loaded), "tä_st");
        cr_expect_eq((int)adcl_adapter_activation(loaded), i);
        cr_expect_eq(adcl_adapter_hidden_size(loaded), hidden_size);
        cr_expect_eq(adcl_adapter_bottleneck_size(loaded), bottleneck_size);
        cr_expect_eq(adcl_adapter_scaling(loaded), 0.1f);
        cr_expect_eq(adcl_adapter_dropout(loaded), 1.0f / 3.0f);
        cr_expect_eq(adcl_adapter_is_parallel(loaded), i % 2);
        expect_equal_values(saved, loaded);
        adcl_adapter_destroy(&saved);
        adcl_adapter_destroy(&loaded);
    }
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(adapter_file, names_tensors_and_strings_as_promised)
{
    adcl_adapter *adapter = make_adapter("adapter", ADCL_ACTIVATION_RELU, 0, 0, 0);
    save(adcl_test_path("a"), (const adcl_adapter *const[]){adapter}, 1, NULL);
    adcl_safetensors *file;
    cr_assert_eq(adcl_safetensors_load(&file, adcl_test_path("a"), &error), ADCL_OK);
    static const adcl_metadata strings[] = {
        {"format", "adapter_cl"}, {"format_version", "1"}, {"name", "adapter"},
        {"activation", "relu"},   {"hidden_size", "5"},    {"bottleneck_size", "3"},
    };
    expect_strings(file, strings, 6);
    static const struct {
        const char *name;
        size_t rank, shape[2];
    } tensors[] = {
        {"adapter_down.bias", 1, {bottleneck_size}},
        {"adapter_down.kernel", 2, {hidden_size, bottleneck_size}},
        {"adapter_up.bias", 1, {hidden_size}},
        {"adapter_up.kernel", 2, {bottleneck_size, hidden_size}},
    };
    cr_assert_eq(adcl_safetensors_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        const adcl_safetensors_entry *entry = adcl_safetensors_get(file, i);
        cr_expect_str_eq(entry->name, tensors[i].name);
        cr_expect_eq(entry->dtype, ADCL_F32);
        cr_assert_eq(entry->rank, tensors[i].rank);
        cr_expect_arr_eq(entry->shape, tensors[i].shape, entry->rank * sizeof(size_t));
    }
    adcl_safetensors_destroy(&file);
    adcl_adapter_destroy(&adapter);
}

Test(adapter_file, has_one_row_in_the_up_kernel_of_log_sumexp)
{
    adcl_adapter *adapter = make_adapter("a", ADCL_ACTIVATION_LOG_SUMEXP, 0, 0, 0);
    save(adcl_test_path("a"), (const adcl_adapter *const[]){adapter}, 1, NULL);
    adcl_adapter_file *file = load(adcl_test_path("a"));
    const adcl_safetensors_entry *up =
        adcl_safetensors_find(adcl_adapter_file_safetensors(file), "a_up.kernel");
    cr_assert_not_null(up);
    cr_expect_eq(up->rank, 2);
    cr_expect_eq(up->shape[0], 1);
    cr_expect_eq(up->shape[1], hidden_size);
    cr_expect_eq(adcl_adapter_file_get(file, 0)->parameter_count,
                 adcl_adapter_parameter_count(adapter));
    adcl_adapter_file_destroy(&file);
    adcl_adapter_destroy(&adapter);
}

/* Options of the others are there only where they differ from the first one's, even if they are
 * then the defaults. */
Test(adapter_file, holds_several_adapters)
{
    adcl_adapter *adapters[] = {
        make_adapter("b", ADCL_ACTIVATION_GELU, 2.5f, 0, 0),
        make_adapter("a", ADCL_ACTIVATION_GELU, 0, 0.25f, 1),
        make_adapter("c", ADCL_ACTIVATION_LOG_SUMEXP, 2.5f, 0, 0),
    };
    save(adcl_test_path("x"),
         (const adcl_adapter *const[]){adapters[0], adapters[1], adapters[2]}, 3, NULL);
    adcl_adapter_file *file = load(adcl_test_path("x"));
    static const adcl_metadata strings[] = {
        {"format", "adapter_cl"}, {"format_version", "1"}, {"name", "b"},
        {"activation", "gelu"},   {"hidden_size", "5"},    {"bottleneck_size", "3"},
        {"scaling", "2.5"},       {"a.scaling", "1"},      {"a.parallel", "1"},
        {"a.dropout", "0.25"},    {"c.activation", "log_sumexp"},
    };
    expect_strings(adcl_adapter_file_safetensors(file), strings, 11);
    cr_assert_eq(adcl_adapter_file_count(file), 3);
    cr_expect_null(adcl_adapter_file_get(file, 3));
    for (size_t i = 0; i < 3; i++) {
        size_t index;
        const char *name = adcl_adapter_name(adapters[i]);
        cr_assert_eq(adcl_adapter_file_find(file, name, &index, &error), ADCL_OK);
        const adcl_adapter_file_info *info = adcl_adapter_file_get(file, index);
        cr_expect_str_eq(info->name, name);
        cr_expect_eq(info->has_activation, 1);
        cr_expect_eq(info->activation, adcl_adapter_activation(adapters[i]));
        cr_expect_eq(info->scaling, adcl_adapter_scaling(adapters[i]));
        cr_expect_eq(info->dropout, adcl_adapter_dropout(adapters[i]));
        cr_expect_eq(info->parallel, adcl_adapter_is_parallel(adapters[i]));
        adcl_adapter *made;
        cr_assert_eq(adcl_adapter_file_create_adapter(&made, ctx, file, index, NULL), ADCL_OK);
        expect_equal_values(made, adapters[i]);
        adcl_adapter_destroy(&made);
    }
    size_t index;
    cr_expect_eq(adcl_adapter_file_find(file, NULL, &index, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(error.message, "one of its 3 adapters: a, b, c"), "%s",
                       error.message);
    cr_expect_eq(adcl_adapter_file_find(file, "d", &index, &error), ADCL_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(error.message, "is called \"d\"; expected one of: a, b, c"), "%s",
                       error.message);
    for (size_t i = 0; i < 3; i++) adcl_adapter_destroy(&adapters[i]);
    adcl_adapter_file_destroy(&file);
}

Test(adapter_file, keeps_metadata_that_means_nothing_to_it)
{
    adcl_adapter *a = make_adapter("a", ADCL_ACTIVATION_RELU, 2, 0, 0);
    adcl_adapter *b = make_adapter("b", ADCL_ACTIVATION_RELU, 0, 0, 0);
    save(adcl_test_path("x"), (const adcl_adapter *const[]){a, b}, 2, NULL);
    adcl_adapter_file *file = load(adcl_test_path("x"));
    const adcl_safetensors *inside = adcl_adapter_file_safetensors(file);
    adcl_safetensors_entry entries[8];
    for (size_t i = 0; i < 8; i++) entries[i] = *adcl_safetensors_get(inside, i);
    const adcl_metadata strings[] = {
        {"author", "me"},     {"format", "adapter_cl"}, {"format_version", "1"}, {"name", "a"},
        {"a.note", "kept"},   {"activation", "relu"},   {"hidden_size", "5"},
        {"b.dropout", "0.5"}, {"bottleneck_size", "3"}, {"scaling", "2"},        {"c.scaling", "9"},
        {"a.parallel", "0"},
    };
    cr_assert_eq(adcl_safetensors_save(adcl_test_path("x"), entries, 8, strings, 12, &error),
                 ADCL_OK);
    adcl_adapter_file_destroy(&file);

    file = load(adcl_test_path("x"));
    save(adcl_test_path("x"), (const adcl_adapter *const[]){b}, 1, file);
    adcl_adapter_file_destroy(&file);
    file = load(adcl_test_path("x"));
    const adcl_metadata expected[] = {
        {"format", "adapter_cl"}, {"format_version", "1"},  {"name", "b"},
        {"activation", "relu"},   {"hidden_size", "5"},     {"bottleneck_size", "3"},
        {"author", "me"},         {"a.note", "kept"},       {"c.scaling", "9"},
    };
    expect_strings(adcl_adapter_file_safetensors(file), expected, 9);
    adcl_adapter_file_destroy(&file);
    adcl_adapter_destroy(&a);
    adcl_adapter_destroy(&b);
}

Test(adapter_file, writes_numbers_with_a_point_in_every_locale)
{
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "de_DE") == NULL) {
        tear_down();
        cr_skip_test("no locale with another decimal point");
    }
    adcl_adapter *saved = make_adapter("a", ADCL_ACTIVATION_RELU, 2.5f, 1e-7f, 0), *loaded;
    save(adcl_test_path("x"), (const adcl_adapter *const[]){saved}, 1, NULL);
    adcl_safetensors *file;
    cr_assert_eq(adcl_safetensors_load(&file, adcl_test_path("x"), &error), ADCL_OK);
    cr_expect_str_eq(adcl_safetensors_metadata_find(file, "scaling"), "2.5");
    adcl_safetensors_destroy(&file);
    cr_assert_eq(adcl_adapter_load(&loaded, ctx, adcl_test_path("x"), NULL), ADCL_OK);
    cr_expect_eq(adcl_adapter_scaling(loaded), 2.5f);
    cr_expect_eq(adcl_adapter_dropout(loaded), 1e-7f);
    adcl_adapter_destroy(&saved);
    adcl_adapter_destroy(&loaded);
}

Test(adapter_file, is_not_written_for_wrong_arguments)
{
    adcl_adapter *a = make_adapter("a", ADCL_ACTIVATION_RELU, 0, 0, 0);
    adcl_adapter *same = make_adapter("a", ADCL_ACTIVATION_GELU, 0, 0, 0);
    const adcl_adapter *const twice[] = {a, same}, *const hole[] = {a, NULL};
    const char *path = adcl_test_path("old");
    adcl_test_file_write(path, "old", 3);
    cr_expect_eq(adcl_adapter_save(ctx, path, twice, 2, NULL), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, "got \"a\" twice"), "%s",
                       adcl_context_error(ctx)->message);
    cr_expect_eq(adcl_adapter_save(ctx, path, hole, 2, NULL), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_adapter_save(ctx, path, hole, 0, NULL), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_adapter_save(ctx, path, NULL, 1, NULL), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_adapter_save(ctx, NULL, twice, 1, NULL), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_adapter_save(ctx, adcl_test_path("none/x"), twice, 1, NULL), ADCL_ERR_FILE);
    cr_expect_eq(adcl_context_error(ctx)->status, ADCL_ERR_FILE);
    adcl_test_file_expect(path, "old", 3);
    cr_expect_eq(adcl_test_file_count(), 1);
    adcl_adapter_destroy(&a);
    adcl_adapter_destroy(&same);
}

/* ---- files made by others --------------------------------------------------------------------*/

enum { max_entries = 6, max_strings = 10 };

/* A good file of one adapter "a" with activation relu, to be spoilt in one place. */
typedef struct draft {
    adcl_safetensors_entry entries[max_entries];
    size_t count;
    adcl_metadata strings[max_strings];
    size_t string_count;
} draft;

static const float numbers[hidden_size * bottleneck_size] = {1, 2, 3, 4, 5};
static const size_t down_shape[] = {5, 3}, up_shape[] = {3, 5}, row_shape[] = {1, 5};
static const size_t shape_5[] = {5}, shape_3[] = {3}, empty_shape[] = {5, 0};

static draft good_draft(void)
{
    return (draft){
        .entries = {{"a_down.kernel", ADCL_F32, 2, down_shape, numbers, 60},
                    {"a_down.bias", ADCL_F32, 1, shape_3, numbers, 12},
                    {"a_up.kernel", ADCL_F32, 2, up_shape, numbers, 60},
                    {"a_up.bias", ADCL_F32, 1, shape_5, numbers, 20}},
        .count = 4,
        .strings = {{"format", "adapter_cl"},
                    {"format_version", "1"},
                    {"name", "a"},
                    {"activation", "relu"},
                    {"hidden_size", "5"},
                    {"bottleneck_size", "3"}},
        .string_count = 6,
    };
}

/* Sets a string, or takes it out if `value` is NULL. */
static void set_string(draft *d, const char *key, const char *value)
{
    size_t i = 0;
    while (i < d->string_count && strcmp(d->strings[i].key, key) != 0) i++;
    if (i == d->string_count) d->string_count++;
    d->strings[i] = value != NULL ? (adcl_metadata){key, value} : d->strings[--d->string_count];
}

static adcl_status load_draft(const draft *d, adcl_adapter_file **file)
{
    cr_assert_eq(adcl_safetensors_save(adcl_test_path("x"), d->entries, d->count, d->strings,
                                       d->string_count, &error),
                 ADCL_OK, "%s", error.message);
    return adcl_adapter_file_load(file, adcl_test_path("x"), &error);
}

static void expect_refused(const draft *d, adcl_status status, const char *part)
{
    adcl_adapter_file *file = NULL;
    cr_expect_eq(load_draft(d, &file), status, "%s: %s", part, error.message);
    cr_expect_not_null(strstr(error.message, part), "%s: %s", part, error.message);
    cr_expect_not_null(strstr(error.message, adcl_test_path("x")), "%s", error.message);
    cr_expect_null(file);
}

Test(adapter_file_load, gives_values_in_the_order_of_slots)
{
    draft d = good_draft();
    adcl_adapter_file *file;
    cr_assert_eq(load_draft(&d, &file), ADCL_OK, "%s", error.message);
    const adcl_adapter_file_info *info = adcl_adapter_file_get(file, 0);
    cr_expect_eq(info->parameter_count, 38);
    for (size_t slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        cr_expect_arr_eq(info->values[slot], numbers, d.entries[slot].bytes);
    adcl_adapter_file_destroy(&file);
    adcl_adapter_file_destroy(NULL);
}

Test(adapter_file_load, refuses_wrong_strings)
{
    static const struct {
        const char *key, *value;
        adcl_status status;
        const char *part;
    } wrong[] = {
        {"format_version", NULL, ADCL_ERR_UNSUPPORTED, "format_version 1, got none"},
        {"format_version", "2", ADCL_ERR_UNSUPPORTED, "format_version 1, got \"2\""},
        {"name", NULL, ADCL_ERR_FORMAT, "metadata name: expected the name of an adapter"},
        {"name", "b", ADCL_ERR_FORMAT, "in the file, got \"b\""},
        {"activation", NULL, ADCL_ERR_FORMAT, "activation: expected a string in the metadata"},
        {"activation", "mush", ADCL_ERR_FORMAT,
         "unknown activation \"mush\"; expected one of: relu"},
        {"activation", "mu\x1bsh", ADCL_ERR_FORMAT, "unknown activation \"mu?sh\""},
        {"activation", "log_sumexp", ADCL_ERR_FORMAT, "up kernel of 1 rows"},
        {"a.activation", "mush", ADCL_ERR_FORMAT, "unknown activation"},
        {"hidden_size", NULL, ADCL_ERR_FORMAT, "hidden_size: expected a string"},
        {"hidden_size", "6", ADCL_ERR_FORMAT, "hidden_size: expected 5, as the tensors have, got"},
        {"hidden_size", "05", ADCL_ERR_FORMAT, "got \"05\""},
        {"hidden_size", "", ADCL_ERR_FORMAT, "got \"\""},
        {"bottleneck_size", NULL, ADCL_ERR_FORMAT, "bottleneck_size: expected a string"},
        {"bottleneck_size", "5", ADCL_ERR_FORMAT, "bottleneck_size: expected 3"},
        {"scaling", "0", ADCL_ERR_FORMAT, "scaling: expected a finite number other than 0"},
        {"scaling", "1e-60", ADCL_ERR_FORMAT, "scaling: expected a finite number other than 0"},
        {"scaling", "nan", ADCL_ERR_FORMAT, "scaling: expected a finite number"},
        {"scaling", "inf", ADCL_ERR_FORMAT, "scaling: expected a finite number"},
        {"scaling", "1e39", ADCL_ERR_FORMAT, "scaling: expected a finite number"},
        {"scaling", "1e999", ADCL_ERR_FORMAT, "scaling: expected a finite number"},
        {"scaling", "2,5", ADCL_ERR_FORMAT, "scaling: expected a finite number"},
        {"scaling", "2 x", ADCL_ERR_FORMAT, "scaling: expected a finite number"},
        {"scaling", "", ADCL_ERR_FORMAT, "scaling: expected a finite number"},
        {"parallel", "yes", ADCL_ERR_FORMAT, "parallel: expected 0 or 1, got \"yes\""},
        {"dropout", "1", ADCL_ERR_FORMAT, "dropout: expected a number in [0, 1)"},
        {"dropout", "0.99999999999", ADCL_ERR_FORMAT, "dropout: expected a number in [0, 1)"},
        {"dropout", "-0.1", ADCL_ERR_FORMAT, "dropout: expected a number in [0, 1)"},
        {"dropout", "nan", ADCL_ERR_FORMAT, "dropout: expected a number in [0, 1)"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        draft d = good_draft();
        set_string(&d, wrong[i].key, wrong[i].value);
        expect_refused(&d, wrong[i].status, wrong[i].part);
    }
}

Test(adapter_file_load, refuses_wrong_tensors)
{
    static const struct {
        size_t place; /* replaces this entry; 4 adds one */
        adcl_safetensors_entry entry;
        adcl_status status;
        const char *part;
    } wrong[] = {
        {0, {"a_down.kernel", ADCL_F32, 1, shape_5, numbers, 20}, ADCL_ERR_FORMAT,
         "expected shape (hidden_size, bottleneck_size), got (5)"},
        {0, {"a_down.kernel", ADCL_F32, 2, empty_shape, NULL, 0}, ADCL_ERR_FORMAT, "got (5, 0)"},
        {0, {"a_down.kernel", ADCL_F32, 2, up_shape, numbers, 60}, ADCL_ERR_FORMAT,
         "expected shape (5), got (3)"},
        {0, {"a_down.kernel", ADCL_F16, 2, down_shape, numbers, 30}, ADCL_ERR_UNSUPPORTED,
         "\"a_down.kernel\": expected F32, got F16"},
        {1, {"a_down.bias", ADCL_F32, 1, shape_5, numbers, 20}, ADCL_ERR_FORMAT,
         "\"a_down.bias\": expected shape (3), got (5)"},
        {1, {"a_down.bias", ADCL_F32, 2, row_shape, numbers, 20}, ADCL_ERR_FORMAT,
         "expected shape (3), got (1, 5)"},
        {1, {"a_down.bias", ADCL_I32, 1, shape_3, numbers, 12}, ADCL_ERR_UNSUPPORTED, "got I32"},
        {1, {"a_down.biass", ADCL_F32, 1, shape_3, numbers, 12}, ADCL_ERR_FORMAT,
         "expected tensors called <name>_down.kernel"},
        {1, {"b_down.bias", ADCL_F32, 1, shape_3, numbers, 12}, ADCL_ERR_FORMAT,
         "adapter \"b\": expected tensor \"b_down.kernel\""},
        {2, {"a_up.kernel", ADCL_F32, 2, down_shape, numbers, 60}, ADCL_ERR_FORMAT,
         "expected shape (3, 5), got (5, 3)"},
        {2, {"a_up.kernel", ADCL_F32, 2, row_shape, numbers, 20}, ADCL_ERR_FORMAT,
         "expected an up kernel of 3 rows for activation relu, got 1"},
        {3, {"a_up.bias", ADCL_F32, 0, NULL, numbers, 4}, ADCL_ERR_FORMAT, "got ()"},
        {3, {"a_up.bias", ADCL_F64, 1, shape_5, numbers, 40}, ADCL_ERR_UNSUPPORTED, "got F64"},
        {3, {"b_down.kernel", ADCL_F32, 2, down_shape, numbers, 60}, ADCL_ERR_FORMAT,
         "expected tensor \"a_up.bias\""},
        {4, {"head.kernel", ADCL_F32, 1, shape_3, numbers, 12}, ADCL_ERR_FORMAT,
         "got \"head.kernel\""},
        {4, {"down.kernel", ADCL_F32, 1, shape_3, numbers, 12}, ADCL_ERR_FORMAT,
         "expected tensors called"},
        {4, {"_down.kernel", ADCL_F32, 1, shape_3, numbers, 12}, ADCL_ERR_FORMAT,
         "name of 1 to 127 bytes"},
        {4, {"a\nb_up.bias", ADCL_F32, 1, shape_3, numbers, 12}, ADCL_ERR_FORMAT,
         "\"a?b_up.bias\": expected an adapter's name"},
        {4, {"", ADCL_F32, 1, shape_3, numbers, 12}, ADCL_ERR_FORMAT, "got \"\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        draft d = good_draft();
        d.entries[wrong[i].place] = wrong[i].entry;
        if (wrong[i].place == d.count) d.count++;
        expect_refused(&d, wrong[i].status, wrong[i].part);
    }
    draft nothing = {.count = 0};
    expect_refused(&nothing, ADCL_ERR_FORMAT, "got a file without tensors");
}

Test(adapter_file_load, limits_the_length_of_names)
{
    char names[4][160], name[128];
    memset(name, 'n', sizeof name);
    for (size_t length = 127; length <= 128; length++) {
        draft d = good_draft();
        for (size_t slot = 0; slot < 4; slot++) {
            snprintf(names[slot], sizeof names[slot], "%.*s_%s", (int)length, name,
                     adcl_adapter_slot_name((adcl_adapter_slot)slot));
            d.entries[slot].name = names[slot];
        }
        d.string_count = 0;
        adcl_adapter_file *file;
        cr_expect_eq(load_draft(&d, &file), length == 127 ? ADCL_OK : ADCL_ERR_FORMAT, "%s",
                     error.message);
        adcl_adapter_file_destroy(&file);
    }
}

Test(adapter_file_load, refuses_what_is_no_file)
{
    adcl_adapter_file *file;
    cr_expect_eq(adcl_adapter_file_load(&file, adcl_test_path("none"), &error), ADCL_ERR_FILE);
    cr_expect_null(file);
    cr_expect_eq(adcl_adapter_file_load(&file, NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
    adcl_test_file_write(adcl_test_path("x"), "{}", 2);
    cr_expect_eq(adcl_adapter_file_load(&file, adcl_test_path("x"), NULL), ADCL_ERR_FORMAT);
    size_t index;
    cr_expect_eq(adcl_adapter_file_find(NULL, "a", &index, &error), ADCL_ERR_INVALID_ARGUMENT);
}

/* ---- files that do not say everything --------------------------------------------------------*/

Test(adapter_file, takes_the_activation_from_the_caller_if_the_file_says_none)
{
    draft d = good_draft();
    d.strings[0].value = "pt"; /* what other programs write */
    adcl_adapter_file *file;
    cr_assert_eq(load_draft(&d, &file), ADCL_OK, "%s", error.message);
    cr_expect_eq(adcl_adapter_file_get(file, 0)->has_activation, 0);
    adcl_adapter *adapter;
    cr_expect_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, NULL),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, "the file does not say"));
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.activation = ADCL_ACTIVATION_LOG_SUMEXP;
    cr_expect_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, &params),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, "fits its up kernel of 3 rows"));
    cr_expect_null(adapter);
    params.activation = ADCL_ACTIVATION_GELU;
    cr_assert_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, &params), ADCL_OK, "%s",
                 adcl_context_error(ctx)->message);
    cr_expect_eq(adcl_adapter_activation(adapter), ADCL_ACTIVATION_GELU);
    adcl_adapter_destroy(&adapter);
    adcl_adapter_file_destroy(&file);
}

Test(adapter_file, takes_dropout_and_frozen_from_the_caller)
{
    draft d = good_draft();
    set_string(&d, "dropout", "0.25");
    adcl_adapter_file *file;
    cr_assert_eq(load_draft(&d, &file), ADCL_OK, "%s", error.message);
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.activation = ADCL_ACTIVATION_TANH; /* the file says relu */
    params.hidden_size = 5;
    params.bottleneck_size = 3;
    adcl_adapter *adapter;
    cr_assert_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, &params), ADCL_OK);
    cr_expect_eq(adcl_adapter_activation(adapter), ADCL_ACTIVATION_RELU);
    cr_expect_eq(adcl_adapter_dropout(adapter), 0.25f);
    cr_expect_not(adcl_adapter_is_frozen(adapter));
    adcl_adapter_destroy(&adapter);
    params.dropout = 0.5f;
    params.frozen = 1;
    cr_assert_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, &params), ADCL_OK);
    cr_expect_eq(adcl_adapter_dropout(adapter), 0.5f);
    cr_expect(adcl_adapter_is_frozen(adapter));
    adcl_adapter_destroy(&adapter);
    adcl_adapter_file_destroy(&file);
}

Test(adapter_file, refuses_params_that_contradict_it)
{
    draft d = good_draft();
    adcl_adapter_file *file;
    cr_assert_eq(load_draft(&d, &file), ADCL_OK, "%s", error.message);
    adcl_adapter *adapter;
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = 6;
    cr_expect_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, &params),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, "expected hidden_size 5"));
    params.hidden_size = 0;
    params.bottleneck_size = 4;
    cr_expect_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, &params),
                 ADCL_ERR_INVALID_ARGUMENT);
    params.struct_size = 0;
    cr_expect_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 0, &params),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_adapter_file_create_adapter(&adapter, ctx, file, 1, NULL),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_adapter_file_create_adapter(&adapter, ctx, NULL, 0, NULL),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_null(adapter);
    adcl_adapter_file_destroy(&file);
}

Test(adapter_file, says_in_the_context_why_it_cannot_be_loaded)
{
    adcl_adapter *adapter;
    cr_expect_eq(adcl_adapter_load(&adapter, ctx, adcl_test_path("none"), NULL), ADCL_ERR_FILE);
    cr_expect_eq(adcl_context_error(ctx)->status, ADCL_ERR_FILE);
    draft d = good_draft();
    adcl_adapter_file *file;
    cr_assert_eq(load_draft(&d, &file), ADCL_OK);
    adcl_adapter_file_destroy(&file);
    cr_expect_eq(adcl_adapter_load(&adapter, ctx, adcl_test_path("x"), "b"), ADCL_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, "no adapter is called \"b\""));
    cr_expect_null(adapter);
}
