/* SPDX-License-Identifier: MIT */
/* training.h – one training, from its options to the files in its folder. */
#ifndef ADCL_CLI_TRAINING_H
#define ADCL_CLI_TRAINING_H

#include "cli/classifier.h"
#include "cli/new_adapter.h"
#include "cli/progress.h"
#include "cli/stepper.h"
#include "cli/training_log.h"

/* What the command line says; strings are borrowed from it. */
typedef struct train_options {
    const char *train[2];     /* features, labels */
    const char *test[2];      /* the same; NULL without a test set */
    const char *folder_path;
    const char *adapter_path; /* an adapter to go on from; NULL: a new one */
    const char *log_path;     /* besides the folder's; may be NULL */
    int head_only;
    int resume;
    int force;
    int cast;
    new_adapter_options adapter;
    size_t epochs;
    size_t batch;
    size_t checkpoint_every;  /* steps; 0: at the end of each epoch only */
    double learning_rate;
    double warmup;            /* steps; below 1: a share of all steps */
    adcl_schedule_kind schedule;
    adcl_optimizer_params optimizer;
} train_options;

typedef struct training {
    session *s;
    const train_options *o;
    training_folder folder;
    array x;                   /* (N, D); without values once they are on the device */
    labels l;                  /* (N) */
    uint64_t digest;           /* of both */
    array test_x;              /* (M, D); without values when there is no test set */
    labels test_l;
    float *test_logits;        /* (M, C) */
    int32_t *order;            /* (N): the rows in the order of the epoch */
    adcl_adapter_file *source; /* of --adapter, whose metadata is carried over; or NULL */
    classifier model;
    stepper steps;
    adcl_schedule schedule;
    uint64_t step;             /* steps done */
    bool has_order;            /* `order` is that of the epoch of `step` */
    size_t block;              /* steps until the figures are read; grows while they are quick */
    double block_started;      /* clock_seconds */
    double epoch_loss;         /* sum over the steps of this epoch that were read */
    size_t epoch_steps;        /* how many those are */
    size_t epoch_rows;         /* and their rows */
    double epoch_started;
    training_log log;
    progress progress;
} training;

/* Trains, and writes what interface and manual promise. INTERRUPTED after a checkpoint when SIGINT
 * came. The options must outlive the call. */
int training_run(session *s, const train_options *options);

#endif
