/* SPDX-License-Identifier: MIT */
/* model_config.h – what config.json of a model's folder says: the sizes and rules of an encoder of
 * the BERT family. */
#ifndef ADCL_ENCODER_MODEL_CONFIG_H
#define ADCL_ENCODER_MODEL_CONFIG_H

#include "base/error.h"

#include <adapter_cl/activation.h>

#include <stddef.h>

/* The models, which differ in the names of their settings and tensors; DistilBERT has no token
 * types and no pooler. */
typedef enum adcl__model_family { ADCL__MODEL_BERT, ADCL__MODEL_DISTILBERT } adcl__model_family;

typedef struct adcl__model_config {
    adcl__model_family family;
    size_t vocabulary_size;
    size_t hidden_size; /* D, a multiple of heads */
    size_t layers;
    size_t heads;
    size_t inner_size;  /* columns between the two products of the feed-forward part */
    size_t positions;   /* the longest sequence */
    size_t token_types; /* 0 for DistilBERT */
    adcl_activation activation;
    double layer_norm_epsilon;
    double hidden_dropout; /* of the model's own training; not used unless asked for */
    double attention_dropout;
} adcl__model_config;

/* Reads config.json of the folder. What would need another computation (another architecture,
 * relative positions, a decoder, quantised weights) is refused by name. Errors: FILE, FORMAT,
 * UNSUPPORTED, OUT_OF_HOST_MEMORY. */
adcl_status adcl__model_config_read(adcl__model_config *out, const char *folder, adcl_error *error);

#endif
