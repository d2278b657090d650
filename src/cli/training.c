/* SPDX-License-Identifier: MIT */
#include "cli/training.h"

#include "bench/clock.h"
#include "cli/adapter_source.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/screen.h"
#include "cli/training_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- data ------------------------------------------------------------------------------------*/

static int load_test_set(training *t)
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

static int load_data(training *t)
{
    TRY(features_load(t->s, &t->x, t->o->train[0], t->o->cast));
    if (t->x.rows == 0 || t->x.rows > INT32_MAX)
        return session_fail(t->s, "%s: expected 1 to %d rows, got %zu", t->x.path, INT32_MAX,
                            t->x.rows);
    TRY(labels_load(t->s, &t->l, t->o->train[1], &t->x));
    void *memory;
    TRY(session_allocate(t->s, &memory, t->x.rows, 1, sizeof(int32_t)));
    t->order = memory;
    t->digest = training_state_digest(&t->x, &t->l);
    return t->o->test[0] != NULL ? load_test_set(t) : DONE;
}

/* ---- the model -------------------------------------------------------------------------------*/

static int load_adapter(training *t)
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

static int make_adapter(training *t)
{
    adcl_adapter_params params;
    TRY(new_adapter_params(t->s, &t->o->adapter, t->x.cols, &params));
    TRY_DEVICE(t->s, adcl_adapter_create(&t->model.adapter, t->s->ctx, &params));
    return DONE;
}

static int make_model(training *t)
{
    if (t->o->adapter_path != NULL)
        TRY(load_adapter(t));
    else if (!t->o->head_only)
        TRY(make_adapter(t));
    t->model.hidden_size = t->x.cols;
    t->model.classes = t->l.classes;
    size_t rows = t->o->batch < t->x.rows ? t->o->batch : t->x.rows;
    TRY(classifier_complete(t->s, &t->model, rows));
    TRY(stepper_create(t->s, &t->steps, &t->model, &t->x, &t->l, rows, &t->o->optimizer));
    array_free(&t->x); /* its numbers are on the device now */
    return DONE;
}

static int plan_schedule(training *t)
{
    uint64_t per_epoch = t->steps.steps_per_epoch;
    if (t->o->epochs > (uint64_t)INT64_MAX / per_epoch)
        return session_fail(t->s, "option --epochs: %zu epochs of %llu steps are too many",
                            t->o->epochs, (unsigned long long)per_epoch);
    t->schedule.kind = t->o->schedule;
    t->schedule.total_steps = t->o->epochs * per_epoch;
    double total = (double)t->schedule.total_steps;
    double warmup = t->o->warmup < 1.0 ? t->o->warmup * total : t->o->warmup;
    if (warmup < 0.0 || warmup > total)
        return session_fail(t->s, "option --warmup: expected 0 to %.0f steps, got %g", total,
                            t->o->warmup);
    t->schedule.warmup_steps = (uint64_t)warmup;
    return DONE;
}

/* ---- beginning and going on ------------------------------------------------------------------*/

static int check_folder(const training *t)
{
    TRY(output_check_folder(t->s, t->folder.path));
    if (!training_folder_is_used(&t->folder) || t->o->resume || t->o->force) return DONE;
    return session_fail(t->s,
                        "%s: holds a training already; continue it with --resume, or replace "
                        "it with --force",
                        t->folder.path);
}

static int open_log(training *t)
{
    return training_log_open(t->s, &t->log, training_folder_path(&t->folder, TRAINING_LOG),
                             t->o->log_path, t->step);
}

/* The first checkpoint, before any step: from here on there is always one to go on from. */
static int begin(training *t)
{
    TRY(training_folder_make(t->s, &t->folder));
    if (t->o->force) TRY(training_folder_empty(t->s, &t->folder));
    TRY(training_state_save(t));
    return open_log(t);
}

static int go_on(training *t)
{
    TRY(training_state_restore(t));
    session_note(t->s, "continuing after step %llu of %llu", (unsigned long long)t->step,
                 (unsigned long long)t->schedule.total_steps);
    return open_log(t);
}

/* A training that was stopped before its first checkpoint has lost nothing: it begins again. */
static int begin_or_go_on(training *t)
{
    if (!t->o->resume) return begin(t);
    if (training_folder_has(&t->folder, TRAINING_CHECKPOINT)) return go_on(t);
    if (training_folder_is_used(&t->folder))
        return session_fail(t->s, "%s: expected checkpoint.safetensors to continue from, got none",
                            t->folder.path);
    session_note(t->s, "%s: nothing to continue, so the training begins", t->folder.path);
    return begin(t);
}

