/* SPDX-License-Identifier: MIT */
/* params.h – structs of options that callers of any version hand over. */
#ifndef ADCL_BASE_PARAMS_H
#define ADCL_BASE_PARAMS_H

#include "base/error.h"

#include <stddef.h>

/* Copies the caller's params of any version over the defaults that *params holds: fields beyond the
 * caller's struct_size keep their defaults. `given` NULL: all defaults. `what` names the struct. */
adcl_status adcl__read_params(adcl_error *error, const char *what, void *params, size_t size,
                              const void *given);

#endif
