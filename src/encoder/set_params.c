/* SPDX-License-Identifier: MIT */
#include "encoder/set_params.h"

#include "base/params.h"
#include "base/text.h"
#include "io/describe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What no model needs; a larger one is a mistake in the reduction factor. */
#define BOTTLENECK_MOST 1000000

/* ---- checks ----------------------------------------------------------------------------------*/

static adcl_status refuse(adcl_error *error, const char *field, const char *expected)
{
    return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0, "adapter set: %s: expected %s",
                           field, expected);
}

static bool is_name(const char *name)
{
    size_t length = strlen(name);
    if (length < 1 || length > ADCL_ADAPTER_NAME_BYTES || !adcl__utf8_valid(name, length))
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F || *c == '.') return false;
    return true;
}

static bool is_share(float value)
{
    return value >= 0.0f && value < 1.0f;
}

static bool is_factor(float value)
{
    return isfinite(value) && value > 0.0f;
}

static adcl_status check_enums(const adcl_adapter_set_params *p, adcl_error *error)
{
    if ((unsigned)p->activation >= ADCL_ACTIVATION_COUNT ||
        p->activation == ADCL_ACTIVATION_LOG_SUMEXP)
        return refuse(error, "activation", "one of activation.h other than log_sumexp");
    if ((unsigned)p->init > ADCL_INIT_MAM) return refuse(error, "init", "one of adapter.h");
    if ((unsigned)p->scaling_kind > ADCL_SCALING_CHANNEL)
        return refuse(error, "scaling_kind", "constant, learned or channel");
    if ((unsigned)p->residual > ADCL_RESIDUAL_POST_ADD)
        return refuse(error, "residual", "before_ln, after_ln or post_add");
    if ((unsigned)p->pooling > ADCL_POOLING_MEAN) return refuse(error, "pooling", "cls or mean");
    return ADCL_OK;
}

static adcl_status check_numbers(const adcl_adapter_set_params *p, size_t layers,
                                 adcl_error *error)
{
    if (!is_factor(p->reduction_factor))
        return refuse(error, "reduction_factor", "a number above 0");
    for (size_t i = 0; p->layer_reduction_factors != NULL && i < layers; i++)
        if (p->layer_reduction_factors[i] != 0 && !is_factor(p->layer_reduction_factors[i]))
            return refuse(error, "layer_reduction_factors", "numbers above 0, or 0");
    if (!isfinite(p->scaling)) return refuse(error, "scaling", "a finite number");
    if (!is_share(p->dropout)) return refuse(error, "dropout", "a share in [0, 1)");
    if (!is_share(p->head_dropout)) return refuse(error, "head_dropout", "a share in [0, 1)");
    if (p->head_layers < 1 || p->head_layers > 2) return refuse(error, "head_layers", "1 or 2");
    if (p->leave_out == NULL && p->leave_out_count > 0)
        return refuse(error, "leave_out", "a list of layers, got NULL");
    for (size_t i = 0; i < p->leave_out_count; i++)
        if (p->leave_out[i] >= layers)
            return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                                   "adapter set: leave_out: expected layers below %zu, got %zu",
                                   layers, p->leave_out[i]);
    return ADCL_OK;
}

