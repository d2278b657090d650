/* SPDX-License-Identifier: MIT */
/* pickle.c – a file of torch.save is a zip file, uncompressed, of
 *
 *     NAME/data.pkl    the pickle       NAME/byteorder   "little" (may be missing)
 *     NAME/data/KEY    the numbers of the storage KEY, one file for each
 *
 * Storages are read into memory once each, however many tensors share them. */
#include "encoder/pickle.h"

#include "encoder/pickle_machine.h"

#include "base/platform.h"
#include "base/size.h"
#include "base/text.h"
#include "io/array.h"
#include "io/describe.h"

#include <zip.h>

#include <stdlib.h>
#include <string.h>

/* Far more than any folder of adapters has; keeps the work on a hostile file small. */
#define TENSORS_MOST 10000
#define PROGRAM_BYTES_MOST ((size_t)4 << 20)

typedef struct storage {
    char *key;
    unsigned char *bytes;
    size_t count;
    adcl_dtype dtype;
} storage;

typedef struct tensor {
    char *name;
    size_t *shape;
    unsigned char *gathered; /* its numbers, where they do not lie dense in the storage */
    adcl_safetensors_entry entry;
} tensor;

struct adcl__pickle {
    storage *storages;
    size_t storage_count, storage_capacity;
    tensor *tensors;
    size_t tensor_count, tensor_capacity;
};

/* What the steps of reading share. */
typedef struct reader {
    const char *path;
    adcl_error *error;
    adcl__pickle *out;
    zip_t *zip;
    char *folder; /* NAME */
    size_t bytes_left; /* that may still be read: all of the archive's together fit in the file */
} reader;

static adcl_status out_of_memory(const reader *in)
{
    return adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           in->path);
}

/* ---- the zip file ----------------------------------------------------------------------------*/

static adcl_status fail_zip(const reader *in, const char *name, zip_error_t *why)
{
    if (zip_error_code_zip(why) == ZIP_ER_MEMORY) return out_of_memory(in);
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0, "%s: %s: %s", in->path,
                           adcl__describe_name(name).text, zip_error_strerror(why));
}

static adcl_status read_bytes(const reader *in, zip_uint64_t index, const char *name,
                              unsigned char *bytes, size_t size)
{
    zip_file_t *file = zip_fopen_index(in->zip, index, 0);
    if (file == NULL) return fail_zip(in, name, zip_get_error(in->zip));
    adcl_status status = ADCL_OK;
    zip_int64_t got = zip_fread(file, bytes, size);
    unsigned char more;
    /* Only at the end does it compare the checksum. */
    bool whole = got >= 0 && (size_t)got == size && zip_fread(file, &more, 1) == 0;
    zip_error_t *why = zip_file_get_error(file);
    if (!whole && zip_error_code_zip(why) != ZIP_ER_OK)
        status = fail_zip(in, name, why);
    else if (!whole)
        status = adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                 "%s: %s: expected %zu bytes, got another number", in->path,
                                 adcl__describe_name(name).text, size);
    zip_fclose(file);
    return status;
}

/* The size of a member; what is compressed could be anything. */
static adcl_status check_member(const reader *in, zip_uint64_t index, const char *name,
                                size_t *size)
{
    zip_stat_t stat;
    zip_uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(in->zip, index, 0, &stat) != 0 || (stat.valid & wanted) != wanted)
        return fail_zip(in, name, zip_get_error(in->zip));
    if (stat.comp_method != ZIP_CM_STORE || stat.encryption_method != ZIP_EM_NONE)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: %s: expected a member that is neither compressed nor "
                               "encrypted, as torch.save writes them",
                               in->path, adcl__describe_name(name).text);
    if (stat.size > in->bytes_left)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: %s: expected members that fit in the file", in->path,
                               adcl__describe_name(name).text);
    *size = (size_t)stat.size;
    return ADCL_OK;
}

