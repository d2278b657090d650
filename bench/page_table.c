/* SPDX-License-Identifier: MIT */
/* page_table.c – the rows behind the pictures, in figures. */
#include "bench/chart.h"
#include "bench/page.h"

static void print_head(FILE *out)
{
    static const char *const titles[] = {
        "N",    "D",       "R",          "ms",      "spread",    "GFLOP/s",
        "GB/s", "of peak", "of copying", "of roof", "workspace", "beyond N·R·4",
    };
    fputs("<tr><th class=\"word\">pass</th><th class=\"word\">activation</th>"
          "<th class=\"word\">engine</th>",
          out);
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        fprintf(out, "<th>%s</th>", titles[i]);
    fputs("</tr>\n", out);
}

static void print_rates(const bench_device *device, const bench_row *row, FILE *out)
{
    if (!bench_has_rate(row)) {
        for (int i = 0; i < 7; i++) fputs("<td>–</td>", out);
        return;
    }
    fprintf(out,
            "<td>%.4g</td><td>%.4g</td><td>%.3f</td><td>%.3f</td><td>%.3f</td><td>%zu</td>"
            "<td>%zu</td>",
            bench_gflops(row), bench_gbs(row), bench_share_of_peak(&device->peak, row),
            bench_share_of_bandwidth(&device->peak, row), bench_share_of_roof(&device->peak, row),
            row->workspace_bytes, bench_further_bytes(row));
}

static void print_row(const bench_device *device, const bench_row *row, FILE *out)
{
    fprintf(out, "<tr><td class=\"word\">%s</td><td class=\"word\">%s</td><td class=\"word\">",
            bench_page_pass_title(row->pass), adcl_activation_name(row->shape.activation));
    bench_html_text(out, row->engine);
    fprintf(out, "</td><td>%zu</td><td>%zu</td><td>%zu</td><td>%.4g</td><td>%.2g</td>",
            row->shape.rows, row->shape.hidden, row->shape.bottleneck, row->timing.median_ms,
            row->timing.spread_ms);
    print_rates(device, row, out);
    fputs("</tr>\n", out);
}

void bench_page_table(const bench_device *device, FILE *out)
{
    fputs("<div class=\"scroll\"><table>\n<thead>", out);
    print_head(out);
    fputs("</thead>\n<tbody>\n", out);
    for (size_t i = 0; i < device->count; i++) print_row(device, &device->rows[i], out);
    fputs("</tbody>\n</table></div>\n", out);
}

/* ---- against an earlier run ------------------------------------------------------------------*/

static void print_verdict(const bench_row *row, FILE *out)
{
    const char *verdict = bench_verdict_name(row->verdict);
    char work[128];
    bench_page_work_title(row, work, sizeof work);
    fprintf(out, "<tr><td class=\"word\">%s</td><td class=\"word\">", work);
    bench_html_text(out, row->engine);
    if (row->base_ms > 0.0)
        fprintf(out, "</td><td>%.4g</td><td>%.4g</td><td>%.2g</td><td>%.2f</td>", row->base_ms,
                row->timing.median_ms, row->timing.spread_ms, row->base_ms / row->timing.median_ms);
    else
        fprintf(out, "</td><td>–</td><td>%.4g</td><td>%.2g</td><td>–</td>", row->timing.median_ms,
                row->timing.spread_ms);
    fprintf(out, "<td class=\"word %s\">%s</td></tr>\n", verdict, verdict);
}

void bench_page_verdicts(const bench_device *device, FILE *out)
{
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th class=\"word\">work</th>"
          "<th class=\"word\">engine</th><th>ms before</th><th>ms now</th><th>spread</th>"
          "<th>× as fast</th><th class=\"word\">verdict</th></tr></thead>\n<tbody>\n",
          out);
    for (size_t i = 0; i < device->count; i++) print_verdict(&device->rows[i], out);
    fputs("</tbody>\n</table></div>\n", out);
}
