/* SPDX-License-Identifier: MIT */
/* training.h – a training from its first step to its last: epochs, log, checkpoints, going on
 * later, stopping early. What is trained, and how a step goes, is the trainee's business. */
#ifndef ADCL_CLI_TRAINING_H
#define ADCL_CLI_TRAINING_H

#include "cli/evaluation.h"
#include "cli/progress.h"
#include "cli/training_folder.h"
#include "cli/training_log.h"
#include "cli/training_options.h"
#include "cli/traits.h"

/* Most steps that may wait to be read. */
#define TRAINING_BLOCK_MOST 64

/* What a step left on the device. */
typedef struct step_figures {
    float loss;
    float norm;   /* of the gradient */
    size_t right; /* examples whose class was found */
    size_t known; /* how many that is of; 0 where nobody counts */
} step_figures;

/* What is trained: a set of parameters, and what to do with them. `self` goes to every function. */
typedef struct trainee {
    void *self;
    const char *unit;       /* what the speed counts: "rows", "tokens" */
    size_t steps_per_epoch; /* at least 1 */
    size_t block_most;      /* steps between two calls of read, 1 to TRAINING_BLOCK_MOST */
    const adcl_parameters *parameters;
    adcl_optimizer *optimizer;
    /* Chooses the order of an epoch's examples. Waits. */
    int (*start_epoch)(void *self, uint64_t epoch);
    /* Enqueues the step of batch `index` of the epoch; `step` of them were made before. */
    int (*step)(void *self, size_t index, uint64_t step, double learning_rate);
    /* What the batch has of the unit. */
    size_t (*work)(const void *self, size_t index);
    /* Waits for the steps since the last call and gives their figures. */
    int (*read)(void *self, step_figures figures[TRAINING_BLOCK_MOST]);
    /* On the test or development set; NULL where there is none. `epoch` counts from 1. */
    int (*evaluate)(void *self, uint64_t epoch, evaluation *out);
    /* Saves the parameters as the best so far; NULL where nobody asks for the best. */
    int (*keep)(void *self);
    /* Once an epoch is said and saved; NULL: nothing more is to be done. */
    int (*after_epoch)(void *self);
    /* Adds what the result depends on, besides the options that every training has. */
    void (*describe)(const void *self, traits *list);
} trainee;

/* The evaluation that was best so far; epoch 0: none. */
typedef struct best_evaluation {
    uint64_t epoch;
    double goodness;
    double loss;
} best_evaluation;

typedef struct training {
    session *s;
    const training_options *o;
    const trainee *trainee;
    training_folder folder;
    adcl_schedule schedule;
    uint64_t step; /* steps done */
    best_evaluation best;
    bool has_order;       /* the trainee has the order of the epoch of `step` */
    size_t recorded;      /* steps since the last read */
    size_t block;         /* steps until the figures are read; grows while they are quick */
    double block_started; /* clock_seconds */
    double last_checkpoint;
    double epoch_loss;  /* sum over the steps of this epoch that were read */
    size_t epoch_steps; /* how many those are */
    size_t epoch_work;  /* and the rows or tokens in them */
    size_t epoch_right;
    size_t epoch_known;
    double epoch_started;
    training_log log;
    progress progress;
} training;

/* Looks whether the options' folder may be used; makes nothing yet. The options must outlive the
 * training. Close *t in any case. */
int training_open(session *s, training *t, const training_options *options);
void training_close(training *t);

/* Trains until the end. INTERRUPTED after a checkpoint when SIGINT came, which the caller must have
 * on hold. */
int training_run(training *t, const trainee *subject);

/* What the result depends on: the options that every training has, and the trainee's own. */
void training_describe(const training *t, traits *list);

/* Epochs that are complete. */
uint64_t training_epochs(const training *t);
/* True when it ended before its last step, for want of progress. */
bool training_stopped_early(const training *t);

#endif
