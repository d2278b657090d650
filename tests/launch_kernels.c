/* SPDX-License-Identifier: MIT */
/* launch_kernels.c – launches every kernel of cl/ with awkward sizes, for a simulated device that watches
 * each access, and prints the kernels' names. Matrices are strided, begin inside their buffer and end
 * with it, so that one element too far is outside. No results are checked here: the tests do that. */
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/fused_gpu.h"
#include "ops/layer_norm.h"
#include "ops/packed.h"
#include "ops/reduce.h"
#include "ops/sequence.h"
#include "runtime/program.h"

#include <adapter_cl/adapter_cl.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 5, HIDDEN = 7, BOTTLENECK = 3, CLASSES = 3, MANY_ROWS = 300 };
enum { OFFSET = 3, GAP = 2 };

/* Zeros of (rows, cols) that begin OFFSET elements into a buffer, with GAP elements between rows. */
static adcl_status make(adcl_context *ctx, adcl_dtype dtype, size_t rows, size_t cols,
                        adcl_tensor **out)
{
    size_t stride = cols + GAP;
    adcl_tensor *memory = NULL;
    ADCL_TRY(adcl_tensor_create(&memory, ctx, dtype, 1, OFFSET + (rows - 1) * stride + cols));
    adcl_status status = adcl_tensor_wrap_cl(out, ctx, dtype, adcl_tensor_cl_mem(memory), OFFSET,
                                             rows, cols, stride);
    adcl_tensor_destroy(&memory);
    return status;
}

/* ---- calls that oclgrind misunderstands --------------------------------------------------------*/

/* oclgrind 21.10 does not know that these two initialise memory, but knows it of clEnqueueWriteBuffer:
 * in this program they are made of that. The library uses neither's events. */

/* The library fills with zeros only. */
cl_int CL_API_CALL clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern,
                                       size_t pattern_size, size_t offset, size_t size,
                                       cl_uint count, const cl_event *waits, cl_event *event)
{
    (void)pattern, (void)pattern_size;
    void *zeros = calloc(size, 1);
    if (zeros == NULL) return CL_OUT_OF_HOST_MEMORY;
    cl_int code =
        clEnqueueWriteBuffer(queue, buffer, CL_TRUE, offset, size, zeros, count, waits, event);
    free(zeros);
    return code;
}

/* The library's rectangles are matrices: one slice of rows. */
cl_int CL_API_CALL clEnqueueWriteBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                                            const size_t *origin, const size_t *host_origin,
                                            const size_t *region, size_t row_pitch,
                                            size_t slice_pitch, size_t host_row_pitch,
                                            size_t host_slice_pitch, const void *host,
                                            cl_uint count, const cl_event *waits, cl_event *event)
{
    (void)host_origin, (void)slice_pitch, (void)host_slice_pitch;
    cl_int code = CL_SUCCESS;
    for (size_t r = 0; r < region[1] && code == CL_SUCCESS; r++)
        code = clEnqueueWriteBuffer(queue, buffer, blocking,
                                    (origin[1] + r) * row_pitch + origin[0], region[0],
                                    (const char *)host + r * host_row_pitch, count, waits, event);
    return code;
}

/* ---- what is launched -------------------------------------------------------------------------*/

static adcl_status move_numbers(adcl_context *ctx)
{
    adcl_tensor *source = NULL, *destination = NULL, *indices = NULL;
    adcl_status status = make(ctx, ADCL_F32, ROWS, HIDDEN, &source);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, ROWS, HIDDEN, &destination);
    if (status == ADCL_OK) status = make(ctx, ADCL_I32, ROWS, 1, &indices);
    if (status == ADCL_OK) status = adcl_tensor_fill(ctx, indices, (float)ROWS); /* outside */
    if (status == ADCL_OK) status = adcl_tensor_copy(ctx, source, destination);
    if (status == ADCL_OK) status = adcl_tensor_gather_rows(ctx, source, indices, destination);
    adcl_tensor_destroy(&indices);
    adcl_tensor_destroy(&destination);
    adcl_tensor_destroy(&source);
    return status;
}

static adcl_status activate(adcl_context *ctx, adcl_activation activation)
{
    size_t width = adcl_activation_width(activation, BOTTLENECK);
    adcl_tensor *z = NULL, *bias = NULL, *h = NULL, *dz = NULL;
    adcl_status status = make(ctx, ADCL_F32, ROWS, BOTTLENECK, &z);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, 1, BOTTLENECK, &bias);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, ROWS, width, &h);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, ROWS, BOTTLENECK, &dz);
    if (status == ADCL_OK) status = adcl__activation_forward(ctx, activation, z, bias, h);
    if (status == ADCL_OK) status = adcl__activation_backward(ctx, activation, z, h, dz, h);
    adcl_tensor_destroy(&dz);
    adcl_tensor_destroy(&h);
    adcl_tensor_destroy(&bias);
    adcl_tensor_destroy(&z);
    return status;
}

