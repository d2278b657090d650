/* SPDX-License-Identifier: MIT */
#include "support/golden.h"

#include <adapter_cl/safetensors.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array that was handed out. */
typedef struct array {
    struct array *next;
    double numbers[]; /* or floats, which need no more alignment */
} array;

struct adcl_test_golden {
    adcl_safetensors *file;
    array *arrays;
};

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "golden data: %s: %s\n", what, why);
    abort();
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL) give_up("memory", "exhausted");
    return memory;
}

adcl_test_golden *adcl_test_golden_open(const char *file_name)
{
    const char *folder = getenv("ADCL_TEST_DATA");
    if (folder == NULL) give_up(file_name, "ADCL_TEST_DATA must name the folder tests/golden");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, file_name);
    adcl_test_golden *golden = allocate(sizeof *golden);
    golden->arrays = NULL;
    adcl_error error;
    if (adcl_safetensors_load(&golden->file, path, &error) != ADCL_OK) give_up(path, error.message);
    return golden;
}

void adcl_test_golden_close(adcl_test_golden *golden)
{
    while (golden->arrays != NULL) {
        array *next = golden->arrays->next;
        free(golden->arrays);
        golden->arrays = next;
    }
    adcl_safetensors_destroy(&golden->file);
    free(golden);
}

static const adcl_safetensors_entry *find(const adcl_test_golden *golden, size_t count,
                                          bool integers, const char *key_format, va_list arguments)
{
    char key[256];
    vsnprintf(key, sizeof key, key_format, arguments);
    const adcl_safetensors_entry *entry = adcl_safetensors_find(golden->file, key);
    if (entry == NULL) {
        give_up(key, "not in the file");
    } else if (integers ? entry->dtype != ADCL_I32
                        : entry->dtype != ADCL_F32 && entry->dtype != ADCL_F64) {
        give_up(key, integers ? "not I32" : "neither F32 nor F64");
    } else if (entry->bytes != count * adcl_dtype_size(entry->dtype)) {
        give_up(key, "has another number of elements than the test expects");
    }
    return entry;
}

/* Files are little-endian, as every machine that the tests run on. */
static double element(const adcl_safetensors_entry *entry, size_t index)
{
    const unsigned char *bytes = entry->data;
    if (entry->dtype == ADCL_F64) {
        double number;
        memcpy(&number, bytes + index * sizeof number, sizeof number);
        return number;
    }
    float number;
    memcpy(&number, bytes + index * sizeof number, sizeof number);
    return (double)number;
}

static void *keep_array(adcl_test_golden *golden, size_t bytes)
{
    array *kept = allocate(sizeof *kept + bytes);
    kept->next = golden->arrays;
    golden->arrays = kept;
    return kept->numbers;
}

const double *adcl_test_golden_doubles(adcl_test_golden *golden, size_t count,
                                       const char *key_format, ...)
{
    va_list arguments;
    va_start(arguments, key_format);
    const adcl_safetensors_entry *entry = find(golden, count, false, key_format, arguments);
    va_end(arguments);
    double *numbers = keep_array(golden, count * sizeof *numbers);
    for (size_t i = 0; i < count; i++) numbers[i] = element(entry, i);
    return numbers;
}

const float *adcl_test_golden_floats(adcl_test_golden *golden, size_t count, const char *key_format,
                                     ...)
{
    va_list arguments;
    va_start(arguments, key_format);
    const adcl_safetensors_entry *entry = find(golden, count, false, key_format, arguments);
    va_end(arguments);
    float *numbers = keep_array(golden, count * sizeof *numbers);
    for (size_t i = 0; i < count; i++) numbers[i] = (float)element(entry, i);
    return numbers;
}

const int32_t *adcl_test_golden_indices(adcl_test_golden *golden, size_t count,
                                        const char *key_format, ...)
{
    va_list arguments;
    va_start(arguments, key_format);
    const adcl_safetensors_entry *entry = find(golden, count, true, key_format, arguments);
    va_end(arguments);
    int32_t *numbers = keep_array(golden, count * sizeof *numbers);
    memcpy(numbers, entry->data, count * sizeof *numbers);
    return numbers;
}

size_t adcl_test_golden_count(const adcl_test_golden *golden, const char *key_format, ...)
{
    char key[256];
    va_list arguments;
    va_start(arguments, key_format);
    vsnprintf(key, sizeof key, key_format, arguments);
    va_end(arguments);
    const adcl_safetensors_entry *entry = adcl_safetensors_find(golden->file, key);
    return entry == NULL ? 0 : entry->bytes / adcl_dtype_size(entry->dtype);
}

size_t adcl_test_golden_named(const adcl_test_golden *golden, const char *beginning)
{
    size_t count = 0;
    for (size_t i = 0; i < adcl_safetensors_count(golden->file); i++) {
        const char *name = adcl_safetensors_get(golden->file, i)->name;
        count += strncmp(name, beginning, strlen(beginning)) == 0;
    }
    return count;
}
