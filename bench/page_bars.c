/* SPDX-License-Identifier: MIT */
/* page_bars.c – a small picture for each work: a bar for every engine and peer that did it. Where
 * work is arithmetic, a bar is GFLOP/s and a line shows the roof; for starts it is milliseconds. */
#include "bench/chart.h"
#include "bench/page.h"

#include <math.h>

#define BAR_HEIGHT 20.0
#define BAR_GAP 7.0
#define WIDTH 480.0
#define LABEL_WIDTH 146.0
#define FIGURES_WIDTH 116.0

/* One bar of a picture. */
typedef struct bar {
    const bench_row *row;
    const bench_device *device; /* NULL: a peer's */
    size_t series;
} bar;

typedef struct picture {
    bar bars[BENCH_SERIES_MOST];
    size_t count;
    bool rates;
    double most; /* the value at the right edge */
} picture;

static double value_of(const picture *p, const bench_row *row)
{
    return p->rates ? bench_gflops(row) : row->timing.median_ms;
}

/* The roof that holds for all bars; 0 where there are several devices. */
static double roof_of(const bench_series_list *list, const picture *p)
{
    if (!p->rates || list->report->device_count != 1) return 0.0;
    return bench_roof(&list->report->devices[0].peak, bench_intensity(p->bars[0].row));
}

static void collect(const bench_series_list *list, const bench_row *work, picture *p)
{
    p->count = 0;
    p->rates = bench_has_rate(work);
    p->most = 0.0;
    for (size_t i = 0; i < list->count; i++) {
        const bench_row *row = bench_series_find(list, i, work);
        if (row == NULL) continue;
        p->bars[p->count++] = (bar){row, list->items[i].device, i};
        p->most = fmax(p->most, value_of(p, row));
    }
}

/* A label that does not fit is cut; the whole of it is under the pointer. */
static void short_label(const char *label, char *text, size_t size)
{
    size_t kept = 0;
    for (size_t characters = 0; label[kept] != '\0' && characters < 18; characters++) do
            kept++;
        while (((unsigned char)label[kept] & 0xc0) == 0x80);
    snprintf(text, size, "%.*s%s", (int)kept, label, label[kept] != '\0' ? "…" : "");
}

static void describe_figures(const picture *p, const bar *b, double roof, char *text, size_t size)
{
    char ms[32], rate[32];
    bench_format_number(b->row->timing.median_ms, ms, sizeof ms);
    bench_format_number(bench_gflops(b->row), rate, sizeof rate);
    if (!p->rates)
        snprintf(text, size, "%s ms", ms);
    else if (roof > 0.0)
        snprintf(text, size, "%s ms · %.0f %%", ms, 100.0 * bench_gflops(b->row) / roof);
    else
        snprintf(text, size, "%s ms · %s GFLOP/s", ms, rate);
}

static void draw_bar(const bench_chart *c, const bench_series_list *list, const picture *p,
                     size_t i, double roof)
{
    const bar *b = &p->bars[i];
    double y = c->top + (double)i * (BAR_HEIGHT + BAR_GAP);
    double end = bench_chart_x(c, value_of(p, b->row));
    char label[256], shown[96], figures[96];
    bench_series_label(list, b->series, label, sizeof label);
    short_label(label, shown, sizeof shown);
    describe_figures(p, b, roof, figures, sizeof figures);
    bench_chart_text(c, c->left - 8.0, y + 14.5, BENCH_END, b->device ? "ours" : "tick", shown);
    fprintf(c->out,
            "<rect class=\"bar s%zu%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" "
            "rx=\"2\"><title>",
            b->series, b->device ? "" : " hollow", c->left, y, fmax(end - c->left, 1.0),
            BAR_HEIGHT);
    bench_html_text(c->out, label);
    fprintf(c->out, "\nmedian %.4g ms, spread %.2g ms, %zu samples</title></rect>\n",
            b->row->timing.median_ms, b->row->timing.spread_ms, b->row->timing.samples);
    bench_chart_text(c, c->right + 8.0, y + 14.5, BENCH_START, b->device ? "figure" : "tick",
                     figures);
}

/* A roof far off would make every bar a stub: then only its figure is given. */
static void draw_roof_line(const bench_chart *c, double roof)
{
    char text[64];
    bool in_sight = roof <= c->x.most;
    double x = in_sight ? bench_chart_x(c, roof) : c->right;
    snprintf(text, sizeof text, in_sight ? "roof %.0f GFLOP/s" : "roof %.0f GFLOP/s →", roof);
    if (in_sight)
        fprintf(c->out, "<path class=\"limit\" d=\"M%.1f %.1fV%.1f\"/>\n", x, c->top - 6.0,
                c->bottom);
    bench_chart_text(c, x, c->top - 10.0, BENCH_END, "note", text);
}

static void draw_picture(const bench_series_list *list, const bench_row *work, FILE *out)
{
    picture p;
    char title[384];
    collect(list, work, &p);
    bench_page_work_title(work, title, sizeof title);
    double roof = roof_of(list, &p);
    double most = roof > p.most && roof < 6.0 * p.most ? roof : p.most;
    double height = 26.0 + (double)p.count * (BAR_HEIGHT + BAR_GAP);
    bench_chart c = {
        .out = out,
        .width = WIDTH,
        .height = height,
        .left = LABEL_WIDTH,
        .top = 24.0,
        .right = WIDTH - FIGURES_WIDTH,
        .bottom = height - 4.0,
        .x = {.most = most},
    };
    fputs("<figure>\n<figcaption>", out);
    bench_html_text(out, title);
    fputs("</figcaption>\n", out);
    bench_chart_begin(&c, title);
    if (roof > 0.0) draw_roof_line(&c, roof);
    for (size_t i = 0; i < p.count; i++) draw_bar(&c, list, &p, i, roof);
    bench_chart_end(&c);
    fputs("</figure>\n", out);
}

void bench_page_bars(const bench_series_list *list, FILE *out)
{
    size_t next = 0;
    const bench_row *work;
    fputs("<div class=\"pair\">\n", out);
    while ((work = bench_next_work(list->report, &next)) != NULL) draw_picture(list, work, out);
    fputs("</div>\n", out);
}