static adcl_status activate_all(adcl_context *ctx)
{
    for (int activation = 0; activation < ADCL_ACTIVATION_COUNT; activation++)
        ADCL_TRY(activate(ctx, (adcl_activation)activation));
    return ADCL_OK;
}

static adcl_status mix(adcl_context *ctx)
{
    const adcl__dropout_mask mask = {.seed = 1, .step = 2, .threshold = 1u << 30, .keep_scale = 2.0f};
    adcl_tensor *x = NULL, *bias = NULL, *y = NULL;
    adcl_status status = make(ctx, ADCL_F32, ROWS, HIDDEN, &x);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, 1, HIDDEN, &bias);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, ROWS, HIDDEN, &y);
    if (status == ADCL_OK) status = adcl__residual_forward(ctx, x, bias, 0.5f, y);
    if (status == ADCL_OK) status = adcl__residual_forward(ctx, NULL, bias, 0.5f, y);
    if (status == ADCL_OK) status = adcl__dropout_forward(ctx, x, bias, 0.5f, &mask, y);
    if (status == ADCL_OK) status = adcl__dropout_backward(ctx, y, &mask, x);
    adcl_tensor_destroy(&y);
    adcl_tensor_destroy(&bias);
    adcl_tensor_destroy(&x);
    return status;
}

/* ---- whole passes -----------------------------------------------------------------------------*/

typedef struct pass_size {
    adcl_fused_plan plan;
    unsigned vector_width; /* that the device is to claim */
    size_t rows, hidden_size, bottleneck_size;
    adcl_activation activation;
    float dropout;
} pass_size;

/* A training pass of an adapter whose parameters are strided, too. */
static adcl_status pass_through(adcl_context *ctx, const pass_size *size, const adcl_adapter *adapter)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = size->rows;
    params.mode = ADCL_TRAINING;
    params.engine = ADCL_ENGINE_FUSED;
    adcl_workspace *workspace = NULL;
    adcl_tensor *x = NULL, *y = NULL, *dx = NULL;
    adcl_status status = adcl_workspace_create(&workspace, ctx, adapter, &params);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, size->rows, size->hidden_size, &x);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, size->rows, size->hidden_size, &y);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, size->rows, size->hidden_size, &dx);
    if (status == ADCL_OK) status = adcl_adapter_forward(ctx, adapter, workspace, x, y);
    if (status == ADCL_OK) status = adcl_adapter_backward(ctx, adapter, workspace, y, dx);
    if (status == ADCL_OK) status = adcl_adapter_backward(ctx, adapter, workspace, y, y);
    adcl_tensor_destroy(&dx);
    adcl_tensor_destroy(&y);
    adcl_tensor_destroy(&x);
    adcl_workspace_destroy(&workspace);
    return status;
}

static adcl_status fuse(adcl_context *ctx, const pass_size *size)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = size->hidden_size;
    params.bottleneck_size = size->bottleneck_size;
    params.activation = size->activation;
    params.dropout = size->dropout;
    size_t d = size->hidden_size, r = size->bottleneck_size;
    const size_t shapes[ADCL_ADAPTER_SLOT_COUNT][2] = {
        {d, r}, {1, r}, {adcl_activation_width(size->activation, r), d}, {1, d}};
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT] = {NULL};
    adcl_tensor *gradients[ADCL_ADAPTER_SLOT_COUNT] = {NULL};
    adcl_adapter *adapter = NULL;
    adcl_status status = ADCL_OK;
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT && status == ADCL_OK; slot++) {
        status = make(ctx, ADCL_F32, shapes[slot][0], shapes[slot][1], &values[slot]);
        if (status == ADCL_OK)
            status = make(ctx, ADCL_F32, shapes[slot][0], shapes[slot][1], &gradients[slot]);
    }
    if (status == ADCL_OK) status = adcl_adapter_block(&adapter, ctx, &params, values, gradients);
    if (status == ADCL_OK) status = pass_through(ctx, size, adapter);
    adcl_adapter_destroy(&adapter);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        adcl_tensor_destroy(&gradients[slot]);
        adcl_tensor_destroy(&values[slot]);
    }
    return status;
}

