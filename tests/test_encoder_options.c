/* SPDX-License-Identifier: MIT */
/* The encoder on the device beside the one in plain C, for every option of a set that golden data
 * does not combine; and dropout, which plain C is without. */
#include "adapter/engine.h"
#include "support/compare.h"
#include "support/encoder.h"
#include "support/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(encoder_options, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove,
          .timeout = 300);

enum {
    D = ADCL_TEST_HIDDEN,
    LAYERS = ADCL_TEST_LAYERS,
    SEQUENCES = ADCL_TEST_SEQUENCES,
    TOKENS = ADCL_TEST_TOKENS,
    LABELS = ADCL_TEST_LABELS
};

/* The random model on the device, and one set in it. */
typedef struct fixture {
    adcl_context *ctx;
    adcl_encoder *encoder;
    adcl_adapter_set *set;
    adcl_encoder_workspace *ws;
    adcl_tensor *logits, *dlogits; /* (SEQUENCES, LABELS) */
} fixture;

static const adcl_encoder_batch batch = {.sequences = SEQUENCES,
                                         .starts = adcl_test_starts,
                                         .ids = adcl_test_ids,
                                         .type_ids = adcl_test_type_ids};

static fixture open_model(adcl_engine engine)
{
    adcl_test_model m;
    fixture f = {.ctx = adcl_test_engine_context(engine)};
    adcl_test_model_make(&m);
    adcl_test_model_save(&m, adcl_test_path(""));
    f.encoder = adcl_test_encoder_load(f.ctx, adcl_test_path(""), ADCL_TRAINING);
    float dlogits[SEQUENCES * LABELS];
    for (size_t i = 0; i < SEQUENCES * LABELS; i++) dlogits[i] = (float)adcl_test_dlogits[i];
    f.logits = adcl_test_tensor_create(f.ctx, SEQUENCES, LABELS, NULL);
    f.dlogits = adcl_test_tensor_create(f.ctx, SEQUENCES, LABELS, dlogits);
    return f;
}

static adcl_encoder_workspace *make_workspace(const fixture *f, adcl_mode mode)
{
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = TOKENS + 3;
    params.max_sequences = SEQUENCES + 1;
    params.mode = mode;
    params.keep_hidden = 1;
    return adcl_test_encoder_workspace(f->ctx, f->encoder, f->set, &params);
}

static void close_set(fixture *f)
{
    adcl_encoder_workspace_destroy(&f->ws);
    adcl_adapter_set_destroy(&f->set);
}

static void open_set(fixture *f, const adcl_adapter_set_params *params)
{
    close_set(f);
    f->set = adcl_test_set_create(f->ctx, f->encoder, params);
    f->ws = make_workspace(f, ADCL_TRAINING);
}

static void close_model(fixture *f)
{
    close_set(f);
    adcl_tensor_destroy(&f->logits);
    adcl_tensor_destroy(&f->dlogits);
    adcl_encoder_destroy(&f->encoder);
    adcl_context_destroy(&f->ctx);
}

static void forward(const fixture *f, adcl_encoder_workspace *ws)
{
    ADCL_TEST_OK(f->ctx, adcl_encoder_forward(f->ctx, f->encoder, f->set, ws, &batch, f->logits));
}

static void backward(const fixture *f)
{
    ADCL_TEST_OK(f->ctx, adcl_encoder_backward(f->ctx, f->encoder, f->set, f->ws, f->dlogits));
}

static void zero_gradients(const fixture *f)
{
    ADCL_TEST_OK(f->ctx, adcl_parameters_zero_grad(f->ctx, adcl_adapter_set_parameters(f->set)));
}

static bool same_logits(const fixture *f, const char *label, const float *expected)
{
    float *got = adcl_test_tensor_read(f->ctx, f->logits);
    bool same = adcl_test_same_bits(label, got, expected, SEQUENCES * LABELS * sizeof *got);
    free(got);
    return same;
}

/* ---- beside plain C -------------------------------------------------------------------------- */

/* Two layers of sums of eight to 24 numbers near 1; where a set goes without the model's norm,
 * values grow to tens and are off by as much more. */
static const double tolerance = 2e-5;

