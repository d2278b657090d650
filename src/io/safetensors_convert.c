/* SPDX-License-Identifier: MIT */
/* safetensors_convert.c – a file of half the size. */
#include <adapter_cl/safetensors.h>

#include "base/error.h"
#include "io/array.h"
#include "io/describe.h"
#include "io/floats.h"

#include <math.h>
#include <stdlib.h>

typedef struct converter {
    const char *from;
    adcl_error *error;
    adcl_dtype dtype;
    adcl_safetensors *file;
    adcl_safetensors_entry *entries; /* of the new file */
    void **owned;                    /* their converted numbers */
    size_t count;
} converter;

static adcl_status out_of_memory(const converter *c)
{
    return adcl__error_set(c->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to convert it",
                           c->from);
}

/* The numbers of `block` floats at a time: they may lie at any byte of the file. */
static adcl_status convert_numbers(const converter *c, const adcl_safetensors_entry *entry,
                                   unsigned char *out)
{
    enum { block = 1024 };
    float in[block], back[block];
    size_t count = entry->bytes / sizeof *in, size = adcl_dtype_size(c->dtype);
    const unsigned char *data = entry->data;
    for (size_t done = 0; done < count; done += block) {
        size_t step = count - done < block ? count - done : block;
        adcl__floats_read(in, ADCL_F32, data + done * sizeof *in, step);
        adcl__floats_write(out + done * size, c->dtype, in, step);
        adcl__floats_read(back, c->dtype, out + done * size, step);
        for (size_t i = 0; i < step; i++)
            if (isinf(back[i]) && !isinf(in[i]))
                return adcl__error_set(c->error, ADCL_ERR_FORMAT, 0,
                                       "%s: tensor %s: expected numbers that fit %s, got %g",
                                       c->from, adcl__describe_name(entry->name).text,
                                       adcl_dtype_name(c->dtype), (double)in[i]);
    }
    return ADCL_OK;
}

static adcl_status convert_entry(converter *c, size_t index)
{
    const adcl_safetensors_entry *entry = adcl_safetensors_get(c->file, index);
    c->entries[index] = *entry;
    if (entry->dtype != ADCL_F32) return ADCL_OK;
    size_t bytes = entry->bytes / sizeof(float) * adcl_dtype_size(c->dtype);
    c->owned[index] = malloc(bytes + 1);
    if (c->owned[index] == NULL) return out_of_memory(c);
    c->entries[index].dtype = c->dtype;
    c->entries[index].data = c->owned[index];
    c->entries[index].bytes = bytes;
    return convert_numbers(c, entry, c->owned[index]);
}

static adcl_status convert_all(converter *c)
{
    size_t converted = 0;
    c->count = adcl_safetensors_count(c->file);
    c->entries = calloc(c->count + 1, sizeof *c->entries);
    c->owned = calloc(c->count + 1, sizeof *c->owned);
    if (c->entries == NULL || c->owned == NULL) return out_of_memory(c);
    for (size_t i = 0; i < c->count; i++) {
        ADCL_TRY(convert_entry(c, i));
        converted += c->owned[i] != NULL;
    }
    if (converted > 0) return ADCL_OK;
    return adcl__error_set(c->error, ADCL_ERR_INVALID_ARGUMENT, 0,
                           "%s: expected tensors of F32 to convert, got none", c->from);
}

static adcl_status save(const converter *c, const char *to)
{
    size_t count = adcl_safetensors_metadata_count(c->file);
    adcl_metadata *metadata = calloc(count + 1, sizeof *metadata);
    if (metadata == NULL) return out_of_memory(c);
    for (size_t i = 0; i < count; i++) metadata[i] = *adcl_safetensors_metadata_get(c->file, i);
    adcl_status status =
        adcl_safetensors_save(to, c->entries, c->count, metadata, count, c->error);
    free(metadata);
    return status;
}

adcl_status adcl_safetensors_convert(const char *from, const char *to, adcl_dtype dtype,
                                     adcl_error *error)
{
    converter c = {.from = from, .error = error, .dtype = dtype};
    if (dtype != ADCL_F16 && dtype != ADCL_BF16)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "safetensors: expected F16 or BF16 to convert to, got %s",
                               adcl_dtype_name(dtype));
    adcl_status status = adcl_safetensors_load(&c.file, from, error);
    if (status == ADCL_OK) status = convert_all(&c);
    if (status == ADCL_OK) status = save(&c, to);
    for (size_t i = 0; c.owned != NULL && i < c.count; i++) free(c.owned[i]);
    free(c.owned);
    free(c.entries);
    adcl_safetensors_destroy(&c.file);
    return status;
}
