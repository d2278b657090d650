/* SPDX-License-Identifier: MIT */
/* tiny_encoder.h – the tiny model of the golden data on the device, with a set, a workspace and a
 * batch. */
#ifndef ADCL_TESTS_TINY_ENCODER_H
#define ADCL_TESTS_TINY_ENCODER_H

#include "support/encoder.h"

enum {
    ADCL_TEST_TINY_HIDDEN = 32,
    ADCL_TEST_TINY_LAYERS = 3,
    ADCL_TEST_TINY_POSITIONS = 40,
    ADCL_TEST_TINY_WORDS = 97,
    ADCL_TEST_TINY_LABELS = 3,    /* of the sets below */
    ADCL_TEST_TINY_SEQUENCES = 5, /* of the batch below */
    ADCL_TEST_TINY_TOKENS = 63
};

/* Houlsby's; Pfeiffer's with every option that takes memory; parallel ones with trained layer
 * norms. */
extern const adcl_adapter_set_params adcl_test_houlsby, adcl_test_loaded, adcl_test_parallel;

/* ---- batches --------------------------------------------------------------------------------- */

/* One token, the longest, and others. */
extern const size_t adcl_test_tiny_lengths[ADCL_TEST_TINY_SEQUENCES];
/* 0, 1, 2, 3, 4 */
extern const size_t adcl_test_in_order[ADCL_TEST_TINY_SEQUENCES];

typedef struct adcl_test_text {
    size_t starts[ADCL_TEST_TINY_SEQUENCES + 1];
    int32_t ids[ADCL_TEST_TINY_TOKENS], type_ids[ADCL_TEST_TINY_TOKENS];
    adcl_encoder_batch batch; /* of these arrays */
} adcl_test_text;

/* `count` sequences of these places in the lengths; a sequence has the same ids wherever it stands.
 */
void adcl_test_text_write(adcl_test_text *text, const size_t *places, size_t count);

/* ---- all together ---------------------------------------------------------------------------- */

typedef struct adcl_test_tiny_encoder {
    adcl_context *ctx;
    adcl_encoder *encoder;
    adcl_adapter_set *set;
    adcl_encoder_workspace *ws; /* of the encoder's mode, for all sequences; keeps hidden states */
    adcl_tensor *logits;        /* (sequences, labels) */
    adcl_test_text all;         /* sequences in order */
} adcl_test_tiny_encoder;

void adcl_test_tiny_encoder_open(adcl_test_tiny_encoder *out, adcl_engine engine, adcl_mode mode,
                                 const adcl_adapter_set_params *params);
/* Zeros are fine. */
void adcl_test_tiny_encoder_close(adcl_test_tiny_encoder *encoder);

/* Of a workspace for all sequences. */
adcl_encoder_workspace_params adcl_test_tiny_room(adcl_mode mode, int keep_hidden);

#endif
