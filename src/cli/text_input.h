/* SPDX-License-Identifier: MIT */
/* text_input.h – where predict and embed take their texts from: the command line, a TSV file, or
 * lines of standard input. */
#ifndef ADCL_CLI_TEXT_INPUT_H
#define ADCL_CLI_TEXT_INPUT_H

#include "cli/text_model.h"

/* The options that say so, and the operands that are texts. */
typedef struct text_input {
    const char *path; /* of a TSV file; NULL: none */
    int pairs;        /* a tab in a text or line begins its pair */
    char **texts;
    size_t count; /* of texts; 0 without a path: lines of standard input */
} text_input;

/* Their rows in a command's table of options. */
#define TEXT_INPUT_SPECS(o)                                                                  \
    {"input",   0,       OPTION_TEXT,                                                        \
     &(o).path, "F.tsv", "texts, with or without labels (-: standard input)"},               \
    {                                                                                        \
        "pairs", 0, OPTION_FLAG, &(o).pairs, NULL, "a tab in a text or line begins its pair" \
    }

/* Fails where texts come from two places. */
int text_input_check(const session *s, const text_input *o);

/* A text as people type it. */
typedef struct typed_text {
    adcl_text_span text;
    adcl_text_span pair;
    bool has_pair;
} typed_text;

typed_text text_input_split(const text_input *o, const char *bytes, size_t size);

#endif
