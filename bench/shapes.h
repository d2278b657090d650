/* SPDX-License-Identifier: MIT */
/* shapes.h – the shapes that are measured, from a text file: lines of
 *
 *     rows hidden bottleneck [passes [activation]]
 *
 * e.g. "512 768 64" or "512 768 64 forward,step gelu". Empty lines and lines that begin with # do
 * not count. */
#ifndef ADCL_BENCH_SHAPES_H
#define ADCL_BENCH_SHAPES_H

#include "bench/row.h"

#include <adapter_cl/status.h>

typedef struct bench_shapes {
    bench_shape *items;
    size_t count;
} bench_shapes;

/* What lines stand for that do not say it themselves: each of the activations, once. */
typedef struct bench_defaults {
    unsigned passes;
    adcl_activation activations[ADCL_ACTIVATION_COUNT];
    size_t activation_count;
} bench_defaults;

/* Adds a shape. Errors: OUT_OF_HOST_MEMORY. */
adcl_status bench_shapes_add(bench_shapes *shapes, const bench_shape *shape, adcl_error *error);

/* Errors: FILE, FORMAT with the line's number, OUT_OF_HOST_MEMORY. The caller frees *out, on
 * failure too. */
adcl_status bench_shapes_load(const char *path, const bench_defaults *defaults, bench_shapes *out,
                              adcl_error *error);
void bench_shapes_free(bench_shapes *shapes);

#endif
