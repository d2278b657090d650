/* SPDX-License-Identifier: MIT */
/* version.h – the version of these headers, and that of the library that was linked. */
#ifndef ADAPTER_CL_VERSION_H
#define ADAPTER_CL_VERSION_H

#include <adapter_cl/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADCL_VERSION_MAJOR 0
#define ADCL_VERSION_MINOR 1
#define ADCL_VERSION_PATCH 0

/* One integer that compares in the order of releases: 0.1.0 is 100. */
#define ADCL_VERSION_NUMBER \
    (ADCL_VERSION_MAJOR * 10000 + ADCL_VERSION_MINOR * 100 + ADCL_VERSION_PATCH)

/* The version of the linked library as "major.minor.patch". A static string. */
ADCL_API const char *adcl_version(void);

/* ADCL_VERSION_NUMBER of the linked library; differs from the macro when headers and library are
 * of different releases. */
ADCL_API int adcl_version_number(void);

#ifdef __cplusplus
}
#endif
#endif
