/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* getopt_long */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MOST 64
#define COMMON_COUNT 8

/* getopt_long numbers options; these numbers are no letters. */
#define FIRST_NUMBER 1000

/* A command's own options, then the common ones. */
typedef struct option_table {
    const option_spec *specs[OPTIONS_MOST];
    size_t own;
    size_t count;
} option_table;

/* ---- help ------------------------------------------------------------------------------------*/

static void print_option(const option_spec *spec)
{
    char left[64];
    char letter[8] = "    ";
    if (spec->letter != 0) snprintf(letter, sizeof letter, "-%c, ", spec->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, spec->name, spec->argument ? " " : "",
             spec->argument ? spec->argument : "");
    printf(strlen(left) > 26 ? "  %s\n%30s%s\n" : "  %-26s  %s%s\n", left, "", spec->help);
}

static void print_help(const command_spec *command, const option_table *table)
{
    printf("Usage: adapter-cl %s %s\n\n%s\n", command->name, command->synopsis,
           command->description);
    if (table->own > 0) printf("\nOptions:\n");
    for (size_t i = 0; i < table->own; i++) print_option(table->specs[i]);
    printf("\nOptions of every command:\n");
    for (size_t i = table->own; i < table->count; i++) print_option(table->specs[i]);
    printf("\nExamples:\n%s\n", command->examples);
}

/* ---- words that were mistyped ----------------------------------------------------------------*/

#define WORD_MOST 32

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance; words longer than WORD_MOST are as far as can be. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MOST + 1];
    size_t length = strlen(b);
    if (length > WORD_MOST) return WORD_MOST;
    for (size_t j = 0; j <= length; j++) row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t above = row[j + 1];
            row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[length];
}

const char *options_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t least = 3; /* two slips are a typing mistake, three another word */
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, candidates[i]);
        if (d < least && d < strlen(candidates[i])) {
            least = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* getopt_long leaves the letter or the number of an option that it could not use in optopt, and 0
 * where `word` is no option at all. */
static int unknown_option(const session *s, const option_table *table, const char *word)
{
    if (optopt >= FIRST_NUMBER)
        return session_misused(s, "option --%s takes no argument, got %s",
                               table->specs[optopt - FIRST_NUMBER]->name, word);
    if (optopt != 0) return session_misused(s, "unknown option -%c", optopt);
    const char *names[OPTIONS_MOST];
    for (size_t i = 0; i < table->count; i++) names[i] = table->specs[i]->name;
    const char *nearest = options_nearest(word + 2, names, table->count);
    if (nearest == NULL) return session_misused(s, "unknown option %s", word);
    return session_misused(s, "unknown option %s; did you mean --%s?", word, nearest);
}

/* ---- values ----------------------------------------------------------------------------------*/

static int bad_value(const session *s, const option_spec *spec, const char *expected,
                     const char *got)
{
    return session_misused(s, "option --%s: expected %s, got \"%s\"", spec->name, expected, got);
}

/* A decimal number without sign; false when it is none or does not fit. Moves *text behind it. */
static bool read_whole(const char **text, uint64_t *value)
{
    if (!isdigit((unsigned char)**text)) return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(*text, &end, 10);
    *text = end;
    *value = number;
    return errno == 0;
}

/* A whole number of at least 1. That 0 is too small is the value's fault, not that of the usage. */
static int set_size(const session *s, const option_spec *spec, const char **text, size_t *size)
{
    const char *start = *text;
    uint64_t value;
    if (!read_whole(text, &value) || value > SIZE_MAX)
        return bad_value(s, spec, "a whole number of at least 1", start);
    if (value == 0)
        return session_fail(s, "option --%s: expected a whole number of at least 1, got 0",
                            spec->name);
    *size = (size_t)value;
    return DONE;
}

static int set_one_size(const session *s, const option_spec *spec, const char *text)
{
    const char *rest = text;
    TRY(set_size(s, spec, &rest, spec->value));
    return *rest == '\0' ? DONE : bad_value(s, spec, "a whole number of at least 1", text);
}

static int set_sizes(const session *s, const option_spec *spec, const char *text)
{
    size_list *list = spec->value;
    const char *rest = text;
    list->count = 0;
    do {
        if (list->count == SIZE_LIST_MOST)
            return session_misused(s, "option --%s: expected at most %d numbers", spec->name,
                                   SIZE_LIST_MOST);
        TRY(set_size(s, spec, &rest, &list->values[list->count++]));
    } while (*rest++ == ',');
    return rest[-1] == '\0' ? DONE : bad_value(s, spec, "whole numbers with commas between", text);
}

static int set_seed(const session *s, const option_spec *spec, const char *text)
{
    const char *rest = text;
    if (!read_whole(&rest, spec->value) || *rest != '\0')
        return bad_value(s, spec, "a whole number from 0 to 2^64 - 1", text);
    return DONE;
}

static int set_number(const session *s, const option_spec *spec, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0]) || !isfinite(value))
        return bad_value(s, spec, "a number", text);
    if (spec->kind == OPTION_POSITIVE && value <= 0)
        return session_fail(s, "option --%s: expected a number above 0, got %s", spec->name, text);
    *(double *)spec->value = value;
    return DONE;
}

