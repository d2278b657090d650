/* SPDX-License-Identifier: MIT */
/* inference.h – many texts through a model, pass by pass, the results back on the host. */
#ifndef ADCL_CLI_INFERENCE_H
#define ADCL_CLI_INFERENCE_H

#include "cli/frozen_states.h"
#include "cli/progress.h"

/* Tokens of a pass where nobody asks for another number: enough to fill wide devices, and few
 * enough for small memories. */
#define INFERENCE_TOKENS 2048

typedef struct inference {
    session *s;
    const text_model *model;
    adcl_encoder_workspace *workspace;
    packed_pass pass;
    adcl_tensor *results; /* (max_sequences, cols): logits, or pooled states */
    size_t cols;
    size_t max_tokens;
    size_t max_sequences;
    bool pools; /* pooled states instead of logits */
    adcl_pooling pooling;
    int normalize;
} inference;

/* For passes over such a list: of at most about max_tokens tokens (0: INFERENCE_TOKENS), though a
 * longer sequence still gets its pass. Logits of the model's set, unless `pooling` is not NULL. */
int inference_create(session *s, inference *out, const text_model *m, const token_list *list,
                     size_t max_tokens, const adcl_pooling *pooling);
/* For single sequences of any length that the model takes. */
int inference_create_single(session *s, inference *out, const text_model *m,
                            const adcl_pooling *pooling);
void inference_free(inference *f);

/* results (count, cols) of all sequences of the list. `frozen` (NULL: nothing is kept) are the
 * states of this list. Shows how far it is unless `what` is NULL. Waits. */
int inference_run(inference *f, const adcl_adapter_set *set, const token_list *list,
                  const frozen_states *frozen, float *results, const char *what);

/* values (tokens, D) = the last hidden state of every token of a list that takes one pass. Waits.
 */
int inference_states(inference *f, const adcl_adapter_set *set, const token_list *list,
                     float *values);

#endif
