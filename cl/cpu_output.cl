/* SPDX-License-Identifier: MIT */
/* cpu_output.cl – where the numbers of a tile of cpu_tile.cl go: scaled, with bias and residual, and dropped.
 *
 *   out = own + mask∘scale·(numbers + bias)
 *
 * from registers where a tile is whole and nothing is dropped, else through memory. Known when the program is built:
 * ADCL_WIDTH; ADCL_DROPS, 1 if elements may be dropped. */

#ifndef ADCL_DROPS
#define ADCL_DROPS 0
#endif

typedef struct adcl_dropout {
    ulong seed, step;
    uint drops; /* 0: no element is dropped, the rest is not read */
    uint threshold;
    float keep_scale;
    uint cols; /* of the matrix whose elements are numbered */
} adcl_dropout;

/* Where a result goes: out = own + mask∘scale·(numbers + bias). `own` and `bias` may be NULL. Pointers
 * point to the first row and column of the tile; row and col say which ones these are. */
typedef struct adcl_output {
    global const float *own;
    ulong own_stride;
    global const float *bias;
    float scale;
    global float *out; /* may be own */
    ulong out_stride;
    uint row, col;
    adcl_dropout dropout;
    global const float *next; /* rows that the next tile will read, of stride own_stride; or NULL */
} adcl_output;

/* ---- dropout's stream ------------------------------------------------------------------------- */

#if ADCL_WIDTH > 1
typedef ADCL_PASTE(uint, ADCL_WIDTH) WORDS;
#if ADCL_WIDTH == 16
typedef ulong8 PAIRS; /* of words */
#define ADCL_AS_PAIRS as_ulong8
#elif ADCL_WIDTH == 8
typedef ulong4 PAIRS;
#define ADCL_AS_PAIRS as_ulong4
#else
typedef ulong2 PAIRS;
#define ADCL_AS_PAIRS as_ulong2
#endif
#define ADCL_AS_WORDS ADCL_PASTE(as_uint, ADCL_WIDTH)

/* Upper and lower words of x·factor. Processors multiply every second word to a pair. */
ADCL_INLINE void adcl_multiply_words(WORDS x, uint factor, WORDS *high, WORDS *low)
{
    const PAIRS lower = 0xFFFFFFFFul;
    PAIRS even = (ADCL_AS_PAIRS(x) & lower) * (ulong)factor;
    PAIRS odd = (ADCL_AS_PAIRS(x) >> 32) * (ulong)factor;
    *high = ADCL_AS_WORDS((even >> 32) | (odd & ~lower));
    *low = ADCL_AS_WORDS((even & lower) | (odd << 32));
}

/* out = a[0] b[0] a[1] b[1] … */
ADCL_INLINE void adcl_alternate(WORDS a, WORDS b, WORDS *out)
{
    out[0].even = a.lo;
    out[0].odd = b.lo;
    out[1].even = a.hi;
    out[1].odd = b.hi;
}
#endif

/* Factors under dropout, 0 or keep_scale, of the elements of WIDTH blocks of four: those of lane l
 * from 4·l on. Lane l has block first + l / row_lanes · row_blocks + l % row_lanes: row_lanes of
 * them lie in one row. Philox4x32-10 as in common.cl, for counters (block, step). */
