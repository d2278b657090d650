/* SPDX-License-Identifier: MIT */
/* model_weights.c – the tensors of a model found by name. A table says for each family what a role
 * is called; a dense part has two tensors, <name>.weight and <name>.bias, and so has a norm, whose
 * old names are <name>.gamma and <name>.beta. */
#include "encoder/model_weights.h"

#include "base/text.h"
#include "io/describe.h"
#include "io/floats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sizes that shapes are made of. */
typedef enum size_name { HIDDEN, INNER, VOCABULARY, POSITIONS, TYPES, SIZE_NAMES } size_name;

typedef struct role {
    const char *name;
    size_t place;          /* of the adcl__dense_weights or adcl__norm_weights in its struct */
    size_name rows, cols;  /* of a dense part */
} role;

#define LAYER_DENSE_PARTS 6
#define LAYER_NORMS 2

typedef struct family_names {
    const char *prefix; /* where the encoder is part of a larger model */
    const char *layer;
    role dense[LAYER_DENSE_PARTS];
    role norms[LAYER_NORMS];
} family_names;

#define IN_LAYER(field) offsetof(adcl__layer_weights, field)

static const family_names families[] = {
    [ADCL__MODEL_BERT] = {
        "bert.",
        "encoder.layer.",
        {{"attention.self.query", IN_LAYER(query), HIDDEN, HIDDEN},
         {"attention.self.key", IN_LAYER(key), HIDDEN, HIDDEN},
         {"attention.self.value", IN_LAYER(value), HIDDEN, HIDDEN},
         {"attention.output.dense", IN_LAYER(attention_output), HIDDEN, HIDDEN},
         {"intermediate.dense", IN_LAYER(inner), INNER, HIDDEN},
         {"output.dense", IN_LAYER(output), HIDDEN, INNER}},
        {{.name = "attention.output.LayerNorm", .place = IN_LAYER(attention_norm)},
         {.name = "output.LayerNorm", .place = IN_LAYER(output_norm)}},
    },
    [ADCL__MODEL_DISTILBERT] = {
        "distilbert.",
        "transformer.layer.",
        {{"attention.q_lin", IN_LAYER(query), HIDDEN, HIDDEN},
         {"attention.k_lin", IN_LAYER(key), HIDDEN, HIDDEN},
         {"attention.v_lin", IN_LAYER(value), HIDDEN, HIDDEN},
         {"attention.out_lin", IN_LAYER(attention_output), HIDDEN, HIDDEN},
         {"ffn.lin1", IN_LAYER(inner), INNER, HIDDEN},
         {"ffn.lin2", IN_LAYER(output), HIDDEN, INNER}},
        {{.name = "sa_layer_norm", .place = IN_LAYER(attention_norm)},
         {.name = "output_layer_norm", .place = IN_LAYER(output_norm)}},
    },
};

/* What the steps of reading share. */
typedef struct reader {
    const char *path; /* of model.safetensors */
    adcl_error *error;
    adcl__model_weights *out;
    const family_names *names;
    size_t sizes[SIZE_NAMES];
    bool *used; /* for each tensor of the file */
} reader;

static adcl_status out_of_memory(const reader *in)
{
    return adcl__error_set(in->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           in->path);
}

/* ---- one tensor ------------------------------------------------------------------------------*/

static adcl_status check_tensor(const reader *in, const adcl_safetensors_entry *entry, size_t rank,
                                const size_t *shape)
{
    bool equal = entry->rank == rank;
    for (size_t axis = 0; axis < rank && equal; axis++) equal = entry->shape[axis] == shape[axis];
    if (!equal)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: tensor %s: expected shape %s, as config.json says, got %s",
                               in->path, adcl__describe_name(entry->name).text,
                               adcl__describe_shape(rank, shape).text,
                               adcl__describe_shape(entry->rank, entry->shape).text);
    if (!adcl__dtype_is_float(entry->dtype))
        return adcl__error_set(in->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: tensor %s: expected F32, F16 or BF16, got %s", in->path,
                               adcl__describe_name(entry->name).text,
                               adcl_dtype_name(entry->dtype));
    return ADCL_OK;
}

