/* SPDX-License-Identifier: MIT */
/* new_adapter.h – the options that say what a new adapter is like, shared by init and train. */
#ifndef ADCL_CLI_NEW_ADAPTER_H
#define ADCL_CLI_NEW_ADAPTER_H

#include "cli/command.h"

typedef struct new_adapter_options {
    size_t bottleneck;      /* 0: not given */
    const char *activation; /* NULL: not given */
    const char *init;       /* NULL: not given */
    const char *name;       /* NULL: not given */
    double scaling;
    double dropout;
} new_adapter_options;

#define NEW_ADAPTER_OPTIONS_INIT {0, NULL, NULL, NULL, 1.0, 0.0}

/* Their rows in a command's table of options. */
#define NEW_ADAPTER_OPTION_SPECS(o)                                                                \
    {"bottleneck", 0, OPTION_SIZE, &(o).bottleneck, "R", "columns in between (default 64)"},       \
    {"activation", 0, OPTION_TEXT, &(o).activation, "NAME", "relu, gelu, ... (default relu)"},     \
    {"init", 0, OPTION_TEXT, &(o).init, "NAME",                                                    \
     "identity, houlsby, houlsby_paper, bert or mam (default identity)"},                          \
    {"name", 0, OPTION_TEXT, &(o).name, "NAME", "its name in files (default adapter)"},            \
    {"scaling", 0, OPTION_NUMBER, &(o).scaling, "F", "factor of the adapter's output (default 1)"},\
    {"dropout", 0, OPTION_NUMBER, &(o).dropout, "P", "of the adapter's output in training"}

/* What the library needs for such an adapter, with the seed of the session; *params borrows the
 * name. */
int new_adapter_params(session *s, const new_adapter_options *options, size_t hidden_size,
                       adcl_adapter_params *params);

#endif
