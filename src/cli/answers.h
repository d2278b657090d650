/* SPDX-License-Identifier: MIT */
/* answers.h – what a head says of texts, printed for people (text), tables (tsv) and programs
 * (jsonl). */
#ifndef ADCL_CLI_ANSWERS_H
#define ADCL_CLI_ANSWERS_H

#include "cli/class_names.h"

typedef enum answer_format { ANSWER_TEXT, ANSWER_TSV, ANSWER_JSONL } answer_format;

typedef struct answer_style {
    answer_format format;
    const class_names *classes;
    bool is_regression;
    bool has_pairs; /* a column of tsv */
    int width;      /* of the longest class's name, for text */
} answer_style;

/* The format of a name; NULL: text. */
int answer_format_of(const session *s, const char *name, answer_format *out);
/* For a head with these classes. */
answer_style answer_style_for(answer_format format, const class_names *classes, bool is_regression,
                              bool has_pairs);

/* What stands above the answers. */
void answers_begin(const answer_style *style);
/* The answer to a text, or to a pair (NULL: none): logits has one number for each class, or the
 * value of a regression. */
int answer_print(const session *s, const answer_style *style, const adcl_text_span *text,
                 const adcl_text_span *pair, const float *logits);

#endif
