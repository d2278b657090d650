/* SPDX-License-Identifier: MIT */
#include "bench/compare_numbers.h"

#include <math.h>
#include <stdio.h>

adcl_status bench_compare_numbers(const bench_shape *shape, const char *what, const float *got,
                                  const float *expected, size_t count, double scale,
                                  double tolerance, adcl_error *error)
{
    for (size_t k = 0; k < count; k++) {
        double reference = (double)expected[k];
        double difference = fabs((double)got[k] - reference);
        if (difference <= tolerance * (scale + fabs(reference))) continue;
        char text[256];
        bench_shape_text(shape, text, sizeof text);
        error->status = ADCL_ERR_INVALID_STATE;
        snprintf(error->message, sizeof error->message,
                 "%s: %s differs from the reference engine: element %zu is %.9g, expected %.9g",
                 text, what, k, (double)got[k], reference);
        return error->status;
    }
    return ADCL_OK;
}
