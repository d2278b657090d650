/* SPDX-License-Identifier: MIT */
/* linear.c – the dense layer y = x·K + b, by the engines `gemm` and `fused` on the device or by
 * `reference` on the host. Kernel and bias lie in one buffer, as do their gradients, so that an optimizer can take
 * both with one launch. */
#include <adapter_cl/linear.h>

#include "adapter/host_matrix.h"
#include "base/random.h"
#include "base/size.h"
#include "ops/elementwise.h"
#include "ops/fused_cpu.h"
#include "ops/gemm.h"
#include "ops/reduce.h"
#include "reference/reference.h"
#include "train/linear.h"

#include <stdlib.h>

/* What the engine `reference` computes in, in double. */
typedef struct host_matrices {
    double *x, *dx;  /* (max_rows, D) */
    double *y;       /* (max_rows, C); backward has dy in it */
    double *kernel, *kernel_gradient; /* (D, C) */
    double *bias, *bias_gradient;     /* (1, C) */
} host_matrices;

struct adcl_linear {
    size_t input_size;  /* D */
    size_t output_size; /* C */
    size_t max_rows;
    adcl_engine engine; /* GEMM, FUSED or REFERENCE */
    bool borrows;       /* its parameters are somebody else's */
    adcl_tensor *kernel, *kernel_gradient; /* (D, C) */
    adcl_tensor *bias, *bias_gradient;     /* (1, C) */
    cl_mem products;    /* engine gemm: CLBlast's scratch; NULL if it never needs any */
    cl_mem sums;        /* engine gemm: scratch of the column sum */
    adcl__fused_cpu to_outputs, to_inputs; /* engine fused: products of C columns and of D columns */
    adcl_tensor *kernel_t; /* engine fused: a packed (C, D) */
    adcl_tensor *rooms;    /* engine fused: of the gradients */
    host_matrices host; /* engine reference */
};

/* ---- making and destroying ------------------------------------------------------------------- */

static adcl_status read_linear_params(adcl_context *ctx, const adcl_linear_params *given,
                                      adcl_linear_params *p)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    *p = (adcl_linear_params)ADCL_LINEAR_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_linear_params", p, sizeof *p, given));
    if (p->input_size == 0 || p->output_size == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "linear: expected input_size and output_size of at least 1, got %zu and "
                          "%zu", p->input_size, p->output_size);
    if (p->max_rows == 0 || p->max_rows > INT32_MAX)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "linear max_rows: expected 1 to %d, got %zu", INT32_MAX, p->max_rows);
    size_t count;
    if (!adcl__size_mul(p->input_size, p->output_size, &count) ||
        !adcl__size_add(count, p->output_size, &count) || count > INT32_MAX)
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "linear: a kernel of input_size %zu × output_size %zu is too large",
                          p->input_size, p->output_size);
    ADCL_TRY(adcl__engine_resolve(ctx, p->engine, &p->engine));
    bool has_kernels = ctx->fused_plan == ADCL_FUSED_PLAN_CPU;
    if (p->engine == ADCL_ENGINE_FUSED && !has_kernels) p->engine = ADCL_ENGINE_GEMM;
    return ADCL_OK;
}

/* A kernel (D, C) and a bias (1, C) of zeros, one behind the other in one buffer. */
static adcl_status make_pair(adcl_context *ctx, const adcl_linear *l, adcl_tensor **kernel,
                             adcl_tensor **bias)
{
    size_t kernel_count = l->input_size * l->output_size;
    adcl_tensor *storage = NULL;
    ADCL_TRY(adcl_tensor_create(&storage, ctx, ADCL_F32, 1, kernel_count + l->output_size));
    adcl_status status =
        adcl__tensor_part(kernel, ctx, storage, 0, l->input_size, l->output_size);
    if (status == ADCL_OK)
        status = adcl__tensor_part(bias, ctx, storage, kernel_count, 1, l->output_size);
    adcl_tensor_destroy(&storage); /* its parts keep the memory */
    return status;
}

