/* SPDX-License-Identifier: MIT */
/* page.h – the report as one self-contained page: pictures drawn as SVG in the page itself, nothing
 * loaded from elsewhere, no scripts. Well-formed XML, light and dark, printable. */
#ifndef ADCL_BENCH_PAGE_H
#define ADCL_BENCH_PAGE_H

#include "bench/series.h"

/* False when the stream failed. */
bool bench_page_print(const bench_report *report, FILE *out);

/* The page's parts, each a file: */

extern const char bench_page_style[]; /* CSS */

/* Every row by its FLOP per byte and its FLOP per second, below what the device could do. */
void bench_page_rooflines(const bench_series_list *list, FILE *out);
/* For each work, a bar for everybody who did it. */
void bench_page_bars(const bench_series_list *list, FILE *out);
/* How speed changes with N, with D, with R. */
void bench_page_scaling(const bench_series_list *list, FILE *out);
/* All rows of a device as a table; and their verdicts. */
void bench_page_table(bench_level level, const bench_device *device, FILE *out);
void bench_page_verdicts(bench_level level, const bench_device *device, FILE *out);

/* Which colour is whose, and which mark which pass. */
void bench_page_legend(const bench_series_list *list, FILE *out);
/* "forward + backward" and so on, for people. Static. */
const char *bench_page_pass_title(bench_pass pass);
/* "forward + backward, 512 × 768 × 64, relu": N × D × R; other levels as bench_shape_text. */
void bench_page_work_title(const bench_row *row, char *text, size_t size);

#endif
