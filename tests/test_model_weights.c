/* SPDX-License-Identifier: MIT */
#include "encoder/model_weights.h"
#include "io/floats.h"
#include "support/files.h"
#include "support/tensors.h"

#include <criterion/criterion.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(model_weights, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;
static adcl__model_weights weights;

/* The test's folder becomes a copy of the tiny BERT model; gives its tensors, to be changed. */
static adcl_test_tensors copy_model(void)
{
    adcl_test_folder_copy(adcl_test_golden_path("tiny/bert"), adcl_test_path(""));
    return adcl_test_tensors_open(adcl_test_golden_path("tiny/bert/model.safetensors"));
}

static adcl_status load(const adcl_test_tensors *tensors)
{
    adcl_test_tensors_save(tensors, adcl_test_path("model.safetensors"));
    return adcl__model_weights_load(&weights, adcl_test_path(""), &error);
}

/* The numbers of a tensor. */
static const float *numbers(adcl_test_tensors *tensors, const char *name)
{
    return adcl_test_tensors_find(tensors, name)->data;
}

static void expect_equal(const float *got, adcl_test_tensors *tensors, const char *name)
{
    const adcl_safetensors_entry *entry = adcl_test_tensors_find(tensors, name);
    cr_expect(memcmp(got, entry->data, entry->bytes) == 0, "%s differs", name);
}

/* ---- what is read ----------------------------------------------------------------------------*/

Test(model_weights, reads_bert_where_the_file_has_it)
{
    adcl_test_tensors t = copy_model();
    cr_assert_eq(adcl__model_weights_load(&weights, adcl_test_golden_path("tiny/bert"), &error),
                 ADCL_OK, "%s", error.message);
    cr_expect_str_eq(weights.prefix, "");
    cr_expect_eq(weights.converted_count, 0);
    cr_expect_eq(weights.config.layers, 3);
    /* Embeddings; for each layer four squares, the two of the feed-forward part, two norms. */
    cr_expect_eq(weights.parameter_count,
                 (97 + 40 + 2 + 2) * 32 + 3 * (4 * (32 * 32 + 32) + 2 * 64 * 32 + 64 + 32 + 4 * 32));
    expect_equal(weights.words, &t, "embeddings.word_embeddings.weight");
    expect_equal(weights.positions, &t, "embeddings.position_embeddings.weight");
    expect_equal(weights.types, &t, "embeddings.token_type_embeddings.weight");
    expect_equal(weights.embeddings_norm.bias, &t, "embeddings.LayerNorm.bias");
    const adcl__layer_weights *last = &weights.layers[2];
    expect_equal(last->query.weight, &t, "encoder.layer.2.attention.self.query.weight");
    expect_equal(last->key.bias, &t, "encoder.layer.2.attention.self.key.bias");
    expect_equal(last->value.weight, &t, "encoder.layer.2.attention.self.value.weight");
    expect_equal(last->attention_output.weight, &t, "encoder.layer.2.attention.output.dense.weight");
    expect_equal(last->attention_norm.weight, &t, "encoder.layer.2.attention.output.LayerNorm.weight");
    expect_equal(last->inner.weight, &t, "encoder.layer.2.intermediate.dense.weight");
    expect_equal(last->output.weight, &t, "encoder.layer.2.output.dense.weight");
    expect_equal(last->output_norm.bias, &t, "encoder.layer.2.output.LayerNorm.bias");
    adcl__model_weights_release(&weights);
    cr_expect_null(weights.layers);
    adcl__model_weights_release(&weights);
}

Test(model_weights, reads_distilbert_by_its_own_names)
{
    adcl_test_tensors t = adcl_test_tensors_open(
        adcl_test_golden_path("tiny/distilbert/model.safetensors"));
    cr_assert_eq(adcl__model_weights_load(&weights, adcl_test_golden_path("tiny/distilbert"),
                                          &error),
                 ADCL_OK, "%s", error.message);
    cr_expect_null(weights.types);
    const adcl__layer_weights *last = &weights.layers[1];
    expect_equal(last->query.weight, &t, "transformer.layer.1.attention.q_lin.weight");
    expect_equal(last->key.weight, &t, "transformer.layer.1.attention.k_lin.weight");
    expect_equal(last->value.bias, &t, "transformer.layer.1.attention.v_lin.bias");
    expect_equal(last->attention_output.bias, &t, "transformer.layer.1.attention.out_lin.bias");
    expect_equal(last->attention_norm.bias, &t, "transformer.layer.1.sa_layer_norm.bias");
    expect_equal(last->inner.bias, &t, "transformer.layer.1.ffn.lin1.bias");
    expect_equal(last->output.weight, &t, "transformer.layer.1.ffn.lin2.weight");
    expect_equal(last->output_norm.weight, &t, "transformer.layer.1.output_layer_norm.weight");
    adcl__model_weights_release(&weights);
}

