/* SPDX-License-Identifier: MIT */
#include "runtime/context.h"

#include "base/text.h"
#include "runtime/device.h"
#include "runtime/profile.h"
#include "runtime/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- engines ----------------------------------------------------------------------------------*/

static const char *const engine_names[] = {
    [ADCL_ENGINE_AUTO] = "auto",
    [ADCL_ENGINE_GEMM] = "gemm",
    [ADCL_ENGINE_FUSED] = "fused",
    [ADCL_ENGINE_REFERENCE] = "reference",
};

#define ENGINE_COUNT (sizeof engine_names / sizeof engine_names[0])

const char *adcl_engine_name(adcl_engine engine)
{
    return (unsigned)engine < ENGINE_COUNT ? engine_names[engine] : "?";
}

adcl_status adcl_engine_from_name(const char *name, adcl_engine *out, adcl_error *error)
{
    size_t index;
    ADCL_TRY(adcl__find_name(error, "engine", name, engine_names, ENGINE_COUNT,
                             out == NULL ? NULL : &index));
    *out = (adcl_engine)index;
    return ADCL_OK;
}

static adcl_status check_engine(adcl_engine engine, adcl_error *error)
{
    if ((unsigned)engine >= ENGINE_COUNT)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "engine: expected a value of adcl_engine, got %d", (int)engine);
    return ADCL_OK;
}

adcl_status adcl__engine_resolve(adcl_context *ctx, adcl_engine request, adcl_engine *out)
{
    ADCL_TRY(check_engine(request, &ctx->error));
    *out = request == ADCL_ENGINE_AUTO ? ctx->engine : request;
    return ADCL_OK;
}

static bool on_cpu(const adcl_context *ctx)
{
    return ctx->family->info.type == ADCL_DEVICE_CPU;
}

bool adcl__has_groups(const adcl__family *family)
{
    return family->max_work_group_size >= ADCL__GROUP_ITEMS_LEAST &&
           family->info.local_memory_bytes >= ADCL__GROUP_BYTES_LEAST;
}

bool adcl__takes_groups(const adcl_context *ctx)
{
    return ctx->fused_plan == ADCL_FUSED_PLAN_GPU && adcl__has_groups(ctx->family);
}

/* The engine of a new context: the parameter, else ADCL_ENGINE, else the fastest known for its
 * device: CLBlast takes twice as long as the fused kernels or longer, on CPUs five times, and seconds to start.
 * It is for devices whose work-groups or local memory are too small. */
static adcl_status choose_engine(adcl_context *ctx, adcl_engine request, adcl_error *error)
{
    const char *variable = getenv("ADCL_ENGINE");
    if (request == ADCL_ENGINE_AUTO && variable != NULL && variable[0] != '\0')
        ADCL_TRY(adcl_engine_from_name(variable, &request, error));
    ADCL_TRY(check_engine(request, error));
    ctx->automatic = request == ADCL_ENGINE_AUTO;
    bool fuses = on_cpu(ctx) || adcl__has_groups(ctx->family);
    if (ctx->automatic) request = fuses ? ADCL_ENGINE_FUSED : ADCL_ENGINE_GEMM;
    ctx->engine = request;
    return ADCL_OK;
}

static const char *const plan_names[] = {
    [ADCL_FUSED_PLAN_AUTO] = "auto",
    [ADCL_FUSED_PLAN_CPU] = "cpu",
    [ADCL_FUSED_PLAN_GPU] = "gpu",
};

#define PLAN_COUNT (sizeof plan_names / sizeof plan_names[0])

