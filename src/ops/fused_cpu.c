/* SPDX-License-Identifier: MIT */
#include "ops/fused_cpu.h"

#include "base/size.h"
#include "ops/activation.h"
#include "ops/cpu_tile.h"
#include "runtime/program.h"

#include <stdio.h>

/* As in cl/fused_cpu.cl. */
enum { WIDEST = 16, PIECE = 24, SUM_ROWS = 128, GATHER_FROM = 16, PACK_ROWS = 16 };

/* Each compute unit reads all of the packed kernels from where others wrote them: for one pass that
 * pays from so many rows of a unit on. */
enum { UNIT_ROWS = 128 };

/* Numbers of a kernel that one compute unit reads in less time than it takes to launch for all of them. */
enum { KERNEL_AT_ONCE = 65536 };

enum { MOST_BUFFERS = 9 }; /* of a kernel */

enum { PACKS_KERNELS = 1, PACKS_TRANSPOSES = 2 };
enum { WANTS_W_DOWN = 1, WANTS_B_DOWN = 2, WANTS_W_UP = 4, WANTS_B_UP = 8 };

/* Shares of a compute unit in w_down's gradient, and in w_up's: rows of x and du are read in pieces of a share's
 * columns, so few shares read them best. */
enum { GRADIENT_SHARES = 2 };

size_t adcl__fused_cpu_padded(size_t cols)
{
    return adcl__round_up(cols, WIDEST);
}

/* ---- the program ------------------------------------------------------------------------------ */

/* The widest vector that the device has registers for and that fits into all columns. */
static size_t vector_width(const adcl_context *ctx, size_t hidden, size_t bottleneck)
{
    size_t columns = bottleneck > 0 ? adcl__least(hidden, bottleneck) : hidden;
    size_t width = adcl__widest_vector(ctx);
    while (width > columns) width = width == 4 ? 1 : width / 2;
    return width;
}

/* How the last panel of `size` columns, if it is not a whole one, is made of vectors. */
static int describe_columns(char *text, size_t room, char name, size_t size, size_t width)
{
    size_t rest = size % adcl__panel_columns(width), vectors = rest / width, tail = rest % width;
    bool half = tail > 0 && 2 * tail <= width, shifted = tail > 0 && !half;
    return snprintf(text, room,
                    " -DADCL_%c_FULL=%d -DADCL_%c_VECTORS=%zu -DADCL_%c_SHIFTED=%d -DADCL_%c_HALF=%d",
                    name, size >= adcl__panel_columns(width), name, vectors + shifted, name,
                    shifted, name, half);
}

adcl__fused_cpu adcl__fused_cpu_describe(const adcl_context *ctx, adcl_activation activation,
                                         size_t hidden, size_t bottleneck, bool drops,
                                         adcl__fused_part part)
{
    size_t units = ctx->family->info.compute_units, room = sizeof(adcl__fused_cpu){0}.options;
    size_t width = vector_width(ctx, hidden, bottleneck);
    adcl__fused_cpu program = {
        .activation = activation,
        .hidden = hidden,
        .bottleneck = bottleneck,
        .width = adcl_activation_width(activation, bottleneck),
        .vector_width = width,
        .compute_units = units > 0 ? units : 1,
        .part = part,
    };
    int length = snprintf(program.options, room, "-DADCL_WIDTH=%zu -DADCL_DROPS=%d", width, drops);
    length += describe_columns(program.options + length, room - (size_t)length, 'R', bottleneck,
                               width);
    describe_columns(program.options + length, room - (size_t)length, 'D', hidden, width);
    return program;
}

static adcl__kernel_id kernel(const adcl__fused_cpu *program, const char *name)
{
    return (adcl__kernel_id){ADCL__PROGRAM_FUSED_CPU, (int)program->activation, name,
                             program->options, (int)program->part};
}

