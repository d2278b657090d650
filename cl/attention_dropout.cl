/* SPDX-License-Identifier: MIT */
/* attention_dropout.cl – what both programs of attention, attention.cl and attention_gpu.cl, are built with, and
 * which numbers of the dropout's stream are a head's. After common.cl. */

#ifndef ADCL_HEAD /* d, columns of a head */
#define ADCL_HEAD 32
#endif
#ifndef ADCL_DROPOUT /* 1: p may be dropped */
#define ADCL_DROPOUT 0
#endif

typedef struct adcl_attention_dropout {
    ulong seed, step;
    uint threshold;
    float keep_scale;
    uint cols; /* heads · the longest sequence: numbers of a token */
    uint first_col; /* of the head */
} adcl_attention_dropout;

#define ADCL_ATTENTION_DROPOUT                                                                     \
    ulong seed, ulong step, uint threshold, float keep_scale, uint longest
#define ADCL_ATTENTION_MASK                                                                        \
    {seed, step, threshold, keep_scale, heads * longest, head * longest}