/* Reads the member NAME/`name`; the caller frees. *bytes stays NULL where there is none. */
static adcl_status read_member(reader *in, const char *name, unsigned char **bytes, size_t *size)
{
    adcl__text path = {0};
    *bytes = NULL;
    adcl__text_append(&path, "%s/%s", in->folder, name);
    if (path.failed) {
        adcl__text_free(&path);
        return out_of_memory(in);
    }
    adcl_status status = ADCL_OK;
    zip_int64_t index = zip_name_locate(in->zip, path.bytes, 0);
    if (index >= 0) status = check_member(in, (zip_uint64_t)index, path.bytes, size);
    if (index >= 0 && status == ADCL_OK) {
        *bytes = malloc(*size + 1);
        status = *bytes == NULL ? out_of_memory(in)
                                : read_bytes(in, (zip_uint64_t)index, path.bytes, *bytes, *size);
        in->bytes_left -= *size;
    }
    if (status != ADCL_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    adcl__text_free(&path);
    return status;
}

/* NAME is what stands before the only "/data.pkl". */
static adcl_status find_folder(reader *in)
{
    static const char ending[] = "/data.pkl";
    size_t found = 0;
    for (zip_int64_t i = 0; i < zip_get_num_entries(in->zip, 0); i++) {
        const char *name = zip_get_name(in->zip, (zip_uint64_t)i, 0);
        size_t length = name != NULL ? strlen(name) : 0;
        if (length <= strlen(ending) || strcmp(name + length - strlen(ending), ending) != 0)
            continue;
        if (found++ > 0) continue;
        in->folder = adcl__string_copy(name);
        if (in->folder == NULL) return out_of_memory(in);
        in->folder[length - strlen(ending)] = '\0';
    }
    if (found == 1) return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                           "%s: expected a zip file of torch.save's, with one data.pkl, got %zu",
                           in->path, found);
}

static adcl_status check_byte_order(reader *in)
{
    unsigned char *bytes;
    size_t size = 0;
    ADCL_TRY(read_member(in, "byteorder", &bytes, &size));
    bool little = bytes == NULL || (size == 6 && memcmp(bytes, "little", 6) == 0);
    free(bytes);
    if (little) return ADCL_OK;
    return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                           "%s: byteorder: expected little, got another", in->path);
}

/* ---- storages --------------------------------------------------------------------------------*/

/* Room for one item more. */
static bool grow(void **items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity) return true;
    size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *bytes = realloc(*items, wanted * item_size);
    if (bytes == NULL) return false;
    *items = bytes;
    *capacity = wanted;
    return true;
}

static adcl_status read_storage(reader *in, const adcl__pickled_tensor *t, storage *out)
{
    adcl__text name = {0};
    adcl__text_append(&name, "data/%.*s", (int)t->storage_length, t->storage);
    size_t size = 0, wanted = 0;
    adcl_status status =
        name.failed ? out_of_memory(in) : read_member(in, name.bytes, &out->bytes, &size);
    bool fits = adcl__size_mul(t->storage_count, adcl_dtype_size(t->dtype), &wanted);
    if (status == ADCL_OK && (out->bytes == NULL || !fits || size != wanted))
        status = adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                 "%s: storage %s: expected %zu numbers of %s, got %zu bytes",
                                 in->path, adcl__describe_name(name.bytes).text, t->storage_count,
                                 adcl_dtype_name(t->dtype), size);
    adcl__text_free(&name);
    return status;
}

/* Appends a storage, half-made for now. */
static adcl_status add_storage(reader *in, const adcl__pickled_tensor *t, storage **out)
{
    adcl__pickle *p = in->out;
    void *items = p->storages;
    bool enough = grow(&items, p->storage_count, &p->storage_capacity, sizeof *p->storages);
    p->storages = items;
    if (!enough) return out_of_memory(in);
    *out = &p->storages[p->storage_count++];
    **out = (storage){.count = t->storage_count, .dtype = t->dtype};
    adcl__text key = {0};
    adcl__text_append(&key, "%.*s", (int)t->storage_length, t->storage);
    (*out)->key = key.bytes;
    if (key.failed || key.bytes == NULL)
        return key.failed ? out_of_memory(in)
                          : adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                            "%s: expected storages with names", in->path);
    return read_storage(in, t, *out);
}

