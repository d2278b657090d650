/* SPDX-License-Identifier: MIT */
/* fixture.h – an adapter on a device with everything that a pass over it needs. */
#ifndef ADCL_BENCH_FIXTURE_H
#define ADCL_BENCH_FIXTURE_H

#include "bench/harness.h"
#include "bench/row.h"

#include <adapter_cl/adapter_cl.h>

typedef struct bench_fixture {
    adcl_context *ctx;
    adcl_adapter *adapter;
    adcl_workspace *workspace;
    adcl_tensor *x;  /* (N, D) */
    adcl_tensor *y;  /* (N, D) */
    adcl_tensor *dy; /* (N, D) */
    adcl_tensor *dx; /* (N, D) */
    /* For steps; NULL unless bench_fixture_make_training was called: */
    adcl_tensor *target; /* (N, D) */
    adcl_tensor *value;  /* (1, 1): the loss */
    adcl_loss *loss;
    adcl_parameters *parameters;
    adcl_optimizer *optimizer;
} bench_fixture;

/* The adapter, with neither kernel zero, and tensors of `rows` rows of numbers in [-1, 1) that are
 * the same on every machine. Errors: those of the calls; bench_fixture_free copes with half. */
adcl_status bench_fixture_make(bench_fixture *f, const bench_shape *shape, size_t rows,
                               adcl_activation activation);
/* Another workspace in place of the one before. */
adcl_status bench_fixture_make_workspace(bench_fixture *f, size_t rows, adcl_mode mode,
                                         adcl_engine engine);
/* What a step needs besides: loss, optimizer. */
adcl_status bench_fixture_make_training(bench_fixture *f);
void bench_fixture_free(bench_fixture *f);

/* The passes: each enqueues and returns; `state` is the fixture. */
adcl_status bench_fixture_forward(void *state);
adcl_status bench_fixture_forward_backward(void *state);
adcl_status bench_fixture_step(void *state);

#endif
