/* SPDX-License-Identifier: MIT */
/* clblast_products.c – the matrix products of an adapter on CLBlast as it comes, and nothing else:
 * no bias, no activation, no residual. A worker of bench/peers, see worker.py: first a line
 * {"peer": …}, then for each line
 *     run PASS ROWS HIDDEN BOTTLENECK ACTIVATION REPEATS
 * on standard input one line {"times": […]} or {"skipped": "why"} on standard output.
 *
 *     usage: clblast_products [DEVICE]
 *
 *     forward    z = x·w_down          y = h·w_up           (h is z here)
 *     backward   dh = dy·w_upᵀ         dw_up = hᵀ·dy
 *                dw_down = xᵀ·dz       dx = dz·w_downᵀ      (dz is dh here) */
#define _POSIX_C_SOURCE 200809L
#include "bench/clock.h"

#include <adapter_cl/adapter_cl.h>
#include <adapter_cl/opencl.h>

#include <clblast_c.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in worker.py. */
#define SAMPLE_SECONDS 2e-3
#define WARM_UP_SECONDS 0.05
#define MOST_PASSES 1000
#define MOST_REPEATS 10000

/* Elements of a product that are checked, spread over all of it. */
#define CHECKED_ELEMENTS 1009
/* Of the largest sum of absolute values: above what sums of some thousand f32 roundings reach. */
#define TOLERANCE 1e-5

enum matrix { X, Y, Z, DY, DX, DZ, W_DOWN, W_UP, DW_DOWN, DW_UP, MATRIX_COUNT };

typedef struct product {
    enum matrix a, b, c;
    bool transpose_a, transpose_b;
} product;

#define FORWARD_PRODUCTS 2
#define ALL_PRODUCTS 6

static const product products[ALL_PRODUCTS] = {
    {X, W_DOWN, Z, false, false}, {Z, W_UP, Y, false, false},    {DY, W_UP, DZ, false, true},
    {Z, DY, DW_UP, true, false},  {X, DZ, DW_DOWN, true, false}, {DZ, W_DOWN, DX, false, true},
};

typedef struct request {
    char pass[32];
    size_t rows, hidden, bottleneck, repeats;
} request;

/* The matrices of the shape that was asked for last. */
typedef struct work {
    adcl_context *ctx;
    size_t rows, hidden, bottleneck;
    adcl_tensor *matrices[MATRIX_COUNT];
    size_t product_count; /* of the pass that is measured */
    char sentence[1024];  /* why it was skipped */
} work;

static bool fail(work *w, const char *what)
{
    snprintf(w->sentence, sizeof w->sentence, "%s", what);
    return false;
}

static bool done(work *w, adcl_status status)
{
    return status == ADCL_OK || fail(w, adcl_context_error(w->ctx)->message);
}

/* ---- matrices --------------------------------------------------------------------------------*/

static void free_matrices(work *w)
{
    for (int i = 0; i < MATRIX_COUNT; i++) adcl_tensor_destroy(&w->matrices[i]);
    w->rows = 0;
}

static size_t count_of(const adcl_tensor *tensor)
{
    return adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
}

/* On the host, freed by the caller; NULL when it cannot be had. */
static float *read_matrix(work *w, const adcl_tensor *tensor)
{
    size_t bytes = count_of(tensor) * sizeof(float);
    float *values = malloc(bytes);
    if (values == NULL) fail(w, "no memory");
    if (values == NULL || done(w, adcl_tensor_read(w->ctx, tensor, values, bytes))) return values;
    free(values);
    return NULL;
}

