/* SPDX-License-Identifier: MIT */
/* page_roofline.c – the roofline: what memory and arithmetic allow, and where each row lies.
 *
 *     GFLOP/s │      ________ peak
 *             │     /   o o
 *             │    /  □
 *             │   / copy bandwidth
 *             └──────────────── FLOP per byte
 */
#include "bench/chart.h"
#include "bench/page.h"

#include <math.h>

/* Both axes so that every row and the ridge are in sight. */
typedef struct extent {
    double x_least, x_most, y_least, y_most;
} extent;

static void include(extent *e, double x, double y)
{
    e->x_least = fmin(e->x_least, x);
    e->x_most = fmax(e->x_most, x);
    e->y_least = fmin(e->y_least, y);
    e->y_most = fmax(e->y_most, y);
}

/* Peers ran on the host: they belong under the roof of a CPU. */
static bool shows_peers(const bench_series_list *list, const bench_device *device)
{
    return device->type == ADCL_DEVICE_CPU && list->report->peers.count > 0;
}

static void include_rows(extent *e, const bench_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bench_has_rate(&rows[i])) include(e, bench_intensity(&rows[i]), bench_gflops(&rows[i]));
}

static void draw_roof(const bench_chart *c, const adcl_peak *peak)
{
    double ridge = peak->gflops / peak->gbs;
    double from = fmax(c->x.least, c->y.least / peak->gbs);
    char text[64];
    fprintf(c->out, "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1fH%.1f\"/>\n",
            bench_chart_x(c, from), bench_chart_y(c, from * peak->gbs), bench_chart_x(c, ridge),
            bench_chart_y(c, peak->gflops), c->right);
    snprintf(text, sizeof text, "%.0f GFLOP/s, the measured peak", peak->gflops);
    bench_chart_text(c, bench_chart_x(c, ridge), bench_chart_y(c, peak->gflops) - 8.0, BENCH_END,
                     "note", text);
    /* Along the slope, above it. */
    double x = bench_chart_x(c, ridge), y = bench_chart_y(c, peak->gflops);
    double x0 = bench_chart_x(c, from), y0 = bench_chart_y(c, from * peak->gbs);
    double middle_x = 0.5 * (x + x0), middle_y = 0.5 * (y + y0);
    fprintf(c->out,
            "<text class=\"note\" text-anchor=\"middle\" transform=\"translate(%.1f %.1f) "
            "rotate(%.1f)\">%.1f GB/s, copying</text>\n",
            middle_x - 6.0, middle_y - 6.0, atan2(y - y0, x - x0) * 57.29578, peak->gbs);
}

static void draw_rows(const bench_chart *c, const bench_series_list *list,
                      const bench_device *owner, const bench_device *device, const bench_row *rows,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const bench_row *row = &rows[i];
        if (!bench_has_rate(row)) continue;
        size_t series = bench_series_index(list, owner, row->engine);
        char title[384], hint[768];
        bench_page_work_title(row, title, sizeof title);
        snprintf(hint, sizeof hint, "%s: %s\n%.4g ms, %.1f GFLOP/s, %.2f of the roof", row->engine,
                 title, row->timing.median_ms, bench_gflops(row),
                 bench_share_of_roof(&device->peak, row));
        bench_chart_mark(c, bench_chart_x(c, bench_intensity(row)),
                         bench_chart_y(c, bench_gflops(row)), row->pass, series, owner == NULL,
                         hint);
    }
}

static void draw_roofline(const bench_series_list *list, const bench_device *device, FILE *out)
{
    const adcl_peak *peak = &device->peak;
    const bench_peers *peers = &list->report->peers;
    double ridge = peak->gflops / peak->gbs;
    extent e = {ridge / 4.0, ridge * 4.0, peak->gflops / 10.0, peak->gflops};
    include_rows(&e, device->rows, device->count);
    if (shows_peers(list, device)) include_rows(&e, peers->rows, peers->count);
    bench_chart c = {
        .out = out,
        .width = 1000,
        .height = 520,
        .left = 56,
        .top = 36,
        .right = 984,
        .bottom = 470,
        .x = bench_axis_around(e.x_least, e.x_most, "FLOP per byte"),
        .y = bench_axis_around(e.y_least, e.y_most, "GFLOP/s"),
    };
    char what[320];
    snprintf(what, sizeof what, "Roofline of %s", device->name);
    fputs("<figure>\n<figcaption>", out);
    bench_html_text(out, device->name);
    fputs("</figcaption>\n", out);
    bench_chart_begin(&c, what);
    bench_chart_axes(&c);
    draw_roof(&c, peak);
    if (shows_peers(list, device)) draw_rows(&c, list, NULL, device, peers->rows, peers->count);
    draw_rows(&c, list, device, device, device->rows, device->count);
    bench_chart_end(&c);
    fputs("</figure>\n", out);
}

void bench_page_rooflines(const bench_series_list *list, FILE *out)
{
    for (size_t d = 0; d < list->report->device_count; d++)
        draw_roofline(list, &list->report->devices[d], out);
}