/* The plan of a new context: the parameter, else ADCL_FUSED_PLAN, else by the kind of device. */
static adcl_status choose_fused_plan(adcl_context *ctx, adcl_fused_plan request, adcl_error *error)
{
    const char *variable = getenv("ADCL_FUSED_PLAN");
    if ((unsigned)request >= PLAN_COUNT)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "fused_plan: expected a value of adcl_fused_plan, got %d",
                               (int)request);
    if (request == ADCL_FUSED_PLAN_AUTO && variable != NULL && variable[0] != '\0') {
        size_t index;
        ADCL_TRY(adcl__find_name(error, "fused plan", variable, plan_names, PLAN_COUNT, &index));
        request = (adcl_fused_plan)index;
    }
    if (request == ADCL_FUSED_PLAN_AUTO)
        request = on_cpu(ctx) ? ADCL_FUSED_PLAN_CPU : ADCL_FUSED_PLAN_GPU;
    ctx->fused_plan = request;
    return ADCL_OK;
}

/* ---- tuning -----------------------------------------------------------------------------------*/

static const char *const tuning_names[] = {
    [ADCL_TUNING_AUTO] = "auto",
    [ADCL_TUNING_ON] = "on",
    [ADCL_TUNING_OFF] = "off",
};

#define TUNING_COUNT (sizeof tuning_names / sizeof tuning_names[0])

adcl_status adcl_tuning_from_name(const char *name, adcl_tuning *out, adcl_error *error)
{
    size_t index;
    ADCL_TRY(adcl__find_name(error, "tuning", name, tuning_names, TUNING_COUNT,
                             out == NULL ? NULL : &index));
    *out = (adcl_tuning)index;
    return ADCL_OK;
}

/* Whether a new context uses tuned results: the parameter, else ADCL_TUNING, else yes. */
static adcl_status choose_tuning(adcl_context *ctx, adcl_tuning request, adcl_error *error)
{
    const char *variable = getenv("ADCL_TUNING");
    if (request == ADCL_TUNING_AUTO && variable != NULL && variable[0] != '\0')
        ADCL_TRY(adcl_tuning_from_name(variable, &request, error));
    if ((unsigned)request >= TUNING_COUNT)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "tuning: expected a value of adcl_tuning, got %d", (int)request);
    ctx->tuning = request != ADCL_TUNING_OFF;
    return ADCL_OK;
}

/* ---- errors and log ---------------------------------------------------------------------------*/

void adcl__log(adcl_context *ctx, adcl_log_level level, const char *format, ...)
{
    if (ctx == NULL || ctx->log == NULL || level > ctx->log_level) return;
    char message[ADCL_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    ctx->log(ctx->log_user, level, message);
}

adcl_error *adcl__context_error(adcl_context *ctx)
{
    return ctx == NULL ? NULL : &ctx->error;
}

adcl_status adcl__fail(adcl_context *ctx, adcl_status status, int native_code, const char *format,
                       ...)
{
    if (ctx == NULL) return status;
    char message[ADCL_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    adcl__error_set(&ctx->error, status, native_code, "%s", message);
    adcl__log(ctx, ADCL_LOG_DEBUG, "%s: %s", adcl_status_name(status), message);
    return status;
}

adcl_status adcl__fail_cl(adcl_context *ctx, cl_int code, const char *what)
{
    return adcl__fail(ctx, adcl__cl_status(code), code, "%s: %s (%d)", what,
                      adcl__cl_code_name(code), (int)code);
}

const adcl_error *adcl_context_error(const adcl_context *ctx)
{
    static const adcl_error no_context = {ADCL_ERR_INVALID_ARGUMENT, 0,
                                          "expected a context, got NULL"};
    return ctx == NULL ? &no_context : &ctx->error;
}

const char *adcl_context_build_log(const adcl_context *ctx)
{
    return ctx == NULL || ctx->build_log == NULL ? "" : ctx->build_log;
}

/* ---- families ---------------------------------------------------------------------------------*/

void adcl__family_retain(adcl__family *family)
{
    adcl__mutex_lock(&family->mutex);
    family->references++;
    adcl__mutex_unlock(&family->mutex);
}

void adcl__family_release(adcl__family *family)
{
    if (family == NULL) return;
    adcl__mutex_lock(&family->mutex);
    size_t left = --family->references;
    adcl__mutex_unlock(&family->mutex);
    if (left > 0) return;
    adcl__programs_destroy(family->programs);
    if (family->context != NULL) clReleaseContext(family->context);
    if (family->device != NULL) clReleaseDevice(family->device);
    adcl__device_info_free(&family->info);
    adcl__mutex_destroy(&family->mutex);
    free(family);
}

/* A family of one reference over a device. `context` is retained; NULL makes one. */
static adcl_status family_create(adcl__family **out, cl_context context, cl_device_id device,
                                 const char *selector, adcl_error *error)
{
    *out = NULL;
    adcl__family *family = calloc(1, sizeof *family);
    if (family == NULL || adcl__mutex_init(&family->mutex) != 0) {
        free(family);
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "context: no memory for it");
    }
    family->references = 1;
    cl_int code = clRetainDevice(device);
    if (code == CL_SUCCESS) family->device = device;
    cl_platform_id platform = NULL;
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_GROUP_SIZE,
                               sizeof family->max_work_group_size, &family->max_work_group_size,
                               NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT,
                               sizeof family->vector_width, &family->vector_width, NULL);
    if (code == CL_SUCCESS && context != NULL) code = clRetainContext(context);
    if (code == CL_SUCCESS && context == NULL)
        context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    adcl_status status = ADCL_OK;
    if (code == CL_SUCCESS) {
        family->context = context;
        status = adcl__device_info_read(&family->info, platform, device, selector, error);
    } else {
        status = adcl__error_set(error, adcl__cl_status(code), code,
                                 "device %s cannot be opened: %s (%d)", selector,
                                 adcl__cl_code_name(code), (int)code);
    }
    if (status != ADCL_OK) {
        adcl__family_release(family);
        return status;
    }
    *out = family;
    return ADCL_OK;
}