static adcl_status find_storage(reader *in, const adcl__pickled_tensor *t, storage **out)
{
    for (size_t i = 0; i < in->out->storage_count; i++) {
        storage *s = &in->out->storages[i];
        if (strlen(s->key) != t->storage_length ||
            memcmp(s->key, t->storage, t->storage_length) != 0)
            continue;
        *out = s;
        if (s->dtype == t->dtype && s->count == t->storage_count) return ADCL_OK;
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: storage %s: expected one dtype and size for all of its tensors",
                               in->path, adcl__describe_name(s->key).text);
    }
    return add_storage(in, t, out);
}

/* ---- tensors ---------------------------------------------------------------------------------*/

/* Whether every element lies within the storage, and *dense: whether they lie there in C order. */
static bool check_strides(const adcl__pickled_tensor *t, bool *dense)
{
    size_t last = t->offset, expected = 1;
    *dense = true;
    for (size_t axis = t->rank; axis-- > 0;) {
        size_t span;
        if (!adcl__size_mul(t->shape[axis] - 1, t->strides[axis], &span) ||
            !adcl__size_add(last, span, &last))
            return false;
        *dense = *dense && (t->shape[axis] == 1 || t->strides[axis] == expected);
        expected *= t->shape[axis]; /* the product of all was checked */
    }
    return last < t->storage_count;
}

/* Copies the elements into C order: an odometer over the shape. */
static void gather(unsigned char *out, const adcl__pickled_tensor *t, const unsigned char *bytes,
                   size_t count)
{
    size_t size = adcl_dtype_size(t->dtype), at[ADCL_SAFETENSORS_MAX_RANK] = {0};
    size_t place = t->offset;
    for (size_t i = 0; i < count; i++, out += size) {
        memcpy(out, bytes + place * size, size);
        for (size_t axis = t->rank; axis-- > 0;) {
            place += t->strides[axis];
            if (++at[axis] < t->shape[axis]) break;
            place -= t->strides[axis] * t->shape[axis];
            at[axis] = 0;
        }
    }
}

static adcl_status locate(const reader *in, tensor *out, const adcl__pickled_tensor *t,
                          const storage *s)
{
    size_t count = 0;
    bool dense = true;
    if (!adcl__array_size(t->dtype, t->rank, t->shape, &count, &out->entry.bytes) ||
        count > t->storage_count || (count > 0 && !check_strides(t, &dense)))
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected shape %s within the %zu numbers of its "
                               "storage",
                               in->path, adcl__describe_name(out->name).text,
                               adcl__describe_shape(t->rank, t->shape).text, t->storage_count);
    size_t size = adcl_dtype_size(t->dtype);
    out->entry.data = s->bytes + (count > 0 ? t->offset * size : 0);
    if (dense) return ADCL_OK;
    out->entry.data = out->gathered = malloc(out->entry.bytes);
    if (out->gathered == NULL) return out_of_memory(in);
    gather(out->gathered, t, s->bytes, count);
    return ADCL_OK;
}

/* A name given twice would hide a tensor. */
static adcl_status check_name(const reader *in, const char *name)
{
    for (size_t i = 0; i + 1 < in->out->tensor_count; i++)
        if (strcmp(in->out->tensors[i].name, name) == 0)
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s: expected different names, got %s twice", in->path,
                                   adcl__describe_name(name).text);
    return ADCL_OK;
}

static adcl_status add_tensor(void *user, const adcl__pickled_tensor *t)
{
    reader *in = user;
    adcl__pickle *p = in->out;
    storage *s = NULL;
    if (p->tensor_count == TENSORS_MOST)
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected at most %d tensors", in->path, TENSORS_MOST);
    void *items = p->tensors;
    bool enough = grow(&items, p->tensor_count, &p->tensor_capacity, sizeof *p->tensors);
    p->tensors = items;
    if (!enough) return out_of_memory(in);
    tensor *out = &p->tensors[p->tensor_count++];
    *out = (tensor){.name = malloc(t->name_length + 1),
                    .shape = malloc((t->rank + 1) * sizeof *out->shape)};
    if (out->name == NULL || out->shape == NULL) return out_of_memory(in);
    memcpy(out->name, t->name, t->name_length);
    out->name[t->name_length] = '\0';
    memcpy(out->shape, t->shape, t->rank * sizeof *out->shape);
    out->entry = (adcl_safetensors_entry){
        .name = out->name, .dtype = t->dtype, .rank = t->rank, .shape = out->shape};
    ADCL_TRY(check_name(in, out->name));
    ADCL_TRY(find_storage(in, t, &s));
    return locate(in, out, t, s);
}

