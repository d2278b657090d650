/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/outputs.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_folder_of(const session *s, const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL) return session_fail(s, "%s: no memory to write it", path);
    int code = access(dirname(copy), W_OK | X_OK) == 0 ? 0 : errno;
    free(copy);
    if (code != 0) return session_fail(s, "%s: cannot be created: %s", path, strerror(code));
    return DONE;
}

int output_check(const session *s, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return session_fail(s, "%s: expected a file's name, got a folder", path);
    return check_folder_of(s, path);
}

int output_check_folder(const session *s, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) return check_folder_of(s, path);
    if (S_ISDIR(status.st_mode)) return DONE;
    return session_fail(s, "%s: expected a folder's name, got a file", path);
}

int output_pending_name(const session *s, char **out, const char *path)
{
    size_t size = strlen(path) + 32;
    *out = malloc(size);
    if (*out == NULL) return session_fail(s, "%s: no memory to write it", path);
    snprintf(*out, size, "%s.%ld.pending", path, (long)getpid());
    return DONE;
}

int output_rename(const session *s, const char *from, const char *to)
{
    if (rename(from, to) == 0) return DONE;
    return session_fail(s, "%s: cannot be completed: %s", to, strerror(errno));
}

/* Gives 0 or what errno was. */
static int write_and_sync(const char *path, const void *bytes, size_t size)
{
    FILE *stream = fopen(path, "wb");
    if (stream == NULL) return errno;
    errno = EIO; /* for what fails without saying why */
    bool written =
        fwrite(bytes, 1, size, stream) == size && fflush(stream) == 0 && fsync(fileno(stream)) == 0;
    int code = written ? 0 : errno;
    return fclose(stream) != 0 && code == 0 ? errno : code;
}

int output_write(const session *s, const char *path, const void *bytes, size_t size)
{
    char *pending;
    TRY(output_pending_name(s, &pending, path));
    int code = write_and_sync(pending, bytes, size);
    int status = code == 0 ? output_rename(s, pending, path)
                           : session_fail(s, "%s: cannot be written: %s", path, strerror(code));
    if (status != DONE) unlink(pending);
    free(pending);
    return status;
}
