/* SPDX-License-Identifier: MIT */
/* dtype.h – element types of tensors on the device and of tensors in files.
 * Device tensors are F32 (data) or I32 (labels, row numbers); files may hold all of them. */
#ifndef ADAPTER_CL_DTYPE_H
#define ADAPTER_CL_DTYPE_H

#include <adapter_cl/export.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name as in safetensors files, value, bytes of one element) */
#define ADCL_DTYPE_MAP(X)                                                                          \
    X(F32, 0, 4)                                                                                   \
    X(I32, 1, 4)                                                                                   \
    X(F64, 2, 8)                                                                                   \
    X(F16, 3, 2)                                                                                   \
    X(BF16, 4, 2)                                                                                  \
    X(I64, 5, 8)                                                                                   \
    X(I16, 6, 2)                                                                                   \
    X(I8, 7, 1)                                                                                    \
    X(U64, 8, 8)                                                                                   \
    X(U32, 9, 4)                                                                                   \
    X(U16, 10, 2)                                                                                  \
    X(U8, 11, 1)                                                                                   \
    X(BOOL, 12, 1)

typedef enum adcl_dtype {
#define ADCL_DTYPE_ENUM(name, value, bytes) ADCL_##name = value,
    ADCL_DTYPE_MAP(ADCL_DTYPE_ENUM)
#undef ADCL_DTYPE_ENUM
} adcl_dtype;

/* Bytes of one element; 0 for a value outside the list. */
ADCL_API size_t adcl_dtype_size(adcl_dtype dtype);

/* "F32", "I64", …: the spelling of safetensors files. A static string, "?" outside the list. */
ADCL_API const char *adcl_dtype_name(adcl_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
