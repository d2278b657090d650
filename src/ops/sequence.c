/* SPDX-License-Identifier: MIT */
#include "ops/sequence.h"

#include "runtime/program.h"

static adcl__kernel_id kernel(const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_SEQUENCE, .name = name};
}

static adcl__kernel_id gate_kernel(const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_GATE, .name = name};
}

static adcl__range per_element(const adcl_tensor *tensor)
{
    return (adcl__range){.items = {tensor->cols, tensor->rows}};
}

static adcl__range each(size_t count)
{
    return (adcl__range){.items = {count, 1}};
}

/* ---- pooling ---------------------------------------------------------------------------------- */

adcl_status adcl__pool_forward(adcl_context *ctx, const adcl_tensor *x, const adcl__sequences *s,
                               bool mean, adcl_tensor *out)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(x), ADCL__ARG(s->starts->buffer), ADCL__TENSOR_ARGS(out),
        ADCL__UINT_ARG(s->count), ADCL__UINT_ARG(x->cols), ADCL__UINT_ARG(mean)};
    return ADCL__LAUNCH(ctx, kernel("adcl_pool_fwd"), per_element(out), arguments);
}

adcl_status adcl__pool_backward(adcl_context *ctx, const adcl_tensor *dout,
                                const adcl__sequences *s, bool mean, adcl_tensor *dx)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(dout), ADCL__ARG(s->starts->buffer), ADCL__ARG(s->of_token->buffer),
        ADCL__TENSOR_ARGS(dx), ADCL__UINT_ARG(dx->rows), ADCL__UINT_ARG(dx->cols),
        ADCL__UINT_ARG(mean)};
    return ADCL__LAUNCH(ctx, kernel("adcl_pool_bwd"), per_element(dx), arguments);
}

adcl_status adcl__normalize_rows(adcl_context *ctx, adcl_tensor *x)
{
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(x), ADCL__UINT_ARG(x->rows),
                                        ADCL__UINT_ARG(x->cols)};
    return ADCL__LAUNCH(ctx, kernel("adcl_normalize_rows"), each(x->rows), arguments);
}

/* ---- element by element ----------------------------------------------------------------------- */

adcl_status adcl__add(adcl_context *ctx, const adcl_tensor *a, const adcl_tensor *b,
                      adcl_tensor *out)
{
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(a), ADCL__TENSOR_ARGS(b),
                                        ADCL__TENSOR_ARGS(out), ADCL__UINT_ARG(out->rows),
                                        ADCL__UINT_ARG(out->cols)};
    return ADCL__LAUNCH(ctx, kernel("adcl_add"), per_element(out), arguments);
}

static adcl_status two_matrices(adcl_context *ctx, const char *name, const adcl_tensor *first,
                                const adcl_tensor *second)
{
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(first), ADCL__TENSOR_ARGS(second),
                                        ADCL__UINT_ARG(second->rows), ADCL__UINT_ARG(second->cols)};
    return ADCL__LAUNCH(ctx, kernel(name), per_element(second), arguments);
}

adcl_status adcl__tanh_forward(adcl_context *ctx, const adcl_tensor *x, adcl_tensor *out)
{
    return two_matrices(ctx, "adcl_tanh_fwd", x, out);
}

adcl_status adcl__tanh_backward(adcl_context *ctx, const adcl_tensor *out, adcl_tensor *dout)
{
    return two_matrices(ctx, "adcl_tanh_bwd", out, dout);
}

/* ---- learned scaling -------------------------------------------------------------------------- */

adcl_status adcl__scale_forward(adcl_context *ctx, const adcl_tensor *v, const adcl_tensor *scale,
                                adcl_tensor *out)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(v), ADCL__VECTOR_ARGS(scale), ADCL__UINT_ARG(scale->cols > 1),
        ADCL__TENSOR_ARGS(out), ADCL__UINT_ARG(v->rows), ADCL__UINT_ARG(v->cols)};
    return ADCL__LAUNCH(ctx, gate_kernel("adcl_scale_fwd"), per_element(out), arguments);
}

