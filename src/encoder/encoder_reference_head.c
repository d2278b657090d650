/* SPDX-License-Identifier: MIT */
/* encoder_reference_head.c – the first token of each sequence, or the mean of all:
 *
 *     hidden (T, D) ──► pooled (S, D) ──► [dense (S, D) ──tanh──►] logits (S, C) */
#include "encoder/encoder_reference_parts.h"

#include <string.h>

void adcl__reference_head_state_make(adcl__reference_head_state *out,
                                     adcl__reference_memory *memory,
                                     const adcl__reference_tokens *tokens)
{
    double **matrices[] = {&out->pooled, &out->dense, &out->tanh,
                           &out->ddense, &out->dtanh, &out->dpooled};
    for (size_t m = 0; m < sizeof matrices / sizeof matrices[0]; m++)
        *matrices[m] = adcl__reference_take_matrix(memory, tokens->sequences, tokens->hidden_size);
}

/* How many tokens of sequence s are pooled: the first of them. */
static size_t pooled_tokens(const adcl__reference_tokens *tokens, size_t s)
{
    bool mean = tokens->options->pooling == ADCL_POOLING_MEAN;
    return mean ? tokens->starts[s + 1] - tokens->starts[s] : 1;
}

/* pooled (S, D) = the mean of the pooled rows of hidden (T, D). */
static void pool_forward(const adcl__reference_tokens *tokens, const double *hidden, double *pooled)
{
    size_t d = tokens->hidden_size;
    for (size_t s = 0; s < tokens->sequences; s++) {
        const double *rows = hidden + tokens->starts[s] * d;
        size_t count = pooled_tokens(tokens, s);
        for (size_t c = 0; c < d; c++) {
            double sum = 0.0;
            for (size_t t = 0; t < count; t++) sum += rows[t * d + c];
            pooled[s * d + c] = sum / (double)count;
        }
    }
}

static void pool_backward(const adcl__reference_tokens *tokens, const double *dpooled,
                          double *dhidden)
{
    size_t d = tokens->hidden_size;
    memset(dhidden, 0, tokens->tokens * d * sizeof *dhidden);
    for (size_t s = 0; s < tokens->sequences; s++) {
        double *rows = dhidden + tokens->starts[s] * d;
        size_t count = pooled_tokens(tokens, s);
        for (size_t e = 0; e < count * d; e++) rows[e] = dpooled[s * d + e % d] / (double)count;
    }
}

void adcl__reference_head_forward(const adcl__reference_tokens *tokens,
                                  const adcl__reference_parameters *parameters,
                                  adcl__reference_head_state *state, const double *hidden,
                                  double *logits)
{
    size_t s = tokens->sequences;
    pool_forward(tokens, hidden, state->pooled);
    if (parameters->head_layers == 1) {
        adcl__reference_linear_forward(&parameters->head[0], s, state->pooled, logits);
        return;
    }
    adcl__reference_linear_forward(&parameters->head[0], s, state->pooled, state->dense);
    adcl__reference_activation_forward(ADCL_ACTIVATION_TANH, s, tokens->hidden_size, state->dense,
                                       state->tanh);
    adcl__reference_linear_forward(&parameters->head[1], s, state->tanh, logits);
}

void adcl__reference_head_backward(const adcl__reference_tokens *tokens,
                                   const adcl__reference_parameters *parameters,
                                   const adcl__reference_head_state *state, const double *dlogits,
                                   double *dhidden)
{
    size_t s = tokens->sequences;
    const double *dfirst = dlogits; /* of the first layer's result */
    if (parameters->head_layers == 2) {
        adcl__reference_linear_backward(&parameters->head[1], s, state->tanh, dlogits,
                                        state->dtanh);
        adcl__reference_activation_backward(ADCL_ACTIVATION_TANH, s, tokens->hidden_size,
                                            state->dense, state->dtanh, state->ddense);
        dfirst = state->ddense;
    }
    adcl__reference_linear_backward(&parameters->head[0], s, state->pooled, dfirst, state->dpooled);
    pool_backward(tokens, state->dpooled, dhidden);
}
