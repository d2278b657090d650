/* SPDX-License-Identifier: MIT */
/* adapter_folder.h – AdapterHub folders as files: what is in them, and conversions from and to
 * native adapter files. Neither a model nor OpenCL is involved; encoder.h loads folders to run and
 * train them. docs/adapterhub.md */
#ifndef ADAPTER_CL_ADAPTER_FOLDER_H
#define ADAPTER_CL_ADAPTER_FOLDER_H

#include <adapter_cl/adapter_file.h>
#include <adapter_cl/encoder.h>
#include <adapter_cl/safetensors.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where an adapter stands in its layer. */
typedef enum adcl_adapter_place {
    ADCL_PLACE_ATTENTION = 0, /* after attention (mh_adapter) */
    ADCL_PLACE_OUTPUT         /* after the feed-forward part, or beside it (output_adapter) */
} adcl_adapter_place;

/* "attention" or "output"; "?" outside the list. */
ADCL_API const char *adcl_adapter_place_name(adcl_adapter_place place);
/* Errors: INVALID_ARGUMENT for NULL, NOT_FOUND with the list. */
ADCL_API adcl_status adcl_adapter_place_from_name(const char *name, adcl_adapter_place *out,
                                                  adcl_error *error);

/* ---- looking inside --------------------------------------------------------------------------*/

/* A folder, read and checked. Thread-safety: reading an object from many threads is fine. */
typedef struct adcl_adapter_folder adcl_adapter_folder;

/* One adapter of a folder. */
typedef struct adcl_adapter_folder_info {
    size_t layer;
    adcl_adapter_place place;
    size_t bottleneck_size;
    size_t parameter_count;
} adcl_adapter_folder_info;

/* One tensor as it is stored. */
typedef struct adcl_adapter_folder_tensor {
    const char *file; /* its path */
    const adcl_safetensors_entry *entry;
} adcl_adapter_folder_tensor;

/* Reads the folder as adcl_adapter_set_load does, except that no model says how many layers there
 * are: as many as the files speak of. On failure *out is NULL. Errors: FILE, FORMAT, UNSUPPORTED,
 * OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_adapter_folder_load(adcl_adapter_folder **out, const char *path,
                                              adcl_error *error);
ADCL_API void adcl_adapter_folder_destroy(adcl_adapter_folder **folder);

/* The options; borrowed, complete. layer_reduction_factors has a number for each layer. */
ADCL_API const adcl_adapter_set_params *adcl_adapter_folder_params(
    const adcl_adapter_folder *folder);
ADCL_API const char *adcl_adapter_folder_model_type(const adcl_adapter_folder *folder);
ADCL_API size_t adcl_adapter_folder_hidden_size(const adcl_adapter_folder *folder);
ADCL_API size_t adcl_adapter_folder_layers(const adcl_adapter_folder *folder);
/* Of adapters, head and layer norms. */
ADCL_API size_t adcl_adapter_folder_parameter_count(const adcl_adapter_folder *folder);
/* F16 or BF16 where some numbers are stored so, else F32. */
ADCL_API adcl_dtype adcl_adapter_folder_dtype(const adcl_adapter_folder *folder);
/* Whether the weights are in the pickle form. */
ADCL_API int adcl_adapter_folder_is_pickle(const adcl_adapter_folder *folder);

/* The adapters by layer and place; NULL when out of range. */
ADCL_API size_t adcl_adapter_folder_count(const adcl_adapter_folder *folder);
ADCL_API const adcl_adapter_folder_info *adcl_adapter_folder_get(const adcl_adapter_folder *folder,
                                                                 size_t index);
/* The index of the only adapter in that layer (NULL: any) at that place (NULL: any). Errors:
 * NOT_FOUND and INVALID_ARGUMENT (several), with what there is. */
ADCL_API adcl_status adcl_adapter_folder_find(const adcl_adapter_folder *folder,
                                              const size_t *layer, const adcl_adapter_place *place,
                                              size_t *index, adcl_error *error);

/* The tensors of all files; false (0), with *out unchanged, when out of range. */
ADCL_API size_t adcl_adapter_folder_tensor_count(const adcl_adapter_folder *folder);
ADCL_API int adcl_adapter_folder_tensor_get(const adcl_adapter_folder *folder, size_t index,
                                            adcl_adapter_folder_tensor *out);

/* ---- conversions -----------------------------------------------------------------------------*/

/* Writes the folder with all weights as safetensors, names and numbers bit for bit and the JSON
 * files as they are: into the same folder, where the pickle form stays beside them, or into one
 * without adapters (made where it is not there). Errors: FILE, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_adapter_folder_save(const adcl_adapter_folder *folder, const char *path,
                                              adcl_error *error);

/* Writes one adapter as a native file. Errors: UNSUPPORTED (an option that native files lack, by
 * name), INVALID_ARGUMENT, FILE, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_adapter_folder_extract(const adcl_adapter_folder *folder, size_t index,
                                                 const char *path, adcl_error *error);

/* Puts the adapter `adapter` of a native file in the place of one of the folder's: its file
 * adapter.safetensors is written again, all other tensors bit for bit. `folder` itself stays as it
 * was read. Errors: INVALID_ARGUMENT (another size or option than the folder has), UNSUPPORTED
 * (weights in the pickle form or not F32), FILE, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_adapter_folder_replace(const adcl_adapter_folder *folder, size_t index,
                                                 const adcl_adapter_file *file, size_t adapter,
                                                 adcl_error *error);

/* Where the only adapter of a new folder stands. */
typedef struct adcl_adapter_folder_target {
    size_t struct_size;
    size_t layer;             /* 0: the first */
    adcl_adapter_place place; /* 0: attention; _INIT: output */
    size_t layers;            /* of the model; 0: that layer is its last */
    const char *model_type;   /* NULL: "bert"; or "distilbert" */
} adcl_adapter_folder_target;

#define ADCL_ADAPTER_FOLDER_TARGET_INIT                                                            \
    {sizeof(adcl_adapter_folder_target), 0, ADCL_PLACE_OUTPUT, 0, NULL}

/* Makes a folder of one adapter of a native file, placed so that it computes what it does alone,
 * y = x + u of what the layer's part gives, before the residual and the layer norm (`houlsby`'s
 * placement; `parallel` for a parallel one). All other layers of the model are left out. A set that
 * the folder holds is replaced. target NULL: the defaults. Errors: INVALID_ARGUMENT, UNSUPPORTED
 * (an activation that needs other shapes), FILE, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_adapter_folder_create(const char *path, const adcl_adapter_file *file,
                                                size_t adapter,
                                                const adcl_adapter_folder_target *target,
                                                adcl_error *error);

#ifdef __cplusplus
}
#endif
#endif
