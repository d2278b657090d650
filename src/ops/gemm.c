/* SPDX-License-Identifier: MIT */
#include "ops/gemm.h"

#include "runtime/profile.h"
#include "runtime/stored.h"

#include <clblast_c.h>

/* CLBlast keeps process-wide caches and is not safe when several threads make its first calls, so
 * one lock stands around all of it. The lock, and what CLBlast was told under it, are the one piece
 * of global state in this library. */
static adcl__mutex clblast_lock = ADCL__MUTEX_INIT;

/* ---- CLBlast's parameters ---------------------------------------------------------------------*/

/* The devices for which it is decided with which parameters CLBlast computes in this process.
 * Decided once, before its first product there: the scratch of workspaces, and the bits of their
 * results, depend on it. Guarded by clblast_lock. */
#define DEVICES_MOST 16
static struct decided_device {
    cl_device_id device;
    adcl__gemm_tuning tuning;
} decided_devices[DEVICES_MOST];
static size_t decided_count;

static struct decided_device *find_decided(cl_device_id device)
{
    for (size_t i = 0; i < decided_count; i++)
        if (decided_devices[i].device == device) return &decided_devices[i];
    return NULL;
}

/* False where CLBlast refuses a set. What it accepts need not be right: see gemm_tuning.h. */
static bool override_parameters(cl_device_id device, const adcl__gemm_tuning *tuning)
{
    const size_t *values = tuning->values;
    for (size_t i = 0; i < ADCL__GEMM_GROUP_COUNT; values += adcl__gemm_groups[i++].count) {
        const adcl__gemm_group *group = &adcl__gemm_groups[i];
        const char *names[ADCL__GEMM_VALUE_COUNT]; /* CLBlast takes no pointer to const */
        bool given = false;
        for (size_t k = 0; k < group->count; k++) {
            names[k] = group->names[k];
            given = given || values[k] != 0;
        }
        if (given && CLBlastOverrideParameters(device, group->kernel, CLBlastPrecisionSingle,
                                               group->count, names, values) != CLBlastSuccess)
            return false;
    }
    return true;
}

/* The set for a device that no product has run on: the tuned one, else that of the table. */
static adcl__gemm_tuning choose_parameters(adcl_context *ctx)
{
    adcl__gemm_tuning tuning;
    char text[ADCL__STORED_SIZE];
    if (adcl__stored_read(ctx, ADCL__GEMM_STORED, NULL, text)) {
        if (adcl__gemm_tuning_parse(text, &tuning)) {
            adcl__log(ctx, ADCL_LOG_INFO, "CLBlast with parameters tuned on this device");
            return tuning;
        }
        adcl__log(ctx, ADCL_LOG_WARNING,
                  "the cache's parameters for CLBlast are none of this version and are ignored");
    }
    tuning = adcl__gemm_table(&ctx->family->info);
    if (!adcl__gemm_tuning_is_none(&tuning))
        adcl__log(ctx, ADCL_LOG_INFO, "CLBlast with parameters for processors, from a table");
    return tuning;
}

/* To be called before CLBlast is asked for anything about a device, under the lock. */
static void decide_parameters(adcl_context *ctx, bool tuned)
{
    cl_device_id device = ctx->family->device;
    if (find_decided(device) != NULL || decided_count == DEVICES_MOST) return;
    adcl__gemm_tuning tuning = {{0}};
    if (tuned) tuning = choose_parameters(ctx);
    if (!adcl__gemm_tuning_is_none(&tuning) && !override_parameters(device, &tuning)) {
        adcl__log(ctx, ADCL_LOG_WARNING, "CLBlast refused its parameters and keeps its own");
        tuning = (adcl__gemm_tuning){{0}};
    }
    decided_devices[decided_count++] = (struct decided_device){device, tuning};
}

void adcl__gemm_leave(adcl_context *ctx)
{
    adcl__mutex_lock(&clblast_lock);
    decide_parameters(ctx, false);
    adcl__mutex_unlock(&clblast_lock);
}

adcl_status adcl__gemm_override(adcl_context *ctx, const adcl__gemm_tuning *tuning)
{
    adcl__mutex_lock(&clblast_lock);
    decide_parameters(ctx, ctx->tuning);
    struct decided_device *decided = find_decided(ctx->family->device);
    bool accepted = decided != NULL && override_parameters(ctx->family->device, tuning);
    if (accepted) decided->tuning = *tuning;
    adcl__mutex_unlock(&clblast_lock);
    return accepted ? ADCL_OK
                    : adcl__fail(ctx, ADCL_ERR_CLBLAST, 0, "CLBlast refused the parameters");
}

void adcl__gemm_current(adcl_context *ctx, adcl__gemm_tuning *tuning)
{
    adcl__mutex_lock(&clblast_lock);
    decide_parameters(ctx, ctx->tuning);
    const struct decided_device *decided = find_decided(ctx->family->device);
    *tuning = decided != NULL ? decided->tuning : (adcl__gemm_tuning){{0}};
    adcl__mutex_unlock(&clblast_lock);
}

/* ---- products ---------------------------------------------------------------------------------*/

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
    decide_parameters(ctx, ctx->tuning);
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
    decide_parameters(ctx, ctx->tuning);
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
