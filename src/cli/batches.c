/* SPDX-License-Identifier: MIT */
#include "cli/batches.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists of tokens -------------------------------------------------------------------------*/

static bool make_token_room(token_list *list, size_t needed)
{
    if (needed <= list->room) return true;
    size_t room = needed + needed / 2 + 256;
    int32_t *ids = realloc(list->ids, room * sizeof *ids);
    if (ids != NULL) list->ids = ids;
    int32_t *types = realloc(list->types, room * sizeof *types);
    if (types != NULL) list->types = types;
    if (ids == NULL || types == NULL) return false;
    list->room = room;
    return true;
}

static bool make_sequence_room(token_list *list)
{
    if (list->count + 1 < list->sequence_room) return true;
    size_t room = 2 * list->sequence_room + 16;
    size_t *starts = realloc(list->starts, room * sizeof *starts);
    if (starts == NULL) return false;
    starts[0] = 0;
    list->starts = starts;
    list->sequence_room = room;
    return true;
}

static bool append(token_list *list, const adcl_encoding *encoding)
{
    size_t count = adcl_encoding_count(encoding);
    size_t first = token_list_total(list);
    if (!make_sequence_room(list) || !make_token_room(list, first + count)) return false;
    memcpy(list->ids + first, adcl_encoding_ids(encoding), count * sizeof *list->ids);
    memcpy(list->types + first, adcl_encoding_type_ids(encoding), count * sizeof *list->types);
    list->starts[++list->count] = first + count;
    if (count > list->longest) list->longest = count;
    list->cut += adcl_encoding_truncated(encoding) > 0;
    return true;
}

int token_list_add(session *s, token_list *list, const adcl_tokenizer *tokenizer,
                   adcl_encoding *encoding, const adcl_text_span *text, const adcl_text_span *pair,
                   size_t max_length, const char *what, size_t number)
{
    if (adcl_tokenizer_encode(tokenizer, encoding, text, pair, max_length, &s->error) != ADCL_OK)
        return session_fail(s, "%s %zu: %s", what, number, s->error.message);
    if (!append(list, encoding)) return session_fail(s, "%s %zu: no memory", what, number);
    list->has_pairs = list->has_pairs || pair != NULL;
    return DONE;
}

void token_list_clear(token_list *list)
{
    list->count = 0;
    list->longest = 0;
    list->cut = 0;
    list->has_pairs = false;
}

void token_list_free(token_list *list)
{
    free(list->ids);
    free(list->types);
    free(list->starts);
    *list = (token_list){0};
}

size_t token_list_length(const token_list *list, size_t sequence)
{
    return list->starts[sequence + 1] - list->starts[sequence];
}

size_t token_list_total(const token_list *list)
{
    return list->count > 0 ? list->starts[list->count] : 0;
}

/* By counting how many there are of each length. */
size_t token_list_most(const session *s, const token_list *list, size_t sequences)
{
    void *memory;
    size_t most = 0;
    if (session_allocate(s, &memory, list->longest + 1, 1, sizeof(size_t)) != DONE) return 0;
    size_t *counts = memory;
    for (size_t i = 0; i < list->count; i++) counts[token_list_length(list, i)]++;
    for (size_t length = list->longest; length > 0 && sequences > 0; length--) {
        size_t taken = counts[length] < sequences ? counts[length] : sequences;
        most += taken * length;
        sequences -= taken;
    }
    free(memory);
    return most;
}

/* ---- passes ----------------------------------------------------------------------------------*/

static size_t at(const int32_t *order, size_t i)
{
    return order != NULL ? (size_t)order[i] : i;
}

size_t pass_end(const token_list *list, const int32_t *order, size_t first, size_t last,
                size_t max_tokens)
{
    size_t tokens = token_list_length(list, at(order, first));
    size_t end = first + 1;
    while (end < last) {
        tokens += token_list_length(list, at(order, end));
        if (tokens > max_tokens) break;
        end++;
    }
    return end;
}

int packed_pass_create(const session *s, packed_pass *out, size_t max_tokens, size_t max_sequences)
{
    void *starts;
    void *ids;
    void *types;
    *out = (packed_pass){0};
    TRY(session_allocate(s, &starts, max_sequences + 1, 1, sizeof *out->starts));
    out->starts = starts;
    TRY(session_allocate(s, &ids, max_tokens, 1, sizeof *out->ids));
    out->ids = ids;
    TRY(session_allocate(s, &types, max_tokens, 1, sizeof *out->types));
    out->types = types;
    return DONE;
}

void packed_pass_free(packed_pass *pass)
{
    free(pass->starts);
    free(pass->ids);
    free(pass->types);
    *pass = (packed_pass){0};
}

size_t packed_pass_fill(packed_pass *pass, const token_list *list, const int32_t *order,
                        size_t first, size_t last, adcl_encoder_batch *batch)
{
    size_t tokens = 0;
    for (size_t i = first; i < last; i++) {
        size_t sequence = at(order, i);
        size_t length = token_list_length(list, sequence);
        size_t source = list->starts[sequence];
        memcpy(pass->ids + tokens, list->ids + source, length * sizeof *pass->ids);
        memcpy(pass->types + tokens, list->types + source, length * sizeof *pass->types);
        pass->starts[i - first] = tokens;
        tokens += length;
    }
    pass->starts[last - first] = tokens;
    *batch = (adcl_encoder_batch){
        .sequences = last - first,
        .starts = pass->starts,
        .ids = pass->ids,
        .type_ids = list->has_pairs ? pass->types : NULL, /* some models know one type only */
    };
    return tokens;
}
