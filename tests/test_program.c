/* SPDX-License-Identifier: MIT */
#include "runtime/program.h"
#include "runtime/tensor.h"
#include "support/device.h"

/* adcl_fill of elementwise.cl over one element. */
static adcl_status launch_fill(adcl_context *ctx, adcl__kernel_id id, size_t items)
{
    adcl_tensor *tensor = adcl_test_tensor_create(ctx, 1, 1, NULL);
    const adcl__argument arguments[] = {ADCL__TENSOR_ARGS(tensor), ADCL__UINT_ARG(1),
                                        ADCL__UINT_ARG(1), ADCL__UINT_ARG(0), ADCL__UINT_ARG(1)};
    adcl_status status = ADCL__LAUNCH(ctx, id, ((adcl__range){.items = {items, 1}}), arguments);
    adcl_tensor_destroy(&tensor);
    return status;
}

/* Collects the last message that is an error. */
static void keep_error(void *user, adcl_log_level level, const char *message)
{
    char *last = user;
    if (level == ADCL_LOG_ERROR) snprintf(last, 256, "%s", message);
}

/* activation.cl has no activation of number −1. */
Test(program, that_does_not_compile_gives_the_log_of_the_compiler)
{
    static const adcl__kernel_id id = {
        .program = ADCL__PROGRAM_ACTIVATION, .variant = -1, .name = "adcl_activation_fwd"};
    char last[256] = "";
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.log = keep_error;
    params.log_user = last;
    adcl_context *ctx = adcl_test_context_create_with(&params);
    ADCL_TEST_FAILS(ctx, PROGRAM_BUILD, "activation.cl (variant -1) does not compile for",
                    launch_fill(ctx, id, 1));
    cr_expect_eq(adcl_context_error(ctx)->native_code, CL_BUILD_PROGRAM_FAILURE);
    cr_expect_not_null(strstr(adcl_context_build_log(ctx), "adcl_act"), "%s",
                       adcl_context_build_log(ctx));
    cr_expect_eq(strncmp(last, adcl_context_build_log(ctx), 255), 0, "the log got: %s", last);
    cr_expect_eq(adcl_context_counters(ctx).program_builds, 0);
    adcl_context_destroy(&ctx);
}

Test(program, without_such_a_kernel_says_its_name)
{
    static const adcl__kernel_id id = {.program = ADCL__PROGRAM_ELEMENTWISE,
                                       .name = "adcl_nonsense"};
    adcl_context *ctx = adcl_test_context_create();
    ADCL_TEST_FAILS(ctx, OPENCL, "adcl_nonsense: CL_INVALID_KERNEL_NAME", launch_fill(ctx, id, 1));
    adcl_context_destroy(&ctx);
}

Test(program, is_built_once_for_each_variant_and_not_for_an_empty_range)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl__kernel_id fill = {.program = ADCL__PROGRAM_ELEMENTWISE, .name = "adcl_fill"};
    ADCL_TEST_OK(ctx, launch_fill(ctx, fill, 0));
    cr_expect_eq(adcl_context_counters(ctx).program_builds, 0);
    for (int i = 0; i < 2; i++) ADCL_TEST_OK(ctx, launch_fill(ctx, fill, 1));
    cr_expect_eq(adcl_context_counters(ctx).program_builds, 1);
    fill.variant = 1;
    ADCL_TEST_OK(ctx, launch_fill(ctx, fill, 1));
    cr_expect_eq(adcl_context_counters(ctx).program_builds, 2);
    cr_expect_eq(adcl_context_counters(ctx).launches, 3);
    adcl_context_destroy(&ctx);
}
