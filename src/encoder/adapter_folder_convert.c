/* SPDX-License-Identifier: MIT */
/* adapter_folder_convert.c – from and to native adapter files, and from the pickle form. */
#include "encoder/folder_object.h"

#include "encoder/config_options.h"
#include "encoder/folder_tensors.h"
#include "encoder/set_params.h"

#include "base/platform.h"
#include "base/params.h"
#include "base/text.h"
#include "io/adapter_key.h"
#include "io/adapter_metadata.h"
#include "io/describe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static adcl_status out_of_memory(const char *path, adcl_error *error)
{
    return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to convert it",
                           path);
}

static adcl_status join(const char *folder, const char *name, adcl__text *path, adcl_error *error)
{
    *path = (adcl__text){0};
    adcl__text_append(path, "%s/%s", folder, name);
    if (!path->failed) return ADCL_OK;
    adcl__text_free(path);
    return out_of_memory(folder, error);
}

/* ---- the pickle form becomes safetensors -----------------------------------------------------*/

/* The entries of a file, for the caller to free; NULL when memory runs out. */
static adcl_safetensors_entry *copy_entries(const adcl__tensor_file *file)
{
    adcl_safetensors_entry *entries = calloc(file->count + 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < file->count; i++)
        entries[i] = *adcl__tensor_file_get(file, i);
    return entries;
}

static adcl_status save_file(const adcl__tensor_file *file, const char *folder, const char *name,
                             adcl_error *error)
{
    adcl__text path;
    if (file->path == NULL) return ADCL_OK;
    ADCL_TRY(join(folder, name, &path, error));
    adcl_safetensors_entry *entries = copy_entries(file);
    adcl_status status =
        entries == NULL ? out_of_memory(folder, error)
                        : adcl_safetensors_save(path.bytes, entries, file->count, NULL, 0, error);
    free(entries);
    adcl__text_free(&path);
    return status;
}

static adcl_status write_bytes(const char *path, const adcl__file_view *view, adcl_error *error)
{
    adcl__new_file *file = NULL;
    adcl_status status = adcl__new_file_create(&file, path, error);
    if (status == ADCL_OK) status = adcl__new_file_write(file, view->bytes, view->size, error);
    if (status == ADCL_OK) status = adcl__new_file_commit(&file, error);
    adcl__new_file_discard(&file);
    return status;
}

/* A configuration stays as it is, byte for byte. */
static adcl_status copy_file(const char *from, const char *to, const char *name, adcl_error *error)
{
    adcl__text old_path, new_path;
    adcl__file_view view = {0};
    ADCL_TRY(join(from, name, &old_path, error));
    adcl_status status = join(to, name, &new_path, error);
    if (status == ADCL_OK && adcl__file_exists(old_path.bytes)) {
        status = adcl__file_view_open(&view, old_path.bytes, error);
        if (status == ADCL_OK) status = write_bytes(new_path.bytes, &view, error);
        adcl__file_view_close(&view);
    }
    adcl__text_free(&old_path);
    adcl__text_free(&new_path);
    return status;
}

/* What another set left in the folder: AdapterHub reads the pickle form first, and a head without
 * its weights is not read at all. */
static adcl_status check_left(const adcl_adapter_folder *f, const char *path, adcl_error *error)
{
    static const char *const names[] = {
        ADCL__FOLDER_ADAPTER_PICKLE, ADCL__FOLDER_ADAPTER, ADCL__FOLDER_ADAPTER_CONFIG,
        ADCL__FOLDER_HEAD_PICKLE,    ADCL__FOLDER_HEAD,    ADCL__FOLDER_HEAD_CONFIG,
        ADCL__FOLDER_NORMS,
    };
    if (strcmp(path, f->path) == 0) return ADCL_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        adcl__text file;
        ADCL_TRY(join(path, names[i], &file, error));
        bool there = adcl__file_exists(file.bytes);
        adcl__text_free(&file);
        if (there)
            return adcl__error_set(error, ADCL_ERR_FILE, 0,
                                   "%s: expected a folder without adapters, got one with %s", path,
                                   names[i]);
    }
    return ADCL_OK;
}

