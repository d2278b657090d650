/* SPDX-License-Identifier: MIT */
#include "support/files.h"

#include <adapter_cl/checkpoint.h>

#include <criterion/criterion.h>

#include <stdint.h>
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

TestSuite(checkpoint, .init = set_up, .fini = tear_down);
TestSuite(checkpoint_open, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

enum { rows = 3, cols = 5, steps = 2 };

static const float weights[rows * cols] = {0.1f, -2, 3e38f, 1e-45f, 5, 6, 7, 8, 9, 10};
static const int32_t order[steps] = {INT32_MIN, 7};

static adcl_tensor *make_tensor(adcl_dtype dtype, size_t tensor_rows, size_t tensor_cols,
                                const void *values)
{
    adcl_tensor *tensor;
    cr_assert_eq(adcl_tensor_create(&tensor, ctx, dtype, tensor_rows, tensor_cols), ADCL_OK, "%s",
                 adcl_context_error(ctx)->message);
    if (values != NULL)
        cr_assert_eq(adcl_tensor_write(ctx, tensor, values,
                                       tensor_rows * tensor_cols * adcl_dtype_size(dtype)),
                     ADCL_OK);
    return tensor;
}

static const adcl_metadata strings[] = {{"step", "12"}, {"plan", "gemm/1"}};

/* Saves "w" (rows, cols), "order" (steps, 1) and "none" (0, cols), and opens the file. */
static adcl_safetensors *save_and_open(void)
{
    adcl_named_tensor named[] = {
        {"w", make_tensor(ADCL_F32, rows, cols, weights)},
        {"order", make_tensor(ADCL_I32, steps, 1, order)},
        {"none", make_tensor(ADCL_F32, 0, cols, NULL)},
    };
    const char *path = adcl_test_path("checkpoint");
    cr_assert_eq(adcl_checkpoint_save(ctx, path, named, 3, strings, 2), ADCL_OK, "%s",
                 adcl_context_error(ctx)->message);
    for (size_t i = 0; i < 3; i++) adcl_tensor_destroy(&named[i].tensor);
    adcl_safetensors *file;
    cr_assert_eq(adcl_checkpoint_open(&file, path, &error), ADCL_OK, "%s", error.message);
    cr_expect_eq(adcl_test_file_count(), 1);
    return file;
}

Test(checkpoint, gives_back_the_same_bits_and_strings)
{
    adcl_safetensors *file = save_and_open();
    static const adcl_metadata expected[] = {{"format", "adapter_cl_checkpoint"},
                                             {"format_version", "1"},
                                             {"step", "12"},
                                             {"plan", "gemm/1"}};
    cr_assert_eq(adcl_safetensors_metadata_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(adcl_safetensors_metadata_get(file, i)->key, expected[i].key);
        cr_expect_str_eq(adcl_safetensors_metadata_get(file, i)->value, expected[i].value);
    }
    adcl_named_tensor named[] = {
        {"none", make_tensor(ADCL_F32, 0, cols, NULL)},
        {"order", make_tensor(ADCL_I32, steps, 1, NULL)},
        {"w", make_tensor(ADCL_F32, rows, cols, NULL)},
    };
    cr_assert_eq(adcl_checkpoint_restore(ctx, file, named, 3), ADCL_OK, "%s",
                 adcl_context_error(ctx)->message);
    float got_weights[rows * cols];
    int32_t got_order[steps];
    cr_assert_eq(adcl_tensor_read(ctx, named[2].tensor, got_weights, sizeof got_weights), ADCL_OK);
    cr_assert_eq(adcl_tensor_read(ctx, named[1].tensor, got_order, sizeof got_order), ADCL_OK);
    cr_expect_arr_eq(got_weights, weights, sizeof weights);
    cr_expect_arr_eq(got_order, order, sizeof order);
    for (size_t i = 0; i < 3; i++) adcl_tensor_destroy(&named[i].tensor);
    adcl_safetensors_destroy(&file);
}

/* A view's rows lie apart in memory, in the file they are dense. */
Test(checkpoint, reads_views)
{
    adcl_tensor *whole = make_tensor(ADCL_F32, rows, cols, weights), *view;
    cr_assert_eq(adcl_tensor_view_rows(&view, ctx, whole, 1, 2), ADCL_OK);
    const adcl_named_tensor named = {"v", view};
    cr_assert_eq(adcl_checkpoint_save(ctx, adcl_test_path("x"), &named, 1, NULL, 0), ADCL_OK);
    adcl_safetensors *file;
    cr_assert_eq(adcl_checkpoint_open(&file, adcl_test_path("x"), &error), ADCL_OK);
    cr_expect_arr_eq(adcl_safetensors_find(file, "v")->data, weights + cols,
                     2 * cols * sizeof(float));
    adcl_safetensors_destroy(&file);
    adcl_tensor_destroy(&view);
    adcl_tensor_destroy(&whole);
}

/* Fails the test unless restoring is refused and "w", which is right, keeps its zeros. */
static void expect_not_restored(const adcl_safetensors *file, const adcl_named_tensor *named,
                                size_t count, const char *part)
{
    static const float zeros[rows * cols];
    float got[rows * cols];
    cr_expect_eq(adcl_checkpoint_restore(ctx, file, named, count), ADCL_ERR_FORMAT, "%s", part);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, part), "%s",
                       adcl_context_error(ctx)->message);
    cr_assert_eq(adcl_tensor_read(ctx, named[0].tensor, got, sizeof got), ADCL_OK);
    cr_expect_arr_eq(got, zeros, sizeof zeros);
}

