/* SPDX-License-Identifier: MIT */
/* main.c – adapter-cl: finds the command and runs it. */
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

static const command_spec *const commands[] = {
    &devices_command,  &init_command,    &info_command,  &apply_command,   &train_command,
    &score_command,    &finetune_command, &eval_command, &predict_command, &embed_command,
    &tokenize_command, &convert_command, &bench_command, &tune_command,
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *stream)
{
    fprintf(stream, "Usage: adapter-cl COMMAND [OPTION ...]\n"
                    "       adapter-cl COMMAND --help\n"
                    "       adapter-cl --version\n\n"
                    "Bottleneck adapters on any OpenCL device.\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream,
            "\nExamples:\n"
            "  adapter-cl devices\n"
            "  adapter-cl init --hidden 768 -o adapter.safetensors\n"
            "  adapter-cl apply adapter.safetensors x.npy -o y.npy\n"
            "  adapter-cl train --train x.npy labels.npy --test tx.npy tlabels.npy -o run\n"
            "  adapter-cl finetune --model minilm --train train.tsv --dev dev.tsv -o run\n"
            "  adapter-cl predict --model minilm run \"Where is my card?\"\n");
}

static const command_spec *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown_command(const session *s, const char *name)
{
    const char *names[COMMAND_COUNT];
    char list[256] = "";
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i]->name;
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *nearest = options_nearest(name, names, COMMAND_COUNT);
    if (nearest != NULL)
        return session_misused(s, "unknown command \"%s\"; did you mean %s? Expected one of: %s",
                               name, nearest, list);
    return session_misused(s, "unknown command \"%s\"; expected one of: %s", name, list);
}

/* What was printed may not have reached its place: a full disk shows only here. */
static int close_output(const session *s, int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    int failed = session_fail(s, "standard output could not be written");
    return status == DONE ? failed : status;
}

int main(int argc, char **argv)
{
    session s = {.command = ""};
    interrupt_install();
    if (argc < 2) {
        print_usage(stderr);
        return WRONG_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0) {
        print_usage(stdout);
        return close_output(&s, DONE);
    }
    if (strcmp(word, "--version") == 0) {
        printf("adapter-cl %s\n", adcl_version());
        return close_output(&s, DONE);
    }
    const command_spec *command = find_command(word);
    if (command == NULL) return unknown_command(&s, word);
    s.command = command->name;
    int status = command->run(&s, argc - 1, argv + 1);
    session_close(&s);
    return close_output(&s, status);
}
