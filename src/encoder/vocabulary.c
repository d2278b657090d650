/* SPDX-License-Identifier: MIT */
/* vocabulary.c – one hash table of all tokens. The hash of a text grows byte by byte (FNV-1a), so
 * the hashes of all beginnings of a word cost one pass over it; the longest beginning that is a
 * token is then found by looking the beginnings up, the longest first. Most words of a text are
 * tokens themselves: their first look-up is the last one. */
#include "encoder/vocabulary.h"

#include "base/text.h"
#include "io/describe.h"

#include <stdlib.h>
#include <string.h>

#define REST_MARK "##"
#define REST_MARK_LENGTH 2

/* Longer tokens are refused: beginnings longer than this are never looked up. */
#define LONGEST_MOST 1024

/* Far more than any model has; twice as many slots are within first_slot's reach. */
#define TOKENS_MOST ((size_t)10 * 1000 * 1000)

/* The two places start from different numbers, so "ing" and "##ing" lie in different slots. */
static uint32_t hash_start(adcl__token_place place)
{
    return place == ADCL__WORD_BEGIN ? 2166136261u : 3735928559u;
}

static uint32_t hash_step(uint32_t hash, unsigned char byte)
{
    return (hash ^ byte) * 16777619u;
}

/* The low bits of FNV-1a depend on few bits of the last bytes; multiplying once more and taking
 * high bits mixes all of them. */
static size_t first_slot(const adcl__vocabulary *v, uint32_t hash)
{
    return (size_t)((hash * 2654435769u) >> 7) & v->mask;
}

/* Splits a token into its place and the text that is matched. */
static adcl__token_place split_token(const char **text, size_t *length)
{
    if (*length < REST_MARK_LENGTH || memcmp(*text, REST_MARK, REST_MARK_LENGTH) != 0)
        return ADCL__WORD_BEGIN;
    *text += REST_MARK_LENGTH;
    *length -= REST_MARK_LENGTH;
    return ADCL__WORD_REST;
}

static bool is_token(const adcl__vocabulary_token *token, adcl__token_place place, const char *text,
                     size_t length)
{
    const char *own = token->text;
    size_t own_length = token->length;
    return split_token(&own, &own_length) == place && own_length == length &&
           memcmp(own, text, length) == 0;
}

/* The slot that holds the token, or the free one where it would go. */
static adcl__vocabulary_slot *find_slot(const adcl__vocabulary *v, uint32_t hash,
                                        adcl__token_place place, const char *text, size_t length)
{
    for (size_t i = first_slot(v, hash);; i = (i + 1) & v->mask) {
        adcl__vocabulary_slot *slot = &v->slots[i];
        if (slot->id < 0) return slot;
        if (slot->hash == hash && is_token(&v->tokens[slot->id], place, text, length)) return slot;
    }
}

static uint32_t hash_of(adcl__token_place place, const char *text, size_t length)
{
    uint32_t hash = hash_start(place);
    for (size_t i = 0; i < length; i++) hash = hash_step(hash, (unsigned char)text[i]);
    return hash;
}

/* ---- reading ---------------------------------------------------------------------------------*/

typedef struct reader {
    const char *path;
    adcl_error *error;
    adcl__vocabulary *v;
} reader;

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    return size > 0 && text[size - 1] != '\n' ? lines + 1 : lines;
}

static adcl_status allocate(const reader *in, size_t size)
{
    adcl__vocabulary *v = in->v;
    size_t lines = count_lines(v->text, size);
    if (lines == 0)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: expected a token on each line, got an empty file", in->path);
    if (lines > TOKENS_MOST)
        return adcl__error_set(in->error, ADCL_ERR_SIZE_OVERFLOW, 0,
                               "%s: expected at most %zu lines, got %zu", in->path, TOKENS_MOST,
                               lines);
    size_t slots = 16;
    while (slots < 2 * lines) slots *= 2;
    v->mask = slots - 1;
    v->tokens = calloc(lines, sizeof *v->tokens);
    v->slots = malloc(slots * sizeof *v->slots);
    if (v->tokens == NULL || v->slots == NULL)
        return adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                               "%s: no memory for %zu tokens", in->path, lines);
    memset(v->slots, 0xFF, slots * sizeof *v->slots); /* all ids −1 */
    return ADCL_OK;
}

