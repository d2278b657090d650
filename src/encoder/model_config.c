/* SPDX-License-Identifier: MIT */
/* model_config.c – each family has its own names for the same settings; a table says which. Sizes
 * must be there; what old files leave out has the value that transformers gives it. */
#include "encoder/model_config.h"

#include "base/text.h"
#include "encoder/json_file.h"
#include "io/describe.h"

#include <string.h>

/* Bounds that no model of these families comes near, except that of the hidden size, which is what
 * this library's kernels take. */
#define HIDDEN_LEAST 8
#define HIDDEN_MOST 4096
#define LAYERS_MOST 256
#define SIZE_MOST 100000000

typedef struct reader {
    const char *path;
    adcl_error *error;
    const json_t *json;
    adcl__model_config *out;
} reader;

/* The names of a family's settings. */
typedef struct setting_names {
    const char *model_type;
    const char *hidden_size, *layers, *heads, *inner_size;
    const char *activation, *hidden_dropout, *attention_dropout;
} setting_names;

static const setting_names families[] = {
    [ADCL__MODEL_BERT] = {"bert", "hidden_size", "num_hidden_layers", "num_attention_heads",
                          "intermediate_size", "hidden_act", "hidden_dropout_prob",
                          "attention_probs_dropout_prob"},
    [ADCL__MODEL_DISTILBERT] = {"distilbert", "dim", "n_layers", "n_heads", "hidden_dim",
                                "activation", "dropout", "attention_dropout"},
};

#define FAMILY_COUNT (sizeof families / sizeof families[0])

/* ---- values ----------------------------------------------------------------------------------*/

static adcl_status read_size(const reader *in, const char *key, size_t least, size_t most,
                             size_t *out)
{
    const json_t *value = adcl__json_get(in->json, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: %s: expected a whole number%s",
                               in->path, key, value == NULL ? ", got nothing" : "");
    if (number < (json_int_t)least || number > (json_int_t)most)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: %s: expected %zu to %zu, got %lld", in->path, key, least, most,
                               (long long)number);
    *out = (size_t)number;
    return ADCL_OK;
}

/* *out = a number in [0, below), left alone where the file has none. */
static adcl_status read_number(const reader *in, const char *key, double below, double *out)
{
    const json_t *value = adcl__json_get(in->json, key);
    if (value == NULL) return ADCL_OK;
    double number = json_number_value(value);
    if (!json_is_number(value) || number < 0 || number >= below)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: %s: expected a number of at least 0 and below %g", in->path,
                               key, below);
    *out = number;
    return ADCL_OK;
}

static adcl_status read_activation(const reader *in, const char *key)
{
    const json_t *value = adcl__json_get(in->json, key);
    if (value == NULL) return ADCL_OK; /* GELU */
    adcl_error why;
    if (!json_is_string(value))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: %s: expected a string", in->path,
                               key);
    if (adcl_activation_from_name(json_string_value(value), &in->out->activation, &why) != ADCL_OK)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0, "%s: %s: %s", in->path, key,
                               why.message);
    if (in->out->activation >= ADCL_ACTIVATION_SOFTMAX)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: %s: expected an activation of single numbers, got %s", in->path,
                               key, json_string_value(value));
    return ADCL_OK;
}

/* ---- what is refused -------------------------------------------------------------------------*/

/* "model_type: expected bert or distilbert, got "gpt2"" */
static adcl_status refuse(const reader *in, const char *key, const char *expected, const char *got)
{
    return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0, "%s: %s: expected %s, got %s",
                           in->path, key, expected, got);
}

static adcl_status read_family(const reader *in)
{
    const json_t *value = adcl__json_get(in->json, "model_type");
    const char *type = json_string_value(value);
    for (size_t i = 0; type != NULL && i < FAMILY_COUNT; i++)
        if (strcmp(type, families[i].model_type) == 0) {
            in->out->family = (adcl__model_family)i;
            return ADCL_OK;
        }
    return refuse(in, "model_type", "bert or distilbert",
                  type != NULL    ? adcl__describe_name(type).text
                  : value == NULL ? "nothing"
                                  : "something else");
}

