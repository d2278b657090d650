/* SPDX-License-Identifier: MIT */
/* adapter_bench.h – one adapter through one engine: that it computes what it should, and how fast.
 */
#ifndef ADCL_BENCH_ADAPTER_BENCH_H
#define ADCL_BENCH_ADAPTER_BENCH_H

#include "bench/row.h"

#include <adapter_cl/context.h>

/* Compares the engine with the reference engine at this shape, with up to some 130 of its rows: y,
 * dx and all gradients. Errors: INVALID_STATE with a sentence when they differ; UNSUPPORTED where
 * the library has no such engine; those of the calls. */
adcl_status bench_adapter_verify(adcl_context *ctx, const bench_shape *shape, adcl_engine engine,
                                 adcl_error *error);

/* Measures those of the shape's passes that run in this process: fills up to BENCH_PASS_COUNT rows
 * and sets *count. Errors: those of the calls. */
adcl_status bench_adapter_run(adcl_context *ctx, const bench_shape *shape, adcl_engine engine,
                              bench_row rows[BENCH_PASS_COUNT], size_t *count, adcl_error *error);

#endif
