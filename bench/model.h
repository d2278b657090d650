/* SPDX-License-Identifier: MIT */
/* model.h – an encoder with adapters by its sizes, and how much work batches of tokens are for it.
 *
 * T tokens of all sequences, S sequences, Σl² the squares of their lengths; D hidden size, F inner
 * size, R bottleneck of a place with an adapter, C labels; M = 4·D² + 2·D·F numbers in the
 * matrices of a layer.
 *
 *                 FLOP                                       bytes
 *     base        layers·(2·T·M + 4·D·Σl²)                   layers·(4·M·batches + 8·T·D)
 *     forward     base + 4·T·Σ D·R + 2·S·(head)              base + 4·P·batches
 *     backward    twice what adapters, attention and head    what is passed of matrices, 12·T·D
 *                 take, and once what frozen matrices take   a layer passed, 12·P·batches
 *     the rest    –                                          28·P·batches
 *     of a step
 *
 * No gradient of a frozen matrix is ever needed, and backward passes only what lies above the
 * lowest adapter: of that layer the feed-forward part where the adapter is behind attention,
 * else nothing. P parameters that are trained. A batch reads every matrix once. What padding
 * would cost is not counted, for there is none. */
#ifndef ADCL_BENCH_MODEL_H
#define ADCL_BENCH_MODEL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_model {
    char name[64];   /* of its folder */
    char config[64]; /* "houlsby" */
    size_t layers;
    size_t hidden;
    size_t inner;
    size_t vocabulary;
    size_t bottleneck;     /* R of the first place; 0: none */
    double adapter_products; /* Σ D·R over the places */
    double head_products;    /* numbers in the head's matrices */
    double trained;          /* P */
    size_t lowest;           /* layer with an adapter */
    bool lowest_is_attention; /* that one is behind attention */
} bench_model;

/* Batches that are run one after the other. */
typedef struct bench_load {
    size_t batches;
    size_t sequences; /* of a batch */
    size_t length;    /* tokens of each sequence; 0: texts of any length */
    size_t tokens;    /* of all batches */
    double squares;   /* Σ l² over their sequences */
    bool sorted;      /* texts: those of similar length are in a batch */
} bench_load;

/* What is done with every batch. */
typedef enum bench_extent {
    BENCH_MODEL_ALONE,
    BENCH_MODEL_FORWARD,
    BENCH_MODEL_BACKWARD, /* forward and backward */
    BENCH_MODEL_STEP
} bench_extent;

double bench_model_flops(const bench_model *model, const bench_load *load, bench_extent extent);
double bench_model_bytes(const bench_model *model, const bench_load *load, bench_extent extent);

#endif
