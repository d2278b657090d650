/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv, nanosleep */
#include "runtime/context.h"
#include "support/device.h"
#include "support/files.h"

#include <clblast_c.h>
#include <ctype.h>
#include <stdlib.h>
#include <time.h>

/* Creates a context that must fail: *out stays NULL. */
static adcl_status create(const adcl_context_params *params, adcl_error *error)
{
    adcl_context *ctx = (adcl_context *)&ctx; /* to see that it is set to NULL */
    adcl_status status = adcl_context_create(&ctx, params, error);
    cr_expect_eq(ctx == NULL, status != ADCL_OK);
    adcl_context_destroy(&ctx);
    return status;
}

static adcl_context_params params_for_device(const char *selector)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.device = selector;
    return params;
}

static adcl_context_params params_for_engine(adcl_engine engine)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.engine = engine;
    return params;
}

/* ---- devices --------------------------------------------------------------------------------- */

Test(device_list, says_what_each_device_is)
{
    adcl_device_list *list = NULL;
    cr_assert_eq(adcl_device_list_create(&list, NULL), ADCL_OK);
    size_t count = adcl_device_list_count(list), defaults = 0;
    cr_expect_geq(count, 1);
    for (size_t i = 0; i < count; i++) {
        const adcl_device_info *info = adcl_device_list_get(list, i);
        cr_expect_neq(info->name[0], '\0');
        cr_expect_neq(info->platform[0], '\0');
        cr_expect_eq(strncmp(info->opencl, "OpenCL ", 7), 0, "%s", info->opencl);
        cr_expect_eq(info->usable, info->reason[0] == '\0');
        if (info->usable) cr_expect(info->compute_units > 0 && info->memory_bytes > 0);
        defaults += (size_t)info->is_default;
        if (info->is_default) cr_expect(info->usable);
    }
    cr_expect_eq(defaults, 1);
    cr_expect_null(adcl_device_list_get(list, count));
    adcl_device_list_destroy(&list);
    cr_expect_null(list);
}

Test(device_list, selectors_in_the_list_select_that_device)
{
    setenv("POCL_DEVICES", "pthread pthread", 1); /* two devices, where the driver is POCL */
    adcl_device_list *list = NULL;
    cr_assert_eq(adcl_device_list_create(&list, NULL), ADCL_OK);
    for (size_t i = 0; i < adcl_device_list_count(list); i++) {
        const adcl_device_info *info = adcl_device_list_get(list, i);
        if (!info->usable) continue;
        adcl_context_params params = params_for_device(info->selector);
        adcl_context *ctx = adcl_test_context_create_with(&params);
        cr_expect_str_eq(adcl_context_device(ctx)->selector, info->selector);
        cr_expect_str_eq(adcl_context_device(ctx)->name, info->name);
        adcl_context_destroy(&ctx);
    }
    adcl_device_list_destroy(&list);
}

Test(device_list, copes_with_null)
{
    adcl_device_list *none = NULL;
    adcl_error error;
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_device_list_create(NULL, &error));
    adcl_device_list_destroy(NULL);
    adcl_device_list_destroy(&none);
    cr_expect_eq(adcl_device_list_count(NULL), 0);
    cr_expect_null(adcl_device_list_get(NULL, 0));
    cr_expect_str_eq(adcl_device_list_note(NULL), "");
}

/* ---- selectors ------------------------------------------------------------------------------- */

Test(context_create, understands_every_form_of_selector)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_device_info device = *adcl_context_device(ctx);
    const char *type = device.type == ADCL_DEVICE_GPU   ? "gPU"
                       : device.type == ADCL_DEVICE_CPU ? "cPU"
                                                        : "accELERATOR";
    char name[64] = "", platform[64] = "";
    for (size_t i = 0; i < 5 && device.name[i] != '\0'; i++)
        name[i] = (char)toupper((unsigned char)device.name[i]);
    snprintf(platform, sizeof platform, "%.4s:", device.platform);
    const char *selectors[] = {NULL, "", type, device.selector, device.name, name, platform};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        adcl_context_params params = params_for_device(selectors[i]);
        adcl_context *other = adcl_test_context_create_with(&params);
        cr_expect_str_eq(adcl_context_device(other)->name, device.name, "selector %s",
                         selectors[i]);
        adcl_context_destroy(&other);
    }
    adcl_context_destroy(&ctx);
}

