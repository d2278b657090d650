/* SPDX-License-Identifier: MIT */
/* encoder_reference.c – embeddings, layers and head, forward and back. A layer:
 *
 *     i ──► q, k, v ──► attention ──► dense ──► h ──► [attention site] ──► x
 *     x ──► inner (T, F) ──► act ──► output ──► h ──► [output site] ──► next i
 *
 * A site takes i, or x, beside h and adds it.
 *
 * Layers below the lowest one with something to train leave nothing behind: they share the memory
 * of the lowest. Frozen products get no gradients. */
#include "encoder/encoder_reference.h"

#include "encoder/encoder_reference_parts.h"

#include <string.h>

/* What forward leaves for backward in one layer. */
typedef struct layer_state {
    double *query, *key, *value; /* (T, D) */
    double *middle;              /* (T, D) x above */
    double *inner;               /* (T, F) before the activation */
    adcl__reference_site_state attention, output;
} layer_state;

/* Temporary memory. */
typedef struct run_scratch {
    double *kernel, *bias; /* of a frozen product: (D, F) or less, (1, F) or (1, D) */
    double *context;       /* (T, D) what attention gives */
    double *active;        /* (T, F) after the activation */
    double *attention;     /* of reference/attention.c */
    /* backward: */
    double *dhidden, *dmiddle, *dh;            /* (T, D) */
    double *dcontext, *dquery, *dkey, *dvalue; /* (T, D) */
    double *share;                             /* (T, D) */
    double *dinner, *dactive;                  /* (T, F) */
    adcl__reference_site_scratch site;
} run_scratch;

typedef struct run {
    const adcl__model_weights *model;
    const adcl__reference_batch *batch;
    adcl__reference_tokens tokens;
    adcl__reference_parameters parameters;
    size_t lowest;       /* layer that backward goes down to; the number of layers: none */
    double *embeddings;  /* (T, D) before their norm */
    layer_state *states; /* of layers lowest, lowest + 1, … */
    adcl__reference_head_state head;
    run_scratch scratch;
    adcl__reference_memory memory;
} run;

/* ---- memory ------------------------------------------------------------------------------------
 */

static double *take(run *r, size_t rows, size_t cols)
{
    return adcl__reference_take_matrix(&r->memory, rows, cols);
}

static size_t longest_sequence(const adcl__reference_batch *batch)
{
    size_t longest = 0;
    for (size_t s = 0; s < batch->sequences; s++)
        if (batch->starts[s + 1] - batch->starts[s] > longest)
            longest = batch->starts[s + 1] - batch->starts[s];
    return longest;
}

static void make_state(run *r, layer_state *state)
{
    size_t t = r->tokens.tokens, d = r->tokens.hidden_size;
    state->query = take(r, t, d);
    state->key = take(r, t, d);
    state->value = take(r, t, d);
    state->middle = take(r, t, d);
    state->inner = take(r, t, r->model->config.inner_size);
    adcl__reference_site_state_make(&state->attention, &r->memory, &r->tokens,
                                    r->parameters.bottleneck);
    adcl__reference_site_state_make(&state->output, &r->memory, &r->tokens,
                                    r->parameters.bottleneck);
}

static void make_scratch(run *r, bool backward)
{
    run_scratch *scratch = &r->scratch;
    size_t t = r->tokens.tokens, d = r->tokens.hidden_size, f = r->model->config.inner_size;
    size_t widest = f > d ? f : d;
    scratch->kernel = take(r, d, widest);
    scratch->bias = take(r, 1, widest);
    scratch->context = take(r, t, d);
    scratch->active = take(r, t, f);
    scratch->attention = take(r, 4, longest_sequence(r->batch));
    if (!backward) return;
    double **wide[] = {&scratch->dhidden, &scratch->dmiddle, &scratch->dh,     &scratch->dcontext,
                       &scratch->dquery,  &scratch->dkey,    &scratch->dvalue, &scratch->share};
    for (size_t m = 0; m < sizeof wide / sizeof wide[0]; m++) *wide[m] = take(r, t, d);
    scratch->dinner = take(r, t, f);
    scratch->dactive = take(r, t, f);
    adcl__reference_site_scratch_make(&scratch->site, &r->memory, &r->tokens,
                                      r->parameters.bottleneck);
}