static void check_forward(const fixture *f, const char *name, const double *hidden,
                          const double *logits)
{
    for (size_t l = 0; l <= LAYERS; l++)
        cr_expect(adcl_test_tensor_close(f->ctx, adcl_test_label("%s: hidden %zu", name, l),
                                         adcl_encoder_hidden(f->ws, l), hidden + l * TOKENS * D,
                                         tolerance));
    cr_expect(adcl_test_tensor_close(f->ctx, adcl_test_label("%s: logits", name), f->logits, logits,
                                     tolerance));
}

/* times: how often they were added. */
static void check_gradients(const fixture *f, const char *name, adcl__host_set *gradients,
                            double times)
{
    adcl_test_arrays expected;
    adcl_test_list_arrays(gradients, &expected);
    const adcl_parameters *parameters = adcl_adapter_set_parameters(f->set);
    cr_expect_eq(adcl_parameters_count(parameters), expected.count);
    for (size_t i = 0; i < expected.count; i++) {
        const adcl_parameter *p = adcl_parameters_get(parameters, i);
        const adcl_test_array *a = adcl_test_array_named(&expected, p->name);
        double *doubles = adcl_test_doubles(a->values, a->rows * a->cols);
        for (size_t k = 0; k < a->rows * a->cols; k++) doubles[k] *= times;
        cr_expect(adcl_test_tensor_close(
            f->ctx, adcl_test_label("%s: %g times the gradient of %s", name, times, p->name),
            p->gradient, doubles, tolerance * times));
        free(doubles);
    }
}

