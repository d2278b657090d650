/* SPDX-License-Identifier: MIT */
/* adapter_folder.h – a set of adapters and its head in host memory: what an AdapterHub folder holds. D
 * hidden, R bottleneck of a layer, C labels. Kernels as this library keeps them: (inputs, outputs). */
#ifndef ADCL_ENCODER_ADAPTER_FOLDER_H
#define ADCL_ENCODER_ADAPTER_FOLDER_H

#include "encoder/model_config.h"

#include <adapter_cl/encoder.h>

typedef struct adcl__host_norm {
    float *weight, *bias; /* (D) each; NULL: none */
} adcl__host_norm;

typedef struct adcl__host_dense {
    float *kernel; /* (inputs, outputs) */
    float *bias;   /* (outputs) */
} adcl__host_dense;

/* One adapter. R = 0: there is none at this place. Pointers of what its options do without are NULL. */
typedef struct adcl__host_site {
    size_t bottleneck;    /* R */
    adcl__host_dense down; /* (D, R); R */
    adcl__host_dense up;   /* (R, D); D */
    float *scaling;       /* 1 number, or D for ADCL_SCALING_CHANNEL */
    adcl__host_dense gate; /* (D, 1); 1 */
    adcl__host_norm norm_before, norm_after;
} adcl__host_site;

typedef struct adcl__host_layer {
    adcl__host_site attention, output;
    adcl__host_norm attention_norm, output_norm; /* the model's own, where they were trained */
} adcl__host_layer;

typedef struct adcl__host_set {
    adcl_adapter_set_params params; /* all of its pointers are owned by this struct */
    size_t hidden_size;
    size_t layers;
    adcl__host_layer *layer;
    adcl__host_norm embeddings_norm; /* where it was trained */
    adcl__host_dense head[2]; /* head[1] only with two layers */
    adcl_dtype stored; /* of its numbers in the files that it was read from: F16 or BF16 where some
                          have that, so that whoever reads it can say so; else F32 */
} adcl__host_set;

/* Makes everything that `params` asks for, zeros, for a model of that config. Also checks the params.
 * On failure *out is all zeros. Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY. */
adcl_status adcl__host_set_create(adcl__host_set *out, const adcl__model_config *model,
                                  const adcl_adapter_set_params *params, adcl_error *error);
void adcl__host_set_release(adcl__host_set *set);

/* Calls `visit` for every array of the set, always in the same order, with the name that the parameter
 * has in adcl_adapter_set_parameters ("layer.0.attention.down.kernel", "layer.0.output.up.bias",
 * "layer.1.output.scaling", "layer.0.output.gate.kernel", "layer.0.output.norm_before.weight", …,
 * "layer.0.attention.norm.weight" for the model's own norms, "embeddings.norm.weight", "head.0.kernel")
 * and its shape (rows 1 for vectors). Stops at the first status that is not OK and returns it. */
typedef adcl_status (*adcl__host_visit)(void *user, const char *name, float **values, size_t rows,
                                        size_t cols);
adcl_status adcl__host_set_each(adcl__host_set *set, adcl__host_visit visit, void *user);

/* Reads an AdapterHub folder for a model of that config. model NULL: for any, with as many layers as
 * the files speak of. `prefix` as in adcl__model_weights (names in the folder begin with it or with
 * none). On failure *out is all zeros. Errors: FILE, FORMAT, UNSUPPORTED,
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__adapter_folder_read(adcl__host_set *out, const char *folder,
                                      const adcl__model_config *model, adcl_error *error);

/* Writes the folder: adapter_config.json, adapter.safetensors, head_config.json, model_head.safetensors,
 * layer_norms.safetensors, so that AdapterHub loads it strictly. Errors: FILE, OUT_OF_HOST_MEMORY. */
adcl_status adcl__adapter_folder_write(const adcl__host_set *set, const char *folder,
                                       const adcl__model_config *model, adcl_error *error);

#endif
