/* SPDX-License-Identifier: MIT */
/* peak.cl – what a device can do at most: multiply-adds without memory, and copies without
 * arithmetic. ADCL_VARIANT: accumulators · 100 + vector width (of float), e.g. 816. */

#define ADCL_ACCUMULATORS (ADCL_VARIANT / 100)
#if ADCL_VARIANT % 100 == 16
#define ADCL_VECTOR float16
#define ADCL_STORE vstore16
#elif ADCL_VARIANT % 100 == 8
#define ADCL_VECTOR float8
#define ADCL_STORE vstore8
#else
#define ADCL_VECTOR float4
#define ADCL_STORE vstore4
#endif

/* Without this attribute clang cuts 512-bit vectors in halves. Absent where it is not known. */
#if defined(__has_attribute)
#if __has_attribute(min_vector_width) && ADCL_VARIANT % 100 == 16
#define ADCL_WIDE __attribute__((min_vector_width(512)))
#endif
#endif
#ifndef ADCL_WIDE
#define ADCL_WIDE
#endif

/* Each work-item does `steps` rounds of a ← a·factor + term on ADCL_ACCUMULATORS independent
 * vectors, and writes their sum, so that nothing can be left out. out: one vector per work-item. */
ADCL_WIDE kernel void adcl_peak_fma(global float *out, uint steps, float factor, float term)
{
    ADCL_VECTOR sums[ADCL_ACCUMULATORS + 1]; /* + 1: variant 0 has none, and C no empty arrays */
    ADCL_VECTOR factors = (ADCL_VECTOR)(factor), terms = (ADCL_VECTOR)(term);
    uint item = get_global_id(0);
#pragma unroll
    for (int i = 0; i < ADCL_ACCUMULATORS; i++) sums[i] = (ADCL_VECTOR)((float)(item + (uint)i));
    for (uint step = 0; step < steps; step++) {
#pragma unroll
        for (int i = 0; i < ADCL_ACCUMULATORS; i++) sums[i] = fma(sums[i], factors, terms);
    }
    ADCL_VECTOR total = (ADCL_VECTOR)(0.0f);
#pragma unroll
    for (int i = 0; i < ADCL_ACCUMULATORS; i++) total += sums[i];
    ADCL_STORE(total, item, out);
}

/* destination[i] = source[i], a float4 per work-item: neighbours read and write side by side, as GPUs want it. */
kernel void adcl_peak_copy_side_by_side(global const float4 *source, global float4 *destination, uint count)
{
    uint i = get_global_id(0);
    if (i < count) destination[i] = source[i];
}

/* destination[i] = source[i], `run` float16 one after the other per work-item: one, or a page or so, which is
 * what a core wants. count is a multiple of run. */
kernel void adcl_peak_copy(global const float *source, global float *destination, uint count,
                           uint run)
{
    uint first = get_global_id(0) * run;
    if (first >= count) return;
    for (uint i = first; i < first + run; i++) vstore16(vload16(i, source), i, destination);
}
