/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/text_training.h"

#include "cli/assessment.h"
#include "cli/inference.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/text_report.h"
#include "cli/text_stepper.h"
#include "cli/training.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A set of texts on its way to the device. */
typedef struct text_set {
    dataset data;
    token_list tokens;
    frozen_states frozen;
} text_set;

typedef struct text_training {
    session *s;
    const finetune_options *o;
    training loop;
    class_names classes;
    text_set train;
    text_set dev; /* empty where there is none */
    uint64_t model_digest;
    uint64_t train_digest;
    text_model model;
    text_stepper steps;
    inference dev_inference;
    float *dev_logits;     /* (M, C) */
    assessment latest;     /* of the last evaluation */
    uint64_t latest_epoch; /* 0: none was made in this run */
    assessment best;       /* of the best one, where it was made in this run */
    uint64_t best_epoch;
} text_training;

/* ---- data ------------------------------------------------------------------------------------*/

static bool is_regression(const text_training *t)
{
    return t->o->is_regression || t->train.data.is_regression;
}

static int understand_labels(text_training *t, dataset *d)
{
    return is_regression(t) ? dataset_read_targets(t->s, d)
                            : dataset_find_classes(t->s, d, &t->classes);
}

/* All that can be wrong with the files is said before a device is opened. */
static int read_data(text_training *t)
{
    TRY(dataset_read(t->s, &t->train.data, t->o->train_path, true));
    if (!is_regression(t)) TRY(dataset_name_classes(t->s, &t->train.data, &t->classes));
    TRY(understand_labels(t, &t->train.data));
    if (!is_regression(t)) TRY(dataset_check_variety(t->s, &t->train.data));
    if (t->o->dev_path == NULL) return DONE;
    TRY(dataset_read(t->s, &t->dev.data, t->o->dev_path, true));
    if (t->dev.data.has_pairs != t->train.data.has_pairs)
        return session_fail(t->s, "%s: expected %s, as in %s, got %s", t->dev.data.path,
                            t->train.data.has_pairs ? "pairs" : "single texts", t->train.data.path,
                            t->train.data.has_pairs ? "single texts" : "pairs");
    return understand_labels(t, &t->dev.data);
}

static int encode_data(text_training *t)
{
    TRY(text_model_encode_dataset(t->s, &t->model, &t->train.tokens, &t->train.data));
    if (token_list_total(&t->train.tokens) > INT32_MAX)
        return session_fail(t->s, "%s: expected at most %d tokens, got %zu", t->train.data.path,
                            INT32_MAX, token_list_total(&t->train.tokens));
    if (t->o->dev_path == NULL) return DONE;
    return text_model_encode_dataset(t->s, &t->model, &t->dev.tokens, &t->dev.data);
}

/* ---- digests ---------------------------------------------------------------------------------*/

/* Another model of the same shape must not be taken for this one. */
static int digest_model(text_training *t)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/model.safetensors", t->o->model_path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;
    if (file >= 0 && fstat(file, &status) == 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (file >= 0) close(file);
    if (bytes == MAP_FAILED) return session_fail(t->s, "%s: cannot be read again", path);
    t->model_digest = digest_bytes(DIGEST_START, bytes, (size_t)status.st_size);
    munmap(bytes, (size_t)status.st_size);
    return DONE;
}

static uint64_t digest_tokens(uint64_t digest, const token_list *list)
{
    size_t total = token_list_total(list);
    digest = digest_bytes(digest, list->starts, (list->count + 1) * sizeof *list->starts);
    digest = digest_bytes(digest, list->ids, total * sizeof *list->ids);
    return digest_bytes(digest, list->types, total * sizeof *list->types);
}

static uint64_t digest_set(const text_set *set)
{
    uint64_t digest = digest_tokens(DIGEST_START, &set->tokens);
    for (size_t i = 0; i < set->data.count; i++) {
        const example *e = &set->data.examples[i];
        digest = digest_bytes(digest, &e->number, sizeof e->number);
        digest = digest_bytes(digest, &e->target, sizeof e->target);
    }
    return digest;
}

/* ---- the model -------------------------------------------------------------------------------*/

static int make_set(text_training *t)
{
    session *s = t->s;
    adcl_adapter_set_params params = t->o->set;
    params.seed = s->common.seed;
    params.labels = is_regression(t) ? 1 : t->classes.count;
    if (!is_regression(t)) params.label_names = (const char *const *)t->classes.names;
    TRY_DEVICE(s, adcl_adapter_set_create(&t->model.set, s->ctx, t->model.encoder, &params));
    session_note(s, "%zu of the model's %zu parameters are trained beside it (%.1f %%)",
                 adcl_parameters_size(adcl_adapter_set_parameters(t->model.set)),
                 adcl_encoder_parameter_count(t->model.encoder),
                 100.0 * (double)adcl_parameters_size(adcl_adapter_set_parameters(t->model.set)) /
                     (double)adcl_encoder_parameter_count(t->model.encoder));
    return DONE;
}

