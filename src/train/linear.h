/* SPDX-License-Identifier: MIT */
/* linear.h – a dense layer over parameters that somebody else owns. */
#ifndef ADCL_TRAIN_LINEAR_H
#define ADCL_TRAIN_LINEAR_H

#include <adapter_cl/linear.h>

/* From now on the layer computes with these, of its own shapes, instead of parameters of its own; they are
 * not retained. So one layer's scratch serves many sets of parameters. */
void adcl__linear_use(adcl_linear *linear, adcl_tensor *kernel, adcl_tensor *bias,
                      adcl_tensor *kernel_gradient, adcl_tensor *bias_gradient);

#endif