/* The CPU plan, whatever the device is: few rows and many, in one launch and in parts; last panels of
 * every make: of whole vectors, with half a vector, with one shifted, of single floats. */
static adcl_status fuse_cpu(adcl_context *ctx)
{
    static const pass_size sizes[] = {
        {ADCL_FUSED_PLAN_CPU, 16, 27, 77, 24, ADCL_ACTIVATION_GELU, 0.5f},
        {ADCL_FUSED_PLAN_CPU, 16, 3, 71, 32, ADCL_ACTIVATION_GELU, 0.0f},
        {ADCL_FUSED_PLAN_CPU, 8, 27, 29, 11, ADCL_ACTIVATION_SOFTMAX, 0.0f},
        {ADCL_FUSED_PLAN_CPU, 4, 27, 9, 7, ADCL_ACTIVATION_LOG_SUMEXP, 0.5f},
        {ADCL_FUSED_PLAN_CPU, 16, 3, 5, 3, ADCL_ACTIVATION_LOG_SUMEXP, 0.0f},
        {ADCL_FUSED_PLAN_CPU, 8, 257, 29, 11, ADCL_ACTIVATION_RELU, 0.5f},
    };
    adcl__family *device = ctx->family;
    unsigned units = device->info.compute_units, vector_width = device->vector_width;
    adcl_fused_plan plan = ctx->fused_plan;
    adcl_status status = ADCL_OK;
    device->info.compute_units = 2; /* so that 27 rows are many, and kernels packed for 257 */
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && status == ADCL_OK; i++) {
        ctx->fused_plan = sizes[i].plan;
        device->vector_width = sizes[i].vector_width;
        status = fuse(ctx, &sizes[i]);
    }
    device->info.compute_units = units;
    device->vector_width = vector_width;
    ctx->fused_plan = plan;
    return status;
}

/* ---- passes of the GPU plan -------------------------------------------------------------------*/

typedef struct gpu_pass {
    size_t rows, bottleneck_size;
    adcl_activation activation;
    const adcl__dropout_mask *mask;
} gpu_pass;

/* Forward, and backward with dx apart from dy and in its place. */
static adcl_status run_gpu_pass(adcl_context *ctx, const adcl__fused_gpu *pass, size_t rows)
{
    adcl_tensor *x = NULL, *y = NULL, *dx = NULL;
    adcl_status status = make(ctx, ADCL_F32, rows, HIDDEN, &x);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, rows, HIDDEN, &y);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, rows, HIDDEN, &dx);
    if (status == ADCL_OK) status = adcl__fused_gpu_forward(ctx, pass, x, y);
    if (status == ADCL_OK) status = adcl__fused_gpu_backward(ctx, pass, x, y, dx);
    if (status == ADCL_OK) status = adcl__fused_gpu_backward(ctx, pass, x, y, y);
    adcl_tensor_destroy(&dx);
    adcl_tensor_destroy(&y);
    adcl_tensor_destroy(&x);
    return status;
}

/* A pass on tiles of 16 × 16, which the library has none of: the simulation is slow. */
static adcl_status fuse_on_gpu(adcl_context *ctx, const gpu_pass *size)
{
    const adcl__gpu_tile tile = {2, 16, 16, 4, 4}, none = {.cols = 0};
    size_t rows = size->rows, r = size->bottleneck_size;
    size_t width = adcl_activation_width(size->activation, r);
    const size_t shapes[ADCL_ADAPTER_SLOT_COUNT][2] = {
        {HIDDEN, r}, {1, r}, {width, HIDDEN}, {1, HIDDEN}};
    adcl__fused_gpu pass = {.tiles = {r <= tile.cols ? tile : none, tile, tile},
                            .activation = size->activation,
                            .scaling = 0.5f,
                            .training = true,
                            .mask = size->mask};
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT] = {NULL}, *sums = NULL;
    adcl_tensor *z = NULL, *h = NULL, *dz = NULL;
    adcl_status status = make(ctx, ADCL_F32, rows, r, &z);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, rows, width, &h);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, rows, r, &dz);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&sums, ctx, ADCL_F32, 1,
                                    1 + adcl__fused_gpu_sums(rows, HIDDEN, r, width));
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT && status == ADCL_OK; slot++) {
        status = make(ctx, ADCL_F32, shapes[slot][0], shapes[slot][1], &values[slot]);
        if (status == ADCL_OK)
            status = make(ctx, ADCL_F32, shapes[slot][0], shapes[slot][1], &pass.gradients[slot]);
        pass.values[slot] = values[slot];
    }
    pass.z = z;
    pass.h = h;
    pass.dz = dz;
    if (status == ADCL_OK) {
        pass.sums = adcl_tensor_cl_mem(sums);
        status = run_gpu_pass(ctx, &pass, rows);
    }
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        adcl_tensor_destroy(&pass.gradients[slot]);
        adcl_tensor_destroy(&values[slot]);
    }
    adcl_tensor_destroy(&sums);
    adcl_tensor_destroy(&dz);
    adcl_tensor_destroy(&h);
    adcl_tensor_destroy(&z);
    return status;
}

