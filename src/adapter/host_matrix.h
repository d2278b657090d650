/* SPDX-License-Identifier: MIT */
/* host_matrix.h – device matrices as doubles on the host, for the engine `reference`. Both wait. */
#ifndef ADCL_ADAPTER_HOST_MATRIX_H
#define ADCL_ADAPTER_HOST_MATRIX_H

#include "runtime/tensor.h"

/* out[rows · cols] = tensor, dense. */
adcl_status adcl__matrix_to_host(adcl_context *ctx, const adcl_tensor *tensor, double *out);

/* tensor = numbers[rows · cols], each rounded once. */
adcl_status adcl__matrix_from_host(adcl_context *ctx, const double *numbers, adcl_tensor *tensor);

#endif
