/* SPDX-License-Identifier: MIT */
/* encoder_pass.c – a batch through the model and back: checks, uploads, and the order of things. */
#include "encoder/encoder.h"

#include <string.h>

/* ---- checks ----------------------------------------------------------------------------------- */

static adcl_status check_sequences(adcl_context *ctx, const adcl_encoder *e,
                                   const adcl_encoder_workspace *ws, const adcl_encoder_batch *b)
{
    if (b->starts == NULL || b->sequences == 0 || b->sequences > ws->max_sequences)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder batch: expected 1 to %zu sequences and their starts, got %zu",
                          ws->max_sequences, b->sequences);
    size_t positions = e->weights.config.positions;
    for (size_t s = 0; s < b->sequences; s++) {
        size_t length = b->starts[s + 1] - b->starts[s];
        if (b->starts[s + 1] <= b->starts[s] || length > positions)
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "encoder batch: expected sequence %zu to have 1 to %zu tokens, got "
                              "%zu", s, positions,
                              b->starts[s + 1] <= b->starts[s] ? (size_t)0 : length);
    }
    if (b->starts[0] != 0 || b->starts[b->sequences] > ws->max_tokens)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder batch: expected tokens from 0 to at most %zu, got %zu to %zu",
                          ws->max_tokens, b->starts[0], b->starts[b->sequences]);
    return ADCL_OK;
}

static adcl_status check_ids(adcl_context *ctx, const adcl_encoder *e, const adcl_encoder_batch *b)
{
    const adcl__model_config *config = &e->weights.config;
    size_t types = config->token_types > 0 ? config->token_types : 1;
    for (size_t t = 0; t < b->starts[b->sequences]; t++) {
        if (b->ids[t] < 0 || (size_t)b->ids[t] >= config->vocabulary_size)
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "encoder batch: expected ids from 0 to %zu, got %d as token %zu",
                              config->vocabulary_size - 1, (int)b->ids[t], t);
        /* Models of one type take 0 whatever a pair's second text says. */
        if (b->type_ids != NULL && config->token_types > 1 &&
            (b->type_ids[t] < 0 || (size_t)b->type_ids[t] >= types))
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "encoder batch: expected type ids from 0 to %zu, got %d as token %zu",
                              types - 1, (int)b->type_ids[t], t);
    }
    return ADCL_OK;
}

static adcl_status check_input(adcl_context *ctx, const adcl_encoder *e, const adcl_encoder_batch *b)
{
    if (b->hidden == NULL) {
        if (b->ids == NULL)
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "encoder batch: expected ids or a hidden state, got neither");
        return check_ids(ctx, e, b);
    }
    if (e->engine == ADCL_ENGINE_REFERENCE)
        return adcl__fail(ctx, ADCL_ERR_UNSUPPORTED, 0,
                          "encoder batch: the engine reference begins with ids, not with a hidden "
                          "state");
    if (b->first_layer > e->weights.config.layers)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder batch: expected a first layer of at most %zu, got %zu",
                          e->weights.config.layers, b->first_layer);
    return adcl__check_shape(ctx, "encoder batch: hidden", b->hidden, ADCL_F32,
                             b->starts[b->sequences], e->weights.config.hidden_size);
}

static bool fits_encoder(const adcl_encoder_workspace *ws, const adcl_encoder *e)
{
    const adcl__model_config *config = &e->weights.config;
    return config->layers == ws->layers && config->heads == ws->heads &&
           config->hidden_size == ws->hidden_size && config->inner_size == ws->inner_size &&
           e->engine == ws->engine && (ws->mode == ADCL_INFERENCE || e->mode == ADCL_TRAINING);
}

/* Options on which the matrices of a workspace depend. Flags are ints that callers set. */
static bool same_options(const adcl_adapter_set_params *a, const adcl_adapter_set_params *b)
{
    return !a->head_only == !b->head_only && !a->parallel == !b->parallel &&
           !a->gated == !b->gated && !a->ln_before == !b->ln_before &&
           !a->ln_after == !b->ln_after && !a->original_ln_before == !b->original_ln_before &&
           !a->original_ln_after == !b->original_ln_after && a->residual == b->residual &&
           a->scaling_kind == b->scaling_kind && a->labels == b->labels &&
           a->head_layers == b->head_layers && a->head_dropout == b->head_dropout &&
           !a->train_layer_norms == !b->train_layer_norms;
}

