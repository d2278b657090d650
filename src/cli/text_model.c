/* SPDX-License-Identifier: MIT */
#include "cli/text_model.h"

#include <stdio.h>
#include <string.h>

/* ---- loading ---------------------------------------------------------------------------------*/

static int load_encoder(session *s, text_model *m, const char *folder, adcl_mode mode)
{
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    params.mode = mode;
    TRY_DEVICE(s, adcl_encoder_load(&m->encoder, s->ctx, folder, &params));
    size_t tokens = adcl_tokenizer_size(m->tokenizer);
    size_t rows = adcl_encoder_vocabulary_size(m->encoder);
    if (tokens > rows)
        return session_fail(s,
                            "%s: expected a vocab.txt of at most %zu tokens, as the model has "
                            "embeddings, got %zu",
                            folder, rows, tokens);
    return DONE;
}

int text_model_load(session *s, text_model *out, const char *folder, adcl_mode mode,
                    size_t max_length)
{
    *out = (text_model){.max_length = max_length};
    TRY_HOST(s, adcl_tokenizer_load(&out->tokenizer, folder, &s->error));
    TRY_HOST(s, adcl_encoding_create(&out->encoding, &s->error));
    TRY(session_open(s, mode == ADCL_TRAINING ? TALK_ALWAYS : TALK_WARNINGS));
    TRY(load_encoder(s, out, folder, mode));
    size_t positions = adcl_encoder_positions(out->encoder);
    if (max_length > positions)
        return session_fail(s,
                            "option --max-length: expected at most %zu, the model's positions, "
                            "got %zu",
                            positions, max_length);
    if (max_length == 0) out->max_length = positions;
    return DONE;
}

int text_model_load_set(session *s, text_model *m, const char *folder)
{
    TRY_DEVICE(s, adcl_adapter_set_load(&m->set, s->ctx, m->encoder, folder));
    return DONE;
}

void text_model_free(text_model *m)
{
    adcl_adapter_set_destroy(&m->set);
    adcl_encoder_destroy(&m->encoder);
    adcl_encoding_destroy(&m->encoding);
    adcl_tokenizer_destroy(&m->tokenizer);
}

/* ---- the head --------------------------------------------------------------------------------*/

size_t text_model_labels(const text_model *m)
{
    return m->set != NULL ? adcl_adapter_set_describe(m->set)->labels : 0;
}

bool text_model_is_regression(const text_model *m)
{
    return text_model_labels(m) == 1;
}

int text_model_need_head(const session *s, const text_model *m, const char *folder)
{
    if (text_model_labels(m) > 0) return DONE;
    return session_fail(s, "%s: expected a head (head_config.json), got adapters only", folder);
}

int text_model_name_classes(const session *s, const text_model *m, class_names *out)
{
    const adcl_adapter_set_params *params = adcl_adapter_set_describe(m->set);
    for (size_t i = 0; i < params->labels && params->label_names != NULL; i++)
        TRY(class_names_add(s, out, params->label_names[i]));
    return class_names_add_numbered(s, out, params->labels);
}

/* ---- encoding --------------------------------------------------------------------------------*/

int text_model_encode(session *s, const text_model *m, token_list *list, const adcl_text_span *text,
                      const adcl_text_span *pair, const char *what, size_t number)
{
    return token_list_add(s, list, m->tokenizer, m->encoding, text, pair, m->max_length, what,
                          number);
}

void text_model_warn_of_cuts(const session *s, const text_model *m, const token_list *list,
                             const char *what)
{
    if (list->cut == 0) return;
    session_note(s, "warning: %s: %zu of %zu texts %s longer than %zu tokens and %s cut", what,
                 list->cut, list->count, list->cut == 1 ? "is" : "are", m->max_length,
                 list->cut == 1 ? "was" : "were");
}

int text_model_encode_dataset(session *s, const text_model *m, token_list *list, const dataset *d)
{
    char what[256];
    snprintf(what, sizeof what, "%.240s: line", d->path);
    for (size_t i = 0; i < d->count; i++) {
        const example *e = &d->examples[i];
        TRY(text_model_encode(s, m, list, &e->text, d->has_pairs ? &e->pair : NULL, what, e->line));
    }
    text_model_warn_of_cuts(s, m, list, d->path);
    return DONE;
}
