/* SPDX-License-Identifier: MIT */
/* What an encoder, its sets and its workspaces refuse, and what they say then. */
#include "support/compare.h"
#include "support/encoder.h"
#include "support/files.h"
#include "support/tiny.h"
#include "support/tiny_encoder.h"

#include <stdlib.h>

enum {
    HIDDEN = ADCL_TEST_TINY_HIDDEN,
    LAYERS = ADCL_TEST_TINY_LAYERS,
    POSITIONS = ADCL_TEST_TINY_POSITIONS,
    WORDS = ADCL_TEST_TINY_WORDS,
    LABELS = ADCL_TEST_TINY_LABELS,
    SEQUENCES = ADCL_TEST_TINY_SEQUENCES,
    TOKENS = ADCL_TEST_TINY_TOKENS
};

static adcl_encoder_workspace *make_workspace(const adcl_test_tiny_encoder *f, adcl_mode mode,
                                              int keep_hidden)
{
    const adcl_encoder_workspace_params params = adcl_test_tiny_room(mode, keep_hidden);
    return adcl_test_encoder_workspace(f->ctx, f->encoder, f->set, &params);
}

/* ---- what is refused ------------------------------------------------------------------------- */

#define REFUSES(name, words)            \
    ADCL_TEST_FAILS(f.ctx, name, words, \
                    adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &b, f.logits))

