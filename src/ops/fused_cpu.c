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

bool adcl__fused_cpu_splits(const adcl__fused_cpu *program, size_t rows)
{
    return rows <= 64 && adcl__blocks_of(rows, ADCL__TILE_ROWS) < 2 * program->compute_units;
}

bool adcl__fused_cpu_packs(const adcl__fused_cpu *program, size_t rows)
{
    return rows > UNIT_ROWS * program->compute_units;
}

/* Shares of the columns' panels where rows are cut into `row_blocks`. */
static size_t column_shares(const adcl__fused_cpu *program, size_t columns, size_t row_blocks)
{
    size_t wanted = adcl__blocks_of(2 * program->compute_units, row_blocks);
    return adcl__least(panels_of(program, columns), wanted);
}

/* ---- arguments -------------------------------------------------------------------------------- */

/* Scratch: buffer and row stride; it begins at the buffer's begin. */
#define SCRATCH_ARGS(tensor)                                                                       \
    {sizeof(cl_mem), &(tensor)->buffer}, {sizeof(cl_ulong), &(cl_ulong){(tensor)->row_stride}}

/* The right factor of a product, as a matrix or packed. */
typedef struct factor {
    cl_mem buffer;
    cl_ulong offset, stride, panel; /* from row to row; from a panel's begin to the next one's */
} factor;

static factor matrix_factor(const adcl__fused_cpu *program, const adcl_tensor *matrix)
{
    return (factor){matrix->buffer, matrix->offset, matrix->row_stride,
                    adcl__panel_columns(program->vector_width)};
}

static factor packed_factor(const adcl__fused_cpu *program, const adcl_tensor *packed, size_t rows)
{
    size_t columns = adcl__panel_columns(program->vector_width);
    return (factor){packed->buffer, packed->offset, columns, rows * columns};
}

#define FACTOR_ARGS(f) ADCL__ARG((f).buffer), ADCL__ARG((f).offset), ADCL__ARG((f).stride), ADCL__ARG((f).panel)

static const adcl__dropout_mask no_mask;

#define MASK_ARGS(mask)                                                                            \
    ADCL__UINT_ARG((mask) != &no_mask), {sizeof(cl_ulong), &(mask)->seed},                         \
        {sizeof(cl_ulong), &(mask)->step}, {sizeof(cl_uint), &(mask)->threshold},                  \
        {sizeof(float), &(mask)->keep_scale}

static const adcl__dropout_mask *mask_of(const adcl__fused_pass *p)
{
    return p->mask != NULL ? p->mask : &no_mask;
}

/* ---- packing ---------------------------------------------------------------------------------- */

static cl_mem buffer_or(const adcl_tensor *tensor, const adcl_tensor *other)
{
    return tensor != NULL ? tensor->buffer : other->buffer; /* some buffer must be named */
}

/* Of the packed copies in p those that are not NULL; w_down NULL: of w_up alone. */
static adcl_status pack(adcl_context *ctx, const adcl__fused_cpu *program, const adcl__fused_pass *p, int packs)
{
    const adcl_tensor *w_up = p->w_up, *w_down = p->w_down != NULL ? p->w_down : w_up;
    size_t blocks = adcl__blocks_of(w_up->rows, PACK_ROWS);
    if (p->w_down != NULL) blocks += adcl__blocks_of(w_down->rows, PACK_ROWS);
    const cl_mem to[] = {buffer_or(p->w_up_packed, w_up), buffer_or(p->w_down_packed, w_up),
                         buffer_or(p->w_up_t, w_up), buffer_or(p->w_down_t, w_up)};
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(w_up), ADCL__TENSOR_ARGS(w_down), ADCL__ARG(to[0]), ADCL__ARG(to[1]),
        ADCL__ARG(to[2]), ADCL__ARG(to[3]), ADCL__UINT_ARG(w_up->cols), ADCL__UINT_ARG(w_down->cols),
        ADCL__UINT_ARG(w_up->rows), ADCL__UINT_ARG(packs)};
    return ADCL__LAUNCH(ctx, kernel(program, "adcl_fused_pack"), range(blocks, 1), arguments);
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

/* One product with D columns, for few rows: y = [x +] mask∘scaling·(h·kernel + bias). */
typedef struct up_product {
    const adcl_tensor *h;
    factor kernel;
    size_t depth; /* rows of the kernel */
    const adcl_tensor *bias, *x; /* NULL: without */
    float scaling;
    const adcl__dropout_mask *mask;
} up_product;

