/* SPDX-License-Identifier: MIT */
/* own_context.c – an application that already uses OpenCL: its cl_context, its queue, its buffers.
 *
 *   the application's queue        the adapter's work (a second queue of the application)
 *     write hidden ──event──────►    forward ──event──────►    read hidden
 *
 * The hidden states (2 sequences of 5 tokens) lie in a buffer of wider rows, as engines keep them:
 * nothing is copied to run the adapter in place. */
#include <adapter_cl/adapter_cl.h>
#include <adapter_cl/opencl.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKENS = 10, HIDDEN = 48, ROW_STRIDE = 64, OFFSET = 16 };
enum { BUFFER_FLOATS = OFFSET + TOKENS * ROW_STRIDE };

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "failed: %s\n", what);
    exit(1);
}

static void require_ok(adcl_status status, adcl_context *ctx)
{
    require(status == ADCL_OK, adcl_context_error(ctx)->message);
}

int main(void)
{
    cl_platform_id platform;
    cl_device_id device;
    cl_int code;
    require(clGetPlatformIDs(1, &platform, NULL) == CL_SUCCESS, "no OpenCL platform");
    require(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL) == CL_SUCCESS,
            "no device");
    cl_context cl = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    require(code == CL_SUCCESS, "clCreateContext");
    cl_command_queue own_queue = clCreateCommandQueue(cl, device, 0, &code);
    require(code == CL_SUCCESS, "clCreateCommandQueue");
    cl_command_queue adapter_queue = clCreateCommandQueue(cl, device, 0, &code);
    require(code == CL_SUCCESS, "clCreateCommandQueue");
    cl_mem hidden = clCreateBuffer(cl, CL_MEM_READ_WRITE, BUFFER_FLOATS * sizeof(float), NULL,
                                   &code);
    require(code == CL_SUCCESS, "clCreateBuffer");

    /* The library works on the application's queue and buffer; it retains both. */
    adcl_context *ctx = NULL;
    adcl_error error;
    require(adcl_context_create_from_cl(&ctx, cl, adapter_queue, NULL, &error) == ADCL_OK,
            error.message);
    adcl_adapter *adapter = NULL;
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = HIDDEN;
    params.bottleneck_size = 8;
    params.init = ADCL_INIT_BERT;
    params.activation = ADCL_ACTIVATION_GELU;
    require_ok(adcl_adapter_create(&adapter, ctx, &params), ctx);
    adcl_workspace *workspace = NULL;
    adcl_workspace_params batch = ADCL_WORKSPACE_PARAMS_INIT;
    batch.max_rows = TOKENS;
    require_ok(adcl_workspace_create(&workspace, ctx, adapter, &batch), ctx);
    adcl_tensor *states = NULL;
    require_ok(adcl_tensor_wrap_cl(&states, ctx, ADCL_F32, hidden, OFFSET, TOKENS, HIDDEN,
                                   ROW_STRIDE), ctx);

    /* The application's write → the adapter, in place → the application's read, by events alone. */
    float before[BUFFER_FLOATS], after[BUFFER_FLOATS];
    for (int i = 0; i < BUFFER_FLOATS; i++) before[i] = sinf(0.1f * (float)i);
    cl_event written, adapted;
    require(clEnqueueWriteBuffer(own_queue, hidden, CL_FALSE, 0, sizeof before, before, 0, NULL,
                                 &written) == CL_SUCCESS, "clEnqueueWriteBuffer");
    require(clFlush(own_queue) == CL_SUCCESS, "clFlush");
    require_ok(adcl_context_wait_for(ctx, 1, &written), ctx);
    require_ok(adcl_adapter_forward(ctx, adapter, workspace, states, states), ctx);
    require_ok(adcl_context_record(ctx, &adapted), ctx);
    require(clEnqueueReadBuffer(own_queue, hidden, CL_TRUE, 0, sizeof after, after, 1, &adapted,
                                NULL) == CL_SUCCESS, "clEnqueueReadBuffer");

    /* Every hidden state moved, nothing between the rows did. */
    int moved = 0, strayed = 0;
    for (int i = 0; i < BUFFER_FLOATS; i++) {
        int inside = i >= OFFSET && (i - OFFSET) % ROW_STRIDE < HIDDEN;
        if (after[i] != before[i]) *(inside ? &moved : &strayed) += 1;
    }
    printf("%d of %d hidden values changed, %d outside\n", moved, TOKENS * HIDDEN, strayed);

    clReleaseEvent(written);
    clReleaseEvent(adapted);
    adcl_tensor_destroy(&states);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
    clReleaseMemObject(hidden);
    clReleaseCommandQueue(adapter_queue);
    clReleaseCommandQueue(own_queue);
    clReleaseContext(cl);
    return moved < TOKENS * HIDDEN / 2 || strayed != 0;
}