static adcl_status initialise(adcl_context *ctx, adcl_linear *l, uint64_t seed)
{
    size_t count = l->input_size * l->output_size;
    float *numbers = malloc(count * sizeof *numbers);
    if (numbers == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "linear: no memory for it");
    adcl__random_fill_glorot(seed, ADCL__STREAM_LINEAR_KERNEL, l->input_size, l->output_size,
                             numbers, count);
    adcl_status status = adcl_tensor_write(ctx, l->kernel, numbers, count * sizeof *numbers);
    free(numbers);
    return status;
}

static adcl_status make_fused_scratch(adcl_context *ctx, adcl_linear *l)
{
    l->to_outputs = adcl__fused_cpu_describe(ctx, ADCL_ACTIVATION_LINEAR, l->output_size, 0, false,
                                             ADCL__FUSED_PRODUCTS);
    l->to_inputs = adcl__fused_cpu_describe(ctx, ADCL_ACTIVATION_LINEAR, l->input_size, 0, false,
                                            ADCL__FUSED_PRODUCTS);
    size_t packed = adcl__fused_cpu_packed(&l->to_inputs, l->output_size, l->input_size);
    size_t rooms = adcl__fused_cpu_rooms(&l->to_outputs, l->max_rows);
    ADCL_TRY(adcl_tensor_create(&l->kernel_t, ctx, ADCL_F32, 1, packed));
    return rooms == 0 ? ADCL_OK : adcl_tensor_create(&l->rooms, ctx, ADCL_F32, 1, rooms);
}

static adcl_status make_gemm_scratch(adcl_context *ctx, adcl_linear *l)
{
    size_t rows = l->max_rows, d = l->input_size, c = l->output_size, bytes;
    const adcl__gemm_shape products[] = {
        {false, false, rows, c, d}, /* y = x·K */
        {true, false, d, c, rows},  /* dK += xᵀ·dy */
        {false, true, rows, d, c},  /* dx = dy·Kᵀ */
    };
    ADCL_TRY(adcl__gemm_scratch_most(ctx, products, sizeof products / sizeof products[0], &bytes));
    if (bytes > 0) ADCL_TRY(adcl__buffer_create(ctx, bytes, NULL, &l->products));
    return adcl__buffer_create(ctx, adcl__colsum_scratch(c) * sizeof(float), NULL, &l->sums);
}

static adcl_status make_host_matrices(adcl_context *ctx, adcl_linear *l)
{
    size_t kernel_count = l->input_size * l->output_size, x_count, y_count;
    host_matrices *h = &l->host;
    bool made = adcl__size_mul(l->max_rows, l->input_size, &x_count) &&
                adcl__size_mul(l->max_rows, l->output_size, &y_count) &&
                (h->x = calloc(x_count, sizeof(double))) != NULL &&
                (h->dx = calloc(x_count, sizeof(double))) != NULL &&
                (h->y = calloc(y_count, sizeof(double))) != NULL &&
                (h->kernel = calloc(kernel_count, sizeof(double))) != NULL &&
                (h->kernel_gradient = calloc(kernel_count, sizeof(double))) != NULL &&
                (h->bias = calloc(l->output_size, sizeof(double))) != NULL &&
                (h->bias_gradient = calloc(l->output_size, sizeof(double))) != NULL;
    if (!made)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                          "linear: no host memory for %zu rows of engine reference", l->max_rows);
    return ADCL_OK;
}

/* One pass over `rows` rows of zeros. The bias is still zero, so y and with it every gradient is:
 * nothing changes. */
static adcl_status warm_up_rows(adcl_context *ctx, adcl_linear *l, const adcl_tensor *x,
                                const adcl_tensor *y, adcl_tensor *dx, size_t rows)
{
    adcl_tensor x_head = adcl__tensor_head(x, rows), y_head = adcl__tensor_head(y, rows);
    adcl_tensor dx_head = adcl__tensor_head(dx, rows);
    ADCL_TRY(adcl_linear_forward(ctx, l, &x_head, &y_head));
    return adcl_linear_backward(ctx, l, &x_head, &y_head, &dx_head);
}

