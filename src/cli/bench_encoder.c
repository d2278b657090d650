/* SPDX-License-Identifier: MIT */
#include "cli/bench_encoder.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Classes of the head; the texts' own labels do not matter for speed. */
#define LABELS 6

/* Passes that are of single sequences: a person or a program waits for an answer. */
#define PASSES_OF_ONE (BENCH_PASS_BIT(BENCH_LATENCY) | BENCH_PASSES_START)

/* ---- the subject -----------------------------------------------------------------------------*/

static adcl_status run(void *self, adcl_context *ctx, bench_shape *shape, adcl_engine engine,
                       bench_row rows[BENCH_PASS_COUNT], size_t *count, adcl_error *error)
{
    bench_encoder_job *job = self;
    return bench_encoder_run(&job->level, ctx, shape, engine, rows, count, error);
}

static void leave(void *self)
{
    bench_encoder_job *job = self;
    bench_encoder_leave(&job->level);
}

static void describe_start(const void *self, const bench_shape *shape, bench_arguments *out)
{
    const bench_encoder_job *job = self;
    const set_options *set = &job->options->set;
    bench_arguments_add(out, "--model=%s", job->options->model_path);
    bench_arguments_add(out, "--sizes=%zux%zu", shape->load.sequences, shape->load.length);
    bench_arguments_add(out, "--config=%s", set->config);
    if (set->reduction_factor > 0.0)
        bench_arguments_add(out, "--reduction-factor=%.9g", set->reduction_factor);
    if (set->leave_out != NULL) bench_arguments_add(out, "--leave-out=%s", set->leave_out);
}

static const bench_start_kind starts[] = {
    {"first-answer", BENCH_START_COLD, BENCH_START_WARM},
    {"first-step", BENCH_FIRST_STEP_COLD, BENCH_FIRST_STEP_WARM},
    {.work = NULL},
};

/* ---- shapes ----------------------------------------------------------------------------------*/

static int add_shape(session *s, const bench_encoder_job *job, const bench_load *load,
                     unsigned passes, bench_shapes *shapes)
{
    bench_shape shape = {.passes = passes,
                         .level = BENCH_ENCODER,
                         .model = &job->level.model,
                         .load = *load};
    if (load->sequences > 1 || load->length == 0) shape.passes &= ~PASSES_OF_ONE;
    TRY_HOST(s, bench_shapes_add(shapes, &shape, &s->error));
    return DONE;
}

/* "32x16" at *text, which moves behind it. */
static bool read_size(const char **text, bench_load *load)
{
    char *end;
    if (!isdigit((unsigned char)**text)) return false;
    load->sequences = strtoul(*text, &end, 10);
    if (*end != 'x' || !isdigit((unsigned char)end[1])) return false;
    load->length = strtoul(end + 1, &end, 10);
    *text = end;
    return load->sequences > 0 && load->sequences < 1u << 20 && load->length > 0 &&
           load->length < 1u << 20;
}

static int add_sizes(session *s, const bench_encoder_job *job, unsigned passes,
                     bench_shapes *shapes)
{
    const char *rest = job->options->sizes;
    if (strcmp(rest, "none") == 0) {
        if (job->options->input_path != NULL) return DONE;
        return session_misused(s, "option --sizes: none leaves nothing to measure without --input");
    }
    for (;; rest++) {
        bench_load load = {.batches = 1};
        if (!read_size(&rest, &load) || (*rest != ',' && *rest != '\0'))
            return session_misused(s, "option --sizes: expected sequences x tokens such as "
                                      "1x16,32x64, got \"%s\"",
                                   job->options->sizes);
        TRY(add_shape(s, job, &load, passes, shapes));
        if (*rest == '\0') return DONE;
    }
}

/* ---- texts -----------------------------------------------------------------------------------*/

