/* SPDX-License-Identifier: MIT */
#include <adapter_cl/checkpoint.h>

#include "base/platform.h"
#include "io/describe.h"
#include "io/host_tensors.h"
#include "runtime/context.h"

#include <stdlib.h>
#include <string.h>

static const char format_name[] = "adapter_cl_checkpoint";
static const char format_version[] = "1";

/* ---- saving ----------------------------------------------------------------------------------*/

static adcl_status save_entries(adcl_context *ctx, const char *path,
                                const adcl__host_tensors *tensors, const adcl_metadata *metadata,
                                size_t metadata_count)
{
    adcl_metadata *all = calloc(metadata_count + 2, sizeof *all);
    if (all == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to write it", path);
    all[0] = (adcl_metadata){"format", format_name};
    all[1] = (adcl_metadata){"format_version", format_version};
    for (size_t i = 0; i < metadata_count; i++) all[i + 2] = metadata[i];
    adcl_status status = adcl_safetensors_save(path, tensors->entries, tensors->count, all,
                                               metadata_count + 2, adcl__context_error(ctx));
    free(all);
    return status;
}

adcl_status adcl_checkpoint_save(adcl_context *ctx, const char *path,
                                 const adcl_named_tensor *tensors, size_t tensor_count,
                                 const adcl_metadata *metadata, size_t metadata_count)
{
    if (path == NULL || (tensors == NULL && tensor_count > 0) ||
        (metadata == NULL && metadata_count > 0))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "checkpoint: expected a path, tensors and metadata, got NULL");
    adcl__host_tensors host;
    ADCL_TRY(adcl__host_tensors_read(&host, ctx, path, tensors, tensor_count));
    adcl_status status = save_entries(ctx, path, &host, metadata, metadata_count);
    adcl__host_tensors_free(&host);
    return status;
}

/* ---- opening ---------------------------------------------------------------------------------*/

static adcl_status check_format(const adcl_safetensors *file, const char *path, adcl_error *error)
{
    const char *format = adcl_safetensors_metadata_find(file, "format");
    if (format == NULL || strcmp(format, format_name) != 0)
        return adcl__error_set(error, ADCL_ERR_FORMAT, 0,
                               "%s: not a checkpoint: expected the metadata format = %s, got %s",
                               path, format_name,
                               format == NULL ? "none" : adcl__describe_name(format).text);
    const char *version = adcl_safetensors_metadata_find(file, "format_version");
    if (version == NULL || strcmp(version, format_version) != 0)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected a checkpoint of format_version %s, got %s", path,
                               format_version,
                               version == NULL ? "none" : adcl__describe_name(version).text);
    return ADCL_OK;
}

adcl_status adcl_checkpoint_open(adcl_safetensors **out, const char *path, adcl_error *error)
{
    ADCL_TRY(adcl_safetensors_load(out, path, error));
    adcl_status status = check_format(*out, path, error);
    if (status != ADCL_OK) adcl_safetensors_destroy(out);
    return status;
}

/* ---- restoring -------------------------------------------------------------------------------*/

static adcl_status check_tensor(adcl_context *ctx, const adcl_safetensors *file,
                                const adcl_named_tensor *wanted)
{
    if (wanted->name == NULL || wanted->tensor == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "checkpoint: expected tensors with names, got NULL");
    adcl__description name = adcl__describe_name(wanted->name);
    const adcl_safetensors_entry *entry = adcl_safetensors_find(file, wanted->name);
    if (entry == NULL)
        return adcl__fail(ctx, ADCL_ERR_FORMAT, 0,
                          "checkpoint: expected tensor %s, got none of that name", name.text);
    const size_t shape[2] = {adcl_tensor_rows(wanted->tensor), adcl_tensor_cols(wanted->tensor)};
    adcl_dtype dtype = adcl_tensor_dtype(wanted->tensor);
    if (entry->dtype != dtype || entry->rank != 2 || entry->shape[0] != shape[0] ||
        entry->shape[1] != shape[1])
        return adcl__fail(ctx, ADCL_ERR_FORMAT, 0,
                          "checkpoint: tensor %s: expected %s of shape %s, got %s of shape %s",
                          name.text, adcl_dtype_name(dtype), adcl__describe_shape(2, shape).text,
                          adcl_dtype_name(entry->dtype),
                          adcl__describe_shape(entry->rank, entry->shape).text);
    return ADCL_OK;
}

static bool is_wanted(const char *name, const adcl_named_tensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(tensors[i].name, name) == 0) return true;
    return false;
}

adcl_status adcl_checkpoint_restore(adcl_context *ctx, const adcl_safetensors *file,
                                    const adcl_named_tensor *tensors, size_t tensor_count)
{
    if (file == NULL || (tensors == NULL && tensor_count > 0))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "checkpoint: expected a file and tensors, got NULL");
    for (size_t i = 0; i < tensor_count; i++) ADCL_TRY(check_tensor(ctx, file, &tensors[i]));
    for (size_t i = 0; i < adcl_safetensors_count(file); i++) {
        const char *name = adcl_safetensors_get(file, i)->name;
        if (!is_wanted(name, tensors, tensor_count))
            return adcl__fail(ctx, ADCL_ERR_FORMAT, 0, "checkpoint: tensor %s is not expected",
                              adcl__describe_name(name).text);
    }
    for (size_t i = 0; i < tensor_count; i++) {
        const adcl_safetensors_entry *entry = adcl_safetensors_find(file, tensors[i].name);
        ADCL_TRY(adcl_tensor_write(ctx, tensors[i].tensor, entry->data, entry->bytes));
    }
    return ADCL_OK;
}
