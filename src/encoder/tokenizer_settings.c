/* SPDX-License-Identifier: MIT */
/* tokenizer_settings.c – four files may speak of the same thing; the first of this list that does
 * is believed:
 *
 *     tokenizer_config.json   do_lower_case, strip_accents, tokenize_chinese_chars, …_token,
 *                             added_tokens_decoder
 *     tokenizer.json          normalizer, model, post_processor, added_tokens
 *     special_tokens_map.json …_token
 *     added_tokens.json       {"token": id}
 *
 * What this tokenizer cannot do is refused by name rather than ignored: other ids than the model
 * was trained with would look like a bad model. */
#include "encoder/tokenizer_settings.h"

#include "base/text.h"
#include "encoder/json_file.h"
#include "io/describe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG, FAST, SPECIAL_MAP, ADDED, FILE_COUNT };

static const char *const file_names[FILE_COUNT] = {
    [CONFIG] = "tokenizer_config.json",
    [FAST] = "tokenizer.json",
    [SPECIAL_MAP] = "special_tokens_map.json",
    [ADDED] = "added_tokens.json",
};

typedef struct reader {
    const char *folder;
    const adcl__vocabulary *vocabulary;
    adcl_error *error;
    adcl__tokenizer_settings *out;
    char *paths[FILE_COUNT];
    json_t *files[FILE_COUNT];                 /* NULL: not there */
    const char *special[ADCL__SPECIAL_TOKENS]; /* names, in a file or static */
} reader;

static adcl_status out_of_memory(const reader *in)
{
    return adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           in->folder);
}

/* "strip_accents: expected true or false", of a file. */
static adcl_status unexpected(const reader *in, int file, const char *key, const char *expected)
{
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: %s: expected %s", in->paths[file],
                           key, expected);
}

/* "model: expected WordPiece, got "BPE"", of a file. */
static adcl_status unsupported(const reader *in, int file, const char *key, const char *expected,
                               const json_t *got)
{
    const char *text = json_is_string(got) ? json_string_value(got) : NULL;
    return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0, "%s: %s: expected %s, got %s",
                           in->paths[file], key, expected,
                           text != NULL ? adcl__describe_name(text).text : "something else");
}

/* ---- the files -------------------------------------------------------------------------------*/

static adcl_status read_file(reader *in, int file)
{
    adcl__text path = {0};
    adcl__text_append(&path, "%s/%s", in->folder, file_names[file]);
    in->paths[file] = path.bytes;
    if (path.failed) return out_of_memory(in);
    adcl_error error;
    adcl_status status = adcl__json_file_read(&in->files[file], path.bytes, &error);
    if (status == ADCL_OK || (status == ADCL_ERR_FILE && error.native_code == ENOENT))
        return ADCL_OK;
    return adcl__error_set(in->error, status, error.native_code, "%s", error.message);
}

/* ---- what kind of tokenizer it is ------------------------------------------------------------*/

/* The classes of transformers that are BERT's tokenizer under its own or another name. */
static adcl_status check_class(const reader *in)
{
    static const char *const classes[] = {
        "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer",
        "RetriBertTokenizer", "LayoutLMTokenizer", "PreTrainedTokenizer",
    };
    const json_t *value = adcl__json_get(in->files[CONFIG], "tokenizer_class");
    if (value == NULL) return ADCL_OK;
    const char *name = json_is_string(value) ? json_string_value(value) : "";
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        size_t length = strlen(classes[i]);
        if (strncmp(name, classes[i], length) == 0 &&
            (name[length] == '\0' || strcmp(name + length, "Fast") == 0))
            return ADCL_OK;
    }
    return unsupported(in, CONFIG, "tokenizer_class", "BertTokenizer or one that is the same",
                       value);
}

/* The type of a part of tokenizer.json. Old files do not name that of the model. */
static adcl_status check_type(const reader *in, const char *part, const char *expected)
{
    const json_t *object = json_object_get(in->files[FAST], part);
    const json_t *type = json_is_object(object) ? adcl__json_get(object, "type") : object;
    if (json_is_object(object) && type == NULL && strcmp(part, "model") == 0) return ADCL_OK;
    if (json_is_string(type) && strcmp(json_string_value(type), expected) == 0) return ADCL_OK;
    return unsupported(in, FAST, part, expected, type);
}

