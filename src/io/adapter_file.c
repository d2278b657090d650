/* SPDX-License-Identifier: MIT */
/* adapter_file.c – reading native adapter files. Every tensor must belong to an adapter and every
 * adapter must be whole: what is not understood would be lost when the file is written again. */
#include <adapter_cl/adapter_file.h>

#include "adapter/adapter.h"
#include "base/text.h"
#include "io/adapter_key.h"
#include "io/adapter_metadata.h"
#include "io/describe.h"
#include "runtime/context.h"

#include <stdlib.h>
#include <string.h>

typedef struct stored_adapter {
    adcl_adapter_file_info info; /* borrows name and values */
    char *name;
    float *values;  /* of all slots, one behind the other */
    size_t up_rows; /* of the up kernel: R; 1 for log_sumexp */
} stored_adapter;

struct adcl_adapter_file {
    char *path; /* for sentences */
    adcl_safetensors *tensors;
    stored_adapter *adapters;
    size_t count;
};

/* What the steps of reading share. */
typedef struct reader {
    const char *path;
    adcl_error *error;
    adcl_adapter_file *file;
} reader;

static adcl_status out_of_memory(const reader *in)
{
    return adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           in->path);
}

/* ---- names -----------------------------------------------------------------------------------*/

/* Splits <name>_<slot>: the slot, and the length of the name; false for a key of another form. */
static bool split_key(const char *key, adcl_adapter_slot *slot, size_t *name_length)
{
    size_t length = strlen(key);
    for (int i = 0; i < ADCL_ADAPTER_SLOT_COUNT; i++) {
        const char *ending = adcl_adapter_slot_name((adcl_adapter_slot)i);
        size_t ending_length = strlen(ending);
        if (length <= ending_length) continue;
        *name_length = length - ending_length - 1;
        *slot = (adcl_adapter_slot)i;
        if (key[*name_length] == '_' && strcmp(key + *name_length + 1, ending) == 0) return true;
    }
    return false;
}

/* Takes the adapter's name out of a tensor's. */
static adcl_status read_name(const reader *in, const char *key,
                             char name[ADCL_ADAPTER_NAME_BYTES + 1], adcl_adapter_slot *slot)
{
    size_t length = 0;
    if (!split_key(key, slot, &length))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: expected tensors called <name>_down.kernel, <name>_down.bias, "
                               "<name>_up.kernel and <name>_up.bias, got %s",
                               in->path, adcl__describe_name(key).text);
    bool valid = length >= 1 && length <= ADCL_ADAPTER_NAME_BYTES;
    for (size_t i = 0; i < length; i++)
        valid = valid && (unsigned char)key[i] >= 0x20 && key[i] != 0x7F;
    if (!valid)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected an adapter's name of 1 to %d bytes, "
                               "without control characters, before _%s",
                               in->path, adcl__describe_name(key).text, ADCL_ADAPTER_NAME_BYTES,
                               adcl_adapter_slot_name(*slot));
    memcpy(name, key, length);
    name[length] = '\0';
    return ADCL_OK;
}

/* ---- one adapter -----------------------------------------------------------------------------*/

static adcl_status check_tensor(const reader *in, const adcl_safetensors_entry *entry, size_t rank,
                                const size_t *shape)
{
    bool equal = entry->rank == rank;
    for (size_t axis = 0; axis < rank && equal; axis++) equal = entry->shape[axis] == shape[axis];
    if (!equal)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected shape %s, got %s", in->path,
                               adcl__describe_name(entry->name).text,
                               adcl__describe_shape(rank, shape).text,
                               adcl__describe_shape(entry->rank, entry->shape).text);
    if (entry->dtype != ADCL_F32)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: tensor %s: expected F32, got %s", in->path,
                               adcl__describe_name(entry->name).text,
                               adcl_dtype_name(entry->dtype));
    return ADCL_OK;
}