/* POCL calls its platform "Portable Computing Language" and itself PoCL in the version. */
Test(context_create, finds_pocl_by_the_name_that_people_use)
{
    adcl_context *ctx = adcl_test_context_create();
    bool has_pocl = strstr(adcl_context_device(ctx)->platform, "Portable Computing") != NULL;
    adcl_context_destroy(&ctx);
    if (!has_pocl) cr_skip_test("the default device is not POCL's");
    const char *selectors[] = {"pocl:", "POCL:0", "pocl:pthread"};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        adcl_context_params params = params_for_device(selectors[i]);
        ctx = adcl_test_context_create_with(&params);
        adcl_context_destroy(&ctx);
    }
}

Test(context_create, lists_what_there_is_when_a_selector_matches_nothing)
{
    adcl_context *ctx = adcl_test_context_create();
    const char *selectors[] = {"nonsense", "77:0", "0:77", "nonsense:", "0:nonsense", "0:0:0",
                               "99999999999999999999:0"};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        adcl_context_params params = params_for_device(selectors[i]);
        adcl_error error;
        ADCL_TEST_FAILS_WITH(&error, NO_DEVICE, selectors[i], create(&params, &error));
        cr_expect_not_null(strstr(error.message, adcl_context_device(ctx)->name), "%s",
                           error.message);
        cr_expect_not_null(strstr(error.message, adcl_context_device(ctx)->selector), "%s",
                           error.message);
    }
    adcl_context_destroy(&ctx);
}

Test(context_create, takes_the_device_from_the_environment_unless_a_parameter_says_otherwise)
{
    adcl_error error;
    setenv("ADCL_DEVICE", "nonsense", 1);
    ADCL_TEST_FAILS_WITH(&error, NO_DEVICE, "nonsense", create(NULL, &error));
    adcl_context_params params = params_for_device("");
    cr_expect_eq(create(&params, &error), ADCL_OK);
    setenv("ADCL_DEVICE", "", 1);
    cr_expect_eq(create(NULL, &error), ADCL_OK);
}

/* ocl-icd reads its folder at the first OpenCL call, and Criterion runs each test in a process of
 * its own. */
Test(context_create, names_a_package_where_no_driver_is_installed, .init = adcl_test_folder_create,
     .fini = adcl_test_folder_remove)
{
    setenv("OCL_ICD_VENDORS", adcl_test_path(""), 1);
    adcl_error error;
    ADCL_TEST_FAILS_WITH(&error, NO_DEVICE, "pocl-opencl-icd", create(NULL, &error));
    adcl_context_params params = params_for_device("gpu");
    ADCL_TEST_FAILS_WITH(&error, NO_DEVICE, "pocl-opencl-icd", create(&params, &error));
    adcl_device_list *list = NULL;
    cr_assert_eq(adcl_device_list_create(&list, NULL), ADCL_OK);
    cr_expect_eq(adcl_device_list_count(list), 0);
    cr_expect_not_null(strstr(adcl_device_list_note(list), "pocl-opencl-icd"));
    adcl_device_list_destroy(&list);
}

/* ---- engines --------------------------------------------------------------------------------- */

