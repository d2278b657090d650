/* SPDX-License-Identifier: MIT */
#include "support/device.h"

#include "base/random.h"
#include "runtime/context.h"
#include "support/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

adcl_context *adcl_test_context_create(void)
{
    return adcl_test_context_create_with(NULL);
}

adcl_context *adcl_test_context_create_with(const adcl_context_params *params)
{
    adcl_context *ctx = NULL;
    adcl_error error;
    adcl_status status = adcl_context_create(&ctx, params, &error);
    cr_assert_eq(status, ADCL_OK, "no context: %s", error.message);
    return ctx;
}

adcl_context *adcl_test_context_create_for(adcl_fused_plan plan)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.fused_plan = plan;
    return adcl_test_context_create_with(&params);
}

bool adcl_test_has_cpu_plan(const adcl_context *ctx)
{
    return ctx->fused_plan == ADCL_FUSED_PLAN_CPU;
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    cr_assert_not_null(memory);
    return memory;
}

float *adcl_test_numbers(uint64_t seed, size_t count)
{
    float *numbers = allocate(count * sizeof *numbers);
    adcl__random_fill_normal(seed, ADCL__STREAM_DOWN_KERNEL, 1.0, 0.0, numbers, count);
    return numbers;
}

double *adcl_test_doubles(const float *numbers, size_t count)
{
    double *doubles = allocate(count * sizeof *doubles);
    for (size_t i = 0; i < count; i++) doubles[i] = (double)numbers[i];
    return doubles;
}

bool adcl_test_same_bits(const char *label, const void *got, const void *expected, size_t bytes)
{
    const unsigned char *a = got, *b = expected;
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i]) {
            fprintf(stderr, "%s: bits differ from byte %zu of %zu on\n", label, i, bytes);
            return false;
        }
    return true;
}

/* ---- adapters -------------------------------------------------------------------------------- */

adcl_adapter *adcl_test_adapter_create(adcl_context *ctx, const adcl_adapter_params *params)
{
    adcl_adapter *adapter = NULL;
    ADCL_TEST_OK(ctx, adcl_adapter_create(&adapter, ctx, params));
    return adapter;
}

adcl_workspace *adcl_test_workspace_create(adcl_context *ctx, const adcl_adapter *adapter,
                                           size_t max_rows, adcl_mode mode)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = max_rows;
    params.mode = mode;
    adcl_workspace *workspace = NULL;
    ADCL_TEST_OK(ctx, adcl_workspace_create(&workspace, ctx, adapter, &params));
    return workspace;
}

/* ---- tensors --------------------------------------------------------------------------------- */

adcl_tensor *adcl_test_tensor_create(adcl_context *ctx, size_t rows, size_t cols,
                                     const float *numbers)
{
    adcl_tensor *tensor = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_create(&tensor, ctx, ADCL_F32, rows, cols));
    if (numbers != NULL)
        ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, tensor, numbers, rows * cols * sizeof *numbers));
    return tensor;
}

adcl_tensor *adcl_test_indices_create(adcl_context *ctx, size_t rows, const int32_t *indices)
{
    adcl_tensor *tensor = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_create(&tensor, ctx, ADCL_I32, rows, 1));
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, tensor, indices, rows * sizeof *indices));
    return tensor;
}

void *adcl_test_tensor_read(adcl_context *ctx, const adcl_tensor *tensor)
{
    size_t bytes = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor) *
                   adcl_dtype_size(adcl_tensor_dtype(tensor));
    void *elements = allocate(bytes);
    ADCL_TEST_OK(ctx, adcl_tensor_read(ctx, tensor, elements, bytes));
    return elements;
}

bool adcl_test_tensor_close(adcl_context *ctx, const char *label, const adcl_tensor *tensor,
                            const double *expected, double tolerance)
{
    size_t count = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
    float *got = adcl_test_tensor_read(ctx, tensor);
    bool close = adcl_test_close_floats(label, got, expected, count, tolerance);
    free(got);
    return close;
}

/* ---- guarded matrices ------------------------------------------------------------------------ */

enum { GUARD_BEHIND = 70 }; /* elements after the last row: more than a work-group of 64 */

/* A NaN whose payload no arithmetic gives, so that a write of any NaN is seen too. */
static const uint32_t guard_bits = 0x7FC0ADC1;

static void *all_elements(adcl_context *ctx, const adcl_test_guarded *g)
{
    uint32_t *words = allocate(g->total * sizeof *words);
    cl_int code = clEnqueueReadBuffer(adcl_context_cl_queue(ctx), adcl_tensor_cl_mem(g->tensor),
                                      CL_TRUE, 0, g->total * sizeof *words, words, 0, NULL, NULL);
    cr_assert_eq(code, CL_SUCCESS, "reading a guarded matrix: %d", (int)code);
    return words;
}

adcl_test_guarded adcl_test_guarded_create(adcl_context *ctx, size_t rows, size_t cols,
                                           size_t offset, size_t row_stride, const float *numbers)
{
    adcl_test_guarded g = {.offset = offset, .total = offset + rows * row_stride + GUARD_BEHIND};
    uint32_t *words = allocate(g.total * sizeof *words);
    for (size_t i = 0; i < g.total; i++) words[i] = guard_bits;
    for (size_t r = 0; numbers != NULL && r < rows; r++)
        memcpy(words + offset + r * row_stride, numbers + r * cols, cols * sizeof *numbers);
    cl_int code;
    cl_mem buffer = clCreateBuffer(adcl_context_cl_context(ctx),
                                   CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                   g.total * sizeof *words, words, &code);
    cr_assert_eq(code, CL_SUCCESS, "making a guarded matrix: %d", (int)code);
    free(words);
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&g.tensor, ctx, ADCL_F32, buffer, offset, rows, cols,
                                          row_stride));
    clReleaseMemObject(buffer);
    return g;
}

adcl_test_guarded adcl_test_guarded_draw(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols,
                                         const float *numbers)
{
    uint32_t words[4];
    adcl__random_words(seed, (const uint32_t[4]){0}, words);
    return adcl_test_guarded_create(ctx, rows, cols, words[0] % 37, cols + words[1] % 19, numbers);
}

float *adcl_test_guarded_read(adcl_context *ctx, const adcl_test_guarded *g)
{
    size_t rows = adcl_tensor_rows(g->tensor), cols = adcl_tensor_cols(g->tensor);
    size_t row_stride = adcl_tensor_row_stride(g->tensor), changed = 0;
    float *numbers = allocate(rows * cols * sizeof *numbers);
    uint32_t *words = all_elements(ctx, g);
    for (size_t i = 0; i < g->total; i++) {
        size_t r = i >= g->offset ? (i - g->offset) / row_stride : rows;
        size_t c = i >= g->offset ? (i - g->offset) % row_stride : 0;
        if (r < rows && c < cols)
            memcpy(&numbers[r * cols + c], &words[i], sizeof *words);
        else if (words[i] != guard_bits)
            changed++;
    }
    cr_expect_eq(changed, 0, "%zu elements outside a matrix (%zu, %zu) of stride %zu changed",
                 changed, rows, cols, row_stride);
    free(words);
    return numbers;
}

void adcl_test_guarded_destroy(adcl_test_guarded *g)
{
    adcl_tensor_destroy(&g->tensor);
}
