/* SPDX-License-Identifier: MIT */
/* training_state.h – a training's checkpoints: all that is needed to go on with the same bits. */
#ifndef ADCL_CLI_TRAINING_STATE_H
#define ADCL_CLI_TRAINING_STATE_H

#include "cli/training.h"

/* Writes parameters, optimizer state, the count of steps, and everything that the result depends
 * on. Waits. */
int training_state_save(training *t);

/* Goes back to the state in the folder's checkpoint. Fails, naming the option, when the checkpoint
 * is of a training with other options or data. */
int training_state_restore(training *t);

#endif
