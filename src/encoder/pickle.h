/* SPDX-License-Identifier: MIT */
/* pickle.h – the tensors of a file that torch.save wrote: a zip file with a pickle, which describes
 * a dictionary of tensors, and the numbers of each storage. The reader knows the opcodes and the
 * functions that such a dictionary needs and refuses all others by name; nothing is executed. */
#ifndef ADCL_ENCODER_PICKLE_H
#define ADCL_ENCODER_PICKLE_H

#include "base/error.h"

#include <adapter_cl/safetensors.h>

typedef struct adcl__pickle adcl__pickle;

/* On failure *out is NULL. Errors: FILE (with the native code ENOENT where it is not there),
 * FORMAT, UNSUPPORTED, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY. */
adcl_status adcl__pickle_load(adcl__pickle **out, const char *path, adcl_error *error);
/* The same for bytes in memory, which need not outlive the call. `path` is named in sentences. */
adcl_status adcl__pickle_parse(adcl__pickle **out, const char *path, const unsigned char *bytes,
                               size_t size, adcl_error *error);
void adcl__pickle_destroy(adcl__pickle **pickle);

/* The tensors in the order of the dictionary, as those of a safetensors file: dense, in C order.
 * NULL when out of range. */
size_t adcl__pickle_count(const adcl__pickle *pickle);
const adcl_safetensors_entry *adcl__pickle_get(const adcl__pickle *pickle, size_t index);

#endif
