/* SPDX-License-Identifier: MIT */
/* text.h – small strings: growing text for sentences and lists, name lists, UTF-8 checks. */
#ifndef ADCL_BASE_TEXT_H
#define ADCL_BASE_TEXT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Text that grows; start with {0}, free with adcl__text_free. `bytes` is NULL while it is empty.
 * When memory runs out it stays as it is and `failed` is set, so a chain of appends needs one
 * check. */
typedef struct adcl__text {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
} adcl__text;

void adcl__text_append(adcl__text *text, const char *format, ...) ADCL__PRINTF(2, 3);
void adcl__text_free(adcl__text *text);

/* A copy in malloc'd memory, NULL when memory runs out or `source` is NULL. */
char *adcl__string_copy(const char *source);

/* True when needle (ASCII case ignored) occurs in haystack. */
bool adcl__string_contains(const char *haystack, const char *needle);
/* True when both are equal, ASCII case ignored. */
bool adcl__string_equal_nocase(const char *a, const char *b);

/* True when `bytes` are well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool adcl__utf8_valid(const char *bytes, size_t length);
/* How many bytes at the beginning are well-formed UTF-8: up to the first sequence that is not. */
size_t adcl__utf8_length(const char *bytes, size_t length);

/* *index = where `name` is in names[count]. Fails with INVALID_ARGUMENT where name or index is
 * NULL, and with NOT_FOUND: «unknown <what> "name"; expected one of: a, b, c»; *index is then
 * unchanged. */
adcl_status adcl__find_name(adcl_error *error, const char *what, const char *name,
                            const char *const *names, size_t count, size_t *index);

#endif
