/* SPDX-License-Identifier: MIT */
/* context.h – what a context is made of, for the rooms that enqueue work.
 *
 *      adcl_context (thread 1)   adcl_context (thread 2)    queue, kernels, last error, counts
 *                 └──────────┬─────────────┘
 *                      adcl__family                         cl_context, device, programs
 */
#ifndef ADCL_RUNTIME_CONTEXT_H
#define ADCL_RUNTIME_CONTEXT_H

#include "base/error.h"
#include "base/params.h"
#include "base/platform.h"

#include <adapter_cl/opencl.h>
#include <adapter_cl/profile.h>

#include <stdbool.h>

typedef struct adcl__program adcl__program;
typedef struct adcl__kernel adcl__kernel;
typedef struct adcl__profile adcl__profile;

/* Shared by all contexts that come from one adcl_context_create. */
typedef struct adcl__family {
    adcl__mutex mutex; /* guards references and programs */
    size_t references;
    cl_context context;
    cl_device_id device;
    adcl_device_info info;      /* strings owned, see device.c */
    size_t max_work_group_size;
    cl_uint vector_width;       /* floats that the device takes at once */
    adcl__program *programs; /* list; a program is never removed while the family lives */
} adcl__family;

struct adcl_context {
    adcl__family *family;
    cl_command_queue queue;
    bool out_of_order; /* a borrowed queue may be: then every command is followed by a barrier */
    adcl_engine engine;
    bool automatic; /* nobody asked for that engine: a tuned result may change it */
    bool tuning;
    adcl_cache_callbacks cache; /* functions may be NULL */
    adcl_fused_plan fused_plan; /* never AUTO */
    bool profiling;
    adcl_log_callback log;
    void *log_user;
    adcl_log_level log_level;
    adcl_error error;
    char *build_log;      /* NULL if every program built */
    adcl__kernel *kernels; /* list */
    adcl__profile *profile; /* NULL without profiling */
    adcl_counters counters;
};

/* What kernels need that are made for work-groups with local memory, the GPU plan's. */
#define ADCL__GROUP_ITEMS_LEAST 64
#define ADCL__GROUP_BYTES_LEAST 32768
bool adcl__has_groups(const adcl__family *family);

/* True where such kernels are to be taken: the device has what they need, and the plan is the GPU's. */
bool adcl__takes_groups(const adcl_context *ctx);

/* Sets the context's last error, tells the log (DEBUG: the caller decides how loud it is) and
 * returns `status`. A NULL context is fine: then only the status tells. */
adcl_status adcl__fail(adcl_context *ctx, adcl_status status, int native_code, const char *format,
                       ...) ADCL__PRINTF(4, 5);

/* The same for a failed OpenCL call: «<what>: <code's name>», with the status that fits the
 * code. */
adcl_status adcl__fail_cl(adcl_context *ctx, cl_int code, const char *what);

/* Where calls that take an adcl_error put the sentence for this context. */
adcl_error *adcl__context_error(adcl_context *ctx);

void adcl__log(adcl_context *ctx, adcl_log_level level, const char *format, ...)
    ADCL__PRINTF(3, 4);

/* "CL_OUT_OF_RESOURCES" and so on; "unknown OpenCL error" outside the list. */
const char *adcl__cl_code_name(cl_int code);
/* OUT_OF_DEVICE_MEMORY, OUT_OF_HOST_MEMORY or OPENCL. */
adcl_status adcl__cl_status(cl_int code);

/* The engine that a request stands for in this context: AUTO becomes the context's. Errors:
 * UNSUPPORTED, INVALID_ARGUMENT. */
adcl_status adcl__engine_resolve(adcl_context *ctx, adcl_engine request, adcl_engine *out);

/* Waits for the queue and counts it. */
adcl_status adcl__finish(adcl_context *ctx);

/* To be called after each enqueued command. */
adcl_status adcl__order(adcl_context *ctx);

/* A device buffer, zero-filled; counted. `host` may be NULL (see CL_MEM_USE_HOST_PTR). */
adcl_status adcl__buffer_create(adcl_context *ctx, size_t bytes, void *host, cl_mem *out);

/* ---- families ---------------------------------------------------------------------------------*/

void adcl__family_retain(adcl__family *family);
void adcl__family_release(adcl__family *family);

#endif
