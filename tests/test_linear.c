/* SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "reference/reference.h"
#include "support/compare.h"
#include "support/device.h"

#include <adapter_cl/linear.h>
#include <adapter_cl/profile.h>

#include <stdlib.h>

static adcl_linear *make_linear(adcl_context *ctx, adcl_engine engine, size_t rows, size_t inputs,
                                size_t outputs)
{
    adcl_linear_params params = ADCL_LINEAR_PARAMS_INIT;
    adcl_linear *linear = NULL;
    params.input_size = inputs;
    params.output_size = outputs;
    params.max_rows = rows;
    params.seed = 5;
    params.engine = engine;
    ADCL_TEST_OK(ctx, adcl_linear_create(&linear, ctx, &params));
    return linear;
}

/* tensor = numbers drawn from the seed, which are returned in double, to be freed. */
static double *fill_random(adcl_context *ctx, adcl_tensor *tensor, uint64_t seed)
{
    size_t count = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
    float *numbers = adcl_test_numbers(seed, count);
    double *doubles = adcl_test_doubles(numbers, count);
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, tensor, numbers, count * sizeof *numbers));
    free(numbers);
    return doubles;
}

static void check_guarded(adcl_context *ctx, const char *label, const adcl_test_guarded *guarded,
                          const double *expected, double tolerance)
{
    size_t count = adcl_tensor_rows(guarded->tensor) * adcl_tensor_cols(guarded->tensor);
    float *got = adcl_test_guarded_read(ctx, guarded);
    cr_expect(adcl_test_close_floats(label, got, expected, count, tolerance));
    free(got);
}

/* A layer with its gradients, and a batch, in double. */
typedef struct expectation {
    adcl__reference_linear layer;
    double *kernel, *bias, *kernel_gradient, *bias_gradient; /* the layer's */
    double *x, *y, *dy, *dx;
} expectation;

