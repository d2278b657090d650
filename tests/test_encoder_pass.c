/* SPDX-License-Identifier: MIT */
/* Batches through an encoder: which bits they give, what they cost, in what order calls may come.
 */
#include "support/compare.h"
#include "support/encoder.h"
#include "support/files.h"
#include "support/tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The tiny model: D 32, 3 layers, 40 positions, 97 words. */
enum { HIDDEN = 32, LAYERS = 3, POSITIONS = 40, WORDS = 97, LABELS = 3 };

/* One token, the longest, and others: 1 + 40 + 7 + 2 + 13. */
enum { SEQUENCES = 5, TOKENS = 63 };
static const size_t lengths[SEQUENCES] = {1, POSITIONS, 7, 2, 13};

#define SET                                                                                     \
    .struct_size = sizeof(adcl_adapter_set_params), .reduction_factor = 4.0f, .labels = LABELS, \
    .activation = ADCL_ACTIVATION_GELU

static const adcl_adapter_set_params houlsby = {SET, .attention_adapters = 1, .output_adapters = 1,
                                                .original_ln_after = 1};
/* Every option that takes memory. */
static const adcl_adapter_set_params loaded = {SET,
                                               .output_adapters = 1,
                                               .original_ln_before = 1,
                                               .original_ln_after = 1,
                                               .gated = 1,
                                               .ln_before = 1,
                                               .ln_after = 1,
                                               .scaling_kind = ADCL_SCALING_CHANNEL,
                                               .residual = ADCL_RESIDUAL_POST_ADD,
                                               .pooling = ADCL_POOLING_MEAN};
static const adcl_adapter_set_params parallel = {SET,
                                                 .output_adapters = 1,
                                                 .parallel = 1,
                                                 .original_ln_after = 1,
                                                 .train_layer_norms = 1,
                                                 .pooling = ADCL_POOLING_MEAN,
                                                 .head_layers = 2};

static const adcl_adapter_set_params *const sets[] = {&houlsby, &loaded, &parallel};
enum { SETS = sizeof sets / sizeof sets[0] };

/* ---- batches --------------------------------------------------------------------------------- */

typedef struct text {
    size_t starts[SEQUENCES + 1];
    int32_t ids[TOKENS], type_ids[TOKENS];
    adcl_encoder_batch batch;
} text;

/* `count` sequences of these places in `lengths`; a sequence has the same ids wherever it stands.
 */
static void write_text(text *t, const size_t *places, size_t count)
{
    *t = (text){.starts = {0}};
    for (size_t s = 0; s < count; s++) {
        size_t place = places[s], first = t->starts[s];
        t->starts[s + 1] = first + lengths[place];
        for (size_t i = 0; i < lengths[place]; i++) {
            t->ids[first + i] = (int32_t)((place * 31 + i * i * 7 + i) % WORDS);
            t->type_ids[first + i] = i > lengths[place] / 2;
        }
    }
    t->batch = (adcl_encoder_batch){
        .sequences = count, .starts = t->starts, .ids = t->ids, .type_ids = t->type_ids};
}

static const size_t in_order[SEQUENCES] = {0, 1, 2, 3, 4};

/* ---- a fixture ------------------------------------------------------------------------------- */

typedef struct fixture {
    adcl_context *ctx;
    adcl_encoder *encoder;
    adcl_adapter_set *set;
    adcl_encoder_workspace *ws;
    adcl_tensor *logits; /* (SEQUENCES, LABELS) */
    text all;
} fixture;

static adcl_encoder_workspace_params room(adcl_mode mode, int keep_hidden)
{
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = TOKENS;
    params.max_sequences = SEQUENCES;
    params.mode = mode;
    params.keep_hidden = keep_hidden;
    return params;
}

static adcl_encoder_workspace *make_workspace(const fixture *f, adcl_mode mode, int keep_hidden)
{
    const adcl_encoder_workspace_params params = room(mode, keep_hidden);
    return adcl_test_encoder_workspace(f->ctx, f->encoder, f->set, &params);
}

