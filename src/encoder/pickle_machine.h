/* SPDX-License-Identifier: MIT */
/* pickle_machine.h – what a pickle of a dictionary of tensors says. A pickle is a program for a
 * stack machine; this one has the instructions that such a dictionary takes, calls nothing, and
 * knows by name the few functions and classes whose results it describes. */
#ifndef ADCL_ENCODER_PICKLE_MACHINE_H
#define ADCL_ENCODER_PICKLE_MACHINE_H

#include "base/error.h"

#include <adapter_cl/safetensors.h>

/* One item of the dictionary; everything is borrowed. */
typedef struct adcl__pickled_tensor {
    const char *name; /* UTF-8 without NUL, not terminated */
    size_t name_length;
    const char *storage; /* the name of its numbers in the file, as above */
    size_t storage_length;
    adcl_dtype dtype;
    size_t storage_count; /* numbers in the storage */
    size_t offset;        /* of the first number */
    size_t rank;
    size_t shape[ADCL_SAFETENSORS_MAX_RANK];
    size_t strides[ADCL_SAFETENSORS_MAX_RANK]; /* in numbers */
} adcl__pickled_tensor;

typedef adcl_status (*adcl__pickle_visit)(void *user, const adcl__pickled_tensor *tensor);

/* Runs the program, then calls `visit` for each item in the order of the dictionary; stops at the
 * first status that is not OK and returns it. `path` is named in sentences. Errors: FORMAT,
 * UNSUPPORTED (an instruction, a function or a class that is not known, by name),
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__pickle_run(const char *path, const unsigned char *bytes, size_t size,
                             adcl__pickle_visit visit, void *user, adcl_error *error);

#endif
