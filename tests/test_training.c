/* SPDX-License-Identifier: MIT */
/* test_training.c – an adapter behind a dense layer, trained on the device: wrap, loss, optimizer
 * and linear layer together, against the golden trajectories. */
#include "support/compare.h"
#include "support/device.h"
#include "support/golden.h"

#include <adapter_cl/loss.h>
#include <adapter_cl/optimizer.h>
#include <adapter_cl/wrap.h>

/* N rows, I inputs of the base layer, D its outputs, R the bottleneck. */
enum { N = 3, I = 10, D = 16, R = 4, STEPS = 10 };

#define CASE "relu/b3_in10_h16_r4"

static adcl_status base_forward(void *user, adcl_context *ctx, const adcl_tensor *x, adcl_tensor *y)
{
    return adcl_linear_forward(ctx, user, x, y);
}

static adcl_status base_backward(void *user, adcl_context *ctx, const adcl_tensor *x,
                                 const adcl_tensor *dy, adcl_tensor *dx)
{
    return adcl_linear_backward(ctx, user, x, dy, dx);
}

typedef struct wrapped_model {
    adcl_linear *base;
    adcl_adapter *adapter;
    adcl_wrap *wrap;
    adcl_loss *loss;
    adcl_parameters *all; /* of adapter and base, named as in the file */
    adcl_tensor *x, *target, *y, *dx;
} wrapped_model;

static wrapped_model make_wrapped_model(adcl_context *ctx, adcl_test_golden *golden)
{
    wrapped_model m = {0};
    adcl_linear_params base = ADCL_LINEAR_PARAMS_INIT;
    base.input_size = I;
    base.output_size = D;
    base.max_rows = N;
    ADCL_TEST_OK(ctx, adcl_linear_create(&m.base, ctx, &base));
    adcl_adapter_params adapter = ADCL_ADAPTER_PARAMS_INIT;
    adapter.hidden_size = D;
    adapter.bottleneck_size = R;
    adapter.name = "adapter_wrap";
    ADCL_TEST_OK(ctx, adcl_adapter_create(&m.adapter, ctx, &adapter));
    const adcl_layer layer = {I, D, base_forward, base_backward, m.base};
    adcl_workspace_params workspace = ADCL_WORKSPACE_PARAMS_INIT;
    workspace.max_rows = N;
    workspace.mode = ADCL_TRAINING;
    ADCL_TEST_OK(ctx, adcl_adapter_wrap(&m.wrap, ctx, &layer, m.adapter, &workspace));
    adcl_loss_params loss = ADCL_LOSS_PARAMS_INIT;
    loss.kind = ADCL_MSE;
    loss.max_rows = N;
    loss.cols = D;
    ADCL_TEST_OK(ctx, adcl_loss_create(&m.loss, ctx, &loss));

    ADCL_TEST_OK(ctx, adcl_parameters_create(&m.all, ctx));
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, m.all, m.adapter, 1.0f));
    ADCL_TEST_OK(ctx, adcl_parameters_add_linear(ctx, m.all, m.base, "base_layer", 1.0f));
    for (size_t i = 0; i < adcl_parameters_count(m.all); i++) {
        const adcl_parameter *p = adcl_parameters_get(m.all, i);
        size_t count = adcl_tensor_rows(p->value) * adcl_tensor_cols(p->value);
        const float *numbers = adcl_test_golden_floats(golden, count, CASE "/in/p.%s", p->name);
        ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, p->value, numbers, count * sizeof *numbers));
    }
    m.x = adcl_test_tensor_create(ctx, N, I, adcl_test_golden_floats(golden, N * I, CASE "/in/x"));
    m.target = adcl_test_tensor_create(
        ctx, N, D, adcl_test_golden_floats(golden, N * D, CASE "/in/target"));
    m.y = adcl_test_tensor_create(ctx, N, D, NULL);
    m.dx = adcl_test_tensor_create(ctx, N, I, NULL);
    return m;
}

