/* SPDX-License-Identifier: MIT */
/* training_log.h – a training's log in JSON Lines: a line for each step, a line for each
 * evaluation. Steps and epochs count from 1. */
#ifndef ADCL_CLI_TRAINING_LOG_H
#define ADCL_CLI_TRAINING_LOG_H

#include "cli/command.h"
#include "cli/evaluation.h"

#include <stdio.h>

#define TRAINING_LOG_MOST 2

typedef struct training_log {
    const char *paths[TRAINING_LOG_MOST]; /* borrowed */
    FILE *streams[TRAINING_LOG_MOST];
    size_t count;
} training_log;

/* Opens the folder's log and, unless it is NULL, another one with the same lines. Lines of the
 * first `steps` steps are kept, all behind them are cut off. Close *out in any case. */
int training_log_open(const session *s, training_log *out, const char *path, const char *other,
                      uint64_t steps);
void training_log_close(training_log *log);

typedef struct training_step {
    uint64_t step;
    uint64_t epoch;
    double loss;
    double learning_rate;
    double gradient_norm;
    const char *unit; /* what the speed counts: "rows", "tokens" */
    double speed;     /* a second */
} training_step;

int training_log_step(const session *s, training_log *log, const training_step *step);
int training_log_evaluation(const session *s, training_log *log, uint64_t step, uint64_t epoch,
                            const evaluation *e);
/* Hands what was logged to the system. */
int training_log_flush(const session *s, training_log *log);

#endif
