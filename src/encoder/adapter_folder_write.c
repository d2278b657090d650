/* SPDX-License-Identifier: MIT */
/* adapter_folder_write.c – a set in host memory becomes an AdapterHub folder. Each file is complete
 * or as it was; files of a set that was there before, which this one has not, are removed. */
#include "encoder/adapter_config.h"
#include "encoder/folder_tensors.h"
#include "encoder/json_file.h"

#include "base/platform.h"
#include "base/text.h"

#include <adapter_cl/safetensors.h>

#include <stdlib.h>
#include <string.h>

/* A tensor as the file has it; numbers are shared by the two names of a norm. */
typedef struct stored {
    char *name;
    float *owned; /* transposed numbers; NULL where the set's are used */
    size_t shape[2];
} stored;

typedef struct writer {
    const char *folder;
    adcl_error *error;
    const char *prefix; /* of the tensors in the file that is being made */
    stored *stored;
    adcl_safetensors_entry *entries;
    size_t count, capacity;
} writer;

static adcl_status out_of_memory(const writer *to)
{
    return adcl__error_set(to->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to write it",
                           to->folder);
}

/* ---- tensors ---------------------------------------------------------------------------------*/

static adcl_status make_room(writer *to)
{
    if (to->count < to->capacity) return ADCL_OK;
    size_t wanted = to->capacity == 0 ? 64 : 2 * to->capacity;
    stored *more = realloc(to->stored, wanted * sizeof *more);
    if (more != NULL) to->stored = more;
    adcl_safetensors_entry *entries = realloc(to->entries, wanted * sizeof *entries);
    if (entries != NULL) to->entries = entries;
    if (more == NULL || entries == NULL) return out_of_memory(to);
    to->capacity = wanted;
    return ADCL_OK;
}

static adcl_status add(writer *to, const char *name, const adcl__folder_tensor *tensor)
{
    ADCL_TRY(make_room(to));
    stored *out = &to->stored[to->count];
    adcl__text full = {0};
    adcl__text_append(&full, "%s%s", to->prefix, name);
    *out = (stored){.name = full.bytes};
    to->entries[to->count++] = (adcl_safetensors_entry){0};
    if (full.failed) return out_of_memory(to);
    size_t rows = tensor->rows, cols = tensor->cols;
    if (tensor->is_matrix && (out->owned = malloc(rows * cols * sizeof(float) + 1)) == NULL)
        return out_of_memory(to);
    for (size_t i = 0; tensor->is_matrix && i < rows * cols; i++)
        out->owned[i] = tensor->values[i % rows * cols + i / rows];
    out->shape[0] = cols;
    out->shape[1] = rows;
    to->entries[to->count - 1] = (adcl_safetensors_entry){
        .name = out->name, .dtype = ADCL_F32, .rank = tensor->is_matrix ? 2 : 1,
        .data = out->owned != NULL ? out->owned : tensor->values,
        .bytes = rows * cols * sizeof(float)};
    return ADCL_OK;
}

static adcl_status add_tensor(void *user, const adcl__folder_tensor *tensor)
{
    writer *to = user;
    ADCL_TRY(add(to, tensor->name, tensor));
    return tensor->alias != NULL ? add(to, tensor->alias, tensor) : ADCL_OK;
}

static void clear(writer *to)
{
    for (size_t i = 0; i < to->count; i++) {
        free(to->stored[i].name);
        free(to->stored[i].owned);
    }
    to->count = 0;
}

/* ---- files -----------------------------------------------------------------------------------*/

/* folder/name, for the caller to free. */
static adcl_status join(const writer *to, const char *name, adcl__text *path)
{
    *path = (adcl__text){0};
    adcl__text_append(path, "%s/%s", to->folder, name);
    if (!path->failed) return ADCL_OK;
    adcl__text_free(path);
    return out_of_memory(to);
}

/* Writes what was added. */
static adcl_status write_tensors(writer *to, const char *name)
{
    adcl__text path;
    ADCL_TRY(join(to, name, &path));
    /* Arrays grew while they were filled; only now do the shapes stay where they are. */
    for (size_t i = 0; i < to->count; i++) to->entries[i].shape = to->stored[i].shape;
    adcl_status status =
        adcl_safetensors_save(path.bytes, to->entries, to->count, NULL, 0, to->error);
    adcl__text_free(&path);
    return status;
}