/* The development set's states lie beside those of the training set. */
static int keep_frozen(text_training *t, text_set *set, const char *suffix)
{
    char place[4096];
    bool is_word = strcmp(t->o->cache_frozen, "auto") == 0 ||
                   strcmp(t->o->cache_frozen, "memory") == 0 ||
                   strcmp(t->o->cache_frozen, "off") == 0;
    snprintf(place, sizeof place, "%s%s", t->o->cache_frozen, is_word ? "" : suffix);
    const frozen_request request = {
        .place = place,
        .what = set->data.path,
        .digest = digest_tokens(t->model_digest, &set->tokens),
        .epochs = t->o->training.epochs,
        .max_tokens = INFERENCE_TOKENS,
    };
    return frozen_states_make(t->s, &set->frozen, &t->model, &set->tokens, &request);
}

static int make_stepper(text_training *t)
{
    const training_options *o = &t->o->training;
    double head = t->o->head_learning_rate;
    const text_lesson lesson = {
        .model = &t->model,
        .data = &t->train.data,
        .tokens = &t->train.tokens,
        .frozen = &t->train.frozen,
        .batch = o->batch,
        .max_tokens = t->o->tokens_per_pass,
        .head_scale = head > 0.0 ? head / o->learning_rate : 1.0,
        .model_dropout = t->o->model_dropout,
        .recompute = t->o->recompute,
        .optimizer = &o->optimizer,
    };
    return text_stepper_create(t->s, &t->steps, &lesson);
}

static int make_evaluation(text_training *t)
{
    void *memory;
    size_t outputs = text_model_labels(&t->model);
    if (t->o->dev_path == NULL) return DONE;
    TRY(inference_create(t->s, &t->dev_inference, &t->model, &t->dev.tokens, 0, NULL));
    TRY(session_allocate(t->s, &memory, t->dev.data.count, outputs, sizeof(float)));
    t->dev_logits = memory;
    TRY(assessment_create(t->s, &t->latest, outputs));
    return assessment_create(t->s, &t->best, outputs);
}

static void say_memory(const text_training *t)
{
    size_t bytes = adcl_encoder_workspace_bytes(t->steps.workspace);
    size_t tokens = t->steps.lesson.max_tokens;
    session_note(
        t->s, "memory: model %.0f MB, passes of at most %zu tokens %.0f MB (%zu bytes a token)%s",
        (double)adcl_encoder_bytes(t->model.encoder) / 1e6, tokens, (double)bytes / 1e6,
        bytes / tokens, t->train.frozen.states != NULL ? ", frozen layers kept" : "");
}

static int prepare(text_training *t)
{
    TRY(text_model_load(t->s, &t->model, t->o->model_path, ADCL_TRAINING, t->o->max_length));
    TRY(encode_data(t));
    TRY(digest_model(t));
    t->train_digest = digest_set(&t->train);
    TRY(make_set(t));
    TRY(keep_frozen(t, &t->train, ""));
    if (t->o->dev_path != NULL) TRY(keep_frozen(t, &t->dev, ".dev"));
    TRY(make_stepper(t));
    say_memory(t);
    return make_evaluation(t);
}

/* ---- what the loop asks for ------------------------------------------------------------------*/

static int start_epoch(void *self, uint64_t epoch)
{
    text_training *t = self;
    return text_stepper_start_epoch(&t->steps, epoch);
}

static int step(void *self, size_t index, uint64_t number, double learning_rate)
{
    text_training *t = self;
    return text_stepper_step(&t->steps, index, number, learning_rate);
}

static size_t work(const void *self, size_t index)
{
    const text_training *t = self;
    return text_stepper_tokens(&t->steps, index);
}

static int read_figures(void *self, step_figures figures[TRAINING_BLOCK_MOST])
{
    text_training *t = self;
    return text_stepper_read(&t->steps, figures);
}

/* Judges the parameters of `set` on the development set. */
static int judge(text_training *t, const adcl_adapter_set *set, assessment *out)
{
    TRY(inference_run(&t->dev_inference, set, &t->dev.tokens, &t->dev.frozen, t->dev_logits,
                      "evaluating"));
    return assessment_judge(t->s, out, &t->dev.data, t->dev_logits);
}

