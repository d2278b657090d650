/* SPDX-License-Identifier: MIT */
/* safetensors.c – reading. A file is
 *
 *     ┌──────────┬───────────────────────────────┬──────────────────────────────────────┐
 *     │ N        │ JSON object, padded by spaces │ data of all tensors, without a hole  │
 *     │ 8 bytes  │ N bytes                       │ to the end of the file               │
 *     └──────────┴───────────────────────────────┴──────────────────────────────────────┘
 *     {"__metadata__": {"key": "value", …},
 *      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …}
 *
 * Offsets count from the first byte of data. Every size is checked against the bytes that are there
 * before anything is allocated or read with it. */
#include "io/safetensors_parse.h"

#include "base/platform.h"
#include "io/array.h"
#include "io/describe.h"

#include <jansson.h>

#include <stdlib.h>

struct adcl_safetensors {
    adcl__file_view view; /* all zeros if the bytes are borrowed */
    json_t *header;       /* holds all names and strings */
    adcl_safetensors_entry *entries; /* by place */
    const adcl_safetensors_entry **by_name;
    size_t count;
    size_t *shapes; /* those of all entries, one behind the other */
    adcl_metadata *metadata;
    size_t metadata_count;
};

/* What the steps of reading share. */
typedef struct reader {
    const char *path;
    adcl_error *error;
    adcl_safetensors *file;
    const unsigned char *data; /* first byte behind the header */
    size_t data_size;
    size_t *next_shape; /* where in file->shapes the next shape goes */
} reader;

static adcl_status out_of_memory(const reader *in)
{
    return adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           in->path);
}

/* ---- the JSON object -------------------------------------------------------------------------*/

static adcl_status check_header_bounds(const reader *in, const unsigned char *bytes, size_t size,
                                       size_t *header_size)
{
    uint64_t length;
    if (size < sizeof length)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: not a safetensors file: expected at least 8 bytes, got %zu",
                               in->path, size);
    memcpy(&length, bytes, sizeof length);
    if (length > ADCL__SAFETENSORS_MAX_HEADER)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: not a safetensors file: expected a header of at most %zu "
                               "bytes, got %llu",
                               in->path, ADCL__SAFETENSORS_MAX_HEADER, (unsigned long long)length);
    if (length > size - sizeof length)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: truncated: expected a header of %llu bytes, got %zu", in->path,
                               (unsigned long long)length, size - sizeof length);
    *header_size = (size_t)length;
    return ADCL_OK;
}

/* Jansson refuses what is not UTF-8 and keys given twice. It would also take white space of any
 * kind around the object, where the format has spaces behind it only. */
static adcl_status parse_json(const reader *in, const char *text, size_t size)
{
    size_t used = size;
    while (used > 0 && text[used - 1] == ' ') used--;
    if (used == 0 || text[0] != '{' || text[used - 1] != '}')
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: header: expected a JSON object, padded with spaces only",
                               in->path);
    json_error_t why;
    in->file->header = json_loadb(text, used, JSON_REJECT_DUPLICATES, &why);
    if (in->file->header != NULL) return ADCL_OK;
    if (json_error_code(&why) == json_error_out_of_memory) return out_of_memory(in);
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                           "%s: header: expected JSON, got at byte %d: %s", in->path, why.position,
                           adcl__describe_name(why.text).text);
}

/* *out = a JSON integer that is a size. Floats such as 3.0 are none. */
static bool read_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (size_t)json_integer_value(value);
    return (json_int_t)*out == json_integer_value(value);
}

/* ---- metadata --------------------------------------------------------------------------------*/

static adcl_status read_metadata(reader *in)
{
    json_t *object = json_object_get(in->file->header, ADCL__SAFETENSORS_METADATA);
    if (object == NULL) return ADCL_OK;
    if (!json_is_object(object))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: __metadata__: expected an object of strings", in->path);
    in->file->metadata = calloc(json_object_size(object) + 1, sizeof *in->file->metadata);
    if (in->file->metadata == NULL) return out_of_memory(in);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (!json_is_string(value))
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s: __metadata__: expected a string under %s, got another type",
                                   in->path, adcl__describe_name(key).text);
        in->file->metadata[in->file->metadata_count++] =
            (adcl_metadata){key, json_string_value(value)};
    }
    return ADCL_OK;
}

/* ---- tensors ---------------------------------------------------------------------------------*/

static adcl_status read_dtype(const reader *in, adcl_safetensors_entry *entry, const json_t *value)
{
    const char *name = json_string_value(value);
    if (name == NULL)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: dtype: expected a string", in->path,
                               adcl__describe_name(entry->name).text);
    for (int dtype = 0; adcl_dtype_size((adcl_dtype)dtype) != 0; dtype++)
        if (strcmp(name, adcl_dtype_name((adcl_dtype)dtype)) == 0) {
            entry->dtype = (adcl_dtype)dtype;
            return ADCL_OK;
        }
    return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                           "%s: tensor %s: expected a dtype such as F32, F16 or I64, got %s",
                           in->path, adcl__describe_name(entry->name).text,
                           adcl__describe_name(name).text);
}

