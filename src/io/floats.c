/* SPDX-License-Identifier: MIT */
#include "io/floats.h"

#include "io/array.h"

#include <assert.h>
#include <math.h>

bool adcl__dtype_is_float(adcl_dtype dtype)
{
    return dtype == ADCL_F32 || dtype == ADCL_F16 || dtype == ADCL_BF16;
}

/* ---- reading ---------------------------------------------------------------------------------*/

/* BF16 is the upper half of a float. */
static float bfloat_to_float(uint16_t bfloat)
{
    uint32_t bits = (uint32_t)bfloat << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void adcl__floats_read(float *out, adcl_dtype dtype, const void *data, size_t count)
{
    assert(adcl__dtype_is_float(dtype));
    if (dtype == ADCL_F32) {
        if (count > 0) memcpy(out, data, count * sizeof *out);
        return;
    }
    const unsigned char *next = data;
    for (size_t i = 0; i < count; i++, next += sizeof(uint16_t)) {
        uint16_t bits;
        memcpy(&bits, next, sizeof bits);
        out[i] = dtype == ADCL_F16 ? adcl__half_to_float(bits) : bfloat_to_float(bits);
    }
}

/* ---- writing ---------------------------------------------------------------------------------*/

static uint16_t float_to_bfloat(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    /* The lower half of a NaN may be all that makes it one. */
    if (isnan(value)) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

/* `bits` without the lowest `shift` ones, rounded. */
static uint32_t shift_and_round(uint32_t bits, unsigned shift)
{
    uint32_t half = UINT32_C(1) << (shift - 1), kept = bits >> shift;
    uint32_t rest = bits & ((half << 1) - 1);
    return kept + (rest > half || (rest == half && (kept & 1u) != 0));
}

static uint16_t float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (isnan(value)) return (uint16_t)(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
    if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7C00u); /* 65536 and more */
    /* Below 2⁻²⁵, and 2⁻²⁵ itself, is nearer to 0; below 2⁻¹⁴ the unit is 2⁻²⁴. */
    if (magnitude <= 0x33000000u) return (uint16_t)sign;
    uint32_t exponent = magnitude >> 23;
    if (exponent < 127 - 14) {
        uint32_t fraction = (magnitude & 0x7FFFFFu) | 0x800000u;
        return (uint16_t)(sign | shift_and_round(fraction, 126 - exponent));
    }
    /* A fraction that rounds up to 2 carries into the exponent, and from there to infinity. */
    return (uint16_t)(sign | shift_and_round(magnitude - ((127u - 15u) << 23), 13));
}

void adcl__floats_write(void *out, adcl_dtype dtype, const float *in, size_t count)
{
    assert(adcl__dtype_is_float(dtype));
    if (dtype == ADCL_F32) {
        if (count > 0) memcpy(out, in, count * sizeof *in);
        return;
    }
    unsigned char *next = out;
    for (size_t i = 0; i < count; i++, next += sizeof(uint16_t)) {
        uint16_t bits = dtype == ADCL_F16 ? float_to_half(in[i]) : float_to_bfloat(in[i]);
        memcpy(next, &bits, sizeof bits);
    }
}