Test(context_engine, comes_from_the_parameter_then_the_environment_then_the_library)
{
    adcl_context *ctx = adcl_test_context_create();
    cr_expect_eq(adcl_context_engine(ctx), ADCL_ENGINE_FUSED); /* on a CPU device */
    adcl_context_destroy(&ctx);
    setenv("ADCL_ENGINE", "reference", 1);
    ctx = adcl_test_context_create();
    cr_expect_eq(adcl_context_engine(ctx), ADCL_ENGINE_REFERENCE);
    adcl_context_destroy(&ctx);
    adcl_context_params params = params_for_engine(ADCL_ENGINE_GEMM);
    ctx = adcl_test_context_create_with(&params);
    cr_expect_eq(adcl_context_engine(ctx), ADCL_ENGINE_GEMM);
    adcl_context_destroy(&ctx);
    setenv("ADCL_ENGINE", "", 1);
    ctx = adcl_test_context_create();
    cr_expect_eq(adcl_context_engine(ctx), ADCL_ENGINE_FUSED);
    adcl_context_destroy(&ctx);
}

/* Passes tell the plans apart: adcl_workspace_plan. */
static void expect_plan(adcl_fused_plan request, const char *expected)
{
    adcl_context_params params = params_for_engine(ADCL_ENGINE_FUSED);
    params.fused_plan = request;
    adcl_context *ctx = adcl_test_context_create_with(&params), *other = NULL;
    ADCL_TEST_OK(ctx, adcl_context_share(&other, ctx, NULL));
    adcl_adapter_params sizes = ADCL_ADAPTER_PARAMS_INIT;
    sizes.hidden_size = 8;
    sizes.bottleneck_size = 4;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &sizes);
    adcl_workspace *workspace = adcl_test_workspace_create(other, adapter, 1, ADCL_INFERENCE);
    cr_expect_not_null(strstr(adcl_workspace_plan(workspace), expected), "got %s, not %s",
                       adcl_workspace_plan(workspace), expected);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&other);
    adcl_context_destroy(&ctx);
}

Test(context_engine, fused_takes_the_plan_of_the_parameter_the_environment_or_the_device)
{
    expect_plan(ADCL_FUSED_PLAN_GPU, "gpu");
    setenv("ADCL_FUSED_PLAN", "gpu", 1);
    expect_plan(ADCL_FUSED_PLAN_AUTO, "gpu");
    expect_plan(ADCL_FUSED_PLAN_CPU, "cpu");
    setenv("ADCL_FUSED_PLAN", "", 1);
    adcl_context *ctx = adcl_test_context_create();
    bool cpu = adcl_context_device(ctx)->type == ADCL_DEVICE_CPU;
    adcl_context_destroy(&ctx);
    expect_plan(ADCL_FUSED_PLAN_AUTO, cpu ? "cpu" : "gpu");
}

Test(context_engine, fused_refuses_unknown_plans)
{
    adcl_error error;
    adcl_context_params params = params_for_engine(ADCL_ENGINE_FUSED);
    params.fused_plan = (adcl_fused_plan)77;
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got 77", create(&params, &error));
    setenv("ADCL_FUSED_PLAN", "tpu", 1);
    ADCL_TEST_FAILS_WITH(&error, NOT_FOUND, "auto, cpu, gpu", create(NULL, &error));
}

Test(context_engine, unknown_ones_are_refused)
{
    adcl_error error;
    adcl_context_params params = params_for_engine((adcl_engine)77);
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got 77", create(&params, &error));
    setenv("ADCL_ENGINE", "turbo", 1);
    ADCL_TEST_FAILS_WITH(&error, NOT_FOUND, "auto, gemm, fused, reference", create(NULL, &error));
}

Test(context_engine, names_and_values_go_together)
{
    adcl_error error;
    for (int i = 0; i <= ADCL_ENGINE_REFERENCE; i++) {
        adcl_engine engine = (adcl_engine)77;
        cr_expect_eq(adcl_engine_from_name(adcl_engine_name((adcl_engine)i), &engine, &error),
                     ADCL_OK);
        cr_expect_eq(engine, (adcl_engine)i);
    }
    adcl_engine engine = ADCL_ENGINE_GEMM;
    ADCL_TEST_FAILS_WITH(&error, NOT_FOUND, "\"Gemm\"",
                         adcl_engine_from_name("Gemm", &engine, &error));
    cr_expect_eq(engine, ADCL_ENGINE_GEMM);
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_engine_from_name(NULL, &engine, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_engine_from_name("gemm", NULL, &error));
    cr_expect_str_eq(adcl_engine_name((adcl_engine)77), "?");
}