static fixture open_fixture(adcl_engine engine, adcl_mode mode,
                            const adcl_adapter_set_params *params)
{
    fixture f = {.ctx = adcl_test_engine_context(engine)};
    f.encoder = adcl_test_encoder_load(f.ctx, adcl_test_tiny_model_folder("bert"), mode);
    f.set = adcl_test_set_create(f.ctx, f.encoder, params);
    f.ws = make_workspace(&f, mode, 1);
    f.logits = adcl_test_tensor_create(f.ctx, SEQUENCES, LABELS, NULL);
    return f;
}

static void close_fixture(fixture *f)
{
    adcl_tensor_destroy(&f->logits);
    adcl_encoder_workspace_destroy(&f->ws);
    adcl_adapter_set_destroy(&f->set);
    adcl_encoder_destroy(&f->encoder);
    adcl_context_destroy(&f->ctx);
}

/* ---- results --------------------------------------------------------------------------------- */

/* What a forward gives. */
typedef struct outcome {
    size_t sequences, tokens;
    float *logits, *hidden[LAYERS + 1];
} outcome;

static outcome run_with(const fixture *f, const adcl_adapter_set *set, adcl_encoder_workspace *ws,
                        const adcl_encoder_batch *batch)
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

static outcome run(const fixture *f, const adcl_encoder_batch *batch)
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
                                      lengths[place] * HIDDEN * sizeof(float)),
                  "%s: hidden %zu", label, l);
}

/* ---- bits ------------------------------------------------------------------------------------ */

static void check_company(const fixture *f, const outcome *every, const size_t *places,
                          size_t count)
{
    text t;
    write_text(&t, places, count);
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
        fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_TRAINING, sets[i]);
        write_text(&f.all, in_order, SEQUENCES);
        outcome every = run(&f, &f.all.batch);
        for (size_t s = 0; s < SEQUENCES; s++) check_company(&f, &every, &in_order[s], 1);
        check_company(&f, &every, reversed, SEQUENCES);
        check_company(&f, &every, some, 3);
        check_company(&f, &every, in_order, SEQUENCES); /* and again */
        discard(&every);
        close_fixture(&f);
    }
}

/* From a copy of what entered a layer, and from where the last forward left it. */
static void check_later_start(const fixture *f, const outcome *every, size_t layer, bool copies)
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
        fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_INFERENCE, sets[i]);
        write_text(&f.all, in_order, SEQUENCES);
        outcome every = run(&f, &f.all.batch);
        for (size_t l = 0; l <= LAYERS; l++) check_later_start(&f, &every, l, true);
        for (size_t l = 0; l <= LAYERS; l++) {
            outcome again = run(&f, &f.all.batch);
            check_later_start(&f, &every, l, false);
            discard(&again);
        }
        discard(&every);
        close_fixture(&f);
    }
}

Test(encoder_pass, keeps_the_last_hidden_state_alone_unless_asked)
{
    fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_INFERENCE, &houlsby);
    write_text(&f.all, in_order, SEQUENCES);
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
    close_fixture(&f);
}

/* ---- sets ------------------------------------------------------------------------------------ */

static adcl_adapter_set_params seeded(uint64_t seed)
{
    adcl_adapter_set_params params = houlsby;
    params.init = ADCL_INIT_BERT;
    params.seed = seed;
    return params;
}

Test(encoder_pass, takes_turns_between_sets_and_goes_on_without_them)
{
    fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_INFERENCE, &houlsby);
    const adcl_adapter_set_params other_params = seeded(7);
    adcl_adapter_set *other = NULL;
    ADCL_TEST_OK(f.ctx, adcl_adapter_set_create(&other, f.ctx, f.encoder, &other_params));
    write_text(&f.all, in_order, SEQUENCES);
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
    f.set = adcl_test_set_create(f.ctx, f.encoder, &houlsby);
    outcome again = run(&f, &f.all.batch);
    expect_same_logits("a new set like the first", &again, &first);
    discard(&left);
    discard(&again);
    discard(&first);
    discard(&second);
    close_fixture(&f);
}

