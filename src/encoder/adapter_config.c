/* SPDX-License-Identifier: MIT */
/* adapter_config.c – reading the two JSON files. What changes the computation is read or refused by
 * name, never passed over. */
#include "encoder/adapter_config.h"

#include "base/text.h"
#include "encoder/config_options.h"
#include "encoder/json_file.h"
#include "encoder/set_params.h"
#include "io/describe.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the steps of reading one object share. */
typedef struct reader {
    const char *path;
    adcl_error *error;
    const json_t *json; /* the object "config" */
    adcl__adapter_config *out;
} reader;

static adcl_status expect(const reader *in, const char *key, const char *expected)
{
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: %s: expected %s%s", in->path, key,
                           expected,
                           adcl__json_get(in->json, key) == NULL ? ", got nothing" : "");
}

static adcl_status refuse(const reader *in, const char *key, const char *expected, const char *got)
{
    return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0, "%s: %s: expected %s, got %s",
                           in->path, key, expected, got);
}

static adcl_status out_of_memory(const reader *in)
{
    return adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           in->path);
}

/* A value as a sentence shows it. */
static adcl__description describe_value(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    adcl__description result = adcl__describe_name(text != NULL ? text : "…");
    free(text);
    return result;
}

/* ---- what is refused -------------------------------------------------------------------------*/

/* Whether a value says that a feature is used. */
static bool is_on(const json_t *value)
{
    if (value == NULL || json_is_null(value) || json_is_false(value)) return false;
    if (json_is_number(value)) return json_number_value(value) != 0.0;
    bool holds = json_is_object(value) || json_is_array(value);
    return !holds || json_object_size(value) + json_array_size(value) > 0;
}

static adcl_status check_option(const reader *in, const char *key, const json_t *value)
{
    for (size_t i = 0; i < ADCL__CONFIG_ABSENT; i++)
        if (strcmp(key, adcl__config_absent[i]) == 0)
            return is_on(value) ? refuse(in, key, "an adapter without it",
                                         describe_value(value).text)
                                : ADCL_OK;
    if (adcl__config_is_known(key) || !is_on(value)) return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                           "%s: expected the options of a bottleneck adapter, got %s, which this "
                           "library does not know",
                           in->path, adcl__describe_name(key).text);
}

static adcl_status check_supported(const reader *in)
{
    /* What is no bottleneck adapter has options of its own, of which none should be named. */
    ADCL_TRY(check_option(in, "architecture", json_object_get(in->json, "architecture")));
    const char *key;
    const json_t *value;
    /* The macro asks for an object that may change; it only looks. */
    json_t *object = (json_t *)(uintptr_t)in->json;
    for (void *at = json_object_iter(object); at != NULL;
         at = json_object_iter_next(object, at)) {
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        ADCL_TRY(check_option(in, key, value));
    }
    return ADCL_OK;
}

/* ---- options of one value --------------------------------------------------------------------*/

static adcl_status read_flags(const reader *in)
{
    for (size_t i = 0; i < ADCL__CONFIG_FLAGS; i++) {
        const adcl__config_flag *flag = &adcl__config_flags[i];
        int *out = (int *)(void *)((unsigned char *)&in->out->params + flag->place);
        const json_t *value = adcl__json_get(in->json, flag->key);
        *out = value == NULL ? flag->missing : json_is_true(value);
        if (*out < 0 || (value != NULL && !json_is_boolean(value)))
            return expect(in, flag->key, "true or false");
    }
    return ADCL_OK;
}

static adcl_status read_residual(const reader *in)
{
    const json_t *value = adcl__json_get(in->json, "residual_before_ln");
    const char *text = json_string_value(value);
    adcl_residual *out = &in->out->params.residual;
    if (value == NULL || json_is_true(value))
        *out = ADCL_RESIDUAL_BEFORE_LN;
    else if (json_is_false(value))
        *out = ADCL_RESIDUAL_AFTER_LN;
    else if (text != NULL && strcmp(text, "post_add") == 0)
        *out = ADCL_RESIDUAL_POST_ADD;
    else
        return expect(in, "residual_before_ln", "true, false or \"post_add\"");
    return ADCL_OK;
}

/* Files without a version are from before GELU was called by its right names. */
static const char *modern_activation(const reader *in, const char *name)
{
    if (adcl__json_get(in->out->adapter, "version") != NULL) return name;
    if (adcl__string_equal_nocase(name, "gelu")) return "gelu_new";
    return adcl__string_equal_nocase(name, "gelu_orig") ? "gelu" : name;
}

