/* SPDX-License-Identifier: MIT */
#include "cli/describe_folder.h"

#include "cli/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool is_adapter_folder(const char *path)
{
    static const char *const names[] = {"adapter_config.json", "head_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[4096];
        struct stat status;
        int length = snprintf(file, sizeof file, "%s/%s", path, names[i]);
        if (length > 0 && (size_t)length < sizeof file && stat(file, &status) == 0) return true;
    }
    return false;
}

/* ---- JSON ------------------------------------------------------------------------------------*/

/* A factor as the files have it: whole numbers as such. */
static json_t *factor_json(float factor)
{
    bool whole = floorf(factor) == factor && factor < 1e9f;
    return whole ? json_integer((json_int_t)factor) : json_finite((double)factor);
}

static json_t *reduction_json(const adcl_adapter_set_params *p, size_t layers)
{
    if (p->layer_reduction_factors == NULL) return factor_json(p->reduction_factor);
    json_t *map = json_object();
    json_object_set_new(map, "default", factor_json(p->reduction_factor));
    for (size_t i = 0; i < layers; i++) {
        char key[24];
        if (p->layer_reduction_factors[i] == 0) continue;
        snprintf(key, sizeof key, "%zu", i);
        json_object_set_new(map, key, factor_json(p->layer_reduction_factors[i]));
    }
    return map;
}

static json_t *scaling_json(const adcl_adapter_set_params *p)
{
    if (p->scaling_kind == ADCL_SCALING_CONSTANT) return json_finite((double)p->scaling);
    return json_string(p->scaling_kind == ADCL_SCALING_LEARNED ? "learned" : "channel");
}

static json_t *residual_json(const adcl_adapter_set_params *p)
{
    if (p->residual == ADCL_RESIDUAL_POST_ADD) return json_string("post_add");
    return json_boolean(p->residual == ADCL_RESIDUAL_BEFORE_LN);
}

/* The options under AdapterHub's names. */
static json_t *options_json(const adcl_adapter_folder *folder)
{
    const adcl_adapter_set_params *p = adcl_adapter_folder_params(folder);
    return json_pack("{s:b, s:b, s:b, s:o, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:b, s:b, s:o, s:b, "
                     "s:b}",
                     "mh_adapter", p->attention_adapters,
                     "output_adapter", p->output_adapters,
                     "is_parallel", p->parallel,
                     "reduction_factor", reduction_json(p, adcl_adapter_folder_layers(folder)),
                     "leave_out", json_sizes(p->leave_out, p->leave_out_count),
                     "non_linearity", adcl_activation_name(p->activation),
                     "init_weights", adcl_init_name(p->init),
                     "scaling", scaling_json(p),
                     "dropout", json_finite((double)p->dropout),
                     "use_gating", p->gated,
                     "ln_before", p->ln_before,
                     "ln_after", p->ln_after,
                     "adapter_residual_before_ln", p->adapter_residual_before_ln,
                     "residual_before_ln", residual_json(p),
                     "original_ln_before", p->original_ln_before,
                     "original_ln_after", p->original_ln_after);
}

static json_t *head_json(const adcl_adapter_set_params *p)
{
    if (p->labels == 0) return json_null();
    json_t *labels = json_array();
    for (size_t i = 0; i < p->labels; i++)
        json_array_append_new(labels, json_text(p->label_names[i]));
    return json_pack("{s:s, s:I, s:o, s:I, s:o}",
                     "pooling", p->pooling == ADCL_POOLING_CLS ? "cls" : "mean",
                     "num_labels", (json_int_t)p->labels,
                     "labels", labels,
                     "layers", (json_int_t)p->head_layers,
                     "dropout_prob", json_finite((double)p->head_dropout));
}

