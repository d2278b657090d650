/* SPDX-License-Identifier: MIT */
/* packed.cl – products with a frozen matrix, for devices that are CPUs: out (N, M) = A (N, K)·W (K, M), with
 * what comes before and after it in a layer. W is packed once, in panels of PANEL_COLS columns, the last
 * of them filled up with zeros:
 *
 *      panels:  [M / PANEL_COLS] [K] [PANEL_COLS]         so that a panel is read from end to end
 *
 *              for each block of BLOCK_ROWS rows, panel, part of K that stays in the nearest cache,
 *              and tile of ROWS rows:      sums += A·W      (k in the same order for every N)
 *
 *   value = sum + bias [+ own];  out = value,  act(value) [and slope = act′(value)]  or  value ∘ slope
 *
 * Known when the program is built: ADCL_WIDTH, ADCL_VARIANT (the activation). */

/* Bits of `mode`. */
#define ADCL_HAS_BIAS 1
#define ADCL_HAS_OWN 2
#define ADCL_ACTIVATES 4 /* out = act(value) */
#define ADCL_KEEPS_SLOPE 8 /* slope = act′(value), for backward */
#define ADCL_TAKES_SLOPE 16 /* out = value ∘ slope */

#define ADCL_BLOCK_ROWS (8 * ADCL_ROWS) /* at most; half of it where there are more rows */
#define ADCL_SIDE (64 / ADCL_PANEL_COLS) /* panels whose sums are written together: rows of 256 bytes */
#define ADCL_PART_DEPTH (6144 / ADCL_PANEL_COLS) /* 24 KiB of a panel */

/* Sums of a block's rows for one panel; a tile is whole, also where there are fewer rows. */
typedef struct adcl_packed_sums {
    float numbers[ADCL_BLOCK_ROWS * ADCL_PANEL_COLS];
} adcl_packed_sums;

/* numbers (rows of a tile, PANEL_COLS) = A·W, or += A·W for all parts but the first: the part's sum is made apart, for
 * many short sums lose less than one long one. */
#define ADCL_ACCUMULATE(name, rows, fetches)                                                       \
    ADCL_APART void name(const adcl_factors *f, uint adds, float *numbers)                         \
    {                                                                                              \
        adcl_panel p = {ADCL_PANEL, 0, 0, ADCL_PANEL_COLS};                                        \
        adcl_tile tile;                                                                            \
        adcl_clear_tile(rows, p, &tile);                                                           \
        adcl_multiply_rows(rows, p, fetches, f, &tile);                                            \
        if (adds) ADCL_EACH(i, ADCL_ROWS, rows)                                                    \
            ADCL_EACH(j, ADCL_PANEL, ADCL_PANEL)                                                   \
                tile.full[i][j] += ADCL_LOAD(numbers + i * ADCL_PANEL_COLS + j * ADCL_WIDTH);      \
        adcl_put_numbers(rows, p, &tile, numbers);                                                 \
    }
ADCL_ACCUMULATE(adcl_accumulate, ADCL_ROWS, false)
ADCL_ACCUMULATE(adcl_accumulate_few, ADCL_FEW_ROWS, false)
ADCL_ACCUMULATE(adcl_accumulate_once, ADCL_ROWS, true)

/* The sums of one panel for `count` rows that begin at a. once: nobody reads the panel again, so it comes from far; the
 * last two tiles ask for the next part, which lies behind this one, half of it each. */
ADCL_INLINE void adcl_packed_panel(uint count, bool once, global const float *a, ulong a_stride,
                                   global const float *panel, uint depth, adcl_packed_sums *sums)
{
    for (uint first = 0; first < depth; first += ADCL_PART_DEPTH) {
        adcl_factors f = {.b = panel + (ulong)first * ADCL_PANEL_COLS, .b_stride = ADCL_PANEL_COLS,
                          .depth = min(depth - first, (uint)ADCL_PART_DEPTH)};
        for (uint row = 0; row < count; row += ADCL_ROWS) {
            uint tile_rows = min(count - row, (uint)ADCL_ROWS);
            float *numbers = sums->numbers + row * ADCL_PANEL_COLS;
            global const float *rows = a + row * a_stride + first;
            if (tile_rows <= ADCL_FEW_ROWS) {
                adcl_take_rows(ADCL_FEW_ROWS, tile_rows, rows, a_stride, &f);
                adcl_accumulate_few(&f, first > 0, numbers);
                continue;
            }
            adcl_take_rows(ADCL_ROWS, tile_rows, rows, a_stride, &f);
            if (once && row + 2 * ADCL_ROWS >= count) {
                uint offset = row + ADCL_ROWS >= count ? ADCL_PART_DEPTH / 2 : 0;
                f.next = f.b + (ADCL_PART_DEPTH + offset) * ADCL_PANEL_COLS;
                adcl_accumulate_once(&f, first > 0, numbers);
            } else {
                adcl_accumulate(&f, first > 0, numbers);
            }
        }
    }
}