/* ---- params ---------------------------------------------------------------------------------- */

Test(context_params, without_struct_size_are_refused)
{
    adcl_error error;
    const size_t sizes[] = {0, 7, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
        params.struct_size = sizes[i];
        ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "struct_size", create(&params, &error));
    }
}

Test(context_params, of_an_older_program_leave_newer_fields_at_their_defaults)
{
    adcl_context_params params = {offsetof(adcl_context_params, engine), NULL, (adcl_engine)77, 1,
                                  NULL, NULL, ADCL_LOG_DEBUG, ADCL_TUNING_AUTO,
                                  {NULL, NULL, NULL}, (adcl_fused_plan)77};
    adcl_context *ctx = adcl_test_context_create_with(&params);
    cr_expect_eq(adcl_context_engine(ctx), ADCL_ENGINE_FUSED);
    size_t count = 0;
    ADCL_TEST_FAILS(ctx, INVALID_STATE, "profiling = 1", adcl_profile_read(ctx, NULL, &count));
    adcl_context_destroy(&ctx);
}

/* ---- log ------------------------------------------------------------------------------------- */

typedef struct log_book {
    size_t lines[ADCL_LOG_DEBUG + 1];
    char last[256];
} log_book;

static void write_log(void *user, adcl_log_level level, const char *message)
{
    log_book *book = user;
    book->lines[level]++;
    snprintf(book->last, sizeof book->last, "%s", message);
    cr_expect_null(strchr(message, '\n'), "a line break in: %s", message);
}

/* Opens a device and provokes one failure. */
static log_book log_at(adcl_log_level level)
{
    log_book book = {{0}, ""};
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.log = write_log;
    params.log_user = &book;
    params.log_level = level;
    adcl_context *ctx = adcl_test_context_create_with(&params);
    adcl_tensor *tensor = NULL;
    cr_expect_neq(adcl_tensor_create(&tensor, ctx, ADCL_F32, 1, 0), ADCL_OK);
    adcl_context_destroy(&ctx);
    return book;
}

Test(context_log, receives_what_its_level_asks_for)
{
    log_book book = log_at(ADCL_LOG_WARNING);
    cr_expect_eq(book.lines[ADCL_LOG_INFO] + book.lines[ADCL_LOG_DEBUG], 0);
    book = log_at(ADCL_LOG_INFO);
    cr_expect_eq(book.lines[ADCL_LOG_INFO], 2); /* the device and the engine */
    cr_expect_not_null(strstr(book.last, "engine fused (auto: the fastest on this kind"), "%s", book.last);
    cr_expect_eq(book.lines[ADCL_LOG_DEBUG], 0);
    book = log_at(ADCL_LOG_DEBUG);
    cr_expect_eq(book.lines[ADCL_LOG_DEBUG], 1);
    cr_expect_not_null(strstr(book.last, "INVALID_ARGUMENT: tensor"), "%s", book.last);
}

/* ---- sharing --------------------------------------------------------------------------------- */

Test(context_share, has_its_own_queue_and_uses_programs_and_tensors_of_the_other)
{
    adcl_context *first = adcl_test_context_create(), *second = NULL;
    cr_assert_eq(adcl_context_share(&second, first, NULL), ADCL_OK);
    cr_expect_eq(adcl_context_cl_context(first), adcl_context_cl_context(second));
    cr_expect_neq(adcl_context_cl_queue(first), adcl_context_cl_queue(second));

    adcl_tensor *tensor = adcl_test_tensor_create(first, 2, 3, NULL);
    ADCL_TEST_OK(first, adcl_tensor_fill(first, tensor, 1.0f));
    ADCL_TEST_OK(first, adcl_context_finish(first));
    cr_expect_eq(adcl_context_counters(first).program_builds, 1);
    adcl_context_destroy(&first);

    ADCL_TEST_OK(second, adcl_tensor_fill(second, tensor, 2.0f));
    float *numbers = adcl_test_tensor_read(second, tensor);
    for (int i = 0; i < 6; i++) cr_expect_eq(numbers[i], 2.0f);
    cr_expect_eq(adcl_context_counters(second).program_builds, 0);
    free(numbers);
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&second);
}

