/* SPDX-License-Identifier: MIT */
#include "encoder/frozen.h"

#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"

/* ---- making ----------------------------------------------------------------------------------- */

static adcl_status make_packed(adcl_context *ctx, adcl_mode mode, const adcl__frozen_source *s,
                               adcl__frozen *out)
{
    const adcl__packed_source forward = {s->inputs, s->outputs, s->weight, 1, s->inputs, s->bias};
    const adcl__packed_source backward = {s->outputs, s->inputs, s->weight, s->inputs, 1, NULL};
    ADCL_TRY(adcl__packed_create(ctx, &forward, &out->forward));
    return mode == ADCL_TRAINING ? adcl__packed_create(ctx, &backward, &out->backward) : ADCL_OK;
}

adcl_status adcl__frozen_create(adcl_context *ctx, adcl_engine engine, adcl_mode mode,
                                const adcl__frozen_source *source, adcl__frozen *out)
{
    *out = (adcl__frozen){.inputs = source->inputs, .outputs = source->outputs};
    if (engine == ADCL_ENGINE_FUSED) return make_packed(ctx, mode, source, out);
    ADCL_TRY(adcl__tensor_from(ctx, source->weight, source->outputs, source->inputs, &out->weight));
    return adcl__tensor_from(ctx, source->bias, 1, source->outputs, &out->bias);
}

void adcl__frozen_release(adcl__frozen *frozen)
{
    adcl__packed_release(&frozen->forward);
    adcl__packed_release(&frozen->backward);
    adcl_tensor_destroy(&frozen->weight);
    adcl_tensor_destroy(&frozen->bias);
}

static size_t tensor_bytes(const adcl_tensor *tensor)
{
    return tensor == NULL ? 0 : tensor->rows * tensor->cols * sizeof(float);
}

size_t adcl__frozen_bytes(const adcl__frozen *frozen)
{
    return tensor_bytes(frozen->forward.panels) + tensor_bytes(frozen->forward.bias) +
           tensor_bytes(frozen->backward.panels) + tensor_bytes(frozen->weight) +
           tensor_bytes(frozen->bias);
}

adcl_status adcl__frozen_scratch_bytes(adcl_context *ctx, const adcl__frozen *frozen, size_t rows,
                                       size_t *bytes)
{
    *bytes = 0;
    if (frozen->weight == NULL) return ADCL_OK;
    const adcl__gemm_shape products[] = {{false, true, rows, frozen->outputs, frozen->inputs},
                                         {false, false, rows, frozen->inputs, frozen->outputs}};
    return adcl__gemm_scratch_most(ctx, products, 2, bytes);
}

/* ---- engine gemm ------------------------------------------------------------------------------ */

/* out = a·op(W) + what is in out already, or nothing. */
static adcl_status multiply(adcl_context *ctx, const adcl__frozen *frozen, bool forward, bool adds,
                            const adcl_tensor *a, cl_mem scratch, adcl_tensor *out)
{
    return adcl__gemm_run(ctx, &(adcl__gemm){.transpose_b = forward, .alpha = 1.0f,
                                             .beta = adds ? 1.0f : 0.0f, .a = a,
                                             .b = frozen->weight, .c = out, .scratch = scratch});
}

static adcl_status gemm_forward(adcl_context *ctx, const adcl__frozen *frozen, const adcl_tensor *a,
                                const adcl__product_end *end, cl_mem scratch, adcl_tensor *out)
{
    if (end->activates) {
        adcl_tensor *z = end->keep != NULL ? end->keep : out; /* kept in place of its slope */
        ADCL_TRY(multiply(ctx, frozen, true, false, a, scratch, z));
        return adcl__activation_forward(ctx, end->activation, z, frozen->bias, out);
    }
    ADCL_TRY(adcl__residual_forward(ctx, end->own, frozen->bias, 1.0f, out));
    return multiply(ctx, frozen, true, true, a, scratch, out);
}

static adcl_status gemm_backward(adcl_context *ctx, const adcl__frozen *frozen,
                                 const adcl_tensor *dout, const adcl__product_end *end,
                                 const adcl__frozen_scratch *scratch, adcl_tensor *da)
{
    bool adds = end->own != NULL;
    if (adds && !adcl__tensors_equal(end->own, da))
        ADCL_TRY(adcl_tensor_copy(ctx, end->own, da));
    ADCL_TRY(multiply(ctx, frozen, false, adds, dout, scratch->products, da));
    if (end->slope == NULL) return ADCL_OK;
    return adcl__activation_backward(ctx, end->activation, end->slope, da, da, scratch->again);
}

/* ---- products --------------------------------------------------------------------------------- */

adcl_status adcl__frozen_forward(adcl_context *ctx, const adcl__frozen *frozen,
                                 const adcl_tensor *a, const adcl__product_end *end,
                                 const adcl__frozen_scratch *scratch, adcl_tensor *out)
{
    if (frozen->weight != NULL)
        return gemm_forward(ctx, frozen, a, end, scratch->products, out);
    return adcl__packed_product(ctx, &frozen->forward, a, end, out);
}

adcl_status adcl__frozen_backward(adcl_context *ctx, const adcl__frozen *frozen,
                                  const adcl_tensor *dout, const adcl__product_end *end,
                                  const adcl__frozen_scratch *scratch, adcl_tensor *da)
{
    if (frozen->weight != NULL) return gemm_backward(ctx, frozen, dout, end, scratch, da);
    return adcl__packed_product(ctx, &frozen->backward, dout, end, da);
}
