/* SPDX-License-Identifier: MIT */
#include "cli/assessment.h"

#include <math.h>
#include <stdlib.h>

int assessment_create(const session *s, assessment *out, size_t outputs)
{
    *out = (assessment){.is_regression = outputs == 1};
    if (!confusion_create(&out->confusion, outputs))
        return session_fail(s, "no memory to compare %zu classes with each other", outputs);
    return DONE;
}

void assessment_free(assessment *a)
{
    confusion_free(&a->confusion);
}

static int judge_numbers(const session *s, assessment *a, const dataset *d, const float *values)
{
    void *memory;
    TRY(session_allocate(s, &memory, d->count, 1, sizeof(float)));
    float *targets = memory;
    for (size_t i = 0; i < d->count; i++) targets[i] = d->examples[i].target;
    a->loss = mean_squared_error(values, targets, d->count);
    a->pearson = pearson(values, targets, d->count);
    a->spearman = spearman(values, targets, d->count);
    free(memory);
    return DONE;
}

int assessment_judge(const session *s, assessment *a, const dataset *d, const float *logits)
{
    a->samples = d->count;
    if (a->is_regression) return judge_numbers(s, a, d, logits);
    size_t classes = a->confusion.classes;
    double sum = 0.0;
    confusion_clear(&a->confusion);
    for (size_t i = 0; i < d->count; i++) {
        const float *row = logits + i * classes;
        int32_t right = d->examples[i].number;
        confusion_add(&a->confusion, right, largest_logit(row, classes));
        sum += softmax_loss(row, classes, (size_t)right);
    }
    a->loss = sum / (double)d->count;
    return DONE;
}

static evaluation class_figures(const assessment *a, bool in_training, bool by_matthews)
{
    double accuracy = confusion_accuracy(&a->confusion);
    double matthews = confusion_matthews(&a->confusion);
    double f1 = confusion_macro_f1(&a->confusion);
    return (evaluation){
        .scores = {{in_training ? "dev_loss" : "loss", "dev loss", a->loss},
                   {in_training ? "dev_accuracy" : "accuracy", "dev accuracy", accuracy},
                   {in_training ? "dev_matthews_corrcoef" : "matthews_corrcoef", "Matthews",
                    matthews},
                   {in_training ? "dev_macro_f1" : "macro_f1", "F1", f1}},
        .count = 4,
        .goodness = by_matthews ? matthews : accuracy,
        .loss = a->loss,
    };
}

static evaluation number_figures(const assessment *a, bool in_training)
{
    return (evaluation){
        .scores = {{in_training ? "dev_mse" : "mse", "dev MSE", a->loss},
                   {in_training ? "dev_pearson" : "pearson", "Pearson", a->pearson},
                   {in_training ? "dev_spearman" : "spearman", "Spearman", a->spearman}},
        .count = 3,
        .goodness = a->pearson,
        .loss = a->loss,
    };
}

evaluation assessment_figures(const assessment *a, bool in_training, bool by_matthews)
{
    return a->is_regression ? number_figures(a, in_training)
                            : class_figures(a, in_training, by_matthews);
}

const char *assessment_main_name(const assessment *a)
{
    return a->is_regression ? "pearson" : "accuracy";
}

double assessment_main(const assessment *a)
{
    return a->is_regression ? a->pearson : confusion_accuracy(&a->confusion);
}