static adcl_status read_activation(const reader *in)
{
    const json_t *value = adcl__json_get(in->json, "non_linearity");
    char lower[64];
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length >= sizeof lower)
        return expect(in, "non_linearity", "the name of an activation");
    const char *name = modern_activation(in, json_string_value(value));
    for (size_t i = 0; i == 0 || name[i - 1] != '\0'; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    adcl_error why;
    if (adcl_activation_from_name(lower, &in->out->params.activation, &why) == ADCL_OK)
        return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0, "%s: non_linearity: %s", in->path,
                           why.message);
}

static adcl_status read_init(const reader *in)
{
    const json_t *value = adcl__json_get(in->json, "init_weights");
    adcl_adapter_set_params *p = &in->out->params;
    p->init = ADCL_INIT_BERT;
    if (value != NULL && !adcl__config_init_read(json_string_value(value), &p->init))
        return refuse(in, "init_weights", "bert, mam_adapter or houlsby",
                      describe_value(value).text);
    /* What AdapterHub has no name for stands beside its options. */
    const json_t *own = adcl__json_get(in->out->adapter, ADCL__CONFIG_OWN);
    const char *own_init = json_string_value(adcl__json_get(own, "init_weights"));
    if (own_init != NULL && adcl_init_from_name(own_init, &p->init, NULL) != ADCL_OK)
        return expect(in, ADCL__CONFIG_OWN ".init_weights", "the name of an initialiser");
    const json_t *seed = adcl__json_get(in->json, "init_weights_seed");
    if (seed != NULL && (!json_is_integer(seed) || json_integer_value(seed) < 0))
        return expect(in, "init_weights_seed", "a whole number");
    p->seed = (uint64_t)json_integer_value(seed);
    return ADCL_OK;
}

/* AdapterHub refuses whole numbers here, and 0 would mean 1 in the params. */
static adcl_status read_scaling(const reader *in)
{
    const json_t *value = adcl__json_get(in->json, "scaling");
    adcl_adapter_set_params *p = &in->out->params;
    const char *text = json_string_value(value);
    p->scaling = value == NULL ? 1.0f : (float)json_real_value(value);
    if (value == NULL) return ADCL_OK;
    if (text != NULL && strcmp(text, "learned") == 0) p->scaling_kind = ADCL_SCALING_LEARNED;
    if (text != NULL && strcmp(text, "channel") == 0) p->scaling_kind = ADCL_SCALING_CHANNEL;
    if (p->scaling_kind != ADCL_SCALING_CONSTANT) {
        p->scaling = 1.0f;
        return ADCL_OK;
    }
    if (!json_is_real(value) || !isfinite(p->scaling) || p->scaling == 0.0f)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: scaling: expected \"learned\", \"channel\" or a number with a "
                               "decimal point, such as 4.0, that is not 0; got %s",
                               in->path, describe_value(value).text);
    return ADCL_OK;
}

static adcl_status read_share(const reader *in, const char *key, float *out)
{
    const json_t *value = adcl__json_get(in->json, key);
    double number = json_number_value(value);
    *out = (float)number;
    if (value == NULL || (json_is_number(value) && number >= 0.0 && *out < 1.0f)) return ADCL_OK;
    return expect(in, key, "a number of at least 0 and below 1");
}

/* ---- options for each layer ------------------------------------------------------------------*/

/* The layer that a key of a map names; false for another key. */
static bool read_layer(const char *key, size_t *layer)
{
    char *end;
    if (key[0] < '0' || key[0] > '9' || (key[0] == '0' && key[1] != '\0')) return false;
    errno = 0;
    unsigned long long number = strtoull(key, &end, 10);
    *layer = (size_t)number;
    return *end == '\0' && errno == 0 && number < ADCL__CONFIG_LAYERS_MOST;
}

static bool is_layer(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0 &&
           json_integer_value(value) < ADCL__CONFIG_LAYERS_MOST;
}

/* The least number of layers that all those named fit in. */
static size_t count_layers(const json_t *config)
{
    size_t least = 0, index;
    const json_t *left_out = adcl__json_get(config, "leave_out");
    for (size_t i = 0; i < json_array_size(left_out); i++) {
        const json_t *value = json_array_get(left_out, i);
        if (is_layer(value) && (size_t)json_integer_value(value) >= least)
            least = (size_t)json_integer_value(value) + 1;
    }
    json_t *factors = json_object_get(config, "reduction_factor");
    for (void *at = json_object_iter(factors); at != NULL; at = json_object_iter_next(factors, at))
        if (read_layer(json_object_iter_key(at), &index) && index >= least) least = index + 1;
    return least;
}