/* Takes the reference of `json`. */
static adcl_status write_json(const writer *to, const char *name, json_t *json)
{
    adcl__text path;
    adcl_status status = join(to, name, &path);
    if (status == ADCL_OK) {
        status = adcl__json_file_write(json, path.bytes, to->error);
        adcl__text_free(&path);
    }
    json_decref(json);
    return status;
}

static adcl_status remove_file(const writer *to, const char *name)
{
    adcl__text path;
    ADCL_TRY(join(to, name, &path));
    adcl_status status = adcl__file_remove(path.bytes, to->error);
    adcl__text_free(&path);
    return status;
}

/* AdapterHub reads the pickle form first unless it is told otherwise, and would find other weights
 * there than in the files beside it. */
static adcl_status refuse_pickle(const writer *to, const char *name)
{
    adcl__text path;
    ADCL_TRY(join(to, name, &path));
    bool there = adcl__file_exists(path.bytes);
    adcl__text_free(&path);
    if (!there) return ADCL_OK;
    return adcl__error_set(to->error, ADCL_ERR_FILE, 0,
                           "%s: expected a folder without %s, which would then hold other weights "
                           "than the files beside it",
                           to->folder, name);
}

/* ---- the set ---------------------------------------------------------------------------------*/

static adcl_status write_adapter(writer *to, const adcl__host_set *set,
                                 const adcl__model_config *model)
{
    if (set->params.head_only) {
        ADCL_TRY(remove_file(to, ADCL__FOLDER_ADAPTER_CONFIG));
        return remove_file(to, ADCL__FOLDER_ADAPTER);
    }
    ADCL_TRY(adcl__folder_each_adapter(set, model->family, add_tensor, to));
    ADCL_TRY(write_tensors(to, ADCL__FOLDER_ADAPTER));
    return write_json(to, ADCL__FOLDER_ADAPTER_CONFIG,
                      adcl__adapter_config_json(&set->params, model));
}

static adcl_status write_norms(writer *to, const adcl__host_set *set,
                               const adcl__model_config *model)
{
    if (!set->params.train_layer_norms) return remove_file(to, ADCL__FOLDER_NORMS);
    ADCL_TRY(adcl__folder_each_norm(set, model->family, add_tensor, to));
    return write_tensors(to, ADCL__FOLDER_NORMS);
}

static adcl_status write_head(writer *to, const adcl__host_set *set,
                              const adcl__model_config *model)
{
    if (set->params.labels == 0) {
        ADCL_TRY(remove_file(to, ADCL__FOLDER_HEAD_CONFIG));
        return remove_file(to, ADCL__FOLDER_HEAD);
    }
    to->prefix = "";
    ADCL_TRY(adcl__folder_each_head(set, set->params.name, add_tensor, to));
    ADCL_TRY(write_tensors(to, ADCL__FOLDER_HEAD));
    return write_json(to, ADCL__FOLDER_HEAD_CONFIG, adcl__head_config_json(&set->params, model));
}

static adcl_status write_all(writer *to, const adcl__host_set *set,
                             const adcl__model_config *model)
{
    ADCL_TRY(adcl__folder_create(to->folder, to->error));
    ADCL_TRY(refuse_pickle(to, ADCL__FOLDER_ADAPTER_PICKLE));
    ADCL_TRY(refuse_pickle(to, ADCL__FOLDER_HEAD_PICKLE));
    ADCL_TRY(write_adapter(to, set, model));
    clear(to);
    ADCL_TRY(write_norms(to, set, model));
    clear(to);
    return write_head(to, set, model);
}

adcl_status adcl__adapter_folder_write(const adcl__host_set *set, const char *folder,
                                       const adcl__model_config *model, adcl_error *error)
{
    writer to = {.folder = folder, .error = error, .prefix = adcl__folder_prefix(model->family)};
    adcl_status status = write_all(&to, set, model);
    clear(&to);
    free(to.stored);
    free(to.entries);
    return status;
}
