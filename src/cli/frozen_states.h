/* SPDX-License-Identifier: MIT */
/* frozen_states.h – the output of the layers below the lowest one with something to train, computed
 * once for every token of a list and kept, so that epochs begin above them.
 *
 * A file of them begins with a page of text, which says what they belong to, and goes on with the
 * states (tokens, D) as f32. */
#ifndef ADCL_CLI_FROZEN_STATES_H
#define ADCL_CLI_FROZEN_STATES_H

#include "cli/text_model.h"

/* Starts as {0}: nothing is kept, and passes begin with the embeddings. */
typedef struct frozen_states {
    adcl_tensor *states; /* (tokens, D); NULL: nothing is kept */
    size_t first_layer;  /* that they enter */
    void *mapping;       /* of the file; NULL: in memory */
    size_t mapped_bytes;
} frozen_states;

/* What is asked for: where they are kept. */
typedef struct frozen_request {
    const char *place; /* "auto", "memory", "off", or a file's name */
    const char *what;  /* for people: "train.tsv" */
    uint64_t digest;   /* of model, tokens and all that they depend on */
    size_t epochs;     /* how often they are used */
    size_t max_tokens; /* of a pass */
} frozen_request;

/* Computes the states of all tokens of `list`, or takes them from the file where they are there
 * already. With "auto" they are kept where that saves work and memory suffices; otherwise *out
 * stays empty. Free *out in any case. */
int frozen_states_make(session *s, frozen_states *out, const text_model *m, const token_list *list,
                       const frozen_request *request);
void frozen_states_free(frozen_states *f);

#endif