ADCL_INLINE void adcl_block_factors(const adcl_dropout *d, ulong first, uint row_lanes,
                                    ulong row_blocks, float *factors)
{
#if ADCL_WIDTH == 1
    uint4 words = adcl_dropout_words(d->seed, d->step, first);
    float4 of_words = (words >= d->threshold) ? (float4)(d->keep_scale) : (float4)(0.0f);
    vstore4(of_words, 0, factors);
#else
    uint lows[ADCL_WIDTH], highs[ADCL_WIDTH];
    ADCL_EACH(l, ADCL_WIDTH, ADCL_WIDTH) {
        ulong block = first + l / row_lanes * row_blocks + l % row_lanes;
        lows[l] = (uint)block;
        highs[l] = (uint)(block >> 32);
    }
    WORDS x = ADCL_PASTE(vload, ADCL_WIDTH)(0, lows), y = ADCL_PASTE(vload, ADCL_WIDTH)(0, highs);
    WORDS z = (WORDS)((uint)d->step), w = (WORDS)((uint)(d->step >> 32));
    WORDS key0 = (WORDS)((uint)d->seed), key1 = (WORDS)((uint)(d->seed >> 32));
    for (int round = 0; round < 10; round++) {
        WORDS high_x, low_x, high_z, low_z;
        adcl_multiply_words(x, 0xD2511F53u, &high_x, &low_x);
        adcl_multiply_words(z, 0xCD9E8D57u, &high_z, &low_z);
        x = high_z ^ y ^ key0;
        y = low_z;
        z = high_x ^ w ^ key1;
        w = low_x;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    WORDS xz[2], yw[2], words[4];
    adcl_alternate(x, z, xz);
    adcl_alternate(y, w, yw);
    adcl_alternate(xz[0], yw[0], words);
    adcl_alternate(xz[1], yw[1], words + 2);
    ADCL_EACH(j, 4, 4) {
        REAL kept = words[j] >= d->threshold ? (REAL)(d->keep_scale) : (REAL)(0.0f);
        ADCL_STORE(kept, factors + j * ADCL_WIDTH);
    }
#endif
}

/* Factors of `count` elements of the numbered matrix from (row, col) on, wherever these lie in
 * their blocks. */
ADCL_APART void adcl_dropout_factors(const adcl_dropout *d, uint row, uint col, uint count,
                                     float *factors)
{
    ulong first = (ulong)row * d->cols + col, last = first + count;
    for (ulong block = first / 4; 4 * block < last; block += ADCL_WIDTH) {
        float of_blocks[4 * ADCL_WIDTH];
        adcl_block_factors(d, block, ADCL_WIDTH, 0, of_blocks);
        ulong begin = max(first, 4 * block), end = min(last, 4 * (block + ADCL_WIDTH));
        for (ulong e = begin; e < end; e++) factors[e - first] = of_blocks[e - 4 * block];
    }
}

/* The factors of a tile of `count` rows: row i from PANEL_COLS·i on. Where blocks begin with rows,
 * all lanes of a vector are used: for whole rows, and so for some that nobody asks for. */
#define ADCL_ROW_LANES (ADCL_PANEL_COLS / 4)
#define ADCL_TILE_FACTORS (ADCL_ROWS * ADCL_PANEL_COLS + 4 * ADCL_WIDTH)
ADCL_INLINE void adcl_tile_factors(uint count, uint cols, const adcl_output *o, float *factors)
{
    const adcl_dropout *d = &o->dropout;
#if ADCL_WIDTH > 1
    if (d->cols % 4 == 0) {
        const uint step = ADCL_WIDTH / ADCL_ROW_LANES;
        const ulong row_blocks = d->cols / 4;
        for (uint i = 0; i < count; i += step)
            adcl_block_factors(d, (o->row + i) * row_blocks + o->col / 4, ADCL_ROW_LANES,
                               row_blocks, factors + i * ADCL_PANEL_COLS);
        return;
    }
#endif
    for (uint i = 0; i < count; i++)
        adcl_dropout_factors(d, o->row + i, o->col, cols, factors + i * ADCL_PANEL_COLS);
}

/* ---- writing ---------------------------------------------------------------------------------- */

ADCL_INLINE bool adcl_drops(const adcl_output *o)
{
    return ADCL_DROPS ? o->dropout.drops != 0 : false;
}

/* Element (i, c) of what is written, from its sum. */
ADCL_INLINE void adcl_write_number(const adcl_output *o, uint i, uint c, float sum, float factor)
{
    float value = o->scale * (o->bias ? sum + o->bias[c] : sum);
    if (adcl_drops(o))
        value = factor == 0.0f ? 0.0f : factor * value; /* an infinity is dropped, too */
    o->out[i * o->out_stride + c] = o->own ? o->own[i * o->own_stride + c] + value : value;
}

/* The row of what is written that row i of a tile of `rows` is, `count` if none. Where a tile is a window of A's
 * columns, one of fewer rows ends with the last of them, and its first rows belong to the tile before. */
ADCL_INLINE uint adcl_written_row(uint rows, uint count, bool window, uint i)
{
    if (!window) return adcl_row_of(rows, count, i);
    return i + count >= rows ? i + count - rows : count;
}

/* The `count` rows of a tile of `rows`, from its numbers. */
ADCL_APART void adcl_write_numbers(uint rows, uint count, bool window, uint cols,
                                   const float *numbers, const adcl_output *o)
{
    float of_tile[ADCL_TILE_FACTORS];
    if (adcl_drops(o)) adcl_tile_factors(count, cols, o, of_tile);
    for (uint i = 0; i < rows; i++, numbers += ADCL_PANEL_COLS) {
        uint row = adcl_written_row(rows, count, window, i), c = 0;
        if (row >= count) continue;
        const float *factors = of_tile + row * ADCL_PANEL_COLS;
        for (; c + ADCL_WIDTH <= cols; c += ADCL_WIDTH) {
            REAL value = ADCL_LOAD(numbers + c);
            if (o->bias) value += ADCL_LOAD(o->bias + c);
            value *= o->scale;
            if (adcl_drops(o)) {
                REAL factor = ADCL_LOAD(factors + c);
                value = factor == 0.0f ? (REAL)(0.0f) : factor * value;
            }
            if (o->own) value += ADCL_LOAD(o->own + row * o->own_stride + c);
            ADCL_STORE(value, o->out + row * o->out_stride + c);
        }
        for (; c < cols; c++) adcl_write_number(o, row, c, numbers[c], factors[c]);
    }
}

/* A whole tile, where nothing is dropped: nearly all of them. `own` may be out and vectors may
 * overlap, so a row is read before it is written. */
ADCL_INLINE void adcl_write_whole(uint rows, adcl_panel p, const adcl_tile *tile,
                                  const adcl_output *o)
{
    REAL bias[ADCL_PANEL];
    HALF half_bias = (HALF)(0.0f);
    ADCL_EACH(j, ADCL_PANEL, p.vectors)
        bias[j] = o->bias ? ADCL_LOAD(o->bias + adcl_vector_start(p, j)) : (REAL)(0.0f);
    if (p.half_vectors && o->bias) half_bias = ADCL_LOAD_HALF(o->bias + adcl_half_start(p));
    const float scale = o->scale;
    ADCL_EACH(i, ADCL_ROWS, rows) {
        global float *out = o->out + i * o->out_stride;
        global const float *own = o->own + i * o->own_stride;
        REAL values[ADCL_PANEL];
        HALF half_value = (HALF)(0.0f);
        if (p.half_vectors) half_value = scale * (tile->half_full[i] + half_bias);
        ADCL_EACH(j, ADCL_PANEL, p.vectors) values[j] = scale * (tile->full[i][j] + bias[j]);
        if (o->own) {
            ADCL_EACH(j, ADCL_PANEL, p.vectors)
                values[j] += ADCL_LOAD(own + adcl_vector_start(p, j));
            if (p.half_vectors) half_value += ADCL_LOAD_HALF(own + adcl_half_start(p));
        }
        ADCL_EACH(j, ADCL_PANEL, p.vectors) ADCL_STORE(values[j], out + adcl_vector_start(p, j));
        if (p.half_vectors) ADCL_STORE_HALF(half_value, out + adcl_half_start(p));
    }
}

/* The `count` rows of a tile of `rows`. */
ADCL_INLINE void adcl_write(uint rows, uint count, bool window, adcl_panel p, const adcl_tile *tile,
                            const adcl_output *o)
{
    /* A panel narrower than its one vector begins before its first column, where others write. */
    const bool narrow = p.vectors == p.shifted;
    if (count == rows && !narrow && !adcl_drops(o)) {
        adcl_write_whole(rows, p, tile, o);
        return;
    }
    float memory[ADCL_NUMBERS];
    adcl_put_numbers(rows, p, tile, memory + ADCL_NUMBERS_BEFORE);
    adcl_write_numbers(rows, count, window, p.cols, memory + ADCL_NUMBERS_BEFORE, o);
}
