/* SPDX-License-Identifier: MIT */
#include "encoder/tensor_file.h"

#include "base/platform.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the parts of a name that hold adapters were called before AdapterHub had one name. */
static const char *const old_parts[] = {
    ".attention_text_task_adapters.",
    ".attention_text_lang_adapters.",
    ".layer_text_task_adapters.",
    ".layer_text_lang_adapters.",
};

/* A tensor's name as this reader looks for it. NULL when memory runs out. */
static char *plain_name(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) == 0) name += length;
    for (size_t i = 0; i < sizeof old_parts / sizeof old_parts[0]; i++) {
        const char *part = strstr(name, old_parts[i]);
        if (part == NULL) continue;
        adcl__text text = {0};
        adcl__text_append(&text, "%.*s.adapters.%s", (int)(part - name), name,
                          part + strlen(old_parts[i]));
        if (!text.failed) return text.bytes;
        adcl__text_free(&text);
        return NULL;
    }
    return adcl__string_copy(name);
}

static adcl_status out_of_memory(const char *path, adcl_error *error)
{
    return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it", path);
}

static adcl_status take_names(adcl__tensor_file *file, const char *prefix, adcl_error *error)
{
    file->used = calloc(file->count + 1, sizeof *file->used);
    file->names = calloc(file->count + 1, sizeof *file->names);
    if (file->used == NULL || file->names == NULL) return out_of_memory(file->path, error);
    for (size_t i = 0; i < file->count; i++) {
        file->names[i] = plain_name(adcl__tensor_file_get(file, i)->name, prefix);
        if (file->names[i] == NULL) return out_of_memory(file->path, error);
    }
    return ADCL_OK;
}

/* *path = folder/name. */
static adcl_status join(char **path, const char *folder, const char *name, adcl_error *error)
{
    adcl__text text = {0};
    adcl__text_append(&text, "%s/%s", folder, name);
    if (text.failed) {
        adcl__text_free(&text);
        return out_of_memory(folder, error);
    }
    free(*path);
    *path = text.bytes;
    return ADCL_OK;
}

static adcl_status open_either(adcl__tensor_file *file, const char *folder, const char *safe_name,
                               const char *pickle_name, adcl_error *error)
{
    ADCL_TRY(join(&file->path, folder, safe_name, error));
    if (adcl__file_exists(file->path) || pickle_name == NULL) {
        ADCL_TRY(adcl_safetensors_load(&file->safetensors, file->path, error));
        file->count = adcl_safetensors_count(file->safetensors);
        return ADCL_OK;
    }
    ADCL_TRY(join(&file->path, folder, pickle_name, error));
    if (!adcl__file_exists(file->path))
        return adcl__error_set(error, ADCL_ERR_FILE, ENOENT,
                               "%s: expected %s or %s in the folder, got neither", folder,
                               safe_name, pickle_name);
    ADCL_TRY(adcl__pickle_load(&file->pickle, file->path, error));
    file->count = adcl__pickle_count(file->pickle);
    return ADCL_OK;
}

adcl_status adcl__tensor_file_open(adcl__tensor_file *out, const char *folder,
                                   const char *safe_name, const char *pickle_name,
                                   const char *prefix, adcl_error *error)
{
    *out = (adcl__tensor_file){0};
    adcl_status status = open_either(out, folder, safe_name, pickle_name, error);
    if (status == ADCL_OK) status = take_names(out, prefix, error);
    if (status != ADCL_OK) adcl__tensor_file_close(out);
    return status;
}

void adcl__tensor_file_close(adcl__tensor_file *file)
{
    for (size_t i = 0; file->names != NULL && i < file->count; i++) free(file->names[i]);
    free(file->names);
    free(file->used);
    free(file->path);
    adcl_safetensors_destroy(&file->safetensors);
    adcl__pickle_destroy(&file->pickle);
    *file = (adcl__tensor_file){0};
}

const adcl_safetensors_entry *adcl__tensor_file_get(const adcl__tensor_file *file, size_t index)
{
    if (file->safetensors != NULL) return adcl_safetensors_get(file->safetensors, index);
    return file->pickle != NULL ? adcl__pickle_get(file->pickle, index) : NULL;
}

size_t adcl__tensor_file_find(const adcl__tensor_file *file, const char *name)
{
    size_t index = 0;
    while (index < file->count && strcmp(file->names[index], name) != 0) index++;
    return index;
}

size_t adcl__tensor_file_unused(const adcl__tensor_file *file)
{
    size_t index = 0;
    while (index < file->count && file->used[index]) index++;
    return index;
}
