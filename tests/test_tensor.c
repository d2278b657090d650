/* SPDX-License-Identifier: MIT */
#include "support/device.h"

#include <math.h>
#include <stdlib.h>

/* ---- making ---------------------------------------------------------------------------------- */

Test(tensor_create, is_dense_and_full_of_zeros)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_create(&tensor, ctx, ADCL_I32, 3, 67));
    cr_expect_eq(adcl_tensor_dtype(tensor), ADCL_I32);
    cr_expect_eq(adcl_tensor_rows(tensor), 3);
    cr_expect_eq(adcl_tensor_cols(tensor), 67);
    cr_expect_eq(adcl_tensor_row_stride(tensor), 67);
    cr_expect_eq(adcl_tensor_cl_offset(tensor), 0);
    int32_t *elements = adcl_test_tensor_read(ctx, tensor);
    for (int i = 0; i < 3 * 67; i++) cr_expect_eq(elements[i], 0);
    free(elements);
    adcl_tensor_destroy(&tensor);
    cr_expect_null(tensor);
    adcl_context_destroy(&ctx);
}

Test(tensor_create, refuses_what_cannot_be_a_tensor)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = NULL;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got shape (3, 0)",
                    adcl_tensor_create(&tensor, ctx, ADCL_F32, 3, 0));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got F64",
                    adcl_tensor_create(&tensor, ctx, ADCL_F64, 3, 3));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got ?",
                    adcl_tensor_create(&tensor, ctx, (adcl_dtype)77, 3, 3));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_tensor_create(NULL, ctx, ADCL_F32, 3, 3));
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "(2147483648, 1)",
                    adcl_tensor_create(&tensor, ctx, ADCL_F32, (size_t)1 << 31, 1));
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "too large",
                    adcl_tensor_create(&tensor, ctx, ADCL_F32, 2, SIZE_MAX / 2));
    cr_expect_null(tensor);
    tensor = (adcl_tensor *)&tensor; /* to see that it is set to NULL */
    cr_expect_eq(adcl_tensor_create(&tensor, NULL, ADCL_F32, 3, 3), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_null(tensor);
    adcl_context_destroy(&ctx);
}

Test(tensor_create, says_how_much_memory_was_asked_for_and_is_there)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = NULL;
    adcl_counters before = adcl_context_counters(ctx);
    /* 32 TiB */
    ADCL_TEST_FAILS(ctx, OUT_OF_DEVICE_MEMORY, "no buffer of 35184372072448 bytes",
                    adcl_tensor_create(&tensor, ctx, ADCL_F32, INT32_MAX, 4096));
    cr_expect_null(tensor);
    cr_expect_eq(adcl_context_counters(ctx).bytes_allocated, before.bytes_allocated);
    adcl_context_destroy(&ctx);
}

Test(tensor_create_nd, folds_all_leading_sizes_into_rows)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_create_nd(&tensor, ctx, ADCL_F32, 4,
                                            (const size_t[]){2, 3, 5, 7}));
    cr_expect_eq(adcl_tensor_rows(tensor), 30);
    cr_expect_eq(adcl_tensor_cols(tensor), 7);
    adcl_tensor_destroy(&tensor);
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "at least 2 dimensions (…, D), got 1",
                    adcl_tensor_create_nd(&tensor, ctx, ADCL_F32, 1, (const size_t[]){7}));
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "got 0",
                    adcl_tensor_create_nd(&tensor, ctx, ADCL_F32, 0, (const size_t[]){7}));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_tensor_create_nd(&tensor, ctx, ADCL_F32, 2, NULL));
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "does not fit",
                    adcl_tensor_create_nd(&tensor, ctx, ADCL_F32, 3,
                                          (const size_t[]){SIZE_MAX, 2, 3}));
    cr_expect_null(tensor);
    adcl_context_destroy(&ctx);
}

