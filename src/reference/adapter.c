/* SPDX-License-Identifier: MIT */
/* adapter.c – one row at a time, for rows do not depend on each other:
 *
 *    (1, D)      (1, R)     (1, R)    (1, D)                  (1, D)     (1, D)
 *      x ──down──► z ──act──► h ──up──► o ──scaling, dropout──► u ──(+)──► y
 *      └─────────────────────────────────────────────────────────────┘
 *
 * For log_sumexp h is (1, 1). */
#include "reference/reference.h"

#include "base/random.h"

size_t adcl__reference_scratch_size(size_t hidden_size, size_t bottleneck_size)
{
    return hidden_size + 3 * bottleneck_size;
}

/* The scratch numbers of one row. */
typedef struct row_scratch {
    double *wide;       /* (1, D): o and u; ∂L/∂o, then the down layer's share of dx */
    double *z, *h, *dh; /* (1, R) each; dz stands in the place of z, which backward is given */
} row_scratch;

static row_scratch divide_scratch(const adcl__reference_adapter *adapter)
{
    double *narrow = adapter->scratch + adapter->hidden_size;
    size_t size = adapter->bottleneck_size;
    return (row_scratch){adapter->scratch, narrow, narrow + size, narrow + 2 * size};
}

static adcl__reference_linear down_layer(const adcl__reference_adapter *adapter)
{
    return (adcl__reference_linear){
        .input_size = adapter->hidden_size,
        .output_size = adapter->bottleneck_size,
        .kernel = adapter->values[ADCL_DOWN_KERNEL],
        .bias = adapter->values[ADCL_DOWN_BIAS],
        .kernel_gradient = adapter->gradients[ADCL_DOWN_KERNEL],
        .bias_gradient = adapter->gradients[ADCL_DOWN_BIAS],
    };
}

static adcl__reference_linear up_layer(const adcl__reference_adapter *adapter)
{
    return (adcl__reference_linear){
        .input_size = adcl_activation_width(adapter->activation, adapter->bottleneck_size),
        .output_size = adapter->hidden_size,
        .kernel = adapter->values[ADCL_UP_KERNEL],
        .bias = adapter->values[ADCL_UP_BIAS],
        .kernel_gradient = adapter->gradients[ADCL_UP_KERNEL],
        .bias_gradient = adapter->gradients[ADCL_UP_BIAS],
    };
}

/* out = scaling·mask ∘ in, one row (1, D): u from o going forward, ∂L/∂o from dy going backward. A
 * dropped element is 0 even when it was infinite or NaN. out may be in. */
static void scale_and_drop(const adcl__reference_adapter *adapter, size_t row, const double *in,
                           double *out)
{
    uint32_t threshold = adcl__dropout_threshold(adapter->dropout);
    double factor = adapter->scaling * (double)adcl__dropout_scale(adapter->dropout);
    for (size_t c = 0; c < adapter->hidden_size; c++) {
        uint64_t element = (uint64_t)row * adapter->hidden_size + c;
        int kept = threshold == 0 || adcl__dropout_keeps(adapter->dropout_seed,
                                                         adapter->dropout_step, element, threshold);
        out[c] = kept ? factor * in[c] : 0.0;
    }
}

/* out = residual + branch, one row (1, D); parallel: without residual. out may be either. */
static void add_residual(const adcl__reference_adapter *adapter, const double *residual,
                         const double *branch, double *out)
{
    for (size_t c = 0; c < adapter->hidden_size; c++)
        out[c] = adapter->parallel ? branch[c] : residual[c] + branch[c];
}

void adcl__reference_adapter_forward(const adcl__reference_adapter *adapter, size_t rows,
                                     const double *x, double *z, double *y)
{
    size_t hidden = adapter->hidden_size, bottleneck = adapter->bottleneck_size;
    row_scratch scratch = divide_scratch(adapter);
    adcl__reference_linear down = down_layer(adapter), up = up_layer(adapter);
    for (size_t r = 0; r < rows; r++, x += hidden, y += hidden) {
        double *z_row = z == NULL ? scratch.z : z + r * bottleneck;
        double *u = scratch.wide;
        adcl__reference_linear_forward(&down, 1, x, z_row);
        adcl__reference_activation_forward(adapter->activation, 1, bottleneck, z_row, scratch.h);
        adcl__reference_linear_forward(&up, 1, scratch.h, u);
        scale_and_drop(adapter, r, u, u);
        add_residual(adapter, x, u, y);
    }
}

void adcl__reference_adapter_backward(const adcl__reference_adapter *adapter, size_t rows,
                                      const double *x, const double *z, const double *dy,
                                      double *dx)
{
    size_t hidden = adapter->hidden_size, bottleneck = adapter->bottleneck_size;
    row_scratch scratch = divide_scratch(adapter);
    adcl__reference_linear down = down_layer(adapter), up = up_layer(adapter);
    for (size_t r = 0; r < rows; r++, x += hidden, z += bottleneck, dy += hidden) {
        double *output_gradient = scratch.wide, *dz = scratch.z;
        scale_and_drop(adapter, r, dy, output_gradient);
        adcl__reference_activation_forward(adapter->activation, 1, bottleneck, z, scratch.h);
        adcl__reference_linear_backward(&up, 1, scratch.h, output_gradient, scratch.dh);
        adcl__reference_activation_backward(adapter->activation, 1, bottleneck, z, scratch.dh, dz);
        double *down_dx = dx == NULL ? NULL : scratch.wide;
        adcl__reference_linear_backward(&down, 1, x, dz, down_dx);
        if (dx != NULL) add_residual(adapter, dy, down_dx, dx + r * hidden);
    }
}
