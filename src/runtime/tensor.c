/* SPDX-License-Identifier: MIT */
#include "runtime/tensor.h"

#include "base/size.h"
#include "runtime/program.h"

#include <stdlib.h>
#include <string.h>

/* Rows and columns are 32-bit numbers inside kernels. */
#define SIZE_MOST ((size_t)INT32_MAX)

/* ---- checks -----------------------------------------------------------------------------------*/

adcl_status adcl__check_tensor(adcl_context *ctx, const char *name, const adcl_tensor *tensor,
                               adcl_dtype dtype)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (tensor == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0, "%s: expected a tensor, got NULL",
                          name);
    if (tensor->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: expected a tensor of this context or of one it shares with, got one "
                          "of another", name);
    if (tensor->dtype != dtype)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0, "%s: expected %s elements, got %s",
                          name, adcl_dtype_name(dtype), adcl_dtype_name(tensor->dtype));
    return ADCL_OK;
}

adcl_status adcl__check_shape(adcl_context *ctx, const char *name, const adcl_tensor *tensor,
                              adcl_dtype dtype, size_t rows, size_t cols)
{
    ADCL_TRY(adcl__check_tensor(ctx, name, tensor, dtype));
    if (tensor->rows != rows || tensor->cols != cols)
        return adcl__fail(ctx, ADCL_ERR_SHAPE_MISMATCH, 0,
                          "%s: expected shape (%zu, %zu), got (%zu, %zu)", name, rows, cols,
                          tensor->rows, tensor->cols);
    return ADCL_OK;
}

bool adcl__tensors_equal(const adcl_tensor *a, const adcl_tensor *b)
{
    return a->memory == b->memory && a->buffer_start == b->buffer_start && a->offset == b->offset &&
           a->rows == b->rows && a->cols == b->cols && a->row_stride == b->row_stride;
}

/* First byte of a tensor in its memory, and bytes from there to its end. */
static size_t first_byte(const adcl_tensor *t)
{
    return t->buffer_start + t->offset * adcl_dtype_size(t->dtype);
}

static size_t span_bytes(const adcl_tensor *t)
{
    return ((t->rows - 1) * t->row_stride + t->cols) * adcl_dtype_size(t->dtype);
}

bool adcl__tensors_overlap(const adcl_tensor *a, const adcl_tensor *b)
{
    if (a->memory != b->memory || a->rows == 0 || b->rows == 0) return false;
    size_t a_first = first_byte(a), b_first = first_byte(b);
    if (a_first >= b_first + span_bytes(b) || b_first >= a_first + span_bytes(a)) return false;
    if (a->row_stride != b->row_stride || a->dtype != b->dtype) return true;
    /* Of equal strides, columns side by side in one matrix do not touch: compare modulo the
     * stride. */
    size_t size = adcl_dtype_size(a->dtype), stride = a->row_stride * size;
    size_t distance = a_first >= b_first ? (a_first - b_first) % stride
                                         : (stride - (b_first - a_first) % stride) % stride;
    return distance < b->cols * size || stride - distance < a->cols * size;
}

/* ---- making -----------------------------------------------------------------------------------*/

/* Checks the sizes of a tensor to be and gives the bytes of a dense one. */
static adcl_status check_sizes(adcl_context *ctx, adcl_tensor **out, adcl_dtype dtype, size_t rows,
                               size_t cols, size_t *bytes)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL || out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "tensor: expected a context and a place for the result, got NULL");
    if (dtype != ADCL_F32 && dtype != ADCL_I32)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "tensor: expected F32 or I32 elements, got %s", adcl_dtype_name(dtype));
    if (cols == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "tensor: expected at least 1 column, got shape (%zu, 0)", rows);
    if (rows > SIZE_MOST || cols > SIZE_MOST || !adcl__size_mul(rows, cols, bytes) ||
        !adcl__size_mul(*bytes, adcl_dtype_size(dtype), bytes) || *bytes > SIZE_MAX / 2)
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "tensor: shape (%zu, %zu) is too large; rows and columns may be at most "
                          "%zu, and their product must fit", rows, cols, SIZE_MOST);
    return ADCL_OK;
}

/* The object over a buffer, whose reference it takes over, also on failure. */
static adcl_status make_tensor(adcl_tensor **out, adcl_context *ctx, const adcl_tensor *layout)
{
    adcl_tensor *tensor = calloc(1, sizeof *tensor);
    if (tensor == NULL) {
        if (layout->buffer != NULL) clReleaseMemObject(layout->buffer);
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "tensor: no memory for it");
    }
    *tensor = *layout;
    tensor->family = ctx->family;
    adcl__family_retain(tensor->family);
    *out = tensor;
    return ADCL_OK;
}