/* Where the rows of a block go; pointers are those of the first row and of column 0. */
typedef struct adcl_packed_output {
    uint mode;
    global const float *bias; /* (1, M), filled up to whole panels */
    global const float *own;
    ulong own_stride;
    global float *slope;
    ulong slope_stride;
    global float *out;
    ulong out_stride;
} adcl_packed_output;

#define ADCL_PAIR (2 * ADCL_WIDTH)

/* The last step for a pair of vectors, from column c on; slopes are taken, or made. There are two,
 * so that the long chains of an activation go side by side. */
ADCL_INLINE void adcl_packed_values(const adcl_packed_output *o, uint c, const REAL *own,
                                    REAL *slopes, REAL *values)
{
    if (o->mode & ADCL_HAS_BIAS)
        ADCL_EACH(j, 2, 2) values[j] += ADCL_LOAD(o->bias + c + j * ADCL_WIDTH);
    if (o->mode & ADCL_HAS_OWN) ADCL_EACH(j, 2, 2) values[j] += own[j];
#if ADCL_ELEMENTWISE
    if (o->mode & ADCL_KEEPS_SLOPE) ADCL_EACH(j, 2, 2) slopes[j] = adcl_act_slope(values[j]);
    if (o->mode & ADCL_ACTIVATES) ADCL_EACH(j, 2, 2) values[j] = adcl_act(values[j]);
#endif
    if (o->mode & ADCL_TAKES_SLOPE) ADCL_EACH(j, 2, 2) values[j] *= slopes[j];
}

/* A pair of vectors of row i from column c on. */
ADCL_INLINE void adcl_packed_write_pair(const adcl_packed_output *o, ulong i, const float *numbers,
                                        uint c)
{
    REAL own[2] = {0.0f, 0.0f}, slopes[2] = {0.0f, 0.0f}, values[2];
    global float *out = o->out + i * o->out_stride + c;
    global float *slope = o->slope + i * o->slope_stride + c;
    ADCL_EACH(j, 2, 2) values[j] = ADCL_LOAD(numbers + j * ADCL_WIDTH);
    if (o->mode & ADCL_HAS_OWN)
        ADCL_EACH(j, 2, 2) own[j] = ADCL_LOAD(o->own + i * o->own_stride + c + j * ADCL_WIDTH);
    if (o->mode & ADCL_TAKES_SLOPE)
        ADCL_EACH(j, 2, 2) slopes[j] = ADCL_LOAD(slope + j * ADCL_WIDTH);
    adcl_packed_values(o, c, own, slopes, values);
    ADCL_EACH(j, 2, 2) ADCL_STORE(values[j], out + j * ADCL_WIDTH);
    if (o->mode & ADCL_KEEPS_SLOPE)
        ADCL_EACH(j, 2, 2) ADCL_STORE(slopes[j], slope + j * ADCL_WIDTH);
}

/* Fewer columns than a pair: through memory of a pair's size. */
ADCL_INLINE void adcl_packed_write_rest(const adcl_packed_output *o, ulong i, const float *numbers,
                                        uint c, uint count)
{
    float own[ADCL_PAIR], taken[ADCL_PAIR], out[ADCL_PAIR], kept[ADCL_PAIR];
    for (uint n = 0; n < ADCL_PAIR; n++) {
        own[n] = n < count && (o->mode & ADCL_HAS_OWN) ? o->own[i * o->own_stride + c + n] : 0.0f;
        taken[n] = n < count && (o->mode & ADCL_TAKES_SLOPE) ? o->slope[i * o->slope_stride + c + n]
                                                             : 0.0f;
    }
    REAL own_pair[2], slopes[2], values[2];
    ADCL_EACH(j, 2, 2) {
        own_pair[j] = ADCL_LOAD(own + j * ADCL_WIDTH);
        slopes[j] = ADCL_LOAD(taken + j * ADCL_WIDTH);
        values[j] = ADCL_LOAD(numbers + j * ADCL_WIDTH);
    }
    adcl_packed_values(o, c, own_pair, slopes, values);
    ADCL_EACH(j, 2, 2) {
        ADCL_STORE(values[j], out + j * ADCL_WIDTH);
        ADCL_STORE(slopes[j], kept + j * ADCL_WIDTH);
    }
    for (uint n = 0; n < count; n++) {
        o->out[i * o->out_stride + c + n] = out[n];
        if (o->mode & ADCL_KEEPS_SLOPE) o->slope[i * o->slope_stride + c + n] = kept[n];
    }
}

