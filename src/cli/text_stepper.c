/* SPDX-License-Identifier: MIT */
#include "cli/text_stepper.h"

#include "cli/metrics.h"

#include <stdlib.h>
#include <string.h>

/* ---- making ----------------------------------------------------------------------------------*/

static int upload_labels(text_stepper *t)
{
    session *s = t->s;
    const dataset *d = t->lesson.data;
    void *memory; /* classes or targets: four bytes either way */
    TRY(session_allocate(s, &memory, d->count, 1, sizeof(int32_t)));
    int32_t *classes = memory;
    float *targets = memory;
    for (size_t i = 0; i < d->count; i++)
        if (t->is_regression)
            targets[i] = d->examples[i].target;
        else
            classes[i] = d->examples[i].number;
    int status = session_check_context(
        s, adcl_tensor_write(s->ctx, t->labels, memory, d->count * sizeof(int32_t)));
    free(memory);
    return status;
}

static int make_tensors(text_stepper *t)
{
    session *s = t->s;
    size_t count = t->lesson.data->count;
    adcl_dtype dtype = t->is_regression ? ADCL_F32 : ADCL_I32;
    TRY_DEVICE(s, adcl_tensor_create(&t->order_there, s->ctx, ADCL_I32, count, 1));
    TRY_DEVICE(s, adcl_tensor_create(&t->labels, s->ctx, dtype, count, 1));
    TRY_DEVICE(s, adcl_tensor_create(&t->answers, s->ctx, dtype, t->batch, 1));
    TRY_DEVICE(
        s, adcl_tensor_create(&t->logits, s->ctx, ADCL_F32, t->block_most * t->batch, t->outputs));
    TRY_DEVICE(s, adcl_tensor_create(&t->gradient, s->ctx, ADCL_F32, t->batch, t->outputs));
    TRY(record_create(s, &t->losses));
    TRY(record_create(s, &t->norms));
    return upload_labels(t);
}

static int make_host_memory(text_stepper *t)
{
    void *memory;
    size_t count = t->lesson.data->count;
    TRY(session_allocate(t->s, &memory, count, 1, sizeof *t->order));
    t->order = memory;
    TRY(session_allocate(t->s, &memory, t->block_most * t->batch, t->outputs,
                         sizeof *t->read_logits));
    t->read_logits = memory;
    return DONE;
}

/* The memory of passes is for the largest that any order of the examples can ask for. */
static int make_passes(text_stepper *t)
{
    session *s = t->s;
    size_t tokens = token_list_most(s, t->lesson.tokens, t->batch);
    if (tokens > t->lesson.max_tokens) tokens = t->lesson.max_tokens;
    if (tokens < t->lesson.tokens->longest) tokens = t->lesson.tokens->longest;
    t->lesson.max_tokens = tokens;
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = tokens;
    params.max_sequences = t->batch;
    params.mode = ADCL_TRAINING;
    params.model_dropout = t->lesson.model_dropout;
    params.recompute = t->lesson.recompute;
    TRY(packed_pass_create(s, &t->pass, tokens, t->batch));
    TRY_DEVICE(s, adcl_encoder_workspace_create(&t->workspace, s->ctx, t->lesson.model->encoder,
                                                t->lesson.model->set, &params));
    return DONE;
}

static int make_frozen(text_stepper *t)
{
    session *s = t->s;
    void *memory;
    size_t tokens = token_list_total(t->lesson.tokens);
    if (t->lesson.frozen->states == NULL) return DONE;
    TRY(session_allocate(s, &memory, tokens, 1, sizeof *t->token_order));
    t->token_order = memory;
    TRY(session_allocate(s, &memory, t->lesson.tokens->count, 1, sizeof *t->first_tokens));
    t->first_tokens = memory;
    TRY_DEVICE(s, adcl_tensor_create(&t->token_order_there, s->ctx, ADCL_I32, tokens, 1));
    TRY_DEVICE(s, adcl_tensor_create(&t->states, s->ctx, ADCL_F32, t->lesson.max_tokens,
                                     adcl_encoder_hidden_size(t->lesson.model->encoder)));
    return DONE;
}

