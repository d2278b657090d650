/* SPDX-License-Identifier: MIT */
/* bench_run.h – measuring: shapes through engines on devices. What a level measures is a
 * subject: an adapter here, an encoder in bench_encoder.h. */
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

/* A start that is timed: a process that runs `adapter-cl bench WORK`. */
typedef struct bench_start_kind {
    const char *work; /* NULL ends a list */
    bench_pass cold, warm;
} bench_start_kind;

#define BENCH_ARGUMENTS_MOST 32
#define BENCH_ARGUMENT_BYTES 4200 /* a path, and the option before it */

/* Words of a command line. */
typedef struct bench_arguments {
    char words[BENCH_ARGUMENTS_MOST][BENCH_ARGUMENT_BYTES];
    size_t count;
} bench_arguments;

/* Appends a word, e.g. "--rows=32". */
void bench_arguments_add(bench_arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

typedef struct bench_subject {
    bench_level level;
    /* Verifies the engine, completes the shape, then measures those of its passes that run in this
     * process: up to BENCH_PASS_COUNT rows. Errors: INVALID_STATE where it computes something else,
     * UNSUPPORTED where there is no such engine. */
    adcl_status (*run)(void *self, adcl_context *ctx, bench_shape *shape, adcl_engine engine,
                       bench_row rows[BENCH_PASS_COUNT], size_t *count, adcl_error *error);
    /* Releases what was loaded on a device that is about to be closed; NULL: nothing is. */
    void (*leave)(void *self);
    const bench_start_kind *starts;
    /* What such a process needs to know besides device, engine and work. */
    void (*describe_start)(const void *self, const bench_shape *shape, bench_arguments *out);
    void *self;
} bench_subject;

/* One adapter. */
extern const bench_subject bench_adapter_subject;

/* Measures on the device of the common options, "all" being every usable one, and adds the devices
 * to the report; `rounds` times over all shapes. With "all" a device that fails is passed over, and
 * *left_out counts them. */
int bench_run_devices(session *s, const bench_subject *subject, const bench_shapes *shapes,
                      const bench_engines *engines, size_t rounds, bench_report *report,
                      size_t *left_out);

/* Makes one forward of the shape on the device of the common options, and prints the engine's name
 * when it is done: what a start consists of (bench/start.h). */
int bench_run_first_forward(session *s, const bench_shape *shape, adcl_engine engine);

#endif
