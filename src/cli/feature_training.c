/* SPDX-License-Identifier: MIT */
#include "cli/feature_training.h"

#include "cli/adapter_source.h"
#include "cli/interrupt.h"
#include "cli/stepper.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct feature_training {
    session *s;
    const train_options *o;
    training loop;
    array x;         /* (N, D); without values once they are on the device */
    labels l;        /* (N) */
    uint64_t digest; /* of both */
    array test_x;    /* (M, D); without values when there is no test set */
    labels test_l;
    float *test_logits;        /* (M, C) */
    int32_t *order;            /* (N): the rows in the order of the epoch */
    adcl_adapter_file *source; /* of --adapter, whose metadata is carried over; or NULL */
    classifier model;
    stepper steps;
} feature_training;

/* ---- data ------------------------------------------------------------------------------------*/

static int load_test_set(feature_training *t)
{
    TRY(features_load(t->s, &t->test_x, t->o->test[0], t->o->cast));
    TRY(labels_load(t->s, &t->test_l, t->o->test[1], &t->test_x));
    if (t->test_x.cols != t->x.cols)
        return session_fail(t->s, "%s: expected %zu columns as in %s, got %zu", t->test_x.path,
                            t->x.cols, t->x.path, t->test_x.cols);
    TRY(labels_check_classes(t->s, &t->test_l, t->l.classes));
    void *memory;
    TRY(session_allocate(t->s, &memory, t->test_x.rows, t->l.classes, sizeof(float)));
    t->test_logits = memory;
    return DONE;
}

static uint64_t digest_of(const array *x, const labels *l)
{
    uint64_t digest = digest_bytes(DIGEST_START, x->values, x->rows * x->cols * sizeof(float));
    return digest_bytes(digest, l->values, l->count * sizeof(int32_t));
}

static int load_data(feature_training *t)
{
    TRY(features_load(t->s, &t->x, t->o->train[0], t->o->cast));
    if (t->x.rows == 0 || t->x.rows > INT32_MAX)
        return session_fail(t->s, "%s: expected 1 to %d rows, got %zu", t->x.path, INT32_MAX,
                            t->x.rows);
    TRY(labels_load(t->s, &t->l, t->o->train[1], &t->x));
    void *memory;
    TRY(session_allocate(t->s, &memory, t->x.rows, 1, sizeof(int32_t)));
    t->order = memory;
    t->digest = digest_of(&t->x, &t->l);
    return t->o->test[0] != NULL ? load_test_set(t) : DONE;
}

/* ---- the model -------------------------------------------------------------------------------*/

static int load_adapter(feature_training *t)
{
    adcl_adapter_params params;
    TRY(new_adapter_params(t->s, &t->o->adapter, 0, &params));
    TRY(adapter_source_load(t->s, &t->source, &t->model.adapter, t->o->adapter_path,
                            t->o->adapter.activation, &params));
    size_t hidden_size = adcl_adapter_hidden_size(t->model.adapter);
    if (hidden_size != t->x.cols)
        return session_fail(t->s,
                            "%s: expected %zu columns, the hidden_size of the adapter in %s, "
                            "got %zu",
                            t->x.path, hidden_size, t->o->adapter_path, t->x.cols);
    return DONE;
}

static int make_adapter(feature_training *t)
{
    adcl_adapter_params params;
    TRY(new_adapter_params(t->s, &t->o->adapter, t->x.cols, &params));
    TRY_DEVICE(t->s, adcl_adapter_create(&t->model.adapter, t->s->ctx, &params));
    return DONE;
}

static int make_model(feature_training *t)
{
    if (t->o->adapter_path != NULL)
        TRY(load_adapter(t));
    else if (!t->o->head_only)
        TRY(make_adapter(t));
    t->model.hidden_size = t->x.cols;
    t->model.classes = t->l.classes;
    size_t rows = t->o->training.batch < t->x.rows ? t->o->training.batch : t->x.rows;
    TRY(classifier_complete(t->s, &t->model, rows));
    TRY(stepper_create(t->s, &t->steps, &t->model, &t->x, &t->l, rows, &t->o->training.optimizer));
    array_free(&t->x); /* its numbers are on the device now */
    return DONE;
}

/* ---- what the loop asks for ------------------------------------------------------------------*/

static int start_epoch(void *self, uint64_t epoch)
{
    feature_training *t = self;
    adcl_shuffled_order(t->s->common.seed, epoch, t->x.rows, t->order);
    return stepper_set_order(t->s, &t->steps, t->order);
}

static int step(void *self, size_t index, uint64_t number, double learning_rate)
{
    feature_training *t = self;
    return stepper_step(t->s, &t->steps, &t->model, index, number, learning_rate);
}

static size_t work(const void *self, size_t index)
{
    const feature_training *t = self;
    return stepper_batch_rows(&t->steps, index);
}

