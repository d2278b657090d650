/* SPDX-License-Identifier: MIT */
/* cpu_tile.cl – a tile of a matrix product in vector registers, for devices that are CPUs; put before the
 * files that are made of such tiles. Known when the program is built: ADCL_WIDTH.
 *
 *                      B (K, C), k-th row ──►  PANEL vectors of WIDTH floats
 *        A (M, K)     ┌──────┬──────┬──────┬──────┐
 *    ROWS numbers ──► │ tile[i][j] += a[i]·b[j]   │   k = 0, 1, 2 …: one order for every M, so that
 *                     └──────┴──────┴──────┴──────┘   a row's bits do not depend on its neighbours */

#define ADCL_ROWS 6     /* rows of a tile: 24 accumulators of 32 registers */
#define ADCL_FEW_ROWS 2 /* where rows are few, reading the kernels is what takes the time */
#if ADCL_WIDTH == 16
#define ADCL_PANEL 4
#else
#define ADCL_PANEL 2 /* 12 accumulators of 16 registers */
#endif
#define ADCL_PANEL_COLS (ADCL_PANEL * ADCL_WIDTH)

#if ADCL_WIDTH == 16
typedef float8 HALF;
#define ADCL_LOAD_HALF(p) vload8(0, p)
#define ADCL_STORE_HALF(value, p) vstore8(value, 0, p)
#elif ADCL_WIDTH == 8
typedef float4 HALF;
#define ADCL_LOAD_HALF(p) vload4(0, p)
#define ADCL_STORE_HALF(value, p) vstore4(value, 0, p)
#elif ADCL_WIDTH == 4
typedef float2 HALF;
#define ADCL_LOAD_HALF(p) vload2(0, p)
#define ADCL_STORE_HALF(value, p) vstore2(value, 0, p)
#else
typedef float HALF; /* never used */
#define ADCL_LOAD_HALF(p) (*(p))
#define ADCL_STORE_HALF(value, p) (*(p) = (value))
#endif

/* clang would split vectors of 512 bits without it. */
#if ADCL_WIDTH == 16 && defined(__has_attribute)
#if __has_attribute(min_vector_width)
#define ADCL_WIDE __attribute__((min_vector_width(512)))
#endif
#endif
#ifndef ADCL_WIDE
#define ADCL_WIDE
#endif
#define ADCL_KERNEL ADCL_WIDE kernel

/* Tiles live in registers only where every call is inlined and every loop over them unrolled: all these
 * loops have the same bounds, which a compiler knows before it inlines. */
#define ADCL_EACH(i, most, count) _Pragma("unroll") for (uint i = 0; i < most; i++) if (i < (count))
#define ADCL_INLINE static inline __attribute__((always_inline))
#define ADCL_APART ADCL_WIDE static __attribute__((noinline))

/* EXPECT asks for memory that is soon to be written: stores leave a processor in their order, so one that misses the
 * caches holds up all those behind it. FETCH asks for what is soon to be read. Nothing but speed depends on them;
 * compilers that are not for the processor itself do not know them, or not for this address space. */
#if defined(__x86_64__) || defined(__aarch64__) || defined(__powerpc64__) || defined(__riscv)
#define ADCL_FOR_PROCESSOR
#endif
#if defined(__has_builtin) && defined(ADCL_FOR_PROCESSOR)
#if __has_builtin(__builtin_prefetch)
#define ADCL_EXPECT(p) __builtin_prefetch((private const void *)(ulong)(p), 1, 3)
#define ADCL_FETCH(p) __builtin_prefetch((private const void *)(ulong)(p), 0, 3)
#endif
#endif
#ifndef ADCL_EXPECT
#define ADCL_EXPECT(p) ((void)(p))
#define ADCL_FETCH(p) ((void)(p))
#endif

/* The lines (of 64 bytes) of a panel's row. */
#define ADCL_EXPECT_ROW(row)                                                                       \
    for (uint ahead = 0; ahead < ADCL_PANEL_COLS; ahead += 16) ADCL_EXPECT((row) + ahead)
#define ADCL_FETCH_ROW(row)                                                                        \
    for (uint ahead = 0; ahead < ADCL_PANEL_COLS; ahead += 16) ADCL_FETCH((row) + ahead)

