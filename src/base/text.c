/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(adcl__text *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity) return true;
    size_t capacity = text->capacity < 64 ? 64 : text->capacity;
    while (capacity < needed) capacity *= 2;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void adcl__text_append(adcl__text *text, const char *format, ...)
{
    if (text->failed) return;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void adcl__text_free(adcl__text *text)
{
    free(text->bytes);
    *text = (adcl__text){0};
}

char *adcl__string_copy(const char *source)
{
    if (source == NULL) return NULL;
    size_t size = strlen(source) + 1;
    char *copy = malloc(size);
    if (copy != NULL) memcpy(copy, source, size);
    return copy;
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool starts_with_nocase(const char *text, const char *prefix)
{
    for (; *prefix != '\0'; text++, prefix++)
        if (lower(*text) != lower(*prefix)) return false;
    return true;
}

bool adcl__string_contains(const char *haystack, const char *needle)
{
    for (;; haystack++) {
        if (starts_with_nocase(haystack, needle)) return true;
        if (*haystack == '\0') return false;
    }
}

bool adcl__string_equal_nocase(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && starts_with_nocase(a, b);
}

/* Length of the well-formed sequence at `s` (at most `left` bytes), 0 if there is none. The ranges
 * are those of the Unicode standard, table 3-7. */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) return 1;
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || left < length) return 0;
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    return length;
}

size_t adcl__utf8_length(const char *bytes, size_t length)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t i = 0;
    while (i < length) {
        size_t step = utf8_sequence(s + i, length - i);
        if (step == 0) break;
        i += step;
    }
    return i;
}

bool adcl__utf8_valid(const char *bytes, size_t length)
{
    return adcl__utf8_length(bytes, length) == length;
}

static adcl_status unknown_name(adcl_error *error, const char *what, const char *name,
                                const char *const *names, size_t count)
{
    adcl__text list = {0};
    for (size_t i = 0; i < count; i++) adcl__text_append(&list, i == 0 ? "%s" : ", %s", names[i]);
    adcl_status status =
        adcl__error_set(error, ADCL_ERR_NOT_FOUND, 0, "unknown %s \"%s\"; expected one of: %s",
                        what, name, list.failed || list.bytes == NULL ? "…" : list.bytes);
    adcl__text_free(&list);
    return status;
}

adcl_status adcl__find_name(adcl_error *error, const char *what, const char *name,
                            const char *const *names, size_t count, size_t *index)
{
    if (name == NULL || index == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected a name and a place for the result, got NULL", what);
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) {
            *index = i;
            return ADCL_OK;
        }
    return unknown_name(error, what, name, names, count);
}
