/* SPDX-License-Identifier: MIT */
#include <adapter_cl/dtype.h>

size_t adcl_dtype_size(adcl_dtype dtype)
{
    switch (dtype) {
#define DTYPE_SIZE(name, value, bytes) case ADCL_##name: return bytes;
        ADCL_DTYPE_MAP(DTYPE_SIZE)
#undef DTYPE_SIZE
    }
    return 0;
}

const char *adcl_dtype_name(adcl_dtype dtype)
{
    switch (dtype) {
#define DTYPE_NAME(name, value, bytes) case ADCL_##name: return #name;
        ADCL_DTYPE_MAP(DTYPE_NAME)
#undef DTYPE_NAME
    }
    return "?";
}