/* Numbers in [-1, 1), the same on every machine. */
static bool fill(work *w, adcl_tensor *tensor)
{
    size_t count = count_of(tensor);
    float *values = malloc(count * sizeof *values);
    if (values == NULL) return fail(w, "no memory");
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        values[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
    bool filled = done(w, adcl_tensor_write(w->ctx, tensor, values, count * sizeof *values));
    free(values);
    return filled;
}

static bool make_matrices(work *w, const request *r)
{
    const size_t n = r->rows, d = r->hidden, k = r->bottleneck;
    const size_t sizes[MATRIX_COUNT][2] = {
        [X] = {n, d},  [Y] = {n, d},      [Z] = {n, k},    [DY] = {n, d},      [DX] = {n, d},
        [DZ] = {n, k}, [W_DOWN] = {d, k}, [W_UP] = {k, d}, [DW_DOWN] = {d, k}, [DW_UP] = {k, d},
    };
    if (w->rows == n && w->hidden == d && w->bottleneck == k) return true;
    free_matrices(w);
    for (int i = 0; i < MATRIX_COUNT; i++)
        if (!done(w, adcl_tensor_create(&w->matrices[i], w->ctx, ADCL_F32, sizes[i][0],
                                        sizes[i][1])) ||
            !fill(w, w->matrices[i]))
            return false;
    w->rows = n;
    w->hidden = d;
    w->bottleneck = k;
    return true;
}

/* ---- products --------------------------------------------------------------------------------*/

static size_t inner_size(const work *w, const product *p)
{
    const adcl_tensor *a = w->matrices[p->a];
    return p->transpose_a ? adcl_tensor_rows(a) : adcl_tensor_cols(a);
}

static bool multiply(work *w, const product *p)
{
    const adcl_tensor *a = w->matrices[p->a], *b = w->matrices[p->b], *c = w->matrices[p->c];
    cl_command_queue queue = adcl_context_cl_queue(w->ctx);
    CLBlastStatusCode code = CLBlastSgemm(
        CLBlastLayoutRowMajor, p->transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
        p->transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, adcl_tensor_rows(c),
        adcl_tensor_cols(c), inner_size(w, p), 1.0f, adcl_tensor_cl_mem(a),
        adcl_tensor_cl_offset(a), adcl_tensor_row_stride(a), adcl_tensor_cl_mem(b),
        adcl_tensor_cl_offset(b), adcl_tensor_row_stride(b), 0.0f, adcl_tensor_cl_mem(c),
        adcl_tensor_cl_offset(c), adcl_tensor_row_stride(c), &queue, NULL);
    if (code == CLBlastSuccess) return true;
    snprintf(w->sentence, sizeof w->sentence, "CLBlast Sgemm failed with code %d", (int)code);
    return false;
}

/* Element (i, j) of op(a)·op(b) in double, and the sum of its absolute terms. */
static double dot(const work *w, const product *p, const float *a, const float *b, size_t i,
                  size_t j, double *magnitude)
{
    size_t a_cols = adcl_tensor_cols(w->matrices[p->a]);
    size_t b_cols = adcl_tensor_cols(w->matrices[p->b]);
    double sum = 0.0;
    *magnitude = 0.0;
    for (size_t k = 0; k < inner_size(w, p); k++) {
        double term = (double)a[p->transpose_a ? k * a_cols + i : i * a_cols + k] *
                      (double)b[p->transpose_b ? j * b_cols + k : k * b_cols + j];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

static bool compare(work *w, const product *p, const float *a, const float *b, const float *c)
{
    size_t count = count_of(w->matrices[p->c]), cols = adcl_tensor_cols(w->matrices[p->c]);
    size_t step = count > CHECKED_ELEMENTS ? count / CHECKED_ELEMENTS : 1;
    for (size_t e = 0; e < count; e += step) {
        double magnitude;
        double expected = dot(w, p, a, b, e / cols, e % cols, &magnitude);
        if (fabs((double)c[e] - expected) <= TOLERANCE * magnitude) continue;
        snprintf(w->sentence, sizeof w->sentence,
                 "wrong result: product %d, element %zu is %.9g, expected %.9g",
                 (int)(p - products) + 1, e, (double)c[e], expected);
        return false;
    }
    return true;
}

static bool check(work *w, const product *p)
{
    if (!multiply(w, p)) return false;
    float *a = read_matrix(w, w->matrices[p->a]);
    float *b = a != NULL ? read_matrix(w, w->matrices[p->b]) : NULL;
    float *c = b != NULL ? read_matrix(w, w->matrices[p->c]) : NULL;
    bool right = c != NULL && compare(w, p, a, b, c);
    free(a);
    free(b);
    free(c);
    return right;
}

/* ---- timing ----------------------------------------------------------------------------------*/

/* Seconds of one of `count` passes, which are waited for once. */
static bool time_passes(work *w, size_t count, double *seconds)
{
    double start = clock_seconds();
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < w->product_count; k++)
            if (!multiply(w, &products[k])) return false;
    if (!done(w, adcl_context_finish(w->ctx))) return false;
    *seconds = (clock_seconds() - start) / (double)count;
    return true;
}

/* How many passes fill a sample, by the fastest of the warm-up: others may be interrupted. */
static bool warm_up(work *w, size_t *passes)
{
    double start = clock_seconds();
    double fastest = HUGE_VAL;
    do {
        double seconds;
        if (!time_passes(w, 1, &seconds)) return false;
        if (seconds < fastest) fastest = seconds;
    } while (clock_seconds() - start < WARM_UP_SECONDS);
    double wanted = SAMPLE_SECONDS / fastest;
    *passes = wanted < 1 ? 1 : wanted > MOST_PASSES ? MOST_PASSES : (size_t)wanted;
    return true;
}

static bool measure(work *w, size_t repeats, json_t *times)
{
    size_t passes;
    if (!warm_up(w, &passes)) return false;
    for (size_t i = 0; i < repeats; i++) {
        double seconds;
        if (!time_passes(w, passes, &seconds)) return false;
        if (json_array_append_new(times, json_real(seconds)) != 0) return fail(w, "no memory");
    }
    return true;
}

static bool answer(work *w, const request *r, json_t *times)
{
    bool backward = strcmp(r->pass, "forward+backward") == 0;
    if (!backward && strcmp(r->pass, "forward") != 0) {
        snprintf(w->sentence, sizeof w->sentence, "no %s", r->pass);
        return false;
    }
    w->product_count = backward ? ALL_PRODUCTS : FORWARD_PRODUCTS;
    bool is_new = w->rows != r->rows || w->hidden != r->hidden || w->bottleneck != r->bottleneck;
    if (!make_matrices(w, r)) return false;
    for (size_t k = 0; is_new && k < ALL_PRODUCTS; k++)
        if (!check(w, &products[k])) {
            free_matrices(w);
            return false;
        }
    return measure(w, r->repeats, times);
}

/* ---- protocol --------------------------------------------------------------------------------*/

static void say(json_t *message)
{
    json_dumpf(message, stdout, JSON_REAL_PRECISION(9));
    putchar('\n');
    fflush(stdout);
    json_decref(message);
}

static bool read_request(const char *line, request *r)
{
    return sscanf(line, "run %31s %zu %zu %zu %*s %zu", r->pass, &r->rows, &r->hidden,
                  &r->bottleneck, &r->repeats) == 5 &&
           r->rows > 0 && r->hidden > 0 && r->bottleneck > 0 && r->repeats > 0 &&
           r->repeats <= MOST_REPEATS;
}

static void serve(work *w)
{
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        request r;
        json_t *times = json_array();
        if (!read_request(line, &r))
            fail(w, "expected: run PASS ROWS HIDDEN BOTTLENECK ACTIVATION REPEATS");
        else if (answer(w, &r, times)) {
            say(json_pack("{s:o}", "times", times));
            continue;
        }
        json_decref(times);
        say(json_pack("{s:s}", "skipped", w->sentence));
    }
}

int main(int argc, char **argv)
{
    work w = {0};
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.engine = ADCL_ENGINE_GEMM; /* whatever ADCL_ENGINE says */
    if (argc > 1) params.device = argv[1];
    adcl_error error;
    if (adcl_context_create(&w.ctx, &params, &error) != ADCL_OK) {
        say(json_pack("{s:s}", "missing", error.message));
        return EXIT_FAILURE;
    }
    say(json_pack("{s:s}", "peer", "CLBlast " CLBLAST_VERSION ", products only"));
    serve(&w);
    free_matrices(&w);
    adcl_context_destroy(&w.ctx);
    return EXIT_SUCCESS;
}
