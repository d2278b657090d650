/* SPDX-License-Identifier: MIT */
/* gpu_tile.h – the work-groups of kernels that are made of cl/gpu_tile.cl. */
#ifndef ADCL_OPS_GPU_TILE_H
#define ADCL_OPS_GPU_TILE_H

#include "base/size.h"
#include "runtime/program.h"

#include <stdio.h>

/* What a team of `items` work-items works on: items · 4 · item_rows elements of a result, `cols` of them
 * wide. A work-group has `teams` of them. */
typedef struct adcl__gpu_tile {
    unsigned teams, items, cols, item_rows, step;
} adcl__gpu_tile;

static inline size_t adcl__gpu_tile_rows(adcl__gpu_tile tile)
{
    return (size_t)tile.items * 4 * tile.item_rows / tile.cols;
}

/* Tiles of a result. */
static inline size_t adcl__gpu_tile_count(adcl__gpu_tile tile, size_t rows, size_t cols)
{
    return adcl__blocks_of(rows, adcl__gpu_tile_rows(tile)) * adcl__blocks_of(cols, tile.cols);
}

/* Work-items of a group. */
static inline size_t adcl__gpu_tile_group(adcl__gpu_tile tile)
{
    return (size_t)tile.teams * tile.items;
}

/* `groups` work-groups. */
static inline adcl__range adcl__gpu_tile_range(adcl__gpu_tile tile, size_t groups)
{
    size_t items = adcl__gpu_tile_group(tile);
    return (adcl__range){{groups * items, 1}, {items, 1}};
}

/* Options for programs of this tile; more may be appended. */
static inline void adcl__gpu_tile_options(adcl__gpu_tile tile, const char *more, char *out, size_t room)
{
    snprintf(out, room,
             "-DADCL_TEAMS=%u -DADCL_ITEMS=%u -DADCL_COLS=%u -DADCL_ITEM_ROWS=%u -DADCL_STEP=%u %s",
             tile.teams, tile.items, tile.cols, tile.item_rows, tile.step, more);
}

#endif
