/* SPDX-License-Identifier: MIT */
/* apply.c – adapter-cl apply: y = adapter(x) for a file of hidden states, and its gradients. */
#include "cli/adapter_source.h"
#include "cli/arrays.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows that are on the device at a time: enough to keep it busy, and 12 MiB at D = 768. */
#define CHUNK_ROWS 4096

typedef struct apply_options {
    const char *adapter_path;
    const char *x_path;
    const char *y_path;
    const char *name;       /* NULL: the only adapter of the file */
    const char *activation; /* for a file that does not say it */
    const char *dy_path;    /* NULL: no gradients */
    const char *grads_path;
    int cast;
} apply_options;

typedef struct application {
    adcl_adapter *loaded;  /* owns the parameters */
    adcl_adapter *adapter; /* the same without dropout, which is for training */
    adcl_workspace *workspace;
    array x;         /* (N, D); becomes y, chunk by chunk */
    array dy;        /* (N, D); becomes dx; without values when no gradients are wanted */
    adcl_tensor *in; /* (chunk, D) */
    adcl_tensor *out;
    adcl_tensor *d; /* (chunk, D): dy, then dx */
} application;

static void application_free(application *a)
{
    adcl_tensor_destroy(&a->in);
    adcl_tensor_destroy(&a->out);
    adcl_tensor_destroy(&a->d);
    adcl_workspace_destroy(&a->workspace);
    adcl_adapter_destroy(&a->adapter);
    adcl_adapter_destroy(&a->loaded);
    array_free(&a->x);
    array_free(&a->dy);
}

/* ---- what goes in ----------------------------------------------------------------------------*/

static int check_width(const session *s, const application *a, const apply_options *o)
{
    size_t hidden_size = adcl_adapter_hidden_size(a->adapter);
    if (a->x.cols == hidden_size) return DONE;
    return session_fail(s,
                        "%s: expected a last axis of %zu, the hidden_size of adapter \"%s\" in "
                        "%s, got %zu",
                        o->x_path, hidden_size, adcl_adapter_name(a->adapter), o->adapter_path,
                        a->x.cols);
}

static int load_dy(session *s, application *a, const apply_options *o)
{
    TRY(array_load(s, &a->dy, o->dy_path, o->cast));
    if (a->dy.rank != a->x.rank ||
        memcmp(a->dy.shape, a->x.shape, a->x.rank * sizeof a->x.shape[0]) != 0)
        return session_fail(s, "%s: expected the shape of %s, got another", o->dy_path, o->x_path);
    return DONE;
}

static int make_room(session *s, application *a, bool gradients)
{
    size_t rows = a->x.rows < CHUNK_ROWS ? a->x.rows : CHUNK_ROWS;
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = rows;
    params.mode = gradients ? ADCL_TRAINING : ADCL_INFERENCE;
    TRY_DEVICE(s, adcl_workspace_create(&a->workspace, s->ctx, a->adapter, &params));
    adcl_tensor **tensors[] = {&a->in, &a->out, &a->d};
    for (size_t i = 0; i < (gradients ? 3 : 2); i++)
        TRY_DEVICE(s, adcl_tensor_create(tensors[i], s->ctx, ADCL_F32, rows, a->x.cols));
    return DONE;
}

/* ---- one chunk -------------------------------------------------------------------------------*/

/* Views of the first `rows` rows of the tensors above. */
typedef struct chunk {
    adcl_tensor *in;
    adcl_tensor *out;
    adcl_tensor *d;
} chunk;

static void chunk_free(chunk *c)
{
    adcl_tensor_destroy(&c->in);
    adcl_tensor_destroy(&c->out);
    adcl_tensor_destroy(&c->d);
}

static int forward(session *s, application *a, const chunk *c, float *x, size_t bytes)
{
    TRY_DEVICE(s, adcl_tensor_write(s->ctx, c->in, x, bytes));
    TRY_DEVICE(s, adcl_adapter_forward(s->ctx, a->adapter, a->workspace, c->in, c->out));
    return session_check_context(s, adcl_tensor_read(s->ctx, c->out, x, bytes));
}

static int backward(session *s, application *a, const chunk *c, float *dy, size_t bytes)
{
    TRY_DEVICE(s, adcl_tensor_write(s->ctx, c->d, dy, bytes));
    TRY_DEVICE(s, adcl_adapter_backward(s->ctx, a->adapter, a->workspace, c->d, c->d));
    return session_check_context(s, adcl_tensor_read(s->ctx, c->d, dy, bytes));
}

