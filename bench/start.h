/* SPDX-License-Identifier: MIT */
/* start.h – how long a new process takes until its first forward is done. */
#ifndef ADCL_BENCH_START_H
#define ADCL_BENCH_START_H

#include "bench/statistics.h"

#include <adapter_cl/status.h>

/* Runs this program with the arguments (argv[0] first, NULL last), which must make it do one
 * forward and then print a line: once with the driver's caches in an empty folder (cold), then
 * several times with what is there now (warm). A time is from before the process is made to its
 * line. Blocks. Errors: FILE when a process or a folder cannot be made, or the process failed. */
adcl_status bench_start_measure(char *const argv[], bench_timing *cold, bench_timing *warm,
                                adcl_error *error);

#endif
