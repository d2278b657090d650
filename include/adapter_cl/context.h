/* SPDX-License-Identifier: MIT */
/* context.h – choosing a device, and the context that every other call works in.
 *
 * Simple use:    adcl_context *ctx = NULL;
 *                adcl_error error;
 *                if (adcl_context_create(&ctx, NULL, &error) != ADCL_OK) puts(error.message);
 *
 * A context holds a command queue, kernel objects, scratch memory and the last error. All calls on
 * it enqueue work in order and return; only adcl_context_finish, reading, writing and mapping wait.
 * Thread-safety: a context belongs to one thread at a time. adcl_context_share makes another one
 * for another thread; both share the OpenCL context, the compiled programs, and all tensors,
 * adapters and models that are only read. */
#ifndef ADAPTER_CL_CONTEXT_H
#define ADAPTER_CL_CONTEXT_H

#include <adapter_cl/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- devices ---------------------------------------------------------------------------------*/

typedef enum adcl_device_type {
    ADCL_DEVICE_OTHER = 0,
    ADCL_DEVICE_CPU,
    ADCL_DEVICE_GPU,
    ADCL_DEVICE_ACCELERATOR
} adcl_device_type;

/* What is known of one device. Strings and the struct itself live as long as the list. */
typedef struct adcl_device_info {
    const char *selector;       /* "platform:device", e.g. "0:1": always selects this device */
    const char *platform;       /* the platform's name */
    const char *name;           /* the device's name */
    const char *vendor;
    const char *driver;         /* the driver's version */
    const char *opencl;         /* e.g. "OpenCL 3.0 PoCL" */
    adcl_device_type type;
    unsigned compute_units;
    uint64_t memory_bytes;      /* global memory */
    uint64_t local_memory_bytes;
    int usable;                 /* 1 if this library can run on it */
    const char *reason;         /* why not; "" if usable */
    int is_default;             /* 1 for the one device that selector NULL takes */
} adcl_device_info;

typedef struct adcl_device_list adcl_device_list;

/* Lists every device of every platform. A platform without devices, or one that fails, is passed
 * over (its reason is in adcl_device_list_note). Finding no device at all is not an error here: the
 * list is empty. On success the caller owns *out. Blocks while drivers load.
 * Errors: OUT_OF_HOST_MEMORY. `error` may be NULL. */
ADCL_API adcl_status adcl_device_list_create(adcl_device_list **out, adcl_error *error);
ADCL_API void adcl_device_list_destroy(adcl_device_list **list);
ADCL_API size_t adcl_device_list_count(const adcl_device_list *list);
/* NULL when index is out of range. */
ADCL_API const adcl_device_info *adcl_device_list_get(const adcl_device_list *list, size_t index);
/* Sentences about what was passed over, or about what to install when nothing was found; "" if
 * there is nothing to say. Lives as long as the list. */
ADCL_API const char *adcl_device_list_note(const adcl_device_list *list);

/* ---- engines ---------------------------------------------------------------------------------*/

/* How adapters are computed. AUTO takes what is known to be fastest on the device. */
typedef enum adcl_engine {
    ADCL_ENGINE_AUTO = 0,
    ADCL_ENGINE_GEMM,      /* CLBlast for the products, small kernels for the rest */
    ADCL_ENGINE_FUSED,     /* a pass in one to four kernels, by the plan for the device */
    ADCL_ENGINE_REFERENCE  /* plain C in double on the host: slow, exact, blocks */
} adcl_engine;

/* "auto", "gemm", "fused", "reference". A static string, "?" outside the list. */
ADCL_API const char *adcl_engine_name(adcl_engine engine);
/* The engine of that name. Errors: NOT_FOUND with the list of names; *out is then unchanged. */
ADCL_API adcl_status adcl_engine_from_name(const char *name, adcl_engine *out, adcl_error *error);

/* How the engine fused cuts its work. AUTO: CPU on a CPU device, else GPU. Each plan runs, more slowly,
 * on the other's devices too; results agree up to rounding. */
typedef enum adcl_fused_plan {
    ADCL_FUSED_PLAN_AUTO = 0,
    ADCL_FUSED_PLAN_CPU, /* a work-item takes a tile of rows, in the device's vectors */
    ADCL_FUSED_PLAN_GPU  /* a work-group takes a tile of rows, in local memory; needs work-groups of
                          * 64: a workspace on a device without is UNSUPPORTED */
} adcl_fused_plan;

/* ---- tuned results ---------------------------------------------------------------------------*/

/* Whether contexts use what was tuned for their device. */
typedef enum adcl_tuning {
    ADCL_TUNING_AUTO = 0, /* environment variable ADCL_TUNING ("on" or "off"), else on */
    ADCL_TUNING_ON,
    ADCL_TUNING_OFF
} adcl_tuning;

/* "auto", "on", "off". Errors: NOT_FOUND with the list of names; *out is then unchanged. */
ADCL_API adcl_status adcl_tuning_from_name(const char *name, adcl_tuning *out, adcl_error *error);

