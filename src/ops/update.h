/* SPDX-License-Identifier: MIT */
/* update.h – one step of an optimizer on one array of parameters, and the norm of gradients.
 * Formulas are in cl/update.cl. */
#ifndef ADCL_OPS_UPDATE_H
#define ADCL_OPS_UPDATE_H

#include "runtime/tensor.h"

/* ---- norm ------------------------------------------------------------------------------------ */

/* How many partials, of two floats each, a gradient gives, and how many at most. */
size_t adcl__norm_partial_count(const adcl_tensor *gradient);
#define ADCL__NORM_PARTIALS_MOST 256

/* partials[first …] = those of `gradient`. */
adcl_status adcl__norm_partials(adcl_context *ctx, const adcl_tensor *gradient, cl_mem partials,
                                size_t first);

/* norm (1, 1) = the norm of all gradients together; `count` partials of theirs. */
adcl_status adcl__norm_finish(adcl_context *ctx, cl_mem partials, size_t count, adcl_tensor *norm);

/* ---- step ------------------------------------------------------------------------------------ */

/* What every optimizer's step has. */
typedef struct adcl__update {
    adcl_tensor *value;          /* (rows, cols) */
    const adcl_tensor *gradient; /* (rows, cols) */
    const adcl_tensor *norm;     /* (1, 1); read when clip_norm is not 0 */
    float clip_norm;
    float rate;   /* the step's size */
    float decay;  /* decay·value is added to the gradient */
    float shrink; /* shrink·value is taken from the value; not for SGD */
} adcl__update;

/* velocity: rows · cols dense elements; NULL when momentum is 0. */
adcl_status adcl__sgd_step(adcl_context *ctx, const adcl__update *update,
                           const adcl_tensor *velocity, float momentum);

typedef struct adcl__adam {
    adcl_tensor m, v; /* rows · cols dense elements of one buffer */
    double beta1, beta2;
    float v_scale; /* the bias correction of v; that of m is in the update's rate */
    float epsilon_root, epsilon;
} adcl__adam;

adcl_status adcl__adam_step(adcl_context *ctx, const adcl__update *update, const adcl__adam *adam);

#endif