/* The buffers, and behind them a structure of all else. */
static adcl_status launch(adcl_context *ctx, adcl__kernel_id id, adcl__range range,
                          const cl_mem *buffers, size_t count, adcl__argument sizes)
{
    adcl__argument arguments[MOST_BUFFERS + 1];
    for (size_t i = 0; i < count; i++) arguments[i] = (adcl__argument){sizeof(cl_mem), &buffers[i]};
    arguments[count] = sizes;
    return adcl__launch(ctx, id, range, arguments, count + 1);
}

#define LAUNCH(ctx, id, range, buffers, sizes)                                                     \
    launch(ctx, id, range, buffers, sizeof(buffers) / sizeof((buffers)[0]),                        \
           (adcl__argument)ADCL__ARG(sizes))

static size_t panels_of(const adcl__fused_cpu *program, size_t columns)
{
    return adcl__blocks_of(columns, adcl__panel_columns(program->vector_width));
}

/* Each work-item is a work-group. */
static adcl__range range(size_t first, size_t second)
{
    return (adcl__range){{first, second}, {1, 1}};
}

/* Shares of `pieces` that keep all compute units busy. */
static size_t shares(const adcl__fused_cpu *program, size_t pieces)
{
    return adcl__least(pieces, ADCL__ITEMS_PER_UNIT * program->compute_units);
}

size_t adcl__fused_cpu_packed(const adcl__fused_cpu *program, size_t rows, size_t cols)
{
    return rows * adcl__round_up(cols, adcl__panel_columns(program->vector_width));
}

/* Shares in a gradient whose columns or rows make so many pieces. */
static size_t gradient_shares(const adcl__fused_cpu *program, size_t pieces)
{
    return adcl__least(pieces, GRADIENT_SHARES * program->compute_units);
}

size_t adcl__fused_cpu_rooms(const adcl__fused_cpu *program, size_t max_rows)
{
    size_t panel = adcl__panel_columns(program->vector_width);
    size_t room = SUM_ROWS * (panel > PIECE ? panel : PIECE);
    /* Shares of w_up's columns and splits of its rows multiply to less than twice the shares. */
    return max_rows < GATHER_FROM ? 0 : 3 * gradient_shares(program, SIZE_MAX) * room;
}

/* True where tiles of many rows would leave compute units without work. */
static bool are_few(const adcl__fused_cpu *program, size_t rows)
{
    return rows <= 64 && adcl__blocks_of(rows, ADCL__TILE_ROWS) < 2 * program->compute_units;
}

/* Not where there are rows enough for all units, nor where the second launch takes longer than what it saves. */
bool adcl__fused_cpu_splits(const adcl__fused_cpu *program, size_t rows)
{
    return are_few(program, rows) &&
           adcl__blocks_of(rows, ADCL__TILE_FEW_ROWS) < program->compute_units &&
           program->hidden * program->bottleneck > KERNEL_AT_ONCE;
}

bool adcl__fused_cpu_packs(const adcl__fused_cpu *program, size_t rows)
{
    return rows > UNIT_ROWS * program->compute_units;
}

bool adcl__fused_cpu_turns(const adcl__fused_cpu *program, size_t rows)
{
    size_t vector = program->vector_width;
    return rows <= ADCL__TILE_FEW_ROWS && are_few(program, rows) && vector > 1 &&
           program->hidden % vector == 0 && program->bottleneck % vector == 0 &&
           program->width == program->bottleneck;
}

/* ---- arguments -------------------------------------------------------------------------------- */

/* The structures of cl/fused_cpu.cl. Their widest members come first, so that no compiler leaves gaps. */

typedef struct place {
    cl_ulong offset, stride;
} place;

typedef struct factor_place {
    cl_ulong offset, stride, panel;
} factor_place;

typedef struct dropout {
    cl_ulong seed, step;
    cl_uint drops, threshold;
    cl_float keep_scale;
    cl_uint cols;
} dropout;

