/* SPDX-License-Identifier: MIT */
#include "bench/chart.h"

#include <math.h>

/* ---- text ------------------------------------------------------------------------------------*/

void bench_html_text(FILE *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) switch (*c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        default: /* XML knows no control characters but these */
            if ((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t') fputc(*c, out);
        }
}

void bench_format_number(double value, char *text, size_t size)
{
    double magnitude = fabs(value);
    int decimals = magnitude >= 100.0 ? 0 : magnitude >= 10.0 ? 1 : magnitude >= 1.0 ? 2 : 3;
    if (magnitude >= 0.01 || magnitude <= 0.0)
        snprintf(text, size, "%.*f", magnitude <= 0.0 ? 0 : decimals, value);
    else
        snprintf(text, size, "%.2g", value);
}

void bench_chart_text(const bench_chart *c, double x, double y, bench_anchor anchor,
                      const char *style, const char *text)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    fprintf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y,
            anchors[anchor], style);
    bench_html_text(c->out, text);
    fputs("</text>\n", c->out);
}

/* ---- places ----------------------------------------------------------------------------------*/

static double share_along(const bench_axis *axis, double value)
{
    if (axis->logarithmic) return log(value / axis->least) / log(axis->most / axis->least);
    return (value - axis->least) / (axis->most - axis->least);
}

double bench_chart_x(const bench_chart *c, double value)
{
    return c->left + share_along(&c->x, value) * (c->right - c->left);
}

double bench_chart_y(const bench_chart *c, double value)
{
    return c->bottom - share_along(&c->y, value) * (c->bottom - c->top);
}

bench_axis bench_axis_around(double least, double most, const char *title)
{
    return (bench_axis){
        .least = least / 1.6, .most = most * 1.6, .logarithmic = true, .title = title};
}

void bench_chart_begin(const bench_chart *c, const char *what)
{
    fprintf(c->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
            "role=\"img\">\n<title>",
            c->width, c->height);
    bench_html_text(c->out, what);
    fputs("</title>\n", c->out);
}

void bench_chart_end(const bench_chart *c)
{
    fputs("</svg>\n", c->out);
}

/* ---- axes ------------------------------------------------------------------------------------*/

typedef void draw_tick(const bench_chart *c, double value);

static void draw_x_tick(const bench_chart *c, double value)
{
    char text[32];
    double x = bench_chart_x(c, value);
    fprintf(c->out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", x, c->top, c->bottom);
    snprintf(text, sizeof text, "%g", value);
    bench_chart_text(c, x, c->bottom + 16.0, BENCH_MIDDLE, "tick", text);
}

static void draw_y_tick(const bench_chart *c, double value)
{
    char text[32];
    double y = bench_chart_y(c, value);
    fprintf(c->out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", c->left, y, c->right);
    snprintf(text, sizeof text, "%g", value);
    bench_chart_text(c, c->left - 6.0, y + 4.0, BENCH_END, "tick", text);
}

/* 1, 2, 5 in each power of ten; only the powers where there are many. */
static void draw_logarithmic(const bench_chart *c, const bench_axis *axis, draw_tick *draw)
{
    static const double parts[] = {1.0, 2.0, 5.0};
    size_t used = axis->most / axis->least > 2e3 ? 1 : 3;
    for (int power = (int)floor(log10(axis->least)); power <= (int)log10(axis->most); power++)
        for (size_t i = 0; i < used; i++) {
            double value = parts[i] * pow(10.0, power);
            if (value >= axis->least && value <= axis->most) draw(c, value);
        }
}

/* About five steps of 1, 2 or 5 times a power of ten. */
static void draw_linear(const bench_chart *c, const bench_axis *axis, draw_tick *draw)
{
    double rough = (axis->most - axis->least) / 5.0;
    double power = pow(10.0, floor(log10(rough)));
    double step = power * (rough / power < 1.5 ? 1.0 : rough / power < 3.5 ? 2.0 : 5.0);
    for (double i = ceil(axis->least / step); i * step <= axis->most; i += 1.0) draw(c, i * step);
}

/* Those that the axis names, except where two would touch. */
static void draw_named(const bench_chart *c, const bench_axis *axis, draw_tick *draw)
{
    double last = -1.0;
    for (size_t i = 0; i < axis->tick_count; i++) {
        double place = share_along(axis, axis->ticks[i]);
        if (last >= 0.0 && place - last < 0.08) continue;
        draw(c, axis->ticks[i]);
        last = place;
    }
}

static void draw_ticks(const bench_chart *c, const bench_axis *axis, draw_tick *draw)
{
    if (axis->ticks != NULL)
        draw_named(c, axis, draw);
    else if (axis->logarithmic)
        draw_logarithmic(c, axis, draw);
    else
        draw_linear(c, axis, draw);
}

void bench_chart_axes(const bench_chart *c)
{
    draw_ticks(c, &c->x, draw_x_tick);
    draw_ticks(c, &c->y, draw_y_tick);
    fprintf(c->out, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", c->left, c->top,
            c->bottom, c->right);
    bench_chart_text(c, c->right, c->bottom + 34.0, BENCH_END, "title", c->x.title);
    bench_chart_text(c, c->left - 6.0, c->top - 10.0, BENCH_START, "title", c->y.title);
}

/* ---- marks -----------------------------------------------------------------------------------*/

/* Around (0, 0). */
static const char *const outlines[BENCH_PASS_COUNT] = {
    [BENCH_FORWARD] = "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z",
    [BENCH_FORWARD_BACKWARD] = "M-4.5 -4.5H4.5V4.5H-4.5Z",
    [BENCH_STEP] = "M0 -6L5.5 4.5H-5.5Z",
    [BENCH_STEP_RECOMPUTED] = "M0 6L5.5 -4.5H-5.5Z",
    [BENCH_LATENCY] = "M0 -6.2L6.2 0L0 6.2L-6.2 0Z",
    [BENCH_BASE] = "M-5 -2H5V2H-5Z",
    [BENCH_START_COLD] = "M-5 0H5",
    [BENCH_START_WARM] = "M-5 0H5",
    [BENCH_FIRST_STEP_COLD] = "M-5 0H5",
    [BENCH_FIRST_STEP_WARM] = "M-5 0H5",
};

void bench_chart_mark(const bench_chart *c, double x, double y, bench_pass pass, size_t series,
                      bool hollow, const char *hint)
{
    fprintf(c->out,
            "<path class=\"mark s%zu%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\">"
            "<title>",
            series, hollow ? " hollow" : "", x, y, outlines[pass]);
    bench_html_text(c->out, hint);
    fputs("</title></path>\n", c->out);
}
