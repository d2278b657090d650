/* SPDX-License-Identifier: MIT */
#include "bench/shapes.h"

#include <ctype.h>
#include <errno.h>
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

adcl_status bench_shapes_add(bench_shapes *shapes, const bench_shape *shape, adcl_error *error)
{
    bench_shape *grown = realloc(shapes->items, (shapes->count + 1) * sizeof *grown);
    if (grown == NULL)
        return fail(error, ADCL_ERR_OUT_OF_HOST_MEMORY, "shapes", 0, "no memory for them");
    grown[shapes->count++] = *shape;
    shapes->items = grown;
    return ADCL_OK;
}

void bench_shapes_free(bench_shapes *shapes)
{
    free(shapes->items);
    *shapes = (bench_shapes){0};
}

/* ---- one line --------------------------------------------------------------------------------*/

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

/* The next word, cut out of the line; NULL when there is none. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t\r\n");
    size_t length = strcspn(word, " \t\r\n");
    *text = word + length;
    if (length == 0) return NULL;
    if (**text != '\0') *(*text)++ = '\0';
    return word;
}

/* The words behind the sizes. *what: NULL, or what is wrong. */
static void read_words(char *rest, bench_shape *shape, bool *has_activation, const char **what)
{
    char *passes = next_word(&rest), *activation = next_word(&rest);
    *has_activation = activation != NULL;
    *what = NULL;
    if (passes != NULL && !bench_passes_from_names(passes, &shape->passes))
        *what = "expected passes as the fourth word: forward, forward_backward, step, latency, "
                "start or all, with commas between";
    else if (activation != NULL &&
             adcl_activation_from_name(activation, &shape->activation, NULL) != ADCL_OK)
        *what = "expected the name of an activation as the fifth word";
    else if (next_word(&rest) != NULL)
        *what = "expected at most five words: rows hidden bottleneck passes activation";
}

/* Adds what a line says. */
static adcl_status read_line(char *line, const char *path, size_t number,
                             const bench_defaults *defaults, bench_shapes *out, adcl_error *error)
{
    bench_shape shape = {.passes = defaults->passes};
    bool has_activation;
    const char *rest = line;
    const char *what;
    if (!read_size(&rest, &shape.rows) || !read_size(&rest, &shape.hidden) ||
        !read_size(&rest, &shape.bottleneck) || !(*rest == '\0' || isspace((unsigned char)*rest)))
        return fail(error, ADCL_ERR_FORMAT, path, number,
                    "expected three whole numbers of at least 1: rows hidden bottleneck");
    read_words(line + (rest - line), &shape, &has_activation, &what);
    if (what != NULL) return fail(error, ADCL_ERR_FORMAT, path, number, what);
    if (has_activation) return bench_shapes_add(out, &shape, error);
    for (size_t i = 0; i < defaults->activation_count; i++) {
        shape.activation = defaults->activations[i];
        adcl_status status = bench_shapes_add(out, &shape, error);
        if (status != ADCL_OK) return status;
    }
    return ADCL_OK;
}

/* ---- the file --------------------------------------------------------------------------------*/

static adcl_status read_stream(FILE *stream, const char *path, const bench_defaults *defaults,
                               bench_shapes *out, adcl_error *error)
{
    char line[256];
    for (size_t number = 1; fgets(line, sizeof line, stream) != NULL; number++) {
        if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#') continue;
        adcl_status status = read_line(line, path, number, defaults, out, error);
        if (status != ADCL_OK) return status;
    }
    if (ferror(stream)) return fail(error, ADCL_ERR_FILE, path, 0, "cannot be read");
    if (out->count == 0) return fail(error, ADCL_ERR_FORMAT, path, 0, "expected shapes, got none");
    return ADCL_OK;
}

adcl_status bench_shapes_load(const char *path, const bench_defaults *defaults, bench_shapes *out,
                              adcl_error *error)
{
    *out = (bench_shapes){0};
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return fail(error, ADCL_ERR_FILE, path, 0, strerror(errno));
    adcl_status status = read_stream(stream, path, defaults, out, error);
    fclose(stream);
    return status;
}
