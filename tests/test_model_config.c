/* SPDX-License-Identifier: MIT */
#include "encoder/model_config.h"
#include "support/files.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

TestSuite(model_config, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;
static adcl__model_config config;

static adcl_status read_text(const char *text)
{
    adcl_test_file_write(adcl_test_path("config.json"), text, strlen(text));
    return adcl__model_config_read(&config, adcl_test_path(""), &error);
}

static void expect_sizes(adcl__model_family family, size_t vocabulary_size, size_t hidden_size,
                         size_t layers, size_t heads, size_t inner_size)
{
    cr_expect_eq(config.family, family);
    cr_expect_eq(config.vocabulary_size, vocabulary_size);
    cr_expect_eq(config.hidden_size, hidden_size);
    cr_expect_eq(config.layers, layers);
    cr_expect_eq(config.heads, heads);
    cr_expect_eq(config.inner_size, inner_size);
}

/* MiniLM's; `more` stands before the brace that ends the object. */
#define BERT(more)                                                                                 \
    "{\"model_type\": \"bert\", \"vocab_size\": 30522, \"hidden_size\": 384, "                     \
    "\"num_hidden_layers\": 6, \"num_attention_heads\": 12, \"intermediate_size\": 1536, "         \
    "\"max_position_embeddings\": 512" more "}"

#define DISTILBERT(more)                                                                           \
    "{\"model_type\": \"distilbert\", \"vocab_size\": 97, \"dim\": 32, \"n_layers\": 2, "          \
    "\"n_heads\": 4, \"hidden_dim\": 72, \"max_position_embeddings\": 40" more "}"

Test(model_config, reads_bert)
{
    cr_assert_eq(read_text(BERT(", \"type_vocab_size\": 1, \"hidden_act\": \"gelu_new\", "
                                "\"layer_norm_eps\": 1e-05, \"hidden_dropout_prob\": 0, "
                                "\"attention_probs_dropout_prob\": 0.25, \"is_decoder\": false, "
                                "\"pruned_heads\": {}, \"position_embedding_type\": \"absolute\", "
                                "\"unknown\": [1]")),
                 ADCL_OK, "%s", error.message);
    expect_sizes(ADCL__MODEL_BERT, 30522, 384, 6, 12, 1536);
    cr_expect_eq(config.positions, 512);
    cr_expect_eq(config.token_types, 1);
    cr_expect_eq(config.activation, ADCL_ACTIVATION_GELU_TANH);
    cr_expect_eq(config.layer_norm_epsilon, 1e-5);
    cr_expect_eq(config.hidden_dropout, 0);
    cr_expect_eq(config.attention_dropout, 0.25);
}

Test(model_config, what_old_files_leave_out_has_the_usual_value)
{
    cr_assert_eq(read_text(BERT(", \"hidden_act\": null")), ADCL_OK, "%s", error.message);
    cr_expect_eq(config.token_types, 2);
    cr_expect_eq(config.activation, ADCL_ACTIVATION_GELU);
    cr_expect_eq(config.layer_norm_epsilon, 1e-12);
    cr_expect_eq(config.hidden_dropout, 0.1);
    cr_expect_eq(config.attention_dropout, 0.1);
}

Test(model_config, reads_distilbert)
{
    /* BERT's own names mean nothing here. */
    cr_assert_eq(read_text(DISTILBERT(", \"activation\": \"relu\", \"dropout\": 0.2, "
                                      "\"attention_dropout\": 0.3, \"type_vocab_size\": 2, "
                                      "\"layer_norm_eps\": 1, \"hidden_act\": 5")),
                 ADCL_OK, "%s", error.message);
    expect_sizes(ADCL__MODEL_DISTILBERT, 97, 32, 2, 4, 72);
    cr_expect_eq(config.positions, 40);
    cr_expect_eq(config.token_types, 0);
    cr_expect_eq(config.activation, ADCL_ACTIVATION_RELU);
    cr_expect_eq(config.layer_norm_epsilon, 1e-12);
    cr_expect_eq(config.hidden_dropout, 0.2);
    cr_expect_eq(config.attention_dropout, 0.3);
}

/* ---- refusals --------------------------------------------------------------------------------*/

typedef struct bad_config {
    const char *text, *words;
} bad_config;

static void expect_refused(adcl_status status, const bad_config *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(read_text(cases[i].text), status, "%s: got %s: %s", cases[i].words,
                     adcl_status_name(error.status), error.message);
        cr_expect(strstr(error.message, cases[i].words) != NULL, "expected \"%s\", got: %s",
                  cases[i].words, error.message);
        cr_expect(strstr(error.message, "config.json: ") != NULL, "%s", error.message);
    }
}