Test(context_share, takes_over_engine_and_profiling)
{
    adcl_context_params params = params_for_engine(ADCL_ENGINE_REFERENCE);
    params.profiling = 1;
    adcl_context *first = adcl_test_context_create_with(&params), *second = NULL;
    setenv("ADCL_ENGINE", "gemm", 1);
    cr_assert_eq(adcl_context_share(&second, first, NULL), ADCL_OK);
    cr_expect_eq(adcl_context_engine(second), ADCL_ENGINE_REFERENCE);
    size_t count = 77;
    ADCL_TEST_OK(second, adcl_profile_read(second, NULL, &count));
    cr_expect_eq(count, 0);
    adcl_context_destroy(&second);
    adcl_context_destroy(&first);
}

/* ---- the application's own OpenCL objects ---------------------------------------------------- */

typedef struct application {
    cl_context context;
    cl_command_queue queue;
    cl_uint context_references, queue_references;
} application;

static cl_uint context_references(cl_context context)
{
    cl_uint count = 0;
    clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof count, &count, NULL);
    return count;
}

static cl_uint queue_references(cl_command_queue queue)
{
    cl_uint count = 0;
    clGetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof count, &count, NULL);
    return count;
}

static cl_uint buffer_references(cl_mem buffer)
{
    cl_uint count = 0;
    clGetMemObjectInfo(buffer, CL_MEM_REFERENCE_COUNT, sizeof count, &count, NULL);
    return count;
}

static application start_application(cl_command_queue_properties properties)
{
    adcl_context *ctx = adcl_test_context_create();
    cl_device_id device = adcl_context_cl_device(ctx);
    cl_int code;
    application app;
    app.context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    cr_assert_eq(code, CL_SUCCESS);
    app.queue = clCreateCommandQueue(app.context, device, properties, &code);
    cr_assert_eq(code, CL_SUCCESS);
    app.context_references = context_references(app.context);
    app.queue_references = queue_references(app.queue);
    adcl_context_destroy(&ctx);
    return app;
}