Test(fold_shape, needs_no_context)
{
    size_t rows = 0, cols = 0;
    adcl_error error;
    cr_expect_eq(adcl_fold_shape(2, (const size_t[]){0, 4}, &rows, &cols, &error), ADCL_OK);
    cr_expect(rows == 0 && cols == 4);
    ADCL_TEST_FAILS_WITH(&error, SHAPE_MISMATCH, "got 1",
                         adcl_fold_shape(1, (const size_t[]){4}, &rows, &cols, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_fold_shape(2, (const size_t[]){4, 4}, NULL, &cols, &error));
    cr_expect_eq(adcl_fold_shape(1, (const size_t[]){4}, &rows, &cols, NULL),
                 ADCL_ERR_SHAPE_MISMATCH);
}

/* ---- views ----------------------------------------------------------------------------------- */

Test(tensor_view_rows, shares_memory_with_its_tensor)
{
    const float numbers[] = {1, 2, 3, 4, 5, 6, 7, 8}, changed[] = {-5, -6};
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, 4, 2, numbers), *view = NULL, *inner = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&view, ctx, tensor, 1, 3));
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&inner, ctx, view, 1, 1));
    cr_expect_eq(adcl_tensor_rows(view), 3);
    float *seen = adcl_test_tensor_read(ctx, inner);
    cr_expect(seen[0] == 5.0f && seen[1] == 6.0f);
    free(seen);
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, inner, changed, sizeof changed));
    adcl_tensor_destroy(&inner);
    adcl_tensor_destroy(&view);
    seen = adcl_test_tensor_read(ctx, tensor);
    const float expected[] = {1, 2, 3, 4, -5, -6, 7, 8};
    cr_expect_arr_eq(seen, expected, sizeof expected);
    free(seen);
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&ctx);
}

Test(tensor_view_rows, must_lie_inside)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, 4, 2, NULL), *view = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&view, ctx, tensor, 4, 0));
    cr_expect_eq(adcl_tensor_rows(view), 0);
    adcl_tensor_destroy(&view);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "inside a tensor of 4, got 2 from row 3",
                    adcl_tensor_view_rows(&view, ctx, tensor, 3, 2));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "inside a tensor of 4",
                    adcl_tensor_view_rows(&view, ctx, tensor, 5, 0));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "inside a tensor of 4",
                    adcl_tensor_view_rows(&view, ctx, tensor, 2, SIZE_MAX));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "expected a tensor",
                    adcl_tensor_view_rows(&view, ctx, NULL, 0, 0));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "place for the result",
                    adcl_tensor_view_rows(NULL, ctx, tensor, 0, 1));
    cr_expect_null(view);
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&ctx);
}

/* ---- over the application's memory ----------------------------------------------------------- */

Test(tensor_wrap_host, shows_results_where_they_belong_once_mapped)
{
    float memory[6] = {1, 2, 3, 4, 5, 6};
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = NULL, *row = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_host(&tensor, ctx, ADCL_F32, 3, 2, memory));
    float *seen = adcl_test_tensor_read(ctx, tensor);
    cr_expect_arr_eq(seen, memory, sizeof memory);
    free(seen);
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&row, ctx, tensor, 1, 1));
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, row, 7.0f));
    void *data = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_map(ctx, tensor, ADCL_MAP_READ, &data));
    cr_expect_eq(data, (void *)memory);
    const float expected[6] = {1, 2, 7, 7, 5, 6};
    cr_expect_arr_eq(memory, expected, sizeof expected);
    ADCL_TEST_OK(ctx, adcl_tensor_unmap(ctx, tensor));
    adcl_tensor_destroy(&row);
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&ctx);
}

Test(tensor_wrap_host, refuses_bad_memory)
{
    float memory[6];
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = NULL;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "aligned to the element",
                    adcl_tensor_wrap_host(&tensor, ctx, ADCL_F32, 1, 2, (char *)memory + 2));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got 1 rows",
                    adcl_tensor_wrap_host(&tensor, ctx, ADCL_F32, 1, 2, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "at least 1 row",
                    adcl_tensor_wrap_host(&tensor, ctx, ADCL_F32, 0, 2, memory));
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "too large",
                    adcl_tensor_wrap_host(&tensor, ctx, ADCL_F32, SIZE_MAX, 2, memory));
    cr_expect_null(tensor);
    adcl_context_destroy(&ctx);
}

