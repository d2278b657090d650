/* SPDX-License-Identifier: MIT */
#include "bench/fixture.h"

/* ---- making and freeing ----------------------------------------------------------------------*/

/* With init bert neither kernel is zero, unlike with the default. */
static adcl_status make_adapter(bench_fixture *f, const bench_shape *shape,
                                adcl_activation activation)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = shape->hidden;
    params.bottleneck_size = shape->bottleneck;
    params.activation = activation;
    params.init = ADCL_INIT_BERT;
    return adcl_adapter_create(&f->adapter, f->ctx, &params);
}

adcl_status bench_fixture_make(bench_fixture *f, const bench_shape *shape, size_t rows,
                               adcl_activation activation)
{
    BENCH_TRY(make_adapter(f, shape, activation));
    BENCH_TRY(bench_make_random(f->ctx, &f->x, rows, shape->hidden));
    BENCH_TRY(bench_make_random(f->ctx, &f->dy, rows, shape->hidden));
    BENCH_TRY(adcl_tensor_create(&f->y, f->ctx, ADCL_F32, rows, shape->hidden));
    return adcl_tensor_create(&f->dx, f->ctx, ADCL_F32, rows, shape->hidden);
}

adcl_status bench_fixture_make_workspace(bench_fixture *f, size_t rows, adcl_mode mode,
                                         adcl_engine engine)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = rows;
    params.mode = mode;
    params.engine = engine;
    adcl_workspace_destroy(&f->workspace);
    return adcl_workspace_create(&f->workspace, f->ctx, f->adapter, &params);
}

static adcl_status make_optimizer(bench_fixture *f)
{
    adcl_optimizer_params params = ADCL_OPTIMIZER_PARAMS_INIT;
    params.clip_norm = 1.0f;
    BENCH_TRY(adcl_parameters_create(&f->parameters, f->ctx));
    BENCH_TRY(adcl_parameters_add_adapter(f->ctx, f->parameters, f->adapter, 1.0f));
    return adcl_optimizer_create(&f->optimizer, f->ctx, f->parameters, &params);
}

adcl_status bench_fixture_make_training(bench_fixture *f)
{
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    params.kind = ADCL_MSE;
    params.max_rows = adcl_tensor_rows(f->x);
    params.cols = adcl_tensor_cols(f->x);
    BENCH_TRY(bench_make_random(f->ctx, &f->target, params.max_rows, params.cols));
    BENCH_TRY(adcl_tensor_create(&f->value, f->ctx, ADCL_F32, 1, 1));
    BENCH_TRY(adcl_loss_create(&f->loss, f->ctx, &params));
    return make_optimizer(f);
}

void bench_fixture_free(bench_fixture *f)
{
    adcl_optimizer_destroy(&f->optimizer);
    adcl_parameters_destroy(&f->parameters);
    adcl_loss_destroy(&f->loss);
    adcl_tensor_destroy(&f->value);
    adcl_tensor_destroy(&f->target);
    adcl_tensor_destroy(&f->x);
    adcl_tensor_destroy(&f->y);
    adcl_tensor_destroy(&f->dy);
    adcl_tensor_destroy(&f->dx);
    adcl_workspace_destroy(&f->workspace);
    adcl_adapter_destroy(&f->adapter);
}

/* ---- passes ----------------------------------------------------------------------------------*/

adcl_status bench_fixture_forward(void *state)
{
    bench_fixture *f = state;
    return adcl_adapter_forward(f->ctx, f->adapter, f->workspace, f->x, f->y);
}

adcl_status bench_fixture_forward_backward(void *state)
{
    bench_fixture *f = state;
    BENCH_TRY(bench_fixture_forward(f));
    return adcl_adapter_backward(f->ctx, f->adapter, f->workspace, f->dy, f->dx);
}

adcl_status bench_fixture_step(void *state)
{
    bench_fixture *f = state;
    BENCH_TRY(adcl_parameters_zero_grad(f->ctx, f->parameters));
    BENCH_TRY(bench_fixture_forward(f));
    BENCH_TRY(adcl_loss_compute(f->ctx, f->loss, f->y, f->target, f->value, f->dy));
    BENCH_TRY(adcl_adapter_backward(f->ctx, f->adapter, f->workspace, f->dy, f->dx));
    return adcl_optimizer_step(f->ctx, f->optimizer, 1e-4);
}
