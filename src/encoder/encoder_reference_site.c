/* SPDX-License-Identifier: MIT */
/* encoder_reference_site.c – what follows a sublayer: h is what it gives, i what it took.
 *
 *     sequential                                            parallel
 *     ln_before of the model:   sum = h + i, x = LN(sum)    x = i
 *     without it:               x = h
 *     u = gate·scaling ∘ up(act(down(ln_before(x))))        the same
 *     r = h, x or h + i         v = ln_after(u) + r         v = ln_after(u) + h
 *                               or ln_after(u + r)
 *     out = LN(v + i), the same LN; or v where the options leave it out
 *
 * Without an adapter out = LN(h + i). LN is the model's layer norm, with the set's values where it
 * trains them; used twice, it gets two gradients. */
#include "encoder/encoder_reference_parts.h"

#include <math.h>
#include <string.h>

void adcl__reference_site_state_make(adcl__reference_site_state *out,
                                     adcl__reference_memory *memory,
                                     const adcl__reference_tokens *tokens, size_t bottleneck)
{
    size_t t = tokens->tokens, d = tokens->hidden_size;
    *out = (adcl__reference_site_state){0};
    out->h = adcl__reference_take_matrix(memory, t, d);
    out->last = adcl__reference_take_matrix(memory, t, d);
    if (bottleneck == 0) return;
    double **wide[] = {&out->sum, &out->entered, &out->normed, &out->up, &out->update};
    for (size_t m = 0; m < sizeof wide / sizeof wide[0]; m++)
        *wide[m] = adcl__reference_take_matrix(memory, t, d);
    out->z = adcl__reference_take_matrix(memory, t, bottleneck);
    out->a = adcl__reference_take_matrix(memory, t, bottleneck);
    out->gate = adcl__reference_take_matrix(memory, t, 1);
    out->openness = adcl__reference_take_matrix(memory, tokens->sequences, 1);
}

void adcl__reference_site_scratch_make(adcl__reference_site_scratch *out,
                                       adcl__reference_memory *memory,
                                       const adcl__reference_tokens *tokens, size_t bottleneck)
{
    size_t t = tokens->tokens, d = tokens->hidden_size;
    double **wide[] = {&out->dlast, &out->dsum, &out->dupdate, &out->dup, &out->dx};
    for (size_t m = 0; m < sizeof wide / sizeof wide[0]; m++)
        *wide[m] = adcl__reference_take_matrix(memory, t, d);
    out->da = adcl__reference_take_matrix(memory, t, bottleneck);
    out->dz = adcl__reference_take_matrix(memory, t, bottleneck);
    out->dgate = adcl__reference_take_matrix(memory, t, 1);
}

/* a += b, both (T, D). */
static void add(const adcl__reference_tokens *tokens, double *a, const double *b)
{
    for (size_t e = 0; e < tokens->tokens * tokens->hidden_size; e++) a[e] += b[e];
}

static void copy(const adcl__reference_tokens *tokens, double *to, const double *from)
{
    memcpy(to, from, tokens->tokens * tokens->hidden_size * sizeof *to);
}

static bool is_gated(const adcl__reference_site *site)
{
    return site->gate.kernel != NULL;
}

static double scaling_of(const adcl__reference_site *site, size_t channel)
{
    return site->scaling[site->scaling_count == 1 ? 0 : channel];
}

/* ---- the gate ----------------------------------------------------------------------------------
 */

/* openness[s] = the mean of sigmoid(gate(x)) over the tokens of sequence s; 1 without a gate. */
static void gate_forward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                         adcl__reference_site_state *state)
{
    if (is_gated(site)) {
        adcl__reference_linear_forward(&site->gate, tokens->tokens, state->x, state->gate);
        for (size_t t = 0; t < tokens->tokens; t++)
            state->gate[t] = 1.0 / (1.0 + exp(-state->gate[t]));
    }
    for (size_t s = 0; s < tokens->sequences; s++) {
        size_t first = tokens->starts[s], end = tokens->starts[s + 1];
        double sum = 0.0;
        for (size_t t = first; is_gated(site) && t < end; t++) sum += state->gate[t];
        state->openness[s] = is_gated(site) ? sum / (double)(end - first) : 1.0;
    }
}

/* Adds the gate's share to scratch->dx, given dupdate. scratch->dup serves as memory for the share.
 */
