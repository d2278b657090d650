/* SPDX-License-Identifier: MIT */
/* added_tokens.c – a sorted list: raw patterns before normalized ones, by first byte, the longest
 * first. There are few, and few places of a text have the first byte of one. */
#include "encoder/added_tokens.h"

#include "base/text.h"
#include "io/describe.h"

#include <stdlib.h>
#include <string.h>

/* ---- collecting ------------------------------------------------------------------------------*/

static bool grow(adcl__added_tokens *list)
{
    if (list->count < list->capacity) return true;
    size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
    adcl__added_token *tokens = realloc(list->tokens, capacity * sizeof *tokens);
    if (tokens == NULL) return false;
    list->tokens = tokens;
    list->capacity = capacity;
    return true;
}

adcl_status adcl__added_tokens_add(adcl__added_tokens *list, const char *text,
                                   const adcl__added_token *token, const char *path,
                                   adcl_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        const adcl__added_token *other = &list->tokens[i];
        bool same_text = strcmp(other->text, text) == 0;
        if (same_text && other->id == token->id) return ADCL_OK;
        if (same_text || other->id == token->id)
            return adcl__error_set(error, ADCL_ERR_FORMAT, 0,
                                   "%s: added token %s of id %d contradicts %s of id %d", path,
                                   adcl__describe_name(text).text, token->id,
                                   adcl__describe_name(other->text).text, other->id);
    }
    if (list->count == ADCL__ADDED_TOKENS_MOST)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected at most %d added tokens", path,
                               ADCL__ADDED_TOKENS_MOST);
    char *copy = adcl__string_copy(text);
    if (copy == NULL || !grow(list)) {
        free(copy);
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                               path);
    }
    list->tokens[list->count] = *token;
    list->tokens[list->count].text = copy;
    list->tokens[list->count++].pattern = NULL;
    return ADCL_OK;
}

void adcl__added_tokens_free(adcl__added_tokens *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->tokens[i].text);
        free(list->tokens[i].pattern);
    }
    free(list->tokens);
    *list = (adcl__added_tokens){0};
}

/* ---- preparing -------------------------------------------------------------------------------*/

static bool make_pattern(adcl__added_token *token, const adcl__normalizer *rules)
{
    static const adcl__normalizer as_it_is = {0};
    adcl__bytes pattern = {0};
    if (!adcl__bytes_reserve(&pattern, 1) ||
        !adcl__normalize(token->normalized ? rules : &as_it_is, (const unsigned char *)token->text,
                         strlen(token->text), &pattern)) {
        adcl__bytes_free(&pattern);
        return false;
    }
    token->pattern = (char *)pattern.data;
    token->length = pattern.size;
    return true;
}

/* Patterns of a kind that begin with a byte share a bucket; an empty pattern, which is never looked
 * for, is in the bucket before those. */
static size_t bucket_of(const adcl__added_token *token)
{
    size_t base = token->normalized ? ADCL__ADDED_TOKEN_BUCKETS / 2 : 0;
    return token->length == 0 ? base : base + 1 + (unsigned char)token->pattern[0];
}

static int compare_tokens(const void *left, const void *right)
{
    const adcl__added_token *a = left, *b = right;
    if (bucket_of(a) != bucket_of(b)) return bucket_of(a) < bucket_of(b) ? -1 : 1;
    if (a->length != b->length) return a->length > b->length ? -1 : 1;
    return strcmp(a->text, b->text);
}

bool adcl__added_tokens_prepare(adcl__added_tokens *list, const adcl__normalizer *rules)
{
    for (size_t i = 0; i < list->count; i++)
        if (!make_pattern(&list->tokens[i], rules)) return false;
    if (list->count > 0) qsort(list->tokens, list->count, sizeof *list->tokens, compare_tokens);
    size_t i = 0;
    for (size_t bucket = 0; bucket <= ADCL__ADDED_TOKEN_BUCKETS; bucket++) {
        while (i < list->count && bucket_of(&list->tokens[i]) < bucket) i++;
        list->first[bucket] = i;
    }
    return true;
}

/* ---- finding ---------------------------------------------------------------------------------*/

/* Whether no letter or digit touches text[start … end). */
static bool stands_alone(const unsigned char *text, size_t size, size_t start, size_t end)
{
    if (end < size && adcl__is_word_character(text + end)) return false;
    if (start == 0) return true;
    size_t before = start - 1;
    while (before > 0 && (text[before] & 0xC0) == 0x80) before--;
    return !adcl__is_word_character(text + before);
}

/* The longest pattern at the beginning of `text`; `first` is where the buckets of bytes begin. */
static const adcl__added_token *match(const adcl__added_tokens *list, const size_t *first,
                                      const unsigned char *text, size_t size)
{
    for (size_t i = first[text[0]]; i < first[text[0] + 1]; i++) {
        const adcl__added_token *token = &list->tokens[i];
        if (token->length <= size && memcmp(text, token->pattern, token->length) == 0) return token;
    }
    return NULL;
}

const adcl__added_token *adcl__added_tokens_find(const adcl__added_tokens *list, bool normalized,
                                                 const unsigned char *text, size_t size,
                                                 size_t from, size_t *start, size_t *end)
{
    const size_t *first = list->first + (normalized ? ADCL__ADDED_TOKEN_BUCKETS / 2 : 0) + 1;
    if (first[0] == first[256]) return NULL;
    for (size_t i = from; i < size;) {
        const adcl__added_token *token = match(list, first, text + i, size - i);
        if (token == NULL) {
            i++;
            continue;
        }
        *start = i;
        *end = i + token->length;
        /* One that must stand alone but does not hides what is in it, as in the original. */
        if (!token->single_word || stands_alone(text, size, *start, *end)) return token;
        i = *end;
    }
    return NULL;
}
