/* SPDX-License-Identifier: MIT */
/* opencl.h – working with an application's own OpenCL objects. The one public header that includes
 * CL/cl.h; adapter_cl.h does not include it.
 *
 * Everything borrowed is retained by clRetain…, released when the object over it is destroyed, and
 * never destroyed otherwise. CLBlast keeps what it compiled, and with it a reference to the
 * cl_context, until the process ends or the application calls CLBlastClearCache(). */
#ifndef ADAPTER_CL_OPENCL_H
#define ADAPTER_CL_OPENCL_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include <adapter_cl/context.h>
#include <adapter_cl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A context over the application's cl_context and command queue (in-order or out-of-order; the
 * device is the queue's). params->device is ignored; params may be NULL. Profiling needs a queue
 * made with CL_QUEUE_PROFILING_ENABLE. Errors: INVALID_ARGUMENT (queue of another context, no
 * profiling on the queue), OUT_OF_HOST_MEMORY, OPENCL. */
ADCL_API adcl_status adcl_context_create_from_cl(adcl_context **out, cl_context context,
                                                 cl_command_queue queue,
                                                 const adcl_context_params *params,
                                                 adcl_error *error);

/* The OpenCL objects of a context, not retained: valid while the context lives. */
ADCL_API cl_context adcl_context_cl_context(const adcl_context *ctx);
ADCL_API cl_command_queue adcl_context_cl_queue(const adcl_context *ctx);
ADCL_API cl_device_id adcl_context_cl_device(const adcl_context *ctx);

/* A tensor over the application's buffer: element (r, c) at offset + r · row_stride + c elements.
 * row_stride 0 means cols. The buffer must hold all of it. Errors: INVALID_ARGUMENT (a buffer too
 * small, with its size and the size needed; row_stride < cols; memory of another cl_context),
 * SIZE_OVERFLOW, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_tensor_wrap_cl(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype,
                                         cl_mem buffer, size_t offset, size_t rows, size_t cols,
                                         size_t row_stride);

/* The buffer of a tensor, not retained; its first element is at adcl_tensor_cl_offset elements. */
ADCL_API cl_mem adcl_tensor_cl_mem(const adcl_tensor *tensor);
ADCL_API size_t adcl_tensor_cl_offset(const adcl_tensor *tensor);

/* Everything enqueued after this call starts only when `events` are complete. Does not wait on the
 * host. count 0 is fine. Errors: INVALID_ARGUMENT, OPENCL. */
ADCL_API adcl_status adcl_context_wait_for(adcl_context *ctx, size_t count, const cl_event *events);

/* *event completes when everything enqueued so far is done; the caller releases it. The queue is
 * flushed, so the event may be waited for from anywhere. Errors: OPENCL. */
ADCL_API adcl_status adcl_context_record(adcl_context *ctx, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
