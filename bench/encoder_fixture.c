/* SPDX-License-Identifier: MIT */
#include "bench/encoder_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and freeing ----------------------------------------------------------------------*/

adcl_status bench_encoder_make(bench_encoder *f, const bench_encoder_params *given)
{
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    params.mode = given->mode;
    params.engine = given->engine;
    BENCH_TRY(adcl_encoder_load(&f->encoder, f->ctx, given->folder, &params));
    return adcl_adapter_set_create(&f->set, f->ctx, f->encoder, given->set);
}

static void free_batches(bench_encoder *f)
{
    adcl_optimizer_destroy(&f->optimizer);
    adcl_loss_destroy(&f->loss);
    adcl_tensor_destroy(&f->value);
    adcl_tensor_destroy(&f->labels);
    adcl_tensor_destroy(&f->dlogits);
    adcl_tensor_destroy(&f->logits);
    adcl_encoder_workspace_destroy(&f->workspace);
}

void bench_encoder_free(bench_encoder *f)
{
    free_batches(f);
    adcl_adapter_set_destroy(&f->set);
    adcl_encoder_destroy(&f->encoder);
}

static adcl_status make_workspace(bench_encoder *f)
{
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = f->batches->most_tokens;
    params.max_sequences = f->batches->load.sequences;
    params.mode = adcl_encoder_mode(f->encoder);
    params.recompute = f->recomputes;
    return adcl_encoder_workspace_create(&f->workspace, f->ctx, f->encoder, f->set, &params);
}

/* Every class in turn. */
static adcl_status write_labels(bench_encoder *f, size_t sequences, size_t labels)
{
    int32_t *numbers = malloc(sequences * sizeof *numbers);
    if (numbers == NULL) return ADCL_ERR_OUT_OF_HOST_MEMORY;
    for (size_t i = 0; i < sequences; i++) numbers[i] = (int32_t)(i % labels);
    adcl_status status =
        adcl_tensor_write(f->ctx, f->labels, numbers, sequences * sizeof *numbers);
    free(numbers);
    return status;
}

static adcl_status make_training(bench_encoder *f, size_t sequences, size_t labels)
{
    adcl_loss_params loss = ADCL_LOSS_PARAMS_INIT;
    adcl_optimizer_params optimizer = ADCL_OPTIMIZER_PARAMS_INIT;
    loss.max_rows = sequences;
    loss.cols = labels;
    optimizer.kind = ADCL_ADAMW;
    optimizer.clip_norm = 1.0f;
    BENCH_TRY(adcl_tensor_create(&f->dlogits, f->ctx, ADCL_F32, sequences, labels));
    BENCH_TRY(adcl_tensor_create(&f->labels, f->ctx, ADCL_I32, sequences, 1));
    BENCH_TRY(adcl_tensor_create(&f->value, f->ctx, ADCL_F32, 1, 1));
    BENCH_TRY(write_labels(f, sequences, labels));
    BENCH_TRY(adcl_loss_create(&f->loss, f->ctx, &loss));
    return adcl_optimizer_create(&f->optimizer, f->ctx, adcl_adapter_set_parameters(f->set),
                                 &optimizer);
}

adcl_status bench_encoder_take(bench_encoder *f, const bench_batches *batches, bool recomputes)
{
    size_t sequences = batches->load.sequences;
    size_t labels = adcl_adapter_set_describe(f->set)->labels;
    free_batches(f);
    f->batches = batches;
    f->recomputes = recomputes;
    BENCH_TRY(make_workspace(f));
    BENCH_TRY(adcl_tensor_create(&f->logits, f->ctx, ADCL_F32, sequences, labels));
    if (adcl_encoder_mode(f->encoder) == ADCL_INFERENCE) return ADCL_OK;
    return make_training(f, sequences, labels);
}

/* ---- passes ----------------------------------------------------------------------------------*/

adcl_status bench_encoder_base(void *state)
{
    bench_encoder *f = state;
    for (size_t b = 0; b < f->batches->load.batches; b++)
        BENCH_TRY(adcl_encoder_forward(f->ctx, f->encoder, NULL, f->workspace,
                                       &f->batches->items[b], NULL));
    return ADCL_OK;
}

static adcl_status forward_of(bench_encoder *f, size_t batch)
{
    return adcl_encoder_forward(f->ctx, f->encoder, f->set, f->workspace,
                                &f->batches->items[batch], f->logits);
}

static adcl_status forward_backward_of(bench_encoder *f, size_t batch)
{
    adcl_encoder_workspace_set_dropout_step(f->workspace, 0, f->steps++);
    BENCH_TRY(forward_of(f, batch));
    BENCH_TRY(adcl_loss_compute(f->ctx, f->loss, f->logits, f->labels, f->value, f->dlogits));
    return adcl_encoder_backward(f->ctx, f->encoder, f->set, f->workspace, f->dlogits);
}

adcl_status bench_encoder_forward(void *state)
{
    bench_encoder *f = state;
    for (size_t b = 0; b < f->batches->load.batches; b++) BENCH_TRY(forward_of(f, b));
    return ADCL_OK;
}

adcl_status bench_encoder_forward_backward(void *state)
{
    bench_encoder *f = state;
    for (size_t b = 0; b < f->batches->load.batches; b++) BENCH_TRY(forward_backward_of(f, b));
    return ADCL_OK;
}

/* The rate is so little that thousands of steps leave the adapters what they were. */
adcl_status bench_encoder_step(void *state)
{
    bench_encoder *f = state;
    for (size_t b = 0; b < f->batches->load.batches; b++) {
        BENCH_TRY(adcl_parameters_zero_grad(f->ctx, adcl_adapter_set_parameters(f->set)));
        BENCH_TRY(forward_backward_of(f, b));
        BENCH_TRY(adcl_optimizer_step(f->ctx, f->optimizer, 1e-6));
    }
    return ADCL_OK;
}

/* ---- sizes -----------------------------------------------------------------------------------*/

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), wanted = strlen(ending);
    return length >= wanted && strcmp(name + length - wanted, ending) == 0;
}

static void count_parameter(const adcl_parameter *p, const char *lowest_name, bench_model *out)
{
    size_t rows = adcl_tensor_rows(p->value), cols = adcl_tensor_cols(p->value);
    double numbers = (double)rows * (double)cols;
    out->trained += numbers;
    if (strncmp(p->name, "head.", 5) == 0 && ends_with(p->name, ".kernel"))
        out->head_products += numbers;
    if (!ends_with(p->name, ".down.kernel")) return;
    out->adapter_products += numbers;
    if (out->bottleneck == 0) out->bottleneck = cols;
    if (strcmp(p->name, lowest_name) == 0) out->lowest_is_attention = true;
}

void bench_encoder_describe(const bench_encoder *f, bench_model *out)
{
    const adcl_parameters *all = adcl_adapter_set_parameters(f->set);
    char lowest_name[64];
    out->layers = adcl_encoder_layers(f->encoder);
    out->hidden = adcl_encoder_hidden_size(f->encoder);
    out->inner = adcl_encoder_inner_size(f->encoder);
    out->vocabulary = adcl_encoder_vocabulary_size(f->encoder);
    out->lowest = adcl_adapter_set_lowest_layer(f->set);
    out->bottleneck = 0;
    out->adapter_products = out->head_products = out->trained = 0.0;
    out->lowest_is_attention = false;
    snprintf(lowest_name, sizeof lowest_name, "layer.%zu.attention.down.kernel", out->lowest);
    for (size_t i = 0; i < adcl_parameters_count(all); i++)
        count_parameter(adcl_parameters_get(all, i), lowest_name, out);
}
