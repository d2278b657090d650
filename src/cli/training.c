/* SPDX-License-Identifier: MIT */
#include "cli/training.h"

#include "bench/clock.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/screen.h"
#include "cli/training_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- beginning and going on ------------------------------------------------------------------*/

int training_open(session *s, training *t, const training_options *options)
{
    *t = (training){.s = s, .o = options};
    TRY(training_folder_open(s, &t->folder, options->folder_path));
    TRY(output_check_folder(s, t->folder.path));
    if (!training_folder_is_used(&t->folder) || options->resume || options->force) return DONE;
    return session_fail(s,
                        "%s: holds a training already; continue it with --resume, or replace "
                        "it with --force",
                        t->folder.path);
}

void training_close(training *t)
{
    training_log_close(&t->log);
    training_folder_close(&t->folder);
}

static int plan_schedule(training *t)
{
    uint64_t per_epoch = t->trainee->steps_per_epoch;
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

static void describe_optimizer(const training_options *o, traits *list)
{
    const adcl_optimizer_params *p = &o->optimizer;
    traits_add(list, "optimizer", "%s", adcl_optimizer_kind_name(p->kind));
    traits_add_float(list, "momentum", p->momentum);
    traits_add_float(list, "beta1", p->beta1);
    traits_add_float(list, "beta2", p->beta2);
    traits_add_float(list, "epsilon", p->epsilon);
    traits_add_float(list, "weight-decay", p->weight_decay);
    traits_add_float(list, "clip", p->clip_norm);
    traits_add(list, "no-bias-correction", "%s", p->no_bias_correction ? "yes" : "no");
    traits_add_double(list, "lr", o->learning_rate);
    traits_add_double(list, "warmup", o->warmup);
    traits_add(list, "schedule", "%s", adcl_schedule_kind_name(o->schedule));
}

void training_describe(const training *t, traits *list)
{
    list->count = 0;
    t->trainee->describe(t->trainee->self, list);
    traits_add(list, "seed", "%llu", (unsigned long long)t->s->common.seed);
    traits_add(list, "epochs", "%zu", t->o->epochs);
    traits_add(list, "batch", "%zu", t->o->batch);
    describe_optimizer(t->o, list);
}

/* ---- figures ---------------------------------------------------------------------------------*/

static uint64_t epoch_of(const training *t, uint64_t step)
{
    return step / t->trainee->steps_per_epoch;
}

uint64_t training_epochs(const training *t)
{
    return epoch_of(t, t->step);
}

static size_t work_of(const training *t, uint64_t step)
{
    return t->trainee->work(t->trainee->self, (size_t)(step % t->trainee->steps_per_epoch));
}

static double learning_rate_of(const training *t, uint64_t step)
{
    return t->o->learning_rate * adcl_schedule_factor(&t->schedule, step);
}

static int check_figures(const training *t, uint64_t step, const step_figures *figures)
{
    if (isfinite(figures->loss) && isfinite(figures->norm)) return DONE;
    return session_fail(t->s,
                        "step %llu: the %s is not finite, so the training stops; the "
                        "checkpoint in %s is from before (a smaller --lr or a --clip may help)",
                        (unsigned long long)step + 1, isfinite(figures->loss) ? "gradient" : "loss",
                        t->folder.path);
}

/* "loss 0.1234  accuracy 0.9876" of the epoch so far. */
static void describe_epoch(const training *t, char *text, size_t size)
{
    double mean = t->epoch_loss / (double)t->epoch_steps;
    if (t->epoch_known == 0)
        snprintf(text, size, "loss %.4f", mean);
    else
        snprintf(text, size, "loss %.4f  accuracy %.4f", mean,
                 (double)t->epoch_right / (double)t->epoch_known);
}

static void show_progress(training *t, double speed)
{
    char what[64];
    char epoch[64];
    char figures[128];
    snprintf(what, sizeof what, "epoch %llu/%zu", (unsigned long long)epoch_of(t, t->step - 1) + 1,
             t->o->epochs);
    describe_epoch(t, epoch, sizeof epoch);
    snprintf(figures, sizeof figures, "%s  %.0f %s/s", epoch, speed, t->trainee->unit);
    progress_show(&t->progress, t->step, what, figures);
}

static size_t work_of_block(const training *t)
{
    size_t work = 0;
    for (uint64_t step = t->step - t->recorded; step < t->step; step++) work += work_of(t, step);
    return work;
}

/* Reads less often the quicker the steps are, so that the device seldom waits for the host and a
 * person never waits long for news. */
static void adapt_block(training *t, double seconds)
{
    if (seconds < 0.05 && 2 * t->block <= t->trainee->block_most) t->block *= 2;
    if (seconds > 0.2 && t->block > 1) t->block /= 2;
}

static int settle_step(training *t, uint64_t step, const step_figures *figures, double speed)
{
    training_step line = {step + 1,
                          epoch_of(t, step) + 1,
                          (double)figures->loss,
                          learning_rate_of(t, step),
                          (double)figures->norm,
                          t->trainee->unit,
                          speed};
    TRY(training_log_step(t->s, &t->log, &line));
    TRY(check_figures(t, step, figures));
    t->epoch_loss += (double)figures->loss;
    t->epoch_right += figures->right;
    t->epoch_known += figures->known;
    t->epoch_steps++;
    return DONE;
}

/* Waits for the steps since the last call, and logs them. */
static int settle(training *t)
{
    step_figures figures[TRAINING_BLOCK_MOST];
    size_t work = work_of_block(t);
    TRY(t->trainee->read(t->trainee->self, figures));
    double now = clock_seconds();
    double seconds = now - t->block_started;
    double speed = (double)work / seconds;
    t->block_started = now;
    uint64_t first = t->step - t->recorded;
    for (size_t i = 0; i < t->recorded; i++) TRY(settle_step(t, first + i, &figures[i], speed));
    t->recorded = 0;
    t->epoch_work += work;
    show_progress(t, speed);
    adapt_block(t, seconds);
    return DONE;
}

/* ---- epochs ----------------------------------------------------------------------------------*/

static int start_epoch(training *t)
{
    TRY(t->trainee->start_epoch(t->trainee->self, epoch_of(t, t->step)));
    t->has_order = true;
    t->epoch_loss = 0.0;
    t->epoch_steps = 0;
    t->epoch_work = 0;
    t->epoch_right = 0;
    t->epoch_known = 0;
    t->epoch_started = t->block_started = clock_seconds();
    return DONE;
}

/* With equal goodness, which small sets often give, the smaller loss decides. */
static bool is_better(const evaluation *e, const best_evaluation *best)
{
    if (best->epoch == 0) return true;
    if (isnan(e->goodness)) return false;
    if (isnan(best->goodness) || e->goodness > best->goodness) return true;
    return e->goodness >= best->goodness && e->loss < best->loss;
}

static int keep_if_better(training *t, const evaluation *e)
{
    if (!is_better(e, &t->best)) return DONE;
    if (t->trainee->keep != NULL) TRY(t->trainee->keep(t->trainee->self));
    t->best = (best_evaluation){epoch_of(t, t->step), e->goodness, e->loss};
    return DONE;
}

/* "epoch 2/3  loss 0.1234  test loss 0.2345  test accuracy 0.9876  1234 rows/s" */
static void say_epoch(const training *t, const evaluation *e, double speed)
{
    char text[512];
    describe_epoch(t, text, sizeof text);
    for (size_t i = 0; i < e->count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "  %s %.4f", e->scores[i].words,
                 e->scores[i].value);
    }
    session_note(t->s, "epoch %llu/%zu  %s  %.0f %s/s", (unsigned long long)training_epochs(t),
                 t->o->epochs, text, speed, t->trainee->unit);
}

