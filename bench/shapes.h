/* SPDX-License-Identifier: MIT */
/* shapes.h – the shapes that are measured, from a text file: lines of "rows hidden bottleneck",
 * where empty lines and lines that begin with # do not count. */
#ifndef ADCL_BENCH_SHAPES_H
#define ADCL_BENCH_SHAPES_H

#include "bench/adapter_bench.h"

/* *out: *count shapes, freed by the caller. Errors: FILE, FORMAT with the line's number,
 * OUT_OF_HOST_MEMORY; then *out is NULL. */
adcl_status bench_shapes_load(const char *path, bench_shape **out, size_t *count,
                              adcl_error *error);

#endif