/* ---- making contexts --------------------------------------------------------------------------*/

/* A context over a family, which it takes over also on failure. `queue` is retained; NULL makes
 * one. */
static adcl_status context_over(adcl_context **out, adcl__family *family, cl_command_queue queue,
                                const adcl_context_params *params, adcl_error *error)
{
    adcl_status status = ADCL_OK;
    adcl_context *ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL) {
        adcl__family_release(family);
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "context: no memory for it");
    }
    ctx->family = family;
    ctx->profiling = params->profiling != 0;
    ctx->log = params->log;
    ctx->log_user = params->log_user;
    ctx->log_level = params->log_level;
    ctx->cache = params->cache;
    if ((status = choose_engine(ctx, params->engine, error)) != ADCL_OK) goto fail;
    if ((status = choose_fused_plan(ctx, params->fused_plan, error)) != ADCL_OK) goto fail;
    if ((status = choose_tuning(ctx, params->tuning, error)) != ADCL_OK) goto fail;
    if (ctx->profiling && (ctx->profile = adcl__profile_create()) == NULL) {
        status = adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "context: no memory for it");
        goto fail;
    }
    cl_int code = CL_SUCCESS;
    if (queue != NULL)
        code = clRetainCommandQueue(queue);
    else
        queue = clCreateCommandQueue(family->context, family->device,
                                     ctx->profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    if (code != CL_SUCCESS) {
        status = adcl__error_set(error, adcl__cl_status(code), code,
                                 "device %s gives no command queue: %s (%d)",
                                 family->info.selector, adcl__cl_code_name(code), (int)code);
        goto fail;
    }
    ctx->queue = queue;
    *out = ctx;
    return ADCL_OK;

fail:
    adcl_context_destroy(&ctx);
    return status;
}

static const char *why_engine(const adcl_context *ctx)
{
    if (!ctx->automatic) return "";
    return ctx->engine == ADCL_ENGINE_FUSED ? " (auto: the fastest on this kind of device)"
                                            : " (auto: work-groups or local memory are small)";
}

