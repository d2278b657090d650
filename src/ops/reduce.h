/* SPDX-License-Identifier: MIT */
/* reduce.h – sums over rows in a fixed order: the same input gives the same bits. */
#ifndef ADCL_OPS_REDUCE_H
#define ADCL_OPS_REDUCE_H

#include "runtime/tensor.h"

/* Floats of scratch that a column sum of `cols` columns needs. */
size_t adcl__colsum_scratch(size_t cols);

/* sums += scale · (sum of each column of x).  x (N, C), sums (1, C).
 * scratch: a buffer of at least adcl__colsum_scratch(C) floats. */
adcl_status adcl__colsum(adcl_context *ctx, const adcl_tensor *x, float scale, cl_mem scratch,
                         adcl_tensor *sums);

#endif
