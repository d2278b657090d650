/* SPDX-License-Identifier: MIT */
/* profile.h – collecting the events of launches, and adding up their times when asked. */
#ifndef ADCL_RUNTIME_PROFILE_H
#define ADCL_RUNTIME_PROFILE_H

#include "runtime/context.h"

adcl__profile *adcl__profile_create(void);
void adcl__profile_destroy(adcl__profile *profile);

/* Takes over the events of one launch, also on failure. The launch lasted from the end of `before`
 * (NULL: the start of `event`) to the end of `event`. `name` is a string literal. */
adcl_status adcl__profile_record(adcl_context *ctx, const char *name, cl_event before,
                                 cl_event event);

#endif