/* The first device, best first, that opens. */
static adcl_status open_first(adcl_context **out, const adcl_device_list *list, const size_t *order,
                              size_t matches, const adcl_context_params *params, adcl_error *error)
{
    adcl_status status = ADCL_ERR_NO_DEVICE;
    for (size_t i = 0; i < matches; i++) {
        const adcl_device_info *info = adcl_device_list_get(list, order[i]);
        adcl__family *family = NULL;
        status = family_create(&family, NULL, adcl__device_list_id(list, order[i]), info->selector,
                               error);
        if (status == ADCL_OK) status = context_over(out, family, NULL, params, error);
        if (status == ADCL_OK) {
            adcl__log(*out, ADCL_LOG_INFO, "device %s: %s (%s), %s", info->selector, info->name,
                      info->platform, info->opencl);
            adcl__log(*out, ADCL_LOG_INFO, "engine %s%s", adcl_engine_name((*out)->engine),
                      why_engine(*out));
            return ADCL_OK;
        }
        /* A device that does not open must not keep another one from being used. */
        if (status != ADCL_ERR_OPENCL && status != ADCL_ERR_OUT_OF_DEVICE_MEMORY) return status;
        if (params->log != NULL && params->log_level >= ADCL_LOG_WARNING && error != NULL)
            params->log(params->log_user, ADCL_LOG_WARNING, error->message);
    }
    return status;
}

adcl_status adcl_context_create(adcl_context **out, const adcl_context_params *given,
                                adcl_error *error)
{
    if (out == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "context: expected a place for the result, got NULL");
    *out = NULL;
    adcl_error unasked; /* the sentence of a device that did not open goes to the log at least */
    if (error == NULL) error = &unasked;
    adcl__error_clear(error);
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(error, "adcl_context_params", &params, sizeof params, given));
    const char *selector = params.device != NULL ? params.device : getenv("ADCL_DEVICE");

    adcl_device_list *list = NULL;
    ADCL_TRY(adcl_device_list_create(&list, error));
    size_t matches = 0;
    size_t *order = calloc(adcl_device_list_count(list) + 1, sizeof *order);
    adcl_status status =
        order == NULL ? adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                                        "context: no memory for it")
                      : adcl__device_select(list, selector, order, &matches, error);
    if (status == ADCL_OK) status = open_first(out, list, order, matches, &params, error);
    if (status == ADCL_OK) adcl__error_clear(error);
    free(order);
    adcl_device_list_destroy(&list);
    return status;
}

adcl_status adcl_context_share(adcl_context **out, adcl_context *ctx, adcl_error *error)
{
    if (out == NULL || ctx == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "context share: expected a context and a place for the result, got "
                               "NULL");
    *out = NULL;
    adcl__error_clear(error);
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.engine = ctx->engine;
    params.fused_plan = ctx->fused_plan;
    params.tuning = ctx->tuning ? ADCL_TUNING_ON : ADCL_TUNING_OFF;
    params.cache = ctx->cache;
    params.profiling = ctx->profiling;
    params.log = ctx->log;
    params.log_user = ctx->log_user;
    params.log_level = ctx->log_level;
    adcl__family_retain(ctx->family);
    ADCL_TRY(context_over(out, ctx->family, NULL, &params, error));
    (*out)->automatic = ctx->automatic;
    return ADCL_OK;
}

adcl_status adcl_context_create_from_cl(adcl_context **out, cl_context context,
                                        cl_command_queue queue, const adcl_context_params *given,
                                        adcl_error *error)
{
    if (out == NULL || context == NULL || queue == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "context: expected a cl_context, a queue and a place for the result, "
                               "got NULL");
    *out = NULL;
    adcl__error_clear(error);
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(error, "adcl_context_params", &params, sizeof params, given));
    cl_context queue_context = NULL;
    cl_device_id device = NULL;
    cl_command_queue_properties properties = 0;
    cl_int code = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof queue_context,
                                        &queue_context, NULL);
    if (code == CL_SUCCESS)
        code = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (code == CL_SUCCESS)
        code = clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties,
                                     NULL);
    if (code != CL_SUCCESS)
        return adcl__error_set(error, adcl__cl_status(code), code,
                               "context: the queue cannot be examined: %s (%d)",
                               adcl__cl_code_name(code), (int)code);
    if (queue_context != context)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "context: expected a queue of the given cl_context, got one of "
                               "another");
    if (params.profiling && !(properties & CL_QUEUE_PROFILING_ENABLE))
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "context: profiling needs a queue made with "
                               "CL_QUEUE_PROFILING_ENABLE, got one without");
    adcl__family *family = NULL;
    ADCL_TRY(family_create(&family, context, device, "borrowed", error));
    ADCL_TRY(context_over(out, family, queue, &params, error));
    (*out)->out_of_order = (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
    return ADCL_OK;
}

