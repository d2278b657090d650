/* SPDX-License-Identifier: MIT */
#include "encoder/adapter_folder.h"
#include "support/files.h"
#include "support/random_model.h"
#include "support/tensors.h"

#include <adapter_cl/adapter_folder.h>

#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(adapter_folder, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);
TestSuite(adapter_folder_refuses, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;
static adcl__host_set set;

#define BERT "tiny/bert/adapters/"

static const struct {
    const char *model, *folder;
} folders[] = {
    {"tiny/bert", BERT "a name with spaces"},
    {"tiny/bert", BERT "channel"},
    {"tiny/bert", BERT "gated"},
    {"tiny/bert", BERT "houlsby"},
    {"tiny/bert", BERT "ln_after"},
    {"tiny/bert", BERT "ln_after_residual_first"},
    {"tiny/bert", BERT "ln_before"},
    {"tiny/bert", BERT "no_ln_after"},
    {"tiny/bert", BERT "parallel"},
    {"tiny/bert", BERT "parallel_gated_channel"},
    {"tiny/bert", BERT "pfeiffer"},
    {"tiny/bert", BERT "pickled"},
    {"tiny/bert", BERT "post_add"},
    {"tiny/bert", BERT "residual_after_ln"},
    {"tiny/bert_gelu_new", "tiny/bert_gelu_new/adapters/houlsby"},
    {"tiny/distilbert", "tiny/distilbert/adapters/houlsby"},
    {"tiny/distilbert", "tiny/distilbert/adapters/pfeiffer"},
};

#define FOLDER_COUNT (sizeof folders / sizeof folders[0])

static adcl__model_config read_model(const char *name)
{
    adcl__model_config config;
    cr_assert_eq(adcl__model_config_read(&config, adcl_test_golden_path(name), &error), ADCL_OK,
                 "%s", error.message);
    return config;
}

static void read_golden(adcl__host_set *out, const char *model, const char *folder)
{
    adcl__model_config config = read_model(model);
    cr_assert_eq(adcl__adapter_folder_read(out, adcl_test_golden_path(folder), &config, &error),
                 ADCL_OK, "%s", error.message);
}

/* Copies a folder into the test's, under "a". */
static const char *copy_golden(const char *folder)
{
    const char *path = adcl_test_path("a");
    adcl_test_folder_copy(adcl_test_golden_path(folder), path);
    return path;
}

static adcl_status read_copy(void)
{
    adcl__model_config config = read_model("tiny/bert");
    return adcl__adapter_folder_read(&set, adcl_test_path("a"), &config, &error);
}

/* Replaces the first `from` in a file of the copy. */
static void change(const char *file, const char *from, const char *to)
{
    char path[64];
    size_t size;
    snprintf(path, sizeof path, "a/%s", file);
    unsigned char *bytes = adcl_test_file_read(adcl_test_path(path), &size);
    char *text = calloc(size + strlen(to) + 1, 1), *place;
    cr_assert_not_null(text);
    memcpy(text, bytes, size);
    cr_assert_not_null(place = strstr(text, from), "%s: no %s in it", file, from);
    memmove(place + strlen(to), place + strlen(from), strlen(place + strlen(from)) + 1);
    memcpy(place, to, strlen(to));
    adcl_test_file_write(adcl_test_path(path), text, strlen(text));
    free(text);
    free(bytes);
}

/* ---- two sets of the same bits ---------------------------------------------------------------*/

static void expect_equal_sets(adcl__host_set *a, adcl__host_set *b)
{
    adcl_test_arrays left, right;
    adcl_test_list_arrays(a, &left);
    adcl_test_list_arrays(b, &right);
    cr_assert_eq(left.count, right.count);
    for (size_t i = 0; i < left.count; i++) {
        const adcl_test_array *l = &left.at[i], *r = &right.at[i];
        cr_expect_str_eq(l->name, r->name);
        cr_assert(l->rows == r->rows && l->cols == r->cols, "%s", l->name);
        cr_expect(memcmp(l->values, r->values, l->rows * l->cols * sizeof(float)) == 0, "%s differs",
                  l->name);
    }
}

/* Every tensor of theirs is in ours, bit for bit, and no other. */
static void expect_equal_files(const char *theirs, const char *ours)
{
    adcl_test_tensors a = adcl_test_tensors_open(theirs), b = adcl_test_tensors_open(ours);
    cr_expect_eq(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        const adcl_safetensors_entry *x = &a.entries[i];
        const adcl_safetensors_entry *y = adcl_test_tensors_find(&b, x->name);
        bool same = x->dtype == y->dtype && x->rank == y->rank && x->bytes == y->bytes &&
                    memcmp(x->shape, y->shape, x->rank * sizeof *x->shape) == 0 &&
                    memcmp(x->data, y->data, x->bytes) == 0;
        cr_expect(same, "%s: %s differs", ours, x->name);
    }
    cr_expect_eq(adcl_safetensors_metadata_count(b.file), 0);
}

/* ---- reading ---------------------------------------------------------------------------------*/

Test(adapter_folder, kernels_are_turned_round_when_they_are_read)
{
    adcl_test_tensors t = adcl_test_tensors_open(
        adcl_test_golden_path(BERT "houlsby/adapter.safetensors"));
    const float *down = adcl_test_tensors_find(
        &t, "bert.encoder.layer.1.attention.output.adapters.houlsby.adapter_down.0.weight")->data;
    const float *up = adcl_test_tensors_find(
        &t, "bert.encoder.layer.1.output.adapters.houlsby.adapter_up.weight")->data;
    const float *bias = adcl_test_tensors_find(
        &t, "bert.encoder.layer.1.output.adapters.houlsby.adapter_up.bias")->data;
    read_golden(&set, "tiny/bert", BERT "houlsby");
    for (size_t d = 0; d < 32; d++)
        for (size_t r = 0; r < 4; r++) {
            cr_assert_eq(set.layer[1].attention.down.kernel[d * 4 + r], down[r * 32 + d]);
            cr_assert_eq(set.layer[1].output.up.kernel[r * 32 + d], up[d * 4 + r]);
        }
    cr_expect_arr_eq(set.layer[1].output.up.bias, bias, 32 * sizeof(float));
    cr_expect_eq(set.stored, ADCL_F32);
    adcl__host_set_release(&set);
}

Test(adapter_folder, every_option_of_the_folders_is_read)
{
    read_golden(&set, "tiny/bert", BERT "gated");
    const adcl_adapter_set_params *p = &set.params;
    cr_expect_str_eq(p->name, "gated");
    cr_expect(p->gated && p->output_adapters && !p->attention_adapters && p->original_ln_before &&
              p->original_ln_after && !p->parallel && !p->ln_before && !p->ln_after);
    cr_expect_eq(p->reduction_factor, 8.0f);
    cr_expect_eq(p->layer_reduction_factors[0], 4.0f);
    cr_expect_eq(p->layer_reduction_factors[1], 0.0f);
    cr_expect_eq(set.layer[2].output.bottleneck, 16);
    cr_expect_not_null(set.layer[2].output.gate.kernel);
    cr_expect_eq(p->labels, 3);
    cr_expect_str_eq(p->label_names[2], "LABEL_2");
    cr_expect_eq(p->head_layers, 2);
    adcl__host_set_release(&set);

    read_golden(&set, "tiny/bert", BERT "channel");
    cr_expect_eq(set.params.scaling_kind, ADCL_SCALING_CHANNEL);
    cr_expect_eq(set.params.leave_out_count, 1);
    cr_expect_eq(set.params.leave_out[0], 1);
    cr_expect_eq(set.layer[1].output.bottleneck, 0);
    cr_expect_null(set.layer[1].output.down.kernel);
    cr_expect_eq(set.params.head_layers, 1);
    cr_expect_null(set.head[1].kernel);
    adcl__host_set_release(&set);

    read_golden(&set, "tiny/bert", BERT "ln_after_residual_first");
    cr_expect(set.params.ln_after && set.params.adapter_residual_before_ln);
    cr_expect_eq(set.params.scaling_kind, ADCL_SCALING_LEARNED);
    adcl__host_set_release(&set);

    read_golden(&set, "tiny/bert", BERT "parallel");
    cr_expect(set.params.parallel && !set.params.original_ln_before);
    cr_expect_eq(set.params.scaling, 4.0f);
    cr_expect_eq(set.params.init, ADCL_INIT_MAM);
    adcl__host_set_release(&set);

    read_golden(&set, "tiny/bert", BERT "post_add");
    cr_expect_eq(set.params.residual, ADCL_RESIDUAL_POST_ADD);
    cr_expect_eq(set.params.activation, ADCL_ACTIVATION_LEAKY_RELU);
    adcl__host_set_release(&set);

    read_golden(&set, "tiny/bert", BERT "residual_after_ln");
    cr_expect_eq(set.params.residual, ADCL_RESIDUAL_AFTER_LN);
    adcl__host_set_release(&set);

    read_golden(&set, "tiny/bert", BERT "no_ln_after");
    cr_expect_not(set.params.original_ln_after);
    adcl__host_set_release(&set);

    read_golden(&set, "tiny/bert_gelu_new", "tiny/bert_gelu_new/adapters/houlsby");
    cr_expect_eq(set.params.activation, ADCL_ACTIVATION_GELU_TANH);
    cr_expect_eq(set.params.reduction_factor, 7.5f);
    cr_expect_eq(set.layer[0].attention.bottleneck, 6);
    adcl__host_set_release(&set);
}

/* The norm before an adapter stands in the pickle twice, and the product is the second module. */
Test(adapter_folder, a_norm_before_the_adapter_is_read_from_the_pickle)
{
    read_golden(&set, "tiny/bert", BERT "ln_before");
    const adcl__host_site *site = &set.layer[0].output;
    cr_expect_not_null(site->norm_before.weight);
    cr_expect_eq(site->bottleneck, 4);
    cr_expect_float_eq(site->norm_before.weight[0], 1.0f, 0.5f);
    adcl__host_set_release(&set);
}

Test(adapter_folder, without_a_model_the_files_say_how_many_layers_there_are)
{
    for (size_t i = 0; i < FOLDER_COUNT; i++) {
        adcl__host_set with_model;
        read_golden(&with_model, folders[i].model, folders[i].folder);
        cr_assert_eq(adcl__adapter_folder_read(&set, adcl_test_golden_path(folders[i].folder), NULL,
                                               &error),
                     ADCL_OK, "%s", error.message);
        cr_expect_eq(set.layers, with_model.layers);
        expect_equal_sets(&set, &with_model);
        adcl__host_set_release(&set);
        adcl__host_set_release(&with_model);
    }
}

Test(adapter_folder, names_without_a_prefix_and_old_ones_are_understood)
{
    copy_golden(BERT "houlsby");
    adcl_test_tensors t = adcl_test_tensors_open(
        adcl_test_golden_path(BERT "houlsby/adapter.safetensors"));
    for (size_t i = 0; i < t.count; i++) {
        const char *name = t.entries[i].name + strlen("bert.");
        const char *part = strstr(name, ".adapters.");
        bool attention = strstr(name, ".attention.") != NULL;
        char *old = malloc(200);
        cr_assert_not_null(old);
        snprintf(old, 200, "%.*s.%s_text_task_adapters.%s", (int)(part - name), name,
                 attention ? "attention" : "layer", part + strlen(".adapters."));
        t.entries[i].name = old;
    }
    adcl_test_tensors_save(&t, adcl_test_path("a/adapter.safetensors"));
    adcl__host_set original;
    read_golden(&original, "tiny/bert", BERT "houlsby");
    cr_assert_eq(read_copy(), ADCL_OK, "%s", error.message);
    expect_equal_sets(&set, &original);
    adcl__host_set_release(&set);
    adcl__host_set_release(&original);
}

/* Before AdapterHub wrote a version, "gelu" was the one by tanh. */
Test(adapter_folder, a_configuration_without_version_has_old_names_of_activations)
{
    static const struct {
        const char *name;
        adcl_activation old, now;
    } cases[] = {{"\"gelu\"", ADCL_ACTIVATION_GELU_TANH, ADCL_ACTIVATION_GELU},
                 {"\"GELU_orig\"", ADCL_ACTIVATION_GELU, ADCL_ACTIVATION_GELU},
                 {"\"relu\"", ADCL_ACTIVATION_RELU, ADCL_ACTIVATION_RELU}};
    for (size_t i = 0; i < 3; i++) {
        copy_golden(BERT "houlsby");
        change("adapter_config.json", "\"swish\"", cases[i].name);
        cr_assert_eq(read_copy(), ADCL_OK, "%s", error.message);
        cr_expect_eq(set.params.activation, cases[i].now);
        adcl__host_set_release(&set);
        change("adapter_config.json", "\"version\"", "\"versión\"");
        cr_assert_eq(read_copy(), ADCL_OK, "%s", error.message);
        cr_expect_eq(set.params.activation, cases[i].old);
        adcl__host_set_release(&set);
    }
}

Test(adapter_folder, missing_options_have_adapterhubs_values)
{
    copy_golden(BERT "houlsby");
    static const char text[] =
        "{\"config\": {\"mh_adapter\": true, \"output_adapter\": true, \"reduction_factor\": 8, "
        "\"non_linearity\": \"relu\", \"new_attention_norm\": false, \"attention_type\": \"x\", "
        "\"invented\": null}, \"hidden_size\": 32, \"model_type\": \"bert\", \"name\": \"houlsby\", "
        "\"version\": \"1\"}";
    adcl_test_file_write(adcl_test_path("a/adapter_config.json"), text, strlen(text));
    cr_assert_eq(read_copy(), ADCL_OK, "%s", error.message);
    const adcl_adapter_set_params *p = &set.params;
    cr_expect(p->original_ln_after && !p->original_ln_before && !p->ln_after && !p->gated);
    cr_expect_eq(p->residual, ADCL_RESIDUAL_BEFORE_LN);
    cr_expect_eq(p->scaling, 1.0f);
    cr_expect_eq(p->init, ADCL_INIT_BERT);
    adcl__host_set_release(&set);
}

Test(adapter_folder, numbers_of_16_bits_are_read_and_told)
{
    copy_golden(BERT "houlsby");
    cr_assert_eq(adcl_safetensors_convert(
                     adcl_test_golden_path(BERT "houlsby/adapter.safetensors"),
                     adcl_test_path("a/adapter.safetensors"), ADCL_BF16, &error), ADCL_OK);
    cr_assert_eq(read_copy(), ADCL_OK, "%s", error.message);
    cr_expect_eq(set.stored, ADCL_BF16);
    adcl__host_set_release(&set);
}

/* ---- writing ---------------------------------------------------------------------------------*/

Test(adapter_folder, what_is_written_is_what_was_read)
{
    for (size_t i = 0; i < FOLDER_COUNT; i++) {
        adcl__model_config model = read_model(folders[i].model);
        adcl__host_set again;
        const char *out = adcl_test_path("out");
        read_golden(&set, folders[i].model, folders[i].folder);
        cr_assert_eq(adcl__adapter_folder_write(&set, out, &model, &error), ADCL_OK, "%s",
                     error.message);
        cr_assert_eq(adcl__adapter_folder_read(&again, out, &model, &error), ADCL_OK, "%s",
                     error.message);
        expect_equal_sets(&set, &again);
        cr_expect_eq(again.params.activation, set.params.activation);
        cr_expect_eq(again.params.residual, set.params.residual);
        cr_expect_eq(again.params.scaling, set.params.scaling);
        cr_expect_eq(again.params.init, set.params.init);
        adcl__host_set_release(&set);
        adcl__host_set_release(&again);
        if (strstr(folders[i].folder, "ln_before") != NULL ||
            strstr(folders[i].folder, "pickled") != NULL)
            continue;
        char theirs[128];
        snprintf(theirs, sizeof theirs, "%s/adapter.safetensors", folders[i].folder);
        expect_equal_files(adcl_test_golden_path(theirs), adcl_test_path("out/adapter.safetensors"));
        snprintf(theirs, sizeof theirs, "%s/model_head.safetensors", folders[i].folder);
        expect_equal_files(adcl_test_golden_path(theirs),
                           adcl_test_path("out/model_head.safetensors"));
    }
}

/* A set that uses what only this library has, filled with numbers that are no numbers too. */
static adcl_status fill(void *user, const char *name, float **values, size_t rows, size_t cols)
{
    static const float special[] = {1e-45f, -0.0f, 3e38f, 0.1f};
    (void)name;
    for (size_t i = 0; i < rows * cols; i++) (*values)[i] = special[i % 4] * (float)(i + 1);
    (*values)[0] = *(float *)user;
    return ADCL_OK;
}

Test(adapter_folder, norms_mean_heads_and_names_of_labels_come_back)
{
    static const char *const labels[] = {"né\"", "a.b", "", "z"};
    static const float factors[] = {4.0f, 0.0f};
    float nan = NAN;
    adcl__model_config model = read_model("tiny/distilbert");
    adcl_adapter_set_params p;
    cr_assert_eq(adcl_adapter_set_preset("pfeiffer", &p, &error), ADCL_OK);
    p.name = "a “name”";
    p.labels = 4;
    p.label_names = labels;
    p.pooling = ADCL_POOLING_MEAN;
    p.head_layers = 0;
    p.train_layer_norms = 1;
    p.init = ADCL_INIT_IDENTITY;
    p.seed = 7;
    p.scaling = 0.1f;
    p.dropout = 0.3f;
    p.head_dropout = 0.25f;
    p.activation = ADCL_ACTIVATION_ELU;
    p.reduction_factor = 2.7f;
    p.layer_reduction_factors = factors;
    cr_assert_eq(adcl__host_set_create(&set, &model, &p, &error), ADCL_OK, "%s", error.message);
    cr_assert_eq(adcl__host_set_each(&set, fill, &nan), ADCL_OK);
    const char *out = adcl_test_path("out/deeper");
    cr_assert_eq(adcl__adapter_folder_write(&set, out, &model, &error), ADCL_OK, "%s",
                 error.message);
    adcl__host_set again;
    cr_assert_eq(adcl__adapter_folder_read(&again, out, &model, &error), ADCL_OK, "%s",
                 error.message);
    expect_equal_sets(&set, &again);
    const adcl_adapter_set_params *q = &again.params;
    cr_expect_str_eq(q->name, p.name);
    for (size_t i = 0; i < 4; i++) cr_expect_str_eq(q->label_names[i], labels[i]);
    cr_expect(q->pooling == ADCL_POOLING_MEAN && q->head_layers == 1 && q->train_layer_norms);
    cr_expect(q->init == ADCL_INIT_IDENTITY && q->seed == 7 && q->scaling == 0.1f);
    cr_expect(q->dropout == 0.3f && q->head_dropout == 0.25f && q->reduction_factor == 2.7f);
    cr_expect_eq(q->activation, ADCL_ACTIVATION_ELU);
    adcl_test_tensors norms =
        adcl_test_tensors_open(adcl_test_path("out/deeper/layer_norms.safetensors"));
    cr_expect_eq(norms.count, 2 * (2 * 2 + 1));
    adcl_test_tensors_find(&norms, "distilbert.transformer.layer.1.sa_layer_norm.bias");
    adcl_test_tensors_find(&norms, "distilbert.embeddings.LayerNorm.weight");
    adcl__host_set_release(&set);
    adcl__host_set_release(&again);
}

Test(adapter_folder, a_head_alone_has_no_adapter_files)
{
    adcl__model_config model = read_model("tiny/bert");
    adcl_adapter_set_params p;
    adcl__host_set again;
    float first = 0.5f;
    cr_assert_eq(adcl_adapter_set_preset("none", &p, &error), ADCL_OK);
    p.labels = 2;
    copy_golden(BERT "houlsby"); /* whose files are in the way */
    adcl_test_file_write(adcl_test_path("a/layer_norms.safetensors"), "old", 3);
    cr_assert_eq(adcl__host_set_create(&set, &model, &p, &error), ADCL_OK, "%s", error.message);
    cr_assert_eq(adcl__host_set_each(&set, fill, &first), ADCL_OK);
    cr_assert_eq(adcl__adapter_folder_write(&set, adcl_test_path("a"), &model, &error), ADCL_OK);
    cr_assert_eq(adcl__adapter_folder_read(&again, adcl_test_path("a"), &model, &error), ADCL_OK,
                 "%s", error.message);
    cr_expect(again.params.head_only);
    expect_equal_sets(&set, &again);
    adcl__host_set_release(&set);
    adcl__host_set_release(&again);
}

/* What AdapterHub would stumble over. */
Test(adapter_folder, the_json_is_what_adapterhub_writes)
{
    adcl__model_config model = read_model("tiny/bert");
    read_golden(&set, "tiny/bert", BERT "parallel");
    cr_assert_eq(adcl__adapter_folder_write(&set, adcl_test_path("a"), &model, &error), ADCL_OK);
    adcl__host_set_release(&set);
    size_t size, their_size;
    unsigned char *ours = adcl_test_file_read(adcl_test_path("a/adapter_config.json"), &size);
    unsigned char *theirs = adcl_test_file_read(
        adcl_test_golden_path(BERT "parallel/adapter_config.json"), &their_size);
    /* All but the model's name, which nobody told. */
    char *text = calloc(size + 16, 1), *place;
    cr_assert_not_null(text);
    memcpy(text, ours, size);
    cr_assert_not_null(place = strstr(text, "\"model_name\": null"));
    memmove(place + 20, place + 18, strlen(place + 18) + 1);
    memcpy(place, "\"model_name\": \"tiny\"", 20);
    cr_expect_eq(strlen(text), their_size);
    cr_expect_arr_eq(text, theirs, their_size);
    free(text);
    free(ours);
    free(theirs);
}

Test(adapter_folder, a_folder_with_the_pickle_form_is_not_written_into)
{
    adcl__model_config model = read_model("tiny/bert");
    copy_golden(BERT "pickled");
    cr_assert_eq(read_copy(), ADCL_OK, "%s", error.message);
    cr_expect_eq(adcl__adapter_folder_write(&set, adcl_test_path("a"), &model, &error),
                 ADCL_ERR_FILE);
    cr_expect(strstr(error.message, "without pytorch_adapter.bin") != NULL, "%s", error.message);
    adcl__host_set_release(&set);
}

/* ---- refusals --------------------------------------------------------------------------------*/

static void expect_refused(adcl_status status, const char *words)
{
    cr_expect_eq(read_copy(), status, "%s: got %s: %s", words, adcl_status_name(error.status),
                 error.message);
    cr_expect(strstr(error.message, words) != NULL, "expected \"%s\", got: %s", words,
              error.message);
    cr_expect_null(set.layer);
    adcl__host_set_release(&set);
}

typedef struct bad_text {
    const char *from, *to, *words;
} bad_text;

static void expect_texts_refused(const char *file, adcl_status status, const bad_text *cases,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        copy_golden(BERT "houlsby");
        change(file, cases[i].from, cases[i].to);
        expect_refused(status, cases[i].words);
        cr_expect(strstr(error.message, file) != NULL, "%s: %s", cases[i].to, error.message);
    }
}