/* The set's own list, but with the head's learning rate. */
static int make_parameters(text_stepper *t)
{
    session *s = t->s;
    const adcl_parameters *all = adcl_adapter_set_parameters(t->lesson.model->set);
    TRY_DEVICE(s, adcl_parameters_create(&t->parameters, s->ctx));
    for (size_t i = 0; i < adcl_parameters_count(all); i++) {
        adcl_parameter parameter = *adcl_parameters_get(all, i);
        if (strncmp(parameter.name, "head.", 5) == 0)
            parameter.learning_rate_scale *= (float)t->lesson.head_scale;
        TRY_DEVICE(s, adcl_parameters_add(s->ctx, t->parameters, &parameter));
    }
    TRY_DEVICE(s, adcl_optimizer_create(&t->optimizer, s->ctx, t->parameters, t->lesson.optimizer));
    return DONE;
}

static int make_loss(text_stepper *t)
{
    session *s = t->s;
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    params.kind = t->is_regression ? ADCL_MSE : ADCL_CROSS_ENTROPY;
    params.max_rows = t->batch;
    params.cols = t->outputs;
    TRY_DEVICE(s, adcl_loss_create(&t->loss, s->ctx, &params));
    return DONE;
}

/* Logits of 16 MB at most wait to be read. */
static size_t choose_block(size_t batch, size_t outputs)
{
    size_t steps = ((size_t)1 << 22) / (batch * outputs);
    return steps < 1 ? 1 : steps > TEXT_BLOCK_MOST ? TEXT_BLOCK_MOST : steps;
}

int text_stepper_create(session *s, text_stepper *out, const text_lesson *lesson)
{
    size_t count = lesson->data->count;
    size_t batch = lesson->batch < count ? lesson->batch : count;
    *out = (text_stepper){
        .s = s,
        .lesson = *lesson,
        .batch = batch,
        .steps_per_epoch = count / batch + (count % batch != 0),
        .outputs = text_model_labels(lesson->model),
        .is_regression = text_model_is_regression(lesson->model),
    };
    out->block_most = choose_block(batch, out->outputs);
    TRY(make_host_memory(out));
    TRY(make_tensors(out));
    TRY(make_passes(out));
    TRY(make_frozen(out));
    TRY(make_parameters(out));
    return make_loss(out);
}

void text_stepper_free(text_stepper *t)
{
    adcl_loss_destroy(&t->loss);
    adcl_optimizer_destroy(&t->optimizer);
    adcl_parameters_destroy(&t->parameters);
    adcl_encoder_workspace_destroy(&t->workspace);
    packed_pass_free(&t->pass);
    record_free(&t->losses);
    record_free(&t->norms);
    adcl_tensor_destroy(&t->states);
    adcl_tensor_destroy(&t->token_order_there);
    adcl_tensor_destroy(&t->gradient);
    adcl_tensor_destroy(&t->logits);
    adcl_tensor_destroy(&t->answers);
    adcl_tensor_destroy(&t->labels);
    adcl_tensor_destroy(&t->order_there);
    free(t->first_tokens);
    free(t->token_order);
    free(t->read_logits);
    free(t->order);
}

/* ---- epochs ----------------------------------------------------------------------------------*/

/* The tokens of the examples, one example after another in the order of the epoch. */
static void order_tokens(text_stepper *t)
{
    const token_list *list = t->lesson.tokens;
    size_t place = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t chosen = (size_t)t->order[i];
        t->first_tokens[i] = place;
        for (size_t token = list->starts[chosen]; token < list->starts[chosen + 1]; token++)
            t->token_order[place++] = (int32_t)token;
    }
}

int text_stepper_start_epoch(text_stepper *t, uint64_t epoch)
{
    session *s = t->s;
    size_t count = t->lesson.data->count;
    adcl_shuffled_order(s->common.seed, epoch, count, t->order);
    TRY_DEVICE(s, adcl_tensor_write(s->ctx, t->order_there, t->order, count * sizeof *t->order));
    if (t->token_order == NULL) return DONE;
    order_tokens(t);
    size_t bytes = token_list_total(t->lesson.tokens) * sizeof *t->token_order;
    TRY_DEVICE(s, adcl_tensor_write(s->ctx, t->token_order_there, t->token_order, bytes));
    return DONE;
}

/* ---- passes ----------------------------------------------------------------------------------*/

