/* SPDX-License-Identifier: MIT */
#include <adapter_cl/version.h>

#define STRING_OF(x) #x
#define EXPANDED_STRING_OF(x) STRING_OF(x)

const char *adcl_version(void)
{
    return EXPANDED_STRING_OF(ADCL_VERSION_MAJOR) "." EXPANDED_STRING_OF(
        ADCL_VERSION_MINOR) "." EXPANDED_STRING_OF(ADCL_VERSION_PATCH);
}

int adcl_version_number(void)
{
    return ADCL_VERSION_NUMBER;
}
