/* SPDX-License-Identifier: MIT */
/* predict.c – adapter-cl predict: what adapters and their head say of texts. */
#define _POSIX_C_SOURCE 200809L /* fileno */
#include "cli/answers.h"
#include "cli/inference.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/screen.h"
#include "cli/text_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct predict_options {
    const char *model_path;
    const char *folder_path;
    const char *format;
    text_input input;
    size_t max_length;
} predict_options;

typedef struct predicting {
    const predict_options *o;
    text_model model;
    class_names classes;
    answer_style style;
    dataset data; /* of --input */
    token_list tokens;
    inference passes;
    float *logits;   /* (texts of a call, C) */
    size_t answered; /* of the texts that come one by one */
    size_t cut;
} predicting;

static void predicting_free(predicting *p)
{
    free(p->logits);
    inference_free(&p->passes);
    token_list_free(&p->tokens);
    dataset_free(&p->data);
    class_names_free(&p->classes);
    text_model_free(&p->model);
}

static int make_logits(session *s, predicting *p, size_t count)
{
    void *memory;
    TRY(session_allocate(s, &memory, count, text_model_labels(&p->model), sizeof(float)));
    p->logits = memory;
    return DONE;
}

/* ---- a file ----------------------------------------------------------------------------------*/

static int answer_file(session *s, predicting *p)
{
    TRY(text_model_encode_dataset(s, &p->model, &p->tokens, &p->data));
    TRY(make_logits(s, p, p->data.count));
    TRY(inference_create(s, &p->passes, &p->model, &p->tokens, 0, NULL));
    TRY(inference_run(&p->passes, p->model.set, &p->tokens, NULL, p->logits, "predicting"));
    screen_clear();
    answers_begin(&p->style);
    for (size_t i = 0; i < p->data.count; i++) {
        const example *e = &p->data.examples[i];
        TRY(answer_print(s, &p->style, &e->text, p->data.has_pairs ? &e->pair : NULL,
                         p->logits + i * p->passes.cols));
    }
    return DONE;
}

/* ---- one text after another ------------------------------------------------------------------*/

static int answer(session *s, void *self, const char *bytes, size_t size, const char *what,
                  size_t number)
{
    predicting *p = self;
    typed_text typed = text_input_split(&p->o->input, bytes, size);
    const adcl_text_span *pair = typed.has_pair ? &typed.pair : NULL;
    token_list_clear(&p->tokens);
    TRY(text_model_encode(s, &p->model, &p->tokens, &typed.text, pair, what, number));
    TRY(inference_run(&p->passes, p->model.set, &p->tokens, NULL, p->logits, NULL));
    p->cut += p->tokens.cut;
    p->answered++;
    return answer_print(s, &p->style, &typed.text, pair, p->logits);
}

static int answer_texts(session *s, predicting *p)
{
    const text_input *input = &p->o->input;
    if (input->count == 0) {
        if (isatty(STDIN_FILENO) && screen_is_terminal())
            session_note(s, "type a text and press Enter; Ctrl-D ends");
        return lines_read(s, stdin, "standard input", answer, p);
    }
    for (size_t i = 0; i < input->count; i++)
        TRY(answer(s, p, input->texts[i], strlen(input->texts[i]), "text", i + 1));
    return DONE;
}

static int answer_one_by_one(session *s, predicting *p)
{
    TRY(make_logits(s, p, 1));
    TRY(inference_create_single(s, &p->passes, &p->model, NULL));
    answers_begin(&p->style);
    TRY(answer_texts(s, p));
    const token_list all = {.cut = p->cut, .count = p->answered};
    text_model_warn_of_cuts(s, &p->model, &all,
                            p->o->input.count > 0 ? "command line" : "standard input");
    return DONE;
}

/* ---- the command -----------------------------------------------------------------------------*/

static int predict(session *s, predicting *p, answer_format format)
{
    const predict_options *o = p->o;
    bool is_file = o->input.path != NULL;
    if (is_file) TRY(dataset_read(s, &p->data, o->input.path, false));
    TRY(text_model_load(s, &p->model, o->model_path, ADCL_INFERENCE, o->max_length));
    TRY(text_model_load_set(s, &p->model, o->folder_path));
    TRY(text_model_need_head(s, &p->model, o->folder_path));
    TRY(text_model_name_classes(s, &p->model, &p->classes));
    p->style = answer_style_for(format, &p->classes, text_model_is_regression(&p->model),
                                is_file ? p->data.has_pairs : o->input.pairs);
    return is_file ? answer_file(s, p) : answer_one_by_one(s, p);
}

static int run_predict(session *s, int argc, char **argv)
{
    predict_options o = {0};
    const option_spec specs[] = {
        {"model", 0, OPTION_TEXT, &o.model_path, "DIR", "the frozen model's folder (required)"},
        TEXT_INPUT_SPECS(o.input),
        {"output", 'o', OPTION_TEXT, &o.format, "NAME", "text, tsv or jsonl (default text)"},
        {"max-length", 0, OPTION_SIZE, &o.max_length, "L",
         "most tokens of a text (default: the model's positions)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    answer_format format;
    if (!options_parse(s, &predict_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    size_t count;
    char **texts = options_operands(argc, argv, &count);
    o.folder_path = operands[0];
    o.input.texts = texts + 1;
    o.input.count = count - 1;
    TRY(options_require(s, o.model_path != NULL, "--model"));
    TRY(text_input_check(s, &o.input));
    TRY(answer_format_of(s, o.format, &format));
    predicting p = {.o = &o};
    status = predict(s, &p, format);
    predicting_free(&p);
    return status;
}

const command_spec predict_command = {
    .name = "predict",
    .synopsis = "--model DIR FOLDER [TEXT ...] [--input F.tsv] [-o text|tsv|jsonl]",
    .summary = "classify texts with trained adapters",
    .description =
        "Prints a line for each TEXT, each line of F.tsv or, without either, each line of\n"
        "standard input, which is answered at once while the pipe stays open. FOLDER holds\n"
        "adapters and a head in AdapterHub's form. F.tsv has a header with text_a and, for pairs,\n"
        "text_b; a label's column is passed over. A TEXT that begins with - follows --.\n"
        "\n"
        "text: the class, its probability, the text. tsv: the same as a table. jsonl: an object "
        "of\n"
        "text, text_b, label, label_id, probability and the logits of all classes.",
    .examples = "  adapter-cl predict --model minilm run \"Where is my card?\"\n"
                "  adapter-cl predict --model minilm run --input questions.tsv -o jsonl\n"
                "  tail -f questions.txt | adapter-cl predict --model minilm run -o tsv",
    .least_operands = 1,
    .most_operands = OPERANDS_ANY,
    .run = run_predict,
};
