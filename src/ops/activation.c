/* SPDX-License-Identifier: MIT */
#include "ops/activation.h"

#include "runtime/program.h"

bool adcl__activation_mixes_columns(adcl_activation activation)
{
    return activation == ADCL_ACTIVATION_SOFTMAX || activation == ADCL_ACTIVATION_LOG_SOFTMAX ||
           activation == ADCL_ACTIVATION_LOG_SUMEXP;
}

static adcl__range range_of(adcl_activation activation, const adcl_tensor *z)
{
    return adcl__activation_mixes_columns(activation) ? (adcl__range){.items = {z->rows, 1}}
                                                      : (adcl__range){.items = {z->cols, z->rows}};
}

adcl_status adcl__activation_forward(adcl_context *ctx, adcl_activation activation, adcl_tensor *z,
                                     const adcl_tensor *bias, adcl_tensor *h)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(z), ADCL__VECTOR_ARGS(bias), ADCL__TENSOR_ARGS(h),
        ADCL__UINT_ARG(z->rows), ADCL__UINT_ARG(z->cols)};
    adcl__kernel_id id = {.program = ADCL__PROGRAM_ACTIVATION,
                          .variant = (int)activation,
                          .name = "adcl_activation_fwd"};
    return ADCL__LAUNCH(ctx, id, range_of(activation, z), arguments);
}

adcl_status adcl__activation_backward(adcl_context *ctx, adcl_activation activation,
                                      const adcl_tensor *z, const adcl_tensor *dh, adcl_tensor *dz,
                                      adcl_tensor *h)
{
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(z), ADCL__TENSOR_ARGS(dh),
                                        ADCL__TENSOR_ARGS(dz), ADCL__TENSOR_ARGS(h),
                                        ADCL__UINT_ARG(z->rows), ADCL__UINT_ARG(z->cols)};
    adcl__kernel_id id = {.program = ADCL__PROGRAM_ACTIVATION,
                          .variant = (int)activation,
                          .name = "adcl_activation_bwd"};
    return ADCL__LAUNCH(ctx, id, range_of(activation, z), arguments);
}
