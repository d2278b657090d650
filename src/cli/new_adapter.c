/* SPDX-License-Identifier: MIT */
#include "cli/new_adapter.h"

int new_adapter_params(session *s, const new_adapter_options *options, size_t hidden_size,
                       adcl_adapter_params *params)
{
    *params = (adcl_adapter_params)ADCL_ADAPTER_PARAMS_INIT;
    params->hidden_size = hidden_size;
    params->bottleneck_size = options->bottleneck;
    params->name = options->name;
    params->seed = s->common.seed;
    params->scaling = (float)options->scaling;
    params->dropout = (float)options->dropout;
    /* To the library 0 means the default. */
    if (params->scaling == 0.0f)
        return session_fail(s, "option --scaling: expected a number other than 0, got %g",
                            options->scaling);
    if (options->activation != NULL)
        TRY_HOST(s, adcl_activation_from_name(options->activation, &params->activation, &s->error));
    if (options->init != NULL)
        TRY_HOST(s, adcl_init_from_name(options->init, &params->init, &s->error));
    return DONE;
}