static cl_mem create_buffer(adcl_context *ctx, size_t elements)
{
    cl_int code;
    cl_mem buffer = clCreateBuffer(adcl_context_cl_context(ctx), CL_MEM_READ_WRITE,
                                   elements * sizeof(float), NULL, &code);
    cr_assert_eq(code, CL_SUCCESS);
    return buffer;
}

Test(tensor_wrap_cl, needs_a_buffer_that_holds_all_of_it)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = NULL;
    cl_mem buffer = create_buffer(ctx, 5 + 2 * 10 + 4);
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 5, 3, 4, 10));
    cr_expect_eq(adcl_tensor_cl_mem(tensor), buffer);
    cr_expect_eq(adcl_tensor_cl_offset(tensor), 5);
    cr_expect_eq(adcl_tensor_row_stride(tensor), 10);
    adcl_tensor_destroy(&tensor);
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 29, 0, 4, 0));
    adcl_tensor_destroy(&tensor);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "needs a buffer of 120 bytes, got 116",
                    adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 6, 3, 4, 10));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "at least 4 elements, got 3",
                    adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 0, 3, 4, 3));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "expected a buffer, got NULL",
                    adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, NULL, 0, 3, 4, 0));
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "do not fit",
                    adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, SIZE_MAX, 3, 4, 0));
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "do not fit",
                    adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 0, 3, 4, SIZE_MAX / 2 + 1));
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "do not fit",
                    adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 0, 3, 4, SIZE_MAX / 8));
    cr_expect_null(tensor);
    clReleaseMemObject(buffer);
    adcl_context_destroy(&ctx);
}

Test(tensor_wrap_cl, refuses_a_buffer_of_another_context)
{
    adcl_context *ctx = adcl_test_context_create(), *other = adcl_test_context_create();
    cl_mem buffer = create_buffer(other, 4);
    adcl_tensor *tensor = NULL;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got one of another",
                    adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 0, 1, 4, 0));
    clReleaseMemObject(buffer);
    adcl_context_destroy(&ctx);
    adcl_context_destroy(&other);
}

Test(tensor, of_another_context_is_refused)
{
    adcl_context *ctx = adcl_test_context_create(), *other = adcl_test_context_create();
    adcl_tensor *foreign = adcl_test_tensor_create(other, 1, 2, NULL);
    adcl_tensor *own = adcl_test_tensor_create(ctx, 1, 2, NULL), *view = NULL;
    float numbers[2] = {0};
    void *data;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "of another",
                    adcl_tensor_write(ctx, foreign, numbers, sizeof numbers));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "of another",
                    adcl_tensor_read(ctx, foreign, numbers, sizeof numbers));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "of another",
                    adcl_tensor_map(ctx, foreign, ADCL_MAP_READ, &data));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "of another", adcl_tensor_unmap(ctx, foreign));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "of another", adcl_tensor_fill(ctx, foreign, 1.0f));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "source: expected a tensor of this context",
                    adcl_tensor_copy(ctx, foreign, own));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "destination: expected a tensor of this context",
                    adcl_tensor_copy(ctx, own, foreign));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "a tensor of this context",
                    adcl_tensor_view_rows(&view, ctx, foreign, 0, 1));
    adcl_tensor_destroy(&foreign);
    adcl_tensor_destroy(&own);
    adcl_context_destroy(&ctx);
    adcl_context_destroy(&other);
}

