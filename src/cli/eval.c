/* SPDX-License-Identifier: MIT */
/* eval.c – adapter-cl eval: how good adapters are on labelled texts. */
#include "bench/clock.h"
#include "cli/assessment.h"
#include "cli/inference.h"
#include "cli/json.h"
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct eval_options {
    const char *model_path;
    const char *folder_path;
    const char *data_path;
    const char *format;
    size_t max_length;
} eval_options;

typedef struct evaluating {
    dataset data;
    text_model model;
    class_names classes;
    token_list tokens;
    inference passes;
    assessment result;
    float *logits; /* (N, C) */
    double seconds;
} evaluating;

static void evaluating_free(evaluating *g)
{
    free(g->logits);
    assessment_free(&g->result);
    inference_free(&g->passes);
    token_list_free(&g->tokens);
    class_names_free(&g->classes);
    text_model_free(&g->model);
    dataset_free(&g->data);
}

static int understand_labels(session *s, evaluating *g)
{
    if (text_model_is_regression(&g->model)) return dataset_read_targets(s, &g->data);
    TRY(text_model_name_classes(s, &g->model, &g->classes));
    return dataset_find_classes(s, &g->data, &g->classes);
}

static int compute(session *s, evaluating *g)
{
    void *memory;
    size_t outputs = text_model_labels(&g->model);
    TRY(session_allocate(s, &memory, g->data.count, outputs, sizeof(float)));
    g->logits = memory;
    TRY(assessment_create(s, &g->result, outputs));
    TRY(inference_create(s, &g->passes, &g->model, &g->tokens, 0, NULL));
    double start = clock_seconds();
    TRY(inference_run(&g->passes, g->model.set, &g->tokens, NULL, g->logits, "evaluating"));
    g->seconds = clock_seconds() - start;
    return assessment_judge(s, &g->result, &g->data, g->logits);
}

#define PAIRS_SAID 5

static void print_confused(const evaluating *g)
{
    confused_pair pairs[PAIRS_SAID];
    size_t count = confusion_worst(&g->result.confusion, pairs, PAIRS_SAID);
    for (size_t i = 0; i < count && !g->result.is_regression; i++)
        printf("confused           %zu times %s was taken for %s\n", pairs[i].count,
               g->classes.names[pairs[i].right], g->classes.names[pairs[i].answer]);
}

static int print_result(const session *s, const evaluating *g, bool as_json)
{
    evaluation e = assessment_figures(&g->result, false, false);
    double speed = (double)token_list_total(&g->tokens) / g->seconds;
    json_t *object = json_object();
    for (size_t i = 0; i < e.count; i++) {
        if (!as_json) printf("%-18s %.4f\n", e.scores[i].key, e.scores[i].value);
        json_object_set_new(object, e.scores[i].key, json_finite(e.scores[i].value));
    }
    json_object_set_new(object, "samples", json_integer((json_int_t)g->data.count));
    json_object_set_new(object, "seconds", json_finite(g->seconds));
    json_object_set_new(object, "tokens_per_second", json_finite(speed));
    if (as_json) return json_print(s, object);
    json_decref(object);
    printf("%-18s %zu\n%-18s %.2f\n%-18s %.0f\n", "samples", g->data.count, "seconds", g->seconds,
           "tokens_per_second", speed);
    print_confused(g);
    return DONE;
}

static int evaluate(session *s, evaluating *g, const eval_options *o, bool as_json)
{
    TRY(dataset_read(s, &g->data, o->data_path, true));
    TRY(text_model_load(s, &g->model, o->model_path, ADCL_INFERENCE, o->max_length));
    TRY(text_model_load_set(s, &g->model, o->folder_path));
    TRY(text_model_need_head(s, &g->model, o->folder_path));
    TRY(understand_labels(s, g));
    TRY(text_model_encode_dataset(s, &g->model, &g->tokens, &g->data));
    TRY(compute(s, g));
    return print_result(s, g, as_json);
}

static int run_eval(session *s, int argc, char **argv)
{
    eval_options o = {0};
    const option_spec specs[] = {
        {"model", 0, OPTION_TEXT, &o.model_path, "DIR", "the frozen model's folder (required)"},
        {"output", 'o', OPTION_TEXT, &o.format, "NAME", "text or json (default text)"},
        {"max-length", 0, OPTION_SIZE, &o.max_length, "L",
         "most tokens of a text (default: the model's positions)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    bool as_json;
    if (!options_parse(s, &eval_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    TRY(options_require(s, o.model_path != NULL, "--model"));
    TRY(options_text_or_json(s, o.format, &as_json));
    o.folder_path = operands[0];
    o.data_path = operands[1];
    evaluating g = {0};
    status = evaluate(s, &g, &o, as_json);
    evaluating_free(&g);
    return status;
}

const command_spec eval_command = {
    .name = "eval",
    .synopsis = "--model DIR FOLDER F.tsv [-o text|json]",
    .summary = "measure adapters on labelled texts",
    .description =
        "FOLDER holds adapters and a head in AdapterHub's form, by finetune or from elsewhere.\n"
        "Prints accuracy, Matthews' correlation coefficient, the mean F1 of the classes and which\n"
        "of them are confused most; for a regression Pearson, Spearman and the mean squared\n"
        "error. A label of F.tsv is a class's number or its name.",
    .examples = "  adapter-cl eval --model minilm run dev.tsv\n"
                "  adapter-cl eval --model minilm run dev.tsv -o json",
    .least_operands = 2,
    .most_operands = 2,
    .run = run_eval,
};