Test(adapter_folder_refuses, features_that_it_lacks_by_name)
{
    static const bad_text cases[] = {
        {"\"phm_layer\": false", "\"phm_layer\": true", "phm_layer: expected an adapter without it"},
        {"\"inv_adapter\": null", "\"inv_adapter\": \"nice\"", "inv_adapter"},
        {"\"cross_adapter\": false", "\"cross_adapter\": true", "cross_adapter"},
        {"\"stochastic_depth\": 0.0", "\"stochastic_depth\": 0.1", "stochastic_depth"},
        {"\"phm_dim\": 4", "\"architecture\": \"lora\"", "architecture: expected an adapter without "},
        {"\"phm_dim\": 4", "\"new_thing\": 1", "\"new_thing\", which this library does not know"},
        {"\"swish\"", "\"laplace\"", "non_linearity: unknown activation \"laplace\""},
        {"\"init_weights\": \"bert\"", "\"init_weights\": \"glorot\"", "init_weights: expected bert, "},
        {"\"is_parallel\": false", "\"is_parallel\": true", "mh_adapter: expected false where"},
        {"\"model_type\": \"bert\"", "\"model_type\": \"roberta\"",
         "model_type: expected bert or distilbert, got "},
    };
    expect_texts_refused("adapter_config.json", ADCL_ERR_UNSUPPORTED, cases,
                         sizeof cases / sizeof cases[0]);
}