/* Where what was measured on a device (see tune.h) is kept from one process to the next: a small
 * value for each key. cache.h has a folder that fits; an application may keep them elsewhere.
 * Called from the threads that use contexts, at the same time where several do; must not call into
 * the library. */
typedef struct adcl_cache_callbacks {
    void *user;
    /* Copies the value of `key` to bytes[room]. NOT_FOUND where there is none; another status
     * (FORMAT: damaged) is told to the log, and then as if there were none. */
    adcl_status (*get)(void *user, const char *key, void *bytes, size_t room, size_t *size);
    /* Keeps a value in place of the one before. */
    adcl_status (*put)(void *user, const char *key, const void *bytes, size_t size);
} adcl_cache_callbacks;

/* ---- context ---------------------------------------------------------------------------------*/

typedef enum adcl_log_level {
    ADCL_LOG_ERROR = 0,
    ADCL_LOG_WARNING,
    ADCL_LOG_INFO,
    ADCL_LOG_DEBUG
} adcl_log_level;

/* Receives one sentence, without newline, from the thread that made the call (a build log may have
 * many lines). Must not call into the library. */
typedef void (*adcl_log_callback)(void *user, adcl_log_level level, const char *message);

typedef struct adcl_context_params {
    size_t struct_size;
    /* Which device: "gpu", "cpu", "accelerator", "0:1" (platform:device), "pocl:" (first usable
     * device of a platform whose name or version contains that), or a part of the device's name;
     * letter case does not matter. NULL: environment variable ADCL_DEVICE, and without that the
     * best device (GPU before accelerator before CPU, then compute units). */
    const char *device;
    /* The engine that workspaces take when they ask for AUTO. AUTO here: environment variable
     * ADCL_ENGINE, and without that the library's choice. */
    adcl_engine engine;
    /* 1: every kernel is timed; see profile.h. Costs a little per launch. */
    int profiling;
    /* Where messages up to log_level go; NULL: nowhere. */
    adcl_log_callback log;
    void *log_user;
    adcl_log_level log_level;
    /* OFF: CLBlast keeps its own parameters, and AUTO its own choice of engine. Otherwise the first
     * product that any context of this process computes by CLBlast on a device sets CLBlast's
     * parameters for that device, from `cache` or from a table. CLBlast has one set for a device in
     * a process, so the application's own calls of CLBlast run with it too, and contexts that come
     * later, whatever they ask for. */
    adcl_tuning tuning;
    /* Where tuned results are looked up and stored; zeros: nowhere. `user` must live as long as the
     * context and those that share with it. */
    adcl_cache_callbacks cache;
    /* The plan of the engine fused. AUTO here: environment variable ADCL_FUSED_PLAN ("cpu", "gpu"),
     * and without that by the device. */
    adcl_fused_plan fused_plan;
} adcl_context_params;

#define ADCL_CONTEXT_PARAMS_INIT {sizeof(adcl_context_params), NULL, ADCL_ENGINE_AUTO, 0, NULL, \
                                  NULL, ADCL_LOG_WARNING, ADCL_TUNING_AUTO, {NULL, NULL, NULL}, \
                                  ADCL_FUSED_PLAN_AUTO}

typedef struct adcl_context adcl_context;

/* Opens a device. params may be NULL: the defaults above. On success the caller owns *out, on
 * failure *out is NULL and `error` (may be NULL) says why; when a selector matches nothing, with
 * the list of what there is; when there is no platform, with the package to install.
 * Errors: INVALID_ARGUMENT, NO_DEVICE, NOT_FOUND (ADCL_ENGINE, ADCL_TUNING, ADCL_FUSED_PLAN),
 * OUT_OF_HOST_MEMORY, OPENCL. */
ADCL_API adcl_status adcl_context_create(adcl_context **out, const adcl_context_params *params,
                                         adcl_error *error);

/* Another context on the same device with its own queue, for another thread. Takes over engine,
 * profiling, tuning, cache and log callback (these two are then called from both threads). May be
 * called while other threads use `ctx`. */
ADCL_API adcl_status adcl_context_share(adcl_context **out, adcl_context *ctx, adcl_error *error);

/* Waits for the work still in the queue, then releases everything. Tensors, adapters and
 * workspaces keep what they need alive and may be destroyed later. NULL inside is fine. */
ADCL_API void adcl_context_destroy(adcl_context **ctx);

/* Waits until all enqueued work is done. Errors: OPENCL. */
ADCL_API adcl_status adcl_context_finish(adcl_context *ctx);

/* The last failure in this context; status ADCL_OK if there was none. Valid until the next call. */
ADCL_API const adcl_error *adcl_context_error(const adcl_context *ctx);

/* The compiler's output for the last program that did not build, "" if all did. Valid until the
 * next call. */
ADCL_API const char *adcl_context_build_log(const adcl_context *ctx);

/* What is known of this context's device; lives as long as the context. is_default is 0. */
ADCL_API const adcl_device_info *adcl_context_device(const adcl_context *ctx);

/* The engine that AUTO stands for in this context: never AUTO. A workspace may have another one,
 * where tuning found it faster for its adapter's sizes. */
ADCL_API adcl_engine adcl_context_engine(const adcl_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