Test(model_config, other_models_are_refused_by_name)
{
    static const bad_config cases[] = {
        {"{\"model_type\": \"roberta\"}", "expected bert or distilbert, got \"roberta\""},
        {"{\"model_type\": \"gpt2\"}", "\"gpt2\""},
        {"{\"model_type\": 1}", "got something else"},
        {"{}", "model_type: expected bert or distilbert, got nothing"},
        {BERT(", \"is_decoder\": true"), "is_decoder"},
        {BERT(", \"add_cross_attention\": true"), "add_cross_attention"},
        {BERT(", \"pruned_heads\": {\"0\": [1]}"), "pruned_heads"},
        {BERT(", \"quantization_config\": {\"bits\": 4}"), "quantization_config"},
        {BERT(", \"position_embedding_type\": \"relative_key\""),
         "position_embedding_type: expected absolute, got \"relative_key\""},
        {BERT(", \"position_embedding_type\": 2"), "got something else"},
        {BERT(", \"hidden_act\": \"laplace\""), "hidden_act: unknown activation \"laplace\""},
        {BERT(", \"hidden_act\": \"softmax\""), "hidden_act: expected an activation of single"},
        {DISTILBERT(", \"activation\": \"laplace\""), "activation: unknown"},
        {BERT(", \"type_vocab_size\": 0"), "type_vocab_size: expected 1 to"},
        {"{\"model_type\": \"bert\", \"vocab_size\": 9, \"hidden_size\": 4}",
         "hidden_size: expected 8 to 4096, got 4"},
        {"{\"model_type\": \"bert\", \"vocab_size\": 9, \"hidden_size\": 8192}",
         "hidden_size: expected 8 to 4096, got 8192"},
        {"{\"model_type\": \"bert\", \"vocab_size\": -1}", "vocab_size: expected 1 to"},
    };
    expect_refused(ADCL_ERR_UNSUPPORTED, cases, sizeof cases / sizeof cases[0]);
}

Test(model_config, damaged_files_are_refused)
{
    static const bad_config cases[] = {
        {"", "expected JSON"},
        {"[]", "expected a JSON object"},
        {BERT(", \"model_type\": \"bert\""), "duplicate"},
        {"{\"model_type\": \"bert\"}", "vocab_size: expected a whole number, got nothing"},
        {"{\"model_type\": \"bert\", \"vocab_size\": 9.5}", "vocab_size: expected a whole number"},
        {"{\"model_type\": \"distilbert\", \"vocab_size\": 9, \"hidden_size\": 32}",
         "dim: expected a whole number, got nothing"},
        {BERT(", \"hidden_act\": 5"), "hidden_act: expected a string"},
        {BERT(", \"layer_norm_eps\": -1e-12"), "layer_norm_eps: expected a number"},
        {BERT(", \"hidden_dropout_prob\": 1"), "hidden_dropout_prob: expected a number"},
        {BERT(", \"attention_probs_dropout_prob\": \"0.1\""), "attention_probs_dropout_prob"},
        {"{\"model_type\": \"bert\", \"vocab_size\": 9, \"hidden_size\": 32, "
         "\"num_hidden_layers\": 1, \"num_attention_heads\": 5, \"intermediate_size\": 9, "
         "\"max_position_embeddings\": 9}",
         "num_attention_heads: expected a divisor of hidden_size, 32, got 5"},
    };
    expect_refused(ADCL_ERR_FORMAT, cases, sizeof cases / sizeof cases[0]);
}

Test(model_config, a_folder_without_it_is_refused)
{
    cr_expect_eq(adcl__model_config_read(&config, adcl_test_path(""), &error), ADCL_ERR_FILE);
    cr_expect(strstr(error.message, "config.json: cannot be opened") != NULL, "%s", error.message);
}
