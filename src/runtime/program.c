/* SPDX-License-Identifier: MIT */
#include "runtime/program.h"

#include "base/size.h"
#include "base/text.h"
#include "runtime/profile.h"

#include "kernel_sources.h"

#include <stdlib.h>
#include <string.h>

struct adcl__program {
    adcl__program *next;
    adcl__program_id id;
    int variant, part;
    char *options; /* "" if none */
    cl_program program;
};

struct adcl__kernel {
    adcl__kernel *next;
    const adcl__program *program;
    const char *name;
    cl_kernel kernel;
};

static const struct {
    const char *name;
    const char *needs[3]; /* come between common.cl and it; NULL behind the last */
    const char *source;
} sources[] = {
    [ADCL__PROGRAM_ACTIVATION] = {"activation.cl", {adcl__source_activation_math},
                                  adcl__source_activation},
    [ADCL__PROGRAM_ATTENTION] = {"attention.cl",
                                 {adcl__source_activation_math, adcl__source_attention_dropout},
                                 adcl__source_attention},
    [ADCL__PROGRAM_ATTENTION_GPU] = {"attention_gpu.cl",
                                     {adcl__source_activation_math, adcl__source_attention_dropout},
                                     adcl__source_attention_gpu},
    [ADCL__PROGRAM_ELEMENTWISE] = {"elementwise.cl", {NULL}, adcl__source_elementwise},
    [ADCL__PROGRAM_FUSED_CPU] =
        {"fused_cpu.cl",
         {adcl__source_activation_math, adcl__source_cpu_tile, adcl__source_cpu_output},
         adcl__source_fused_cpu},
    [ADCL__PROGRAM_FUSED_GPU] = {"fused_gpu.cl",
                                 {adcl__source_activation_math, adcl__source_gpu_tile},
                                 adcl__source_fused_gpu},
    [ADCL__PROGRAM_FUSED_GPU_GRADIENTS] = {"fused_gpu_gradients.cl",
                                           {adcl__source_gpu_tile},
                                           adcl__source_fused_gpu_gradients},
    [ADCL__PROGRAM_GATE] = {"gate.cl", {NULL}, adcl__source_gate},
    [ADCL__PROGRAM_LAYER_NORM] = {"layer_norm.cl", {adcl__source_activation_math},
                                  adcl__source_layer_norm},
    [ADCL__PROGRAM_LAYER_NORM_GPU] = {"layer_norm_gpu.cl", {NULL}, adcl__source_layer_norm_gpu},
    [ADCL__PROGRAM_LOSS] = {"loss.cl", {NULL}, adcl__source_loss},
    [ADCL__PROGRAM_PACKED] = {"packed.cl", {adcl__source_activation_math, adcl__source_cpu_tile},
                              adcl__source_packed},
    [ADCL__PROGRAM_PACKED_GPU] = {"packed_gpu.cl", {adcl__source_activation_math, adcl__source_gpu_tile},
                                  adcl__source_packed_gpu},
    [ADCL__PROGRAM_PEAK] = {"peak.cl", {NULL}, adcl__source_peak},
    [ADCL__PROGRAM_REDUCE] = {"reduce.cl", {NULL}, adcl__source_reduce},
    [ADCL__PROGRAM_RESIDUAL] = {"residual.cl", {NULL}, adcl__source_residual},
    [ADCL__PROGRAM_SEQUENCE] = {"sequence.cl", {NULL}, adcl__source_sequence},
    [ADCL__PROGRAM_UPDATE] = {"update.cl", {NULL}, adcl__source_update},
};

/* ---- programs ---------------------------------------------------------------------------------*/

