/* SPDX-License-Identifier: MIT */
/* text_report.h – a training on texts as one self-contained page: learning curves from its log,
 * which class is taken for which, the options. Nothing is loaded from elsewhere, no scripts. */
#ifndef ADCL_CLI_TEXT_REPORT_H
#define ADCL_CLI_TEXT_REPORT_H

#include "cli/assessment.h"
#include "cli/traits.h"

typedef struct text_report {
    const char *log_path; /* JSON Lines, flushed */
    const char *title;
    const traits *options;
    const class_names *classes;
    const assessment *assessment; /* NULL: none was made */
    uint64_t epoch;               /* that it was made after */
    size_t steps_per_epoch;
} text_report;

/* Writes the page, all of it or none. */
int text_report_write(const session *s, const text_report *report, const char *path);

#endif
