/* SPDX-License-Identifier: MIT */
#include "cli/classifier.h"

#include "cli/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts -----------------------------------------------------------------------------------*/

static int make_head(session *s, classifier *c, size_t max_rows)
{
    adcl_linear_params params = ADCL_LINEAR_PARAMS_INIT;
    params.input_size = c->hidden_size;
    params.output_size = c->classes;
    params.max_rows = max_rows > EVALUATION_ROWS ? max_rows : EVALUATION_ROWS;
    params.seed = s->common.seed;
    return session_check_context(s, adcl_linear_create(&c->head, s->ctx, &params));
}

static int make_workspace(session *s, classifier *c)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = EVALUATION_ROWS;
    return session_check_context(s,
                                 adcl_workspace_create(&c->workspace, s->ctx, c->adapter, &params));
}

int classifier_complete(session *s, classifier *c, size_t max_rows)
{
    if (c->head == NULL) TRY(make_head(s, c, max_rows));
    if (c->adapter != NULL) TRY(make_workspace(s, c));
    TRY_DEVICE(s,
               adcl_tensor_create(&c->features, s->ctx, ADCL_F32, EVALUATION_ROWS, c->hidden_size));
    return session_check_context(
        s, adcl_tensor_create(&c->logits, s->ctx, ADCL_F32, EVALUATION_ROWS, c->classes));
}

void classifier_free(classifier *c)
{
    adcl_tensor_destroy(&c->features);
    adcl_tensor_destroy(&c->logits);
    adcl_workspace_destroy(&c->workspace);
    adcl_linear_destroy(&c->head);
    adcl_adapter_destroy(&c->adapter);
}

/* ---- evaluation ------------------------------------------------------------------------------*/

/* in (rows, D) and out (rows, C) are views of the classifier's tensors. */
static int evaluate_rows(session *s, classifier *c, adcl_tensor *in, adcl_tensor *out,
                         const float *features, float *logits, size_t rows)
{
    TRY_DEVICE(s, adcl_tensor_write(s->ctx, in, features, rows * c->hidden_size * sizeof(float)));
    if (c->adapter != NULL)
        TRY_DEVICE(s, adcl_adapter_forward(s->ctx, c->adapter, c->workspace, in, in));
    TRY_DEVICE(s, adcl_linear_forward(s->ctx, c->head, in, out));
    return session_check_context(
        s, adcl_tensor_read(s->ctx, out, logits, rows * c->classes * sizeof(float)));
}

static int evaluate_chunk(session *s, classifier *c, const float *features, float *logits,
                          size_t rows)
{
    adcl_tensor *in = NULL;
    adcl_tensor *out = NULL;
    int status = session_check_context(s, adcl_tensor_view_rows(&in, s->ctx, c->features, 0, rows));
    if (status == DONE)
        status = session_check_context(s, adcl_tensor_view_rows(&out, s->ctx, c->logits, 0, rows));
    if (status == DONE) status = evaluate_rows(s, c, in, out, features, logits, rows);
    adcl_tensor_destroy(&in);
    adcl_tensor_destroy(&out);
    return status;
}

int classifier_evaluate(session *s, classifier *c, const array *features, float *logits)
{
    for (size_t first = 0; first < features->rows; first += EVALUATION_ROWS) {
        size_t left = features->rows - first;
        TRY(evaluate_chunk(s, c, features->values + first * c->hidden_size,
                           logits + first * c->classes,
                           left < EVALUATION_ROWS ? left : EVALUATION_ROWS));
    }
    return DONE;
}

double classifier_accuracy(const float *logits, const labels *l, size_t classes)
{
    size_t right = 0;
    for (size_t i = 0; i < l->count; i++)
        right += largest_logit(logits + i * classes, classes) == l->values[i];
    return l->count > 0 ? (double)right / (double)l->count : (double)NAN;
}

double classifier_loss(const float *logits, const labels *l, size_t classes)
{
    double sum = 0.0;
    for (size_t i = 0; i < l->count; i++)
        sum += softmax_loss(logits + i * classes, classes, (size_t)l->values[i]);
    return l->count > 0 ? sum / (double)l->count : (double)NAN;
}

/* ---- files -----------------------------------------------------------------------------------*/

#define HEAD_FORMAT "adapter_cl_head"
#define HEAD_KERNEL "head.kernel"
#define HEAD_BIAS "head.bias"

/* kernel (D, C) and bias (C) are the head's numbers on the host. */
static int write_head(session *s, const classifier *c, const char *path, float *kernel, float *bias)
{
    size_t shape[] = {c->hidden_size, c->classes};
    size_t bytes = c->classes * sizeof(float);
    const adcl_safetensors_entry entries[] = {
        {HEAD_KERNEL, ADCL_F32, 2, shape, kernel, c->hidden_size * bytes},
        {HEAD_BIAS, ADCL_F32, 1, shape + 1, bias, bytes},
    };
    /* The adapter's name tells score that a folder without the adapter's file is not complete. */
    const adcl_metadata metadata[] = {
        {"format", HEAD_FORMAT},
        {"format_version", "1"},
        {"adapter", c->adapter != NULL ? adcl_adapter_name(c->adapter) : ""},
    };
    TRY_DEVICE(s, adcl_tensor_read(s->ctx, adcl_linear_kernel(c->head), kernel, entries[0].bytes));
    TRY_DEVICE(s, adcl_tensor_read(s->ctx, adcl_linear_bias(c->head), bias, entries[1].bytes));
    return session_check(s, adcl_safetensors_save(path, entries, 2, metadata,
                                                  c->adapter != NULL ? 3 : 2, &s->error));
}

