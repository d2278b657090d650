/* SPDX-License-Identifier: MIT */
/* tensor_file.h – the tensors of a file in an AdapterHub folder: safetensors, or PyTorch's pickle
 * in a zip file. Their names are found under the forms that models and programs of several ages
 * gave them. */
#ifndef ADCL_ENCODER_TENSOR_FILE_H
#define ADCL_ENCODER_TENSOR_FILE_H

#include "encoder/pickle.h"

#include <adapter_cl/safetensors.h>

#include <stdbool.h>

typedef struct adcl__tensor_file {
    char *path; /* of the file that was read */
    size_t count;
    /* Where the tensors are: one of both. */
    adcl_safetensors *safetensors;
    adcl__pickle *pickle;
    bool *used;   /* for each tensor */
    char **names; /* each tensor's without the prefix, parts called as AdapterHub does today */
} adcl__tensor_file;

/* Opens `folder`/`safe_name` or, where that is not there, `folder`/`pickle_name` (NULL: none).
 * Names lose `prefix` where they begin with it. On failure *out is all zeros; FILE with the native
 * code ENOENT where neither is there. Errors: FILE, FORMAT, UNSUPPORTED, SIZE_OVERFLOW,
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__tensor_file_open(adcl__tensor_file *out, const char *folder,
                                   const char *safe_name, const char *pickle_name,
                                   const char *prefix, adcl_error *error);
/* All zeros are fine. */
void adcl__tensor_file_close(adcl__tensor_file *file);

const adcl_safetensors_entry *adcl__tensor_file_get(const adcl__tensor_file *file, size_t index);

/* The index of the tensor called `name`, without prefix; `count` where there is none. */
size_t adcl__tensor_file_find(const adcl__tensor_file *file, const char *name);

/* The first tensor that nobody used; `count` where all were. */
size_t adcl__tensor_file_unused(const adcl__tensor_file *file);

#endif
