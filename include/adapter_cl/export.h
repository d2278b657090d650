/* SPDX-License-Identifier: MIT */
/* export.h – which symbols leave the library. Everything marked ADCL_API does, nothing else. */
#ifndef ADAPTER_CL_EXPORT_H
#define ADAPTER_CL_EXPORT_H

#if defined(_WIN32)
#if defined(ADCL_BUILDING)
#define ADCL_API __declspec(dllexport)
#else
#define ADCL_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define ADCL_API __attribute__((visibility("default")))
#else
#define ADCL_API
#endif

#endif
