/* SPDX-License-Identifier: MIT */
/* encoding.c – a text becomes ids in three steps, each over the pieces of the one before:
 *
 *     raw text ─► between added tokens: normalized text ─► between those: words ─► pieces
 *     "Say [SEP] Hugs"  "Say " 102 " Hugs"  "say ", " hugs"    say   hugs          say, hug, ##s
 */
#include "encoder/tokenizer.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* Ids that grow. */
typedef struct id_list {
    int32_t *ids;
    size_t count;
    size_t capacity;
} id_list;

struct adcl_encoding {
    adcl__bytes normalized; /* a piece of the text, scratch */
    id_list content;        /* of the text, then of the pair, without special tokens, scratch */
    id_list ids;
    id_list type_ids;
    size_t truncated;
};

/* The encoding of one text. */
typedef struct encoder {
    const adcl_tokenizer *tokenizer;
    adcl_encoding *encoding;
} encoder;

static bool reserve_ids(id_list *list, size_t more)
{
    if (more <= list->capacity - list->count) return true;
    if (more > SIZE_MAX / 16 || list->count > SIZE_MAX / 16) return false;
    size_t capacity = list->capacity < 64 ? 64 : list->capacity;
    while (capacity < list->count + more) capacity *= 2;
    int32_t *ids = realloc(list->ids, capacity * sizeof *ids);
    if (ids == NULL) return false;
    list->ids = ids;
    list->capacity = capacity;
    return true;
}

/* ---- words -----------------------------------------------------------------------------------*/

/* Whether the word has more than `most` characters. */
static bool is_too_long(const unsigned char *word, size_t size, size_t most)
{
    if (size <= most) return false;
    size_t characters = 0;
    for (size_t i = 0; i < size && characters <= most; i++) characters += (word[i] & 0xC0) != 0x80;
    return characters > most;
}

/* The longest token that the word begins with, then the longest that its rest does, and so on. A
 * word that cannot be spelled to its end is unknown as a whole. */
static bool add_word(const encoder *e, const unsigned char *word, size_t size)
{
    const adcl__tokenizer_settings *settings = &e->tokenizer->settings;
    id_list *content = &e->encoding->content;
    if (!reserve_ids(content, size)) return false;
    size_t first = content->count;
    bool known = !is_too_long(word, size, settings->word_most);
    for (size_t i = 0, step; known && i < size; i += step) {
        step = size;
        adcl__token_place place = i == 0 ? ADCL__WORD_BEGIN : ADCL__WORD_REST;
        int32_t id =
            adcl__vocabulary_longest(&e->tokenizer->vocabulary, place, word + i, size - i, &step);
        known = id >= 0;
        if (known) content->ids[content->count++] = id;
    }
    if (known) return true;
    content->count = first;
    content->ids[content->count++] = settings->special[ADCL_TOKEN_UNK];
    return true;
}

static bool add_words(const encoder *e, const unsigned char *text, size_t size)
{
    size_t word = 0, length;
    for (size_t i = 0; i < size; i += length) {
        adcl__character_class class = adcl__classify(text + i, &length);
        if (class == ADCL__CHARACTER_OF_WORD) continue;
        if (i > word && !add_word(e, text + word, i - word)) return false;
        if (class == ADCL__CHARACTER_PUNCTUATION && !add_word(e, text + i, length)) return false;
        word = i + length;
    }
    return size <= word || add_word(e, text + word, size - word);
}

/* ---- pieces between added tokens -------------------------------------------------------------*/

/* What becomes of the text between the added tokens of one kind. */
typedef bool (*piece_handler)(const encoder *e, const unsigned char *text, size_t size);

static bool add_around(const encoder *e, bool normalized, const unsigned char *text, size_t size,
                       piece_handler handle)
{
    id_list *content = &e->encoding->content;
    size_t from = 0, start, end;
    for (;;) {
        const adcl__added_token *token = adcl__added_tokens_find(
            &e->tokenizer->settings.added, normalized, text, size, from, &start, &end);
        if (token == NULL) return handle(e, text + from, size - from);
        if (!handle(e, text + from, start - from) || !reserve_ids(content, 1)) return false;
        content->ids[content->count++] = token->id;
        from = end;
    }
}

static bool add_raw_piece(const encoder *e, const unsigned char *text, size_t size)
{
    adcl__bytes *normalized = &e->encoding->normalized;
    normalized->size = 0;
    if (size == 0) return true;
    return adcl__normalize(&e->tokenizer->settings.rules, text, size, normalized) &&
           add_around(e, true, normalized->data, normalized->size, add_words);
}

static adcl_status add_text(const encoder *e, const char *name, const adcl_text_span *text,
                            adcl_error *error)
{
    if (text->bytes == NULL && text->size > 0)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected %zu bytes, got NULL", name, text->size);
    size_t valid = adcl__utf8_length(text->bytes, text->size);
    if (valid < text->size)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected UTF-8, got other bytes behind byte %zu", name, valid);
    if (!add_around(e, false, (const unsigned char *)text->bytes, text->size, add_raw_piece))
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                               "%s: no memory to encode %zu bytes", name, text->size);
    return ADCL_OK;
}