adcl_status adcl__buffer_create(adcl_context *ctx, size_t bytes, void *host, cl_mem *out)
{
    cl_int code;
    cl_mem buffer =
        clCreateBuffer(ctx->family->context,
                       CL_MEM_READ_WRITE | (host != NULL ? CL_MEM_USE_HOST_PTR : 0), bytes, host,
                       &code);
    if (code == CL_SUCCESS && host == NULL) {
        cl_uint zero = 0;
        code = clEnqueueFillBuffer(ctx->queue, buffer, &zero, sizeof zero, 0, bytes, 0, NULL, NULL);
        if (code != CL_SUCCESS) clReleaseMemObject(buffer);
        ctx->counters.transfers++;
    }
    if (code != CL_SUCCESS) {
        /* Drivers may allocate only at first use, and report a lack of memory in many words. */
        adcl_status status = code == CL_OUT_OF_RESOURCES ? ADCL_ERR_OUT_OF_DEVICE_MEMORY
                                                         : adcl__cl_status(code);
        return adcl__fail(ctx, status, code,
                          "no buffer of %zu bytes on %s, which has %llu in all: %s (%d)", bytes,
                          ctx->family->info.name,
                          (unsigned long long)ctx->family->info.memory_bytes,
                          adcl__cl_code_name(code), (int)code);
    }
    ctx->counters.buffer_allocations++;
    ctx->counters.bytes_allocated += bytes;
    adcl_status status = adcl__order(ctx);
    if (status == ADCL_OK)
        *out = buffer;
    else
        clReleaseMemObject(buffer);
    return status;
}

adcl_status adcl_tensor_create(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype, size_t rows,
                               size_t cols)
{
    size_t bytes = 0;
    ADCL_TRY(check_sizes(ctx, out, dtype, rows, cols, &bytes));
    adcl_tensor layout = {.dtype = dtype, .rows = rows, .cols = cols, .row_stride = cols};
    if (bytes > 0) ADCL_TRY(adcl__buffer_create(ctx, bytes, NULL, &layout.buffer));
    layout.memory = layout.buffer;
    return make_tensor(out, ctx, &layout);
}

adcl_status adcl_fold_shape(size_t rank, const size_t *shape, size_t *rows, size_t *cols,
                            adcl_error *error)
{
    if (shape == NULL || rows == NULL || cols == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "shape: expected sizes and places for the results, got NULL");
    if (rank < 2)
        return adcl__error_set(error, ADCL_ERR_SHAPE_MISMATCH, 0,
                               "shape: expected at least 2 dimensions (…, D), got %zu", rank);
    size_t product = 1;
    for (size_t i = 0; i + 1 < rank; i++)
        if (!adcl__size_mul(product, shape[i], &product))
            return adcl__error_set(error, ADCL_ERR_SIZE_OVERFLOW, 0,
                                   "shape: the product of the leading sizes does not fit");
    *rows = product;
    *cols = shape[rank - 1];
    return ADCL_OK;
}

adcl_status adcl_tensor_create_nd(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype,
                                  size_t rank, const size_t *shape)
{
    if (out != NULL) *out = NULL;
    size_t rows, cols;
    ADCL_TRY(adcl_fold_shape(rank, shape, &rows, &cols, adcl__context_error(ctx)));
    return adcl_tensor_create(out, ctx, dtype, rows, cols);
}

adcl_status adcl_tensor_wrap_host(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype,
                                  size_t rows, size_t cols, void *data)
{
    size_t bytes = 0;
    ADCL_TRY(check_sizes(ctx, out, dtype, rows, cols, &bytes));
    if (rows == 0 || data == NULL || (uintptr_t)data % adcl_dtype_size(dtype) != 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap host memory: expected at least 1 row and an address aligned to the "
                          "element, got %zu rows at %p", rows, data);
    adcl_tensor layout = {.dtype = dtype, .rows = rows, .cols = cols, .row_stride = cols};
    ADCL_TRY(adcl__buffer_create(ctx, bytes, data, &layout.buffer));
    /* Two tensors over one array are two buffers: only the address shows that they overlap. */
    layout.memory = NULL;
    layout.buffer_start = (size_t)(uintptr_t)data;
    return make_tensor(out, ctx, &layout);
}