/* Adapters whose up is zeros change nothing, and neither do none. */
Test(encoder_pass, gives_the_model_alone_where_there_is_no_set)
{
    fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_INFERENCE, &houlsby);
    write_text(&f.all, in_order, SEQUENCES);
    double *hidden = calloc((LAYERS + 1) * TOKENS * HIDDEN, sizeof *hidden);
    adcl_error error;
    const adcl__reference_batch batch = {SEQUENCES, f.all.starts, f.all.ids, f.all.type_ids};
    cr_assert_eq(adcl__encoder_reference_run(&f.encoder->weights, NULL, &batch, hidden, NULL, NULL,
                                             NULL, &error),
                 ADCL_OK, "%s", error.message);
    const adcl_encoder_workspace_params params = room(ADCL_INFERENCE, 1);
    adcl_encoder_workspace *ws = adcl_test_encoder_workspace(f.ctx, f.encoder, NULL, &params);
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, NULL, ws, &f.all.batch, NULL));
    for (size_t l = 0; l <= LAYERS; l++)
        cr_expect(adcl_test_tensor_close(f.ctx, adcl_test_label("hidden %zu", l),
                                         adcl_encoder_hidden(ws, l), hidden + l * TOKENS * HIDDEN,
                                         1e-5));
    free(hidden);
    adcl_encoder_workspace_destroy(&ws);
    close_fixture(&f);
}

static void check_saved(const adcl_adapter_set_params *params)
{
    fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_INFERENCE, params);
    adcl_adapter_set *loaded_set = NULL;
    write_text(&f.all, in_order, SEQUENCES);
    outcome before = run(&f, &f.all.batch);
    ADCL_TEST_OK(f.ctx, adcl_adapter_set_save(f.ctx, f.set, adcl_test_path("set")));
    ADCL_TEST_OK(f.ctx,
                 adcl_adapter_set_load(&loaded_set, f.ctx, f.encoder, adcl_test_path("set")));
    outcome after = run_with(&f, loaded_set, f.ws, &f.all.batch);
    expect_same_logits("after saving and loading", &after, &before);
    discard(&before);
    discard(&after);
    adcl_adapter_set_destroy(&loaded_set);
    close_fixture(&f);
}

/* AdapterHub's folders know no head of means, and two layers of it only with CLS. */
Test(encoder_pass, gives_the_same_bits_after_saving_and_loading, .timeout = 300,
     .init = adcl_test_folder_create, .fini = adcl_test_folder_remove)
{
    adcl_adapter_set_params norms = houlsby;
    norms.train_layer_norms = 1;
    norms.gated = 1;
    norms.scaling_kind = ADCL_SCALING_LEARNED;
    check_saved(&houlsby);
    check_saved(&norms);
}

/* ---- pooling --------------------------------------------------------------------------------- */

