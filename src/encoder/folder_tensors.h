/* SPDX-License-Identifier: MIT */
/* folder_tensors.h – the tensors of an AdapterHub folder by their names: one list that both reading
 * and writing walk along. */
#ifndef ADCL_ENCODER_FOLDER_TENSORS_H
#define ADCL_ENCODER_FOLDER_TENSORS_H

#include "encoder/adapter_folder.h"

typedef struct adcl__folder_tensor {
    const char *name;  /* without the model's prefix */
    const char *alias; /* the second name that AdapterHub has for the same numbers; NULL: none */
    float *values;     /* (rows, cols) */
    size_t rows, cols;
    int is_matrix; /* in the file (cols, rows), transposed; else a vector of cols numbers */
} adcl__folder_tensor;

/* Stops at the first status that is not OK and returns it. */
typedef adcl_status (*adcl__folder_visit)(void *user, const adcl__folder_tensor *tensor);

/* What the names of a family's tensors begin with: "bert.". */
const char *adcl__folder_prefix(adcl__model_family family);

/* The tensors of the adapters, of trained layer norms and of the head, which is called `name`. */
adcl_status adcl__folder_each_adapter(const adcl__host_set *set, adcl__model_family family,
                                      adcl__folder_visit visit, void *user);
adcl_status adcl__folder_each_norm(const adcl__host_set *set, adcl__model_family family,
                                   adcl__folder_visit visit, void *user);
adcl_status adcl__folder_each_head(const adcl__host_set *set, const char *name,
                                   adcl__folder_visit visit, void *user);

/* The layer that a tensor's name speaks of; SIZE_MAX where it is none of a layer. */
size_t adcl__folder_layer_of(const char *name, adcl__model_family family);

/* The files. */
#define ADCL__FOLDER_ADAPTER "adapter.safetensors"
#define ADCL__FOLDER_ADAPTER_PICKLE "pytorch_adapter.bin"
#define ADCL__FOLDER_ADAPTER_CONFIG "adapter_config.json"
#define ADCL__FOLDER_HEAD "model_head.safetensors"
#define ADCL__FOLDER_HEAD_PICKLE "pytorch_model_head.bin"
#define ADCL__FOLDER_HEAD_CONFIG "head_config.json"
#define ADCL__FOLDER_NORMS "layer_norms.safetensors"
#define ADCL__FOLDER_FUSION "adapter_fusion_config.json"

#endif
