/* SPDX-License-Identifier: MIT */
#include "ops/fused_gpu.h"

#include "base/size.h"
#include "ops/activation.h"
#include "runtime/program.h"

/* Bits of `flags` in cl/fused_gpu.cl. */
enum { KEEP_Z = 1, KEEP_H = 2, WHOLE = 4, RESIDUAL = 8 };

/* ---- tiles ------------------------------------------------------------------------------------*/

/* Tiles that take all R columns, the narrower first, and those for the rest of their workspace. In `low` ones
 * there are half as many rows, for batches that would not give every compute unit a tile. `few` has 16
 * columns and 64 rows, so that few rows make many groups. scripts/check-kernels.sh compiles each tile of this
 * file. */
static const adcl__gpu_tile whole_tiles[] = {
    {4, 64, 32, 4, 16}, {4, 64, 64, 8, 16}, {4, 64, 128, 8, 8}, {2, 64, 256, 8, 8},
};
static const adcl__gpu_tile low_tile = {4, 64, 64, 4, 16};
static const adcl__gpu_tile parts_tile_of[] = {{4, 64, 64, 8, 16}, {4, 64, 64, 8, 8}};
static const adcl__gpu_tile few_tile_of[] = {{4, 64, 16, 4, 16}, {4, 64, 16, 4, 8}};

/* The first whole tile that R fits; cols 0 if there is none. */
static adcl__gpu_tile whole_tile(size_t bottleneck_size)
{
    for (size_t i = 0; i < sizeof whole_tiles / sizeof whole_tiles[0]; i++)
        if (bottleneck_size <= whole_tiles[i].cols) return whole_tiles[i];
    return (adcl__gpu_tile){.cols = 0};
}

adcl_status adcl__fused_gpu_choose(adcl_context *ctx, size_t max_rows, size_t bottleneck_size,
                                   adcl__fused_gpu_tiles *tiles)
{
    const adcl__family *family = ctx->family;
    if (!adcl__has_groups(family))
        return adcl__fail(ctx, ADCL_ERR_UNSUPPORTED, 0,
                          "engine fused, plan gpu: expected work-groups of %d and %d bytes of local "
                          "memory, got %zu and %llu; use engine gemm", ADCL__GROUP_ITEMS_LEAST,
                          ADCL__GROUP_BYTES_LEAST, family->max_work_group_size,
                          (unsigned long long)family->info.local_memory_bytes);
    tiles->whole = whole_tile(bottleneck_size);
    size_t shallow = tiles->whole.cols != 0 && tiles->whole.step == parts_tile_of[1].step;
    tiles->parts = parts_tile_of[shallow];
    tiles->few = few_tile_of[shallow];
    bool many_rows = adcl__blocks_of(max_rows, adcl__gpu_tile_rows(tiles->parts)) >= family->info.compute_units;
    if (!many_rows && bottleneck_size <= low_tile.cols) tiles->whole = low_tile;
    size_t most_teams = family->max_work_group_size / ADCL__GROUP_ITEMS_LEAST;
    unsigned teams = tiles->whole.cols != 0 ? tiles->whole.teams : tiles->parts.teams;
    while (teams > most_teams) teams /= 2;
    tiles->whole.teams = tiles->parts.teams = tiles->few.teams = teams;
    return ADCL_OK;
}

/* True when one group makes all R columns of its rows. */
static bool takes_whole(const adcl__fused_gpu *pass, size_t rows)
{
    return pass->tiles.whole.cols != 0 &&
           (rows > ADCL__FUSED_GPU_FEW || adcl__activation_mixes_columns(pass->activation));
}

static adcl__gpu_tile parts_tile(const adcl__fused_gpu *pass, size_t rows)
{
    return rows <= ADCL__FUSED_GPU_FEW ? pass->tiles.few : pass->tiles.parts;
}

/* Groups for a wide result, in which each team has a tile. */
static size_t wide_groups(adcl__gpu_tile tile, size_t rows, size_t cols)
{
    return adcl__blocks_of(rows, adcl__gpu_tile_rows(tile)) * adcl__blocks_of(cols, (size_t)tile.teams * tile.cols);
}