Test(encoder_errors, refuses_ids_that_the_model_does_not_know)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    const adcl_encoder_batch b = f.all.batch;
    int32_t id = f.all.ids[9];
    f.all.ids[9] = WORDS;
    REFUSES(INVALID_ARGUMENT, "expected ids from 0 to 96, got 97 as token 9");
    f.all.ids[9] = -1;
    REFUSES(INVALID_ARGUMENT, "got -1 as token 9");
    f.all.ids[9] = id;
    f.all.type_ids[62] = 2;
    REFUSES(INVALID_ARGUMENT, "expected type ids from 0 to 1, got 2 as token 62");
    f.all.type_ids[62] = -1;
    REFUSES(INVALID_ARGUMENT, "got -1 as token 62");
    f.all.type_ids[62] = 1;
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &b, f.logits));
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, refuses_sequences_that_it_has_no_room_for)
{
    static const size_t empty[] = {0, 2, 2, 3}, back[] = {0, 4, 3, 5}, late[] = {1, 2, 3};
    static const size_t longer[] = {0, POSITIONS + 1}, endless[] = {0, SIZE_MAX};
    static const size_t many[] = {0, POSITIONS, TOKENS + 1}, seven[] = {0, 1, 2, 3, 4, 5, 6};
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    adcl_encoder_batch b = f.all.batch;
    b.starts = empty;
    b.sequences = 3;
    REFUSES(INVALID_ARGUMENT, "expected sequence 1 to have 1 to 40 tokens, got 0");
    b.starts = back;
    REFUSES(INVALID_ARGUMENT, "expected sequence 1 to have 1 to 40 tokens, got 0");
    b.starts = late;
    b.sequences = 2;
    REFUSES(INVALID_ARGUMENT, "expected tokens from 0 to at most 63, got 1 to 3");
    b.starts = many;
    REFUSES(INVALID_ARGUMENT, "expected tokens from 0 to at most 63, got 0 to 64");
    b.starts = longer;
    b.sequences = 1;
    REFUSES(INVALID_ARGUMENT, "expected sequence 0 to have 1 to 40 tokens, got 41");
    b.starts = endless;
    REFUSES(INVALID_ARGUMENT, "expected sequence 0 to have 1 to 40 tokens");
    b.starts = seven;
    b.sequences = 6;
    REFUSES(INVALID_ARGUMENT, "expected 1 to 5 sequences and their starts, got 6");
    b.sequences = 0;
    REFUSES(INVALID_ARGUMENT, "expected 1 to 5 sequences and their starts, got 0");
    b.starts = NULL;
    b.sequences = 1;
    REFUSES(INVALID_ARGUMENT, "and their starts");
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, refuses_what_a_pass_lacks)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    adcl_encoder_batch b = f.all.batch;
    adcl_tensor *narrow = adcl_test_tensor_create(f.ctx, SEQUENCES, LABELS - 1, NULL);
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "expected a batch, got NULL",
                    adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, NULL, f.logits));
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "expected an encoder and a workspace, got NULL",
                    adcl_encoder_forward(f.ctx, NULL, f.set, f.ws, &b, f.logits));
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "expected an encoder and a workspace, got NULL",
                    adcl_encoder_forward(f.ctx, f.encoder, f.set, NULL, &b, f.logits));
    cr_expect_eq(adcl_encoder_forward(NULL, f.encoder, f.set, f.ws, &b, f.logits),
                 ADCL_ERR_INVALID_ARGUMENT);
    ADCL_TEST_FAILS(f.ctx, SHAPE_MISMATCH, "encoder: logits",
                    adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &b, narrow));
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "expected NULL, for there is no head",
                    adcl_encoder_forward(f.ctx, f.encoder, NULL, f.ws, &b, f.logits));
    b.ids = NULL;
    REFUSES(INVALID_ARGUMENT, "expected ids or a hidden state, got neither");
    b.hidden = narrow;
    REFUSES(SHAPE_MISMATCH, "encoder batch: hidden");
    b.first_layer = LAYERS + 1;
    REFUSES(INVALID_ARGUMENT, "expected a first layer of at most 3, got 4");
    adcl_tensor_destroy(&narrow);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, refuses_a_hidden_state_on_the_host)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_REFERENCE, ADCL_INFERENCE, &adcl_test_houlsby);
    adcl_encoder_batch b = f.all.batch;
    adcl_tensor *hidden = adcl_test_tensor_create(f.ctx, TOKENS, HIDDEN, NULL);
    b.ids = NULL;
    b.hidden = hidden;
    REFUSES(UNSUPPORTED, "begins with ids");
    adcl_tensor_destroy(&hidden);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, refuses_backward_without_the_forward_that_it_needs)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_houlsby);
    const char *words = "expected a training forward with logits before it";
    ADCL_TEST_FAILS(f.ctx, INVALID_STATE, words,
                    adcl_encoder_backward(f.ctx, f.encoder, f.set, f.ws, f.logits));
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &f.all.batch, NULL));
    ADCL_TEST_FAILS(f.ctx, INVALID_STATE, words,
                    adcl_encoder_backward(f.ctx, f.encoder, f.set, f.ws, f.logits));
    adcl_encoder_workspace *inference = make_workspace(&f, ADCL_INFERENCE, 1);
    ADCL_TEST_OK(f.ctx,
                 adcl_encoder_forward(f.ctx, f.encoder, f.set, inference, &f.all.batch, f.logits));
    ADCL_TEST_FAILS(f.ctx, INVALID_STATE, words,
                    adcl_encoder_backward(f.ctx, f.encoder, f.set, inference, f.logits));
    adcl_encoder_batch b = f.all.batch;
    b.hidden = adcl_encoder_hidden(inference, 1);
    b.first_layer = 1;
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &b, f.logits));
    ADCL_TEST_FAILS(f.ctx, INVALID_STATE, "expected a forward from layer 0 or below",
                    adcl_encoder_backward(f.ctx, f.encoder, f.set, f.ws, f.logits));
    ADCL_TEST_OK(f.ctx,
                 adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &f.all.batch, f.logits));
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "encoder: dlogits",
                    adcl_encoder_backward(f.ctx, f.encoder, f.set, f.ws, NULL));
    ADCL_TEST_OK(f.ctx, adcl_encoder_backward(f.ctx, f.encoder, f.set, f.ws, f.logits));
    adcl_encoder_workspace_destroy(&inference);
    adcl_test_tiny_encoder_close(&f);
}

/* ---- objects that do not belong together ----------------------------------------------------- */

static void refuse_set(const adcl_test_tiny_encoder *f, const adcl_adapter_set_params *params,
                       const char *what)
{
    adcl_adapter_set *other = adcl_test_set_create(f->ctx, f->encoder, params);
    const char *words = "expected a workspace that was made for a set of the same options";
    ADCL_TEST_FAILS(f->ctx, INVALID_ARGUMENT, words,
                    adcl_encoder_forward(f->ctx, f->encoder, other, f->ws, &f->all.batch, NULL));
    cr_expect_not_null(strstr(adcl_context_error(f->ctx)->message, words), "%s", what);
    adcl_adapter_set_destroy(&other);
}