static void pause_for(long milliseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

/* Checks that nothing of the application's is still held, and ends it. CLBlast keeps its programs
 * until told otherwise; drivers may let go of a finished command a little later. */
static void end_application(application *app)
{
    CLBlastClearCache();
    for (int i = 0; i < 1000; i++) {
        if (context_references(app->context) == app->context_references &&
            queue_references(app->queue) == app->queue_references)
            break;
        pause_for(10);
    }
    cr_expect_eq(context_references(app->context), app->context_references);
    cr_expect_eq(queue_references(app->queue), app->queue_references);
    clReleaseCommandQueue(app->queue);
    clReleaseContext(app->context);
}

/* Many steps that each need the one before, by copies and by an adapter: the bits of the result. */
static float *run_chain(adcl_context *ctx)
{
    enum { N = 70, D = 40 };
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = D;
    params.init = ADCL_INIT_BERT;
    params.dropout = 0.25f;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    adcl_workspace *workspace = adcl_test_workspace_create(ctx, adapter, N, ADCL_TRAINING);
    float *numbers = adcl_test_numbers(1, N * D);
    adcl_tensor *x = adcl_test_tensor_create(ctx, N, D, numbers);
    adcl_tensor *y = adcl_test_tensor_create(ctx, N, D, NULL);
    for (int i = 0; i < 10; i++) {
        ADCL_TEST_OK(ctx, adcl_adapter_forward(ctx, adapter, workspace, x, y));
        ADCL_TEST_OK(ctx, adcl_adapter_backward(ctx, adapter, workspace, y, y));
        ADCL_TEST_OK(ctx, adcl_tensor_copy(ctx, y, x));
    }
    free(numbers);
    float *result = adcl_test_tensor_read(ctx, x);
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    return result;
}

Test(context_from_cl, gives_the_same_results_in_order_and_out_of_order)
{
    float *results[2];
    for (int i = 0; i < 2; i++) {
        application app = start_application(i == 0 ? 0 : CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
        adcl_context *ctx = NULL;
        adcl_error error;
        cr_assert_eq(adcl_context_create_from_cl(&ctx, app.context, app.queue, NULL, &error),
                     ADCL_OK, "%s", error.message);
        cr_expect_eq(adcl_context_cl_context(ctx), app.context);
        cr_expect_eq(adcl_context_cl_queue(ctx), app.queue);
        results[i] = run_chain(ctx);
        adcl_context_destroy(&ctx);
        end_application(&app);
    }
    cr_expect(adcl_test_same_bits("chain", results[1], results[0], 70 * 40 * sizeof(float)));
    free(results[0]);
    free(results[1]);
}

Test(context_from_cl, retains_buffers_while_tensors_need_them)
{
    application app = start_application(0);
    adcl_context *ctx = NULL;
    cr_assert_eq(adcl_context_create_from_cl(&ctx, app.context, app.queue, NULL, NULL), ADCL_OK);
    cl_mem buffer = clCreateBuffer(app.context, CL_MEM_READ_WRITE, 64, NULL, NULL);
    adcl_tensor *tensor = NULL, *view = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 0, 4, 4, 0));
    ADCL_TEST_OK(ctx, adcl_tensor_view_rows(&view, ctx, tensor, 1, 2));
    cr_expect_eq(adcl_tensor_cl_mem(view), buffer);
    cr_expect_eq(adcl_tensor_cl_offset(view), 4);
    cr_expect_eq(buffer_references(buffer), 3);
    adcl_tensor_destroy(&tensor);
    adcl_tensor_destroy(&view);
    cr_expect_eq(buffer_references(buffer), 1);
    cr_expect_eq(adcl_tensor_wrap_cl(&tensor, ctx, ADCL_F32, buffer, 0, 5, 4, 0),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(buffer_references(buffer), 1);
    clReleaseMemObject(buffer);
    adcl_context_destroy(&ctx);
    end_application(&app);
}

Test(context_from_cl, profiling_needs_a_queue_that_profiles)
{
    application app = start_application(0);
    adcl_context *ctx = NULL;
    adcl_error error;
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.profiling = 1;
    ADCL_TEST_FAILS_WITH(
        &error, INVALID_ARGUMENT, "CL_QUEUE_PROFILING_ENABLE",
        adcl_context_create_from_cl(&ctx, app.context, app.queue, &params, &error));
    cr_expect_null(ctx);
    end_application(&app);

    app = start_application(CL_QUEUE_PROFILING_ENABLE);
    cr_assert_eq(adcl_context_create_from_cl(&ctx, app.context, app.queue, &params, &error),
                 ADCL_OK, "%s", error.message);
    free(run_chain(ctx));
    adcl_context_destroy(&ctx);
    end_application(&app);
}

Test(context_from_cl, refuses_a_queue_of_another_context_and_null)
{
    application app = start_application(0), other = start_application(0);
    adcl_context *ctx = NULL;
    adcl_error error;
    ADCL_TEST_FAILS_WITH(
        &error, INVALID_ARGUMENT, "queue of the given cl_context",
        adcl_context_create_from_cl(&ctx, app.context, other.queue, NULL, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_context_create_from_cl(&ctx, NULL, app.queue, NULL, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_context_create_from_cl(&ctx, app.context, NULL, NULL, &error));
    ADCL_TEST_FAILS_WITH(
        &error, INVALID_ARGUMENT, "got NULL",
        adcl_context_create_from_cl(NULL, app.context, app.queue, NULL, &error));
    adcl_context_params params = params_for_engine((adcl_engine)77);
    ADCL_TEST_FAILS_WITH(
        &error, INVALID_ARGUMENT, "got 77",
        adcl_context_create_from_cl(&ctx, app.context, app.queue, &params, &error));
    cr_expect_null(ctx);
    end_application(&app);
    end_application(&other);
}

/* ---- events ---------------------------------------------------------------------------------- */

static cl_int event_status(cl_event event)
{
    cl_int status = CL_QUEUED;
    clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    return status;
}

static cl_event start_user_event(adcl_context *ctx)
{
    cl_int code;
    cl_event event = clCreateUserEvent(adcl_context_cl_context(ctx), &code);
    cr_assert_eq(code, CL_SUCCESS);
    return event;
}

/* An event of all work enqueued so far, which must not be done within 100 ms because a user event
 * that it waits for is open; then that one is completed and the work waited for. */
static void expect_delayed(adcl_context *ctx, cl_event open)
{
    cl_event done = NULL;
    ADCL_TEST_OK(ctx, adcl_context_record(ctx, &done));
    pause_for(100);
    cr_expect_neq(event_status(done), CL_COMPLETE);
    cr_assert_eq(clSetUserEventStatus(open, CL_COMPLETE), CL_SUCCESS);
    cr_assert_eq(clWaitForEvents(1, &done), CL_SUCCESS);
    cr_expect_eq(event_status(done), CL_COMPLETE);
    clReleaseEvent(done);
    clReleaseEvent(open);
}

Test(context_events, later_work_waits_for_the_events_of_the_application)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, 3, 5, NULL);
    cl_event open = start_user_event(ctx);
    uint64_t waits = adcl_context_counters(ctx).host_waits;
    ADCL_TEST_OK(ctx, adcl_context_wait_for(ctx, 1, &open));
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, tensor, 3.0f));
    cr_expect_eq(adcl_context_counters(ctx).host_waits, waits);
    expect_delayed(ctx, open);
    float *numbers = adcl_test_tensor_read(ctx, tensor);
    for (int i = 0; i < 15; i++) cr_expect_eq(numbers[i], 3.0f);
    free(numbers);
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&ctx);
}

