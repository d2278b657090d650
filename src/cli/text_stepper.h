/* SPDX-License-Identifier: MIT */
/* text_stepper.h – the steps of a training on texts. A step packs its batch, runs it forward and
 * backward in as many passes as its tokens need, and leaves loss, logits and the norm of the
 * gradient on the device. It waits only where a batch takes several passes. */
#ifndef ADCL_CLI_TEXT_STEPPER_H
#define ADCL_CLI_TEXT_STEPPER_H

#include "cli/frozen_states.h"
#include "cli/record.h"

/* Most steps between two reads: what a device computes in the time that a person waits gladly. */
#define TEXT_BLOCK_MOST 16

/* What is learned, and how; borrowed by the stepper. */
typedef struct text_lesson {
    const text_model *model;     /* with a set; its encoder is for training */
    const dataset *data;         /* whose classes or targets were found */
    const token_list *tokens;    /* of the same examples */
    const frozen_states *frozen; /* of the same tokens */
    size_t batch;                /* examples of a step */
    size_t max_tokens;           /* of a pass; a longer sequence gets its pass all the same */
    double head_scale;           /* of the head's learning rate */
    int model_dropout;           /* the frozen model's own is on */
    int recompute;               /* backward runs the layers again instead of keeping what they gave */
    const adcl_optimizer_params *optimizer;
} text_lesson;

typedef struct text_stepper {
    session *s;
    text_lesson lesson;
    size_t batch; /* B, at most the number of examples */
    size_t steps_per_epoch;
    size_t outputs;    /* C of the head */
    size_t block_most; /* steps between two reads: TEXT_BLOCK_MOST, or less for a large C */
    bool is_regression;
    int32_t *order;           /* (N): the examples in the order of this epoch */
    adcl_tensor *order_there; /* (N, 1) I32: the same on the device */
    adcl_tensor *labels;      /* (N, 1): I32 classes or F32 targets */
    adcl_tensor *answers;     /* (B, 1): those of a batch */
    adcl_tensor *logits;      /* (block_most · B, C): of the steps not read yet */
    adcl_tensor *gradient;    /* (B, C): of a pass */
    /* With frozen states: the tokens in the order of this epoch, and the states of a pass. */
    int32_t *token_order;           /* (tokens) */
    adcl_tensor *token_order_there; /* (tokens, 1) I32 */
    adcl_tensor *states;            /* (most tokens of a pass, D) */
    size_t *first_tokens;           /* (N): where example order[i] begins in token_order */
    packed_pass pass;
    adcl_encoder_workspace *workspace;
    adcl_parameters *parameters;
    adcl_optimizer *optimizer;
    adcl_loss *loss;
    record losses;
    record norms;
    /* Of the steps that were not read yet: */
    size_t recorded;
    size_t indices[TEXT_BLOCK_MOST]; /* their batches */
    bool in_passes[TEXT_BLOCK_MOST]; /* whose loss is known already */
    float known_losses[TEXT_BLOCK_MOST];
    float *read_logits; /* (block_most · B, C) */
} text_stepper;

/* Free *out, before what it borrows, in any case. */
int text_stepper_create(session *s, text_stepper *out, const text_lesson *lesson);
void text_stepper_free(text_stepper *t);

/* Takes the examples in the order of an epoch from now on. Waits. */
int text_stepper_start_epoch(text_stepper *t, uint64_t epoch);
/* Enqueues the step of batch `index`. `step`, the count of steps before it, chooses the dropout
 * masks. At most block_most steps may follow each other without a read. */
int text_stepper_step(text_stepper *t, size_t index, uint64_t step, double learning_rate);
/* Tokens of a batch of this epoch. */
size_t text_stepper_tokens(const text_stepper *t, size_t index);
/* Waits for the steps since the last read and gives their figures. */
int text_stepper_read(text_stepper *t, step_figures figures[TRAINING_BLOCK_MOST]);

#endif
