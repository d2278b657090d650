/* SPDX-License-Identifier: MIT */
/* stepper.h – the steps of a training. The training set lies on the device; a step gathers its rows
 * there, and leaves its loss and the norm of its gradient there, so it never waits. */
#ifndef ADCL_CLI_STEPPER_H
#define ADCL_CLI_STEPPER_H

#include "cli/classifier.h"
#include "cli/record.h"

/* The tensors of one step. */
typedef struct batch {
    size_t rows;         /* B */
    adcl_tensor *x;      /* (B, D) */
    adcl_tensor *labels; /* (B, 1) I32 */
    adcl_tensor *y;      /* (B, D), the adapter's output; NULL for a head alone */
    adcl_tensor *logits; /* (B, C), then their gradient */
    adcl_tensor *dy;     /* (B, D); NULL for a head alone */
} batch;

typedef struct stepper {
    adcl_tensor *features;       /* (N, D) */
    adcl_tensor *labels;         /* (N, 1) I32 */
    adcl_tensor *order;          /* (N, 1) I32: the rows in the order of this epoch */
    adcl_tensor **batch_orders;  /* steps_per_epoch views of order */
    size_t rows;                 /* N */
    size_t steps_per_epoch;
    batch full;
    batch last;                  /* views of full, for an epoch's smaller last batch */
    record losses;
    record norms;
    size_t recorded;             /* slots in use */
    adcl_workspace *workspace;   /* NULL for a head alone */
    adcl_parameters *parameters;
    adcl_optimizer *optimizer;
    adcl_loss *loss;
} stepper;

/* Everything for training `model` on x (N, D) and l (N) in batches of batch_rows rows, 1 to N. Free
 * *out, before the model, in any case. */
int stepper_create(session *s, stepper *out, const classifier *model, const array *x,
                   const labels *l, size_t batch_rows, const adcl_optimizer_params *params);
void stepper_free(stepper *t);

/* Takes the rows in this order from now on; order has N entries. Waits. */
int stepper_set_order(session *s, stepper *t, const int32_t *order);

/* Enqueues the step of batch `index` of the epoch. `step`, the count of steps before it, chooses
 * the dropout masks. At most TRAINING_BLOCK_MOST steps may follow each other without a
 * stepper_read. */
int stepper_step(session *s, stepper *t, const classifier *model, size_t index, uint64_t step,
                 double learning_rate);
size_t stepper_batch_rows(const stepper *t, size_t index);

/* Waits for the steps since the last read and gives their figures, t->recorded of each, which then
 * starts from 0. */
int stepper_read(session *s, stepper *t, float losses[TRAINING_BLOCK_MOST],
                 float norms[TRAINING_BLOCK_MOST]);

#endif
