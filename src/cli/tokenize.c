/* SPDX-License-Identifier: MIT */
/* tokenize.c – adapter-cl tokenize: what a model's tokenizer makes of texts. */
#include "cli/json.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/text_input.h"

#include <errno.h>
#include <string.h>

typedef enum result_format { FORMAT_JSON, FORMAT_IDS, FORMAT_TOKENS } result_format;

typedef struct tokenize_options {
    const char *model_path;
    const char *input_path; /* NULL: texts on the command line, else lines of standard input */
    const char *format;
    size_t max_length; /* 0: no bound */
    int pairs;
} tokenize_options;

typedef struct tokenizing {
    const tokenize_options *options;
    result_format format;
    adcl_tokenizer *tokenizer;
    adcl_encoding *encoding;
} tokenizing;

/* One input. */
typedef struct input {
    typed_text what;
    size_t max_length;
} input;

/* ---- results ---------------------------------------------------------------------------------*/

static json_t *describe_ids(const int32_t *ids, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(array, json_integer(ids[i]));
    return array;
}

static json_t *describe_tokens(const tokenizing *t)
{
    json_t *array = json_array();
    for (size_t i = 0; i < adcl_encoding_count(t->encoding); i++) {
        int32_t id = adcl_encoding_ids(t->encoding)[i];
        json_array_append_new(array, json_string(adcl_tokenizer_token(t->tokenizer, id)));
    }
    return array;
}

static void print_plainly(const tokenizing *t)
{
    size_t count = adcl_encoding_count(t->encoding);
    const int32_t *ids = adcl_encoding_ids(t->encoding);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) putchar(' ');
        if (t->format == FORMAT_IDS)
            printf("%d", ids[i]);
        else
            fputs(adcl_tokenizer_token(t->tokenizer, ids[i]), stdout);
    }
    putchar('\n');
}

static int print_result(const session *s, const tokenizing *t)
{
    if (t->format != FORMAT_JSON) {
        print_plainly(t);
        return DONE;
    }
    size_t count = adcl_encoding_count(t->encoding);
    return json_print_line(
        s, json_pack("{s:o, s:o, s:o}",
                     "ids", describe_ids(adcl_encoding_ids(t->encoding), count),
                     "type_ids", describe_ids(adcl_encoding_type_ids(t->encoding), count),
                     "tokens", describe_tokens(t)));
}

/* Encodes and prints; `what` and `number` say which input it is, where it cannot be encoded. */
static int tokenize_input(session *s, tokenizing *t, const input *in, const char *what,
                          size_t number)
{
    adcl_status status =
        adcl_tokenizer_encode(t->tokenizer, t->encoding, &in->what.text,
                              in->what.has_pair ? &in->what.pair : NULL,
                              in->max_length, &s->error);
    if (status != ADCL_OK) return session_fail(s, "%s %zu: %s", what, number, s->error.message);
    return print_result(s, t);
}

/* A text as people type it, with --pairs the pair behind a tab. */
static int tokenize_typed(session *s, void *self, const char *bytes, size_t size, const char *what,
                          size_t number)
{
    tokenizing *t = self;
    const text_input typed = {.pairs = t->options->pairs};
    input in = {.what = text_input_split(&typed, bytes, size),
                .max_length = t->options->max_length};
    return tokenize_input(s, t, &in, what, number);
}

/* ---- lines of JSON ---------------------------------------------------------------------------*/

/* *span = the string of a key; false where it is something else. */
static bool read_string(const json_t *value, adcl_text_span *span)
{
    *span = (adcl_text_span){json_string_value(value), json_string_length(value)};
    return json_is_string(value);
}

static int read_object(const session *s, const json_t *object, const char *what, size_t number,
                       input *in)
{
    const json_t *pair = json_object_get(object, "pair");
    const json_t *most = json_object_get(object, "max_length");
    if (!read_string(json_object_get(object, "text"), &in->what.text))
        return session_fail(s, "%s %zu: expected an object with a string \"text\"", what, number);
    in->what.has_pair = pair != NULL && !json_is_null(pair);
    if (in->what.has_pair && !read_string(pair, &in->what.pair))
        return session_fail(s, "%s %zu: \"pair\": expected a string", what, number);
    if (most == NULL || json_is_null(most)) return DONE;
    if (!json_is_integer(most) || json_integer_value(most) < 1)
        return session_fail(s, "%s %zu: \"max_length\": expected a whole number of at least 1",
                            what, number);
    in->max_length = (size_t)json_integer_value(most);
    return DONE;
}

