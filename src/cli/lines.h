/* SPDX-License-Identifier: MIT */
/* lines.h – text line by line, as it comes: from a file, or from a pipe or terminal that stays
 * open. */
#ifndef ADCL_CLI_LINES_H
#define ADCL_CLI_LINES_H

#include "cli/command.h"

#include <stdio.h>

/* A line without its end; `what` and `number` say which it is in sentences ("in.jsonl: line", 7).
 */
typedef int (*line_handler)(session *s, void *self, const char *line, size_t size, const char *what,
                            size_t number);

/* Hands every line to `handle` until one is not DONE. Where somebody may wait for each answer, a
 * terminal or another program, standard output is flushed after each. `name` is that of the file.
 */
int lines_read(session *s, FILE *file, const char *name, line_handler handle, void *self);

#endif