/* Few rows and many, in one launch and in parts; whole rows of the softmax family inside a tile and
 * across tiles. */
static adcl_status fuse_gpu(adcl_context *ctx)
{
    const adcl__dropout_mask mask = {.seed = 1, .step = 2, .threshold = 1u << 30, .keep_scale = 2.0f};
    const gpu_pass sizes[] = {
        {65, 5, ADCL_ACTIVATION_GELU, &mask},    {65, 17, ADCL_ACTIVATION_RELU, NULL},
        {66, 6, ADCL_ACTIVATION_SOFTMAX, NULL},  {65, 17, ADCL_ACTIVATION_SOFTMAX, &mask},
        {5, 3, ADCL_ACTIVATION_LOG_SUMEXP, NULL}, {65, 17, ADCL_ACTIVATION_LOG_SUMEXP, NULL},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) ADCL_TRY(fuse_on_gpu(ctx, &sizes[i]));
    return ADCL_OK;
}

/* ---- what an encoder is made of ---------------------------------------------------------------*/

/* One of a part's matrices; they are made and destroyed together. */
typedef struct wanted {
    adcl_tensor **tensor;
    size_t rows, cols;
} wanted;

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static adcl_status make_all(adcl_context *ctx, const wanted *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ADCL_TRY(make(ctx, ADCL_F32, list[i].rows, list[i].cols, list[i].tensor));
    return ADCL_OK;
}

static void destroy_all(const wanted *list, size_t count)
{
    for (size_t i = 0; i < count; i++) adcl_tensor_destroy(list[i].tensor);
}

typedef struct product_size {
    unsigned vector_width; /* that the device is to claim */
    size_t rows, inputs, outputs;
    adcl_activation activation;
} product_size;

/* With every end: what it reads and writes begins and ends with its buffer. */
static adcl_status multiply_packed(adcl_context *ctx, const product_size *s,
                                   const adcl__packed *packed)
{
    adcl_tensor *a = NULL, *own = NULL, *z = NULL, *out = NULL;
    const wanted all[] = {{&a, s->rows, s->inputs}, {&own, s->rows, s->outputs},
                          {&z, s->rows, s->outputs}, {&out, s->rows, s->outputs}};
    adcl_status status = make_all(ctx, all, COUNT(all));
    const adcl__product_end ends[] = {
        {.activation = s->activation},
        {.own = own, .activates = true, .keep = z, .activation = s->activation},
        {.own = out, .slope = z, .activation = s->activation}};
    for (size_t e = 0; e < COUNT(ends) && status == ADCL_OK; e++)
        status = adcl__packed_product(ctx, packed, a, &ends[e], out);
    destroy_all(all, COUNT(all));
    return status;
}

static adcl_status pack_and_multiply(adcl_context *ctx, const product_size *s)
{
    adcl__packed packed = {0};
    float *numbers = calloc((s->inputs + 1) * s->outputs, sizeof *numbers);
    if (numbers == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "no memory for a matrix");
    const adcl__packed_source source = {s->inputs, s->outputs,        numbers, 1,
                                        s->inputs, numbers + s->inputs * s->outputs};
    ctx->family->vector_width = s->vector_width;
    adcl_status status = adcl__packed_create(ctx, &source, &packed);
    if (status == ADCL_OK) status = multiply_packed(ctx, s, &packed);
    adcl__packed_release(&packed);
    free(numbers);
    return status;
}

/* Calls with the kernels of a plan. */
static adcl_status by_plan(adcl_context *ctx, adcl_fused_plan plan, adcl_status (*call)(adcl_context *))
{
    adcl_fused_plan own = ctx->fused_plan;
    ctx->fused_plan = plan;
    adcl_status status = call(ctx);
    ctx->fused_plan = own;
    return status;
}

/* Tiles that are full and that are not, more than one block of them; panels that are not full, and more
 * than are written together; more inputs than stay in the nearest cache. */
