/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "support/tensors.h"

#include "support/files.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *adcl_test_golden_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    const char *folder = getenv("ADCL_TEST_DATA");
    cr_assert_not_null(folder, "ADCL_TEST_DATA does not name tests/golden");
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void adcl_test_folder_copy(const char *from, const char *to)
{
    DIR *folder = opendir(from);
    cr_assert_not_null(folder, "%s cannot be opened", from);
    (void)mkdir(to, 0777);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char old_path[1024], new_path[1024];
        struct stat status;
        snprintf(old_path, sizeof old_path, "%s/%s", from, entry->d_name);
        snprintf(new_path, sizeof new_path, "%s/%s", to, entry->d_name);
        if (stat(old_path, &status) != 0 || !S_ISREG(status.st_mode)) continue;
        size_t size;
        unsigned char *bytes = adcl_test_file_read(old_path, &size);
        adcl_test_file_write(new_path, bytes, size);
        free(bytes);
    }
    closedir(folder);
}

/* Memory that lives until the test ends: reachable from here, so that no leak is seen in it. */
static void *keep(void *memory)
{
    static void **kept;
    static size_t count;
    cr_assert_not_null(memory);
    kept = realloc(kept, (count + 1) * sizeof *kept);
    cr_assert_not_null(kept);
    return kept[count++] = memory;
}

adcl_test_tensors adcl_test_tensors_open(const char *path)
{
    adcl_error error;
    adcl_test_tensors t = {.path = path};
    cr_assert_eq(adcl_safetensors_load(&t.file, path, &error), ADCL_OK, "%s", error.message);
    keep(t.file);
    t.count = adcl_safetensors_count(t.file);
    t.entries = keep(calloc(t.count + 2, sizeof *t.entries));
    for (size_t i = 0; i < t.count; i++) t.entries[i] = *adcl_safetensors_get(t.file, i);
    return t;
}

adcl_safetensors_entry *adcl_test_tensors_find(adcl_test_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++)
        if (strcmp(tensors->entries[i].name, name) == 0) return &tensors->entries[i];
    cr_assert_fail("%s: no tensor is called %s", tensors->path, name);
    return NULL;
}

void adcl_test_tensors_remove(adcl_test_tensors *tensors, const char *name)
{
    adcl_safetensors_entry *entry = adcl_test_tensors_find(tensors, name);
    *entry = tensors->entries[--tensors->count];
}

void adcl_test_tensors_add(adcl_test_tensors *tensors, const char *name, adcl_dtype dtype,
                           size_t rows, size_t cols)
{
    size_t *shape = keep(calloc(2, sizeof *shape)), bytes = rows * cols * adcl_dtype_size(dtype);
    void *data = keep(calloc(bytes + 1, 1));
    shape[0] = rows;
    shape[1] = cols;
    tensors->entries[tensors->count++] =
        (adcl_safetensors_entry){name, dtype, 2, shape, data, bytes};
}

void adcl_test_tensors_save(const adcl_test_tensors *tensors, const char *path)
{
    adcl_error error;
    cr_assert_eq(adcl_safetensors_save(path, tensors->entries, tensors->count, NULL, 0, &error),
                 ADCL_OK, "%s", error.message);
}
