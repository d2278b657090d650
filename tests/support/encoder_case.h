/* SPDX-License-Identifier: MIT */
/* encoder_case.h – the encoder on the device beside AdapterHub's numbers: a folder of tiny.h
 * through an engine. */
#ifndef ADCL_TESTS_ENCODER_CASE_H
#define ADCL_TESTS_ENCODER_CASE_H

#include "support/tiny.h"

#include <adapter_cl/adapter_cl.h>

/* An encoder with a set of adapters, ready for the texts of a folder. */
typedef struct adcl_test_encoder_case {
    adcl_context *ctx;
    adcl_test_tiny *tiny;
    adcl_encoder *encoder;
    adcl_adapter_set *set;
    adcl_encoder_workspace *ws;
    adcl_tensor *logits, *dlogits, *labels, *value;
    adcl_loss *loss;
} adcl_test_encoder_case;

/* For training, every hidden state kept. */
adcl_test_encoder_case adcl_test_encoder_case_open(adcl_engine engine, const char *model,
                                                   const char *name);
void adcl_test_encoder_case_close(adcl_test_encoder_case *c);

/* Forward, loss, and backward into cleared gradients. */
void adcl_test_encoder_case_run(adcl_test_encoder_case *c);

/* Hidden states, logits, loss; and every gradient, of which there must be as many as in the folder.
 * `where` begins each report. */
void adcl_test_encoder_case_check_outputs(adcl_test_encoder_case *c, const char *where,
                                          double tolerance);
void adcl_test_encoder_case_check_gradients(adcl_test_encoder_case *c, const char *where,
                                            double tolerance);

/* All of that for every folder of a list (model, name, …, NULL), each with the tolerance that
 * tolerance_of gives for its name. Returns how many there were. */
size_t adcl_test_encoder_check_folders(adcl_engine engine, const char *const *folders,
                                       double (*tolerance_of)(const char *name));

#endif
