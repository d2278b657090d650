/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv */
/* Batches through an encoder: which bits they give, and what they cost. */
#include "support/compare.h"
#include "support/encoder.h"
#include "support/files.h"
#include "support/tiny.h"
#include "support/tiny_encoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HIDDEN = ADCL_TEST_TINY_HIDDEN,
    LAYERS = ADCL_TEST_TINY_LAYERS,
    POSITIONS = ADCL_TEST_TINY_POSITIONS,
    LABELS = ADCL_TEST_TINY_LABELS,
    SEQUENCES = ADCL_TEST_TINY_SEQUENCES,
    TOKENS = ADCL_TEST_TINY_TOKENS
};

static const adcl_adapter_set_params *const sets[] = {&adcl_test_houlsby, &adcl_test_loaded,
                                                      &adcl_test_parallel};
enum { SETS = sizeof sets / sizeof sets[0] };

static adcl_encoder_workspace *make_workspace(const adcl_test_tiny_encoder *f, adcl_mode mode,
                                              int keep_hidden)
{
    const adcl_encoder_workspace_params params = adcl_test_tiny_room(mode, keep_hidden);
    return adcl_test_encoder_workspace(f->ctx, f->encoder, f->set, &params);
}

/* ---- results --------------------------------------------------------------------------------- */

/* What a forward gives. */
typedef struct outcome {
    size_t sequences, tokens;
    float *logits, *hidden[LAYERS + 1];
} outcome;

static outcome run_with(const adcl_test_tiny_encoder *f, const adcl_adapter_set *set,
                        adcl_encoder_workspace *ws, const adcl_encoder_batch *batch)
{
    outcome o = {.sequences = batch->sequences, .tokens = batch->starts[batch->sequences]};
    adcl_tensor *logits = adcl_test_tensor_create(f->ctx, batch->sequences, LABELS, NULL);
    ADCL_TEST_OK(f->ctx, adcl_encoder_forward(f->ctx, f->encoder, set, ws, batch, logits));
    o.logits = adcl_test_tensor_read(f->ctx, logits);
    for (size_t l = 0; l <= LAYERS; l++) {
        const adcl_tensor *hidden = adcl_encoder_hidden(ws, l);
        if (hidden != NULL) o.hidden[l] = adcl_test_tensor_read(f->ctx, hidden);
    }
    adcl_tensor_destroy(&logits);
    return o;
}

static outcome run(const adcl_test_tiny_encoder *f, const adcl_encoder_batch *batch)
{
    return run_with(f, f->set, f->ws, batch);
}

static void discard(outcome *o)
{
    free(o->logits);
    for (size_t l = 0; l <= LAYERS; l++) free(o->hidden[l]);
}

static void expect_same_logits(const char *label, const outcome *got, const outcome *expected)
{
    cr_expect(adcl_test_same_bits(label, got->logits, expected->logits,
                                  expected->sequences * LABELS * sizeof(float)),
              "%s", label);
}

/* Sequence s of `some`, at row `first`, has the bits of sequence `place` of `every`, at row `row`.
 */
static void expect_sequence(const char *label, const outcome *some, size_t s, size_t first,
                            const outcome *every, size_t place, size_t row)
{
    cr_expect(adcl_test_same_bits(label, some->logits + s * LABELS, every->logits + place * LABELS,
                                  LABELS * sizeof(float)),
              "%s", label);
    for (size_t l = 0; l <= LAYERS; l++)
        cr_expect(adcl_test_same_bits(label, some->hidden[l] + first * HIDDEN,
                                      every->hidden[l] + row * HIDDEN,
                                      adcl_test_tiny_lengths[place] * HIDDEN * sizeof(float)),
                  "%s: hidden %zu", label, l);
}

/* ---- bits ------------------------------------------------------------------------------------ */

static void check_company(const adcl_test_tiny_encoder *f, const outcome *every,
                          const size_t *places, size_t count)
{
    adcl_test_text t;
    adcl_test_text_write(&t, places, count);
    outcome some = run(f, &t.batch);
    for (size_t s = 0; s < count; s++)
        expect_sequence(adcl_test_label("sequence %zu of %zu", s, count), &some, s, t.starts[s],
                        every, places[s], f->all.starts[places[s]]);
    discard(&some);
}

