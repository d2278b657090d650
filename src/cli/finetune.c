/* SPDX-License-Identifier: MIT */
/* finetune.c – adapter-cl finetune: the command line of a training on texts. */
#include "cli/options.h"
#include "cli/outputs.h"
#include "cli/set_options.h"
#include "cli/text_training.h"

#include <string.h>

/* ---- the command -----------------------------------------------------------------------------*/

static int check_usage(const session *s, const finetune_options *o)
{
    TRY(options_require(s, o->model_path != NULL, "--model"));
    TRY(options_require(s, o->train_path != NULL, "--train"));
    if (strcmp(o->keep, "best") != 0 && strcmp(o->keep, "last") != 0)
        return session_misused(s, "option --keep: expected best or last, got \"%s\"", o->keep);
    if (o->model_dropout && strcmp(o->cache_frozen, "auto") != 0 &&
        strcmp(o->cache_frozen, "off") != 0)
        return session_misused(s, "--model-dropout and --cache-frozen contradict each other: what "
                                  "drops out is never twice the same");
    if (o->training.patience > 0 && o->dev_path == NULL)
        return session_misused(s, "--patience: needs --dev to see progress with");
    return DONE;
}

static int run_finetune(session *s, int argc, char **argv)
{
    finetune_options o = {
        .training = TRAINING_OPTIONS_INIT,
        .cache_frozen = "auto",
        .keep = "best",
        .tokens_per_pass = 2048,
    };
    o.training.optimizer_name = "adamw";
    o.training.epochs = 4;
    o.training.learning_rate = 2e-3;
    o.training.warmup = 0.1;
    o.training.clip = 1.0;
    o.training.checkpoint_seconds = 60.0;
    set_options set = SET_OPTIONS_INIT;
    const option_spec specs[] = {
        {"model", 0, OPTION_TEXT, &o.model_path, "DIR", "the frozen model's folder (required)"},
        {"train", 0, OPTION_TEXT, &o.train_path, "F.tsv", "labelled texts (required)"},
        {"dev", 0, OPTION_TEXT, &o.dev_path, "F.tsv", "others, evaluated after each epoch"},
        SET_PLACE_SPECS(set),
        {"activation", 0, OPTION_TEXT, &set.activation, "NAME",
         "of the adapters (default: the config's)"},
        {"scaling", 0, OPTION_TEXT, &set.scaling, "F",
         "of the adapters' output: a number, learned or channel"},
        {"init", 0, OPTION_TEXT, &set.init, "NAME",
         "identity, houlsby, houlsby_paper, bert or mam (default: the config's)"},
        {"name", 0, OPTION_TEXT, &set.name, "NAME", "the adapters' name (default adapter)"},
        {"pooling", 0, OPTION_TEXT, &set.pooling, "NAME",
         "what the head sees: cls, as AdapterHub's, or mean (default cls)"},
        {"head-layers", 0, OPTION_SIZE, &set.head_layers, "N",
         "1, or 2 with tanh between (default 2 for cls, 1 for mean)"},
        {"head-dropout", 0, OPTION_NUMBER, &set.head_dropout, "P", "of the head (default 0)"},
        {"head-lr", 0, OPTION_POSITIVE, &o.head_learning_rate, "LR",
         "learning rate of the head (default: that of --lr)"},
        {"train-layer-norms", 0, OPTION_FLAG, &set.train_layer_norms, NULL,
         "train the model's layer norms too, as Houlsby et al."},
        {"model-dropout", 0, OPTION_FLAG, &o.model_dropout, NULL,
         "the frozen model drops out too, as config.json says"},
        {"recompute", 0, OPTION_FLAG, &o.recompute, NULL,
         "less memory: each layer is run again for backward"},
        {"max-length", 0, OPTION_SIZE, &o.max_length, "L",
         "most tokens of a text (default: the model's positions)"},
        {"regression", 0, OPTION_FLAG, &o.is_regression, NULL, "labels are numbers to come near"},
        {"cache-frozen", 0, OPTION_TEXT, &o.cache_frozen, "WHERE",
         "frozen states: auto, memory, off or a file (default auto)"},
        {"tokens-per-pass", 0, OPTION_SIZE, &o.tokens_per_pass, "T",
         "a batch with more takes several passes (default 2048)"},
        {"patience", 0, OPTION_SIZE, &o.training.patience, "E",
         "stop after so many epochs without progress on --dev"},
        {"keep", 0, OPTION_TEXT, &o.keep, "WHICH",
         "parameters: of the best epoch on --dev, or of the last (default best)"},
        {"report", 0, OPTION_TEXT, &o.report_path, "FILE.html", "a page with learning curves"},
        TRAINING_OPTION_SPECS(o.training, "texts", "4", "2e-3", "adamw", "0.1", "1"),
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &finetune_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    TRY(check_usage(s, &o));
    TRY(training_options_read(s, &o.training));
    if (o.model_dropout) o.cache_frozen = "off";
    if (o.report_path != NULL) TRY(output_check(s, o.report_path));
    TRY(set_options_read(s, &set, &o.set));
    return text_training_run(s, &o);
}

const command_spec finetune_command = {
    .name = "finetune",
    .synopsis = "--model DIR --train F.tsv [--dev F.tsv] [OPTION ...] -o FOLDER",
    .summary = "train adapters in a frozen language model on labelled texts",
    .description =
        "DIR is a BERT-like model in Hugging Face's form: config.json, vocab.txt and\n"
        "model.safetensors. It stays as it is; adapters between its layers and a head learn to\n"
        "tell the classes of F.tsv: a header label<TAB>text_a[<TAB>text_b], then a line for each\n"
        "text (or pair). meta.json beside it may name the classes.\n"
        "\n"
        "FOLDER receives the adapters and the head in AdapterHub's form, log.jsonl and\n"
        "checkpoint.safetensors. With --dev each epoch is evaluated, the adapters of the best one\n"
        "are kept, and the last line on standard output is their accuracy.\n"
        "\n"
        "The state is saved at the end of each epoch, every minute, and when SIGINT (Ctrl-C)\n"
        "comes. The same command with --resume continues, and ends with the same bits as a\n"
        "training that was never stopped.",
    .examples =
        "  adapter-cl finetune --model minilm --train train.tsv --dev dev.tsv -o run\n"
        "  adapter-cl finetune --model minilm --train train.tsv --dev dev.tsv --epochs 20 \\\n"
        "      --patience 3 --report run.html -o run\n"
        "  adapter-cl finetune --model minilm --train train.tsv --config pfeiffer \\\n"
        "      --leave-out 0-3 --batch 16 --lr 5e-4 -o top\n"
        "  adapter-cl finetune --model minilm --train train.tsv --dev dev.tsv -o run --resume",
    .run = run_finetune,
};