static void keep_build_log(adcl_context *ctx, cl_program program, const char *name)
{
    size_t size = 0;
    free(ctx->build_log);
    ctx->build_log = NULL;
    clGetProgramBuildInfo(program, ctx->family->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    if (size == 0 || (ctx->build_log = calloc(size + 1, 1)) == NULL) return;
    clGetProgramBuildInfo(program, ctx->family->device, CL_PROGRAM_BUILD_LOG, size, ctx->build_log,
                          NULL);
    if (ctx->log != NULL) {
        adcl__log(ctx, ADCL_LOG_ERROR, "build log of %s:", name);
        ctx->log(ctx->log_user, ADCL_LOG_ERROR, ctx->build_log); /* may be longer than a sentence */
    }
}

static const char *options_of(adcl__kernel_id id)
{
    return id.options != NULL ? id.options : "";
}

/* POCL's compiler reads clang's declarations of all built-in functions for every program anew, 18,000 lines, also
 * for one that is in POCL's cache: half of what such a build takes. They are skipped where the guard of their
 * file is defined; builtins.cl declares what the kernels need of them. */
static const char *const without_declarations = "-D_OPENCL_H_";

static bool reads_declarations_for_long(const adcl__family *family)
{
    return adcl__string_contains(family->info.platform, "Portable Computing Language");
}

static const char *text_or_none(const char *text)
{
    return text != NULL ? text : "";
}

/* clBuildProgram's code; `*out` is there also when that failed, for its log. */
static cl_int compile(const adcl__family *family, adcl__kernel_id id, bool own_declarations,
                      cl_program *out)
{
    const char *const *needs = sources[id.program].needs;
    const char *text[] = {own_declarations ? adcl__source_builtins : "", adcl__source_common,
                          text_or_none(needs[0]), text_or_none(needs[1]), text_or_none(needs[2]),
                          sources[id.program].source};
    cl_int code;
    *out = clCreateProgramWithSource(family->context, sizeof text / sizeof text[0], text, NULL, &code);
    if (code != CL_SUCCESS) return code;
    adcl__text options = {0};
    adcl__text_append(&options, "-cl-std=CL1.2 -w %s -DADCL_VARIANT=%d -DADCL_PART=%d %s",
                      own_declarations ? without_declarations : "", id.variant, id.part,
                      options_of(id));
    code = options.failed ? CL_OUT_OF_HOST_MEMORY
                          : clBuildProgram(*out, 1, &family->device, options.bytes, NULL, NULL);
    adcl__text_free(&options);
    return code;
}

static adcl_status build(adcl_context *ctx, adcl__kernel_id id, cl_program *out)
{
    const char *name = sources[id.program].name;
    const adcl__family *family = ctx->family;
    double start = adcl__clock_seconds();
    bool own_declarations = reads_declarations_for_long(family);
    cl_program program = NULL;
    cl_int code = compile(family, id, own_declarations, &program);
    if (code == CL_BUILD_PROGRAM_FAILURE && own_declarations) { /* another POCL than those we know */
        clReleaseProgram(program);
        code = compile(family, id, false, &program);
    }
    if (code != CL_SUCCESS) {
        if (code == CL_BUILD_PROGRAM_FAILURE) keep_build_log(ctx, program, name);
        if (program != NULL) clReleaseProgram(program);
        if (code != CL_BUILD_PROGRAM_FAILURE) return adcl__fail_cl(ctx, code, name);
        return adcl__fail(ctx, ADCL_ERR_PROGRAM_BUILD, code,
                          "%s (variant %d) does not compile for %s; see the build log", name,
                          id.variant, family->info.name);
    }
    ctx->counters.program_builds++;
    adcl__log(ctx, ADCL_LOG_DEBUG, "built %s (variant %d) in %.0f ms", name, id.variant,
              1e3 * (adcl__clock_seconds() - start));
    *out = program;
    return ADCL_OK;
}

/* The id's kernels are among the program's, which may have all of the file's. */
static bool has_kernel(const adcl__program *p, adcl__kernel_id id)
{
    return p->id == id.program && p->variant == id.variant &&
           (p->part == id.part || p->part == 0) && strcmp(p->options, options_of(id)) == 0;
}

/* The family's program, built if need be. Called with the family's mutex held: two threads that
 * need the same program build it once. */
static adcl_status find_program(adcl_context *ctx, adcl__kernel_id id, adcl__program **out)
{
    adcl__family *family = ctx->family;
    for (adcl__program *p = family->programs; p != NULL; p = p->next)
        if (has_kernel(p, id)) {
            *out = p;
            return ADCL_OK;
        }
    size_t length = strlen(options_of(id));
    adcl__program *entry = calloc(1, sizeof *entry);
    char *options = malloc(length + 1);
    adcl_status status = ADCL_OK;
    if (entry == NULL || options == NULL)
        status = adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory for a program",
                            sources[id.program].name);
    cl_program program = NULL;
    if (status == ADCL_OK) status = build(ctx, id, &program);
    if (status != ADCL_OK) {
        free(options);
        free(entry);
        return status;
    }
    memcpy(options, options_of(id), length + 1);
    *entry = (adcl__program){family->programs, id.program, id.variant, id.part, options, program};
    family->programs = entry;
    *out = entry;
    return ADCL_OK;
}

