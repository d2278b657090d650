/* SPDX-License-Identifier: MIT */
/* set_options.h – which adapters and which head: options of finetune, some of which bench has,
 * too. */
#ifndef ADCL_CLI_SET_OPTIONS_H
#define ADCL_CLI_SET_OPTIONS_H

#include "cli/command.h"

#include <adapter_cl/encoder.h>

#define SET_LAYERS_MOST 1024

/* What becomes part of adcl_adapter_set_params when all is read; NULL and −1: not given. */
typedef struct set_options {
    const char *config;
    const char *name;
    double reduction_factor;
    const char *leave_out;
    const char *activation;
    const char *scaling;
    const char *init;
    double dropout;
    const char *pooling;
    size_t head_layers;
    double head_dropout;
    int train_layer_norms;
    size_t layers[SET_LAYERS_MOST]; /* of leave_out */
} set_options;

#define SET_OPTIONS_INIT {.config = "houlsby", .dropout = -1.0}

/* Where adapters are and how wide: their rows in a command's table of options. */
#define SET_PLACE_SPECS(o)                                                                         \
    {"config", 0, OPTION_TEXT, &(o).config, "NAME",                                                \
     "houlsby, pfeiffer, parallel, or none: a head alone (default houlsby)"},                      \
    {"reduction-factor", 0, OPTION_POSITIVE, &(o).reduction_factor, "F",                           \
     "hidden size by bottleneck (default 16; parallel 2)"},                                        \
    {"leave-out", 0, OPTION_TEXT, &(o).leave_out, "0-3,5", "layers without adapters"},             \
    {"dropout", 0, OPTION_NUMBER, &(o).dropout, "P", "of the adapters (default 0)"}

/* What the options say, for adcl_adapter_set_create; *p borrows from *o. */
int set_options_read(session *s, set_options *o, adcl_adapter_set_params *p);

#endif