/* Options that only make sense together. */
static adcl_status check_together(const adcl_adapter_set_params *p, adcl_error *error)
{
    if (p->head_only && p->labels == 0)
        return refuse(error, "labels", "a head where there are no adapters (head_only)");
    if (p->head_only) return ADCL_OK;
    if (!p->attention_adapters && !p->output_adapters)
        return refuse(error, "attention_adapters, output_adapters",
                      "one of them, or head_only for no adapters");
    if (p->parallel && p->attention_adapters)
        return refuse(error, "attention_adapters",
                      "none where adapters are parallel: those stand beside the feed-forward part");
    if (p->residual == ADCL_RESIDUAL_POST_ADD && !p->original_ln_before && !p->parallel)
        return refuse(error, "residual", "post_add with original_ln_before only");
    return ADCL_OK;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static adcl_status check_label_names(const adcl_adapter_set_params *p, adcl_error *error)
{
    if (p->label_names == NULL) return ADCL_OK;
    for (size_t i = 0; i < p->labels; i++)
        if (p->label_names[i] == NULL ||
            !adcl__utf8_valid(p->label_names[i], strlen(p->label_names[i])))
            return refuse(error, "label_names", "a name in UTF-8 for each label");
    const char **sorted = calloc(p->labels + 1, sizeof *sorted);
    if (sorted == NULL)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "adapter set: no memory");
    for (size_t i = 0; i < p->labels; i++) sorted[i] = p->label_names[i];
    qsort(sorted, p->labels, sizeof *sorted, compare_names);
    adcl_status status = ADCL_OK;
    for (size_t i = 1; i < p->labels && status == ADCL_OK; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                                     "adapter set: label_names: expected different names, got %s "
                                     "twice", adcl__describe_name(sorted[i]).text);
    free(sorted);
    return status;
}

static adcl_status check(const adcl_adapter_set_params *p, size_t layers, adcl_error *error)
{
    if (!is_name(p->name))
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter set: name: expected 1 to %d bytes of UTF-8 without dots "
                               "and control characters, got %s",
                               ADCL_ADAPTER_NAME_BYTES, adcl__describe_name(p->name).text);
    ADCL_TRY(check_enums(p, error));
    ADCL_TRY(check_numbers(p, layers, error));
    ADCL_TRY(check_together(p, error));
    return check_label_names(p, error);
}

/* ---- copies ----------------------------------------------------------------------------------*/

static void complete(adcl_adapter_set_params *p)
{
    if (p->name == NULL) p->name = "adapter";
    if (p->reduction_factor == 0) p->reduction_factor = 16;
    if (p->scaling == 0) p->scaling = 1;
    if (p->head_layers == 0) p->head_layers = p->pooling == ADCL_POOLING_CLS ? 2 : 1;
}

/* NULL when memory runs out. */
static void *copy_bytes(const void *source, size_t bytes)
{
    void *copy = malloc(bytes + 1);
    if (copy != NULL && bytes > 0) memcpy(copy, source, bytes);
    return copy;
}

/* The names of labels, those of AdapterHub where none are given. NULL when memory runs out. */
static char **copy_label_names(const char *const *given, size_t count)
{
    char **names = calloc(count + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++) {
        adcl__text name = {0};
        adcl__text_append(&name, "%s", given != NULL ? given[i] : "");
        if (given == NULL) adcl__text_append(&name, "LABEL_%zu", i);
        /* An empty text has no bytes. */
        names[i] = name.bytes != NULL || name.failed ? name.bytes : adcl__string_copy("");
        if (names[i] != NULL && !name.failed) continue;
        for (size_t j = 0; j <= i; j++) free(names[j]);
        free(names);
        return NULL;
    }
    return names;
}

/* Replaces what the struct borrows by copies. False, with what was copied, when memory runs out. */
static bool own(adcl_adapter_set_params *p, size_t layers)
{
    const adcl_adapter_set_params given = *p;
    p->name = adcl__string_copy(given.name);
    p->leave_out = copy_bytes(given.leave_out, given.leave_out_count * sizeof *given.leave_out);
    bool enough = p->name != NULL && p->leave_out != NULL;
    if (given.layer_reduction_factors != NULL) {
        p->layer_reduction_factors =
            copy_bytes(given.layer_reduction_factors, layers * sizeof(float));
        enough = enough && p->layer_reduction_factors != NULL;
    }
    p->label_names = NULL;
    if (given.labels > 0) {
        p->label_names = (const char *const *)copy_label_names(given.label_names, given.labels);
        enough = enough && p->label_names != NULL;
    }
    return enough;
}

