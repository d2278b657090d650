/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/dataset.h"

#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

/* A typing mistake in a number must not become a head of a million classes. */
#define CLASSES_MOST 8192

#define HEADER_TEXT "label<TAB>text_a or label<TAB>text_a<TAB>text_b"

/* ---- the file --------------------------------------------------------------------------------*/

static int read_stream(const session *s, FILE *stream, const char *path, char **content,
                       size_t *size)
{
    size_t capacity = 1 << 16;
    *size = 0;
    *content = malloc(capacity + 1);
    while (*content != NULL) {
        *size += fread(*content + *size, 1, capacity - *size, stream);
        if (*size < capacity) break;
        capacity *= 2;
        char *larger = realloc(*content, capacity + 1);
        if (larger == NULL) free(*content);
        *content = larger;
    }
    if (*content == NULL) return session_fail(s, "%s: no memory to read it", path);
    if (ferror(stream)) return session_fail(s, "%s: cannot be read: %s", path, strerror(errno));
    (*content)[*size] = '\0';
    return DONE;
}

static int read_file(const session *s, const char *path, char **content, size_t *size)
{
    if (strcmp(path, "-") == 0) return read_stream(s, stdin, "standard input", content, size);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return session_fail(s, "%s: cannot be opened: %s", path, strerror(errno));
    int status = read_stream(s, stream, path, content, size);
    fclose(stream);
    return status;
}

/* ---- lines -----------------------------------------------------------------------------------*/

/* Where the reader is. */
typedef struct reader {
    const session *s;
    dataset *d;
    char *next; /* the rest of the file */
    char *end;
    size_t line; /* the number of the line that was taken last */
    size_t capacity;
    /* The columns of the header, −1 for those that it has not. */
    int label, text, pair;
    int columns;
} reader;

/* How much of a line is shown in a sentence. */
#define SHOWN 60

static int fail_at(const reader *r, const char *what)
{
    return session_fail(r->s, "%s: line %zu: %s", r->d->path, r->line, what);
}

static int check_bytes(const reader *r, const char *line, size_t size)
{
    char what[64];
    if (memchr(line, '\0', size) != NULL) return fail_at(r, "expected text, got a NUL byte");
    for (size_t i = 0; i < size;) {
        utf8proc_int32_t codepoint;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)line + i,
                                                   (utf8proc_ssize_t)(size - i), &codepoint);
        if (length <= 0) {
            snprintf(what, sizeof what, "expected UTF-8, got something else at byte %zu", i + 1);
            return fail_at(r, what);
        }
        i += (size_t)length;
    }
    if (strspn(line, " \t") == size) return fail_at(r, "expected an example, got a blank line");
    return DONE;
}

/* *line = the next one, a string without its end; NULL behind the last. */
static int take_line(reader *r, char **line)
{
    *line = NULL;
    if (r->next == r->end) return DONE;
    char *start = r->next;
    char *stop = memchr(start, '\n', (size_t)(r->end - start));
    r->next = stop != NULL ? stop + 1 : r->end;
    r->line++;
    if (stop == NULL) stop = r->end;
    if (stop > start && stop[-1] == '\r') stop--;
    *stop = '\0';
    *line = start;
    return check_bytes(r, start, (size_t)(stop - start));
}

/* Ends a field where a tab is and gives the one behind it, NULL where there is none. */
static char *split_field(char *field)
{
    char *tab = strchr(field, '\t');
    if (tab == NULL) return NULL;
    *tab = '\0';
    return tab + 1;
}

static int count_fields(const char *line)
{
    int fields = 1;
    for (; *line != '\0'; line++) fields += *line == '\t';
    return fields;
}

/* ---- the header ------------------------------------------------------------------------------*/

static bool read_column(reader *r, const char *name, int column)
{
    int *place = strcmp(name, "label") == 0    ? &r->label
                 : strcmp(name, "text_a") == 0 ? &r->text
                 : strcmp(name, "text_b") == 0 ? &r->pair
                                               : NULL;
    if (place == NULL || *place >= 0) return false;
    *place = column;
    return true;
}

