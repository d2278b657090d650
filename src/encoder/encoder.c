/* SPDX-License-Identifier: MIT */
/* encoder.c – the model: loading it to the device, and what is asked of it. */
#include "encoder/encoder.h"

#include <stdlib.h>
#include <string.h>

/* ---- loading ---------------------------------------------------------------------------------- */

static adcl_status load_norm(adcl_context *ctx, const adcl_encoder *e, const adcl__norm_weights *norm,
                             adcl__norm_tensors *out)
{
    size_t hidden = e->weights.config.hidden_size;
    ADCL_TRY(adcl__tensor_from(ctx, norm->weight, 1, hidden, &out->weight));
    return adcl__tensor_from(ctx, norm->bias, 1, hidden, &out->bias);
}

static adcl_status load_dense(adcl_context *ctx, const adcl_encoder *e,
                              const adcl__dense_weights *dense, size_t inputs, size_t outputs,
                              adcl__frozen *out)
{
    return adcl__frozen_create(
        ctx, e->engine, e->mode,
        &(adcl__frozen_source){inputs, outputs, dense->weight, dense->bias}, out);
}

/* Query, key and value as one product: (3·D, D), one below the other. */
static adcl_status load_qkv(adcl_context *ctx, const adcl_encoder *e,
                            const adcl__layer_weights *from, adcl__frozen *out)
{
    size_t hidden = e->weights.config.hidden_size, square = hidden * hidden;
    const adcl__dense_weights *parts[3] = {&from->query, &from->key, &from->value};
    float *numbers = malloc(3 * (square + hidden) * sizeof *numbers);
    if (numbers == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "encoder: no memory for it");
    float *bias = numbers + 3 * square;
    for (size_t part = 0; part < 3; part++) {
        memcpy(numbers + part * square, parts[part]->weight, square * sizeof *numbers);
        memcpy(bias + part * hidden, parts[part]->bias, hidden * sizeof *numbers);
    }
    adcl_status status = load_dense(ctx, e, &(adcl__dense_weights){numbers, bias}, hidden,
                                    3 * hidden, out);
    free(numbers);
    return status;
}

static adcl_status load_layer(adcl_context *ctx, const adcl_encoder *e,
                              const adcl__layer_weights *from, adcl__encoder_layer *to)
{
    size_t hidden = e->weights.config.hidden_size, inner = e->weights.config.inner_size;
    ADCL_TRY(load_qkv(ctx, e, from, &to->qkv));
    ADCL_TRY(load_dense(ctx, e, &from->attention_output, hidden, hidden, &to->attention_output));
    ADCL_TRY(load_dense(ctx, e, &from->inner, hidden, inner, &to->inner));
    ADCL_TRY(load_dense(ctx, e, &from->output, inner, hidden, &to->output));
    ADCL_TRY(load_norm(ctx, e, &from->attention_norm, &to->attention_norm));
    return load_norm(ctx, e, &from->output_norm, &to->output_norm);
}

/* The engine reference computes from the file's numbers. */
static adcl_status load_layers(adcl_context *ctx, adcl_encoder *e)
{
    const adcl__model_config *config = &e->weights.config;
    e->attention =
        adcl__attention_describe(ctx, config->heads, config->hidden_size / config->heads,
                                 config->positions);
    if (e->engine == ADCL_ENGINE_REFERENCE) return ADCL_OK;
    e->layers = calloc(config->layers, sizeof *e->layers);
    if (e->layers == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "encoder: no memory for it");
    for (size_t l = 0; l < config->layers; l++)
        ADCL_TRY(load_layer(ctx, e, &e->weights.layers[l], &e->layers[l]));
    return load_norm(ctx, e, &e->weights.embeddings_norm, &e->embeddings_norm);
}

static adcl_status check_load(adcl_context *ctx, adcl_encoder **out, const char *folder,
                              const adcl_encoder_params *given, adcl_encoder_params *p)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (out == NULL || folder == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder: expected a folder and a place for the result, got NULL");
    *p = (adcl_encoder_params)ADCL_ENCODER_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_encoder_params", p, sizeof *p, given));
    if (p->mode != ADCL_INFERENCE && p->mode != ADCL_TRAINING)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder mode: expected inference or training, got %d", (int)p->mode);
    return adcl__engine_resolve(ctx, p->engine, &p->engine);
}

