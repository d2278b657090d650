/* SPDX-License-Identifier: MIT */
/* token_batches.h – batches of tokens on the host, as an encoder takes them: packed, without
 * padding. */
#ifndef ADCL_BENCH_TOKEN_BATCHES_H
#define ADCL_BENCH_TOKEN_BATCHES_H

#include "bench/model.h"

#include <adapter_cl/encoder.h>

typedef struct bench_batches {
    adcl_encoder_batch *items; /* bench_load.batches of them, each of as many sequences */
    bench_load load;
    size_t most_tokens;        /* of one batch */
    int32_t *ids;              /* owned, as the next */
    size_t *starts;
} bench_batches;

/* Sequences of tokens that somebody made of texts; borrowed. Type ids are left out: they cost
 * nothing. */
typedef struct bench_texts {
    size_t count;
    const size_t *starts; /* count + 1 */
    const int32_t *ids;
    size_t longest;       /* tokens */
} bench_texts;

/* One batch of random ids of the vocabulary, the same on every machine. False: no memory; free
 * it in any case. */
bool bench_batches_random(bench_batches *out, size_t sequences, size_t length, size_t vocabulary);

/* At most `batches` whole batches of `sequences` texts, in a shuffled order, or the same texts `sorted` by length.
 * Fewer texts than one batch holds are one batch of all of them. */
bool bench_batches_of_texts(bench_batches *out, const bench_texts *texts, size_t sequences,
                            size_t batches, bool sorted, uint64_t seed);
void bench_batches_free(bench_batches *batches);

#endif