static json_t *special_step(const char *name, int type)
{
    return json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", name, "type_id", type);
}

static json_t *text_step(const char *name, int type)
{
    return json_pack("{s:{s:s, s:i}}", "Sequence", "id", name, "type_id", type);
}

/* {"single": [CLS] A [SEP], "pair": [CLS] A [SEP] B [SEP]}; NULL when memory runs out. */
static json_t *expected_templates(const reader *in)
{
    const char *cls = in->special[ADCL_TOKEN_CLS], *sep = in->special[ADCL_TOKEN_SEP];
    return json_pack("{s:[o, o, o], s:[o, o, o, o, o]}",
                     "single", special_step(cls, 0), text_step("A", 0), special_step(sep, 0),
                     "pair", special_step(cls, 0), text_step("A", 0), special_step(sep, 0),
                     text_step("B", 1), special_step(sep, 1));
}

/* The frame around the texts: a template, or the type whose name says it. */
static adcl_status check_post_processor(const reader *in)
{
    const json_t *object = adcl__json_get(in->files[FAST], "post_processor");
    const json_t *type = adcl__json_get(object, "type");
    const char *name = json_is_string(type) ? json_string_value(type) : "";
    if (object == NULL || strcmp(name, "BertProcessing") == 0) return ADCL_OK;
    if (strcmp(name, "TemplateProcessing") != 0)
        return unsupported(in, FAST, "post_processor", "TemplateProcessing or BertProcessing",
                           type);
    json_t *expected = expected_templates(in);
    if (expected == NULL) return out_of_memory(in);
    bool equal =
        json_equal(json_object_get(expected, "single"), json_object_get(object, "single")) &&
        json_equal(json_object_get(expected, "pair"), json_object_get(object, "pair"));
    json_decref(expected);
    if (equal) return ADCL_OK;
    return unsupported(in, FAST, "post_processor",
                       "the templates [CLS] A [SEP] and [CLS] A [SEP] B [SEP]", NULL);
}

/* Two vocabularies in one folder must be the same: the file that we do not read is the one that the
 * model's own tokenizer does. */
static adcl_status check_vocabulary(const reader *in, json_t *vocabulary)
{
    const char *token;
    json_t *id;
    json_object_foreach(vocabulary, token, id) {
        int32_t own = adcl__vocabulary_find(in->vocabulary, token, strlen(token));
        /* Tokens that were added later may be listed here too. */
        bool added = own < 0 && json_integer_value(id) >= (json_int_t)in->vocabulary->count;
        if (json_is_integer(id) && (json_integer_value(id) == own || added)) continue;
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: model: vocab: expected the ids of vocab.txt, got another one "
                               "for %s",
                               in->paths[FAST], adcl__describe_name(token).text);
    }
    return ADCL_OK;
}

static adcl_status check_model(const reader *in)
{
    ADCL_TRY(check_type(in, "model", "WordPiece"));
    ADCL_TRY(check_type(in, "normalizer", "BertNormalizer"));
    ADCL_TRY(check_type(in, "pre_tokenizer", "BertPreTokenizer"));
    json_t *model = json_object_get(in->files[FAST], "model");
    const json_t *prefix = adcl__json_get(model, "continuing_subword_prefix");
    if (prefix != NULL && (!json_is_string(prefix) || strcmp(json_string_value(prefix), "##") != 0))
        return unsupported(in, FAST, "continuing_subword_prefix", "\"##\"", prefix);
    const json_t *most = adcl__json_get(model, "max_input_chars_per_word");
    if (most != NULL) {
        if (!json_is_integer(most) || json_integer_value(most) < 1)
            return unexpected(in, FAST, "max_input_chars_per_word", "a whole number of at least 1");
        in->out->word_most = (size_t)json_integer_value(most);
    }
    return check_vocabulary(in, json_object_get(model, "vocab"));
}

/* ---- rules -----------------------------------------------------------------------------------*/

/* *out = the boolean of tokenizer_config.json, else that of tokenizer.json's normalizer, else what
 * it was. */
