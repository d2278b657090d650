/* SPDX-License-Identifier: MIT */
/* target.h – what libFuzzer calls with one input after another. A target aborts when the reader
 * breaks a promise; the sanitizers see the rest. */
#ifndef ADCL_TESTS_FUZZ_TARGET_H
#define ADCL_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
