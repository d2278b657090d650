/* SPDX-License-Identifier: MIT */
/* adapter_config.h – adapter_config.json and head_config.json of an AdapterHub folder: the options
 * of a set of adapters and its head. docs/adapterhub.md has the table. */
#ifndef ADCL_ENCODER_ADAPTER_CONFIG_H
#define ADCL_ENCODER_ADAPTER_CONFIG_H

#include "encoder/model_config.h"

#include <adapter_cl/encoder.h>

#include <jansson.h>

/* What the files say. Strings are borrowed from the JSON; it and the lists are owned. */
typedef struct adcl__adapter_config {
    adcl_adapter_set_params params;
    adcl__model_family family;
    size_t hidden_size;
    size_t layers; /* as given to read, or the least number that what the files name fits in */
    const char *head_name; /* NULL: no head */
    json_t *adapter, *head; /* NULL where there is none */
    float *factors;
    size_t *left_out;
    const char **labels;
} adcl__adapter_config;

/* Reads both files of the folder, as far as they are there; without adapter_config.json the folder
 * holds a head only. Options that are not there have AdapterHub's values. On failure *out is all
 * zeros. Errors: FILE, FORMAT, UNSUPPORTED (an option that this library lacks, by name),
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__adapter_config_load(adcl__adapter_config *out, const char *folder,
                                      adcl_error *error);

/* The same for what was in the files, whose references are taken in any case; NULL: no such file.
 * `folder` is named in sentences. */
adcl_status adcl__adapter_config_read(adcl__adapter_config *out, json_t *adapter, json_t *head,
                                      const char *folder, adcl_error *error);

/* Takes the lists out of what was loaded, for a model of so many layers. Errors: FORMAT,
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__adapter_config_place(adcl__adapter_config *config, size_t layers,
                                       const char *folder, adcl_error *error);
/* All zeros are fine. */
void adcl__adapter_config_release(adcl__adapter_config *config);

/* The content of the files for complete params. NULL when memory runs out. */
json_t *adcl__adapter_config_json(const adcl_adapter_set_params *params,
                                  const adcl__model_config *model);
json_t *adcl__head_config_json(const adcl_adapter_set_params *params,
                               const adcl__model_config *model);

/* "bert" or "distilbert". */
const char *adcl__model_family_name(adcl__model_family family);

#endif
