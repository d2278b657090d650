/* SPDX-License-Identifier: MIT */
/* fused_cpu.cl – an adapter's passes for devices that are CPUs: a work-group is one work-item, which
 * keeps a tile of the result in vector registers while it walks along the inner dimension (cpu_tile.cl).
 *
 *   forward     z = x·w_down + b_down    h = act(z)             y = [x +] mask∘s·(h·w_up + b_up)
 *   backward    du = mask∘dy             dz = s·du·w_upᵀ ∘ act′(z)     dx = [dy +] dz·w_downᵀ
 *   gradients   w_down += xᵀ·dz   b_down += Σ dz   w_up += s·hᵀ·du   b_up += s·Σ du
 *
 * N rows, D hidden, R bottleneck, W columns of h (R; 1 for log_sumexp). z, dz (N, R) and h (N, W) are
 * scratch, their rows padded to whole vectors; the padding holds numbers that nobody uses.
 *
 * w_down, w_up and their transposes are read where they are or from packed copies (see docs/engines.md for when), whose
 * panels lie one behind the other: [panels][K][PANEL_COLS]. In the matrices themselves the rows of a panel lie pages
 * apart, and looking those up took a fifth of the time.
 *
 * Known when the program is built: ADCL_WIDTH; ADCL_DROPS (cpu_output.cl); ADCL_PART (common.cl): which of the kernels
 * there are, those named below or, with 0, all; and how the last panel of R and of D columns, of
 * fewer than a whole panel's, is made up (see src/ops/fused_cpu.c):
 *   ADCL_R_FULL      1: there are whole panels
 *   ADCL_R_VECTORS   vectors in the last panel
 *   ADCL_R_SHIFTED   1: the last of them ends with the columns, and so overlaps what is before it
 *   ADCL_R_HALF      1: a vector of half the width follows, which ends with the columns
 * and ADCL_D_… the same. */

#define ADCL_INFERENCE 1 /* forward passes */
#define ADCL_PRODUCTS 2  /* single products, there and back */
#define ADCL_GRADIENTS 3 /* their gradients, which are those of w_up */

#ifndef ADCL_R_FULL
#define ADCL_R_FULL 1
#endif
#ifndef ADCL_R_VECTORS
#define ADCL_R_VECTORS 0
#endif
#ifndef ADCL_R_SHIFTED
#define ADCL_R_SHIFTED 0
#endif
#ifndef ADCL_R_HALF
#define ADCL_R_HALF 0
#endif
#ifndef ADCL_D_FULL
#define ADCL_D_FULL 1
#endif
#ifndef ADCL_D_VECTORS
#define ADCL_D_VECTORS 0
#endif
#ifndef ADCL_D_SHIFTED
#define ADCL_D_SHIFTED 0
#endif
#ifndef ADCL_D_HALF
#define ADCL_D_HALF 0
#endif

#define ADCL_SUM_ROWS 128 /* gradients are summed over so many rows, then added */

/* ---- panels ----------------------------------------------------------------------------------- */

/* Goes on by `panels`. */
ADCL_INLINE void adcl_advance(adcl_factors *f, adcl_output *o, uint panels)
{
    const uint c = panels * ADCL_PANEL_COLS;
    f->b += panels * f->b_panel;
    if (o->own) o->own += c;
    if (o->bias) o->bias += c;
    if (o->next) o->next += c;
    o->out += c;
    o->col += c;
}

#define ADCL_AHEAD 1 /* panels between asking for memory and writing it */

/* out (count, C) for so many panels of one shape, one behind the other. They stay functions, so
 * that a compiler has each shape to do once, and registers for it alone. */
#define ADCL_PANELS(name, rows, vectors, shifted, half_vectors, multiply, window)         \
    ADCL_APART void name(uint count, uint panels, uint cols, const adcl_factors *f,       \
                         const adcl_output *o)                                            \
    {                                                                                     \
        adcl_factors g = *f;                                                              \
        adcl_output q = *o;                                                               \
        for (; panels > 0; panels--) {                                                    \
            adcl_panel p = {vectors, shifted, half_vectors, cols};                        \
            adcl_tile tile;                                                               \
            for (uint i = 0; i < rows; i++) {                                             \
                ADCL_EXPECT_ROW(q.out + i * q.out_stride + ADCL_AHEAD * ADCL_PANEL_COLS); \
                if (q.next) ADCL_FETCH_ROW(q.next + i * q.own_stride);                    \
            }                                                                             \
            adcl_clear_tile(rows, p, &tile);                                              \
            multiply(rows, p, &g, &tile);                                                 \
            adcl_write(rows, count, window, p, &tile, &q);                                \
            adcl_advance(&g, &q, 1);                                                      \
        }                                                                                 \
    }

/* out (count, R) or (count, D) for columns [first, last), which begin and end with panels. */
#define ADCL_COLUMNS(name, whole_panels, last_panel, has_whole, has_last)                  \
    ADCL_INLINE void name(uint count, uint first, uint last, const adcl_factors *f,        \
                          const adcl_output *o)                                            \
    {                                                                                      \
        const uint panels = (last - first) / ADCL_PANEL_COLS,                              \
                   rest = (last - first) % ADCL_PANEL_COLS;                                \
        adcl_factors g = *f;                                                               \
        adcl_output q = *o;                                                                \
        adcl_advance(&g, &q, first / ADCL_PANEL_COLS);                                     \
        if (has_whole && panels > 0) whole_panels(count, panels, ADCL_PANEL_COLS, &g, &q); \
        if (!(has_last) || rest == 0) return;                                              \
        adcl_advance(&g, &q, panels);                                                      \
        last_panel(count, 1, rest, &g, &q);                                                \
    }