static adcl_status check_line(const reader *in, const char *text, size_t length)
{
    size_t line = in->v->count + 1;
    if (length == 0)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: line %zu: expected a token, got a blank line", in->path, line);
    if (length > LONGEST_MOST)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: line %zu: expected a token of at most %d bytes, got %zu",
                               in->path, line, LONGEST_MOST, length);
    if (memchr(text, '\0', length) != NULL)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: line %zu: expected text, got a NUL byte", in->path, line);
    if (!adcl__utf8_valid(text, length))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: line %zu: expected UTF-8, got other bytes", in->path, line);
    return ADCL_OK;
}

static adcl_status add_token(const reader *in, const char *text, size_t length)
{
    adcl__vocabulary *v = in->v;
    ADCL_TRY(check_line(in, text, length));
    v->tokens[v->count] = (adcl__vocabulary_token){text, (uint32_t)length};
    const char *matched = text;
    size_t matched_length = length;
    adcl__token_place place = split_token(&matched, &matched_length);
    uint32_t hash = hash_of(place, matched, matched_length);
    adcl__vocabulary_slot *slot = find_slot(v, hash, place, matched, matched_length);
    /* A token that stands there twice has the later id, as in Hugging Face's dictionary. */
    *slot = (adcl__vocabulary_slot){hash, (int32_t)v->count};
    if (matched_length > v->longest[place]) v->longest[place] = matched_length;
    v->count++;
    return ADCL_OK;
}

static adcl_status add_lines(const reader *in, size_t size)
{
    char *line = in->v->text, *end = line + size;
    *end = '\0';
    while (line < end) {
        char *line_end = memchr(line, '\n', (size_t)(end - line));
        if (line_end == NULL) line_end = end;
        size_t length = (size_t)(line_end - line);
        if (length > 0 && line[length - 1] == '\r') line[--length] = '\0';
        *line_end = '\0';
        ADCL_TRY(add_token(in, line, length));
        line = line_end + 1;
    }
    return ADCL_OK;
}

adcl_status adcl__vocabulary_parse(adcl__vocabulary *out, const char *path, unsigned char *bytes,
                                   size_t size, adcl_error *error)
{
    *out = (adcl__vocabulary){.text = (char *)bytes};
    reader in = {path, error, out};
    adcl_status status = allocate(&in, size);
    if (status == ADCL_OK) status = add_lines(&in, size);
    if (status != ADCL_OK) adcl__vocabulary_free(out);
    return status;
}

void adcl__vocabulary_free(adcl__vocabulary *vocabulary)
{
    free(vocabulary->text);
    free(vocabulary->tokens);
    free(vocabulary->slots);
    *vocabulary = (adcl__vocabulary){0};
}

/* ---- looking up ------------------------------------------------------------------------------*/

int32_t adcl__vocabulary_find(const adcl__vocabulary *vocabulary, const char *token, size_t length)
{
    adcl__token_place place = split_token(&token, &length);
    return find_slot(vocabulary, hash_of(place, token, length), place, token, length)->id;
}

int32_t adcl__vocabulary_longest(const adcl__vocabulary *vocabulary, adcl__token_place place,
                                 const unsigned char *text, size_t size, size_t *matched)
{
    uint32_t hashes[LONGEST_MOST]; /* [i]: of the first i + 1 bytes */
    size_t most = vocabulary->longest[place];
    if (most > size) most = size;
    uint32_t hash = hash_start(place);
    for (size_t i = 0; i < most; i++) hashes[i] = hash = hash_step(hash, text[i]);
    for (size_t length = most; length > 0; length--) {
        int32_t id =
            find_slot(vocabulary, hashes[length - 1], place, (const char *)text, length)->id;
        if (id < 0) continue;
        *matched = length;
        return id;
    }
    return -1;
}
