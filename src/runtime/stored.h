/* SPDX-License-Identifier: MIT */
/* stored.h – short texts that the application's cache keeps for this device and driver. */
#ifndef ADCL_RUNTIME_STORED_H
#define ADCL_RUNTIME_STORED_H

#include "runtime/context.h"

/* Longest text, with its final zero. */
#define ADCL__STORED_SIZE 512

/* The text stored for `kind` ("gemm") on this device, and for `shape` ("768x64"; NULL: for all of
 * them). False where there is none, or none that can be read: the log then says so. */
bool adcl__stored_read(adcl_context *ctx, const char *kind, const char *shape,
                       char text[ADCL__STORED_SIZE]);

/* Keeps a text; without a cache it does nothing. Errors: CALLBACK. */
adcl_status adcl__stored_write(adcl_context *ctx, const char *kind, const char *shape,
                               const char *text);

#endif
