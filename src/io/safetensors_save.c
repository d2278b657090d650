/* SPDX-License-Identifier: MIT */
/* safetensors_save.c – writing. The picture of a file is in safetensors.c.
 *
 * Tensors of wide elements come first, so that every tensor is aligned to its own elements without
 * a hole; among equals the name decides. The header names them in the same order, after the
 * metadata, and is padded so that the data begins at a multiple of 8. */
#include "io/safetensors_parse.h"

#include "base/platform.h"
#include "base/text.h"
#include "io/array.h"
#include "io/describe.h"

#include <jansson.h>

#include <stdlib.h>

enum { header_alignment = 8 };

/* What the steps of writing share. */
typedef struct writer {
    const char *path;
    adcl_error *error;
    const adcl_safetensors_entry **order; /* the entries in the order of the file */
    size_t count;
    const adcl_metadata *metadata;
    size_t metadata_count;
} writer;

static adcl_status out_of_memory(const writer *to)
{
    return adcl__error_set(to->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to write it",
                           to->path);
}

/* ---- checking what the caller gave -----------------------------------------------------------*/

static adcl_status check_string(const writer *to, const char *what, const char *text)
{
    if (text != NULL && adcl__utf8_valid(text, strlen(text))) return ADCL_OK;
    return adcl__error_set(to->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                           "%s: %s: expected UTF-8, got %s", to->path, what,
                           text == NULL ? "NULL" : "other bytes");
}

static adcl_status check_shape(const writer *to, const adcl_safetensors_entry *entry)
{
    if (entry->rank > ADCL_SAFETENSORS_MAX_RANK || (entry->rank > 0 && entry->shape == NULL))
        return adcl__error_set(to->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: tensor %s: expected a shape of at most %d sizes, got %zu%s",
                               to->path, adcl__describe_name(entry->name).text,
                               ADCL_SAFETENSORS_MAX_RANK, entry->rank,
                               entry->shape == NULL ? " (NULL)" : "");
    size_t count, bytes = 0;
    bool fits = adcl__array_size(entry->dtype, entry->rank, entry->shape, &count, &bytes);
    /* JSON integers have a sign; beside a size of 0 there may be one that needs the last bit. */
    for (size_t axis = 0; axis < entry->rank; axis++)
        fits = fits && entry->shape[axis] <= PTRDIFF_MAX;
    if (!fits)
        return adcl__error_set(to->error, ADCL_ERR_SIZE_OVERFLOW, 0,
                               "%s: tensor %s: the size of shape %s does not fit", to->path,
                               adcl__describe_name(entry->name).text,
                               adcl__describe_shape(entry->rank, entry->shape).text);
    if (bytes != entry->bytes || (bytes > 0 && entry->data == NULL))
        return adcl__error_set(to->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: tensor %s: expected %zu bytes for %s of shape %s, got %zu%s",
                               to->path, adcl__describe_name(entry->name).text, bytes,
                               adcl_dtype_name(entry->dtype),
                               adcl__describe_shape(entry->rank, entry->shape).text, entry->bytes,
                               entry->data == NULL ? " (NULL)" : "");
    return ADCL_OK;
}