static adcl_status multiply_in_lanes(adcl_context *ctx)
{
    static const product_size sizes[] = {
        {16, 7, 5, 67, ADCL_ACTIVATION_GELU}, {16, 1, 97, 3, ADCL_ACTIVATION_GELU},
        {8, 51, 3, 17, ADCL_ACTIVATION_RELU}, {8, 3, 385, 7, ADCL_ACTIVATION_RELU},
        {4, 9, 4, 73, ADCL_ACTIVATION_LINEAR}};
    unsigned vector_width = ctx->family->vector_width;
    adcl_status status = ADCL_OK;
    for (size_t i = 0; i < COUNT(sizes) && status == ADCL_OK; i++)
        status = pack_and_multiply(ctx, &sizes[i]);
    ctx->family->vector_width = vector_width;
    return status;
}

/* On both tiles, between which the number of compute units decides. */
static adcl_status multiply_in_groups(adcl_context *ctx)
{
    const product_size size = {1, 5, 33, 67, ADCL_ACTIVATION_GELU};
    unsigned units = ctx->family->info.compute_units;
    ctx->family->info.compute_units = 1;
    adcl_status status = pack_and_multiply(ctx, &size);
    ctx->family->info.compute_units = 64;
    if (status == ADCL_OK) status = pack_and_multiply(ctx, &size);
    ctx->family->info.compute_units = units;
    return status;
}

static adcl_status multiply_all(adcl_context *ctx)
{
    ADCL_TRY(by_plan(ctx, ADCL_FUSED_PLAN_GPU, multiply_in_groups));
    return by_plan(ctx, ADCL_FUSED_PLAN_CPU, multiply_in_lanes);
}

/* Sequences of 1, 9 and 3 tokens: as starts, as the sequence of each token, and cut for every width. */
enum { SEQUENCES = 3, TOKENS = 13, HEADS = 2, HEAD = 3, COLUMNS = HEADS * HEAD };

static adcl_status make_integers(adcl_context *ctx, const int32_t *numbers, size_t count,
                                 adcl_tensor **out)
{
    ADCL_TRY(adcl_tensor_create(out, ctx, ADCL_I32, 1, count));
    return adcl_tensor_write(ctx, *out, numbers, count * sizeof *numbers);
}

static adcl_status attend(adcl_context *ctx, unsigned vector_width, const int32_t *cut, size_t count)
{
    adcl_tensor *qkv = NULL, *out = NULL, *dout = NULL, *dqkv = NULL;
    adcl_tensor *blocks = NULL, *log_sum = NULL, *delta = NULL;
    const wanted all[] = {{&qkv, TOKENS, 3 * COLUMNS}, {&out, TOKENS, COLUMNS},
                          {&dout, TOKENS, COLUMNS}, {&dqkv, TOKENS, 3 * COLUMNS}};
    adcl_status status = make_all(ctx, all, COUNT(all));
    if (status == ADCL_OK) status = make_integers(ctx, cut, 3 * count, &blocks);
    if (status == ADCL_OK) status = adcl_tensor_create(&log_sum, ctx, ADCL_F32, TOKENS, HEADS);
    if (status == ADCL_OK) status = adcl_tensor_create(&delta, ctx, ADCL_F32, TOKENS, HEADS);
    unsigned claimed = ctx->family->vector_width;
    ctx->family->vector_width = vector_width;
    const adcl__attention rule = adcl__attention_describe(ctx, HEADS, HEAD, TOKENS);
    ctx->family->vector_width = claimed;
    const adcl__dropout_mask mask = {.seed = 1, .step = 2, .threshold = 1u << 30, .keep_scale = 2.0f};
    const adcl__dropout_mask *const masks[] = {NULL, &mask};
    for (size_t m = 0; m < COUNT(masks) && status == ADCL_OK; m++) {
        const adcl__attention_kept kept = {qkv, log_sum, out, blocks, count, masks[m]};
        status = adcl__attention_forward(ctx, &rule, qkv, blocks, count, masks[m], log_sum, out);
        if (status == ADCL_OK)
            status = adcl__attention_backward(ctx, &rule, &kept, dout, delta, dqkv);
    }
    adcl_tensor_destroy(&delta);
    adcl_tensor_destroy(&log_sum);
    adcl_tensor_destroy(&blocks);
    destroy_all(all, COUNT(all));
    return status;
}

static adcl_status attend_in_groups(adcl_context *ctx)
{
    static const int32_t by_16[] = {0, 1, 0, 1, 10, 1, 10, 13, 10};
    return attend(ctx, 1, by_16, COUNT(by_16) / 3);
}