/* ---- figures ---------------------------------------------------------------------------------*/

static uint64_t epoch_of(const training *t, uint64_t step)
{
    return step / t->steps.steps_per_epoch;
}

static double learning_rate_of(const training *t, uint64_t step)
{
    return t->o->learning_rate * adcl_schedule_factor(&t->schedule, step);
}

static int check_figures(const training *t, uint64_t step, float loss, float norm)
{
    if (isfinite(loss) && isfinite(norm)) return DONE;
    return session_fail(t->s,
                        "step %llu: the %s is not finite, so the training stops; the "
                        "checkpoint in %s is from before (a smaller --lr or a --clip may help)",
                        (unsigned long long)step + 1, isfinite(loss) ? "gradient" : "loss",
                        t->folder.path);
}

static void show_progress(training *t, double loss, double rows_per_second)
{
    char what[64];
    char figures[64];
    uint64_t epoch = epoch_of(t, t->step - 1) + 1;
    snprintf(what, sizeof what, "epoch %llu/%zu", (unsigned long long)epoch, t->o->epochs);
    snprintf(figures, sizeof figures, "loss %.4f  %.0f rows/s", loss, rows_per_second);
    progress_show(&t->progress, t->step, what, figures);
}

static size_t rows_of_block(const training *t)
{
    size_t rows = 0;
    for (uint64_t step = t->step - t->steps.recorded; step < t->step; step++)
        rows += stepper_batch_rows(&t->steps, (size_t)(step % t->steps.steps_per_epoch));
    return rows;
}

/* Reads less often the quicker the steps are, so that the device seldom waits for the host and a
 * person never waits long for news. */
static void adapt_block(training *t, double seconds)
{
    if (seconds < 0.05 && t->block < STEPPER_RECORD_MOST) t->block *= 2;
    if (seconds > 0.2 && t->block > 1) t->block /= 2;
}

/* Waits for the steps since the last call, and logs them. */
static int settle(training *t)
{
    float losses[STEPPER_RECORD_MOST];
    float norms[STEPPER_RECORD_MOST];
    size_t count = t->steps.recorded;
    size_t rows = rows_of_block(t);
    uint64_t first = t->step - count;
    TRY(stepper_read(t->s, &t->steps, losses, norms));
    double now = clock_seconds();
    double seconds = now - t->block_started;
    t->block_started = now;
    for (size_t i = 0; i < count; i++) {
        uint64_t step = first + i;
        training_step line = {step + 1,          epoch_of(t, step) + 1,
                              (double)losses[i], learning_rate_of(t, step),
                              (double)norms[i],  (double)rows / seconds};
        TRY(training_log_step(t->s, &t->log, &line));
        TRY(check_figures(t, step, losses[i], norms[i]));
        t->epoch_loss += (double)losses[i];
    }
    t->epoch_steps += count;
    t->epoch_rows += rows;
    show_progress(t, t->epoch_loss / (double)t->epoch_steps, (double)rows / seconds);
    adapt_block(t, seconds);
    return DONE;
}

/* ---- epochs ----------------------------------------------------------------------------------*/

static int start_epoch(training *t)
{
    adcl_shuffled_order(t->s->common.seed, epoch_of(t, t->step), t->x.rows, t->order);
    TRY(stepper_set_order(t->s, &t->steps, t->order));
    t->has_order = true;
    t->epoch_loss = 0.0;
    t->epoch_steps = 0;
    t->epoch_rows = 0;
    t->epoch_started = t->block_started = clock_seconds();
    return DONE;
}

static int evaluate(training *t, double *loss, double *accuracy)
{
    TRY(classifier_evaluate(t->s, &t->model, &t->test_x, t->test_logits));
    *loss = classifier_loss(t->test_logits, &t->test_l, t->model.classes);
    *accuracy = classifier_accuracy(t->test_logits, &t->test_l, t->model.classes);
    return DONE;
}

