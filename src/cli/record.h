/* SPDX-License-Identifier: MIT */
/* record.h – a figure of each of the last steps of a training, left on the device until it is read.
 */
#ifndef ADCL_CLI_RECORD_H
#define ADCL_CLI_RECORD_H

#include "cli/training.h"

typedef struct record {
    adcl_tensor *all;                        /* (TRAINING_BLOCK_MOST, 1) */
    adcl_tensor *slots[TRAINING_BLOCK_MOST]; /* (1, 1) each: the place of one step */
} record;

int record_create(session *s, record *out);
void record_free(record *r);
/* Waits. */
int record_read(session *s, const record *r, float values[TRAINING_BLOCK_MOST]);

#endif