/* *out = the float that gives the same bottleneck as the number in the file, which may be just at a
 * place where the quotient jumps. */
static adcl_status read_factor(const reader *in, const json_t *value, float *out)
{
    double number = json_number_value(value);
    *out = (float)number;
    if (!json_is_number(value) || !isfinite(*out) || !(*out > 0.0f))
        return expect(in, "reduction_factor", "numbers above 0");
    size_t wanted = adcl__bottleneck_of(in->out->hidden_size, number);
    const float candidates[] = {*out, nextafterf(*out, 0.0f), nextafterf(*out, INFINITY)};
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++)
        if (adcl__bottleneck_of(in->out->hidden_size, (double)candidates[i]) == wanted) {
            *out = candidates[i];
            break;
        }
    return ADCL_OK;
}

static adcl_status read_factor_map(const reader *in, json_t *map)
{
    adcl__adapter_config *out = in->out;
    out->factors = calloc(out->layers + 1, sizeof *out->factors);
    if (out->factors == NULL) return out_of_memory(in);
    out->params.layer_reduction_factors = out->factors;
    out->params.reduction_factor = 0;
    for (void *at = json_object_iter(map); at != NULL; at = json_object_iter_next(map, at)) {
        const char *key = json_object_iter_key(at);
        size_t layer = 0;
        bool is_default = strcmp(key, "default") == 0;
        if (!is_default && (!read_layer(key, &layer) || layer >= out->layers))
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s: reduction_factor: expected \"default\" or layers below "
                                   "%zu, got %s",
                                   in->path, out->layers, adcl__describe_name(key).text);
        float *factor = is_default ? &out->params.reduction_factor : &out->factors[layer];
        ADCL_TRY(read_factor(in, json_object_iter_value(at), factor));
    }
    bool all = true;
    for (size_t i = 0; i < out->layers; i++)
        all = all && (out->factors[i] != 0 || !adcl__set_params_has_layer(&out->params, i));
    if (all || out->params.reduction_factor != 0) return ADCL_OK;
    return expect(in, "reduction_factor", "a factor for every layer, or \"default\"");
}

static adcl_status read_reduction(const reader *in)
{
    json_t *value = json_object_get(in->json, "reduction_factor");
    if (json_is_object(value)) return read_factor_map(in, value);
    if (!json_is_number(value))
        return expect(in, "reduction_factor", "a number above 0, or a map from layers to numbers");
    return read_factor(in, value, &in->out->params.reduction_factor);
}

static adcl_status read_left_out(const reader *in)
{
    const json_t *value = adcl__json_get(in->json, "leave_out");
    size_t count = json_array_size(value);
    adcl__adapter_config *out = in->out;
    if (value != NULL && !json_is_array(value)) return expect(in, "leave_out", "a list of layers");
    out->left_out = calloc(count + 1, sizeof *out->left_out);
    if (out->left_out == NULL) return out_of_memory(in);
    out->params.leave_out = out->left_out;
    for (size_t i = 0; i < count; i++) {
        const json_t *layer = json_array_get(value, i);
        if (!is_layer(layer) || (size_t)json_integer_value(layer) >= out->layers)
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s: leave_out: expected layers below %zu, got %s", in->path,
                                   out->layers, describe_value(layer).text);
        out->left_out[i] = (size_t)json_integer_value(layer);
    }
    out->params.leave_out_count = count;
    return ADCL_OK;
}

/* ---- the head --------------------------------------------------------------------------------*/

static adcl_status read_labels(const reader *in)
{
    const json_t *count = adcl__json_get(in->json, "num_labels");
    adcl_adapter_set_params *p = &in->out->params;
    if (!json_is_integer(count) || json_integer_value(count) < 1 ||
        json_integer_value(count) > ADCL__CONFIG_LABELS_MOST)
        return expect(in, "num_labels", "a whole number of at least 1");
    p->labels = (size_t)json_integer_value(count);
    json_t *ids = json_object_get(in->json, "label2id");
    if (!is_on(ids)) return ADCL_OK; /* LABEL_0, … */
    in->out->labels = calloc(p->labels, sizeof *in->out->labels);
    if (in->out->labels == NULL) return out_of_memory(in);
    p->label_names = in->out->labels;
    bool valid = json_object_size(ids) == p->labels;
    for (void *at = json_object_iter(ids); valid && at != NULL;
         at = json_object_iter_next(ids, at)) {
        const json_t *id = json_object_iter_value(at);
        valid = json_is_integer(id) && json_integer_value(id) >= 0 &&
                (size_t)json_integer_value(id) < p->labels &&
                in->out->labels[json_integer_value(id)] == NULL;
        if (valid) in->out->labels[json_integer_value(id)] = json_object_iter_key(at);
    }
    return valid ? ADCL_OK : expect(in, "label2id", "num_labels names with the numbers from 0 on");
}

