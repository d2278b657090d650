/* SPDX-License-Identifier: MIT */
/* tokenizer.h – what a tokenizer consists of, for the files that implement it. */
#ifndef ADCL_ENCODER_TOKENIZER_H
#define ADCL_ENCODER_TOKENIZER_H

#include "encoder/tokenizer_settings.h"

struct adcl_tokenizer {
    adcl__vocabulary vocabulary;
    adcl__tokenizer_settings settings;
    size_t size; /* the largest id and 1 */
};

#endif