Test(tensor, copes_with_null)
{
    adcl_context *ctx = adcl_test_context_create();
    float number = 0.0f;
    void *data;
    cr_expect_eq(adcl_tensor_rows(NULL), 0);
    cr_expect_eq(adcl_tensor_cols(NULL), 0);
    cr_expect_eq(adcl_tensor_row_stride(NULL), 0);
    cr_expect_eq(adcl_tensor_dtype(NULL), ADCL_F32);
    cr_expect_null(adcl_tensor_cl_mem(NULL));
    cr_expect_eq(adcl_tensor_cl_offset(NULL), 0);
    adcl_tensor_destroy(NULL);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_tensor_write(ctx, NULL, &number, sizeof number));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_tensor_read(ctx, NULL, &number, sizeof number));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_tensor_map(ctx, NULL, ADCL_MAP_READ, &data));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_tensor_unmap(ctx, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_tensor_fill(ctx, NULL, 0.0f));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_tensor_copy(ctx, NULL, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_tensor_gather_rows(ctx, NULL, NULL, NULL));
    adcl_context_destroy(&ctx);
}

/* ---- read, write, map ------------------------------------------------------------------------ */

/* Offsets inside the first row, at its end so that the columns reach over it, and beyond it. */
Test(tensor_write, touches_the_elements_of_a_strided_matrix_only)
{
    enum { N = 5, C = 8, STRIDE = 10 };
    adcl_context *ctx = adcl_test_context_create();
    float *numbers = adcl_test_numbers(1, N * C);
    for (size_t offset = 0; offset < 2 * STRIDE; offset += 3)
        for (size_t rows = 1; rows <= N; rows += N - 1) {
            adcl_test_guarded matrix =
                adcl_test_guarded_create(ctx, rows, C, offset, STRIDE, NULL);
            ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, matrix.tensor, numbers,
                                                rows * C * sizeof *numbers));
            float *guarded = adcl_test_guarded_read(ctx, &matrix);
            float *read = adcl_test_tensor_read(ctx, matrix.tensor);
            cr_expect_arr_eq(guarded, numbers, rows * C * sizeof *numbers, "offset %zu", offset);
            cr_expect_arr_eq(read, numbers, rows * C * sizeof *numbers, "offset %zu", offset);
            free(guarded);
            free(read);
            adcl_test_guarded_destroy(&matrix);
        }
    free(numbers);
    adcl_context_destroy(&ctx);
}

Test(tensor_write, and_read_need_host_memory_of_exactly_the_tensors_size)
{
    float numbers[7] = {0};
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, 2, 3, NULL);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "(2, 3) needs host memory of 24 bytes, got 28",
                    adcl_tensor_write(ctx, tensor, numbers, 28));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "(2, 3) needs host memory of 24 bytes, got 20",
                    adcl_tensor_read(ctx, tensor, numbers, 20));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "needs host memory",
                    adcl_tensor_write(ctx, tensor, NULL, 24));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "needs host memory",
                    adcl_tensor_read(ctx, tensor, NULL, 24));
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&ctx);
}

Test(tensor_map, shows_rows_at_the_stride_and_takes_what_is_written)
{
    enum { N = 3, C = 4, OFFSET = 6, STRIDE = 7 };
    float *numbers = adcl_test_numbers(1, N * C);
    adcl_context *ctx = adcl_test_context_create();
    adcl_test_guarded matrix = adcl_test_guarded_create(ctx, N, C, OFFSET, STRIDE, numbers);
    void *data = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_map(ctx, matrix.tensor, ADCL_MAP_READ_WRITE, &data));
    float *mapped = data;
    for (int r = 0; r < N; r++)
        for (int c = 0; c < C; c++) {
            cr_expect_eq(mapped[r * STRIDE + c], numbers[r * C + c]);
            mapped[r * STRIDE + c] = numbers[r * C + c] *= 2.0f;
        }
    ADCL_TEST_OK(ctx, adcl_tensor_unmap(ctx, matrix.tensor));
    float *seen = adcl_test_guarded_read(ctx, &matrix);
    cr_expect_arr_eq(seen, numbers, N * C * sizeof *numbers);
    free(seen);
    free(numbers);
    adcl_test_guarded_destroy(&matrix);
    adcl_context_destroy(&ctx);
}