/* Finds the sizes in the down kernel, and checks that the other tensors agree. */
static adcl_status read_sizes(const reader *in, stored_adapter *adapter,
                              const adcl_safetensors_entry *const entries[])
{
    const adcl_safetensors_entry *down = entries[ADCL_DOWN_KERNEL], *up = entries[ADCL_UP_KERNEL];
    if (down->rank != 2 || down->shape[0] == 0 || down->shape[1] == 0)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected shape (hidden_size, bottleneck_size), got "
                               "%s",
                               in->path, adcl__describe_name(down->name).text,
                               adcl__describe_shape(down->rank, down->shape).text);
    size_t d = down->shape[0], r = down->shape[1];
    adapter->up_rows = up->rank == 2 && up->shape[0] == 1 ? 1 : r;
    ADCL_TRY(check_tensor(in, down, 2, (const size_t[]){d, r}));
    ADCL_TRY(check_tensor(in, entries[ADCL_DOWN_BIAS], 1, &r));
    ADCL_TRY(check_tensor(in, up, 2, (const size_t[]){adapter->up_rows, d}));
    ADCL_TRY(check_tensor(in, entries[ADCL_UP_BIAS], 1, &d));
    adapter->info.hidden_size = d;
    adapter->info.bottleneck_size = r;
    return ADCL_OK;
}

/* Copies the values to where floats may lie; the file has them at any byte. */
static adcl_status copy_values(const reader *in, stored_adapter *adapter,
                               const adcl_safetensors_entry *const entries[])
{
    size_t bytes = 0; /* cannot overflow: they are all in memory */
    for (size_t slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) bytes += entries[slot]->bytes;
    adapter->values = malloc(bytes);
    if (adapter->values == NULL) return out_of_memory(in);
    float *next = adapter->values;
    for (size_t slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        memcpy(next, entries[slot]->data, entries[slot]->bytes);
        adapter->info.values[slot] = next;
        next += entries[slot]->bytes / sizeof *next;
    }
    adapter->info.parameter_count = bytes / sizeof *next;
    return ADCL_OK;
}

static adcl_status find_tensor(const reader *in, const char *name, adcl_adapter_slot slot,
                               const adcl_safetensors_entry **entry)
{
    adcl__adapter_key key = adcl__adapter_tensor_key(name, slot);
    *entry = adcl_safetensors_find(in->file->tensors, key.text);
    if (*entry != NULL) return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                           "%s: adapter %s: expected tensor %s, got none of that name", in->path,
                           adcl__describe_name(name).text, adcl__describe_name(key.text).text);
}

static adcl_status read_tensors(const reader *in, stored_adapter *adapter, const char *name)
{
    const adcl_safetensors_entry *entries[ADCL_ADAPTER_SLOT_COUNT];
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        ADCL_TRY(find_tensor(in, name, (adcl_adapter_slot)slot, &entries[slot]));
    adapter->info.name = adapter->name = adcl__string_copy(name);
    if (adapter->name == NULL) return out_of_memory(in);
    ADCL_TRY(read_sizes(in, adapter, entries));
    return copy_values(in, adapter, entries);
}

/* log_sumexp has an up kernel of another shape than all other activations. */
static bool fits_activation(const stored_adapter *adapter, adcl_activation activation)
{
    return adapter->up_rows == adcl_activation_width(activation, adapter->info.bottleneck_size);
}

static adcl_status read_options(const reader *in, stored_adapter *adapter)
{
    adcl_adapter_file_info *info = &adapter->info;
    ADCL_TRY(adcl__adapter_metadata_read(info, in->file->tensors, in->path, in->error));
    if (!fits_activation(adapter, info->activation))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: adapter %s: expected an up kernel of %zu rows for activation "
                               "%s, got %zu",
                               in->path, adcl__describe_name(info->name).text,
                               adcl_activation_width(info->activation, info->bottleneck_size),
                               adcl_activation_name(info->activation), adapter->up_rows);
    return ADCL_OK;
}

static adcl_status read_adapter(const reader *in, stored_adapter *adapter, const char *name,
                                bool native)
{
    adapter->info.scaling = 1.0f;
    ADCL_TRY(read_tensors(in, adapter, name));
    return native ? read_options(in, adapter) : ADCL_OK;
}

/* ---- the whole file --------------------------------------------------------------------------*/

/* Counts the adapters by their down kernels. Every other tensor must stand beside one. */
static adcl_status count_adapters(const reader *in, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < adcl_safetensors_count(in->file->tensors); i++) {
        char name[ADCL_ADAPTER_NAME_BYTES + 1];
        adcl_adapter_slot slot;
        const adcl_safetensors_entry *down;
        ADCL_TRY(read_name(in, adcl_safetensors_get(in->file->tensors, i)->name, name, &slot));
        ADCL_TRY(find_tensor(in, name, ADCL_DOWN_KERNEL, &down));
        if (slot == ADCL_DOWN_KERNEL) ++*count;
    }
    if (*count > 0) return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                           "%s: expected an adapter, got a file without tensors", in->path);
}

