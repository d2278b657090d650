/* SPDX-License-Identifier: MIT */
/* encoder_workspace.c – the matrices of one batch.
 *
 *      layers below the lowest trained one, or all in inference      share one layer's memory
 *      the others                                                    have their own, for backward,
 *                                                                    or share another, and run twice
 */
#include "encoder/encoder.h"

#include "base/random.h"
#include "ops/gemm.h"

#include <stdlib.h>
#include <string.h>

/* ---- matrices --------------------------------------------------------------------------------- */

typedef struct maker {
    adcl_context *ctx;
    const adcl_encoder *encoder;
    const adcl_adapter_set *set; /* NULL: none */
    adcl_encoder_workspace *ws;
    size_t hidden, inner; /* D, F */
} maker;

static adcl_status no_memory(adcl_context *ctx)
{
    return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "encoder workspace: no memory for it");
}

/* A matrix that the workspace owns. */
static adcl_status take(const maker *m, adcl_dtype dtype, adcl__extent extent, size_t rows,
                        size_t cols, adcl_tensor **out)
{
    adcl_encoder_workspace *ws = m->ws;
    if (ws->owned_count == ws->owned_capacity) {
        size_t capacity = 2 * ws->owned_capacity + 64;
        adcl__owned_matrix *grown = realloc(ws->owned, capacity * sizeof *grown);
        if (grown == NULL) return no_memory(m->ctx);
        ws->owned = grown;
        ws->owned_capacity = capacity;
    }
    ADCL_TRY(adcl_tensor_create(out, m->ctx, dtype, rows, cols));
    ws->owned[ws->owned_count++] = (adcl__owned_matrix){*out, extent};
    ws->bytes += rows * cols * adcl_dtype_size(dtype);
    return ADCL_OK;
}

static adcl_status take_tokens(const maker *m, size_t cols, adcl_tensor **out)
{
    return take(m, ADCL_F32, ADCL__EXTENT_TOKENS, m->ws->max_tokens, cols, out);
}

static adcl_status take_sequences(const maker *m, size_t cols, adcl_tensor **out)
{
    return take(m, ADCL_F32, ADCL__EXTENT_SEQUENCES, m->ws->max_sequences, cols, out);
}

static adcl_status take_integers(const maker *m, size_t count, adcl_tensor **out)
{
    return take(m, ADCL_I32, ADCL__EXTENT_FIXED, 1, count, out);
}

static adcl_status take_kept_norm(const maker *m, adcl__layer_norm_kept *out)
{
    ADCL_TRY(take_tokens(m, m->hidden, &out->normal));
    return take_tokens(m, 1, &out->inverse);
}

/* ---- a site ----------------------------------------------------------------------------------- */

/* The workspace of an earlier site of the same bottleneck: in inference of any, with recomputation of one at the
 * same place, for both places of a layer are there until backward. NULL: there is none, or each has its own. */
static adcl_workspace *shared_adapter(const maker *m, size_t layer, int place, size_t bottleneck)
{
    bool inference = m->ws->mode == ADCL_INFERENCE;
    for (size_t s = 0; s < 2 * layer + (size_t)place; s++)
        if (m->set->sites[s].bottleneck == bottleneck &&
            (inference || (m->ws->recomputes && s % 2 == (size_t)place)))
            return m->ws->memory[s / 2].sites[s % 2].adapter;
    return NULL;
}

static adcl_status make_adapter_workspace(const maker *m, size_t layer, int place)
{
    const adcl__site *site = &m->set->sites[2 * layer + (size_t)place];
    adcl__site_memory *memory = &m->ws->memory[layer].sites[place];
    memory->adapter = shared_adapter(m, layer, place, site->bottleneck);
    if (memory->adapter != NULL) return ADCL_OK;
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = m->ws->max_tokens;
    params.mode = m->ws->mode;
    params.engine = m->encoder->adapter_engine;
    size_t bytes;
    ADCL_TRY(adcl_workspace_bytes(m->ctx, site->adapter, &params, &bytes));
    m->ws->bytes += bytes;
    memory->owns_adapter = true;
    return adcl_workspace_create(&memory->adapter, m->ctx, site->adapter, &params);
}

static bool takes_the_long_way(const maker *m)
{
    return m->set != NULL && !m->set->simple;
}