Test(adapter_folder_refuses, options_of_wrong_values)
{
    static const bad_text cases[] = {
        {"\"scaling\": 1.0", "\"scaling\": 4", "scaling: expected \"learned\", \"channel\" or a number"},
        {"\"scaling\": 1.0", "\"scaling\": 0.0", "that is not 0"},
        {"\"scaling\": 1.0", "\"scaling\": \"learnt\"", "got "},
        {"\"reduction_factor\": 8", "\"reduction_factor\": 0", "numbers above 0"},
        {"\"reduction_factor\": 8", "\"reduction_factor\": \"8\"", "a number above 0, or a map"},
        {"\"reduction_factor\": 8", "\"reduction_factor\": {\"0\": 8}", "a factor for every layer"},
        {"\"reduction_factor\": 8", "\"reduction_factor\": {\"default\": 8, \"3\": 8}",
         "layers below 3, got \"3\""},
        {"\"reduction_factor\": 8", "\"reduction_factor\": {\"default\": 8, \"01\": 8}", "\"01\""},
        {"\"leave_out\": []", "\"leave_out\": [3]", "leave_out: expected layers below 3, got \"3\""},
        {"\"leave_out\": []", "\"leave_out\": [-1]", "leave_out"},
        {"\"leave_out\": []", "\"leave_out\": 1", "leave_out: expected a list"},
        {"\"mh_adapter\": true", "\"mh_adapter\": 1", "mh_adapter: expected true or false"},
        {"\"mh_adapter\": true", "\"mh_adapter\": null", "expected true or false, got nothing"},
        {"\"residual_before_ln\": true", "\"residual_before_ln\": \"pre\"", "\"post_add\""},
        {"\"dropout\": 0.0", "\"dropout\": 1.0", "dropout: expected a number of at least 0"},
        {"\"name\": \"houlsby\"", "\"name\": \"a.b\"", "expected a name without dots, got \"a.b\""},
        {"\"name\": \"houlsby\"", "\"name\": 1", "name: expected a string"},
        {"\"hidden_size\": 32", "\"hidden_size\": 64", "hidden_size: expected 32, as the model has, got 64"},
        {"\"hidden_size\": 32", "\"hidden_size\": 32.5", "hidden_size: expected a whole number"},
        {"\"model_type\": \"bert\"", "\"model_type\": \"distilbert\"", "expected model_type distilbert"},
        {"\"config\": {", "\"confid\": {", "config: expected an object"},
        {"{", "[", "expected JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        copy_golden(BERT "houlsby");
        if (strstr(cases[i].to, "hidden_size") != NULL || strstr(cases[i].to, "64") != NULL)
            remove(adcl_test_path("a/head_config.json")),
                remove(adcl_test_path("a/model_head.safetensors"));
        change("adapter_config.json", cases[i].from, cases[i].to);
        expect_refused(ADCL_ERR_FORMAT, cases[i].words);
    }
}

Test(adapter_folder_refuses, heads_that_it_lacks)
{
    static const bad_text cases[] = {
        {"\"classification\"", "\"tagging\"", "head_type: expected classification or adapter_cl_mean"},
        {"\"layers\": 2", "\"layers\": 3", "layers: expected a head of 1 or 2"},
        {"\"tanh\"", "\"relu\"", "activation_function: expected tanh"},
        {"\"use_pooler\": false", "\"use_pooler\": true", "use_pooler"},
        {"\"bias\": true", "\"bias\": false", "bias: expected a head with biases"},
    };
    expect_texts_refused("head_config.json", ADCL_ERR_UNSUPPORTED, cases,
                         sizeof cases / sizeof cases[0]);
    static const bad_text damaged[] = {
        {"\"num_labels\": 3", "\"num_labels\": 0", "num_labels: expected a whole number"},
        {"\"num_labels\": 3", "\"num_labels\": 4", "label2id: expected num_labels names"},
        {"\"LABEL_1\": 1", "\"LABEL_1\": 2", "label2id"},
        {"\"LABEL_1\": 1", "\"LABEL_1\": \"1\"", "label2id"},
        {"\"hidden_size\": 32", "\"hidden_size\": 33", "as in adapter_config.json, got bert and 33"},
    };
    expect_texts_refused("head_config.json", ADCL_ERR_FORMAT, damaged,
                         sizeof damaged / sizeof damaged[0]);
}

Test(adapter_folder_refuses, folders_without_one_of_their_files)
{
    static const char *const names[] = {"adapter_config.json", "adapter.safetensors",
                                        "head_config.json", "model_head.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        copy_golden(BERT "houlsby");
        char path[64];
        snprintf(path, sizeof path, "a/%s", names[i]);
        cr_assert_eq(remove(adcl_test_path(path)), 0);
        expect_refused(ADCL_ERR_FILE, names[i]);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "a/%s", names[i]);
        remove(adcl_test_path(path));
    }
    expect_refused(ADCL_ERR_FILE, "expected adapter_config.json or head_config.json");
}

