/* SPDX-License-Identifier: MIT */
#include "io/host_tensors.h"

#include "io/array.h"
#include "runtime/context.h"

#include <stdlib.h>

/* Describes all tensors and adds up their bytes; the data is not there yet. */
static adcl_status describe(adcl__host_tensors *out, adcl_context *ctx, const char *path,
                            const adcl_named_tensor *tensors, size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < out->count; i++) {
        const adcl_tensor *tensor = tensors[i].tensor;
        if (tensors[i].name == NULL || tensor == NULL)
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "%s: expected a name and a tensor at place %zu, got NULL", path, i);
        size_t *shape = &out->shapes[2 * i], elements, bytes = 0;
        shape[0] = adcl_tensor_rows(tensor);
        shape[1] = adcl_tensor_cols(tensor);
        adcl_dtype dtype = adcl_tensor_dtype(tensor);
        if (!adcl__array_size(dtype, 2, shape, &elements, &bytes) ||
            !adcl__size_add(*total, bytes, total))
            return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                              "%s: the sum of all tensors' bytes does not fit", path);
        out->entries[i] = (adcl_safetensors_entry){tensors[i].name, dtype, 2, shape, NULL, bytes};
    }
    return ADCL_OK;
}

static adcl_status read_all(adcl__host_tensors *out, adcl_context *ctx, const char *path,
                            const adcl_named_tensor *tensors)
{
    out->entries = calloc(out->count + 1, sizeof *out->entries);
    out->shapes = calloc(2 * out->count + 1, sizeof *out->shapes);
    size_t total = 0;
    if (out->entries != NULL && out->shapes != NULL)
        ADCL_TRY(describe(out, ctx, path, tensors, &total));
    out->data = malloc(total + 1);
    if (out->entries == NULL || out->shapes == NULL || out->data == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory for %zu bytes", path,
                          total);
    unsigned char *next = out->data;
    for (size_t i = 0; i < out->count; i++) {
        ADCL_TRY(adcl_tensor_read(ctx, tensors[i].tensor, next, out->entries[i].bytes));
        out->entries[i].data = next;
        next += out->entries[i].bytes;
    }
    return ADCL_OK;
}

adcl_status adcl__host_tensors_read(adcl__host_tensors *out, adcl_context *ctx, const char *path,
                                    const adcl_named_tensor *tensors, size_t count)
{
    *out = (adcl__host_tensors){.count = count};
    adcl_status status = read_all(out, ctx, path, tensors);
    if (status != ADCL_OK) adcl__host_tensors_free(out);
    return status;
}

void adcl__host_tensors_free(adcl__host_tensors *tensors)
{
    free(tensors->entries);
    free(tensors->shapes);
    free(tensors->data);
    *tensors = (adcl__host_tensors){0};
}
