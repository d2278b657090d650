/* SPDX-License-Identifier: MIT */
/* tune.h – measuring once what is fastest on a device, and keeping it in the context's cache.
 *
 *      params.cache = adcl_cache_callbacks_of(cache);          of the context, see cache.h
 *      adcl_tune_params tune = ADCL_TUNE_PARAMS_INIT;
 *      adcl_tune_shape shape = {4096, 768, 64};
 *      tune.shapes = &shape;
 *      tune.shape_count = 1;
 *      adcl_tune_result result;
 *      adcl_tune(ctx, &tune, &result);
 *
 * Two things are measured. First CLBlast's parameters for the engine `gemm`: one set for a device,
 * the best over all shapes; every candidate's results are compared with the engine `reference`, for
 * CLBlast takes sets that compute nonsense. Then, for each shape, the engines; the fastest is kept
 * for its hidden_size and bottleneck_size.
 *
 * Contexts with this cache use the parameters from their process's first product on, and the engine
 * wherever AUTO is asked for and neither parameter nor environment says otherwise. */
#ifndef ADAPTER_CL_TUNE_H
#define ADAPTER_CL_TUNE_H

#include <adapter_cl/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of a batch and the sizes of an adapter. */
typedef struct adcl_tune_shape {
    size_t rows;
    size_t hidden_size;
    size_t bottleneck_size;
} adcl_tune_shape;

/* One measurement. Passes are forward and backward, 12·N·D·R FLOP; gflops is 0 where a set was
 * refused or computed something wrong. */
typedef struct adcl_tune_step {
    const char *what; /* "CLBlast parameters" or "engine gemm" */
    size_t done;      /* measurements, this one included */
    size_t total;
    double gflops;    /* over all shapes, for parameters; of one shape, for an engine */
    double best_gflops; /* the best so far of its kind */
} adcl_tune_step;

/* Called after each measurement; anything but 0 stops the tuning. */
typedef int (*adcl_tune_callback)(void *user, const adcl_tune_step *step);

typedef struct adcl_tune_params {
    size_t struct_size;
    const adcl_tune_shape *shapes;
    size_t shape_count;
    size_t max_candidates;  /* sets of parameters besides those in use; 0: all that are known */
    int force;              /* 1: measure again what the cache has already */
    int dry_run;            /* 1: store nothing */
    adcl_tune_callback progress; /* NULL: none */
    void *user;
} adcl_tune_params;

#define ADCL_TUNE_PARAMS_INIT {sizeof(adcl_tune_params), NULL, 0, 0, 0, 0, NULL, NULL}

#define ADCL_TUNE_ENGINES_MOST 8

/* What was found for one shape. Rates are of the fastest of several passes; 0: not measured. */
typedef struct adcl_tune_result {
    adcl_tune_shape shape;
    int parameters_kept; /* 1: the cache had parameters for CLBlast; nothing was searched */
    int engine_kept;     /* 1: the cache had an engine for this shape; no engine was measured */
    adcl_engine engine;  /* the fastest */
    double forward_before, forward_after;   /* GFLOP/s (4·N·D·R FLOP) of the engine gemm, */
    double backward_before, backward_after; /* and forward and backward (12·N·D·R FLOP) */
    adcl_engine engines[ADCL_TUNE_ENGINES_MOST]; /* those that were measured, */
    double engine_gflops[ADCL_TUNE_ENGINES_MOST]; /* forward and backward */
    size_t engine_count;
} adcl_tune_result;

/* Tunes the context's device for `shape_count` shapes; results[shape_count] belong to the caller.
 * Blocks for minutes: CLBlast's kernels are compiled for every candidate. Afterwards CLBlast has
 * the best set in this process; only where its own was the best, which it cannot take back, that
 * holds from the next process on. No workspace and no linear layer may be alive in this process:
 * their memory fits the parameters they were made with. What was stored before a failure or a stop stays:
 * the next call with the same cache goes on from there, candidate by candidate.
 * Errors: INVALID_ARGUMENT, CALLBACK (the callback asked to stop, or the cache did not take a
 * result), OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY, OPENCL, CLBLAST. */
ADCL_API adcl_status adcl_tune(adcl_context *ctx, const adcl_tune_params *params,
                               adcl_tune_result *results);

#ifdef __cplusplus
}
#endif
#endif
