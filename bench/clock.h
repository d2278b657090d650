/* SPDX-License-Identifier: MIT */
/* clock.h – time for measuring. */
#ifndef ADCL_BENCH_CLOCK_H
#define ADCL_BENCH_CLOCK_H

/* Seconds on a clock that never goes back. */
double clock_seconds(void);

#endif
