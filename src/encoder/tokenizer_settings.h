/* SPDX-License-Identifier: MIT */
/* tokenizer_settings.h – what the JSON files of a model's folder say about its tokenizer. */
#ifndef ADCL_ENCODER_TOKENIZER_SETTINGS_H
#define ADCL_ENCODER_TOKENIZER_SETTINGS_H

#include "encoder/added_tokens.h"
#include "encoder/normalizer.h"
#include "encoder/vocabulary.h"

#include <adapter_cl/tokenizer.h>

#define ADCL__SPECIAL_TOKENS 5 /* as many as adcl_special_token has */

typedef struct adcl__tokenizer_settings {
    adcl__normalizer rules;
    size_t word_most;                      /* characters; a longer word is unknown */
    int32_t special[ADCL__SPECIAL_TOKENS]; /* ids by adcl_special_token, −1: none */
    adcl__added_tokens added;              /* special ones among them, prepared */
} adcl__tokenizer_settings;

/* Reads the files that are in the folder. The ids of special and added tokens are checked against
 * the vocabulary. Errors: those of adcl_tokenizer_load. */
adcl_status adcl__tokenizer_settings_read(adcl__tokenizer_settings *out, const char *folder,
                                          const adcl__vocabulary *vocabulary, adcl_error *error);

void adcl__tokenizer_settings_free(adcl__tokenizer_settings *settings);

#endif
