/* SPDX-License-Identifier: MIT */
/* optimizer.h – SGD, Adam, AdamW over a set of parameters, with clipping by global norm.
 *
 *     clip   g ← g · min(1, clip_norm / ‖g‖)           ‖g‖ over all gradients of the set
 *     SGD    v ← momentum·v + g;  w ← w − lr·v
 *     Adam   m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²    (Kingma & Ba 2015, algorithm 1)
 *            w ← w − lr · m̂ / (sqrt(v̂ + epsilon_root) + epsilon)
 *            m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ); without bias correction m̂ = m, v̂ = v
 *     Weight decay: SGD, Adam: g ← g + decay·w (after clipping); AdamW: w ← w − lr·decay·w
 *            (Loshchilov & Hutter 2019). Only for parameters whose `decays` is 1.
 * A step enqueues and never waits; the norm does not pass through the host. It is finite whenever
 * float can hold it. With clipping, a gradient that is not finite makes every update NaN: seen, not
 * hidden. */
#ifndef ADAPTER_CL_OPTIMIZER_H
#define ADAPTER_CL_OPTIMIZER_H

#include <adapter_cl/parameters.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adcl_optimizer_kind { ADCL_ADAM = 0, ADCL_ADAMW, ADCL_SGD } adcl_optimizer_kind;

/* "adam", "adamw", "sgd". A static string, "?" outside the list. */
ADCL_API const char *adcl_optimizer_kind_name(adcl_optimizer_kind kind);
/* Errors: INVALID_ARGUMENT for NULL, NOT_FOUND with the list of names. */
ADCL_API adcl_status adcl_optimizer_kind_from_name(const char *name, adcl_optimizer_kind *out,
                                                   adcl_error *error);

typedef struct adcl_optimizer_params {
    size_t struct_size;
    adcl_optimizer_kind kind; /* 0: Adam */
    float momentum;           /* SGD: [0, 1); 0: plain SGD, no state */
    float beta1;              /* Adam: (0, 1); 0: 0.9 */
    float beta2;              /* Adam: (0, 1); 0: 0.999 */
    float epsilon;            /* outside the root; 0: 1e-8; the original adapter-BERT has 1e-6 */
    float epsilon_root;       /* inside the root, ≥ 0; the reference's Adam has 1e-15 */
    float weight_decay;       /* ≥ 0 */
    float clip_norm;          /* ≥ 0; 0: no clipping */
    int no_bias_correction;   /* 1: none, as the original adapter-BERT */
    int record_norm;          /* 1: compute ‖g‖ even without clipping */
} adcl_optimizer_params;

#define ADCL_OPTIMIZER_PARAMS_INIT {sizeof(adcl_optimizer_params), ADCL_ADAM, 0.0f, 0.0f, 0.0f, \
                                    0.0f, 0.0f, 0.0f, 0.0f, 0, 0}

typedef struct adcl_optimizer adcl_optimizer;

/* State (zeros) for every parameter now in `set`, which must outlive the optimizer and not grow.
 * Allocates, compiles and launches everything once. The caller owns *out.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, memory, OPENCL, PROGRAM_BUILD. */
ADCL_API adcl_status adcl_optimizer_create(adcl_optimizer **out, adcl_context *ctx,
                                           adcl_parameters *set,
                                           const adcl_optimizer_params *params);
ADCL_API void adcl_optimizer_destroy(adcl_optimizer **optimizer);

/* One update of all parameters from their gradients, which stay as they are (zero them with
 * adcl_parameters_zero_grad). Parameters of an adapter that is frozen now are left out. Enqueues.
 * Errors: INVALID_ARGUMENT (learning_rate negative or not finite), INVALID_STATE (the set has
 * grown), OPENCL. */
ADCL_API adcl_status adcl_optimizer_step(adcl_context *ctx, adcl_optimizer *optimizer,
                                         double learning_rate);

/* ‖g‖ of the last step before clipping, (1, 1) on the device; NULL unless clip_norm > 0 or
 * record_norm. Owned by the optimizer. */
ADCL_API const adcl_tensor *adcl_optimizer_gradient_norm(const adcl_optimizer *optimizer);

/* ---- state, for checkpoints ------------------------------------------------------------------*/

/* A tensor with a name; both borrowed. */
typedef struct adcl_named_tensor {
    const char *name;
    adcl_tensor *tensor;
} adcl_named_tensor;

/* The state as named tensors (<parameter>.m, <parameter>.v; <parameter>.momentum), owned by the
 * optimizer. */
ADCL_API size_t adcl_optimizer_state_count(const adcl_optimizer *optimizer);
ADCL_API adcl_named_tensor adcl_optimizer_state(const adcl_optimizer *optimizer, size_t index);
/* Steps done so far: the t of bias correction. */
ADCL_API uint64_t adcl_optimizer_step_count(const adcl_optimizer *optimizer);
ADCL_API void adcl_optimizer_set_step_count(adcl_optimizer *optimizer, uint64_t steps);

#ifdef __cplusplus
}
#endif
#endif
