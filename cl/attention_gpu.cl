/* SPDX-License-Identifier: MIT */
/* attention_gpu.cl – what attention.cl computes, for devices of many work-groups with local memory and heads of
 * at most 64 columns. After common.cl, activation_math.cl and
 * attention_dropout.cl.
 *
 * A work-group takes one head and one block of TOKENS tokens of one sequence; what they meet, TOKENS others of
 * the sequence at a time, is in local memory, too:
 *
 *                     others j, in order ──►
 *      block    ┌───────────────┐
 *        i      │ p(i, j) …     │      four items a row: item (i, s) has the scores of others s, s + 4, …,
 *               └───────────────┘      and columns s, s + 4, … of what is summed for row i.
 *
 * Forward and dq: the block is of queries, the others are keys. dk and dv: the other way round. Results do not
 * depend on the rest of a batch.
 *
 * Arguments are those of attention.cl's kernels, also block_count, which is not read: there are as many groups
 * as blocks. (A return before barriers, even of whole groups, is what POCL 3.1 makes wrong code of.)
 *
 * Known when the program is built: ADCL_HEAD (d), ADCL_DROPOUT (1: p may be dropped). */

#define ADCL_TOKENS 16
#define ADCL_SHARES 4 /* items of a row */
#define ADCL_GROUP (ADCL_TOKENS * ADCL_SHARES)
#define ADCL_SCORES (ADCL_TOKENS / ADCL_SHARES)                      /* of an item */
#define ADCL_COLUMNS ((ADCL_HEAD + ADCL_SHARES - 1) / ADCL_SHARES) /* of an item, at most */
/* Odd, so that the same column of neighbouring rows is in different banks. */
#define ADCL_HEAD_STRIDE (ADCL_HEAD | 1)
#define ADCL_ROWS_OF_HEAD (ADCL_TOKENS * ADCL_HEAD_STRIDE)
#define ADCL_SCORE_STRIDE (ADCL_TOKENS + 1)
#define ADCL_ALL_SCORES (ADCL_TOKENS * ADCL_SCORE_STRIDE)

#define ADCL_INLINE static inline __attribute__((always_inline))
#define ADCL_GROUPED __attribute__((reqd_work_group_size(ADCL_GROUP, 1, 1)))
#define ADCL_EACH_SCORE(m) _Pragma("unroll") for (uint m = 0; m < ADCL_SCORES; m++)
#define ADCL_EACH_COLUMN(n) _Pragma("unroll") for (uint n = 0; n < ADCL_COLUMNS; n++)

/* Row of the block, and share of it. */
ADCL_INLINE uint adcl_row(void)
{
    return (uint)get_local_id(0) / ADCL_SHARES;
}

ADCL_INLINE uint adcl_share(void)
{
    return (uint)get_local_id(0) % ADCL_SHARES;
}

/* rows (TOKENS, HEAD) = a head of the tokens from `first` on, of which there are `count`; the others are 0. */
ADCL_INLINE void adcl_take(global const float *head, ulong stride, uint first, uint count,
                           local float *rows)
{
    for (uint at = get_local_id(0); at < ADCL_TOKENS * ADCL_HEAD; at += ADCL_GROUP) {
        const uint i = at / ADCL_HEAD, c = at % ADCL_HEAD;
        rows[i * ADCL_HEAD_STRIDE + c] = i < count ? head[(first + i) * stride + c] : 0.0f;
    }
}

/* scores[m] = (own row)·(row share + SHARES·m). */
ADCL_INLINE void adcl_dot(local const float *own, local const float *rows, float scores[ADCL_SCORES])
{
    own += adcl_row() * ADCL_HEAD_STRIDE;
    rows += adcl_share() * ADCL_HEAD_STRIDE;
    ADCL_EACH_SCORE(m) scores[m] = 0.0f;
    for (uint c = 0; c < ADCL_HEAD; c++) {
        const float value = own[c];
        ADCL_EACH_SCORE(m) scores[m] += value * rows[m * ADCL_SHARES * ADCL_HEAD_STRIDE + c];
    }
}

/* all[row, share + SHARES·m] = scores[m]. */
ADCL_INLINE void adcl_put_scores(const float scores[ADCL_SCORES], local float *all)
{
    all += adcl_row() * ADCL_SCORE_STRIDE + adcl_share();
    ADCL_EACH_SCORE(m) all[m * ADCL_SHARES] = scores[m];
}

/* sums[n] += Σ_j all[row, j]·rows[j, share + SHARES·n], j < count. */
ADCL_INLINE void adcl_add(local const float *all, local const float *rows, uint count,
                          float sums[ADCL_COLUMNS])
{
    all += adcl_row() * ADCL_SCORE_STRIDE;
    for (uint j = 0; j < count; j++) {
        const float factor = all[j];
        local const float *row = rows + j * ADCL_HEAD_STRIDE + adcl_share();
        ADCL_EACH_COLUMN(n)
            if (adcl_share() + ADCL_SHARES * n < ADCL_HEAD) sums[n] += factor * row[ADCL_SHARES * n];
    }
}

