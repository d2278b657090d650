/* SPDX-License-Identifier: MIT */
/* layer_norm.c – one row at a time. With m the mean of a row, s = 1/√(variance + ε), w the weight:
 *
 *     x̂ = (x − m)·s                y = x̂ ∘ w + b
 *     dw += x̂ ∘ dy    db += dy     g = dy ∘ w      dx = s·(g − mean(g) − x̂·mean(g ∘ x̂)) */
#include "reference/reference.h"

#include <math.h>

/* m and s of one row. */
typedef struct row_moments {
    double mean, inverse_deviation;
} row_moments;

/* The mean goes first: Σx² − D·m² would cancel where a row is far from 0. */
static row_moments moments(const adcl__reference_norm *norm, const double *x)
{
    double count = (double)norm->size, sum = 0.0, squares = 0.0;
    for (size_t c = 0; c < norm->size; c++) sum += x[c];
    double mean = sum / count;
    for (size_t c = 0; c < norm->size; c++) squares += (x[c] - mean) * (x[c] - mean);
    return (row_moments){mean, 1.0 / sqrt(squares / count + norm->epsilon)};
}

void adcl__reference_norm_forward(const adcl__reference_norm *norm, size_t rows, const double *x,
                                  double *y)
{
    size_t size = norm->size;
    for (size_t r = 0; r < rows; r++, x += size, y += size) {
        row_moments row = moments(norm, x);
        for (size_t c = 0; c < size; c++)
            y[c] = (x[c] - row.mean) * row.inverse_deviation * norm->weight[c] + norm->bias[c];
    }
}

static void row_backward(const adcl__reference_norm *norm, const double *x, const double *dy,
                         double *dx)
{
    row_moments row = moments(norm, x);
    double count = (double)norm->size, sum = 0.0, dot = 0.0;
    for (size_t c = 0; c < norm->size; c++) {
        double normed = (x[c] - row.mean) * row.inverse_deviation;
        if (norm->weight_gradient != NULL) norm->weight_gradient[c] += normed * dy[c];
        if (norm->bias_gradient != NULL) norm->bias_gradient[c] += dy[c];
        sum += dy[c] * norm->weight[c];
        dot += dy[c] * norm->weight[c] * normed;
    }
    for (size_t c = 0; c < norm->size; c++) {
        double normed = (x[c] - row.mean) * row.inverse_deviation;
        double centred = dy[c] * norm->weight[c] - sum / count - normed * (dot / count);
        dx[c] = row.inverse_deviation * centred;
    }
}

void adcl__reference_norm_backward(const adcl__reference_norm *norm, size_t rows, const double *x,
                                   const double *dy, double *dx)
{
    size_t size = norm->size;
    for (size_t r = 0; r < rows; r++)
        row_backward(norm, x + r * size, dy + r * size, dx + r * size);
}
