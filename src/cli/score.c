/* SPDX-License-Identifier: MIT */
/* score.c – adapter-cl score: what a trained classifier says of features. */
#include "cli/classifier.h"
#include "cli/interrupt.h"
#include "cli/metrics.h"
#include "cli/options.h"
#include "cli/outputs.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct score_options {
    const char *folder_path;
    const char *x_path;
    const char *labels_path; /* NULL: no accuracy */
    const char *output_path;
    int logits;
    int cast;
} score_options;

typedef struct scoring {
    training_folder folder;
    classifier model;
    array x;       /* (N, D) */
    labels l;      /* (N) */
    float *logits; /* (N, C) */
} scoring;

static void scoring_free(scoring *g)
{
    free(g->logits);
    labels_free(&g->l);
    array_free(&g->x);
    classifier_free(&g->model);
    training_folder_close(&g->folder);
}

static int save_logits(session *s, const scoring *g, const char *path)
{
    size_t shape[] = {g->x.rows, g->model.classes};
    return session_check(s, adcl_npy_save(path, ADCL_F32, 2, shape, g->logits, &s->error));
}

static int save_classes(session *s, const scoring *g, const char *path)
{
    void *memory;
    TRY(session_allocate(s, &memory, g->x.rows, 1, sizeof(int32_t)));
    int32_t *classes = memory;
    for (size_t i = 0; i < g->x.rows; i++)
        classes[i] = largest_logit(g->logits + i * g->model.classes, g->model.classes);
    int status = session_check(s, adcl_npy_save(path, ADCL_I32, 1, &g->x.rows, classes, &s->error));
    free(memory);
    return status;
}

static int score(session *s, scoring *g, const score_options *o)
{
    TRY(training_folder_open(s, &g->folder, o->folder_path));
    TRY(features_load(s, &g->x, o->x_path, o->cast));
    if (o->labels_path != NULL) TRY(labels_load(s, &g->l, o->labels_path, &g->x));
    TRY(session_open(s, TALK_WARNINGS));
    TRY(classifier_load(s, &g->model, &g->folder));
    if (g->x.cols != g->model.hidden_size)
        return session_fail(s, "%s: expected %zu columns, as %s was trained with, got %zu",
                            o->x_path, g->model.hidden_size, o->folder_path, g->x.cols);
    TRY(labels_check_classes(s, &g->l, g->model.classes));
    void *memory;
    TRY(session_allocate(s, &memory, g->x.rows, g->model.classes, sizeof(float)));
    g->logits = memory;
    TRY(classifier_evaluate(s, &g->model, &g->x, g->logits));
    interrupt_hold();
    TRY(o->logits ? save_logits(s, g, o->output_path) : save_classes(s, g, o->output_path));
    if (g->l.count > 0)
        printf("accuracy %.4f\n", classifier_accuracy(g->logits, &g->l, g->model.classes));
    return DONE;
}

static int run_score(session *s, int argc, char **argv)
{
    score_options o = {0};
    const option_spec specs[] = {
        {"output", 'o', OPTION_TEXT, &o.output_path, "P.npy", "the result (required)"},
        {"logits", 0, OPTION_FLAG, &o.logits, NULL, "write logits (N, C) instead of classes (N)"},
        {"cast", 0, OPTION_FLAG, &o.cast, NULL, "take f8 and integers too, rounded to f4"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &score_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    o.folder_path = operands[0];
    o.x_path = operands[1];
    o.labels_path = operands[2];
    TRY(options_require(s, o.output_path != NULL, "-o"));
    TRY(output_check(s, o.output_path));
    scoring g = {0};
    status = score(s, &g, &o);
    scoring_free(&g);
    return status;
}

const command_spec score_command = {
    .name = "score",
    .synopsis = "FOLDER X.npy [L.npy] -o P.npy [--logits]",
    .summary = "classify features with what train has made",
    .description =
        "Writes the class of each row of X (int32), or with --logits all logits (f4). When the\n"
        "right classes L are given, prints the accuracy. On the same device, driver and engine\n"
        "the logits are, to the bit, those that train evaluated.",
    .examples = "  adapter-cl score run test_x.npy -o classes.npy\n"
                "  adapter-cl score run test_x.npy test_y.npy --logits -o logits.npy",
    .least_operands = 2,
    .most_operands = 3,
    .run = run_score,
};
