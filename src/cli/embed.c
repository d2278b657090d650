/* SPDX-License-Identifier: MIT */
/* embed.c – adapter-cl embed: texts as vectors, the last hidden state of a model. */
#include "cli/inference.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/outputs.h"
#include "cli/screen.h"
#include "cli/text_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct embed_options {
    const char *model_path;
    const char *adapter_path; /* NULL: the model alone */
    const char *output_path;
    const char *pooling_name;
    text_input input;
    size_t max_length;
    int normalize;
    bool pools; /* false: every token's own state */
    adcl_pooling pooling;
} embed_options;

typedef struct embedding {
    const embed_options *o;
    dataset data;
    text_model model;
    token_list tokens;
    inference passes;
    float *values; /* (texts, D), or (tokens, D) */
} embedding;

static void embedding_free(embedding *e)
{
    free(e->values);
    inference_free(&e->passes);
    token_list_free(&e->tokens);
    text_model_free(&e->model);
    dataset_free(&e->data);
}

/* ---- texts -----------------------------------------------------------------------------------*/

static int add_text(session *s, void *self, const char *bytes, size_t size, const char *what,
                    size_t number)
{
    embedding *e = self;
    typed_text typed = text_input_split(&e->o->input, bytes, size);
    return text_model_encode(s, &e->model, &e->tokens, &typed.text,
                             typed.has_pair ? &typed.pair : NULL, what, number);
}

static int add_texts(session *s, embedding *e)
{
    const text_input *input = &e->o->input;
    if (input->path != NULL) return text_model_encode_dataset(s, &e->model, &e->tokens, &e->data);
    if (input->count == 0) TRY(lines_read(s, stdin, "standard input", add_text, e));
    for (size_t i = 0; i < input->count; i++)
        TRY(add_text(s, e, input->texts[i], strlen(input->texts[i]), "text", i + 1));
    text_model_warn_of_cuts(s, &e->model, &e->tokens,
                            input->count > 0 ? "command line" : "standard input");
    return DONE;
}

/* ---- vectors ---------------------------------------------------------------------------------*/

static int make_values(session *s, embedding *e, size_t rows)
{
    void *memory;
    TRY(session_allocate(s, &memory, rows, adcl_encoder_hidden_size(e->model.encoder),
                         sizeof(float)));
    e->values = memory;
    return DONE;
}

static int pool_texts(session *s, embedding *e)
{
    size_t shape[] = {e->tokens.count, adcl_encoder_hidden_size(e->model.encoder)};
    TRY(make_values(s, e, shape[0]));
    if (shape[0] > 0) {
        TRY(inference_create(s, &e->passes, &e->model, &e->tokens, 0, &e->o->pooling));
        e->passes.normalize = e->o->normalize;
        TRY(inference_run(&e->passes, e->model.set, &e->tokens, NULL, e->values, "embedding"));
    }
    screen_clear();
    return session_check(
        s, adcl_npy_save(e->o->output_path, ADCL_F32, 2, shape, e->values, &s->error));
}

/* The states of one text's tokens, as they are. */
static int keep_tokens(session *s, embedding *e)
{
    size_t shape[] = {token_list_total(&e->tokens), adcl_encoder_hidden_size(e->model.encoder)};
    if (e->tokens.count != 1)
        return session_fail(s, "option --pooling none: expected one text, got %zu",
                            e->tokens.count);
    TRY(make_values(s, e, shape[0]));
    TRY(inference_create(s, &e->passes, &e->model, &e->tokens, 0, &e->o->pooling));
    TRY(inference_states(&e->passes, e->model.set, &e->tokens, e->values));
    return session_check(
        s, adcl_npy_save(e->o->output_path, ADCL_F32, 2, shape, e->values, &s->error));
}

static int embed(session *s, embedding *e)
{
    const embed_options *o = e->o;
    if (o->input.path != NULL) TRY(dataset_read(s, &e->data, o->input.path, false));
    TRY(text_model_load(s, &e->model, o->model_path, ADCL_INFERENCE, o->max_length));
    if (o->adapter_path != NULL) TRY(text_model_load_set(s, &e->model, o->adapter_path));
    TRY(add_texts(s, e));
    return o->pools ? pool_texts(s, e) : keep_tokens(s, e);
}

/* ---- the command -----------------------------------------------------------------------------*/

static int read_pooling(const session *s, embed_options *o)
{
    const char *name = o->pooling_name != NULL ? o->pooling_name : "mean";
    o->pools = strcmp(name, "none") != 0;
    o->pooling = strcmp(name, "cls") == 0 ? ADCL_POOLING_CLS : ADCL_POOLING_MEAN;
    if (!o->pools && o->normalize)
        return session_misused(s, "--normalize: is for pooled vectors, and --pooling none asks for "
                                  "none");
    if (!o->pools || strcmp(name, "cls") == 0 || strcmp(name, "mean") == 0) return DONE;
    return session_misused(s, "option --pooling: expected mean, cls or none, got \"%s\"", name);
}

static int run_embed(session *s, int argc, char **argv)
{
    embed_options o = {0};
    const option_spec specs[] = {
        {"model", 0, OPTION_TEXT, &o.model_path, "DIR", "the model's folder (required)"},
        {"adapter", 0, OPTION_TEXT, &o.adapter_path, "FOLDER", "adapters in it"},
        TEXT_INPUT_SPECS(o.input),
        {"pooling", 0, OPTION_TEXT, &o.pooling_name, "NAME",
         "mean, cls: the first token, or none: all tokens (default mean)"},
        {"normalize", 0, OPTION_FLAG, &o.normalize, NULL, "make vectors of length 1"},
        {"output", 'o', OPTION_TEXT, &o.output_path, "E.npy", "the vectors (required)"},
        {"max-length", 0, OPTION_SIZE, &o.max_length, "L",
         "most tokens of a text (default: the model's positions)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &embed_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    o.input.texts = options_operands(argc, argv, &o.input.count);
    TRY(options_require(s, o.model_path != NULL, "--model"));
    TRY(options_require(s, o.output_path != NULL, "-o"));
    TRY(text_input_check(s, &o.input));
    TRY(read_pooling(s, &o));
    TRY(output_check(s, o.output_path));
    embedding e = {.o = &o};
    status = embed(s, &e);
    embedding_free(&e);
    return status;
}

const command_spec embed_command = {
    .name = "embed",
    .synopsis = "--model DIR [--adapter FOLDER] [TEXT ...] [--input F.tsv] -o E.npy",
    .summary = "turn texts into vectors",
    .description =
        "Writes the last hidden state of each text, the mean over its tokens ([CLS] and [SEP]\n"
        "among them) unless --pooling says otherwise: (texts, D), f4. With --pooling none the\n"
        "states of one text's tokens: (tokens, D). Texts are each TEXT, each line of F.tsv or,\n"
        "without either, each line of standard input.",
    .examples = "  adapter-cl embed --model minilm --normalize \"Where is my card?\" -o e.npy\n"
                "  adapter-cl embed --model minilm --adapter run --input texts.tsv -o e.npy\n"
                "  adapter-cl embed --model minilm --pooling none \"a text\" -o tokens.npy",
    .most_operands = OPERANDS_ANY,
    .run = run_embed,
};