static int finish_epoch(training *t)
{
    double speed = (double)t->epoch_work / (clock_seconds() - t->epoch_started);
    evaluation e = {0};
    t->has_order = false;
    if (t->trainee->evaluate != NULL)
        TRY(t->trainee->evaluate(t->trainee->self, training_epochs(t), &e));
    say_epoch(t, &e, speed);
    if (e.count == 0) return DONE;
    TRY(training_log_evaluation(t->s, &t->log, t->step, training_epochs(t), &e));
    return keep_if_better(t, &e);
}

/* The log goes first: it may know more than the checkpoint, and is cut back to it, but not less. */
static int save_checkpoint(training *t)
{
    TRY(training_log_flush(t->s, &t->log));
    TRY(training_state_save(t));
    t->last_checkpoint = clock_seconds();
    return DONE;
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
    size_t index = (size_t)(t->step % t->trainee->steps_per_epoch);
    TRY(t->trainee->step(t->trainee->self, index, t->step, learning_rate_of(t, t->step)));
    t->step++;
    t->recorded++;
    return DONE;
}

static bool is_due(const training *t)
{
    if (t->o->checkpoint_every != 0 && t->step % t->o->checkpoint_every == 0) return true;
    return t->o->checkpoint_seconds > 0.0 &&
           clock_seconds() - t->last_checkpoint >= t->o->checkpoint_seconds;
}

static bool lacks_progress(const training *t)
{
    return t->o->patience > 0 && t->best.epoch > 0 &&
           training_epochs(t) - t->best.epoch >= t->o->patience;
}

static bool is_over(const training *t)
{
    return t->step >= t->schedule.total_steps || lacks_progress(t);
}

bool training_stopped_early(const training *t)
{
    return t->step < t->schedule.total_steps && lacks_progress(t);
}

static int train(training *t)
{
    progress_start(&t->progress, t->s, t->step, t->schedule.total_steps);
    t->block = 1;
    t->last_checkpoint = clock_seconds();
    while (!is_over(t)) {
        TRY(enqueue_step(t));
        bool interrupted = interrupt_came();
        bool epoch_ends = t->step % t->trainee->steps_per_epoch == 0;
        bool saves = interrupted || epoch_ends || is_due(t);
        if (saves || t->recorded >= t->block) TRY(settle(t));
        if (epoch_ends) TRY(finish_epoch(t));
        if (saves) TRY(save_checkpoint(t));
        if (epoch_ends && t->trainee->after_epoch != NULL)
            TRY(t->trainee->after_epoch(t->trainee->self));
        if (interrupted && !is_over(t)) return stop(t);
    }
    screen_clear();
    if (training_stopped_early(t))
        session_note(t->s, "stopping early: nothing better since epoch %llu",
                     (unsigned long long)t->best.epoch);
    return DONE;
}

int training_run(training *t, const trainee *subject)
{
    t->trainee = subject;
    TRY(plan_schedule(t));
    TRY(begin_or_go_on(t));
    return train(t);
}