Test(tensor_map, happens_once_at_a_time)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, 1, 2, NULL);
    adcl_tensor *empty = adcl_test_tensor_create(ctx, 0, 2, NULL);
    float numbers[2] = {0};
    void *data = NULL;
    ADCL_TEST_FAILS(ctx, INVALID_STATE, "not mapped", adcl_tensor_unmap(ctx, tensor));
    ADCL_TEST_OK(ctx, adcl_tensor_map(ctx, tensor, ADCL_MAP_WRITE, &data));
    ADCL_TEST_FAILS(ctx, INVALID_STATE, "mapped already",
                    adcl_tensor_map(ctx, tensor, ADCL_MAP_READ, &data));
    cr_expect_null(data);
    ADCL_TEST_FAILS(ctx, INVALID_STATE, "unmap it first",
                    adcl_tensor_write(ctx, tensor, numbers, sizeof numbers));
    ADCL_TEST_FAILS(ctx, INVALID_STATE, "unmap it first",
                    adcl_tensor_read(ctx, tensor, numbers, sizeof numbers));
    ADCL_TEST_OK(ctx, adcl_tensor_unmap(ctx, tensor));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "access 0",
                    adcl_tensor_map(ctx, tensor, (adcl_map_access)0, &data));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "access 4",
                    adcl_tensor_map(ctx, tensor, (adcl_map_access)4, &data));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "place for the address",
                    adcl_tensor_map(ctx, tensor, ADCL_MAP_READ, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "0 rows",
                    adcl_tensor_map(ctx, empty, ADCL_MAP_READ, &data));
    adcl_tensor_destroy(&tensor);
    adcl_tensor_destroy(&empty);
    adcl_context_destroy(&ctx);
}

/* ---- fill, copy, gather ---------------------------------------------------------------------- */

Test(tensor_fill, sets_every_element_and_no_other)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_test_guarded matrix = adcl_test_guarded_create(ctx, 3, 65, 7, 71, NULL);
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, matrix.tensor, -1.5f));
    float *seen = adcl_test_guarded_read(ctx, &matrix);
    for (int i = 0; i < 3 * 65; i++) cr_expect_eq(seen[i], -1.5f);
    free(seen);
    adcl_test_guarded_destroy(&matrix);
    adcl_context_destroy(&ctx);
}

Test(tensor_fill, converts_to_integers_that_fit)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = adcl_test_indices_create(ctx, 2, (const int32_t[]){1, 2});
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, tensor, -3.0f));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "I32 element can hold, got 2.14748e+09",
                    adcl_tensor_fill(ctx, tensor, 2147483648.0f));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got nan", adcl_tensor_fill(ctx, tensor, NAN));
    int32_t *seen = adcl_test_tensor_read(ctx, tensor);
    cr_expect(seen[0] == -3 && seen[1] == -3);
    free(seen);
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&ctx);
}

Test(tensor_copy, goes_from_any_layout_to_any_other)
{
    enum { N = 9, C = 67 };
    adcl_context *ctx = adcl_test_context_create();
    float *numbers = adcl_test_numbers(1, N * C);
    for (uint64_t seed = 0; seed < 8; seed++) {
        adcl_test_guarded source = adcl_test_guarded_draw(ctx, 2 * seed, N, C, numbers);
        adcl_test_guarded destination = adcl_test_guarded_draw(ctx, 2 * seed + 1, N, C, NULL);
        ADCL_TEST_OK(ctx, adcl_tensor_copy(ctx, source.tensor, destination.tensor));
        float *seen = adcl_test_guarded_read(ctx, &destination);
        cr_expect_arr_eq(seen, numbers, N * C * sizeof *numbers);
        free(seen);
        adcl_test_guarded_destroy(&source);
        adcl_test_guarded_destroy(&destination);
    }
    free(numbers);
    adcl_context_destroy(&ctx);
}

