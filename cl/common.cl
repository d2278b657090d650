/* SPDX-License-Identifier: MIT */
/* common.cl – put before every other file of this folder: what several of them use.
 *
 * Matrices are row-major: element (r, c) of a matrix at `m`, `m_offset`, `m_stride` is
 * m[m_offset + r * m_stride + c]. Ranges are rounded up to whole work-groups by the launch, so
 * every kernel checks its bounds. N rows, D hidden_size, R bottleneck_size. */

#ifndef ADCL_VARIANT
#define ADCL_VARIANT 0
#endif

/* Some drivers compile the whole of a program for each of its kernels, so a large file makes one
 * part of them at a time; 0: all. */
#ifndef ADCL_PART
#define ADCL_PART 0
#endif
#define ADCL_MAKES(part) (ADCL_PART == 0 || ADCL_PART == (part))

/* Index of element (r, c). 64 bits: a matrix may have more than 2^32 elements. */
ulong adcl_at(ulong offset, ulong stride, uint r, uint c)
{
    return offset + r * stride + c;
}

/* The largest of a row z (1, cols), and Σ exp(z − largest), which cannot overflow. */
float2 adcl_row_sum(global const float *z, uint cols)
{
    float largest = z[0];
    for (uint c = 1; c < cols; c++) largest = fmax(largest, z[c]);
    float sum = 0.0f;
    for (uint c = 0; c < cols; c++) sum += exp(z[c] - largest);
    return (float2)(largest, sum);
}

/* Philox4x32-10 (Salmon et al. 2011): four random words that depend on key and counter alone. */
uint4 adcl_philox(uint2 key, uint4 counter)
{
    for (int round = 0; round < 10; round++) {
        uint high0 = mul_hi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
        uint high1 = mul_hi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
        counter = (uint4)(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

/* Words of the stream (seed; block, step) of dropout: those of elements 4·block … 4·block + 3. */
uint4 adcl_dropout_words(ulong seed, ulong step, ulong block)
{
    return adcl_philox((uint2)((uint)seed, (uint)(seed >> 32)),
                       (uint4)((uint)block, (uint)(block >> 32), (uint)step, (uint)(step >> 32)));
}

/* Factor of element (r, c) under dropout: 0, or 1/(1−p) = `keep_scale` where its word of the stream
 * reaches the threshold. Integers are compared, so host and every device agree. */
float adcl_dropout_factor(ulong seed, ulong step, uint r, uint c, uint cols, uint threshold,
                          float keep_scale)
{
    ulong element = (ulong)r * cols + c;
    uint4 words = adcl_dropout_words(seed, step, element / 4);
    uint lane = (uint)element & 3;
    uint word = lane == 0 ? words.x : lane == 1 ? words.y : lane == 2 ? words.z : words.w;
    return word >= threshold ? keep_scale : 0.0f;
}
