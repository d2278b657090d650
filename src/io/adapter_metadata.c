/* SPDX-License-Identifier: MIT */
#include "io/adapter_metadata.h"

#include "io/adapter_key.h"
#include "io/describe.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "adapter_cl";
static const char format_version[] = "1";

adcl_status adcl__adapter_metadata_check_format(const adcl_safetensors *file, const char *path,
                                                bool *native, adcl_error *error)
{
    const char *format = adcl_safetensors_metadata_find(file, "format");
    *native = format != NULL && strcmp(format, format_name) == 0;
    if (!*native) return ADCL_OK;
    const char *version = adcl_safetensors_metadata_find(file, "format_version");
    if (version == NULL || strcmp(version, format_version) != 0)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected an adapter file of format_version %s, got %s", path,
                               format_version,
                               version == NULL ? "none" : adcl__describe_name(version).text);
    return ADCL_OK;
}

/* ---- the options, one by one -----------------------------------------------------------------*/

typedef struct option_text {
    char bytes[32];
} option_text;

static option_text text_of_size(size_t size)
{
    option_text text;
    snprintf(text.bytes, sizeof text.bytes, "%zu", size);
    return text;
}

/* Nine digits read back to the same float. printf takes the locale's decimal point, the file has a
 * point in every locale. */
static option_text text_of_float(float value)
{
    option_text text;
    snprintf(text.bytes, sizeof text.bytes, "%.9g", (double)value);
    size_t before = strspn(text.bytes, "+-0123456789");
    size_t between = strcspn(text.bytes + before, "+-0123456789e");
    if (between > 0) {
        char *point = text.bytes + before;
        memmove(point + 1, point + between, strlen(point + between) + 1);
        *point = '.';
    }
    return text;
}

static option_text activation_text(const adcl_adapter_file_info *info)
{
    option_text text;
    snprintf(text.bytes, sizeof text.bytes, "%s", adcl_activation_name(info->activation));
    return text;
}

static adcl_status read_activation(adcl_adapter_file_info *info, const char *text, adcl_error *why)
{
    ADCL_TRY(adcl_activation_from_name(text, &info->activation, why));
    info->has_activation = 1;
    return ADCL_OK;
}

/* The tensors have the sizes already. */
static adcl_status check_size(size_t size, const char *text, adcl_error *why)
{
    if (strcmp(text, text_of_size(size).bytes) == 0) return ADCL_OK;
    return adcl__error_set(why, ADCL_ERR_FORMAT, 0, "expected %zu, as the tensors have, got %s",
                           size, adcl__describe_name(text).text);
}

static option_text hidden_size_text(const adcl_adapter_file_info *info)
{
    return text_of_size(info->hidden_size);
}

static adcl_status read_hidden_size(adcl_adapter_file_info *info, const char *text, adcl_error *why)
{
    return check_size(info->hidden_size, text, why);
}

static option_text bottleneck_size_text(const adcl_adapter_file_info *info)
{
    return text_of_size(info->bottleneck_size);
}

static adcl_status read_bottleneck_size(adcl_adapter_file_info *info, const char *text,
                                        adcl_error *why)
{
    return check_size(info->bottleneck_size, text, why);
}

/* Jansson reads numbers with a point in every locale. NaN when `text` is no number, an infinity
 * when it does not fit. */
static float read_float(const char *text)
{
    json_t *number = json_loads(text, JSON_DECODE_ANY, NULL);
    double value = json_is_number(number) ? json_number_value(number) : (double)NAN;
    json_decref(number);
    return fabs(value) > (double)FLT_MAX ? INFINITY : (float)value;
}

static option_text scaling_text(const adcl_adapter_file_info *info)
{
    return text_of_float(info->scaling);
}

/* 0 is no scaling: in adcl_adapter_params it stands for 1. */
static adcl_status read_scaling(adcl_adapter_file_info *info, const char *text, adcl_error *why)
{
    info->scaling = read_float(text);
    if (isfinite(info->scaling) && info->scaling != 0.0f) return ADCL_OK;
    return adcl__error_set(why, ADCL_ERR_FORMAT, 0, "expected a finite number other than 0, got %s",
                           adcl__describe_name(text).text);
}

static option_text parallel_text(const adcl_adapter_file_info *info)
{
    return text_of_size(info->parallel ? 1 : 0);
}

static adcl_status read_parallel(adcl_adapter_file_info *info, const char *text, adcl_error *why)
{
    info->parallel = strcmp(text, "1") == 0;
    if (info->parallel || strcmp(text, "0") == 0) return ADCL_OK;
    return adcl__error_set(why, ADCL_ERR_FORMAT, 0, "expected 0 or 1, got %s",
                           adcl__describe_name(text).text);
}

static option_text dropout_text(const adcl_adapter_file_info *info)
{
    return text_of_float(info->dropout);
}

static adcl_status read_dropout(adcl_adapter_file_info *info, const char *text, adcl_error *why)
{
    info->dropout = read_float(text);
    if (info->dropout >= 0.0f && info->dropout < 1.0f) return ADCL_OK;
    return adcl__error_set(why, ADCL_ERR_FORMAT, 0, "expected a number in [0, 1), got %s",
                           adcl__describe_name(text).text);
}

/* Options that are not required are left out where they have their default. */
static const struct option {
    const char *key;
    bool required;
    option_text (*text)(const adcl_adapter_file_info *info);
    adcl_status (*read)(adcl_adapter_file_info *info, const char *text, adcl_error *why);
} options[] = {
    {"activation", true, activation_text, read_activation},
    {"hidden_size", true, hidden_size_text, read_hidden_size},
    {"bottleneck_size", true, bottleneck_size_text, read_bottleneck_size},
    {"scaling", false, scaling_text, read_scaling},
    {"parallel", false, parallel_text, read_parallel},
    {"dropout", false, dropout_text, read_dropout},
};
enum { option_count = sizeof options / sizeof options[0] };