static adcl_status check_entry(const writer *to, const adcl_safetensors_entry *entry)
{
    ADCL_TRY(check_string(to, "a tensor's name", entry->name));
    if (strcmp(entry->name, ADCL__SAFETENSORS_METADATA) == 0)
        return adcl__error_set(to->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: no tensor can be called %s", to->path, entry->name);
    if (adcl_dtype_size(entry->dtype) == 0)
        return adcl__error_set(to->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: tensor %s: expected a dtype of dtype.h, got %d", to->path,
                               adcl__describe_name(entry->name).text, (int)entry->dtype);
    return check_shape(to, entry);
}

/* ---- the order of the file -------------------------------------------------------------------*/

static int compare_entries(const void *left, const void *right)
{
    const adcl_safetensors_entry *a = *(const adcl_safetensors_entry *const *)left;
    const adcl_safetensors_entry *b = *(const adcl_safetensors_entry *const *)right;
    size_t a_size = adcl_dtype_size(a->dtype), b_size = adcl_dtype_size(b->dtype);
    if (a_size != b_size) return a_size > b_size ? -1 : 1;
    return strcmp(a->name, b->name);
}

static adcl_status make_order(writer *to, const adcl_safetensors_entry *entries, size_t count)
{
    if (count > ADCL__SAFETENSORS_MAX_TENSORS)
        return adcl__error_set(to->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected at most %d tensors, got %zu", to->path,
                               ADCL__SAFETENSORS_MAX_TENSORS, count);
    to->order = calloc(count + 1, sizeof *to->order);
    if (to->order == NULL) return out_of_memory(to);
    for (to->count = 0; to->count < count; to->count++) {
        ADCL_TRY(check_entry(to, &entries[to->count]));
        to->order[to->count] = &entries[to->count];
    }
    qsort(to->order, count, sizeof *to->order, compare_entries);
    return ADCL_OK;
}

/* ---- the header ------------------------------------------------------------------------------*/

/* Adds `value`, whose reference is taken in any case; NULL stands for memory that ran out. */
static adcl_status add_once(const writer *to, json_t *object, const char *what, const char *key,
                            json_t *value)
{
    if (json_object_get(object, key) != NULL) {
        json_decref(value);
        return adcl__error_set(to->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected different names, got %s %s twice", to->path, what,
                               adcl__describe_name(key).text);
    }
    return json_object_set_new(object, key, value) != 0 ? out_of_memory(to) : ADCL_OK;
}

static adcl_status add_metadata(const writer *to, json_t *header)
{
    if (to->metadata_count == 0) return ADCL_OK;
    json_t *object = json_object();
    ADCL_TRY(add_once(to, header, "key", ADCL__SAFETENSORS_METADATA, object));
    for (size_t i = 0; i < to->metadata_count; i++) {
        const adcl_metadata *item = &to->metadata[i];
        ADCL_TRY(check_string(to, "a metadata key", item->key));
        ADCL_TRY(check_string(to, adcl__describe_name(item->key).text, item->value));
        ADCL_TRY(add_once(to, object, "metadata key", item->key, json_string(item->value)));
    }
    return ADCL_OK;
}

/* NULL when memory runs out. */
static json_t *sizes_to_json(size_t count, const size_t *sizes)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_integer((json_int_t)sizes[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* NULL when memory runs out. */
static json_t *entry_to_json(const adcl_safetensors_entry *entry, size_t begin, size_t end)
{
    json_t *object = json_object();
    const char *dtype = adcl_dtype_name(entry->dtype);
    const size_t place[] = {begin, end};
    if (json_object_set_new(object, "dtype", json_string(dtype)) != 0 ||
        json_object_set_new(object, "shape", sizes_to_json(entry->rank, entry->shape)) != 0 ||
        json_object_set_new(object, "data_offsets", sizes_to_json(2, place)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static adcl_status add_entries(const writer *to, json_t *header)
{
    size_t begin = 0;
    for (size_t i = 0; i < to->count; i++) {
        const adcl_safetensors_entry *entry = to->order[i];
        size_t end = 0;
        if (!adcl__size_add(begin, entry->bytes, &end) || end > PTRDIFF_MAX)
            return adcl__error_set(to->error, ADCL_ERR_SIZE_OVERFLOW, 0,
                                   "%s: the sum of all tensors' bytes does not fit", to->path);
        ADCL_TRY(add_once(to, header, "tensor", entry->name, entry_to_json(entry, begin, end)));
        begin = end;
    }
    return ADCL_OK;
}

/* *text = the header's JSON, to be freed by the caller. */
static adcl_status make_header(const writer *to, char **text)
{
    json_t *header = json_object();
    adcl_status status = add_metadata(to, header);
    if (status == ADCL_OK) status = add_entries(to, header);
    *text = status == ADCL_OK ? json_dumps(header, JSON_COMPACT) : NULL;
    if (status == ADCL_OK && *text == NULL) status = out_of_memory(to);
    json_decref(header);
    return status;
}

/* ---- the file --------------------------------------------------------------------------------*/

static adcl_status write_header(const writer *to, adcl__new_file *file, const char *text)
{
    static const char spaces[] = "       "; /* one less than the alignment */
    size_t length = strlen(text);
    uint64_t padded = adcl__round_up(length, header_alignment);
    if (padded > ADCL__SAFETENSORS_MAX_HEADER)
        return adcl__error_set(to->error, ADCL_ERR_SIZE_OVERFLOW, 0,
                               "%s: expected names and strings of at most %zu bytes, got %zu",
                               to->path, ADCL__SAFETENSORS_MAX_HEADER, length);
    ADCL_TRY(adcl__new_file_write(file, &padded, sizeof padded, to->error));
    ADCL_TRY(adcl__new_file_write(file, text, length, to->error));
    return adcl__new_file_write(file, spaces, (size_t)padded - length, to->error);
}

static adcl_status write_file(const writer *to, const char *text)
{
    adcl__new_file *file;
    ADCL_TRY(adcl__new_file_create(&file, to->path, to->error));
    adcl_status status = write_header(to, file, text);
    for (size_t i = 0; i < to->count && status == ADCL_OK; i++)
        status = adcl__new_file_write(file, to->order[i]->data, to->order[i]->bytes, to->error);
    if (status == ADCL_OK) return adcl__new_file_commit(&file, to->error);
    adcl__new_file_discard(&file);
    return status;
}

adcl_status adcl_safetensors_save(const char *path, const adcl_safetensors_entry *entries,
                                  size_t entry_count, const adcl_metadata *metadata,
                                  size_t metadata_count, adcl_error *error)
{
    if (path == NULL || (entries == NULL && entry_count > 0) ||
        (metadata == NULL && metadata_count > 0))
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "safetensors: expected a path, entries and metadata, got NULL");
    writer to = {.path = path, .error = error, .metadata = metadata,
                 .metadata_count = metadata_count};
    char *text = NULL;
    adcl_status status = make_order(&to, entries, entry_count);
    if (status == ADCL_OK) status = make_header(&to, &text);
    if (status == ADCL_OK) status = write_file(&to, text);
    free(text);
    free(to.order);
    return status;
}
