/* SPDX-License-Identifier: MIT */
#include "memory_faults.h"

#include <stddef.h>

static unsigned fail_first, calls;
static bool fail_lasting;

void memory_faults_arm(unsigned first, bool lasting)
{
    fail_first = first;
    fail_lasting = lasting;
    calls = 0;
}

unsigned memory_faults_calls(void)
{
    return calls;
}

static bool fails(void)
{
    calls++;
    return fail_first != 0 && (fail_lasting ? calls >= fail_first : calls == fail_first);
}

/* The linker's names: __wrap_f takes the place of f, __real_f is f. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}