/* Examples order[first … last − 1] of a step, and the rows of tensors that are theirs. */
typedef struct part {
    size_t first;
    size_t last;
    adcl_tensor *logits;   /* (last − first, C) */
    adcl_tensor *gradient; /* (last − first, C) */
    adcl_tensor *answers;  /* (last − first, 1) */
    adcl_tensor *states;   /* (tokens, D); NULL without frozen states */
} part;

static void free_part(part *p)
{
    adcl_tensor_destroy(&p->states);
    adcl_tensor_destroy(&p->answers);
    adcl_tensor_destroy(&p->gradient);
    adcl_tensor_destroy(&p->logits);
}

/* `row` is where the part begins in its batch. */
static int view_part(text_stepper *t, part *p, size_t row)
{
    session *s = t->s;
    size_t count = p->last - p->first;
    TRY_DEVICE(s, adcl_tensor_view_rows(&p->logits, s->ctx, t->logits, t->recorded * t->batch + row,
                                        count));
    TRY_DEVICE(s, adcl_tensor_view_rows(&p->gradient, s->ctx, t->gradient, 0, count));
    TRY_DEVICE(s, adcl_tensor_view_rows(&p->answers, s->ctx, t->answers, row, count));
    return DONE;
}

/* The kept states of the part's tokens, gathered. */
static int gather_states(text_stepper *t, part *p, size_t tokens, adcl_encoder_batch *batch)
{
    session *s = t->s;
    adcl_tensor *which = NULL;
    if (t->states == NULL) return DONE;
    TRY_DEVICE(s, adcl_tensor_view_rows(&p->states, s->ctx, t->states, 0, tokens));
    TRY_DEVICE(s, adcl_tensor_view_rows(&which, s->ctx, t->token_order_there,
                                        t->first_tokens[p->first], tokens));
    int status = session_check_context(
        s, adcl_tensor_gather_rows(s->ctx, t->lesson.frozen->states, which, p->states));
    adcl_tensor_destroy(&which);
    batch->hidden = p->states;
    batch->ids = NULL;
    batch->type_ids = NULL;
    batch->first_layer = t->lesson.frozen->first_layer;
    return status;
}

/* Texts → logits, loss at its place, and the loss's gradient. */
static int forward(text_stepper *t, part *p)
{
    session *s = t->s;
    const text_model *m = t->lesson.model;
    adcl_encoder_batch batch;
    size_t tokens =
        packed_pass_fill(&t->pass, t->lesson.tokens, t->order, p->first, p->last, &batch);
    TRY(gather_states(t, p, tokens, &batch));
    TRY_DEVICE(s,
               adcl_encoder_forward(s->ctx, m->encoder, m->set, t->workspace, &batch, p->logits));
    TRY_DEVICE(s, adcl_loss_compute(s->ctx, t->loss, p->logits, p->answers,
                                    t->losses.slots[t->recorded], p->gradient));
    return DONE;
}

/* A part's loss is a mean over the part; in the step's it has the part's share. */
static int weigh(text_stepper *t, const part *p, float share)
{
    session *s = t->s;
    float loss;
    void *data;
    TRY_DEVICE(s, adcl_tensor_read(s->ctx, t->losses.slots[t->recorded], &loss, sizeof loss));
    t->known_losses[t->recorded] += share * loss;
    TRY_DEVICE(s, adcl_tensor_map(s->ctx, p->gradient, ADCL_MAP_READ_WRITE, &data));
    float *values = data;
    size_t stride = adcl_tensor_row_stride(p->gradient);
    for (size_t row = 0; row < p->last - p->first; row++)
        for (size_t i = 0; i < t->outputs; i++) values[row * stride + i] *= share;
    TRY_DEVICE(s, adcl_tensor_unmap(s->ctx, p->gradient));
    return DONE;
}

static int run_part(text_stepper *t, part *p, size_t row, float share)
{
    session *s = t->s;
    const text_model *m = t->lesson.model;
    TRY(view_part(t, p, row));
    TRY(forward(t, p));
    if (share < 1.0f) TRY(weigh(t, p, share));
    TRY_DEVICE(s, adcl_encoder_backward(s->ctx, m->encoder, m->set, t->workspace, p->gradient));
    return DONE;
}

/* ---- steps -----------------------------------------------------------------------------------*/

static size_t batch_first(const text_stepper *t, size_t index)
{
    return index * t->batch;
}

