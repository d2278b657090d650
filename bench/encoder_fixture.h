/* SPDX-License-Identifier: MIT */
/* encoder_fixture.h – an encoder with adapters and a head on a device, and what passes over
 * batches of tokens need. */
#ifndef ADCL_BENCH_ENCODER_FIXTURE_H
#define ADCL_BENCH_ENCODER_FIXTURE_H

#include "bench/harness.h"
#include "bench/token_batches.h"

#include <adapter_cl/adapter_cl.h>

#include <stdbool.h>

typedef struct bench_encoder {
    adcl_context *ctx;
    adcl_encoder *encoder;
    adcl_adapter_set *set;
    uint64_t steps; /* choose dropout's masks */
    /* Of the batches that are measured: */
    const bench_batches *batches;
    bool recomputes; /* the workspace does */
    adcl_encoder_workspace *workspace;
    adcl_tensor *logits;  /* (S, C) */
    adcl_tensor *dlogits; /* (S, C) */
    adcl_tensor *labels;  /* (S, 1) */
    adcl_tensor *value;   /* (1, 1): the loss */
    adcl_loss *loss;
    adcl_optimizer *optimizer;
} bench_encoder;

/* What is loaded, and how. */
typedef struct bench_encoder_params {
    const char *folder;
    const adcl_adapter_set_params *set; /* with labels */
    adcl_engine engine;
    adcl_mode mode;
} bench_encoder_params;

/* Errors: those of the calls; bench_encoder_free copes with half. */
adcl_status bench_encoder_make(bench_encoder *f, const bench_encoder_params *params);
/* Another workspace and what else these batches need, in place of what was there; `batches` are
 * borrowed. */
adcl_status bench_encoder_take(bench_encoder *f, const bench_batches *batches, bool recomputes);
void bench_encoder_free(bench_encoder *f);

/* The passes, over all batches: each enqueues and returns; `state` is the fixture. The last two
 * are for an encoder for training. */
adcl_status bench_encoder_base(void *state);
adcl_status bench_encoder_forward(void *state);
adcl_status bench_encoder_forward_backward(void *state);
adcl_status bench_encoder_step(void *state);

/* The sizes that FLOP are counted from; names are left as they are. */
void bench_encoder_describe(const bench_encoder *f, bench_model *out);

#endif
