/* SPDX-License-Identifier: MIT */
/* encoder_bench.h – an encoder with adapters through an engine: that it computes what it
 * should, and how fast. */
#ifndef ADCL_BENCH_ENCODER_BENCH_H
#define ADCL_BENCH_ENCODER_BENCH_H

#include "bench/encoder_fixture.h"
#include "bench/row.h"

/* What is measured, and what was loaded for it: the encoders of one engine on one device at a
 * time. */
typedef struct bench_encoder_level {
    const char *folder;
    const adcl_adapter_set_params *set; /* with labels */
    const bench_texts *texts; /* NULL: none */
    uint64_t seed;            /* of the order of texts */
    bench_model model;        /* with its names; sizes are known once something was measured */
    adcl_engine engine;       /* of what is loaded */
    bench_encoder loaded[2];  /* by adcl_mode; an encoder for training is twice as large */
    unsigned verified;        /* engines, bit 1 << engine */
} bench_encoder_level;

/* Releases what is loaded, so that the context may go. */
void bench_encoder_leave(bench_encoder_level *level);

/* Loads what is not loaded, and once for each engine compares logits and every gradient of a
 * few short sequences with the reference engine. Then completes the shape, whose passes,
 * sequences, length (0: texts) and batches are given, and measures those of its passes that run
 * in this process: fills up to BENCH_PASS_COUNT rows and sets *count. Errors: INVALID_STATE
 * with a sentence where the engine differs; those of the calls. */
adcl_status bench_encoder_run(bench_encoder_level *level, adcl_context *ctx,
                              bench_shape *shape, adcl_engine engine,
                              bench_row rows[BENCH_PASS_COUNT], size_t *count, adcl_error *error);

/* Loads, and makes one pass of the shape: BENCH_FORWARD, or BENCH_STEP. Waits for it. *taken: the
 * engine's name, static. */
adcl_status bench_encoder_run_once(bench_encoder_level *level, adcl_context *ctx,
                                   const bench_shape *shape, adcl_engine engine, bench_pass pass,
                                   const char **taken, adcl_error *error);

#endif