static adcl_status up(adcl_context *ctx, const adcl__fused_cpu *program, const up_product *p,
                      adcl_tensor *y)
{
    const adcl_tensor *x = p->x != NULL ? p->x : y, *bias = p->bias != NULL ? p->bias : y;
    size_t row_blocks = adcl__blocks_of(y->rows, ADCL__TILE_FEW_ROWS);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(x), ADCL__TENSOR_ARGS(p->h), FACTOR_ARGS(p->kernel),
        ADCL__VECTOR_ARGS(bias), ADCL__TENSOR_ARGS(y), ADCL__UINT_ARG(y->rows),
        ADCL__UINT_ARG(program->hidden), ADCL__UINT_ARG(p->depth), ADCL__ARG(p->scaling),
        ADCL__UINT_ARG(p->x != NULL), ADCL__UINT_ARG(p->bias != NULL), MASK_ARGS(p->mask)};
    return ADCL__LAUNCH(ctx, kernel(program, "adcl_fused_up"),
                        range(row_blocks, column_shares(program, program->hidden, row_blocks)),
                        arguments);
}

static adcl_status forward_few(adcl_context *ctx, const adcl__fused_pass *p, const adcl_tensor *x,
                               adcl_tensor *y)
{
    const adcl__fused_cpu *program = p->program;
    size_t row_blocks = adcl__blocks_of(x->rows, ADCL__TILE_FEW_ROWS);
    size_t column_blocks =
        adcl__activation_mixes_columns(program->activation) ? 1 : column_shares(program, program->bottleneck, row_blocks);
    const factor w_down = down_factor(p);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(x),          FACTOR_ARGS(w_down),
        ADCL__VECTOR_ARGS(p->b_down),  SCRATCH_ARGS(p->z),
        SCRATCH_ARGS(p->h),            ADCL__UINT_ARG(x->rows),
        ADCL__UINT_ARG(program->hidden), ADCL__UINT_ARG(program->bottleneck)};
    ADCL_TRY(ADCL__LAUNCH(ctx, kernel(program, "adcl_fused_down"),
                          range(row_blocks, column_blocks), arguments));
    return up(ctx, program,
              &(up_product){.h = p->h,
                            .kernel = up_factor(p),
                            .depth = p->w_up->rows,
                            .bias = p->b_up,
                            .x = p->residual ? x : NULL,
                            .scaling = p->scaling,
                            .mask = mask_of(p)},
              y);
}

adcl_status adcl__fused_cpu_forward(adcl_context *ctx, const adcl__fused_pass *p,
                                    const adcl_tensor *x, adcl_tensor *y)
{
    const adcl__fused_cpu *program = p->program;
    if (adcl__fused_cpu_splits(program, x->rows)) return forward_few(ctx, p, x, y);
    const adcl__dropout_mask *mask = mask_of(p);
    const factor w_down = down_factor(p), w_up = up_factor(p);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(x), FACTOR_ARGS(w_down), ADCL__VECTOR_ARGS(p->b_down),
        FACTOR_ARGS(w_up), ADCL__VECTOR_ARGS(p->b_up), SCRATCH_ARGS(p->z),
        SCRATCH_ARGS(p->h), ADCL__TENSOR_ARGS(y), ADCL__UINT_ARG(x->rows),
        ADCL__UINT_ARG(program->hidden), ADCL__UINT_ARG(program->bottleneck),
        ADCL__UINT_ARG(program->width), ADCL__ARG(p->scaling), ADCL__UINT_ARG(p->residual),
        MASK_ARGS(mask)};
    return ADCL__LAUNCH(ctx, kernel(program, "adcl_fused_forward"),
                        range(shares(program, adcl__blocks_of(x->rows, ADCL__TILE_ROWS)), 1),
                        arguments);
}

/* ---- backward --------------------------------------------------------------------------------- */