/* A name of its own for each tensor: a prefix, and old names of norms. */
static void rename_all(adcl_test_tensors *t)
{
    for (size_t i = 0; i < t->count; i++) {
        char *name = malloc(200);
        cr_assert_not_null(name);
        snprintf(name, 200, "bert.%s", t->entries[i].name);
        char *norm = strstr(name, "LayerNorm.");
        if (norm != NULL && strcmp(norm, "LayerNorm.weight") == 0) memcpy(norm, "LayerNorm.gamma", 16);
        if (norm != NULL && strcmp(norm, "LayerNorm.bias") == 0) memcpy(norm, "LayerNorm.beta", 15);
        t->entries[i].name = name;
    }
}

Test(model_weights, takes_a_prefix_old_names_of_norms_and_heads_of_training)
{
    adcl_test_tensors t = copy_model();
    rename_all(&t);
    adcl_test_tensors_add(&t, "cls.predictions.bias", ADCL_F32, 1, 97);
    adcl_test_tensors_add(&t, "bert.embeddings.position_ids", ADCL_I64, 1, 40);
    cr_assert_eq(load(&t), ADCL_OK, "%s", error.message);
    cr_expect_str_eq(weights.prefix, "bert.");
    expect_equal(weights.embeddings_norm.weight, &t, "bert.embeddings.LayerNorm.gamma");
    expect_equal(weights.layers[0].output_norm.bias, &t, "bert.encoder.layer.0.output.LayerNorm.beta");
    expect_equal(weights.layers[0].query.bias, &t, "bert.encoder.layer.0.attention.self.query.bias");
    adcl__model_weights_release(&weights);
}

Test(model_weights, numbers_of_16_bits_become_floats)
{
    static const adcl_dtype dtypes[] = {ADCL_F16, ADCL_BF16};
    adcl_test_tensors t = copy_model();
    static const char name[] = "encoder.layer.1.output.dense.weight";
    for (size_t i = 0; i < 2; i++) {
        float expected[32 * 64];
        uint16_t bits[32 * 64];
        adcl__floats_write(bits, dtypes[i], numbers(&t, name), 32 * 64);
        adcl__floats_read(expected, dtypes[i], bits, 32 * 64);
        cr_assert_eq(adcl_safetensors_convert(adcl_test_golden_path("tiny/bert/model.safetensors"),
                                              adcl_test_path("model.safetensors"), dtypes[i],
                                              &error),
                     ADCL_OK, "%s", error.message);
        cr_assert_eq(adcl__model_weights_load(&weights, adcl_test_path(""), &error), ADCL_OK, "%s",
                     error.message);
        cr_expect_arr_eq(weights.layers[1].output.weight, expected, sizeof expected);
        cr_expect_eq(weights.converted_count, 5 + 3 * 16);
        adcl__model_weights_release(&weights);
    }
}

/* A header of one space more puts every tensor at an odd byte. */
Test(model_weights, floats_at_an_odd_byte_are_copied)
{
    adcl_test_tensors t = copy_model();
    size_t size;
    unsigned char *bytes = adcl_test_file_read(adcl_test_path("model.safetensors"), &size);
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    unsigned char *more = malloc(size + 1);
    cr_assert_not_null(more);
    memcpy(more, bytes, 8 + header);
    more[8 + header] = ' ';
    memcpy(more + 8 + header + 1, bytes + 8 + header, size - 8 - header);
    header++;
    memcpy(more, &header, sizeof header);
    adcl_test_file_write(adcl_test_path("model.safetensors"), more, size + 1);
    cr_assert_eq(adcl__model_weights_load(&weights, adcl_test_path(""), &error), ADCL_OK, "%s",
                 error.message);
    cr_expect_eq(weights.converted_count, 5 + 3 * 16);
    cr_expect_eq((uintptr_t)weights.words % _Alignof(float), 0);
    expect_equal(weights.words, &t, "embeddings.word_embeddings.weight");
    expect_equal(weights.layers[2].output.bias, &t, "encoder.layer.2.output.dense.bias");
    adcl__model_weights_release(&weights);
    free(more);
    free(bytes);
}

