/* SPDX-License-Identifier: MIT */
#include "opencl_faults.h"

#include <CL/cl_layer.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- what to fail, and what was seen -----------------------------------------------------------*/

#define FAULT CL_OUT_OF_RESOURCES

static unsigned fail_first, calls;
static bool fail_lasting;
static const char *failed_name;

/* Each kind of object with the ending of its clRetain… and clRelease…, and its type. */
#define KINDS(X)                                                                                   \
    X(Context, cl_context, "context")                                                              \
    X(CommandQueue, cl_command_queue, "queue")                                                     \
    X(MemObject, cl_mem, "buffer")                                                                 \
    X(Program, cl_program, "program")                                                              \
    X(Kernel, cl_kernel, "kernel")                                                                 \
    X(Event, cl_event, "event")                                                                    \
    X(Device, cl_device_id, "device")

#define KIND_NUMBER(kind, type, word) kind,
enum { KINDS(KIND_NUMBER) KIND_COUNT };

static long references[KIND_COUNT];

void opencl_faults_arm(unsigned first, bool lasting)
{
    fail_first = first;
    fail_lasting = lasting;
    calls = 0;
    failed_name = NULL;
}

unsigned opencl_faults_calls(void)
{
    return calls;
}

const char *opencl_faults_name(void)
{
    return failed_name;
}

long opencl_faults_references(void)
{
    long sum = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++) sum += references[kind];
    return sum;
}

const char *opencl_faults_held(void)
{
#define KIND_WORD(kind, type, word) word,
    static const char *const words[] = {KINDS(KIND_WORD)};
    static char text[256];
    size_t length = 0;
    text[0] = '\0';
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (references[kind] != 0)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%ld %s%s",
                                       length > 0 ? ", " : "", references[kind], words[kind],
                                       references[kind] == 1 ? "" : "s");
    return text;
}

/* Counts a call and tells whether it is to fail. */
static bool fails(const char *name)
{
    calls++;
    bool reached = fail_lasting ? calls >= fail_first : calls == fail_first;
    if (fail_first == 0 || !reached) return false;
    if (failed_name == NULL) failed_name = name;
    return true;
}

/* ---- the calls ---------------------------------------------------------------------------------*/

static const cl_icd_dispatch *next; /* the driver's functions */

