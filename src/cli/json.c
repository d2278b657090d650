/* SPDX-License-Identifier: MIT */
#include "cli/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL) return value;
    size_t length = strlen(text);
    char *ascii = malloc(length + 1);
    if (ascii == NULL) return NULL;
    for (size_t i = 0; i <= length; i++) ascii[i] = (char)((text[i] & 0x80) != 0 ? '?' : text[i]);
    value = json_string(ascii);
    free(ascii);
    return value;
}

json_t *json_finite(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_sizes(const size_t *sizes, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_integer((json_int_t)sizes[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static int print_value(const session *s, json_t *value, size_t layout)
{
    /* Nine digits tell any two floats apart. */
    int failed = value == NULL || json_dumpf(value, stdout, layout | JSON_REAL_PRECISION(9)) != 0;
    json_decref(value);
    if (failed) return session_fail(s, "the result could not be printed");
    fputc('\n', stdout);
    return DONE;
}

int json_print(const session *s, json_t *value)
{
    return print_value(s, value, JSON_INDENT(2));
}

int json_print_line(const session *s, json_t *value)
{
    return print_value(s, value, 0);
}