adcl_status adcl_adapter_folder_save(const adcl_adapter_folder *folder, const char *path,
                                     adcl_error *error)
{
    if (folder == NULL || path == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected a folder and a path, got NULL");
    ADCL_TRY(check_left(folder, path, error));
    ADCL_TRY(adcl__folder_create(path, error));
    ADCL_TRY(save_file(&folder->files[ADCL__FOLDER_FILE_ADAPTER], path, ADCL__FOLDER_ADAPTER,
                       error));
    ADCL_TRY(save_file(&folder->files[ADCL__FOLDER_FILE_HEAD], path, ADCL__FOLDER_HEAD, error));
    ADCL_TRY(save_file(&folder->files[ADCL__FOLDER_FILE_NORMS], path, ADCL__FOLDER_NORMS, error));
    ADCL_TRY(copy_file(folder->path, path, ADCL__FOLDER_ADAPTER_CONFIG, error));
    return copy_file(folder->path, path, ADCL__FOLDER_HEAD_CONFIG, error);
}

/* ---- one adapter becomes a native file -------------------------------------------------------*/

/* Native files hold the two products, a constant, and nothing else. */
static adcl_status check_native(const adcl_adapter_folder *f, adcl_error *error)
{
    const adcl_adapter_set_params *p = &f->set.params;
    const struct {
        const char *option;
        bool used;
    } options[] = {
        {"scaling that is learned", p->scaling_kind != ADCL_SCALING_CONSTANT},
        {"use_gating", p->gated != 0},
        {"ln_before", p->ln_before != 0},
        {"ln_after", p->ln_after != 0},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].used)
            return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                                   "%s: expected adapters without %s, which native files lack",
                                   f->path, options[i].option);
    return ADCL_OK;
}

adcl_status adcl_adapter_folder_extract(const adcl_adapter_folder *folder, size_t index,
                                        const char *path, adcl_error *error)
{
    const adcl_adapter_folder_info *chosen =
        folder == NULL ? NULL : adcl_adapter_folder_get(folder, index);
    if (chosen == NULL || path == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected one of its adapters and a path");
    ADCL_TRY(check_native(folder, error));
    const adcl_adapter_set_params *p = &folder->set.params;
    const adcl__host_site *site = adcl__folder_site(&folder->set, chosen->layer, chosen->place);
    const size_t d = folder->set.hidden_size, r = site->bottleneck;
    const size_t down[] = {d, r}, up[] = {r, d};
    const adcl_adapter_file_info info = {
        .name = p->name, .has_activation = 1, .activation = p->activation, .hidden_size = d,
        .bottleneck_size = r, .scaling = p->scaling, .dropout = p->dropout,
        .parallel = p->parallel};
    adcl__adapter_key keys[ADCL_ADAPTER_SLOT_COUNT];
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        keys[slot] = adcl__adapter_tensor_key(p->name, (adcl_adapter_slot)slot);
    const adcl_safetensors_entry entries[] = {
        {keys[ADCL_DOWN_KERNEL].text, ADCL_F32, 2, down, site->down.kernel, d * r * sizeof(float)},
        {keys[ADCL_DOWN_BIAS].text, ADCL_F32, 1, &down[1], site->down.bias, r * sizeof(float)},
        {keys[ADCL_UP_KERNEL].text, ADCL_F32, 2, up, site->up.kernel, r * d * sizeof(float)},
        {keys[ADCL_UP_BIAS].text, ADCL_F32, 1, &up[1], site->up.bias, d * sizeof(float)},
    };
    adcl__adapter_metadata metadata;
    if (!adcl__adapter_metadata_make(&metadata, &info, 1, NULL)) return out_of_memory(path, error);
    adcl_status status = adcl_safetensors_save(path, entries, ADCL_ADAPTER_SLOT_COUNT,
                                               metadata.items, metadata.count, error);
    adcl__adapter_metadata_free(&metadata);
    return status;
}

/* ---- a native adapter takes a place in a folder ----------------------------------------------*/

static adcl_status check_file(const adcl_adapter_file *file, size_t adapter,
                              const adcl_adapter_file_info **info, adcl_error *error)
{
    *info = file == NULL ? NULL : adcl_adapter_file_get(file, adapter);
    if (*info == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected an adapter of a native file, got none");
    if ((*info)->has_activation) return ADCL_OK;
    return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                           "adapter folder: expected a native file that names the activation of "
                           "adapter %s", adcl__describe_name((*info)->name).text);
}

static adcl_status differ(const adcl_adapter_folder *f, const char *what, double expected,
                          double got, adcl_error *error)
{
    return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                           "%s: expected an adapter of %s %g, as the folder's has, got %g", f->path,
                           what, expected, got);
}

