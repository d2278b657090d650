/* SPDX-License-Identifier: MIT */
/* page_style.c – how the page looks. Series have eight colours, told apart by people who see red
 * and green alike, and repeat them; what is hollow is a peer. */
#include "bench/page.h"

#define COLOURS(s0, s1, s2, s3, s4, s5, s6, s7)                                                    \
    "--s0:" s0 ";--s1:" s1 ";--s2:" s2 ";--s3:" s3 ";--s4:" s4 ";--s5:" s5 ";--s6:" s6 ";--s7:" s7 \
    ";"

#define SERIES(a, b, c, d, colour)                                                                 \
    ".s" #a ",.s" #b ",.s" #c ",.s" #d "{--c:var(--" colour ")}\n"

const char bench_page_style[] =
    ":root{color-scheme:light dark;--paper:#fcfcfb;--card:#ffffff;--ink:#1a1c1f;--soft:#5d636b;"
    "--faint:#e4e6e9;--rule:#b9bec5;--good:#0b7a52;--bad:#b3261e;"
    COLOURS("#1f6fc4", "#c4511b", "#0c8f6b", "#9a4f9e", "#b08400", "#3b9ec9", "#6b7280", "#8c5a3c")
    "}\n"
    "@media (prefers-color-scheme:dark){:root{--paper:#15171a;--card:#1c1f23;--ink:#e9ebee;"
    "--soft:#a2a9b2;--faint:#2c3036;--rule:#4b515a;--good:#4cc38a;--bad:#ff8a80;"
    COLOURS("#5aa9f5", "#f08a55", "#3fc79c", "#cf8ad3", "#e0b93f", "#7fd0f0", "#a7aeb8", "#c89a7c")
    "}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"
    "main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}\n"
    "h1{font-size:28px;line-height:1.2;margin:0 0 4px}\n"
    "h2{font-size:19px;margin:44px 0 4px}\n"
    "h3{font-size:15px;margin:20px 0 4px}\n"
    "p{margin:4px 0 12px;color:var(--soft);max-width:78ch}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;"
    "margin:16px 0 8px}\n"
    ".tile{background:var(--card);border:1px solid var(--faint);border-radius:8px;"
    "padding:12px 14px}\n"
    ".tile b{display:block;font-size:24px;line-height:1.2;font-weight:600}\n"
    ".tile span{color:var(--soft);font-size:13px}\n"
    ".pair{display:grid;margin-top:14px;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:14px}\n"
    "figure{margin:0;background:var(--card);border:1px solid var(--faint);border-radius:8px;"
    "padding:12px 14px;break-inside:avoid}\n"
    "figcaption{font-weight:600;font-size:14px;margin:0 0 4px}\n"
    "svg{display:block;width:100%;height:auto;overflow:visible}\n"
    "svg text{fill:var(--ink);font-size:12px;paint-order:stroke;stroke:var(--card);stroke-width:3px;"
    "stroke-linejoin:round}\n"
    "svg .tick,svg .title{fill:var(--soft)}\n"
    "svg .note{fill:var(--soft);font-size:11px}\n"
    "svg .ours{font-weight:600}\n"
    "svg .figure{font-weight:600}\n"
    ".grid{stroke:var(--faint);fill:none}\n"
    ".axis{stroke:var(--rule);fill:none}\n"
    ".roof{stroke:var(--ink);stroke-width:1.8;fill:none}\n"
    ".limit{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:4 3;fill:none}\n"
    ".mark{fill:var(--c);stroke:var(--card);stroke-width:1}\n"
    ".mark.hollow{fill:var(--card);stroke:var(--c);stroke-width:1.6}\n"
    ".bar{fill:var(--c)}\n"
    ".bar.hollow{fill-opacity:.3;stroke:var(--c)}\n"
    ".line{stroke:var(--c);stroke-width:2.2;fill:none}\n"
    ".line.dashed{stroke-dasharray:6 4}\n"
    ".line.thin{stroke-width:1.3}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:8px 0 12px;font-size:13px}\n"
    ".legend span{display:inline-flex;align-items:center;gap:6px}\n"
    ".legend svg{width:14px;height:14px}\n"
    ".ink{--c:var(--soft)}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-size:12.5px;width:100%;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:3px 6px;text-align:right;border-bottom:1px solid var(--faint);"
    "white-space:nowrap;vertical-align:bottom}\n"
    "th{color:var(--soft);font-weight:600;white-space:normal;line-height:1.25}\n"
    ".word{text-align:left}\n"
    ".faster{color:var(--good);font-weight:600}\n"
    ".slower{color:var(--bad);font-weight:600}\n"
    SERIES(0, 8, 16, 24, "s0") SERIES(1, 9, 17, 25, "s1") SERIES(2, 10, 18, 26, "s2")
    SERIES(3, 11, 19, 27, "s3") SERIES(4, 12, 20, 28, "s4") SERIES(5, 13, 21, 29, "s5")
    SERIES(6, 14, 22, 30, "s6") SERIES(7, 15, 23, 31, "s7")
    "@media print{:root{color-scheme:light}body{font-size:11px;-webkit-print-color-adjust:exact;"
    "print-color-adjust:exact}main{max-width:none;padding:0}.pair{grid-template-columns:1fr 1fr}"
    "h2{break-after:avoid}tr{break-inside:avoid}.scroll{overflow:visible}table{font-size:9px}"
    "th,td{padding:2px 3px;white-space:normal}}\n";
