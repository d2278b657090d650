/* SPDX-License-Identifier: MIT */
/* encoder_reference.h – the encoder with its adapters in plain C, in double: the specification that devices
 * are compared with, and the engine `reference`. T tokens, S sequences, D hidden, C labels. */
#ifndef ADCL_ENCODER_ENCODER_REFERENCE_H
#define ADCL_ENCODER_ENCODER_REFERENCE_H

#include "encoder/adapter_folder.h"
#include "encoder/model_weights.h"

typedef struct adcl__reference_batch {
    size_t sequences;
    const size_t *starts; /* S + 1 */
    const int32_t *ids;
    const int32_t *type_ids; /* NULL: 0 */
} adcl__reference_batch;

/* hidden: (layers + 1) matrices (T, D), the first is what enters the first layer. logits: (S, C), NULL: not
 * wanted. dlogits (S, C), NULL: no backward; otherwise the gradients of Σ logits·dlogits are added to
 * `gradients`, a set made with the same params (its `float *` arrays), in double inside and rounded once.
 * Set NULL: the model alone. Dropout is off. Errors: OUT_OF_HOST_MEMORY. */
adcl_status adcl__encoder_reference_run(const adcl__model_weights *model, const adcl__host_set *set,
                                        const adcl__reference_batch *batch, double *hidden,
                                        double *logits, const double *dlogits,
                                        adcl__host_set *gradients, adcl_error *error);

#endif
