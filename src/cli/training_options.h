/* SPDX-License-Identifier: MIT */
/* training_options.h – the options that every training has, shared by train and finetune. */
#ifndef ADCL_CLI_TRAINING_OPTIONS_H
#define ADCL_CLI_TRAINING_OPTIONS_H

#include "cli/command.h"

/* What the command line says; strings are borrowed from it. */
typedef struct training_options {
    const char *folder_path;
    const char *log_path;      /* besides the folder's; may be NULL */
    int resume;
    int force;
    size_t epochs;
    size_t batch;
    size_t checkpoint_every;   /* steps; 0: at the end of each epoch only */
    size_t patience;           /* evaluations without progress before it stops; 0: any number */
    double checkpoint_seconds; /* one at the latest so long after the last; 0: no matter how long */
    double learning_rate;
    double warmup;             /* steps; below 1: a share of all steps */
    /* As typed; training_options_read makes the last two of them. */
    const char *schedule_name;
    const char *optimizer_name;
    double momentum;
    double beta1;
    double beta2;
    double epsilon;
    double weight_decay;
    double clip;
    int no_bias_correction;
    adcl_schedule_kind schedule;
    adcl_optimizer_params optimizer;
} training_options;

#define TRAINING_OPTIONS_INIT                                                                      \
    {                                                                                              \
        .epochs = 20, .batch = 32, .learning_rate = 1e-3, .schedule_name = "linear",               \
        .optimizer_name = "adam", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8                    \
    }

/* Their rows in a command's table of options. The other arguments are texts: what a step takes, and
 * the command's own defaults. */
#define TRAINING_OPTION_SPECS(o, ROWS, EPOCHS, LR, OPTIMIZER, WARMUP, CLIP)                        \
    {"output", 'o', OPTION_TEXT, &(o).folder_path, "FOLDER", "what is made (required)"},           \
    {"resume", 0, OPTION_FLAG, &(o).resume, NULL, "continue the training in FOLDER"},              \
    {"force", 0, OPTION_FLAG, &(o).force, NULL, "replace the training in FOLDER"},                 \
    {"epochs", 0, OPTION_SIZE, &(o).epochs, "E", "passes over the data (default " EPOCHS ")"},     \
    {"batch", 0, OPTION_SIZE, &(o).batch, "B", ROWS " of a step (default 32)"},                    \
    {"lr", 0, OPTION_POSITIVE, &(o).learning_rate, "LR", "learning rate (default " LR ")"},        \
    {"schedule", 0, OPTION_TEXT, &(o).schedule_name, "NAME",                                       \
     "linear (to 0), cosine or constant (default linear)"},                                        \
    {"warmup", 0, OPTION_NUMBER, &(o).warmup, "W",                                                 \
     "steps; below 1 a share of all (default " WARMUP ")"},                                        \
    {"optimizer", 0, OPTION_TEXT, &(o).optimizer_name, "NAME",                                     \
     "adam, adamw or sgd (default " OPTIMIZER ")"},                                                \
    {"momentum", 0, OPTION_NUMBER, &(o).momentum, "M", "of sgd (default 0)"},                      \
    {"beta1", 0, OPTION_POSITIVE, &(o).beta1, "B", "of adam (default 0.9)"},                       \
    {"beta2", 0, OPTION_POSITIVE, &(o).beta2, "B", "of adam (default 0.999)"},                     \
    {"epsilon", 0, OPTION_POSITIVE, &(o).epsilon, "E", "of adam (default 1e-8)"},                  \
    {"no-bias-correction", 0, OPTION_FLAG, &(o).no_bias_correction, NULL,                          \
     "of adam, as the original adapter-BERT"},                                                     \
    {"weight-decay", 0, OPTION_NUMBER, &(o).weight_decay, "W", "of kernels (default 0)"},          \
    {"clip", 0, OPTION_NUMBER, &(o).clip, "NORM",                                                  \
     "most norm of all gradients; 0: any (default " CLIP ")"},                                     \
    {"checkpoint-every", 0, OPTION_SIZE, &(o).checkpoint_every, "STEPS",                           \
     "besides at the end of each epoch"},                                                          \
    {"log", 0, OPTION_TEXT, &(o).log_path, "FILE.jsonl", "another copy of FOLDER/log.jsonl"}

/* Turns names and numbers into what the library needs. Fails where an option is missing or
 * contradicts another. */
int training_options_read(session *s, training_options *o);

#endif
