/* SPDX-License-Identifier: MIT */
/* parameters.h – what a set of parameters is made of, and how neighbours in it become one.
 *
 *      set        down.kernel  up.kernel  down.bias  up.bias   head.kernel  head.bias
 *      memory    [   one buffer of the adapter              ] [ one of the layer     ]
 *      runs      '----- decays -------'  '---- does not ----' '- decays -' '- not ---'
 *
 * A run is parameters that one launch can take, for they lie one behind the other, as their
 * gradients do, and are treated alike. */
#ifndef ADCL_TRAIN_PARAMETERS_H
#define ADCL_TRAIN_PARAMETERS_H

#include "runtime/tensor.h"

#include <adapter_cl/parameters.h>

typedef struct adcl__parameter_entry {
    adcl_parameter parameter;    /* its tensors are borrowed */
    char *name;                  /* parameter.name, owned */
    const adcl_adapter *adapter; /* whose parameter it is; NULL: nobody's who could freeze it */
    size_t first;                /* elements of the set before it */
} adcl__parameter_entry;

struct adcl_parameters {
    adcl__parameter_entry *entries;
    size_t count, capacity;
    size_t size; /* elements of all entries */
    const adcl_adapter **adapters; /* those added, also frozen ones, for their names */
    size_t adapter_count;
};

/* What the parameters of a run must have in common. */
typedef struct adcl__run_rule {
    bool skip_frozen; /* leave out parameters of adapters that are frozen now */
    bool equal_scale; /* learning_rate_scale */
    bool equal_decay; /* decays */
} adcl__run_rule;

typedef struct adcl__run {
    adcl_tensor value, gradient; /* (1, count), or a strided matrix as it is; not retained */
    bool decays;
    float learning_rate_scale;
    size_t first; /* elements of the set before it */
    size_t next;  /* index of the parameter after it; 0 to begin with */
} adcl__run;

/* Makes *run the next run: start with {0}. False at the end of the set. */
bool adcl__run_next(const adcl_parameters *set, adcl__run_rule rule, adcl__run *run);

#endif
