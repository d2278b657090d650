/* SPDX-License-Identifier: MIT */
/* train.c – adapter-cl train: the command line of a training. */
#include "cli/feature_training.h"
#include "cli/options.h"

#include <stddef.h>

/* What is missing, and what contradicts itself. */
static int check_usage(const session *s, const train_options *o)
{
    TRY(options_require(s, o->train[0] != NULL, "--train"));
    if (o->head_only && o->adapter_path != NULL)
        return session_misused(s, "--head-only and --adapter contradict each other");
    if (o->adapter_path != NULL && (o->adapter.init != NULL || o->adapter.scaling != 1.0))
        return session_misused(s, "--adapter: --init and --scaling are for new adapters");
    return DONE;
}

static int run_train(session *s, int argc, char **argv)
{
    train_options o = {.training = TRAINING_OPTIONS_INIT, .adapter = NEW_ADAPTER_OPTIONS_INIT};
    const option_spec specs[] = {
        {"train", 0, OPTION_PAIR, o.train, "X.npy L.npy", "features and classes (required)"},
        {"test", 0, OPTION_PAIR, o.test, "X.npy L.npy", "evaluated after each epoch"},
        {"head-only", 0, OPTION_FLAG, &o.head_only, NULL, "leave the adapter out"},
        {"adapter", 0, OPTION_TEXT, &o.adapter_path, "FILE", "go on from this adapter"},
        NEW_ADAPTER_OPTION_SPECS(o.adapter),
        {"cast", 0, OPTION_FLAG, &o.cast, NULL, "take f8 and integers too, rounded to f4"},
        TRAINING_OPTION_SPECS(o.training, "rows", "20", "1e-3", "adam", "0", "0"),
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &train_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    TRY(check_usage(s, &o));
    TRY(training_options_read(s, &o.training));
    return feature_training_run(s, &o);
}

const command_spec train_command = {
    .name = "train",
    .synopsis = "--train X.npy L.npy [--test X.npy L.npy] [OPTION ...] -o FOLDER",
    .summary = "train an adapter and a classifier on features",
    .description =
        "An adapter and a linear softmax head learn together from features X (N, D) and their\n"
        "classes L (N), integers from 0. FOLDER receives adapter.safetensors, head.safetensors,\n"
        "log.jsonl, checkpoint.safetensors and, with --test, test_logits.npy; the last line on\n"
        "standard output is then the accuracy of the final parameters.\n"
        "\n"
        "The state is saved at the end of each epoch, every --checkpoint-every steps, and when\n"
        "SIGINT (Ctrl-C) comes. The same command with --resume continues, and ends with the same\n"
        "bits as a training that was never stopped.",
    .examples =
        "  adapter-cl train --train x.npy y.npy --test tx.npy ty.npy -o run\n"
        "  adapter-cl train --train x.npy y.npy --head-only --lr 3e-3 -o head\n"
        "  adapter-cl train --train x.npy y.npy --bottleneck 16 --dropout 0.1 --warmup 0.1 \\\n"
        "      --optimizer adamw --weight-decay 0.01 --schedule cosine --clip 1 -o run\n"
        "  adapter-cl train --train x.npy y.npy -o run --resume",
    .run = run_train,
};
