/* SPDX-License-Identifier: MIT */
/* assessment.h – what a model's answers to labelled texts are worth. */
#ifndef ADCL_CLI_ASSESSMENT_H
#define ADCL_CLI_ASSESSMENT_H

#include "cli/dataset.h"
#include "cli/evaluation.h"
#include "cli/metrics.h"

typedef struct assessment {
    bool is_regression;
    size_t samples;
    double loss;         /* cross-entropy, or the mean squared error */
    confusion confusion; /* of classes */
    double pearson;      /* of a regression */
    double spearman;
} assessment;

/* For answers of `outputs` logits each; 1: a regression. Free *out in any case. */
int assessment_create(const session *s, assessment *out, size_t outputs);
void assessment_free(assessment *a);
/* Judges logits (d->count, outputs). */
int assessment_judge(const session *s, assessment *a, const dataset *d, const float *logits);

/* The figures under their names of `eval -o json`, with "dev_" before them where `in_training` is
 * set. The one that says how good it is, is Matthews' where `by_matthews` is set. */
evaluation assessment_figures(const assessment *a, bool in_training, bool by_matthews);
/* The name and value of the figure on the last line: accuracy, or Pearson of a regression. */
const char *assessment_main_name(const assessment *a);
double assessment_main(const assessment *a);

#endif
