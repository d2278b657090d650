/* SPDX-License-Identifier: MIT */
/* vocabulary.h – the tokens of vocab.txt: by id, by spelling, and the longest one that a word
 * begins with. */
#ifndef ADCL_ENCODER_VOCABULARY_H
#define ADCL_ENCODER_VOCABULARY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A token begins a word, or, written "##token", continues one. */
typedef enum adcl__token_place { ADCL__WORD_BEGIN, ADCL__WORD_REST } adcl__token_place;

typedef struct adcl__vocabulary_token {
    const char *text; /* as in the file, NUL-terminated */
    uint32_t length;
} adcl__vocabulary_token;

typedef struct adcl__vocabulary_slot {
    uint32_t hash;
    int32_t id; /* −1: free */
} adcl__vocabulary_slot;

typedef struct adcl__vocabulary {
    char *text;                     /* the file, its line ends replaced by NUL */
    adcl__vocabulary_token *tokens; /* by id */
    size_t count;
    adcl__vocabulary_slot *slots; /* open addressing; mask + 1 of them, a power of two */
    size_t mask;
    size_t longest[2]; /* bytes of the longest token of each place, without "##" */
} adcl__vocabulary;

/* Reads a vocabulary of one token a line, LF or CRLF; the id is the line's number from 0. Takes
 * `bytes` (malloc'd, with room for one more), also on failure. `path` is named in sentences.
 * Errors: FORMAT, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY. */
adcl_status adcl__vocabulary_parse(adcl__vocabulary *out, const char *path, unsigned char *bytes,
                                   size_t size, adcl_error *error);
void adcl__vocabulary_free(adcl__vocabulary *vocabulary);

/* The id of a token as it is spelled in the file, "##" included; −1 if there is none. */
int32_t adcl__vocabulary_find(const adcl__vocabulary *vocabulary, const char *token, size_t length);

/* The id of the longest token of this place that `text` begins with, −1 if there is none; *matched
 * is the number of bytes that it takes of the text. */
int32_t adcl__vocabulary_longest(const adcl__vocabulary *vocabulary, adcl__token_place place,
                                 const unsigned char *text, size_t size, size_t *matched);

#endif