/* ---- transposes ------------------------------------------------------------------------------- */

#if ADCL_WIDTH > 1
/* A vector whose quad q has four numbers of row 4·q. (oclgrind does not know vectors made of vectors.) */
ADCL_INLINE REAL adcl_quads(global const float *rows, ulong stride)
{
    REAL quads;
#if ADCL_WIDTH == 16
    quads.lo.lo = vload4(0, rows);
    quads.lo.hi = vload4(0, rows + 4 * stride);
    quads.hi.lo = vload4(0, rows + 8 * stride);
    quads.hi.hi = vload4(0, rows + 12 * stride);
#elif ADCL_WIDTH == 8
    quads.lo = vload4(0, rows);
    quads.hi = vload4(0, rows + 4 * stride);
#else
    quads = vload4(0, rows);
#endif
    return quads;
}

/* columns[k], of four: number k of each of WIDTH rows. Quads are transposed by single numbers, then by pairs. */
ADCL_INLINE void adcl_take_columns(global const float *rows, ulong stride, REAL *columns)
{
    PAIRS even[2], odd[2]; /* numbers 0 and 2, 1 and 3, of two rows */
    ADCL_EACH(i, 2, 2) {
        REAL a = adcl_quads(rows + 2 * i * stride, stride), mixed;
        REAL b = adcl_quads(rows + (2 * i + 1) * stride, stride);
        mixed.even = a.even;
        mixed.odd = b.even;
        even[i] = ADCL_AS_PAIRS(mixed);
        mixed.even = a.odd;
        mixed.odd = b.odd;
        odd[i] = ADCL_AS_PAIRS(mixed);
    }
    PAIRS of_rows[4];
    of_rows[0].even = even[0].even;
    of_rows[0].odd = even[1].even;
    of_rows[1].even = odd[0].even;
    of_rows[1].odd = odd[1].even;
    of_rows[2].even = even[0].odd;
    of_rows[2].odd = even[1].odd;
    of_rows[3].even = odd[0].odd;
    of_rows[3].odd = odd[1].odd;
    ADCL_EACH(k, 4, 4) columns[k] = ADCL_AS_REAL(of_rows[k]);
}
#endif

/* Whether there is a backward pass, and columns are whole vectors: a factor can be read as its transpose then. */
#define ADCL_TURNS                                                                                 \
    (ADCL_PART == 0 && ADCL_WIDTH > 1 &&                                                           \
     !(ADCL_R_SHIFTED || ADCL_R_HALF || ADCL_D_SHIFTED || ADCL_D_HALF))

/* tile += A·Bᵀ for two rows: a row of B has the numbers of one column of the tile, for all k. For so few that takes
 * less than to transpose B first; the order of k is the same, and so are the bits. */
#if ADCL_TURNS
ADCL_INLINE void adcl_multiply_turned(uint rows, adcl_panel p, const adcl_factors *f, adcl_tile *tile)
{
    global const float *a0 = f->a[0], *a1 = f->a[1], *b = f->b;
    const ulong b_stride = f->b_stride;
    for (uint k = f->depth; k > 0; k -= 4, a0 += 4, a1 += 4, b += 4)
        ADCL_EACH(j, ADCL_PANEL, p.vectors) {
            REAL columns[4];
            adcl_take_columns(b + j * ADCL_WIDTH * b_stride, b_stride, columns);
            ADCL_EACH(s, 4, 4)
                ADCL_EACH(i, ADCL_ROWS, rows)
                    tile->full[i][j] += (i < rows / 2 ? a0 : a1)[s] * columns[s];
        }
}
#endif

