/* SPDX-License-Identifier: MIT */
/* adapter_config_write.c – making the two JSON files, with every key that AdapterHub writes. */
#include "encoder/adapter_config.h"

#include "encoder/config_options.h"
#include "encoder/set_params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What wrote it, in AdapterHub's terms: names of activations are today's. */
#define FORMAT_VERSION "adapters.1.3.0"

/* ---- numbers ---------------------------------------------------------------------------------*/

/* The number of fewest digits that reads back as this float. */
static double shortest(float value)
{
    char text[32];
    for (int digits = 1; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) return strtod(text, NULL);
    }
    return (double)value;
}

/* Always with a decimal point: AdapterHub takes no whole number for the scaling. */
static json_t *float_json(float value)
{
    return json_real(shortest(value));
}

/* A reduction factor: whole numbers as such, and nothing that AdapterHub, which divides by the
 * double that the text says, would make another bottleneck of. */
static json_t *factor_json(float value, size_t hidden_size)
{
    double factor = shortest(value);
    size_t wanted = adcl__bottleneck_of(hidden_size, (double)value);
    if (adcl__bottleneck_of(hidden_size, factor) != wanted)
        factor = (double)hidden_size / ((double)wanted + 0.5);
    if (factor == floor(factor) && factor < 1e9) return json_integer((json_int_t)factor);
    return json_real(factor);
}

/* ---- options ---------------------------------------------------------------------------------*/

static json_t *reduction_json(const adcl_adapter_set_params *p, const adcl__model_config *model)
{
    json_t *map = NULL;
    for (size_t i = 0; p->layer_reduction_factors != NULL && i < model->layers; i++) {
        char key[24];
        if (p->layer_reduction_factors[i] == 0) continue;
        if (map == NULL) map = json_object();
        snprintf(key, sizeof key, "%zu", i);
        if (json_object_set_new(map, key, factor_json(p->layer_reduction_factors[i],
                                                      model->hidden_size)) != 0)
            goto fail;
    }
    json_t *factor = factor_json(p->reduction_factor, model->hidden_size);
    if (map == NULL) return factor;
    if (json_object_set_new(map, "default", factor) != 0) goto fail;
    return map;
fail:
    json_decref(map);
    return NULL;
}