/* More rows than some drivers' grids have places in the second dimension. */
Test(tensor_copy, goes_through_many_rows)
{
    enum { N = 70000, C = 3 };
    adcl_context *ctx = adcl_test_context_create();
    float *numbers = adcl_test_numbers(1, N * C);
    adcl_tensor *source = adcl_test_tensor_create(ctx, N, C, numbers);
    adcl_tensor *destination = adcl_test_tensor_create(ctx, N, C, NULL);
    ADCL_TEST_OK(ctx, adcl_tensor_copy(ctx, source, destination));
    float *seen = adcl_test_tensor_read(ctx, destination);
    cr_expect(adcl_test_same_bits("copy", seen, numbers, N * C * sizeof *numbers));
    free(seen);
    free(numbers);
    adcl_tensor_destroy(&source);
    adcl_tensor_destroy(&destination);
    adcl_context_destroy(&ctx);
}

Test(tensor_copy, refuses_other_shapes_and_types)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *a = adcl_test_tensor_create(ctx, 2, 1, NULL);
    adcl_tensor *b = adcl_test_tensor_create(ctx, 3, 1, NULL);
    adcl_tensor *integers = adcl_test_indices_create(ctx, 2, (const int32_t[]){0, 0});
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "expected shape (2, 1), got (3, 1)",
                    adcl_tensor_copy(ctx, a, b));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "expected F32 elements, got I32",
                    adcl_tensor_copy(ctx, a, integers));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "overlap", adcl_tensor_copy(ctx, a, a));
    adcl_tensor_destroy(&a);
    adcl_tensor_destroy(&b);
    adcl_tensor_destroy(&integers);
    adcl_context_destroy(&ctx);
}

/* Tries a copy between two tensors, destroys them, and tells whether overlap was found. */
static bool overlap(adcl_context *ctx, adcl_tensor *a, adcl_tensor *b)
{
    adcl_status status = adcl_tensor_copy(ctx, a, b), reverse = adcl_tensor_copy(ctx, b, a);
    cr_expect_eq(status, reverse, "overlap must not depend on the order");
    cr_expect(status == ADCL_OK || status == ADCL_ERR_INVALID_ARGUMENT);
    adcl_tensor_destroy(&a);
    adcl_tensor_destroy(&b);
    return status != ADCL_OK;
}

static adcl_tensor *wrap(adcl_context *ctx, cl_mem buffer, size_t offset, size_t stride)
{
    adcl_tensor *tensor = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, offset, 3, 4, stride));
    return tensor;
}

Test(tensor_overlap, is_found_in_one_buffer_and_not_between_columns_side_by_side)
{
    adcl_context *ctx = adcl_test_context_create();
    cl_mem buffer = create_buffer(ctx, 100);
    cr_expect(overlap(ctx, wrap(ctx, buffer, 0, 4), wrap(ctx, buffer, 11, 4)));
    cr_expect_not(overlap(ctx, wrap(ctx, buffer, 0, 4), wrap(ctx, buffer, 12, 4)));
    cr_expect_not(overlap(ctx, wrap(ctx, buffer, 0, 8), wrap(ctx, buffer, 4, 8)));
    cr_expect_not(overlap(ctx, wrap(ctx, buffer, 6, 8), wrap(ctx, buffer, 10, 8)));
    cr_expect_not(overlap(ctx, wrap(ctx, buffer, 0, 9), wrap(ctx, buffer, 5, 9)));
    cr_expect(overlap(ctx, wrap(ctx, buffer, 0, 8), wrap(ctx, buffer, 3, 8)));
    cr_expect(overlap(ctx, wrap(ctx, buffer, 0, 8), wrap(ctx, buffer, 5, 8)));
    cr_expect(overlap(ctx, wrap(ctx, buffer, 3, 8), wrap(ctx, buffer, 11, 8)));
    cr_expect(overlap(ctx, wrap(ctx, buffer, 0, 8), wrap(ctx, buffer, 4, 7)));
    clReleaseMemObject(buffer);
    adcl_context_destroy(&ctx);
}

static cl_mem create_part(cl_mem buffer, size_t origin, size_t bytes)
{
    cl_int code;
    cl_mem part = clCreateSubBuffer(buffer, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION,
                                    &(cl_buffer_region){origin, bytes}, &code);
    cr_assert_eq(code, CL_SUCCESS);
    return part;
}