static void free_expectation(expectation *e)
{
    double *all[] = {e->kernel, e->bias, e->kernel_gradient, e->bias_gradient,
                     e->x,      e->y,    e->dy,              e->dx};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

/* Random parameters, gradients that are not zero, random strides: forward and backward.
 *
 * A sum of n products near 1 wanders away to sqrt(n) and is rounded with 3e-8 of that at each step:
 * errors of about 2e-8·n, and of 1e-7·n for the worst of 10⁴ sums. `per_product` is that 1e-7, or 0
 * for sums in double; then one rounding is left. */
static void check_against_reference(adcl_context *ctx, adcl_engine engine, size_t rows,
                                    size_t inputs, size_t outputs, double per_product)
{
    const double rounding = 6e-8, over_inputs = rounding + per_product * (double)inputs;
    const double over_outputs = rounding + per_product * (double)outputs;
    const double over_rows = rounding + per_product * (double)rows;
    const char *label = adcl_test_label("%s, N=%zu D=%zu C=%zu", adcl_engine_name(engine), rows,
                                        inputs, outputs);
    adcl_linear *linear = make_linear(ctx, engine, rows + rows % 3, inputs, outputs);
    float *x_numbers = adcl_test_numbers(1, rows * inputs);
    float *dy_numbers = adcl_test_numbers(2, rows * outputs);
    adcl_test_guarded x = adcl_test_guarded_draw(ctx, rows, rows, inputs, x_numbers);
    adcl_test_guarded y = adcl_test_guarded_draw(ctx, inputs, rows, outputs, NULL);
    adcl_test_guarded dy = adcl_test_guarded_draw(ctx, outputs, rows, outputs, dy_numbers);
    adcl_test_guarded dx = adcl_test_guarded_draw(ctx, rows + inputs, rows, inputs, NULL);
    expectation e = {
        .kernel = fill_random(ctx, adcl_linear_kernel(linear), 3),
        .bias = fill_random(ctx, adcl_linear_bias(linear), 4),
        .kernel_gradient = fill_random(ctx, adcl_linear_kernel_gradient(linear), 5),
        .bias_gradient = fill_random(ctx, adcl_linear_bias_gradient(linear), 6),
        .x = adcl_test_doubles(x_numbers, rows * inputs),
        .y = calloc(rows * outputs, sizeof(double)),
        .dy = adcl_test_doubles(dy_numbers, rows * outputs),
        .dx = calloc(rows * inputs, sizeof(double)),
    };
    e.layer = (adcl__reference_linear){inputs,           outputs, e.kernel, e.bias,
                                       e.kernel_gradient, e.bias_gradient};
    adcl__reference_linear_forward(&e.layer, rows, e.x, e.y);
    adcl__reference_linear_backward(&e.layer, rows, e.x, e.dy, e.dx);

    ADCL_TEST_OK(ctx, adcl_linear_forward(ctx, linear, x.tensor, y.tensor));
    ADCL_TEST_OK(ctx, adcl_linear_backward(ctx, linear, x.tensor, dy.tensor, dx.tensor));
    check_guarded(ctx, label, &x, e.x, 0.0);
    check_guarded(ctx, label, &y, e.y, over_inputs);
    check_guarded(ctx, label, &dy, e.dy, 0.0);
    check_guarded(ctx, label, &dx, e.dx, over_outputs);
    cr_expect(adcl_test_tensor_close(ctx, label, adcl_linear_kernel(linear), e.kernel, 0.0));
    cr_expect(adcl_test_tensor_close(ctx, label, adcl_linear_bias(linear), e.bias, 0.0));
    cr_expect(adcl_test_tensor_close(ctx, label, adcl_linear_kernel_gradient(linear),
                                     e.kernel_gradient, over_rows));
    cr_expect(adcl_test_tensor_close(ctx, label, adcl_linear_bias_gradient(linear),
                                     e.bias_gradient, over_rows));

    free_expectation(&e);
    free(x_numbers);
    free(dy_numbers);
    adcl_test_guarded_destroy(&x);
    adcl_test_guarded_destroy(&y);
    adcl_test_guarded_destroy(&dy);
    adcl_test_guarded_destroy(&dx);
    adcl_linear_destroy(&linear);
}

Test(linear, agrees_with_the_reference_whatever_the_shape, .timeout = 300)
{
    /* N, D, C: ones, odd, around tiles of 64, more rows than one block of the column sum. */
    static const size_t shapes[][3] = {
        {1, 1, 1},    {1, 7, 2},    {2, 3, 1},     {3, 1, 7},      {7, 16, 3},   {16, 33, 2},
        {33, 384, 2}, {63, 64, 65}, {64, 63, 127}, {65, 127, 64},  {32, 384, 2}, {127, 2, 33},
        {7, 768, 16}, {1, 1000, 3}, {1000, 3, 2},  {2000, 2, 3},
    };
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        size_t rows = shapes[i][0], inputs = shapes[i][1], outputs = shapes[i][2];
        check_against_reference(ctx, ADCL_ENGINE_GEMM, rows, inputs, outputs, 1e-7);
        check_against_reference(ctx, ADCL_ENGINE_FUSED, rows, inputs, outputs, 1e-7);
        /* In double, rounded once, however long the sums are. */
        check_against_reference(ctx, ADCL_ENGINE_REFERENCE, rows, inputs, outputs, 0.0);
    }
    adcl_context_destroy(&ctx);
}

Test(linear, begins_with_a_glorot_kernel_and_zeros)
{
    enum { D = 37, C = 5 };
    adcl_context *ctx = adcl_test_context_create();
    float expected[D * C];
    adcl__random_fill_glorot(5, ADCL__STREAM_LINEAR_KERNEL, D, C, expected, D * C);
    const double zeros[D * C] = {0};
    for (int engine = ADCL_ENGINE_GEMM; engine <= ADCL_ENGINE_REFERENCE; engine++) {
        adcl_linear *linear = make_linear(ctx, (adcl_engine)engine, 4, D, C);
        float *kernel = adcl_test_tensor_read(ctx, adcl_linear_kernel(linear));
        cr_expect(adcl_test_same_bits("kernel", kernel, expected, sizeof expected));
        const adcl_tensor *others[] = {adcl_linear_bias(linear),
                                       adcl_linear_kernel_gradient(linear),
                                       adcl_linear_bias_gradient(linear)};
        for (int i = 0; i < 3; i++)
            cr_expect(adcl_test_tensor_close(ctx, "zeros", others[i], zeros, 0.0));
        cr_expect_eq(adcl_tensor_rows(adcl_linear_kernel(linear)), D);
        cr_expect_eq(adcl_tensor_cols(adcl_linear_kernel(linear)), C);
        free(kernel);
        adcl_linear_destroy(&linear);
    }
    adcl_context_destroy(&ctx);
}

