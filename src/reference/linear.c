/* SPDX-License-Identifier: MIT */
#include "reference/reference.h"

void adcl__reference_linear_forward(const adcl__reference_linear *linear, size_t rows,
                                    const double *x, double *y)
{
    size_t inputs = linear->input_size, outputs = linear->output_size;
    for (size_t r = 0; r < rows; r++, x += inputs, y += outputs) {
        for (size_t o = 0; o < outputs; o++) y[o] = linear->bias[o];
        for (size_t i = 0; i < inputs; i++)
            for (size_t o = 0; o < outputs; o++) y[o] += x[i] * linear->kernel[i * outputs + o];
    }
}

/* The gradients of one row: x (1, D), dy (1, C), dx (1, D) or NULL. */
static void row_backward(const adcl__reference_linear *linear, const double *x, const double *dy,
                         double *dx)
{
    size_t outputs = linear->output_size;
    for (size_t o = 0; linear->bias_gradient != NULL && o < outputs; o++)
        linear->bias_gradient[o] += dy[o];
    for (size_t i = 0; linear->kernel_gradient != NULL && i < linear->input_size; i++)
        for (size_t o = 0; o < outputs; o++)
            linear->kernel_gradient[i * outputs + o] += x[i] * dy[o];
    for (size_t i = 0; dx != NULL && i < linear->input_size; i++) {
        dx[i] = 0.0;
        for (size_t o = 0; o < outputs; o++) dx[i] += dy[o] * linear->kernel[i * outputs + o];
    }
}

void adcl__reference_linear_backward(const adcl__reference_linear *linear, size_t rows,
                                     const double *x, const double *dy, double *dx)
{
    for (size_t r = 0; r < rows; r++)
        row_backward(linear, x + r * linear->input_size, dy + r * linear->output_size,
                     dx == NULL ? NULL : dx + r * linear->input_size);
}
