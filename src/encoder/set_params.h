/* SPDX-License-Identifier: MIT */
/* set_params.h – the options of a set of adapters: checked, made complete, copied. */
#ifndef ADCL_ENCODER_SET_PARAMS_H
#define ADCL_ENCODER_SET_PARAMS_H

#include "base/error.h"

#include <adapter_cl/encoder.h>

/* *out = `given` for a model of `layers` layers, with strings and lists of its own and a value in
 * every field that means another one when it is 0. On failure *out is all zeros. Errors:
 * INVALID_ARGUMENT, OUT_OF_HOST_MEMORY. */
adcl_status adcl__set_params_copy(adcl_adapter_set_params *out,
                                  const adcl_adapter_set_params *given, size_t layers,
                                  adcl_error *error);
/* What a copy owns; all zeros are fine. Leaves all zeros. */
void adcl__set_params_free(adcl_adapter_set_params *params);

/* Whether complete params place adapters in that layer. */
int adcl__set_params_has_layer(const adcl_adapter_set_params *params, size_t layer);

/* The reduction factor of a layer. */
float adcl__set_params_reduction(const adcl_adapter_set_params *params, size_t layer);

/* max(1, ⌊D / factor⌋) as AdapterHub computes it; 0 where it is more than any adapter may have. */
size_t adcl__bottleneck_of(size_t hidden_size, double reduction_factor);

#endif
