/* SPDX-License-Identifier: MIT */
/* bench_run.h – measuring: shapes through engines on devices. */
#ifndef ADCL_CLI_BENCH_RUN_H
#define ADCL_CLI_BENCH_RUN_H

#include "bench/report.h"
#include "bench/shapes.h"
#include "cli/command.h"

#define BENCH_ENGINES_MOST 8

typedef struct bench_engines {
    adcl_engine items[BENCH_ENGINES_MOST];
    size_t count;
    bool may_lack; /* one that the library or the device lacks is passed over, and said */
} bench_engines;

/* The engines of --engine: a name, "all", or NULL: what auto stands for, and gemm beside it unless
 * the environment says which one is wanted. */
int bench_engines_choose(session *s, const char *name, bench_engines *out);

/* Measures on the device of the common options, "all" being every usable one, and adds the devices
 * to the report. With "all" a device that fails is passed over, and *left_out counts them. */
int bench_run_devices(session *s, const bench_shapes *shapes, const bench_engines *engines,
                      bench_report *report, size_t *left_out);

/* Makes one forward of the shape on the device of the common options, and prints the engine's name
 * when it is done: what a start consists of (bench/start.h). */
int bench_run_first_forward(session *s, const bench_shape *shape, adcl_engine engine);

#endif
