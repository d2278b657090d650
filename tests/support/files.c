/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "support/files.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "test-files-XXXXXX";

void adcl_test_folder_create(void)
{
    cr_assert_not_null(mkdtemp(folder), "no folder for the test's files");
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void adcl_test_folder_remove(void)
{
    cr_assert_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0, "%s is still there", folder);
}

const char *adcl_test_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

size_t adcl_test_file_count(void)
{
    DIR *open_folder = opendir(folder);
    cr_assert_not_null(open_folder);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
    closedir(open_folder);
    return count;
}

void adcl_test_file_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s cannot be made", path);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

unsigned char *adcl_test_file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s cannot be opened", path);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    cr_assert_not_null(bytes);
    cr_assert_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

void adcl_test_file_expect(const char *path, const void *bytes, size_t size)
{
    size_t got_size;
    unsigned char *got = adcl_test_file_read(path, &got_size);
    cr_expect_eq(got_size, size, "%s: expected %zu bytes, got %zu", path, size, got_size);
    cr_expect(got_size == size && memcmp(got, bytes, size) == 0, "%s: other bytes", path);
    free(got);
}
