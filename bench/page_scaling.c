/* SPDX-License-Identifier: MIT */
/* page_scaling.c – GFLOP/s over N, D and R, the other two being the same. Forward is a full line,
 * with backward a dashed one; the roof of the forward lies above. */
#include "bench/chart.h"
#include "bench/page.h"

#include <math.h>

#define POINTS_MOST 64

/* Which size changes. */
typedef enum dimension { OVER_ROWS, OVER_HIDDEN, OVER_BOTTLENECK } dimension;

static const char *const dimension_titles[] = {"N, rows", "D, hidden size", "R, bottleneck size"};

static size_t size_of(const bench_shape *shape, dimension over)
{
    switch (over) {
    case OVER_ROWS: return shape->rows;
    case OVER_HIDDEN: return shape->hidden;
    case OVER_BOTTLENECK: break;
    }
    return shape->bottleneck;
}

static bool differ_in_size_alone(const bench_shape *a, const bench_shape *b, dimension over)
{
    return a->activation == b->activation && (over == OVER_ROWS || a->rows == b->rows) &&
           (over == OVER_HIDDEN || a->hidden == b->hidden) &&
           (over == OVER_BOTTLENECK || a->bottleneck == b->bottleneck);
}

/* ---- choosing --------------------------------------------------------------------------------*/

/* Rows in the order of their size: what one line connects. */
typedef struct line {
    const bench_row *points[POINTS_MOST];
    size_t count;
    dimension over;
} line;

static void insert(line *l, const bench_row *row)
{
    size_t place = l->count;
    size_t size = size_of(&row->shape, l->over);
    if (l->count == POINTS_MOST) return;
    for (size_t i = 0; i < l->count; i++)
        if (size_of(&l->points[i]->shape, l->over) == size) return;
    while (place > 0 && size_of(&l->points[place - 1]->shape, l->over) > size) {
        l->points[place] = l->points[place - 1];
        place--;
    }
    l->points[place] = row;
    l->count++;
}

/* The rows of a series that do this pass and differ from `like` in one size alone. */
static line line_of(const bench_series_list *list, size_t series, const bench_shape *like,
                    bench_pass pass, dimension over)
{
    const bench_device *device = list->items[series].device;
    const bench_row *rows = device ? device->rows : list->report->peers.rows;
    size_t count = device ? device->count : list->report->peers.count;
    line l = {.over = over};
    for (size_t i = 0; i < count; i++)
        if (rows[i].pass == pass && differ_in_size_alone(&rows[i].shape, like, over) &&
            bench_series_index(list, device, rows[i].engine) == series)
            insert(&l, &rows[i]);
    return l;
}

/* The longest line of any engine's forward; the picture is of what it shares. */
static line longest_line(const bench_series_list *list, dimension over)
{
    line longest = {.over = over};
    size_t next = 0;
    const bench_row *work;
    while ((work = bench_next_work(list->report, &next)) != NULL)
        for (size_t s = 0; s < list->count && work->pass == BENCH_FORWARD; s++) {
            if (list->items[s].device == NULL) continue;
            line l = line_of(list, s, &work->shape, BENCH_FORWARD, over);
            if (l.count > longest.count) longest = l;
        }
    return longest;
}

/* ---- drawing ---------------------------------------------------------------------------------*/

static void draw_point(const bench_chart *c, const bench_series_list *list, size_t series,
                       const bench_row *row, dimension over)
{
    char title[384], hint[768];
    bench_page_work_title(row, title, sizeof title);
    snprintf(hint, sizeof hint, "%s: %s\n%.4g ms, %.1f GFLOP/s", row->engine, title,
             row->timing.median_ms, bench_gflops(row));
    bench_chart_mark(c, bench_chart_x(c, (double)size_of(&row->shape, over)),
                     bench_chart_y(c, bench_gflops(row)), row->pass, series,
                     list->items[series].device == NULL, hint);
}

static void draw_line(const bench_chart *c, const bench_series_list *list, size_t series,
                      const line *l)
{
    if (l->count == 0) return;
    bool dashed = l->points[0]->pass == BENCH_FORWARD_BACKWARD;
    fprintf(c->out, "<path class=\"line s%zu%s%s\" d=\"", series, dashed ? " dashed" : "",
            list->items[series].device == NULL ? " thin" : "");
    for (size_t i = 0; i < l->count; i++)
        fprintf(c->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L',
                bench_chart_x(c, (double)size_of(&l->points[i]->shape, l->over)),
                bench_chart_y(c, bench_gflops(l->points[i])));
    fputs("\"/>\n", c->out);
    for (size_t i = 0; i < l->count; i++) draw_point(c, list, series, l->points[i], l->over);
}