static adcl_status read_rule(const reader *in, const char *config_key, const char *fast_key,
                             bool *out)
{
    int file = CONFIG;
    const char *key = config_key;
    const json_t *value = config_key != NULL ? adcl__json_get(in->files[CONFIG], config_key) : NULL;
    if (value == NULL) {
        file = FAST;
        key = fast_key;
        value = adcl__json_get(json_object_get(in->files[FAST], "normalizer"), fast_key);
    }
    if (value == NULL) return ADCL_OK;
    if (!json_is_boolean(value)) return unexpected(in, file, key, "true or false");
    *out = json_is_true(value);
    return ADCL_OK;
}

static adcl_status read_rules(const reader *in)
{
    adcl__normalizer *rules = &in->out->rules;
    *rules = (adcl__normalizer){.clean_text = true, .split_chinese = true, .lowercase = true};
    ADCL_TRY(read_rule(in, "do_lower_case", "lowercase", &rules->lowercase));
    ADCL_TRY(
        read_rule(in, "tokenize_chinese_chars", "handle_chinese_chars", &rules->split_chinese));
    ADCL_TRY(read_rule(in, NULL, "clean_text", &rules->clean_text));
    rules->strip_accents = rules->lowercase;
    return read_rule(in, "strip_accents", "strip_accents", &rules->strip_accents);
}

/* ---- special and added tokens ----------------------------------------------------------------*/

/* A token is a string, or an object with its string under "content". */
static const char *token_text(const json_t *value)
{
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static adcl_status read_special_names(reader *in)
{
    static const char *const keys[] = {"unk_token", "cls_token", "sep_token", "pad_token",
                                       "mask_token"};
    static const char *const names[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};
    static const int files[] = {CONFIG, SPECIAL_MAP};
    for (size_t i = 0; i < ADCL__SPECIAL_TOKENS; i++) {
        in->special[i] = names[i];
        for (size_t f = 2; f-- > 0;) {
            const json_t *value = adcl__json_get(in->files[files[f]], keys[i]);
            if (value == NULL) continue;
            in->special[i] = token_text(value);
            if (in->special[i] == NULL)
                return unexpected(in, files[f], keys[i], "a string, or an object with \"content\"");
        }
    }
    return ADCL_OK;
}

/* Adds a token of a file, after its id was checked against the vocabulary. */
static adcl_status add_token(const reader *in, int file, const char *text, json_int_t id,
                             bool normalized, bool single_word)
{
    const adcl__vocabulary *v = in->vocabulary;
    if (id < 0 || id > INT32_MAX - 1)
        return unexpected(in, file, "added tokens", "an id from 0 to 2147483646");
    int32_t own = adcl__vocabulary_find(v, text, strlen(text));
    if (own >= 0 ? own != id : id < (json_int_t)v->count)
        return adcl__error_set(
            in->error, ADCL_ERR_FORMAT, 0, "%s: added token %s of id %d contradicts vocab.txt%s%s",
            in->paths[file], adcl__describe_name(text).text, (int)id,
            own < 0 ? ", whose token of this id is " : ", which has another id for it",
            own < 0 ? adcl__describe_name(v->tokens[id].text).text : "");
    const adcl__added_token token = {
        .id = (int32_t)id, .normalized = normalized, .single_word = single_word};
    return adcl__added_tokens_add(&in->out->added, text, &token, in->paths[file], in->error);
}

static adcl_status add_described(const reader *in, int file, const json_t *token, json_int_t id)
{
    const char *text = json_is_object(token) ? token_text(token) : NULL;
    if (text == NULL) return unexpected(in, file, "added tokens", "objects with \"content\"");
    const json_t *normalized = adcl__json_get(token, "normalized");
    bool is_normalized =
        normalized != NULL ? json_is_true(normalized) : !json_is_true(adcl__json_get(token, "special"));
    return add_token(in, file, text, id, is_normalized, json_is_true(adcl__json_get(token, "single_word")));
}

/* tokenizer_config.json: {"100": {"content": "[UNK]", …}, …} */
static adcl_status add_decoder(const reader *in)
{
    json_t *object = json_object_get(in->files[CONFIG], "added_tokens_decoder");
    const char *key;
    json_t *token;
    json_object_foreach(object, key, token) {
        char *end;
        errno = 0;
        long long id = strtoll(key, &end, 10);
        if (*key == '\0' || *end != '\0' || errno != 0)
            return unexpected(in, CONFIG, "added_tokens_decoder", "ids as keys");
        ADCL_TRY(add_described(in, CONFIG, token, id));
    }
    return ADCL_OK;
}

/* tokenizer.json: [{"id": 100, "content": "[UNK]", …}, …] */
static adcl_status add_listed(const reader *in)
{
    const json_t *array = json_object_get(in->files[FAST], "added_tokens");
    size_t i;
    json_t *token;
    json_array_foreach(array, i, token) {
        const json_t *id = json_object_get(token, "id");
        if (!json_is_integer(id)) return unexpected(in, FAST, "added_tokens", "an id for each");
        ADCL_TRY(add_described(in, FAST, token, json_integer_value(id)));
    }
    return ADCL_OK;
}

/* A name of a special token; one that is nowhere in the folder has no id. */
static adcl_status add_special(const reader *in, const char *name, int32_t *id)
{
    const adcl__added_tokens *added = &in->out->added;
    *id = adcl__vocabulary_find(in->vocabulary, name, strlen(name));
    for (size_t i = 0; i < added->count && *id < 0; i++)
        if (strcmp(added->tokens[i].text, name) == 0) *id = added->tokens[i].id;
    return *id < 0 ? ADCL_OK : add_token(in, CONFIG, name, *id, false, false);
}

static adcl_status add_specials(const reader *in)
{
    for (size_t i = 0; i < ADCL__SPECIAL_TOKENS; i++) {
        ADCL_TRY(add_special(in, in->special[i], &in->out->special[i]));
        if (in->out->special[i] < 0 && i <= ADCL_TOKEN_SEP)
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s/vocab.txt: expected a line %s, which encoding needs",
                                   in->folder, adcl__describe_name(in->special[i]).text);
    }
    static const int files[] = {CONFIG, SPECIAL_MAP};
    for (int f = 0; f < 2; f++) {
        size_t i;
        json_t *token;
        json_array_foreach(adcl__json_get(in->files[files[f]], "additional_special_tokens"), i, token) {
            int32_t id;
            if (token_text(token) == NULL)
                return unexpected(in, files[f], "additional_special_tokens", "strings");
            ADCL_TRY(add_special(in, token_text(token), &id));
        }
    }
    return ADCL_OK;
}