Test(encoder_pass, gives_a_sequence_the_same_bits_alone_and_in_any_batch, .timeout = 300)
{
    static const size_t reversed[] = {4, 3, 2, 1, 0}, some[] = {3, 0, 4};
    for (size_t i = 0; i < SETS; i++) {
        adcl_test_tiny_encoder f;
        adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, sets[i]);
        outcome every = run(&f, &f.all.batch);
        for (size_t s = 0; s < SEQUENCES; s++) check_company(&f, &every, &adcl_test_in_order[s], 1);
        check_company(&f, &every, reversed, SEQUENCES);
        check_company(&f, &every, some, 3);
        check_company(&f, &every, adcl_test_in_order, SEQUENCES); /* and again */
        discard(&every);
        adcl_test_tiny_encoder_close(&f);
    }
}

/* From a copy of what entered a layer, and from where the last forward left it. */
static void check_later_start(const adcl_test_tiny_encoder *f, const outcome *every, size_t layer,
                              bool copies)
{
    adcl_tensor *copy = adcl_test_tensor_create(f->ctx, TOKENS, HIDDEN, every->hidden[layer]);
    adcl_encoder_batch batch = f->all.batch;
    batch.ids = batch.type_ids = NULL;
    batch.hidden = copies ? copy : adcl_encoder_hidden(f->ws, layer);
    batch.first_layer = layer;
    outcome later = run(f, &batch);
    const char *label = adcl_test_label("from layer %zu, a copy: %d", layer, copies);
    expect_same_logits(label, &later, every);
    for (size_t l = 0; l <= LAYERS; l++) {
        if (l < layer)
            cr_expect_null(later.hidden[l], "%s", label);
        else
            cr_expect(adcl_test_same_bits(label, later.hidden[l], every->hidden[l],
                                          TOKENS * HIDDEN * sizeof(float)),
                      "%s", label);
    }
    discard(&later);
    adcl_tensor_destroy(&copy);
}

Test(encoder_pass, gives_the_same_bits_from_a_hidden_state_as_from_ids, .timeout = 300)
{
    for (size_t i = 0; i < SETS; i++) {
        adcl_test_tiny_encoder f;
        adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, sets[i]);
        outcome every = run(&f, &f.all.batch);
        for (size_t l = 0; l <= LAYERS; l++) check_later_start(&f, &every, l, true);
        for (size_t l = 0; l <= LAYERS; l++) {
            outcome again = run(&f, &f.all.batch);
            check_later_start(&f, &every, l, false);
            discard(&again);
        }
        discard(&every);
        adcl_test_tiny_encoder_close(&f);
    }
}

Test(encoder_pass, keeps_the_last_hidden_state_alone_unless_asked)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    outcome every = run(&f, &f.all.batch);
    adcl_encoder_workspace *ws = make_workspace(&f, ADCL_INFERENCE, 0);
    cr_expect_null(adcl_encoder_hidden(ws, LAYERS), "before a forward");
    outcome last = run_with(&f, f.set, ws, &f.all.batch);
    for (size_t l = 0; l < LAYERS; l++) cr_expect_null(last.hidden[l]);
    cr_expect_null(adcl_encoder_hidden(ws, LAYERS + 1));
    cr_expect_null(adcl_encoder_hidden(NULL, 0));
    cr_expect(adcl_test_same_bits("the last one", last.hidden[LAYERS], every.hidden[LAYERS],
                                  TOKENS * HIDDEN * sizeof(float)));
    expect_same_logits("without hidden states", &last, &every);
    adcl_encoder_workspace_destroy(&ws);
    discard(&last);
    discard(&every);
    adcl_test_tiny_encoder_close(&f);
}

/* ---- sets ------------------------------------------------------------------------------------ */

static adcl_adapter_set_params seeded(uint64_t seed)
{
    adcl_adapter_set_params params = adcl_test_houlsby;
    params.init = ADCL_INIT_BERT;
    params.seed = seed;
    return params;
}

