/* SPDX-License-Identifier: MIT */
/* adapter_folder_read.c – an AdapterHub folder becomes a set in host memory. The configuration says
 * which tensors there must be; each must be there in its shape, and no other. */
#include "encoder/adapter_config.h"
#include "encoder/folder_tensors.h"
#include "encoder/tensor_file.h"

#include "base/platform.h"
#include "base/text.h"
#include "io/describe.h"
#include "io/floats.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const char *folder;
    adcl_error *error;
    adcl__host_set *out;
    adcl__adapter_config config;
    adcl__tensor_file adapter, head, norms; /* all zeros where there is none */
} reader;

/* ---- tensors ---------------------------------------------------------------------------------*/

/* What takes the tensors of one file. */
typedef struct taker {
    adcl__tensor_file *file;
    adcl_error *error;
    adcl_dtype *stored;
} taker;

static adcl_status check_tensor(const taker *t, const adcl_safetensors_entry *entry,
                                const adcl__folder_tensor *tensor)
{
    const size_t shape[] = {tensor->cols, tensor->rows};
    size_t rank = tensor->is_matrix ? 2 : 1;
    bool equal = entry->rank == rank;
    for (size_t axis = 0; axis < rank && equal; axis++) equal = entry->shape[axis] == shape[axis];
    if (!equal)
        return adcl__error_set(t->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected shape %s, got %s", t->file->path,
                               adcl__describe_name(entry->name).text,
                               adcl__describe_shape(rank, shape).text,
                               adcl__describe_shape(entry->rank, entry->shape).text);
    if (!adcl__dtype_is_float(entry->dtype))
        return adcl__error_set(t->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: tensor %s: expected F32, F16 or BF16, got %s", t->file->path,
                               adcl__describe_name(entry->name).text,
                               adcl_dtype_name(entry->dtype));
    return ADCL_OK;
}

static void transpose(float *out, const float *in, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t col = 0; col < cols; col++) out[row * cols + col] = in[col * rows + row];
}

static adcl_status take_values(const taker *t, const adcl_safetensors_entry *entry,
                               const adcl__folder_tensor *tensor)
{
    size_t count = tensor->rows * tensor->cols;
    if (entry->dtype != ADCL_F32) *t->stored = entry->dtype;
    if (!tensor->is_matrix) {
        adcl__floats_read(tensor->values, entry->dtype, entry->data, count);
        return ADCL_OK;
    }
    float *as_stored = malloc(count * sizeof *as_stored + 1);
    if (as_stored == NULL)
        return adcl__error_set(t->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                               "%s: no memory to read it", t->file->path);
    adcl__floats_read(as_stored, entry->dtype, entry->data, count);
    transpose(tensor->values, as_stored, tensor->rows, tensor->cols);
    free(as_stored);
    return ADCL_OK;
}

/* NULL where there is none of that name. */
static const adcl_safetensors_entry *use(const taker *t, const char *name)
{
    size_t index = name == NULL ? t->file->count : adcl__tensor_file_find(t->file, name);
    if (index == t->file->count) return NULL;
    t->file->used[index] = true;
    return adcl__tensor_file_get(t->file, index);
}

static adcl_status take(void *user, const adcl__folder_tensor *tensor)
{
    const taker *t = user;
    const adcl_safetensors_entry *entry = use(t, tensor->name), *same = use(t, tensor->alias);
    if (entry == NULL && same == NULL)
        return adcl__error_set(t->error, ADCL_ERR_FORMAT, 0,
                               "%s: expected tensor %s, got none of that name", t->file->path,
                               adcl__describe_name(tensor->name).text);
    if (entry != NULL) ADCL_TRY(check_tensor(t, entry, tensor));
    if (same != NULL) ADCL_TRY(check_tensor(t, same, tensor));
    if (entry != NULL && same != NULL &&
        (entry->dtype != same->dtype || memcmp(entry->data, same->data, entry->bytes) != 0))
        return adcl__error_set(t->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected the same numbers as in %s, whose second "
                               "name it is, got others",
                               t->file->path, adcl__describe_name(same->name).text,
                               adcl__describe_name(entry->name).text);
    return take_values(t, entry != NULL ? entry : same, tensor);
}

static adcl_status check_all_used(const reader *in, const adcl__tensor_file *file)
{
    size_t index = adcl__tensor_file_unused(file);
    if (index == file->count) return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                           "%s: tensor %s: expected no tensor of that name: with the options of "
                           "the folder's configuration nothing uses it",
                           file->path,
                           adcl__describe_name(adcl__tensor_file_get(file, index)->name).text);
}

static adcl_status take_all(reader *in)
{
    adcl__host_set *set = in->out;
    adcl__model_family family = in->config.family;
    taker t = {&in->adapter, in->error, &set->stored};
    ADCL_TRY(adcl__folder_each_adapter(set, family, take, &t));
    ADCL_TRY(check_all_used(in, &in->adapter));
    t.file = &in->norms;
    ADCL_TRY(adcl__folder_each_norm(set, family, take, &t));
    ADCL_TRY(check_all_used(in, &in->norms));
    t.file = &in->head;
    if (in->config.head_name != NULL)
        ADCL_TRY(adcl__folder_each_head(set, in->config.head_name, take, &t));
    return check_all_used(in, &in->head);
}

/* ---- files -----------------------------------------------------------------------------------*/

