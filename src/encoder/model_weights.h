/* SPDX-License-Identifier: MIT */
/* model_weights.h – the tensors of model.safetensors by their roles, checked against config.json. D hidden,
 * F inner, V vocabulary, P positions, Y token types. Matrices as PyTorch keeps them: (outputs, inputs). */
#ifndef ADCL_ENCODER_MODEL_WEIGHTS_H
#define ADCL_ENCODER_MODEL_WEIGHTS_H

#include "encoder/model_config.h"

#include <adapter_cl/safetensors.h>

typedef struct adcl__dense_weights {
    const float *weight; /* (outputs, inputs) */
    const float *bias;   /* (outputs) */
} adcl__dense_weights;

typedef struct adcl__norm_weights {
    const float *weight, *bias; /* (D) each */
} adcl__norm_weights;

typedef struct adcl__layer_weights {
    adcl__dense_weights query, key, value, attention_output; /* (D, D) */
    adcl__norm_weights attention_norm;
    adcl__dense_weights inner;  /* (F, D) */
    adcl__dense_weights output; /* (D, F) */
    adcl__norm_weights output_norm;
} adcl__layer_weights;

typedef struct adcl__model_weights {
    adcl__model_config config;
    const float *words;     /* (V, D) */
    const float *positions; /* (P, D) */
    const float *types;     /* (Y, D); NULL for DistilBERT */
    adcl__norm_weights embeddings_norm;
    adcl__layer_weights *layers;
    size_t parameter_count;
    char prefix[16]; /* what tensor names of this file begin with: "bert.", "distilbert." or "" */
    /* Where the numbers are: */
    adcl_safetensors *file;
    float **converted; /* of tensors that are not aligned F32 in the file */
    size_t converted_count;
} adcl__model_weights;

/* Reads config.json and model.safetensors of the folder. Tensors of the pooler, of a pre-training head
 * and embeddings.position_ids are passed over; `gamma` and `beta` are weight and bias of a norm. On
 * failure *out is all zeros. Errors: FILE, FORMAT (names the tensor, expected and got), UNSUPPORTED,
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__model_weights_load(adcl__model_weights *out, const char *folder, adcl_error *error);
void adcl__model_weights_release(adcl__model_weights *weights);

#endif