static void gate_backward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                          const adcl__reference_site_state *state,
                          const adcl__reference_site_scratch *scratch)
{
    size_t d = tokens->hidden_size;
    for (size_t s = 0; s < tokens->sequences; s++) {
        size_t first = tokens->starts[s], end = tokens->starts[s + 1];
        double dopenness = 0.0;
        for (size_t e = first * d; e < end * d; e++)
            dopenness += scratch->dupdate[e] * scaling_of(site, e % d) * state->up[e];
        for (size_t t = first; t < end; t++)
            scratch->dgate[t] =
                dopenness / (double)(end - first) * state->gate[t] * (1.0 - state->gate[t]);
    }
    adcl__reference_linear_backward(&site->gate, tokens->tokens, state->x, scratch->dgate,
                                    scratch->dup);
    add(tokens, scratch->dx, scratch->dup);
}

/* ---- scaling and gate: what lies between up and update -----------------------------------------
 */

/* update = openness·scaling ∘ up */
static void scale_forward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                          adcl__reference_site_state *state)
{
    size_t d = tokens->hidden_size;
    for (size_t s = 0; s < tokens->sequences; s++)
        for (size_t e = tokens->starts[s] * d; e < tokens->starts[s + 1] * d; e++)
            state->update[e] = state->openness[s] * scaling_of(site, e % d) * state->up[e];
}

/* dup = openness·scaling ∘ dupdate, and the gradient of scaling. */
static void scale_backward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                           const adcl__reference_site_state *state,
                           const adcl__reference_site_scratch *scratch)
{
    size_t d = tokens->hidden_size;
    for (size_t s = 0; s < tokens->sequences; s++)
        for (size_t e = tokens->starts[s] * d; e < tokens->starts[s + 1] * d; e++) {
            double dscaled = state->openness[s] * scratch->dupdate[e];
            scratch->dup[e] = scaling_of(site, e % d) * dscaled;
            if (site->scaling_gradient != NULL)
                site->scaling_gradient[site->scaling_count == 1 ? 0 : e % d] +=
                    dscaled * state->up[e];
        }
}

/* ---- the adapter: x to update ------------------------------------------------------------------
 */

/* What down takes. */
static const double *normed_input(const adcl__reference_site *site,
                                  const adcl__reference_site_state *state)
{
    return site->norm_before.weight == NULL ? state->x : state->normed;
}

static void adapter_forward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                            adcl__reference_site_state *state)
{
    size_t rows = tokens->tokens;
    if (site->norm_before.weight != NULL)
        adcl__reference_norm_forward(&site->norm_before, rows, state->x, state->normed);
    adcl__reference_linear_forward(&site->down, rows, normed_input(site, state), state->z);
    adcl__reference_activation_forward(tokens->options->activation, rows, site->bottleneck,
                                       state->z, state->a);
    adcl__reference_linear_forward(&site->up, rows, state->a, state->up);
    gate_forward(tokens, site, state);
    scale_forward(tokens, site, state);
}

/* scratch->dx from scratch->dupdate, and all gradients of the adapter up to ln_after. */
static void adapter_backward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                             const adcl__reference_site_state *state,
                             const adcl__reference_site_scratch *scratch)
{
    size_t rows = tokens->tokens;
    scale_backward(tokens, site, state, scratch);
    adcl__reference_linear_backward(&site->up, rows, state->a, scratch->dup, scratch->da);
    adcl__reference_activation_backward(tokens->options->activation, rows, site->bottleneck,
                                        state->z, scratch->da, scratch->dz);
    adcl__reference_linear_backward(&site->down, rows, normed_input(site, state), scratch->dz,
                                    scratch->dx);
    if (site->norm_before.weight != NULL)
        adcl__reference_norm_backward(&site->norm_before, rows, state->x, scratch->dx, scratch->dx);
    if (is_gated(site)) gate_backward(tokens, site, state, scratch);
}

/* ---- what leads into the adapter ---------------------------------------------------------------
 */

static void enter_forward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                          adcl__reference_site_state *state, const double *i)
{
    const adcl_adapter_set_params *options = tokens->options;
    if (options->parallel) {
        state->x = i;
        state->residual = NULL;
        return;
    }
    copy(tokens, state->sum, state->h);
    add(tokens, state->sum, i);
    state->x = state->h;
    if (options->original_ln_before) {
        adcl__reference_norm_forward(&site->model_norm, tokens->tokens, state->sum, state->entered);
        state->x = state->entered;
    }
    state->residual = options->residual == ADCL_RESIDUAL_BEFORE_LN  ? state->h
                      : options->residual == ADCL_RESIDUAL_AFTER_LN ? state->x
                                                                    : state->sum;
}