static int read_header(reader *r, bool needs_labels)
{
    char shown[SHOWN + 1] = "nothing";
    char what[SHOWN + 160];
    char *line;
    if (r->end - r->next >= 3 && memcmp(r->next, "\xef\xbb\xbf", 3) == 0)
        r->next += 3; /* a byte order mark, which some editors write */
    TRY(take_line(r, &line));
    if (line != NULL) snprintf(shown, sizeof shown, "%s", line);
    bool known = line != NULL;
    r->label = r->text = r->pair = -1;
    for (char *field = line; field != NULL && known; r->columns++) {
        char *next = split_field(field);
        known = read_column(r, field, r->columns);
        field = next;
    }
    if (known && r->text >= 0 && (r->label >= 0 || !needs_labels)) return DONE;
    r->line = 1;
    snprintf(what, sizeof what, "expected the header %s, got \"%s\"",
             needs_labels ? HEADER_TEXT : HEADER_TEXT ", the label being optional", shown);
    return fail_at(r, what);
}

/* ---- examples --------------------------------------------------------------------------------*/

static int make_room(reader *r)
{
    if (r->d->count < r->capacity) return DONE;
    size_t capacity = r->capacity > 0 ? 2 * r->capacity : 1024;
    example *examples = realloc(r->d->examples, capacity * sizeof *examples);
    if (examples == NULL || capacity > INT32_MAX) {
        if (examples != NULL) r->d->examples = examples;
        return session_fail(r->s, "%s: no memory for more than %zu examples", r->d->path,
                            r->d->count);
    }
    r->d->examples = examples;
    r->capacity = capacity;
    return DONE;
}

static int read_example(reader *r, char *line)
{
    char what[96];
    int fields = count_fields(line);
    if (fields != r->columns) {
        snprintf(what, sizeof what, "expected %d columns as in the header, got %d", r->columns,
                 fields);
        return fail_at(r, what);
    }
    TRY(make_room(r));
    example *e = &r->d->examples[r->d->count++];
    *e = (example){.line = r->line, .number = -1};
    for (int column = 0; column < fields; column++) {
        char *next = split_field(line);
        if (column == r->label) e->label = line;
        if (column == r->text) e->text = (adcl_text_span){line, strlen(line)};
        if (column == r->pair) e->pair = (adcl_text_span){line, strlen(line)};
        line = next;
    }
    return DONE;
}

static int read_examples(reader *r, bool needs_labels)
{
    char *line;
    TRY(read_header(r, needs_labels));
    r->d->has_labels = r->label >= 0;
    r->d->has_pairs = r->pair >= 0;
    for (;;) {
        TRY(take_line(r, &line));
        if (line == NULL) break;
        TRY(read_example(r, line));
        if (needs_labels && r->d->examples[r->d->count - 1].label[0] == '\0')
            return fail_at(r, "expected a label, got nothing before the tab");
    }
    if (r->d->count == 0)
        return session_fail(r->s, "%s: expected examples behind the header, got none", r->d->path);
    return DONE;
}

/* ---- meta.json -------------------------------------------------------------------------------*/

/* "data/train.tsv" → "data/meta.json"; the caller frees it. NULL where memory ran out. */
static char *path_beside(const char *path, const char *name)
{
    char *copy = strdup(path);
    if (copy == NULL) return NULL;
    const char *folder = dirname(copy);
    size_t size = strlen(folder) + strlen(name) + 2;
    char *result = malloc(size);
    if (result != NULL) snprintf(result, size, "%s/%s", folder, name);
    free(copy);
    return result;
}

static int read_names(const session *s, dataset *d, const char *path, const json_t *labels)
{
    size_t i;
    json_t *value;
    if (labels == NULL || json_is_null(labels)) return DONE;
    if (!json_is_array(labels))
        return session_fail(s, "%s: \"labels\": expected an array of names", path);
    json_array_foreach (labels, i, value) {
        const char *name = json_string_value(value);
        if (name == NULL)
            return session_fail(s, "%s: \"labels\": expected names, got something else at %zu",
                                path, i);
        if (class_names_find(&d->classes, name) >= 0)
            return session_fail(s, "%s: \"labels\": the name \"%s\" stands there twice", path,
                                name);
        TRY(class_names_add(s, &d->classes, name));
    }
    return DONE;
}

static bool says(const json_t *root, const char *key, const char *word)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text != NULL && strstr(text, word) != NULL;
}

static int read_meta(const session *s, dataset *d, const char *path)
{
    json_error_t why;
    if (access(path, F_OK) != 0) return DONE;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return session_fail(s, "%s: line %d: expected JSON: %s", path, why.line, why.text);
    d->is_regression = says(root, "task", "regression");
    d->wants_matthews = says(root, "metric", "matthews");
    int status = read_names(s, d, path, json_object_get(root, "labels"));
    json_decref(root);
    return status;
}

