/* SPDX-License-Identifier: MIT */
/* attention.cl – softmax(q·kᵀ/√d)·v of each sequence and head, over packed sequences, and its gradients.
 *
 *      qkv (T, 3·D): row t holds q, k, v of token t, head h in columns h·d … h·d + d − 1 of each.
 *
 *              keys of the sequence, in order ──►
 *      WIDTH queries (or, for dk and dv, keys), one in each lane of a vector, which is two of the device's:
 *              s = Σ q·k / √d      p = exp(s − m)      out = Σ p·v / Σ p
 *
 * T tokens, H heads, d columns of a head. A work-item takes one head and one block of at most WIDTH tokens of
 * one sequence, so nothing of another sequence is ever read: results do not depend on the rest of a batch.
 * Nothing of the size of a sequence is kept in a work-item: the softmax goes on as keys come (Milakov and
 * Gimelshein 2018), and backward makes p again from `log_sum` = m + log Σ p (Dao et al. 2022).
 *
 * Where p is dropped in training, p̃ = mask∘p/(1 − rate) takes its place beside v; the mask of a token's key is a
 * function of (seed, step, token of the batch, head, place of the key in its sequence), made again in backward.
 *
 * Known when the program is built: ADCL_WIDTH, ADCL_HEAD (d), ADCL_DROPOUT (1: p may be dropped). */

/* Keys (or queries) that are taken together: a vector that was loaded is multiplied by a number of each. */
#define ADCL_KEYS 4
#define ADCL_EACH_KEY(j) _Pragma("unroll") for (uint j = 0; j < ADCL_KEYS; j++)

/* tokens of a block: of the sequence [start, end), from `first` on. */
typedef struct adcl_block {
    uint start, end, first, count;
} adcl_block;

adcl_block adcl_block_of(global const int *blocks, uint index)
{
    uint start = (uint)blocks[3 * index], end = (uint)blocks[3 * index + 1];
    uint first = (uint)blocks[3 * index + 2];
    return (adcl_block){start, end, first, min(end - first, (uint)ADCL_WIDTH)};
}

#define ADCL_SQUARE 8 /* columns that are turned at once, with as many lanes; WIDTH is 8 or 16 */

/* Rows become columns, in three rounds of exchanges between pairs of vectors. */
void adcl_turn_square(float8 *r)
{
    float8 a[8], b[8];
    for (uint i = 0; i < 8; i += 2) {
        float8 x = r[i], y = r[i + 1];
        a[i] = (float8)(x.s0, y.s0, x.s1, y.s1, x.s4, y.s4, x.s5, y.s5);
        a[i + 1] = (float8)(x.s2, y.s2, x.s3, y.s3, x.s6, y.s6, x.s7, y.s7);
    }
    for (uint i = 0; i < 8; i += 4)
        for (uint j = 0; j < 2; j++) {
            float8 x = a[i + j], y = a[i + j + 2];
            b[i + 2 * j] = (float8)(x.s01, y.s01, x.s45, y.s45);
            b[i + 2 * j + 1] = (float8)(x.s23, y.s23, x.s67, y.s67);
        }
    for (uint i = 0; i < 4; i++) {
        r[i] = (float8)(b[i].lo, b[i + 4].lo);
        r[i + 4] = (float8)(b[i].hi, b[i + 4].hi);
    }
}

/* lanes (SQUARE, WIDTH): SQUARE columns of the rows, from `col` on. */
void adcl_take_columns(global const float *const *rows, uint col, float *lanes)
{
    for (uint first = 0; first < ADCL_WIDTH; first += ADCL_SQUARE) {
        float8 r[ADCL_SQUARE];
        for (uint i = 0; i < ADCL_SQUARE; i++) r[i] = vload8(0, rows[first + i] + col);
        adcl_turn_square(r);
        for (uint i = 0; i < ADCL_SQUARE; i++) vstore8(r[i], 0, lanes + i * ADCL_WIDTH + first);
    }
}

/* The other way, for `count` rows. */
void adcl_put_columns(const float *lanes, uint count, global float *rows, ulong stride)
{
    for (uint first = 0; first < count; first += ADCL_SQUARE) {
        float8 r[ADCL_SQUARE];
        for (uint i = 0; i < ADCL_SQUARE; i++) r[i] = vload8(0, lanes + i * ADCL_WIDTH + first);
        adcl_turn_square(r);
        for (uint i = 0; i < ADCL_SQUARE && first + i < count; i++)
            vstore8(r[i], 0, rows + (first + i) * stride);
    }
}

