/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* getline, fileno */
#include "cli/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_stream(FILE *file)
{
    struct stat status;
    return fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode);
}

int lines_read(session *s, FILE *file, const char *name, line_handler handle, void *self)
{
    char what[256];
    char *line = NULL;
    size_t capacity = 0, number = 0;
    bool at_once = is_stream(file);
    int status = DONE;
    snprintf(what, sizeof what, "%s: line", name);
    while (status == DONE) {
        errno = 0;
        ssize_t size = getline(&line, &capacity, file);
        if (size < 0) break;
        if (line[size - 1] == '\n') size--;
        if (size > 0 && line[size - 1] == '\r') size--;
        status = handle(s, self, line, (size_t)size, what, ++number);
        if (at_once) fflush(stdout);
    }
    free(line);
    if (status == DONE && (ferror(file) || errno == ENOMEM))
        return session_fail(s, "%s: cannot be read: %s", name, strerror(errno));
    return status;
}
