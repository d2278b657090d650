/* SPDX-License-Identifier: MIT */
/* tensors.h – safetensors files with one thing changed, for tests of what reads them. */
#ifndef ADCL_TESTS_TENSORS_H
#define ADCL_TESTS_TENSORS_H

#include <adapter_cl/safetensors.h>

/* The path of a file or folder in tests/golden. Valid until eight more are asked for. */
const char *adcl_test_golden_path(const char *name);

/* Makes the folder `to` with the files of the folder `from` (no folders within). */
void adcl_test_folder_copy(const char *from, const char *to);

/* The entries of a file, to be changed and saved again; all lives until the test ends. Room for two
 * entries more is behind them. */
typedef struct adcl_test_tensors {
    const char *path;
    adcl_safetensors *file;
    adcl_safetensors_entry *entries;
    size_t count;
} adcl_test_tensors;

adcl_test_tensors adcl_test_tensors_open(const char *path);
/* Ends the test where there is none of that name. */
adcl_safetensors_entry *adcl_test_tensors_find(adcl_test_tensors *tensors, const char *name);
void adcl_test_tensors_remove(adcl_test_tensors *tensors, const char *name);
/* A tensor of zeros. */
void adcl_test_tensors_add(adcl_test_tensors *tensors, const char *name, adcl_dtype dtype,
                           size_t rows, size_t cols);
void adcl_test_tensors_save(const adcl_test_tensors *tensors, const char *path);

#endif