static bool site_is_trained(const adcl__reference_site *site)
{
    return site->bottleneck > 0 || site->model_norm.weight_gradient != NULL;
}

static size_t find_lowest(const run *r)
{
    size_t layers = r->model->config.layers, lowest = 0;
    if (r->parameters.embeddings_norm.weight_gradient != NULL) return 0;
    while (lowest < layers && !site_is_trained(&r->parameters.layers[lowest].attention) &&
           !site_is_trained(&r->parameters.layers[lowest].output))
        lowest++;
    return lowest;
}

/* False when the memory is exhausted. */
static bool make_run(run *r, const adcl__host_set *set, const adcl__host_set *gradients)
{
    size_t layers = r->model->config.layers;
    bool backward = gradients != NULL;
    adcl__reference_parameters_make(&r->parameters, &r->memory, r->model, set, gradients);
    if (r->memory.exhausted) return false;
    r->lowest = backward ? find_lowest(r) : layers;
    size_t states = r->lowest < layers ? layers - r->lowest : 1;
    r->embeddings = take(r, r->tokens.tokens, r->tokens.hidden_size);
    r->states = adcl__reference_take(&r->memory, states, sizeof *r->states);
    if (r->states == NULL) return false;
    for (size_t s = 0; s < states; s++) make_state(r, &r->states[s]);
    make_scratch(r, backward);
    adcl__reference_head_state_make(&r->head, &r->memory, &r->tokens);
    return !r->memory.exhausted;
}

static layer_state *state_of(const run *r, size_t layer)
{
    size_t layers = r->model->config.layers;
    return &r->states[layer > r->lowest && r->lowest < layers ? layer - r->lowest : 0];
}

/* ---- frozen products: a (outputs, inputs) matrix of floats, and nothing to train ----------------
 */

typedef struct frozen_shape {
    size_t inputs, outputs;
} frozen_shape;

/* y = x·Wᵀ + b.        x (T, inputs), y (T, outputs) */
static void frozen_forward(const run *r, const adcl__dense_weights *w, frozen_shape shape,
                           const double *x, double *y)
{
    double *kernel = r->scratch.kernel, *bias = r->scratch.bias;
    for (size_t o = 0; o < shape.outputs; o++) {
        for (size_t i = 0; i < shape.inputs; i++)
            kernel[i * shape.outputs + o] = (double)w->weight[o * shape.inputs + i];
        bias[o] = (double)w->bias[o];
    }
    adcl__reference_linear product = {
        .input_size = shape.inputs, .output_size = shape.outputs, .kernel = kernel, .bias = bias};
    adcl__reference_linear_forward(&product, r->tokens.tokens, x, y);
}

/* dx = dy·W: itself a product with an (in, out) kernel, and no bias.
 * dy (T, outputs), dx (T, inputs) */
static void frozen_backward(const run *r, const adcl__dense_weights *w, frozen_shape shape,
                            const double *dy, double *dx)
{
    double *kernel = r->scratch.kernel, *bias = r->scratch.bias;
    for (size_t e = 0; e < shape.outputs * shape.inputs; e++) kernel[e] = (double)w->weight[e];
    memset(bias, 0, shape.inputs * sizeof *bias);
    adcl__reference_linear product = {
        .input_size = shape.outputs, .output_size = shape.inputs, .kernel = kernel, .bias = bias};
    adcl__reference_linear_forward(&product, r->tokens.tokens, dy, dx);
}

/* total += dy·W, both as in frozen_backward. */
static void add_frozen_backward(const run *r, const adcl__dense_weights *w, frozen_shape shape,
                                const double *dy, double *total)
{
    frozen_backward(r, w, shape, dy, r->scratch.share);
    for (size_t e = 0; e < r->tokens.tokens * shape.inputs; e++) total[e] += r->scratch.share[e];
}

/* ---- embeddings --------------------------------------------------------------------------------
 */