static bool is_special_name(const reader *in, const char *text)
{
    for (size_t i = 0; i < ADCL__SPECIAL_TOKENS; i++)
        if (strcmp(in->special[i], text) == 0) return true;
    return false;
}

/* added_tokens.json: {"token": id, …} */
static adcl_status add_mapped(const reader *in)
{
    const char *text;
    json_t *id;
    json_object_foreach(in->files[ADDED], text, id) {
        if (!json_is_integer(id)) return unexpected(in, ADDED, "added tokens", "an id for each");
        ADCL_TRY(
            add_token(in, ADDED, text, json_integer_value(id), !is_special_name(in, text), false));
    }
    return ADCL_OK;
}

/* ---- the whole -------------------------------------------------------------------------------*/

static adcl_status read_settings(reader *in)
{
    for (int file = 0; file < FILE_COUNT; file++) ADCL_TRY(read_file(in, file));
    in->out->word_most = 100;
    ADCL_TRY(check_class(in));
    ADCL_TRY(read_special_names(in));
    if (in->files[FAST] != NULL) {
        ADCL_TRY(check_model(in));
        ADCL_TRY(check_post_processor(in));
    }
    ADCL_TRY(read_rules(in));
    ADCL_TRY(add_decoder(in));
    ADCL_TRY(add_listed(in));
    ADCL_TRY(add_mapped(in));
    ADCL_TRY(add_specials(in));
    return adcl__added_tokens_prepare(&in->out->added, &in->out->rules) ? ADCL_OK
                                                                        : out_of_memory(in);
}

adcl_status adcl__tokenizer_settings_read(adcl__tokenizer_settings *out, const char *folder,
                                          const adcl__vocabulary *vocabulary, adcl_error *error)
{
    *out = (adcl__tokenizer_settings){0};
    reader in = {.folder = folder, .vocabulary = vocabulary, .error = error, .out = out};
    adcl_status status = read_settings(&in);
    for (int file = 0; file < FILE_COUNT; file++) {
        free(in.paths[file]);
        json_decref(in.files[file]);
    }
    if (status != ADCL_OK) adcl__tokenizer_settings_free(out);
    return status;
}

void adcl__tokenizer_settings_free(adcl__tokenizer_settings *settings)
{
    adcl__added_tokens_free(&settings->added);
}
