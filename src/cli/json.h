/* SPDX-License-Identifier: MIT */
/* json.h – making JSON with Jansson where its own rules would lose something. */
#ifndef ADCL_CLI_JSON_H
#define ADCL_CLI_JSON_H

#include "cli/command.h"

#include <jansson.h>

/* A string; bytes that are no UTF-8, which drivers may give, become question marks. */
json_t *json_text(const char *text);
/* A number, or null where it is NaN or infinite, for which JSON has no word. */
json_t *json_finite(double value);
/* An array of sizes. */
json_t *json_sizes(const size_t *sizes, size_t count);

/* Prints a value that is complete (NULL: memory ran out while it was made) and releases it. */
int json_print(const session *s, json_t *value);
/* The same on one line. */
int json_print_line(const session *s, json_t *value);

#endif
