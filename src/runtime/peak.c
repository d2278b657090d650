/* SPDX-License-Identifier: MIT */
/* peak.c – measuring what a device can do at most. Each kernel runs until it has lasted long enough
 * to be timed, the best of several runs counts, and the best of all kernels is the peak. */
#include "runtime/program.h"
#include "runtime/tensor.h"

#define SECONDS_LEAST 0.02
#define RUNS 5

/* Accumulators · 100 + vector width, as cl/peak.cl reads it. */
static const int variants[] = {416, 616, 816, 1216, 808, 1008, 1208, 1404, 804};

/* How many float16 a work-item copies. */
static const cl_uint runs[] = {1, 64};

typedef struct measurement {
    adcl__kernel_id kernel;
    const adcl__argument *arguments;
    size_t argument_count;
    size_t items;
} measurement;

/* Seconds that `launches` of a kernel take together. */
static adcl_status time_launches(adcl_context *ctx, const measurement *m, size_t launches,
                                 double *seconds)
{
    ADCL_TRY(adcl__finish(ctx));
    double start = adcl__clock_seconds();
    for (size_t i = 0; i < launches; i++)
        ADCL_TRY(adcl__launch(ctx, m->kernel, (adcl__range){.items = {m->items, 1}}, m->arguments,
                              m->argument_count));
    ADCL_TRY(adcl__finish(ctx));
    *seconds = adcl__clock_seconds() - start;
    return ADCL_OK;
}

/* The best seconds per launch. */
static adcl_status best_seconds(adcl_context *ctx, const measurement *m, double *best)
{
    double seconds;
    size_t launches = 1;
    ADCL_TRY(time_launches(ctx, m, 1, &seconds)); /* builds the program */
    for (;; launches *= 2) {
        ADCL_TRY(time_launches(ctx, m, launches, &seconds));
        if (seconds >= SECONDS_LEAST || launches >= 1u << 16) break;
    }
    *best = seconds / (double)launches;
    for (int run = 1; run < RUNS; run++) {
        ADCL_TRY(time_launches(ctx, m, launches, &seconds));
        if (seconds / (double)launches < *best) *best = seconds / (double)launches;
    }
    return ADCL_OK;
}

/* Work-items: enough for every compute unit of a GPU to hide latency, a few per core of a CPU. */
static size_t peak_items(const adcl_context *ctx)
{
    size_t per_unit = ctx->family->info.type == ADCL_DEVICE_CPU ? 256 : 2048;
    return per_unit * (ctx->family->info.compute_units > 0 ? ctx->family->info.compute_units : 1);
}

static adcl_status measure_fma(adcl_context *ctx, adcl_tensor *out, double *gflops)
{
    const cl_uint steps = 2000;
    const float factor = 0.999f, term = 0.001f; /* stays bounded and normal */
    const adcl__argument arguments[] = {{sizeof(cl_mem), &out->buffer}, ADCL__ARG(steps),
                                        ADCL__ARG(factor), ADCL__ARG(term)};
    size_t items = out->rows;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        measurement m = {
            {.program = ADCL__PROGRAM_PEAK, .variant = variants[i], .name = "adcl_peak_fma"},
            arguments,
            sizeof arguments / sizeof arguments[0],
            items};
        double seconds;
        ADCL_TRY(best_seconds(ctx, &m, &seconds));
        double flops = 2.0 * steps * (variants[i] / 100) * (variants[i] % 100) * (double)items;
        if (1e-9 * flops / seconds > *gflops) *gflops = 1e-9 * flops / seconds;
    }
    return ADCL_OK;
}

/* Raises *gbs to what one way of copying `bytes` reaches. */
static adcl_status rate_copy(adcl_context *ctx, const measurement *m, size_t bytes, double *gbs)
{
    double seconds;
    ADCL_TRY(best_seconds(ctx, m, &seconds));
    double rate = 1e-9 * 2.0 * (double)bytes / seconds; /* read and written */
    if (rate > *gbs) *gbs = rate;
    return ADCL_OK;
}

static adcl_status measure_copy(adcl_context *ctx, const adcl_tensor *source,
                                adcl_tensor *destination, double *gbs)
{
    size_t bytes = source->rows * 64;
    cl_uint fours = (cl_uint)(bytes / 16), count = (cl_uint)(bytes / 64); /* of float4, of float16 */
    const adcl__argument side_by_side[] = {{sizeof(cl_mem), &source->buffer},
                                           {sizeof(cl_mem), &destination->buffer}, ADCL__ARG(fours)};
    measurement m = {{.program = ADCL__PROGRAM_PEAK,
                      .variant = variants[0],
                      .name = "adcl_peak_copy_side_by_side"},
                     side_by_side,
                     sizeof side_by_side / sizeof side_by_side[0],
                     fours};
    ADCL_TRY(rate_copy(ctx, &m, bytes, gbs));
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const adcl__argument arguments[] = {{sizeof(cl_mem), &source->buffer},
                                            {sizeof(cl_mem), &destination->buffer},
                                            ADCL__ARG(count), ADCL__ARG(runs[i])};
        m = (measurement){
            {.program = ADCL__PROGRAM_PEAK, .variant = variants[0], .name = "adcl_peak_copy"},
            arguments,
            sizeof arguments / sizeof arguments[0],
            count / runs[i]};
        ADCL_TRY(rate_copy(ctx, &m, bytes, gbs));
    }
    return ADCL_OK;
}

/* Bytes of each copy buffer: beyond the caches, within a device's memory. */
static size_t copy_bytes(const adcl_context *ctx)
{
    size_t bytes = (size_t)256 << 20;
    while (bytes > ctx->family->info.memory_bytes / 16) bytes /= 2;
    return bytes;
}

adcl_status adcl_peak_measure(adcl_context *ctx, adcl_peak *peak)
{
    if (ctx == NULL || peak == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "peak: expected a context and a place for the result, got NULL");
    adcl_peak best = {0.0, 0.0};
    adcl_tensor *out = NULL, *source = NULL, *destination = NULL;
    size_t rows = copy_bytes(ctx) / 64;
    adcl_status status = adcl_tensor_create(&out, ctx, ADCL_F32, peak_items(ctx), 16);
    if (status == ADCL_OK) status = adcl_tensor_create(&source, ctx, ADCL_F32, rows, 16);
    if (status == ADCL_OK) status = adcl_tensor_create(&destination, ctx, ADCL_F32, rows, 16);
    if (status == ADCL_OK) status = measure_fma(ctx, out, &best.gflops);
    if (status == ADCL_OK) status = measure_copy(ctx, source, destination, &best.gbs);
    if (status == ADCL_OK) *peak = best;
    adcl_tensor_destroy(&out);
    adcl_tensor_destroy(&source);
    adcl_tensor_destroy(&destination);
    return status;
}
