/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/training_log.h"

#include "cli/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ---------------------------------------------------------------------------------*/

/* True for a line of the first `steps` steps, false for a later one, or one that a crash has
 * cut. */
static bool belongs(const char *line, uint64_t steps)
{
    json_t *object = json_loads(line, 0, NULL);
    json_int_t step = json_integer_value(json_object_get(object, "step"));
    json_decref(object);
    return step > 0 && (uint64_t)step <= steps;
}

/* Bytes of the lines at the beginning that are to be kept. */
static off_t kept_bytes(FILE *stream, uint64_t steps)
{
    char *line = NULL;
    size_t size = 0;
    off_t kept = 0;
    while (getline(&line, &size, stream) > 0 && belongs(line, steps)) kept = ftello(stream);
    free(line);
    return kept;
}

/* Cuts off what is behind the lines to be kept, and goes there. What is no regular file, such as a
 * pipe, has nothing to be cut off. */
static bool cut_off(FILE *stream, uint64_t steps)
{
    struct stat status;
    if (fstat(fileno(stream), &status) != 0) return false;
    if (!S_ISREG(status.st_mode)) return true;
    off_t kept = kept_bytes(stream, steps);
    return ftruncate(fileno(stream), kept) == 0 && fseeko(stream, kept, SEEK_SET) == 0;
}

/* NULL, with errno, when the file cannot be opened for reading and writing. */
static FILE *open_stream(const char *path, uint64_t steps)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) return NULL;
    FILE *stream = fdopen(descriptor, "r+");
    if (stream != NULL && cut_off(stream, steps)) return stream;
    int code = errno;
    if (stream != NULL)
        fclose(stream);
    else
        close(descriptor);
    errno = code;
    return NULL;
}

static int add_stream(const session *s, training_log *log, const char *path, uint64_t steps)
{
    FILE *stream = open_stream(path, steps);
    if (stream == NULL) return session_fail(s, "%s: cannot be opened: %s", path, strerror(errno));
    log->paths[log->count] = path;
    log->streams[log->count++] = stream;
    return DONE;
}

/* Two names of one file would write over each other. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat first;
    struct stat second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_ino == second.st_ino &&
           first.st_dev == second.st_dev;
}

int training_log_open(const session *s, training_log *out, const char *path, const char *other,
                      uint64_t steps)
{
    *out = (training_log){0};
    TRY(add_stream(s, out, path, steps));
    if (other == NULL || is_same_file(path, other)) return DONE;
    return add_stream(s, out, other, steps);
}

void training_log_close(training_log *log)
{
    for (size_t i = 0; i < log->count; i++) fclose(log->streams[i]);
    log->count = 0;
}

/* ---- writing ---------------------------------------------------------------------------------*/

static int write_line(const session *s, training_log *log, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(line);
    if (text == NULL) return session_fail(s, "no memory for a line of the log");
    for (size_t i = 0; i < log->count; i++) fprintf(log->streams[i], "%s\n", text);
    free(text);
    return DONE;
}

int training_log_step(const session *s, training_log *log, const training_step *step)
{
    char speed[32];
    snprintf(speed, sizeof speed, "%s_per_second", step->unit);
    return write_line(s, log, json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}",
                                        "step", (json_int_t)step->step,
                                        "epoch", (json_int_t)step->epoch,
                                        "loss", json_finite(step->loss),
                                        "lr", json_finite(step->learning_rate),
                                        "grad_norm", json_finite(step->gradient_norm),
                                        speed, json_finite(step->speed)));
}

int training_log_evaluation(const session *s, training_log *log, uint64_t step, uint64_t epoch,
                            const evaluation *e)
{
    json_t *line = json_pack("{s:I, s:I}", "step", (json_int_t)step, "epoch", (json_int_t)epoch);
    for (size_t i = 0; i < e->count; i++)
        json_object_set_new(line, e->scores[i].key, json_finite(e->scores[i].value));
    return write_line(s, log, line);
}

int training_log_flush(const session *s, training_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        if (fflush(log->streams[i]) != 0 || ferror(log->streams[i]))
            return session_fail(s, "%s: cannot be written: %s", log->paths[i], strerror(errno));
    return DONE;
}
