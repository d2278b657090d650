/* SPDX-License-Identifier: MIT */
#include "cli/inference.h"

#include <stdio.h>

/* ---- making ----------------------------------------------------------------------------------*/

/* Logits of as many sequences as this are read at once at most; more of them per pass are short. */
#define SEQUENCES_MOST 1024

static int create(session *s, inference *f, const text_model *m, const adcl_pooling *pooling)
{
    f->s = s;
    f->model = m;
    f->pools = pooling != NULL;
    f->pooling = pooling != NULL ? *pooling : ADCL_POOLING_CLS;
    f->cols = f->pools ? adcl_encoder_hidden_size(m->encoder) : text_model_labels(m);
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = f->max_tokens;
    params.max_sequences = f->max_sequences;
    TRY(packed_pass_create(s, &f->pass, f->max_tokens, f->max_sequences));
    TRY_DEVICE(s,
               adcl_encoder_workspace_create(&f->workspace, s->ctx, m->encoder, m->set, &params));
    TRY_DEVICE(s, adcl_tensor_create(&f->results, s->ctx, ADCL_F32, f->max_sequences, f->cols));
    return DONE;
}

int inference_create(session *s, inference *out, const text_model *m, const token_list *list,
                     size_t max_tokens, const adcl_pooling *pooling)
{
    *out = (inference){0};
    size_t total = token_list_total(list);
    size_t tokens = max_tokens > 0 ? max_tokens : INFERENCE_TOKENS;
    if (tokens > total) tokens = total;
    out->max_tokens = tokens > list->longest ? tokens : list->longest;
    out->max_sequences = list->count < SEQUENCES_MOST ? list->count : SEQUENCES_MOST;
    return create(s, out, m, pooling);
}

int inference_create_single(session *s, inference *out, const text_model *m,
                            const adcl_pooling *pooling)
{
    *out = (inference){.max_tokens = m->max_length, .max_sequences = 1};
    return create(s, out, m, pooling);
}

void inference_free(inference *f)
{
    adcl_tensor_destroy(&f->results);
    adcl_encoder_workspace_destroy(&f->workspace);
    packed_pass_free(&f->pass);
}

/* ---- passes ----------------------------------------------------------------------------------*/

/* rows (sequences of the batch, cols) = what was asked for. */
static int compute(inference *f, const adcl_adapter_set *set, const adcl_encoder_batch *batch,
                   adcl_tensor *rows)
{
    session *s = f->s;
    TRY_DEVICE(s, adcl_encoder_forward(s->ctx, f->model->encoder, set, f->workspace, batch,
                                       f->pools ? NULL : rows));
    if (f->pools)
        TRY_DEVICE(s, adcl_encoder_pool(s->ctx, f->workspace, f->pooling, f->normalize, rows));
    return DONE;
}

static int compute_rows(inference *f, const adcl_adapter_set *set, const adcl_encoder_batch *batch,
                        float *results)
{
    session *s = f->s;
    adcl_tensor *rows = NULL;
    size_t bytes = batch->sequences * f->cols * sizeof *results;
    TRY_DEVICE(s, adcl_tensor_view_rows(&rows, s->ctx, f->results, 0, batch->sequences));
    int status = compute(f, set, batch, rows);
    if (status == DONE)
        status = session_check_context(s, adcl_tensor_read(s->ctx, rows, results, bytes));
    adcl_tensor_destroy(&rows);
    return status;
}

/* Sequences in their own order have their states in one piece. */
static int run_pass(inference *f, const adcl_adapter_set *set, const token_list *list,
                    const frozen_states *frozen, size_t first, size_t last, float *results)
{
    session *s = f->s;
    adcl_encoder_batch batch;
    adcl_tensor *hidden = NULL;
    size_t tokens = packed_pass_fill(&f->pass, list, NULL, first, last, &batch);
    if (frozen != NULL && frozen->states != NULL) {
        TRY_DEVICE(
            s, adcl_tensor_view_rows(&hidden, s->ctx, frozen->states, list->starts[first], tokens));
        batch.hidden = hidden;
        batch.ids = NULL;
        batch.type_ids = NULL;
        batch.first_layer = frozen->first_layer;
    }
    int status = compute_rows(f, set, &batch, results);
    adcl_tensor_destroy(&hidden);
    return status;
}

static size_t end_of_pass(const inference *f, const token_list *list, size_t first)
{
    size_t left = list->count - first;
    size_t last = first + (left < f->max_sequences ? left : f->max_sequences);
    return pass_end(list, NULL, first, last, f->max_tokens);
}

int inference_run(inference *f, const adcl_adapter_set *set, const token_list *list,
                  const frozen_states *frozen, float *results, const char *what)
{
    progress shown;
    size_t end;
    progress_start(&shown, f->s, 0, token_list_total(list));
    for (size_t first = 0; first < list->count; first = end) {
        end = end_of_pass(f, list, first);
        TRY(run_pass(f, set, list, frozen, first, end, results + first * f->cols));
        if (what != NULL) progress_show(&shown, list->starts[end], what, "");
    }
    return DONE;
}

int inference_states(inference *f, const adcl_adapter_set *set, const token_list *list,
                     float *values)
{
    session *s = f->s;
    adcl_encoder_batch batch;
    size_t tokens = packed_pass_fill(&f->pass, list, NULL, 0, list->count, &batch);
    TRY_DEVICE(s, adcl_encoder_forward(s->ctx, f->model->encoder, set, f->workspace, &batch, NULL));
    const adcl_tensor *states =
        adcl_encoder_hidden(f->workspace, adcl_encoder_layers(f->model->encoder));
    TRY_DEVICE(
        s, adcl_tensor_read(s->ctx, states, values,
                            tokens * adcl_encoder_hidden_size(f->model->encoder) * sizeof *values));
    return DONE;
}
