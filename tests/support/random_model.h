/* SPDX-License-Identifier: MIT */
/* random_model.h – a random model of two layers, small enough for finite differences, a batch for
 * it, and sets of adapters that have every option between them. */
#ifndef ADCL_TESTS_RANDOM_MODEL_H
#define ADCL_TESTS_RANDOM_MODEL_H

#include "encoder/adapter_folder.h"
#include "encoder/encoder_reference.h"
#include "encoder/model_weights.h"

enum {
    ADCL_TEST_VOCABULARY = 11,
    ADCL_TEST_HIDDEN = 8,
    ADCL_TEST_HEADS = 2,
    ADCL_TEST_INNER = 12,
    ADCL_TEST_POSITIONS = 5,
    ADCL_TEST_TYPES = 2,
    ADCL_TEST_LAYERS = 2,
    ADCL_TEST_SEQUENCES = 3,
    ADCL_TEST_TOKENS = 8,
    ADCL_TEST_LABELS = 3,
    /* All numbers of the model: embeddings with their norm, layers. */
    ADCL_TEST_NUMBERS =
        (ADCL_TEST_VOCABULARY + ADCL_TEST_POSITIONS + ADCL_TEST_TYPES + 2) * ADCL_TEST_HIDDEN +
        ADCL_TEST_LAYERS *
            ((4 * ADCL_TEST_HIDDEN + 2 * ADCL_TEST_INNER + 9) * ADCL_TEST_HIDDEN + ADCL_TEST_INNER)
};

/* count numbers of that deviation, the same for the same seed. */
void adcl_test_draw(uint64_t seed, double deviation, float *out, size_t count);

/* ---- the model ------------------------------------------------------------------------------- */

/* A model, and the one memory that its numbers are in. */
typedef struct adcl_test_model {
    adcl__model_weights weights;
    adcl__layer_weights layers[ADCL_TEST_LAYERS];
    float numbers[ADCL_TEST_NUMBERS];
    size_t used;
} adcl_test_model;

void adcl_test_model_make(adcl_test_model *m);
/* Writes config.json and model.safetensors into the folder, which is there. */
void adcl_test_model_save(const adcl_test_model *m, const char *folder);

/* Three sequences of different lengths, the longest as long as the model allows. */
extern const size_t adcl_test_starts[ADCL_TEST_SEQUENCES + 1];
extern const int32_t adcl_test_ids[ADCL_TEST_TOKENS], adcl_test_type_ids[ADCL_TEST_TOKENS];
extern const adcl__reference_batch adcl_test_batch;
/* ∂L/∂logits (S, C) of some loss. */
extern const double adcl_test_dlogits[ADCL_TEST_SEQUENCES * ADCL_TEST_LABELS];

/* ---- sets ------------------------------------------------------------------------------------ */

typedef struct adcl_test_variant {
    const char *name;
    adcl_adapter_set_params params;
} adcl_test_variant;

/* Activations are smooth, as finite differences want them; labels are ADCL_TEST_LABELS. */
enum { ADCL_TEST_VARIANTS = 13 };
extern const adcl_test_variant adcl_test_variants[ADCL_TEST_VARIANTS];

/* The arrays of a set, by name. */
typedef struct adcl_test_array {
    char name[64];
    float *values;
    size_t rows, cols;
} adcl_test_array;

typedef struct adcl_test_arrays {
    adcl_test_array at[96];
    size_t count;
} adcl_test_arrays;

void adcl_test_list_arrays(adcl__host_set *set, adcl_test_arrays *list);
/* The one of that name, which must be there. */
const adcl_test_array *adcl_test_array_named(const adcl_test_arrays *list, const char *name);

/* Every array of the set, drawn from its place in the set. */
void adcl_test_draw_set(adcl__host_set *set);

#endif