/* Where in the sums row i of `count` is: in a tile of fewer rows than it has room for, the halves overlap. */
ADCL_INLINE uint adcl_packed_row(uint count, uint i)
{
    const uint first = i / ADCL_ROWS * ADCL_ROWS, in_tile = i - first;
    const uint rows = min(count - first, (uint)ADCL_ROWS);
    return in_tile < ADCL_ROWS / 2 ? i : i + (ADCL_ROWS - rows);
}

/* `count` rows of the panels whose first column is `col`, up to column `last`. */
ADCL_INLINE void adcl_packed_write(uint count, uint col, uint last, const adcl_packed_sums *sums,
                                   const adcl_packed_output *o)
{
    for (ulong i = 0; i < count; i++) {
        const uint row = adcl_packed_row(count, (uint)i) * ADCL_PANEL_COLS;
        for (uint c = col; c < last; c += ADCL_PAIR) {
            uint at = c - col;
            const float *numbers = sums[at / ADCL_PANEL_COLS].numbers + row + at % ADCL_PANEL_COLS;
            if (c + ADCL_PAIR <= last)
                adcl_packed_write_pair(o, i, numbers, c);
            else
                adcl_packed_write_rest(o, i, numbers, c, last - c);
        }
    }
}

/* Asks for what a panel's columns will be written to and made with: their sums take longer than memory does. */
ADCL_INLINE void adcl_packed_ask(uint count, uint col, const adcl_packed_output *o)
{
    for (ulong i = 0; i < count; i++) {
        ADCL_EXPECT_ROW(o->out + i * o->out_stride + col);
        if (o->mode & ADCL_HAS_OWN) ADCL_FETCH_ROW(o->own + i * o->own_stride + col);
        if (o->mode & ADCL_KEEPS_SLOPE) ADCL_EXPECT_ROW(o->slope + i * o->slope_stride + col);
        if (o->mode & ADCL_TAKES_SLOPE) ADCL_FETCH_ROW(o->slope + i * o->slope_stride + col);
    }
}

/* Work-item (i, j) of any numbers: a share of the tiles of rows, a share of the panels. out may be own. */
ADCL_KERNEL void adcl_packed_product(global const float *a, ulong a_offset, ulong a_stride,
                                     global const float *panels, global const float *bias,
                                     global const float *own, ulong own_offset, ulong own_stride,
                                     global float *slope, ulong slope_offset, ulong slope_stride,
                                     global float *out, ulong out_offset, ulong out_stride,
                                     uint rows, uint depth, uint cols, uint mode)
{
    const uint tiles = (rows + ADCL_ROWS - 1) / ADCL_ROWS;
    const uint all_panels = (cols + ADCL_PANEL_COLS - 1) / ADCL_PANEL_COLS;
    const ulong item = get_global_id(0), items = get_global_size(0);
    const ulong share = get_global_id(1), shares = get_global_size(1);
    const uint first_row = (uint)(item * tiles / items) * ADCL_ROWS;
    const uint last_row = min((uint)((item + 1) * tiles / items) * ADCL_ROWS, rows);
    const uint first_panel = (uint)(share * all_panels / shares);
    const uint last_panel = (uint)((share + 1) * all_panels / shares);
    const bool once = rows <= ADCL_BLOCK_ROWS;
    const uint block = once ? ADCL_BLOCK_ROWS : ADCL_BLOCK_ROWS / 2;
    for (uint row = first_row; row < last_row; row += block) {
        uint count = min(last_row - row, block);
        adcl_packed_output o = {
            mode, bias, own + adcl_at(own_offset, own_stride, row, 0), own_stride,
            slope + adcl_at(slope_offset, slope_stride, row, 0), slope_stride,
            out + adcl_at(out_offset, out_stride, row, 0), out_stride};
        for (uint p = first_panel; p < last_panel; p += ADCL_SIDE) {
            adcl_packed_sums sums[ADCL_SIDE];
            uint after = min(p + (uint)ADCL_SIDE, last_panel);
            for (uint q = p; q < after; q++) {
                adcl_packed_ask(count, q * ADCL_PANEL_COLS, &o);
                adcl_packed_panel(count, once, a + adcl_at(a_offset, a_stride, row, 0), a_stride,
                                  panels + (ulong)q * depth * ADCL_PANEL_COLS, depth, &sums[q - p]);
            }
            adcl_packed_write(count, p * ADCL_PANEL_COLS, min(after * ADCL_PANEL_COLS, cols), sums,
                              &o);
        }
    }
}
