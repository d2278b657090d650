/* SPDX-License-Identifier: MIT */
/* cache.c – a folder of small files, one for each key.
 *
 *      <digest of the key>.adcl:    magic (8) │ key length (4) │ value length (4) │ key │ value │
 *                                   digest of all before (8)
 *
 * Numbers are little-endian; both digests are XXH3's 64 bits. */
#include <adapter_cl/cache.h>

#include "base/platform.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC "adclval1"
#define MAGIC_SIZE 8
#define HEADER_SIZE 16
#define DIGEST_SIZE 8
#define KEY_MOST 4096

struct adcl_cache {
    char *directory;
};

/* ---- the folder -------------------------------------------------------------------------------*/

static adcl_status no_memory(adcl_error *error)
{
    return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "cache: no memory for it");
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Appends the folder that is asked for, or that the environment names; nothing without either. */
static void append_directory(adcl__text *text, const char *directory)
{
    const char *own = getenv("ADCL_CACHE_DIR"), *caches = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (is_set(directory))
        adcl__text_append(text, "%s", directory);
    else if (is_set(own))
        adcl__text_append(text, "%s", own);
    else if (is_set(caches) && caches[0] == '/') /* its specification ignores relative ones */
        adcl__text_append(text, "%s/adapter_cl", caches);
    else if (is_set(home))
        adcl__text_append(text, "%s/.cache/adapter_cl", home);
}

adcl_status adcl_cache_open(adcl_cache **out, const char *directory, adcl_error *error)
{
    if (out == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "cache: expected a place for the result, got NULL");
    *out = NULL;
    adcl__error_clear(error);
    adcl__text text = {0};
    append_directory(&text, directory);
    if (text.failed) return no_memory(error);
    if (text.bytes == NULL)
        return adcl__error_set(error, ADCL_ERR_NOT_FOUND, 0,
                               "cache: no folder for it: none is given, and neither ADCL_CACHE_DIR "
                               "nor XDG_CACHE_HOME nor HOME is set");
    adcl_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        adcl__text_free(&text);
        return no_memory(error);
    }
    cache->directory = text.bytes;
    *out = cache;
    return ADCL_OK;
}

void adcl_cache_close(adcl_cache **cache)
{
    if (cache == NULL || *cache == NULL) return;
    free((*cache)->directory);
    free(*cache);
    *cache = NULL;
}

const char *adcl_cache_directory(const adcl_cache *cache)
{
    return cache == NULL ? "" : cache->directory;
}

/* ---- one file ---------------------------------------------------------------------------------*/

static void write_number(unsigned char *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t read_number(const unsigned char *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static adcl_status check_arguments(const adcl_cache *cache, const char *key, const void *bytes,
                                   size_t size, adcl_error *error)
{
    if (cache == NULL || key == NULL || (bytes == NULL && size > 0))
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "cache: expected a cache, a key and bytes, got NULL");
    if (strlen(key) > KEY_MOST)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "cache: expected a key of at most %d bytes, got %zu", KEY_MOST,
                               strlen(key));
    return ADCL_OK;
}

/* The file of a key; NULL when memory runs out. To be freed. */
static char *path_of(const adcl_cache *cache, const char *key)
{
    adcl__text path = {0};
    adcl__text_append(&path, "%s/%016llx.adcl", cache->directory,
                      (unsigned long long)XXH3_64bits(key, strlen(key)));
    if (path.failed) adcl__text_free(&path);
    return path.bytes;
}

/* The value in a file's bytes, NULL unless all of them are as put wrote them. */
static const unsigned char *find_value(const unsigned char *file, size_t file_size, const char *key,
                                       size_t *size)
{
    size_t key_size = strlen(key);
    if (file_size < HEADER_SIZE + key_size + DIGEST_SIZE) return NULL;
    size_t signed_size = file_size - DIGEST_SIZE;
    *size = signed_size - HEADER_SIZE - key_size;
    bool sound = memcmp(file, MAGIC, MAGIC_SIZE) == 0 &&
                 read_number(file + MAGIC_SIZE, 4) == key_size &&
                 read_number(file + MAGIC_SIZE + 4, 4) == *size &&
                 read_number(file + signed_size, DIGEST_SIZE) == XXH3_64bits(file, signed_size) &&
                 memcmp(file + HEADER_SIZE, key, key_size) == 0;
    return sound ? file + HEADER_SIZE + key_size : NULL;
}