/* clRetain… and clRelease…; releasing never fails. */
#define DEFINE_REFERENCES(kind, type, word)                                                        \
    static cl_int CL_API_CALL retain_##kind(type object)                                           \
    {                                                                                              \
        if (fails("clRetain" #kind)) return FAULT;                                                 \
        references[kind]++;                                                                        \
        return next->clRetain##kind(object);                                                       \
    }                                                                                              \
    static cl_int CL_API_CALL release_##kind(type object)                                          \
    {                                                                                              \
        references[kind]--;                                                                        \
        return next->clRelease##kind(object);                                                      \
    }
KINDS(DEFINE_REFERENCES)

/* X(kind, type, call, parameters, arguments): calls that create. */
#define CREATES(X)                                                                                 \
    X(Context, cl_context, clCreateContext,                                                        \
      (const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,        \
       void(CL_CALLBACK * notify)(const char *, const void *, size_t, void *), void *user,         \
       cl_int *code),                                                                              \
      (properties, count, devices, notify, user, code))                                            \
    X(CommandQueue, cl_command_queue, clCreateCommandQueue,                                        \
      (cl_context context, cl_device_id device, cl_command_queue_properties properties,            \
       cl_int *code),                                                                              \
      (context, device, properties, code))                                                         \
    X(MemObject, cl_mem, clCreateBuffer,                                                           \
      (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *code),             \
      (context, flags, size, host, code))                                                          \
    X(Program, cl_program, clCreateProgramWithSource,                                              \
      (cl_context context, cl_uint count, const char **texts, const size_t *lengths,               \
       cl_int *code),                                                                              \
      (context, count, texts, lengths, code))                                                      \
    X(Program, cl_program, clCreateProgramWithBinary,                                              \
      (cl_context context, cl_uint count, const cl_device_id *devices, const size_t *lengths,      \
       const unsigned char **binaries, cl_int *binary_status, cl_int *code),                       \
      (context, count, devices, lengths, binaries, binary_status, code))                           \
    X(Kernel, cl_kernel, clCreateKernel, (cl_program program, const char *name, cl_int *code),     \
      (program, name, code))

#define DEFINE_CREATE(kind, type, call, parameters, arguments)                                     \
    static type CL_API_CALL layer_##call parameters                                                \
    {                                                                                              \
        if (fails(#call)) {                                                                        \
            if (code != NULL) *code = FAULT;                                                       \
            return NULL;                                                                           \
        }                                                                                          \
        type object = next->call arguments;                                                        \
        if (object != NULL) references[kind]++;                                                    \
        return object;                                                                             \
    }
CREATES(DEFINE_CREATE)

/* X(call, parameters, arguments): calls that only return a code. Asking about an object and setting an
 * argument pass through: they take nothing that could be exhausted. */
#define ACTIONS(X)                                                                                 \
    X(clGetDeviceIDs,                                                                              \
      (cl_platform_id platform, cl_device_type type, cl_uint room, cl_device_id *devices,          \
       cl_uint *count),                                                                            \
      (platform, type, room, devices, count))                                                      \
    X(clGetEventProfilingInfo,                                                                     \
      (cl_event event, cl_profiling_info name, size_t size, void *value, size_t *needed),          \
      (event, name, size, value, needed))                                                          \
    X(clBuildProgram,                                                                              \
      (cl_program program, cl_uint count, const cl_device_id *devices, const char *options,        \
       void(CL_CALLBACK * notify)(cl_program, void *), void *user),                                \
      (program, count, devices, options, notify, user))                                            \
    X(clFlush, (cl_command_queue queue), (queue))                                                  \
    X(clFinish, (cl_command_queue queue), (queue))                                                 \
    X(clWaitForEvents, (cl_uint count, const cl_event *events), (count, events))

#define DEFINE_ACTION(call, parameters, arguments)                                                 \
    static cl_int CL_API_CALL layer_##call parameters                                              \
    {                                                                                              \
        return fails(#call) ? FAULT : next->call arguments;                                        \
    }
ACTIONS(DEFINE_ACTION)

/* X(call, parameters, arguments): calls that enqueue; a caller that asks for `event` gets one. */
#define WAITING cl_uint count, const cl_event *waits, cl_event *event
#define ENQUEUES(X)                                                                                \
    X(clEnqueueNDRangeKernel,                                                                      \
      (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,         \
       const size_t *global, const size_t *local, WAITING),                                        \
      (queue, kernel, dimensions, offset, global, local, count, waits, event))                     \
    X(clEnqueueReadBuffer,                                                                         \
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,        \
       void *to, WAITING),                                                                         \
      (queue, buffer, blocking, offset, size, to, count, waits, event))                            \
    X(clEnqueueWriteBuffer,                                                                        \
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,        \
       const void *from, WAITING),                                                                 \
      (queue, buffer, blocking, offset, size, from, count, waits, event))                          \
    X(clEnqueueReadBufferRect,                                                                     \
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *origin,              \
       const size_t *host_origin, const size_t *region, size_t row, size_t slice, size_t host_row, \
       size_t host_slice, void *to, WAITING),                                                      \
      (queue, buffer, blocking, origin, host_origin, region, row, slice, host_row, host_slice, to, \
       count, waits, event))                                                                       \
    X(clEnqueueWriteBufferRect,                                                                    \
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *origin,              \
       const size_t *host_origin, const size_t *region, size_t row, size_t slice, size_t host_row, \
       size_t host_slice, const void *from, WAITING),                                              \
      (queue, buffer, blocking, origin, host_origin, region, row, slice, host_row, host_slice,     \
       from, count, waits, event))                                                                 \
    X(clEnqueueFillBuffer,                                                                         \
      (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size,            \
       size_t offset, size_t size, WAITING),                                                       \
      (queue, buffer, pattern, pattern_size, offset, size, count, waits, event))                   \
    X(clEnqueueCopyBuffer,                                                                         \
      (cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,       \
       size_t size, WAITING),                                                                      \
      (queue, from, to, from_offset, to_offset, size, count, waits, event))                        \
    X(clEnqueueUnmapMemObject,                                                                     \
      (cl_command_queue queue, cl_mem buffer, void *mapped, WAITING),                              \
      (queue, buffer, mapped, count, waits, event))                                                \
    X(clEnqueueMarkerWithWaitList, (cl_command_queue queue, WAITING),                              \
      (queue, count, waits, event))                                                                \
    X(clEnqueueBarrierWithWaitList, (cl_command_queue queue, WAITING),                             \
      (queue, count, waits, event))