static void check_pooling(const fixture *f, adcl_pooling pooling, int normalize)
{
    float *hidden = adcl_test_tensor_read(f->ctx, adcl_encoder_hidden(f->ws, LAYERS));
    double expected[SEQUENCES * HIDDEN] = {0.0};
    for (size_t s = 0; s < SEQUENCES; s++) {
        size_t first = f->all.starts[s], count = pooling == ADCL_POOLING_CLS ? 1 : lengths[s];
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
    fixture f = open_fixture(engine, ADCL_INFERENCE, &houlsby);
    write_text(&f.all, in_order, SEQUENCES);
    ADCL_TEST_OK(f.ctx, adcl_encoder_forward(f.ctx, f.encoder, f.set, f.ws, &f.all.batch, NULL));
    for (int normalize = 0; normalize < 2; normalize++) {
        check_pooling(&f, ADCL_POOLING_CLS, normalize);
        check_pooling(&f, ADCL_POOLING_MEAN, normalize);
    }
    close_fixture(&f);
}

Test(encoder_pass, pools_the_last_hidden_state)
{
    check_poolings(ADCL_ENGINE_FUSED);
    check_poolings(ADCL_ENGINE_REFERENCE);
}

/* ---- what a pass costs ----------------------------------------------------------------------- */

/* The launches since `before`; nothing was allocated, built or waited for, and the batch came in
 * `uploads` copies. */
static unsigned long long launches_since(const fixture *f, adcl_counters before, uint64_t uploads)
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
 * adapter with few rows takes one launch more, forward and backward: its rows are too few for all
 * cores. */
static const struct {
    size_t sequences;
    unsigned long long forward, backward;
} costs[] = {{SEQUENCES, 32, 46}, {1, 38, 51}};

static void check_launches(const fixture *f, size_t sequences, unsigned long long forward,
                           unsigned long long backward)
{
    text t;
    write_text(&t, in_order, sequences);
    adcl_tensor *logits = adcl_test_tensor_create(f->ctx, sequences, LABELS, NULL);
    adcl_counters before = adcl_context_counters(f->ctx);
    ADCL_TEST_OK(f->ctx, adcl_encoder_forward(f->ctx, f->encoder, f->set, f->ws, &t.batch, logits));
    cr_expect_eq(launches_since(f, before, 4), forward);
    before = adcl_context_counters(f->ctx);
    ADCL_TEST_OK(f->ctx, adcl_encoder_backward(f->ctx, f->encoder, f->set, f->ws, logits));
    cr_expect_eq(launches_since(f, before, 0), backward);
    adcl_tensor_destroy(&logits);
}

Test(encoder_pass, launches_a_fixed_number_of_kernels_and_nothing_else, .timeout = 300)
{
    fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_TRAINING, &houlsby);
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++)
        check_launches(&f, costs[i].sequences, costs[i].forward, costs[i].backward);
    close_fixture(&f);
}

/* In no pass of any engine on the device, with every option. */
static void check_costs(adcl_engine engine, const adcl_adapter_set_params *params)
{
    fixture f = open_fixture(engine, ADCL_TRAINING, params);
    for (size_t count = SEQUENCES; count > 0; count--) {
        text t;
        write_text(&t, in_order, count);
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
    close_fixture(&f);
}

Test(encoder_pass, allocates_and_builds_nothing_with_any_option, .timeout = 300)
{
    for (size_t i = 0; i < SETS; i++) {
        check_costs(ADCL_ENGINE_FUSED, sets[i]);
        check_costs(ADCL_ENGINE_GEMM, sets[i]);
    }
}

static size_t bytes_of(const fixture *f, const adcl_adapter_set_params *params, adcl_mode mode,
                       size_t first_adapted)
{
    static const size_t layers[LAYERS] = {0, 1, 2};
    adcl_adapter_set_params given = *params;
    given.leave_out = layers;
    given.leave_out_count = first_adapted;
    adcl_adapter_set *set = adcl_test_set_create(f->ctx, f->encoder, &given);
    const adcl_encoder_workspace_params of_room = room(mode, 0);
    adcl_encoder_workspace *ws = adcl_test_encoder_workspace(f->ctx, f->encoder, set, &of_room);
    size_t bytes = adcl_encoder_workspace_bytes(ws);
    adcl_encoder_workspace_destroy(&ws);
    adcl_adapter_set_destroy(&set);
    return bytes;
}

Test(encoder_pass, needs_no_more_memory_for_more_layers_in_inference, .timeout = 300)
{
    fixture f = open_fixture(ADCL_ENGINE_FUSED, ADCL_TRAINING, &houlsby);
    for (size_t i = 0; i < SETS; i++) {
        cr_expect_eq(bytes_of(&f, sets[i], ADCL_INFERENCE, 2),
                     bytes_of(&f, sets[i], ADCL_INFERENCE, 0), "set %zu", i);
        if (!sets[i]->train_layer_norms) /* which need it in all layers */
            cr_expect_lt(bytes_of(&f, sets[i], ADCL_TRAINING, 2),
                         bytes_of(&f, sets[i], ADCL_TRAINING, 0), "set %zu", i);
    }
    close_fixture(&f);
}