static adcl_status backward_few(adcl_context *ctx, const adcl__fused_pass *p, int parts,
                                const adcl_tensor *dy, const adcl_tensor *du, adcl_tensor *dx)
{
    const adcl__fused_cpu *program = p->program;
    const adcl__dropout_mask *mask = mask_of(p);
    size_t row_blocks = adcl__blocks_of(dy->rows, ADCL__TILE_FEW_ROWS);
    bool whole_rows = adcl__activation_mixes_columns(program->activation) || p->mask != NULL;
    size_t column_blocks =
        whole_rows ? 1 : column_shares(program, program->bottleneck, row_blocks);
    const factor w_up_t = packed_factor(program, p->w_up_t, program->hidden);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(dy), ADCL__TENSOR_ARGS(du), FACTOR_ARGS(w_up_t),
        {sizeof(cl_mem), &p->z->buffer}, SCRATCH_ARGS(p->dz), ADCL__UINT_ARG(dy->rows),
        ADCL__UINT_ARG(program->hidden), ADCL__UINT_ARG(program->bottleneck), ADCL__ARG(p->scaling),
        MASK_ARGS(mask)};
    if (parts & ADCL__FUSED_DZ)
        ADCL_TRY(ADCL__LAUNCH(ctx, kernel(program, "adcl_fused_back_down"),
                              range(row_blocks, column_blocks), arguments));
    if (!(parts & ADCL__FUSED_DX)) return ADCL_OK;
    return up(ctx, program,
              &(up_product){.h = p->dz,
                            .kernel = packed_factor(program, p->w_down_t, program->bottleneck),
                            .depth = program->bottleneck, .x = p->residual ? dy : NULL,
                            .scaling = 1.0f, .mask = &no_mask},
              dx);
}

adcl_status adcl__fused_cpu_backward(adcl_context *ctx, const adcl__fused_pass *p, int parts,
                                     const adcl_tensor *dy, const adcl_tensor *du, adcl_tensor *dx)
{
    const adcl__fused_cpu *program = p->program;
    if (adcl__fused_cpu_splits(program, dy->rows))
        return backward_few(ctx, p, parts, dy, du, dx);
    const adcl_tensor *out = dx != NULL ? dx : dy;
    const adcl__dropout_mask *mask = mask_of(p);
    const factor w_up_t = packed_factor(program, p->w_up_t, program->hidden);
    const factor w_down_t = packed_factor(program, p->w_down_t, program->bottleneck);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(dy), ADCL__TENSOR_ARGS(du), FACTOR_ARGS(w_up_t),
        FACTOR_ARGS(w_down_t), {sizeof(cl_mem), &p->z->buffer}, SCRATCH_ARGS(p->dz),
        ADCL__TENSOR_ARGS(out), ADCL__UINT_ARG(dy->rows), ADCL__UINT_ARG(program->hidden),
        ADCL__UINT_ARG(program->bottleneck), ADCL__ARG(p->scaling), ADCL__UINT_ARG(p->residual),
        ADCL__UINT_ARG(parts), MASK_ARGS(mask)};
    return ADCL__LAUNCH(ctx, kernel(program, "adcl_fused_backward"),
                        range(shares(program, adcl__blocks_of(dy->rows, ADCL__TILE_ROWS)), 1),
                        arguments);
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
    const adcl_tensor *unwanted = f->du; /* some buffer must be named */
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
    const cl_mem rooms = buffer_or(f->rooms, f->du);
    const adcl__argument arguments[] = {
        ADCL__TENSOR_ARGS(f->x), SCRATCH_ARGS(f->dz), ADCL__TENSOR_ARGS(f->h),
        ADCL__TENSOR_ARGS(f->du), ADCL__TENSOR_ARGS(w_down), ADCL__VECTOR_ARGS(b_down),
        ADCL__TENSOR_ARGS(w_up), ADCL__VECTOR_ARGS(b_up), ADCL__ARG(rooms),
        ADCL__UINT_ARG(f->du->rows),
        ADCL__UINT_ARG(program->hidden), ADCL__UINT_ARG(program->bottleneck), ADCL__UINT_ARG(width),
        ADCL__ARG(f->scaling), ADCL__UINT_ARG(wanted), ADCL__UINT_ARG(down_items),
        ADCL__UINT_ARG(splits)};
    adcl__kernel_id id = kernel(program, "adcl_fused_gradients");
    if (program->part == ADCL__FUSED_PRODUCTS) id.part = ADCL__FUSED_GRADIENTS;
    return ADCL__LAUNCH(ctx, id, range(down_items + (up ? panels * splits : 0), 1), arguments);
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

adcl_status adcl__fused_cpu_product(adcl_context *ctx, const adcl__fused_cpu *program,
                                    const adcl_tensor *a, const adcl_tensor *product_kernel,
                                    const adcl_tensor *bias, adcl_tensor *out)
{
    return up(ctx, program,
              &(up_product){.h = a, .kernel = matrix_factor(program, product_kernel),
                            .depth = product_kernel->rows, .bias = bias, .scaling = 1.0f,
                            .mask = &no_mask},
              out);
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
    return up(ctx, program,
              &(up_product){.h = dout,
                            .kernel = packed_factor(program, packed, product_kernel->cols),
                            .depth = product_kernel->cols, .scaling = 1.0f, .mask = &no_mask},
              da);
}
