/* SPDX-License-Identifier: MIT */
#include "ops/gemm.h"

#include "runtime/profile.h"

#include <clblast_c.h>

/* CLBlast keeps process-wide caches and is not safe when several threads make its first calls, so
 * one lock stands around all of it: the one piece of global state in this library. */
static adcl__mutex clblast_lock = ADCL__MUTEX_INIT;

static adcl_status clblast_failed(adcl_context *ctx, CLBlastStatusCode code, size_t m, size_t n,
                                  size_t k)
{
    adcl_status status = ADCL_ERR_CLBLAST;
    if (code == CLBlastTempBufferAllocFailure) status = ADCL_ERR_OUT_OF_DEVICE_MEMORY;
    if (code == CLBlastOpenCLOutOfHostMemory) status = ADCL_ERR_OUT_OF_HOST_MEMORY;
    return adcl__fail(ctx, status, (int)code, "CLBlast Sgemm of (%zu, %zu, %zu) failed with code %d",
                      m, n, k, (int)code);
}

/* The first call of a process compiles all of CLBlast's kernels for its kind of product. Said
 * before it happens, for on a CPU device it takes 10 to 20 seconds the first time on a machine. */
static void announce_compilation(adcl_context *ctx)
{
    static bool announced; /* guarded by clblast_lock */
    if (announced) return;
    announced = true;
    adcl__log(ctx, ADCL_LOG_INFO,
              "preparing CLBlast's kernels; the first time on a machine this can take 10 to 20 "
              "seconds");
}

/* With profiling a marker before the product tells when the queue was done with what came earlier:
 * CLBlast's own event is of the last of its kernels only. */
static adcl_status enqueue(adcl_context *ctx, const adcl__gemm *p, size_t m, size_t n, size_t k,
                           cl_event *before, cl_event *event)
{
    if (ctx->profiling) {
        cl_int code = clEnqueueMarkerWithWaitList(ctx->queue, 0, NULL, before);
        if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, "CLBlast Sgemm");
    }
    adcl__mutex_lock(&clblast_lock);
    announce_compilation(ctx);
    CLBlastStatusCode code = CLBlastSgemmWithTempBuffer(
        CLBlastLayoutRowMajor, p->transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
        p->transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, m, n, k, p->alpha, p->a->buffer,
        p->a->offset, p->a->row_stride, p->b->buffer, p->b->offset, p->b->row_stride, p->beta,
        p->c->buffer, p->c->offset, p->c->row_stride, &ctx->queue, ctx->profiling ? event : NULL,
        p->scratch);
    adcl__mutex_unlock(&clblast_lock);
    return code == CLBlastSuccess ? ADCL_OK : clblast_failed(ctx, code, m, n, k);
}

adcl_status adcl__gemm_run(adcl_context *ctx, const adcl__gemm *p)
{
    size_t m = p->c->rows, n = p->c->cols, k = p->transpose_a ? p->a->rows : p->a->cols;
    if (m == 0 || n == 0 || k == 0) return ADCL_OK;
    cl_event before = NULL, event = NULL;
    adcl_status status = enqueue(ctx, p, m, n, k, &before, &event);
    if (status != ADCL_OK) {
        if (before != NULL) clReleaseEvent(before);
        return status;
    }
    ctx->counters.launches++;
    if (ctx->profiling)
        ADCL_TRY(adcl__profile_record(ctx, "CLBlast Sgemm", before, event));
    return adcl__order(ctx);
}

adcl_status adcl__gemm_scratch_bytes(adcl_context *ctx, bool transpose_a, bool transpose_b,
                                     size_t m, size_t n, size_t k, size_t *bytes)
{
    /* Offsets of 1 and padded rows rule out every case in which CLBlast works in place. */
    size_t a_stride = (transpose_a ? m : k) + 1, b_stride = (transpose_b ? k : n) + 1;
    *bytes = 0;
    adcl__mutex_lock(&clblast_lock);
    CLBlastStatusCode code = CLBlastSGemmTempBufferSize(
        CLBlastLayoutRowMajor, transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
        transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, m, n, k, 1, a_stride, 1, b_stride, 1,
        n + 1, &ctx->queue, bytes);
    adcl__mutex_unlock(&clblast_lock);
    return code == CLBlastSuccess ? ADCL_OK : clblast_failed(ctx, code, m, n, k);
}

adcl_status adcl__gemm_scratch_most(adcl_context *ctx, const adcl__gemm_shape *products,
                                    size_t count, size_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const adcl__gemm_shape *p = &products[i];
        size_t needed;
        ADCL_TRY(adcl__gemm_scratch_bytes(ctx, p->transpose_a, p->transpose_b, p->m, p->n, p->k,
                                          &needed));
        if (needed > *bytes) *bytes = needed;
    }
    return ADCL_OK;
}