static adcl_status take_value(const unsigned char *file, size_t file_size, const char *path,
                              const char *key, void *bytes, size_t room, size_t *size,
                              adcl_error *error)
{
    const unsigned char *value = find_value(file, file_size, key, size);
    if (value == NULL)
        return adcl__error_set(error, ADCL_ERR_FORMAT, 0,
                               "%s: damaged, or not a value of the key \"%s\"", path, key);
    if (*size > room)
        return adcl__error_set(error, ADCL_ERR_SHAPE_MISMATCH, 0,
                               "%s: expected a value of at most %zu bytes, got %zu", path, room,
                               *size);
    if (*size > 0) memcpy(bytes, value, *size);
    return ADCL_OK;
}

adcl_status adcl_cache_get(const adcl_cache *cache, const char *key, void *bytes, size_t room,
                           size_t *size, adcl_error *error)
{
    ADCL_TRY(check_arguments(cache, key, bytes, room, error));
    if (size == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "cache: expected a place for the size, got NULL");
    adcl__error_clear(error);
    char *path = path_of(cache, key);
    if (path == NULL) return no_memory(error);
    unsigned char *file = NULL;
    size_t file_size;
    adcl_status status;
    if (!adcl__file_exists(path))
        status = adcl__error_set(error, ADCL_ERR_NOT_FOUND, 0, "%s: not there", path);
    else
        status = adcl__file_read(path, &file, &file_size, error);
    if (status == ADCL_OK)
        status = take_value(file, file_size, path, key, bytes, room, size, error);
    free(file);
    free(path);
    return status;
}

/* The bytes of a file; NULL when memory runs out. To be freed. */
static unsigned char *make_file(const char *key, const void *bytes, size_t size, size_t *file_size)
{
    size_t key_size = strlen(key), signed_size = HEADER_SIZE + key_size + size;
    unsigned char *file = malloc(signed_size + DIGEST_SIZE);
    if (file == NULL) return NULL;
    memcpy(file, MAGIC, MAGIC_SIZE);
    write_number(file + MAGIC_SIZE, key_size, 4);
    write_number(file + MAGIC_SIZE + 4, size, 4);
    memcpy(file + HEADER_SIZE, key, key_size);
    if (size > 0) memcpy(file + HEADER_SIZE + key_size, bytes, size);
    write_number(file + signed_size, XXH3_64bits(file, signed_size), DIGEST_SIZE);
    *file_size = signed_size + DIGEST_SIZE;
    return file;
}

static adcl_status write_file(const char *path, const unsigned char *bytes, size_t size,
                              adcl_error *error)
{
    adcl__new_file *file = NULL;
    ADCL_TRY(adcl__new_file_create(&file, path, error));
    adcl_status status = adcl__new_file_write(file, bytes, size, error);
    if (status == ADCL_OK) return adcl__new_file_commit(&file, error);
    adcl__new_file_discard(&file);
    return status;
}

adcl_status adcl_cache_put(const adcl_cache *cache, const char *key, const void *bytes, size_t size,
                           adcl_error *error)
{
    ADCL_TRY(check_arguments(cache, key, bytes, size, error));
    if (size > ADCL_CACHE_VALUE_MOST)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "cache: expected a value of at most %d bytes, got %zu",
                               ADCL_CACHE_VALUE_MOST, size);
    adcl__error_clear(error);
    size_t file_size = 0;
    char *path = path_of(cache, key);
    unsigned char *file = make_file(key, bytes, size, &file_size);
    adcl_status status = path == NULL || file == NULL ? no_memory(error) : ADCL_OK;
    if (status == ADCL_OK) status = adcl__folder_create(cache->directory, error);
    if (status == ADCL_OK) status = write_file(path, file, file_size, error);
    free(file);
    free(path);
    return status;
}

/* ---- callbacks --------------------------------------------------------------------------------*/

static adcl_status get_for_context(void *user, const char *key, void *bytes, size_t room,
                                   size_t *size)
{
    return adcl_cache_get(user, key, bytes, room, size, NULL);
}

static adcl_status put_for_context(void *user, const char *key, const void *bytes, size_t size)
{
    return adcl_cache_put(user, key, bytes, size, NULL);
}

adcl_cache_callbacks adcl_cache_callbacks_of(adcl_cache *cache)
{
    return cache == NULL ? (adcl_cache_callbacks){NULL, NULL, NULL}
                         : (adcl_cache_callbacks){cache, get_for_context, put_for_context};
}