Test(encoder_pass, takes_turns_between_sets_and_goes_on_without_them)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    const adcl_adapter_set_params other_params = seeded(7);
    adcl_adapter_set *other = NULL;
    ADCL_TEST_OK(f.ctx, adcl_adapter_set_create(&other, f.ctx, f.encoder, &other_params));
    outcome first = run(&f, &f.all.batch), second = run_with(&f, other, f.ws, &f.all.batch);
    cr_expect_neq(memcmp(first.logits, second.logits, SEQUENCES * LABELS * sizeof(float)), 0);
    for (int turn = 0; turn < 2; turn++) {
        outcome a = run(&f, &f.all.batch), b = run_with(&f, other, f.ws, &f.all.batch);
        expect_same_logits("the first set", &a, &first);
        expect_same_logits("the second set", &b, &second);
        discard(&a);
        discard(&b);
    }
    adcl_adapter_set_destroy(&f.set);
    outcome left = run_with(&f, other, f.ws, &f.all.batch);
    expect_same_logits("the set that is left", &left, &second);
    adcl_adapter_set_destroy(&other);
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, NULL, f.ws, &f.all.batch, NULL));
    f.set = adcl_test_set_create(f.ctx, f.encoder, &adcl_test_houlsby);
    outcome again = run(&f, &f.all.batch);
    expect_same_logits("a new set like the first", &again, &first);
    discard(&left);
    discard(&again);
    discard(&first);
    discard(&second);
    adcl_test_tiny_encoder_close(&f);
}

/* Adapters whose up is zeros change nothing, and neither do none. */
Test(encoder_pass, gives_the_model_alone_where_there_is_no_set)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, &adcl_test_houlsby);
    double *hidden = calloc((LAYERS + 1) * TOKENS * HIDDEN, sizeof *hidden);
    adcl_error error;
    const adcl__reference_batch batch = {SEQUENCES, f.all.starts, f.all.ids, f.all.type_ids};
    cr_assert_eq(adcl__encoder_reference_run(&f.encoder->weights, NULL, &batch, hidden, NULL, NULL,
                                             NULL, &error),
                 ADCL_OK, "%s", error.message);
    const adcl_encoder_workspace_params params = adcl_test_tiny_room(ADCL_INFERENCE, 1);
    adcl_encoder_workspace *ws = adcl_test_encoder_workspace(f.ctx, f.encoder, NULL, &params);
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, NULL, ws, &f.all.batch, NULL));
    for (size_t l = 0; l <= LAYERS; l++)
        cr_expect(adcl_test_tensor_close(f.ctx, adcl_test_label("hidden %zu", l),
                                         adcl_encoder_hidden(ws, l), hidden + l * TOKENS * HIDDEN,
                                         1e-5));
    free(hidden);
    adcl_encoder_workspace_destroy(&ws);
    adcl_test_tiny_encoder_close(&f);
}

static void check_saved(const adcl_adapter_set_params *params)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_INFERENCE, params);
    adcl_adapter_set *loaded_set = NULL;
    outcome before = run(&f, &f.all.batch);
    ADCL_TEST_OK(f.ctx, adcl_adapter_set_save(f.ctx, f.set, adcl_test_path("set")));
    ADCL_TEST_OK(f.ctx,
                 adcl_adapter_set_load(&loaded_set, f.ctx, f.encoder, adcl_test_path("set")));
    outcome after = run_with(&f, loaded_set, f.ws, &f.all.batch);
    expect_same_logits("after saving and loading", &after, &before);
    discard(&before);
    discard(&after);
    adcl_adapter_set_destroy(&loaded_set);
    adcl_test_tiny_encoder_close(&f);
}

/* AdapterHub's folders know no head of means, and two layers of it only with CLS. */
Test(encoder_pass, gives_the_same_bits_after_saving_and_loading, .timeout = 300,
     .init = adcl_test_folder_create, .fini = adcl_test_folder_remove)
{
    adcl_adapter_set_params norms = adcl_test_houlsby;
    norms.train_layer_norms = 1;
    norms.gated = 1;
    norms.scaling_kind = ADCL_SCALING_LEARNED;
    check_saved(&adcl_test_houlsby);
    check_saved(&norms);
}

/* ---- pooling --------------------------------------------------------------------------------- */

static void check_pooling(const adcl_test_tiny_encoder *f, adcl_pooling pooling, int normalize)
{
    float *hidden = adcl_test_tensor_read(f->ctx, adcl_encoder_hidden(f->ws, LAYERS));
    double expected[SEQUENCES * HIDDEN] = {0.0};
    for (size_t s = 0; s < SEQUENCES; s++) {
        size_t first = f->all.starts[s],
               count = pooling == ADCL_POOLING_CLS ? 1 : adcl_test_tiny_lengths[s];
        double squares = 0.0;
        for (size_t c = 0; c < HIDDEN; c++) {
            double *sum = &expected[s * HIDDEN + c];
            for (size_t t = 0; t < count; t++) *sum += (double)hidden[(first + t) * HIDDEN + c];
            *sum /= (double)count;
            squares += *sum * *sum;
        }
        for (size_t c = 0; normalize && c < HIDDEN; c++) expected[s * HIDDEN + c] /= sqrt(squares);
    }
    adcl_tensor *out = adcl_test_tensor_create(f->ctx, SEQUENCES, HIDDEN, NULL);
    ADCL_TEST_OK(f->ctx, adcl_encoder_pool(f->ctx, f->ws, pooling, normalize, out));
    cr_expect(adcl_test_tensor_close(
        f->ctx, adcl_test_label("pooling %d, normalize %d", (int)pooling, normalize), out, expected,
        1e-6));
    adcl_tensor_destroy(&out);
    free(hidden);
}

