/* SPDX-License-Identifier: MIT */
/* command.h – what a command of adapter-cl is, and the statuses that the program leaves with. */
#ifndef ADCL_CLI_COMMAND_H
#define ADCL_CLI_COMMAND_H

#include "cli/session.h"

#include <stddef.h>

/* Functions of this program return one of these. Whoever returns another than DONE has already
 * said why on standard error, so callers only pass it on. */
enum exit_status {
    DONE = 0,
    FAILED = 1,        /* the work failed; no output file was touched */
    WRONG_USAGE = 2,   /* the command line could not be understood */
    INTERRUPTED = 130  /* SIGINT */
};

/* Leaves the calling function when a step failed. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        int status_of_step = (call);                                                               \
        if (status_of_step != DONE) return status_of_step;                                         \
    } while (0)

/* The same for library calls that leave their sentence in s->error, or in the context. */
#define TRY_HOST(s, call) TRY(session_check((s), (call)))
#define TRY_DEVICE(s, call) TRY(session_check_context((s), (call)))

typedef struct command_spec {
    const char *name;
    const char *synopsis;    /* what follows the name on the command line */
    const char *summary;     /* one line for the list of commands */
    const char *description; /* for --help: what it does, paragraph by paragraph */
    const char *examples;    /* for --help: one command line per line */
    size_t least_operands;   /* arguments that are no options: at least and at most */
    size_t most_operands;
    int (*run)(session *s, int argc, char **argv);
} command_spec;

extern const command_spec devices_command;
extern const command_spec init_command;
extern const command_spec info_command;
extern const command_spec apply_command;
extern const command_spec train_command;
extern const command_spec score_command;
extern const command_spec finetune_command;
extern const command_spec eval_command;
extern const command_spec predict_command;
extern const command_spec embed_command;
extern const command_spec tokenize_command;
extern const command_spec convert_command;
extern const command_spec bench_command;
extern const command_spec tune_command;

#endif