/* ---- the frame -------------------------------------------------------------------------------*/

/* Shortens two texts so that together they have at most `room` tokens: the longer one
 * until they are equal, then both. An odd token stays with the one that was longer, with the second
 * where they were equal. */
static void truncate_pair(size_t *a, size_t *b, size_t room)
{
    if (*a + *b <= room) return;
    size_t *shorter = *a <= *b ? a : b, *longer = *a <= *b ? b : a;
    if (*shorter > room / 2) *shorter = room / 2;
    *longer = room - *shorter;
}

static void append(adcl_encoding *e, const int32_t *ids, size_t count, int32_t type)
{
    memcpy(e->ids.ids + e->ids.count, ids, count * sizeof *ids);
    e->ids.count += count;
    while (e->type_ids.count < e->ids.count) e->type_ids.ids[e->type_ids.count++] = type;
}

/* [CLS] a [SEP], and b [SEP] if there is a pair: a and b are the first tokens of the content's two
 * parts, of which the second begins at `second`. */
static bool frame(const encoder *e, size_t a, size_t second, size_t b, bool has_pair)
{
    adcl_encoding *encoding = e->encoding;
    const int32_t *special = e->tokenizer->settings.special, *content = encoding->content.ids;
    if (!reserve_ids(&encoding->ids, a + b + 3) || !reserve_ids(&encoding->type_ids, a + b + 3))
        return false;
    append(encoding, &special[ADCL_TOKEN_CLS], 1, 0);
    if (a > 0) append(encoding, content, a, 0);
    append(encoding, &special[ADCL_TOKEN_SEP], 1, 0);
    if (!has_pair) return true;
    if (b > 0) append(encoding, content + second, b, 1);
    append(encoding, &special[ADCL_TOKEN_SEP], 1, 1);
    return true;
}

static adcl_status encode(const encoder *e, const adcl_text_span *text, const adcl_text_span *pair,
                          size_t max_length, adcl_error *error)
{
    size_t frame_size = pair != NULL ? 3 : 2;
    if (max_length != 0 && max_length < frame_size)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "max_length: expected at least %zu for the special tokens of %s, "
                               "got %zu",
                               frame_size, pair != NULL ? "a pair" : "a text", max_length);
    ADCL_TRY(add_text(e, "text", text, error));
    size_t second = e->encoding->content.count, a = second;
    if (pair != NULL) ADCL_TRY(add_text(e, "pair", pair, error));
    size_t total = e->encoding->content.count, b = total - second;
    if (max_length != 0) truncate_pair(&a, &b, max_length - frame_size);
    if (!frame(e, a, second, b, pair != NULL))
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "no memory for %zu tokens",
                               a + b + frame_size);
    e->encoding->truncated = total - a - b;
    return ADCL_OK;
}

static void clear(adcl_encoding *encoding)
{
    encoding->content.count = encoding->ids.count = encoding->type_ids.count = 0;
    encoding->truncated = 0;
}

adcl_status adcl_tokenizer_encode(const adcl_tokenizer *tokenizer, adcl_encoding *encoding,
                                  const adcl_text_span *text, const adcl_text_span *pair,
                                  size_t max_length, adcl_error *error)
{
    if (encoding != NULL) clear(encoding);
    if (tokenizer == NULL || encoding == NULL || text == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "expected a tokenizer, an encoding and a text, got NULL");
    const encoder e = {tokenizer, encoding};
    adcl_status status = encode(&e, text, pair, max_length, error);
    if (status != ADCL_OK) clear(encoding);
    return status;
}

/* ---- the object ------------------------------------------------------------------------------*/

adcl_status adcl_encoding_create(adcl_encoding **out, adcl_error *error)
{
    *out = calloc(1, sizeof **out);
    if (*out != NULL) return ADCL_OK;
    return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "no memory for an encoding");
}

void adcl_encoding_destroy(adcl_encoding **encoding)
{
    if (encoding == NULL || *encoding == NULL) return;
    adcl__bytes_free(&(*encoding)->normalized);
    free((*encoding)->content.ids);
    free((*encoding)->ids.ids);
    free((*encoding)->type_ids.ids);
    free(*encoding);
    *encoding = NULL;
}

size_t adcl_encoding_count(const adcl_encoding *encoding)
{
    return encoding->ids.count;
}

const int32_t *adcl_encoding_ids(const adcl_encoding *encoding)
{
    return encoding->ids.ids;
}

const int32_t *adcl_encoding_type_ids(const adcl_encoding *encoding)
{
    return encoding->type_ids.ids;
}

size_t adcl_encoding_truncated(const adcl_encoding *encoding)
{
    return encoding->truncated;
}