Test(adapter_folder_refuses, fusion)
{
    copy_golden(BERT "houlsby");
    adcl_test_file_write(adcl_test_path("a/adapter_fusion_config.json"), "{}", 2);
    expect_refused(ADCL_ERR_UNSUPPORTED, "without fusion");
}

Test(adapter_folder_refuses, tensors_that_do_not_fit)
{
    static const char up[] = "bert.encoder.layer.2.output.adapters.houlsby.adapter_up.weight";
    static const size_t turned[] = {4, 32};
    copy_golden(BERT "houlsby");
    const char *from = adcl_test_golden_path(BERT "houlsby/adapter.safetensors");
    const char *to = adcl_test_path("a/adapter.safetensors");
    adcl_test_tensors t = adcl_test_tensors_open(from);
    adcl_test_tensors_remove(&t, up);
    adcl_test_tensors_save(&t, to);
    expect_refused(ADCL_ERR_FORMAT, "a/adapter.safetensors: expected tensor \"encoder.layer.2.output."
                                    "adapters.houlsby.adapter_up.weight\", got none of that name");
    t = adcl_test_tensors_open(from);
    adcl_test_tensors_find(&t, up)->shape = turned;
    adcl_test_tensors_save(&t, to);
    expect_refused(ADCL_ERR_FORMAT, "adapter_up.weight\": expected shape (32, 4), got (4, 32)");
    t = adcl_test_tensors_open(from);
    adcl_test_tensors_find(&t, up)->dtype = ADCL_I32;
    adcl_test_tensors_save(&t, to);
    expect_refused(ADCL_ERR_UNSUPPORTED, "adapter_up.weight\": expected F32, F16 or BF16, got I32");
    t = adcl_test_tensors_open(from);
    adcl_test_tensors_add(&t, "bert.invertible_adapters.houlsby.F.0.weight", ADCL_F32, 1, 1);
    adcl_test_tensors_save(&t, to);
    expect_refused(ADCL_ERR_FORMAT, "\"bert.invertible_adapters.houlsby.F.0.weight\": expected no tensor");
    /* The same numbers under the name without prefix are one tensor too many. */
    t = adcl_test_tensors_open(from);
    t.entries[t.count] = *adcl_test_tensors_find(&t, up);
    t.entries[t.count++].name = up + strlen("bert.");
    adcl_test_tensors_save(&t, to);
    expect_refused(ADCL_ERR_FORMAT, "expected no tensor of that name");
}