/* The columns of this item's token; nothing where the block has no such row. */
ADCL_INLINE void adcl_put(const float sums[ADCL_COLUMNS], uint first, uint count, global float *head,
                          ulong stride)
{
    if (adcl_row() >= count) return;
    head += (first + adcl_row()) * stride + adcl_share();
    ADCL_EACH_COLUMN(n)
        if (adcl_share() + ADCL_SHARES * n < ADCL_HEAD) head[ADCL_SHARES * n] = sums[n];
}

/* The factor of p for a query and the key at `place` of its sequence. */
ADCL_INLINE float adcl_factor(const adcl_attention_dropout *d, uint query, uint place)
{
#if ADCL_DROPOUT
    return adcl_dropout_factor(d->seed, d->step, query, d->first_col + place, d->cols, d->threshold,
                               d->keep_scale);
#else
    return 1.0f;
#endif
}

/* The block of this group: tokens of the sequence [start, end), from `first` on. */
#define ADCL_BLOCK                                                                                 \
    const uint head = get_group_id(1), hidden = heads * ADCL_HEAD;                                 \
    const uint start = (uint)blocks[3 * get_group_id(0)], end = (uint)blocks[3 * get_group_id(0) + 1]; \
    const uint first = (uint)blocks[3 * get_group_id(0) + 2];                                      \
    const uint count = min(end - first, (uint)ADCL_TOKENS), own = first + min(adcl_row(), count - 1); \
    const adcl_attention_dropout dropout = ADCL_ATTENTION_MASK

/* Group (block, head). out (T, D); log_sum (T, H) for backward. */
ADCL_GROUPED kernel void adcl_attention_gpu_fwd(global const float *qkv, ulong qkv_offset,
                                                ulong qkv_stride, global const int *blocks,
                                                global float *log_sum, global float *out,
                                                ulong out_offset, ulong out_stride,
                                                uint block_count, uint heads, float scale,
                                                ADCL_ATTENTION_DROPOUT)
{
    local float q[ADCL_ROWS_OF_HEAD], k[ADCL_ROWS_OF_HEAD], v[ADCL_ROWS_OF_HEAD];
    local float all[ADCL_ALL_SCORES], kept[ADCL_ALL_SCORES];
    ADCL_BLOCK;
    global const float *q_head = qkv + qkv_offset + head * ADCL_HEAD;
    float sums[ADCL_COLUMNS], largest = -INFINITY, total = 0.0f;
    ADCL_EACH_COLUMN(n) sums[n] = 0.0f;
    adcl_take(q_head, qkv_stride, first, count, q);
    for (uint key = start; key < end; key += ADCL_TOKENS) {
        const uint keys = min(end - key, (uint)ADCL_TOKENS);
        float p[ADCL_SCORES];
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_take(q_head + hidden, qkv_stride, key, keys, k);
        adcl_take(q_head + 2 * hidden, qkv_stride, key, keys, v);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_dot(q, k, p);
        ADCL_EACH_SCORE(m) p[m] *= scale;
        adcl_put_scores(p, all);
        barrier(CLK_LOCAL_MEM_FENCE);
        const float before = largest;
        for (uint j = 0; j < keys; j++) {
            const float score = all[adcl_row() * ADCL_SCORE_STRIDE + j];
            largest = score > largest ? score : largest;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        ADCL_EACH_SCORE(m) p[m] = adcl_exp(p[m] - largest);
        adcl_put_scores(p, all);
        ADCL_EACH_SCORE(m)
            p[m] *= adcl_factor(&dropout, own, key + adcl_share() + ADCL_SHARES * m - start);
        adcl_put_scores(p, kept);
        barrier(CLK_LOCAL_MEM_FENCE);
        const float shrink = adcl_exp(before - largest);
        total *= shrink;
        for (uint j = 0; j < keys; j++) total += all[adcl_row() * ADCL_SCORE_STRIDE + j];
        ADCL_EACH_COLUMN(n) sums[n] *= shrink;
        adcl_add(kept, v, keys, sums);
    }
    ADCL_EACH_COLUMN(n) sums[n] /= total;
    adcl_put(sums, first, count, out + out_offset + head * ADCL_HEAD, out_stride);
    if (adcl_share() == 0 && adcl_row() < count) log_sum[(ulong)own * heads + head] = largest + log(total);
}

/* Group (block of queries, head): dq, and delta (T, H) = Σ dout·out of each token's head.
 * dout, out (T, D); dqkv (T, 3·D). */
ADCL_GROUPED kernel void adcl_attention_gpu_bwd_queries(
    global const float *qkv, ulong qkv_offset, ulong qkv_stride, global const int *blocks,
    global const float *log_sum, global const float *out, ulong out_offset, ulong out_stride,
    global const float *dout, ulong dout_offset, ulong dout_stride, global float *delta,
    global float *dqkv, ulong dqkv_offset, ulong dqkv_stride, uint block_count, uint heads, float scale,
    ADCL_ATTENTION_DROPOUT)
{
    local float q[ADCL_ROWS_OF_HEAD], of_dout[ADCL_ROWS_OF_HEAD];
    local float k[ADCL_ROWS_OF_HEAD], v[ADCL_ROWS_OF_HEAD], all[ADCL_ALL_SCORES];
    ADCL_BLOCK;
    global const float *q_head = qkv + qkv_offset + head * ADCL_HEAD;
    global const float *of_out = out + out_offset + own * out_stride + head * ADCL_HEAD;
    const float normal = log_sum[(ulong)own * heads + head];
    float dq[ADCL_COLUMNS], of_delta = 0.0f;
    ADCL_EACH_COLUMN(n) dq[n] = 0.0f;
    adcl_take(q_head, qkv_stride, first, count, q);
    adcl_take(dout + dout_offset + head * ADCL_HEAD, dout_stride, first, count, of_dout);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint c = 0; c < ADCL_HEAD; c++) of_delta += of_dout[adcl_row() * ADCL_HEAD_STRIDE + c] * of_out[c];
    if (adcl_share() == 0 && adcl_row() < count) delta[(ulong)own * heads + head] = of_delta;
    for (uint key = start; key < end; key += ADCL_TOKENS) {
        const uint keys = min(end - key, (uint)ADCL_TOKENS);
        float s[ADCL_SCORES], dp[ADCL_SCORES], ds[ADCL_SCORES];
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_take(q_head + hidden, qkv_stride, key, keys, k);
        adcl_take(q_head + 2 * hidden, qkv_stride, key, keys, v);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_dot(q, k, s);
        adcl_dot(of_dout, v, dp);
        ADCL_EACH_SCORE(m) {
            const float factor =
                adcl_factor(&dropout, own, key + adcl_share() + ADCL_SHARES * m - start);
            ds[m] = scale * adcl_exp(scale * s[m] - normal) * (factor * dp[m] - of_delta);
        }
        adcl_put_scores(ds, all);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_add(all, k, keys, dq);
    }
    adcl_put(dq, first, count, dqkv + dqkv_offset + head * ADCL_HEAD, dqkv_stride);
}

