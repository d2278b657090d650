/* SPDX-License-Identifier: MIT */
#include "cli/stepper.h"

#include <stdlib.h>

/* ---- making ----------------------------------------------------------------------------------*/

static int upload(session *s, adcl_tensor **out, adcl_dtype dtype, const void *data, size_t rows,
                  size_t cols)
{
    TRY_DEVICE(s, adcl_tensor_create(out, s->ctx, dtype, rows, cols));
    TRY_DEVICE(s, adcl_tensor_write(s->ctx, *out, data, rows * cols * adcl_dtype_size(dtype)));
    return DONE;
}

static int make_batch_orders(session *s, stepper *t, size_t batch_rows)
{
    t->steps_per_epoch = t->rows / batch_rows + (t->rows % batch_rows != 0);
    void *memory;
    TRY(session_allocate(s, &memory, t->steps_per_epoch, 1, sizeof *t->batch_orders));
    t->batch_orders = memory;
    for (size_t i = 0; i < t->steps_per_epoch; i++) {
        size_t first = i * batch_rows;
        size_t left = t->rows - first;
        TRY_DEVICE(s, adcl_tensor_view_rows(&t->batch_orders[i], s->ctx, t->order, first,
                                            left < batch_rows ? left : batch_rows));
    }
    return DONE;
}

static int make_full_batch(session *s, batch *b, const classifier *model, size_t rows)
{
    b->rows = rows;
    TRY_DEVICE(s, adcl_tensor_create(&b->x, s->ctx, ADCL_F32, rows, model->hidden_size));
    TRY_DEVICE(s, adcl_tensor_create(&b->labels, s->ctx, ADCL_I32, rows, 1));
    TRY_DEVICE(s, adcl_tensor_create(&b->logits, s->ctx, ADCL_F32, rows, model->classes));
    if (model->adapter == NULL) return DONE;
    TRY_DEVICE(s, adcl_tensor_create(&b->y, s->ctx, ADCL_F32, rows, model->hidden_size));
    TRY_DEVICE(s, adcl_tensor_create(&b->dy, s->ctx, ADCL_F32, rows, model->hidden_size));
    return DONE;
}

static int make_last_batch(session *s, batch *b, const batch *full, size_t rows)
{
    b->rows = rows;
    TRY_DEVICE(s, adcl_tensor_view_rows(&b->x, s->ctx, full->x, 0, rows));
    TRY_DEVICE(s, adcl_tensor_view_rows(&b->labels, s->ctx, full->labels, 0, rows));
    TRY_DEVICE(s, adcl_tensor_view_rows(&b->logits, s->ctx, full->logits, 0, rows));
    if (full->y == NULL) return DONE;
    TRY_DEVICE(s, adcl_tensor_view_rows(&b->y, s->ctx, full->y, 0, rows));
    TRY_DEVICE(s, adcl_tensor_view_rows(&b->dy, s->ctx, full->dy, 0, rows));
    return DONE;
}

static int make_workspace(session *s, stepper *t, const classifier *model)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = t->full.rows;
    params.mode = ADCL_TRAINING;
    TRY_DEVICE(s, adcl_workspace_create(&t->workspace, s->ctx, model->adapter, &params));
    return DONE;
}

static int make_optimizer(session *s, stepper *t, const classifier *model,
                          const adcl_optimizer_params *params)
{
    TRY_DEVICE(s, adcl_parameters_create(&t->parameters, s->ctx));
    if (model->adapter != NULL)
        TRY_DEVICE(s, adcl_parameters_add_adapter(s->ctx, t->parameters, model->adapter, 1.0f));
    TRY_DEVICE(s, adcl_parameters_add_linear(s->ctx, t->parameters, model->head, "head", 1.0f));
    TRY_DEVICE(s, adcl_optimizer_create(&t->optimizer, s->ctx, t->parameters, params));
    return DONE;
}

static int make_loss(session *s, stepper *t, const classifier *model)
{
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    params.kind = ADCL_CROSS_ENTROPY;
    params.max_rows = t->full.rows;
    params.cols = model->classes;
    TRY_DEVICE(s, adcl_loss_create(&t->loss, s->ctx, &params));
    return DONE;
}

int stepper_create(session *s, stepper *out, const classifier *model, const array *x,
                   const labels *l, size_t batch_rows, const adcl_optimizer_params *params)
{
    *out = (stepper){.rows = x->rows};
    TRY(upload(s, &out->features, ADCL_F32, x->values, x->rows, x->cols));
    TRY(upload(s, &out->labels, ADCL_I32, l->values, l->count, 1));
    TRY_DEVICE(s, adcl_tensor_create(&out->order, s->ctx, ADCL_I32, x->rows, 1));
    TRY(make_batch_orders(s, out, batch_rows));
    TRY(make_full_batch(s, &out->full, model, batch_rows));
    size_t rest = x->rows % batch_rows;
    if (rest != 0) TRY(make_last_batch(s, &out->last, &out->full, rest));
    TRY(record_create(s, &out->losses));
    TRY(record_create(s, &out->norms));
    if (model->adapter != NULL) TRY(make_workspace(s, out, model));
    TRY(make_optimizer(s, out, model, params));
    return make_loss(s, out, model);
}

