/* SPDX-License-Identifier: MIT */
#include "support/random_model.h"

#include "base/random.h"
#include "support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum {
    V = ADCL_TEST_VOCABULARY,
    D = ADCL_TEST_HIDDEN,
    F = ADCL_TEST_INNER,
    P = ADCL_TEST_POSITIONS,
    TYPES = ADCL_TEST_TYPES,
    LAYERS = ADCL_TEST_LAYERS
};

void adcl_test_draw(uint64_t seed, double deviation, float *out, size_t count)
{
    adcl__random_fill_normal(seed, ADCL__STREAM_DOWN_KERNEL, deviation, 0.0, out, count);
}

/* ---- the model ------------------------------------------------------------------------------- */

static const float *take(adcl_test_model *m, size_t count)
{
    const float *taken = m->numbers + m->used;
    m->used += count;
    cr_assert_leq(m->used, ADCL_TEST_NUMBERS);
    return taken;
}

static adcl__dense_weights take_dense(adcl_test_model *m, size_t inputs, size_t outputs)
{
    const float *weight = take(m, inputs * outputs);
    return (adcl__dense_weights){weight, take(m, outputs)};
}

static adcl__norm_weights take_norm(adcl_test_model *m)
{
    const float *weight = take(m, D);
    return (adcl__norm_weights){weight, take(m, D)};
}

void adcl_test_model_make(adcl_test_model *m)
{
    memset(m, 0, sizeof *m);
    adcl_test_draw(1, 0.5, m->numbers, ADCL_TEST_NUMBERS);
    m->weights.config = (adcl__model_config){.family = ADCL__MODEL_BERT,
                                             .vocabulary_size = V,
                                             .hidden_size = D,
                                             .layers = LAYERS,
                                             .heads = ADCL_TEST_HEADS,
                                             .inner_size = F,
                                             .positions = P,
                                             .token_types = TYPES,
                                             .activation = ADCL_ACTIVATION_GELU_TANH,
                                             .layer_norm_epsilon = 1e-3};
    m->weights.words = take(m, V * D);
    m->weights.positions = take(m, P * D);
    m->weights.types = take(m, TYPES * D);
    m->weights.embeddings_norm = take_norm(m);
    m->weights.layers = m->layers;
    for (size_t l = 0; l < LAYERS; l++) {
        adcl__layer_weights *layer = &m->layers[l];
        layer->query = take_dense(m, D, D);
        layer->key = take_dense(m, D, D);
        layer->value = take_dense(m, D, D);
        layer->attention_output = take_dense(m, D, D);
        layer->attention_norm = take_norm(m);
        layer->inner = take_dense(m, D, F);
        layer->output = take_dense(m, F, D);
        layer->output_norm = take_norm(m);
    }
}

/* ---- the model's folder ---------------------------------------------------------------------- */

typedef struct tensor_list {
    adcl_safetensors_entry entries[64];
    char names[64][80];
    size_t shapes[64][2];
    size_t count;
} tensor_list;

/* rows 0: a vector. */
static void add_tensor(tensor_list *list, const char *name, const char *ending, const float *values,
                       size_t rows, size_t cols)
{
    size_t i = list->count++;
    cr_assert_lt(i, 64);
    snprintf(list->names[i], sizeof list->names[i], "bert.%s.%s", name, ending);
    list->shapes[i][0] = rows;
    list->shapes[i][1] = cols;
    list->entries[i] = (adcl_safetensors_entry){
        .name = list->names[i],
        .dtype = ADCL_F32,
        .rank = rows > 0 ? 2 : 1,
        .shape = rows > 0 ? list->shapes[i] : list->shapes[i] + 1,
        .data = values,
        .bytes = (rows > 0 ? rows : 1) * cols * sizeof *values,
    };
}

static void add_dense(tensor_list *list, const char *name, const adcl__dense_weights *dense,
                      size_t outputs, size_t inputs)
{
    add_tensor(list, name, "weight", dense->weight, outputs, inputs);
    add_tensor(list, name, "bias", dense->bias, 0, outputs);
}

static void add_norm(tensor_list *list, const char *name, const adcl__norm_weights *norm)
{
    add_tensor(list, name, "weight", norm->weight, 0, D);
    add_tensor(list, name, "bias", norm->bias, 0, D);
}