/* ---- the public object -----------------------------------------------------------------------*/

static adcl_adapter_folder *load_folder(const char *path)
{
    adcl_adapter_folder *folder = NULL;
    cr_assert_eq(adcl_adapter_folder_load(&folder, path, &error), ADCL_OK, "%s", error.message);
    return folder;
}

Test(adapter_folder, says_what_is_in_it)
{
    adcl_adapter_folder *folder = load_folder(adcl_test_golden_path(BERT "channel"));
    adcl_adapter_folder_tensor tensor;
    size_t index, layer = 2;
    adcl_adapter_place place = ADCL_PLACE_OUTPUT;
    cr_expect_str_eq(adcl_adapter_folder_model_type(folder), "bert");
    cr_expect_eq(adcl_adapter_folder_hidden_size(folder), 32);
    cr_expect_eq(adcl_adapter_folder_layers(folder), 3);
    cr_expect_eq(adcl_adapter_folder_count(folder), 4);
    cr_expect_eq(adcl_adapter_folder_get(folder, 2)->layer, 2);
    cr_expect_eq(adcl_adapter_folder_get(folder, 2)->parameter_count, 2 * 32 * 4 + 4 + 32 + 32);
    cr_expect_null(adcl_adapter_folder_get(folder, 4));
    cr_expect_eq(adcl_adapter_folder_parameter_count(folder), 1395);
    cr_expect_eq(adcl_adapter_folder_tensor_count(folder), 22);
    cr_expect(adcl_adapter_folder_tensor_get(folder, 21, &tensor));
    cr_expect(strstr(tensor.file, "model_head.safetensors") != NULL);
    cr_expect_not(adcl_adapter_folder_tensor_get(folder, 22, &tensor));
    cr_expect_not(adcl_adapter_folder_is_pickle(folder));
    cr_expect_eq(adcl_adapter_folder_find(folder, &layer, &place, &index, &error), ADCL_OK);
    cr_expect_eq(index, 3);
    cr_expect_eq(adcl_adapter_folder_find(folder, &layer, NULL, &index, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    layer = 1;
    cr_expect_eq(adcl_adapter_folder_find(folder, &layer, &place, &index, &error),
                 ADCL_ERR_NOT_FOUND);
    cr_expect(strstr(error.message, "layer 0 attention, layer 0 output, layer 2") != NULL);
    adcl_adapter_folder_destroy(&folder);
    cr_expect_null(folder);
}

Test(adapter_folder, the_pickle_form_becomes_safetensors_bit_for_bit)
{
    static const char *const names[] = {BERT "pickled", BERT "ln_before"};
    for (size_t i = 0; i < 2; i++) {
        adcl_adapter_folder *folder = load_folder(adcl_test_golden_path(names[i]));
        cr_expect(adcl_adapter_folder_is_pickle(folder));
        const char *out = adcl_test_path(i == 0 ? "first" : "second");
        cr_assert_eq(adcl_adapter_folder_save(folder, out, &error), ADCL_OK, "%s", error.message);
        adcl_adapter_folder *saved = load_folder(out);
        cr_expect_not(adcl_adapter_folder_is_pickle(saved));
        size_t count = adcl_adapter_folder_tensor_count(folder);
        cr_expect_eq(adcl_adapter_folder_tensor_count(saved), count);
        for (size_t j = 0; j < count; j++) {
            adcl_adapter_folder_tensor a, b = {0};
            cr_assert(adcl_adapter_folder_tensor_get(folder, j, &a));
            for (size_t k = 0; k < count; k++)
                if (adcl_adapter_folder_tensor_get(saved, k, &b) &&
                    strcmp(a.entry->name, b.entry->name) == 0)
                    break;
            cr_assert_str_eq(a.entry->name, b.entry->name);
            cr_expect_eq(a.entry->bytes, b.entry->bytes);
            cr_expect_arr_eq(a.entry->data, b.entry->data, a.entry->bytes);
        }
        /* A folder that holds adapters already is left alone. */
        cr_expect_eq(adcl_adapter_folder_save(folder, out, &error), ADCL_ERR_FILE);
        adcl_adapter_folder_destroy(&saved);
        adcl_adapter_folder_destroy(&folder);
    }
}

Test(adapter_folder, one_adapter_goes_out_as_a_native_file_and_comes_back)
{
    adcl_adapter_folder *folder = load_folder(copy_golden(BERT "houlsby"));
    adcl_adapter_file *file;
    const char *native = adcl_test_path("native.safetensors");
    cr_assert_eq(adcl_adapter_folder_extract(folder, 3, native, &error), ADCL_OK, "%s",
                 error.message);
    cr_assert_eq(adcl_adapter_file_load(&file, native, &error), ADCL_OK, "%s", error.message);
    const adcl_adapter_file_info *info = adcl_adapter_file_get(file, 0);
    read_golden(&set, "tiny/bert", BERT "houlsby");
    cr_expect_str_eq(info->name, "houlsby");
    cr_expect_eq(info->activation, ADCL_ACTIVATION_SILU);
    cr_expect_arr_eq(info->values[ADCL_DOWN_KERNEL], set.layer[1].output.down.kernel, 32 * 4 * 4);
    cr_expect_arr_eq(info->values[ADCL_UP_BIAS], set.layer[1].output.up.bias, 32 * 4);
    /* Into another place of the same folder: that one changes, all others stay. */
    cr_assert_eq(adcl_adapter_folder_replace(folder, 0, file, 0, &error), ADCL_OK, "%s",
                 error.message);
    adcl__host_set changed;
    adcl__model_config model = read_model("tiny/bert");
    cr_assert_eq(adcl__adapter_folder_read(&changed, adcl_test_path("a"), &model, &error), ADCL_OK);
    cr_expect_arr_eq(changed.layer[0].attention.up.kernel, set.layer[1].output.up.kernel, 32 * 4 * 4);
    cr_expect_arr_eq(changed.layer[0].output.up.kernel, set.layer[0].output.up.kernel, 32 * 4 * 4);
    adcl__host_set_release(&changed);
    /* Alone into a new folder. */
    adcl_adapter_folder_target target = ADCL_ADAPTER_FOLDER_TARGET_INIT;
    target.layer = 1;
    target.layers = 3;
    cr_assert_eq(adcl_adapter_folder_create(adcl_test_path("new"), file, 0, &target, &error),
                 ADCL_OK, "%s", error.message);
    cr_assert_eq(adcl__adapter_folder_read(&changed, adcl_test_path("new"), &model, &error), ADCL_OK,
                 "%s", error.message);
    cr_expect_eq(changed.params.leave_out_count, 2);
    cr_expect_not(changed.params.original_ln_before);
    cr_expect_arr_eq(changed.layer[1].output.down.kernel, set.layer[1].output.down.kernel,
                     32 * 4 * 4);
    adcl__host_set_release(&changed);
    target.layers = 1;
    cr_expect_eq(adcl_adapter_folder_create(adcl_test_path("new"), file, 0, &target, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    adcl__host_set_release(&set);
    adcl_adapter_file_destroy(&file);
    adcl_adapter_folder_destroy(&folder);
}

Test(adapter_folder, what_native_files_lack_is_refused_by_name)
{
    static const struct {
        const char *folder, *words;
    } cases[] = {{BERT "gated", "use_gating"},
                 {BERT "ln_after", "ln_after"},
                 {BERT "ln_before", "ln_before"},
                 {BERT "channel", "scaling that is learned"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        adcl_adapter_folder *folder = load_folder(adcl_test_golden_path(cases[i].folder));
        cr_expect_eq(adcl_adapter_folder_extract(folder, 0, adcl_test_path("x"), &error),
                     ADCL_ERR_UNSUPPORTED);
        cr_expect(strstr(error.message, cases[i].words) != NULL, "%s", error.message);
        adcl_adapter_folder_destroy(&folder);
    }
    cr_expect_eq(adcl_test_file_count(), 0);
}

Test(adapter_folder, an_adapter_of_another_kind_takes_no_place)
{
    adcl_adapter_folder *houlsby = load_folder(copy_golden(BERT "houlsby"));
    adcl_adapter_folder *parallel = load_folder(adcl_test_golden_path(BERT "parallel"));
    adcl_adapter_file *file;
    const char *native = adcl_test_path("native.safetensors");
    cr_assert_eq(adcl_adapter_folder_extract(parallel, 0, native, &error), ADCL_OK);
    cr_assert_eq(adcl_adapter_file_load(&file, native, &error), ADCL_OK);
    cr_expect_eq(adcl_adapter_folder_replace(houlsby, 0, file, 0, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect(strstr(error.message, "bottleneck_size 4, as the folder's has, got 8") != NULL, "%s",
              error.message);
    adcl_adapter_folder *pickled = load_folder(adcl_test_golden_path(BERT "pickled"));
    cr_expect_eq(adcl_adapter_folder_replace(pickled, 0, file, 0, &error), ADCL_ERR_UNSUPPORTED);
    adcl_adapter_folder_destroy(&pickled);
    adcl_adapter_folder_destroy(&houlsby);
    adcl_adapter_folder_destroy(&parallel);
    adcl_adapter_file_destroy(&file);
}
