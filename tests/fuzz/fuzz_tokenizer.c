/* SPDX-License-Identifier: MIT */
/* fuzz_tokenizer.c – the first byte chooses: 0, the rest is a vocabulary; 1, it is a text for a
 * fixed vocabulary under the rules that the second byte has as bits; other, both at once, the
 * vocabulary up to the first NUL. */
#include "fuzz/target.h"

#include "encoder/tokenizer.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void check(int promise)
{
    if (!promise) abort();
}

static const char fixed_vocabulary[] = "[UNK]\n[CLS]\n[SEP]\n[PAD]\na\n##a\nab\n##b\n##\xCC\x81\n"
                                       "\xC3\xA9\n!\n\xE4\xB8\xAD\n##\n#\n";

/* 1 when the bytes are a vocabulary; then it is *out's. */
static int read_vocabulary(adcl__vocabulary *out, const uint8_t *bytes, size_t size)
{
    unsigned char *copy = malloc(size + 1);
    check(copy != NULL);
    if (size > 0) memcpy(copy, bytes, size);
    adcl_error error = {.status = ADCL_OK};
    adcl_status status = adcl__vocabulary_parse(out, "input", copy, size, &error);
    check(error.status == status);
    check(status == ADCL_OK || strncmp(error.message, "input: ", 7) == 0);
    return status == ADCL_OK;
}

/* Every token is found under its own spelling; of two that are spelled alike, the later one. */
static void check_vocabulary(const adcl__vocabulary *v)
{
    for (size_t i = 0; i < v->count; i++) {
        int32_t found = adcl__vocabulary_find(v, v->tokens[i].text, v->tokens[i].length);
        check(found >= (int32_t)i && (size_t)found < v->count);
        check(v->tokens[found].length == v->tokens[i].length &&
              memcmp(v->tokens[found].text, v->tokens[i].text, v->tokens[i].length) == 0);
    }
}

static void add_token(adcl__added_tokens *list, const char *text, int32_t id, bool normalized,
                      bool single_word)
{
    const adcl__added_token token = {
        .id = id, .normalized = normalized, .single_word = single_word};
    check(adcl__added_tokens_add(list, text, &token, "input", NULL) == ADCL_OK);
}

static void encode(adcl_tokenizer *t, const adcl_text_span *text, size_t max_length)
{
    adcl_encoding *encoding;
    adcl_error error = {.status = ADCL_OK};
    check(adcl_encoding_create(&encoding, NULL) == ADCL_OK);
    adcl_status status = adcl_tokenizer_encode(t, encoding, text, text, max_length, &error);
    check((status == ADCL_OK) == adcl__utf8_valid(text->bytes, text->size));
    check(error.status == status);
    size_t count = adcl_encoding_count(encoding);
    check(status == ADCL_OK ? count >= 3 : count == 0);
    check(max_length == 0 || count <= max_length);
    for (size_t i = 0; i < count; i++)
        check(adcl_tokenizer_token(t, adcl_encoding_ids(encoding)[i]) != NULL);
    adcl_encoding_destroy(&encoding);
}

/* `rules`: a bit for each rule, then for the truncation. */
static void encode_with(adcl__vocabulary *vocabulary, unsigned rules, const adcl_text_span *text)
{
    adcl_tokenizer t = {.vocabulary = *vocabulary, .size = vocabulary->count + 5};
    t.settings = (adcl__tokenizer_settings){.rules = {rules & 1, rules & 2, rules & 4, rules & 8},
                                            .word_most = 100};
    for (int i = 0; i < ADCL__SPECIAL_TOKENS; i++) t.settings.special[i] = 0;
    int32_t id = (int32_t)vocabulary->count;
    add_token(&t.settings.added, "[SEP]", id, false, false);
    add_token(&t.settings.added, "\xC3\x89", id + 1, true, false);
    add_token(&t.settings.added, "aB", id + 2, true, true);
    add_token(&t.settings.added, "a", id + 3, false, true);
    check(adcl__added_tokens_prepare(&t.settings.added, &t.settings.rules));
    encode(&t, text, 0);
    encode(&t, text, 3 + (rules >> 4));
    adcl__added_tokens_free(&t.settings.added);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adcl__vocabulary vocabulary;
    if (size < 2) return 0;
    const uint8_t *rest = bytes + 2;
    size_t rest_size = size - 2;
    if (bytes[0] == 1) {
        check(read_vocabulary(&vocabulary, (const uint8_t *)fixed_vocabulary,
                              sizeof fixed_vocabulary - 1));
    } else {
        const uint8_t *nul = bytes[0] == 0 ? NULL : memchr(rest, '\0', rest_size);
        size_t length = nul == NULL ? rest_size : (size_t)(nul - rest);
        if (!read_vocabulary(&vocabulary, rest, length)) return 0;
        rest += length;
        rest_size -= length;
    }
    check_vocabulary(&vocabulary);
    encode_with(&vocabulary, bytes[1], &(adcl_text_span){(const char *)rest, rest_size});
    adcl__vocabulary_free(&vocabulary);
    return 0;
}
