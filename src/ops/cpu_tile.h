/* SPDX-License-Identifier: MIT */
/* cpu_tile.h – the host's side of cl/cpu_tile.cl: sizes of tiles, and how work is cut for devices that are
 * CPUs. */
#ifndef ADCL_OPS_CPU_TILE_H
#define ADCL_OPS_CPU_TILE_H

#include "base/size.h"
#include "runtime/context.h"

/* As in cl/cpu_tile.cl. */
enum { ADCL__TILE_ROWS = 6, ADCL__TILE_FEW_ROWS = 2 };

/* Work-items per compute unit, where there is work enough: so that the last of them to end does not keep the
 * others waiting. */
enum { ADCL__ITEMS_PER_UNIT = 8 };

static inline size_t adcl__least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The widest vector of floats that kernels are made for and that the device has registers for. */
static inline size_t adcl__widest_vector(const adcl_context *ctx)
{
    size_t width = ctx->family->vector_width;
    return width >= 16 ? 16 : width >= 8 ? 8 : 4;
}

/* That width for the compiler. */
static inline const char *adcl__width_option(size_t width)
{
    return width == 16 ? "-DADCL_WIDTH=16" : width == 8 ? "-DADCL_WIDTH=8" : "-DADCL_WIDTH=4";
}

/* Columns of a panel of vectors of that width. */
static inline size_t adcl__panel_columns(size_t width)
{
    return width * (width == 16 ? 4 : 2);
}

#endif