/* ---- refusals --------------------------------------------------------------------------------*/

static void expect_refused(const adcl_test_tensors *t, adcl_status status, const char *words)
{
    cr_expect_eq(load(t), status, "%s: got %s: %s", words, adcl_status_name(error.status),
                 error.message);
    cr_expect(strstr(error.message, words) != NULL, "expected \"%s\", got: %s", words,
              error.message);
    cr_expect(strstr(error.message, "model.safetensors: ") != NULL, "%s", error.message);
    cr_expect_null(weights.file);
    cr_expect_null(weights.layers);
}

Test(model_weights, a_missing_tensor_is_named)
{
    static const char *const names[] = {
        "embeddings.word_embeddings.weight", "embeddings.LayerNorm.bias",
        "encoder.layer.0.attention.self.value.bias", "encoder.layer.2.output.LayerNorm.weight"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        adcl_test_tensors t = copy_model();
        adcl_test_tensors_remove(&t, names[i]);
        char words[100];
        snprintf(words, sizeof words, "expected tensor \"%s\" of shape (", names[i]);
        expect_refused(&t, ADCL_ERR_FORMAT, words);
    }
}

Test(model_weights, another_shape_is_named)
{
    static const size_t turned[] = {32, 64}, square[] = {8, 8, 32};
    adcl_test_tensors t = copy_model();
    adcl_test_tensors_find(&t, "encoder.layer.1.intermediate.dense.weight")->shape = turned;
    expect_refused(&t, ADCL_ERR_FORMAT,
                   "tensor \"encoder.layer.1.intermediate.dense.weight\": expected shape (64, 32), "
                   "as config.json says, got (32, 64)");
    t = copy_model();
    adcl_safetensors_entry *entry = adcl_test_tensors_find(&t, "encoder.layer.0.output.dense.weight");
    entry->rank = 3;
    entry->shape = square;
    expect_refused(&t, ADCL_ERR_FORMAT, "expected shape (32, 64), as config.json says, got (8, 8, 32)");
}

Test(model_weights, integers_are_refused)
{
    adcl_test_tensors t = copy_model();
    adcl_test_tensors_find(&t, "encoder.layer.1.output.dense.bias")->dtype = ADCL_I32;
    expect_refused(&t, ADCL_ERR_UNSUPPORTED,
                   "\"encoder.layer.1.output.dense.bias\": expected F32, F16 or BF16, got I32");
}

Test(model_weights, parts_that_would_not_be_computed_are_refused)
{
    static const char *const names[] = {"encoder.layer.3.output.dense.bias",
                                        "encoder.layer.0.output.adapters.x.adapter_up.bias",
                                        "embeddings.other.weight"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        adcl_test_tensors t = copy_model();
        adcl_test_tensors_add(&t, names[i], ADCL_F32, 1, 32);
        expect_refused(&t, ADCL_ERR_FORMAT, names[i]);
    }
}

Test(model_weights, a_folder_without_its_files_is_refused)
{
    cr_expect_eq(adcl__model_weights_load(&weights, adcl_test_path(""), &error), ADCL_ERR_FILE);
    cr_expect(strstr(error.message, "config.json") != NULL, "%s", error.message);
    copy_model();
    remove(adcl_test_path("model.safetensors"));
    cr_expect_eq(adcl__model_weights_load(&weights, adcl_test_path(""), &error), ADCL_ERR_FILE);
    cr_expect(strstr(error.message, "model.safetensors") != NULL, "%s", error.message);
    adcl_test_file_write(adcl_test_path("model.safetensors"), "short", 5);
    cr_expect_eq(adcl__model_weights_load(&weights, adcl_test_path(""), &error), ADCL_ERR_FORMAT);
}