/* What a borrowed buffer is a part of: itself, its parent, or the host's memory. */
static cl_int find_memory(adcl_tensor *layout)
{
    cl_mem parent = NULL;
    void *host = NULL;
    cl_mem_flags flags = 0;
    size_t start = 0;
    cl_int code = clGetMemObjectInfo(layout->buffer, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent,
                                     &parent, NULL);
    if (code == CL_SUCCESS)
        code = clGetMemObjectInfo(layout->buffer, CL_MEM_OFFSET, sizeof start, &start, NULL);
    if (code == CL_SUCCESS)
        code = clGetMemObjectInfo(layout->buffer, CL_MEM_FLAGS, sizeof flags, &flags, NULL);
    if (code == CL_SUCCESS && (flags & CL_MEM_USE_HOST_PTR))
        code = clGetMemObjectInfo(layout->buffer, CL_MEM_HOST_PTR, sizeof host, &host, NULL);
    if (host != NULL) {
        layout->memory = NULL; /* host addresses are one memory; a sub-buffer's has its offset in */
        layout->buffer_start = (size_t)(uintptr_t)host;
    } else {
        layout->memory = parent != NULL ? parent : layout->buffer;
        layout->buffer_start = start;
    }
    return code;
}

adcl_status adcl_tensor_wrap_cl(adcl_tensor **out, adcl_context *ctx, adcl_dtype dtype,
                                cl_mem buffer, size_t offset, size_t rows, size_t cols,
                                size_t row_stride)
{
    size_t bytes, needed = 0, available = 0;
    ADCL_TRY(check_sizes(ctx, out, dtype, rows, cols, &bytes));
    if (row_stride == 0) row_stride = cols;
    if (buffer == NULL || row_stride < cols)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          buffer == NULL ? "wrap cl_mem: expected a buffer, got NULL"
                                         : "wrap cl_mem: expected a row stride of at least %zu "
                                           "elements, got %zu", cols, row_stride);
    bool fits = rows == 0 || (adcl__size_mul(rows - 1, row_stride, &needed) &&
                              adcl__size_add(needed, cols, &needed));
    fits = fits && adcl__size_add(needed, offset, &needed) &&
           adcl__size_mul(needed, adcl_dtype_size(dtype), &needed) && row_stride <= SIZE_MAX / 2;
    if (!fits)
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "wrap cl_mem: offset %zu + %zu rows of stride %zu do not fit in a size",
                          offset, rows, row_stride);
    cl_context context = NULL;
    cl_int code = clGetMemObjectInfo(buffer, CL_MEM_CONTEXT, sizeof context, &context, NULL);
    if (code == CL_SUCCESS)
        code = clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof available, &available, NULL);
    if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "wrap cl_mem");
    if (context != ctx->family->context)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap cl_mem: expected a buffer of this cl_context, got one of another");
    if (needed > available)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "wrap cl_mem: shape (%zu, %zu) of stride %zu at offset %zu needs a buffer "
                          "of %zu bytes, got %zu", rows, cols, row_stride, offset, needed,
                          available);
    adcl_tensor layout = {.buffer = buffer, .dtype = dtype, .offset = offset, .rows = rows,
                          .cols = cols, .row_stride = row_stride};
    code = find_memory(&layout);
    if (code == CL_SUCCESS) code = clRetainMemObject(buffer);
    if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "wrap cl_mem");
    return make_tensor(out, ctx, &layout);
}

/* A tensor over the memory of another; `layout` came from it. */
static adcl_status make_view(adcl_tensor **out, adcl_context *ctx, adcl_tensor layout)
{
    layout.mapped = NULL;
    cl_int code = layout.buffer != NULL ? clRetainMemObject(layout.buffer) : CL_SUCCESS;
    if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "tensor view");
    return make_tensor(out, ctx, &layout);
}

adcl_status adcl_tensor_view_rows(adcl_tensor **out, adcl_context *ctx, const adcl_tensor *tensor,
                                  size_t first, size_t count)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL || out == NULL || tensor == NULL || tensor->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "view rows: expected a tensor of this context and a place for the result");
    if (first > tensor->rows || count > tensor->rows - first)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "view rows: expected rows inside a tensor of %zu, got %zu from row %zu",
                          tensor->rows, count, first);
    adcl_tensor layout = *tensor;
    layout.offset += first * layout.row_stride;
    layout.rows = count;
    return make_view(out, ctx, layout);
}

adcl_status adcl__tensor_part(adcl_tensor **out, adcl_context *ctx, const adcl_tensor *base,
                              size_t offset, size_t rows, size_t cols)
{
    *out = NULL;
    adcl_tensor layout = *base;
    layout.offset += offset;
    layout.rows = rows;
    layout.cols = layout.row_stride = cols;
    return make_view(out, ctx, layout);
}