typedef struct forward_arguments {
    place x, z, h, y;
    factor_place w_down, w_up;
    cl_ulong b_down, b_up;
    dropout dropout;
    cl_uint rows, hidden, bottleneck, width;
    cl_uint residual, has_bias;
    cl_float scaling;
    cl_uint parts;
} forward_arguments;

typedef struct pack_arguments {
    place w_up, w_down;
    cl_uint hidden, bottleneck, width, packs;
} pack_arguments;

typedef struct backward_arguments {
    place dy, du, z, dz, dx;
    factor_place w_up_t, w_down_t;
    dropout dropout;
    cl_uint rows, hidden, bottleneck;
    cl_uint residual;
    cl_float scaling;
    cl_uint parts;
} backward_arguments;

typedef struct gradient_arguments {
    place x, dz, h, du, w_down, w_up;
    cl_ulong b_down, b_up;
    cl_uint rows, hidden, bottleneck, width;
    cl_float scaling;
    cl_uint wanted, down_items, up_splits;
} gradient_arguments;

/* Bits of `parts`. */
enum { DOWN = ADCL__FUSED_DZ, UP = ADCL__FUSED_DX, TURNED = 4 };

static place place_of(const adcl_tensor *matrix)
{
    return (place){matrix->offset, matrix->row_stride};
}

/* The right factor of a product, as a matrix or packed. */
typedef struct factor {
    cl_mem buffer;
    factor_place place;
} factor;

static factor matrix_factor(const adcl__fused_cpu *program, const adcl_tensor *matrix)
{
    return (factor){matrix->buffer,
                    {matrix->offset, matrix->row_stride, adcl__panel_columns(program->vector_width)}};
}

static factor packed_factor(const adcl__fused_cpu *program, const adcl_tensor *packed, size_t rows)
{
    size_t columns = adcl__panel_columns(program->vector_width);
    return (factor){packed->buffer, {packed->offset, columns, rows * columns}};
}

/* The transpose of a matrix, read where it is. */
static factor turned_factor(const adcl__fused_cpu *program, const adcl_tensor *matrix)
{
    size_t columns = adcl__panel_columns(program->vector_width);
    return (factor){matrix->buffer, {matrix->offset, matrix->row_stride, columns * matrix->row_stride}};
}

static dropout dropout_of(const adcl__dropout_mask *mask, size_t cols)
{
    if (mask == NULL) return (dropout){0};
    return (dropout){mask->seed, mask->step, true, mask->threshold, mask->keep_scale, (cl_uint)cols};
}

static cl_mem buffer_or(const adcl_tensor *tensor, const adcl_tensor *other)
{
    return tensor != NULL ? tensor->buffer : other->buffer; /* some buffer must be named */
}

/* ---- packing ---------------------------------------------------------------------------------- */

/* Of the packed copies in p those that are not NULL; w_down NULL: of w_up alone. */
static adcl_status pack(adcl_context *ctx, const adcl__fused_cpu *program, const adcl__fused_pass *p, int packs)
{
    const adcl_tensor *w_up = p->w_up, *w_down = p->w_down != NULL ? p->w_down : w_up;
    size_t blocks = adcl__blocks_of(w_up->rows, PACK_ROWS);
    if (p->w_down != NULL) blocks += adcl__blocks_of(w_down->rows, PACK_ROWS);
    const cl_mem buffers[] = {w_up->buffer,
                              w_down->buffer,
                              buffer_or(p->w_up_packed, w_up),
                              buffer_or(p->w_down_packed, w_up),
                              buffer_or(p->w_up_t, w_up),
                              buffer_or(p->w_down_t, w_up)};
    const pack_arguments sizes = {place_of(w_up), place_of(w_down), (cl_uint)w_up->cols,
                                  (cl_uint)w_down->cols, (cl_uint)w_up->rows, (cl_uint)packs};
    return LAUNCH(ctx, kernel(program, "adcl_fused_pack"), range(blocks, 1), buffers, sizes);
}