/* ---- tiles ------------------------------------------------------------------------------------ */

typedef struct adcl_tile {
    REAL full[ADCL_ROWS][ADCL_PANEL];
    HALF half_full[ADCL_ROWS];
} adcl_tile;

/* The shape of a panel; all but `cols` are constants of the program once everything is inlined. */
typedef struct adcl_panel {
    uint vectors, shifted, half_vectors;
    uint cols; /* how many columns it has */
} adcl_panel;

/* Where vector j of a panel begins, from the panel's first column; before it where cols < WIDTH. */
ADCL_INLINE int adcl_vector_start(adcl_panel p, uint j)
{
    return p.shifted && j + 1 == p.vectors ? (int)p.cols - ADCL_WIDTH : (int)j * ADCL_WIDTH;
}

ADCL_INLINE int adcl_half_start(adcl_panel p)
{
    return (int)p.cols - ADCL_WIDTH / 2;
}

/* What is multiplied. Rows of A are two halves of a tile: the first begins at a[0], the second at a[1],
 * and their rows lie a_row apart; a row's elements lie side by side. Where there are fewer rows than the
 * tile has, the halves overlap, and with one or two rows a_row is 0: so every tile reads rows that are
 * there, without a test or a pointer for each of them. Transposed, A is a window of columns: it begins at a[0],
 * a row's numbers lie side by side, and the next row a_step behind it. B's rows begin at the panel's first column. */
typedef struct adcl_factors {
    global const float *a[2];
    ulong a_row, a_step;
    global const float *b;
    ulong b_stride, b_panel; /* from row to row; from a panel's begin to the next one's */
    uint depth; /* K */
    global const float *next; /* K / 2 rows of a panel to ask for meanwhile, where a product fetches */
} adcl_factors;

ADCL_INLINE void adcl_clear_tile(uint rows, adcl_panel p, adcl_tile *tile)
{
    ADCL_EACH(i, ADCL_ROWS, rows) {
        ADCL_EACH(j, ADCL_PANEL, p.vectors) tile->full[i][j] = (REAL)(0.0f);
        if (p.half_vectors) tile->half_full[i] = (HALF)(0.0f);
    }
}

/* tile += a·b for one k: `rows` numbers of A, which lie a_row apart in each half, and a panel's row
 * of B. */
ADCL_INLINE void adcl_multiply_step(uint rows, adcl_panel p, global const float *a0,
                                    global const float *a1, ulong a_row, global const float *b,
                                    adcl_tile *tile)
{
    const uint middle = rows / 2;
    REAL of_b[ADCL_PANEL];
    HALF half_of_b = (HALF)(0.0f);
    ADCL_EACH(j, ADCL_PANEL, p.vectors) of_b[j] = ADCL_LOAD(b + adcl_vector_start(p, j));
    if (p.half_vectors) half_of_b = ADCL_LOAD_HALF(b + adcl_half_start(p));
    ADCL_EACH(i, ADCL_ROWS, rows) {
        float of_a = i < middle ? a0[i * a_row] : a1[(i - middle) * a_row];
        ADCL_EACH(j, ADCL_PANEL, p.vectors) tile->full[i][j] += of_a * of_b[j];
        if (p.half_vectors) tile->half_full[i] += of_a * half_of_b;
    }
}

#define ADCL_STEPS 4 /* of k, written out one behind the other: a loop's own work is a tenth of a step's */

/* tile += A·B for `rows` rows and one panel. A's numbers for one k lie a_row apart, those of the next k a_step behind
 * them: as the factors say, or constants, which registers need not hold. fetches: `next` is asked for. */