/* Takes scratch->dx, and dresidual, which is ∂L/∂r, to h and i. */
static void enter_backward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                           const adcl__reference_site_state *state,
                           const adcl__reference_site_scratch *scratch, const double *dresidual,
                           const adcl__reference_site_gradients *gradients)
{
    const adcl_adapter_set_params *options = tokens->options;
    if (options->parallel) {
        add(tokens, gradients->di, scratch->dx);
        return;
    }
    if (options->residual == ADCL_RESIDUAL_BEFORE_LN) add(tokens, gradients->dh, dresidual);
    if (options->residual == ADCL_RESIDUAL_AFTER_LN) add(tokens, scratch->dx, dresidual);
    if (!options->original_ln_before) add(tokens, gradients->dh, scratch->dx);
    memset(scratch->dsum, 0, tokens->tokens * tokens->hidden_size * sizeof(double));
    if (options->original_ln_before)
        adcl__reference_norm_backward(&site->model_norm, tokens->tokens, state->sum, scratch->dx,
                                      scratch->dsum);
    if (options->residual == ADCL_RESIDUAL_POST_ADD) add(tokens, scratch->dsum, dresidual);
    add(tokens, gradients->dh, scratch->dsum);
    add(tokens, gradients->di, scratch->dsum);
}

/* ---- what leads out of it ----------------------------------------------------------------------
 */

/* state->last: v of the opening comment, without + i. */
static void leave_forward(const adcl__reference_tokens *tokens, const adcl__reference_site *site,
                          adcl__reference_site_state *state)
{
    bool first = tokens->options->adapter_residual_before_ln != 0;
    if (state->residual != NULL && first) add(tokens, state->update, state->residual);
    if (site->norm_after.weight == NULL)
        copy(tokens, state->last, state->update);
    else
        adcl__reference_norm_forward(&site->norm_after, tokens->tokens, state->update, state->last);
    if (state->residual != NULL && !first) add(tokens, state->last, state->residual);
    if (tokens->options->parallel) add(tokens, state->last, state->h);
}

/* scratch->dupdate from scratch->dlast. Returns ∂L/∂r. */
static const double *leave_backward(const adcl__reference_tokens *tokens,
                                    const adcl__reference_site *site,
                                    const adcl__reference_site_state *state,
                                    const adcl__reference_site_scratch *scratch)
{
    if (site->norm_after.weight == NULL)
        copy(tokens, scratch->dupdate, scratch->dlast);
    else
        adcl__reference_norm_backward(&site->norm_after, tokens->tokens, state->update,
                                      scratch->dlast, scratch->dupdate);
    return tokens->options->adapter_residual_before_ln ? scratch->dupdate : scratch->dlast;
}

/* ---- the whole site ----------------------------------------------------------------------------
 */

/* Whether the model's norm, and + i before it, come last. */
static bool ends_with_norm(const adcl__reference_tokens *tokens, const adcl__reference_site *site)
{
    return site->bottleneck == 0 || tokens->options->original_ln_after;
}

void adcl__reference_site_forward(const adcl__reference_tokens *tokens,
                                  const adcl__reference_site *site,
                                  adcl__reference_site_state *state, const double *i, double *out)
{
    if (site->bottleneck == 0) {
        copy(tokens, state->last, state->h);
    } else {
        enter_forward(tokens, site, state, i);
        adapter_forward(tokens, site, state);
        leave_forward(tokens, site, state);
    }
    if (!ends_with_norm(tokens, site)) {
        copy(tokens, out, state->last);
        return;
    }
    add(tokens, state->last, i);
    adcl__reference_norm_forward(&site->model_norm, tokens->tokens, state->last, out);
}

void adcl__reference_site_backward(const adcl__reference_tokens *tokens,
                                   const adcl__reference_site *site,
                                   const adcl__reference_site_state *state,
                                   const adcl__reference_site_scratch *scratch,
                                   const adcl__reference_site_gradients *gradients)
{
    copy(tokens, scratch->dlast, gradients->dout);
    if (ends_with_norm(tokens, site)) {
        adcl__reference_norm_backward(&site->model_norm, tokens->tokens, state->last,
                                      scratch->dlast, scratch->dlast);
        add(tokens, gradients->di, scratch->dlast);
    }
    if (site->bottleneck == 0) {
        copy(tokens, gradients->dh, scratch->dlast);
        return;
    }
    if (tokens->options->parallel)
        copy(tokens, gradients->dh, scratch->dlast);
    else
        memset(gradients->dh, 0, tokens->tokens * tokens->hidden_size * sizeof(double));
    const double *dresidual = leave_backward(tokens, site, state, scratch);
    adapter_backward(tokens, site, state, scratch);
    enter_backward(tokens, site, state, scratch, dresidual, gradients);
}