/* ---- reading ---------------------------------------------------------------------------------*/

/* The string under <name>.<key>, else that under <key>; NULL if there is none. */
static const char *find_option(const adcl_safetensors *file, const char *name, const char *key)
{
    adcl__adapter_key own_key = adcl__adapter_option_key(name, key);
    const char *own = adcl_safetensors_metadata_find(file, own_key.text);
    return own != NULL ? own : adcl_safetensors_metadata_find(file, key);
}

adcl_status adcl__adapter_metadata_read(adcl_adapter_file_info *info, const adcl_safetensors *file,
                                        const char *path, adcl_error *error)
{
    for (size_t i = 0; i < option_count; i++) {
        const char *text = find_option(file, info->name, options[i].key);
        if (text == NULL && !options[i].required) continue;
        adcl_error why = {.message = "expected a string in the metadata, got none"};
        if (text != NULL && options[i].read(info, text, &why) == ADCL_OK) continue;
        adcl__replace_controls(why.message);
        return adcl__error_set(error, ADCL_ERR_FORMAT, 0, "%s: adapter %s: %s: %s", path,
                               adcl__describe_name(info->name).text, options[i].key, why.message);
    }
    return ADCL_OK;
}

/* ---- writing ---------------------------------------------------------------------------------*/

static bool put(json_t *strings, const char *key, const char *value)
{
    return json_object_set_new(strings, key, json_string(value)) == 0;
}

/* The first adapter's options under their plain keys. */
static bool put_first(json_t *strings, const adcl_adapter_file_info *info)
{
    const adcl_adapter_file_info defaults = {.scaling = 1.0f};
    if (!put(strings, "name", info->name)) return false;
    for (size_t i = 0; i < option_count; i++) {
        option_text text = options[i].text(info);
        bool wanted = options[i].required ||
                      strcmp(text.bytes, options[i].text(&defaults).bytes) != 0;
        if (wanted && !put(strings, options[i].key, text.bytes)) return false;
    }
    return true;
}

/* Another adapter's options where they differ from the first one's. */
static bool put_other(json_t *strings, const adcl_adapter_file_info *first,
                      const adcl_adapter_file_info *info)
{
    for (size_t i = 0; i < option_count; i++) {
        option_text text = options[i].text(info);
        if (strcmp(text.bytes, options[i].text(first).bytes) == 0) continue;
        adcl__adapter_key key = adcl__adapter_option_key(info->name, options[i].key);
        if (!put(strings, key.text, text.bytes)) return false;
    }
    return true;
}

static bool is_option(const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(key, options[i].key) == 0) return true;
    return false;
}

static bool is_option_of(const char *key, const char *name)
{
    size_t length = strlen(name);
    return strncmp(key, name, length) == 0 && key[length] == '.' && is_option(key + length + 1);
}

/* True for a string that this library writes itself, or wrote for an adapter of `keep`. */
static bool is_known(const char *key, const adcl_adapter_file_info *infos, size_t count,
                     const adcl_adapter_file *keep)
{
    if (strcmp(key, "format") == 0 || strcmp(key, "format_version") == 0 ||
        strcmp(key, "name") == 0 || is_option(key))
        return true;
    for (size_t i = 0; i < count; i++)
        if (is_option_of(key, infos[i].name)) return true;
    for (size_t i = 0; i < adcl_adapter_file_count(keep); i++)
        if (is_option_of(key, adcl_adapter_file_get(keep, i)->name)) return true;
    return false;
}

static bool put_kept(json_t *strings, const adcl_adapter_file_info *infos, size_t count,
                     const adcl_adapter_file *keep)
{
    if (keep == NULL) return true;
    const adcl_safetensors *file = adcl_adapter_file_safetensors(keep);
    for (size_t i = 0; i < adcl_safetensors_metadata_count(file); i++) {
        const adcl_metadata *item = adcl_safetensors_metadata_get(file, i);
        if (!is_known(item->key, infos, count, keep) && !put(strings, item->key, item->value))
            return false;
    }
    return true;
}

static bool put_all(json_t *strings, const adcl_adapter_file_info *infos, size_t count,
                    const adcl_adapter_file *keep)
{
    if (!put(strings, "format", format_name) || !put(strings, "format_version", format_version) ||
        !put_first(strings, &infos[0]))
        return false;
    for (size_t i = 1; i < count; i++)
        if (!put_other(strings, &infos[0], &infos[i])) return false;
    return put_kept(strings, infos, count, keep);
}

bool adcl__adapter_metadata_make(adcl__adapter_metadata *out, const adcl_adapter_file_info *infos,
                                 size_t count, const adcl_adapter_file *keep)
{
    *out = (adcl__adapter_metadata){.strings = json_object()};
    bool done = put_all(out->strings, infos, count, keep);
    out->items = calloc(json_object_size(out->strings) + 1, sizeof *out->items);
    if (!done || out->items == NULL) {
        adcl__adapter_metadata_free(out);
        return false;
    }
    const char *key;
    json_t *value;
    json_object_foreach(out->strings, key, value)
        out->items[out->count++] = (adcl_metadata){key, json_string_value(value)};
    return true;
}

void adcl__adapter_metadata_free(adcl__adapter_metadata *metadata)
{
    free(metadata->items);
    json_decref(metadata->strings);
    *metadata = (adcl__adapter_metadata){0};
}
