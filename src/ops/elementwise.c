/* SPDX-License-Identifier: MIT */
#include "ops/elementwise.h"

#include "runtime/program.h"

#include <math.h>
#include <string.h>

static adcl__kernel_id kernel(const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_ELEMENTWISE, .name = name};
}

static adcl__kernel_id residual_kernel(const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_RESIDUAL, .name = name};
}

/* One work-item per element of `tensor`. */
static adcl__range per_element(const adcl_tensor *tensor)
{
    return (adcl__range){.items = {tensor->cols, tensor->rows}};
}

static adcl_dtype dtype_of(const adcl_tensor *tensor)
{
    return tensor == NULL ? ADCL_F32 : tensor->dtype;
}

/* `value` as the 32 bits of an element. */
static cl_uint element_word(adcl_dtype dtype, float value)
{
    cl_uint word;
    if (dtype == ADCL_I32) {
        int32_t integer = (int32_t)value;
        memcpy(&word, &integer, sizeof word);
    } else {
        memcpy(&word, &value, sizeof word);
    }
    return word;
}

/* ---- public: tensor.h -------------------------------------------------------------------------*/

adcl_status adcl_tensor_fill(adcl_context *ctx, adcl_tensor *tensor, float value)
{
    ADCL_TRY(adcl__check_tensor(ctx, "tensor fill", tensor, dtype_of(tensor)));
    if (tensor->dtype == ADCL_I32 && !(value >= -2147483648.0f && value < 2147483648.0f))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "tensor fill: expected a value that an I32 element can hold, got %g",
                          (double)value);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(tensor), ADCL__UINT_ARG(tensor->rows), ADCL__UINT_ARG(tensor->cols),
        ADCL__UINT_ARG(element_word(tensor->dtype, value)), ADCL__UINT_ARG(adcl__item_columns(ctx))};
    return ADCL__LAUNCH(ctx, kernel("adcl_fill"),
                        adcl__column_range(ctx, tensor->rows, tensor->cols), arguments);
}

adcl_status adcl_tensor_copy(adcl_context *ctx, const adcl_tensor *source,
                             adcl_tensor *destination)
{
    ADCL_TRY(adcl__check_tensor(ctx, "tensor copy: source", source, dtype_of(source)));
    ADCL_TRY(adcl__check_shape(ctx, "tensor copy: destination", destination, source->dtype,
                               source->rows, source->cols));
    if (adcl__tensors_overlap(source, destination))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "tensor copy: source and destination overlap");
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(source), ADCL__TENSOR_ARGS(destination),
                                        ADCL__UINT_ARG(source->rows), ADCL__UINT_ARG(source->cols),
                                        ADCL__UINT_ARG(adcl__item_columns(ctx))};
    return ADCL__LAUNCH(ctx, kernel("adcl_copy"),
                        adcl__column_range(ctx, source->rows, source->cols), arguments);
}

adcl_status adcl_tensor_gather_rows(adcl_context *ctx, const adcl_tensor *source,
                                    const adcl_tensor *indices, adcl_tensor *destination)
{
    ADCL_TRY(adcl__check_tensor(ctx, "gather rows: source", source, dtype_of(source)));
    ADCL_TRY(adcl__check_tensor(ctx, "gather rows: destination", destination, source->dtype));
    ADCL_TRY(adcl__check_shape(ctx, "gather rows: indices", indices, ADCL_I32,
                               destination->rows, 1));
    if (destination->cols != source->cols)
        return adcl__fail(ctx, ADCL_ERR_SHAPE_MISMATCH, 0,
                          "gather rows: expected a destination of %zu columns, got %zu",
                          source->cols, destination->cols);
    if (adcl__tensors_overlap(source, destination) || adcl__tensors_overlap(indices, destination))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "gather rows: the destination overlaps source or indices");
    cl_uint outside =
        source->dtype == ADCL_I32 ? 0x80000000u : element_word(ADCL_F32, (float)NAN);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(source),      ADCL__UINT_ARG(source->rows),
        ADCL__TENSOR_ARGS(indices),     ADCL__TENSOR_ARGS(destination),
        ADCL__UINT_ARG(destination->rows), ADCL__UINT_ARG(destination->cols),
        ADCL__UINT_ARG(outside), ADCL__UINT_ARG(adcl__item_columns(ctx))};
    return ADCL__LAUNCH(ctx, kernel("adcl_gather_rows"),
                        adcl__column_range(ctx, destination->rows, destination->cols), arguments);
}

/* ---- residual and dropout ---------------------------------------------------------------------*/

adcl_status adcl__residual_forward(adcl_context *ctx, const adcl_tensor *x, const adcl_tensor *bias,
                                   float scaling, adcl_tensor *y)
{
    const adcl_tensor *own = x != NULL ? x : y; /* a kernel argument must be some buffer */
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(own), ADCL__VECTOR_ARGS(bias), ADCL__TENSOR_ARGS(y),
        ADCL__UINT_ARG(y->rows), ADCL__UINT_ARG(y->cols), ADCL__ARG(scaling),
        ADCL__UINT_ARG(x != NULL)};
    return ADCL__LAUNCH(ctx, residual_kernel("adcl_residual_fwd"), per_element(y), arguments);
}

#define MASK_ARGS(mask)                                                                            \
    {sizeof(cl_ulong), &(mask)->seed}, {sizeof(cl_ulong), &(mask)->step},                          \
        {sizeof(cl_uint), &(mask)->threshold}, {sizeof(float), &(mask)->keep_scale}

adcl_status adcl__dropout_forward(adcl_context *ctx, const adcl_tensor *x, const adcl_tensor *bias,
                                  float scaling, const adcl__dropout_mask *mask, adcl_tensor *y)
{
    const adcl_tensor *own = x != NULL ? x : y;
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(own), ADCL__VECTOR_ARGS(bias), ADCL__TENSOR_ARGS(y),
        ADCL__UINT_ARG(y->rows), ADCL__UINT_ARG(y->cols), ADCL__ARG(scaling),
        ADCL__UINT_ARG(x != NULL), MASK_ARGS(mask)};
    return ADCL__LAUNCH(ctx, residual_kernel("adcl_dropout_fwd"), per_element(y), arguments);
}

adcl_status adcl__dropout_backward(adcl_context *ctx, const adcl_tensor *dy,
                                   const adcl__dropout_mask *mask, adcl_tensor *du)
{
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(dy), ADCL__TENSOR_ARGS(du),
                                        ADCL__UINT_ARG(du->rows), ADCL__UINT_ARG(du->cols),
                                        MASK_ARGS(mask)};
    return ADCL__LAUNCH(ctx, residual_kernel("adcl_dropout_bwd"), per_element(du), arguments);
}
