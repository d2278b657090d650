/* SPDX-License-Identifier: MIT */
/* encoder_verify.h – does an engine compute of an encoder what the reference engine computes? */
#ifndef ADCL_BENCH_ENCODER_VERIFY_H
#define ADCL_BENCH_ENCODER_VERIFY_H

#include "bench/encoder_fixture.h"
#include "bench/row.h"

/* Compares logits and every gradient of three short sequences of random ids. `f` is for
 * training, and was made from the same folder and params. Errors: INVALID_STATE with a sentence
 * when they differ; those of the calls. */
adcl_status bench_encoder_verify(bench_encoder *f, const char *folder,
                                 const adcl_adapter_set_params *set, const bench_shape *shape,
                                 adcl_error *error);

#endif