/* What the options need besides h, the adapter and the norm that comes last: of one site in training, of all of
 * them in inference. */
static adcl_status make_long_site(const maker *m, adcl__site_memory *memory)
{
    const adcl_adapter_set_params *o = &m->set->host.params;
    ADCL_TRY(take_tokens(m, m->hidden, &memory->up));
    if (o->scaling_kind != ADCL_SCALING_CONSTANT)
        ADCL_TRY(take_tokens(m, m->hidden, &memory->scaled));
    if (o->gated) {
        ADCL_TRY(take_tokens(m, 1, &memory->gate_tokens));
        ADCL_TRY(take_sequences(m, 1, &memory->gates));
    }
    if (!o->parallel && o->original_ln_before)
        ADCL_TRY(take_tokens(m, m->hidden, &memory->entered));
    return o->ln_before ? take_tokens(m, m->hidden, &memory->normed) : ADCL_OK;
}

/* What the backward of its norms needs. */
static adcl_status make_long_norms(const maker *m, adcl__site_memory *memory)
{
    const adcl_adapter_set_params *o = &m->set->host.params;
    if (memory->entered != NULL) ADCL_TRY(take_kept_norm(m, &memory->entered_norm));
    if (o->ln_before) ADCL_TRY(take_kept_norm(m, &memory->norm_before));
    return o->ln_after ? take_kept_norm(m, &memory->norm_after) : ADCL_OK;
}

/* Matrices that several layers take turns at serve the adapters of any of them. */
static bool is_adapted(const maker *m, size_t layer, int place)
{
    size_t last = m->ws->recomputes ? m->ws->layers : layer + 1;
    for (size_t l = layer; m->set != NULL && l < last; l++)
        if (m->set->sites[2 * l + (size_t)place].bottleneck > 0) return true;
    return false;
}

/* What backward needs of a site. h stays what all sites share where no adapter borrows it until then. */
static adcl_status make_kept_site(const maker *m, size_t layer, int place)
{
    adcl__site_memory *memory = &m->ws->memory[layer].sites[place];
    bool adapted = is_adapted(m, layer, place);
    if (adapted && !m->set->host.params.parallel) ADCL_TRY(take_tokens(m, m->hidden, &memory->h));
    ADCL_TRY(take_kept_norm(m, &memory->last_norm));
    if (!adapted || !takes_the_long_way(m)) return ADCL_OK;
    ADCL_TRY(make_long_site(m, memory));
    return make_long_norms(m, memory);
}

/* ---- a layer ---------------------------------------------------------------------------------- */

static adcl_status make_attention(const maker *m, adcl__layer_memory *memory)
{
    ADCL_TRY(take_tokens(m, 3 * m->hidden, &memory->qkv));
    ADCL_TRY(take_tokens(m, m->encoder->attention.heads, &memory->log_sum));
    return take_tokens(m, m->hidden, &memory->context);
}

/* Inputs of a layer that adapters beside the sublayer borrow until backward. */
static adcl_status make_inputs(const maker *m, adcl__layer_memory *memory)
{
    ADCL_TRY(take_tokens(m, m->hidden, &memory->input));
    return take_tokens(m, m->hidden, &memory->middle);
}

static adcl_status make_kept_layer(const maker *m, size_t layer)
{
    adcl__layer_memory *memory = &m->ws->memory[layer];
    ADCL_TRY(make_attention(m, memory));
    ADCL_TRY(take_tokens(m, m->inner, &memory->of_act));
    if (m->set != NULL && m->set->host.params.parallel) ADCL_TRY(make_inputs(m, memory));
    for (int place = 0; place < 2; place++) ADCL_TRY(make_kept_site(m, layer, place));
    return ADCL_OK;
}

static adcl_status make_layer(const maker *m, size_t layer, const adcl__layer_memory *shared)
{
    adcl_encoder_workspace *ws = m->ws;
    bool kept = adcl__layer_is_kept(ws, layer);
    bool takes_turns = kept && ws->recomputes && layer > ws->lowest;
    ws->memory[layer] = takes_turns ? ws->memory[ws->lowest] : *shared;
    if (kept && !takes_turns) ADCL_TRY(make_kept_layer(m, layer));
    for (int place = 0; place < 2; place++) {
        adcl__site_memory *site = &ws->memory[layer].sites[place];
        site->adapter = NULL;
        site->owns_adapter = false;
        if (m->set != NULL && m->set->sites[2 * layer + (size_t)place].bottleneck > 0)
            ADCL_TRY(make_adapter_workspace(m, layer, place));
    }
    return ADCL_OK;
}