Test(tensor_overlap, is_found_between_sub_buffers)
{
    adcl_context *ctx = adcl_test_context_create();
    const size_t most = 4096; /* bytes: a multiple of every device's alignment */
    cl_mem buffer = create_buffer(ctx, 2 * most);
    cl_mem first = create_part(buffer, 0, 2 * most), second = create_part(buffer, most, most);
    size_t at = most / sizeof(float);
    cr_expect(overlap(ctx, wrap(ctx, first, at - 11, 4), wrap(ctx, second, 0, 4)));
    cr_expect_not(overlap(ctx, wrap(ctx, first, at - 12, 4), wrap(ctx, second, 0, 4)));
    cr_expect(overlap(ctx, wrap(ctx, buffer, at + 11, 4), wrap(ctx, second, 0, 4)));
    cr_expect_not(overlap(ctx, wrap(ctx, buffer, at + 12, 4), wrap(ctx, second, 0, 4)));
    clReleaseMemObject(first);
    clReleaseMemObject(second);
    clReleaseMemObject(buffer);
    adcl_context_destroy(&ctx);
}

static adcl_tensor *wrap_host(adcl_context *ctx, float *memory)
{
    adcl_tensor *tensor = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_host(&tensor, ctx, ADCL_F32, 3, 4, memory));
    return tensor;
}

Test(tensor_overlap, is_found_between_tensors_over_one_array_of_the_host)
{
    float memory[40] = {0};
    adcl_context *ctx = adcl_test_context_create();
    cl_int code;
    cl_mem buffer = clCreateBuffer(adcl_context_cl_context(ctx),
                                   CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, sizeof memory, memory,
                                   &code);
    cr_assert_eq(code, CL_SUCCESS);
    cr_expect(overlap(ctx, wrap_host(ctx, memory), wrap_host(ctx, memory)));
    cr_expect(overlap(ctx, wrap_host(ctx, memory), wrap_host(ctx, memory + 11)));
    cr_expect_not(overlap(ctx, wrap_host(ctx, memory), wrap_host(ctx, memory + 12)));
    cr_expect(overlap(ctx, wrap_host(ctx, memory + 4), wrap(ctx, buffer, 15, 4)));
    cr_expect_not(overlap(ctx, wrap_host(ctx, memory + 4), wrap(ctx, buffer, 16, 4)));
    clReleaseMemObject(buffer);
    adcl_context_destroy(&ctx);
}

Test(tensor_gather_rows, takes_rows_in_the_order_of_the_indices)
{
    enum { N = 5, C = 66, M = 7 };
    const int32_t indices[M] = {4, 0, 0, -1, 2, N, INT32_MIN};
    adcl_context *ctx = adcl_test_context_create();
    float *numbers = adcl_test_numbers(1, N * C);
    adcl_test_guarded source = adcl_test_guarded_draw(ctx, 1, N, C, numbers);
    adcl_test_guarded destination = adcl_test_guarded_draw(ctx, 2, M, C, NULL);
    adcl_tensor *places = adcl_test_indices_create(ctx, M, indices);
    ADCL_TEST_OK(ctx, adcl_tensor_gather_rows(ctx, source.tensor, places, destination.tensor));
    float *seen = adcl_test_guarded_read(ctx, &destination);
    for (int r = 0; r < M; r++)
        for (int c = 0; c < C; c++) {
            float got = seen[r * C + c];
            if (indices[r] < 0 || indices[r] >= N)
                cr_expect(isnan(got), "row %d, index %d", r, indices[r]);
            else
                cr_expect_eq(got, numbers[indices[r] * C + c], "row %d, index %d", r, indices[r]);
        }
    free(seen);
    free(numbers);
    adcl_tensor_destroy(&places);
    adcl_test_guarded_destroy(&source);
    adcl_test_guarded_destroy(&destination);
    adcl_context_destroy(&ctx);
}

