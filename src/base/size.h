/* SPDX-License-Identifier: MIT */
/* size.h – sizes that are checked where they are multiplied and added. Every product of sizes that
 * come from outside goes through here before anything is allocated or indexed with it. */
#ifndef ADCL_BASE_SIZE_H
#define ADCL_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a · b; false, with *out untouched, when it does not fit. */
static inline bool adcl__size_mul(size_t a, size_t b, size_t *out)
{
    if (a != 0 && b > SIZE_MAX / a) return false;
    *out = a * b;
    return true;
}

/* *out = a + b; false, with *out untouched, when it does not fit. */
static inline bool adcl__size_add(size_t a, size_t b, size_t *out)
{
    if (b > SIZE_MAX - a) return false;
    *out = a + b;
    return true;
}

/* Smallest multiple of `step` (> 0) that is at least `value` (≤ SIZE_MAX − step). */
static inline size_t adcl__round_up(size_t value, size_t step)
{
    return (value + step - 1) / step * step;
}

/* How many blocks of `size` (> 0) hold `count` (≤ SIZE_MAX − size). */
static inline size_t adcl__blocks_of(size_t count, size_t size)
{
    return (count + size - 1) / size;
}

#endif