adcl_tensor adcl__tensor_head(const adcl_tensor *tensor, size_t rows)
{
    adcl_tensor head = *tensor;
    head.rows = rows;
    return head;
}

void adcl_tensor_destroy(adcl_tensor **tensor)
{
    if (tensor == NULL || *tensor == NULL) return;
    if ((*tensor)->buffer != NULL) clReleaseMemObject((*tensor)->buffer);
    adcl__family_release((*tensor)->family);
    free(*tensor);
    *tensor = NULL;
}

/* ---- asking -----------------------------------------------------------------------------------*/

adcl_dtype adcl_tensor_dtype(const adcl_tensor *tensor)
{
    return tensor == NULL ? ADCL_F32 : tensor->dtype;
}

size_t adcl_tensor_rows(const adcl_tensor *tensor)
{
    return tensor == NULL ? 0 : tensor->rows;
}

size_t adcl_tensor_cols(const adcl_tensor *tensor)
{
    return tensor == NULL ? 0 : tensor->cols;
}

size_t adcl_tensor_row_stride(const adcl_tensor *tensor)
{
    return tensor == NULL ? 0 : tensor->row_stride;
}

cl_mem adcl_tensor_cl_mem(const adcl_tensor *tensor)
{
    return tensor == NULL ? NULL : tensor->buffer;
}

size_t adcl_tensor_cl_offset(const adcl_tensor *tensor)
{
    return tensor == NULL ? 0 : tensor->offset;
}

/* ---- host and device --------------------------------------------------------------------------*/

static adcl_status check_transfer(adcl_context *ctx, const char *what, const adcl_tensor *tensor,
                                  const void *host, size_t bytes)
{
    ADCL_TRY(adcl__check_tensor(ctx, what, tensor,
                                tensor == NULL ? ADCL_F32 : tensor->dtype));
    size_t expected = tensor->rows * tensor->cols * adcl_dtype_size(tensor->dtype);
    if (bytes != expected || (host == NULL && expected > 0))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "%s: a tensor of shape (%zu, %zu) needs host memory of %zu bytes, got %zu "
                          "at %p", what, tensor->rows, tensor->cols, expected, bytes, host);
    if (tensor->mapped != NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0, "%s: the tensor is mapped; unmap it first",
                          what);
    return ADCL_OK;
}

/* Where the rows lie on both sides, for the rectangle calls: in bytes. */
typedef struct rectangle {
    size_t device_origin[3], host_origin[3], region[3];
    size_t device_pitch, host_pitch;
} rectangle;

static rectangle tensor_rectangle(const adcl_tensor *t)
{
    size_t size = adcl_dtype_size(t->dtype);
    return (rectangle){.device_origin = {t->offset * size, 0, 0},
                       .region = {t->cols * size, t->rows, 1},
                       .device_pitch = t->row_stride * size,
                       .host_pitch = t->cols * size};
}

/* clEnqueue…BufferRect wants its first origin inside the pitch on some drivers, so the offset is
 * given as whole rows and the rest where it can be. */
static void normalise_origin(rectangle *r)
{
    r->device_origin[1] = r->device_origin[0] / r->device_pitch;
    r->device_origin[0] %= r->device_pitch;
}

static bool is_dense(const adcl_tensor *t)
{
    return t->row_stride == t->cols || t->rows == 1;
}

adcl_status adcl_tensor_write(adcl_context *ctx, adcl_tensor *tensor, const void *source,
                              size_t bytes)
{
    ADCL_TRY(check_transfer(ctx, "tensor write", tensor, source, bytes));
    if (bytes == 0) return ADCL_OK;
    rectangle r = tensor_rectangle(tensor);
    cl_int code;
    if (is_dense(tensor)) {
        code = clEnqueueWriteBuffer(ctx->queue, tensor->buffer, CL_TRUE, r.device_origin[0], bytes,
                                    source, 0, NULL, NULL);
    } else {
        normalise_origin(&r);
        code = clEnqueueWriteBufferRect(ctx->queue, tensor->buffer, CL_TRUE, r.device_origin,
                                        r.host_origin, r.region, r.device_pitch, 0, r.host_pitch, 0,
                                        source, 0, NULL, NULL);
    }
    ctx->counters.transfers++;
    ctx->counters.host_waits++;
    return code == CL_SUCCESS ? ADCL_OK : adcl__fail_cl(ctx, code, "tensor write");
}

