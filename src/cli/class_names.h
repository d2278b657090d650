/* SPDX-License-Identifier: MIT */
/* class_names.h – the names of classes, numbered from 0. */
#ifndef ADCL_CLI_CLASS_NAMES_H
#define ADCL_CLI_CLASS_NAMES_H

#include "cli/command.h"

#include <jansson.h>

/* Starts as {0}. */
typedef struct class_names {
    char **names; /* count of them */
    size_t count;
    size_t capacity;
    json_t *numbers; /* name → number */
} class_names;

void class_names_free(class_names *c);

/* The number of a name, −1 where there is none. */
int32_t class_names_find(const class_names *c, const char *name);
/* The class of a label: a name, or a number below count in digits; −1 for anything else. */
int32_t class_names_find_label(const class_names *c, const char *label);
/* Adds a name that is not there yet. */
int class_names_add(const session *s, class_names *c, const char *name);
/* Adds LABEL_0, LABEL_1, … as AdapterHub names classes without names, until there are `count`. */
int class_names_add_numbered(const session *s, class_names *c, size_t count);

/* *number = the whole number that a label is; false where it is something else. */
bool class_number(const char *label, size_t *number);

#endif
