/* SPDX-License-Identifier: MIT */
/* golden.h – the files of tests/golden, whose folder the environment variable ADCL_TEST_DATA names.
 * What a test asks for must be there: anything else ends the test with a sentence. */
#ifndef ADCL_TESTS_GOLDEN_H
#define ADCL_TESTS_GOLDEN_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct adcl_test_golden adcl_test_golden;

adcl_test_golden *adcl_test_golden_open(const char *file_name);
void adcl_test_golden_close(adcl_test_golden *golden);

/* The `count` numbers of the tensor whose name the format gives, F32 or F64 in the file. They
 * belong to `golden` and live until it is closed. */
const double *adcl_test_golden_doubles(adcl_test_golden *golden, size_t count,
                                       const char *key_format, ...) ADCL__PRINTF(3, 4);
const float *adcl_test_golden_floats(adcl_test_golden *golden, size_t count,
                                     const char *key_format, ...) ADCL__PRINTF(3, 4);
const int32_t *adcl_test_golden_indices(adcl_test_golden *golden, size_t count,
                                        const char *key_format, ...) ADCL__PRINTF(3, 4); /* I32 */

/* How many numbers a tensor has; 0 when it is not there. */
size_t adcl_test_golden_count(const adcl_test_golden *golden, const char *key_format, ...)
    ADCL__PRINTF(2, 3);
/* How many tensors' names begin so. */
size_t adcl_test_golden_named(const adcl_test_golden *golden, const char *beginning);

#endif
