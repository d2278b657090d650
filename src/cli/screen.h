/* SPDX-License-Identifier: MIT */
/* screen.h – standard error as a person sees it: lines, and below them at most one live line that
 * is replaced in place. A process has one standard error, so this file keeps its state itself. */
#ifndef ADCL_CLI_SCREEN_H
#define ADCL_CLI_SCREEN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* True when standard error is a terminal that can replace a line. */
bool screen_is_terminal(void);
/* Columns of the terminal; 80 where that is unknown. */
size_t screen_width(void);

/* One line, with `prefix` (may be "") before it; a live line gives way to it. */
void screen_say(const char *prefix, const char *format, va_list arguments);
/* Shows `line` as the live line in place of the one before. On a terminal only. */
void screen_live(const char *line);
/* Removes the live line. */
void screen_clear(void);

#endif