static void destroy_wrapped_model(wrapped_model *m)
{
    adcl_tensor_destroy(&m->x);
    adcl_tensor_destroy(&m->target);
    adcl_tensor_destroy(&m->y);
    adcl_tensor_destroy(&m->dx);
    adcl_parameters_destroy(&m->all);
    adcl_loss_destroy(&m->loss);
    adcl_wrap_destroy(&m->wrap);
    adcl_adapter_destroy(&m->adapter);
    adcl_linear_destroy(&m->base);
}

/* Ten steps on the whole batch; the gradient of the loss takes y's place. */
static void train(adcl_context *ctx, wrapped_model *m, adcl_parameters *set,
                  const adcl_optimizer_params *params, double learning_rate)
{
    adcl_optimizer *optimizer = NULL;
    ADCL_TEST_OK(ctx, adcl_optimizer_create(&optimizer, ctx, set, params));
    for (int step = 0; step < STEPS; step++) {
        ADCL_TEST_OK(ctx, adcl_parameters_zero_grad(ctx, m->all));
        ADCL_TEST_OK(ctx, adcl_wrap_forward(ctx, m->wrap, m->x, m->y));
        ADCL_TEST_OK(ctx, adcl_loss_compute(ctx, m->loss, m->y, m->target, NULL, m->y));
        ADCL_TEST_OK(ctx, adcl_wrap_backward(ctx, m->wrap, m->y, m->dx));
        ADCL_TEST_OK(ctx, adcl_optimizer_step(ctx, optimizer, learning_rate));
    }
    adcl_optimizer_destroy(&optimizer);
}

/* All parameters and y after ten steps, as the reference software had them, which computed in f32
 * too: ten steps of either round values near 1 with 6e-8 each, some of Adam's steps more. */
static void check_trajectory(const char *key, const adcl_optimizer_params *params,
                             double learning_rate, bool trains_base)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_test_golden *golden = adcl_test_golden_open("training.safetensors");
    wrapped_model m = make_wrapped_model(ctx, golden);
    adcl_parameters *adapter_only = NULL;
    ADCL_TEST_OK(ctx, adcl_parameters_create(&adapter_only, ctx));
    ADCL_TEST_OK(ctx, adcl_parameters_add_adapter(ctx, adapter_only, m.adapter, 1.0f));
    train(ctx, &m, trains_base ? m.all : adapter_only, params, learning_rate);
    ADCL_TEST_OK(ctx, adcl_wrap_forward(ctx, m.wrap, m.x, m.y));
    cr_expect(adcl_test_tensor_close(
        ctx, key, m.y, adcl_test_golden_doubles(golden, N * D, CASE "/%s/y", key), 1e-5));
    for (size_t i = 0; i < adcl_parameters_count(m.all); i++) {
        const adcl_parameter *p = adcl_parameters_get(m.all, i);
        bool trained = trains_base || i < adcl_parameters_count(adapter_only);
        size_t count = adcl_tensor_rows(p->value) * adcl_tensor_cols(p->value);
        const double *expected =
            adcl_test_golden_doubles(golden, count, CASE "/%s/p.%s", key, p->name);
        cr_expect(adcl_test_tensor_close(ctx, adcl_test_label("%s %s", key, p->name), p->value,
                                         expected, trained ? 1e-5 : 0.0));
    }
    adcl_parameters_destroy(&adapter_only);
    destroy_wrapped_model(&m);
    adcl_test_golden_close(golden);
    adcl_context_destroy(&ctx);
}

Test(training, ten_steps_of_sgd_follow_the_golden_trajectory)
{
    adcl_optimizer_params sgd = ADCL_OPTIMIZER_PARAMS_INIT;
    sgd.kind = ADCL_SGD;
    check_trajectory("sgd_lr0.05/frozen", &sgd, 0.05, false);
    check_trajectory("sgd_lr0.05/all", &sgd, 0.05, true);
}

Test(training, ten_steps_of_adam_follow_the_golden_trajectory)
{
    adcl_optimizer_params adam = ADCL_OPTIMIZER_PARAMS_INIT;
    adam.epsilon_root = 1e-15f;
    check_trajectory("adam_lr0.01/frozen", &adam, 0.01, false);
    check_trajectory("adam_lr0.01/all", &adam, 0.01, true);
}