static adcl_status read_adapters(const reader *in, bool native)
{
    adcl_adapter_file *file = in->file;
    size_t count = 0;
    ADCL_TRY(count_adapters(in, &count));
    file->adapters = calloc(count, sizeof *file->adapters);
    if (file->adapters == NULL) return out_of_memory(in);
    for (size_t i = 0; file->count < count; i++) {
        char name[ADCL_ADAPTER_NAME_BYTES + 1];
        adcl_adapter_slot slot;
        ADCL_TRY(read_name(in, adcl_safetensors_get(file->tensors, i)->name, name, &slot));
        if (slot == ADCL_DOWN_KERNEL)
            ADCL_TRY(read_adapter(in, &file->adapters[file->count++], name, native));
    }
    return ADCL_OK;
}

/* The plain strings of a native file are those of the adapter that they name. */
static adcl_status check_first_name(const reader *in)
{
    const char *name = adcl_safetensors_metadata_find(in->file->tensors, "name");
    for (size_t i = 0; name != NULL && i < in->file->count; i++)
        if (strcmp(in->file->adapters[i].name, name) == 0) return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                           "%s: metadata name: expected the name of an adapter in the file, got %s",
                           in->path, name == NULL ? "none" : adcl__describe_name(name).text);
}

static adcl_status read_file(const reader *in)
{
    bool native = false;
    ADCL_TRY(adcl_safetensors_load(&in->file->tensors, in->path, in->error));
    if ((in->file->path = adcl__string_copy(in->path)) == NULL) return out_of_memory(in);
    ADCL_TRY(adcl__adapter_metadata_check_format(in->file->tensors, in->path, &native, in->error));
    ADCL_TRY(read_adapters(in, native));
    return native ? check_first_name(in) : ADCL_OK;
}

adcl_status adcl_adapter_file_load(adcl_adapter_file **out, const char *path, adcl_error *error)
{
    *out = NULL;
    adcl_adapter_file *file = calloc(1, sizeof *file);
    reader in = {path, error, file};
    adcl_status status = file == NULL ? out_of_memory(&in) : read_file(&in);
    if (status != ADCL_OK) {
        adcl_adapter_file_destroy(&file);
        return status;
    }
    *out = file;
    return ADCL_OK;
}

void adcl_adapter_file_destroy(adcl_adapter_file **file)
{
    if (file == NULL || *file == NULL) return;
    for (size_t i = 0; i < (*file)->count; i++) {
        free((*file)->adapters[i].name);
        free((*file)->adapters[i].values);
    }
    free((*file)->adapters);
    free((*file)->path);
    adcl_safetensors_destroy(&(*file)->tensors);
    free(*file);
    *file = NULL;
}

/* ---- looking inside --------------------------------------------------------------------------*/

size_t adcl_adapter_file_count(const adcl_adapter_file *file)
{
    return file->count;
}

const adcl_adapter_file_info *adcl_adapter_file_get(const adcl_adapter_file *file, size_t index)
{
    return index < file->count ? &file->adapters[index].info : NULL;
}

const adcl_safetensors *adcl_adapter_file_safetensors(const adcl_adapter_file *file)
{
    return file->tensors;
}

/* Says that no adapter was chosen, and which there are. */
static adcl_status refuse_choice(const adcl_adapter_file *file, const char *name, adcl_error *error)
{
    adcl__text list = {0};
    for (size_t i = 0; i < file->count; i++)
        adcl__text_append(&list, i == 0 ? "%s" : ", %s", file->adapters[i].name);
    const char *names = list.failed ? "…" : list.bytes;
    adcl_status status;
    if (name == NULL)
        status = adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                                 "%s: expected the name of one of its %zu adapters: %s", file->path,
                                 file->count, names);
    else
        status = adcl__error_set(error, ADCL_ERR_NOT_FOUND, 0,
                                 "%s: no adapter is called %s; expected one of: %s", file->path,
                                 adcl__describe_name(name).text, names);
    adcl__text_free(&list);
    return status;
}