ADCL_INLINE void adcl_multiply_steps(uint rows, adcl_panel p, global const float *a0,
                                     global const float *a1, ulong a_row, ulong a_step, bool fetches,
                                     const adcl_factors *f, adcl_tile *tile)
{
    const ulong b_stride = f->b_stride;
    global const float *b = f->b, *next = f->next;
    for (uint k = f->depth / ADCL_STEPS; k > 0; k--) {
        if (fetches) {
            for (uint s = 0; s < ADCL_STEPS / 2; s++) ADCL_FETCH_ROW(next + s * ADCL_PANEL_COLS);
            next += ADCL_STEPS / 2 * ADCL_PANEL_COLS;
        }
        ADCL_EACH(s, ADCL_STEPS, ADCL_STEPS)
            adcl_multiply_step(rows, p, a0 + s * a_step, a1 + s * a_step, a_row, b + s * b_stride, tile);
        a0 += ADCL_STEPS * a_step;
        a1 += ADCL_STEPS * a_step;
        b += ADCL_STEPS * b_stride;
    }
    for (uint k = f->depth % ADCL_STEPS; k > 0; k--, a0 += a_step, a1 += a_step, b += b_stride)
        adcl_multiply_step(rows, p, a0, a1, a_row, b, tile);
}

/* A as it is: a_step is 1. */
ADCL_INLINE void adcl_multiply_rows(uint rows, adcl_panel p, bool fetches, const adcl_factors *f,
                                    adcl_tile *tile)
{
    /* volatile: LLVM's loop optimizer would otherwise make these sums and products again for every k. */
    global const float *volatile first = f->a[0], *volatile second = f->a[1];
    const volatile ulong step = f->a_row;
    adcl_multiply_steps(rows, p, first, second, step, 1, fetches, f, tile);
}

ADCL_INLINE void adcl_multiply(uint rows, adcl_panel p, const adcl_factors *f, adcl_tile *tile)
{
    adcl_multiply_rows(rows, p, false, f, tile);
}

/* A transposed: a_row is 1. */
ADCL_INLINE void adcl_multiply_transposed(uint rows, adcl_panel p, const adcl_factors *f,
                                          adcl_tile *tile)
{
    adcl_multiply_steps(rows, p, f->a[0], f->a[0] + rows / 2, 1, f->a_step, false, f, tile);
}

/* A tile's numbers in memory: row i from PANEL_COLS·i on. Vectors that overlap what is before them have
 * the same bits there; those of a panel narrower than a vector begin before it, for which there is
 * room. */
#define ADCL_NUMBERS_BEFORE ADCL_WIDTH
#define ADCL_NUMBERS (ADCL_NUMBERS_BEFORE + ADCL_ROWS * ADCL_PANEL_COLS)

ADCL_INLINE void adcl_put_numbers(uint rows, adcl_panel p, const adcl_tile *tile, float *numbers)
{
    ADCL_EACH(i, ADCL_ROWS, rows) {
        ADCL_EACH(j, ADCL_PANEL, p.vectors)
            ADCL_STORE(tile->full[i][j],
                       numbers + (int)(i * ADCL_PANEL_COLS) + adcl_vector_start(p, j));
        if (p.half_vectors)
            ADCL_STORE_HALF(tile->half_full[i],
                            numbers + (int)(i * ADCL_PANEL_COLS) + adcl_half_start(p));
    }
}

/* ---- rows of a tile --------------------------------------------------------------------------- */

/* How the halves of a tile of `rows` lie over the `count` rows that there are: the row that the second
 * begins with, and how far the rows of each are apart. */
ADCL_INLINE uint adcl_second_half(uint rows, uint count)
{
    return count >= rows / 2 ? count - rows / 2 : count - 1;
}

ADCL_INLINE uint adcl_row_step(uint rows, uint count)
{
    return count >= rows / 2;
}

/* The row that row i of a tile is; `count`, which is none, where another row of the tile is it, too. */
ADCL_INLINE uint adcl_row_of(uint rows, uint count, uint i)
{
    const uint middle = rows / 2;
    uint step = adcl_row_step(rows, count), second = adcl_second_half(rows, count);
    if (i < middle) return step || i == 0 ? i : count;
    uint row = second + (i - middle) * step;
    return (step && row >= middle) || (!step && i == middle && row > 0) ? row : count;
}

/* The `count` rows of A that begin at `a`, row_stride apart. */
ADCL_INLINE void adcl_take_rows(uint rows, uint count, global const float *a, ulong row_stride,
                                adcl_factors *f)
{
    f->a[0] = a;
    f->a[1] = a + adcl_second_half(rows, count) * row_stride;
    f->a_row = adcl_row_step(rows, count) * row_stride;
}
