/* SPDX-License-Identifier: MIT */
/* evaluation.h – how good parameters are on data that they were not trained on: named numbers. */
#ifndef ADCL_CLI_EVALUATION_H
#define ADCL_CLI_EVALUATION_H

#include <stdbool.h>
#include <stddef.h>

typedef struct score {
    const char *key;   /* in the log: "test_accuracy"; static */
    const char *words; /* for people: "test accuracy"; static */
    double value;
} score;

#define SCORES_MOST 8

typedef struct evaluation {
    score scores[SCORES_MOST];
    size_t count;
    double goodness; /* more is better; NaN is worse than all */
    double loss;     /* decides between equals */
} evaluation;

#endif
