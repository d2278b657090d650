/* SPDX-License-Identifier: MIT */
/* encoder_site.c – what follows a sublayer, which took i and gave h: adapter, residuals, layer norms.
 * encoder_reference_site.c has the formulas. Most sets are `simple`: a = adapter(h), out = LN(a + i),
 * two steps; all other options take the long way. */
#include "encoder/encoder.h"

/* ---- what a site is made of ------------------------------------------------------------------- */

const adcl__site *adcl__site_of(const adcl__encoder_pass *p, size_t layer, int place)
{
    if (p->set == NULL) return NULL;
    const adcl__site *site = &p->set->sites[2 * layer + (size_t)place];
    return site->bottleneck > 0 ? site : NULL;
}

adcl__norm_tensors adcl__model_norm_of(const adcl__encoder_pass *p, size_t layer, int place)
{
    if (p->set != NULL) {
        const adcl__norm_tensors *trained = &p->set->sites[2 * layer + (size_t)place].model_norm;
        if (trained->weight != NULL) return *trained;
    }
    const adcl__encoder_layer *l = &p->encoder->layers[layer];
    return place == ADCL__PLACE_ATTENTION ? l->attention_norm : l->output_norm;
}

adcl__layer_norm adcl__norm_of(const adcl_encoder *encoder, const adcl__norm_tensors *norm)
{
    return (adcl__layer_norm){norm->weight, norm->bias,
                              (float)encoder->weights.config.layer_norm_epsilon};
}

/* One site in one call. */
typedef struct site_pass {
    adcl_context *ctx;
    const adcl_encoder *encoder;
    adcl_encoder_workspace *ws;
    const adcl_adapter_set_params *options;
    const adcl__site *site;
    size_t number; /* of the site, from 0 on */
    adcl__norm_tensors norm; /* the model's, after this place */
    adcl__site_memory *memory;
    bool kept; /* backward comes this way */
} site_pass;

static site_pass enter(const adcl__encoder_pass *p, size_t layer, int place)
{
    return (site_pass){
        .ctx = p->ctx,
        .encoder = p->encoder,
        .ws = p->ws,
        .options = p->set == NULL ? NULL : &p->set->host.params,
        .site = adcl__site_of(p, layer, place),
        .number = 2 * layer + (size_t)place,
        .norm = adcl__model_norm_of(p, layer, place),
        .memory = &p->ws->memory[layer].sites[place],
        .kept = adcl__layer_is_kept(p->ws, layer),
    };
}

/* ---- layer norms ------------------------------------------------------------------------------ */

/* An adapter's own norms have PyTorch's ε, the model's norms the one of config.json. */
static const float adapter_epsilon = 1e-5f;

static adcl__layer_norm rule_of(const site_pass *p, const adcl__norm_tensors *norm)
{
    if (norm == &p->norm) return adcl__norm_of(p->encoder, norm);
    return (adcl__layer_norm){norm->weight, norm->bias, adapter_epsilon};
}

static adcl_status norm_forward(const site_pass *p, const adcl__norm_tensors *norm,
                                const adcl__layer_norm_kept *kept, const adcl_tensor *a,
                                const adcl_tensor *b, const adcl_tensor *c, adcl_tensor *out)
{
    const adcl__layer_norm rule = rule_of(p, norm);
    return adcl__layer_norm_forward(p->ctx, &rule, a, b, c, p->kept ? kept : NULL, out);
}

/* dx from dy, and the norm's own gradients. */
static adcl_status norm_backward(const site_pass *p, const adcl__norm_tensors *norm,
                                 const adcl__layer_norm_kept *kept, const adcl_tensor *dy,
                                 adcl_tensor *dx)
{
    const adcl__layer_norm rule = rule_of(p, norm);
    if (norm->weight_gradient != NULL)
        ADCL_TRY(adcl__layer_norm_gradients(p->ctx, kept, dy, norm->weight_gradient,
                                            norm->bias_gradient));
    return adcl__layer_norm_backward(p->ctx, &rule, kept, dy, dx);
}

static adcl__gate gate_of(const site_pass *p)
{
    return (adcl__gate){.kernel = p->site->gate.kernel,
                        .bias = p->site->gate.bias,
                        .tokens = p->memory->gate_tokens,
                        .gates = p->memory->gates,
                        .dlogits = p->ws->dlogits_of_gate};
}

/* ---- the long way, forward -------------------------------------------------------------------- */

/* Every site has a stream of its own. Told each time: sites may share a workspace. */
static adcl_status adapter_forward(const site_pass *p, const adcl_tensor *x, adcl_tensor *out)
{
    const adcl_encoder_workspace *ws = p->ws;
    adcl_workspace_set_dropout_step(p->memory->adapter, ws->seed + ADCL__STREAM_DISTANCE * (p->number + 1),
                                    ws->step);
    return adcl_adapter_forward(p->ctx, p->site->adapter, p->memory->adapter, x, out);
}