/* A pass neither waits on the host, or this would never return, nor starts too early. */
Test(context_events, passes_with_products_wait_for_them_too, .timeout = 120)
{
    enum { N = 3, D = 8 };
    adcl_context *ctx = adcl_test_context_create();
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = D;
    adcl_adapter *adapter = adcl_test_adapter_create(ctx, &params);
    adcl_workspace *workspace = adcl_test_workspace_create(ctx, adapter, N, ADCL_TRAINING);
    float *numbers = adcl_test_numbers(1, N * D);
    adcl_tensor *x = adcl_test_tensor_create(ctx, N, D, numbers);
    adcl_tensor *y = adcl_test_tensor_create(ctx, N, D, NULL);
    cl_event open = start_user_event(ctx);
    ADCL_TEST_OK(ctx, adcl_context_wait_for(ctx, 1, &open));
    ADCL_TEST_OK(ctx, adcl_adapter_forward(ctx, adapter, workspace, x, y));
    ADCL_TEST_OK(ctx, adcl_adapter_backward(ctx, adapter, workspace, y, y));
    expect_delayed(ctx, open);
    free(numbers);
    adcl_tensor_destroy(&x);
    adcl_tensor_destroy(&y);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
}

Test(context_events, wrong_arguments_are_refused)
{
    adcl_context *ctx = adcl_test_context_create();
    ADCL_TEST_OK(ctx, adcl_context_wait_for(ctx, 0, NULL));
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "expected 2 events, got NULL",
                    adcl_context_wait_for(ctx, 2, NULL));
    cl_event none = NULL;
    ADCL_TEST_FAILS(ctx, OPENCL, "CL_INVALID_EVENT", adcl_context_wait_for(ctx, 1, &none));
    int code = adcl_context_error(ctx)->native_code; /* NVIDIA's driver gives the second */
    cr_expect(code == CL_INVALID_EVENT_WAIT_LIST || code == CL_INVALID_EVENT);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_context_record(ctx, NULL));
    adcl_context_destroy(&ctx);
}

