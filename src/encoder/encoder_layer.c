/* SPDX-License-Identifier: MIT */
/* encoder_layer.c – one layer of the model, forward and back.
 *
 *      i ─► qkv ─► attention ─► context ─► attention_output ─► h ─► [site] ─► middle      i goes there, too
 *      middle ─► inner ─► act ─► output ─► h ─► [site] ─► out                         so does middle
 *
 * Frozen matrices pass gradients on and get none. Backward finds what forward left, or has it run once more. */
#include "encoder/encoder.h"

#include "base/random.h"

bool adcl__layer_is_kept(const adcl_encoder_workspace *ws, size_t layer)
{
    return ws->mode == ADCL_TRAINING && layer >= ws->lowest;
}

/* ---- the model's own dropout ------------------------------------------------------------------ */

/* True if anything is dropped: then *mask says what. */
static bool model_mask(const adcl__encoder_pass *p, size_t layer, int what,
                       adcl__dropout_mask *mask)
{
    const adcl__model_config *config = &p->encoder->weights.config;
    float rate = (float)(what == ADCL__DROP_WEIGHTS ? config->attention_dropout
                                                    : config->hidden_dropout);
    if (!p->ws->model_drops || rate <= 0.0f) return false;
    /* Streams apart from those of adapters and head, which count from the seed on. */
    const uint64_t apart = UINT64_C(0xD1B54A32D192ED03);
    *mask = (adcl__dropout_mask){.seed = p->ws->seed + apart * (4 * layer + (uint64_t)what + 1),
                                 .step = p->ws->step,
                                 .threshold = adcl__dropout_threshold(rate),
                                 .keep_scale = adcl__dropout_scale(rate)};
    return true;
}

adcl_status adcl__model_drop(const adcl__encoder_pass *p, size_t layer, int what, adcl_tensor *x)
{
    adcl__dropout_mask mask;
    if (!model_mask(p, layer, what, &mask)) return ADCL_OK;
    return adcl__dropout_backward(p->ctx, x, &mask, x);
}

/* Where ∂L/∂h must stay as it is, for it is another matrix, too, its dropped form goes beside. */
static adcl_status drop_gradient(const adcl__encoder_pass *p, size_t layer, int what,
                                 adcl_tensor **dh)
{
    adcl__dropout_mask mask;
    if (!model_mask(p, layer, what, &mask)) return ADCL_OK;
    adcl_tensor *from = *dh;
    *dh = p->ws->dh;
    return adcl__dropout_backward(p->ctx, from, &mask, p->ws->dh);
}

/* ---- forward ---------------------------------------------------------------------------------- */

/* The end of a product that adds its bias and no more. It names the model's activation all the same, so that all
 * products are kernels of one program: a driver takes a while for each. */
static adcl__product_end plain_end(const adcl__encoder_pass *p)
{
    return (adcl__product_end){.activation = p->encoder->weights.config.activation};
}

static adcl_status attention_forward(const adcl__encoder_pass *p, size_t layer,
                                     const adcl_tensor *i)
{
    const adcl__encoder_layer *l = &p->encoder->layers[layer];
    adcl_encoder_workspace *ws = p->ws;
    adcl__layer_memory *m = &ws->memory[layer];
    adcl_tensor *h = m->sites[ADCL__PLACE_ATTENTION].h;
    const adcl__product_end plain = plain_end(p);
    ADCL_TRY(adcl__frozen_forward(p->ctx, &l->qkv, i, &plain, &ws->scratch, m->qkv));
    adcl__dropout_mask mask;
    bool masked = model_mask(p, layer, ADCL__DROP_WEIGHTS, &mask);
    ADCL_TRY(adcl__attention_forward(p->ctx, &p->encoder->attention, m->qkv, ws->blocks,
                                     ws->block_count, masked ? &mask : NULL, m->log_sum,
                                     m->context));
    ADCL_TRY(adcl__frozen_forward(p->ctx, &l->attention_output, m->context, &plain,
                                  &ws->scratch, h));
    return adcl__model_drop(p, layer, ADCL__DROP_ATTENTION, h);
}

static adcl_status feed_forward(const adcl__encoder_pass *p, size_t layer)
{
    const adcl__encoder_layer *l = &p->encoder->layers[layer];
    adcl_encoder_workspace *ws = p->ws;
    adcl__layer_memory *m = &ws->memory[layer];
    const adcl__product_end plain = plain_end(p);
    adcl__product_end act = plain;
    act.activates = true;
    act.keep = adcl__layer_is_kept(ws, layer) ? m->of_act : NULL;
    ADCL_TRY(adcl__frozen_forward(p->ctx, &l->inner, m->middle, &act, &ws->scratch, ws->wide));
    adcl_tensor *h = m->sites[ADCL__PLACE_OUTPUT].h;
    ADCL_TRY(adcl__frozen_forward(p->ctx, &l->output, ws->wide, &plain, &ws->scratch, h));
    return adcl__model_drop(p, layer, ADCL__DROP_OUTPUT, h);
}

