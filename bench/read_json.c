/* SPDX-License-Identifier: MIT */
#include "bench/read_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static adcl_status fail(adcl_error *error, adcl_status status, const char *path, const char *what)
{
    *error = (adcl_error){.status = status};
    snprintf(error->message, sizeof error->message, "%s: %s", path, what);
    return status;
}

adcl_status bench_json_fail(adcl_error *error, const char *path, const char *what)
{
    return fail(error, ADCL_ERR_FORMAT, path, what);
}

/* True when nothing but white space is left. */
static int at_end(FILE *stream)
{
    int character;
    do character = fgetc(stream);
    while (character != EOF && strchr(" \t\r\n", character) != NULL);
    if (character != EOF) ungetc(character, stream);
    return character == EOF;
}

static adcl_status fail_parse(adcl_error *error, const char *path, const json_error_t *where)
{
    char what[sizeof where->text + 64];
    snprintf(what, sizeof what, "is no JSON: line %d: %s", where->line, where->text);
    return bench_json_fail(error, path, what);
}

static adcl_status read_values(FILE *stream, const char *path, json_t *values, adcl_error *error)
{
    while (!at_end(stream)) {
        json_error_t where;
        json_t *value = json_loadf(stream, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &where);
        if (value == NULL) return fail_parse(error, path, &where);
        if (json_array_append_new(values, value) != 0)
            return fail(error, ADCL_ERR_OUT_OF_HOST_MEMORY, path, "no memory to read it");
    }
    if (ferror(stream)) return fail(error, ADCL_ERR_FILE, path, "cannot be read");
    if (json_array_size(values) == 0) return bench_json_fail(error, path, "is empty");
    return ADCL_OK;
}

adcl_status bench_json_load(const char *path, json_t **out, adcl_error *error)
{
    *out = NULL;
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return fail(error, ADCL_ERR_FILE, path, strerror(errno));
    json_t *values = json_array();
    adcl_status status = values != NULL
                             ? read_values(stream, path, values, error)
                             : fail(error, ADCL_ERR_OUT_OF_HOST_MEMORY, path, "no memory");
    fclose(stream);
    json_t *first = json_array_get(values, 0);
    if (status == ADCL_OK && json_array_size(values) == 1 && !json_is_null(first))
        *out = json_incref(first);
    else if (status == ADCL_OK)
        *out = json_incref(values);
    json_decref(values);
    return status;
}