/* The folder's configuration is for all of its adapters. */
static adcl_status check_equal(const adcl_adapter_folder *f, const adcl_adapter_folder_info *old,
                               const adcl_adapter_file_info *info, adcl_error *error)
{
    const adcl_adapter_set_params *p = &f->set.params;
    ADCL_TRY(check_native(f, error));
    if (info->hidden_size != f->set.hidden_size)
        return differ(f, "hidden_size", (double)f->set.hidden_size, (double)info->hidden_size,
                      error);
    if (info->bottleneck_size != old->bottleneck_size)
        return differ(f, "bottleneck_size", (double)old->bottleneck_size,
                      (double)info->bottleneck_size, error);
    if (info->scaling != p->scaling)
        return differ(f, "scaling", (double)p->scaling, (double)info->scaling, error);
    if ((info->parallel != 0) != (p->parallel != 0))
        return differ(f, "parallel", p->parallel, info->parallel, error);
    if (info->activation == p->activation) return ADCL_OK;
    return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                           "%s: expected an adapter with activation %s, as the folder's has, got "
                           "%s", f->path, adcl_activation_name(p->activation),
                           adcl_activation_name(info->activation));
}

/* What replaces the numbers of four tensors. */
typedef struct replacement {
    const adcl__tensor_file *file;
    adcl__host_site site; /* the new numbers, borrowed */
    const adcl__host_site *old;
    adcl_safetensors_entry *entries;
    float *owned[2]; /* transposed kernels */
    adcl_error *error;
    const char *prefix;
} replacement;

/* The new numbers for an array of the old adapter; NULL for those of others. */
static const float *find_new(const replacement *r, const float *old)
{
    if (old == r->old->down.kernel) return r->site.down.kernel;
    if (old == r->old->down.bias) return r->site.down.bias;
    if (old == r->old->up.kernel) return r->site.up.kernel;
    return old == r->old->up.bias ? r->site.up.bias : NULL;
}

/* The entry whose name is that of the tensor, with the model's prefix or without. */
static adcl_safetensors_entry *find_entry(const replacement *r, const char *name)
{
    size_t length = strlen(r->prefix);
    for (size_t i = 0; i < r->file->count; i++) {
        const char *stored = r->file->names[i];
        if (strncmp(stored, r->prefix, length) == 0) stored += length;
        if (strcmp(stored, name) == 0) return &r->entries[i];
    }
    return NULL;
}

static adcl_status replace_tensor(void *user, const adcl__folder_tensor *tensor)
{
    replacement *r = user;
    const float *values = find_new(r, tensor->values);
    if (values == NULL) return ADCL_OK;
    adcl_safetensors_entry *entry = find_entry(r, tensor->name);
    if (entry == NULL || entry->dtype != ADCL_F32)
        return adcl__error_set(r->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: tensor %s: expected F32, got another dtype", r->file->path,
                               adcl__describe_name(tensor->name).text);
    entry->data = values;
    if (!tensor->is_matrix) return ADCL_OK;
    float **copy = &r->owned[r->owned[0] != NULL];
    *copy = malloc(entry->bytes);
    if (*copy == NULL) return out_of_memory(r->file->path, r->error);
    for (size_t row = 0; row < tensor->rows; row++)
        for (size_t col = 0; col < tensor->cols; col++)
            (*copy)[col * tensor->rows + row] = values[row * tensor->cols + col];
    entry->data = *copy;
    return ADCL_OK;
}

/* The visitors hand out what may be changed; these are only read. */
static float *borrow(const float *values)
{
    return (float *)(uintptr_t)values;
}

static adcl__host_site borrow_site(const adcl_adapter_file_info *info)
{
    return (adcl__host_site){
        .bottleneck = info->bottleneck_size,
        .down = {borrow(info->values[ADCL_DOWN_KERNEL]), borrow(info->values[ADCL_DOWN_BIAS])},
        .up = {borrow(info->values[ADCL_UP_KERNEL]), borrow(info->values[ADCL_UP_BIAS])},
    };
}

static adcl_status replace(const adcl_adapter_folder *f, const adcl_adapter_folder_info *old,
                           const adcl_adapter_file_info *info, adcl_error *error)
{
    replacement r = {.file = &f->files[ADCL__FOLDER_FILE_ADAPTER],
                     .site = borrow_site(info),
                     .old = adcl__folder_site(&f->set, old->layer, old->place),
                     .error = error,
                     .prefix = adcl__folder_prefix(f->family)};
    r.entries = copy_entries(r.file);
    if (r.entries == NULL) return out_of_memory(f->path, error);
    adcl_status status = adcl__folder_each_adapter(&f->set, f->family, replace_tensor, &r);
    if (status == ADCL_OK)
        status =
            adcl_safetensors_save(r.file->path, r.entries, r.file->count, NULL, 0, error);
    free(r.owned[0]);
    free(r.owned[1]);
    free(r.entries);
    return status;
}