static bool is_aligned(const void *data)
{
    return (uintptr_t)data % _Alignof(float) == 0;
}

/* *values = the tensor's numbers: where the file has them, or a copy if they cannot be used there. */
static adcl_status take_values(reader *in, const adcl_safetensors_entry *entry,
                               const float **values)
{
    size_t count = entry->bytes / adcl_dtype_size(entry->dtype);
    in->used[entry - adcl_safetensors_get(in->out->file, 0)] = true;
    in->out->parameter_count += count;
    if (entry->dtype == ADCL_F32 && is_aligned(entry->data)) {
        *values = entry->data;
        return ADCL_OK;
    }
    float *copy = malloc(count * sizeof *copy); /* the shape was checked, so this is no overflow */
    if (copy == NULL) return out_of_memory(in);
    in->out->converted[in->out->converted_count++] = copy;
    adcl__floats_read(copy, entry->dtype, entry->data, count);
    *values = copy;
    return ADCL_OK;
}

/* The tensor <name>.<ending>; NULL where there is none. */
static const adcl_safetensors_entry *find_tensor(const reader *in, const char *name,
                                                 const char *ending)
{
    char full[128]; /* all names are from the tables above */
    snprintf(full, sizeof full, "%s%s.%s", in->out->prefix, name, ending);
    return adcl_safetensors_find(in->out->file, full);
}

/* `old_ending`: what it may be called instead, NULL: nothing. */
static adcl_status read_tensor(reader *in, const char *name, const char *ending,
                               const char *old_ending, size_t rank, const size_t *shape,
                               const float **values)
{
    const adcl_safetensors_entry *entry = find_tensor(in, name, ending);
    if (entry == NULL && old_ending != NULL) entry = find_tensor(in, name, old_ending);
    if (entry == NULL)
        return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                               "%s: expected tensor \"%s%s.%s\" of shape %s, got none of that name",
                               in->path, in->out->prefix, name, ending,
                               adcl__describe_shape(rank, shape).text);
    ADCL_TRY(check_tensor(in, entry, rank, shape));
    return take_values(in, entry, values);
}

/* ---- parts -----------------------------------------------------------------------------------*/

static adcl_status read_table(reader *in, const char *name, size_name rows, const float **values)
{
    const size_t shape[] = {in->sizes[rows], in->sizes[HIDDEN]};
    return read_tensor(in, name, "weight", NULL, 2, shape, values);
}

static adcl_status read_dense(reader *in, const char *name, const role *part,
                              adcl__dense_weights *out)
{
    const size_t shape[] = {in->sizes[part->rows], in->sizes[part->cols]};
    ADCL_TRY(read_tensor(in, name, "weight", NULL, 2, shape, &out->weight));
    return read_tensor(in, name, "bias", NULL, 1, shape, &out->bias);
}

static adcl_status read_norm(reader *in, const char *name, adcl__norm_weights *out)
{
    const size_t *shape = &in->sizes[HIDDEN];
    ADCL_TRY(read_tensor(in, name, "weight", "gamma", 1, shape, &out->weight));
    return read_tensor(in, name, "bias", "beta", 1, shape, &out->bias);
}

static adcl_status read_embeddings(reader *in)
{
    adcl__model_weights *out = in->out;
    ADCL_TRY(read_table(in, "embeddings.word_embeddings", VOCABULARY, &out->words));
    ADCL_TRY(read_table(in, "embeddings.position_embeddings", POSITIONS, &out->positions));
    if (in->sizes[TYPES] > 0)
        ADCL_TRY(read_table(in, "embeddings.token_type_embeddings", TYPES, &out->types));
    return read_norm(in, "embeddings.LayerNorm", &out->embeddings_norm);
}

static adcl_status read_layer(reader *in, size_t index)
{
    unsigned char *layer = (unsigned char *)&in->out->layers[index];
    char name[96];
    for (size_t i = 0; i < LAYER_DENSE_PARTS; i++) {
        const role *part = &in->names->dense[i];
        snprintf(name, sizeof name, "%s%zu.%s", in->names->layer, index, part->name);
        ADCL_TRY(read_dense(in, name, part, (void *)(layer + part->place)));
    }
    for (size_t i = 0; i < LAYER_NORMS; i++) {
        const role *part = &in->names->norms[i];
        snprintf(name, sizeof name, "%s%zu.%s", in->names->layer, index, part->name);
        ADCL_TRY(read_norm(in, name, (void *)(layer + part->place)));
    }
    return ADCL_OK;
}