/* out (T, D) = LN(word + position in the sequence + type) */
static void embeddings_forward(const run *r, double *out)
{
    const adcl__model_weights *model = r->model;
    const adcl__reference_batch *batch = r->batch;
    size_t d = r->tokens.hidden_size;
    for (size_t s = 0; s < batch->sequences; s++)
        for (size_t t = batch->starts[s]; t < batch->starts[s + 1]; t++) {
            const float *word = model->words + (size_t)batch->ids[t] * d;
            const float *position = model->positions + (t - batch->starts[s]) * d;
            size_t type = batch->type_ids == NULL ? 0 : (size_t)batch->type_ids[t];
            for (size_t c = 0; c < d; c++) {
                double sum = (double)word[c] + (double)position[c];
                if (model->types != NULL) sum += (double)model->types[type * d + c];
                r->embeddings[t * d + c] = sum;
            }
        }
    adcl__reference_norm_forward(&r->parameters.embeddings_norm, r->tokens.tokens, r->embeddings,
                                 out);
}

static void embeddings_backward(const run *r, double *dhidden)
{
    adcl__reference_norm_backward(&r->parameters.embeddings_norm, r->tokens.tokens, r->embeddings,
                                  dhidden, dhidden);
}

/* ---- attention ---------------------------------------------------------------------------------
 */

/* Of one sequence. */
static adcl__reference_attention attention_of(const run *r, const layer_state *state, size_t s)
{
    size_t first = r->batch->starts[s], offset = first * r->tokens.hidden_size;
    return (adcl__reference_attention){.rows = r->batch->starts[s + 1] - first,
                                       .hidden_size = r->tokens.hidden_size,
                                       .heads = r->model->config.heads,
                                       .query = state->query + offset,
                                       .key = state->key + offset,
                                       .value = state->value + offset,
                                       .scratch = r->scratch.attention};
}

/* state->attention.h from i (T, D). */
static void attention_forward(const run *r, const adcl__layer_weights *w, layer_state *state,
                              const double *i)
{
    size_t d = r->tokens.hidden_size;
    const frozen_shape square = {d, d};
    frozen_forward(r, &w->query, square, i, state->query);
    frozen_forward(r, &w->key, square, i, state->key);
    frozen_forward(r, &w->value, square, i, state->value);
    for (size_t s = 0; s < r->batch->sequences; s++) {
        adcl__reference_attention attention = attention_of(r, state, s);
        adcl__reference_attention_forward(&attention, r->scratch.context + r->batch->starts[s] * d);
    }
    frozen_forward(r, &w->attention_output, square, r->scratch.context, state->attention.h);
}

/* di (T, D) += what comes back through attention, given scratch.dh. */
static void attention_backward(const run *r, const adcl__layer_weights *w, const layer_state *state,
                               double *di)
{
    const run_scratch *scratch = &r->scratch;
    size_t d = r->tokens.hidden_size;
    const frozen_shape square = {d, d};
    frozen_backward(r, &w->attention_output, square, scratch->dh, scratch->dcontext);
    for (size_t s = 0; s < r->batch->sequences; s++) {
        size_t offset = r->batch->starts[s] * d;
        adcl__reference_attention attention = attention_of(r, state, s);
        adcl__reference_attention_backward(&attention, scratch->dcontext + offset,
                                           scratch->dquery + offset, scratch->dkey + offset,
                                           scratch->dvalue + offset);
    }
    add_frozen_backward(r, &w->query, square, scratch->dquery, di);
    add_frozen_backward(r, &w->key, square, scratch->dkey, di);
    add_frozen_backward(r, &w->value, square, scratch->dvalue, di);
}

/* ---- the feed-forward part ---------------------------------------------------------------------
 */

/* state->output.h from state->middle. */
static void inner_forward(const run *r, const adcl__layer_weights *w, layer_state *state)
{
    size_t d = r->tokens.hidden_size, f = r->model->config.inner_size;
    frozen_forward(r, &w->inner, (frozen_shape){d, f}, state->middle, state->inner);
    adcl__reference_activation_forward(r->model->config.activation, r->tokens.tokens, f,
                                       state->inner, r->scratch.active);
    frozen_forward(r, &w->output, (frozen_shape){f, d}, r->scratch.active, state->output.h);
}

/* dmiddle (T, D) += what comes back through it, given scratch.dh. */
static void inner_backward(const run *r, const adcl__layer_weights *w, const layer_state *state,
                           double *dmiddle)
{
    const run_scratch *scratch = &r->scratch;
    size_t d = r->tokens.hidden_size, f = r->model->config.inner_size;
    frozen_backward(r, &w->output, (frozen_shape){f, d}, scratch->dh, scratch->dactive);
    adcl__reference_activation_backward(r->model->config.activation, r->tokens.tokens, f,
                                        state->inner, scratch->dactive, scratch->dinner);
    add_frozen_backward(r, &w->inner, (frozen_shape){d, f}, scratch->dinner, dmiddle);
}

