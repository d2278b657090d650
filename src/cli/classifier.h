/* SPDX-License-Identifier: MIT */
/* classifier.h – what train makes and score uses: features → adapter → linear head → logits. */
#ifndef ADCL_CLI_CLASSIFIER_H
#define ADCL_CLI_CLASSIFIER_H

#include "cli/arrays.h"
#include "cli/training_folder.h"

typedef struct classifier {
    adcl_adapter *adapter; /* NULL: a head alone */
    adcl_linear *head;
    size_t hidden_size;    /* D */
    size_t classes;        /* C */

    /* Evaluation goes through these. Both commands use the same number of rows at a time, so that
     * the same features give the same bits in both. */
    adcl_workspace *workspace; /* NULL without an adapter */
    adcl_tensor *features;     /* (EVALUATION_ROWS, D); the adapter works in place */
    adcl_tensor *logits;       /* (EVALUATION_ROWS, C) */
} classifier;

#define EVALUATION_ROWS 1024

/* The parts that are not NULL already: a head with initial values for passes of max_rows rows, and
 * what evaluation needs. hidden_size and classes are set by the caller. */
int classifier_complete(session *s, classifier *c, size_t max_rows);
void classifier_free(classifier *c);

/* logits (rows, C) of features (rows, D), which have the right width. Waits. */
int classifier_evaluate(session *s, classifier *c, const array *features, float *logits);

/* How good logits (l->count, C) are; NaN where there are no labels. */
double classifier_accuracy(const float *logits, const labels *l, size_t classes);
double classifier_loss(const float *logits, const labels *l, size_t classes);

/* Writes adapter.safetensors, with the unknown metadata of `keep` (may be NULL), and
 * head.safetensors. */
int classifier_save(session *s, const classifier *c, const training_folder *folder,
                    const adcl_adapter_file *keep);
/* Reads them into *out, complete for evaluation. Free *out in any case. */
int classifier_load(session *s, classifier *out, const training_folder *folder);

#endif