static int evaluate(void *self, uint64_t epoch, evaluation *out)
{
    text_training *t = self;
    TRY(judge(t, t->model.set, &t->latest));
    t->latest_epoch = epoch;
    *out = assessment_figures(&t->latest, true, t->train.data.wants_matthews);
    return DONE;
}

static bool keeps_best(const text_training *t)
{
    return t->o->dev_path != NULL && strcmp(t->o->keep, "best") == 0;
}

static int save_set(text_training *t)
{
    session *s = t->s;
    TRY_DEVICE(s, adcl_adapter_set_save(s->ctx, t->model.set, t->loop.folder.path));
    return DONE;
}

static int keep(void *self)
{
    text_training *t = self;
    TRY(save_set(t));
    size_t cells = t->best.confusion.classes * t->best.confusion.classes;
    size_t *counts = t->best.confusion.counts;
    memcpy(counts, t->latest.confusion.counts, cells * sizeof *counts);
    t->best = t->latest;
    t->best.confusion.counts = counts;
    t->best_epoch = t->latest_epoch;
    return DONE;
}

/* ---- reporting -------------------------------------------------------------------------------*/

#define PAIRS_SAID 3

/* "most confused: banks taken for rivers (5), …" */
static void say_confused(const text_training *t)
{
    char text[512] = "";
    confused_pair pairs[PAIRS_SAID];
    if (t->latest.is_regression) return;
    size_t count = confusion_worst(&t->latest.confusion, pairs, PAIRS_SAID);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%.60s taken for %.60s (%zu)",
                 i > 0 ? ", " : "", t->classes.names[pairs[i].right],
                 t->classes.names[pairs[i].answer], pairs[i].count);
    }
    if (count > 0) session_note(t->s, "  most confused: %s", text);
}

static int write_report(text_training *t, const assessment *shown, uint64_t epoch)
{
    if (t->o->report_path == NULL) return DONE;
    traits list = {0};
    training_describe(&t->loop, &list);
    const text_report report = {
        .log_path = training_folder_path(&t->loop.folder, TRAINING_LOG),
        .title = t->loop.folder.path,
        .options = &list,
        .classes = &t->classes,
        .assessment = shown,
        .epoch = epoch,
        .steps_per_epoch = t->steps.steps_per_epoch,
    };
    return text_report_write(t->s, &report, t->o->report_path);
}

static int after_epoch(void *self)
{
    text_training *t = self;
    if (t->latest_epoch > 0) say_confused(t);
    return write_report(t, t->latest_epoch > 0 ? &t->latest : NULL, t->latest_epoch);
}

/* ---- what the result depends on --------------------------------------------------------------*/

static void describe_layers(const adcl_adapter_set_params *p, traits *list)
{
    char text[160] = "none";
    size_t length = 0;
    for (size_t i = 0; i < p->leave_out_count && length < sizeof text - 8; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%zu", i > 0 ? "," : "",
                                   p->leave_out[i]);
    traits_add(list, "leave-out", "%s", text);
}

static void describe_set(const adcl_adapter_set_params *p, traits *list)
{
    static const char *const kinds[] = {"", "learned ", "channel "};
    traits_add(list, "name", "%s", p->name != NULL ? p->name : "adapter");
    traits_add(list, "config", "%s%s%s%s", p->head_only ? "none" : "",
               p->attention_adapters ? "attention " : "", p->output_adapters ? "output " : "",
               p->parallel ? "parallel" : "");
    traits_add_float(list, "reduction-factor", p->reduction_factor);
    describe_layers(p, list);
    traits_add(list, "activation", "%s", adcl_activation_name(p->activation));
    traits_add(list, "init", "%s", adcl_init_name(p->init));
    traits_add(list, "scaling", "%s%g", kinds[p->scaling_kind], (double)p->scaling);
    traits_add_float(list, "dropout", p->dropout);
    traits_add(list, "pooling", "%s", p->pooling == ADCL_POOLING_MEAN ? "mean" : "cls");
    traits_add(list, "head-layers", "%zu", p->head_layers);
    traits_add_float(list, "head-dropout", p->head_dropout);
    traits_add(list, "train-layer-norms", "%s", p->train_layer_norms ? "yes" : "no");
}