/* Without a set there is less to do, but nothing to train. */
static bool fits_set(const adcl_encoder_workspace *ws, const adcl_adapter_set *set)
{
    if (set == NULL) return !ws->has_set || ws->mode == ADCL_INFERENCE;
    if (!ws->has_set || set->host.layers != ws->layers ||
        set->host.hidden_size != ws->hidden_size || !same_options(&set->host.params, &ws->options))
        return false;
    for (size_t s = 0; s < 2 * ws->layers; s++)
        if (set->sites[s].bottleneck != ws->bottlenecks[s]) return false;
    return true;
}

static adcl_status check_objects(adcl_context *ctx, const adcl_encoder *e,
                                 const adcl_adapter_set *set, const adcl_encoder_workspace *ws)
{
    if (e == NULL || ws == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder: expected an encoder and a workspace, got NULL");
    if (e->family != ctx->family || ws->family != ctx->family ||
        (set != NULL && set->family != ctx->family))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder: expected objects of this context or of one it shares with, got "
                          "one of another");
    if (!fits_encoder(ws, e))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder: expected a workspace that was made for an encoder of the same "
                          "sizes, engine and mode, got another's");
    if (!fits_set(ws, set))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder: expected a workspace that was made for a set of the same options, "
                          "got another's");
    return ADCL_OK;
}