/* ---- the whole file --------------------------------------------------------------------------*/

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Files of an encoder alone have no prefix, files of a model with a head have its. */
static void find_prefix(const reader *in)
{
    static const char table[] = "embeddings.word_embeddings";
    if (find_tensor(in, table, "weight") != NULL) return;
    snprintf(in->out->prefix, sizeof in->out->prefix, "%s", in->names->prefix);
    if (find_tensor(in, table, "weight") == NULL) in->out->prefix[0] = '\0';
}

/* Whether a tensor that has no role is part of the encoder, which would compute something else than
 * this library then: a layer more than config.json says, adapters. */
static bool is_of_encoder(const reader *in, const char *name)
{
    static const char *const numbers[] = {"embeddings.position_ids", "embeddings.token_type_ids"};
    if (!begins_with(name, in->out->prefix)) return false;
    name += strlen(in->out->prefix);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(name, numbers[i]) == 0) return false;
    return begins_with(name, "embeddings.") || begins_with(name, in->names->layer);
}

static adcl_status check_all_used(const reader *in)
{
    for (size_t i = 0; i < adcl_safetensors_count(in->out->file); i++) {
        const char *name = adcl_safetensors_get(in->out->file, i)->name;
        if (!in->used[i] && is_of_encoder(in, name))
            return adcl__error_set(in->error, ADCL_ERR_FORMAT, 0,
                                   "%s: tensor %s: expected an encoder of %zu layers without it, "
                                   "as config.json says",
                                   in->path, adcl__describe_name(name).text,
                                   in->out->config.layers);
    }
    return ADCL_OK;
}

static void set_sizes(reader *in)
{
    const adcl__model_config *config = &in->out->config;
    in->names = &families[config->family];
    in->sizes[HIDDEN] = config->hidden_size;
    in->sizes[INNER] = config->inner_size;
    in->sizes[VOCABULARY] = config->vocabulary_size;
    in->sizes[POSITIONS] = config->positions;
    in->sizes[TYPES] = config->token_types;
}

static adcl_status read_tensors(reader *in)
{
    adcl__model_weights *out = in->out;
    ADCL_TRY(adcl_safetensors_load(&out->file, in->path, in->error));
    size_t count = adcl_safetensors_count(out->file);
    in->used = calloc(count + 1, sizeof *in->used);
    out->converted = calloc(count + 1, sizeof *out->converted);
    out->layers = calloc(out->config.layers, sizeof *out->layers);
    if (in->used == NULL || out->converted == NULL || out->layers == NULL)
        return out_of_memory(in);
    set_sizes(in);
    find_prefix(in);
    ADCL_TRY(read_embeddings(in));
    for (size_t i = 0; i < out->config.layers; i++) ADCL_TRY(read_layer(in, i));
    return check_all_used(in);
}

adcl_status adcl__model_weights_load(adcl__model_weights *out, const char *folder,
                                     adcl_error *error)
{
    *out = (adcl__model_weights){0};
    adcl__text path = {0};
    adcl__text_append(&path, "%s/model.safetensors", folder);
    reader in = {.path = path.failed ? folder : path.bytes, .error = error, .out = out};
    adcl_status status = path.failed ? out_of_memory(&in)
                                     : adcl__model_config_read(&out->config, folder, error);
    if (status == ADCL_OK) status = read_tensors(&in);
    if (status != ADCL_OK) adcl__model_weights_release(out);
    free(in.used);
    adcl__text_free(&path);
    return status;
}

void adcl__model_weights_release(adcl__model_weights *weights)
{
    for (size_t i = 0; i < weights->converted_count; i++) free(weights->converted[i]);
    free(weights->converted);
    free(weights->layers);
    adcl_safetensors_destroy(&weights->file);
    *weights = (adcl__model_weights){0};
}
