/* SPDX-License-Identifier: MIT */
/* error.h – filling an adcl_error. Rooms that know a context use adcl__fail (runtime/context.h). */
#ifndef ADCL_BASE_ERROR_H
#define ADCL_BASE_ERROR_H

#include <adapter_cl/status.h>

#if defined(__GNUC__)
#define ADCL__PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define ADCL__PRINTF(text, first)
#endif

/* Leaves the calling function with the status of a failed call, whose sentence is already set. */
#define ADCL_TRY(call)                                                                             \
    do {                                                                                           \
        adcl_status adcl__status = (call);                                                         \
        if (adcl__status != ADCL_OK) return adcl__status;                                          \
    } while (0)

/* Fills *error (may be NULL) with a sentence and returns `status`, so that callers can write
 * `return adcl__error_set(…)`. A sentence that is too long is cut at a character's boundary. */
adcl_status adcl__error_set(adcl_error *error, adcl_status status, int native_code,
                            const char *format, ...) ADCL__PRINTF(4, 5);

/* *error = no error. `error` may be NULL. */
void adcl__error_clear(adcl_error *error);

#endif
