/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* ioctl's TIOCGWINSZ */
#include "cli/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool live_line_shown;

bool screen_is_terminal(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind != NULL && strcmp(kind, "dumb") != 0;
}

size_t screen_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

void screen_say(const char *prefix, const char *format, va_list arguments)
{
    screen_clear();
    fputs(prefix, stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void screen_live(const char *line)
{
    /* To the first column, clear to the end of the line (ECMA-48 EL). */
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    live_line_shown = true;
}

void screen_clear(void)
{
    if (!live_line_shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    live_line_shown = false;
}
