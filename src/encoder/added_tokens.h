/* SPDX-License-Identifier: MIT */
/* added_tokens.h – tokens that are found in a text before it is split into words: [SEP] and its
 * like, and those that somebody added to the vocabulary later. */
#ifndef ADCL_ENCODER_ADDED_TOKENS_H
#define ADCL_ENCODER_ADDED_TOKENS_H

#include "encoder/normalizer.h"

#include "base/error.h"

typedef struct adcl__added_token {
    char *text; /* as its file spells it; owned by the list */
    int32_t id;
    bool normalized;  /* found in the normalized text rather than in the raw one */
    bool single_word; /* only where no letter or digit touches it */
    char *pattern;    /* what is looked for: `text`, normalized if need be; owned by the list */
    size_t length;    /* of the pattern, in bytes */
} adcl__added_token;

/* Far more than any model has; keeps the work on a hostile file small. */
#define ADCL__ADDED_TOKENS_MOST 10000

/* For raw and for normalized patterns: one of empty patterns, one for each first byte. */
#define ADCL__ADDED_TOKEN_BUCKETS (2 * 257)

/* Start with {0}. */
typedef struct adcl__added_tokens {
    adcl__added_token *tokens; /* once prepared: by bucket, the longest pattern first */
    size_t count;
    size_t capacity;
    size_t first[ADCL__ADDED_TOKEN_BUCKETS + 1]; /* where the buckets begin in `tokens` */
} adcl__added_tokens;

/* Adds a token with a copy of `text` and the id and kind of `token`, unless it is there already:
 * who speaks first is believed about its kind. One text with two ids or one id with two texts is a
 * contradiction. `path` is named in sentences. Errors: FORMAT, UNSUPPORTED (too many),
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__added_tokens_add(adcl__added_tokens *list, const char *text,
                                   const adcl__added_token *token, const char *path,
                                   adcl_error *error);

/* Makes the list ready for finding. False when memory runs out. */
bool adcl__added_tokens_prepare(adcl__added_tokens *list, const adcl__normalizer *rules);

void adcl__added_tokens_free(adcl__added_tokens *list);

/* The first token of the kind in text[from … size), the longest of those that begin there; *start
 * and *end are its place. NULL if there is none. */
const adcl__added_token *adcl__added_tokens_find(const adcl__added_tokens *list, bool normalized,
                                                 const unsigned char *text, size_t size,
                                                 size_t from, size_t *start, size_t *end);

#endif