static void check_variant(fixture *f, const adcl_test_variant *variant)
{
    double hidden[(LAYERS + 1) * TOKENS * D], logits[SEQUENCES * LABELS];
    adcl__host_set gradients;
    adcl_error error;
    open_set(f, &variant->params);
    adcl_status status =
        adcl__host_set_create(&gradients, &f->encoder->weights.config, &variant->params, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    status = adcl__encoder_reference_run(&f->encoder->weights, &f->set->host, &adcl_test_batch,
                                         hidden, logits, adcl_test_dlogits, &gradients, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    forward(f, f->ws);
    check_forward(f, variant->name, hidden, logits);
    backward(f);
    check_gradients(f, variant->name, &gradients, 1.0);
    backward(f); /* of the same forward: gradients are added, and nothing that is kept was spent */
    check_gradients(f, variant->name, &gradients, 2.0);
    adcl__host_set_release(&gradients);
}

static void check_variants(adcl_engine engine)
{
    fixture f = open_model(engine);
    for (size_t v = 0; v < ADCL_TEST_VARIANTS; v++) check_variant(&f, &adcl_test_variants[v]);
    close_model(&f);
}

Test(encoder_options, match_plain_c_by_packed_products)
{
    check_variants(ADCL_ENGINE_FUSED);
}

Test(encoder_options, match_plain_c_by_clblast)
{
    check_variants(ADCL_ENGINE_GEMM);
}

Test(encoder_options, match_plain_c_on_the_host)
{
    check_variants(ADCL_ENGINE_REFERENCE);
}

/* What is kept for backward changes no bit of the forward. */
Test(encoder_options, give_the_same_bits_in_training_and_in_inference)
{
    fixture f = open_model(ADCL_ENGINE_FUSED);
    for (size_t v = 0; v < ADCL_TEST_VARIANTS; v++) {
        open_set(&f, &adcl_test_variants[v].params);
        forward(&f, f.ws);
        float *logits = adcl_test_tensor_read(f.ctx, f.logits);
        adcl_encoder_workspace *inference = make_workspace(&f, ADCL_INFERENCE);
        forward(&f, inference);
        cr_expect(same_logits(&f, adcl_test_variants[v].name, logits));
        adcl_encoder_workspace_destroy(&inference);
        free(logits);
    }
    close_model(&f);
}

/* ---- dropout --------------------------------------------------------------------------------- */

/* All masks that there are: of adapters, of pooled states, of what tanh gives. Simple, and the long
 * way. */
static const adcl_adapter_set_params dropped[] = {
    {.struct_size = sizeof(adcl_adapter_set_params),
     .reduction_factor = 2.0f,
     .labels = LABELS,
     .activation = ADCL_ACTIVATION_GELU,
     .attention_adapters = 1,
     .output_adapters = 1,
     .original_ln_after = 1,
     .dropout = 0.5f,
     .head_dropout = 0.25f},
    {.struct_size = sizeof(adcl_adapter_set_params),
     .reduction_factor = 2.0f,
     .labels = LABELS,
     .activation = ADCL_ACTIVATION_GELU,
     .output_adapters = 1,
     .original_ln_before = 1,
     .original_ln_after = 1,
     .gated = 1,
     .ln_before = 1,
     .ln_after = 1,
     .scaling_kind = ADCL_SCALING_CHANNEL,
     .dropout = 0.25f,
     .head_dropout = 0.5f,
     .pooling = ADCL_POOLING_MEAN},
};

enum { DROPPED = sizeof dropped / sizeof dropped[0] };

static float *logits_of_step(const fixture *f, uint64_t seed, uint64_t step)
{
    adcl_encoder_workspace_set_dropout_step(f->ws, seed, step);
    forward(f, f->ws);
    return adcl_test_tensor_read(f->ctx, f->logits);
}

Test(encoder_options, dropout_depends_on_seed_and_step_alone)
{
    static const uint64_t steps[][2] = {{1, 1}, {1, 2}, {2, 1}, {1, UINT64_C(1) << 40}};
    fixture f = open_model(ADCL_ENGINE_FUSED);
    for (size_t d = 0; d < DROPPED; d++) {
        float *logits[4];
        open_set(&f, &dropped[d]);
        for (size_t s = 0; s < 4; s++) logits[s] = logits_of_step(&f, steps[s][0], steps[s][1]);
        for (size_t s = 0; s < 4; s++) {
            float *again = logits_of_step(&f, steps[s][0], steps[s][1]);
            for (size_t other = 0; other < 4; other++)
                cr_expect((memcmp(again, logits[other], SEQUENCES * LABELS * sizeof *again) == 0) ==
                              (other == s),
                          "steps %zu and %zu of set %zu", s, other, d);
            free(again);
        }
        for (size_t s = 0; s < 4; s++) free(logits[s]);
    }
    close_model(&f);
}

/* Masks that were the same in two places would drop the same numbers in both. */
Test(encoder_options, dropout_has_a_seed_for_every_place)
{
    uint64_t seeds[2 * LAYERS + 2];
    fixture f = open_model(ADCL_ENGINE_FUSED);
    open_set(&f, &dropped[0]);
    free(logits_of_step(&f, 1, 2));
    for (size_t s = 0; s < 2 * LAYERS; s++)
        seeds[s] = f.ws->memory[s / 2].sites[s % 2].adapter->mask.seed;
    for (size_t l = 0; l < 2; l++) seeds[2 * LAYERS + l] = f.ws->head_masks[l].seed;
    for (size_t a = 0; a < 2 * LAYERS + 2; a++)
        for (size_t b = 0; b < a; b++) cr_expect_neq(seeds[a], seeds[b], "%zu and %zu", a, b);
    close_model(&f);
}

Test(encoder_options, dropout_is_off_in_inference)
{
    fixture f = open_model(ADCL_ENGINE_FUSED);
    for (size_t d = 0; d < DROPPED; d++) {
        double hidden[(LAYERS + 1) * TOKENS * D], logits[SEQUENCES * LABELS];
        adcl_error error;
        open_set(&f, &dropped[d]);
        adcl_encoder_workspace *inference = make_workspace(&f, ADCL_INFERENCE);
        adcl_encoder_workspace_set_dropout_step(inference, 3, 4);
        forward(&f, inference);
        cr_assert_eq(adcl__encoder_reference_run(&f.encoder->weights, &f.set->host,
                                                 &adcl_test_batch, hidden, logits, NULL, NULL,
                                                 &error),
                     ADCL_OK, "%s", error.message);
        cr_expect(adcl_test_tensor_close(f.ctx, "without dropout", f.logits, logits, tolerance));
        adcl_encoder_workspace_destroy(&inference);
    }
    close_model(&f);
}

/* Logits of a head of one layer are sums of what is dropped, so their mean over many masks is what
 * there is without. A sum of eight numbers near 1, half of them dropped, deviates by about 1.5; the
 * mean of 900 of them by 0.05. */
Test(encoder_options, dropout_keeps_the_mean)
{
    enum { STEPS = 900 };
    adcl_adapter_set_params params = {.struct_size = sizeof params,
                                      .head_only = 1,
                                      .labels = LABELS,
                                      .head_layers = 1,
                                      .head_dropout = 0.5f};
    double mean[SEQUENCES * LABELS] = {0.0};
    fixture f = open_model(ADCL_ENGINE_FUSED);
    open_set(&f, &params);
    for (uint64_t step = 0; step < STEPS; step++) {
        float *logits = logits_of_step(&f, 5, step);
        for (size_t i = 0; i < SEQUENCES * LABELS; i++) mean[i] += (double)logits[i] / STEPS;
        free(logits);
    }
    adcl_encoder_workspace *inference = make_workspace(&f, ADCL_INFERENCE);
    forward(&f, inference);
    cr_expect(adcl_test_tensor_close(f.ctx, "the mean of all masks", f.logits, mean, 0.2));
    adcl_encoder_workspace_destroy(&inference);
    close_model(&f);
}

/* L = Σ logits·dlogits of one step's masks. */
static double loss_of_step(const fixture *f)
{
    double sum = 0.0;
    float *logits = logits_of_step(f, 8, 9);
    for (size_t i = 0; i < SEQUENCES * LABELS; i++) sum += (double)logits[i] * adcl_test_dlogits[i];
    free(logits);
    return sum;
}

/* value += factor·direction */
static void move(const fixture *f, const adcl_parameter *p, const float *from,
                 const float *direction, float factor)
{
    size_t count = adcl_tensor_rows(p->value) * adcl_tensor_cols(p->value);
    float *to = adcl_test_numbers(0, count);
    for (size_t i = 0; i < count; i++) to[i] = from[i] + factor * direction[i];
    ADCL_TEST_OK(f->ctx, adcl_tensor_write(f->ctx, p->value, to, count * sizeof *to));
    free(to);
}

/* How L changes along a random direction of one parameter, by the gradient and by a difference. A
 * step of 2⁻⁷ is off by its square, 6e-5 of third derivatives near 10; L near 10 is rounded by
 * 1e-6, which the step divides. Without the mask, or with another one, half of the gradient would
 * be wrong. */
static void check_direction(const fixture *f, const adcl_parameter *p, uint64_t seed)
{
    const float step = 0x1p-7f;
    size_t count = adcl_tensor_rows(p->value) * adcl_tensor_cols(p->value);
    float *direction = adcl_test_numbers(seed, count);
    float *value = adcl_test_tensor_read(f->ctx, p->value);
    float *gradient = adcl_test_tensor_read(f->ctx, p->gradient);
    double slope = 0.0, norm = 0.0;
    for (size_t i = 0; i < count; i++) norm += pow((double)direction[i], 2.0);
    for (size_t i = 0; i < count; i++) direction[i] /= (float)sqrt(norm);
    for (size_t i = 0; i < count; i++) slope += (double)direction[i] * (double)gradient[i];
    move(f, p, value, direction, step);
    double difference = loss_of_step(f);
    move(f, p, value, direction, -step);
    difference = (difference - loss_of_step(f)) / (2.0 * (double)step);
    move(f, p, value, direction, 0.0f);
    cr_expect(adcl_test_close(adcl_test_label("slope of L along %s", p->name), &slope, &difference,
                              1, 2e-3));
    free(direction);
    free(value);
    free(gradient);
}

Test(encoder_options, backward_uses_the_masks_of_the_forward)
{
    fixture f = open_model(ADCL_ENGINE_FUSED);
    for (size_t d = 0; d < DROPPED; d++) {
        open_set(&f, &dropped[d]);
        zero_gradients(&f);
        loss_of_step(&f);
        backward(&f);
        const adcl_parameters *parameters = adcl_adapter_set_parameters(f.set);
        for (size_t i = 0; i < adcl_parameters_count(parameters); i++)
            check_direction(&f, adcl_parameters_get(parameters, i), i);
    }
    close_model(&f);
}