Test(checkpoint, restores_all_or_nothing)
{
    adcl_safetensors *file = save_and_open();
    adcl_tensor *w = make_tensor(ADCL_F32, rows, cols, NULL);
    adcl_tensor *right = make_tensor(ADCL_I32, steps, 1, NULL);
    adcl_tensor *other_dtype = make_tensor(ADCL_F32, steps, 1, NULL);
    adcl_tensor *other_rows = make_tensor(ADCL_I32, steps + 1, 1, NULL);
    adcl_tensor *other_cols = make_tensor(ADCL_I32, steps, 2, NULL);
    adcl_tensor *none = make_tensor(ADCL_F32, 0, cols, NULL);
    adcl_named_tensor named[] = {{"w", w}, {"none", none}, {"order", right}, {"more", none}};
    expect_not_restored(file, named, 2, "tensor \"order\" is not expected");
    expect_not_restored(file, named, 4, "expected tensor \"more\", got none");
    named[2].tensor = other_dtype;
    expect_not_restored(file, named, 3, "\"order\": expected F32 of shape (2, 1), got I32 of");
    named[2].tensor = other_rows;
    expect_not_restored(file, named, 3, "expected I32 of shape (3, 1), got I32 of shape (2, 1)");
    named[2].tensor = other_cols;
    expect_not_restored(file, named, 3, "expected I32 of shape (2, 2), got I32 of shape (2, 1)");
    named[2].tensor = NULL;
    cr_expect_eq(adcl_checkpoint_restore(ctx, file, named, 3), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_checkpoint_restore(ctx, NULL, named, 3), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_checkpoint_restore(ctx, file, NULL, 3), ADCL_ERR_INVALID_ARGUMENT);
    adcl_tensor *all[] = {w, right, other_dtype, other_rows, other_cols, none};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) adcl_tensor_destroy(&all[i]);
    adcl_safetensors_destroy(&file);
}

Test(checkpoint, is_not_written_for_wrong_arguments)
{
    adcl_tensor *w = make_tensor(ADCL_F32, rows, cols, weights);
    const adcl_named_tensor twice[] = {{"w", w}, {"w", w}}, hole[] = {{"w", NULL}, {NULL, w}};
    const adcl_metadata format = {"format", "mine"};
    const char *path = adcl_test_path("old");
    adcl_test_file_write(path, "old", 3);
    cr_expect_eq(adcl_checkpoint_save(ctx, path, twice, 2, NULL, 0), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, "got tensor \"w\" twice"), "%s",
                       adcl_context_error(ctx)->message);
    cr_expect_eq(adcl_checkpoint_save(ctx, path, twice, 1, &format, 1), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(adcl_context_error(ctx)->message, "\"format\" twice"));
    cr_expect_eq(adcl_checkpoint_save(ctx, path, hole, 1, NULL, 0), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_checkpoint_save(ctx, path, hole + 1, 1, NULL, 0), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_checkpoint_save(ctx, path, NULL, 1, NULL, 0), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_checkpoint_save(ctx, path, twice, 1, NULL, 1), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_checkpoint_save(ctx, NULL, twice, 1, NULL, 0), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_checkpoint_save(ctx, adcl_test_path("none/x"), twice, 1, NULL, 0),
                 ADCL_ERR_FILE);
    cr_expect_eq(adcl_context_error(ctx)->status, ADCL_ERR_FILE);
    adcl_test_file_expect(path, "old", 3);
    cr_expect_eq(adcl_test_file_count(), 1);
    adcl_tensor_destroy(&w);
}

Test(checkpoint_open, refuses_files_that_are_none)
{
    static const struct {
        adcl_metadata strings[2];
        adcl_status status;
        const char *part;
    } wrong[] = {
        {{{"a", ""}, {"b", ""}}, ADCL_ERR_FORMAT, "format = adapter_cl_checkpoint, got none"},
        {{{"format", "adapter_cl"}, {"format_version", "1"}}, ADCL_ERR_FORMAT,
         "got \"adapter_cl\""},
        {{{"format", "adapter_cl_checkpoint"}, {"b", ""}}, ADCL_ERR_UNSUPPORTED, "1, got none"},
        {{{"format", "adapter_cl_checkpoint"}, {"format_version", "2"}}, ADCL_ERR_UNSUPPORTED,
         "expected a checkpoint of format_version 1, got \"2\""},
    };
    const char *path = adcl_test_path("x");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(adcl_safetensors_save(path, NULL, 0, wrong[i].strings, 2, &error), ADCL_OK);
        adcl_safetensors *file;
        cr_expect_eq(adcl_checkpoint_open(&file, path, &error), wrong[i].status);
        cr_expect_not_null(strstr(error.message, wrong[i].part), "%s", error.message);
        cr_expect_null(file);
    }
    adcl_safetensors *file;
    cr_expect_eq(adcl_checkpoint_open(&file, adcl_test_path("none"), &error), ADCL_ERR_FILE);
}
