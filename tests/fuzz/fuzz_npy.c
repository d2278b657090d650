/* SPDX-License-Identifier: MIT */
#include "fuzz/target.h"

#include "io/npy_parse.h"

#include <stdlib.h>
#include <string.h>

static void check(int promise)
{
    if (!promise) abort();
}

/* Conversions read every element; each must end with a status and, if it fails, a sentence. */
static void convert(const adcl_npy *array)
{
    size_t count = adcl_npy_count(array);
    adcl_error error = {.status = ADCL_OK};
    float *floats = calloc(count + 1, sizeof *floats);
    int32_t *integers = calloc(count + 1, sizeof *integers);
    check(floats != NULL && integers != NULL);
    check(adcl_npy_to_f32(array, 1, floats, count, &error) == ADCL_OK);
    check(adcl_npy_to_i32(array, integers, count, &error) == error.status);
    free(floats);
    free(integers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adcl_npy *array;
    adcl_error error = {.status = ADCL_OK};
    adcl_status status = adcl__npy_parse(&array, "input", bytes, size, &error);
    check(error.status == status);
    check((array != NULL) == (status == ADCL_OK));
    if (status != ADCL_OK) {
        check(strncmp(error.message, "input: ", 7) == 0);
        return 0;
    }
    check(adcl_npy_rank(array) <= ADCL_NPY_MAX_RANK);
    check(adcl_npy_count(array) * adcl_dtype_size(adcl_npy_dtype(array)) < size);
    convert(array);
    adcl_npy_destroy(&array);
    return 0;
}
