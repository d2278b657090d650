/* SPDX-License-Identifier: MIT */
/* metrics.h – how good answers are. Pure functions.
 *
 * n_jk examples of class j were taken for class k; t_j = Σ_k n_jk, p_k = Σ_j n_jk, N all of them.
 *   accuracy   Σ n_jj / N
 *   Matthews   (N·Σ n_jj − Σ t_j·p_j) / sqrt((N² − Σ p_j²)·(N² − Σ t_j²))   (Gorodkin 2004; 0 where
 * the root is 0) macro F1   mean over the classes that occur, as truth or as answer, of 2·n_jj /
 * (t_j + p_j) */
#ifndef ADCL_CLI_METRICS_H
#define ADCL_CLI_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- classes ---------------------------------------------------------------------------------*/

/* Which class was taken for which. */
typedef struct confusion {
    size_t classes;
    size_t *counts; /* (C, C): row = the right class, column = the answer */
    size_t total;
} confusion;

/* False when memory ran out. Free *out in any case. */
bool confusion_create(confusion *out, size_t classes);
void confusion_free(confusion *c);
void confusion_clear(confusion *c);
void confusion_add(confusion *c, int32_t right, int32_t answer);
size_t confusion_count(const confusion *c, size_t right, size_t answer);

/* NaN where nothing was added. */
double confusion_accuracy(const confusion *c);
double confusion_matthews(const confusion *c);
double confusion_macro_f1(const confusion *c);

typedef struct confused_pair {
    size_t right;
    size_t answer;
    size_t count;
} confused_pair;

/* The pairs of different classes with the largest counts, largest first, equals in the order of
 * their classes. Returns how many there are, at most `most`. */
size_t confusion_worst(const confusion *c, confused_pair *pairs, size_t most);

/* The class with the largest logit, the first one of equals. */
int32_t largest_logit(const float *logits, size_t classes);
/* exp(logits) / Σ exp(logits) of one of them. */
double softmax_probability(const float *logits, size_t classes, size_t which);
/* −log of the same: what cross-entropy is the mean of. */
double softmax_loss(const float *logits, size_t classes, size_t which);

/* ---- numbers ---------------------------------------------------------------------------------*/

/* NaN where one side is constant or nothing is there. */
double pearson(const float *a, const float *b, size_t count);
/* Pearson of ranks; equal numbers share the mean of their ranks. NaN also where memory ran out. */
double spearman(const float *a, const float *b, size_t count);
double mean_squared_error(const float *a, const float *b, size_t count);

#endif