static void add_layer(tensor_list *list, const adcl__layer_weights *layer, size_t index)
{
    const struct {
        const char *name;
        const adcl__dense_weights *dense;
        size_t outputs, inputs;
    } parts[] = {{"attention.self.query", &layer->query, D, D},
                 {"attention.self.key", &layer->key, D, D},
                 {"attention.self.value", &layer->value, D, D},
                 {"attention.output.dense", &layer->attention_output, D, D},
                 {"intermediate.dense", &layer->inner, F, D},
                 {"output.dense", &layer->output, D, F}};
    char name[64];
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        snprintf(name, sizeof name, "encoder.layer.%zu.%s", index, parts[p].name);
        add_dense(list, name, parts[p].dense, parts[p].outputs, parts[p].inputs);
    }
    snprintf(name, sizeof name, "encoder.layer.%zu.attention.output.LayerNorm", index);
    add_norm(list, name, &layer->attention_norm);
    snprintf(name, sizeof name, "encoder.layer.%zu.output.LayerNorm", index);
    add_norm(list, name, &layer->output_norm);
}

static void save_config(const char *path)
{
    char text[512];
    int length = snprintf(
        text, sizeof text,
        "{\"model_type\": \"bert\", \"vocab_size\": %d, \"hidden_size\": %d, "
        "\"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"intermediate_size\": %d, "
        "\"max_position_embeddings\": %d, \"type_vocab_size\": %d, \"hidden_act\": \"gelu_new\", "
        "\"layer_norm_eps\": 1e-3}",
        V, D, LAYERS, ADCL_TEST_HEADS, F, P, TYPES);
    adcl_test_file_write(path, text, (size_t)length);
}