/* Columns of a head that are taken SQUARE at a time; the others one by one. */
#define ADCL_WHOLE_COLS (ADCL_HEAD / ADCL_SQUARE * ADCL_SQUARE)

/* Columns of the block's tokens, transposed: lane i of out[c] is column c of token first + i. Lanes without a
 * token have the last one's. */
void adcl_take_lanes(adcl_block b, global const float *matrix, ulong stride, REAL *out)
{
    global const float *rows[ADCL_WIDTH];
    for (uint i = 0; i < ADCL_WIDTH; i++)
        rows[i] = matrix + (b.first + min(i, b.count - 1)) * stride;
    for (uint c = 0; c < ADCL_WHOLE_COLS; c += ADCL_SQUARE)
        adcl_take_columns(rows, c, (float *)(out + c));
    for (uint c = ADCL_WHOLE_COLS; c < ADCL_HEAD; c++)
        for (uint i = 0; i < ADCL_WIDTH; i++) ((float *)(out + c))[i] = rows[i][c];
}

/* The other way. */
void adcl_put_lanes(adcl_block b, const REAL *columns, global float *matrix, ulong stride)
{
    global float *rows = matrix + b.first * stride;
    for (uint c = 0; c < ADCL_WHOLE_COLS; c += ADCL_SQUARE)
        adcl_put_columns((const float *)(columns + c), b.count, rows + c, stride);
    for (uint c = ADCL_WHOLE_COLS; c < ADCL_HEAD; c++)
        for (uint i = 0; i < b.count; i++) rows[i * stride + c] = ((const float *)(columns + c))[i];
}

REAL adcl_take_lane_numbers(adcl_block b, global const float *numbers, ulong stride)
{
    float lanes[ADCL_WIDTH];
    for (uint i = 0; i < ADCL_WIDTH; i++)
        lanes[i] = numbers[(b.first + min(i, b.count - 1)) * stride];
    return ADCL_LOAD(lanes);
}

void adcl_put_lane_numbers(adcl_block b, REAL value, global float *numbers, ulong stride)
{
    float lanes[ADCL_WIDTH];
    ADCL_STORE(value, lanes);
    for (uint i = 0; i < b.count; i++) numbers[(b.first + i) * stride] = lanes[i];
}

void adcl_clear_lanes(REAL *columns)
{
    for (uint c = 0; c < ADCL_HEAD; c++) columns[c] = (REAL)(0.0f);
}

/* KEYS rows of a head from token `first` on. Where the sequence ends before, its last token is taken again. */
typedef struct adcl_rows {
    global const float *of[ADCL_KEYS];
} adcl_rows;

void adcl_take_rows(global const float *head, ulong stride, uint first, uint count,
                    adcl_rows *rows)
{
    ADCL_EACH_KEY(j) rows->of[j] = head + (first + min(j, count - 1)) * stride;
}

/* dots[j] = Σ columns·(row j). */
void adcl_dot_lanes(const REAL *columns, const adcl_rows *rows, REAL *dots)
{
    REAL sums[ADCL_KEYS];
    ADCL_EACH_KEY(j) sums[j] = (REAL)(0.0f);
    for (uint c = 0; c < ADCL_HEAD; c++) {
        const REAL column = columns[c];
        ADCL_EACH_KEY(j) sums[j] += column * rows->of[j][c];
    }
    ADCL_EACH_KEY(j) dots[j] = sums[j];
}

/* columns = own·columns + Σ factors[j]·(row j), j by j. */
void adcl_add_rows(REAL *columns, REAL own, const adcl_rows *rows, const REAL *factors)
{
    for (uint c = 0; c < ADCL_HEAD; c++) {
        REAL sum = own * columns[c];
        ADCL_EACH_KEY(j) sum += factors[j] * rows->of[j][c];
        columns[c] = sum;
    }
}

/* Factors of p for one key of all lanes' queries. */
REAL adcl_factors_of_key(const adcl_attention_dropout *d, adcl_block b, uint key)
{
#if ADCL_DROPOUT
    float lanes[ADCL_WIDTH];
    for (uint i = 0; i < ADCL_WIDTH; i++)
        lanes[i] = adcl_dropout_factor(d->seed, d->step, b.first + i,
                                       d->first_col + (key - b.start), d->cols, d->threshold,
                                       d->keep_scale);
    return ADCL_LOAD(lanes);
#else
    return (REAL)(1.0f);
#endif
}