static adcl_status check_logits(adcl_context *ctx, const adcl_adapter_set *set, const char *name,
                                const adcl_tensor *logits, size_t sequences)
{
    if (set == NULL || set->head[0].kernel == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: expected NULL, for there is no head, got a tensor", name);
    return adcl__check_shape(ctx, name, logits, ADCL_F32, sequences, set->host.params.labels);
}

/* ---- the batch on the device ------------------------------------------------------------------ */

/* Until the staging memory is free again. */
static adcl_status wait_for_uploads(adcl_context *ctx, adcl_encoder_workspace *ws)
{
    for (size_t u = 0; u < ADCL__UPLOADS; u++) ADCL_TRY(adcl__upload_wait(ctx, &ws->uploads[u]));
    return ADCL_OK;
}

/* blocks: (start, end, first) for every `width` tokens of each sequence. */
static size_t cut_blocks(const adcl_encoder_batch *b, size_t width, int32_t *blocks)
{
    size_t count = 0;
    for (size_t s = 0; s < b->sequences; s++)
        for (size_t first = b->starts[s]; first < b->starts[s + 1]; first += width, count++) {
            blocks[3 * count] = (int32_t)b->starts[s];
            blocks[3 * count + 1] = (int32_t)b->starts[s + 1];
            blocks[3 * count + 2] = (int32_t)first;
        }
    return count;
}

static adcl_status upload_sequences(const adcl__encoder_pass *p, const adcl_encoder_batch *b)
{
    adcl_encoder_workspace *ws = p->ws;
    int32_t *starts = ws->staging, *of_token = starts + ws->max_sequences + 1;
    int32_t *blocks = of_token + ws->max_tokens;
    for (size_t s = 0; s <= b->sequences; s++) starts[s] = (int32_t)b->starts[s];
    for (size_t s = 0; s < b->sequences; s++)
        for (size_t t = b->starts[s]; t < b->starts[s + 1]; t++) of_token[t] = (int32_t)s;
    ws->block_count = cut_blocks(b, p->encoder->attention.width, blocks);
    const size_t size = sizeof(int32_t);
    ADCL_TRY(adcl__tensor_upload(p->ctx, ws->starts, starts, (b->sequences + 1) * size,
                                 &ws->uploads[0]));
    ADCL_TRY(adcl__tensor_upload(p->ctx, ws->of_token, of_token, ws->tokens * size,
                                 &ws->uploads[1]));
    return adcl__tensor_upload(p->ctx, ws->blocks, blocks, 3 * ws->block_count * size,
                               &ws->uploads[2]);
}

/* sums (T, D) = word + position + type: read through the mapping of the model's file. */
static void embed(const adcl__model_weights *w, const adcl_encoder_batch *b, float *sums)
{
    size_t hidden = w->config.hidden_size;
    for (size_t s = 0; s < b->sequences; s++)
        for (size_t t = b->starts[s]; t < b->starts[s + 1]; t++, sums += hidden) {
            const float *word = w->words + (size_t)b->ids[t] * hidden;
            const float *position = w->positions + (t - b->starts[s]) * hidden;
            size_t type = b->type_ids == NULL || w->config.token_types < 2 ? 0
                                                                           : (size_t)b->type_ids[t];
            const float *of_type = w->types == NULL ? NULL : w->types + type * hidden;
            for (size_t c = 0; c < hidden; c++)
                sums[c] = word[c] + position[c] + (of_type == NULL ? 0.0f : of_type[c]);
        }
}

static adcl__norm_tensors embeddings_norm_of(const adcl__encoder_pass *p)
{
    bool trained = p->set != NULL && p->set->embeddings_norm.weight != NULL;
    return trained ? p->set->embeddings_norm : p->encoder->embeddings_norm;
}

/* What enters the first layer. */
static adcl_status upload_embeddings(const adcl__encoder_pass *p, const adcl_encoder_batch *b)
{
    adcl_encoder_workspace *ws = p->ws;
    float *sums = (float *)ws->staging + ws->max_sequences + 1 + ws->max_tokens + 3 * ws->max_blocks;
    embed(&p->encoder->weights, b, sums);
    ADCL_TRY(adcl__tensor_upload(p->ctx, ws->a, sums,
                                 ws->tokens * p->encoder->weights.config.hidden_size * sizeof *sums,
                                 &ws->uploads[3]));
    adcl__norm_tensors norm = embeddings_norm_of(p);
    const adcl__layer_norm rule = adcl__norm_of(p->encoder, &norm);
    ADCL_TRY(adcl__layer_norm_forward(
        p->ctx, &rule, ws->a, NULL, NULL,
        ws->embeddings_kept.normal != NULL ? &ws->embeddings_kept : NULL, ws->hidden[0]));
    return adcl__model_drop(p, 0, ADCL__DROP_EMBEDDINGS, ws->hidden[0]);
}

/* Gives every matrix the rows of the batch. */
static void fit(adcl_encoder_workspace *ws, size_t tokens, size_t sequences)
{
    ws->tokens = tokens;
    ws->sequences = (adcl__sequences){sequences, ws->starts, ws->of_token};
    for (size_t t = 0; t < ws->owned_count; t++) {
        if (ws->owned[t].extent == ADCL__EXTENT_TOKENS) ws->owned[t].tensor->rows = tokens;
        if (ws->owned[t].extent == ADCL__EXTENT_SEQUENCES) ws->owned[t].tensor->rows = sequences;
    }
}

/* The head's streams count down from the seed, those of the sites up. */
static void set_dropout(adcl_encoder_workspace *ws)
{
    ws->seed = ws->next_seed;
    ws->step = ws->next_step;
    for (size_t l = 0; l < 2; l++) {
        ws->head_masks[l].seed = ws->seed - ADCL__STREAM_DISTANCE * (l + 1);
        ws->head_masks[l].step = ws->step;
    }
}

/* ---- passes ----------------------------------------------------------------------------------- */

static adcl_status forward_layers(const adcl__encoder_pass *p, const adcl_encoder_batch *b)
{
    adcl_encoder_workspace *ws = p->ws;
    size_t first = b->hidden == NULL ? 0 : b->first_layer;
    ADCL_TRY(wait_for_uploads(p->ctx, ws));
    ADCL_TRY(upload_sequences(p, b));
    if (b->hidden == NULL) ADCL_TRY(upload_embeddings(p, b));
    else if (!adcl__tensors_equal(b->hidden, ws->hidden[first])) /* it may be what is there already */
        ADCL_TRY(adcl_tensor_copy(p->ctx, b->hidden, ws->hidden[first]));
    for (size_t l = first; l < ws->layers; l++)
        ADCL_TRY(adcl__layer_forward(p, l, ws->hidden[l], ws->hidden[l + 1]));
    return ADCL_OK;
}

adcl_status adcl_encoder_forward(adcl_context *ctx, const adcl_encoder *encoder,
                                 const adcl_adapter_set *set, adcl_encoder_workspace *ws,
                                 const adcl_encoder_batch *batch, adcl_tensor *logits)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    ADCL_TRY(check_objects(ctx, encoder, set, ws));
    if (batch == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder: expected a batch, got NULL");
    ADCL_TRY(check_sequences(ctx, encoder, ws, batch));
    ADCL_TRY(check_input(ctx, encoder, batch));
    if (logits != NULL)
        ADCL_TRY(check_logits(ctx, set, "encoder: logits", logits, batch->sequences));
    const adcl__encoder_pass p = {ctx, encoder, set, ws};
    ws->has_forward = false;
    fit(ws, batch->starts[batch->sequences], batch->sequences);
    ws->first_layer = batch->hidden == NULL ? 0 : batch->first_layer;
    ws->has_embeddings = batch->hidden == NULL;
    set_dropout(ws);
    if (ws->engine == ADCL_ENGINE_REFERENCE) {
        ADCL_TRY(adcl__encoder_reference_forward(&p, batch, logits));
    } else {
        ADCL_TRY(forward_layers(&p, batch));
        if (logits != NULL) ADCL_TRY(adcl__head_forward(&p, ws->hidden[ws->layers], logits));
    }
    ws->has_forward = true;
    ws->has_logits = logits != NULL;
    return ADCL_OK;
}

static adcl_status embeddings_backward(const adcl__encoder_pass *p)
{
    adcl_encoder_workspace *ws = p->ws;
    const adcl__norm_tensors *norm = &p->set->embeddings_norm;
    if (norm->weight == NULL || !ws->has_embeddings) return ADCL_OK;
    ADCL_TRY(adcl__model_drop(p, 0, ADCL__DROP_EMBEDDINGS, ws->dhidden));
    return adcl__layer_norm_gradients(p->ctx, &ws->embeddings_kept, ws->dhidden,
                                      norm->weight_gradient, norm->bias_gradient);
}

adcl_status adcl_encoder_backward(adcl_context *ctx, const adcl_encoder *encoder,
                                  const adcl_adapter_set *set, adcl_encoder_workspace *ws,
                                  const adcl_tensor *dlogits)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    ADCL_TRY(check_objects(ctx, encoder, set, ws));
    if (ws->mode != ADCL_TRAINING || !ws->has_forward || !ws->has_logits)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "encoder backward: expected a training forward with logits before it");
    if (ws->first_layer > ws->lowest)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "encoder backward: expected a forward from layer %zu or below, for that one "
                          "is trained, got one from %zu", ws->lowest, ws->first_layer);
    ADCL_TRY(check_logits(ctx, set, "encoder: dlogits", dlogits, ws->sequences.count));
    const adcl__encoder_pass p = {ctx, encoder, set, ws};
    if (ws->engine == ADCL_ENGINE_REFERENCE) return adcl__encoder_reference_backward(&p, dlogits);
    ADCL_TRY(adcl__head_backward(&p, dlogits));
    for (size_t l = ws->layers; l-- > ws->lowest;) ADCL_TRY(adcl__layer_backward(&p, l));
    return embeddings_backward(&p);
}