static adcl_status attend_in_lanes(adcl_context *ctx)
{
    static const int32_t by_8[] = {0, 1, 0, 1, 10, 1, 1, 10, 9, 10, 13, 10};
    static const int32_t by_4[] = {0, 1, 0, 1, 10, 1, 1, 10, 5, 1, 10, 9, 10, 13, 10};
    ADCL_TRY(attend(ctx, 8, by_8, COUNT(by_8) / 3));
    return attend(ctx, 4, by_4, COUNT(by_4) / 3);
}

static adcl_status attend_all(adcl_context *ctx)
{
    ADCL_TRY(by_plan(ctx, ADCL_FUSED_PLAN_GPU, attend_in_groups));
    return by_plan(ctx, ADCL_FUSED_PLAN_CPU, attend_in_lanes);
}

static adcl_status normalise(adcl_context *ctx, unsigned vector_width, size_t cols)
{
    adcl_tensor *a = NULL, *b = NULL, *c = NULL, *y = NULL, *normal = NULL, *inverse = NULL;
    adcl_tensor *weight = NULL, *bias = NULL;
    const wanted all[] = {{&a, ROWS, cols}, {&b, ROWS, cols}, {&c, ROWS, cols}, {&y, ROWS, cols},
                          {&normal, ROWS, cols}, {&weight, 1, cols}, {&bias, 1, cols}};
    unsigned claimed = ctx->family->vector_width;
    ctx->family->vector_width = vector_width;
    adcl_status status = make_all(ctx, all, COUNT(all));
    if (status == ADCL_OK) status = adcl_tensor_create(&inverse, ctx, ADCL_F32, ROWS, 1);
    const adcl__layer_norm rule = {weight, bias, 1e-5f};
    const adcl__layer_norm_kept kept = {normal, inverse};
    if (status == ADCL_OK) status = adcl__layer_norm_forward(ctx, &rule, a, NULL, NULL, NULL, y);
    if (status == ADCL_OK) status = adcl__layer_norm_forward(ctx, &rule, a, b, c, &kept, y);
    if (status == ADCL_OK) status = adcl__layer_norm_backward(ctx, &rule, &kept, y, a);
    if (status == ADCL_OK) status = adcl__layer_norm_gradients(ctx, &kept, y, weight, bias);
    ctx->family->vector_width = claimed;
    adcl_tensor_destroy(&inverse);
    destroy_all(all, COUNT(all));
    return status;
}

static adcl_status normalise_in_groups(adcl_context *ctx)
{
    return normalise(ctx, 1, 67);
}

static adcl_status normalise_in_lanes(adcl_context *ctx)
{
    ADCL_TRY(normalise(ctx, 16, 19));
    ADCL_TRY(normalise(ctx, 8, 7));
    return normalise(ctx, 4, 9);
}

static adcl_status normalise_all(adcl_context *ctx)
{
    ADCL_TRY(by_plan(ctx, ADCL_FUSED_PLAN_GPU, normalise_in_groups));
    return by_plan(ctx, ADCL_FUSED_PLAN_CPU, normalise_in_lanes);
}

/* Matrices of the tokens x, u and v (TOKENS, COLUMNS); of the sequences, pooled. */
typedef struct sequence_part {
    adcl_tensor *x, *u, *v, *pooled, *column, *row, *number;
    adcl_tensor *tokens, *gates, *dlogits, *starts, *of_token;
    adcl__sequences sequences;
} sequence_part;

static adcl_status pool(adcl_context *ctx, const sequence_part *p)
{
    for (int mean = 0; mean < 2; mean++) {
        ADCL_TRY(adcl__pool_forward(ctx, p->x, &p->sequences, mean, p->pooled));
        ADCL_TRY(adcl__pool_backward(ctx, p->pooled, &p->sequences, mean, p->v));
    }
    return adcl__normalize_rows(ctx, p->pooled);
}

static adcl_status scale_and_gate(adcl_context *ctx, const sequence_part *p)
{
    const adcl__gate gate = {p->column, p->number, p->tokens, p->gates, p->dlogits};
    ADCL_TRY(adcl__scale_forward(ctx, p->x, p->row, p->v));
    ADCL_TRY(adcl__scale_gradient(ctx, p->x, p->v, p->row, p->row));
    ADCL_TRY(adcl__scale_forward(ctx, p->x, p->number, p->v));
    ADCL_TRY(adcl__scale_gradient(ctx, p->x, p->v, p->row, p->number));
    ADCL_TRY(adcl__gate_forward(ctx, &gate, &p->sequences, p->x, p->u, p->v));
    return adcl__gate_backward(ctx, &gate, &p->sequences, p->x, p->u, p->v, p->column, p->number,
                               p->u);
}