size_t adcl__fused_gpu_inference_rows(const adcl__fused_gpu_tiles *tiles, adcl_activation activation,
                                      size_t max_rows)
{
    if (tiles->whole.cols == 0) return max_rows;
    if (adcl__activation_mixes_columns(activation)) return 0;
    return max_rows < ADCL__FUSED_GPU_FEW ? max_rows : ADCL__FUSED_GPU_FEW;
}

/* ---- launches ---------------------------------------------------------------------------------*/

/* `groups` work-groups of a kernel that is built for the tile. */
static adcl_status launch(adcl_context *ctx, const adcl__fused_gpu *pass, adcl__kernel_id id,
                          adcl__gpu_tile tile, size_t groups, const adcl__argument *arguments,
                          size_t count)
{
    char options[160];
    adcl__gpu_tile_options(tile, pass->mask != NULL ? "-DADCL_DROPOUT=1" : "-DADCL_DROPOUT=0", options,
                           sizeof options);
    id.options = options;
    return adcl__launch(ctx, id, adcl__gpu_tile_range(tile, groups), arguments, count);
}

#define LAUNCH(ctx, pass, id, tile, groups, arguments)                                             \
    launch(ctx, pass, id, tile, groups, arguments, sizeof(arguments) / sizeof((arguments)[0]))

static adcl__kernel_id pass_kernel(const adcl__fused_gpu *pass, const char *name)
{
    return (adcl__kernel_id){
        .program = ADCL__PROGRAM_FUSED_GPU, .variant = (int)pass->activation, .name = name};
}

static adcl__kernel_id gradient_kernel(const char *name)
{
    return (adcl__kernel_id){.program = ADCL__PROGRAM_FUSED_GPU_GRADIENTS, .name = name};
}

static const adcl__dropout_mask no_mask = {0, 0, 0, 1.0f};

static const adcl__dropout_mask *mask_of(const adcl__fused_gpu *pass)
{
    return pass->mask != NULL ? pass->mask : &no_mask;
}

#define MASK_ARGS(pass)                                                                            \
    {sizeof(cl_ulong), &mask_of(pass)->seed}, {sizeof(cl_ulong), &mask_of(pass)->step},            \
        {sizeof(cl_uint), &mask_of(pass)->threshold}, {sizeof(float), &mask_of(pass)->keep_scale}

/* A kernel argument must be some buffer, also where the kernel will not touch it. */
static const adcl_tensor *or_else(const adcl_tensor *tensor, const adcl_tensor *other)
{
    return tensor != NULL ? tensor : other;
}

static cl_uint residual_flag(const adcl__fused_gpu *pass)
{
    return pass->parallel ? 0 : RESIDUAL;
}

static size_t hidden_size(const adcl__fused_gpu *pass)
{
    return pass->values[ADCL_DOWN_KERNEL]->rows;
}

static size_t bottleneck_size(const adcl__fused_gpu *pass)
{
    return pass->values[ADCL_DOWN_KERNEL]->cols;
}

/* Columns of h. */
static size_t width(const adcl__fused_gpu *pass)
{
    return pass->values[ADCL_UP_KERNEL]->rows;
}

#define SIZE_ARGS(pass, batch)                                                                     \
    ADCL__UINT_ARG((batch)->rows), ADCL__UINT_ARG(hidden_size(pass)),                              \
        ADCL__UINT_ARG(bottleneck_size(pass)), ADCL__UINT_ARG(width(pass))

/* True when an activation needs whole rows of z, of which a tile has but a part. */
static bool splits_rows(const adcl__fused_gpu *pass, adcl__gpu_tile tile)
{
    return adcl__activation_mixes_columns(pass->activation) && bottleneck_size(pass) > tile.cols;
}

/* ---- forward ----------------------------------------------------------------------------------*/

static adcl_status launch_fwd(adcl_context *ctx, const adcl__fused_gpu *pass,
                              adcl__gpu_tile tile, const adcl_tensor *x, adcl_tensor *y,
                              cl_uint flags)
{
    const adcl_tensor *z = or_else(pass->z, y), *h = or_else(pass->h, y);
    const adcl_tensor *const *values = pass->values;
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(x),
        ADCL__TENSOR_ARGS(values[ADCL_DOWN_KERNEL]),
        ADCL__VECTOR_ARGS(values[ADCL_DOWN_BIAS]),
        ADCL__TENSOR_ARGS(z),
        ADCL__TENSOR_ARGS(h),
        ADCL__TENSOR_ARGS(values[ADCL_UP_KERNEL]),
        ADCL__VECTOR_ARGS(values[ADCL_UP_BIAS]),
        ADCL__TENSOR_ARGS(y),
        SIZE_ARGS(pass, x),
        ADCL__ARG(pass->scaling),
        ADCL__UINT_ARG(flags),
        MASK_ARGS(pass)};
    return LAUNCH(ctx, pass, pass_kernel(pass, "adcl_fused_gpu_fwd"), tile,
                  adcl__gpu_tile_count(tile, x->rows, bottleneck_size(pass)), arguments);
}