static adcl_status make_layers(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    adcl__layer_memory shared = {0};
    ws->memory = calloc(ws->layers, sizeof *ws->memory);
    if (ws->memory == NULL) return no_memory(m->ctx);
    ADCL_TRY(take_tokens(m, m->hidden, &shared.middle));
    ADCL_TRY(take_tokens(m, m->hidden, &shared.sites[0].h));
    if (ws->mode == ADCL_INFERENCE && takes_the_long_way(m))
        ADCL_TRY(make_long_site(m, &shared.sites[0]));
    shared.sites[1] = shared.sites[0];
    if (!adcl__layer_is_kept(ws, 0)) ADCL_TRY(make_attention(m, &shared));
    for (size_t l = 0; l < ws->layers; l++) ADCL_TRY(make_layer(m, l, &shared));
    return ADCL_OK;
}

/* ---- the rest --------------------------------------------------------------------------------- */

static adcl_status make_hidden(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    adcl_tensor *two[2] = {NULL, NULL};
    ws->hidden = calloc(ws->layers + 1, sizeof(adcl_tensor *));
    if (ws->hidden == NULL) return no_memory(m->ctx);
    for (size_t l = 0; l <= ws->layers; l++) {
        bool own = ws->keeps_hidden || (ws->recomputes && l >= ws->lowest);
        adcl_tensor **place = own ? &ws->hidden[l] : &two[l % 2];
        if (*place == NULL) ADCL_TRY(take_tokens(m, m->hidden, place));
        ws->hidden[l] = *place;
    }
    return ADCL_OK;
}

static adcl_status make_batch(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    ws->max_blocks = ws->max_tokens / m->encoder->attention.width + ws->max_sequences;
    ADCL_TRY(take_integers(m, ws->max_sequences + 1, &ws->starts));
    ADCL_TRY(take_integers(m, ws->max_tokens, &ws->of_token));
    ADCL_TRY(take_integers(m, 3 * ws->max_blocks, &ws->blocks));
    size_t integers = ws->max_sequences + 1 + ws->max_tokens + 3 * ws->max_blocks;
    ws->staging = malloc(integers * sizeof(int32_t) + ws->max_tokens * m->hidden * sizeof(float));
    return ws->staging == NULL ? no_memory(m->ctx) : ADCL_OK;
}

static adcl_status make_backward(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    if (ws->mode != ADCL_TRAINING || ws->lowest == ws->layers) return ADCL_OK;
    adcl_tensor **of_hidden[] = {&ws->dhidden, &ws->dmiddle, &ws->dh, &ws->dcontext};
    for (size_t t = 0; t < sizeof of_hidden / sizeof of_hidden[0]; t++)
        ADCL_TRY(take_tokens(m, m->hidden, of_hidden[t]));
    ADCL_TRY(take_tokens(m, 3 * m->hidden, &ws->dqkv));
    ADCL_TRY(take_tokens(m, m->inner, &ws->dwide));
    ADCL_TRY(take_tokens(m, m->encoder->attention.heads, &ws->delta));
    ADCL_TRY(take_tokens(m, 1, &ws->dlogits_of_gate));
    ADCL_TRY(take(m, ADCL_F32, ADCL__EXTENT_FIXED, 1, m->hidden, &ws->sums));
    return m->set != NULL && m->set->embeddings_norm.weight != NULL
               ? take_kept_norm(m, &ws->embeddings_kept)
               : ADCL_OK;
}

/* The largest of CLBlast's temporary buffers. Backward goes through frozen products where a layer is kept. */
static adcl_status make_products(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    const adcl__encoder_layer *layer = &m->encoder->layers[0];
    const adcl__frozen *products[] = {&layer->qkv, &layer->attention_output, &layer->inner,
                                      &layer->output};
    size_t most = 0, bytes;
    for (size_t f = 0; f < sizeof products / sizeof products[0]; f++) {
        ADCL_TRY(adcl__frozen_scratch_bytes(m->ctx, products[f], ws->max_tokens, &bytes));
        if (bytes > most) most = bytes;
    }
    ws->bytes += most;
    if (most > 0) ADCL_TRY(adcl__buffer_create(m->ctx, most, NULL, &ws->scratch.products));
    if (ws->engine == ADCL_ENGINE_GEMM && adcl__layer_is_kept(ws, ws->layers - 1))
        ADCL_TRY(take_tokens(m, m->inner, &ws->scratch.again));
    return ADCL_OK;
}