/* The second argument is not getopt's business: it is the next one in argv. */
static int set_pair(const session *s, const option_spec *spec, int argc, char **argv)
{
    const char **pair = spec->value;
    if (optind >= argc || strncmp(argv[optind], "--", 2) == 0)
        return session_misused(s, "option --%s: expected two files, %s, got only %s", spec->name,
                               spec->argument, optarg);
    pair[0] = optarg;
    pair[1] = argv[optind++];
    return DONE;
}

static int set_value(session *s, const option_spec *spec, int argc, char **argv)
{
    switch (spec->kind) {
    case OPTION_FLAG: ++*(int *)spec->value; return DONE;
    case OPTION_TEXT: *(const char **)spec->value = optarg; return DONE;
    case OPTION_PAIR: return set_pair(s, spec, argc, argv);
    case OPTION_SIZE: return set_one_size(s, spec, optarg);
    case OPTION_SIZES: return set_sizes(s, spec, optarg);
    case OPTION_SEED: return set_seed(s, spec, optarg);
    case OPTION_NUMBER:
    case OPTION_POSITIVE: return set_number(s, spec, optarg);
    case OPTION_ENGINE:
        return session_check(s, adcl_engine_from_name(optarg, spec->value, &s->error));
    case OPTION_TUNING:
        return session_check(s, adcl_tuning_from_name(optarg, spec->value, &s->error));
    }
    return DONE;
}

/* ---- the command line ------------------------------------------------------------------------*/

/* What getopt_long wants to know of the table. Letters are ":o:qv": the first colon makes it tell a
 * missing argument from an unknown option. */
static void describe_for_getopt(const option_table *table, struct option *longs, char *letters)
{
    *letters++ = ':';
    for (size_t i = 0; i < table->count; i++) {
        const option_spec *spec = table->specs[i];
        int takes = spec->kind == OPTION_FLAG ? no_argument : required_argument;
        longs[i] = (struct option){spec->name, takes, NULL, FIRST_NUMBER + (int)i};
        if (spec->letter == 0) continue;
        *letters++ = spec->letter;
        if (takes == required_argument) *letters++ = ':';
    }
    longs[table->count] = (struct option){NULL, 0, NULL, 0};
    *letters = '\0';
}

/* The option of a number or letter that getopt_long found in the table. */
static const option_spec *find_option(const option_table *table, int code)
{
    if (code >= FIRST_NUMBER) return table->specs[code - FIRST_NUMBER];
    size_t i = 0;
    while (table->specs[i]->letter != code) i++;
    return table->specs[i];
}