adcl_status adcl__fused_cpu_pack(adcl_context *ctx, const adcl__fused_pass *p, bool kernels,
                                 bool transposes)
{
    return pack(ctx, p->program, p,
                (kernels ? PACKS_KERNELS : 0) | (transposes ? PACKS_TRANSPOSES : 0));
}

/* ---- forward ---------------------------------------------------------------------------------- */

static factor down_factor(const adcl__fused_pass *p)
{
    return p->w_down_packed != NULL ? packed_factor(p->program, p->w_down_packed, p->w_down->rows)
                                    : matrix_factor(p->program, p->w_down);
}

static factor up_factor(const adcl__fused_pass *p)
{
    return p->w_up_packed != NULL ? packed_factor(p->program, p->w_up_packed, p->w_up->rows)
                                  : matrix_factor(p->program, p->w_up);
}

static adcl__range many_range(const adcl__fused_cpu *program, size_t rows)
{
    return range(shares(program, adcl__blocks_of(rows, ADCL__TILE_ROWS)), 1);
}

/* Work-items of few rows: a row block each, or of one product with so many columns (0: whole rows) shares of them too. */
static adcl__range few_range(const adcl__fused_cpu *program, size_t rows, size_t columns)
{
    size_t row_blocks = adcl__blocks_of(rows, ADCL__TILE_FEW_ROWS);
    size_t wanted = adcl__blocks_of(2 * program->compute_units, row_blocks);
    return range(row_blocks, columns > 0 ? adcl__least(panels_of(program, columns), wanted) : 1);
}

/* Columns of the product with R that few rows may be cut along; 0 where something needs whole rows. */
static size_t down_columns(const adcl__fused_cpu *program, bool whole_rows)
{
    return whole_rows || adcl__activation_mixes_columns(program->activation) ? 0 : program->bottleneck;
}

adcl_status adcl__fused_cpu_forward(adcl_context *ctx, const adcl__fused_pass *p,
                                    const adcl_tensor *x, adcl_tensor *y)
{
    const adcl__fused_cpu *program = p->program;
    const factor w_down = down_factor(p), w_up = up_factor(p);
    const cl_mem buffers[] = {x->buffer,       w_down.buffer, p->b_down->buffer, w_up.buffer,
                              p->b_up->buffer, p->z->buffer,  p->h->buffer,      y->buffer};
    forward_arguments sizes = {
        .x = place_of(x), .z = place_of(p->z), .h = place_of(p->h), .y = place_of(y),
        .w_down = w_down.place, .w_up = w_up.place,
        .b_down = p->b_down->offset, .b_up = p->b_up->offset,
        .dropout = dropout_of(p->mask, program->hidden),
        .rows = (cl_uint)x->rows, .hidden = (cl_uint)program->hidden,
        .bottleneck = (cl_uint)program->bottleneck, .width = (cl_uint)program->width,
        .residual = p->residual, .has_bias = true, .scaling = p->scaling, .parts = DOWN | UP};
    const size_t rows = x->rows;
    if (!are_few(program, rows))
        return LAUNCH(ctx, kernel(program, "adcl_fused_forward"), many_range(program, rows), buffers,
                      sizes);
    const adcl__kernel_id few = kernel(program, "adcl_fused_forward_few");
    if (!adcl__fused_cpu_splits(program, rows))
        return LAUNCH(ctx, few, few_range(program, rows, 0), buffers, sizes);
    sizes.parts = DOWN;
    ADCL_TRY(LAUNCH(ctx, few, few_range(program, rows, down_columns(program, false)), buffers, sizes));
    sizes.parts = UP;
    return LAUNCH(ctx, few, few_range(program, rows, program->hidden), buffers, sizes);
}

/* ---- backward --------------------------------------------------------------------------------- */

