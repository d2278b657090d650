/* SPDX-License-Identifier: MIT */
/* memory_faults.h – allocations that fail on demand. The program is linked with --wrap for malloc,
 * calloc and realloc, so what it is linked from comes here, and shared libraries do not: only this
 * library's own allocations fail. One thread at a time. */
#ifndef ADCL_TESTS_MEMORY_FAULTS_H
#define ADCL_TESTS_MEMORY_FAULTS_H

#include <stdbool.h>

/* Allocations from now on: the `first`-th (from 1) fails, and, if `lasting`, all after it. 0: none.
 * Restarts the count of allocations. */
void memory_faults_arm(unsigned first, bool lasting);

/* Allocations since the last arming. */
unsigned memory_faults_calls(void);

#endif
