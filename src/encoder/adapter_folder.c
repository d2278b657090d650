/* SPDX-License-Identifier: MIT */
/* adapter_folder.c – an AdapterHub folder without its model: the object of adapter_folder.h. */
#include <adapter_cl/adapter_folder.h>

#include "encoder/adapter_config.h"
#include "encoder/folder_object.h"
#include "encoder/folder_tensors.h"

#include "base/platform.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const place_names[] = {"attention", "output"};

const char *adcl_adapter_place_name(adcl_adapter_place place)
{
    return (unsigned)place <= ADCL_PLACE_OUTPUT ? place_names[place] : "?";
}

adcl_status adcl_adapter_place_from_name(const char *name, adcl_adapter_place *out,
                                         adcl_error *error)
{
    size_t index;
    ADCL_TRY(adcl__find_name(error, "place", name, place_names, 2, out == NULL ? NULL : &index));
    *out = (adcl_adapter_place)index;
    return ADCL_OK;
}

/* ---- reading ---------------------------------------------------------------------------------*/

static adcl_status out_of_memory(const char *path, adcl_error *error)
{
    return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it", path);
}

static adcl_status add_numbers(void *user, const char *name, float **values, size_t rows,
                               size_t cols)
{
    (void)name;
    (void)values;
    *(size_t *)user += rows * cols;
    return ADCL_OK;
}

/* The numbers of one adapter: each part that is there. */
static size_t count_site(const adcl__host_set *set, const adcl__host_site *site)
{
    size_t d = set->hidden_size, r = site->bottleneck, count = 2 * d * r + r + d;
    if (site->scaling != NULL)
        count += set->params.scaling_kind == ADCL_SCALING_CHANNEL ? d : 1;
    if (site->gate.kernel != NULL) count += d + 1;
    if (site->norm_before.weight != NULL) count += 2 * d;
    if (site->norm_after.weight != NULL) count += 2 * d;
    return count;
}

static void list_adapters(adcl_adapter_folder *f)
{
    for (size_t i = 0; i < f->set.layers; i++)
        for (int place = ADCL_PLACE_ATTENTION; place <= ADCL_PLACE_OUTPUT; place++) {
            const adcl__host_site *site =
                adcl__folder_site(&f->set, i, (adcl_adapter_place)place);
            if (site->bottleneck == 0) continue;
            f->adapters[f->adapter_count++] = (adcl_adapter_folder_info){
                i, (adcl_adapter_place)place, site->bottleneck, count_site(&f->set, site)};
        }
}

/* Keeps the tensors as they are stored. */
static adcl_status open_file(adcl_adapter_folder *f, size_t which, const char *safe_name,
                             const char *pickle_name, adcl_error *error)
{
    adcl_error why;
    adcl_status status = adcl__tensor_file_open(&f->files[which], f->path, safe_name, pickle_name,
                                                "", &why);
    if (status == ADCL_ERR_FILE && why.native_code == ENOENT) return ADCL_OK;
    if (status != ADCL_OK && error != NULL) *error = why;
    return status;
}

static adcl_status read_folder(adcl_adapter_folder *f, adcl_error *error)
{
    adcl__adapter_config config;
    ADCL_TRY(adcl__adapter_config_load(&config, f->path, error));
    f->family = config.family;
    adcl__adapter_config_release(&config);
    ADCL_TRY(adcl__adapter_folder_read(&f->set, f->path, NULL, error));
    f->adapters = calloc(2 * f->set.layers + 1, sizeof *f->adapters);
    if (f->adapters == NULL) return out_of_memory(f->path, error);
    list_adapters(f);
    ADCL_TRY(open_file(f, ADCL__FOLDER_FILE_ADAPTER, ADCL__FOLDER_ADAPTER,
                       ADCL__FOLDER_ADAPTER_PICKLE, error));
    ADCL_TRY(open_file(f, ADCL__FOLDER_FILE_HEAD, ADCL__FOLDER_HEAD, ADCL__FOLDER_HEAD_PICKLE,
                       error));
    return open_file(f, ADCL__FOLDER_FILE_NORMS, ADCL__FOLDER_NORMS, NULL, error);
}

adcl_status adcl_adapter_folder_load(adcl_adapter_folder **out, const char *path,
                                     adcl_error *error)
{
    if (out == NULL || path == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected a path and a place for the result, got "
                               "NULL");
    *out = NULL;
    adcl_adapter_folder *f = calloc(1, sizeof *f);
    if (f == NULL) return out_of_memory(path, error);
    f->path = adcl__string_copy(path);
    adcl_status status = f->path == NULL ? out_of_memory(path, error) : read_folder(f, error);
    if (status != ADCL_OK)
        adcl_adapter_folder_destroy(&f);
    else
        *out = f;
    return status;
}

