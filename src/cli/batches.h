/* SPDX-License-Identifier: MIT */
/* batches.h – texts as tokens, made once, and batches of them.
 *
 * A batch lies packed: its sequences follow each other without padding, so a batch of texts of
 * different lengths costs no more than one of equal lengths, and batches need not be sorted by
 * length: the order of an epoch is the plain shuffle. What is bounded instead are the tokens of a
 * pass, for they are what takes memory: a batch with more of them is cut into several passes. */
#ifndef ADCL_CLI_BATCHES_H
#define ADCL_CLI_BATCHES_H

#include "cli/command.h"

#include <adapter_cl/encoder.h>

/* Sequences of tokens; starts as {0}. */
typedef struct token_list {
    int32_t *ids;
    int32_t *types;
    size_t *starts; /* tokens of sequence i: starts[i] … starts[i + 1] − 1 */
    size_t count;   /* sequences */
    size_t longest; /* tokens of the longest one */
    size_t cut;     /* texts that were longer than allowed, and were cut */
    bool has_pairs; /* some type is not 0 */
    size_t room;    /* for tokens */
    size_t sequence_room;
} token_list;

/* Encodes a text, or a pair (NULL: none), and appends it. `what` and `number` say which text it is
 * where it cannot be encoded ("train.tsv: line", 7). */
int token_list_add(session *s, token_list *list, const adcl_tokenizer *tokenizer,
                   adcl_encoding *encoding, const adcl_text_span *text, const adcl_text_span *pair,
                   size_t max_length, const char *what, size_t number);
void token_list_clear(token_list *list);
void token_list_free(token_list *list);

size_t token_list_length(const token_list *list, size_t sequence);
size_t token_list_total(const token_list *list);
/* The most tokens that `sequences` different ones of them can have together. */
size_t token_list_most(const session *s, const token_list *list, size_t sequences);

/* Where a pass that begins with order[first] ends: it takes as many sequences, below order[last],
 * as have at most max_tokens tokens together, and at least one. `order` NULL: as they are. */
size_t pass_end(const token_list *list, const int32_t *order, size_t first, size_t last,
                size_t max_tokens);

/* The host memory of a pass, for adcl_encoder_forward. */
typedef struct packed_pass {
    size_t *starts;
    int32_t *ids;
    int32_t *types;
} packed_pass;

int packed_pass_create(const session *s, packed_pass *out, size_t max_tokens, size_t max_sequences);
void packed_pass_free(packed_pass *pass);

/* Copies sequences order[first … last − 1] to `pass`, which *batch then borrows. Returns their
 * tokens. */
size_t packed_pass_fill(packed_pass *pass, const token_list *list, const int32_t *order,
                        size_t first, size_t last, adcl_encoder_batch *batch);

#endif