/* Counts the event of a command that was enqueued. */
static void count_event(cl_int code, const cl_event *event)
{
    if (code == CL_SUCCESS && event != NULL) references[Event]++;
}

#define DEFINE_ENQUEUE(call, parameters, arguments)                                                \
    static cl_int CL_API_CALL layer_##call parameters                                              \
    {                                                                                              \
        if (fails(#call)) return FAULT;                                                            \
        cl_int code = next->call arguments;                                                        \
        count_event(code, event);                                                                  \
        return code;                                                                               \
    }
ENQUEUES(DEFINE_ENQUEUE)

/* The one that enqueues and returns something else than a code. */
static void *CL_API_CALL layer_clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer,
                                                  cl_bool blocking, cl_map_flags flags,
                                                  size_t offset, size_t size, WAITING, cl_int *code)
{
    cl_int own_code = FAULT;
    void *mapped = NULL;
    if (!fails("clEnqueueMapBuffer"))
        mapped = next->clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, count,
                                          waits, event, &own_code);
    count_event(own_code, event);
    if (code != NULL) *code = own_code;
    return mapped;
}

/* ---- what the loader asks for ------------------------------------------------------------------*/

cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name, size_t size, void *value, size_t *needed)
{
    static const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    static const char title[] = "opencl_faults";
    const void *answer = name == CL_LAYER_API_VERSION ? (const void *)&version : title;
    size_t bytes = name == CL_LAYER_API_VERSION ? sizeof version : sizeof title;
    if (name != CL_LAYER_API_VERSION && name != CL_LAYER_NAME) return CL_INVALID_VALUE;
    if (value != NULL && size < bytes) return CL_INVALID_VALUE;
    if (value != NULL) memcpy(value, answer, bytes);
    if (needed != NULL) *needed = bytes;
    return CL_SUCCESS;
}

cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target,
                               cl_uint *layer_entries, const cl_icd_dispatch **layer_dispatch)
{
    static cl_icd_dispatch layer;
    if (target == NULL || layer_entries == NULL || layer_dispatch == NULL ||
        entries < sizeof layer / sizeof(void *))
        return CL_INVALID_VALUE;
    next = target;
    layer = *target;
#define SET_REFERENCES(kind, type, word)                                                           \
    layer.clRetain##kind = retain_##kind;                                                          \
    layer.clRelease##kind = release_##kind;
#define SET_CREATE(kind, type, call, parameters, arguments) layer.call = layer_##call;
#define SET_CALL(call, parameters, arguments) layer.call = layer_##call;
    KINDS(SET_REFERENCES)
    CREATES(SET_CREATE)
    ACTIONS(SET_CALL)
    ENQUEUES(SET_CALL)
    SET_CALL(clEnqueueMapBuffer, , )
    *layer_entries = sizeof layer / sizeof(void *);
    *layer_dispatch = &layer;
    return CL_SUCCESS;
}
