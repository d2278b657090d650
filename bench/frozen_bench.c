/* SPDX-License-Identifier: MIT */
/* frozen_bench.c – the products with a frozen encoder's matrices alone: (N, K)·(K, M), packed and
 * by CLBlast, and how near they come to the peak.
 *
 *     usage: frozen_bench [md|csv|json|jsonl [N,… [KxM,…]]]
 *
 * A program of its own, for they are no part of the public API. The device is what ADCL_DEVICE
 * selects. */
#include "bench/harness.h"
#include "bench/report.h"
#include "encoder/frozen.h"

#include <adapter_cl/adapter_cl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* MiniLM's four products, and BERT-base's largest. */
#define DEFAULT_ROWS "16,48,192,768,3072"
#define DEFAULT_MATRICES "384x1152,384x384,384x1536,1536x384,768x3072"

typedef struct frozen_job {
    adcl_context *ctx;
    bench_device device;
    adcl_error error;
} frozen_job;

/* One product: its matrix, and what goes in and comes out. */
typedef struct product {
    adcl_context *ctx;
    adcl__frozen frozen;
    adcl__frozen_scratch scratch;
    adcl_tensor *in;  /* (N, K) */
    adcl_tensor *out; /* (N, M) */
} product;

static adcl_status multiply(void *state)
{
    product *p = state;
    const adcl__product_end end = {0};
    return adcl__frozen_forward(p->ctx, &p->frozen, p->in, &end, &p->scratch, p->out);
}

static adcl_status make_matrix(product *p, adcl_engine engine, size_t inputs, size_t outputs)
{
    float *numbers = malloc((inputs + 1) * outputs * sizeof *numbers);
    if (numbers == NULL) return ADCL_ERR_OUT_OF_HOST_MEMORY;
    for (size_t i = 0; i < (inputs + 1) * outputs; i++)
        numbers[i] = 1e-3f * (float)(i * 7919 % 2048) - 1.0f;
    adcl_status status = adcl__frozen_create(
        p->ctx, engine, ADCL_INFERENCE,
        &(adcl__frozen_source){inputs, outputs, numbers, numbers + inputs * outputs}, &p->frozen);
    free(numbers);
    return status;
}

static adcl_status make_scratch(product *p, size_t rows)
{
    size_t bytes;
    cl_int code;
    BENCH_TRY(adcl__frozen_scratch_bytes(p->ctx, &p->frozen, rows, &bytes));
    if (bytes == 0) return ADCL_OK;
    p->scratch.products =
        clCreateBuffer(adcl_context_cl_context(p->ctx), CL_MEM_READ_WRITE, bytes, NULL, &code);
    return p->scratch.products != NULL ? ADCL_OK : ADCL_ERR_OPENCL;
}

static adcl_status make(product *p, adcl_engine engine, const bench_shape *shape)
{
    BENCH_TRY(make_matrix(p, engine, shape->hidden, shape->bottleneck));
    BENCH_TRY(bench_make_random(p->ctx, &p->in, shape->rows, shape->hidden));
    BENCH_TRY(adcl_tensor_create(&p->out, p->ctx, ADCL_F32, shape->rows, shape->bottleneck));
    return make_scratch(p, shape->rows);
}

static void release(product *p)
{
    if (p->scratch.products != NULL) clReleaseMemObject(p->scratch.products);
    adcl_tensor_destroy(&p->out);
    adcl_tensor_destroy(&p->in);
    adcl__frozen_release(&p->frozen);
}

static adcl_status measure(frozen_job *job, adcl_engine engine, const bench_shape *shape)
{
    product p = {.ctx = job->ctx};
    bench_row row = {.shape = *shape, .pass = BENCH_FORWARD, .engine = adcl_engine_name(engine)};
    adcl_status status = make(&p, engine, shape);
    if (status == ADCL_OK)
        status = bench_measure(job->ctx, multiply, &p, BENCH_WAIT_SELDOM, &row.timing);
    bench_keep_sentence(job->ctx, status, &job->error);
    release(&p);
    if (status == ADCL_OK && !bench_device_add(&job->device, &row, 1))
        status = ADCL_ERR_OUT_OF_HOST_MEMORY;
    return status;
}