static json_t *left_out_json(const adcl_adapter_set_params *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->leave_out_count; i++)
        if (json_array_append_new(list, json_integer((json_int_t)p->leave_out[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *scaling_json(const adcl_adapter_set_params *p)
{
    if (p->scaling_kind == ADCL_SCALING_CONSTANT) return float_json(p->scaling);
    return json_string(p->scaling_kind == ADCL_SCALING_LEARNED ? "learned" : "channel");
}

static json_t *residual_json(const adcl_adapter_set_params *p)
{
    if (p->residual == ADCL_RESIDUAL_POST_ADD) return json_string("post_add");
    return json_boolean(p->residual == ADCL_RESIDUAL_BEFORE_LN);
}

/* Options of features that are not used, with AdapterHub's own values. */
static json_t *unused_options(void)
{
    return json_pack("{s:b, s:b, s:b, s:s, s:n, s:n, s:b, s:b, s:s, s:i, s:f, s:b, s:i, s:b, s:b, "
                     "s:f}",
                     "cross_adapter", 0, "factorized_phm_W", 1, "factorized_phm_rule", 0,
                     "hypercomplex_nonlinearity", "glorot-uniform", "inv_adapter",
                     "inv_adapter_reduction_factor", "learn_phm", 1, "phm_bias", 1, "phm_c_init",
                     "normal", "phm_dim", 4, "phm_init_range", 0.0001, "phm_layer", 0,
                     "phm_rank", 1, "shared_W_phm", 0, "shared_phm_rule", 1, "stochastic_depth", 0.0);
}

static bool add_flags(json_t *options, const adcl_adapter_set_params *p)
{
    for (size_t i = 0; i < ADCL__CONFIG_FLAGS; i++) {
        const unsigned char *place = (const unsigned char *)p + adcl__config_flags[i].place;
        bool on = *(const int *)(const void *)place != 0;
        if (json_object_set_new(options, adcl__config_flags[i].key, json_boolean(on)) != 0)
            return false;
    }
    return true;
}

/* Seeds beyond JSON's integers are left out: they say nothing of weights that are there. */
static json_t *seed_json(const adcl_adapter_set_params *p)
{
    return p->seed == 0 || p->seed > INT64_MAX ? json_null() : json_integer((json_int_t)p->seed);
}

static bool add_values(json_t *options, const adcl_adapter_set_params *p,
                       const adcl__model_config *model)
{
    bool exact;
    const struct {
        const char *key;
        json_t *value;
    } values[] = {
        {"dropout", float_json(p->dropout)},
        {"init_weights", json_string(adcl__config_init_name(p->init, &exact))},
        {"init_weights_seed", seed_json(p)},
        {"leave_out", left_out_json(p)},
        {"non_linearity", json_string(adcl__config_activation_name(p->activation))},
        {"reduction_factor", reduction_json(p, model)},
        {"residual_before_ln", residual_json(p)},
        {"scaling", scaling_json(p)},
    };
    bool added = true;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        added = json_object_set_new(options, values[i].key, values[i].value) == 0 && added;
    return added;
}

static json_t *options_json(const adcl_adapter_set_params *p, const adcl__model_config *model)
{
    json_t *options = unused_options();
    if (options != NULL && add_flags(options, p) && add_values(options, p, model)) return options;
    json_decref(options);
    return NULL;
}

/* ---- files -----------------------------------------------------------------------------------*/

/* What both files have around their options, whose reference is taken. */
static json_t *file_json(json_t *options, const adcl_adapter_set_params *p,
                         const adcl__model_config *model)
{
    const char *class_name =
        model->family == ADCL__MODEL_BERT ? "BertAdapterModel" : "DistilBertAdapterModel";
    return json_pack("{s:o, s:I, s:s, s:n, s:s, s:s, s:s}",
                     "config", options,
                     "hidden_size", (json_int_t)model->hidden_size,
                     "model_class", class_name,
                     "model_name",
                     "model_type", adcl__model_family_name(model->family),
                     "name", p->name,
                     "version", FORMAT_VERSION);
}

json_t *adcl__adapter_config_json(const adcl_adapter_set_params *p,
                                  const adcl__model_config *model)
{
    bool exact = true;
    json_t *file = file_json(options_json(p, model), p, model);
    (void)adcl__config_init_name(p->init, &exact);
    if (file == NULL || exact) return file;
    json_t *own = json_pack("{s:s}", "init_weights", adcl_init_name(p->init));
    if (json_object_set_new(file, ADCL__CONFIG_OWN, own) == 0) return file;
    json_decref(file);
    return NULL;
}

static json_t *labels_json(const adcl_adapter_set_params *p)
{
    json_t *ids = json_object();
    for (size_t i = 0; i < p->labels; i++)
        if (json_object_set_new(ids, p->label_names[i], json_integer((json_int_t)i)) != 0) {
            json_decref(ids);
            return NULL;
        }
    return ids;
}

json_t *adcl__head_config_json(const adcl_adapter_set_params *p, const adcl__model_config *model)
{
    bool mean = p->pooling == ADCL_POOLING_MEAN;
    json_t *options = json_pack("{s:s, s:b, s:o, s:s, s:o, s:I, s:I, s:b}",
                                "activation_function", "tanh",
                                "bias", 1,
                                "dropout_prob", float_json(p->head_dropout),
                                "head_type", mean ? ADCL__CONFIG_MEAN_HEAD : "classification",
                                "label2id", labels_json(p),
                                "layers", (json_int_t)p->head_layers,
                                "num_labels", (json_int_t)p->labels,
                                "use_pooler", 0);
    return file_json(options, p, model);
}
