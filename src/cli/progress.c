/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include "bench/clock.h"
#include "cli/screen.h"

#include <stdio.h>
#include <string.h>

#define BAR_INTERVAL 0.1   /* seconds between two pictures of the bar */
#define LINE_INTERVAL 10.0 /* seconds between two plain lines */
#define BAR_LEAST 8
#define BAR_MOST 26

void progress_start(progress *p, const session *s, uint64_t done, uint64_t total)
{
    double now = clock_seconds();
    *p = (progress){
        .s = s,
        .bar = screen_is_terminal() && !s->common.quiet,
        .total = total,
        .at_start = done,
        .started = now,
        .shown = now,
    };
}

/* "1:02:03 left", "0:07 left", or nothing while there is no rate yet. */
static void describe_time_left(const progress *p, uint64_t done, double now, char *text,
                               size_t size)
{
    text[0] = '\0';
    if (done <= p->at_start) return;
    double step_seconds = (now - p->started) / (double)(done - p->at_start);
    double left = step_seconds * (double)(p->total - done) + 0.5;
    if (left > 1e9) return;
    unsigned long seconds = (unsigned long)left;
    if (seconds >= 3600)
        snprintf(text, size, "%lu:%02lu:%02lu left", seconds / 3600, seconds / 60 % 60,
                 seconds % 60);
    else
        snprintf(text, size, "%lu:%02lu left", seconds / 60, seconds % 60);
}

/* "[=======>      ]" of `width` characters, of which there is room for BAR_MOST. */
static void draw_bar(double share, size_t width, char bar[BAR_MOST + 1])
{
    size_t filled = (size_t)(share * (double)(width - 2));
    bar[0] = '[';
    for (size_t i = 1; i + 1 < width; i++)
        bar[i] = (char)(i <= filled ? '=' : i == filled + 1 ? '>' : ' ');
    bar[width - 1] = ']';
    bar[width] = '\0';
}

/* `before`, a bar as long as there is room for, `after`. A line that wraps could not be replaced in
 * place, so what does not fit is cut. */
static void show_bar(double share, const char *before, const char *after)
{
    size_t columns = screen_width();
    size_t taken = strlen(before) + strlen(after) + 3;
    size_t room = columns > taken ? columns - taken : 0;
    char bar[BAR_MOST + 1] = "";
    if (room >= BAR_LEAST) draw_bar(share, room < BAR_MOST ? room : BAR_MOST, bar);
    char line[256];
    snprintf(line, sizeof line, "%s %s %s", before, bar, after);
    if (columns < sizeof line) line[columns - 1] = '\0';
    screen_live(line);
}

void progress_show(progress *p, uint64_t done, const char *what, const char *figures)
{
    double now = clock_seconds();
    if (p->s->common.quiet || now - p->shown < (p->bar ? BAR_INTERVAL : LINE_INTERVAL)) return;
    p->shown = now;
    double share = p->total > 0 ? (double)done / (double)p->total : 1.0;
    char left[32];
    describe_time_left(p, done, now, left, sizeof left);
    char after[128];
    snprintf(after, sizeof after, "%3.0f %%  %s  %s", 100.0 * share, figures, left);
    if (p->bar)
        show_bar(share, what, after);
    else
        session_note(p->s, "%s %s", what, after);
}
