/* SPDX-License-Identifier: MIT */
/* Training that keeps each layer's input alone and runs the layers again for backward: the same
 * bits as training that keeps everything, in less memory. */
#include "support/tiny_encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(encoder_recompute, .timeout = 300);

enum {
    D = ADCL_TEST_TINY_HIDDEN,
    LAYERS = ADCL_TEST_TINY_LAYERS,
    TOKENS = ADCL_TEST_TINY_TOKENS
};

static adcl_encoder_workspace *make_workspace(const adcl_test_tiny_encoder *f, int recompute,
                                              int model_dropout)
{
    adcl_encoder_workspace_params room = adcl_test_tiny_room(ADCL_TRAINING, 0);
    room.recompute = recompute;
    room.model_dropout = model_dropout;
    return adcl_test_encoder_workspace(f->ctx, f->encoder, f->set, &room);
}

/* ---- gradients -------------------------------------------------------------------------------- */

/* All gradients of the set, one after the other, of a step of that number. */
static float *gradients_of(adcl_test_tiny_encoder *f, adcl_encoder_workspace *ws, uint64_t step,
                           size_t backwards, size_t *count)
{
    adcl_parameters *list = adcl_adapter_set_parameters(f->set);
    float dlogits[ADCL_TEST_TINY_SEQUENCES * ADCL_TEST_TINY_LABELS];
    adcl_test_draw(7, 1.0, dlogits, sizeof dlogits / sizeof dlogits[0]);
    adcl_encoder_workspace_set_dropout_step(ws, 3, step);
    ADCL_TEST_OK(f->ctx, adcl_parameters_zero_grad(f->ctx, list));
    ADCL_TEST_OK(f->ctx, adcl_encoder_forward(f->ctx, f->encoder, f->set, ws, &f->all.batch, f->logits));
    ADCL_TEST_OK(f->ctx, adcl_tensor_write(f->ctx, f->logits, dlogits, sizeof dlogits));
    for (size_t b = 0; b < backwards; b++)
        ADCL_TEST_OK(f->ctx, adcl_encoder_backward(f->ctx, f->encoder, f->set, ws, f->logits));
    float *all = NULL;
    *count = 0;
    for (size_t i = 0; i < adcl_parameters_count(list); i++) {
        const adcl_tensor *gradient = adcl_parameters_get(list, i)->gradient;
        size_t numbers = adcl_tensor_rows(gradient) * adcl_tensor_cols(gradient);
        float *part = adcl_test_tensor_read(f->ctx, gradient);
        all = realloc(all, (*count + numbers) * sizeof *all);
        cr_assert_not_null(all);
        memcpy(all + *count, part, numbers * sizeof *part);
        *count += numbers;
        free(part);
    }
    return all;
}

/* `backwards` after one forward: gradients are added, and nothing that is kept is spent. */
static void check_step(adcl_test_tiny_encoder *f, adcl_encoder_workspace *const ws[2], uint64_t step,
                       size_t backwards, const char *name)
{
    size_t count[2];
    float *kept = gradients_of(f, ws[0], step, backwards, &count[0]);
    float *again = gradients_of(f, ws[1], step, backwards, &count[1]);
    cr_assert_eq(count[0], count[1]);
    cr_expect_eq(memcmp(kept, again, count[0] * sizeof *kept), 0, "%s, %zu times backward", name,
                 backwards);
    double square = 0.0;
    for (size_t i = 0; i < count[0]; i++) square += (double)kept[i] * (double)kept[i];
    cr_expect_gt(square, 0.0, "%s", name);
    free(kept);
    free(again);
}

static void check_set(adcl_engine engine, const adcl_adapter_set_params *params, int model_dropout,
                      const char *name)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, engine, ADCL_TRAINING, params);
    adcl_encoder_workspace *ws[2] = {make_workspace(&f, 0, model_dropout),
                                     make_workspace(&f, 1, model_dropout)};
    check_step(&f, ws, 1, 1, name);
    check_step(&f, ws, 2, 2, name);
    for (size_t w = 0; w < 2; w++) adcl_encoder_workspace_destroy(&ws[w]);
    adcl_test_tiny_encoder_close(&f);
}

static const struct {
    const char *name;
    const adcl_adapter_set_params *params;
} sets[] = {{"houlsby", &adcl_test_houlsby},
            {"every option", &adcl_test_loaded},
            {"parallel", &adcl_test_parallel}};

