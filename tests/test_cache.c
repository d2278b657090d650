/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* setenv, unsetenv, glob */
#include <adapter_cl/cache.h>

#include "support/device.h"
#include "support/files.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

TestSuite(cache, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_cache *open_cache(const char *folder)
{
    adcl_cache *cache = NULL;
    adcl_error error;
    cr_assert_eq(adcl_cache_open(&cache, folder, &error), ADCL_OK, "%s", error.message);
    return cache;
}

static void put(adcl_cache *cache, const char *key, const char *value)
{
    adcl_error error;
    cr_assert_eq(adcl_cache_put(cache, key, value, strlen(value), &error), ADCL_OK, "%s",
                 error.message);
}

/* The status of get; a value that comes must be `expected`. */
static adcl_status get(adcl_cache *cache, const char *key, const char *expected)
{
    char bytes[64];
    size_t size = 99;
    adcl_error error;
    adcl_status status = adcl_cache_get(cache, key, bytes, sizeof bytes, &size, &error);
    cr_expect_eq(error.status, status);
    cr_expect_eq(error.message[0] == '\0', status == ADCL_OK);
    if (status == ADCL_OK) {
        cr_expect_eq(size, strlen(expected));
        cr_expect_eq(memcmp(bytes, expected, strlen(expected)), 0);
    }
    return status;
}

/* The one file in the folder. */
static const char *only_file(void)
{
    static char path[256];
    glob_t found;
    cr_assert_eq(glob(adcl_test_path("*.adcl"), 0, NULL, &found), 0);
    cr_assert_eq(found.gl_pathc, 1);
    snprintf(path, sizeof path, "%s", found.gl_pathv[0]);
    globfree(&found);
    return path;
}

Test(cache, gives_back_what_was_put_and_replaces_it)
{
    adcl_cache *cache = open_cache(adcl_test_path("a/b"));
    cr_expect_eq(get(cache, "one", ""), ADCL_ERR_NOT_FOUND);
    cr_expect_eq(adcl_test_file_count(), 0, "a folder without a put");
    put(cache, "one", "value");
    put(cache, "two", "");
    cr_expect_eq(get(cache, "one", "value"), ADCL_OK);
    cr_expect_eq(get(cache, "two", ""), ADCL_OK);
    put(cache, "one", "longer value");
    cr_expect_eq(get(cache, "one", "longer value"), ADCL_OK);
    adcl_cache_close(&cache);
    cr_expect_null(cache);
    cache = open_cache(adcl_test_path("a/b"));
    cr_expect_eq(get(cache, "one", "longer value"), ADCL_OK);
    struct stat status;
    cr_assert_eq(stat(adcl_test_path("a/b"), &status), 0);
    cr_expect_eq(status.st_mode & 077, 0, "the folder is for its owner alone");
    adcl_cache_close(&cache);
}

Test(cache, never_trusts_a_file_with_any_byte_changed)
{
    adcl_cache *cache = open_cache(adcl_test_path(""));
    put(cache, "key", "value");
    const char *path = only_file();
    size_t size;
    unsigned char *bytes = adcl_test_file_read(path, &size);
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            bytes[i] = (unsigned char)(bytes[i] ^ bit);
            adcl_test_file_write(path, bytes, size);
            cr_expect_eq(get(cache, "key", "value"), ADCL_ERR_FORMAT, "byte %zu, bit %u", i, bit);
            bytes[i] = (unsigned char)(bytes[i] ^ bit);
        }
    put(cache, "key", "anew");
    cr_expect_eq(get(cache, "key", "anew"), ADCL_OK);
    free(bytes);
    adcl_cache_close(&cache);
}

Test(cache, never_trusts_a_file_of_another_length)
{
    adcl_cache *cache = open_cache(adcl_test_path(""));
    put(cache, "key", "value");
    const char *path = only_file();
    size_t size;
    unsigned char *bytes = adcl_test_file_read(path, &size);
    for (size_t length = 0; length < size; length++) {
        adcl_test_file_write(path, bytes, length);
        cr_expect_eq(get(cache, "key", "value"), ADCL_ERR_FORMAT, "%zu bytes", length);
    }
    bytes[size] = 0; /* there is room for one more */
    adcl_test_file_write(path, bytes, size + 1);
    cr_expect_eq(get(cache, "key", "value"), ADCL_ERR_FORMAT);
    free(bytes);
    adcl_cache_close(&cache);
}

/* As if two keys had the same digest. */
Test(cache, never_takes_the_value_of_another_key)
{
    adcl_cache *cache = open_cache(adcl_test_path(""));
    put(cache, "key a", "value a");
    char path_a[256];
    snprintf(path_a, sizeof path_a, "%s", only_file());
    size_t size;
    unsigned char *bytes = adcl_test_file_read(path_a, &size);
    remove(path_a);
    put(cache, "key b", "value b");
    adcl_test_file_write(only_file(), bytes, size);
    cr_expect_eq(get(cache, "key b", ""), ADCL_ERR_FORMAT);
    free(bytes);
    adcl_cache_close(&cache);
}