adcl_status adcl_adapter_file_find(const adcl_adapter_file *file, const char *name, size_t *index,
                                   adcl_error *error)
{
    if (file == NULL || index == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "adapter file: expected an open file and a place for the index, got "
                               "NULL");
    bool only = name == NULL && file->count == 1;
    for (size_t i = 0; i < file->count; i++)
        if (only || (name != NULL && strcmp(file->adapters[i].name, name) == 0)) {
            *index = i;
            return ADCL_OK;
        }
    return refuse_choice(file, name, error);
}

/* ---- making adapters -------------------------------------------------------------------------*/

/* What the caller wants besides what the file says. */
static adcl_status read_wishes(adcl_context *ctx, const adcl_adapter_file *file,
                               const stored_adapter *adapter, const adcl_adapter_params *params,
                               adcl_adapter_params *wishes)
{
    const adcl_adapter_file_info *info = &adapter->info;
    ADCL_TRY(adcl__read_params(adcl__context_error(ctx), "adapter params", wishes, sizeof *wishes,
                               params));
    if ((wishes->hidden_size != 0 && wishes->hidden_size != info->hidden_size) ||
        (wishes->bottleneck_size != 0 && wishes->bottleneck_size != info->bottleneck_size))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: adapter %s: expected hidden_size %zu and bottleneck_size %zu, as "
                          "the file has (or 0), got %zu and %zu",
                          file->path, info->name, info->hidden_size, info->bottleneck_size,
                          wishes->hidden_size, wishes->bottleneck_size);
    if (params == NULL && !info->has_activation)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: adapter %s: expected params with the activation, which the file "
                          "does not say",
                          file->path, info->name);
    if (info->has_activation) wishes->activation = info->activation;
    if (!fits_activation(adapter, wishes->activation))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: adapter %s: expected an activation that fits its up kernel of %zu "
                          "rows, got %s",
                          file->path, info->name, adapter->up_rows,
                          adcl_activation_name(wishes->activation));
    return ADCL_OK;
}

static adcl_status upload(adcl_context *ctx, adcl_adapter *adapter,
                          const adcl_adapter_file_info *info)
{
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        adcl_tensor *tensor = adapter->values[slot];
        size_t count = adcl_tensor_rows(tensor) * adcl_tensor_cols(tensor);
        ADCL_TRY(adcl_tensor_write(ctx, tensor, info->values[slot], count * sizeof(float)));
    }
    return ADCL_OK;
}

adcl_status adcl_adapter_file_create_adapter(adcl_adapter **out, adcl_context *ctx,
                                             const adcl_adapter_file *file, size_t index,
                                             const adcl_adapter_params *params)
{
    *out = NULL;
    if (file == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter file: expected an open file, got NULL");
    if (index >= file->count)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: expected the index of one of its %zu adapters, got %zu", file->path,
                          file->count, index);
    const stored_adapter *stored = &file->adapters[index];
    const adcl_adapter_file_info *info = &stored->info;
    adcl_adapter_params made = ADCL_ADAPTER_PARAMS_INIT;
    ADCL_TRY(read_wishes(ctx, file, stored, params, &made));
    made.struct_size = sizeof made;
    made.hidden_size = info->hidden_size;
    made.bottleneck_size = info->bottleneck_size;
    made.name = info->name;
    made.init = ADCL_INIT_IDENTITY;
    made.scaling = info->scaling;
    if (made.dropout == 0.0f) made.dropout = info->dropout;
    made.parallel = info->parallel;
    adcl_adapter *adapter;
    ADCL_TRY(adcl_adapter_create(&adapter, ctx, &made));
    adcl_status status = upload(ctx, adapter, info);
    if (status != ADCL_OK) {
        adcl_adapter_destroy(&adapter);
        return status;
    }
    *out = adapter;
    return ADCL_OK;
}

adcl_status adcl_adapter_load(adcl_adapter **out, adcl_context *ctx, const char *path,
                              const char *name)
{
    *out = NULL;
    adcl_adapter_file *file;
    ADCL_TRY(adcl_adapter_file_load(&file, path, adcl__context_error(ctx)));
    size_t index;
    adcl_status status = adcl_adapter_file_find(file, name, &index, adcl__context_error(ctx));
    if (status == ADCL_OK) status = adcl_adapter_file_create_adapter(out, ctx, file, index, NULL);
    adcl_adapter_file_destroy(&file);
    return status;
}
