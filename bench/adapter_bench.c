/* SPDX-License-Identifier: MIT */
#include "bench/adapter_bench.h"

#include <adapter_cl/adapter_cl.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What a shape needs on the device. */
typedef struct fixture {
    adcl_context *ctx;
    adcl_adapter *adapter;
    adcl_workspace *workspace;
    adcl_tensor *x;  /* (N, D) */
    adcl_tensor *y;  /* (N, D) */
    adcl_tensor *dy; /* (N, D) */
    adcl_tensor *dx; /* (N, D) */
} fixture;

#define TRY(call)                                             \
    do {                                                      \
        adcl_status status_of_call = (call);                  \
        if (status_of_call != ADCL_OK) return status_of_call; \
    } while (0)

/* ---- fixture ---------------------------------------------------------------------------------*/

static void fixture_free(fixture *f)
{
    adcl_tensor_destroy(&f->x);
    adcl_tensor_destroy(&f->y);
    adcl_tensor_destroy(&f->dy);
    adcl_tensor_destroy(&f->dx);
    adcl_workspace_destroy(&f->workspace);
    adcl_adapter_destroy(&f->adapter);
}

/* With init bert neither kernel is zero, unlike with the default. */
static adcl_status make_adapter(fixture *f, const bench_shape *shape, adcl_activation activation)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = shape->hidden;
    params.bottleneck_size = shape->bottleneck;
    params.activation = activation;
    params.init = ADCL_INIT_BERT;
    return adcl_adapter_create(&f->adapter, f->ctx, &params);
}

static adcl_status make_workspace(fixture *f, size_t rows, adcl_mode mode, adcl_engine engine)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = rows;
    params.mode = mode;
    params.engine = engine;
    adcl_workspace_destroy(&f->workspace);
    return adcl_workspace_create(&f->workspace, f->ctx, f->adapter, &params);
}

/* A new tensor of numbers in [-1, 1), the same on every machine. */
static adcl_status make_random(fixture *f, adcl_tensor **out, size_t rows, size_t cols)
{
    TRY(adcl_tensor_create(out, f->ctx, ADCL_F32, rows, cols));
    void *data;
    TRY(adcl_tensor_map(f->ctx, *out, ADCL_MAP_WRITE, &data));
    float *values = data;
    size_t stride = adcl_tensor_row_stride(*out);
    uint32_t state = 1;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            state = state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
            values[r * stride + c] = (float)(state >> 8) * 0x1p-23f - 1.0f;
        }
    return adcl_tensor_unmap(f->ctx, *out);
}

static adcl_status make_tensors(fixture *f, size_t rows, size_t hidden)
{
    TRY(make_random(f, &f->x, rows, hidden));
    TRY(make_random(f, &f->dy, rows, hidden));
    TRY(adcl_tensor_create(&f->y, f->ctx, ADCL_F32, rows, hidden));
    return adcl_tensor_create(&f->dx, f->ctx, ADCL_F32, rows, hidden);
}

static adcl_status forward(void *state)
{
    fixture *f = state;
    return adcl_adapter_forward(f->ctx, f->adapter, f->workspace, f->x, f->y);
}

static adcl_status forward_backward(void *state)
{
    fixture *f = state;
    TRY(forward(f));
    return adcl_adapter_backward(f->ctx, f->adapter, f->workspace, f->dy, f->dx);
}

/* The sentence of a failed call, which the context keeps only until its next call. */
static adcl_status keep_sentence(const fixture *f, adcl_status status, adcl_error *error)
{
    if (status != ADCL_OK && error->status == ADCL_OK) *error = *adcl_context_error(f->ctx);
    return status;
}

/* ---- verifying -------------------------------------------------------------------------------*/

#define VERIFY_ROWS 33
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

static const adcl_tensor *result_tensor(const fixture *f, size_t index)
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

static adcl_status compute_results(fixture *f, adcl_engine engine, results *out)
{
    TRY(make_workspace(f, VERIFY_ROWS, ADCL_TRAINING, engine));
    TRY(adcl_adapter_zero_grad(f->ctx, f->adapter));
    TRY(forward_backward(f));
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        const adcl_tensor *tensor = result_tensor(f, i);
        out->counts[i] = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
        size_t bytes = out->counts[i] * sizeof(float);
        out->values[i] = malloc(bytes);
        if (out->values[i] == NULL) return ADCL_ERR_OUT_OF_HOST_MEMORY;
        TRY(adcl_tensor_read(f->ctx, tensor, out->values[i], bytes));
    }
    return ADCL_OK;
}

/* Sums of K products of f32 numbers differ from the reference's, which are in double, by about
 * sqrt(K) roundings of 6e-8 of the largest partial sum; these stay below 100 at the shapes that are
 * measured, so 1e-5 holds up to K = 1000 and grows from there. */