/* h = act(z), a group a row. */
static adcl_status launch_rows_fwd(adcl_context *ctx, const adcl__fused_gpu *pass,
                                   adcl__gpu_tile tile, size_t rows)
{
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(pass->z), ADCL__TENSOR_ARGS(pass->h),
                                        ADCL__UINT_ARG(bottleneck_size(pass))};
    return LAUNCH(ctx, pass, pass_kernel(pass, "adcl_fused_gpu_rows_fwd"), tile, rows, arguments);
}

static adcl_status launch_out_fwd(adcl_context *ctx, const adcl__fused_gpu *pass,
                                  adcl__gpu_tile tile, const adcl_tensor *x, adcl_tensor *y)
{
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(pass->h),
        ADCL__TENSOR_ARGS(pass->values[ADCL_UP_KERNEL]),
        ADCL__VECTOR_ARGS(pass->values[ADCL_UP_BIAS]),
        ADCL__TENSOR_ARGS(x),
        ADCL__TENSOR_ARGS(y),
        ADCL__UINT_ARG(x->rows),
        ADCL__UINT_ARG(hidden_size(pass)),
        ADCL__UINT_ARG(width(pass)),
        ADCL__ARG(pass->scaling),
        ADCL__UINT_ARG(residual_flag(pass)),
        MASK_ARGS(pass)};
    return LAUNCH(ctx, pass, pass_kernel(pass, "adcl_fused_gpu_out_fwd"), tile,
                  wide_groups(tile, x->rows, hidden_size(pass)), arguments);
}

adcl_status adcl__fused_gpu_forward(adcl_context *ctx, const adcl__fused_gpu *pass,
                                    const adcl_tensor *x, adcl_tensor *y)
{
    bool whole = takes_whole(pass, x->rows);
    adcl__gpu_tile tile = whole ? pass->tiles.whole : parts_tile(pass, x->rows);
    bool rows_follow = splits_rows(pass, tile);
    cl_uint flags = residual_flag(pass);
    if (pass->training || rows_follow) flags |= KEEP_Z;
    if (pass->training || !whole) flags |= KEEP_H;
    if (whole) flags |= WHOLE;
    ADCL_TRY(launch_fwd(ctx, pass, tile, x, y, flags));
    if (rows_follow) ADCL_TRY(launch_rows_fwd(ctx, pass, tile, x->rows));
    return whole ? ADCL_OK : launch_out_fwd(ctx, pass, tile, x, y);
}

/* ---- backward ---------------------------------------------------------------------------------*/

/* How the rows are cut for the sums over them: into as many blocks as it takes that about
 * GROUPS_WANTED groups have work, of whole turns of all teams. A function of the sizes alone. */
#define GROUPS_WANTED 256
#define BLOCK_ROWS_MULTIPLE 64

typedef struct row_blocks {
    size_t splits, rows;
} row_blocks;

static row_blocks cut_rows(size_t rows, size_t hidden, size_t bottleneck, size_t width_of_h)
{
    size_t tiles = adcl__gpu_tile_count(parts_tile_of[0], hidden, bottleneck) +
                   adcl__gpu_tile_count(parts_tile_of[0], width_of_h, hidden);
    size_t splits = adcl__blocks_of(GROUPS_WANTED, tiles), most = adcl__blocks_of(rows, BLOCK_ROWS_MULTIPLE);
    if (splits > most) splits = most;
    size_t block_rows = adcl__round_up(adcl__blocks_of(rows, splits), BLOCK_ROWS_MULTIPLE);
    return (row_blocks){adcl__blocks_of(rows, block_rows), block_rows};
}

