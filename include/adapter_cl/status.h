/* SPDX-License-Identifier: MIT */
/* status.h – how a call says that it failed.
 *
 * Every call that can fail returns an adcl_status. The sentence behind it (what was expected, what
 * was got, which argument or file) is kept in an adcl_error: in the context of the call
 * (adcl_context_error), or, for the calls that need no context, in the adcl_error that the caller
 * passes (NULL if only the status matters). */
#ifndef ADAPTER_CL_STATUS_H
#define ADAPTER_CL_STATUS_H

#include <adapter_cl/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The one list of errors: X(name, value, what it means). Values never change. */
#define ADCL_ERROR_MAP(X)                                                                          \
    X(INVALID_ARGUMENT, 1, "an argument is missing, out of range or contradicts another")          \
    X(SHAPE_MISMATCH, 2, "a matrix has another shape than the call needs")                         \
    X(INVALID_STATE, 3, "the call came out of order")                                              \
    X(SIZE_OVERFLOW, 4, "a product of sizes does not fit")                                         \
    X(OUT_OF_HOST_MEMORY, 5, "host memory is exhausted")                                           \
    X(OUT_OF_DEVICE_MEMORY, 6, "the device has not enough memory")                                 \
    X(NO_DEVICE, 7, "no OpenCL device matches")                                                    \
    X(OPENCL, 8, "an OpenCL call failed")                                                          \
    X(CLBLAST, 9, "a CLBlast call failed")                                                         \
    X(PROGRAM_BUILD, 10, "an OpenCL program did not compile")                                      \
    X(FILE, 11, "a file could not be opened, read or written")                                     \
    X(FORMAT, 12, "a file does not hold what its format promises")                                 \
    X(NOT_FOUND, 13, "a name was not found")                                                       \
    X(UNSUPPORTED, 14, "the request is valid but not available here")                              \
    X(CALLBACK, 15, "a function of the application reported failure")

typedef enum adcl_status {
    ADCL_OK = 0,
#define ADCL_STATUS_ENUM(name, value, text) ADCL_ERR_##name = value,
    ADCL_ERROR_MAP(ADCL_STATUS_ENUM)
#undef ADCL_STATUS_ENUM
} adcl_status;

#define ADCL_ERROR_MESSAGE_SIZE 1024

/* What went wrong. native_code is the OpenCL, CLBlast or errno value behind the status, 0 if none.
 * message is one sentence without a final newline, empty after success. */
typedef struct adcl_error {
    adcl_status status;
    int native_code;
    char message[ADCL_ERROR_MESSAGE_SIZE];
} adcl_error;

/* The meaning of a status in general words ("the call came out of order"). A static string, never
 * NULL, "unknown status" for values outside the list. */
ADCL_API const char *adcl_status_string(adcl_status status);

/* The name of a status as in the source ("INVALID_STATE"; "OK"). A static string, never NULL. */
ADCL_API const char *adcl_status_name(adcl_status status);

#ifdef __cplusplus
}
#endif
#endif