/* Launches everything once: drivers compile a kernel at its first launch. CLBlast has one kernel
 * for small products and others for large ones, so both ends of the sizes are run. */
static adcl_status warm_up(adcl_context *ctx, adcl_linear *l)
{
    adcl_tensor *x = NULL, *y = NULL, *dx = NULL;
    adcl_status status = adcl_tensor_create(&x, ctx, ADCL_F32, l->max_rows, l->input_size);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&y, ctx, ADCL_F32, l->max_rows, l->output_size);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&dx, ctx, ADCL_F32, l->max_rows, l->input_size);
    if (status == ADCL_OK) status = warm_up_rows(ctx, l, x, y, dx, l->max_rows);
    if (status == ADCL_OK) status = warm_up_rows(ctx, l, x, y, dx, 1);
    if (status == ADCL_OK) status = adcl__finish(ctx);
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    adcl_tensor_destroy(&dx);
    return status;
}

static adcl_status build(adcl_context *ctx, adcl_linear *l, uint64_t seed)
{
    ADCL_TRY(make_pair(ctx, l, &l->kernel, &l->bias));
    ADCL_TRY(make_pair(ctx, l, &l->kernel_gradient, &l->bias_gradient));
    ADCL_TRY(initialise(ctx, l, seed));
    switch (l->engine) {
    case ADCL_ENGINE_REFERENCE: ADCL_TRY(make_host_matrices(ctx, l)); break;
    case ADCL_ENGINE_FUSED: ADCL_TRY(make_fused_scratch(ctx, l)); break;
    default: ADCL_TRY(make_gemm_scratch(ctx, l));
    }
    return warm_up(ctx, l);
}

adcl_status adcl_linear_create(adcl_linear **out, adcl_context *ctx,
                               const adcl_linear_params *given)
{
    if (out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "linear: expected a place for the result, got NULL");
    *out = NULL;
    adcl_linear_params p;
    ADCL_TRY(read_linear_params(ctx, given, &p));
    adcl_linear *l = calloc(1, sizeof *l);
    if (l == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "linear: no memory for it");
    l->input_size = p.input_size;
    l->output_size = p.output_size;
    l->max_rows = p.max_rows;
    l->engine = p.engine;
    adcl_status status = build(ctx, l, p.seed);
    if (status != ADCL_OK) {
        adcl_linear_destroy(&l);
        return status;
    }
    *out = l;
    return ADCL_OK;
}

static void free_host_matrices(host_matrices *h)
{
    free(h->x);
    free(h->dx);
    free(h->y);
    free(h->kernel);
    free(h->kernel_gradient);
    free(h->bias);
    free(h->bias_gradient);
}

static void drop_parameters(adcl_linear *l)
{
    if (l->borrows) return;
    adcl_tensor_destroy(&l->kernel);
    adcl_tensor_destroy(&l->kernel_gradient);
    adcl_tensor_destroy(&l->bias);
    adcl_tensor_destroy(&l->bias_gradient);
}

void adcl__linear_use(adcl_linear *linear, adcl_tensor *kernel, adcl_tensor *bias,
                      adcl_tensor *kernel_gradient, adcl_tensor *bias_gradient)
{
    drop_parameters(linear);
    linear->borrows = true;
    linear->kernel = kernel;
    linear->bias = bias;
    linear->kernel_gradient = kernel_gradient;
    linear->bias_gradient = bias_gradient;
}

void adcl_linear_destroy(adcl_linear **linear)
{
    if (linear == NULL || *linear == NULL) return;
    adcl_linear *l = *linear;
    drop_parameters(l);
    adcl_tensor_destroy(&l->kernel_t);
    adcl_tensor_destroy(&l->rooms);
    if (l->products != NULL) clReleaseMemObject(l->products);
    if (l->sums != NULL) clReleaseMemObject(l->sums);
    free_host_matrices(&l->host);
    free(l);
    *linear = NULL;
}

