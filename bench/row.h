/* SPDX-License-Identifier: MIT */
/* row.h – one measured figure: what was done, in which shape, how long it took, how much that is.
 *
 * There are three levels: an adapter alone, an encoder with adapters (model.h says what is
 * counted), and the product of a frozen encoder's matrix: N rows, K inputs, M outputs, 2·N·K·M
 * FLOP, 4·(N·K + N·M + K·M + M) bytes.
 *
 * What is counted of an adapter, for N rows, D hidden_size, R bottleneck_size, W columns of h (R;
 * 1 for log_sumexp), P parameters:
 *                FLOP              bytes
 *     forward    2·N·D·(R + W)     8·N·D + 4·P
 *     backward   twice that        12·N·D + 8·N·R + 12·P
 *     the rest   –                 12·N·D + 28·P
 *     of a step
 * Forward reads x and the parameters and writes y. With backward, z (N, R) is written and read
 * again; x and dy are read, dx is written, the parameters are read again, and their gradients are
 * read and written. The loss of a step reads y and its target and writes dy; Adam reads parameters,
 * gradients and two moments and writes all but the gradients. What an engine moves beyond that is
 * its own affair. */
#ifndef ADCL_BENCH_ROW_H
#define ADCL_BENCH_ROW_H

#include "bench/model.h"
#include "bench/statistics.h"

#include <adapter_cl/activation.h>
#include <adapter_cl/profile.h>

#include <stdbool.h>

/* What the work is done with. */
typedef enum bench_level { BENCH_ADAPTER = 0, BENCH_ENCODER, BENCH_FROZEN } bench_level;

/* "adapter", "encoder", "frozen". Static. */
const char *bench_level_name(bench_level level);

/* What is measured. */
typedef enum bench_pass {
    BENCH_FORWARD = 0,
    BENCH_FORWARD_BACKWARD,
    BENCH_STEP,            /* forward, loss, backward, clipping, Adam, gradients cleared */
    BENCH_STEP_RECOMPUTED, /* of an encoder: a step whose backward runs the layers again */
    BENCH_LATENCY,         /* forward, the host waiting after each */
    BENCH_BASE,            /* forward of the encoder alone, without adapters and head */
    BENCH_START_COLD,      /* a new process until its first forward is done, driver caches empty */
    BENCH_START_WARM,      /* the same once more */
    BENCH_FIRST_STEP_COLD, /* of an encoder: until its first step of training is done */
    BENCH_FIRST_STEP_WARM
} bench_pass;

#define BENCH_PASS_COUNT 10

/* Sets of passes: bit 1 << pass. */
#define BENCH_PASS_BIT(pass) (1u << (pass))
#define BENCH_PASSES_START                                                                         \
    (BENCH_PASS_BIT(BENCH_START_COLD) | BENCH_PASS_BIT(BENCH_START_WARM) |                         \
     BENCH_PASS_BIT(BENCH_FIRST_STEP_COLD) | BENCH_PASS_BIT(BENCH_FIRST_STEP_WARM))

/* "forward", "forward_backward", "step", "step_recomputed", "latency", "base", "start_cold", "start_warm",
 * "first_step_cold", "first_step_warm". Static. */
const char *bench_pass_name(bench_pass pass);
/* The set of names with commas between; "start" is all starts, "all" every pass, and
 * "forward+backward" is understood too. False when a name is unknown or missing. */
bool bench_passes_from_names(const char *names, unsigned *passes);

typedef struct bench_shape {
    size_t rows;       /* N; of an encoder the tokens of all batches */
    size_t hidden;     /* D; of a frozen matrix K */
    size_t bottleneck; /* R; of a frozen matrix M */
    adcl_activation activation;
    unsigned passes;   /* which of them are measured */
    bench_level level;
    const bench_model *model; /* of an encoder; outlives the shape */
    bench_load load;          /* of an encoder */
} bench_shape;

/* "512 rows, hidden 768, bottleneck 64, relu" or "32 × 16 tokens, minilm, houlsby": the work
 * without the pass, for people. */
void bench_shape_text(const bench_shape *shape, char *text, size_t size);

typedef struct bench_row {
    bench_shape shape;
    bench_pass pass;
    const char *engine; /* or a peer's name; outlives the row */
    bench_timing timing;
    size_t workspace_bytes;
    size_t workspace_tokens; /* of an encoder: how many it has room for */
    size_t encoder_bytes; /* of an encoder: device memory of its frozen matrices */
    /* Against an earlier run, where one was given: */
    bench_verdict verdict;
    double base_ms;
} bench_row;

/* True for passes whose time is that of arithmetic, so that rates and shares mean something. */
bool bench_has_rate(const bench_row *row);

double bench_flops(const bench_row *row);
double bench_bytes(const bench_row *row);
/* Rows a second, an encoder's tokens among them, at the median; and what lies between the first and
 * the third quartile of the times. */
double bench_rows_per_second(const bench_row *row);
double bench_rows_per_second_spread(const bench_row *row);
/* At the median; 10⁹ a second. */
double bench_gflops(const bench_row *row);
double bench_gbs(const bench_row *row);
/* FLOP per byte. */
double bench_intensity(const bench_row *row);
/* What the device could do at this intensity, in GFLOP/s: min(peak, intensity · bandwidth). */
double bench_roof(const adcl_peak *peak, double intensity);
double bench_share_of_peak(const adcl_peak *peak, const bench_row *row);
/* Data that stays in caches is faster than a copy through memory, so these may be above 1. */
double bench_share_of_bandwidth(const adcl_peak *peak, const bench_row *row);
double bench_share_of_roof(const adcl_peak *peak, const bench_row *row);

/* N·R·4: the bottleneck of all rows, which is the least that a workspace for training keeps. */
size_t bench_bottleneck_bytes(const bench_row *row);
/* What the workspace takes beyond that. */
size_t bench_further_bytes(const bench_row *row);

/* 0 where nothing is known. */
double bench_workspace_bytes_per_token(const bench_row *row);

/* The same work: level, model, rows, sizes, activation and pass. */
bool bench_same_work(const bench_row *a, const bench_row *b);

#endif