static int parse_options(session *s, const option_table *table, int argc, char **argv)
{
    struct option longs[OPTIONS_MOST + 1];
    char letters[2 * OPTIONS_MOST + 2];
    describe_for_getopt(table, longs, letters);
    opterr = 0;
    optind = 0; /* glibc: start afresh, for adapter-cl's own options were read before */
    for (;;) {
        int code = getopt_long(argc, argv, letters, longs, NULL);
        if (code == -1) return DONE;
        if (code == ':')
            return session_misused(s, "option %s: expected an argument, got nothing",
                                   argv[optind - 1]);
        if (code == '?') return unknown_option(s, table, argv[optind - 1]);
        TRY(set_value(s, find_option(table, code), argc, argv));
    }
}

static int take_operands(const session *s, const command_spec *command, int argc, char **argv,
                         const char *operands[OPERANDS_MOST])
{
    size_t given = (size_t)(argc - optind);
    if (given < command->least_operands)
        return session_misused(s, "an argument is missing; expected: adapter-cl %s %s",
                               command->name, command->synopsis);
    if (given > command->most_operands)
        return session_misused(s, "unexpected argument \"%s\"; expected: adapter-cl %s %s",
                               argv[optind + (int)command->most_operands], command->name,
                               command->synopsis);
    for (size_t i = 0; i < OPERANDS_MOST; i++)
        operands[i] = i < given ? argv[optind + (int)i] : NULL;
    return DONE;
}

/* A command that understands more by a common option than others do has its own in its place. */
static bool has_own(const option_table *table, const char *name)
{
    for (size_t i = 0; i < table->own; i++)
        if (strcmp(table->specs[i]->name, name) == 0) return true;
    return false;
}

bool options_parse(session *s, const command_spec *command, const option_spec *specs, size_t count,
                   int argc, char **argv, const char *operands[OPERANDS_MOST], int *exit_status)
{
    int help = 0;
    const option_spec common[COMMON_COUNT] = {
        {"device", 0, OPTION_TEXT, &s->common.device, "SEL",
         "gpu, cpu, 0:1 (platform:device), pocl: (platform), or part of a name"},
        {"engine", 0, OPTION_ENGINE, &s->common.engine, "NAME", "auto, gemm, fused or reference"},
        {"tuning", 0, OPTION_TUNING, &s->common.tuning, "on|off",
         "whether what was tuned is used (default on)"},
        {"cache", 0, OPTION_TEXT, &s->common.cache, "FOLDER",
         "where what was tuned is kept; off: nowhere (see tune)"},
        {"seed", 0, OPTION_SEED, &s->common.seed, "S", "seed of all that is random (default 0)"},
        {"quiet", 'q', OPTION_FLAG, &s->common.quiet, NULL, "say nothing but what failed"},
        {"verbose", 'v', OPTION_FLAG, &s->common.verbose, NULL,
         "say what the library does; twice: all of it"},
        {"help", 0, OPTION_FLAG, &help, NULL, "show this and leave"},
    };
    option_table table = {.own = count, .count = count};
    for (size_t i = 0; i < count; i++) table.specs[i] = &specs[i];
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (!has_own(&table, common[i].name)) table.specs[table.count++] = &common[i];

    *exit_status = parse_options(s, &table, argc, argv);
    if (*exit_status == DONE && help) {
        print_help(command, &table);
        return false;
    }
    if (*exit_status == DONE) *exit_status = take_operands(s, command, argc, argv, operands);
    return *exit_status == DONE;
}

char **options_operands(int argc, char **argv, size_t *count)
{
    *count = (size_t)(argc - optind);
    return argv + optind;
}

int options_require(const session *s, bool given, const char *option)
{
    return given ? DONE : session_misused(s, "option %s is missing", option);
}

int options_text_or_json(const session *s, const char *format, bool *json)
{
    *json = format != NULL && strcmp(format, "json") == 0;
    if (*json || format == NULL || strcmp(format, "text") == 0) return DONE;
    return session_misused(s, "option -o: expected text or json, got \"%s\"", format);
}
