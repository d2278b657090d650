/* SPDX-License-Identifier: MIT */
#include "encoder/tokenizer.h"

#include "base/platform.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static adcl_status out_of_memory(const char *folder, adcl_error *error)
{
    return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           folder);
}

static adcl_status read_vocabulary(adcl__vocabulary *out, const char *folder, adcl_error *error)
{
    adcl__text path = {0};
    adcl__text_append(&path, "%s/vocab.txt", folder);
    unsigned char *bytes;
    size_t size;
    adcl_status status = path.failed ? out_of_memory(folder, error)
                                     : adcl__file_read(path.bytes, &bytes, &size, error);
    if (status == ADCL_OK) status = adcl__vocabulary_parse(out, path.bytes, bytes, size, error);
    adcl__text_free(&path);
    return status;
}

static adcl_status read_folder(adcl_tokenizer *t, const char *folder, adcl_error *error)
{
    ADCL_TRY(read_vocabulary(&t->vocabulary, folder, error));
    ADCL_TRY(adcl__tokenizer_settings_read(&t->settings, folder, &t->vocabulary, error));
    t->size = t->vocabulary.count;
    for (size_t i = 0; i < t->settings.added.count; i++) {
        size_t needed = (size_t)t->settings.added.tokens[i].id + 1;
        if (needed > t->size) t->size = needed;
    }
    return ADCL_OK;
}

adcl_status adcl_tokenizer_load(adcl_tokenizer **out, const char *folder, adcl_error *error)
{
    *out = NULL;
    if (folder == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "tokenizer: expected the path of a model's folder, got NULL");
    adcl_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (tokenizer == NULL) return out_of_memory(folder, error);
    adcl_status status = read_folder(tokenizer, folder, error);
    if (status != ADCL_OK) {
        adcl_tokenizer_destroy(&tokenizer);
        return status;
    }
    *out = tokenizer;
    return ADCL_OK;
}

void adcl_tokenizer_destroy(adcl_tokenizer **tokenizer)
{
    if (tokenizer == NULL || *tokenizer == NULL) return;
    adcl__tokenizer_settings_free(&(*tokenizer)->settings);
    adcl__vocabulary_free(&(*tokenizer)->vocabulary);
    free(*tokenizer);
    *tokenizer = NULL;
}

size_t adcl_tokenizer_size(const adcl_tokenizer *tokenizer)
{
    return tokenizer->size;
}

const char *adcl_tokenizer_token(const adcl_tokenizer *tokenizer, int32_t id)
{
    if (id < 0) return NULL;
    if ((size_t)id < tokenizer->vocabulary.count) return tokenizer->vocabulary.tokens[id].text;
    const adcl__added_tokens *added = &tokenizer->settings.added;
    for (size_t i = 0; i < added->count; i++)
        if (added->tokens[i].id == id) return added->tokens[i].text;
    return NULL;
}

int32_t adcl_tokenizer_id(const adcl_tokenizer *tokenizer, const char *token)
{
    if (token == NULL) return -1;
    int32_t id = adcl__vocabulary_find(&tokenizer->vocabulary, token, strlen(token));
    const adcl__added_tokens *added = &tokenizer->settings.added;
    for (size_t i = 0; i < added->count && id < 0; i++)
        if (strcmp(added->tokens[i].text, token) == 0) id = added->tokens[i].id;
    return id;
}

int32_t adcl_tokenizer_special(const adcl_tokenizer *tokenizer, adcl_special_token which)
{
    if ((unsigned)which >= ADCL__SPECIAL_TOKENS) return -1;
    return tokenizer->settings.special[which];
}
