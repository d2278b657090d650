/* SPDX-License-Identifier: MIT */
/* adapter.h – what an adapter is made of. */
#ifndef ADCL_ADAPTER_ADAPTER_H
#define ADCL_ADAPTER_ADAPTER_H

#include "runtime/tensor.h"

#include <adapter_cl/adapter.h>

#include <stdatomic.h>

struct adcl_adapter {
    uint64_t id; /* no other adapter of this process has it, not even after this one's end */
    char *name;
    size_t hidden_size;     /* D */
    size_t bottleneck_size; /* R */
    adcl_activation activation;
    float scaling;
    float dropout;
    bool parallel;
    bool frozen;
    bool borrowed; /* made by adcl_adapter_block: gradients are never allocated here */
    atomic_bool *handed_out; /* others have the values and may write them at any time; a pointer,
                              * for who hands them out has a const adapter */
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT];
    adcl_tensor *gradients[ADCL_ADAPTER_SLOT_COUNT]; /* NULL where not wanted */
    adcl_tensor *gradient_storage; /* (1, parameter count): all own gradients in one; else NULL */
};

/* (rows, cols) of a parameter. */
void adcl__adapter_slot_shape(const adcl_adapter *adapter, adcl_adapter_slot slot, size_t *rows,
                              size_t *cols);

/* The gradient to accumulate into; NULL when the adapter is frozen or keeps none. */
adcl_tensor *adcl__adapter_wanted_gradient(const adcl_adapter *adapter, adcl_adapter_slot slot);

#endif