/* What the head takes: less where it has one layer, and in inference. */
static adcl_status make_head_matrices(const maker *m, bool two)
{
    adcl_encoder_workspace *ws = m->ws;
    bool training = ws->mode == ADCL_TRAINING;
    const struct {
        bool wanted;
        adcl_tensor **matrix;
    } all[] = {{true, &ws->pooled},
               {two, &ws->dense},
               {two && training && m->set->host.params.head_dropout > 0.0f, &ws->dropped},
               {training, &ws->dpooled},
               {two && training, &ws->dpooled_below}};
    for (size_t t = 0; t < sizeof all / sizeof all[0]; t++)
        if (all[t].wanted) ADCL_TRY(take_sequences(m, m->hidden, all[t].matrix));
    return ADCL_OK;
}

static adcl_status make_head(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    if (m->set == NULL || m->set->head[0].kernel == NULL) return ADCL_OK;
    const adcl_adapter_set_params *o = &m->set->host.params;
    size_t last = m->set->head[1].kernel != NULL;
    ADCL_TRY(make_head_matrices(m, last > 0));
    for (size_t l = 0; l <= last; l++) {
        adcl_linear_params params = ADCL_LINEAR_PARAMS_INIT;
        params.input_size = m->hidden;
        params.output_size = l == last ? o->labels : m->hidden;
        params.max_rows = ws->max_sequences;
        params.engine = m->encoder->engine;
        ADCL_TRY(adcl_linear_create(&ws->linear[l], m->ctx, &params));
        ws->head_masks[l] =
            (adcl__dropout_mask){.threshold = adcl__dropout_threshold(o->head_dropout),
                                 .keep_scale = adcl__dropout_scale(o->head_dropout)};
    }
    return ADCL_OK;
}

static adcl_status make_transients(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    ADCL_TRY(take_tokens(m, m->inner, &ws->wide));
    ADCL_TRY(take_tokens(m, m->hidden, &ws->a));
    if (!takes_the_long_way(m)) return ADCL_OK;
    ADCL_TRY(take_tokens(m, m->hidden, &ws->t1));
    ADCL_TRY(take_tokens(m, m->hidden, &ws->t2));
    return take_tokens(m, m->hidden, &ws->t3);
}

/* Engine reference: a batch on the host, in double. */
static adcl_status make_host(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    size_t labels = m->set == NULL ? 0 : m->set->host.params.labels;
    ws->host_hidden = malloc((ws->layers + 1) * ws->max_tokens * m->hidden * sizeof(double));
    ws->host_logits = malloc((ws->max_sequences * labels + 1) * sizeof(double));
    ws->host_dlogits = malloc((ws->max_sequences * labels + 1) * sizeof(double));
    ws->host_starts = malloc((ws->max_sequences + 1) * sizeof *ws->host_starts);
    ws->host_ids = malloc(ws->max_tokens * sizeof *ws->host_ids);
    ws->host_types = malloc(ws->max_tokens * sizeof *ws->host_types);
    return ws->host_hidden == NULL || ws->host_logits == NULL || ws->host_dlogits == NULL ||
                   ws->host_starts == NULL || ws->host_ids == NULL || ws->host_types == NULL
               ? no_memory(m->ctx)
               : ADCL_OK;
}

/* By which other sets are known to have the same sizes. */
static adcl_status remember_set(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    ws->has_set = m->set != NULL;
    if (!ws->has_set) return ADCL_OK;
    ws->options = m->set->host.params;
    ws->bottlenecks = calloc(2 * ws->layers, sizeof *ws->bottlenecks);
    if (ws->bottlenecks == NULL) return no_memory(m->ctx);
    for (size_t s = 0; s < 2 * ws->layers; s++) ws->bottlenecks[s] = m->set->sites[s].bottleneck;
    return ADCL_OK;
}

