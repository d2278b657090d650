/* SPDX-License-Identifier: MIT */
#include "cli/answers.h"

#include "cli/json.h"
#include "cli/metrics.h"

#include <stdio.h>
#include <string.h>

int answer_format_of(const session *s, const char *name, answer_format *out)
{
    static const char *const names[] = {
        [ANSWER_TEXT] = "text", [ANSWER_TSV] = "tsv", [ANSWER_JSONL] = "jsonl"};
    *out = ANSWER_TEXT;
    if (name == NULL) return DONE;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (answer_format)i;
            return DONE;
        }
    return session_misused(s, "option -o: expected text, tsv or jsonl, got \"%s\"", name);
}

answer_style answer_style_for(answer_format format, const class_names *classes, bool is_regression,
                              bool has_pairs)
{
    answer_style style = {format, classes, is_regression, has_pairs, 0};
    for (size_t i = 0; i < classes->count; i++) {
        size_t length = strlen(classes->names[i]);
        if (length > 40) length = 40;
        if ((int)length > style.width) style.width = (int)length;
    }
    return style;
}

void answers_begin(const answer_style *style)
{
    if (style->format == ANSWER_TSV)
        printf("label\tprobability\ttext_a%s\n", style->has_pairs ? "\ttext_b" : "");
}

/* A tab or a line's end inside would be the table's own. */
static void print_field(const adcl_text_span *text)
{
    for (size_t i = 0; i < text->size; i++) {
        char c = text->bytes[i];
        putchar(c == '\t' || c == '\n' || c == '\r' ? ' ' : c);
    }
}

static void print_text(const answer_style *style, const adcl_text_span *text,
                       const adcl_text_span *pair, const float *logits)
{
    if (style->is_regression) {
        printf("%9.4f  ", (double)logits[0]);
    } else {
        size_t choice = (size_t)largest_logit(logits, style->classes->count);
        printf("%-*s  %.4f  ", style->width, style->classes->names[choice],
               softmax_probability(logits, style->classes->count, choice));
    }
    print_field(text);
    if (pair != NULL) {
        fputs(" | ", stdout);
        print_field(pair);
    }
    putchar('\n');
}

/* Nine digits read back to the same f32. */
static void print_tsv(const answer_style *style, const adcl_text_span *text,
                      const adcl_text_span *pair, const float *logits)
{
    if (style->is_regression) {
        printf("%.9g\t\t", (double)logits[0]);
    } else {
        size_t choice = (size_t)largest_logit(logits, style->classes->count);
        const char *name = style->classes->names[choice];
        print_field(&(adcl_text_span){name, strlen(name)});
        printf("\t%.9g\t", softmax_probability(logits, style->classes->count, choice));
    }
    print_field(text);
    if (style->has_pairs) putchar('\t');
    if (style->has_pairs && pair != NULL) print_field(pair);
    putchar('\n');
}

static json_t *describe_logits(const float *logits, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(array, json_finite((double)logits[i]));
    return array;
}

static json_t *describe_span(const adcl_text_span *span)
{
    return span != NULL ? json_stringn(span->bytes, span->size) : json_null();
}

static int print_json(const session *s, const answer_style *style, const adcl_text_span *text,
                      const adcl_text_span *pair, const float *logits)
{
    size_t count = style->is_regression ? 1 : style->classes->count;
    size_t choice = (size_t)largest_logit(logits, count);
    json_t *label = style->is_regression ? json_finite((double)logits[0])
                                         : json_string(style->classes->names[choice]);
    json_t *id = style->is_regression ? json_null() : json_integer((json_int_t)choice);
    json_t *probability = style->is_regression
                              ? json_null()
                              : json_finite(softmax_probability(logits, count, choice));
    return json_print_line(s, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
                                        "text", describe_span(text),
                                        "text_b", describe_span(pair),
                                        "label", label,
                                        "label_id", id,
                                        "probability", probability,
                                        "logits", describe_logits(logits, count)));
}

int answer_print(const session *s, const answer_style *style, const adcl_text_span *text,
                 const adcl_text_span *pair, const float *logits)
{
    if (style->format == ANSWER_JSONL) return print_json(s, style, text, pair, logits);
    if (style->format == ANSWER_TSV)
        print_tsv(style, text, pair, logits);
    else
        print_text(style, text, pair, logits);
    return DONE;
}
