/* SPDX-License-Identifier: MIT */
#include "cli/adapter_source.h"

static int choose_activation(session *s, const char *path, const adcl_adapter_file_info *info,
                             const char *name, adcl_activation *out)
{
    if (name != NULL) TRY_HOST(s, adcl_activation_from_name(name, out, &s->error));
    if (name == NULL && !info->has_activation)
        return session_fail(s,
                            "%s: the file does not say the activation of adapter \"%s\"; say it "
                            "with --activation",
                            path, info->name);
    if (name != NULL && info->has_activation && *out != info->activation)
        return session_fail(s, "option --activation: adapter \"%s\" in %s has %s, got %s",
                            info->name, path, adcl_activation_name(info->activation), name);
    return DONE;
}

int adapter_source_load(session *s, adcl_adapter_file **file, adcl_adapter **adapter,
                        const char *path, const char *activation, const adcl_adapter_params *params)
{
    TRY_HOST(s, adcl_adapter_file_load(file, path, &s->error));
    size_t index = 0;
    TRY_HOST(s, adcl_adapter_file_find(*file, params->name, &index, &s->error));
    adcl_adapter_params wishes = *params;
    TRY(choose_activation(s, path, adcl_adapter_file_get(*file, index), activation,
                          &wishes.activation));
    TRY_DEVICE(s, adcl_adapter_file_create_adapter(adapter, s->ctx, *file, index, &wishes));
    return DONE;
}
