/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/class_names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void class_names_free(class_names *c)
{
    for (size_t i = 0; i < c->count; i++) free(c->names[i]);
    free(c->names);
    json_decref(c->numbers);
    *c = (class_names){0};
}

int32_t class_names_find(const class_names *c, const char *name)
{
    const json_t *number = json_object_get(c->numbers, name);
    return number != NULL ? (int32_t)json_integer_value(number) : -1;
}

bool class_number(const char *label, size_t *number)
{
    if (!isdigit((unsigned char)*label)) return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(label, &end, 10);
    *number = (size_t)value;
    return *end == '\0' && errno == 0;
}

int32_t class_names_find_label(const class_names *c, const char *label)
{
    int32_t found = class_names_find(c, label);
    size_t number;
    if (found < 0 && class_number(label, &number) && number < c->count) return (int32_t)number;
    return found;
}

static bool make_room(class_names *c)
{
    if (c->numbers == NULL) c->numbers = json_object();
    if (c->numbers == NULL) return false;
    if (c->count < c->capacity) return true;
    size_t capacity = c->capacity > 0 ? 2 * c->capacity : 16;
    char **names = realloc(c->names, capacity * sizeof *names);
    if (names == NULL) return false;
    c->names = names;
    c->capacity = capacity;
    return true;
}

int class_names_add(const session *s, class_names *c, const char *name)
{
    char *copy = make_room(c) ? strdup(name) : NULL;
    if (copy == NULL ||
        json_object_set_new(c->numbers, name, json_integer((json_int_t)c->count)) != 0) {
        free(copy);
        return session_fail(s, "no memory for the name of class %zu", c->count);
    }
    c->names[c->count++] = copy;
    return DONE;
}

int class_names_add_numbered(const session *s, class_names *c, size_t count)
{
    char name[32];
    while (c->count < count) {
        snprintf(name, sizeof name, "LABEL_%zu", c->count);
        TRY(class_names_add(s, c, name));
    }
    return DONE;
}
