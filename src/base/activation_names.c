/* SPDX-License-Identifier: MIT */
/* activation_names.c – names of activations, and of the spellings that model files use for them. */
#include <adapter_cl/activation.h>

#include "base/text.h"

#include <string.h>

static const char *const activation_names[] = {
#define ACTIVATION_STRING(NAME, value, name) [value] = name,
    ADCL_ACTIVATION_MAP(ACTIVATION_STRING)
#undef ACTIVATION_STRING
};

static const struct {
    const char *alias;
    adcl_activation activation;
} activation_aliases[] = {
    {"swish", ADCL_ACTIVATION_SILU},
    {"gelu_new", ADCL_ACTIVATION_GELU_TANH},
    {"gelu_fast", ADCL_ACTIVATION_GELU_TANH},
    {"gelu_pytorch_tanh", ADCL_ACTIVATION_GELU_TANH},
    {"leakyrelu", ADCL_ACTIVATION_LEAKY_RELU},
    {"gelu_orig", ADCL_ACTIVATION_GELU},
    {"gelu_python", ADCL_ACTIVATION_GELU},
    {"null", ADCL_ACTIVATION_LINEAR},
};

const char *adcl_activation_name(adcl_activation activation)
{
    unsigned index = (unsigned)activation;
    return index < ADCL_ACTIVATION_COUNT ? activation_names[index] : "?";
}

/* The name that this library uses for a name of a model file. */
static const char *resolve_alias(const char *name)
{
    for (size_t i = 0; i < sizeof activation_aliases / sizeof activation_aliases[0]; i++)
        if (strcmp(name, activation_aliases[i].alias) == 0)
            return activation_names[activation_aliases[i].activation];
    return name;
}

adcl_status adcl_activation_from_name(const char *name, adcl_activation *out, adcl_error *error)
{
    size_t index;
    if (name != NULL) name = resolve_alias(name);
    ADCL_TRY(adcl__find_name(error, "activation", name, activation_names, ADCL_ACTIVATION_COUNT,
                             out == NULL ? NULL : &index));
    *out = (adcl_activation)index;
    return ADCL_OK;
}

size_t adcl_activation_width(adcl_activation activation, size_t bottleneck_size)
{
    return activation == ADCL_ACTIVATION_LOG_SUMEXP ? 1 : bottleneck_size;
}
