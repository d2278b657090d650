/* SPDX-License-Identifier: MIT */
/* activation.h – bias and nonlinearity of the bottleneck, forward and backward. */
#ifndef ADCL_OPS_ACTIVATION_H
#define ADCL_OPS_ACTIVATION_H

#include "runtime/tensor.h"

#include <adapter_cl/activation.h>

/* True of softmax, log_softmax and log_sumexp: each row of h needs its whole row of z. */
bool adcl__activation_mixes_columns(adcl_activation activation);

/* z ← z + bias; h = act(z).  z (N, R), bias (1, R), h (N, R), or (N, 1) for log_sumexp. h may be z
 * (inference) unless it is log_sumexp's. */
adcl_status adcl__activation_forward(adcl_context *ctx, adcl_activation activation, adcl_tensor *z,
                                     const adcl_tensor *bias, adcl_tensor *h);

/* dz = dh ∘ act′(z), and h = act(z) once more, for the weight gradient.
 * z (N, R), dh (N, R) or (N, 1), dz (N, R) may be dh, h as dh. */
adcl_status adcl__activation_backward(adcl_context *ctx, adcl_activation activation,
                                      const adcl_tensor *z, const adcl_tensor *dh, adcl_tensor *dz,
                                      adcl_tensor *h);

#endif