Test(encoder_errors, refuses_a_set_that_the_workspace_has_no_room_for, .timeout = 300)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    adcl_adapter_set_params wider = adcl_test_houlsby, labelled = adcl_test_houlsby,
                            norms = adcl_test_houlsby;
    wider.reduction_factor = 2.0f;
    labelled.labels = 7;
    norms.train_layer_norms = 1;
    refuse_set(&f, &wider, "another bottleneck");
    refuse_set(&f, &labelled, "other labels");
    refuse_set(&f, &norms, "norms of its own");
    refuse_set(&f, &adcl_test_loaded, "other options");
    const adcl_encoder_workspace_params params = adcl_test_tiny_room(ADCL_INFERENCE, 1);
    adcl_encoder_workspace_destroy(&f.ws);
    f.ws = adcl_test_encoder_workspace(f.ctx, f.encoder, NULL, &params);
    refuse_set(&f, &adcl_test_houlsby, "a set at all");
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, refuses_an_encoder_that_the_workspace_is_not_for)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_houlsby);
    adcl_encoder *inference =
        adcl_test_encoder_load(f.ctx, adcl_test_tiny_model_folder("bert"), ADCL_INFERENCE);
    adcl_encoder_params on_host = ADCL_ENCODER_PARAMS_INIT;
    adcl_encoder *reference = NULL;
    on_host.engine = ADCL_ENGINE_REFERENCE;
    ADCL_TEST_OK(
        f.ctx, adcl_encoder_load(&reference, f.ctx, adcl_test_tiny_model_folder("bert"), &on_host));
    adcl_encoder *const others[] = {inference, reference};
    for (size_t i = 0; i < 2; i++)
        ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "an encoder of the same sizes, engine and mode",
                        adcl_encoder_forward(f.ctx, others[i], f.set, f.ws, &f.all.batch, NULL));
    const adcl_encoder_workspace_params params = adcl_test_tiny_room(ADCL_TRAINING, 0);
    adcl_encoder_workspace *ws = NULL;
    ADCL_TEST_FAILS(f.ctx, INVALID_STATE, "expected an encoder that was loaded for training",
                    adcl_encoder_workspace_create(&ws, f.ctx, inference, f.set, &params));
    cr_expect_null(ws);
    adcl_encoder_destroy(&inference);
    adcl_encoder_destroy(&reference);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, refuses_objects_of_another_context)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    adcl_context *other = adcl_test_engine_context(ADCL_ENGINE_FUSED);
    adcl_adapter_set *set = NULL;
    adcl_encoder_workspace *ws = NULL;
    const adcl_encoder_workspace_params params = adcl_test_tiny_room(ADCL_INFERENCE, 0);
    const char *words = "of this context or of one it shares with, got one of another";
    adcl_tensor *out = adcl_test_tensor_create(other, SEQUENCES, HIDDEN, NULL);
    ADCL_TEST_FAILS(other, INVALID_ARGUMENT, words,
                    adcl_encoder_forward(other, f.encoder, f.set, f.ws, &f.all.batch, NULL));
    ADCL_TEST_FAILS(other, INVALID_ARGUMENT, words,
                    adcl_adapter_set_create(&set, other, f.encoder, &adcl_test_houlsby));
    ADCL_TEST_FAILS(other, INVALID_ARGUMENT, words,
                    adcl_adapter_set_load(&set, other, f.encoder, "anywhere"));
    ADCL_TEST_FAILS(other, INVALID_ARGUMENT, words,
                    adcl_encoder_workspace_create(&ws, other, f.encoder, NULL, &params));
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &f.all.batch, NULL));
    ADCL_TEST_FAILS(other, INVALID_ARGUMENT, words,
                    adcl_encoder_pool(other, f.ws, ADCL_POOLING_CLS, 0, out));
    cr_expect_null(set);
    cr_expect_null(ws);
    adcl_tensor_destroy(&out);
    adcl_context_destroy(&other);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, refuses_to_pool_what_is_not_there)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    adcl_tensor *out = adcl_test_tensor_create(f.ctx, SEQUENCES, HIDDEN, NULL);
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "got NULL",
                    adcl_encoder_pool(f.ctx, NULL, ADCL_POOLING_CLS, 0, out));
    ADCL_TEST_FAILS(f.ctx, INVALID_STATE, "expected a forward before it",
                    adcl_encoder_pool(f.ctx, f.ws, ADCL_POOLING_CLS, 0, out));
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &f.all.batch, NULL));
    ADCL_TEST_FAILS(f.ctx, SHAPE_MISMATCH, "encoder pool: out",
                    adcl_encoder_pool(f.ctx, f.ws, ADCL_POOLING_CLS, 0, f.logits));
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "got 9",
                    adcl_encoder_pool(f.ctx, f.ws, (adcl_pooling)9, 0, out));
    adcl_tensor_destroy(&out);
    adcl_test_tiny_encoder_close(&f);
}

/* ---- objects that cannot be made ------------------------------------------------------------- */

