/* SPDX-License-Identifier: MIT */
/* options.h – reading a command's options from a table that is also its help. */
#ifndef ADCL_CLI_OPTIONS_H
#define ADCL_CLI_OPTIONS_H

#include "cli/command.h"

typedef enum option_kind {
    OPTION_FLAG,     /* int: counts how often it was given; takes no argument */
    OPTION_TEXT,     /* const char * */
    OPTION_PAIR,     /* const char *[2]: two arguments */
    OPTION_SIZE,     /* size_t of at least 1 */
    OPTION_SIZES,    /* size_list: N,N,… */
    OPTION_SEED,     /* uint64_t */
    OPTION_NUMBER,   /* double, finite */
    OPTION_POSITIVE, /* double, finite and above 0 */
    OPTION_ENGINE,   /* adcl_engine, by name */
    OPTION_TUNING    /* adcl_tuning, by name */
} option_kind;

#define SIZE_LIST_MOST 32

typedef struct size_list {
    size_t values[SIZE_LIST_MOST];
    size_t count;
} size_list;

typedef struct option_spec {
    const char *name;     /* without the dashes */
    char letter;          /* -o besides --output; 0: none */
    option_kind kind;
    void *value;          /* as the kind says; left alone when the option is not given */
    const char *argument; /* how help shows the argument; NULL for flags */
    const char *help;
} option_spec;

#define OPERANDS_MOST 3

/* For most_operands: no bound. */
#define OPERANDS_ANY SIZE_MAX

/* Reads the options and operands of argv, where argv[0] is the command's name; operands that are
 * not given are NULL. True: go on. False: leave with *exit_status, for help was shown, or it was
 * said what is wrong. A spec with the name of a common option stands in its place. */
bool options_parse(session *s, const command_spec *command, const option_spec *specs, size_t count,
                   int argc, char **argv, const char *operands[OPERANDS_MOST], int *exit_status);

/* The operands of a command that takes any number of them, after options_parse. */
char **options_operands(int argc, char **argv, size_t *count);

/* Fails as wrong usage unless the required option was given. */
int options_require(const session *s, bool given, const char *option);

/* *json = whether the text of -o is "json" rather than "text" (or missing). */
int options_text_or_json(const session *s, const char *format, bool *json);

/* The candidate nearest to a mistyped word, or NULL when none is near. */
const char *options_nearest(const char *word, const char *const *candidates, size_t count);

#endif
