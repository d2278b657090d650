/* SPDX-License-Identifier: MIT */
/* init.c – adapter-cl init: a new adapter in a file. */
#include "cli/interrupt.h"
#include "cli/new_adapter.h"
#include "cli/options.h"

#include <stdio.h>

static int make_and_save(session *s, const adcl_adapter_params *params, const char *path)
{
    adcl_adapter *adapter = NULL;
    TRY_DEVICE(s, adcl_adapter_create(&adapter, s->ctx, params));
    interrupt_hold();
    const adcl_adapter *adapters[] = {adapter};
    int status = session_check_context(s, adcl_adapter_save(s->ctx, path, adapters, 1, NULL));
    if (status == DONE)
        session_note(s, "%s: adapter \"%s\", %zu -> %zu -> %zu, %s, %zu parameters", path,
                     adcl_adapter_name(adapter), adcl_adapter_hidden_size(adapter),
                     adcl_adapter_bottleneck_size(adapter), adcl_adapter_output_size(adapter),
                     adcl_activation_name(adcl_adapter_activation(adapter)),
                     adcl_adapter_parameter_count(adapter));
    adcl_adapter_destroy(&adapter);
    return status;
}

static int run_init(session *s, int argc, char **argv)
{
    new_adapter_options options = NEW_ADAPTER_OPTIONS_INIT;
    size_t hidden_size = 0;
    int parallel = 0;
    const char *path = NULL;
    const option_spec specs[] = {
        {"hidden", 0, OPTION_SIZE, &hidden_size, "D", "columns of the hidden states (required)"},
        NEW_ADAPTER_OPTION_SPECS(options),
        {"parallel", 0, OPTION_FLAG, &parallel, NULL, "no residual of its own: y = u, not x + u"},
        {"output", 'o', OPTION_TEXT, &path, "FILE", "the new file (required)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &init_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    TRY(options_require(s, hidden_size != 0, "--hidden"));
    TRY(options_require(s, path != NULL, "-o"));
    adcl_adapter_params params;
    TRY(new_adapter_params(s, &options, hidden_size, &params));
    params.parallel = parallel;
    TRY(session_open(s, TALK_WARNINGS));
    return make_and_save(s, &params, path);
}

const command_spec init_command = {
    .name = "init",
    .synopsis = "--hidden D [OPTION ...] -o FILE",
    .summary = "make a new adapter",
    .description =
        "Writes an adapter with initial values to FILE (safetensors). The same --seed gives the\n"
        "same bits on every machine and device. With the default --init identity the new adapter\n"
        "changes nothing: y = x.",
    .examples = "  adapter-cl init --hidden 768 -o adapter.safetensors\n"
                "  adapter-cl init --hidden 768 --bottleneck 48 --activation gelu --init bert \\\n"
                "      --seed 1 -o a.safetensors",
    .run = run_init,
};