/* For tiles of `rows`, and each way to read A. */
#define ADCL_TILES(suffix, rows, multiply, window)                                             \
    ADCL_PANELS(adcl_whole_panels##suffix, rows, ADCL_PANEL, 0, 0, multiply, window)              \
    ADCL_PANELS(adcl_last_r##suffix, rows, ADCL_R_VECTORS, ADCL_R_SHIFTED, ADCL_R_HALF, multiply, \
                window)                                                                           \
    ADCL_PANELS(adcl_last_d##suffix, rows, ADCL_D_VECTORS, ADCL_D_SHIFTED, ADCL_D_HALF, multiply, \
                window)                                                                           \
    ADCL_COLUMNS(adcl_r_columns##suffix, adcl_whole_panels##suffix, adcl_last_r##suffix,          \
                 ADCL_R_FULL, ADCL_R_VECTORS || ADCL_R_HALF)                                      \
    ADCL_COLUMNS(adcl_d_columns##suffix, adcl_whole_panels##suffix, adcl_last_d##suffix,          \
                 ADCL_D_FULL, ADCL_D_VECTORS || ADCL_D_HALF)
ADCL_TILES(, ADCL_ROWS, adcl_multiply, false)
ADCL_TILES(_few, ADCL_FEW_ROWS, adcl_multiply, false)
ADCL_TILES(_transposed, ADCL_ROWS, adcl_multiply_transposed, true)
#if ADCL_TURNS
ADCL_TILES(_turned, ADCL_FEW_ROWS, adcl_multiply_turned, false)
#else
#define adcl_r_columns_turned adcl_r_columns_few /* never called */
#define adcl_d_columns_turned adcl_d_columns_few
#endif

/* Columns [*first, *last) of `size` that are this item's of `items`: whole panels. */
ADCL_INLINE void adcl_share_panels(uint item, uint items, uint size, uint *first, uint *last)
{
    uint panels = (size + ADCL_PANEL_COLS - 1) / ADCL_PANEL_COLS;
    *first = (uint)((ulong)item * panels / items) * ADCL_PANEL_COLS;
    *last = min((uint)((ulong)(item + 1) * panels / items) * ADCL_PANEL_COLS, size);
}

/* ---- rows of the bottleneck ------------------------------------------------------------------- */

/* h = act(z) for `count` rows; columns [first, last) where numbers are taken one by one. */
ADCL_INLINE void adcl_activate(uint count, global const float *z, ulong z_stride, global float *h,
                               ulong h_stride, uint first, uint last)
{
    for (uint i = 0; i < count; i++, z += z_stride, h += h_stride) {
#if ADCL_ELEMENTWISE
        for (uint c = first; c < last; c += ADCL_WIDTH)
            ADCL_STORE(adcl_act(ADCL_LOAD(z + c)), h + c);
#else
        adcl_act_row(z, h, last, adcl_row_sum(z, last));
#endif
    }
}

/* dz = dz ∘ act′(z), likewise. For log_sumexp the first number of each row of dz is dh. */
ADCL_INLINE void adcl_activate_bwd(uint count, global const float *z, global float *dz,
                                   ulong stride, uint first, uint last)
{
    for (uint i = 0; i < count; i++, z += stride, dz += stride) {
#if ADCL_ELEMENTWISE
        for (uint c = first; c < last; c += ADCL_WIDTH)
            ADCL_STORE(ADCL_LOAD(dz + c) * adcl_act_slope(ADCL_LOAD(z + c)), dz + c);
#else
        adcl_act_row_bwd(z, dz, dz, last, adcl_row_sum(z, last));
#endif
    }
}

/* log_sumexp has one h a row, so w_upᵀ is (D, 1): a product with it, for `count` rows at `a`. */
ADCL_INLINE void adcl_one_column(uint count, global const float *a, ulong row_stride,
                                 const adcl_factors *f, const adcl_output *o)
{
    for (uint i = 0; i < count; i++, a += row_stride) {
        float sum = 0.0f;
        for (uint k = 0; k < f->depth; k++) sum += a[k] * f->b[k * f->b_stride];
        adcl_write_number(o, i, 0, sum, 1.0f);
    }
}

/* ---- where things lie ------------------------------------------------------------------------- */

/* Structures that the host fills, the same in src/ops/fused_cpu.c: some drivers copy each argument by itself, which for
 * one row takes a tenth of the time. Places are counted in floats, from the begin of a buffer. */
typedef struct adcl_place { /* a matrix: its first element; from row to row */
    ulong offset, stride;
} adcl_place;

/* The right factor of a product, as a matrix (its panels lie PANEL_COLS apart) or packed; `panel`: from the begin of
 * one to that of the next. */
typedef struct adcl_factor_place {
    ulong offset, stride, panel;
} adcl_factor_place;

/* What a launch is to make of a pass. */
#define ADCL_DOWN 1   /* z and h; backward dz (and du, under dropout) */
#define ADCL_UP 2     /* y; backward dx */
#define ADCL_TURNED 4 /* backward, few rows: w_up_t and w_down_t are w_up and w_down themselves, as matrices */

/* adcl_factors of a buffer's numbers. */
#define ADCL_FACTORS(numbers, place, rows)                                                         \
    {.b = (numbers) + (place).offset, .b_stride = (place).stride, .b_panel = (place).panel, .depth = rows}

/* Row `row` of a matrix. */
#define ADCL_ROW(numbers, place, row) ((numbers) + (place).offset + (row) * (place).stride)

/* Tiles [first, last) of rows that are this work-item's. */
ADCL_INLINE void adcl_share_tiles(uint rows, uint *first, uint *last)
{
    uint tiles = (rows + ADCL_ROWS - 1) / ADCL_ROWS;
    ulong item = get_global_id(0), items = get_global_size(0);
    *first = (uint)(item * tiles / items);
    *last = (uint)((item + 1) * tiles / items);
}

/* ---- forward ---------------------------------------------------------------------------------- */

typedef struct adcl_forward {
    adcl_place x, z, h, y;
    adcl_factor_place w_down, w_up;
    ulong b_down, b_up;
    adcl_dropout dropout;
    uint rows, hidden, bottleneck, width;
    uint residual, has_bias; /* x and b_up are added */
    float scaling;
    uint parts;
} adcl_forward;

/* z = x·w_down + b_down and h = act(z) for columns [first, last) of rows from `row` on. */
#define ADCL_MAKE_DOWN(columns, tile_rows, row, count, first, last)                                \
    {                                                                                              \
        global float *z_rows = ADCL_ROW(z, p.z, row);                                              \
        adcl_factors f = ADCL_FACTORS(w_down, p.w_down, p.hidden);                                 \
        adcl_take_rows(tile_rows, count, ADCL_ROW(x, p.x, row), p.x.stride, &f);                   \
        adcl_output o = {                                                                          \
            .bias = b_down + p.b_down, .scale = 1.0f, .out = z_rows, .out_stride = p.z.stride};    \
        columns(count, first, last, &f, &o);                                                       \
        adcl_activate(count, z_rows, p.z.stride, ADCL_ROW(h, p.h, row), p.h.stride,                \
                      first, last);                                                                \
    }

/* y = [x +] mask∘scaling·(h·w_up + b_up), likewise. Rows of x that begin at `soon` are asked for meanwhile. */
#define ADCL_MAKE_UP(columns, tile_rows, row, count, first, last, soon)                            \
    {                                                                                              \
        adcl_factors f = ADCL_FACTORS(w_up, p.w_up, p.width);                                      \
        adcl_take_rows(tile_rows, count, ADCL_ROW(h, p.h, row), p.h.stride, &f);                   \
        adcl_output o = {.own = p.residual ? ADCL_ROW(x, p.x, row) : 0,                            \
                         .own_stride = p.x.stride,                                                 \
                         .bias = p.has_bias ? b_up + p.b_up : 0,                                   \
                         .scale = p.scaling,                                                       \
                         .out = ADCL_ROW(y, p.y, row),                                             \
                         .out_stride = p.y.stride,                                                 \
                         .row = row,                                                               \
                         .next = soon,                                                             \
                         .dropout = p.dropout};                                                    \
        columns(count, first, last, &f, &o);                                                       \
    }

#define ADCL_FORWARD_PARAMETERS                                                                    \
    global const float *x, global const float *w_down, global const float *b_down,                 \
        global const float *w_up, global const float *b_up, global float *z, global float *h,      \
        global float *y, const adcl_forward p

/* Work-item i of any number: its share of the rows. y may be x. z may be h. */
#if ADCL_MAKES(ADCL_INFERENCE)
ADCL_KERNEL void adcl_fused_forward(ADCL_FORWARD_PARAMETERS)
{
    uint first, last;
    adcl_share_tiles(p.rows, &first, &last);
    for (uint tile = first; tile < last; tile++) {
        uint row = tile * ADCL_ROWS, count = min(p.rows - row, (uint)ADCL_ROWS);
        global const float *next = tile + 1 < last ? ADCL_ROW(x, p.x, row + ADCL_ROWS) : 0;
        ADCL_MAKE_DOWN(adcl_r_columns, ADCL_ROWS, row, count, 0, p.bottleneck)
        ADCL_MAKE_UP(adcl_d_columns, ADCL_ROWS, row, count, 0, p.hidden, next)
    }
}
#endif

/* For few rows: DOWN, UP, or both where there is one share of the columns. Work-item (i, j): rows FEW_ROWS·i on, a
 * share of the columns. */
#if ADCL_MAKES(ADCL_INFERENCE) || ADCL_MAKES(ADCL_PRODUCTS)
ADCL_KERNEL void adcl_fused_forward_few(ADCL_FORWARD_PARAMETERS)
{
    uint row = get_global_id(0) * ADCL_FEW_ROWS, count = min(p.rows - row, (uint)ADCL_FEW_ROWS);
    uint first, last;
    if (ADCL_PART != ADCL_PRODUCTS && (p.parts & ADCL_DOWN)) {
        adcl_share_panels(get_global_id(1), get_global_size(1), p.bottleneck, &first, &last);
        ADCL_MAKE_DOWN(adcl_r_columns_few, ADCL_FEW_ROWS, row, count, first, last)
    }
    if (p.parts & ADCL_UP) {
        adcl_share_panels(get_global_id(1), get_global_size(1), p.hidden, &first, &last);
        ADCL_MAKE_UP(adcl_d_columns_few, ADCL_FEW_ROWS, row, count, first, last, 0)
    }
}
#endif

/* ---- packing ---------------------------------------------------------------------------------- */

/* A packed copy of (K, C) is [panels of C][K][PANEL_COLS]; this is its element (k, c). */
ADCL_INLINE ulong adcl_packed_at(uint depth, uint k, uint c)
{
    return (ulong)(c / ADCL_PANEL_COLS * depth + k) * ADCL_PANEL_COLS + c % ADCL_PANEL_COLS;
}

/* packed = rows [first, last) of a matrix of so many columns, which has `rows` in all. */
ADCL_INLINE void adcl_pack_rows(global const float *from, ulong from_stride, uint first, uint last,
                                uint rows, uint cols, global float *packed)
{
    const uint whole = cols - cols % ADCL_WIDTH;
    for (uint r = first; r < last; r++) {
        global const float *row = from + r * from_stride;
        for (uint c = 0; c < whole; c += ADCL_WIDTH)
            ADCL_STORE(ADCL_LOAD(row + c), packed + adcl_packed_at(rows, r, c));
        for (uint c = whole; c < cols; c++) packed[adcl_packed_at(rows, r, c)] = row[c];
    }
}

/* packed = the transpose (cols, rows) of a matrix, as far as rows [first, last) of it go. */
ADCL_INLINE void adcl_pack_columns(global const float *from, ulong from_stride, uint first,
                                   uint last, uint cols, global float *packed)
{
    uint r = first;
#if ADCL_WIDTH > 1
    const uint whole = cols - cols % 4;
    for (; r + ADCL_WIDTH <= last; r += ADCL_WIDTH) {
        global const float *rows = from + r * from_stride;
        for (uint c = 0; c < whole; c += 4) {
            REAL columns[4];
            global float *to = packed + adcl_packed_at(cols, c, r);
            adcl_take_columns(rows + c, from_stride, columns);
            ADCL_EACH(k, 4, 4) ADCL_STORE(columns[k], to + k * ADCL_PANEL_COLS);
        }
        for (uint c = whole; c < cols; c++)
            for (uint i = 0; i < ADCL_WIDTH; i++)
                packed[adcl_packed_at(cols, c, r + i)] = rows[i * from_stride + c];
    }
#endif
    for (; r < last; r++)
        for (uint c = 0; c < cols; c++)
            packed[adcl_packed_at(cols, c, r)] = from[r * from_stride + c];
}

/* Bits of `packs`. */
#define ADCL_PACKS_KERNELS 1
#define ADCL_PACKS_TRANSPOSES 2
#define ADCL_PACK_ROWS 16 /* of a work-item */

typedef struct adcl_pack {
    adcl_place w_up, w_down;
    uint hidden, bottleneck, width, packs;
} adcl_pack;

/* Work-item i: a block of rows of w_up (W, D) or, behind those, of w_down (D, R); packed, and packed as their
 * transposes. */
#if ADCL_MAKES(ADCL_INFERENCE) || ADCL_MAKES(ADCL_PRODUCTS)
ADCL_KERNEL void adcl_fused_pack(global const float *w_up, global const float *w_down,
                                 global float *w_up_packed, global float *w_down_packed,
                                 global float *w_up_t, global float *w_down_t, const adcl_pack p)
{
    uint block = get_global_id(0), up_blocks = (p.width + ADCL_PACK_ROWS - 1) / ADCL_PACK_ROWS;
    bool up = block < up_blocks;
    uint rows = up ? p.width : p.hidden, cols = up ? p.hidden : p.bottleneck;
    uint first = (up ? block : block - up_blocks) * ADCL_PACK_ROWS;
    uint last = min(first + ADCL_PACK_ROWS, rows);
    global const float *from = up ? w_up + p.w_up.offset : w_down + p.w_down.offset;
    ulong stride = up ? p.w_up.stride : p.w_down.stride;
    if (p.packs & ADCL_PACKS_KERNELS)
        adcl_pack_rows(from, stride, first, last, rows, cols, up ? w_up_packed : w_down_packed);
    if (ADCL_PART != ADCL_INFERENCE && (p.packs & ADCL_PACKS_TRANSPOSES))
        adcl_pack_columns(from, stride, first, last, cols, up ? w_up_t : w_down_t);
}
#endif

/* ---- backward --------------------------------------------------------------------------------- */

/* du = mask∘dy for `count` rows; in pieces of WIDTH blocks of the stream where they begin with
 * rows, and of less where they may not. */
ADCL_INLINE void adcl_mask_rows(uint count, global const float *dy, ulong dy_stride,
                                global float *du, ulong du_stride, uint row, uint hidden,
                                adcl_dropout dropout)
{
    const bool aligned = hidden % 4 == 0;
    const uint piece = aligned ? 4 * ADCL_WIDTH : 4 * ADCL_WIDTH - 3;
    for (uint i = 0; i < count; i++, dy += dy_stride, du += du_stride)
        for (uint first = 0; first < hidden; first += piece) {
            float factors[4 * ADCL_WIDTH];
            uint cols = min(hidden - first, piece);
            if (aligned)
                adcl_block_factors(&dropout, ((ulong)(row + i) * hidden + first) / 4, ADCL_WIDTH, 0,
                                   factors);
            else
                adcl_dropout_factors(&dropout, row + i, first, cols, factors);
            for (uint c = 0; c < cols; c++)
                du[first + c] = factors[c] == 0.0f ? 0.0f : factors[c] * dy[first + c];
        }
}

typedef struct adcl_backward {
    adcl_place dy, du, z, dz, dx;
    adcl_factor_place w_up_t, w_down_t;
    adcl_dropout dropout;
    uint rows, hidden, bottleneck;
    uint residual;
    float scaling;
    uint parts;
} adcl_backward;

/* dz = scaling·du·w_upᵀ ∘ act′(z) for columns [first, last) of rows from `row` on. */
#define ADCL_MAKE_DZ(columns, tile_rows, row, count, first, last)                                  \
    {                                                                                              \
        global float *dz_rows = ADCL_ROW(dz, p.dz, row);                                           \
        adcl_factors f = ADCL_FACTORS(w_up_t, p.w_up_t, p.hidden);                                 \
        adcl_take_rows(tile_rows, count, ADCL_ROW(du, p.du, row), p.du.stride, &f);                \
        adcl_output o = {.scale = p.scaling, .out = dz_rows, .out_stride = p.dz.stride};           \
        if (ADCL_VARIANT == ADCL_LOG_SUMEXP)                                                       \
            adcl_one_column(count, ADCL_ROW(du, p.du, row), p.du.stride, &f, &o);                  \
        else                                                                                       \
            columns(count, first, last, &f, &o);                                                   \
        adcl_activate_bwd(count, ADCL_ROW(z, p.z, row), dz_rows, p.dz.stride, first, last);        \
    }

/* dx = [dy +] dz·w_downᵀ, likewise. Rows of dy that begin at `soon` are asked for meanwhile. */
#define ADCL_MAKE_DX(columns, tile_rows, row, count, first, last, soon)                            \
    {                                                                                              \
        adcl_factors f = ADCL_FACTORS(w_down_t, p.w_down_t, p.bottleneck);                         \
        adcl_take_rows(tile_rows, count, ADCL_ROW(dz, p.dz, row), p.dz.stride, &f);                \
        adcl_output o = {.own = p.residual ? ADCL_ROW(dy, p.dy, row) : 0,                          \
                         .own_stride = p.dy.stride,                                                \
                         .scale = 1.0f,                                                            \
                         .out = ADCL_ROW(dx, p.dx, row),                                           \
                         .out_stride = p.dx.stride,                                                \
                         .next = soon};                                                            \
        columns(count, first, last, &f, &o);                                                       \
    }

/* du = mask∘dy for `count` rows, where something is dropped; without, du is dy. */
#define ADCL_MAKE_DU(row, count)                                                                   \
    if (ADCL_DROPS && p.dropout.drops)                                                             \
        adcl_mask_rows(count, ADCL_ROW(dy, p.dy, row), p.dy.stride, ADCL_ROW(du, p.du, row),       \
                       p.du.stride, row, p.hidden, p.dropout);

#define ADCL_BACKWARD_PARAMETERS                                                                   \
    global const float *dy, global float *du, global const float *w_up_t,                          \
        global const float *w_down_t, global const float *z, global float *dz, global float *dx,   \
        const adcl_backward p

/* DOWN, UP or both. Work-item i of any number: its share of the rows. */
#if ADCL_PART == 0
ADCL_KERNEL void adcl_fused_backward(ADCL_BACKWARD_PARAMETERS)
{
    uint first, last;
    adcl_share_tiles(p.rows, &first, &last);
    for (uint tile = first; tile < last; tile++) {
        uint row = tile * ADCL_ROWS, count = min(p.rows - row, (uint)ADCL_ROWS);
        if (p.parts & ADCL_DOWN) {
            ADCL_MAKE_DU(row, count)
            ADCL_MAKE_DZ(adcl_r_columns, ADCL_ROWS, row, count, 0, p.bottleneck)
        }
        if (p.parts & ADCL_UP) {
            global const float *next = tile + 1 < last && (p.parts & ADCL_DOWN)
                                           ? ADCL_ROW(dy, p.dy, row + ADCL_ROWS)
                                           : 0;
            ADCL_MAKE_DX(adcl_d_columns, ADCL_ROWS, row, count, 0, p.hidden, next)
        }
    }
}
#endif

/* For few rows, cut as in forward. Under dropout DOWN makes the du of its rows, all of it: so there is one share then. */
#if ADCL_PART == 0
ADCL_KERNEL void adcl_fused_backward_few(ADCL_BACKWARD_PARAMETERS)
{
    uint row = get_global_id(0) * ADCL_FEW_ROWS, count = min(p.rows - row, (uint)ADCL_FEW_ROWS);
    const bool turned = ADCL_TURNS && (p.parts & ADCL_TURNED);
    uint first, last;
    if (p.parts & ADCL_DOWN) {
        adcl_share_panels(get_global_id(1), get_global_size(1), p.bottleneck, &first, &last);
        ADCL_MAKE_DU(row, count)
        if (turned)
            ADCL_MAKE_DZ(adcl_r_columns_turned, ADCL_FEW_ROWS, row, count, first, last)
        else
            ADCL_MAKE_DZ(adcl_r_columns_few, ADCL_FEW_ROWS, row, count, first, last)
    }
    if (p.parts & ADCL_UP) {
        adcl_share_panels(get_global_id(1), get_global_size(1), p.hidden, &first, &last);
        if (turned)
            ADCL_MAKE_DX(adcl_d_columns_turned, ADCL_FEW_ROWS, row, count, first, last, 0)
        else
            ADCL_MAKE_DX(adcl_d_columns_few, ADCL_FEW_ROWS, row, count, first, last, 0)
    }
}
#endif

/* ---- gradients -------------------------------------------------------------------------------- */

/* A work-item's room for what it gathers: SUM_ROWS pieces of rows, which lie pages apart in their matrix
 * and are read by many tiles. */
#define ADCL_PIECE_TILES 4
#define ADCL_PIECE (ADCL_PIECE_TILES * ADCL_ROWS) /* columns of x: 24 */
#if ADCL_PANEL_COLS > ADCL_PIECE
#define ADCL_ROOM (ADCL_SUM_ROWS * ADCL_PANEL_COLS)
#else
#define ADCL_ROOM (ADCL_SUM_ROWS * ADCL_PIECE)
#endif
#define ADCL_GATHER_FROM 16 /* rows; with fewer the pieces would be written for one or two reads */

/* A gradient (…, C) += scale·sums. */
typedef struct adcl_gradient {
    global float *values; /* its first row */
    ulong stride;
    float scale;
} adcl_gradient;

ADCL_INLINE void adcl_add_to(const adcl_gradient *g, uint row, adcl_output *o)
{
    global float *out = g->values + row * g->stride;
    *o = (adcl_output){.own = out, .own_stride = g->stride, .scale = g->scale, .out = out,
                       .out_stride = g->stride};
}

/* Asks for a piece of `depth` rows: part `part` of `parts`. */
ADCL_INLINE void adcl_fetch_piece(global const float *piece, ulong stride, uint depth, uint part,
                                  uint parts)
{
    for (uint n = part * depth / parts; n < (part + 1) * depth / parts; n++) {
        ADCL_FETCH(piece + n * stride);
        ADCL_FETCH(piece + n * stride + ADCL_PIECE - 1);
    }
}

#define ADCL_FEW_DEPTH 4 /* rows; with so few a tile is written sooner than its numbers are cleared and put away */

/* Rows [first, last) and columns [col, after) of a gradient += scale·aᵀ·b over `depth` rows, row by row: where there are
 * too few rows for tiles, of the gradient or to sum over. */
ADCL_APART void adcl_small_gradient(global const float *a, ulong a_stride, global const float *b,
                                    ulong b_stride, uint depth, uint first, uint last, uint col,
                                    uint after, const adcl_gradient *gradient)
{
    for (uint i = first; i < last; i++) {
        global float *row = gradient->values + i * gradient->stride;
        uint c = col;
        for (; c + ADCL_WIDTH <= after; c += ADCL_WIDTH) {
            REAL sum = 0.0f;
            for (uint k = 0; k < depth; k++)
                sum += a[k * a_stride + i] * ADCL_LOAD(b + k * b_stride + c);
            ADCL_STORE(ADCL_LOAD(row + c) + gradient->scale * sum, row + c);
        }
        for (; c < after; c++) {
            float sum = 0.0f;
            for (uint k = 0; k < depth; k++) sum += a[k * a_stride + i] * b[k * b_stride + c];
            row[c] += gradient->scale * sum;
        }
    }
}

/* Where a tile's window of columns begins that is to end before column `last`, of at least ROWS. */
ADCL_INLINE uint adcl_window(uint first, uint last)
{
    return min(first, last - ADCL_ROWS);
}

/* w_down's rows [first, last) += xᵀ·dz, over `depth` rows of x and dz; `after` rows of x follow. Pieces of x's columns
 * are gathered, for their rows lie pages apart. */
ADCL_INLINE void adcl_down_gradient(global const float *x, ulong x_stride, global const float *dz,
                                    ulong z_stride, uint depth, uint after, uint first, uint last,
                                    uint bottleneck, const adcl_gradient *w_down,
                                    global float *room)
{
    adcl_factors f = {.b = dz, .b_stride = z_stride, .b_panel = ADCL_PANEL_COLS, .depth = depth};
    const uint panels = (bottleneck + ADCL_PANEL_COLS - 1) / ADCL_PANEL_COLS;
    if (last < ADCL_ROWS || depth <= ADCL_FEW_DEPTH) {
        adcl_small_gradient(x, x_stride, dz, z_stride, depth, first, last, 0, bottleneck, w_down);
        return;
    }
    for (uint piece = first; piece < last; piece += ADCL_PIECE) {
        uint end = min(piece + (uint)ADCL_PIECE, last), part = 0;
        uint begin =
            last >= ADCL_PIECE ? min(piece, last - ADCL_PIECE) : 0; /* of what is gathered */
        bool gathers = depth >= ADCL_GATHER_FROM && last >= ADCL_PIECE;
        for (uint n = 0; n < (gathers ? depth : 0); n++)
            for (uint c = 0; c < ADCL_PIECE; c += 8)
                vstore8(vload8(0, x + n * x_stride + begin + c), 0, room + n * ADCL_PIECE + c);
        global const float *next = end < last ? x + end : x + depth * x_stride + first;
        uint next_depth = !gathers ? 0 : end < last ? depth : after;
        for (uint c = 0; c < bottleneck; c += ADCL_PANEL_COLS)
            for (uint d = piece; d < end; d += ADCL_ROWS, part++) {
                uint window = adcl_window(d, last);
                f.a[0] = gathers ? room + (window - begin) : x + window;
                f.a_step = gathers ? ADCL_PIECE : x_stride;
                adcl_output o;
                adcl_add_to(w_down, d, &o);
                adcl_fetch_piece(next, x_stride, next_depth, part, ADCL_PIECE_TILES * panels);
                adcl_r_columns_transposed(min(end - d, (uint)ADCL_ROWS), c,
                                          min(c + (uint)ADCL_PANEL_COLS, bottleneck), &f, &o);
            }
    }
}

/* w_up's rows [r_first, r_last), columns [first, last), += hᵀ·du, over `depth` rows of h and du. */
ADCL_INLINE void adcl_up_gradient(global const float *h, ulong h_stride, global const float *du,
                                  ulong du_stride, uint depth, uint r_first, uint r_last,
                                  uint first, uint last, uint hidden, const adcl_gradient *w_up,
                                  global float *room)
{
    if (r_last < ADCL_ROWS || depth <= ADCL_FEW_DEPTH) {
        adcl_small_gradient(h, h_stride, du, du_stride, depth, r_first, r_last, first, last, w_up);
        return;
    }
    for (uint c = first; c < last; c += ADCL_PANEL_COLS) {
        adcl_factors f = {.a_step = h_stride,
                          .b = du,
                          .b_stride = du_stride,
                          .b_panel = ADCL_PANEL_COLS,
                          .depth = depth};
        if (depth >= ADCL_GATHER_FROM && c + ADCL_PANEL_COLS <= hidden) {
            for (uint n = 0; n < depth; n++) {
                global const float *piece = du + n * du_stride + c;
                ADCL_EACH(j, ADCL_PANEL, ADCL_PANEL)
                    ADCL_STORE(ADCL_LOAD(piece + j * ADCL_WIDTH),
                               room + n * ADCL_PANEL_COLS + j * ADCL_WIDTH);
                ADCL_FETCH_ROW(piece + ADCL_PANEL_COLS);
            }
            f.b = room;
            f.b_stride = ADCL_PANEL_COLS;
            f.b_panel = 0; /* a panel at a time */
        }
        uint after = min(c + (uint)ADCL_PANEL_COLS, last);
        for (uint r = r_first; r < r_last; r += ADCL_ROWS) {
            f.a[0] = h + adcl_window(r, r_last);
            adcl_output o;
            adcl_add_to(w_up, r, &o);
            adcl_d_columns_transposed(min(r_last - r, (uint)ADCL_ROWS), c, after, &f, &o);
        }
    }
}

/* A bias' columns [first, last) += scale·sums over `depth` rows of b. */
ADCL_INLINE void adcl_bias_gradient(global const float *b, ulong b_stride, uint depth, uint first,
                                    uint last, float scale, global float *bias)
{
    uint c = first;
    for (; c + ADCL_WIDTH <= last; c += ADCL_WIDTH) {
        REAL sum = 0.0f;
        for (uint k = 0; k < depth; k++) sum += ADCL_LOAD(b + k * b_stride + c);
        ADCL_STORE(ADCL_LOAD(bias + c) + scale * sum, bias + c);
    }
    for (; c < last; c++) {
        float sum = 0.0f;
        for (uint k = 0; k < depth; k++) sum += b[k * b_stride + c];
        bias[c] += scale * sum;
    }
}

/* Numbers of `wanted`: bits of the gradients that are asked for. */
#define ADCL_WANTS_W_DOWN 1
#define ADCL_WANTS_B_DOWN 2
#define ADCL_WANTS_W_UP 4
#define ADCL_WANTS_B_UP 8

typedef struct adcl_gradients {
    adcl_place x, dz, h, du, w_down, w_up;
    ulong b_down, b_up;
    uint rows, hidden, bottleneck, width;
    float scaling;
    uint wanted, down_items, up_splits;
} adcl_gradients;

/* down_items of the work-items: rows of w_down, a share of D, and the first of them b_down. The others: of
 * w_up's W rows (one of up_splits shares) a share of the D columns, and in the first b_up. One kind stands between the
 * other, for a driver gives each processor a run of work-items. Blocks of SUM_ROWS rows n, in order, are added to the
 * gradients. rooms: ROOM floats for each work-item. */
#if ADCL_MAKES(ADCL_GRADIENTS)
ADCL_KERNEL void adcl_fused_gradients(global const float *x, global const float *dz,
                                      global const float *h, global const float *du,
                                      global float *w_down, global float *b_down,
                                      global float *w_up, global float *b_up, global float *rooms,
                                      const adcl_gradients p)
{
    uint item = get_global_id(0), items = get_global_size(0);
    global float *room = rooms + (ulong)item * ADCL_ROOM;
    uint down_item = item * p.down_items / items, up_item = item - down_item;
    if (ADCL_PART != ADCL_GRADIENTS && (item + 1) * p.down_items / items > down_item) {
        const adcl_gradient gradient = {w_down + p.w_down.offset, p.w_down.stride, 1.0f};
        uint tiles = (p.hidden + ADCL_ROWS - 1) / ADCL_ROWS;
        uint first = (uint)((ulong)down_item * tiles / p.down_items) * ADCL_ROWS;
        uint last = min((uint)((ulong)(down_item + 1) * tiles / p.down_items) * ADCL_ROWS, p.hidden);
        for (uint row = 0; row < p.rows; row += ADCL_SUM_ROWS) {
            uint depth = min(p.rows - row, (uint)ADCL_SUM_ROWS);
            global const float *b = ADCL_ROW(dz, p.dz, row);
            if (p.wanted & ADCL_WANTS_W_DOWN)
                adcl_down_gradient(ADCL_ROW(x, p.x, row), p.x.stride, b, p.dz.stride, depth,
                                   min(p.rows - row - depth, (uint)ADCL_SUM_ROWS), first, last,
                                   p.bottleneck, &gradient, room);
            if ((p.wanted & ADCL_WANTS_B_DOWN) && down_item == 0)
                adcl_bias_gradient(b, p.dz.stride, depth, 0, p.bottleneck, 1.0f, b_down + p.b_down);
        }
        return;
    }
    const adcl_gradient gradient = {w_up + p.w_up.offset, p.w_up.stride, p.scaling};
    uint up_items = items - p.down_items, split = up_item % p.up_splits;
    uint tiles = (p.width + ADCL_ROWS - 1) / ADCL_ROWS;
    uint r_first = (uint)((ulong)split * tiles / p.up_splits) * ADCL_ROWS;
    uint r_last = min((uint)((ulong)(split + 1) * tiles / p.up_splits) * ADCL_ROWS, p.width);
    uint first, last;
    adcl_share_panels(up_item / p.up_splits, up_items / p.up_splits, p.hidden, &first, &last);
    for (uint row = 0; row < p.rows; row += ADCL_SUM_ROWS) {
        uint depth = min(p.rows - row, (uint)ADCL_SUM_ROWS);
        global const float *b = ADCL_ROW(du, p.du, row);
        if (p.wanted & ADCL_WANTS_W_UP)
            adcl_up_gradient(ADCL_ROW(h, p.h, row), p.h.stride, b, p.du.stride, depth, r_first, r_last,
                             first, last, p.hidden, &gradient, room);
        if ((p.wanted & ADCL_WANTS_B_UP) && split == 0)
            adcl_bias_gradient(b, p.du.stride, depth, first, last, p.scaling, b_up + p.b_up);
    }
}
#endif