adcl_status adcl__set_params_copy(adcl_adapter_set_params *out,
                                  const adcl_adapter_set_params *given, size_t layers,
                                  adcl_error *error)
{
    *out = (adcl_adapter_set_params){0};
    if (given == NULL) return refuse(error, "params", "them, got NULL");
    adcl_adapter_set_params params = {.struct_size = sizeof params};
    ADCL_TRY(adcl__read_params(error, "adcl_adapter_set_params", &params, sizeof params, given));
    params.struct_size = sizeof params;
    complete(&params);
    ADCL_TRY(check(&params, layers, error));
    if (!own(&params, layers)) {
        adcl__set_params_free(&params);
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "adapter set: no memory");
    }
    *out = params;
    return ADCL_OK;
}

/* The pointers are to const for whoever reads them. */
static void free_const(const void *pointer)
{
    free((void *)(uintptr_t)pointer);
}

void adcl__set_params_free(adcl_adapter_set_params *params)
{
    free_const(params->name);
    free_const(params->layer_reduction_factors);
    free_const(params->leave_out);
    for (size_t i = 0; params->label_names != NULL && i < params->labels; i++)
        free_const(params->label_names[i]);
    free_const(params->label_names);
    *params = (adcl_adapter_set_params){0};
}

/* ---- what they say ---------------------------------------------------------------------------*/

int adcl__set_params_has_layer(const adcl_adapter_set_params *params, size_t layer)
{
    if (params->head_only) return 0;
    for (size_t i = 0; i < params->leave_out_count; i++)
        if (params->leave_out[i] == layer) return 0;
    return 1;
}

float adcl__set_params_reduction(const adcl_adapter_set_params *params, size_t layer)
{
    const float *of_layers = params->layer_reduction_factors;
    return of_layers != NULL && of_layers[layer] != 0 ? of_layers[layer] : params->reduction_factor;
}

size_t adcl__bottleneck_of(size_t hidden_size, double reduction_factor)
{
    /* D / factor itself may round up to a whole number that it is below of. */
    double d = (double)hidden_size;
    double quotient = round((d - fmod(d, reduction_factor)) / reduction_factor);
    if (!(quotient <= BOTTLENECK_MOST)) return 0;
    return quotient < 1 ? 1 : (size_t)quotient;
}

/* ---- presets ---------------------------------------------------------------------------------*/

#define PRESET_COMMON                                                                              \
    .struct_size = sizeof(adcl_adapter_set_params), .name = "adapter", .reduction_factor = 16,     \
    .init = ADCL_INIT_BERT, .scaling = 1, .original_ln_after = 1, .head_layers = 2

static const char *const preset_names[] = {"houlsby", "pfeiffer", "parallel", "none"};

static const adcl_adapter_set_params presets[] = {
    {PRESET_COMMON, .attention_adapters = 1, .output_adapters = 1,
     .activation = ADCL_ACTIVATION_SILU},
    {PRESET_COMMON, .output_adapters = 1, .original_ln_before = 1,
     .activation = ADCL_ACTIVATION_RELU},
    {.struct_size = sizeof(adcl_adapter_set_params), .name = "adapter", .reduction_factor = 2,
     .init = ADCL_INIT_MAM, .scaling = 4, .original_ln_after = 1, .head_layers = 2,
     .output_adapters = 1, .parallel = 1, .activation = ADCL_ACTIVATION_RELU},
    {PRESET_COMMON, .head_only = 1},
};

adcl_status adcl_adapter_set_preset(const char *name, adcl_adapter_set_params *out,
                                    adcl_error *error)
{
    size_t index;
    ADCL_TRY(adcl__find_name(error, "adapter configuration", name, preset_names,
                             sizeof preset_names / sizeof preset_names[0],
                             out == NULL ? NULL : &index));
    *out = presets[index];
    return ADCL_OK;
}