static int read_figures(void *self, step_figures figures[TRAINING_BLOCK_MOST])
{
    feature_training *t = self;
    float losses[TRAINING_BLOCK_MOST];
    float norms[TRAINING_BLOCK_MOST];
    size_t count = t->steps.recorded;
    TRY(stepper_read(t->s, &t->steps, losses, norms));
    for (size_t i = 0; i < count; i++) figures[i] = (step_figures){losses[i], norms[i], 0, 0};
    return DONE;
}

static int evaluate(void *self, uint64_t epoch, evaluation *out)
{
    feature_training *t = self;
    (void)epoch;
    TRY(classifier_evaluate(t->s, &t->model, &t->test_x, t->test_logits));
    double loss = classifier_loss(t->test_logits, &t->test_l, t->model.classes);
    double accuracy = classifier_accuracy(t->test_logits, &t->test_l, t->model.classes);
    *out = (evaluation){
        .scores = {{"test_loss", "test loss", loss}, {"test_accuracy", "test accuracy", accuracy}},
        .count = 2,
        .goodness = accuracy,
        .loss = loss,
    };
    return DONE;
}

static void describe_adapter(const feature_training *t, traits *list)
{
    const adcl_adapter *adapter = t->model.adapter;
    traits_add(list, "head-only", "%s", adapter == NULL ? "yes" : "no");
    if (adapter == NULL) return;
    traits_add(list, "adapter", "%s", t->source != NULL ? "a file" : "none");
    traits_add(list, "name", "%s", adcl_adapter_name(adapter));
    traits_add(list, "bottleneck", "%zu", adcl_adapter_bottleneck_size(adapter));
    traits_add(list, "activation", "%s", adcl_activation_name(adcl_adapter_activation(adapter)));
    if (t->source == NULL)
        traits_add(list, "init", "%s",
                   t->o->adapter.init != NULL ? t->o->adapter.init : "identity");
    traits_add_float(list, "scaling", adcl_adapter_scaling(adapter));
    traits_add_float(list, "dropout", adcl_adapter_dropout(adapter));
}

/* The plan names the engine and the order of its sums; a head alone has no workspace to ask. */
static void describe(const void *self, traits *list)
{
    const feature_training *t = self;
    const adcl_workspace *workspace = t->steps.workspace;
    traits_add(list, "train", "%zu rows of %zu columns, %zu classes, digest %016llx", t->x.rows,
               t->x.cols, t->model.classes, (unsigned long long)t->digest);
    describe_adapter(t, list);
    traits_add(list, "engine", "%s",
               workspace != NULL ? adcl_workspace_plan(workspace)
                                 : adcl_engine_name(adcl_context_engine(t->s->ctx)));
}

/* ---- the whole -------------------------------------------------------------------------------*/

static int save_test_logits(const feature_training *t)
{
    size_t shape[] = {t->test_x.rows, t->model.classes};
    const char *path = training_folder_path(&t->loop.folder, TRAINING_TEST_LOGITS);
    TRY_HOST(t->s, adcl_npy_save(path, ADCL_F32, 2, shape, t->test_logits, &t->s->error));
    return DONE;
}

static int finish(feature_training *t)
{
    evaluation e = {0};
    bool tests = t->test_x.values != NULL;
    if (tests) TRY(evaluate(t, 0, &e));
    TRY(classifier_save(t->s, &t->model, &t->loop.folder, t->source));
    if (tests) TRY(save_test_logits(t));
    session_note(t->s, "saved in %s", t->loop.folder.path);
    if (t->test_l.count > 0) printf("accuracy %.4f\n", e.goodness);
    return DONE;
}

static int run(feature_training *t)
{
    TRY(training_open(t->s, &t->loop, &t->o->training));
    TRY(load_data(t));
    /* From here on SIGINT waits for the next step, and so for a checkpoint. */
    interrupt_hold();
    TRY(session_open(t->s, TALK_ALWAYS));
    TRY(make_model(t));
    const trainee subject = {
        .self = t,
        .unit = "rows",
        .steps_per_epoch = t->steps.steps_per_epoch,
        .block_most = TRAINING_BLOCK_MOST,
        .parameters = t->steps.parameters,
        .optimizer = t->steps.optimizer,
        .start_epoch = start_epoch,
        .step = step,
        .work = work,
        .read = read_figures,
        .evaluate = t->test_x.values != NULL ? evaluate : NULL,
        .describe = describe,
    };
    TRY(training_run(&t->loop, &subject));
    return finish(t);
}

static void free_all(feature_training *t)
{
    training_close(&t->loop);
    stepper_free(&t->steps);
    classifier_free(&t->model);
    adcl_adapter_file_destroy(&t->source);
    free(t->order);
    free(t->test_logits);
    labels_free(&t->test_l);
    array_free(&t->test_x);
    labels_free(&t->l);
    array_free(&t->x);
}

int feature_training_run(session *s, const train_options *options)
{
    feature_training t = {.s = s, .o = options};
    int status = run(&t);
    free_all(&t);
    return status;
}