static adcl_status read_head_type(const reader *in)
{
    const json_t *value = adcl__json_get(in->json, "head_type");
    const char *type = json_string_value(value);
    adcl_pooling *pooling = &in->out->params.pooling;
    if (type == NULL) return expect(in, "head_type", "a string");
    *pooling = strcmp(type, ADCL__CONFIG_MEAN_HEAD) == 0 ? ADCL_POOLING_MEAN : ADCL_POOLING_CLS;
    if (*pooling == ADCL_POOLING_CLS && strcmp(type, "classification") != 0)
        return refuse(in, "head_type", "classification or " ADCL__CONFIG_MEAN_HEAD,
                      adcl__describe_name(type).text);
    return ADCL_OK;
}

static adcl_status read_head(const reader *in)
{
    adcl_adapter_set_params *p = &in->out->params;
    ADCL_TRY(read_head_type(in));
    const json_t *layers = adcl__json_get(in->json, "layers");
    const json_t *bias = adcl__json_get(in->json, "bias");
    const json_t *activation = adcl__json_get(in->json, "activation_function");
    const char *name = json_string_value(activation);
    if (!json_is_integer(layers)) return expect(in, "layers", "a whole number");
    if (json_integer_value(layers) < 1 || json_integer_value(layers) > 2)
        return refuse(in, "layers", "a head of 1 or 2", describe_value(layers).text);
    p->head_layers = (size_t)json_integer_value(layers);
    if (p->head_layers == 2 && (name == NULL || strcmp(name, "tanh") != 0))
        return refuse(in, "activation_function", "tanh",
                      activation == NULL ? "none" : describe_value(activation).text);
    if (is_on(json_object_get(in->json, "use_pooler")))
        return refuse(in, "use_pooler", "a head that does not use the model's pooler", "true");
    if (bias != NULL && !json_is_true(bias))
        return refuse(in, "bias", "a head with biases", describe_value(bias).text);
    ADCL_TRY(read_share(in, "dropout_prob", &p->head_dropout));
    return read_labels(in);
}

/* ---- what both files begin with --------------------------------------------------------------*/

/* "name", "model_type" and "hidden_size", which must be the same in both. */
static adcl_status read_model(const reader *in, const json_t *file, bool first)
{
    const json_t *size = adcl__json_get(file, "hidden_size");
    const json_t *value = adcl__json_get(file, "model_type");
    const char *type = json_string_value(value);
    adcl__model_family family = ADCL__MODEL_BERT;
    if (type == NULL || !adcl__config_family_read(type, &family))
        return refuse(in, "model_type", "bert or distilbert",
                      value == NULL ? "nothing" : describe_value(value).text);
    if (!json_is_integer(size) || json_integer_value(size) < 1 ||
        json_integer_value(size) > ADCL__CONFIG_HIDDEN_MOST)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: hidden_size: expected a whole number from 1 to %d%s", in->path,
                               ADCL__CONFIG_HIDDEN_MOST, size == NULL ? ", got nothing" : "");
    size_t hidden_size = (size_t)json_integer_value(size);
    if (!first && (family != in->out->family || hidden_size != in->out->hidden_size))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: expected model_type %s and hidden_size %zu, as in "
                               "adapter_config.json, got %s and %zu",
                               in->path, adcl__model_family_name(in->out->family),
                               in->out->hidden_size, type, hidden_size);
    in->out->family = family;
    in->out->hidden_size = hidden_size;
    return ADCL_OK;
}

/* Enters "config" and gives the name. */
static adcl_status enter(reader *in, const json_t *file, const char **name)
{
    *name = json_string_value(adcl__json_get(file, "name"));
    in->json = adcl__json_get(file, "config");
    if (*name == NULL)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: name: expected a string",
                               in->path);
    if (strchr(*name, '.') != NULL)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: name: expected a name without dots, got %s", in->path,
                               adcl__describe_name(*name).text);
    if (!json_is_object(in->json))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: config: expected an object",
                               in->path);
    return ADCL_OK;
}