/* *there = whether the folder has a file of that name. */
static adcl_status has(const reader *in, const char *name, bool *there)
{
    adcl__text path = {0};
    adcl__text_append(&path, "%s/%s", in->folder, name);
    *there = !path.failed && adcl__file_exists(path.bytes);
    adcl_status status = path.failed ? adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                                                       "%s: no memory to read it", in->folder)
                                     : ADCL_OK;
    adcl__text_free(&path);
    return status;
}

/* Opens the file of a configuration that is there; without one there must be no file. */
static adcl_status open_pair(const reader *in, adcl__tensor_file *file, bool configured,
                             const char *config_name, const char *safe_name,
                             const char *pickle_name)
{
    if (configured)
        return adcl__tensor_file_open(file, in->folder, safe_name, pickle_name,
                                      adcl__folder_prefix(in->config.family), in->error);
    const char *const names[] = {safe_name, pickle_name};
    for (size_t i = 0; i < 2; i++) {
        bool there = false;
        ADCL_TRY(has(in, names[i], &there));
        if (there)
            return adcl__error_set(in->error, ADCL_ERR_FILE, ENOENT,
                                   "%s: expected %s beside %s, got none", in->folder, config_name,
                                   names[i]);
    }
    return ADCL_OK;
}

static adcl_status open_files(reader *in)
{
    bool fused = false, norms = false;
    ADCL_TRY(has(in, ADCL__FOLDER_FUSION, &fused));
    if (fused)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected adapters without fusion, got " ADCL__FOLDER_FUSION,
                               in->folder);
    ADCL_TRY(open_pair(in, &in->adapter, in->config.adapter != NULL, ADCL__FOLDER_ADAPTER_CONFIG,
                       ADCL__FOLDER_ADAPTER, ADCL__FOLDER_ADAPTER_PICKLE));
    ADCL_TRY(open_pair(in, &in->head, in->config.head != NULL, ADCL__FOLDER_HEAD_CONFIG,
                       ADCL__FOLDER_HEAD, ADCL__FOLDER_HEAD_PICKLE));
    ADCL_TRY(has(in, ADCL__FOLDER_NORMS, &norms));
    in->config.params.train_layer_norms = norms;
    if (!norms) return ADCL_OK;
    return adcl__tensor_file_open(&in->norms, in->folder, ADCL__FOLDER_NORMS, NULL,
                                  adcl__folder_prefix(in->config.family), in->error);
}

/* ---- the whole -------------------------------------------------------------------------------*/

static adcl_status check_model(const reader *in, const adcl__model_config *model)
{
    const char *const file =
        in->config.adapter != NULL ? ADCL__FOLDER_ADAPTER_CONFIG : ADCL__FOLDER_HEAD_CONFIG;
    if (in->config.family != model->family)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s/%s: model_type: expected %s, as the model is, got %s",
                               in->folder, file, adcl__model_family_name(model->family),
                               adcl__model_family_name(in->config.family));
    if (in->config.hidden_size != model->hidden_size)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s/%s: hidden_size: expected %zu, as the model has, got %zu",
                               in->folder, file, model->hidden_size, in->config.hidden_size);
    return ADCL_OK;
}

/* Without a model the files themselves say how many layers there are at least. */
static size_t count_layers(const reader *in, const adcl__tensor_file *file, size_t least)
{
    for (size_t i = 0; i < file->count; i++) {
        size_t layer = adcl__folder_layer_of(file->names[i], in->config.family);
        if (layer != SIZE_MAX && layer >= least) least = layer + 1;
    }
    return least;
}

static adcl_status create(reader *in, const adcl__model_config *model)
{
    adcl__model_config of_files = {.family = in->config.family,
                                   .hidden_size = in->config.hidden_size};
    if (model == NULL) {
        of_files.layers = count_layers(in, &in->adapter, in->config.layers);
        of_files.layers = count_layers(in, &in->norms, of_files.layers);
        model = &of_files;
    }
    ADCL_TRY(adcl__adapter_config_place(&in->config, model->layers, in->folder, in->error));
    adcl_error why;
    adcl_status status = adcl__host_set_create(in->out, model, &in->config.params, &why);
    if (status != ADCL_ERR_INVALID_ARGUMENT && status != ADCL_ERR_SIZE_OVERFLOW) {
        if (status != ADCL_OK && in->error != NULL) *in->error = why;
        return status;
    }
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: %s", in->folder, why.message);
}

static adcl_status read_all(reader *in, const adcl__model_config *model)
{
    ADCL_TRY(adcl__adapter_config_load(&in->config, in->folder, in->error));
    if (model != NULL) ADCL_TRY(check_model(in, model));
    ADCL_TRY(open_files(in));
    ADCL_TRY(create(in, model));
    return take_all(in);
}

adcl_status adcl__adapter_folder_read(adcl__host_set *out, const char *folder,
                                      const adcl__model_config *model, adcl_error *error)
{
    *out = (adcl__host_set){0};
    reader in = {.folder = folder, .error = error, .out = out};
    adcl_status status = read_all(&in, model);
    if (status != ADCL_OK) adcl__host_set_release(out);
    adcl__tensor_file_close(&in.adapter);
    adcl__tensor_file_close(&in.head);
    adcl__tensor_file_close(&in.norms);
    adcl__adapter_config_release(&in.config);
    return status;
}