static adcl_status make_sequences(adcl_context *ctx, sequence_part *p)
{
    static const int32_t starts[SEQUENCES + 1] = {0, 1, 10, TOKENS};
    static const int32_t of_token[TOKENS] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2};
    ADCL_TRY(make_integers(ctx, starts, SEQUENCES + 1, &p->starts));
    ADCL_TRY(make_integers(ctx, of_token, TOKENS, &p->of_token));
    ADCL_TRY(adcl_tensor_create(&p->tokens, ctx, ADCL_F32, TOKENS, 1));
    ADCL_TRY(adcl_tensor_create(&p->gates, ctx, ADCL_F32, SEQUENCES, 1));
    ADCL_TRY(adcl_tensor_create(&p->dlogits, ctx, ADCL_F32, TOKENS, 1));
    p->sequences = (adcl__sequences){SEQUENCES, p->starts, p->of_token};
    return ADCL_OK;
}

static adcl_status sequence_all(adcl_context *ctx)
{
    sequence_part p = {.x = NULL};
    const wanted all[] = {{&p.x, TOKENS, COLUMNS}, {&p.u, TOKENS, COLUMNS}, {&p.v, TOKENS, COLUMNS},
                          {&p.pooled, SEQUENCES, COLUMNS}, {&p.column, COLUMNS, 1},
                          {&p.row, 1, COLUMNS}, {&p.number, 1, 1}};
    adcl_status status = make_all(ctx, all, COUNT(all));
    if (status == ADCL_OK) status = make_sequences(ctx, &p);
    if (status == ADCL_OK) status = pool(ctx, &p);
    if (status == ADCL_OK) status = adcl__add(ctx, p.x, p.u, p.v);
    if (status == ADCL_OK) status = adcl__tanh_forward(ctx, p.x, p.v);
    if (status == ADCL_OK) status = adcl__tanh_backward(ctx, p.v, p.u);
    if (status == ADCL_OK) status = scale_and_gate(ctx, &p);
    adcl_tensor **dense[] = {&p.tokens, &p.gates, &p.dlogits, &p.starts, &p.of_token};
    for (size_t i = 0; i < COUNT(dense); i++) adcl_tensor_destroy(dense[i]);
    destroy_all(all, COUNT(all));
    return status;
}

static adcl_status sum(adcl_context *ctx)
{
    adcl_tensor *x = NULL, *scratch = NULL, *sums = NULL;
    adcl_status status = make(ctx, ADCL_F32, MANY_ROWS, HIDDEN, &x);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&scratch, ctx, ADCL_F32, 1, adcl__colsum_scratch(HIDDEN));
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, 1, HIDDEN, &sums);
    if (status == ADCL_OK) status = adcl__colsum(ctx, x, 0.5f, adcl_tensor_cl_mem(scratch), sums);
    adcl_tensor_destroy(&sums);
    adcl_tensor_destroy(&scratch);
    adcl_tensor_destroy(&x);
    return status;
}

/* One step of an optimizer. */
static adcl_status update(adcl_context *ctx, adcl_optimizer_kind kind)
{
    adcl_optimizer_params params = ADCL_OPTIMIZER_PARAMS_INIT;
    params.kind = kind;
    params.momentum = 0.5f;
    params.clip_norm = 1.0f;
    params.weight_decay = 0.1f;
    adcl_parameter w = {.name = "w", .decays = 1, .learning_rate_scale = 1.0f};
    adcl_parameters *set = NULL;
    adcl_optimizer *optimizer = NULL;
    adcl_status status = make(ctx, ADCL_F32, MANY_ROWS, HIDDEN, &w.value);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, MANY_ROWS, HIDDEN, &w.gradient);
    if (status == ADCL_OK) status = adcl_parameters_create(&set, ctx);
    if (status == ADCL_OK) status = adcl_parameters_add(ctx, set, &w);
    if (status == ADCL_OK) status = adcl_optimizer_create(&optimizer, ctx, set, &params);
    if (status == ADCL_OK) status = adcl_optimizer_step(ctx, optimizer, 0.1);
    adcl_optimizer_destroy(&optimizer);
    adcl_parameters_destroy(&set);
    adcl_tensor_destroy(&w.gradient);
    adcl_tensor_destroy(&w.value);
    return status;
}

static adcl_status update_all(adcl_context *ctx)
{
    ADCL_TRY(update(ctx, ADCL_SGD));
    ADCL_TRY(update(ctx, ADCL_ADAM));
    return update(ctx, ADCL_ADAMW);
}