/* Whatever was in it, *out is NULL after a failure. */
#define REFUSES_TO_MAKE(out, name, words, call)    \
    do {                                           \
        (out) = (void *)&f;                        \
        ADCL_TEST_FAILS(f.ctx, name, words, call); \
        cr_expect_null(out);                       \
    } while (0)

Test(encoder_errors, says_why_an_encoder_cannot_be_loaded)
{
    adcl_test_tiny_encoder f = {.ctx = adcl_test_engine_context(ADCL_ENGINE_FUSED)};
    const char *bert = adcl_test_tiny_model_folder("bert");
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    params.mode = (adcl_mode)7;
    REFUSES_TO_MAKE(f.encoder, FILE, "nowhere/config.json",
                    adcl_encoder_load(&f.encoder, f.ctx, "nowhere", NULL));
    REFUSES_TO_MAKE(f.encoder, INVALID_ARGUMENT, "expected a folder",
                    adcl_encoder_load(&f.encoder, f.ctx, NULL, NULL));
    REFUSES_TO_MAKE(f.encoder, INVALID_ARGUMENT, "expected inference or training, got 7",
                    adcl_encoder_load(&f.encoder, f.ctx, bert, &params));
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "a place for the result",
                    adcl_encoder_load(NULL, f.ctx, bert, NULL));
    f.encoder = (void *)&f;
    cr_expect_eq(adcl_encoder_load(&f.encoder, NULL, bert, NULL), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_null(f.encoder);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, says_why_a_set_cannot_be_made)
{
    adcl_test_tiny_encoder f = {.ctx = adcl_test_engine_context(ADCL_ENGINE_FUSED)};
    f.encoder = adcl_test_encoder_load(f.ctx, adcl_test_tiny_model_folder("bert"), ADCL_INFERENCE);
    adcl_adapter_set_params params = adcl_test_houlsby;
    params.reduction_factor = -1.0f;
    REFUSES_TO_MAKE(f.set, INVALID_ARGUMENT, "reduction_factor",
                    adcl_adapter_set_create(&f.set, f.ctx, f.encoder, &params));
    REFUSES_TO_MAKE(f.set, INVALID_ARGUMENT, "got NULL",
                    adcl_adapter_set_create(&f.set, f.ctx, NULL, &adcl_test_houlsby));
    f.set = (void *)&f;
    cr_expect_eq(adcl_adapter_set_create(&f.set, NULL, f.encoder, &adcl_test_houlsby),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_null(f.set);
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "a place for the result",
                    adcl_adapter_set_create(NULL, f.ctx, f.encoder, &adcl_test_houlsby));
    REFUSES_TO_MAKE(f.set, FILE, "nowhere",
                    adcl_adapter_set_load(&f.set, f.ctx, f.encoder, "nowhere"));
    REFUSES_TO_MAKE(f.set, INVALID_ARGUMENT, "expected a folder, got NULL",
                    adcl_adapter_set_load(&f.set, f.ctx, f.encoder, NULL));
    ADCL_TEST_FAILS(f.ctx, INVALID_ARGUMENT, "expected a set and a folder",
                    adcl_adapter_set_save(f.ctx, NULL, "nowhere"));
    adcl_test_tiny_encoder_close(&f);
}

