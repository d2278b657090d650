/* SPDX-License-Identifier: MIT */
/* attention.h – softmax attention over packed sequences, cl/attention.cl. T tokens, H heads, d columns of a
 * head, D = H·d. */
#ifndef ADCL_OPS_ATTENTION_H
#define ADCL_OPS_ATTENTION_H

#include "ops/elementwise.h"

/* By cl/attention_gpu.cl where the plan is the GPU's and heads are small enough for local memory.
 * A block is (start, end, first): tokens of one sequence [start, end), from `first` on, at most width. */
typedef struct adcl__attention {
    size_t heads, head_size;
    bool in_groups;   /* a block is a work-group's */
    size_t width;     /* tokens of a block */
    size_t longest;   /* the longest sequence that there may be: dropout counts by it */
} adcl__attention;

adcl__attention adcl__attention_describe(const adcl_context *ctx, size_t heads, size_t head_size,
                                         size_t longest);

/* out (T, D) from qkv (T, 3·D), and log_sum (T, H) for backward. blocks: (3 · block_count) ints. mask NULL:
 * no weight is dropped. */
adcl_status adcl__attention_forward(adcl_context *ctx, const adcl__attention *attention,
                                    const adcl_tensor *qkv, const adcl_tensor *blocks,
                                    size_t block_count, const adcl__dropout_mask *mask,
                                    const adcl_tensor *log_sum, adcl_tensor *out);

/* dqkv (T, 3·D) from dout (T, D). delta (T, H) is scratch. */
typedef struct adcl__attention_kept {
    const adcl_tensor *qkv, *log_sum, *out; /* of the forward */
    const adcl_tensor *blocks;
    size_t block_count;
    const adcl__dropout_mask *mask;
} adcl__attention_kept;
adcl_status adcl__attention_backward(adcl_context *ctx, const adcl__attention *attention,
                                     const adcl__attention_kept *kept, const adcl_tensor *dout,
                                     const adcl_tensor *delta, adcl_tensor *dqkv);

#endif
