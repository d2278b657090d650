/* SPDX-License-Identifier: MIT */
/* encoder_reference_parts.h – what the files of encoder_reference.h share: memory, parameters in
 * double, one place for an adapter, the head. T tokens, S sequences, D hidden, R bottleneck, C
 * labels. A gradient is named d + what it is the gradient of. */
#ifndef ADCL_ENCODER_ENCODER_REFERENCE_PARTS_H
#define ADCL_ENCODER_ENCODER_REFERENCE_PARTS_H

#include "encoder/encoder_reference.h"
#include "reference/reference.h"

#include <stdbool.h>

/* ---- encoder_reference_memory.c -------------------------------------------------------------- */

/* All that a run allocates, freed at once. */
typedef struct adcl__reference_memory {
    struct adcl__reference_block *blocks;
    bool exhausted; /* something could not be had, and is NULL */
} adcl__reference_memory;

/* count elements of `size` bytes, all zeros; NULL marks the memory as exhausted. */
void *adcl__reference_take(adcl__reference_memory *memory, size_t count, size_t size);
/* A matrix of zeros, (rows, cols). */
double *adcl__reference_take_matrix(adcl__reference_memory *memory, size_t rows, size_t cols);
void adcl__reference_release(adcl__reference_memory *memory);

/* ---- encoder_reference_parameters.c ---------------------------------------------------------- */

/* One place for an adapter, and the model's layer norm that stands there. What its options do
 * without is NULL inside; so are gradients that are not wanted. */
typedef struct adcl__reference_site {
    size_t bottleneck; /* R; 0: no adapter here */
    adcl__reference_linear down, up, gate;
    adcl__reference_norm norm_before, norm_after;
    size_t scaling_count; /* 1, or D: one number a channel */
    double *scaling, *scaling_gradient;
    adcl__reference_norm model_norm; /* the set's values where it trains them */
} adcl__reference_site;

typedef struct adcl__reference_layer {
    adcl__reference_site attention, output;
} adcl__reference_layer;

/* Everything that can be trained, in double. */
typedef struct adcl__reference_parameters {
    adcl__reference_norm embeddings_norm;
    adcl__reference_layer *layers;
    adcl__reference_linear head[2];
    size_t head_layers; /* 0: no head */
    size_t bottleneck;  /* the largest R */
    struct adcl__reference_sum *sums; /* what becomes of the gradients */
} adcl__reference_parameters;

/* set NULL: the model's layer norms alone. gradients NULL: none are wanted. The memory is exhausted
 * when something is missing. */
void adcl__reference_parameters_make(adcl__reference_parameters *out,
                                     adcl__reference_memory *memory,
                                     const adcl__model_weights *model, const adcl__host_set *set,
                                     const adcl__host_set *gradients);
/* Adds the sums to the set of gradients, and rounds each number once. */
void adcl__reference_parameters_add_sums(const adcl__reference_parameters *parameters);

/* ---- encoder_reference_site.c ---------------------------------------------------------------- */

/* What a site needs to know of the run. */
typedef struct adcl__reference_tokens {
    size_t tokens, sequences, hidden_size; /* T, S, D */
    const size_t *starts;                  /* S + 1 */
    const adcl_adapter_set_params *options; /* NULL: there is no adapter anywhere */
} adcl__reference_tokens;

/* What forward leaves for backward. */
typedef struct adcl__reference_site_state {
    double *h;       /* (T, D) in: what the sublayer gives */
    double *sum;     /* (T, D) h + i */
    double *entered; /* (T, D) the norm of the sum */
    double *normed;  /* (T, D) x after ln_before */
    double *z, *a;   /* (T, R) after down, after the activation */
    double *up;      /* (T, D) after up, before scaling and gate */
    double *gate;    /* (T) a sigmoid each */
    double *openness; /* (S) their mean over each sequence */
    double *update;  /* (T, D) the adapter's, up to ln_after */
    double *last;    /* (T, D) what the model's norm takes at the end */
    const double *x; /* (T, D) what the adapter takes: h, entered or i */
    const double *residual; /* (T, D) what is added to its update: h, x or sum; NULL: nothing */
} adcl__reference_site_state;

void adcl__reference_site_state_make(adcl__reference_site_state *out,
                                     adcl__reference_memory *memory,
                                     const adcl__reference_tokens *tokens, size_t bottleneck);

/* Temporary memory of backward, for all sites. */
typedef struct adcl__reference_site_scratch {
    double *dlast, *dsum, *dupdate, *dup, *dx; /* (T, D) */
    double *da, *dz;                           /* (T, R) */
    double *dgate;                             /* (T) */
} adcl__reference_site_scratch;

void adcl__reference_site_scratch_make(adcl__reference_site_scratch *out,
                                       adcl__reference_memory *memory,
                                       const adcl__reference_tokens *tokens, size_t bottleneck);

/* out (T, D) from state->h and i (T, D), the sublayer's input. */
void adcl__reference_site_forward(const adcl__reference_tokens *tokens,
                                  const adcl__reference_site *site,
                                  adcl__reference_site_state *state, const double *i, double *out);

/* The gradients of one site: dout (T, D) in; dh (T, D) is written, di (T, D) added to. */
typedef struct adcl__reference_site_gradients {
    const double *dout;
    double *dh, *di;
} adcl__reference_site_gradients;

void adcl__reference_site_backward(const adcl__reference_tokens *tokens,
                                   const adcl__reference_site *site,
                                   const adcl__reference_site_state *state,
                                   const adcl__reference_site_scratch *scratch,
                                   const adcl__reference_site_gradients *gradients);

/* ---- encoder_reference_head.c ---------------------------------------------------------------- */

typedef struct adcl__reference_head_state {
    double *pooled;          /* (S, D) */
    double *dense, *tanh;    /* (S, D) of two layers: after the first, after tanh */
    double *ddense, *dtanh, *dpooled; /* (S, D) */
} adcl__reference_head_state;

void adcl__reference_head_state_make(adcl__reference_head_state *out,
                                     adcl__reference_memory *memory,
                                     const adcl__reference_tokens *tokens);

/* logits (S, C) from the last hidden state (T, D). */
void adcl__reference_head_forward(const adcl__reference_tokens *tokens,
                                  const adcl__reference_parameters *parameters,
                                  adcl__reference_head_state *state, const double *hidden,
                                  double *logits);
/* dhidden (T, D) is written, given dlogits (S, C). */
void adcl__reference_head_backward(const adcl__reference_tokens *tokens,
                                   const adcl__reference_parameters *parameters,
                                   const adcl__reference_head_state *state, const double *dlogits,
                                   double *dhidden);

#endif