/* The place for the shape was counted by allocate_entries. */
static adcl_status read_shape(reader *in, adcl_safetensors_entry *entry, const json_t *value)
{
    size_t rank = json_array_size(value);
    if (!json_is_array(value) || rank > ADCL_SAFETENSORS_MAX_RANK)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: shape: expected an array of at most %d sizes",
                               in->path, adcl__describe_name(entry->name).text,
                               ADCL_SAFETENSORS_MAX_RANK);
    for (size_t axis = 0; axis < rank; axis++)
        if (!read_size(json_array_get(value, axis), &in->next_shape[axis]))
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s: tensor %s: shape: expected non-negative integers", in->path,
                                   adcl__describe_name(entry->name).text);
    entry->rank = rank;
    entry->shape = in->next_shape;
    in->next_shape += rank;
    return ADCL_OK;
}

static adcl_status read_offsets(const reader *in, adcl_safetensors_entry *entry,
                                const json_t *value)
{
    size_t begin, end;
    if (json_array_size(value) != 2 || !read_size(json_array_get(value, 0), &begin) ||
        !read_size(json_array_get(value, 1), &end))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: data_offsets: expected two non-negative integers",
                               in->path, adcl__describe_name(entry->name).text);
    if (begin > end || end > in->data_size)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: data_offsets: expected begin ≤ end ≤ %zu (the bytes "
                               "of data in the file), got [%zu, %zu]",
                               in->path, adcl__describe_name(entry->name).text, in->data_size,
                               begin, end);
    entry->data = in->data + begin;
    entry->bytes = end - begin;
    return ADCL_OK;
}

static adcl_status check_bytes(const reader *in, const adcl_safetensors_entry *entry)
{
    size_t count, bytes;
    if (!adcl__array_size(entry->dtype, entry->rank, entry->shape, &count, &bytes))
        return adcl__error_set(in->error, ADCL_ERR_SIZE_OVERFLOW, 0,
                               "%s: tensor %s: the size of shape %s does not fit", in->path,
                               adcl__describe_name(entry->name).text,
                               adcl__describe_shape(entry->rank, entry->shape).text);
    if (bytes != entry->bytes)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected %zu bytes for %s of shape %s, got "
                               "data_offsets for %zu",
                               in->path, adcl__describe_name(entry->name).text, bytes,
                               adcl_dtype_name(entry->dtype),
                               adcl__describe_shape(entry->rank, entry->shape).text, entry->bytes);
    return ADCL_OK;
}

static adcl_status read_entry(reader *in, adcl_safetensors_entry *entry, const char *name,
                              const json_t *value)
{
    entry->name = name;
    const json_t *dtype = json_object_get(value, "dtype");
    const json_t *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");
    if (dtype == NULL || shape == NULL || offsets == NULL || json_object_size(value) != 3)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected an object of dtype, shape and "
                               "data_offsets, nothing else",
                               in->path, adcl__describe_name(name).text);
    ADCL_TRY(read_dtype(in, entry, dtype));
    ADCL_TRY(read_shape(in, entry, shape));
    ADCL_TRY(read_offsets(in, entry, offsets));
    return check_bytes(in, entry);
}

/* Makes room for all entries and their shapes. What is no array counts as 0 here and is refused
 * when its turn comes. */
static adcl_status allocate_entries(reader *in)
{
    size_t sizes = 0;
    const char *name;
    json_t *value;
    json_object_foreach(in->file->header, name, value)
        sizes += json_array_size(json_object_get(value, "shape"));
    size_t count = json_object_size(in->file->header);
    if (count > ADCL__SAFETENSORS_MAX_TENSORS + 1)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: header: expected at most %d tensors, got %zu keys", in->path,
                               ADCL__SAFETENSORS_MAX_TENSORS, count);
    in->file->entries = calloc(count + 1, sizeof *in->file->entries);
    in->file->by_name = calloc(count + 1, sizeof *in->file->by_name);
    in->file->shapes = calloc(sizes + 1, sizeof *in->file->shapes);
    if (in->file->entries == NULL || in->file->by_name == NULL || in->file->shapes == NULL)
        return out_of_memory(in);
    in->next_shape = in->file->shapes;
    return ADCL_OK;
}