static void check_sets(adcl_engine engine)
{
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
        adcl_adapter_set_params dropped = *sets[s].params;
        dropped.dropout = 0.5f;
        dropped.head_dropout = 0.25f;
        check_set(engine, sets[s].params, 0, sets[s].name);
        check_set(engine, &dropped, 1, sets[s].name);
    }
}

Test(encoder_recompute, gives_the_same_bits_by_packed_products) { check_sets(ADCL_ENGINE_FUSED); }

Test(encoder_recompute, gives_the_same_bits_by_clblast) { check_sets(ADCL_ENGINE_GEMM); }

Test(encoder_recompute, serves_layers_of_different_sizes_and_without_adapters)
{
    static const float factors[][LAYERS] = {{4.0f, 2.0f, 4.0f}, {2.0f, 4.0f, 8.0f}};
    static const size_t lowest[] = {0}, between[] = {1}, highest[] = {2}, lower[] = {0, 1};
    static const struct {
        const size_t *layers;
        size_t count;
    } left_out[] = {{NULL, 0}, {lowest, 1}, {between, 1}, {highest, 1}, {lower, 2}};
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++)
        for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++) {
            adcl_adapter_set_params params = *sets[s].params;
            char name[64];
            snprintf(name, sizeof name, "%s, left out %zu", sets[s].name, i);
            params.dropout = 0.25f;
            params.layer_reduction_factors = factors[i % 2];
            params.leave_out = left_out[i].layers;
            params.leave_out_count = left_out[i].count;
            check_set(ADCL_ENGINE_FUSED, &params, 0, name);
        }
}

/* ---- what it costs ---------------------------------------------------------------------------- */

Test(encoder_recompute, keeps_the_input_of_each_layer_alone)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_houlsby);
    adcl_encoder_workspace *kept = make_workspace(&f, 0, 0), *again = make_workspace(&f, 1, 0);
    adcl_workspace_params room = ADCL_WORKSPACE_PARAMS_INIT;
    room.max_rows = TOKENS;
    room.mode = ADCL_TRAINING;
    size_t adapter;
    ADCL_TEST_OK(f.ctx, adcl_workspace_bytes(f.ctx, f.set->sites[0].adapter, &room, &adapter));
    /* Of a layer: qkv, context, two h, two normal; z; attention's sums, two deviations. */
    size_t inner = adcl_encoder_inner_size(f.encoder), heads = f.encoder->attention.heads;
    size_t layer = TOKENS * (8 * D + inner + heads + 2) * sizeof(float) + 2 * adapter;
    /* Hidden states that alternate between two matrices become four of their own. */
    size_t inputs = (LAYERS + 1 - 2) * TOKENS * D * sizeof(float);
    cr_expect_eq(adcl_encoder_workspace_bytes(kept) - adcl_encoder_workspace_bytes(again),
                 (LAYERS - 1) * layer - inputs);
    adcl_encoder_workspace_destroy(&kept);
    adcl_encoder_workspace_destroy(&again);
    adcl_test_tiny_encoder_close(&f);
}

static unsigned long long launches_of_step(adcl_test_tiny_encoder *f, adcl_encoder_workspace *ws)
{
    adcl_counters before = adcl_context_counters(f->ctx);
    ADCL_TEST_OK(f->ctx,
                 adcl_encoder_forward(f->ctx, f->encoder, f->set, ws, &f->all.batch, f->logits));
    ADCL_TEST_OK(f->ctx, adcl_encoder_backward(f->ctx, f->encoder, f->set, ws, f->logits));
    adcl_counters now = adcl_context_counters(f->ctx);
    cr_expect_eq(now.buffer_allocations, before.buffer_allocations);
    cr_expect_eq(now.program_builds, before.program_builds);
    return now.launches - before.launches;
}

/* What the highest layer left is there still. */
Test(encoder_recompute, runs_all_layers_but_the_highest_once_more)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_houlsby);
    adcl_encoder_workspace *kept = make_workspace(&f, 0, 0), *again = make_workspace(&f, 1, 0);
    adcl_counters before = adcl_context_counters(f.ctx);
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, kept, &f.all.batch, NULL));
    unsigned long long forward = adcl_context_counters(f.ctx).launches - before.launches;
    /* The embeddings' norm is no part of a layer. */
    cr_expect_eq(launches_of_step(&f, again) - launches_of_step(&f, kept),
                 (forward - 1) / LAYERS * (LAYERS - 1));
    adcl_encoder_workspace_destroy(&kept);
    adcl_encoder_workspace_destroy(&again);
    adcl_test_tiny_encoder_close(&f);
}