/* Of 64 rows or fewer, every engine makes one sum and adds it: from zero, twice gives the double. */
static void check_same_bits_and_sums(adcl_engine engine)
{
    enum { N = 61, D = 33, C = 3 };
    adcl_context *ctx = adcl_test_context_create();
    adcl_linear *linear = make_linear(ctx, engine, N, D, C);
    float *numbers = adcl_test_numbers(1, N * D);
    adcl_tensor *x = adcl_test_tensor_create(ctx, N, D, numbers);
    adcl_tensor *y = adcl_test_tensor_create(ctx, N, C, NULL);
    float *results[3], *gradients[3];
    for (int i = 0; i < 3; i++) {
        if (i == 1) /* begin anew; the third time adds to the second */
            ADCL_TEST_OK(ctx,
                         adcl_tensor_fill(ctx, adcl_linear_kernel_gradient(linear), 0.0f));
        ADCL_TEST_OK(ctx, adcl_linear_forward(ctx, linear, x, y));
        ADCL_TEST_OK(ctx, adcl_linear_backward(ctx, linear, x, y, NULL));
        results[i] = adcl_test_tensor_read(ctx, y);
        gradients[i] = adcl_test_tensor_read(ctx, adcl_linear_kernel_gradient(linear));
    }
    cr_expect(adcl_test_same_bits("y", results[1], results[0], N * C * sizeof(float)));
    cr_expect(adcl_test_same_bits("dkernel", gradients[1], gradients[0], D * C * sizeof(float)));
    for (int i = 0; i < D * C; i++) gradients[1][i] *= 2.0f;
    cr_expect(adcl_test_same_bits("sum", gradients[2], gradients[1], D * C * sizeof(float)));
    for (int i = 0; i < 3; i++) {
        free(results[i]);
        free(gradients[i]);
    }
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    free(numbers);
    adcl_linear_destroy(&linear);
    adcl_context_destroy(&ctx);
}

Test(linear, gives_the_same_bits_twice_and_adds_gradients_up)
{
    check_same_bits_and_sums(ADCL_ENGINE_GEMM);
    check_same_bits_and_sums(ADCL_ENGINE_FUSED);
}

Test(linear, of_no_rows_does_nothing)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *x = adcl_test_tensor_create(ctx, 0, 3, NULL);
    adcl_tensor *y = adcl_test_tensor_create(ctx, 0, 2, NULL);
    for (int engine = ADCL_ENGINE_GEMM; engine <= ADCL_ENGINE_REFERENCE; engine++) {
        adcl_linear *linear = make_linear(ctx, (adcl_engine)engine, 4, 3, 2);
        adcl_counters before = adcl_context_counters(ctx);
        ADCL_TEST_OK(ctx, adcl_linear_forward(ctx, linear, x, y));
        ADCL_TEST_OK(ctx, adcl_linear_backward(ctx, linear, x, y, x));
        adcl_counters after = adcl_context_counters(ctx);
        cr_expect(memcmp(&before, &after, sizeof before) == 0);
        adcl_linear_destroy(&linear);
    }
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    adcl_context_destroy(&ctx);
}

static void check_launches(adcl_engine engine, uint64_t launches)
{
    enum { N = 32, D = 384, C = 2 };
    adcl_context *ctx = adcl_test_context_create();
    adcl_linear *linear = make_linear(ctx, engine, N, D, C);
    adcl_tensor *x = adcl_test_tensor_create(ctx, N, D, NULL);
    adcl_tensor *y = adcl_test_tensor_create(ctx, N, C, NULL);
    adcl_tensor *dx = adcl_test_tensor_create(ctx, N, D, NULL);
    adcl_counters before = adcl_context_counters(ctx);
    ADCL_TEST_OK(ctx, adcl_linear_forward(ctx, linear, x, y));
    ADCL_TEST_OK(ctx, adcl_linear_backward(ctx, linear, x, y, dx));
    adcl_counters after = adcl_context_counters(ctx);
    cr_expect_eq(after.launches - before.launches, launches);
    before.launches = after.launches;
    cr_expect(memcmp(&before, &after, sizeof before) == 0, "nothing built, made or awaited");
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    adcl_tensor_destroy(&dx);
    adcl_linear_destroy(&linear);
    adcl_context_destroy(&ctx);
}

/* gemm: bias, x·K; two for db, dK, dx. fused: y; both gradients, K transposed, dx. */
Test(linear, pass_enqueues_a_fixed_number_of_kernels_and_nothing_else)
{
    check_launches(ADCL_ENGINE_GEMM, 6);
    adcl_context *ctx = adcl_test_context_create();
    bool has_kernels = adcl_test_has_cpu_plan(ctx); /* the other has none for a dense layer */
    adcl_context_destroy(&ctx);
    check_launches(ADCL_ENGINE_FUSED, has_kernels ? 4 : 6);
}

