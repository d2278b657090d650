/* SPDX-License-Identifier: MIT */
/* tokenizer.h – text to token ids and back: BERT's WordPiece, from a model's folder.
 *
 *     adcl_tokenizer_load(&tokenizer, "minilm", &error);
 *     adcl_encoding_create(&encoding, &error);
 *     adcl_tokenizer_encode(tokenizer, encoding, &(adcl_text_span){text, strlen(text)}, NULL, 128,
 *                           &error);
 *     adcl_encoding_ids(encoding), adcl_encoding_count(encoding)       [CLS] … [SEP]
 *
 * Ids are those of the model's own tokenizer (Hugging Face's fast one); docs/tokenizer.md has the
 * rules. No OpenCL is involved. */
#ifndef ADAPTER_CL_TOKENIZER_H
#define ADAPTER_CL_TOKENIZER_H

#include <adapter_cl/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A vocabulary and the rules of its model.
 * Thread-safety: never changes, so any number of threads may encode with it at the same time. */
typedef struct adcl_tokenizer adcl_tokenizer;

/* Reads vocab.txt of the folder, which must be there, and what is there of tokenizer_config.json,
 * tokenizer.json, special_tokens_map.json and added_tokens.json: lower-casing, accents, Chinese
 * characters, added tokens and the names of special ones, each from the first of these files that
 * speaks of it. Without any of them: lower-cased, [UNK], [CLS], [SEP], [PAD], [MASK]. On failure
 * *out is NULL. Errors: FILE, FORMAT (a blank line, no [UNK], [CLS] or [SEP], files
 * that contradict each other, …), UNSUPPORTED (the folder's tokenizer is no WordPiece),
 * OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_tokenizer_load(adcl_tokenizer **out, const char *folder,
                                         adcl_error *error);
ADCL_API void adcl_tokenizer_destroy(adcl_tokenizer **tokenizer);

/* The largest id and 1: the rows that the model's word embeddings need. */
ADCL_API size_t adcl_tokenizer_size(const adcl_tokenizer *tokenizer);

/* The token of an id ("##ing"), UTF-8, borrowed from the tokenizer; NULL where no token has the
 * id. */
ADCL_API const char *adcl_tokenizer_token(const adcl_tokenizer *tokenizer, int32_t id);

/* The id of a token, −1 where there is none. */
ADCL_API int32_t adcl_tokenizer_id(const adcl_tokenizer *tokenizer, const char *token);

typedef enum adcl_special_token {
    ADCL_TOKEN_UNK, /* takes the place of a word that no pieces spell */
    ADCL_TOKEN_CLS, /* begins every sequence */
    ADCL_TOKEN_SEP, /* ends every text */
    ADCL_TOKEN_PAD,
    ADCL_TOKEN_MASK
} adcl_special_token;

/* The id of a special token; −1 for a PAD or MASK that the vocabulary has not. */
ADCL_API int32_t adcl_tokenizer_special(const adcl_tokenizer *tokenizer, adcl_special_token which);

/* Bytes of UTF-8, borrowed from the caller for the call. NUL is a character like others (the rules
 * drop it). bytes may be NULL where size is 0. */
typedef struct adcl_text_span {
    const char *bytes;
    size_t size;
} adcl_text_span;

/* The result of encoding, and the memory that it takes: made once, used for one text after another.
 * Thread-safety: one thread at a time. */
typedef struct adcl_encoding adcl_encoding;

/* Errors: OUT_OF_HOST_MEMORY. On failure *out is NULL. */
ADCL_API adcl_status adcl_encoding_create(adcl_encoding **out, adcl_error *error);
ADCL_API void adcl_encoding_destroy(adcl_encoding **encoding);

/* Encodes a text, [CLS] text [SEP], or a pair, [CLS] text [SEP] pair [SEP] (pair is NULL where
 * there is none). max_length bounds all tokens together, special ones among them; tokens at the end
 * are cut, of a pair those of the longer text. 0: no bound. After a failure the encoding is empty.
 * Errors: INVALID_ARGUMENT (NULL, bytes that are no UTF-8, a max_length without room for the
 * special tokens), OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_tokenizer_encode(const adcl_tokenizer *tokenizer, adcl_encoding *encoding,
                                           const adcl_text_span *text, const adcl_text_span *pair,
                                           size_t max_length, adcl_error *error);

/* The result of the last call, valid until the next one: count ids, and for each of them its type,
 * 0 up to the first [SEP], 1 after it. */
ADCL_API size_t adcl_encoding_count(const adcl_encoding *encoding);
ADCL_API const int32_t *adcl_encoding_ids(const adcl_encoding *encoding);
ADCL_API const int32_t *adcl_encoding_type_ids(const adcl_encoding *encoding);
/* How many tokens max_length has cut off. */
ADCL_API size_t adcl_encoding_truncated(const adcl_encoding *encoding);

#ifdef __cplusplus
}
#endif
#endif