static adcl_engine product_engine(const adcl_context *ctx, adcl_engine engine)
{
    return engine == ADCL_ENGINE_FUSED && !adcl__packs_products(ctx) ? ADCL_ENGINE_GEMM : engine;
}

adcl_status adcl_encoder_load(adcl_encoder **out, adcl_context *ctx, const char *folder,
                              const adcl_encoder_params *given)
{
    if (out != NULL) *out = NULL;
    adcl_encoder_params params;
    ADCL_TRY(check_load(ctx, out, folder, given, &params));
    adcl_encoder *e = calloc(1, sizeof *e);
    if (e == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "encoder: no memory for it");
    e->family = ctx->family;
    adcl__family_retain(e->family);
    e->adapter_engine = params.engine;
    e->engine = product_engine(ctx, params.engine);
    e->mode = params.mode;
    adcl_status status = adcl__model_weights_load(&e->weights, folder, adcl__context_error(ctx));
    if (status == ADCL_OK) status = load_layers(ctx, e);
    if (status != ADCL_OK) {
        adcl_encoder_destroy(&e);
        return status;
    }
    *out = e;
    return ADCL_OK;
}

static void release_norm(adcl__norm_tensors *norm)
{
    adcl_tensor_destroy(&norm->weight);
    adcl_tensor_destroy(&norm->bias);
}

static void release_layer(adcl__encoder_layer *layer)
{
    adcl__frozen_release(&layer->qkv);
    adcl__frozen_release(&layer->attention_output);
    adcl__frozen_release(&layer->inner);
    adcl__frozen_release(&layer->output);
    release_norm(&layer->attention_norm);
    release_norm(&layer->output_norm);
}

void adcl_encoder_destroy(adcl_encoder **encoder)
{
    if (encoder == NULL || *encoder == NULL) return;
    adcl_encoder *e = *encoder;
    for (size_t l = 0; e->layers != NULL && l < e->weights.config.layers; l++)
        release_layer(&e->layers[l]);
    free(e->layers);
    release_norm(&e->embeddings_norm);
    adcl__model_weights_release(&e->weights);
    adcl__family_release(e->family);
    free(e);
    *encoder = NULL;
}

/* ---- asking ----------------------------------------------------------------------------------- */

size_t adcl_encoder_hidden_size(const adcl_encoder *encoder)
{
    return encoder == NULL ? 0 : encoder->weights.config.hidden_size;
}

size_t adcl_encoder_inner_size(const adcl_encoder *encoder)
{
    return encoder == NULL ? 0 : encoder->weights.config.inner_size;
}

size_t adcl_encoder_layers(const adcl_encoder *encoder)
{
    return encoder == NULL ? 0 : encoder->weights.config.layers;
}

size_t adcl_encoder_vocabulary_size(const adcl_encoder *encoder)
{
    return encoder == NULL ? 0 : encoder->weights.config.vocabulary_size;
}

size_t adcl_encoder_positions(const adcl_encoder *encoder)
{
    return encoder == NULL ? 0 : encoder->weights.config.positions;
}

size_t adcl_encoder_parameter_count(const adcl_encoder *encoder)
{
    return encoder == NULL ? 0 : encoder->weights.parameter_count;
}

adcl_mode adcl_encoder_mode(const adcl_encoder *encoder)
{
    return encoder == NULL ? ADCL_INFERENCE : encoder->mode;
}

adcl_engine adcl_encoder_engine(const adcl_encoder *encoder)
{
    return encoder == NULL ? ADCL_ENGINE_AUTO : encoder->engine;
}

size_t adcl_encoder_bytes(const adcl_encoder *encoder)
{
    if (encoder == NULL || encoder->layers == NULL) return 0;
    const adcl__model_config *config = &encoder->weights.config;
    size_t bytes = 2 * config->hidden_size * sizeof(float); /* of the embeddings' norm */
    for (size_t l = 0; l < config->layers; l++) {
        const adcl__encoder_layer *layer = &encoder->layers[l];
        bytes += adcl__frozen_bytes(&layer->qkv) + adcl__frozen_bytes(&layer->attention_output) +
                 adcl__frozen_bytes(&layer->inner) + adcl__frozen_bytes(&layer->output) +
                 4 * config->hidden_size * sizeof(float);
    }
    return bytes;
}
