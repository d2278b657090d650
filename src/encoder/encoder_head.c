/* SPDX-License-Identifier: MIT */
/* encoder_head.c – from the last hidden state to logits, and back:
 *
 *      hidden (T, D) ─► pooled (S, D) ─► dropout ─► [dense (S, D) ─► tanh ─► dropout ─►] logits (S, C) */
#include "encoder/encoder.h"

#include "train/linear.h"

static bool is_mean(const adcl__encoder_pass *p)
{
    return p->set->host.params.pooling == ADCL_POOLING_MEAN;
}

static size_t layers_of(const adcl__encoder_pass *p)
{
    return p->set->head[1].kernel != NULL ? 2 : 1;
}

static bool drops(const adcl__encoder_pass *p)
{
    return p->ws->mode == ADCL_TRAINING && p->set->host.params.head_dropout > 0.0f;
}

/* x ← mask∘x, in training with dropout; the same for gradients. */
static adcl_status drop(const adcl__encoder_pass *p, size_t layer, adcl_tensor *x)
{
    return drops(p) ? adcl__dropout_backward(p->ctx, x, &p->ws->head_masks[layer], x) : ADCL_OK;
}

/* What enters the second dense layer: tanh's result, which its gradient needs, is kept beside. */
static adcl_tensor *second_input(const adcl__encoder_pass *p)
{
    return drops(p) ? p->ws->dropped : p->ws->dense;
}

static void use_dense(const adcl__encoder_pass *p, size_t layer)
{
    const adcl__dense_tensors *dense = &p->set->head[layer];
    adcl__linear_use(p->ws->linear[layer], dense->kernel, dense->bias, dense->kernel_gradient,
                     dense->bias_gradient);
}

adcl_status adcl__head_forward(const adcl__encoder_pass *p, const adcl_tensor *hidden,
                               adcl_tensor *logits)
{
    adcl_encoder_workspace *ws = p->ws;
    adcl_tensor *x = ws->pooled;
    size_t last = layers_of(p) - 1;
    ADCL_TRY(adcl__pool_forward(p->ctx, hidden, &ws->sequences, is_mean(p), x));
    ADCL_TRY(drop(p, 0, x));
    if (last > 0) {
        use_dense(p, 0);
        ADCL_TRY(adcl_linear_forward(p->ctx, ws->linear[0], x, ws->dense));
        ADCL_TRY(adcl__tanh_forward(p->ctx, ws->dense, ws->dense));
        x = second_input(p);
        if (drops(p)) ADCL_TRY(adcl__dropout_backward(p->ctx, ws->dense, &ws->head_masks[1], x));
    }
    use_dense(p, last);
    return adcl_linear_forward(p->ctx, ws->linear[last], x, logits);
}

adcl_status adcl__head_backward(const adcl__encoder_pass *p, const adcl_tensor *dlogits)
{
    adcl_encoder_workspace *ws = p->ws;
    size_t last = layers_of(p) - 1;
    bool below = ws->lowest < ws->layers;
    adcl_tensor *dx = ws->dpooled;
    use_dense(p, last);
    ADCL_TRY(adcl_linear_backward(p->ctx, ws->linear[last], last > 0 ? second_input(p) : ws->pooled,
                                  dlogits, dx));
    if (last > 0) {
        ADCL_TRY(drop(p, 1, dx));
        ADCL_TRY(adcl__tanh_backward(p->ctx, ws->dense, dx));
        use_dense(p, 0);
        ADCL_TRY(adcl_linear_backward(p->ctx, ws->linear[0], ws->pooled, dx, ws->dpooled_below));
        dx = ws->dpooled_below;
    }
    if (!below) return ADCL_OK;
    ADCL_TRY(drop(p, 0, dx));
    return adcl__pool_backward(p->ctx, dx, &ws->sequences, is_mean(p), ws->dhidden);
}