static adcl_status make_all(const maker *m)
{
    ADCL_TRY(remember_set(m));
    ADCL_TRY(make_batch(m));
    ADCL_TRY(make_hidden(m));
    if (m->ws->engine == ADCL_ENGINE_REFERENCE) return make_host(m);
    ADCL_TRY(make_layers(m));
    ADCL_TRY(make_transients(m));
    ADCL_TRY(make_backward(m));
    ADCL_TRY(make_products(m));
    return make_head(m);
}

/* ---- warming up ------------------------------------------------------------------------------- */

/* Launches everything once, with few tokens and with many: drivers compile a kernel at its first launch. Its
 * gradients are those of zero logits' gradients: nothing is added. */
static adcl_status warm_up_tokens(const maker *m, size_t tokens)
{
    adcl_encoder_workspace *ws = m->ws;
    size_t longest = m->encoder->weights.config.positions, sequences = 0;
    size_t *starts = calloc(ws->max_sequences + 1, sizeof *starts);
    int32_t *ids = calloc(tokens, sizeof *ids);
    adcl_tensor *logits = NULL;
    adcl_status status = starts == NULL || ids == NULL ? no_memory(m->ctx) : ADCL_OK;
    while (status == ADCL_OK && sequences < ws->max_sequences && starts[sequences] < tokens) {
        size_t rest = tokens - starts[sequences];
        starts[sequences + 1] = starts[sequences] + (rest < longest ? rest : longest);
        sequences++;
    }
    const adcl_encoder_batch batch = {.sequences = sequences, .starts = starts, .ids = ids};
    bool has_head = ws->linear[0] != NULL;
    if (status == ADCL_OK && has_head)
        status = adcl_tensor_create(&logits, m->ctx, ADCL_F32, sequences,
                                    m->set->host.params.labels);
    if (status == ADCL_OK)
        status = adcl_encoder_forward(m->ctx, m->encoder, m->set, ws, &batch, logits);
    if (status == ADCL_OK && has_head && ws->mode == ADCL_TRAINING) {
        status = adcl_tensor_fill(m->ctx, logits, 0.0f);
        if (status == ADCL_OK)
            status = adcl_encoder_backward(m->ctx, m->encoder, m->set, ws, logits);
    }
    if (status == ADCL_OK) status = adcl__finish(m->ctx);
    adcl_tensor_destroy(&logits);
    free(starts);
    free(ids);
    return status;
}

static adcl_status warm_up(const maker *m)
{
    adcl_encoder_workspace *ws = m->ws;
    if (ws->engine == ADCL_ENGINE_REFERENCE) return ADCL_OK;
    size_t many = ws->max_tokens;
    if (many > ws->max_sequences * m->encoder->weights.config.positions)
        many = ws->max_sequences * m->encoder->weights.config.positions;
    /* All kernels of a packed product are the same for any number of rows, but for those in groups. */
    if (ws->engine == ADCL_ENGINE_FUSED && !adcl__takes_groups(m->ctx) && many > 64) many = 64;
    ADCL_TRY(warm_up_tokens(m, many));
    ADCL_TRY(warm_up_tokens(m, 1));
    ws->has_forward = false;
    return ADCL_OK;
}

/* ---- making and destroying -------------------------------------------------------------------- */

static adcl_status check_params(adcl_context *ctx, adcl_encoder_workspace **out,
                                const adcl_encoder *encoder, const adcl_adapter_set *set,
                                const adcl_encoder_workspace_params *given,
                                adcl_encoder_workspace_params *p)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (out == NULL || encoder == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder workspace: expected an encoder and a place for the result, got "
                          "NULL");
    *p = (adcl_encoder_workspace_params)ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_encoder_workspace_params", p, sizeof *p, given));
    if (encoder->family != ctx->family || (set != NULL && set->family != ctx->family))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder workspace: expected an encoder and a set of this context or of "
                          "one it shares with, got one of another");
    if (p->mode != ADCL_INFERENCE && p->mode != ADCL_TRAINING)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder workspace mode: expected inference or training, got %d",
                          (int)p->mode);
    if (p->max_tokens == 0 || p->max_tokens > INT32_MAX / 4)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "encoder workspace max_tokens: expected 1 to %d, got %zu", INT32_MAX / 4,
                          p->max_tokens);
    if (p->max_sequences == 0 || p->max_sequences > p->max_tokens)
        p->max_sequences = p->max_tokens;
    size_t widest = encoder->weights.config.inner_size + 3 * encoder->weights.config.hidden_size;
    if (widest > SIZE_MAX / 64 / p->max_tokens / (encoder->weights.config.layers + 1))
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "encoder workspace: max_tokens %zu is too large for %zu columns",
                          p->max_tokens, widest);
    if (p->mode == ADCL_TRAINING && encoder->mode != ADCL_TRAINING)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "encoder workspace: expected an encoder that was loaded for training, got "
                          "one for inference");
    return ADCL_OK;
}