static adcl_status lose(adcl_context *ctx, adcl_loss_kind kind)
{
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    params.kind = kind;
    params.max_rows = MANY_ROWS;
    params.cols = CLASSES;
    bool labelled = kind == ADCL_CROSS_ENTROPY;
    adcl_loss *loss = NULL;
    adcl_tensor *predictions = NULL, *targets = NULL, *value = NULL;
    adcl_status status = adcl_loss_create(&loss, ctx, &params);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, MANY_ROWS, CLASSES, &predictions);
    if (status == ADCL_OK)
        status = make(ctx, labelled ? ADCL_I32 : ADCL_F32, MANY_ROWS, labelled ? 1 : CLASSES,
                      &targets);
    if (status == ADCL_OK) status = make(ctx, ADCL_F32, 1, 1, &value);
    if (status == ADCL_OK)
        status = adcl_loss_compute(ctx, loss, predictions, targets, value, predictions);
    adcl_tensor_destroy(&value);
    adcl_tensor_destroy(&targets);
    adcl_tensor_destroy(&predictions);
    adcl_loss_destroy(&loss);
    return status;
}

static adcl_status lose_all(adcl_context *ctx)
{
    ADCL_TRY(lose(ctx, ADCL_CROSS_ENTROPY));
    return lose(ctx, ADCL_MSE);
}

/* adcl_peak_measure would take hours here, so its kernels run by themselves. Of the first
 * the range is whole work-groups, for it checks no bounds. */
static adcl_status measure(adcl_context *ctx)
{
    enum { ITEMS = 64 };
    const cl_uint steps = 2, count = ITEMS - 2, run = 2;
    const float factor = 0.5f, term = 0.25f;
    adcl_tensor *a = NULL, *b = NULL;
    adcl_status status = adcl_tensor_create(&a, ctx, ADCL_F32, ITEMS, 16);
    if (status == ADCL_OK) status = adcl_tensor_create(&b, ctx, ADCL_F32, ITEMS, 16);
    if (status == ADCL_OK) {
        const adcl__argument fma[] = {{sizeof(cl_mem), &a->buffer}, ADCL__ARG(steps),
                                      ADCL__ARG(factor), ADCL__ARG(term)};
        const adcl__argument copy[] = {{sizeof(cl_mem), &a->buffer}, {sizeof(cl_mem), &b->buffer},
                                       ADCL__ARG(count), ADCL__ARG(run)};
        const adcl__argument side_by_side[] = {{sizeof(cl_mem), &a->buffer},
                                               {sizeof(cl_mem), &b->buffer}, ADCL__ARG(count)};
        const adcl__range range = {.items = {ITEMS, 1}};
        status = ADCL__LAUNCH(ctx,
                              ((adcl__kernel_id){.program = ADCL__PROGRAM_PEAK,
                                                 .variant = 416,
                                                 .name = "adcl_peak_fma"}),
                              range, fma);
        if (status == ADCL_OK)
            status = ADCL__LAUNCH(ctx,
                                  ((adcl__kernel_id){.program = ADCL__PROGRAM_PEAK,
                                                     .variant = 416,
                                                     .name = "adcl_peak_copy"}),
                                  range, copy);
        if (status == ADCL_OK)
            status = ADCL__LAUNCH(ctx,
                                  ((adcl__kernel_id){.program = ADCL__PROGRAM_PEAK,
                                                     .variant = 416,
                                                     .name = "adcl_peak_copy_side_by_side"}),
                                  range, side_by_side);
    }
    adcl_tensor_destroy(&b);
    adcl_tensor_destroy(&a);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------*/

static adcl_status print_kernels(adcl_context *ctx)
{
    adcl_profile_entry entries[64];
    size_t count = sizeof entries / sizeof entries[0];
    ADCL_TRY(adcl_profile_read(ctx, entries, &count));
    for (size_t i = 0; i < count; i++) printf("%s\n", entries[i].name);
    return ADCL_OK;
}

int main(void)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.profiling = 1; /* which collects the names */
    adcl_context *ctx = NULL;
    adcl_error error;
    if (adcl_context_create(&ctx, &params, &error) != ADCL_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    adcl_status (*const parts[])(adcl_context *) = {
        move_numbers, activate_all, mix, fuse_cpu, fuse_gpu, multiply_all, attend_all,
        normalise_all, sequence_all, sum, update_all, lose_all, measure, print_kernels};
    adcl_status status = ADCL_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == ADCL_OK; i++)
        status = parts[i](ctx);
    if (status != ADCL_OK) fprintf(stderr, "%s\n", adcl_context_error(ctx)->message);
    adcl_context_destroy(&ctx);
    return status == ADCL_OK ? 0 : 1;
}
