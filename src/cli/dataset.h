/* SPDX-License-Identifier: MIT */
/* dataset.h – labelled texts from a TSV file.
 *
 *     label<TAB>text_a[<TAB>text_b]      the header, in any order of the columns
 *     card_arrival<TAB>Where is my card?
 *
 * UTF-8, LF or CRLF, no quoting. meta.json beside the file, where it is there, names the classes
 * ("labels") and says what is asked for ("task", "metric"). Whatever is wrong is said with the
 * number of its line. */
#ifndef ADCL_CLI_DATASET_H
#define ADCL_CLI_DATASET_H

#include "cli/class_names.h"

typedef struct example {
    const char *label; /* as written; NULL where the file has none */
    adcl_text_span text;
    adcl_text_span pair; /* bytes NULL where the file has none */
    size_t line;         /* where it is in the file, from 1 */
    int32_t number;      /* its class, after dataset_find_classes */
    float target;        /* its value, after dataset_read_targets */
} example;

typedef struct dataset {
    const char *path; /* borrowed; for sentences */
    char *content;    /* the file, cut into its fields */
    example *examples;
    size_t count; /* at least 1 */
    bool has_labels;
    bool has_pairs;
    /* What meta.json says. */
    class_names classes; /* count 0: nothing */
    bool is_regression;
    bool wants_matthews; /* the metric that counts is Matthews' correlation */
} dataset;

/* Reads a file, or standard input where path is "-". With `needs_labels` the label's column must be
 * there, and meta.json beside the file is read too. Free *out in any case. */
int dataset_read(const session *s, dataset *out, const char *path, bool needs_labels);
void dataset_free(dataset *d);

/* The classes that a head for this data must have: those of meta.json, else LABEL_0, … up to the
 * largest where all labels are numbers, else the distinct labels in their order. Starts from
 * *out = {0}; free it in any case. */
int dataset_name_classes(const session *s, const dataset *d, class_names *out);

/* Finds each example's class among those of a head. A name of meta.json is looked for among them by
 * name, where they know any of its names at all, else by number. Fails for a class that the head
 * has not. */
int dataset_find_classes(const session *s, dataset *d, const class_names *head);

/* After that: fails where all examples are of one class, which teaches nothing. */
int dataset_check_variety(const session *s, const dataset *d);

/* Reads each label as a number. */
int dataset_read_targets(const session *s, dataset *d);

#endif
