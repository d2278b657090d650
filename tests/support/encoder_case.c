/* SPDX-License-Identifier: MIT */
#include "support/encoder_case.h"

#include "support/compare.h"
#include "support/device.h"

#include <criterion/criterion.h>
#include <stdio.h>

static adcl_context *context_of(adcl_engine engine)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.engine = engine;
    return adcl_test_context_create_with(&params);
}

static void make_workspace(adcl_test_encoder_case *c, size_t max_tokens, size_t max_sequences)
{
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = max_tokens;
    params.max_sequences = max_sequences;
    params.mode = ADCL_TRAINING;
    params.keep_hidden = 1;
    ADCL_TEST_OK(c->ctx,
                 adcl_encoder_workspace_create(&c->ws, c->ctx, c->encoder, c->set, &params));
}

static void make_loss(adcl_test_encoder_case *c)
{
    size_t labels = adcl_adapter_set_describe(c->set)->labels, sequences = c->tiny->sequences;
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    params.max_rows = sequences;
    params.cols = labels;
    ADCL_TEST_OK(c->ctx, adcl_loss_create(&c->loss, c->ctx, &params));
    c->logits = adcl_test_tensor_create(c->ctx, sequences, labels, NULL);
    c->dlogits = adcl_test_tensor_create(c->ctx, sequences, labels, NULL);
    c->value = adcl_test_tensor_create(c->ctx, 1, 1, NULL);
    c->labels = adcl_test_indices_create(c->ctx, sequences, c->tiny->labels);
}

adcl_test_encoder_case adcl_test_encoder_case_open(adcl_engine engine, const char *model,
                                                   const char *name)
{
    adcl_test_encoder_case c = {.ctx = context_of(engine),
                                .tiny = adcl_test_tiny_open(model, name)};
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    params.mode = ADCL_TRAINING;
    ADCL_TEST_OK(c.ctx, adcl_encoder_load(&c.encoder, c.ctx, adcl_test_tiny_model_folder(model),
                                          &params));
    ADCL_TEST_OK(c.ctx, adcl_adapter_set_load(&c.set, c.ctx, c.encoder,
                                              adcl_test_tiny_adapter_folder(model, name)));
    make_workspace(&c, c.tiny->tokens + 3, c.tiny->sequences + 1);
    make_loss(&c);
    return c;
}

void adcl_test_encoder_case_close(adcl_test_encoder_case *c)
{
    adcl_loss_destroy(&c->loss);
    adcl_tensor_destroy(&c->logits);
    adcl_tensor_destroy(&c->dlogits);
    adcl_tensor_destroy(&c->value);
    adcl_tensor_destroy(&c->labels);
    adcl_encoder_workspace_destroy(&c->ws);
    adcl_adapter_set_destroy(&c->set);
    adcl_encoder_destroy(&c->encoder);
    adcl_test_tiny_close(c->tiny);
    adcl_context_destroy(&c->ctx);
}

static adcl_encoder_batch batch_of(const adcl_test_tiny *tiny)
{
    return (adcl_encoder_batch){.sequences = tiny->sequences,
                                .starts = tiny->starts,
                                .ids = tiny->ids,
                                .type_ids = tiny->type_ids};
}

void adcl_test_encoder_case_run(adcl_test_encoder_case *c)
{
    const adcl_encoder_batch batch = batch_of(c->tiny);
    ADCL_TEST_OK(c->ctx,
                 adcl_encoder_forward(c->ctx, c->encoder, c->set, c->ws, &batch, c->logits));
    ADCL_TEST_OK(c->ctx, adcl_loss_compute(c->ctx, c->loss, c->logits, c->labels, c->value,
                                           c->dlogits));
    ADCL_TEST_OK(c->ctx, adcl_parameters_zero_grad(c->ctx, adcl_adapter_set_parameters(c->set)));
    ADCL_TEST_OK(c->ctx, adcl_encoder_backward(c->ctx, c->encoder, c->set, c->ws, c->dlogits));
}

/* --- golden data ----------------------------------------------------------------------------- */

void adcl_test_encoder_case_check_outputs(adcl_test_encoder_case *c, const char *where,
                                          double tolerance)
{
    adcl_test_tiny *tiny = c->tiny;
    size_t hidden = adcl_encoder_hidden_size(c->encoder);
    for (size_t l = 0; l <= adcl_encoder_layers(c->encoder); l++)
        cr_expect(adcl_test_tensor_close(c->ctx, adcl_test_label("%s hidden.%zu", where, l),
                                         adcl_encoder_hidden(c->ws, l),
                                         adcl_test_tiny_hidden(tiny, l, hidden), tolerance));
    cr_expect(adcl_test_tensor_close(c->ctx, adcl_test_label("%s logits", where), c->logits,
                                     adcl_test_tiny_logits(tiny, adcl_tensor_cols(c->logits)),
                                     tolerance));
    double loss = adcl_test_tiny_loss(tiny);
    cr_expect(adcl_test_tensor_close(c->ctx, adcl_test_label("%s loss", where), c->value, &loss,
                                     tolerance));
}

void adcl_test_encoder_case_check_gradients(adcl_test_encoder_case *c, const char *where,
                                            double tolerance)
{
    const adcl_parameters *set = adcl_adapter_set_parameters(c->set);
    cr_expect_eq(adcl_parameters_count(set), adcl_test_tiny_gradient_count(c->tiny), "%s", where);
    for (size_t i = 0; i < adcl_parameters_count(set); i++) {
        const adcl_parameter *p = adcl_parameters_get(set, i);
        size_t rows = adcl_tensor_rows(p->value), cols = adcl_tensor_cols(p->value);
        cr_expect(adcl_test_tensor_close(
            c->ctx, adcl_test_label("%s gradient of %s", where, p->name), p->gradient,
            adcl_test_tiny_gradient(c->tiny, p->name, rows, cols), tolerance));
    }
}

size_t adcl_test_encoder_check_folders(adcl_engine engine, const char *const *folders,
                                       double (*tolerance_of)(const char *name))
{
    size_t count = 0;
    for (const char *const *f = folders; *f != NULL; f += 2, count++) {
        char where[128];
        snprintf(where, sizeof where, "%s %s/%s", adcl_engine_name(engine), f[0], f[1]);
        adcl_test_encoder_case c = adcl_test_encoder_case_open(engine, f[0], f[1]);
        adcl_test_encoder_case_run(&c);
        adcl_test_encoder_case_check_outputs(&c, where, tolerance_of(f[1]));
        adcl_test_encoder_case_check_gradients(&c, where, tolerance_of(f[1]));
        adcl_test_encoder_case_close(&c);
    }
    return count;
}
