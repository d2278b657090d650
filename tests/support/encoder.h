/* SPDX-License-Identifier: MIT */
/* encoder.h – encoders, sets and workspaces for tests. What cannot be made ends the test with its
 * sentence. */
#ifndef ADCL_TESTS_ENCODER_H
#define ADCL_TESTS_ENCODER_H

#include "encoder/encoder.h"
#include "support/device.h"
#include "support/random_model.h"

/* A context whose engine it is. */
adcl_context *adcl_test_engine_context(adcl_engine engine);

adcl_encoder *adcl_test_encoder_load(adcl_context *ctx, const char *folder, adcl_mode mode);

/* A new set whose numbers are those of adcl_test_draw_set, on the device and in set->host. */
adcl_adapter_set *adcl_test_set_create(adcl_context *ctx, const adcl_encoder *encoder,
                                       const adcl_adapter_set_params *params);

/* set NULL: the model alone. */
adcl_encoder_workspace *adcl_test_encoder_workspace(adcl_context *ctx, const adcl_encoder *encoder,
                                                    const adcl_adapter_set *set,
                                                    const adcl_encoder_workspace_params *params);

#endif