/* The value that enters the adapter: h, i, or LN(h + i). */
static adcl_status enter_forward(const site_pass *p, const adcl_tensor *h, const adcl_tensor *i,
                                 const adcl_tensor **x)
{
    *x = p->options->parallel ? i : h;
    if (p->options->parallel || !p->options->original_ln_before) return ADCL_OK;
    *x = p->memory->entered;
    return norm_forward(p, &p->norm, &p->memory->entered_norm, h, i, NULL, p->memory->entered);
}

/* *update = gate∘scaling∘up(act(down(norm_before(x)))). */
static adcl_status update_forward(const site_pass *p, const adcl_tensor *x, adcl_tensor **update)
{
    const adcl__site *site = p->site;
    adcl__site_memory *m = p->memory;
    const adcl_tensor *n = x;
    if (site->norm_before.weight != NULL) {
        ADCL_TRY(norm_forward(p, &site->norm_before, &m->norm_before, x, NULL, NULL, m->normed));
        n = m->normed;
    }
    ADCL_TRY(adapter_forward(p, n, m->up));
    *update = m->up;
    if (site->scaling != NULL) {
        ADCL_TRY(adcl__scale_forward(p->ctx, m->up, site->scaling, m->scaled));
        *update = m->scaled;
    }
    if (site->gate.kernel == NULL) return ADCL_OK;
    const adcl__gate gate = gate_of(p);
    ADCL_TRY(adcl__gate_forward(p->ctx, &gate, &p->ws->sequences, x, *update, p->ws->t1));
    *update = p->ws->t1;
    return ADCL_OK;
}

/* *r = what is added to the update; NULL for a parallel adapter. */
static adcl_status residual_of(const site_pass *p, const adcl_tensor *h, const adcl_tensor *i,
                               const adcl_tensor *x, const adcl_tensor **r)
{
    *r = NULL;
    if (p->options->parallel) return ADCL_OK;
    *r = p->options->residual == ADCL_RESIDUAL_BEFORE_LN ? h : x;
    if (p->options->residual != ADCL_RESIDUAL_POST_ADD) return ADCL_OK;
    *r = p->ws->t2;
    return adcl__add(p->ctx, h, i, p->ws->t2);
}

static adcl_status long_forward(const site_pass *p, const adcl_tensor *h, const adcl_tensor *i,
                                adcl_tensor *out)
{
    const adcl_tensor *x, *r;
    adcl_tensor *v;
    ADCL_TRY(enter_forward(p, h, i, &x));
    ADCL_TRY(update_forward(p, x, &v));
    ADCL_TRY(residual_of(p, h, i, x, &r));
    if (p->options->adapter_residual_before_ln && r != NULL) {
        ADCL_TRY(adcl__add(p->ctx, v, r, p->ws->t3));
        v = p->ws->t3;
        r = NULL;
    }
    if (p->site->norm_after.weight != NULL) {
        ADCL_TRY(norm_forward(p, &p->site->norm_after, &p->memory->norm_after, v, NULL, NULL,
                              p->ws->t3));
        v = p->ws->t3;
    }
    if (p->options->parallel) r = h;
    if (p->options->original_ln_after) {
        if (r == NULL)
            return norm_forward(p, &p->norm, &p->memory->last_norm, v, i, NULL, out);
        return norm_forward(p, &p->norm, &p->memory->last_norm, v, r, i, out);
    }
    return r != NULL ? adcl__add(p->ctx, v, r, out) : adcl_tensor_copy(p->ctx, v, out);
}

adcl_status adcl__site_forward(const adcl__encoder_pass *pass, size_t layer, int place,
                               const adcl_tensor *h, const adcl_tensor *i, adcl_tensor *out)
{
    const site_pass p = enter(pass, layer, place);
    if (p.site == NULL) return norm_forward(&p, &p.norm, &p.memory->last_norm, h, i, NULL, out);
    if (!pass->set->simple) return long_forward(&p, h, i, out);
    ADCL_TRY(adapter_forward(&p, h, p.ws->a));
    return norm_forward(&p, &p.norm, &p.memory->last_norm, p.ws->a, i, NULL, out);
}

/* ---- the long way, backward ------------------------------------------------------------------- */

