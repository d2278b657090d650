/* SPDX-License-Identifier: MIT */
#include "bench/token_batches.h"

#include <adapter_cl/adapter_cl.h>

#include <stdlib.h>
#include <string.h>

static bool allocate(bench_batches *out, size_t batches, size_t sequences, size_t tokens)
{
    *out = (bench_batches){
        .items = calloc(batches, sizeof *out->items),
        .load = {.batches = batches, .sequences = sequences, .tokens = tokens},
        .ids = calloc(tokens, sizeof *out->ids),
        .starts = calloc(batches * (sequences + 1), sizeof *out->starts),
    };
    return out->items != NULL && out->ids != NULL && out->starts != NULL;
}

void bench_batches_free(bench_batches *batches)
{
    free(batches->items);
    free(batches->ids);
    free(batches->starts);
    *batches = (bench_batches){0};
}

bool bench_batches_random(bench_batches *out, size_t sequences, size_t length, size_t vocabulary)
{
    uint32_t state = 1;
    if (!allocate(out, 1, sequences, sequences * length)) return false;
    for (size_t i = 0; i < sequences * length; i++) {
        state = state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        out->ids[i] = (int32_t)((state >> 8) % vocabulary);
    }
    for (size_t s = 0; s <= sequences; s++) out->starts[s] = s * length;
    out->load.length = length;
    out->load.squares = (double)sequences * (double)length * (double)length;
    out->most_tokens = sequences * length;
    out->items[0] = (adcl_encoder_batch){
        .sequences = sequences, .starts = out->starts, .ids = out->ids};
    return true;
}

/* Copies the texts of one batch behind the `first` tokens that are there; returns how many are
 * then. */
static size_t fill_batch(bench_batches *out, const bench_texts *texts, size_t batch,
                         const int32_t *order, size_t first)
{
    size_t sequences = out->load.sequences, tokens = 0;
    size_t *starts = out->starts + batch * (sequences + 1);
    for (size_t s = 0; s < sequences; s++) {
        size_t text = (size_t)order[batch * sequences + s];
        size_t length = texts->starts[text + 1] - texts->starts[text];
        memcpy(out->ids + first + tokens, texts->ids + texts->starts[text],
               length * sizeof *out->ids);
        out->load.squares += (double)length * (double)length;
        tokens += length;
        starts[s + 1] = tokens;
    }
    if (tokens > out->most_tokens) out->most_tokens = tokens;
    out->items[batch] = (adcl_encoder_batch){
        .sequences = sequences, .starts = starts, .ids = out->ids + first};
    return first + tokens;
}

static bool fill_batches(bench_batches *out, const bench_texts *texts, size_t sequences,
                         size_t batches, const int32_t *order)
{
    size_t tokens = 0, filled = 0;
    for (size_t i = 0; i < sequences * batches; i++)
        tokens += texts->starts[order[i] + 1] - texts->starts[order[i]];
    if (!allocate(out, batches, sequences, tokens)) return false;
    for (size_t b = 0; b < batches; b++) filled = fill_batch(out, texts, b, order, filled);
    return true;
}

typedef struct text_place {
    size_t length;
    int32_t text;
} text_place;

static int compare_lengths(const void *a, const void *b)
{
    const text_place *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

static bool sort_by_length(const bench_texts *texts, int32_t *order, size_t count)
{
    text_place *places = malloc(count * sizeof *places);
    if (places == NULL) return false;
    for (size_t i = 0; i < count; i++)
        places[i] = (text_place){texts->starts[order[i] + 1] - texts->starts[order[i]], order[i]};
    qsort(places, count, sizeof *places, compare_lengths);
    for (size_t i = 0; i < count; i++) order[i] = places[i].text;
    free(places);
    return true;
}

bool bench_batches_of_texts(bench_batches *out, const bench_texts *texts, size_t sequences,
                            size_t batches, bool sorted, uint64_t seed)
{
    int32_t *order = malloc(texts->count * sizeof *order);
    *out = (bench_batches){0};
    if (order == NULL) return false;
    adcl_shuffled_order(seed, 0, texts->count, order);
    if (sequences > texts->count) sequences = texts->count;
    if (batches > texts->count / sequences) batches = texts->count / sequences;
    bool complete = (!sorted || sort_by_length(texts, order, sequences * batches)) &&
                    fill_batches(out, texts, sequences, batches, order);
    out->load.sorted = sorted;
    free(order);
    return complete;
}
