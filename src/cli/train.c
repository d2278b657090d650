/* SPDX-License-Identifier: MIT */
/* train.c – adapter-cl train: the command line of a training. */
#include "cli/options.h"
#include "cli/training.h"

#include <stddef.h>

/* The text and the numbers that become members of train_options when all is read. */
typedef struct raw_options {
    const char *schedule;
    const char *optimizer;
    double momentum;
    double beta1;
    double beta2;
    double epsilon;
    double weight_decay;
    double clip;
    int no_bias_correction;
} raw_options;

static int convert(session *s, const raw_options *raw, train_options *o)
{
    TRY_HOST(s, adcl_schedule_kind_from_name(raw->schedule, &o->schedule, &s->error));
    o->optimizer = (adcl_optimizer_params)ADCL_OPTIMIZER_PARAMS_INIT;
    adcl_optimizer_params *p = &o->optimizer;
    TRY_HOST(s, adcl_optimizer_kind_from_name(raw->optimizer, &p->kind, &s->error));
    p->momentum = (float)raw->momentum;
    p->beta1 = (float)raw->beta1;
    p->beta2 = (float)raw->beta2;
    p->epsilon = (float)raw->epsilon;
    p->weight_decay = (float)raw->weight_decay;
    p->clip_norm = (float)raw->clip;
    p->no_bias_correction = raw->no_bias_correction;
    p->record_norm = 1; /* for the log */
    return DONE;
}

/* What is missing, and what contradicts itself. */
static int check_usage(const session *s, const train_options *o)
{
    TRY(options_require(s, o->train[0] != NULL, "--train"));
    TRY(options_require(s, o->folder_path != NULL, "-o"));
    if (o->resume && o->force)
        return session_misused(s, "--resume and --force contradict each other");
    if (o->head_only && o->adapter_path != NULL)
        return session_misused(s, "--head-only and --adapter contradict each other");
    if (o->adapter_path != NULL && (o->adapter.init != NULL || o->adapter.scaling != 1.0))
        return session_misused(s, "--adapter: --init and --scaling are for new adapters");
    return DONE;
}

static int run_train(session *s, int argc, char **argv)
{
    train_options o = {
        .adapter = NEW_ADAPTER_OPTIONS_INIT, .epochs = 20, .batch = 32, .learning_rate = 1e-3};
    raw_options raw = {
        .schedule = "linear", .optimizer = "adam", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    const option_spec specs[] = {
        {"train", 0, OPTION_PAIR, o.train, "X.npy L.npy", "features and classes (required)"},
        {"test", 0, OPTION_PAIR, o.test, "X.npy L.npy", "evaluated after each epoch"},
        {"output", 'o', OPTION_TEXT, &o.folder_path, "FOLDER", "what is made (required)"},
        {"resume", 0, OPTION_FLAG, &o.resume, NULL, "continue the training in FOLDER"},
        {"force", 0, OPTION_FLAG, &o.force, NULL, "replace the training in FOLDER"},
        {"head-only", 0, OPTION_FLAG, &o.head_only, NULL, "leave the adapter out"},
        {"adapter", 0, OPTION_TEXT, &o.adapter_path, "FILE", "go on from this adapter"},
        NEW_ADAPTER_OPTION_SPECS(o.adapter),
        {"epochs", 0, OPTION_SIZE, &o.epochs, "E", "passes over the features (default 20)"},
        {"batch", 0, OPTION_SIZE, &o.batch, "B", "rows of a step (default 32)"},
        {"lr", 0, OPTION_POSITIVE, &o.learning_rate, "LR", "learning rate (default 1e-3)"},
        {"schedule", 0, OPTION_TEXT, &raw.schedule, "NAME",
         "linear (to 0), cosine or constant (default linear)"},
        {"warmup", 0, OPTION_NUMBER, &o.warmup, "W", "steps; below 1 a share of all (default 0)"},
        {"optimizer", 0, OPTION_TEXT, &raw.optimizer, "NAME", "adam, adamw or sgd (default adam)"},
        {"momentum", 0, OPTION_NUMBER, &raw.momentum, "M", "of sgd (default 0)"},
        {"beta1", 0, OPTION_POSITIVE, &raw.beta1, "B", "of adam (default 0.9)"},
        {"beta2", 0, OPTION_POSITIVE, &raw.beta2, "B", "of adam (default 0.999)"},
        {"epsilon", 0, OPTION_POSITIVE, &raw.epsilon, "E", "of adam (default 1e-8)"},
        {"no-bias-correction", 0, OPTION_FLAG, &raw.no_bias_correction, NULL,
         "of adam, as the original adapter-BERT"},
        {"weight-decay", 0, OPTION_NUMBER, &raw.weight_decay, "W", "of kernels (default 0)"},
        {"clip", 0, OPTION_NUMBER, &raw.clip, "NORM", "most norm of all gradients; 0: any"},
        {"checkpoint-every", 0, OPTION_SIZE, &o.checkpoint_every, "STEPS",
         "besides at the end of each epoch"},
        {"log", 0, OPTION_TEXT, &o.log_path, "FILE.jsonl", "another copy of FOLDER/log.jsonl"},
        {"cast", 0, OPTION_FLAG, &o.cast, NULL, "take f8 and integers too, rounded to f4"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &train_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    TRY(check_usage(s, &o));
    TRY(convert(s, &raw, &o));
    return training_run(s, &o);
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
