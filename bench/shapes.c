/* SPDX-License-Identifier: MIT */
#include "bench/shapes.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static adcl_status fail(adcl_error *error, adcl_status status, const char *path, size_t line,
                        const char *what)
{
    *error = (adcl_error){.status = status};
    if (line == 0)
        snprintf(error->message, sizeof error->message, "%s: %s", path, what);
    else
        snprintf(error->message, sizeof error->message, "%s: line %zu: %s", path, line, what);
    return status;
}

/* A number of at least 1 at *text, which moves behind it. */
static bool read_size(const char **text, size_t *value)
{
    while (isblank((unsigned char)**text)) ++*text;
    if (!isdigit((unsigned char)**text)) return false;
    char *end;
    errno = 0;
    *value = strtoul(*text, &end, 10);
    *text = end;
    return errno == 0 && *value > 0;
}

static bool read_shape(const char *line, bench_shape *shape)
{
    bool complete = read_size(&line, &shape->rows) && read_size(&line, &shape->hidden) &&
                    read_size(&line, &shape->bottleneck);
    while (isspace((unsigned char)*line)) line++;
    return complete && *line == '\0';
}

static adcl_status add_shape(bench_shape **shapes, size_t *count, const bench_shape *shape,
                             const char *path, adcl_error *error)
{
    bench_shape *grown = realloc(*shapes, (*count + 1) * sizeof **shapes);
    if (grown == NULL) return fail(error, ADCL_ERR_OUT_OF_HOST_MEMORY, path, 0, "no memory");
    grown[(*count)++] = *shape;
    *shapes = grown;
    return ADCL_OK;
}

static adcl_status read_stream(FILE *stream, const char *path, bench_shape **shapes, size_t *count,
                               adcl_error *error)
{
    char line[256];
    for (size_t number = 1; fgets(line, sizeof line, stream) != NULL; number++) {
        bench_shape shape;
        if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#') continue;
        if (!read_shape(line, &shape))
            return fail(error, ADCL_ERR_FORMAT, path, number,
                        "expected three whole numbers of at least 1: rows hidden bottleneck");
        adcl_status status = add_shape(shapes, count, &shape, path, error);
        if (status != ADCL_OK) return status;
    }
    if (ferror(stream)) return fail(error, ADCL_ERR_FILE, path, 0, "cannot be read");
    if (*count == 0) return fail(error, ADCL_ERR_FORMAT, path, 0, "expected shapes, got none");
    return ADCL_OK;
}

adcl_status bench_shapes_load(const char *path, bench_shape **out, size_t *count, adcl_error *error)
{
    *out = NULL;
    *count = 0;
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return fail(error, ADCL_ERR_FILE, path, 0, strerror(errno));
    adcl_status status = read_stream(stream, path, out, count, error);
    fclose(stream);
    if (status == ADCL_OK) return ADCL_OK;
    free(*out);
    *out = NULL;
    return status;
}