/* ---- results ---------------------------------------------------------------------------------- */

const adcl_tensor *adcl_encoder_hidden(const adcl_encoder_workspace *workspace, size_t layer)
{
    if (workspace == NULL || layer > workspace->layers || !workspace->has_forward) return NULL;
    if (layer < workspace->layers && !workspace->keeps_hidden) return NULL;
    return layer < workspace->first_layer ? NULL : workspace->hidden[layer];
}

adcl_status adcl_encoder_pool(adcl_context *ctx, adcl_encoder_workspace *workspace,
                              adcl_pooling pooling, int normalize, adcl_tensor *out)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (workspace == NULL || workspace->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder pool: expected a workspace of this context or of one it shares "
                          "with, got %s", workspace == NULL ? "NULL" : "one of another");
    if (!workspace->has_forward)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "encoder pool: expected a forward before it");
    const adcl_tensor *hidden = workspace->hidden[workspace->layers];
    ADCL_TRY(adcl__check_shape(ctx, "encoder pool: out", out, ADCL_F32, workspace->sequences.count,
                               hidden->cols));
    if (pooling != ADCL_POOLING_CLS && pooling != ADCL_POOLING_MEAN)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder pool: expected ADCL_POOLING_CLS or ADCL_POOLING_MEAN, got %d",
                          (int)pooling);
    ADCL_TRY(adcl__pool_forward(ctx, hidden, &workspace->sequences, pooling == ADCL_POOLING_MEAN,
                                out));
    return normalize ? adcl__normalize_rows(ctx, out) : ADCL_OK;
}