Test(tensor_gather_rows, marks_integers_from_outside_too)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *source = adcl_test_indices_create(ctx, 2, (const int32_t[]){10, 20});
    adcl_tensor *places = adcl_test_indices_create(ctx, 3, (const int32_t[]){1, 2, 0});
    adcl_tensor *destination = adcl_test_indices_create(ctx, 3, (const int32_t[]){0, 0, 0});
    ADCL_TEST_OK(ctx, adcl_tensor_gather_rows(ctx, source, places, destination));
    int32_t *seen = adcl_test_tensor_read(ctx, destination);
    const int32_t expected[] = {20, INT32_MIN, 10};
    cr_expect_arr_eq(seen, expected, sizeof expected);
    free(seen);
    adcl_tensor_destroy(&source);
    adcl_tensor_destroy(&places);
    adcl_tensor_destroy(&destination);
    adcl_context_destroy(&ctx);
}

Test(tensor_gather_rows, refuses_what_does_not_fit_together)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *source = adcl_test_tensor_create(ctx, 4, 3, NULL), *part = NULL;
    adcl_tensor *narrow = adcl_test_tensor_create(ctx, 2, 2, NULL);
    adcl_tensor *good = adcl_test_tensor_create(ctx, 2, 3, NULL);
    adcl_tensor *places = adcl_test_indices_create(ctx, 2, (const int32_t[]){0, 0});
    adcl_tensor *three = adcl_test_indices_create(ctx, 3, (const int32_t[]){0, 0, 0});
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&part, ctx, source, 2, 2));
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "destination of 3 columns, got 2",
                    adcl_tensor_gather_rows(ctx, source, places, narrow));
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "indices: expected shape (2, 1), got (3, 1)",
                    adcl_tensor_gather_rows(ctx, source, three, good));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "indices: expected I32 elements, got F32",
                    adcl_tensor_gather_rows(ctx, source, good, good));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "destination: expected F32 elements, got I32",
                    adcl_tensor_gather_rows(ctx, source, places, places));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "overlaps",
                    adcl_tensor_gather_rows(ctx, source, places, part));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "overlaps",
                    adcl_tensor_gather_rows(ctx, three, places, places));
    adcl_tensor_destroy(&part);
    adcl_tensor_destroy(&source);
    adcl_tensor_destroy(&narrow);
    adcl_tensor_destroy(&good);
    adcl_tensor_destroy(&places);
    adcl_tensor_destroy(&three);
    adcl_context_destroy(&ctx);
}

/* ---- no rows --------------------------------------------------------------------------------- */

Test(tensor, without_rows_is_fine_everywhere)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *empty = adcl_test_tensor_create(ctx, 0, 3, NULL);
    adcl_tensor *other = adcl_test_tensor_create(ctx, 0, 3, NULL);
    adcl_tensor *none = adcl_test_indices_create(ctx, 0, NULL), *view = NULL;
    adcl_tensor *places = adcl_test_indices_create(ctx, 1, (const int32_t[]){0});
    adcl_tensor *row = adcl_test_tensor_create(ctx, 1, 3, NULL);
    uint64_t launches = adcl_context_counters(ctx).launches;
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, empty, NULL, 0));
    ADCL_TEST_OK(ctx, adcl_tensor_read(ctx, empty, NULL, 0));
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, empty, 1.0f));
    ADCL_TEST_OK(ctx, adcl_tensor_copy(ctx, empty, other));
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&view, ctx, empty, 0, 0));
    ADCL_TEST_OK(ctx, adcl_tensor_gather_rows(ctx, row, none, empty));
    cr_expect_eq(adcl_context_counters(ctx).launches, launches);
    ADCL_TEST_OK(ctx, adcl_tensor_gather_rows(ctx, empty, places, row));
    float *seen = adcl_test_tensor_read(ctx, row);
    for (int i = 0; i < 3; i++) cr_expect(isnan(seen[i])); /* there is no row 0 */
    free(seen);
    adcl_tensor_destroy(&view);
    adcl_tensor_destroy(&empty);
    adcl_tensor_destroy(&other);
    adcl_tensor_destroy(&none);
    adcl_tensor_destroy(&places);
    adcl_tensor_destroy(&row);
    adcl_context_destroy(&ctx);
}