static int tokenize_json(session *s, void *self, const char *line, size_t size, const char *what,
                         size_t number)
{
    tokenizing *t = self;
    json_error_t why;
    json_t *object = json_loadb(line, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    if (object == NULL)
        return session_fail(s, "%s %zu: expected JSON, got at byte %d: %s", what, number,
                            why.position, why.text);
    input in = {.max_length = t->options->max_length};
    int status = read_object(s, object, what, number, &in);
    if (status == DONE) status = tokenize_input(s, t, &in, what, number);
    json_decref(object);
    return status;
}

/* ---- sources ---------------------------------------------------------------------------------*/

static int tokenize_file(session *s, tokenizing *t)
{
    const char *path = t->options->input_path;
    if (strcmp(path, "-") == 0) return lines_read(s, stdin, "standard input", tokenize_json, t);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return session_fail(s, "%s: cannot be opened: %s", path, strerror(errno));
    int status = lines_read(s, file, path, tokenize_json, t);
    fclose(file);
    return status;
}

/* ---- the command -----------------------------------------------------------------------------*/

static int tokenize(session *s, tokenizing *t, char **texts, size_t count)
{
    TRY_HOST(s, adcl_tokenizer_load(&t->tokenizer, t->options->model_path, &s->error));
    TRY_HOST(s, adcl_encoding_create(&t->encoding, &s->error));
    if (t->options->input_path != NULL) return tokenize_file(s, t);
    if (count == 0) return lines_read(s, stdin, "standard input", tokenize_typed, t);
    for (size_t i = 0; i < count; i++)
        TRY(tokenize_typed(s, t, texts[i], strlen(texts[i]), "text", i + 1));
    return DONE;
}

static int find_format(const session *s, const char *name, result_format *format)
{
    static const char *const names[] = {
        [FORMAT_JSON] = "json", [FORMAT_IDS] = "ids", [FORMAT_TOKENS] = "tokens"};
    *format = FORMAT_JSON;
    if (name == NULL) return DONE;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *format = (result_format)i;
            return DONE;
        }
    return session_misused(s, "option --format: expected json, ids or tokens, got \"%s\"", name);
}

static int run_tokenize(session *s, int argc, char **argv)
{
    tokenize_options o = {0};
    const option_spec specs[] = {
        {"model", 0, OPTION_TEXT, &o.model_path, "DIR", "folder with vocab.txt (required)"},
        {"input", 0, OPTION_TEXT, &o.input_path, "F.jsonl",
         "lines with text and maybe pair and max_length (-: standard input)"},
        {"max-length", 0, OPTION_SIZE, &o.max_length, "L",
         "most tokens of an input (default: no bound)"},
        {"pairs", 0, OPTION_FLAG, &o.pairs, NULL, "a tab in a text or line begins its pair"},
        {"format", 0, OPTION_TEXT, &o.format, "NAME", "json, ids or tokens (default json)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &tokenize_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    size_t count;
    char **texts = options_operands(argc, argv, &count);
    TRY(options_require(s, o.model_path != NULL, "--model"));
    if (o.input_path != NULL && count > 0)
        return session_misused(s, "expected texts or --input, got both");
    tokenizing t = {.options = &o};
    TRY(find_format(s, o.format, &t.format));
    status = tokenize(s, &t, texts, count);
    adcl_encoding_destroy(&t.encoding);
    adcl_tokenizer_destroy(&t.tokenizer);
    return status;
}

const command_spec tokenize_command = {
    .name = "tokenize",
    .synopsis = "--model DIR [TEXT ...] [--input F.jsonl] [--max-length L]",
    .summary = "show the tokens that a model's tokenizer makes of texts",
    .description =
        "Prints a line for each TEXT, each line of F.jsonl or, without either, each line of\n"
        "standard input, which is answered at once: a JSON object of ids, type_ids and tokens.\n"
        "DIR is a model's folder; vocab.txt is all that it must hold.",
    .examples = "  adapter-cl tokenize --model minilm \"Where is my card?\"\n"
                "  adapter-cl tokenize --model minilm --format tokens < sentences.txt\n"
                "  adapter-cl tokenize --model minilm --input pairs.jsonl --max-length 128",
    .most_operands = OPERANDS_ANY,
    .run = run_tokenize,
};