static int compute_chunk(session *s, application *a, chunk *c, size_t first, size_t rows)
{
    size_t bytes = rows * a->x.cols * sizeof(float);
    size_t offset = first * a->x.cols;
    TRY_DEVICE(s, adcl_tensor_view_rows(&c->in, s->ctx, a->in, 0, rows));
    TRY_DEVICE(s, adcl_tensor_view_rows(&c->out, s->ctx, a->out, 0, rows));
    TRY(forward(s, a, c, a->x.values + offset, bytes));
    if (a->d == NULL) return DONE;
    TRY_DEVICE(s, adcl_tensor_view_rows(&c->d, s->ctx, a->d, 0, rows));
    return backward(s, a, c, a->dy.values + offset, bytes);
}

/* The adapter's gradients add up over the chunks, as if there were one. */
static int compute(session *s, application *a)
{
    for (size_t first = 0; first < a->x.rows; first += CHUNK_ROWS) {
        size_t left = a->x.rows - first;
        chunk c = {0};
        int status = compute_chunk(s, a, &c, first, left < CHUNK_ROWS ? left : CHUNK_ROWS);
        chunk_free(&c);
        TRY(status);
    }
    return DONE;
}

/* ---- what comes out --------------------------------------------------------------------------*/

/* The gradient of one parameter as an entry of the file: matrices keep two axes, biases have one.
 */
typedef struct gradient_entry {
    char key[160]; /* names have at most 127 bytes */
    size_t shape[2];
    void *values;
} gradient_entry;

static int read_gradient(session *s, const application *a, adcl_adapter_slot slot,
                         gradient_entry *gradient, adcl_safetensors_entry *entry)
{
    adcl_tensor *tensor = adcl_adapter_gradient(a->adapter, slot);
    size_t rows = adcl_tensor_rows(tensor);
    size_t cols = adcl_tensor_cols(tensor);
    bool is_bias = slot == ADCL_DOWN_BIAS || slot == ADCL_UP_BIAS;
    snprintf(gradient->key, sizeof gradient->key, "%s_%s", adcl_adapter_name(a->adapter),
             adcl_adapter_slot_name(slot));
    gradient->shape[0] = rows;
    gradient->shape[1] = cols;
    TRY(session_allocate(s, &gradient->values, rows, cols, sizeof(float)));
    *entry = (adcl_safetensors_entry){
        .name = gradient->key,
        .dtype = ADCL_F32,
        .rank = is_bias ? 1 : 2,
        .shape = gradient->shape + is_bias,
        .data = gradient->values,
        .bytes = rows * cols * sizeof(float),
    };
    return session_check_context(s,
                                 adcl_tensor_read(s->ctx, tensor, gradient->values, entry->bytes));
}

static int save_gradients(session *s, const application *a, const char *path)
{
    gradient_entry gradients[ADCL_ADAPTER_SLOT_COUNT] = {0};
    adcl_safetensors_entry entries[ADCL_ADAPTER_SLOT_COUNT + 1];
    int status = DONE;
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT && status == DONE; slot++)
        status = read_gradient(s, a, (adcl_adapter_slot)slot, &gradients[slot], &entries[slot]);
    entries[ADCL_ADAPTER_SLOT_COUNT] = (adcl_safetensors_entry){
        .name = "x",
        .dtype = ADCL_F32,
        .rank = a->dy.rank,
        .shape = a->dy.shape,
        .data = a->dy.values,
        .bytes = a->dy.rows * a->dy.cols * sizeof(float),
    };
    if (status == DONE)
        status = session_check(s, adcl_safetensors_save(path, entries, ADCL_ADAPTER_SLOT_COUNT + 1,
                                                        NULL, 0, &s->error));
    for (size_t i = 0; i < ADCL_ADAPTER_SLOT_COUNT; i++) free(gradients[i].values);
    return status;
}

static int save_y(session *s, const application *a, const char *path)
{
    return session_check(
        s, adcl_npy_save(path, ADCL_F32, a->x.rank, a->x.shape, a->x.values, &s->error));
}

/* Both files or none: the gradients get their name only when y has been written. */
static int save_both(session *s, const application *a, const apply_options *o)
{
    char *pending = NULL;
    TRY(output_pending_name(s, &pending, o->grads_path));
    int status = save_gradients(s, a, pending);
    if (status == DONE) status = save_y(s, a, o->y_path);
    if (status == DONE) status = output_rename(s, pending, o->grads_path);
    if (status != DONE) remove(pending);
    free(pending);
    return status;
}

/* ---- the command -----------------------------------------------------------------------------*/

