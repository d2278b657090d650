/* SPDX-License-Identifier: MIT */
/* progress.h – how far a long work is: on a terminal a live bar with the time that is left,
 * elsewhere a plain line now and then, with -q nothing. */
#ifndef ADCL_CLI_PROGRESS_H
#define ADCL_CLI_PROGRESS_H

#include "cli/session.h"

typedef struct progress {
    const session *s;
    bool bar;          /* a terminal, and no -q */
    uint64_t total;
    uint64_t at_start; /* done before this run */
    double started;    /* clock_seconds */
    double shown;
} progress;

/* Begins when `done` of `total` steps are done already. */
void progress_start(progress *p, const session *s, uint64_t done, uint64_t total);
/* Shows that `done` steps are done, with `what` before and `figures` behind; not more often than a
 * person can read. */
void progress_show(progress *p, uint64_t done, const char *what, const char *figures);

#endif