static void free_batch(batch *b)
{
    adcl_tensor_destroy(&b->x);
    adcl_tensor_destroy(&b->labels);
    adcl_tensor_destroy(&b->y);
    adcl_tensor_destroy(&b->logits);
    adcl_tensor_destroy(&b->dy);
}

void stepper_free(stepper *t)
{
    adcl_loss_destroy(&t->loss);
    adcl_optimizer_destroy(&t->optimizer);
    adcl_parameters_destroy(&t->parameters);
    adcl_workspace_destroy(&t->workspace);
    record_free(&t->losses);
    record_free(&t->norms);
    free_batch(&t->last);
    free_batch(&t->full);
    if (t->batch_orders != NULL)
        for (size_t i = 0; i < t->steps_per_epoch; i++) adcl_tensor_destroy(&t->batch_orders[i]);
    free(t->batch_orders);
    adcl_tensor_destroy(&t->order);
    adcl_tensor_destroy(&t->labels);
    adcl_tensor_destroy(&t->features);
}

/* ---- stepping --------------------------------------------------------------------------------*/

int stepper_set_order(session *s, stepper *t, const int32_t *order)
{
    TRY_DEVICE(s, adcl_tensor_write(s->ctx, t->order, order, t->rows * sizeof *order));
    return DONE;
}

static const batch *batch_of(const stepper *t, size_t index)
{
    return index + 1 == t->steps_per_epoch && t->last.rows != 0 ? &t->last : &t->full;
}

size_t stepper_batch_rows(const stepper *t, size_t index)
{
    return batch_of(t, index)->rows;
}

/* x, labels → logits, their loss and its gradient. */
static int forward(session *s, stepper *t, const classifier *model, const batch *b, uint64_t step)
{
    const adcl_tensor *hidden = b->x;
    if (model->adapter != NULL) {
        adcl_workspace_set_dropout_step(t->workspace, s->common.seed, step);
        TRY_DEVICE(s, adcl_adapter_forward(s->ctx, model->adapter, t->workspace, b->x, b->y));
        hidden = b->y;
    }
    TRY_DEVICE(s, adcl_linear_forward(s->ctx, model->head, hidden, b->logits));
    TRY_DEVICE(s, adcl_loss_compute(s->ctx, t->loss, b->logits, b->labels,
                                    t->losses.slots[t->recorded], b->logits));
    return DONE;
}

static int backward(session *s, stepper *t, const classifier *model, const batch *b)
{
    TRY_DEVICE(s, adcl_parameters_zero_grad(s->ctx, t->parameters));
    if (model->adapter == NULL) {
        TRY_DEVICE(s, adcl_linear_backward(s->ctx, model->head, b->x, b->logits, NULL));
        return DONE;
    }
    TRY_DEVICE(s, adcl_linear_backward(s->ctx, model->head, b->y, b->logits, b->dy));
    TRY_DEVICE(s, adcl_adapter_backward(s->ctx, model->adapter, t->workspace, b->dy, NULL));
    return DONE;
}

int stepper_step(session *s, stepper *t, const classifier *model, size_t index, uint64_t step,
                 double learning_rate)
{
    const batch *b = batch_of(t, index);
    const adcl_tensor *rows = t->batch_orders[index];
    TRY_DEVICE(s, adcl_tensor_gather_rows(s->ctx, t->features, rows, b->x));
    TRY_DEVICE(s, adcl_tensor_gather_rows(s->ctx, t->labels, rows, b->labels));
    TRY(forward(s, t, model, b, step));
    TRY(backward(s, t, model, b));
    TRY_DEVICE(s, adcl_optimizer_step(s->ctx, t->optimizer, learning_rate));
    TRY_DEVICE(s, adcl_tensor_copy(s->ctx, adcl_optimizer_gradient_norm(t->optimizer),
                                   t->norms.slots[t->recorded]));
    t->recorded++;
    return DONE;
}

int stepper_read(session *s, stepper *t, float losses[TRAINING_BLOCK_MOST],
                 float norms[TRAINING_BLOCK_MOST])
{
    TRY(record_read(s, &t->losses, losses));
    TRY(record_read(s, &t->norms, norms));
    t->recorded = 0;
    return DONE;
}