void adcl__programs_destroy(adcl__program *list)
{
    while (list != NULL) {
        adcl__program *next = list->next;
        clReleaseProgram(list->program);
        free(list->options);
        free(list);
        list = next;
    }
}

/* ---- kernels ----------------------------------------------------------------------------------*/

static adcl_status create_kernel(adcl_context *ctx, adcl__kernel_id id, adcl__kernel **out)
{
    adcl__program *program = NULL;
    adcl__mutex_lock(&ctx->family->mutex);
    adcl_status status = find_program(ctx, id, &program);
    adcl__mutex_unlock(&ctx->family->mutex);
    if (status != ADCL_OK) return status;
    adcl__kernel *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory for a kernel",
                          id.name);
    cl_int code;
    cl_kernel kernel = clCreateKernel(program->program, id.name, &code);
    if (code != CL_SUCCESS) {
        free(entry);
        return adcl__fail_cl(ctx, code, id.name);
    }
    *entry = (adcl__kernel){ctx->kernels, program, id.name, kernel};
    ctx->kernels = entry;
    *out = entry;
    return ADCL_OK;
}

static adcl_status find_kernel(adcl_context *ctx, adcl__kernel_id id, adcl__kernel **out)
{
    for (adcl__kernel *k = ctx->kernels; k != NULL; k = k->next)
        if (has_kernel(k->program, id) && strcmp(k->name, id.name) == 0) {
            *out = k;
            return ADCL_OK;
        }
    return create_kernel(ctx, id, out);
}

void adcl__kernels_destroy(adcl__kernel *list)
{
    while (list != NULL) {
        adcl__kernel *next = list->next;
        clReleaseKernel(list->kernel);
        free(list);
        list = next;
    }
}

/* ---- launches ---------------------------------------------------------------------------------*/

/* Work-groups of 64 in the first dimension: a multiple of every GPU's warp or wave, and enough for
 * a CPU driver to vectorise. The choice depends on the device alone, never on the range, so that a
 * driver that compiles per work-group size compiles once. */
static void choose_local(const adcl_context *ctx, size_t local[2])
{
    size_t most = ctx->family->max_work_group_size;
    local[0] = most < 64 ? most : 64;
    local[1] = 1;
}

size_t adcl__item_columns(const adcl_context *ctx)
{
    return ctx->family->info.type == ADCL_DEVICE_CPU ? 2048 : 1;
}

adcl__range adcl__column_range(const adcl_context *ctx, size_t rows, size_t cols)
{
    size_t item_columns = adcl__item_columns(ctx);
    adcl__range range = {.items = {(cols + item_columns - 1) / item_columns, rows}};
    if (item_columns > 1) range.local[0] = range.local[1] = 1;
    return range;
}

adcl_status adcl__launch(adcl_context *ctx, adcl__kernel_id id, adcl__range range,
                         const adcl__argument *arguments, size_t count)
{
    if (range.items[0] == 0 || range.items[1] == 0) return ADCL_OK;
    adcl__kernel *kernel = NULL;
    ADCL_TRY(find_kernel(ctx, id, &kernel));
    for (size_t i = 0; i < count; i++) {
        cl_int code =
            clSetKernelArg(kernel->kernel, (cl_uint)i, arguments[i].size, arguments[i].value);
        if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, id.name);
    }
    if (range.local[0] == 0) choose_local(ctx, range.local);
    size_t global[2];
    for (int d = 0; d < 2; d++) global[d] = adcl__round_up(range.items[d], range.local[d]);
    cl_event event = NULL;
    cl_int code = clEnqueueNDRangeKernel(ctx->queue, kernel->kernel, 2, NULL, global, range.local,
                                         0, NULL, ctx->profiling ? &event : NULL);
    if (code != CL_SUCCESS) return adcl__fail_cl(ctx, code, id.name);
    ctx->counters.launches++;
    if (ctx->profiling) ADCL_TRY(adcl__profile_record(ctx, id.name, NULL, event));
    return adcl__order(ctx);
}
