/* SPDX-License-Identifier: MIT */
/* folder_object.h – what an adcl_adapter_folder is made of. */
#ifndef ADCL_ENCODER_FOLDER_OBJECT_H
#define ADCL_ENCODER_FOLDER_OBJECT_H

#include "encoder/adapter_folder.h"
#include "encoder/tensor_file.h"

#include <adapter_cl/adapter_folder.h>

enum {
    ADCL__FOLDER_FILE_ADAPTER,
    ADCL__FOLDER_FILE_HEAD,
    ADCL__FOLDER_FILE_NORMS,
    ADCL__FOLDER_FILES
};

struct adcl_adapter_folder {
    char *path;
    adcl__model_family family;
    adcl__host_set set;
    adcl__tensor_file files[ADCL__FOLDER_FILES]; /* all zeros where there is none */
    adcl_adapter_folder_info *adapters;
    size_t adapter_count;
};

/* The adapter's place in the set. */
static inline const adcl__host_site *adcl__folder_site(const adcl__host_set *set, size_t layer,
                                                       adcl_adapter_place place)
{
    const adcl__host_layer *of = &set->layer[layer];
    return place == ADCL_PLACE_ATTENTION ? &of->attention : &of->output;
}

#endif