static adcl_status compare_results(const bench_shape *shape, const results *got,
                                   const results *expected, adcl_error *error)
{
    size_t longest = shape->hidden > shape->bottleneck ? shape->hidden : shape->bottleneck;
    double tolerance = 1e-5 * (longest > 1000 ? sqrt((double)longest / 1000.0) : 1.0);
    for (size_t i = 0; i < RESULT_COUNT; i++)
        for (size_t k = 0; k < got->counts[i]; k++) {
            double reference = (double)expected->values[i][k];
            double difference = fabs((double)got->values[i][k] - reference);
            if (difference <= tolerance * (1.0 + fabs(reference))) continue;
            error->status = ADCL_ERR_INVALID_STATE;
            snprintf(error->message, sizeof error->message,
                     "hidden %zu, bottleneck %zu: %s differs from the reference engine: element "
                     "%zu is %.9g, expected %.9g",
                     shape->hidden, shape->bottleneck, result_name(i), k, (double)got->values[i][k],
                     reference);
            return error->status;
        }
    return ADCL_OK;
}

/* gelu, for it has no kink: a z of nearly 0 gives both engines nearly the same derivative. */
static adcl_status verify(fixture *f, const bench_shape *shape, results *got, results *expected,
                          adcl_error *error)
{
    TRY(make_adapter(f, shape, ADCL_ACTIVATION_GELU));
    TRY(make_tensors(f, VERIFY_ROWS, shape->hidden));
    TRY(compute_results(f, ADCL_ENGINE_REFERENCE, expected));
    TRY(compute_results(f, ADCL_ENGINE_AUTO, got));
    return compare_results(shape, got, expected, error);
}

adcl_status bench_adapter_verify(adcl_context *ctx, const bench_shape *shape, adcl_error *error)
{
    fixture f = {.ctx = ctx};
    results got = {0};
    results expected = {0};
    *error = (adcl_error){.status = ADCL_OK};
    adcl_status status = keep_sentence(&f, verify(&f, shape, &got, &expected, error), error);
    results_free(&got);
    results_free(&expected);
    fixture_free(&f);
    return status;
}

/* ---- measuring -------------------------------------------------------------------------------*/

static double flop_count(const bench_shape *s, int backward)
{
    return (backward ? 12.0 : 4.0) * (double)s->rows * (double)s->hidden * (double)s->bottleneck;
}

static double byte_count(const bench_shape *s, const adcl_adapter *adapter, int backward)
{
    double x = 4.0 * (double)s->rows * (double)s->hidden;
    double z = 4.0 * (double)s->rows * (double)s->bottleneck;
    double parameters = 4.0 * (double)adcl_adapter_parameter_count(adapter);
    return backward ? 5.0 * x + 2.0 * z + 4.0 * parameters : 2.0 * x + parameters;
}

static adcl_status measure(fixture *f, const bench_shape *shape, int backward, bench_row *out)
{
    adcl_mode mode = backward ? ADCL_TRAINING : ADCL_INFERENCE;
    TRY(make_workspace(f, shape->rows, mode, ADCL_ENGINE_AUTO));
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = shape->rows;
    params.mode = mode;
    *out = (bench_row){
        .shape = *shape,
        .pass = backward ? "forward_backward" : "forward",
        .engine = adcl_engine_name(adcl_workspace_engine(f->workspace)),
    };
    TRY(adcl_workspace_bytes(f->ctx, f->adapter, &params, &out->workspace_bytes));
    TRY(bench_measure(f->ctx, backward ? forward_backward : forward, f, &out->timing));
    double seconds = 1e-3 * out->timing.median_ms;
    out->gflops = 1e-9 * flop_count(shape, backward) / seconds;
    out->gbs = 1e-9 * byte_count(shape, f->adapter, backward) / seconds;
    return ADCL_OK;
}

static adcl_status run(fixture *f, const bench_shape *shape, bench_row rows[BENCH_ADAPTER_PASSES])
{
    TRY(make_adapter(f, shape, ADCL_ACTIVATION_RELU));
    TRY(make_tensors(f, shape->rows, shape->hidden));
    for (int pass = 0; pass < BENCH_ADAPTER_PASSES; pass++)
        TRY(measure(f, shape, pass, &rows[pass]));
    return ADCL_OK;
}

adcl_status bench_adapter_run(adcl_context *ctx, const bench_shape *shape,
                              bench_row rows[BENCH_ADAPTER_PASSES], adcl_error *error)
{
    fixture f = {.ctx = ctx};
    *error = (adcl_error){.status = ADCL_OK};
    adcl_status status = keep_sentence(&f, run(&f, shape, rows), error);
    fixture_free(&f);
    return status;
}