/* A set of a model of 8 columns for one of 32. */
Test(encoder_errors, says_that_adapters_are_for_another_model, .init = adcl_test_folder_create,
     .fini = adcl_test_folder_remove)
{
    adcl_test_model m;
    adcl_test_tiny_encoder f = {.ctx = adcl_test_engine_context(ADCL_ENGINE_FUSED)};
    adcl_test_model_make(&m);
    adcl_test_model_save(&m, adcl_test_path(""));
    f.encoder = adcl_test_encoder_load(f.ctx, adcl_test_path(""), ADCL_INFERENCE);
    f.set = adcl_test_set_create(f.ctx, f.encoder, &adcl_test_houlsby);
    ADCL_TEST_OK(f.ctx, adcl_adapter_set_save(f.ctx, f.set, adcl_test_path("set")));
    adcl_encoder *wider =
        adcl_test_encoder_load(f.ctx, adcl_test_tiny_model_folder("bert"), ADCL_INFERENCE);
    adcl_adapter_set *set = NULL;
    REFUSES_TO_MAKE(set, FORMAT, "32",
                    adcl_adapter_set_load(&set, f.ctx, wider, adcl_test_path("set")));
    adcl_encoder_destroy(&wider);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, says_why_a_workspace_cannot_be_made)
{
    adcl_test_tiny_encoder f = {.ctx = adcl_test_engine_context(ADCL_ENGINE_FUSED)};
    f.encoder = adcl_test_encoder_load(f.ctx, adcl_test_tiny_model_folder("bert"), ADCL_INFERENCE);
    adcl_encoder_workspace_params params = adcl_test_tiny_room(ADCL_INFERENCE, 0);
    params.max_tokens = 0;
    REFUSES_TO_MAKE(f.ws, INVALID_ARGUMENT, "max_tokens: expected 1 to",
                    adcl_encoder_workspace_create(&f.ws, f.ctx, f.encoder, NULL, &params));
    params.max_tokens = SIZE_MAX;
    REFUSES_TO_MAKE(f.ws, INVALID_ARGUMENT, "max_tokens: expected 1 to",
                    adcl_encoder_workspace_create(&f.ws, f.ctx, f.encoder, NULL, &params));
    params = adcl_test_tiny_room((adcl_mode)7, 0);
    REFUSES_TO_MAKE(f.ws, INVALID_ARGUMENT, "expected inference or training, got 7",
                    adcl_encoder_workspace_create(&f.ws, f.ctx, f.encoder, NULL, &params));
    REFUSES_TO_MAKE(f.ws, INVALID_ARGUMENT, "expected an encoder",
                    adcl_encoder_workspace_create(&f.ws, f.ctx, NULL, NULL, &params));
    f.ws = (void *)&f;
    cr_expect_eq(adcl_encoder_workspace_create(&f.ws, NULL, f.encoder, NULL, &params),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_null(f.ws);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_errors, takes_nothing_for_an_answer)
{
    adcl_encoder *encoder = NULL;
    adcl_adapter_set *set = NULL;
    adcl_encoder_workspace *ws = NULL;
    adcl_encoder_destroy(&encoder);
    adcl_encoder_destroy(NULL);
    adcl_adapter_set_destroy(&set);
    adcl_adapter_set_destroy(NULL);
    adcl_encoder_workspace_destroy(&ws);
    adcl_encoder_workspace_destroy(NULL);
    adcl_encoder_workspace_set_dropout_step(NULL, 1, 2);
    cr_expect_eq(adcl_encoder_hidden_size(NULL) + adcl_encoder_inner_size(NULL) +
                     adcl_encoder_layers(NULL) + adcl_encoder_vocabulary_size(NULL) +
                     adcl_encoder_positions(NULL) + adcl_encoder_parameter_count(NULL) +
                     adcl_encoder_bytes(NULL) + adcl_encoder_workspace_bytes(NULL) +
                     adcl_adapter_set_lowest_layer(NULL),
                 0);
    cr_expect_eq(adcl_encoder_engine(NULL), ADCL_ENGINE_AUTO);
    cr_expect_eq(adcl_encoder_mode(NULL), ADCL_INFERENCE);
    cr_expect_null(adcl_adapter_set_describe(NULL));
    cr_expect_null(adcl_adapter_set_parameters(NULL));
}

Test(encoder_errors, tells_what_it_is)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_houlsby);
    cr_expect_eq(adcl_encoder_hidden_size(f.encoder), HIDDEN);
    cr_expect_eq(adcl_encoder_inner_size(f.encoder), 64);
    cr_expect_eq(adcl_encoder_layers(f.encoder), LAYERS);
    cr_expect_eq(adcl_encoder_vocabulary_size(f.encoder), WORDS);
    cr_expect_eq(adcl_encoder_positions(f.encoder), POSITIONS);
    cr_expect_eq(adcl_encoder_mode(f.encoder), ADCL_TRAINING);
    cr_expect_neq(adcl_encoder_engine(f.encoder), ADCL_ENGINE_AUTO);
    /* Words, positions, types and their norm; a layer: 4·(D² + D) + 2·D·F + F + D + 4·D. */
    cr_expect_eq(adcl_encoder_parameter_count(f.encoder),
                 (WORDS + POSITIONS + 2 + 2) * HIDDEN +
                     LAYERS * (4 * (HIDDEN * HIDDEN + HIDDEN) + 2 * HIDDEN * 64 + 64 + 5 * HIDDEN));
    cr_expect_gt(adcl_encoder_bytes(f.encoder), 0);
    cr_expect_eq(adcl_adapter_set_lowest_layer(f.set), 0);
    cr_expect_eq(adcl_adapter_set_describe(f.set)->labels, LABELS);
    adcl_test_tiny_encoder_close(&f);
}