void adcl_context_destroy(adcl_context **context)
{
    if (context == NULL || *context == NULL) return;
    adcl_context *ctx = *context;
    if (ctx->queue != NULL) clFinish(ctx->queue);
    adcl__kernels_destroy(ctx->kernels);
    adcl__profile_destroy(ctx->profile);
    if (ctx->queue != NULL) clReleaseCommandQueue(ctx->queue);
    adcl__family_release(ctx->family);
    free(ctx->build_log);
    free(ctx);
    *context = NULL;
}

/* ---- asking -----------------------------------------------------------------------------------*/

const adcl_device_info *adcl_context_device(const adcl_context *ctx)
{
    return ctx == NULL ? NULL : &ctx->family->info;
}

adcl_engine adcl_context_engine(const adcl_context *ctx)
{
    return ctx == NULL ? ADCL_ENGINE_AUTO : ctx->engine;
}

adcl_counters adcl_context_counters(const adcl_context *ctx)
{
    return ctx == NULL ? (adcl_counters){0} : ctx->counters;
}

cl_context adcl_context_cl_context(const adcl_context *ctx)
{
    return ctx == NULL ? NULL : ctx->family->context;
}

cl_command_queue adcl_context_cl_queue(const adcl_context *ctx)
{
    return ctx == NULL ? NULL : ctx->queue;
}

cl_device_id adcl_context_cl_device(const adcl_context *ctx)
{
    return ctx == NULL ? NULL : ctx->family->device;
}

/* ---- order of work ----------------------------------------------------------------------------*/

adcl_status adcl__order(adcl_context *ctx)
{
    if (!ctx->out_of_order) return ADCL_OK;
    cl_int code = clEnqueueBarrierWithWaitList(ctx->queue, 0, NULL, NULL);
    return code == CL_SUCCESS ? ADCL_OK : adcl__fail_cl(ctx, code, "barrier");
}

adcl_status adcl__finish(adcl_context *ctx)
{
    ctx->counters.host_waits++;
    cl_int code = clFinish(ctx->queue);
    return code == CL_SUCCESS ? ADCL_OK : adcl__fail_cl(ctx, code, "waiting for the device");
}

adcl_status adcl_context_finish(adcl_context *ctx)
{
    return ctx == NULL ? ADCL_ERR_INVALID_ARGUMENT : adcl__finish(ctx);
}

adcl_status adcl_context_wait_for(adcl_context *ctx, size_t count, const cl_event *events)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (count == 0) return ADCL_OK;
    if (events == NULL || count > UINT32_MAX)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wait for events: expected %zu events, got %s", count,
                          events == NULL ? "NULL" : "too many");
    cl_int code = clEnqueueBarrierWithWaitList(ctx->queue, (cl_uint)count, events, NULL);
    return code == CL_SUCCESS ? ADCL_OK : adcl__fail_cl(ctx, code, "waiting for events");
}

adcl_status adcl_context_record(adcl_context *ctx, cl_event *event)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (event == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "record: expected a place for the event, got NULL");
    *event = NULL;
    cl_int code = clEnqueueMarkerWithWaitList(ctx->queue, 0, NULL, event);
    if (code == CL_SUCCESS && (code = clFlush(ctx->queue)) != CL_SUCCESS) {
        clReleaseEvent(*event);
        *event = NULL;
    }
    return code == CL_SUCCESS ? ADCL_OK : adcl__fail_cl(ctx, code, "recording an event");
}