/* ---- asking ---------------------------------------------------------------------------------- */

adcl_tensor *adcl_linear_kernel(const adcl_linear *linear)
{
    return linear == NULL ? NULL : linear->kernel;
}

adcl_tensor *adcl_linear_bias(const adcl_linear *linear)
{
    return linear == NULL ? NULL : linear->bias;
}

adcl_tensor *adcl_linear_kernel_gradient(const adcl_linear *linear)
{
    return linear == NULL ? NULL : linear->kernel_gradient;
}

adcl_tensor *adcl_linear_bias_gradient(const adcl_linear *linear)
{
    return linear == NULL ? NULL : linear->bias_gradient;
}

/* ---- engine gemm ----------------------------------------------------------------------------- */

static adcl_status gemm_forward(adcl_context *ctx, const adcl_linear *l, const adcl_tensor *x,
                                adcl_tensor *y)
{
    ADCL_TRY(adcl__residual_forward(ctx, NULL, l->bias, 1.0f, y));
    return adcl__gemm_run(ctx, &(adcl__gemm){.alpha = 1.0f, .beta = 1.0f, .a = x, .b = l->kernel,
                                             .c = y, .scratch = l->products});
}

static adcl_status gemm_backward(adcl_context *ctx, const adcl_linear *l, const adcl_tensor *x,
                                 const adcl_tensor *dy, adcl_tensor *dx)
{
    ADCL_TRY(adcl__colsum(ctx, dy, 1.0f, l->sums, l->bias_gradient));
    ADCL_TRY(adcl__gemm_run(ctx, &(adcl__gemm){.transpose_a = true, .alpha = 1.0f, .beta = 1.0f,
                                               .a = x, .b = dy, .c = l->kernel_gradient,
                                               .scratch = l->products}));
    if (dx == NULL) return ADCL_OK;
    return adcl__gemm_run(ctx, &(adcl__gemm){.transpose_b = true, .alpha = 1.0f, .a = dy,
                                             .b = l->kernel, .c = dx, .scratch = l->products});
}

/* ---- engine fused ---------------------------------------------------------------------------- */

static adcl_status fused_forward(adcl_context *ctx, const adcl_linear *l, const adcl_tensor *x,
                                 adcl_tensor *y)
{
    return adcl__fused_cpu_product(ctx, &l->to_outputs, x, l->kernel, l->bias, y);
}

static adcl_status fused_backward(adcl_context *ctx, const adcl_linear *l, const adcl_tensor *x,
                                  const adcl_tensor *dy, adcl_tensor *dx)
{
    ADCL_TRY(adcl__fused_cpu_product_gradients(ctx, &l->to_outputs, x, dy, l->rooms,
                                               l->kernel_gradient, l->bias_gradient));
    if (dx == NULL) return ADCL_OK;
    return adcl__fused_cpu_product_back(ctx, &l->to_inputs, dy, l->kernel, l->kernel_t, dx);
}

/* ---- engine reference ------------------------------------------------------------------------ */

/* The layer with its parameters as they are on the device now. */
static adcl_status read_layer(adcl_context *ctx, const adcl_linear *l, adcl__reference_linear *out)
{
    const host_matrices *h = &l->host;
    *out = (adcl__reference_linear){
        .input_size = l->input_size,
        .output_size = l->output_size,
        .kernel = h->kernel,
        .bias = h->bias,
        .kernel_gradient = h->kernel_gradient,
        .bias_gradient = h->bias_gradient,
    };
    ADCL_TRY(adcl__matrix_to_host(ctx, l->kernel, h->kernel));
    return adcl__matrix_to_host(ctx, l->bias, h->bias);
}

static adcl_status reference_forward(adcl_context *ctx, const adcl_linear *l, const adcl_tensor *x,
                                     adcl_tensor *y)
{
    adcl__reference_linear layer;
    ADCL_TRY(read_layer(ctx, l, &layer));
    ADCL_TRY(adcl__matrix_to_host(ctx, x, l->host.x));
    adcl__reference_linear_forward(&layer, x->rows, l->host.x, l->host.y);
    return adcl__matrix_from_host(ctx, l->host.y, y);
}