static int load_adapter(session *s, application *a, const apply_options *o)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.name = o->name;
    adcl_adapter_file *file = NULL;
    int status = adapter_source_load(s, &file, &a->loaded, o->adapter_path, o->activation, &params);
    adcl_adapter_file_destroy(&file);
    return status;
}

/* Gradients need a training workspace, and there dropout would be active. */
static int leave_out_dropout(session *s, application *a)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = adcl_adapter_hidden_size(a->loaded);
    params.bottleneck_size = adcl_adapter_bottleneck_size(a->loaded);
    params.activation = adcl_adapter_activation(a->loaded);
    params.name = adcl_adapter_name(a->loaded);
    params.scaling = adcl_adapter_scaling(a->loaded);
    params.parallel = adcl_adapter_is_parallel(a->loaded);
    adcl_tensor *values[ADCL_ADAPTER_SLOT_COUNT];
    adcl_tensor *gradients[ADCL_ADAPTER_SLOT_COUNT];
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        values[slot] = adcl_adapter_parameter(a->loaded, (adcl_adapter_slot)slot);
        gradients[slot] = adcl_adapter_gradient(a->loaded, (adcl_adapter_slot)slot);
    }
    return session_check_context(
        s, adcl_adapter_block(&a->adapter, s->ctx, &params, values, gradients));
}

static int apply(session *s, application *a, const apply_options *o)
{
    bool gradients = o->dy_path != NULL;
    TRY(array_load(s, &a->x, o->x_path, o->cast));
    if (gradients) TRY(load_dy(s, a, o));
    TRY(session_open(s, TALK_WARNINGS));
    TRY(load_adapter(s, a, o));
    TRY(leave_out_dropout(s, a));
    TRY(check_width(s, a, o));
    if (a->x.rows > 0) TRY(make_room(s, a, gradients));
    TRY(compute(s, a));
    interrupt_hold();
    return gradients ? save_both(s, a, o) : save_y(s, a, o->y_path);
}

static int check_usage(const session *s, const apply_options *o)
{
    TRY(options_require(s, o->y_path != NULL, "-o"));
    TRY(options_require(s, o->grads_path != NULL || o->dy_path == NULL, "--grads (with --grad)"));
    TRY(options_require(s, o->dy_path != NULL || o->grads_path == NULL, "--grad (with --grads)"));
    if (o->grads_path != NULL && strcmp(o->grads_path, o->y_path) == 0)
        return session_misused(s, "-o and --grads: expected two files, got %s twice", o->y_path);
    TRY(output_check(s, o->y_path));
    return o->grads_path != NULL ? output_check(s, o->grads_path) : DONE;
}

static int run_apply(session *s, int argc, char **argv)
{
    apply_options o = {0};
    const option_spec specs[] = {
        {"output", 'o', OPTION_TEXT, &o.y_path, "Y.npy", "the result (required)"},
        {"name", 0, OPTION_TEXT, &o.name, "NAME", "which adapter, where FILE has several"},
        {"activation", 0, OPTION_TEXT, &o.activation, "NAME", "for a FILE that does not name it"},
        {"grad", 0, OPTION_TEXT, &o.dy_path, "DY.npy", "gradient of y; see above"},
        {"grads", 0, OPTION_TEXT, &o.grads_path, "G.safetensors", "where the gradients go"},
        {"cast", 0, OPTION_FLAG, &o.cast, NULL, "take f8 and integers too, rounded to f4"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &apply_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    o.adapter_path = operands[0];
    o.x_path = operands[1];
    TRY(check_usage(s, &o));
    application a = {0};
    status = apply(s, &a, &o);
    application_free(&a);
    return status;
}

const command_spec apply_command = {
    .name = "apply",
    .synopsis = "FILE X.npy -o Y.npy [OPTION ...]",
    .summary = "run an adapter over hidden states",
    .description =
        "Y = adapter(X). X is (..., hidden_size) of any rank from 2, f4 or f2; Y is f4 of the\n"
        "same shape. Large files go through the device in parts.\n"
        "\n"
        "--grad DY.npy --grads G.safetensors also writes the gradients of sum(y * dy): `x`, of\n"
        "the shape of X, and one for each parameter, named as in FILE.",
    .examples =
        "  adapter-cl apply adapter.safetensors x.npy -o y.npy\n"
        "  adapter-cl apply both.safetensors x.npy --name layer1 -o y.npy\n"
        "  adapter-cl apply a.safetensors x.npy -o y.npy --grad dy.npy --grads g.safetensors\n"
        "  adapter-cl apply a.safetensors x.npy -o y.npy --engine reference",
    .least_operands = 2,
    .most_operands = 2,
    .run = run_apply,
};