static void describe(const void *self, traits *list)
{
    const text_training *t = self;
    const adcl_encoder *encoder = t->model.encoder;
    traits_add(list, "model", "%zu layers of %zu, digest %016llx", adcl_encoder_layers(encoder),
               adcl_encoder_hidden_size(encoder), (unsigned long long)t->model_digest);
    traits_add(list, "train", "%zu texts of %zu tokens, %zu outputs, digest %016llx",
               t->train.data.count, token_list_total(&t->train.tokens),
               text_model_labels(&t->model), (unsigned long long)t->train_digest);
    if (t->o->dev_path != NULL)
        traits_add(list, "dev", "%zu texts, digest %016llx", t->dev.data.count,
                   (unsigned long long)digest_set(&t->dev));
    traits_add(list, "keep", "%s", keeps_best(t) ? "best" : "last");
    traits_add(list, "patience", "%zu", t->o->training.patience);
    describe_set(adcl_adapter_set_describe(t->model.set), list);
    if (t->o->head_learning_rate > 0.0)
        traits_add_double(list, "head-lr", t->o->head_learning_rate);
    else
        traits_add(list, "head-lr", "that of --lr");
    traits_add(list, "model-dropout", "%s", t->o->model_dropout ? "yes" : "no");
    traits_add(list, "max-length", "%zu", t->model.max_length);
    traits_add(list, "tokens-per-pass", "%zu", t->o->tokens_per_pass);
    traits_add(list, "engine", "%s", adcl_engine_name(adcl_encoder_engine(encoder)));
}

/* ---- the end ---------------------------------------------------------------------------------*/

/* The parameters that lie in the folder, judged again: they were the best before this run. */
static int judge_saved(text_training *t)
{
    session *s = t->s;
    adcl_adapter_set *saved = NULL;
    TRY_DEVICE(s, adcl_adapter_set_load(&saved, s->ctx, t->model.encoder, t->loop.folder.path));
    int status = judge(t, saved, &t->best);
    adcl_adapter_set_destroy(&saved);
    t->best_epoch = t->loop.best.epoch;
    return status;
}

/* *out = what the parameters in the folder are worth. */
static int judge_result(text_training *t, const assessment **out, uint64_t *epoch)
{
    if (keeps_best(t)) {
        if (t->best_epoch == 0 || t->best_epoch != t->loop.best.epoch) TRY(judge_saved(t));
        *out = &t->best;
        *epoch = t->best_epoch;
        return DONE;
    }
    evaluation ignored;
    *epoch = training_epochs(&t->loop);
    *out = &t->latest;
    return t->latest_epoch == *epoch ? DONE : evaluate(t, *epoch, &ignored);
}

static int finish(text_training *t)
{
    const assessment *result = NULL;
    uint64_t epoch = training_epochs(&t->loop);
    if (!keeps_best(t)) TRY(save_set(t));
    if (t->o->dev_path != NULL) TRY(judge_result(t, &result, &epoch));
    TRY(write_report(t, result, epoch));
    session_note(t->s, "saved in %s: the parameters after epoch %llu", t->loop.folder.path,
                 (unsigned long long)epoch);
    if (result == NULL) return DONE;
    printf("%s %.4f\n", assessment_main_name(result), assessment_main(result));
    return DONE;
}

static int run(text_training *t)
{
    TRY(training_open(t->s, &t->loop, &t->o->training));
    TRY(read_data(t));
    /* From here on SIGINT waits for the next step, and so for a checkpoint. */
    interrupt_hold();
    TRY(prepare(t));
    const trainee subject = {
        .self = t,
        .unit = "tokens",
        .steps_per_epoch = t->steps.steps_per_epoch,
        .block_most = t->steps.block_most,
        .parameters = t->steps.parameters,
        .optimizer = t->steps.optimizer,
        .start_epoch = start_epoch,
        .step = step,
        .work = work,
        .read = read_figures,
        .evaluate = t->o->dev_path != NULL ? evaluate : NULL,
        .keep = keeps_best(t) ? keep : NULL,
        .after_epoch = after_epoch,
        .describe = describe,
    };
    TRY(training_run(&t->loop, &subject));
    return finish(t);
}

static void free_set(text_set *set)
{
    frozen_states_free(&set->frozen);
    token_list_free(&set->tokens);
    dataset_free(&set->data);
}

static void free_all(text_training *t)
{
    training_close(&t->loop);
    assessment_free(&t->best);
    assessment_free(&t->latest);
    free(t->dev_logits);
    inference_free(&t->dev_inference);
    text_stepper_free(&t->steps);
    free_set(&t->dev);
    free_set(&t->train);
    class_names_free(&t->classes);
    text_model_free(&t->model);
}

int text_training_run(session *s, const finetune_options *options)
{
    text_training t = {.s = s, .o = options};
    int status = run(&t);
    free_all(&t);
    return status;
}
