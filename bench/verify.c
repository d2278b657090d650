/* SPDX-License-Identifier: MIT */
/* verify.c – does an engine compute what the reference engine computes? */
#include "bench/adapter_bench.h"
#include "bench/compare_numbers.h"
#include "bench/fixture.h"

#include <math.h>
#include <stdlib.h>

/* For each compute unit: more than any tile or small-batch plan, enough for kernels to be packed (more than 128), and
 * odd. What is measured at many rows is what was verified. */
#define UNIT_ROWS 129
#define RESULT_COUNT (2 + ADCL_ADAPTER_SLOT_COUNT)

/* y, dx and the gradients of the parameters, on the host. */
typedef struct results {
    float *values[RESULT_COUNT];
    size_t counts[RESULT_COUNT];
} results;

static void results_free(results *r)
{
    for (size_t i = 0; i < RESULT_COUNT; i++) free(r->values[i]);
}

static const adcl_tensor *result_tensor(const bench_fixture *f, size_t index)
{
    if (index == 0) return f->y;
    if (index == 1) return f->dx;
    return adcl_adapter_gradient(f->adapter, (adcl_adapter_slot)(index - 2));
}

static const char *result_name(size_t index)
{
    if (index == 0) return "y";
    if (index == 1) return "dx";
    return adcl_adapter_slot_name((adcl_adapter_slot)(index - 2));
}

static adcl_status read_results(const bench_fixture *f, results *out)
{
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        const adcl_tensor *tensor = result_tensor(f, i);
        out->counts[i] = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
        size_t bytes = out->counts[i] * sizeof(float);
        out->values[i] = malloc(bytes);
        if (out->values[i] == NULL) return ADCL_ERR_OUT_OF_HOST_MEMORY;
        BENCH_TRY(adcl_tensor_read(f->ctx, tensor, out->values[i], bytes));
    }
    return ADCL_OK;
}

static adcl_status compute_results(bench_fixture *f, adcl_engine engine, results *out)
{
    BENCH_TRY(bench_fixture_make_workspace(f, adcl_tensor_rows(f->x), ADCL_TRAINING, engine));
    BENCH_TRY(adcl_adapter_zero_grad(f->ctx, f->adapter));
    BENCH_TRY(bench_fixture_forward_backward(f));
    return read_results(f, out);
}

/* Root mean square, at least 1: an element that nearly cancels is as far off as its neighbours. */
static double scale_of(const float *values, size_t count)
{
    double sum = 0.0;
    for (size_t k = 0; k < count; k++) sum += (double)values[k] * (double)values[k];
    return count > 0 ? fmax(1.0, sqrt(sum / (double)count)) : 1.0;
}

/* Sums of K products of f32 numbers differ from the reference's, which are in double, by about
 * sqrt(K) roundings of 6e-8 of the largest partial sum; these stay below 100 times the results' size at
 * the shapes that are measured, so 1e-5 of that holds up to K = 1000 and grows from there. */
static adcl_status compare_results(const bench_shape *shape, const results *got,
                                   const results *expected, adcl_error *error)
{
    size_t longest = shape->hidden > shape->bottleneck ? shape->hidden : shape->bottleneck;
    double tolerance = 1e-5 * (longest > 1000 ? sqrt((double)longest / 1000.0) : 1.0);
    for (size_t i = 0; i < RESULT_COUNT; i++)
        BENCH_TRY(bench_compare_numbers(shape, result_name(i), got->values[i], expected->values[i],
                                        got->counts[i],
                                        scale_of(expected->values[i], expected->counts[i]),
                                        tolerance, error));
    return ADCL_OK;
}

/* A z of nearly 0 at a kink may fall to either side, and then the derivatives differ by far, so
 * such activations are verified by way of gelu, which has none. */
static adcl_activation without_kink(adcl_activation activation)
{
    switch (activation) {
    case ADCL_ACTIVATION_RELU:
    case ADCL_ACTIVATION_RELU6:
    case ADCL_ACTIVATION_LEAKY_RELU:
    case ADCL_ACTIVATION_SELU:
    case ADCL_ACTIVATION_HARD_TANH:
    case ADCL_ACTIVATION_HARD_SIGMOID:
    case ADCL_ACTIVATION_HARD_SILU: return ADCL_ACTIVATION_GELU;
    default: return activation;
    }
}

static adcl_status verify(bench_fixture *f, const bench_shape *shape, adcl_engine engine,
                          results *got, results *expected, adcl_error *error)
{
    size_t units = adcl_context_device(f->ctx)->compute_units;
    size_t most = UNIT_ROWS * (units > 0 ? units : 1);
    size_t rows = shape->rows < most ? shape->rows : most;
    BENCH_TRY(bench_fixture_make(f, shape, rows, without_kink(shape->activation)));
    BENCH_TRY(compute_results(f, engine, got));
    BENCH_TRY(compute_results(f, ADCL_ENGINE_REFERENCE, expected));
    return compare_results(shape, got, expected, error);
}

adcl_status bench_adapter_verify(adcl_context *ctx, const bench_shape *shape, adcl_engine engine,
                                 adcl_error *error)
{
    bench_fixture f = {.ctx = ctx};
    results got = {0};
    results expected = {0};
    *error = (adcl_error){.status = ADCL_OK};
    adcl_status status = verify(&f, shape, engine, &got, &expected, error);
    bench_keep_sentence(ctx, status, error);
    results_free(&got);
    results_free(&expected);
    bench_fixture_free(&f);
    return status;
}
