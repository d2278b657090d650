/* SPDX-License-Identifier: MIT */
/* chart.h – drawing into an <svg> of a page: axes, texts, marks. Colours are the page's own
 * (page_style.c): class s0, s1, … for a series.
 *
 *     (0,0) ───────────────── width
 *       │   left,top ┌──────┐ right
 *       │            │ plot │
 *       │            └──────┘ bottom
 *     height
 */
#ifndef ADCL_BENCH_CHART_H
#define ADCL_BENCH_CHART_H

#include "bench/row.h"

#include <stdio.h>

/* Text with &, <, > and " escaped. */
void bench_html_text(FILE *out, const char *text);

typedef struct bench_axis {
    double least, most;
    bool logarithmic;
    const char *title;
    const double *ticks; /* ascending; NULL: round numbers */
    size_t tick_count;
} bench_axis;

typedef struct bench_chart {
    FILE *out;
    double width, height;
    double left, top, right, bottom;
    bench_axis x, y;
} bench_chart;

/* The <svg>; `what` is its accessible name. */
void bench_chart_begin(const bench_chart *c, const char *what);
void bench_chart_end(const bench_chart *c);

/* From a value to a place. */
double bench_chart_x(const bench_chart *c, double value);
double bench_chart_y(const bench_chart *c, double value);

/* Grid lines, numbers, titles of both axes. */
void bench_chart_axes(const bench_chart *c);

/* A logarithmic axis around least … most, with room on both sides. */
bench_axis bench_axis_around(double least, double most, const char *title);

typedef enum bench_anchor { BENCH_START, BENCH_MIDDLE, BENCH_END } bench_anchor;

/* Text at a place; `style` is a class. */
void bench_chart_text(const bench_chart *c, double x, double y, bench_anchor anchor,
                      const char *style, const char *text);

/* The mark of a row at a place: its shape says which pass, its colour which series; peers are
 * hollow. `hint` appears under the pointer. */
void bench_chart_mark(const bench_chart *c, double x, double y, bench_pass pass, size_t series,
                      bool hollow, const char *hint);

/* 12345 → "12345", 12.345 → "12.3", 0.12345 → "0.123". */
void bench_format_number(double value, char *text, size_t size);

#endif
