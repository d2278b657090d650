/* SPDX-License-Identifier: MIT */
/* attention.c – one head and one query at a time; a row of the (N, N) matrix of weights is all that
 * is ever there, and backward makes it again from q and k:
 *
 *     (1, K)         (1, N)         (1, N)          (1, K)
 *       q ──·kᵀ/√K──► s ──softmax──► p ──── ·v ────► o
 *
 *     dp = do·vᵀ     dv += pᵀ·do     ds = p ∘ (dp − Σ dp·p)     dq = ds·k/√K     dk += dsᵀ·q/√K */
#include "reference/reference.h"

#include <math.h>

/* One head: K columns from `first` on. The four rows of the scratch memory are (1, N) each. */
typedef struct attention_head {
    size_t rows, width, first, stride; /* N, K, and the D columns of every matrix */
    double scale;                      /* 1/√K */
    double *scores, *weights, *weights_gradient, *scores_gradient;
} attention_head;

static attention_head make_head(const adcl__reference_attention *attention, size_t index)
{
    size_t n = attention->rows, width = attention->hidden_size / attention->heads;
    double *scratch = attention->scratch;
    return (attention_head){.rows = n,
                            .width = width,
                            .first = index * width,
                            .stride = attention->hidden_size,
                            .scale = 1.0 / sqrt((double)width),
                            .scores = scratch,
                            .weights = scratch + n,
                            .weights_gradient = scratch + 2 * n,
                            .scores_gradient = scratch + 3 * n};
}

/* out (1, N) = factor·row·matrixᵀ, over the columns of the head: row (1, K), matrix (N, D). */
static void dot_rows(const attention_head *head, const double *row, const double *matrix,
                     double factor, double *out)
{
    for (size_t j = 0; j < head->rows; j++) {
        const double *other = matrix + j * head->stride + head->first;
        double sum = 0.0;
        for (size_t c = 0; c < head->width; c++) sum += row[c] * other[c];
        out[j] = factor * sum;
    }
}

/* out (1, K) = factor·weights·matrix: weights (1, N), matrix (N, D). */
static void sum_rows(const attention_head *head, const double *weights, const double *matrix,
                     double factor, double *out)
{
    for (size_t c = 0; c < head->width; c++) out[c] = 0.0;
    for (size_t j = 0; j < head->rows; j++) {
        const double *row = matrix + j * head->stride + head->first;
        for (size_t c = 0; c < head->width; c++) out[c] += factor * weights[j] * row[c];
    }
}

/* matrix (N, D) += factor·weightsᵀ·row: weights (1, N), row (1, K). */
static void spread_row(const attention_head *head, const double *weights, const double *row,
                       double factor, double *matrix)
{
    for (size_t j = 0; j < head->rows; j++) {
        double *out = matrix + j * head->stride + head->first;
        for (size_t c = 0; c < head->width; c++) out[c] += factor * weights[j] * row[c];
    }
}

/* scores and weights of the query at `offset`. */
static void attend(const adcl__reference_attention *attention, const attention_head *head,
                   size_t offset)
{
    dot_rows(head, attention->query + offset, attention->key, head->scale, head->scores);
    adcl__reference_activation_forward(ADCL_ACTIVATION_SOFTMAX, 1, head->rows, head->scores,
                                       head->weights);
}

void adcl__reference_attention_forward(const adcl__reference_attention *attention, double *o)
{
    for (size_t h = 0; h < attention->heads; h++) {
        attention_head head = make_head(attention, h);
        for (size_t r = 0; r < head.rows; r++) {
            size_t offset = r * head.stride + head.first;
            attend(attention, &head, offset);
            sum_rows(&head, head.weights, attention->value, 1.0, o + offset);
        }
    }
}

void adcl__reference_attention_backward(const adcl__reference_attention *attention,
                                        const double *dout, double *dquery, double *dkey,
                                        double *dvalue)
{
    size_t count = attention->rows * attention->hidden_size;
    for (size_t i = 0; i < count; i++) dkey[i] = dvalue[i] = 0.0;
    for (size_t h = 0; h < attention->heads; h++) {
        attention_head head = make_head(attention, h);
        for (size_t r = 0; r < head.rows; r++) {
            size_t offset = r * head.stride + head.first;
            attend(attention, &head, offset);
            spread_row(&head, head.weights, dout + offset, 1.0, dvalue);
            dot_rows(&head, dout + offset, attention->value, 1.0, head.weights_gradient);
            adcl__reference_activation_backward(ADCL_ACTIVATION_SOFTMAX, 1, head.rows, head.scores,
                                                head.weights_gradient, head.scores_gradient);
            sum_rows(&head, head.scores_gradient, attention->key, head.scale, dquery + offset);
            spread_row(&head, head.scores_gradient, attention->query + offset, head.scale, dkey);
        }
    }
}