adcl_status adcl__fused_cpu_backward(adcl_context *ctx, const adcl__fused_pass *p, int parts,
                                     const adcl_tensor *dy, const adcl_tensor *du, adcl_tensor *dx)
{
    const adcl__fused_cpu *program = p->program;
    const adcl_tensor *out = dx != NULL ? dx : dy;
    const bool turned = adcl__fused_cpu_turns(program, dy->rows);
    const factor w_up_t = turned ? turned_factor(program, p->w_up)
                                 : packed_factor(program, p->w_up_t, program->hidden);
    const factor w_down_t = turned ? turned_factor(program, p->w_down)
                                   : packed_factor(program, p->w_down_t, program->bottleneck);
    const cl_mem buffers[] = {dy->buffer,    du->buffer,    w_up_t.buffer, w_down_t.buffer,
                              p->z->buffer, p->dz->buffer, out->buffer};
    backward_arguments sizes = {
        .dy = place_of(dy), .du = place_of(du), .z = place_of(p->z), .dz = place_of(p->dz),
        .dx = place_of(out), .w_up_t = w_up_t.place, .w_down_t = w_down_t.place,
        .dropout = dropout_of(p->mask, program->hidden),
        .rows = (cl_uint)dy->rows, .hidden = (cl_uint)program->hidden,
        .bottleneck = (cl_uint)program->bottleneck,
        .residual = p->residual, .scaling = p->scaling,
        .parts = (cl_uint)parts | (turned ? TURNED : 0)};
    const size_t rows = dy->rows;
    if (!are_few(program, rows))
        return LAUNCH(ctx, kernel(program, "adcl_fused_backward"), many_range(program, rows), buffers,
                      sizes);
    size_t columns = 0;
    if (adcl__fused_cpu_splits(program, rows)) /* one part; du is made by whole rows */
        columns = parts == ADCL__FUSED_DX ? program->hidden : down_columns(program, p->mask != NULL);
    return LAUNCH(ctx, kernel(program, "adcl_fused_backward_few"), few_range(program, rows, columns),
                  buffers, sizes);
}

/* ---- gradients -------------------------------------------------------------------------------- */

/* Factors of w_down (x, dz) and of w_up (h, du). */
typedef struct gradient_factors {
    const adcl_tensor *x, *dz, *h, *du;
    const adcl_tensor *rooms;
    float scaling;
} gradient_factors;

static adcl_status gradients(adcl_context *ctx, const adcl__fused_cpu *program,
                             const gradient_factors *f, const adcl__fused_gradients *to)
{
    const adcl_tensor *unwanted = f->du; /* some tensor must be named */
    const adcl_tensor *w_down = to->w_down != NULL ? to->w_down : unwanted;
    const adcl_tensor *b_down = to->b_down != NULL ? to->b_down : unwanted;
    const adcl_tensor *w_up = to->w_up != NULL ? to->w_up : unwanted;
    const adcl_tensor *b_up = to->b_up != NULL ? to->b_up : unwanted;
    int wanted = (to->w_down != NULL ? WANTS_W_DOWN : 0) | (to->b_down != NULL ? WANTS_B_DOWN : 0) |
                 (to->w_up != NULL ? WANTS_W_UP : 0) | (to->b_up != NULL ? WANTS_B_UP : 0);
    bool down = (wanted & (WANTS_W_DOWN | WANTS_B_DOWN)) != 0;
    bool up = (wanted & (WANTS_W_UP | WANTS_B_UP)) != 0;
    size_t width = f->h->cols;
    size_t down_items =
        down ? gradient_shares(program, adcl__blocks_of(program->hidden, ADCL__TILE_ROWS)) : 0;
    size_t panels = gradient_shares(program, panels_of(program, program->hidden));
    size_t splits = adcl__least(adcl__blocks_of(width, ADCL__TILE_ROWS),
                                adcl__blocks_of(gradient_shares(program, SIZE_MAX), panels));
    const cl_mem buffers[] = {f->x->buffer,   f->dz->buffer,  f->h->buffer,
                              f->du->buffer,  w_down->buffer, b_down->buffer,
                              w_up->buffer,   b_up->buffer,   buffer_or(f->rooms, f->du)};
    const gradient_arguments sizes = {
        .x = place_of(f->x), .dz = place_of(f->dz), .h = place_of(f->h), .du = place_of(f->du),
        .w_down = place_of(w_down), .w_up = place_of(w_up),
        .b_down = b_down->offset, .b_up = b_up->offset,
        .rows = (cl_uint)f->du->rows, .hidden = (cl_uint)program->hidden,
        .bottleneck = (cl_uint)program->bottleneck, .width = (cl_uint)width,
        .scaling = f->scaling, .wanted = (cl_uint)wanted,
        .down_items = (cl_uint)down_items, .up_splits = (cl_uint)splits};
    adcl__kernel_id id = kernel(program, "adcl_fused_gradients");
    if (program->part == ADCL__FUSED_PRODUCTS) id.part = ADCL__FUSED_GRADIENTS;
    return LAUNCH(ctx, id, range(down_items + (up ? panels * splits : 0), 1), buffers, sizes);
}