/* Factors of p for one query and all lanes' keys. */
REAL adcl_factors_of_query(const adcl_attention_dropout *d, adcl_block b, uint query)
{
#if ADCL_DROPOUT
    float lanes[ADCL_WIDTH];
    for (uint i = 0; i < ADCL_WIDTH; i++)
        lanes[i] = adcl_dropout_factor(d->seed, d->step, query,
                                       d->first_col + (b.first + i - b.start), d->cols,
                                       d->threshold, d->keep_scale);
    return ADCL_LOAD(lanes);
#else
    return (REAL)(1.0f);
#endif
}

/* Work-item (block, head). out (T, D); log_sum (T, H) for backward. */
kernel void adcl_attention_fwd(global const float *qkv, ulong qkv_offset, ulong qkv_stride,
                               global const int *blocks, global float *log_sum, global float *out,
                               ulong out_offset, ulong out_stride, uint block_count, uint heads,
                               float scale, ADCL_ATTENTION_DROPOUT)
{
    if (get_global_id(0) >= block_count || get_global_id(1) >= heads) return;
    const uint head = get_global_id(1), hidden = heads * ADCL_HEAD;
    const adcl_block b = adcl_block_of(blocks, get_global_id(0));
    const adcl_attention_dropout dropout = ADCL_ATTENTION_MASK;
    global const float *q_head = qkv + qkv_offset + head * ADCL_HEAD;
    global const float *k_head = q_head + hidden, *v_head = k_head + hidden;
    REAL q[ADCL_HEAD], sum[ADCL_HEAD];
    adcl_take_lanes(b, q_head, qkv_stride, q);
    adcl_clear_lanes(sum);
    REAL largest = (REAL)(-INFINITY), total = (REAL)(0.0f);
    for (uint key = b.start; key < b.end; key += ADCL_KEYS) {
        const uint count = min(b.end - key, (uint)ADCL_KEYS);
        adcl_rows k, v;
        adcl_take_rows(k_head, qkv_stride, key, count, &k);
        adcl_take_rows(v_head, qkv_stride, key, count, &v);
        REAL p[ADCL_KEYS], before = largest;
        adcl_dot_lanes(q, &k, p);
        ADCL_EACH_KEY(j) {
            p[j] *= scale;
            largest = ADCL_PICK(p[j] > largest, p[j], largest); /* a key taken again changes nothing here, */
        }
        REAL shrink = adcl_exp(before - largest);
        total *= shrink;
        ADCL_EACH_KEY(j) {
            p[j] = j < count ? adcl_exp(p[j] - largest) : (REAL)(0.0f); /* and counts for nothing */
            total += p[j];
            p[j] *= adcl_factors_of_key(&dropout, b, key + j);
        }
        adcl_add_rows(sum, shrink, &v, p);
    }
    for (uint c = 0; c < ADCL_HEAD; c++) sum[c] /= total;
    adcl_put_lanes(b, sum, out + out_offset + head * ADCL_HEAD, out_stride);
    adcl_put_lane_numbers(b, largest + log(total), log_sum + head, heads);
}

/* Work-item (block of queries, head): dq, and delta (T, H) = Σ dout·out of each token's head.
 * dout, out (T, D); dqkv (T, 3·D). */
