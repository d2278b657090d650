/* SPDX-License-Identifier: MIT */
/* feature_training.h – what train does: an adapter and a head learn on features. */
#ifndef ADCL_CLI_FEATURE_TRAINING_H
#define ADCL_CLI_FEATURE_TRAINING_H

#include "cli/new_adapter.h"
#include "cli/training_options.h"

/* What the command line says; strings are borrowed from it. */
typedef struct train_options {
    training_options training;
    const char *train[2];     /* features, labels */
    const char *test[2];      /* the same; NULL without a test set */
    const char *adapter_path; /* an adapter to go on from; NULL: a new one */
    int head_only;
    int cast;
    new_adapter_options adapter;
} train_options;

/* Trains, and writes what interface and manual promise. INTERRUPTED after a checkpoint when SIGINT
 * came. The options must outlive the call. */
int feature_training_run(session *s, const train_options *options);

#endif