adcl_status adcl__layer_forward(const adcl__encoder_pass *p, size_t layer, const adcl_tensor *i,
                                adcl_tensor *out)
{
    adcl__layer_memory *m = &p->ws->memory[layer];
    p->ws->present = p->ws->layers; /* none, until this one is whole */
    if (m->input != NULL) ADCL_TRY(adcl_tensor_copy(p->ctx, i, m->input));
    const adcl_tensor *input = m->input != NULL ? m->input : i;
    ADCL_TRY(attention_forward(p, layer, input));
    ADCL_TRY(adcl__site_forward(p, layer, ADCL__PLACE_ATTENTION, m->sites[0].h, input, m->middle));
    ADCL_TRY(feed_forward(p, layer));
    ADCL_TRY(adcl__site_forward(p, layer, ADCL__PLACE_OUTPUT, m->sites[1].h, m->middle, out));
    p->ws->present = layer;
    return ADCL_OK;
}

/* ---- backward --------------------------------------------------------------------------------- */

/* dmiddle += what comes back through the feed-forward part, given dh. */
static adcl_status feed_backward(const adcl__encoder_pass *p, size_t layer, adcl_tensor *dh)
{
    const adcl__encoder_layer *l = &p->encoder->layers[layer];
    adcl_encoder_workspace *ws = p->ws;
    adcl__product_end slope = plain_end(p), adds = plain_end(p);
    slope.slope = ws->memory[layer].of_act;
    adds.own = ws->dmiddle;
    ADCL_TRY(drop_gradient(p, layer, ADCL__DROP_OUTPUT, &dh));
    ADCL_TRY(adcl__frozen_backward(p->ctx, &l->output, dh, &slope, &ws->scratch, ws->dwide));
    return adcl__frozen_backward(p->ctx, &l->inner, ws->dwide, &adds, &ws->scratch, ws->dmiddle);
}

/* dhidden += what comes back through attention, given dh. */
static adcl_status attention_backward(const adcl__encoder_pass *p, size_t layer, adcl_tensor *dh)
{
    const adcl__encoder_layer *l = &p->encoder->layers[layer];
    adcl_encoder_workspace *ws = p->ws;
    const adcl__layer_memory *m = &ws->memory[layer];
    const adcl__product_end plain = plain_end(p);
    adcl__product_end adds = plain;
    adds.own = ws->dhidden;
    adcl__dropout_mask mask;
    bool masked = model_mask(p, layer, ADCL__DROP_WEIGHTS, &mask);
    const adcl__attention_kept kept = {m->qkv,     m->log_sum,      m->context,
                                       ws->blocks, ws->block_count, masked ? &mask : NULL};
    ADCL_TRY(drop_gradient(p, layer, ADCL__DROP_ATTENTION, &dh));
    ADCL_TRY(adcl__frozen_backward(p->ctx, &l->attention_output, dh, &plain, &ws->scratch,
                                   ws->dcontext));
    ADCL_TRY(adcl__attention_backward(p->ctx, &p->encoder->attention, &kept, ws->dcontext,
                                      ws->delta, ws->dqkv));
    return adcl__frozen_backward(p->ctx, &l->qkv, ws->dqkv, &adds, &ws->scratch, ws->dhidden);
}

/* Where layers take turns at their matrices, runs the layer again from its input, which is kept: the same bits. */
static adcl_status bring_back(const adcl__encoder_pass *p, size_t layer)
{
    adcl_encoder_workspace *ws = p->ws;
    if (!ws->recomputes || ws->present == layer) return ADCL_OK;
    return adcl__layer_forward(p, layer, ws->hidden[layer], ws->hidden[layer + 1]);
}

adcl_status adcl__layer_backward(const adcl__encoder_pass *p, size_t layer)
{
    adcl_encoder_workspace *ws = p->ws;
    ADCL_TRY(bring_back(p, layer));
    const adcl__site *attention = adcl__site_of(p, layer, ADCL__PLACE_ATTENTION);
    /* Where norms are trained the embeddings' is, so there always is more below. */
    bool more_below = layer > ws->lowest || p->set->embeddings_norm.weight != NULL;
    bool through_feed = more_below || attention != NULL;
    adcl_tensor *dh;
    ADCL_TRY(adcl__site_backward(p, layer, ADCL__PLACE_OUTPUT, ws->dhidden, through_feed, &dh,
                                 ws->dmiddle));
    if (!through_feed) return ADCL_OK;
    ADCL_TRY(feed_backward(p, layer, dh));
    ADCL_TRY(adcl__site_backward(p, layer, ADCL__PLACE_ATTENTION, ws->dmiddle, more_below, &dh,
                                 ws->dhidden));
    return more_below ? attention_backward(p, layer, dh) : ADCL_OK;
}