kernel void adcl_attention_bwd_queries(global const float *qkv, ulong qkv_offset, ulong qkv_stride,
                                       global const int *blocks, global const float *log_sum,
                                       global const float *out, ulong out_offset, ulong out_stride,
                                       global const float *dout, ulong dout_offset,
                                       ulong dout_stride, global float *delta, global float *dqkv,
                                       ulong dqkv_offset, ulong dqkv_stride, uint block_count,
                                       uint heads, float scale, ADCL_ATTENTION_DROPOUT)
{
    if (get_global_id(0) >= block_count || get_global_id(1) >= heads) return;
    const uint head = get_global_id(1), hidden = heads * ADCL_HEAD;
    const adcl_block b = adcl_block_of(blocks, get_global_id(0));
    const adcl_attention_dropout dropout = ADCL_ATTENTION_MASK;
    global const float *q_head = qkv + qkv_offset + head * ADCL_HEAD;
    global const float *k_head = q_head + hidden, *v_head = k_head + hidden;
    REAL q[ADCL_HEAD], of_out[ADCL_HEAD], dq[ADCL_HEAD];
    REAL of_delta = (REAL)(0.0f);
    adcl_take_lanes(b, out + out_offset + head * ADCL_HEAD, out_stride, q);
    adcl_take_lanes(b, dout + dout_offset + head * ADCL_HEAD, dout_stride, of_out);
    for (uint c = 0; c < ADCL_HEAD; c++) of_delta += of_out[c] * q[c];
    adcl_put_lane_numbers(b, of_delta, delta + head, heads);
    adcl_take_lanes(b, q_head, qkv_stride, q);
    adcl_clear_lanes(dq);
    const REAL normal = adcl_take_lane_numbers(b, log_sum + head, heads);
    for (uint key = b.start; key < b.end; key += ADCL_KEYS) {
        const uint count = min(b.end - key, (uint)ADCL_KEYS);
        adcl_rows k, v;
        adcl_take_rows(k_head, qkv_stride, key, count, &k);
        adcl_take_rows(v_head, qkv_stride, key, count, &v);
        REAL s[ADCL_KEYS], dp[ADCL_KEYS], ds[ADCL_KEYS];
        adcl_dot_lanes(q, &k, s);
        adcl_dot_lanes(of_out, &v, dp);
        ADCL_EACH_KEY(j) {
            REAL p = adcl_exp(scale * s[j] - normal);
            dp[j] *= adcl_factors_of_key(&dropout, b, key + j);
            ds[j] = j < count ? scale * p * (dp[j] - of_delta) : (REAL)(0.0f);
        }
        adcl_add_rows(dq, (REAL)(1.0f), &k, ds);
    }
    adcl_put_lanes(b, dq, dqkv + dqkv_offset + head * ADCL_HEAD, dqkv_stride);
}

/* Work-item (block of keys, head): dk and dv, from delta of all queries of the sequence. */
kernel void adcl_attention_bwd_keys(global const float *qkv, ulong qkv_offset, ulong qkv_stride,
                                    global const int *blocks, global const float *log_sum,
                                    global const float *dout, ulong dout_offset, ulong dout_stride,
                                    global const float *delta, global float *dqkv,
                                    ulong dqkv_offset, ulong dqkv_stride, uint block_count,
                                    uint heads, float scale, ADCL_ATTENTION_DROPOUT)
{
    if (get_global_id(0) >= block_count || get_global_id(1) >= heads) return;
    const uint head = get_global_id(1), hidden = heads * ADCL_HEAD;
    const adcl_block b = adcl_block_of(blocks, get_global_id(0));
    const adcl_attention_dropout dropout = ADCL_ATTENTION_MASK;
    global const float *q_head = qkv + qkv_offset + head * ADCL_HEAD;
    global const float *dout_head = dout + dout_offset + head * ADCL_HEAD;
    REAL k[ADCL_HEAD], v[ADCL_HEAD], dk[ADCL_HEAD], dv[ADCL_HEAD];
    adcl_take_lanes(b, q_head + hidden, qkv_stride, k);
    adcl_take_lanes(b, q_head + 2 * hidden, qkv_stride, v);
    adcl_clear_lanes(dk);
    adcl_clear_lanes(dv);
    for (uint query = b.start; query < b.end; query += ADCL_KEYS) {
        const uint count = min(b.end - query, (uint)ADCL_KEYS);
        adcl_rows q, of_out;
        adcl_take_rows(q_head, qkv_stride, query, count, &q);
        adcl_take_rows(dout_head, dout_stride, query, count, &of_out);
        REAL s[ADCL_KEYS], dp[ADCL_KEYS], kept[ADCL_KEYS], ds[ADCL_KEYS];
        adcl_dot_lanes(k, &q, s);
        adcl_dot_lanes(v, &of_out, dp);
        ADCL_EACH_KEY(j) {
            const ulong at = (ulong)(query + min(j, count - 1)) * heads + head;
            REAL p = adcl_exp(scale * s[j] - log_sum[at]);
            REAL factors = adcl_factors_of_query(&dropout, b, query + j);
            kept[j] = j < count ? factors * p : (REAL)(0.0f);
            ds[j] = j < count ? scale * p * (factors * dp[j] - delta[at]) : (REAL)(0.0f);
        }
        adcl_add_rows(dv, (REAL)(1.0f), &of_out, kept);
        adcl_add_rows(dk, (REAL)(1.0f), &q, ds);
    }
    global float *dk_head = dqkv + dqkv_offset + hidden + head * ADCL_HEAD;
    adcl_put_lanes(b, dk, dk_head, dqkv_stride);
    adcl_put_lanes(b, dv, dk_head + hidden, dqkv_stride);
}