static int finish_epoch(training *t)
{
    uint64_t epoch = epoch_of(t, t->step);
    double mean = t->epoch_loss / (double)t->epoch_steps;
    double speed = (double)t->epoch_rows / (clock_seconds() - t->epoch_started);
    t->has_order = false;
    if (t->test_x.values == NULL) {
        session_note(t->s, "epoch %llu/%zu  loss %.4f  %.0f rows/s", (unsigned long long)epoch,
                     t->o->epochs, mean, speed);
        return DONE;
    }
    double loss;
    double accuracy;
    TRY(evaluate(t, &loss, &accuracy));
    session_note(t->s, "epoch %llu/%zu  loss %.4f  test loss %.4f  test accuracy %.4f  %.0f rows/s",
                 (unsigned long long)epoch, t->o->epochs, mean, loss, accuracy, speed);
    return training_log_evaluation(t->s, &t->log, t->step, epoch, loss, accuracy);
}

/* The log goes first: it may know more than the checkpoint, and is cut back to it, but not less. */
static int save_checkpoint(training *t)
{
    TRY(training_log_flush(t->s, &t->log));
    return training_state_save(t);
}

static int stop(const training *t)
{
    screen_clear();
    session_fail(t->s,
                 "interrupted after step %llu of %llu; the same command with --resume "
                 "continues",
                 (unsigned long long)t->step, (unsigned long long)t->schedule.total_steps);
    return INTERRUPTED;
}

static int enqueue_step(training *t)
{
    if (!t->has_order) TRY(start_epoch(t));
    size_t index = (size_t)(t->step % t->steps.steps_per_epoch);
    TRY(stepper_step(t->s, &t->steps, &t->model, index, t->step, learning_rate_of(t, t->step)));
    t->step++;
    return DONE;
}

static int train(training *t)
{
    progress_start(&t->progress, t->s, t->step, t->schedule.total_steps);
    t->block = 1;
    while (t->step < t->schedule.total_steps) {
        TRY(enqueue_step(t));
        bool interrupted = interrupt_came();
        bool epoch_ends = t->step % t->steps.steps_per_epoch == 0;
        bool is_due = t->o->checkpoint_every != 0 && t->step % t->o->checkpoint_every == 0;
        bool saves = interrupted || epoch_ends || is_due;
        if (saves || t->steps.recorded >= t->block) TRY(settle(t));
        if (epoch_ends) TRY(finish_epoch(t));
        if (saves) TRY(save_checkpoint(t));
        if (interrupted && t->step < t->schedule.total_steps) return stop(t);
    }
    return DONE;
}

/* ---- the end ---------------------------------------------------------------------------------*/

static int save_test_logits(const training *t)
{
    size_t shape[] = {t->test_x.rows, t->model.classes};
    const char *path = training_folder_path(&t->folder, TRAINING_TEST_LOGITS);
    TRY_HOST(t->s, adcl_npy_save(path, ADCL_F32, 2, shape, t->test_logits, &t->s->error));
    return DONE;
}

static int finish(training *t)
{
    double loss = 0.0;
    double accuracy = 0.0;
    bool tests = t->test_x.values != NULL;
    screen_clear();
    if (tests) TRY(evaluate(t, &loss, &accuracy));
    TRY(classifier_save(t->s, &t->model, &t->folder, t->source));
    if (tests) TRY(save_test_logits(t));
    session_note(t->s, "saved in %s", t->folder.path);
    if (t->test_l.count > 0) printf("accuracy %.4f\n", accuracy);
    return DONE;
}

static int run(training *t)
{
    TRY(training_folder_open(t->s, &t->folder, t->o->folder_path));
    TRY(check_folder(t));
    TRY(load_data(t));
    /* From here on SIGINT waits for the next step, and so for a checkpoint. */
    interrupt_hold();
    TRY(session_open(t->s, TALK_ALWAYS));
    TRY(make_model(t));
    TRY(plan_schedule(t));
    TRY(begin_or_go_on(t));
    TRY(train(t));
    return finish(t);
}

static void free_all(training *t)
{
    training_log_close(&t->log);
    stepper_free(&t->steps);
    classifier_free(&t->model);
    adcl_adapter_file_destroy(&t->source);
    free(t->order);
    free(t->test_logits);
    labels_free(&t->test_l);
    array_free(&t->test_x);
    labels_free(&t->l);
    array_free(&t->x);
    training_folder_close(&t->folder);
}

int training_run(session *s, const train_options *options)
{
    training t = {.s = s, .o = options};
    int status = run(&t);
    free_all(&t);
    return status;
}