int dataset_read(const session *s, dataset *out, const char *path, bool needs_labels)
{
    bool is_stdin = strcmp(path, "-") == 0;
    size_t size;
    *out = (dataset){.path = is_stdin ? "standard input" : path};
    TRY(read_file(s, path, &out->content, &size));
    reader r = {.s = s, .d = out, .next = out->content, .end = out->content + size};
    TRY(read_examples(&r, needs_labels));
    if (is_stdin || !needs_labels) return DONE;
    char *meta = path_beside(path, "meta.json");
    if (meta == NULL) return session_fail(s, "%s: no memory to look beside it", path);
    int status = read_meta(s, out, meta);
    free(meta);
    return status;
}

void dataset_free(dataset *d)
{
    class_names_free(&d->classes);
    free(d->examples);
    free(d->content);
    *d = (dataset){0};
}

/* ---- classes ---------------------------------------------------------------------------------*/

static int fail_at_example(const session *s, const dataset *d, const example *e, const char *what)
{
    return session_fail(s, "%s: line %zu: %s, got \"%.*s\"", d->path, e->line, what, SHOWN,
                        e->label);
}

static bool all_are_numbers(const dataset *d)
{
    size_t number;
    for (size_t i = 0; i < d->count; i++)
        if (!class_number(d->examples[i].label, &number)) return false;
    return true;
}

static int name_by_numbers(const session *s, const dataset *d, class_names *out)
{
    size_t largest = 0;
    for (size_t i = 0; i < d->count; i++) {
        size_t number = 0;
        class_number(d->examples[i].label, &number);
        if (number >= CLASSES_MOST)
            return fail_at_example(s, d, &d->examples[i], "expected a class below 8192");
        if (number > largest) largest = number;
    }
    return class_names_add_numbered(s, out, largest + 1);
}

static int name_by_labels(const session *s, const dataset *d, class_names *out)
{
    for (size_t i = 0; i < d->count; i++) {
        if (class_names_find(out, d->examples[i].label) >= 0) continue;
        if (out->count == CLASSES_MOST)
            return fail_at_example(s, d, &d->examples[i],
                                   "expected at most 8192 classes, this is one more");
        TRY(class_names_add(s, out, d->examples[i].label));
    }
    return DONE;
}

int dataset_name_classes(const session *s, const dataset *d, class_names *out)
{
    for (size_t i = 0; i < d->classes.count; i++) TRY(class_names_add(s, out, d->classes.names[i]));
    if (out->count > 0) return DONE;
    return all_are_numbers(d) ? name_by_numbers(s, d, out) : name_by_labels(s, d, out);
}

/* True when the head knows a name of meta.json, so that names are what counts. */
static bool share_names(const dataset *d, const class_names *head)
{
    for (size_t i = 0; i < d->classes.count; i++)
        if (class_names_find(head, d->classes.names[i]) >= 0) return true;
    return false;
}

/* A label's class in the head; −1 where the head has not got it. */
static int32_t find_class(const dataset *d, const class_names *head, bool by_name,
                          const char *label)
{
    if (d->classes.count == 0) return class_names_find_label(head, label);
    int32_t number = class_names_find_label(&d->classes, label);
    if (number < 0) return -1;
    if (by_name) return class_names_find(head, d->classes.names[number]);
    return (size_t)number < head->count ? number : -1;
}

int dataset_find_classes(const session *s, dataset *d, const class_names *head)
{
    char what[256];
    bool by_name = share_names(d, head);
    for (size_t i = 0; i < d->count; i++) {
        example *e = &d->examples[i];
        e->number = find_class(d, head, by_name, e->label);
        if (e->number >= 0) continue;
        snprintf(what, sizeof what, "expected one of the head's %zu classes (%.40s, %.40s, ...)",
                 head->count, head->names[0], head->names[head->count > 1]);
        return fail_at_example(s, d, e, what);
    }
    return DONE;
}

int dataset_check_variety(const session *s, const dataset *d)
{
    for (size_t i = 1; i < d->count; i++)
        if (d->examples[i].number != d->examples[0].number) return DONE;
    return session_fail(s,
                        "%s: expected examples of two classes or more, got only \"%.*s\" in all "
                        "of %zu",
                        d->path, SHOWN, d->examples[0].label, d->count);
}

int dataset_read_targets(const session *s, dataset *d)
{
    for (size_t i = 0; i < d->count; i++) {
        example *e = &d->examples[i];
        char *end;
        e->target = strtof(e->label, &end);
        if (end == e->label || *end != '\0' || !isfinite(e->target))
            return fail_at_example(s, d, e, "expected a number, as this is a regression");
    }
    return DONE;
}