static void draw_roof(const bench_chart *c, const adcl_peak *peak, const line *l)
{
    fputs("<path class=\"roof\" d=\"", c->out);
    for (size_t i = 0; i < l->count; i++)
        fprintf(c->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L',
                bench_chart_x(c, (double)size_of(&l->points[i]->shape, l->over)),
                bench_chart_y(c, bench_roof(peak, bench_intensity(l->points[i]))));
    fputs("\"/>\n", c->out);
    double last = bench_roof(peak, bench_intensity(l->points[l->count - 1]));
    bench_chart_text(c, c->right, bench_chart_y(c, last) - 6.0, BENCH_END, "note",
                     "roof of the forward");
}

static double most_of_line(const line *l, double most)
{
    for (size_t i = 0; i < l->count; i++) most = fmax(most, bench_gflops(l->points[i]));
    return most;
}

/* Peers are shown forward only: more lines could not be told apart. */
static bool is_shown(const bench_series_list *list, size_t series, bench_pass pass)
{
    return list->items[series].device != NULL || pass == BENCH_FORWARD;
}

static double most_of_all(const bench_series_list *list, const line *longest)
{
    double most = 0.0;
    for (size_t s = 0; s < list->count; s++)
        for (int pass = BENCH_FORWARD; pass <= BENCH_FORWARD_BACKWARD; pass++) {
            line l = line_of(list, s, &longest->points[0]->shape, (bench_pass)pass, longest->over);
            if (is_shown(list, s, (bench_pass)pass)) most = most_of_line(&l, most);
        }
    return most;
}

static void describe_fixed(const bench_shape *shape, dimension over, char *text, size_t size)
{
    const char *activation = adcl_activation_name(shape->activation);
    switch (over) {
    case OVER_ROWS:
        snprintf(text, size, "Over N at D = %zu, R = %zu, %s", shape->hidden, shape->bottleneck,
                 activation);
        break;
    case OVER_HIDDEN:
        snprintf(text, size, "Over D at N = %zu, R = %zu, %s", shape->rows, shape->bottleneck,
                 activation);
        break;
    case OVER_BOTTLENECK:
        snprintf(text, size, "Over R at N = %zu, D = %zu, %s", shape->rows, shape->hidden,
                 activation);
        break;
    }
}

static void draw_picture(const bench_series_list *list, const line *longest, double width,
                         FILE *out)
{
    bool one_device = list->report->device_count == 1;
    const adcl_peak *peak = &list->report->devices[0].peak;
    const bench_shape *like = &longest->points[0]->shape;
    double sizes[POINTS_MOST];
    for (size_t i = 0; i < longest->count; i++)
        sizes[i] = (double)size_of(&longest->points[i]->shape, longest->over);
    double most = most_of_all(list, longest);
    if (one_device) most = fmax(most, peak->gflops);
    bench_chart c = {
        .out = out,
        .width = width,
        .height = 340,
        .left = 50,
        .top = 32,
        .right = width - 14,
        .bottom = 290,
        .x = {sizes[0] / 1.15, sizes[longest->count - 1] * 1.15, true,
              dimension_titles[longest->over], sizes, longest->count},
        .y = {.most = 1.08 * most, .title = "GFLOP/s"},
    };
    char title[160];
    describe_fixed(like, longest->over, title, sizeof title);
    fputs("<figure>\n<figcaption>", out);
    bench_html_text(out, title);
    fputs("</figcaption>\n", out);
    bench_chart_begin(&c, title);
    bench_chart_axes(&c);
    if (one_device) draw_roof(&c, peak, longest);
    for (size_t s = list->count; s-- > 0;) /* engines last, above peers */
        for (int pass = BENCH_FORWARD_BACKWARD; pass >= BENCH_FORWARD; pass--) {
            if (!is_shown(list, s, (bench_pass)pass)) continue;
            line l = line_of(list, s, like, (bench_pass)pass, longest->over);
            draw_line(&c, list, s, &l);
        }
    bench_chart_end(&c);
    fputs("</figure>\n", out);
}

/* Over N the whole width, the other two beside each other. */
void bench_page_scaling(const bench_series_list *list, FILE *out)
{
    line over_rows = longest_line(list, OVER_ROWS);
    line over_hidden = longest_line(list, OVER_HIDDEN);
    line over_bottleneck = longest_line(list, OVER_BOTTLENECK);
    if (over_rows.count >= 2) draw_picture(list, &over_rows, 1000.0, out);
    fputs("<div class=\"pair\">\n", out);
    if (over_hidden.count >= 2) draw_picture(list, &over_hidden, 480.0, out);
    if (over_bottleneck.count >= 2) draw_picture(list, &over_bottleneck, 480.0, out);
    fputs("</div>\n", out);
    if (over_rows.count < 2 && over_hidden.count < 2 && over_bottleneck.count < 2)
        fputs("<p>Nothing to draw: it takes rows that differ in one size alone.</p>\n", out);
}
