/* SPDX-License-Identifier: MIT */
/* fuzz_pickle.c – the first byte chooses: 0, the rest is a program of a pickle; other, it is a
 * file. */
#include "fuzz/target.h"

#include "encoder/pickle.h"
#include "encoder/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

static void check(int promise)
{
    if (!promise) abort();
}

static adcl_status visit(void *user, const adcl__pickled_tensor *tensor)
{
    size_t *count = user;
    check(tensor->rank <= ADCL_SAFETENSORS_MAX_RANK);
    check(adcl_dtype_size(tensor->dtype) > 0);
    check(memchr(tensor->name, '\0', tensor->name_length) == NULL);
    ++*count;
    return ADCL_OK;
}

static void run_program(const uint8_t *bytes, size_t size)
{
    size_t count = 0;
    adcl_error error = {.status = ADCL_OK};
    adcl_status status = adcl__pickle_run("input", bytes, size, visit, &count, &error);
    check(error.status == status);
    check(status == ADCL_OK || strncmp(error.message, "input: ", 7) == 0);
    check(count <= size);
}

/* Every number of every tensor is there. */
static void read_tensor(const adcl_safetensors_entry *entry)
{
    size_t bytes = adcl_dtype_size(entry->dtype);
    for (size_t axis = 0; axis < entry->rank; axis++) bytes *= entry->shape[axis];
    check(bytes == entry->bytes);
    const uint8_t *data = entry->data;
    unsigned sum = 0;
    for (size_t i = 0; i < bytes; i++) sum += data[i];
    check(sum <= 255u * bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adcl__pickle *pickle;
    adcl_error error = {.status = ADCL_OK};
    if (size < 1) return 0;
    if (bytes[0] == 0) {
        run_program(bytes + 1, size - 1);
        return 0;
    }
    adcl_status status = adcl__pickle_parse(&pickle, "input", bytes + 1, size - 1, &error);
    check(error.status == status);
    check((pickle != NULL) == (status == ADCL_OK));
    if (status != ADCL_OK) {
        check(strncmp(error.message, "input: ", 7) == 0);
        return 0;
    }
    for (size_t i = 0; i < adcl__pickle_count(pickle); i++) read_tensor(adcl__pickle_get(pickle, i));
    adcl__pickle_destroy(&pickle);
    return 0;
}
