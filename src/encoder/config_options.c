/* SPDX-License-Identifier: MIT */
#include "encoder/config_options.h"

#include "encoder/adapter_config.h"

#include <stddef.h>
#include <string.h>

#define FLAG(field) offsetof(adcl_adapter_set_params, field)

const adcl__config_flag adcl__config_flags[ADCL__CONFIG_FLAGS] = {
    {"adapter_residual_before_ln", FLAG(adapter_residual_before_ln), 0},
    {"is_parallel", FLAG(parallel), 0},
    {"ln_after", FLAG(ln_after), 0},
    {"ln_before", FLAG(ln_before), 0},
    {"mh_adapter", FLAG(attention_adapters), -1},
    {"original_ln_after", FLAG(original_ln_after), 1},
    {"original_ln_before", FLAG(original_ln_before), 0},
    {"output_adapter", FLAG(output_adapters), -1},
    {"use_gating", FLAG(gated), 0},
};

const char *const adcl__config_absent[ADCL__CONFIG_ABSENT] = {
    "architecture", "cross_adapter", "inv_adapter", "invertible_adapter", "new_attention_norm",
    "phm_layer", "stochastic_depth",
};

bool adcl__config_is_known(const char *key)
{
    static const char *const values[] = {
        "dropout", "init_weights", "init_weights_seed", "leave_out", "non_linearity",
        "reduction_factor", "residual_before_ln", "scaling",
    };
    /* attention_type: of old files, for fusion. */
    static const char *const details[] = {
        "attention_type", "factorized_phm_W", "factorized_phm_rule", "hypercomplex_nonlinearity",
        "inv_adapter_reduction_factor", "learn_phm", "phm_bias", "phm_c_init", "phm_dim",
        "phm_init_range", "phm_rank", "shared_W_phm", "shared_phm_rule",
    };
    for (size_t i = 0; i < ADCL__CONFIG_FLAGS; i++)
        if (strcmp(key, adcl__config_flags[i].key) == 0) return true;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(key, values[i]) == 0) return true;
    for (size_t i = 0; i < sizeof details / sizeof details[0]; i++)
        if (strcmp(key, details[i]) == 0) return true;
    return false;
}

/* The first that fits decides in both directions. Theirs of Houlsby et al. is the paper's own. */
static const struct {
    adcl_init init;
    const char *name;
    bool exact;
} inits[] = {
    {ADCL_INIT_BERT, "bert", true},
    {ADCL_INIT_MAM, "mam_adapter", true},
    {ADCL_INIT_HOULSBY_PAPER, "houlsby", true},
    {ADCL_INIT_HOULSBY, "houlsby", false},
    {ADCL_INIT_IDENTITY, "mam_adapter", false}, /* that, too, begins with y = x */
};

bool adcl__config_init_read(const char *name, adcl_init *out)
{
    for (size_t i = 0; name != NULL && i < sizeof inits / sizeof inits[0]; i++)
        if (strcmp(name, inits[i].name) == 0) {
            *out = inits[i].init;
            return true;
        }
    return false;
}

const char *adcl__config_init_name(adcl_init init, bool *exact)
{
    size_t i = 0;
    while (i + 1 < sizeof inits / sizeof inits[0] && inits[i].init != init) i++;
    *exact = inits[i].exact;
    return inits[i].name;
}

static const char *const family_names[] = {
    [ADCL__MODEL_BERT] = "bert", [ADCL__MODEL_DISTILBERT] = "distilbert"};

const char *adcl__model_family_name(adcl__model_family family)
{
    return family_names[family];
}

bool adcl__config_family_read(const char *name, adcl__model_family *out)
{
    for (size_t i = 0; name != NULL && i < sizeof family_names / sizeof family_names[0]; i++)
        if (strcmp(name, family_names[i]) == 0) {
            *out = (adcl__model_family)i;
            return true;
        }
    return false;
}

const char *adcl__config_activation_name(adcl_activation activation)
{
    switch (activation) {
    case ADCL_ACTIVATION_SILU: return "swish";
    case ADCL_ACTIVATION_GELU_TANH: return "gelu_new";
    case ADCL_ACTIVATION_LEAKY_RELU: return "leakyrelu";
    default: return adcl_activation_name(activation);
    }
}
