/* SPDX-License-Identifier: MIT */
/* adapter_key.h – names of tensors and strings in native adapter files: <name>_down.kernel and
 * <name>.activation. Names of adapters are short, so keys are made without allocating. */
#ifndef ADCL_IO_ADAPTER_KEY_H
#define ADCL_IO_ADAPTER_KEY_H

#include <adapter_cl/adapter.h>

#include <stdio.h>

typedef struct adcl__adapter_key {
    char text[ADCL_ADAPTER_NAME_BYTES + 32];
} adcl__adapter_key;

static inline adcl__adapter_key adcl__adapter_tensor_key(const char *name, adcl_adapter_slot slot)
{
    adcl__adapter_key key;
    snprintf(key.text, sizeof key.text, "%s_%s", name, adcl_adapter_slot_name(slot));
    return key;
}

static inline adcl__adapter_key adcl__adapter_option_key(const char *name, const char *option)
{
    adcl__adapter_key key;
    snprintf(key.text, sizeof key.text, "%s.%s", name, option);
    return key;
}

#endif
