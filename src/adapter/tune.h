/* SPDX-License-Identifier: MIT */
/* tune.h – what a tuning left in the cache, for workspaces. */
#ifndef ADCL_ADAPTER_TUNE_H
#define ADCL_ADAPTER_TUNE_H

#include "adapter/adapter.h"

/* Where *engine and the context's are AUTO and the cache knows the fastest engine for an adapter of
 * these sizes: that one, and the log says so. Else *engine stays. */
void adcl__engine_from_tuning(adcl_context *ctx, const adcl_adapter *adapter, adcl_engine *engine);

/* Whether results of a pass are right; for tests. */
bool adcl__tune_agrees(const float *got, const float *expected, size_t count);

#endif
