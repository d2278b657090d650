/* SPDX-License-Identifier: MIT */
#include "fuzz/target.h"

#include "io/safetensors_parse.h"

#include <stdlib.h>
#include <string.h>

static void check(int promise)
{
    if (!promise) abort();
}

/* Every tensor lies inside the file, in order and without a hole, and is found by its name. */
static void check_tensors(const adcl_safetensors *file, const uint8_t *end)
{
    const uint8_t *next = NULL;
    for (size_t i = 0; i < adcl_safetensors_count(file); i++) {
        const adcl_safetensors_entry *entry = adcl_safetensors_get(file, i);
        const uint8_t *data = entry->data;
        check(next == NULL || data == next);
        check(entry->rank <= ADCL_SAFETENSORS_MAX_RANK);
        size_t bytes = adcl_dtype_size(entry->dtype);
        for (size_t axis = 0; axis < entry->rank; axis++) bytes *= entry->shape[axis];
        check(bytes == entry->bytes);
        check(adcl_safetensors_find(file, entry->name) == entry);
        next = data + bytes;
    }
    check(next == NULL || next == end);
}

static void check_metadata(const adcl_safetensors *file)
{
    for (size_t i = 0; i < adcl_safetensors_metadata_count(file); i++) {
        const adcl_metadata *item = adcl_safetensors_metadata_get(file, i);
        check(adcl_safetensors_metadata_find(file, item->key) == item->value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adcl_safetensors *file;
    adcl_error error = {.status = ADCL_OK};
    adcl_status status = adcl__safetensors_parse(&file, "input", bytes, size, &error);
    check(error.status == status);
    check((file != NULL) == (status == ADCL_OK));
    if (status != ADCL_OK) {
        check(strncmp(error.message, "input: ", 7) == 0);
        return 0;
    }
    check_tensors(file, bytes + size);
    check_metadata(file);
    adcl_safetensors_destroy(&file);
    return 0;
}