static void check_poolings(adcl_engine engine)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, engine, ADCL_INFERENCE, &adcl_test_houlsby);
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &f.all.batch, NULL));
    for (int normalize = 0; normalize < 2; normalize++) {
        check_pooling(&f, ADCL_POOLING_CLS, normalize);
        check_pooling(&f, ADCL_POOLING_MEAN, normalize);
    }
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_pass, pools_the_last_hidden_state)
{
    check_poolings(ADCL_ENGINE_FUSED);
    check_poolings(ADCL_ENGINE_REFERENCE);
}

/* What begins with a hidden state has no embeddings, though an earlier batch had. */
Test(encoder_pass, trains_no_norm_of_embeddings_that_were_not_there)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_parallel);
    adcl_parameters *parameters = adcl_adapter_set_parameters(f.set);
    const adcl_tensor *gradient = f.set->embeddings_norm.weight_gradient;
    double zeros[HIDDEN] = {0.0};
    outcome every = run(&f, &f.all.batch);
    adcl_tensor *copy = adcl_test_tensor_create(f.ctx, TOKENS, HIDDEN, every.hidden[0]);
    adcl_encoder_batch b = f.all.batch;
    b.hidden = copy;
    ADCL_TEST_OK(f.ctx, adcl_parameters_zero_grad(f.ctx, parameters));
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &b, f.logits));
    ADCL_TEST_OK(f.ctx, adcl_encoder_backward(f.ctx, f.encoder, f.set, f.ws, f.logits));
    cr_expect(adcl_test_tensor_close(f.ctx, "from a hidden state", gradient, zeros, 0.0));
    adcl_tensor_destroy(&copy);
    discard(&every);
    adcl_test_tiny_encoder_close(&f);
}

/* ---- what a pass costs ----------------------------------------------------------------------- */

/* The launches since `before`; nothing was allocated, built or waited for, and the batch came in
 * `uploads` copies. */
static unsigned long long launches_since(const adcl_test_tiny_encoder *f, adcl_counters before,
                                         uint64_t uploads)
{
    adcl_counters now = adcl_context_counters(f->ctx);
    cr_expect_eq(now.buffer_allocations, before.buffer_allocations);
    cr_expect_eq(now.bytes_allocated, before.bytes_allocated);
    cr_expect_eq(now.program_builds, before.program_builds);
    cr_expect_eq(now.host_waits, before.host_waits);
    cr_expect_eq(now.transfers - before.transfers, uploads, "%llu transfers",
                 (unsigned long long)(now.transfers - before.transfers));
    return now.launches - before.launches;
}

/* A layer of `houlsby` is qkv, attention, a product, adapter, norm, two products, adapter, norm;
 * the embeddings have a norm; the head pools, and has two dense layers with tanh between. An
 * adapter with one or two rows takes one launch less backward: it packs no transposes. */
static const struct cost {
    size_t sequences;
    unsigned long long forward, backward;         /* under the CPU plan */
    /* Under the GPU's: all these batches have few rows there, and CLBlast multiplies in the head. */
    unsigned long long gpu_forward, gpu_backward;
} costs[] = {{SEQUENCES, 32, 46, 40, 47}, {1, 32, 40, 40, 47}};