/* By place. Empty tensors may share a place with one another and with the one that follows. */
static int compare_places(const void *left, const void *right)
{
    const adcl_safetensors_entry *a = left, *b = right;
    const unsigned char *a_data = a->data, *b_data = b->data;
    if (a_data != b_data) return a_data < b_data ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_names(const void *left, const void *right)
{
    const adcl_safetensors_entry *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static void sort_entries(adcl_safetensors *file)
{
    qsort(file->entries, file->count, sizeof *file->entries, compare_places);
    for (size_t i = 0; i < file->count; i++) file->by_name[i] = &file->entries[i];
    qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
}

/* The entries, in order, must cover the data from its first byte to its last. */
static adcl_status check_cover(const reader *in)
{
    const unsigned char *next = in->data;
    for (size_t i = 0; i < in->file->count; i++) {
        const adcl_safetensors_entry *entry = &in->file->entries[i];
        const unsigned char *begin = entry->data;
        if (begin != next)
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s: tensor %s: expected its data at offset %zu, where the data "
                                   "before it ends, got %zu",
                                   in->path, adcl__describe_name(entry->name).text,
                                   (size_t)(next - in->data), (size_t)(begin - in->data));
        next = begin + entry->bytes;
    }
    if ((size_t)(next - in->data) != in->data_size)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: expected %zu bytes of data, as the tensors need, got %zu",
                               in->path, (size_t)(next - in->data), in->data_size);
    return ADCL_OK;
}

static adcl_status read_entries(reader *in)
{
    ADCL_TRY(allocate_entries(in));
    const char *name;
    json_t *value;
    json_object_foreach(in->file->header, name, value) {
        if (strcmp(name, ADCL__SAFETENSORS_METADATA) == 0) continue;
        ADCL_TRY(read_entry(in, &in->file->entries[in->file->count], name, value));
        in->file->count++;
    }
    sort_entries(in->file);
    return check_cover(in);
}

/* ---- the whole -------------------------------------------------------------------------------*/

static adcl_status parse(reader *in, const unsigned char *bytes, size_t size)
{
    size_t header_size = 0;
    ADCL_TRY(check_header_bounds(in, bytes, size, &header_size));
    const unsigned char *header = bytes + sizeof(uint64_t);
    in->data = header + header_size;
    in->data_size = size - sizeof(uint64_t) - header_size;
    ADCL_TRY(parse_json(in, (const char *)header, header_size));
    ADCL_TRY(read_metadata(in));
    return read_entries(in);
}

adcl_status adcl__safetensors_parse(adcl_safetensors **out, const char *path,
                                    const unsigned char *bytes, size_t size, adcl_error *error)
{
    *out = NULL;
    adcl_safetensors *file = calloc(1, sizeof *file);
    reader in = {.path = path, .error = error, .file = file};
    if (file == NULL) return out_of_memory(&in);
    adcl_status status = parse(&in, bytes, size);
    if (status != ADCL_OK) {
        adcl_safetensors_destroy(&file);
        return status;
    }
    *out = file;
    return ADCL_OK;
}

adcl_status adcl_safetensors_load(adcl_safetensors **out, const char *path, adcl_error *error)
{
    *out = NULL;
    if (path == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "safetensors: expected the path of a file, got NULL");
    adcl__file_view view;
    ADCL_TRY(adcl__file_view_open(&view, path, error));
    adcl_status status = adcl__safetensors_parse(out, path, view.bytes, view.size, error);
    if (status == ADCL_OK)
        (*out)->view = view;
    else
        adcl__file_view_close(&view);
    return status;
}

void adcl_safetensors_destroy(adcl_safetensors **file)
{
    if (file == NULL || *file == NULL) return;
    json_decref((*file)->header);
    adcl__file_view_close(&(*file)->view);
    free((*file)->entries);
    free((*file)->by_name);
    free((*file)->shapes);
    free((*file)->metadata);
    free(*file);
    *file = NULL;
}

/* ---- looking inside --------------------------------------------------------------------------*/

size_t adcl_safetensors_count(const adcl_safetensors *file)
{
    return file->count;
}

const adcl_safetensors_entry *adcl_safetensors_get(const adcl_safetensors *file, size_t index)
{
    return index < file->count ? &file->entries[index] : NULL;
}

const adcl_safetensors_entry *adcl_safetensors_find(const adcl_safetensors *file, const char *name)
{
    const adcl_safetensors_entry wanted = {.name = name}, *key = &wanted;
    const adcl_safetensors_entry *const *found =
        bsearch(&key, file->by_name, file->count, sizeof key, compare_names);
    return found != NULL ? *found : NULL;
}

size_t adcl_safetensors_metadata_count(const adcl_safetensors *file)
{
    return file->metadata_count;
}

const adcl_metadata *adcl_safetensors_metadata_get(const adcl_safetensors *file, size_t index)
{
    return index < file->metadata_count ? &file->metadata[index] : NULL;
}

const char *adcl_safetensors_metadata_find(const adcl_safetensors *file, const char *key)
{
    const json_t *object = json_object_get(file->header, ADCL__SAFETENSORS_METADATA);
    return json_string_value(json_object_get(object, key));
}
