/* SPDX-License-Identifier: MIT */
/* text_training.h – what finetune does: adapters in a frozen encoder, and a head, learn on texts.
 */
#ifndef ADCL_CLI_TEXT_TRAINING_H
#define ADCL_CLI_TEXT_TRAINING_H

#include "cli/training_options.h"

#include <adapter_cl/encoder.h>

/* What the command line says; strings are borrowed from it. */
typedef struct finetune_options {
    training_options training;
    const char *model_path;
    const char *train_path;
    const char *dev_path;        /* NULL: nothing is evaluated */
    const char *report_path;     /* NULL: none */
    const char *cache_frozen;    /* "auto", "memory", "off" or a file */
    const char *keep;            /* "best" or "last" */
    adcl_adapter_set_params set; /* without labels */
    double head_learning_rate;   /* 0: as the others */
    size_t max_length;           /* 0: the model's positions */
    size_t tokens_per_pass;
    int is_regression;
    int model_dropout; /* the frozen model's own */
    int recompute;     /* less memory, more time, the same result */
} finetune_options;

/* Trains, and writes what interface and manual promise. INTERRUPTED after a checkpoint when SIGINT
 * came. The options must outlive the call. */
int text_training_run(session *s, const finetune_options *options);

#endif