Test(linear, says_what_is_wrong_with_its_params)
{
    adcl_context *ctx = adcl_test_context_create();
    const adcl_linear_params good = {sizeof good, 3, 2, 4, 0, ADCL_ENGINE_AUTO};
    adcl_linear *linear = (adcl_linear *)ctx; /* anything but NULL */
    adcl_linear_params p = good;
    p.input_size = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "at least 1, got 0 and 2",
                    adcl_linear_create(&linear, ctx, &p));
    cr_expect_null(linear);
    p = good;
    p.output_size = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got 3 and 0", adcl_linear_create(&linear, ctx, &p));
    p = good;
    p.max_rows = 0;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "max_rows: expected 1 to 2147483647, got 0",
                    adcl_linear_create(&linear, ctx, &p));
    p = good;
    p.input_size = SIZE_MAX;
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "input_size", adcl_linear_create(&linear, ctx, &p));
    p.input_size = 1 << 30;
    ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "input_size 1073741824 × output_size 2 is too large",
                    adcl_linear_create(&linear, ctx, &p));
    p = good;
    p.engine = (adcl_engine)9;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got 9", adcl_linear_create(&linear, ctx, &p));
    p = good;
    p.struct_size = 1;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "struct_size", adcl_linear_create(&linear, ctx, &p));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "NULL", adcl_linear_create(NULL, ctx, &good));
    cr_expect_eq(adcl_linear_create(&linear, NULL, &good), ADCL_ERR_INVALID_ARGUMENT);
    adcl_linear_destroy(&linear);
    adcl_linear_destroy(NULL);
    cr_expect_null(adcl_linear_kernel(NULL));
    cr_expect_null(adcl_linear_bias(NULL));
    cr_expect_null(adcl_linear_kernel_gradient(NULL));
    cr_expect_null(adcl_linear_bias_gradient(NULL));
    adcl_context_destroy(&ctx);
}

Test(linear, says_what_is_wrong_with_its_tensors)
{
    adcl_context *ctx = adcl_test_context_create(), *stranger = adcl_test_context_create();
    adcl_linear *l = make_linear(ctx, ADCL_ENGINE_GEMM, 4, 3, 3);
    adcl_tensor *x = adcl_test_tensor_create(ctx, 4, 3, NULL);
    adcl_tensor *y = adcl_test_tensor_create(ctx, 4, 3, NULL);
    adcl_tensor *one_column = adcl_test_tensor_create(ctx, 4, 1, NULL);
    adcl_tensor *long_x = adcl_test_tensor_create(ctx, 5, 3, NULL);
    adcl_tensor *foreign = adcl_test_tensor_create(stranger, 4, 3, NULL);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "a layer, got NULL",
                    adcl_linear_forward(ctx, NULL, x, y));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "x: expected a tensor",
                    adcl_linear_forward(ctx, l, NULL, y));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "y: expected a tensor",
                    adcl_linear_forward(ctx, l, x, NULL));
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "x: expected shape (4, 3), got (4, 1)",
                    adcl_linear_forward(ctx, l, one_column, y));
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "y: expected shape (4, 3), got (4, 1)",
                    adcl_linear_forward(ctx, l, x, one_column));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "at most 4 rows (max_rows), got 5",
                    adcl_linear_forward(ctx, l, long_x, y));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "of another", adcl_linear_forward(ctx, l, foreign, y));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "x and y overlap", adcl_linear_forward(ctx, l, x, x));
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "dy: expected shape (4, 3), got (4, 1)",
                    adcl_linear_backward(ctx, l, x, one_column, NULL));
    ADCL_TEST_FAILS(ctx, SHAPE_MISMATCH, "dx: expected shape (4, 3), got (5, 3)",
                    adcl_linear_backward(ctx, l, x, y, long_x));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "dx overlaps", adcl_linear_backward(ctx, l, x, y, x));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "dx overlaps", adcl_linear_backward(ctx, l, x, y, y));
    ADCL_TEST_FAILS(stranger, INVALID_ARGUMENT, "a layer of this context",
                    adcl_linear_forward(stranger, l, foreign, foreign));
    cr_expect_eq(adcl_linear_forward(NULL, l, x, y), ADCL_ERR_INVALID_ARGUMENT);

    adcl_tensor *all[] = {x, y, one_column, long_x, foreign};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) adcl_tensor_destroy(&all[i]);
    adcl_linear_destroy(&l);
    adcl_context_destroy(&stranger);
    adcl_context_destroy(&ctx);
}
