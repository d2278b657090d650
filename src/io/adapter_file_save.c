/* SPDX-License-Identifier: MIT */
/* adapter_file_save.c – writing native adapter files. */
#include <adapter_cl/adapter_file.h>

#include "adapter/adapter.h"
#include "io/adapter_key.h"
#include "io/adapter_metadata.h"
#include "io/describe.h"
#include "io/host_tensors.h"
#include "runtime/context.h"

#include <stdlib.h>
#include <string.h>

static adcl_status out_of_memory(adcl_context *ctx, const char *path)
{
    return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to write it", path);
}

static adcl_status check_adapters(adcl_context *ctx, const char *path,
                                  const adcl_adapter *const *adapters, size_t count)
{
    if (path == NULL || adapters == NULL || count == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter save: expected a path and at least one adapter, got none");
    for (size_t i = 0; i < count; i++) {
        if (adapters[i] == NULL)
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "%s: expected %zu adapters, got NULL at place %zu", path, count, i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(adcl_adapter_name(adapters[i]), adcl_adapter_name(adapters[j])) == 0)
                return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                                  "%s: expected adapters of different names, got %s twice", path,
                                  adcl__describe_name(adcl_adapter_name(adapters[i])).text);
    }
    return ADCL_OK;
}

static adcl_adapter_file_info describe(const adcl_adapter *adapter)
{
    return (adcl_adapter_file_info){
        .name = adcl_adapter_name(adapter),
        .has_activation = 1,
        .activation = adcl_adapter_activation(adapter),
        .hidden_size = adcl_adapter_hidden_size(adapter),
        .bottleneck_size = adcl_adapter_bottleneck_size(adapter),
        .parameter_count = adcl_adapter_parameter_count(adapter),
        .scaling = adcl_adapter_scaling(adapter),
        .dropout = adcl_adapter_dropout(adapter),
        .parallel = adcl_adapter_is_parallel(adapter),
    };
}

static adcl_status save_strings(adcl_context *ctx, const char *path,
                                const adcl__host_tensors *tensors,
                                const adcl_adapter *const *adapters, const adcl_adapter_file *keep)
{
    size_t count = tensors->count / ADCL_ADAPTER_SLOT_COUNT;
    adcl_adapter_file_info *infos = calloc(count, sizeof *infos);
    if (infos == NULL) return out_of_memory(ctx, path);
    for (size_t i = 0; i < count; i++) infos[i] = describe(adapters[i]);
    adcl__adapter_metadata metadata;
    bool made = adcl__adapter_metadata_make(&metadata, infos, count, keep);
    free(infos);
    if (!made) return out_of_memory(ctx, path);
    adcl_status status =
        adcl_safetensors_save(path, tensors->entries, tensors->count, metadata.items,
                              metadata.count, adcl__context_error(ctx));
    adcl__adapter_metadata_free(&metadata);
    return status;
}

static bool is_bias(adcl_adapter_slot slot)
{
    return slot == ADCL_DOWN_BIAS || slot == ADCL_UP_BIAS;
}

/* Files have a bias as one row of numbers, (R), where the device has a matrix, (1, R). */
static void drop_rows_of_biases(adcl__host_tensors *tensors)
{
    for (size_t i = 0; i < tensors->count; i++) {
        if (!is_bias((adcl_adapter_slot)(i % ADCL_ADAPTER_SLOT_COUNT))) continue;
        tensors->entries[i].rank = 1;
        tensors->entries[i].shape++;
    }
}

static adcl_status save_named(adcl_context *ctx, const char *path, const adcl_named_tensor *named,
                              const adcl_adapter *const *adapters, size_t count,
                              const adcl_adapter_file *keep)
{
    adcl__host_tensors tensors;
    ADCL_TRY(adcl__host_tensors_read(&tensors, ctx, path, named, count * ADCL_ADAPTER_SLOT_COUNT));
    drop_rows_of_biases(&tensors);
    adcl_status status = save_strings(ctx, path, &tensors, adapters, keep);
    adcl__host_tensors_free(&tensors);
    return status;
}

static void name_parameters(adcl_named_tensor *named, adcl__adapter_key *keys,
                            const adcl_adapter *const *adapters, size_t count)
{
    for (size_t i = 0; i < count * ADCL_ADAPTER_SLOT_COUNT; i++) {
        const adcl_adapter *adapter = adapters[i / ADCL_ADAPTER_SLOT_COUNT];
        adcl_adapter_slot slot = (adcl_adapter_slot)(i % ADCL_ADAPTER_SLOT_COUNT);
        keys[i] = adcl__adapter_tensor_key(adcl_adapter_name(adapter), slot);
        named[i] = (adcl_named_tensor){keys[i].text, adapter->values[slot]};
    }
}

adcl_status adcl_adapter_save(adcl_context *ctx, const char *path,
                              const adcl_adapter *const *adapters, size_t count,
                              const adcl_adapter_file *keep)
{
    ADCL_TRY(check_adapters(ctx, path, adapters, count));
    adcl_named_tensor *named = calloc(count * ADCL_ADAPTER_SLOT_COUNT, sizeof *named);
    adcl__adapter_key *keys = calloc(count * ADCL_ADAPTER_SLOT_COUNT, sizeof *keys);
    adcl_status status = named == NULL || keys == NULL ? out_of_memory(ctx, path) : ADCL_OK;
    if (status == ADCL_OK) {
        name_parameters(named, keys, adapters, count);
        status = save_named(ctx, path, named, adapters, count, keep);
    }
    free(named);
    free(keys);
    return status;
}
