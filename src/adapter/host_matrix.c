/* SPDX-License-Identifier: MIT */
#include "adapter/host_matrix.h"

/* The tensor is mapped, so that no second copy of it in floats is needed, through a value of its
 * own: whether it is mapped is no part of what the caller's const promises, and a driver that fails
 * to unmap does not spoil the tensor. */
adcl_status adcl__matrix_to_host(adcl_context *ctx, const adcl_tensor *tensor, double *out)
{
    adcl_tensor view = *tensor;
    void *data = NULL;
    if (view.rows == 0) return ADCL_OK;
    ADCL_TRY(adcl_tensor_map(ctx, &view, ADCL_MAP_READ, &data));
    const float *numbers = data;
    for (size_t r = 0; r < view.rows; r++)
        for (size_t c = 0; c < view.cols; c++)
            out[r * view.cols + c] = (double)numbers[r * view.row_stride + c];
    return adcl_tensor_unmap(ctx, &view);
}

adcl_status adcl__matrix_from_host(adcl_context *ctx, const double *numbers, adcl_tensor *tensor)
{
    adcl_tensor view = *tensor;
    void *data = NULL;
    if (view.rows == 0) return ADCL_OK;
    /* Read too: between the rows of a strided matrix lies memory that must stay as it is. */
    ADCL_TRY(adcl_tensor_map(ctx, &view, ADCL_MAP_READ_WRITE, &data));
    float *out = data;
    for (size_t r = 0; r < view.rows; r++)
        for (size_t c = 0; c < view.cols; c++)
            out[r * view.row_stride + c] = (float)numbers[r * view.cols + c];
    return adcl_tensor_unmap(ctx, &view);
}