/* Whether a setting is there and is neither false nor empty. */
static bool is_on(const reader *in, const char *key)
{
    const json_t *value = adcl__json_get(in->json, key);
    bool empty = json_object_size(value) == 0 && json_array_size(value) == 0;
    return value != NULL && !json_is_false(value) &&
           !(empty && (json_is_object(value) || json_is_array(value)));
}

static adcl_status check_supported(const reader *in)
{
    static const char *const none[] = {"is_decoder", "add_cross_attention", "is_encoder_decoder",
                                       "pruned_heads", "quantization_config"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (is_on(in, none[i]))
            return refuse(in, none[i], "an encoder without it", "one that has it");
    const json_t *value = adcl__json_get(in->json, "position_embedding_type");
    const char *positions = value == NULL ? "absolute" : json_string_value(value);
    if (positions == NULL || strcmp(positions, "absolute") != 0)
        return refuse(in, "position_embedding_type", "absolute",
                      positions != NULL ? adcl__describe_name(positions).text : "something else");
    return ADCL_OK;
}

/* ---- the whole -------------------------------------------------------------------------------*/

static adcl_status read_sizes(const reader *in, const setting_names *names)
{
    adcl__model_config *c = in->out;
    ADCL_TRY(read_size(in, "vocab_size", 1, SIZE_MOST, &c->vocabulary_size));
    ADCL_TRY(read_size(in, names->hidden_size, HIDDEN_LEAST, HIDDEN_MOST, &c->hidden_size));
    ADCL_TRY(read_size(in, names->layers, 1, LAYERS_MOST, &c->layers));
    ADCL_TRY(read_size(in, names->heads, 1, HIDDEN_MOST, &c->heads));
    ADCL_TRY(read_size(in, names->inner_size, 1, SIZE_MOST, &c->inner_size));
    ADCL_TRY(read_size(in, "max_position_embeddings", 1, SIZE_MOST, &c->positions));
    if (c->hidden_size % c->heads != 0)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: %s: expected a divisor of %s, %zu, got %zu", in->path,
                               names->heads, names->hidden_size, c->hidden_size, c->heads);
    if (c->family == ADCL__MODEL_DISTILBERT || adcl__json_get(in->json, "type_vocab_size") == NULL)
        return ADCL_OK;
    return read_size(in, "type_vocab_size", 1, SIZE_MOST, &c->token_types);
}

static adcl_status read_config(const reader *in)
{
    adcl__model_config *c = in->out;
    ADCL_TRY(read_family(in));
    ADCL_TRY(check_supported(in));
    c->token_types = c->family == ADCL__MODEL_BERT ? 2 : 0;
    const setting_names *names = &families[c->family];
    ADCL_TRY(read_sizes(in, names));
    ADCL_TRY(read_activation(in, names->activation));
    ADCL_TRY(read_number(in, names->hidden_dropout, 1, &c->hidden_dropout));
    ADCL_TRY(read_number(in, names->attention_dropout, 1, &c->attention_dropout));
    /* DistilBERT's cannot be set. */
    if (c->family == ADCL__MODEL_DISTILBERT) return ADCL_OK;
    return read_number(in, "layer_norm_eps", 1, &c->layer_norm_epsilon);
}

adcl_status adcl__model_config_read(adcl__model_config *out, const char *folder, adcl_error *error)
{
    *out = (adcl__model_config){.activation = ADCL_ACTIVATION_GELU,
                                .layer_norm_epsilon = 1e-12,
                                .hidden_dropout = 0.1,
                                .attention_dropout = 0.1};
    adcl__text path = {0};
    json_t *json = NULL;
    adcl__text_append(&path, "%s/config.json", folder);
    adcl_status status = path.failed ? adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                                                       "%s: no memory to read it", folder)
                                     : adcl__json_file_read(&json, path.bytes, error);
    const reader in = {path.bytes, error, json, out};
    if (status == ADCL_OK) status = read_config(&in);
    json_decref(json);
    adcl__text_free(&path);
    return status;
}