/* ---- ends ------------------------------------------------------------------------------------ */

Test(context_destroy, tensors_may_outlive_their_context)
{
    float memory[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    adcl_context *ctx = adcl_test_context_create();
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, 2, 2, NULL), *over_host = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_wrap_host(&over_host, ctx, ADCL_F32, 2, 2, memory));
    adcl_context_destroy(&ctx);
    cr_expect_null(ctx);
    adcl_context_destroy(&ctx);
    cr_expect_eq(adcl_tensor_rows(tensor), 2);
    adcl_tensor_destroy(&tensor);
    adcl_tensor_destroy(&over_host);
}

Test(context, copes_with_null)
{
    adcl_error error;
    adcl_context *ctx = NULL;
    cl_event event = NULL;
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_context_create(NULL, NULL, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_context_share(&ctx, NULL, &error));
    ADCL_TEST_FAILS_WITH(&error, INVALID_ARGUMENT, "got NULL",
                         adcl_context_share(NULL, NULL, &error));
    ADCL_TEST_FAILS(NULL, INVALID_ARGUMENT, "got NULL", adcl_context_finish(NULL));
    ADCL_TEST_FAILS(NULL, INVALID_ARGUMENT, "got NULL", adcl_context_wait_for(NULL, 0, NULL));
    ADCL_TEST_FAILS(NULL, INVALID_ARGUMENT, "got NULL", adcl_context_record(NULL, &event));
    cr_expect_str_eq(adcl_context_build_log(NULL), "");
    cr_expect_null(adcl_context_device(NULL));
    cr_expect_eq(adcl_context_engine(NULL), ADCL_ENGINE_AUTO);
    cr_expect_null(adcl_context_cl_context(NULL));
    cr_expect_null(adcl_context_cl_queue(NULL));
    cr_expect_null(adcl_context_cl_device(NULL));
    cr_expect_eq(adcl_context_counters(NULL).launches, 0);
    adcl_context_destroy(NULL);
    adcl_context_destroy(&ctx);
}

Test(context_error, starts_empty_and_keeps_the_last_failure)
{
    adcl_context *ctx = adcl_test_context_create();
    cr_expect_eq(adcl_context_error(ctx)->status, ADCL_OK);
    cr_expect_str_eq(adcl_context_error(ctx)->message, "");
    cr_expect_str_eq(adcl_context_build_log(ctx), "");
    adcl_tensor *tensor = NULL;
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "at least 1 column",
                    adcl_tensor_create(&tensor, ctx, ADCL_F32, 1, 0));
    ADCL_TEST_OK(ctx, adcl_context_finish(ctx));
    cr_expect_eq(adcl_context_error(ctx)->status, ADCL_ERR_INVALID_ARGUMENT);
    adcl_context_destroy(&ctx);
}

Test(cl_code, names_the_codes_of_the_driver)
{
    cr_expect_str_eq(adcl__cl_code_name(CL_SUCCESS), "CL_SUCCESS");
    cr_expect_str_eq(adcl__cl_code_name(CL_INVALID_KERNEL_ARGS), "CL_INVALID_KERNEL_ARGS");
    cr_expect_str_eq(adcl__cl_code_name(-1001), "CL_PLATFORM_NOT_FOUND_KHR");
    cr_expect_str_eq(adcl__cl_code_name(-77777), "unknown OpenCL error");
    cr_expect_eq(adcl__cl_status(CL_SUCCESS), ADCL_OK);
    cr_expect_eq(adcl__cl_status(CL_MEM_OBJECT_ALLOCATION_FAILURE), ADCL_ERR_OUT_OF_DEVICE_MEMORY);
    cr_expect_eq(adcl__cl_status(CL_OUT_OF_HOST_MEMORY), ADCL_ERR_OUT_OF_HOST_MEMORY);
    cr_expect_eq(adcl__cl_status(CL_INVALID_KERNEL_ARGS), ADCL_ERR_OPENCL);
}