/* Elements of all gradients. */
static size_t gradient_size(size_t hidden, size_t bottleneck, size_t width_of_h)
{
    return (width_of_h + 1) * hidden + (hidden + 1) * bottleneck;
}

size_t adcl__fused_gpu_sums(size_t max_rows, size_t hidden, size_t bottleneck, size_t width_of_h)
{
    size_t splits = cut_rows(max_rows, hidden, bottleneck, width_of_h).splits;
    return splits == 1 ? 0 : splits * gradient_size(hidden, bottleneck, width_of_h);
}

static cl_uint wanted_bits(const adcl__fused_gpu *pass)
{
    cl_uint bits = 0;
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        if (pass->gradients[slot] != NULL) bits |= 1u << slot;
    return bits;
}

static bool wants(const adcl__fused_gpu *pass, adcl_adapter_slot kernel, adcl_adapter_slot bias)
{
    return pass->gradients[kernel] != NULL || pass->gradients[bias] != NULL;
}

/* dz, and with WHOLE also dx. */
static adcl_status launch_bwd(adcl_context *ctx, const adcl__fused_gpu *pass,
                              adcl__gpu_tile tile, const adcl_tensor *dy,
                              const adcl_tensor *dx, cl_uint flags)
{
    const adcl_tensor *const *values = pass->values;
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(dy),
        ADCL__TENSOR_ARGS(values[ADCL_UP_KERNEL]),
        ADCL__TENSOR_ARGS(pass->z),
        ADCL__TENSOR_ARGS(pass->h),
        ADCL__TENSOR_ARGS(pass->dz),
        ADCL__TENSOR_ARGS(values[ADCL_DOWN_KERNEL]),
        ADCL__TENSOR_ARGS(dx),
        SIZE_ARGS(pass, dy),
        ADCL__ARG(pass->scaling),
        ADCL__UINT_ARG(flags),
        MASK_ARGS(pass)};
    return LAUNCH(ctx, pass, pass_kernel(pass, "adcl_fused_gpu_bwd"), tile,
                  adcl__gpu_tile_count(tile, dy->rows, bottleneck_size(pass)), arguments);
}

/* dz from dh, which is in its place: a group a row. */
static adcl_status launch_rows_bwd(adcl_context *ctx, const adcl__fused_gpu *pass,
                                   adcl__gpu_tile tile, size_t rows)
{
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(pass->h), ADCL__TENSOR_ARGS(pass->dz),
                                        ADCL__UINT_ARG(bottleneck_size(pass))};
    return LAUNCH(ctx, pass, pass_kernel(pass, "adcl_fused_gpu_rows_bwd"), tile, rows, arguments);
}

static adcl_status bottleneck_gradient(adcl_context *ctx, const adcl__fused_gpu *pass,
                                       const adcl_tensor *dy, const adcl_tensor *dx, bool with_dx)
{
    adcl__gpu_tile tile =
        takes_whole(pass, dy->rows) ? pass->tiles.whole : parts_tile(pass, dy->rows);
    /* For log_sumexp, whose dh has one column, every tile is enough by itself. */
    bool rows_follow = splits_rows(pass, tile) && width(pass) == bottleneck_size(pass);
    cl_uint flags = residual_flag(pass) | (with_dx ? WHOLE : 0u);
    ADCL_TRY(launch_bwd(ctx, pass, tile, dy, or_else(dx, dy), flags));
    return rows_follow ? launch_rows_bwd(ctx, pass, tile, dy->rows) : ADCL_OK;
}

#define GRADIENT_ARGS(pass, other)                                                                 \
    ADCL__TENSOR_ARGS(or_else((pass)->gradients[ADCL_UP_KERNEL], other)),                          \
        ADCL__VECTOR_ARGS(or_else((pass)->gradients[ADCL_UP_BIAS], other)),                        \
        ADCL__TENSOR_ARGS(or_else((pass)->gradients[ADCL_DOWN_KERNEL], other)),                    \
        ADCL__VECTOR_ARGS(or_else((pass)->gradients[ADCL_DOWN_BIAS], other)),                      \
        {sizeof(cl_mem), (pass)->sums != NULL ? &(pass)->sums : &(other)->buffer}

/* Tiles of a kernel gradient (rows, cols) and the bias gradient beside it: without the former, the
 * first row of tiles is enough. */