adcl_status adcl_adapter_folder_replace(const adcl_adapter_folder *folder, size_t index,
                                        const adcl_adapter_file *file, size_t adapter,
                                        adcl_error *error)
{
    const adcl_adapter_file_info *info;
    const adcl_adapter_folder_info *old =
        folder == NULL ? NULL : adcl_adapter_folder_get(folder, index);
    ADCL_TRY(check_file(file, adapter, &info, error));
    if (old == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected one of its adapters to replace");
    if (folder->files[ADCL__FOLDER_FILE_ADAPTER].pickle != NULL)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected weights as safetensors to write into, got "
                               ADCL__FOLDER_ADAPTER_PICKLE, folder->path);
    ADCL_TRY(check_equal(folder, old, info, error));
    return replace(folder, old, info, error);
}

/* ---- a native adapter makes a folder ---------------------------------------------------------*/

/* A factor that gives R columns: D/R itself may just miss them. */
static float factor_of(size_t hidden_size, size_t bottleneck_size)
{
    float factor = (float)((double)hidden_size / (double)bottleneck_size);
    if (adcl__bottleneck_of(hidden_size, (double)factor) == bottleneck_size) return factor;
    return (float)((double)hidden_size / ((double)bottleneck_size + 0.5));
}

static void copy_numbers(adcl__host_set *set, const adcl_adapter_folder_target *to,
                         const adcl_adapter_file_info *info)
{
    const size_t d = info->hidden_size, r = info->bottleneck_size;
    const adcl__host_site *site = adcl__folder_site(set, to->layer, to->place);
    memcpy(site->down.kernel, info->values[ADCL_DOWN_KERNEL], d * r * sizeof(float));
    memcpy(site->down.bias, info->values[ADCL_DOWN_BIAS], r * sizeof(float));
    memcpy(site->up.kernel, info->values[ADCL_UP_KERNEL], r * d * sizeof(float));
    memcpy(site->up.bias, info->values[ADCL_UP_BIAS], d * sizeof(float));
}

static adcl_status create(const char *path, const adcl_adapter_file_info *info,
                          const adcl_adapter_folder_target *to, const adcl__model_config *model,
                          size_t *left_out, adcl_error *error)
{
    adcl_adapter_set_params p = {
        .struct_size = sizeof p, .name = info->name, .activation = info->activation,
        .attention_adapters = to->place == ADCL_PLACE_ATTENTION,
        .output_adapters = to->place == ADCL_PLACE_OUTPUT, .parallel = info->parallel,
        .reduction_factor = factor_of(info->hidden_size, info->bottleneck_size),
        .leave_out = left_out, .init = ADCL_INIT_BERT, .scaling = info->scaling,
        .dropout = info->dropout, .original_ln_after = 1};
    for (size_t i = 0; i < model->layers; i++)
        if (i != to->layer) left_out[p.leave_out_count++] = i;
    adcl__host_set set;
    ADCL_TRY(adcl__host_set_create(&set, model, &p, error));
    copy_numbers(&set, to, info);
    adcl_status status = adcl__adapter_folder_write(&set, path, model, error);
    adcl__host_set_release(&set);
    return status;
}

static adcl_status check_target(const adcl_adapter_folder_target *to, adcl__model_config *model,
                                adcl_error *error)
{
    const char *type = to->model_type != NULL ? to->model_type : "bert";
    model->layers = to->layers != 0 ? to->layers : to->layer + 1;
    if (model->layers > ADCL__CONFIG_LAYERS_MOST || to->layer >= model->layers)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected a layer below %zu and at most %d layers, "
                               "got %zu of %zu",
                               model->layers, ADCL__CONFIG_LAYERS_MOST, to->layer, model->layers);
    if (adcl__config_family_read(type, &model->family)) return ADCL_OK;
    return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                           "adapter folder: model_type: expected bert or distilbert, got %s",
                           adcl__describe_name(type).text);
}

adcl_status adcl_adapter_folder_create(const char *path, const adcl_adapter_file *file,
                                       size_t adapter, const adcl_adapter_folder_target *target,
                                       adcl_error *error)
{
    const adcl_adapter_file_info *info;
    adcl_adapter_folder_target to = ADCL_ADAPTER_FOLDER_TARGET_INIT;
    ADCL_TRY(adcl__read_params(error, "adcl_adapter_folder_target", &to, sizeof to, target));
    ADCL_TRY(check_file(file, adapter, &info, error));
    if (path == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected a path, got NULL");
    if (info->activation == ADCL_ACTIVATION_LOG_SUMEXP)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "adapter %s: expected an activation other than log_sumexp, whose "
                               "kernel has a shape that folders lack",
                               adcl__describe_name(info->name).text);
    adcl__model_config model = {.hidden_size = info->hidden_size};
    ADCL_TRY(check_target(&to, &model, error));
    size_t *left_out = calloc(model.layers, sizeof *left_out);
    adcl_status status = left_out == NULL ? out_of_memory(path, error)
                                          : create(path, info, &to, &model, left_out, error);
    free(left_out);
    return status;
}
