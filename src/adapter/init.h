/* SPDX-License-Identifier: MIT */
/* init.h – the initial values of an adapter's parameters, on the host. */
#ifndef ADCL_ADAPTER_INIT_H
#define ADCL_ADAPTER_INIT_H

#include <adapter_cl/adapter.h>

/* out[count] = what `init` makes of the parameter `slot` of an adapter with D = hidden_size and
 * R = bottleneck_size. count: D·R for kernels (D for log_sumexp's up kernel), R or D for biases. */
void adcl__init_fill(adcl_init init, uint64_t seed, adcl_adapter_slot slot, size_t hidden_size,
                     size_t bottleneck_size, float *out, size_t count);

#endif