static int read_texts(session *s, bench_encoder_job *job)
{
    const bench_encoder_options *o = job->options;
    text_model *m = &job->tokenizing;
    TRY(dataset_read(s, &job->data, o->input_path, false));
    m->max_length = o->max_length;
    TRY_HOST(s, adcl_tokenizer_load(&m->tokenizer, o->model_path, &s->error));
    TRY_HOST(s, adcl_encoding_create(&m->encoding, &s->error));
    TRY(text_model_encode_dataset(s, m, &job->tokens, &job->data));
    job->texts = (bench_texts){.count = job->tokens.count,
                               .starts = job->tokens.starts,
                               .ids = job->tokens.ids,
                               .longest = job->tokens.longest};
    job->level.texts = &job->texts;
    return DONE;
}

static int add_texts(session *s, bench_encoder_job *job, unsigned passes, bench_shapes *shapes)
{
    const bench_encoder_options *o = job->options;
    if (o->input_path == NULL) return DONE;
    TRY(read_texts(s, job));
    size_t count = job->texts.count;
    size_t sequences = o->batch < count ? o->batch : count;
    size_t batches = o->batches < count / sequences ? o->batches : count / sequences;
    const bench_load load = {.sequences = sequences, .batches = batches, .sorted = o->sorted};
    return add_shape(s, job, &load, passes, shapes);
}

/* ---- the level -------------------------------------------------------------------------------*/

/* The last part of a path, for the reports. */
static void name_model(const char *path, char *name, size_t size)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    size_t first = length;
    while (first > 0 && path[first - 1] != '/') first--;
    snprintf(name, size, "%.*s", (int)(length - first), path + first);
}

static int open_job(session *s, bench_encoder_job *out, bench_encoder_options *options)
{
    *out = (bench_encoder_job){.options = options};
    if (options->model_path == NULL) return session_misused(s, "option --model is missing");
    TRY(set_options_read(s, &options->set, &out->set));
    out->set.labels = LABELS;
    out->set.seed = s->common.seed;
    out->level.folder = options->model_path;
    out->level.set = &out->set;
    out->level.seed = s->common.seed;
    name_model(options->model_path, out->level.model.name, sizeof out->level.model.name);
    snprintf(out->level.model.config, sizeof out->level.model.config, "%s", options->set.config);
    out->subject = (bench_subject){.level = BENCH_ENCODER,
                                   .run = run,
                                   .leave = leave,
                                   .starts = starts,
                                   .describe_start = describe_start,
                                   .self = out};
    return DONE;
}

int bench_encoder_prepare(session *s, bench_encoder_job *out, bench_encoder_options *options,
                          unsigned passes, bench_shapes *shapes)
{
    TRY(open_job(s, out, options));
    TRY(add_sizes(s, out, passes, shapes));
    return add_texts(s, out, passes, shapes);
}

void bench_encoder_job_free(bench_encoder_job *job)
{
    token_list_free(&job->tokens);
    dataset_free(&job->data);
    text_model_free(&job->tokenizing);
}

/* ---- a start ---------------------------------------------------------------------------------*/

static int run_first(session *s, bench_encoder_job *job, const bench_shape *shape,
                     adcl_engine engine, bench_pass pass)
{
    const char *taken = NULL;
    TRY(session_open(s, TALK_ALWAYS));
    adcl_status status =
        bench_encoder_run_once(&job->level, s->ctx, shape, engine, pass, &taken, &s->error);
    if (status == ADCL_OK) {
        printf("%s\n", taken);
        fflush(stdout);
    }
    bench_encoder_leave(&job->level);
    return session_check(s, status);
}

int bench_encoder_run_first(session *s, bench_encoder_options *options, adcl_engine engine,
                            bench_pass pass)
{
    bench_encoder_job job;
    bench_shapes shapes = {0};
    int status = open_job(s, &job, options);
    if (status == DONE) status = add_sizes(s, &job, 0, &shapes);
    if (status == DONE && shapes.count == 0)
        status = session_misused(s, "option --sizes: expected a size such as 1x16, got none");
    if (status == DONE) status = run_first(s, &job, &shapes.items[0], engine, pass);
    bench_shapes_free(&shapes);
    bench_encoder_job_free(&job);
    return status;
}
