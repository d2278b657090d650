/* SPDX-License-Identifier: MIT */
/* bench_encoder.h – the level `encoder` of adapter-cl bench: a model with adapters, and batches
 * of random ids or of texts. */
#ifndef ADCL_CLI_BENCH_ENCODER_H
#define ADCL_CLI_BENCH_ENCODER_H

#include "bench/encoder_bench.h"
#include "cli/bench_run.h"
#include "cli/set_options.h"
#include "cli/text_model.h"

/* As typed. */
typedef struct bench_encoder_options {
    const char *model_path; /* required */
    const char *input_path; /* NULL: no texts */
    const char *sizes;      /* "1x16,32x64", or "none" */
    size_t batch;           /* texts of a batch */
    size_t batches;         /* of texts, at most */
    int sorted;
    size_t max_length;      /* tokens of a text; 0: any */
    set_options set;
} bench_encoder_options;

#define BENCH_ENCODER_OPTIONS_INIT                                                                 \
    {.sizes = "1x16,32x16,32x64,16x128", .batch = 32, .batches = 16, .set = SET_OPTIONS_INIT}

/* Their rows in the command's table of options. */
#define BENCH_ENCODER_SPECS(o)                                                                     \
    {"model", 0, OPTION_TEXT, &(o).model_path, "DIR", "encoder: the model's folder (required)"},   \
    {"sizes", 0, OPTION_TEXT, &(o).sizes, "SxL,...",                                               \
     "encoder: sequences x tokens; none (default 1x16,32x16,32x64,16x128)"},                       \
    {"input", 0, OPTION_TEXT, &(o).input_path, "F.tsv", "encoder: texts, in shuffled batches"},    \
    {"sorted", 0, OPTION_FLAG, &(o).sorted, NULL,                                                  \
     "encoder: texts sorted by length instead"},                                                   \
    {"batch", 0, OPTION_SIZE, &(o).batch, "B", "encoder: texts of a batch (default 32)"},          \
    {"batches", 0, OPTION_SIZE, &(o).batches, "N",                                                 \
     "encoder: at most so many batches of texts (default 16)"},                                    \
    {"max-length", 0, OPTION_SIZE, &(o).max_length, "L",                                           \
     "encoder: most tokens of a text (default: all)"},                                             \
    SET_PLACE_SPECS((o).set)

/* Everything that was read for it. */
typedef struct bench_encoder_job {
    const bench_encoder_options *options;
    adcl_adapter_set_params set;
    text_model tokenizing; /* without an encoder */
    dataset data;
    token_list tokens;
    bench_texts texts;
    bench_encoder_level level;
    bench_subject subject;
} bench_encoder_job;

/* Reads texts and options, and adds the shapes, each of `passes`: of them latency and starts are of
 * single sequences only. Free *out in any case; it must not move before. */
int bench_encoder_prepare(session *s, bench_encoder_job *out, bench_encoder_options *options,
                          unsigned passes, bench_shapes *shapes);
void bench_encoder_job_free(bench_encoder_job *job);

/* Loads the model and makes one pass of the first size, BENCH_FORWARD or BENCH_STEP, and prints the
 * engine's name when it is done: what a start consists of (bench/start.h). */
int bench_encoder_run_first(session *s, bench_encoder_options *options, adcl_engine engine,
                            bench_pass pass);

#endif