static size_t batch_last(const text_stepper *t, size_t index)
{
    size_t last = (index + 1) * t->batch;
    return last < t->lesson.data->count ? last : t->lesson.data->count;
}

static int gather_answers(text_stepper *t, size_t first, size_t last)
{
    session *s = t->s;
    adcl_tensor *which = NULL;
    adcl_tensor *answers = NULL;
    TRY_DEVICE(s, adcl_tensor_view_rows(&which, s->ctx, t->order_there, first, last - first));
    adcl_status status = adcl_tensor_view_rows(&answers, s->ctx, t->answers, 0, last - first);
    if (status == ADCL_OK) status = adcl_tensor_gather_rows(s->ctx, t->labels, which, answers);
    adcl_tensor_destroy(&answers);
    adcl_tensor_destroy(&which);
    return session_check_context(s, status);
}

/* Dropout of a step's parts must differ; a step never has 2^16 of them. */
static uint64_t dropout_step(uint64_t step, uint64_t number)
{
    return step | number << 48;
}

static int run_parts(text_stepper *t, size_t first, size_t last, uint64_t step)
{
    size_t end;
    uint64_t number = 0;
    for (size_t start = first; start < last; start = end) {
        end = pass_end(t->lesson.tokens, t->order, start, last, t->lesson.max_tokens);
        part p = {.first = start, .last = end};
        float share = (float)(end - start) / (float)(last - first);
        t->in_passes[t->recorded] = end - start < last - first;
        adcl_encoder_workspace_set_dropout_step(t->workspace, t->s->common.seed,
                                                dropout_step(step, number++));
        int status = run_part(t, &p, start - first, share);
        free_part(&p);
        TRY(status);
    }
    return DONE;
}

int text_stepper_step(text_stepper *t, size_t index, uint64_t step, double learning_rate)
{
    session *s = t->s;
    size_t first = batch_first(t, index);
    size_t last = batch_last(t, index);
    t->indices[t->recorded] = index;
    t->known_losses[t->recorded] = 0.0f;
    TRY(gather_answers(t, first, last));
    TRY_DEVICE(s, adcl_parameters_zero_grad(s->ctx, t->parameters));
    TRY(run_parts(t, first, last, step));
    TRY_DEVICE(s, adcl_optimizer_step(s->ctx, t->optimizer, learning_rate));
    TRY_DEVICE(s, adcl_tensor_copy(s->ctx, adcl_optimizer_gradient_norm(t->optimizer),
                                   t->norms.slots[t->recorded]));
    t->recorded++;
    return DONE;
}

size_t text_stepper_tokens(const text_stepper *t, size_t index)
{
    size_t tokens = 0;
    for (size_t i = batch_first(t, index); i < batch_last(t, index); i++)
        tokens += token_list_length(t->lesson.tokens, (size_t)t->order[i]);
    return tokens;
}

/* ---- figures ---------------------------------------------------------------------------------*/

static void count_right(const text_stepper *t, size_t slot, step_figures *figures)
{
    size_t first = batch_first(t, t->indices[slot]);
    size_t count = batch_last(t, t->indices[slot]) - first;
    const float *logits = t->read_logits + slot * t->batch * t->outputs;
    figures->known = count;
    for (size_t i = 0; i < count; i++) {
        int32_t right = t->lesson.data->examples[t->order[first + i]].number;
        figures->right += largest_logit(logits + i * t->outputs, t->outputs) == right;
    }
}

int text_stepper_read(text_stepper *t, step_figures figures[TRAINING_BLOCK_MOST])
{
    session *s = t->s;
    float losses[TRAINING_BLOCK_MOST];
    float norms[TRAINING_BLOCK_MOST];
    TRY(record_read(s, &t->losses, losses));
    TRY(record_read(s, &t->norms, norms));
    TRY_DEVICE(s, adcl_tensor_read(s->ctx, t->logits, t->read_logits,
                                   t->block_most * t->batch * t->outputs * sizeof(float)));
    for (size_t i = 0; i < t->recorded; i++) {
        float loss = t->in_passes[i] ? t->known_losses[i] : losses[i];
        figures[i] = (step_figures){.loss = loss, .norm = norms[i]};
        if (!t->is_regression) count_right(t, i, &figures[i]);
    }
    t->recorded = 0;
    return DONE;
}