/* ---- a layer -----------------------------------------------------------------------------------
 */

/* out (T, D) from i (T, D), the layer's input. */
static void layer_forward(const run *r, size_t layer, const double *i, double *out)
{
    const adcl__layer_weights *weights = &r->model->layers[layer];
    const adcl__reference_layer *places = &r->parameters.layers[layer];
    layer_state *state = state_of(r, layer);
    attention_forward(r, weights, state, i);
    adcl__reference_site_forward(&r->tokens, &places->attention, &state->attention, i,
                                 state->middle);
    inner_forward(r, weights, state);
    adcl__reference_site_forward(&r->tokens, &places->output, &state->output, state->middle, out);
}

/* scratch.dh is written and di (T, D) too, given dout (T, D). */
static void site_backward(const run *r, const adcl__reference_site *site,
                          const adcl__reference_site_state *state, const double *dout, double *di)
{
    memset(di, 0, r->tokens.tokens * r->tokens.hidden_size * sizeof *di);
    const adcl__reference_site_gradients gradients = {dout, r->scratch.dh, di};
    adcl__reference_site_backward(&r->tokens, site, state, &r->scratch.site, &gradients);
}

/* scratch.dhidden: that of the layer's output becomes that of its input, where something below
 * needs it. */
static void layer_backward(const run *r, size_t layer)
{
    const run_scratch *scratch = &r->scratch;
    const adcl__layer_weights *weights = &r->model->layers[layer];
    const adcl__reference_layer *places = &r->parameters.layers[layer];
    const layer_state *state = state_of(r, layer);
    bool more_below = layer > r->lowest || r->parameters.embeddings_norm.weight_gradient != NULL;
    site_backward(r, &places->output, &state->output, scratch->dhidden, scratch->dmiddle);
    if (!more_below && !site_is_trained(&places->attention)) return;
    inner_backward(r, weights, state, scratch->dmiddle);
    site_backward(r, &places->attention, &state->attention, scratch->dmiddle, scratch->dhidden);
    if (more_below) attention_backward(r, weights, state, scratch->dhidden);
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static void run_forward(run *r, double *hidden, double *logits)
{
    size_t layers = r->model->config.layers;
    size_t count = r->tokens.tokens * r->tokens.hidden_size;
    embeddings_forward(r, hidden);
    for (size_t l = 0; l < layers; l++)
        layer_forward(r, l, hidden + l * count, hidden + (l + 1) * count);
    if (logits != NULL)
        adcl__reference_head_forward(&r->tokens, &r->parameters, &r->head, hidden + layers * count,
                                     logits);
}

static void run_backward(run *r, const double *dlogits)
{
    adcl__reference_head_backward(&r->tokens, &r->parameters, &r->head, dlogits,
                                  r->scratch.dhidden);
    for (size_t l = r->model->config.layers; l-- > r->lowest;) layer_backward(r, l);
    if (r->parameters.embeddings_norm.weight_gradient != NULL)
        embeddings_backward(r, r->scratch.dhidden);
    adcl__reference_parameters_add_sums(&r->parameters);
}

adcl_status adcl__encoder_reference_run(const adcl__model_weights *model, const adcl__host_set *set,
                                        const adcl__reference_batch *batch, double *hidden,
                                        double *logits, const double *dlogits,
                                        adcl__host_set *gradients, adcl_error *error)
{
    run r = {.model = model,
             .batch = batch,
             .tokens = {.tokens = batch->starts[batch->sequences],
                        .sequences = batch->sequences,
                        .hidden_size = model->config.hidden_size,
                        .starts = batch->starts,
                        .options = set == NULL ? NULL : &set->params}};
    adcl_status status = ADCL_OK;
    if (make_run(&r, set, dlogits == NULL ? NULL : gradients)) {
        run_forward(&r, hidden, logits);
        if (dlogits != NULL) run_backward(&r, dlogits);
    } else {
        status = adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                                 "encoder: no host memory for %zu tokens of engine reference",
                                 r.tokens.tokens);
    }
    adcl__reference_release(&r.memory);
    return status;
}