/* dx = ∂L/∂x from dupdate, and the gradients of the update's parameters. */
static adcl_status update_backward(const site_pass *p, const adcl_tensor *x,
                                   const adcl_tensor *dupdate, adcl_tensor *dx)
{
    const adcl__site *site = p->site;
    const adcl__site_memory *m = p->memory;
    const adcl_tensor *of_up = dupdate;
    const adcl__gate gate = gate_of(p);
    bool gated = site->gate.kernel != NULL;
    if (gated) {
        ADCL_TRY(adcl__gate_apply(p->ctx, &gate, &p->ws->sequences, of_up, p->ws->t2));
        of_up = p->ws->t2;
    }
    if (site->scaling != NULL) {
        ADCL_TRY(adcl__scale_gradient(p->ctx, of_up, m->up, p->ws->sums, site->scaling_gradient));
        ADCL_TRY(adcl__scale_forward(p->ctx, of_up, site->scaling, p->ws->t2));
        of_up = p->ws->t2;
    }
    ADCL_TRY(adcl_adapter_backward(p->ctx, site->adapter, m->adapter, of_up, dx));
    if (site->norm_before.weight != NULL)
        ADCL_TRY(norm_backward(p, &site->norm_before, &m->norm_before, dx, dx));
    if (!gated) return ADCL_OK;
    return adcl__gate_backward(p->ctx, &gate, &p->ws->sequences, x,
                               site->scaling != NULL ? m->scaled : m->up, dupdate,
                               site->gate.kernel_gradient, site->gate.bias_gradient, dx);
}

/* to += from, or = where nothing is in it yet. */
static adcl_status gather(const site_pass *p, const adcl_tensor *from, bool *filled, adcl_tensor *to)
{
    adcl_status status = *filled ? adcl__add(p->ctx, to, from, to)
                                 : adcl_tensor_copy(p->ctx, from, to);
    *filled = true;
    return status;
}

/* Takes dx, and dr = ∂L/∂r, to dh and di. dr may be di, which then is what di has already. */
static adcl_status enter_backward(const site_pass *p, adcl_tensor *dx, const adcl_tensor *dr,
                                  adcl_tensor *dh, adcl_tensor *di)
{
    const adcl_adapter_set_params *o = p->options;
    bool filled = false;
    if (o->residual == ADCL_RESIDUAL_AFTER_LN) ADCL_TRY(adcl__add(p->ctx, dx, dr, dx));
    else ADCL_TRY(gather(p, dr, &filled, dh)); /* r is h, or h + i */
    if (!o->original_ln_before) ADCL_TRY(gather(p, dx, &filled, dh));
    if (o->residual == ADCL_RESIDUAL_POST_ADD) ADCL_TRY(adcl__add(p->ctx, di, dr, di));
    if (!o->original_ln_before) return ADCL_OK;
    ADCL_TRY(norm_backward(p, &p->norm, &p->memory->entered_norm, dx, dx));
    ADCL_TRY(gather(p, dx, &filled, dh));
    return adcl__add(p->ctx, di, dx, di);
}

/* What entered the adapter in the forward. */
static const adcl_tensor *entered(const site_pass *p, const adcl_tensor *i)
{
    if (p->options->parallel) return i;
    return p->options->original_ln_before ? p->memory->entered : p->memory->h;
}

/* di holds ∂L/∂v already, or zeros where the model's norm does not come last; dv is ∂L/∂v. */
static adcl_status long_backward(const site_pass *p, const adcl_tensor *i, const adcl_tensor *dv,
                                 adcl_tensor **dh, adcl_tensor *di)
{
    const adcl_tensor *dupdate = dv;
    adcl_tensor *dx = p->ws->t3;
    *dh = p->ws->dh;
    if (p->options->parallel) ADCL_TRY(adcl_tensor_copy(p->ctx, dv, *dh));
    if (p->site->norm_after.weight != NULL) {
        ADCL_TRY(norm_backward(p, &p->site->norm_after, &p->memory->norm_after, dv, p->ws->t1));
        dupdate = p->ws->t1;
    }
    ADCL_TRY(update_backward(p, entered(p, i), dupdate, dx));
    if (p->options->parallel) return adcl__add(p->ctx, di, dx, di);
    return enter_backward(p, dx, p->options->adapter_residual_before_ln ? dupdate : dv, *dh, di);
}

adcl_status adcl__site_backward(const adcl__encoder_pass *pass, size_t layer, int place,
                                adcl_tensor *dout, bool wants_dh, adcl_tensor **dh, adcl_tensor *di)
{
    const site_pass p = enter(pass, layer, place);
    bool ends_with_norm = p.site == NULL || p.options->original_ln_after;
    const adcl_tensor *dv = di;
    if (ends_with_norm) {
        ADCL_TRY(norm_backward(&p, &p.norm, &p.memory->last_norm, dout, di));
    } else {
        ADCL_TRY(adcl_tensor_fill(p.ctx, di, 0.0f));
        dv = dout;
    }
    *dh = di;
    if (p.site == NULL) return ADCL_OK;
    const adcl__layer_memory *memory = &p.ws->memory[layer];
    if (!pass->set->simple)
        return long_backward(&p, place == ADCL__PLACE_ATTENTION ? memory->input : memory->middle,
                             dv, dh, di);
    *dh = p.ws->dh;
    return adcl_adapter_backward(p.ctx, p.site->adapter, p.memory->adapter, di,
                                 wants_dh ? p.ws->dh : NULL);
}