adcl_status adcl_encoder_workspace_create(adcl_encoder_workspace **out, adcl_context *ctx,
                                          const adcl_encoder *encoder, const adcl_adapter_set *set,
                                          const adcl_encoder_workspace_params *given)
{
    if (out != NULL) *out = NULL;
    adcl_encoder_workspace_params p;
    ADCL_TRY(check_params(ctx, out, encoder, set, given, &p));
    adcl_encoder_workspace *ws = calloc(1, sizeof *ws);
    if (ws == NULL) return no_memory(ctx);
    ws->family = ctx->family;
    adcl__family_retain(ws->family);
    ws->engine = encoder->engine;
    ws->mode = p.mode;
    ws->max_tokens = p.max_tokens;
    ws->max_sequences = p.max_sequences;
    ws->keeps_hidden = p.keep_hidden != 0;
    ws->model_drops = p.model_dropout != 0 && p.mode == ADCL_TRAINING;
    ws->recomputes = p.recompute != 0 && p.mode == ADCL_TRAINING;
    ws->layers = encoder->weights.config.layers;
    ws->lowest = set == NULL ? ws->layers : set->lowest;
    ws->heads = encoder->weights.config.heads;
    ws->hidden_size = encoder->weights.config.hidden_size;
    ws->inner_size = encoder->weights.config.inner_size;
    const maker m = {ctx,
                     encoder,
                     set,
                     ws,
                     encoder->weights.config.hidden_size,
                     encoder->weights.config.inner_size};
    adcl_status status = make_all(&m);
    if (status == ADCL_OK) status = warm_up(&m);
    if (status != ADCL_OK) {
        adcl_encoder_workspace_destroy(&ws);
        return status;
    }
    *out = ws;
    return ADCL_OK;
}

static void release_adapters(adcl_encoder_workspace *ws)
{
    for (size_t s = 0; ws->memory != NULL && s < 2 * ws->layers; s++) {
        adcl__site_memory *site = &ws->memory[s / 2].sites[s % 2];
        if (site->owns_adapter) adcl_workspace_destroy(&site->adapter);
    }
}

void adcl_encoder_workspace_destroy(adcl_encoder_workspace **workspace)
{
    if (workspace == NULL || *workspace == NULL) return;
    adcl_encoder_workspace *ws = *workspace;
    for (size_t u = 0; u < ADCL__UPLOADS; u++) adcl__upload_release(&ws->uploads[u]);
    release_adapters(ws);
    free(ws->bottlenecks);
    free(ws->memory);
    free(ws->hidden);
    for (size_t t = 0; t < ws->owned_count; t++) adcl_tensor_destroy(&ws->owned[t].tensor);
    free(ws->owned);
    adcl_linear_destroy(&ws->linear[0]);
    adcl_linear_destroy(&ws->linear[1]);
    if (ws->scratch.products != NULL) clReleaseMemObject(ws->scratch.products);
    free(ws->staging);
    free(ws->host_hidden);
    free(ws->host_logits);
    free(ws->host_dlogits);
    free(ws->host_starts);
    free(ws->host_ids);
    free(ws->host_types);
    adcl__family_release(ws->family);
    free(ws);
    *workspace = NULL;
}

size_t adcl_encoder_workspace_bytes(const adcl_encoder_workspace *workspace)
{
    return workspace == NULL ? 0 : workspace->bytes;
}

void adcl_encoder_workspace_set_dropout_step(adcl_encoder_workspace *workspace, uint64_t seed,
                                             uint64_t step)
{
    if (workspace == NULL) return;
    workspace->next_seed = seed;
    workspace->next_step = step;
}