adcl_status adcl__scale_gradient(adcl_context *ctx, const adcl_tensor *dout, const adcl_tensor *v,
                                 adcl_tensor *sums, adcl_tensor *gradient)
{
    bool channels = gradient->cols > 1;
    const adcl_tensor *to = channels ? gradient : sums;
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(dout), ADCL__TENSOR_ARGS(v), ADCL__VECTOR_ARGS(to),
        ADCL__UINT_ARG(v->rows), ADCL__UINT_ARG(v->cols), ADCL__UINT_ARG(channels)};
    ADCL_TRY(ADCL__LAUNCH(ctx, gate_kernel("adcl_product_sums"), each(v->cols), arguments));
    if (channels) return ADCL_OK;
    const adcl__argument total[] = {ADCL__VECTOR_ARGS(sums), ADCL__VECTOR_ARGS(gradient),
                                    ADCL__UINT_ARG(v->cols)};
    return ADCL__LAUNCH(ctx, gate_kernel("adcl_add_total"), each(1), total);
}

/* ---- gates ------------------------------------------------------------------------------------ */

adcl_status adcl__gate_apply(adcl_context *ctx, const adcl__gate *gate, const adcl__sequences *s,
                             const adcl_tensor *u, adcl_tensor *out)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(u), ADCL__ARG(gate->gates->buffer), ADCL__ARG(s->of_token->buffer),
        ADCL__TENSOR_ARGS(out), ADCL__UINT_ARG(u->rows), ADCL__UINT_ARG(u->cols)};
    return ADCL__LAUNCH(ctx, gate_kernel("adcl_gate_apply"), per_element(out), arguments);
}

adcl_status adcl__gate_forward(adcl_context *ctx, const adcl__gate *gate, const adcl__sequences *s,
                               const adcl_tensor *x, const adcl_tensor *u, adcl_tensor *out)
{
    const adcl__argument tokens[] = {
        ADCL__TENSOR_ARGS(x), ADCL__TENSOR_ARGS(gate->kernel), ADCL__VECTOR_ARGS(gate->bias),
        ADCL__ARG(gate->tokens->buffer), ADCL__UINT_ARG(x->rows), ADCL__UINT_ARG(x->cols)};
    ADCL_TRY(ADCL__LAUNCH(ctx, gate_kernel("adcl_gate_tokens"), each(x->rows), tokens));
    const adcl__argument means[] = {ADCL__ARG(gate->tokens->buffer), ADCL__ARG(s->starts->buffer),
                                    ADCL__ARG(gate->gates->buffer), ADCL__UINT_ARG(s->count)};
    ADCL_TRY(ADCL__LAUNCH(ctx, gate_kernel("adcl_gate_means"), each(s->count), means));
    return adcl__gate_apply(ctx, gate, s, u, out);
}

adcl_status adcl__gate_backward(adcl_context *ctx, const adcl__gate *gate, const adcl__sequences *s,
                                const adcl_tensor *x, const adcl_tensor *u, const adcl_tensor *dout,
                                adcl_tensor *kernel_gradient, adcl_tensor *bias_gradient,
                                adcl_tensor *dx)
{
    const adcl__argument logits[] = {
        ADCL__TENSOR_ARGS(dout), ADCL__TENSOR_ARGS(u), ADCL__ARG(gate->tokens->buffer),
        ADCL__ARG(s->starts->buffer), ADCL__ARG(gate->dlogits->buffer), ADCL__UINT_ARG(s->count),
        ADCL__UINT_ARG(u->cols)};
    ADCL_TRY(ADCL__LAUNCH(ctx, gate_kernel("adcl_gate_bwd"), each(s->count), logits));
    if (kernel_gradient != NULL) {
        const adcl__argument gradients[] = {
            ADCL__ARG(gate->dlogits->buffer), ADCL__TENSOR_ARGS(x),
            ADCL__TENSOR_ARGS(kernel_gradient), ADCL__VECTOR_ARGS(bias_gradient),
            ADCL__UINT_ARG(x->rows), ADCL__UINT_ARG(x->cols)};
        ADCL_TRY(ADCL__LAUNCH(ctx, gate_kernel("adcl_gate_gradients"), each(x->cols), gradients));
    }
    if (dx == NULL) return ADCL_OK;
    const adcl__argument input[] = {
        ADCL__ARG(gate->dlogits->buffer), ADCL__TENSOR_ARGS(gate->kernel), ADCL__TENSOR_ARGS(dx),
        ADCL__UINT_ARG(dx->rows), ADCL__UINT_ARG(dx->cols)};
    return ADCL__LAUNCH(ctx, gate_kernel("adcl_gate_bwd_input"), per_element(dx), input);
}