static json_t *adapters_json(const adcl_adapter_folder *folder)
{
    json_t *array = json_array();
    for (size_t i = 0; i < adcl_adapter_folder_count(folder); i++) {
        const adcl_adapter_folder_info *info = adcl_adapter_folder_get(folder, i);
        json_array_append_new(
            array, json_pack("{s:I, s:s, s:I, s:I}",
                             "layer", (json_int_t)info->layer,
                             "place", adcl_adapter_place_name(info->place),
                             "bottleneck_size", (json_int_t)info->bottleneck_size,
                             "parameters", (json_int_t)info->parameter_count));
    }
    return array;
}

/* That of all adapters; null where there are several, or none. */
static json_t *bottleneck_json(const adcl_adapter_folder *folder)
{
    size_t size = 0;
    for (size_t i = 0; i < adcl_adapter_folder_count(folder); i++) {
        size_t other = adcl_adapter_folder_get(folder, i)->bottleneck_size;
        if (i > 0 && other != size) return json_null();
        size = other;
    }
    return size == 0 ? json_null() : json_integer((json_int_t)size);
}

static json_t *tensors_json(const adcl_adapter_folder *folder)
{
    json_t *array = json_array();
    adcl_adapter_folder_tensor tensor;
    for (size_t i = 0; adcl_adapter_folder_tensor_get(folder, i, &tensor); i++) {
        const char *slash = strrchr(tensor.file, '/');
        json_array_append_new(
            array, json_pack("{s:o, s:s, s:o, s:o}",
                             "name", json_text(tensor.entry->name),
                             "dtype", adcl_dtype_name(tensor.entry->dtype),
                             "shape", json_sizes(tensor.entry->shape, tensor.entry->rank),
                             "file", json_text(slash != NULL ? slash + 1 : tensor.file)));
    }
    return array;
}

int describe_adapter_folder(session *s, const char *path, json_t **out)
{
    adcl_adapter_folder *folder = NULL;
    TRY_HOST(s, adcl_adapter_folder_load(&folder, path, &s->error));
    const adcl_adapter_set_params *p = adcl_adapter_folder_params(folder);
    *out = json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:o, s:I, s:b, s:o, s:o, s:o}",
                     "format", "adapterhub",
                     "name", json_text(p->name),
                     "model_type", adcl_adapter_folder_model_type(folder),
                     "activation", adcl_activation_name(p->activation),
                     "hidden_size", (json_int_t)adcl_adapter_folder_hidden_size(folder),
                     "layers", (json_int_t)adcl_adapter_folder_layers(folder),
                     "bottleneck_size", bottleneck_json(folder),
                     "parameters", (json_int_t)adcl_adapter_folder_parameter_count(folder),
                     "train_layer_norms", p->train_layer_norms,
                     "adapters", adapters_json(folder),
                     "head", head_json(p),
                     "tensors", tensors_json(folder));
    json_t *options = p->head_only ? json_object() : options_json(folder);
    json_object_update(*out, options);
    json_object_set_new(*out, "options", options);
    adcl_adapter_folder_destroy(&folder);
    return DONE;
}

/* ---- text ------------------------------------------------------------------------------------*/

static void print_value(const char *key, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    printf("  %-26s %s\n", key, text != NULL ? text : "");
    free(text);
}

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* Strings are shown as JSON has them, so what files choose cannot play tricks on a terminal. */
void print_adapter_folder(const json_t *object)
{
    static const char *const keys[] = {"name", "model_type", "hidden_size", "layers", "parameters",
                                       "train_layer_norms", "head"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        print_value(keys[i], json_object_get(object, keys[i]));
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(object, "options"), key, value) print_value(key, value);
    const json_t *adapters = json_object_get(object, "adapters");
    for (size_t i = 0; i < json_array_size(adapters); i++) {
        const json_t *adapter = json_array_get(adapters, i);
        printf("  adapter: layer %lld, %s, bottleneck_size %lld, %lld parameters\n",
               number(adapter, "layer"), json_string_value(json_object_get(adapter, "place")),
               number(adapter, "bottleneck_size"), number(adapter, "parameters"));
    }
}