static size_t gradient_tiles(const adcl__fused_gpu *pass, adcl__gpu_tile tile,
                             adcl_adapter_slot kernel, adcl_adapter_slot bias)
{
    if (!wants(pass, kernel, bias)) return 0;
    size_t rows = pass->gradients[kernel] != NULL ? pass->values[kernel]->rows : 1;
    return adcl__gpu_tile_count(tile, rows, pass->values[kernel]->cols);
}

static adcl_status launch_sums(adcl_context *ctx, const adcl__fused_gpu *pass, row_blocks blocks,
                               const adcl_tensor *x, const adcl_tensor *dy)
{
    adcl__gpu_tile tile = parts_tile(pass, dy->rows);
    size_t up_tiles = gradient_tiles(pass, tile, ADCL_UP_KERNEL, ADCL_UP_BIAS);
    size_t down_tiles = gradient_tiles(pass, tile, ADCL_DOWN_KERNEL, ADCL_DOWN_BIAS);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(pass->h),
        ADCL__TENSOR_ARGS(dy),
        ADCL__TENSOR_ARGS(x),
        ADCL__TENSOR_ARGS(pass->dz),
        GRADIENT_ARGS(pass, dy),
        SIZE_ARGS(pass, dy),
        ADCL__ARG(pass->scaling),
        ADCL__UINT_ARG(wanted_bits(pass)),
        ADCL__UINT_ARG(blocks.splits),
        ADCL__UINT_ARG(blocks.rows),
        ADCL__UINT_ARG(up_tiles),
        MASK_ARGS(pass)};
    return LAUNCH(ctx, pass, gradient_kernel("adcl_fused_gpu_sums"), tile,
                  blocks.splits * (up_tiles + down_tiles), arguments);
}

/* dx, unless NULL, and the sums of the splits, unless there is but one. */
static adcl_status launch_finish(adcl_context *ctx, const adcl__fused_gpu *pass, size_t splits,
                                 const adcl_tensor *dy, adcl_tensor *dx)
{
    adcl__gpu_tile tile = parts_tile(pass, dy->rows);
    size_t hidden = hidden_size(pass), dx_groups = 0, sum_groups = 0;
    if (dx != NULL) dx_groups = wide_groups(tile, dy->rows, hidden);
    if (splits > 1)
        sum_groups = adcl__blocks_of(gradient_size(hidden, bottleneck_size(pass), width(pass)),
                              adcl__gpu_tile_group(tile));
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(pass->dz),
        ADCL__TENSOR_ARGS(pass->values[ADCL_DOWN_KERNEL]),
        ADCL__TENSOR_ARGS(dy),
        ADCL__TENSOR_ARGS(or_else(dx, dy)),
        GRADIENT_ARGS(pass, dy),
        SIZE_ARGS(pass, dy),
        ADCL__ARG(pass->scaling),
        ADCL__UINT_ARG(wanted_bits(pass)),
        ADCL__UINT_ARG(splits),
        ADCL__UINT_ARG(dx_groups),
        ADCL__UINT_ARG(residual_flag(pass))};
    return LAUNCH(ctx, pass, gradient_kernel("adcl_fused_gpu_finish"), tile, dx_groups + sum_groups,
                  arguments);
}

adcl_status adcl__fused_gpu_backward(adcl_context *ctx, const adcl__fused_gpu *pass,
                                     const adcl_tensor *x, const adcl_tensor *dy, adcl_tensor *dx)
{
    bool up = wants(pass, ADCL_UP_KERNEL, ADCL_UP_BIAS);
    bool down = wants(pass, ADCL_DOWN_KERNEL, ADCL_DOWN_BIAS);
    /* dx at once, unless that would take the place of a dy that is still needed. */
    bool with_dx = dx != NULL && takes_whole(pass, dy->rows) &&
                   !(up && adcl__tensors_equal(dx, dy));
    row_blocks blocks = cut_rows(dy->rows, hidden_size(pass), bottleneck_size(pass), width(pass));
    size_t splits = up || down ? blocks.splits : 1;
    if (dx != NULL || down) ADCL_TRY(bottleneck_gradient(ctx, pass, dy, dx, with_dx));
    if (up || down) ADCL_TRY(launch_sums(ctx, pass, blocks, x, dy));
    return launch_finish(ctx, pass, splits, dy, with_dx ? NULL : dx);
}