/* The better of what the device shows before and after. */
static adcl_status see_peak(frozen_job *job)
{
    adcl_peak now, *peak = &job->device.peak;
    adcl_status status = adcl_peak_measure(job->ctx, &now);
    bench_keep_sentence(job->ctx, status, &job->error);
    if (status != ADCL_OK) return status;
    if (now.gflops > peak->gflops) peak->gflops = now.gflops;
    if (now.gbs > peak->gbs) peak->gbs = now.gbs;
    return ADCL_OK;
}

static adcl_status measure_rows(frozen_job *job, size_t rows, const char *matrices)
{
    bool packs = adcl__packs_products(job->ctx);
    for (const char *rest = matrices; rest != NULL; rest = strchr(rest, ',')) {
        bench_shape shape = {.rows = rows, .level = BENCH_FROZEN};
        rest += *rest == ',';
        if (sscanf(rest, "%zux%zu", &shape.hidden, &shape.bottleneck) != 2) {
            snprintf(job->error.message, sizeof job->error.message,
                     "expected matrices such as 384x1536,1536x384, got \"%s\"", matrices);
            return ADCL_ERR_INVALID_ARGUMENT;
        }
        if (packs) BENCH_TRY(measure(job, ADCL_ENGINE_FUSED, &shape));
        BENCH_TRY(measure(job, ADCL_ENGINE_GEMM, &shape));
    }
    return ADCL_OK;
}

/* A share above 1 says that either the work or the peak was not measured rightly. */
static adcl_status check_shares(frozen_job *job)
{
    for (size_t i = 0; i < job->device.count; i++) {
        const bench_row *row = &job->device.rows[i];
        if (bench_share_of_peak(&job->device.peak, row) <= 1.0) continue;
        char text[128];
        bench_shape_text(&row->shape, text, sizeof text);
        snprintf(job->error.message, sizeof job->error.message,
                 "%s: %.1f GFLOP/s is above the peak of %.1f, so the measurement is not to be "
                 "trusted",
                 text, bench_gflops(row), job->device.peak.gflops);
        return ADCL_ERR_INVALID_STATE;
    }
    return ADCL_OK;
}

static adcl_status measure_all(frozen_job *job, const char *rows, const char *matrices)
{
    BENCH_TRY(see_peak(job));
    for (const char *rest = rows; rest != NULL; rest = strchr(rest, ',')) {
        rest += *rest == ',';
        size_t count = strtoul(rest, NULL, 10);
        fprintf(stderr, "%zu rows\n", count);
        BENCH_TRY(measure_rows(job, count, matrices));
    }
    BENCH_TRY(see_peak(job));
    return check_shares(job);
}

static adcl_status run(frozen_job *job, const char *rows, const char *matrices)
{
    adcl_status status = adcl_context_create(&job->ctx, NULL, &job->error);
    if (status != ADCL_OK) return status;
    if (!bench_device_init(&job->device, adcl_context_device(job->ctx)))
        return ADCL_ERR_OUT_OF_HOST_MEMORY;
    return measure_all(job, rows, matrices);
}

static bool print(frozen_job *job, bench_format format)
{
    char date[32];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    const bench_report report = {
        .level = BENCH_FROZEN, .date = date, .devices = &job->device, .device_count = 1};
    return bench_report_print(&report, format, stdout);
}

int main(int argc, char **argv)
{
    frozen_job job = {0};
    bench_format format = BENCH_MD;
    if (argc > 1 && !bench_format_from_name(argv[1], &format)) {
        fprintf(stderr, "usage: frozen_bench [md|csv|json|jsonl [N,... [KxM,...]]]\n");
        return 2;
    }
    adcl_status status = run(&job, argc > 2 ? argv[2] : DEFAULT_ROWS,
                             argc > 3 ? argv[3] : DEFAULT_MATRICES);
    if (status != ADCL_OK)
        fprintf(stderr, "frozen_bench: %s\n",
                job.error.message[0] != '\0' ? job.error.message : adcl_status_string(status));
    bool complete = status == ADCL_OK && print(&job, format);
    bench_device_free(&job.device);
    adcl_context_destroy(&job.ctx);
    return complete ? 0 : 1;
}
