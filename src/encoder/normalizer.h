/* SPDX-License-Identifier: MIT */
/* normalizer.h – what BERT does to a text before it looks for words: control characters dropped,
 * Chinese characters set apart, accents stripped, letters lower-cased. */
#ifndef ADCL_ENCODER_NORMALIZER_H
#define ADCL_ENCODER_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow; start with {0}, free with adcl__bytes_free. */
typedef struct adcl__bytes {
    unsigned char *data;
    size_t size;
    size_t capacity;
} adcl__bytes;

/* Makes room for `more` bytes behind `size`; false when memory runs out. */
bool adcl__bytes_reserve(adcl__bytes *bytes, size_t more);
void adcl__bytes_free(adcl__bytes *bytes);

typedef struct adcl__normalizer {
    bool clean_text;    /* drop control characters, make every white space a space */
    bool split_chinese; /* put spaces around Chinese characters */
    bool strip_accents; /* decompose (NFD), then drop nonspacing marks */
    bool lowercase;
} adcl__normalizer;

/* Appends the normalized form of `text`, well-formed UTF-8, to *out. False when memory runs out. */
bool adcl__normalize(const adcl__normalizer *rules, const unsigned char *text, size_t size,
                     adcl__bytes *out);

/* What a character means where words are looked for. */
typedef enum adcl__character_class {
    ADCL__CHARACTER_OF_WORD,
    ADCL__CHARACTER_SPACE,
    ADCL__CHARACTER_PUNCTUATION /* a word of its own */
} adcl__character_class;

/* The class of the character that begins at `text`, within well-formed UTF-8; *length is its number
 * of bytes. */
adcl__character_class adcl__classify(const unsigned char *text, size_t *length);

/* Whether it is a letter, mark, digit or connector: regular expressions' \w. */
bool adcl__is_word_character(const unsigned char *text);

#endif
