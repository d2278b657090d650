/* SPDX-License-Identifier: MIT */
/* page_table.c – the rows behind the pictures, in figures. */
#include "bench/chart.h"
#include "bench/columns.h"
#include "bench/page.h"

static void print_titles(const bench_column *columns, FILE *out)
{
    for (; columns->title != NULL; columns++)
        fprintf(out, "<th%s>%s</th>", columns->word ? " class=\"word\"" : "", columns->title);
}

static void print_cells(const bench_column *columns, const bench_device *device,
                        const bench_row *row, FILE *out)
{
    char text[BENCH_CELL_BYTES];
    for (; columns->title != NULL; columns++) {
        columns->print(device, row, text, sizeof text);
        fprintf(out, "<td%s>", columns->word ? " class=\"word\"" : "");
        bench_html_text(out, text);
        fputs("</td>", out);
    }
}

void bench_page_table(bench_level level, const bench_device *device, FILE *out)
{
    fputs("<div class=\"scroll\"><table>\n<thead><tr>", out);
    print_titles(bench_work_columns(level), out);
    print_titles(bench_figure_columns(level), out);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t i = 0; i < device->count; i++) {
        fputs("<tr>", out);
        print_cells(bench_work_columns(level), device, &device->rows[i], out);
        print_cells(bench_figure_columns(level), device, &device->rows[i], out);
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n</table></div>\n", out);
}

/* ---- against an earlier run ------------------------------------------------------------------*/

static void print_verdict(const bench_row *row, FILE *out)
{
    const char *verdict = bench_verdict_name(row->verdict);
    char work[384];
    bench_page_work_title(row, work, sizeof work);
    fputs("<tr><td class=\"word\">", out);
    bench_html_text(out, work);
    fputs("</td><td class=\"word\">", out);
    bench_html_text(out, row->engine);
    if (row->base_ms > 0.0)
        fprintf(out, "</td><td>%.4g</td><td>%.4g</td><td>%.2g</td><td>%.2f</td>", row->base_ms,
                row->timing.median_ms, row->timing.spread_ms, row->base_ms / row->timing.median_ms);
    else
        fprintf(out, "</td><td>–</td><td>%.4g</td><td>%.2g</td><td>–</td>", row->timing.median_ms,
                row->timing.spread_ms);
    fprintf(out, "<td class=\"word %s\">%s</td></tr>\n", verdict, verdict);
}

void bench_page_verdicts(bench_level level, const bench_device *device, FILE *out)
{
    (void)level;
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th class=\"word\">work</th>"
          "<th class=\"word\">engine</th><th>ms before</th><th>ms now</th><th>spread</th>"
          "<th>× as fast</th><th class=\"word\">verdict</th></tr></thead>\n<tbody>\n",
          out);
    for (size_t i = 0; i < device->count; i++) print_verdict(&device->rows[i], out);
    fputs("</tbody>\n</table></div>\n", out);
}
