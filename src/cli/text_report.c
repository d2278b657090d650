/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* getline, open_memstream */
#include "cli/text_report.h"

#include "bench/chart.h"
#include "bench/page.h"
#include "cli/json.h"
#include "cli/outputs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- curves ----------------------------------------------------------------------------------*/

typedef struct point {
    double step;
    double value;
} point;

typedef struct curve {
    point *points;
    size_t count;
    size_t room;
} curve;

/* What the log has of a training: its own loss, and what evaluations gave. */
typedef enum curve_kind {
    LOSS,
    DEV_LOSS,
    DEV_FIRST, /* accuracy, or Pearson of a regression */
    DEV_SECOND,
    DEV_THIRD,
    CURVES
} curve_kind;

static const char *const class_keys[CURVES] = {"loss", "dev_loss", "dev_accuracy",
                                               "dev_matthews_corrcoef", "dev_macro_f1"};
static const char *const number_keys[CURVES] = {"loss", "dev_mse", "dev_pearson", "dev_spearman",
                                                "none"};

/* A point where the line has a number of that name; false when memory ran out. */
static bool add_point(curve *c, const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    if (!json_is_number(value)) return true;
    if (c->count == c->room) {
        size_t room = 2 * c->room + 64;
        point *points = realloc(c->points, room * sizeof *points);
        if (points == NULL) return false;
        c->points = points;
        c->room = room;
    }
    double step = json_number_value(json_object_get(line, "step"));
    c->points[c->count++] = (point){step, json_number_value(value)};
    return true;
}

static bool add_line(curve curves[CURVES], const char *text, const char *const *keys)
{
    json_t *line = json_loads(text, 0, NULL);
    bool complete = true;
    for (int i = 0; i < CURVES && complete; i++) complete = add_point(&curves[i], line, keys[i]);
    json_decref(line);
    return complete;
}

