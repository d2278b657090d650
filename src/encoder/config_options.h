/* SPDX-License-Identifier: MIT */
/* config_options.h – the names that AdapterHub's configuration files have for things. */
#ifndef ADCL_ENCODER_CONFIG_OPTIONS_H
#define ADCL_ENCODER_CONFIG_OPTIONS_H

#include "encoder/model_config.h"

#include <adapter_cl/encoder.h>

#include <stdbool.h>

/* Bounds that no file of use comes near. */
#define ADCL__CONFIG_LAYERS_MOST 1000
#define ADCL__CONFIG_LABELS_MOST 100000
#define ADCL__CONFIG_HIDDEN_MOST 1000000

/* The head over the mean of all tokens, which AdapterHub lacks, and the object of what else it has
 * no name for. */
#define ADCL__CONFIG_MEAN_HEAD "adapter_cl_mean"
#define ADCL__CONFIG_OWN "adapter_cl"

/* Options that are true or false. */
typedef struct adcl__config_flag {
    const char *key;
    size_t place; /* of the int in adcl_adapter_set_params */
    int missing;  /* its value where the file does not have it; −1: it must */
} adcl__config_flag;

#define ADCL__CONFIG_FLAGS 9
extern const adcl__config_flag adcl__config_flags[ADCL__CONFIG_FLAGS];

/* Features that this library lacks: their options must be false, 0 or null. */
#define ADCL__CONFIG_ABSENT 7
extern const char *const adcl__config_absent[ADCL__CONFIG_ABSENT];

/* Whether an option is read, or is a detail of a feature that is not used. */
bool adcl__config_is_known(const char *key);

/* False where there is none of that name; NULL is fine. */
bool adcl__config_init_read(const char *name, adcl_init *out);
bool adcl__config_family_read(const char *name, adcl__model_family *out);

/* The nearest name of AdapterHub's; *exact: it means the same there. */
const char *adcl__config_init_name(adcl_init init, bool *exact);

/* The name under which AdapterHub finds an activation, if it has it, else this library's. */
const char *adcl__config_activation_name(adcl_activation activation);

#endif
