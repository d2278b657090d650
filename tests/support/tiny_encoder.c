/* SPDX-License-Identifier: MIT */
#include "support/tiny_encoder.h"

#include "support/tiny.h"

#define SET                                                                   \
    .struct_size = sizeof(adcl_adapter_set_params), .reduction_factor = 4.0f, \
    .labels = ADCL_TEST_TINY_LABELS, .activation = ADCL_ACTIVATION_GELU

const adcl_adapter_set_params adcl_test_houlsby = {SET, .attention_adapters = 1,
                                                   .output_adapters = 1, .original_ln_after = 1};
/* Every option that takes memory. */
const adcl_adapter_set_params adcl_test_loaded = {SET,
                                                  .output_adapters = 1,
                                                  .original_ln_before = 1,
                                                  .original_ln_after = 1,
                                                  .gated = 1,
                                                  .ln_before = 1,
                                                  .ln_after = 1,
                                                  .scaling_kind = ADCL_SCALING_CHANNEL,
                                                  .residual = ADCL_RESIDUAL_POST_ADD,
                                                  .pooling = ADCL_POOLING_MEAN};
const adcl_adapter_set_params adcl_test_parallel = {SET,
                                                    .output_adapters = 1,
                                                    .parallel = 1,
                                                    .original_ln_after = 1,
                                                    .train_layer_norms = 1,
                                                    .pooling = ADCL_POOLING_MEAN,
                                                    .head_layers = 2};

/* ---- batches --------------------------------------------------------------------------------- */

const size_t adcl_test_tiny_lengths[] = {1, ADCL_TEST_TINY_POSITIONS, 7, 2, 13};
const size_t adcl_test_in_order[] = {0, 1, 2, 3, 4};

void adcl_test_text_write(adcl_test_text *t, const size_t *places, size_t count)
{
    *t = (adcl_test_text){.starts = {0}};
    for (size_t s = 0; s < count; s++) {
        size_t place = places[s], first = t->starts[s], length = adcl_test_tiny_lengths[place];
        t->starts[s + 1] = first + length;
        for (size_t i = 0; i < length; i++) {
            t->ids[first + i] = (int32_t)((place * 31 + i * i * 7 + i) % ADCL_TEST_TINY_WORDS);
            t->type_ids[first + i] = i > length / 2;
        }
    }
    t->batch = (adcl_encoder_batch){
        .sequences = count, .starts = t->starts, .ids = t->ids, .type_ids = t->type_ids};
}

/* ---- all together ---------------------------------------------------------------------------- */

adcl_encoder_workspace_params adcl_test_tiny_room(adcl_mode mode, int keep_hidden)
{
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = ADCL_TEST_TINY_TOKENS;
    params.max_sequences = ADCL_TEST_TINY_SEQUENCES;
    params.mode = mode;
    params.keep_hidden = keep_hidden;
    return params;
}

void adcl_test_tiny_encoder_open(adcl_test_tiny_encoder *out, adcl_engine engine, adcl_mode mode,
                                 const adcl_adapter_set_params *params)
{
    adcl_test_tiny_encoder *e = out;
    const adcl_encoder_workspace_params room = adcl_test_tiny_room(mode, 1);
    *e = (adcl_test_tiny_encoder){.ctx = adcl_test_engine_context(engine)};
    e->encoder = adcl_test_encoder_load(e->ctx, adcl_test_tiny_model_folder("bert"), mode);
    e->set = adcl_test_set_create(e->ctx, e->encoder, params);
    e->ws = adcl_test_encoder_workspace(e->ctx, e->encoder, e->set, &room);
    e->logits =
        adcl_test_tensor_create(e->ctx, ADCL_TEST_TINY_SEQUENCES, ADCL_TEST_TINY_LABELS, NULL);
    adcl_test_text_write(&e->all, adcl_test_in_order, ADCL_TEST_TINY_SEQUENCES);
}

void adcl_test_tiny_encoder_close(adcl_test_tiny_encoder *e)
{
    adcl_tensor_destroy(&e->logits);
    adcl_encoder_workspace_destroy(&e->ws);
    adcl_adapter_set_destroy(&e->set);
    adcl_encoder_destroy(&e->encoder);
    adcl_context_destroy(&e->ctx);
}