void adcl_adapter_folder_destroy(adcl_adapter_folder **folder)
{
    if (folder == NULL || *folder == NULL) return;
    for (size_t i = 0; i < ADCL__FOLDER_FILES; i++) adcl__tensor_file_close(&(*folder)->files[i]);
    adcl__host_set_release(&(*folder)->set);
    free((*folder)->adapters);
    free((*folder)->path);
    free(*folder);
    *folder = NULL;
}

/* ---- looking inside --------------------------------------------------------------------------*/

const adcl_adapter_set_params *adcl_adapter_folder_params(const adcl_adapter_folder *folder)
{
    return &folder->set.params;
}

const char *adcl_adapter_folder_model_type(const adcl_adapter_folder *folder)
{
    return adcl__model_family_name(folder->family);
}

size_t adcl_adapter_folder_hidden_size(const adcl_adapter_folder *folder)
{
    return folder->set.hidden_size;
}

size_t adcl_adapter_folder_layers(const adcl_adapter_folder *folder)
{
    return folder->set.layers;
}

size_t adcl_adapter_folder_parameter_count(const adcl_adapter_folder *folder)
{
    adcl__host_set set = folder->set; /* the walk only looks */
    size_t count = 0;
    (void)adcl__host_set_each(&set, add_numbers, &count);
    return count;
}

adcl_dtype adcl_adapter_folder_dtype(const adcl_adapter_folder *folder)
{
    return folder->set.stored;
}

int adcl_adapter_folder_is_pickle(const adcl_adapter_folder *folder)
{
    for (size_t i = 0; i < ADCL__FOLDER_FILES; i++)
        if (folder->files[i].pickle != NULL) return 1;
    return 0;
}

size_t adcl_adapter_folder_count(const adcl_adapter_folder *folder)
{
    return folder->adapter_count;
}

const adcl_adapter_folder_info *adcl_adapter_folder_get(const adcl_adapter_folder *folder,
                                                        size_t index)
{
    return index < folder->adapter_count ? &folder->adapters[index] : NULL;
}

size_t adcl_adapter_folder_tensor_count(const adcl_adapter_folder *folder)
{
    size_t count = 0;
    for (size_t i = 0; i < ADCL__FOLDER_FILES; i++) count += folder->files[i].count;
    return count;
}

int adcl_adapter_folder_tensor_get(const adcl_adapter_folder *folder, size_t index,
                                   adcl_adapter_folder_tensor *out)
{
    for (size_t i = 0; i < ADCL__FOLDER_FILES; i++) {
        const adcl__tensor_file *file = &folder->files[i];
        if (index < file->count) {
            *out = (adcl_adapter_folder_tensor){file->path, adcl__tensor_file_get(file, index)};
            return 1;
        }
        index -= file->count;
    }
    return 0;
}

/* ---- choosing --------------------------------------------------------------------------------*/

/* Says which adapters there are, as far as a sentence takes them. */
static adcl_status refuse_choice(const adcl_adapter_folder *f, size_t fitting, adcl_error *error)
{
    adcl__text list = {0};
    for (size_t i = 0; i < f->adapter_count; i++)
        adcl__text_append(&list, "%slayer %zu %s", i == 0 ? "" : ", ", f->adapters[i].layer,
                          adcl_adapter_place_name(f->adapters[i].place));
    const char *all = list.failed ? "…" : list.bytes == NULL ? "none" : list.bytes;
    adcl_status status;
    if (fitting == 0)
        status = adcl__error_set(error, ADCL_ERR_NOT_FOUND, 0,
                                 "%s: no adapter is in that layer and place; there are: %s",
                                 f->path, all);
    else
        status = adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                                 "%s: expected the layer and place of one of its adapters: %s",
                                 f->path, all);
    adcl__text_free(&list);
    return status;
}

adcl_status adcl_adapter_folder_find(const adcl_adapter_folder *folder, const size_t *layer,
                                     const adcl_adapter_place *place, size_t *index,
                                     adcl_error *error)
{
    size_t fitting = 0, found = 0;
    if (folder == NULL || index == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter folder: expected a folder and a place for the index, got "
                               "NULL");
    for (size_t i = 0; i < folder->adapter_count; i++) {
        const adcl_adapter_folder_info *info = &folder->adapters[i];
        if ((layer != NULL && *layer != info->layer) || (place != NULL && *place != info->place))
            continue;
        found = i;
        fitting++;
    }
    if (fitting != 1) return refuse_choice(folder, fitting, error);
    *index = found;
    return ADCL_OK;
}