Test(cache, says_what_does_not_fit)
{
    adcl_cache *cache = open_cache(adcl_test_path(""));
    adcl_error error;
    char bytes[4];
    size_t size;
    put(cache, "key", "value");
    ADCL_TEST_FAILS_WITH(&error, SHAPE_MISMATCH, "at most 4 bytes, got 5",
                         adcl_cache_get(cache, "key", bytes, 4, &size, &error));
    static char large[ADCL_CACHE_VALUE_MOST + 1];
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "at most 65536 bytes",
                         adcl_cache_put(cache, "key", large, sizeof large, &error));
    cr_expect_eq(adcl_cache_put(cache, "large", large, sizeof large - 1, &error), ADCL_OK);
    cr_expect_eq(get(cache, "key", "value"), ADCL_OK);
    char key[5000];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "4999",
                         adcl_cache_put(cache, key, "", 0, &error));
    adcl_cache_close(&cache);
}

/* Permissions would not do: root may write everywhere. */
Test(cache, says_where_it_cannot_write)
{
    adcl_test_file_write(adcl_test_path("file"), "text", 4);
    const char *folders[] = {adcl_test_path("file"), adcl_test_path("file/below")};
    for (size_t i = 0; i < 2; i++) {
        adcl_cache *cache = open_cache(folders[i]);
        adcl_error error;
        ADCL_TEST_FAILS_WITH(&error, FILE, folders[i],
                             adcl_cache_put(cache, "key", "value", 5, &error));
        cr_expect_eq(get(cache, "key", "value"), ADCL_ERR_NOT_FOUND);
        adcl_cache_close(&cache);
    }
    adcl_test_file_expect(adcl_test_path("file"), "text", 4);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(cache, folder_comes_from_the_parameter_then_from_the_environment)
{
    const char *expected[] = {"given", "/own", "/caches/adapter_cl", "/home/of/adapter_cl",
                              "/home/of/.cache/adapter_cl"};
    setenv("ADCL_CACHE_DIR", "/own", 1);
    setenv("XDG_CACHE_HOME", "/caches", 1);
    setenv("HOME", "/home/of", 1);
    adcl_cache *cache = open_cache("given");
    cr_expect_str_eq(adcl_cache_directory(cache), expected[0]);
    adcl_cache_close(&cache);
    cache = open_cache(NULL);
    cr_expect_str_eq(adcl_cache_directory(cache), expected[1]);
    adcl_cache_close(&cache);
    setenv("ADCL_CACHE_DIR", "", 1);
    cache = open_cache("");
    cr_expect_str_eq(adcl_cache_directory(cache), expected[2]);
    adcl_cache_close(&cache);
    setenv("XDG_CACHE_HOME", "relative", 1);
    cache = open_cache(NULL);
    cr_expect_str_eq(adcl_cache_directory(cache), expected[4]);
    adcl_cache_close(&cache);
    unsetenv("HOME");
    adcl_error error;
    ADCL_TEST_FAILS_WITH(&error, NOT_FOUND, "ADCL_CACHE_DIR",
                         adcl_cache_open(&cache, NULL, &error));
    cr_expect_null(cache);
}

Test(cache, copes_with_null)
{
    adcl_cache *none = NULL;
    adcl_error error;
    size_t size;
    char byte;
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "NULL", adcl_cache_open(NULL, "x", &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "NULL",
                         adcl_cache_get(NULL, "k", &byte, 1, &size, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "NULL",
                         adcl_cache_put(NULL, "k", &byte, 1, &error));
    adcl_cache *cache = open_cache("folder");
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "NULL",
                         adcl_cache_get(cache, NULL, &byte, 1, &size, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "NULL",
                         adcl_cache_get(cache, "k", &byte, 1, NULL, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "NULL",
                         adcl_cache_put(cache, "k", NULL, 1, &error));
    adcl_cache_close(&cache);
    adcl_cache_close(&none);
    adcl_cache_close(NULL);
    cr_expect_str_eq(adcl_cache_directory(NULL), "");
    cr_expect_null(adcl_cache_callbacks_of(NULL).get);
}

Test(cache, callbacks_do_the_same)
{
    adcl_cache *cache = open_cache(adcl_test_path(""));
    adcl_cache_callbacks callbacks = adcl_cache_callbacks_of(cache);
    char bytes[8];
    size_t size = 0;
    cr_expect_eq(callbacks.get(callbacks.user, "key", bytes, sizeof bytes, &size),
                 ADCL_ERR_NOT_FOUND);
    cr_expect_eq(callbacks.put(callbacks.user, "key", "abc", 3), ADCL_OK);
    cr_expect_eq(callbacks.get(callbacks.user, "key", bytes, sizeof bytes, &size), ADCL_OK);
    cr_expect_eq(size, 3);
    cr_expect_eq(memcmp(bytes, "abc", 3), 0);
    adcl_cache_close(&cache);
}
