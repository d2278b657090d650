/* SPDX-License-Identifier: MIT */
/* adapter_bench.h – how fast one adapter is, forward, and forward with backward.
 *
 * What is counted, for N rows, D hidden_size, R bottleneck_size, P = 2·D·R + R + D parameters:
 *                        forward            forward and backward
 *     FLOP               4·N·D·R            12·N·D·R
 *     bytes              8·N·D + 4·P        20·N·D + 8·N·R + 16·P
 * Forward reads x and the parameters and writes y. With backward, z (N, R) is written and read
 * again; x and dy are read, dx is written, the parameters are read again, and their gradients are
 * read and written. What an engine moves beyond that is its own affair. */
#ifndef ADCL_BENCH_ADAPTER_BENCH_H
#define ADCL_BENCH_ADAPTER_BENCH_H

#include "bench/harness.h"

#include <stddef.h>

typedef struct bench_shape {
    size_t rows;
    size_t hidden;
    size_t bottleneck;
} bench_shape;

typedef struct bench_row {
    bench_shape shape;
    const char *pass;   /* "forward" or "forward_backward"; static */
    const char *engine; /* static */
    bench_timing timing;
    double gflops;      /* at the median */
    double gbs;
    size_t workspace_bytes;
} bench_row;

#define BENCH_ADAPTER_PASSES 2

/* Compares the context's engine with the reference engine at a few rows of this shape: y, dx and
 * all gradients. Errors: INVALID_STATE with a sentence when they differ, those of the calls. */
adcl_status bench_adapter_verify(adcl_context *ctx, const bench_shape *shape, adcl_error *error);

/* Measures both passes. Errors: those of the calls. */
adcl_status bench_adapter_run(adcl_context *ctx, const bench_shape *shape,
                              bench_row rows[BENCH_ADAPTER_PASSES], adcl_error *error);

#endif