static int save_head(session *s, const classifier *c, const char *path)
{
    void *values; /* the kernel, then the bias */
    TRY(session_allocate(s, &values, c->hidden_size + 1, c->classes, sizeof(float)));
    float *kernel = values;
    int status = write_head(s, c, path, kernel, kernel + c->hidden_size * c->classes);
    free(values);
    return status;
}

int classifier_save(session *s, const classifier *c, const training_folder *folder,
                    const adcl_adapter_file *keep)
{
    if (c->adapter != NULL) {
        const adcl_adapter *adapters[] = {c->adapter};
        TRY_DEVICE(s, adcl_adapter_save(s->ctx, training_folder_path(folder, TRAINING_ADAPTER),
                                        adapters, 1, keep));
    }
    return save_head(s, c, training_folder_path(folder, TRAINING_HEAD));
}

static int check_head(const session *s, const char *path, const adcl_safetensors *file)
{
    const char *format = adcl_safetensors_metadata_find(file, "format");
    const char *version = adcl_safetensors_metadata_find(file, "format_version");
    if (format == NULL || strcmp(format, HEAD_FORMAT) != 0 || version == NULL ||
        strcmp(version, "1") != 0)
        return session_fail(s, "%s: expected format %s 1, got %s %s", path, HEAD_FORMAT,
                            format != NULL ? format : "none", version != NULL ? version : "");
    const adcl_safetensors_entry *kernel = adcl_safetensors_find(file, HEAD_KERNEL);
    const adcl_safetensors_entry *bias = adcl_safetensors_find(file, HEAD_BIAS);
    if (kernel == NULL || kernel->dtype != ADCL_F32 || kernel->rank != 2 || bias == NULL ||
        bias->dtype != ADCL_F32 || bias->rank != 1 || bias->shape[0] != kernel->shape[1])
        return session_fail(s, "%s: expected %s (D, C) and %s (C) in F32, got something else", path,
                            HEAD_KERNEL, HEAD_BIAS);
    return DONE;
}

/* The file's sizes must be the adapter's, and it must be there if the head was trained with one. */
static int check_fit(const session *s, const classifier *c, const char *path,
                     const adcl_safetensors *file)
{
    const char *adapter = adcl_safetensors_metadata_find(file, "adapter");
    if ((adapter != NULL) != (c->adapter != NULL))
        return session_fail(s, "%s: the head was trained %s, but the folder has %s", path,
                            adapter != NULL ? "with an adapter" : "alone",
                            adapter != NULL ? "no adapter.safetensors" : "adapter.safetensors");
    size_t hidden_size = adcl_safetensors_find(file, HEAD_KERNEL)->shape[0];
    if (c->adapter != NULL && adcl_adapter_hidden_size(c->adapter) != hidden_size)
        return session_fail(s, "%s: expected %s of %zu rows, the adapter's hidden_size, got %zu",
                            path, HEAD_KERNEL, adcl_adapter_hidden_size(c->adapter), hidden_size);
    return DONE;
}

static int read_head(session *s, classifier *c, const adcl_safetensors *file)
{
    const adcl_safetensors_entry *kernel = adcl_safetensors_find(file, HEAD_KERNEL);
    const adcl_safetensors_entry *bias = adcl_safetensors_find(file, HEAD_BIAS);
    c->hidden_size = kernel->shape[0];
    c->classes = kernel->shape[1];
    TRY(classifier_complete(s, c, EVALUATION_ROWS));
    TRY_DEVICE(s,
               adcl_tensor_write(s->ctx, adcl_linear_kernel(c->head), kernel->data, kernel->bytes));
    return session_check_context(
        s, adcl_tensor_write(s->ctx, adcl_linear_bias(c->head), bias->data, bias->bytes));
}

static int load_head(session *s, classifier *c, const char *path)
{
    adcl_safetensors *file = NULL;
    TRY_HOST(s, adcl_safetensors_load(&file, path, &s->error));
    int status = check_head(s, path, file);
    if (status == DONE) status = check_fit(s, c, path, file);
    if (status == DONE) status = read_head(s, c, file);
    adcl_safetensors_destroy(&file);
    return status;
}

int classifier_load(session *s, classifier *out, const training_folder *folder)
{
    *out = (classifier){0};
    const char *adapter_path = training_folder_path(folder, TRAINING_ADAPTER);
    if (training_folder_has(folder, TRAINING_HEAD_CONFIG) &&
        !training_folder_has(folder, TRAINING_HEAD))
        return session_fail(s, "%s: holds adapters of a text model: use eval or predict",
                            folder->path);
    if (!training_folder_has(folder, TRAINING_HEAD) &&
        training_folder_has(folder, TRAINING_CHECKPOINT))
        return session_fail(s,
                            "%s: the training in this folder is not finished; continue it with "
                            "train --resume",
                            folder->path);
    if (training_folder_has(folder, TRAINING_ADAPTER))
        TRY_DEVICE(s, adcl_adapter_load(&out->adapter, s->ctx, adapter_path, NULL));
    return load_head(s, out, training_folder_path(folder, TRAINING_HEAD));
}
