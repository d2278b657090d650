/* SPDX-License-Identifier: MIT */
/* The encoder on the device, by each engine, beside AdapterHub's numbers. */
#include "support/device.h"
#include "support/encoder_case.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Ours adds in another order than theirs does; without the last layer norm values grow to
 * thousands. */
static double tolerance_of(const char *name)
{
    return strcmp(name, "no_ln_after") == 0 ? 2e-3 : 1e-5;
}

static void check_folders(adcl_engine engine)
{
    cr_expect_eq(adcl_test_encoder_check_folders(engine, adcl_test_tiny_folders, tolerance_of), 17);
}

Test(encoder, matches_adapterhub_by_packed_products)
{
    check_folders(ADCL_ENGINE_FUSED);
}

Test(encoder, matches_adapterhub_by_clblast)
{
    check_folders(ADCL_ENGINE_GEMM);
}

Test(encoder, matches_adapterhub_on_the_host)
{
    check_folders(ADCL_ENGINE_REFERENCE);
}

/* ---- the model's own dropout ------------------------------------------------------------------ */

static float loss_of(adcl_test_encoder_case *c)
{
    const adcl_encoder_batch batch = {.sequences = c->tiny->sequences,
                                      .starts = c->tiny->starts,
                                      .ids = c->tiny->ids,
                                      .type_ids = c->tiny->type_ids};
    float value;
    adcl_encoder_workspace_set_dropout_step(c->ws, 5, 7);
    ADCL_TEST_OK(c->ctx, adcl_encoder_forward(c->ctx, c->encoder, c->set, c->ws, &batch, c->logits));
    ADCL_TEST_OK(c->ctx, adcl_loss_compute(c->ctx, c->loss, c->logits, c->labels, c->value,
                                           c->dlogits));
    ADCL_TEST_OK(c->ctx, adcl_tensor_read(c->ctx, c->value, &value, sizeof value));
    return value;
}

/* The parameter moved by `step` along its gradient, and the loss there. */
static float loss_along(adcl_test_encoder_case *c, const adcl_parameter *p, const float *at,
                        const float *gradient, size_t count, float step)
{
    float *moved = malloc(count * sizeof *moved);
    cr_assert_not_null(moved);
    for (size_t i = 0; i < count; i++) moved[i] = at[i] + step * gradient[i];
    ADCL_TEST_OK(c->ctx, adcl_tensor_write(c->ctx, p->value, moved, count * sizeof *moved));
    free(moved);
    return loss_of(c);
}

/* d loss / d step = ‖gradient‖². */
static void check_slope(adcl_test_encoder_case *c, const adcl_parameter *p)
{
    size_t count = adcl_tensor_rows(p->value) * adcl_tensor_cols(p->value);
    float *at = adcl_test_tensor_read(c->ctx, p->value);
    float *gradient = adcl_test_tensor_read(c->ctx, p->gradient);
    double square = 0.0;
    for (size_t i = 0; i < count; i++) square += (double)gradient[i] * (double)gradient[i];
    float step = (float)(2e-3 / sqrt(square + 1e-12)); /* the parameter moves by 2e-3 */
    double rise = (double)loss_along(c, p, at, gradient, count, step) -
                  (double)loss_along(c, p, at, gradient, count, -step);
    double slope = rise / (2.0 * (double)step);
    /* Losses are floats near 1: their difference is good to 2e-7, of a rise of 4e-3·‖gradient‖. */
    cr_expect_leq(fabs(slope - square), 0.02 * square + 1e-4 * sqrt(square), "%s: %g, expected %g",
                  p->name, slope, square);
    ADCL_TEST_OK(c->ctx, adcl_tensor_write(c->ctx, p->value, at, count * sizeof *at));
    free(at);
    free(gradient);
}

Test(encoder, gradients_under_the_models_dropout_are_those_of_its_masks)
{
    adcl_test_encoder_case c =
        adcl_test_encoder_case_open(ADCL_ENGINE_FUSED, "bert", "houlsby");
    float without = loss_of(&c);
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = c.tiny->tokens;
    params.mode = ADCL_TRAINING;
    params.model_dropout = 1;
    adcl_encoder_workspace_destroy(&c.ws);
    ADCL_TEST_OK(c.ctx, adcl_encoder_workspace_create(&c.ws, c.ctx, c.encoder, c.set, &params));
    float with = loss_of(&c);
    cr_expect_neq(with, without);
    cr_expect_eq(with, loss_of(&c), "the same step has the same masks");
    ADCL_TEST_OK(c.ctx, adcl_parameters_zero_grad(c.ctx, adcl_adapter_set_parameters(c.set)));
    ADCL_TEST_OK(c.ctx, adcl_encoder_backward(c.ctx, c.encoder, c.set, c.ws, c.dlogits));
    const adcl_parameters *set = adcl_adapter_set_parameters(c.set);
    for (size_t i = 0; i < adcl_parameters_count(set); i++)
        check_slope(&c, adcl_parameters_get(set, i));
    adcl_test_encoder_case_close(&c);
}
