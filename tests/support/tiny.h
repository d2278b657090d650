/* SPDX-License-Identifier: MIT */
/* tiny.h – the folders of tests/golden/tiny, and of tests/golden/adapterhub for a real model:
 * what AdapterHub's software gives for a model, a set of adapters and a few texts. Its batches
 * are padded; here the padding is taken out, so that row t of every matrix is token t. What is
 * asked for must be there: anything else ends the test. */
#ifndef ADCL_TESTS_TINY_H
#define ADCL_TESTS_TINY_H

#include "support/golden.h"

#include <stdbool.h>

typedef struct adcl_test_tiny {
    const char *model;  /* "bert", or ADCL_TEST_MINILM */
    const char *name;   /* of the adapter and its folder: "houlsby" */
    size_t sequences, tokens;
    const size_t *starts; /* sequences + 1 */
    const int32_t *ids;
    const int32_t *type_ids; /* NULL: the model has none */
    const int32_t *labels;   /* one a sequence */
    /* Behind the doors: */
    adcl_test_golden *golden;
    size_t padded; /* rows that a sequence takes in the file */
    double *numbers; /* what was handed out last */
} adcl_test_tiny;

/* The real model, all-MiniLM-L6-v2, which is not in the repository: the environment variable
 * ADCL_TEST_MODEL names its folder. */
#define ADCL_TEST_MINILM "minilm"

/* Every folder of the tiny models, and those of the real one: model and name alternate, NULL
 * ends the list. */
extern const char *const adcl_test_tiny_folders[];
extern const char *const adcl_test_minilm_folders[];

adcl_test_tiny *adcl_test_tiny_open(const char *model, const char *name);
void adcl_test_tiny_close(adcl_test_tiny *tiny);

/* The folders, below ADCL_TEST_DATA; of the real model what ADCL_TEST_MODEL says, NULL:
 * nothing. Valid until the next call of the same one. */
const char *adcl_test_tiny_model_folder(const char *model);
const char *adcl_test_tiny_adapter_folder(const char *model, const char *name);

/* Each result of the functions below is valid until the next call of one of them. */

/* (tokens, cols): what leaves `layer` layers. */
const double *adcl_test_tiny_hidden(adcl_test_tiny *tiny, size_t layer, size_t cols);
/* (sequences, labels) */
const double *adcl_test_tiny_logits(adcl_test_tiny *tiny, size_t labels);
/* The mean cross-entropy. */
double adcl_test_tiny_loss(adcl_test_tiny *tiny);
/* The gradient of that loss. name: of adcl_adapter_set_parameters, "layer.0.output.down.kernel".
 * Kernels are (rows, cols) = (inputs, outputs), other than in the file. */
const double *adcl_test_tiny_gradient(adcl_test_tiny *tiny, const char *name, size_t rows,
                                      size_t cols);
/* How many gradients there are. */
size_t adcl_test_tiny_gradient_count(const adcl_test_tiny *tiny);

#endif