static int read_curves(const session *s, const text_report *r, curve curves[CURVES])
{
    bool numbers = r->assessment != NULL && r->assessment->is_regression;
    FILE *log = fopen(r->log_path, "r");
    if (log == NULL)
        return session_fail(s, "%s: cannot be opened: %s", r->log_path, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    bool complete = true;
    while (complete && getline(&line, &size, log) > 0)
        complete = add_line(curves, line, numbers ? number_keys : class_keys);
    free(line);
    fclose(log);
    return complete ? DONE : session_fail(s, "%s: no memory to draw it", r->log_path);
}

/* Batches differ from each other: what a person wants to see is the mean over a while. */
static void smooth(curve *c)
{
    size_t width = c->count / 60;
    if (width < 2) return;
    double sum = 0.0;
    point *old = malloc(c->count * sizeof *old);
    if (old == NULL) return; /* then as it is */
    memcpy(old, c->points, c->count * sizeof *old);
    for (size_t i = 0; i < c->count; i++) {
        sum += old[i].value;
        if (i >= width) sum -= old[i - width].value;
        c->points[i].value = sum / (double)(i < width ? i + 1 : width);
    }
    free(old);
}

static void widen(const curve *c, double *least, double *most)
{
    for (size_t i = 0; i < c->count; i++) {
        *least = fmin(*least, c->points[i].value);
        *most = fmax(*most, c->points[i].value);
    }
}

static void draw_curve(const bench_chart *chart, const curve *c, size_t series, const char *name)
{
    if (c->count == 0) return;
    fprintf(chart->out, "<path class=\"line s%zu\" d=\"", series);
    for (size_t i = 0; i < c->count; i++)
        fprintf(chart->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L',
                bench_chart_x(chart, c->points[i].step), bench_chart_y(chart, c->points[i].value));
    fputs("\"/>\n", chart->out);
    for (size_t i = 0; i < c->count && c->count <= 60; i++) {
        char hint[96];
        snprintf(hint, sizeof hint, "%s %.4f, step %.0f", name, c->points[i].value,
                 c->points[i].step);
        bench_chart_mark(chart, bench_chart_x(chart, c->points[i].step),
                         bench_chart_y(chart, c->points[i].value), BENCH_FORWARD, series, false,
                         hint);
    }
}

static void print_key(FILE *out, size_t series, const char *name)
{
    fprintf(out,
            "<span><svg viewBox=\"-7 -7 14 14\" aria-hidden=\"true\"><rect class=\"bar s%zu\" "
            "x=\"-6\" y=\"-6\" width=\"12\" height=\"12\" rx=\"2\"/></svg>",
            series);
    bench_html_text(out, name);
    fputs("</span>\n", out);
}

static void draw_chart(const curve *curves, const char *const *names, size_t count, size_t series,
                       double last_step, const char *title, FILE *out)
{
    double least = (double)INFINITY;
    double most = (double)-INFINITY;
    for (size_t i = 0; i < count; i++) widen(&curves[i], &least, &most);
    if (!isfinite(least) || !isfinite(most)) return;
    double margin = fmax(0.05 * (most - least), 1e-3);
    bench_chart c = {
        .out = out,
        .width = 480,
        .height = 300,
        .left = 50,
        .top = 32,
        .right = 466,
        .bottom = 250,
        .x = {.least = 0.0, .most = last_step, .title = "steps"},
        .y = {.least = fmax(least - margin, fmin(least, 0.0)),
              .most = most + margin,
              .title = title},
    };
    fputs("<figure>\n<figcaption>", out);
    bench_html_text(out, title);
    fputs("</figcaption>\n<div class=\"legend\">\n", out);
    for (size_t i = 0; i < count; i++)
        if (curves[i].count > 0) print_key(out, series + i, names[i]);
    fputs("</div>\n", out);
    bench_chart_begin(&c, title);
    bench_chart_axes(&c);
    for (size_t i = 0; i < count; i++) draw_curve(&c, &curves[i], series + i, names[i]);
    bench_chart_end(&c);
    fputs("</figure>\n", out);
}

static void draw_curves(const text_report *r, curve curves[CURVES], FILE *out)
{
    static const char *const losses[] = {"training, mean over a while", "development"};
    static const char *const classes[] = {"accuracy", "Matthews", "macro F1"};
    static const char *const numbers[] = {"Pearson", "Spearman", ""};
    bool is_regression = r->assessment != NULL && r->assessment->is_regression;
    double last = 1.0;
    for (int i = 0; i < CURVES; i++)
        if (curves[i].count > 0) last = fmax(last, curves[i].points[curves[i].count - 1].step);
    fprintf(out, "<h2>Learning</h2>\n<p>An epoch is %zu steps.</p>\n<div class=\"pair\">\n",
            r->steps_per_epoch);
    draw_chart(&curves[LOSS], losses, 2, 0, last, "loss", out);
    draw_chart(&curves[DEV_FIRST], is_regression ? numbers : classes, 3, 2, last,
               "on the development set", out);
    fputs("</div>\n", out);
}

/* ---- classes ---------------------------------------------------------------------------------*/

#define PAIRS_SHOWN 12
#define NAMES_DRAWN 24 /* beyond, names would not fit beside their rows */

static const char *name_of(const text_report *r, size_t class)
{
    return r->classes->names[class];
}

static size_t examples_of(const confusion *c, size_t class)
{
    size_t sum = 0;
    for (size_t i = 0; i < c->classes; i++) sum += confusion_count(c, class, i);
    return sum;
}

/* Where the squares are. */
typedef struct grid {
    double left, top, side;
} grid;

/* A square for each pair that occurs: green on the diagonal, red elsewhere, the darker the larger
 * its share of the class. */
static void draw_cell(const text_report *r, const bench_chart *c, const grid *g, size_t right,
                      size_t answer)
{
    const confusion *counts = &r->assessment->confusion;
    size_t count = confusion_count(counts, right, answer);
    if (count == 0) return;
    double x = g->left + (double)answer * g->side;
    double y = g->top + (double)right * g->side;
    fprintf(c->out,
            "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
            "style=\"fill:var(--%s);fill-opacity:%.2f\"><title>%zu times ",
            x, y, g->side, g->side, right == answer ? "good" : "bad",
            0.15 + 0.85 * (double)count / (double)examples_of(counts, right), count);
    bench_html_text(c->out, name_of(r, right));
    fputs(right == answer ? " was found" : " was taken for ", c->out);
    if (right != answer) bench_html_text(c->out, name_of(r, answer));
    fputs("</title></rect>\n", c->out);
    if (counts->classes > NAMES_DRAWN) return;
    char text[32];
    snprintf(text, sizeof text, "%zu", count);
    bench_chart_text(c, x + 0.5 * g->side, y + 0.5 * g->side + 4.0, BENCH_MIDDLE, "figure", text);
}

/* Beside the row, and along the column. */
static void draw_name(const text_report *r, const bench_chart *c, const grid *g, size_t class)
{
    double place = ((double)class + 0.5) * g->side;
    bench_chart_text(c, g->left - 6.0, g->top + place + 4.0, BENCH_END, "tick", name_of(r, class));
    fprintf(c->out, "<g transform=\"translate(%.1f %.1f) rotate(-35)\">", g->left + place,
            g->top - 6.0);
    bench_chart_text(c, 0.0, 0.0, BENCH_START, "tick", name_of(r, class));
    fputs("</g>\n", c->out);
}

static void draw_confusion(const text_report *r, FILE *out)
{
    size_t classes = r->assessment->confusion.classes;
    bool named = classes <= NAMES_DRAWN;
    double side = fmin(48.0, 640.0 / (double)classes);
    double size = side * (double)classes;
    grid g = {named ? 200.0 : 8.0, named ? 120.0 : 8.0, side};
    bench_chart c = {.out = out, .width = 1000.0, .height = g.top + size + 8.0};
    fputs(
        "<h2>Which class was taken for which</h2>\n<p>A row is a right class, a column an answer; "
        "the diagonal is right. Point at a square to see what it counts.</p>\n<figure>\n",
        out);
    bench_chart_begin(&c, "confusion matrix");
    fprintf(out, "<path class=\"grid\" d=\"M%.1f %.1fh%.1fv%.1fh%.1fZ\"/>\n", g.left, g.top, size,
            size, -size);
    for (size_t right = 0; right < classes; right++) {
        if (named) draw_name(r, &c, &g, right);
        for (size_t answer = 0; answer < classes; answer++) draw_cell(r, &c, &g, right, answer);
    }
    bench_chart_end(&c);
    fputs("</figure>\n", out);
}

static void print_cell(FILE *out, const char *text)
{
    fputs("<td class=\"word\">", out);
    bench_html_text(out, text);
    fputs("</td>", out);
}

static void print_worst(const text_report *r, FILE *out)
{
    confused_pair pairs[PAIRS_SHOWN];
    const confusion *c = &r->assessment->confusion;
    size_t count = confusion_worst(c, pairs, PAIRS_SHOWN);
    if (count == 0) return;
    fputs(
        "<h2>Most often confused</h2>\n<div class=\"scroll\"><table>\n<tr><th class=\"word\">right "
        "class</th><th class=\"word\">answer</th><th>times</th><th>of its examples</th></tr>\n",
        out);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr>", out);
        print_cell(out, name_of(r, pairs[i].right));
        print_cell(out, name_of(r, pairs[i].answer));
        fprintf(out, "<td>%zu</td><td>%.0f %%</td></tr>\n", pairs[i].count,
                100.0 * (double)pairs[i].count / (double)examples_of(c, pairs[i].right));
    }
    fputs("</table></div>\n", out);
}

