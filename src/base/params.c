/* SPDX-License-Identifier: MIT */
#include "base/params.h"

#include <string.h>

adcl_status adcl__read_params(adcl_error *error, const char *what, void *params, size_t size,
                              const void *given)
{
    if (given == NULL) return ADCL_OK;
    size_t given_size;
    memcpy(&given_size, given, sizeof given_size);
    if (given_size < sizeof given_size || given_size > 4096)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected struct_size to be set by its _INIT macro (%zu here), "
                               "got %zu", what, size, given_size);
    memcpy(params, given, given_size < size ? given_size : size);
    return ADCL_OK;
}