/* Gradients are added to what the device has, in double. */
static adcl_status reference_backward(adcl_context *ctx, const adcl_linear *l, const adcl_tensor *x,
                                      const adcl_tensor *dy, adcl_tensor *dx)
{
    const host_matrices *h = &l->host;
    adcl__reference_linear layer;
    ADCL_TRY(read_layer(ctx, l, &layer));
    ADCL_TRY(adcl__matrix_to_host(ctx, x, h->x));
    ADCL_TRY(adcl__matrix_to_host(ctx, dy, h->y));
    ADCL_TRY(adcl__matrix_to_host(ctx, l->kernel_gradient, h->kernel_gradient));
    ADCL_TRY(adcl__matrix_to_host(ctx, l->bias_gradient, h->bias_gradient));
    adcl__reference_linear_backward(&layer, x->rows, h->x, h->y, dx != NULL ? h->dx : NULL);
    ADCL_TRY(adcl__matrix_from_host(ctx, h->kernel_gradient, l->kernel_gradient));
    ADCL_TRY(adcl__matrix_from_host(ctx, h->bias_gradient, l->bias_gradient));
    return dx == NULL ? ADCL_OK : adcl__matrix_from_host(ctx, h->dx, dx);
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* x (N, D) with N <= max_rows, and `y` (N, C), which is called `y_name`. */
static adcl_status check_pass(adcl_context *ctx, const adcl_linear *l, const adcl_tensor *x,
                              const char *y_name, const adcl_tensor *y)
{
    if (ctx == NULL || l == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "linear: expected a context and a layer, got NULL");
    if (l->kernel->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "linear: expected a layer of this context or of one it shares with, got "
                          "one of another");
    ADCL_TRY(adcl__check_tensor(ctx, "linear: x", x, ADCL_F32));
    ADCL_TRY(adcl__check_shape(ctx, "linear: x", x, ADCL_F32, x->rows, l->input_size));
    if (x->rows > l->max_rows)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "linear: x: expected at most %zu rows (max_rows), got %zu", l->max_rows,
                          x->rows);
    return adcl__check_shape(ctx, y_name, y, ADCL_F32, x->rows, l->output_size);
}

adcl_status adcl_linear_forward(adcl_context *ctx, adcl_linear *l, const adcl_tensor *x,
                                adcl_tensor *y)
{
    ADCL_TRY(check_pass(ctx, l, x, "linear: y", y));
    if (adcl__tensors_overlap(x, y))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0, "linear: x and y overlap");
    if (x->rows == 0) return ADCL_OK;
    switch (l->engine) {
    case ADCL_ENGINE_REFERENCE: return reference_forward(ctx, l, x, y);
    case ADCL_ENGINE_FUSED: return fused_forward(ctx, l, x, y);
    default: return gemm_forward(ctx, l, x, y);
    }
}

adcl_status adcl_linear_backward(adcl_context *ctx, adcl_linear *l, const adcl_tensor *x,
                                 const adcl_tensor *dy, adcl_tensor *dx)
{
    ADCL_TRY(check_pass(ctx, l, x, "linear: dy", dy));
    if (dx != NULL) {
        ADCL_TRY(adcl__check_shape(ctx, "linear: dx", dx, ADCL_F32, x->rows, l->input_size));
        if (adcl__tensors_overlap(dx, x) || adcl__tensors_overlap(dx, dy))
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0, "linear: dx overlaps x or dy");
    }
    if (x->rows == 0) return ADCL_OK;
    switch (l->engine) {
    case ADCL_ENGINE_REFERENCE: return reference_backward(ctx, l, x, dy, dx);
    case ADCL_ENGINE_FUSED: return fused_backward(ctx, l, x, dy, dx);
    default: return gemm_backward(ctx, l, x, dy, dx);
    }
}
