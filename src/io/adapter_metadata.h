/* SPDX-License-Identifier: MIT */
/* adapter_metadata.h – what native adapter files say in strings. */
#ifndef ADCL_IO_ADAPTER_METADATA_H
#define ADCL_IO_ADAPTER_METADATA_H

#include "base/error.h"

#include <adapter_cl/adapter_file.h>

#include <jansson.h>
#include <stdbool.h>

/* *native = the file says that it is one of ours, so its strings mean what adapter_file.h says.
 * Errors: UNSUPPORTED (another version). */
adcl_status adcl__adapter_metadata_check_format(const adcl_safetensors *file, const char *path,
                                                bool *native, adcl_error *error);

/* Reads the options of the adapter info->name of a native file into *info, which has the defaults.
 * Its sizes are those of the tensors already; the strings must say the same. Errors: FORMAT. */
adcl_status adcl__adapter_metadata_read(adcl_adapter_file_info *info, const adcl_safetensors *file,
                                        const char *path, adcl_error *error);

/* The strings of a file to be written. */
typedef struct adcl__adapter_metadata {
    adcl_metadata *items;
    size_t count;
    json_t *strings; /* holds what the items borrow */
} adcl__adapter_metadata;

/* Makes the strings for these adapters, followed by those of `keep` (may be NULL) that mean nothing
 * to this library. False, and nothing to free, when memory runs out. */
bool adcl__adapter_metadata_make(adcl__adapter_metadata *out, const adcl_adapter_file_info *infos,
                                 size_t count, const adcl_adapter_file *keep);
void adcl__adapter_metadata_free(adcl__adapter_metadata *metadata);

#endif