void adcl_test_model_save(const adcl_test_model *m, const char *folder)
{
    char path[4096];
    tensor_list list = {.count = 0};
    adcl_error error;
    add_tensor(&list, "embeddings.word_embeddings", "weight", m->weights.words, V, D);
    add_tensor(&list, "embeddings.position_embeddings", "weight", m->weights.positions, P, D);
    add_tensor(&list, "embeddings.token_type_embeddings", "weight", m->weights.types, TYPES, D);
    add_norm(&list, "embeddings.LayerNorm", &m->weights.embeddings_norm);
    for (size_t l = 0; l < LAYERS; l++) add_layer(&list, &m->layers[l], l);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    adcl_status status = adcl_safetensors_save(path, list.entries, list.count, NULL, 0, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    snprintf(path, sizeof path, "%s/config.json", folder);
    save_config(path);
}

/* ---- a batch --------------------------------------------------------------------------------- */

const size_t adcl_test_starts[ADCL_TEST_SEQUENCES + 1] = {0, 3, 4, ADCL_TEST_TOKENS};
const int32_t adcl_test_ids[ADCL_TEST_TOKENS] = {2, 7, 3, 9, 2, 10, 0, 3};
const int32_t adcl_test_type_ids[ADCL_TEST_TOKENS] = {0, 0, 1, 0, 0, 1, 1, 1};
const adcl__reference_batch adcl_test_batch = {ADCL_TEST_SEQUENCES, adcl_test_starts, adcl_test_ids,
                                               adcl_test_type_ids};
const double adcl_test_dlogits[ADCL_TEST_SEQUENCES * ADCL_TEST_LABELS] = {
    0.5, -1.0, 0.25, 1.5, -0.5, 0.75, -1.25, 1.0, 2.0};

/* ---- sets ------------------------------------------------------------------------------------ */

static adcl_status note_array(void *user, const char *name, float **values, size_t rows,
                              size_t cols)
{
    adcl_test_arrays *list = user;
    cr_assert_lt(list->count, sizeof list->at / sizeof list->at[0]);
    adcl_test_array *noted = &list->at[list->count++];
    cr_assert_lt(strlen(name), sizeof noted->name);
    strcpy(noted->name, name);
    noted->values = *values;
    noted->rows = rows;
    noted->cols = cols;
    return ADCL_OK;
}

void adcl_test_list_arrays(adcl__host_set *set, adcl_test_arrays *list)
{
    list->count = 0;
    cr_assert_eq(adcl__host_set_each(set, note_array, list), ADCL_OK);
}

const adcl_test_array *adcl_test_array_named(const adcl_test_arrays *list, const char *name)
{
    size_t i = 0;
    while (i < list->count && strcmp(list->at[i].name, name) != 0) i++;
    cr_assert_lt(i, list->count, "the set has no %s", name);
    return &list->at[i];
}

void adcl_test_draw_set(adcl__host_set *set)
{
    adcl_test_arrays arrays;
    adcl_test_list_arrays(set, &arrays);
    for (size_t i = 0; i < arrays.count; i++)
        adcl_test_draw(100 + i, 0.5, arrays.at[i].values, arrays.at[i].rows * arrays.at[i].cols);
}

#define WITH(ACTIVATION)                                                      \
    .struct_size = sizeof(adcl_adapter_set_params), .reduction_factor = 3.0f, \
    .labels = ADCL_TEST_LABELS, .activation = ADCL_ACTIVATION_##ACTIVATION

static const size_t first_layer[] = {0}, last_layer[] = {1};
static const float uneven_factors[] = {2.0f, 0.0f};

const adcl_test_variant adcl_test_variants[ADCL_TEST_VARIANTS] = {
    {"houlsby, learned scaling",
     {WITH(SILU), .attention_adapters = 1, .output_adapters = 1, .original_ln_after = 1,
      .scaling_kind = ADCL_SCALING_LEARNED}},
    {"houlsby, gate, mean pooling, uneven bottlenecks",
     {WITH(GELU), .attention_adapters = 1, .output_adapters = 1, .original_ln_after = 1, .gated = 1,
      .pooling = ADCL_POOLING_MEAN, .layer_reduction_factors = uneven_factors}},
    {"pfeiffer, gate, both norms, channel scaling",
     {WITH(SILU), .output_adapters = 1, .original_ln_before = 1, .original_ln_after = 1, .gated = 1,
      .ln_before = 1, .ln_after = 1, .scaling_kind = ADCL_SCALING_CHANNEL}},
    {"pfeiffer, trained layer norms, last layer only",
     {WITH(TANH), .output_adapters = 1, .original_ln_before = 1, .original_ln_after = 1,
      .train_layer_norms = 1, .leave_out = first_layer, .leave_out_count = 1}},
    {"attention only, trained layer norms, first layer only",
     {WITH(MISH), .attention_adapters = 1, .original_ln_before = 1, .original_ln_after = 1,
      .train_layer_norms = 1, .leave_out = last_layer, .leave_out_count = 1}},
    {"both places, residual after the norm",
     {WITH(GELU), .attention_adapters = 1, .output_adapters = 1, .original_ln_before = 1,
      .original_ln_after = 1, .residual = ADCL_RESIDUAL_AFTER_LN, .scaling = -0.7f}},
    {"both places, residual of the sum, into the adapter's norm",
     {WITH(TANH), .attention_adapters = 1, .output_adapters = 1, .original_ln_before = 1,
      .original_ln_after = 1, .residual = ADCL_RESIDUAL_POST_ADD, .ln_after = 1,
      .adapter_residual_before_ln = 1}},
    {"no norm of the model at all",
     {WITH(SILU), .attention_adapters = 1, .output_adapters = 1, .ln_after = 1}},
    {"norm before, none after, trained layer norms",
     {WITH(SILU), .attention_adapters = 1, .output_adapters = 1, .original_ln_before = 1,
      .residual = ADCL_RESIDUAL_AFTER_LN, .train_layer_norms = 1}},
    {"parallel, gate, both norms, channel scaling, mean pooling in two layers",
     {WITH(GELU_TANH), .output_adapters = 1, .parallel = 1, .original_ln_after = 1, .gated = 1,
      .ln_before = 1, .ln_after = 1, .scaling_kind = ADCL_SCALING_CHANNEL,
      .pooling = ADCL_POOLING_MEAN, .head_layers = 2}},
    {"parallel, trained layer norms, softmax",
     {WITH(SOFTMAX), .output_adapters = 1, .parallel = 1, .original_ln_after = 1,
      .train_layer_norms = 1, .scaling = 4.0f}},
    {"head alone, one layer", {WITH(TANH), .head_only = 1, .head_layers = 1}},
    {"head alone, trained layer norms, mean pooling",
     {WITH(TANH), .head_only = 1, .train_layer_norms = 1, .pooling = ADCL_POOLING_MEAN}},
};
