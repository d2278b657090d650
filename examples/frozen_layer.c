/* SPDX-License-Identifier: MIT */
/* frozen_layer.c – an adapter behind a layer that must not change, trained on a toy regression.
 *
 *      x (32, 10) ──► frozen dense layer, on the host ──► adapter ──► y (32, 16)     L = MSE(y,
 *      target)
 *
 * At the end the loss has fallen and the layer's weights have the bits they had. */
#include <adapter_cl/adapter_cl.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 32, IN = 10, OUT = 16, STEPS = 300 };

typedef struct dense_layer {
    float kernel[IN][OUT];
    float bias[OUT];
} dense_layer;

/* y = x·kernel + bias. It runs on the host to be short; an engine would enqueue its own kernel. */
static adcl_status dense_forward(void *user, adcl_context *ctx, const adcl_tensor *x,
                                 adcl_tensor *y)
{
    const dense_layer *layer = user;
    float in[ROWS][IN], out[ROWS][OUT];
    adcl_status status = adcl_tensor_read(ctx, x, in, sizeof in);
    if (status != ADCL_OK) return status;
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < OUT; c++) {
            out[r][c] = layer->bias[c];
            for (int k = 0; k < IN; k++) out[r][c] += in[r][k] * layer->kernel[k][c];
        }
    return adcl_tensor_write(ctx, y, out, sizeof out);
}

/* Everything a training needs; all NULL at first, so that destroying is always right. */
typedef struct training {
    adcl_context *ctx;
    adcl_adapter *adapter;
    adcl_wrap *wrap;
    adcl_loss *loss;
    adcl_parameters *parameters;
    adcl_optimizer *optimizer;
    adcl_tensor *x, *y, *target, *dy, *value;
} training;

static adcl_status create(training *t, dense_layer *layer, adcl_error *error)
{
    adcl_layer frozen = {IN, OUT, dense_forward, NULL, layer};
    adcl_adapter_params adapter = ADCL_ADAPTER_PARAMS_INIT;
    adapter.hidden_size = OUT;
    adapter.bottleneck_size = 8;
    adapter.activation = ADCL_ACTIVATION_TANH;
    adcl_workspace_params batch = ADCL_WORKSPACE_PARAMS_INIT;
    batch.max_rows = ROWS;
    batch.mode = ADCL_TRAINING;
    adcl_loss_params mse = ADCL_LOSS_PARAMS_INIT;
    mse.kind = ADCL_MSE;
    mse.max_rows = ROWS;
    mse.cols = OUT;

    adcl_status s = adcl_context_create(&t->ctx, NULL, error);
    if (s == ADCL_OK) s = adcl_adapter_create(&t->adapter, t->ctx, &adapter);
    if (s == ADCL_OK) s = adcl_adapter_wrap(&t->wrap, t->ctx, &frozen, t->adapter, &batch);
    if (s == ADCL_OK) s = adcl_loss_create(&t->loss, t->ctx, &mse);
    if (s == ADCL_OK) s = adcl_parameters_create(&t->parameters, t->ctx);
    if (s == ADCL_OK) s = adcl_parameters_add_adapter(t->ctx, t->parameters, t->adapter, 1.0f);
    if (s == ADCL_OK) s = adcl_optimizer_create(&t->optimizer, t->ctx, t->parameters, NULL);
    if (s == ADCL_OK) s = adcl_tensor_create(&t->x, t->ctx, ADCL_F32, ROWS, IN);
    if (s == ADCL_OK) s = adcl_tensor_create(&t->y, t->ctx, ADCL_F32, ROWS, OUT);
    if (s == ADCL_OK) s = adcl_tensor_create(&t->target, t->ctx, ADCL_F32, ROWS, OUT);
    if (s == ADCL_OK) s = adcl_tensor_create(&t->dy, t->ctx, ADCL_F32, ROWS, OUT);
    if (s == ADCL_OK) s = adcl_tensor_create(&t->value, t->ctx, ADCL_F32, 1, 1);
    return s;
}

static adcl_status step(training *t)
{
    adcl_status s = adcl_parameters_zero_grad(t->ctx, t->parameters);
    if (s == ADCL_OK) s = adcl_wrap_forward(t->ctx, t->wrap, t->x, t->y);
    if (s == ADCL_OK) s = adcl_loss_compute(t->ctx, t->loss, t->y, t->target, t->value, t->dy);
    if (s == ADCL_OK) s = adcl_wrap_backward(t->ctx, t->wrap, t->dy, NULL);
    if (s == ADCL_OK) s = adcl_optimizer_step(t->ctx, t->optimizer, 0.01);
    return s;
}

static void destroy(training *t)
{
    adcl_tensor *tensors[] = {t->x, t->y, t->target, t->dy, t->value};
    for (int i = 0; i < 5; i++) adcl_tensor_destroy(&tensors[i]);
    adcl_optimizer_destroy(&t->optimizer);
    adcl_parameters_destroy(&t->parameters);
    adcl_loss_destroy(&t->loss);
    adcl_wrap_destroy(&t->wrap);
    adcl_adapter_destroy(&t->adapter);
    adcl_context_destroy(&t->ctx);
}

int main(void)
{
    dense_layer layer, untouched;
    float x[ROWS][IN], target[ROWS][OUT], first = 0.0f, last = 0.0f;
    for (int k = 0; k < IN; k++)
        for (int c = 0; c < OUT; c++) layer.kernel[k][c] = 0.3f * sinf((float)(7 * k + 3 * c));
    for (int c = 0; c < OUT; c++) layer.bias[c] = 0.1f * cosf((float)c);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < IN; k++) x[r][k] = cosf((float)(5 * r + 2 * k));
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < OUT; c++) target[r][c] = sinf(2.0f * x[r][c % IN]);
    memcpy(&untouched, &layer, sizeof layer);

    training t = {0};
    adcl_error error = {0};
    adcl_status s = create(&t, &layer, &error);
    if (s == ADCL_OK) s = adcl_tensor_write(t.ctx, t.x, x, sizeof x);
    if (s == ADCL_OK) s = adcl_tensor_write(t.ctx, t.target, target, sizeof target);
    for (int i = 0; i < STEPS && s == ADCL_OK; i++) {
        s = step(&t);
        if (s == ADCL_OK && i == 0) s = adcl_tensor_read(t.ctx, t.value, &first, sizeof first);
    }
    if (s == ADCL_OK) s = adcl_tensor_read(t.ctx, t.value, &last, sizeof last);
    if (s != ADCL_OK)
        fprintf(stderr, "%s\n", t.ctx == NULL ? error.message : adcl_context_error(t.ctx)->message);

    int same = memcmp(&layer, &untouched, sizeof layer) == 0;
    printf("loss %.4f → %.4f in %d steps; the layer's bits are %s\n", (double)first, (double)last,
           STEPS, same ? "unchanged" : "CHANGED");
    destroy(&t);
    return s != ADCL_OK || !same || !(last < 0.5f * first);
}