adcl_status adcl__fused_cpu_gradients(adcl_context *ctx, const adcl__fused_pass *p,
                                      const adcl_tensor *x, const adcl_tensor *du,
                                      const adcl__fused_gradients *to)
{
    adcl_tensor h = *p->h;
    h.cols = p->program->width; /* without the padding */
    return gradients(ctx, p->program, &(gradient_factors){x, p->dz, &h, du, p->rooms, p->scaling}, to);
}

/* ---- single products -------------------------------------------------------------------------- */

/* out (N, D) = a (N, K)·kernel (K, D) + bias: the second half of a forward pass. */
static adcl_status product(adcl_context *ctx, const adcl__fused_cpu *program, const adcl_tensor *a,
                           factor right, size_t depth, const adcl_tensor *bias, adcl_tensor *out)
{
    const cl_mem unused = out->buffer; /* some buffer must be named */
    const cl_mem buffers[] = {unused, unused, unused, right.buffer, buffer_or(bias, out),
                              unused, a->buffer, out->buffer};
    const forward_arguments sizes = {
        .h = place_of(a), .y = place_of(out), .w_up = right.place,
        .b_up = bias != NULL ? bias->offset : 0,
        .rows = (cl_uint)out->rows, .hidden = (cl_uint)program->hidden, .width = (cl_uint)depth,
        .has_bias = bias != NULL, .scaling = 1.0f, .parts = UP};
    return LAUNCH(ctx, kernel(program, "adcl_fused_forward_few"),
                  few_range(program, out->rows, program->hidden), buffers, sizes);
}

adcl_status adcl__fused_cpu_product(adcl_context *ctx, const adcl__fused_cpu *program,
                                    const adcl_tensor *a, const adcl_tensor *product_kernel,
                                    const adcl_tensor *bias, adcl_tensor *out)
{
    return product(ctx, program, a, matrix_factor(program, product_kernel), product_kernel->rows,
                   bias, out);
}

adcl_status adcl__fused_cpu_product_gradients(adcl_context *ctx, const adcl__fused_cpu *program,
                                              const adcl_tensor *a, const adcl_tensor *du,
                                              const adcl_tensor *rooms,
                                              adcl_tensor *kernel_gradient,
                                              adcl_tensor *bias_gradient)
{
    return gradients(ctx, program, &(gradient_factors){a, a, a, du, rooms, 1.0f},
                     &(adcl__fused_gradients){.w_up = kernel_gradient, .b_up = bias_gradient});
}

adcl_status adcl__fused_cpu_product_back(adcl_context *ctx, const adcl__fused_cpu *program,
                                         const adcl_tensor *dout, const adcl_tensor *product_kernel,
                                         const adcl_tensor *packed, adcl_tensor *da)
{
    const adcl__fused_pass p = {.w_up = product_kernel, .w_up_t = packed};
    ADCL_TRY(pack(ctx, program, &p, PACKS_TRANSPOSES));
    return product(ctx, program, dout, packed_factor(program, packed, product_kernel->cols),
                   product_kernel->cols, NULL, da);
}