/* Group (block of keys, head): dk and dv, from delta of all queries of the sequence. */
ADCL_GROUPED kernel void adcl_attention_gpu_bwd_keys(
    global const float *qkv, ulong qkv_offset, ulong qkv_stride, global const int *blocks,
    global const float *log_sum, global const float *dout, ulong dout_offset, ulong dout_stride,
    global const float *delta, global float *dqkv, ulong dqkv_offset, ulong dqkv_stride,
    uint block_count, uint heads, float scale, ADCL_ATTENTION_DROPOUT)
{
    local float k[ADCL_ROWS_OF_HEAD], v[ADCL_ROWS_OF_HEAD], q[ADCL_ROWS_OF_HEAD];
    local float of_dout[ADCL_ROWS_OF_HEAD], all[ADCL_ALL_SCORES], all_kept[ADCL_ALL_SCORES];
    ADCL_BLOCK;
    global const float *q_head = qkv + qkv_offset + head * ADCL_HEAD;
    float dk[ADCL_COLUMNS], dv[ADCL_COLUMNS];
    ADCL_EACH_COLUMN(n) dk[n] = dv[n] = 0.0f;
    adcl_take(q_head + hidden, qkv_stride, first, count, k);
    adcl_take(q_head + 2 * hidden, qkv_stride, first, count, v);
    for (uint query = start; query < end; query += ADCL_TOKENS) {
        const uint queries = min(end - query, (uint)ADCL_TOKENS);
        float s[ADCL_SCORES], dp[ADCL_SCORES], kept[ADCL_SCORES], ds[ADCL_SCORES];
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_take(q_head, qkv_stride, query, queries, q);
        adcl_take(dout + dout_offset + head * ADCL_HEAD, dout_stride, query, queries, of_dout);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_dot(k, q, s);
        adcl_dot(v, of_dout, dp);
        ADCL_EACH_SCORE(m) {
            const uint other = query + min(adcl_share() + ADCL_SHARES * m, queries - 1);
            const ulong at = (ulong)other * heads + head;
            const float factor = adcl_factor(&dropout, other, own - start);
            const float p = adcl_exp(scale * s[m] - log_sum[at]);
            kept[m] = factor * p;
            ds[m] = scale * p * (factor * dp[m] - delta[at]);
        }
        adcl_put_scores(kept, all_kept);
        adcl_put_scores(ds, all);
        barrier(CLK_LOCAL_MEM_FENCE);
        adcl_add(all_kept, of_dout, queries, dv);
        adcl_add(all, q, queries, dk);
    }
    global float *dk_head = dqkv + dqkv_offset + hidden + head * ADCL_HEAD;
    adcl_put(dk, first, count, dk_head, dqkv_stride);
    adcl_put(dv, first, count, dk_head + hidden, dqkv_stride);
}