static void check_launches(const adcl_test_tiny_encoder *f, const struct cost *cost)
{
    adcl_test_text t;
    adcl_test_text_write(&t, adcl_test_in_order, cost->sequences);
    adcl_tensor *logits = adcl_test_tensor_create(f->ctx, cost->sequences, LABELS, NULL);
    bool on_cpu = adcl_test_has_cpu_plan(f->ctx);
    adcl_counters before = adcl_context_counters(f->ctx);
    ADCL_TEST_OK(f->ctx, adcl_encoder_forward(f->ctx, f->encoder, f->set, f->ws, &t.batch, logits));
    unsigned long long launches = launches_since(f, before, 4);
    cr_expect_eq(launches, on_cpu ? cost->forward : cost->gpu_forward, "forward: %llu", launches);
    before = adcl_context_counters(f->ctx);
    ADCL_TEST_OK(f->ctx, adcl_encoder_backward(f->ctx, f->encoder, f->set, f->ws, logits));
    launches = launches_since(f, before, 0);
    cr_expect_eq(launches, on_cpu ? cost->backward : cost->gpu_backward, "backward: %llu", launches);
    adcl_tensor_destroy(&logits);
}

static void check_all_launches(adcl_fused_plan plan)
{
    adcl_test_tiny_encoder f;
    setenv("ADCL_FUSED_PLAN", plan == ADCL_FUSED_PLAN_GPU ? "gpu" : "cpu", 1);
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_houlsby);
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) check_launches(&f, &costs[i]);
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_pass, launches_a_fixed_number_of_kernels_and_nothing_else, .timeout = 300)
{
    check_all_launches(ADCL_FUSED_PLAN_CPU);
    check_all_launches(ADCL_FUSED_PLAN_GPU);
}

/* In no pass of any engine on the device, with every option. */
static void check_costs(adcl_engine engine, const adcl_adapter_set_params *params)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, engine, ADCL_TRAINING, params);
    for (size_t count = SEQUENCES; count > 0; count--) {
        adcl_test_text t;
        adcl_test_text_write(&t, adcl_test_in_order, count);
        adcl_tensor *logits = adcl_test_tensor_create(f.ctx, count, LABELS, NULL);
        adcl_counters before = adcl_context_counters(f.ctx);
        ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &t.batch, logits));
        ADCL_TEST_OK(f.ctx, adcl_encoder_backward(f.ctx, f.encoder, f.set, f.ws, logits));
        adcl_counters now = adcl_context_counters(f.ctx);
        cr_expect_eq(now.buffer_allocations, before.buffer_allocations, "%zu sequences", count);
        cr_expect_eq(now.program_builds, before.program_builds, "%zu sequences", count);
        cr_expect_gt(now.launches, before.launches);
        adcl_tensor_destroy(&logits);
    }
    adcl_test_tiny_encoder_close(&f);
}

Test(encoder_pass, allocates_and_builds_nothing_with_any_option, .timeout = 300)
{
    for (size_t i = 0; i < SETS; i++) {
        check_costs(ADCL_ENGINE_FUSED, sets[i]);
        check_costs(ADCL_ENGINE_GEMM, sets[i]);
    }
}

static size_t bytes_of(const adcl_test_tiny_encoder *f, const adcl_adapter_set_params *params,
                       adcl_mode mode, size_t first_adapted)
{
    static const size_t layers[LAYERS] = {0, 1, 2};
    adcl_adapter_set_params given = *params;
    given.leave_out = layers;
    given.leave_out_count = first_adapted;
    adcl_adapter_set *set = adcl_test_set_create(f->ctx, f->encoder, &given);
    const adcl_encoder_workspace_params of_room = adcl_test_tiny_room(mode, 0);
    adcl_encoder_workspace *ws = adcl_test_encoder_workspace(f->ctx, f->encoder, set, &of_room);
    size_t bytes = adcl_encoder_workspace_bytes(ws);
    adcl_encoder_workspace_destroy(&ws);
    adcl_adapter_set_destroy(&set);
    return bytes;
}

Test(encoder_pass, needs_no_more_memory_for_more_layers_in_inference, .timeout = 300)
{
    adcl_test_tiny_encoder f;
    adcl_test_tiny_encoder_open(&f, ADCL_ENGINE_FUSED, ADCL_TRAINING, &adcl_test_houlsby);
    for (size_t i = 0; i < SETS; i++) {
        cr_expect_eq(bytes_of(&f, sets[i], ADCL_INFERENCE, 2),
                     bytes_of(&f, sets[i], ADCL_INFERENCE, 0), "set %zu", i);
        if (!sets[i]->train_layer_norms) /* which need it in all layers */
            cr_expect_lt(bytes_of(&f, sets[i], ADCL_TRAINING, 2),
                         bytes_of(&f, sets[i], ADCL_TRAINING, 0), "set %zu", i);
    }
    adcl_test_tiny_encoder_close(&f);
}
