/* SPDX-License-Identifier: MIT */
/* arrays.h – hidden states, features and labels from .npy files, checked as far as files can be. */
#ifndef ADCL_CLI_ARRAYS_H
#define ADCL_CLI_ARRAYS_H

#include "cli/command.h"

/* Numbers in C order; the leading axes together are rows, the last one is cols. */
typedef struct array {
    const char *path; /* borrowed; for sentences */
    float *values;    /* (rows, cols) */
    size_t rank;
    size_t shape[ADCL_NPY_MAX_RANK];
    size_t rows;
    size_t cols;
} array;

typedef struct labels {
    const char *path;
    int32_t *values; /* (count); none is negative */
    size_t count;
    size_t classes;  /* the largest + 1; 0 when there are none */
} labels;

/* An array of at least two axes, of f4 or f2 unless `cast` is set. Free *out in any case. */
int array_load(session *s, array *out, const char *path, bool cast);
void array_free(array *a);

/* An array of exactly two axes without NaN and infinity. */
int features_load(session *s, array *out, const char *path, bool cast);

/* As many classes, from 0, as `features` has rows. Free *out in any case. */
int labels_load(session *s, labels *out, const char *path, const array *features);
void labels_free(labels *l);

/* Fails when a label is not below `classes`. */
int labels_check_classes(const session *s, const labels *l, size_t classes);

#endif