/* ---- the whole -------------------------------------------------------------------------------*/

static adcl_status read_archive(reader *in)
{
    unsigned char *program;
    size_t size = 0;
    ADCL_TRY(find_folder(in));
    ADCL_TRY(check_byte_order(in));
    ADCL_TRY(read_member(in, "data.pkl", &program, &size));
    adcl_status status =
        program == NULL || size > PROGRAM_BYTES_MOST
            ? adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                              "%s: data.pkl: expected at most %zu bytes, got %zu", in->path,
                              PROGRAM_BYTES_MOST, size)
            : adcl__pickle_run(in->path, program, size, add_tensor, in, in->error);
    free(program);
    return status;
}

/* What torch.save wrote before it wrote zip files begins with a pickle of its own. */
static bool is_old_form(const unsigned char *bytes, size_t size)
{
    static const unsigned char magic[] = {0x80, 0x02, 0x8A, 0x0A, 'l', 0xFC, 0x9C};
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static adcl_status read_zip(reader *in, const unsigned char *bytes, size_t size)
{
    zip_error_t why;
    if (is_old_form(bytes, size))
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected a zip file, as torch.save of PyTorch 1.6 and later "
                               "writes, got its older form",
                               in->path);
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &why);
    if (source != NULL) in->zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &why);
    adcl_status status = ADCL_OK;
    if (in->zip == NULL) {
        if (source != NULL) zip_source_free(source);
        status = zip_error_code_zip(&why) == ZIP_ER_MEMORY
                     ? out_of_memory(in)
                     : adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                       "%s: expected a zip file, as torch.save writes: %s",
                                       in->path, zip_error_strerror(&why));
    }
    zip_error_fini(&why);
    if (status == ADCL_OK) status = read_archive(in);
    if (in->zip != NULL) zip_discard(in->zip);
    free(in->folder);
    return status;
}

adcl_status adcl__pickle_parse(adcl__pickle **out, const char *path, const unsigned char *bytes,
                               size_t size, adcl_error *error)
{
    *out = NULL;
    reader in = {.path = path, .error = error, .bytes_left = size, .out = calloc(1, sizeof **out)};
    adcl_status status = in.out == NULL ? out_of_memory(&in) : read_zip(&in, bytes, size);
    if (status != ADCL_OK) {
        adcl__pickle_destroy(&in.out);
        return status;
    }
    *out = in.out;
    return ADCL_OK;
}

adcl_status adcl__pickle_load(adcl__pickle **out, const char *path, adcl_error *error)
{
    *out = NULL;
    adcl__file_view view;
    ADCL_TRY(adcl__file_view_open(&view, path, error));
    adcl_status status = adcl__pickle_parse(out, path, view.bytes, view.size, error);
    adcl__file_view_close(&view);
    return status;
}

void adcl__pickle_destroy(adcl__pickle **pickle)
{
    if (pickle == NULL || *pickle == NULL) return;
    for (size_t i = 0; i < (*pickle)->storage_count; i++) {
        free((*pickle)->storages[i].key);
        free((*pickle)->storages[i].bytes);
    }
    for (size_t i = 0; i < (*pickle)->tensor_count; i++) {
        free((*pickle)->tensors[i].name);
        free((*pickle)->tensors[i].shape);
        free((*pickle)->tensors[i].gathered);
    }
    free((*pickle)->storages);
    free((*pickle)->tensors);
    free(*pickle);
    *pickle = NULL;
}

size_t adcl__pickle_count(const adcl__pickle *pickle)
{
    return pickle->tensor_count;
}

const adcl_safetensors_entry *adcl__pickle_get(const adcl__pickle *pickle, size_t index)
{
    return index < pickle->tensor_count ? &pickle->tensors[index].entry : NULL;
}