adcl_status adcl__tensor_from(adcl_context *ctx, const float *numbers, size_t rows, size_t cols,
                              adcl_tensor **out)
{
    ADCL_TRY(adcl_tensor_create(out, ctx, ADCL_F32, rows, cols));
    return adcl_tensor_write(ctx, *out, numbers, rows * cols * sizeof *numbers);
}

adcl_status adcl__tensor_upload(adcl_context *ctx, adcl_tensor *tensor, const void *source,
                                size_t bytes, adcl__upload *upload)
{
    cl_int code = clEnqueueWriteBuffer(ctx->queue, tensor->buffer, CL_FALSE,
                                       tensor->offset * adcl_dtype_size(tensor->dtype), bytes,
                                       source, 0, NULL, &upload->done);
    ctx->counters.transfers++;
    if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "uploading a batch");
    return adcl__order(ctx);
}

adcl_status adcl__upload_wait(adcl_context *ctx, adcl__upload *upload)
{
    if (upload->done == NULL) return ADCL_OK;
    cl_int code = clWaitForEvents(1, &upload->done);
    if (code != CL_SUCCESS && code != CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
        return adcl__fail_cl(ctx, code, "waiting for the last batch");
    clReleaseEvent(upload->done);
    upload->done = NULL;
    return ADCL_OK;
}

void adcl__upload_release(adcl__upload *upload)
{
    if (upload->done == NULL) return;
    clWaitForEvents(1, &upload->done);
    clReleaseEvent(upload->done);
    upload->done = NULL;
}

adcl_status adcl_tensor_read(adcl_context *ctx, const adcl_tensor *tensor, void *destination,
                             size_t bytes)
{
    ADCL_TRY(check_transfer(ctx, "tensor read", tensor, destination, bytes));
    if (bytes == 0) return ADCL_OK;
    rectangle r = tensor_rectangle(tensor);
    cl_int code;
    if (is_dense(tensor)) {
        code = clEnqueueReadBuffer(ctx->queue, tensor->buffer, CL_TRUE, r.device_origin[0], bytes,
                                   destination, 0, NULL, NULL);
    } else {
        normalise_origin(&r);
        code = clEnqueueReadBufferRect(ctx->queue, tensor->buffer, CL_TRUE, r.device_origin,
                                       r.host_origin, r.region, r.device_pitch, 0, r.host_pitch, 0,
                                       destination, 0, NULL, NULL);
    }
    ctx->counters.transfers++;
    ctx->counters.host_waits++;
    return code == CL_SUCCESS ? ADCL_OK : adcl__fail_cl(ctx, code, "tensor read");
}

adcl_status adcl_tensor_map(adcl_context *ctx, adcl_tensor *tensor, adcl_map_access access,
                            void **data)
{
    ADCL_TRY(adcl__check_tensor(ctx, "tensor map", tensor,
                                tensor == NULL ? ADCL_F32 : tensor->dtype));
    if (data == NULL || (access & ~ADCL_MAP_READ_WRITE) != 0 || access == 0 || tensor->rows == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "tensor map: expected a place for the address, an access and at least 1 "
                          "row, got access %d and %zu rows", (int)access, tensor->rows);
    *data = NULL;
    if (tensor->mapped != NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0, "tensor map: it is mapped already");
    cl_map_flags flags = ((access & ADCL_MAP_READ) ? CL_MAP_READ : 0) |
                         ((access & ADCL_MAP_WRITE) ? CL_MAP_WRITE : 0);
    size_t start = tensor->offset * adcl_dtype_size(tensor->dtype);
    cl_int code;
    tensor->mapped = clEnqueueMapBuffer(ctx->queue, tensor->buffer, CL_TRUE, flags, start,
                                        span_bytes(tensor), 0, NULL, NULL, &code);
    ctx->counters.transfers++;
    ctx->counters.host_waits++;
    if (code != CL_SUCCESS) {
        tensor->mapped = NULL;
        return adcl__fail_cl(ctx, code, "tensor map");
    }
    *data = tensor->mapped;
    return ADCL_OK;
}

adcl_status adcl_tensor_unmap(adcl_context *ctx, adcl_tensor *tensor)
{
    ADCL_TRY(adcl__check_tensor(ctx, "tensor unmap", tensor,
                                tensor == NULL ? ADCL_F32 : tensor->dtype));
    if (tensor->mapped == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0, "tensor unmap: it is not mapped");
    cl_int code =
        clEnqueueUnmapMemObject(ctx->queue, tensor->buffer, tensor->mapped, 0, NULL, NULL);
    if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "tensor unmap");
    tensor->mapped = NULL;
    return adcl__order(ctx);
}
