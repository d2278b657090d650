/* SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "encoder/encoder_reference.h"
#include "reference/reference.h"
#include "support/compare.h"
#include "support/random_model.h"
#include "support/tiny.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *zeros(size_t count)
{
    double *numbers = calloc(count + 1, sizeof *numbers);
    cr_assert_not_null(numbers);
    return numbers;
}

/* ---- golden data ----------------------------------------------------------------------------- */

/* Theirs is computed in double, too, and stored in float, which rounds by 6e-8 at most: that is all
 * that lies between us. Gradients are floats on both sides: equal, or neighbours. */
static const double golden_tolerance = 6e-8, golden_gradient_tolerance = 1.2e-7;

typedef struct tiny_case {
    adcl_test_tiny *tiny;
    adcl__model_weights model;
    adcl__host_set set, gradients;
    double *hidden, *logits, *dlogits;
} tiny_case;

static void open_case(tiny_case *c, const char *model, const char *name)
{
    adcl_error error;
    c->tiny = adcl_test_tiny_open(model, name);
    adcl_status status =
        adcl__model_weights_load(&c->model, adcl_test_tiny_model_folder(model), &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    status = adcl__adapter_folder_read(&c->set, adcl_test_tiny_adapter_folder(model, name),
                                       &c->model.config, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    status = adcl__host_set_create(&c->gradients, &c->model.config, &c->set.params, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    size_t labels = c->set.params.labels;
    c->hidden = zeros((c->model.config.layers + 1) * c->tiny->tokens * c->set.hidden_size);
    c->logits = zeros(c->tiny->sequences * labels);
    c->dlogits = zeros(c->tiny->sequences * labels);
}

static void close_case(tiny_case *c)
{
    free(c->hidden);
    free(c->logits);
    free(c->dlogits);
    adcl__host_set_release(&c->gradients);
    adcl__host_set_release(&c->set);
    adcl__model_weights_release(&c->model);
    adcl_test_tiny_close(c->tiny);
}

/* Forward, then backward of the mean cross-entropy, which is returned. */
static double run_case(tiny_case *c)
{
    adcl_test_tiny *tiny = c->tiny;
    const adcl__reference_batch batch = {tiny->sequences, tiny->starts, tiny->ids, tiny->type_ids};
    size_t labels = c->set.params.labels;
    adcl_error error;
    adcl_status status = adcl__encoder_reference_run(&c->model, &c->set, &batch, c->hidden,
                                                     c->logits, NULL, NULL, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    double loss = adcl__reference_cross_entropy(tiny->sequences, labels, c->logits, tiny->labels,
                                                -1, c->dlogits);
    status = adcl__encoder_reference_run(&c->model, &c->set, &batch, c->hidden, c->logits,
                                         c->dlogits, &c->gradients, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
    return loss;
}

static void check_results(tiny_case *c, double loss, double tolerance)
{
    adcl_test_tiny *tiny = c->tiny;
    size_t count = tiny->tokens * c->set.hidden_size;
    for (size_t l = 0; l <= c->model.config.layers; l++) {
        const char *label = adcl_test_label("%s/%s hidden.%zu", tiny->model, tiny->name, l);
        cr_expect(adcl_test_close(label, c->hidden + l * count,
                                  adcl_test_tiny_hidden(tiny, l, c->set.hidden_size), count,
                                  tolerance));
    }
    size_t labels = c->set.params.labels;
    cr_expect(adcl_test_close(adcl_test_label("%s/%s logits", tiny->model, tiny->name), c->logits,
                              adcl_test_tiny_logits(tiny, labels), tiny->sequences * labels,
                              tolerance));
    double expected = adcl_test_tiny_loss(tiny);
    cr_expect(adcl_test_close(adcl_test_label("%s/%s loss", tiny->model, tiny->name), &loss,
                              &expected, 1, tolerance));
}

static void check_gradients(tiny_case *c, double tolerance)
{
    adcl_test_tiny *tiny = c->tiny;
    adcl_test_arrays gradients;
    adcl_test_list_arrays(&c->gradients, &gradients);
    cr_expect_eq(gradients.count, adcl_test_tiny_gradient_count(tiny), "%s/%s", tiny->model,
                 tiny->name);
    for (size_t i = 0; i < gradients.count; i++) {
        const adcl_test_array *g = &gradients.at[i];
        const double *expected = adcl_test_tiny_gradient(tiny, g->name, g->rows, g->cols);
        cr_expect(adcl_test_close_floats(
            adcl_test_label("%s/%s gradient of %s", tiny->model, tiny->name, g->name), g->values,
            expected, g->rows * g->cols, tolerance));
    }
}

Test(reference_encoder, matches_adapterhub_in_every_placement_and_option)
{
    size_t folders = 0;
    for (const char *const *f = adcl_test_tiny_folders; *f != NULL; f += 2, folders++) {
        tiny_case c;
        open_case(&c, f[0], f[1]);
        double loss = run_case(&c);
        check_results(&c, loss, golden_tolerance);
        check_gradients(&c, golden_gradient_tolerance);
        close_case(&c);
    }
    cr_expect_eq(folders, 17);
}

/* ---- a random model of two layers ------------------------------------------------------------ */

enum {
    D = ADCL_TEST_HIDDEN,
    LAYERS = ADCL_TEST_LAYERS,
    SEQUENCES = ADCL_TEST_SEQUENCES,
    TOKENS = ADCL_TEST_TOKENS,
    LABELS = ADCL_TEST_LABELS
};

static void make_set(adcl__host_set *out, const adcl_test_model *m,
                     const adcl_adapter_set_params *params)
{
    adcl_error error;
    adcl_status status = adcl__host_set_create(out, &m->weights.config, params, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
}

/* Of a batch of at most TOKENS tokens. */
typedef struct results {
    double hidden[(LAYERS + 1) * TOKENS * D];
    double logits[SEQUENCES * LABELS];
} results;

static void run(const adcl_test_model *m, const adcl__host_set *set,
                const adcl__reference_batch *batch, results *out)
{
    adcl_error error;
    adcl_status status = adcl__encoder_reference_run(
        &m->weights, set, batch, out->hidden, set == NULL ? NULL : out->logits, NULL, NULL, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
}

/* ---- finite differences ---------------------------------------------------------------------- */

/* L = Σ logits·dlogits */
static double loss(const adcl_test_model *m, const adcl__host_set *set)
{
    results r;
    run(m, set, &adcl_test_batch, &r);
    double sum = 0.0;
    for (size_t i = 0; i < SEQUENCES * LABELS; i++) sum += r.logits[i] * adcl_test_dlogits[i];
    return sum;
}

static void add_gradients(const adcl_test_model *m, const adcl__host_set *set,
                          adcl__host_set *gradients)
{
    results r;
    adcl_error error;
    adcl_status status =
        adcl__encoder_reference_run(&m->weights, set, &adcl_test_batch, r.hidden, r.logits,
                                    adcl_test_dlogits, gradients, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
}

/* Gradients are rounded to floats, by 6e-8; what the differences add is below 1e-9. */
static const double difference_tolerance = 7e-8;

/* (L(v + step) − L(v − step)) / the distance of the two floats. */
static double difference(const adcl_test_model *m, const adcl__host_set *set, float *value,
                         float step)
{
    float kept = *value, above = kept + step, below = kept - step;
    *value = above;
    double difference = loss(m, set);
    *value = below;
    difference -= loss(m, set);
    *value = kept;
    return difference / ((double)above - (double)below);
}

/* Two of them, of which Richardson's formula takes out the square of the step; what is left is its
 * fourth power and the rounding of L. */
static double derivative(const adcl_test_model *m, const adcl__host_set *set, float *value)
{
    const float step = 0x1p-10f;
    return (4.0 * difference(m, set, value, step) - difference(m, set, value, 2.0f * step)) / 3.0;
}

static void check_variant(const adcl_test_model *m, size_t variant)
{
    adcl__host_set set, gradients;
    make_set(&set, m, &adcl_test_variants[variant].params);
    make_set(&gradients, m, &adcl_test_variants[variant].params);
    adcl_test_draw_set(&set);
    add_gradients(m, &set, &gradients);
    adcl_test_arrays values, got;
    adcl_test_list_arrays(&set, &values);
    adcl_test_list_arrays(&gradients, &got);
    cr_assert_eq(values.count, got.count);
    for (size_t a = 0; a < values.count; a++) {
        size_t count = values.at[a].rows * values.at[a].cols;
        double *expected = zeros(count);
        for (size_t i = 0; i < count; i++)
            expected[i] = derivative(m, &set, &values.at[a].values[i]);
        cr_expect(adcl_test_close_floats(
            adcl_test_label("%s: %s", adcl_test_variants[variant].name, values.at[a].name),
            got.at[a].values, expected, count, difference_tolerance));
        free(expected);
    }
    adcl__host_set_release(&set);
    adcl__host_set_release(&gradients);
}

Test(reference_encoder, gradients_match_finite_differences)
{
    adcl_test_model m;
    adcl_test_model_make(&m);
    for (size_t v = 0; v < ADCL_TEST_VARIANTS; v++) check_variant(&m, v);
}

/* ---- what else is promised ------------------------------------------------------------------- */

Test(reference_encoder, gradients_accumulate)
{
    adcl_test_model m;
    adcl__host_set set, once, twice;
    adcl_test_model_make(&m);
    make_set(&set, &m, &adcl_test_variants[0].params);
    make_set(&once, &m, &adcl_test_variants[0].params);
    make_set(&twice, &m, &adcl_test_variants[0].params);
    adcl_test_draw_set(&set);
    add_gradients(&m, &set, &once);
    add_gradients(&m, &set, &twice);
    add_gradients(&m, &set, &twice);
    adcl_test_arrays one, two;
    adcl_test_list_arrays(&once, &one);
    adcl_test_list_arrays(&twice, &two);
    for (size_t a = 0; a < one.count; a++)
        for (size_t i = 0; i < one.at[a].rows * one.at[a].cols; i++) {
            double expected = 2.0 * (double)one.at[a].values[i];
            cr_expect(
                adcl_test_close_floats(one.at[a].name, &two.at[a].values[i], &expected, 1, 1.2e-7));
        }
    adcl__host_set_release(&set);
    adcl__host_set_release(&once);
    adcl__host_set_release(&twice);
}

/* Sequence s of adcl_test_batch by itself gives the numbers that it has among the others. */
static void check_alone(const adcl_test_model *m, const adcl__host_set *set, const results *all,
                        size_t s, const char *name)
{
    size_t first = adcl_test_starts[s], count = adcl_test_starts[s + 1] - first;
    const size_t alone_starts[] = {0, count};
    const adcl__reference_batch batch = {1, alone_starts, adcl_test_ids + first,
                                         adcl_test_type_ids + first};
    results alone;
    run(m, set, &batch, &alone);
    for (size_t l = 0; l <= LAYERS; l++)
        cr_expect_arr_eq(alone.hidden + l * count * D, all->hidden + (l * TOKENS + first) * D,
                         count * D * sizeof(double), "%s: sequence %zu after %zu layers", name, s,
                         l);
    cr_expect_arr_eq(alone.logits, all->logits + s * LABELS, LABELS * sizeof(double),
                     "%s: sequence %zu", name, s);
}

Test(reference_encoder, a_sequence_does_not_depend_on_the_others)
{
    adcl_test_model m;
    adcl_test_model_make(&m);
    for (size_t v = 0; v < ADCL_TEST_VARIANTS; v++) {
        adcl__host_set set;
        results all;
        make_set(&set, &m, &adcl_test_variants[v].params);
        adcl_test_draw_set(&set);
        run(&m, &set, &adcl_test_batch, &all);
        for (size_t s = 0; s < SEQUENCES; s++)
            check_alone(&m, &set, &all, s, adcl_test_variants[v].name);
        adcl__host_set_release(&set);
    }
}

/* up is all zeros in a set that was just made, and the residuals of the presets are h or nothing.
 */
Test(reference_encoder, new_adapters_leave_the_model_as_it_is)
{
    adcl_test_model m;
    results alone, adapted;
    adcl_test_model_make(&m);
    run(&m, NULL, &adcl_test_batch, &alone);
    static const char *const presets[] = {"houlsby", "pfeiffer", "parallel", "none"};
    for (size_t p = 0; p < sizeof presets / sizeof presets[0]; p++) {
        adcl_adapter_set_params params;
        cr_assert_eq(adcl_adapter_set_preset(presets[p], &params, NULL), ADCL_OK);
        params.labels = LABELS;
        adcl__host_set set;
        make_set(&set, &m, &params);
        run(&m, &set, &adcl_test_batch, &adapted);
        cr_expect_arr_eq(adapted.hidden, alone.hidden, sizeof alone.hidden, "%s", presets[p]);
        adcl__host_set_release(&set);
    }
}

static adcl__norm_weights norm_of(const adcl__host_norm *norm)
{
    return (adcl__norm_weights){norm->weight, norm->bias};
}

/* The same numbers as a set's own norms and as the model's give the same bits. */
Test(reference_encoder, trained_layer_norms_stand_in_for_those_of_the_model)
{
    adcl_test_model m;
    adcl__host_set trained, plain;
    results own, models;
    adcl_test_model_make(&m);
    adcl_adapter_set_params params = {
        .struct_size = sizeof params, .labels = LABELS, .head_only = 1, .train_layer_norms = 1};
    make_set(&trained, &m, &params);
    adcl_test_draw_set(&trained);
    run(&m, &trained, &adcl_test_batch, &own);

    params.train_layer_norms = 0;
    make_set(&plain, &m, &params);
    for (size_t h = 0; h < 2; h++) {
        size_t outputs = h == 0 ? D : LABELS;
        memcpy(plain.head[h].kernel, trained.head[h].kernel, D * outputs * sizeof(float));
        memcpy(plain.head[h].bias, trained.head[h].bias, outputs * sizeof(float));
    }
    m.weights.embeddings_norm = norm_of(&trained.embeddings_norm);
    for (size_t l = 0; l < LAYERS; l++) {
        m.layers[l].attention_norm = norm_of(&trained.layer[l].attention_norm);
        m.layers[l].output_norm = norm_of(&trained.layer[l].output_norm);
    }
    run(&m, &plain, &adcl_test_batch, &models);
    cr_expect_arr_eq(own.hidden, models.hidden, sizeof own.hidden);
    cr_expect_arr_eq(own.logits, models.logits, sizeof own.logits);
    adcl__host_set_release(&trained);
    adcl__host_set_release(&plain);
}

Test(reference_encoder, type_ids_that_are_missing_are_zeros)
{
    static const int32_t no_types[TOKENS] = {0};
    adcl_test_model m;
    results missing, zero;
    adcl_test_model_make(&m);
    run(&m, NULL, &(adcl__reference_batch){SEQUENCES, adcl_test_starts, adcl_test_ids, NULL},
        &missing);
    run(&m, NULL, &(adcl__reference_batch){SEQUENCES, adcl_test_starts, adcl_test_ids, no_types},
        &zero);
    cr_expect_arr_eq(missing.hidden, zero.hidden, sizeof zero.hidden);
}

Test(reference_encoder, more_tokens_than_memory_is_an_error)
{
    static const size_t endless[] = {0, SIZE_MAX / 2};
    adcl_test_model m;
    adcl_error error;
    double hidden;
    adcl_test_model_make(&m);
    adcl_status status = adcl__encoder_reference_run(
        &m.weights, NULL, &(adcl__reference_batch){1, endless, adcl_test_ids, NULL}, &hidden, NULL,
        NULL, NULL, &error);
    cr_expect_eq(status, ADCL_ERR_OUT_OF_HOST_MEMORY);
    cr_expect_not_null(strstr(error.message, "tokens"), "%s", error.message);
}