/* ---- the page --------------------------------------------------------------------------------*/

static void print_tiles(const text_report *r, FILE *out)
{
    evaluation e = assessment_figures(r->assessment, false, false);
    fprintf(out,
            "<p>On %zu texts that were not trained on, after epoch %llu.</p>\n"
            "<div class=\"tiles\">\n",
            r->assessment->samples, (unsigned long long)r->epoch);
    for (size_t i = 0; i < e.count; i++) {
        fprintf(out, "<div class=\"tile\"><b>%.4f</b><span>", e.scores[i].value);
        bench_html_text(out, e.scores[i].words);
        fputs("</span></div>\n", out);
    }
    fputs("</div>\n", out);
}

static void print_options(const traits *list, FILE *out)
{
    fputs("<h2>Options</h2>\n<div class=\"scroll\"><table>\n", out);
    for (size_t i = 0; i < list->count; i++) {
        fputs("<tr>", out);
        print_cell(out, list->items[i].option);
        print_cell(out, list->items[i].value);
        fputs("</tr>\n", out);
    }
    fputs("</table></div>\n", out);
}

static void print_page(const text_report *r, curve curves[CURVES], FILE *out)
{
    bool has_classes = r->assessment != NULL && !r->assessment->is_regression;
    fputs("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
          out);
    bench_html_text(out, r->title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>", bench_page_style);
    bench_html_text(out, r->title);
    fprintf(out, "</h1>\n<p>Trained by adapter_cl %s.</p>\n", adcl_version());
    if (r->assessment != NULL) print_tiles(r, out);
    draw_curves(r, curves, out);
    if (has_classes) draw_confusion(r, out);
    if (has_classes) print_worst(r, out);
    print_options(r->options, out);
    fputs("</main>\n</body>\n</html>\n", out);
}

static int write_page(const session *s, const text_report *r, curve curves[CURVES],
                      const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL) return session_fail(s, "%s: no memory to write it", path);
    print_page(r, curves, stream);
    bool complete = !ferror(stream);
    complete = fclose(stream) == 0 && complete;
    int status = complete ? output_write(s, path, text, size)
                          : session_fail(s, "%s: no memory to write it", path);
    free(text);
    return status;
}

int text_report_write(const session *s, const text_report *report, const char *path)
{
    curve curves[CURVES] = {{0}};
    int status = read_curves(s, report, curves);
    smooth(&curves[LOSS]);
    if (status == DONE) status = write_page(s, report, curves, path);
    for (int i = 0; i < CURVES; i++) free(curves[i].points);
    return status;
}