static adcl_status read_adapter_file(reader *in)
{
    adcl__adapter_config *out = in->out;
    ADCL_TRY(enter(in, out->adapter, &out->params.name));
    ADCL_TRY(read_model(in, out->adapter, true));
    ADCL_TRY(check_supported(in));
    ADCL_TRY(read_flags(in));
    ADCL_TRY(read_residual(in));
    ADCL_TRY(read_activation(in));
    ADCL_TRY(read_init(in));
    ADCL_TRY(read_scaling(in));
    ADCL_TRY(read_share(in, "dropout", &out->params.dropout));
    if (out->params.parallel && out->params.attention_adapters)
        return refuse(in, "mh_adapter", "false where is_parallel is true", "true");
    out->layers = count_layers(in->json);
    return ADCL_OK;
}

static adcl_status read_head_file(reader *in)
{
    adcl__adapter_config *out = in->out;
    ADCL_TRY(enter(in, out->head, &out->head_name));
    ADCL_TRY(read_model(in, out->head, out->adapter == NULL));
    if (out->adapter == NULL) {
        out->params.name = out->head_name;
        out->params.head_only = 1;
    }
    return read_head(in);
}

/* ---- the whole -------------------------------------------------------------------------------*/

/* *json = the file, NULL where there is none. */
static adcl_status load(json_t **json, const char *folder, const char *name, adcl_error *error)
{
    adcl__text path = {0};
    adcl__text_append(&path, "%s/%s", folder, name);
    adcl_error why = {.status = ADCL_OK};
    adcl_status status = path.failed ? adcl__error_set(&why, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                                                       "%s: no memory to read it", folder)
                                     : adcl__json_file_read(json, path.bytes, &why);
    adcl__text_free(&path);
    if (status == ADCL_ERR_FILE && why.native_code == ENOENT) return ADCL_OK;
    if (status != ADCL_OK && error != NULL) *error = why;
    return status;
}

/* What one of the files says. */
static adcl_status read_file(adcl__adapter_config *out, const char *folder, const char *name,
                             adcl_status (*read)(reader *in), adcl_error *error)
{
    adcl__text path = {0};
    adcl__text_append(&path, "%s/%s", folder, name);
    reader in = {.path = path.failed ? folder : path.bytes, .error = error, .out = out};
    adcl_status status = path.failed ? out_of_memory(&in) : read(&in);
    adcl__text_free(&path);
    return status;
}

adcl_status adcl__adapter_config_read(adcl__adapter_config *out, json_t *adapter, json_t *head,
                                      const char *folder, adcl_error *error)
{
    *out = (adcl__adapter_config){
        .params = {.struct_size = sizeof out->params}, .adapter = adapter, .head = head};
    adcl_status status = ADCL_OK;
    if (adapter != NULL)
        status = read_file(out, folder, "adapter_config.json", read_adapter_file, error);
    if (status == ADCL_OK && head != NULL)
        status = read_file(out, folder, "head_config.json", read_head_file, error);
    if (status == ADCL_OK && adapter == NULL && head == NULL)
        status = adcl__error_set(error, ADCL_ERR_FILE, ENOENT,
                                 "%s: expected adapter_config.json or head_config.json in the "
                                 "folder, got neither", folder);
    if (status != ADCL_OK) adcl__adapter_config_release(out);
    return status;
}

adcl_status adcl__adapter_config_load(adcl__adapter_config *out, const char *folder,
                                      adcl_error *error)
{
    *out = (adcl__adapter_config){0};
    json_t *adapter = NULL, *head = NULL;
    adcl_status status = load(&adapter, folder, "adapter_config.json", error);
    if (status == ADCL_OK) status = load(&head, folder, "head_config.json", error);
    if (status == ADCL_OK)
        return adcl__adapter_config_read(out, adapter, head, folder, error);
    json_decref(adapter);
    json_decref(head);
    return status;
}

adcl_status adcl__adapter_config_place(adcl__adapter_config *config, size_t layers,
                                       const char *folder, adcl_error *error)
{
    config->layers = layers;
    if (config->adapter == NULL) return ADCL_OK;
    adcl__text path = {0};
    adcl__text_append(&path, "%s/adapter_config.json", folder);
    const reader in = {path.failed ? folder : path.bytes, error,
                       adcl__json_get(config->adapter, "config"), config};
    adcl_status status = path.failed ? out_of_memory(&in) : read_left_out(&in);
    if (status == ADCL_OK) status = read_reduction(&in);
    adcl__text_free(&path);
    return status;
}

void adcl__adapter_config_release(adcl__adapter_config *config)
{
    json_decref(config->adapter);
    json_decref(config->head);
    free(config->factors);
    free(config->left_out);
    free(config->labels);
    *config = (adcl__adapter_config){0};
}
