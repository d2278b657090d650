/* SPDX-License-Identifier: MIT */
/* array.h – what all array files have in common: sizes, byte order, 16-bit floats. */
#ifndef ADCL_IO_ARRAY_H
#define ADCL_IO_ARRAY_H

#include "base/size.h"

#include <adapter_cl/dtype.h>

#include <string.h>

/* The files are little-endian and their numbers are used as they lie in memory. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "adapter_cl reads and writes its files on little-endian machines only"
#endif

/* *count = product of the shape, *bytes = count · element size; false when one does not fit. */
static inline bool adcl__array_size(adcl_dtype dtype, size_t rank, const size_t *shape,
                                    size_t *count, size_t *bytes)
{
    size_t product = 1;
    for (size_t axis = 0; axis < rank; axis++)
        if (!adcl__size_mul(product, shape[axis], &product)) return false;
    *count = product;
    return adcl__size_mul(product, adcl_dtype_size(dtype), bytes);
}

/* The IEEE 754 binary16 number with these bits; exact, as every one of them is a float. */
static inline float adcl__half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1Fu;
    uint32_t fraction = half & 0x3FFu;
    if (exponent == 0) { /* zero or subnormal: fraction · 2⁻²⁴ */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign != 0 ? -magnitude : magnitude;
    }
    /* Infinity and NaN have all bits of the exponent set; other exponents change their bias. */
    uint32_t wide = exponent == 0x1Fu ? 0xFFu : exponent + (127 - 15);
    uint32_t bits = sign | wide << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
