/* SPDX-License-Identifier: MIT */
#include "support/device.h"

#include <stdlib.h>

enum { N = 6, D = 33, MOST_ENTRIES = 32 };

/* A profiling context, and an adapter in training. */
typedef struct fixture {
    adcl_context *ctx;
    adcl_adapter *adapter;
    adcl_workspace *workspace;
    adcl_tensor *x, *y;
} fixture;

static fixture fixture_create(int profiling)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.profiling = profiling;
    params.engine = ADCL_ENGINE_GEMM; /* whose passes have many launches */
    fixture b = {.ctx = adcl_test_context_create_with(&params)};
    adcl_adapter_params of_adapter = ADCL_ADAPTER_PARAMS_INIT;
    of_adapter.hidden_size = D;
    b.adapter = adcl_test_adapter_create(b.ctx, &of_adapter);
    b.workspace = adcl_test_workspace_create(b.ctx, b.adapter, N, ADCL_TRAINING);
    b.x = adcl_test_tensor_create(b.ctx, N, D, NULL);
    b.y = adcl_test_tensor_create(b.ctx, N, D, NULL);
    return b;
}

static void fixture_destroy(fixture *b)
{
    adcl_tensor_destroy(&b->x);
    adcl_tensor_destroy(&b->y);
    adcl_workspace_destroy(&b->workspace);
    adcl_adapter_destroy(&b->adapter);
    adcl_context_destroy(&b->ctx);
}

static void run_pass(const fixture *b)
{
    ADCL_TEST_OK(b->ctx, adcl_adapter_forward(b->ctx, b->adapter, b->workspace, b->x, b->y));
    ADCL_TEST_OK(b->ctx, adcl_adapter_backward(b->ctx, b->adapter, b->workspace, b->y, b->y));
}

/* The launches of a kernel, 0 when it is not among the entries. */
static uint64_t launches_of(const adcl_profile_entry *entries, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].name, name) == 0) return entries[i].launches;
    return 0;
}

Test(profile, tells_launches_and_times_of_every_kernel_by_name_longest_first)
{
    fixture b = fixture_create(1);
    adcl_profile_entry entries[MOST_ENTRIES];
    size_t count = MOST_ENTRIES;
    ADCL_TEST_OK(b.ctx, adcl_profile_reset(b.ctx));
    for (int i = 0; i < 3; i++) run_pass(&b);
    ADCL_TEST_OK(b.ctx, adcl_profile_read(b.ctx, entries, &count));
    cr_expect_eq(count, 6);
    cr_expect_eq(launches_of(entries, count, "CLBlast Sgemm"), 3 * 6);
    cr_expect_eq(launches_of(entries, count, "adcl_activation_fwd"), 3);
    cr_expect_eq(launches_of(entries, count, "adcl_activation_bwd"), 3);
    cr_expect_eq(launches_of(entries, count, "adcl_residual_fwd"), 3);
    cr_expect_eq(launches_of(entries, count, "adcl_colsum_blocks"), 3 * 2);
    cr_expect_eq(launches_of(entries, count, "adcl_colsum_finish"), 3 * 2);
    for (size_t i = 0; i < count; i++) {
        cr_expect_gt(entries[i].seconds, 0.0, "%s", entries[i].name);
        cr_expect_lt(entries[i].seconds, 60.0, "%s", entries[i].name);
        if (i > 0) cr_expect_geq(entries[i - 1].seconds, entries[i].seconds);
    }
    fixture_destroy(&b);
}

Test(profile, forgets_at_a_reset_and_only_then)
{
    fixture b = fixture_create(1);
    adcl_profile_entry entries[MOST_ENTRIES];
    size_t count = MOST_ENTRIES;
    ADCL_TEST_OK(b.ctx, adcl_profile_reset(b.ctx));
    ADCL_TEST_OK(b.ctx, adcl_profile_read(b.ctx, entries, &count));
    cr_expect_eq(count, 0);
    for (uint64_t i = 1; i <= 2; i++) {
        run_pass(&b);
        count = MOST_ENTRIES;
        ADCL_TEST_OK(b.ctx, adcl_profile_read(b.ctx, entries, &count));
        cr_expect_eq(launches_of(entries, count, "adcl_residual_fwd"), i);
    }
    fixture_destroy(&b);
}

Test(profile, tells_how_many_entries_there_are_when_the_room_is_too_small)
{
    fixture b = fixture_create(1);
    adcl_profile_entry entries[MOST_ENTRIES] = {{NULL, 0, 0.0}};
    run_pass(&b);
    size_t all = 0, count = 2;
    ADCL_TEST_OK(b.ctx, adcl_profile_read(b.ctx, NULL, &all));
    cr_expect_gt(all, 2);
    ADCL_TEST_OK(b.ctx, adcl_profile_read(b.ctx, entries, &count));
    cr_expect_eq(count, all);
    cr_expect_not_null(entries[1].name);
    cr_expect_null(entries[2].name);
    ADCL_TEST_FAILS(b.ctx, INVALID_ARGUMENT, "got NULL", adcl_profile_read(b.ctx, entries, NULL));
    fixture_destroy(&b);
}

/* More launches than are kept before their times are read. */
Test(profile, goes_on_for_as_long_as_one_likes)
{
    fixture b = fixture_create(1);
    ADCL_TEST_OK(b.ctx, adcl_profile_reset(b.ctx));
    for (int i = 0; i < 2500; i++) ADCL_TEST_OK(b.ctx, adcl_tensor_fill(b.ctx, b.y, 1.0f));
    adcl_profile_entry entry;
    size_t count = 1;
    ADCL_TEST_OK(b.ctx, adcl_profile_read(b.ctx, &entry, &count));
    cr_expect_eq(count, 1);
    cr_expect_eq(entry.launches, 2500);
    fixture_destroy(&b);
}

Test(profile, needs_a_profiling_context)
{
    fixture b = fixture_create(0);
    size_t count = 0;
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "made with profiling = 1, got one without",
                    adcl_profile_read(b.ctx, NULL, &count));
    ADCL_TEST_FAILS(b.ctx, INVALID_STATE, "profiling = 1", adcl_profile_reset(b.ctx));
    cr_expect_eq(adcl_profile_read(NULL, NULL, &count), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_profile_reset(NULL), ADCL_ERR_INVALID_ARGUMENT);
    fixture_destroy(&b);
}

/* ---- counters -------------------------------------------------------------------------------- */

Test(counters, count_what_the_context_did)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_counters start = adcl_context_counters(ctx);
    cr_expect(start.launches == 0 && start.transfers == 0 && start.program_builds == 0 &&
              start.buffer_allocations == 0 && start.bytes_allocated == 0 && start.host_waits == 0);
    float memory[6] = {0};
    adcl_tensor *tensor = NULL;
    ADCL_TEST_OK(ctx, adcl_tensor_create(&tensor, ctx, ADCL_F32, 2, 3));
    adcl_counters now = adcl_context_counters(ctx);
    cr_expect_eq(now.buffer_allocations, 1);
    cr_expect_eq(now.bytes_allocated, sizeof memory);
    cr_expect_eq(now.transfers, 1); /* zeros */
    cr_expect_eq(now.host_waits, 0);
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, tensor, 1.0f));
    ADCL_TEST_OK(ctx, adcl_tensor_fill(ctx, tensor, 2.0f));
    now = adcl_context_counters(ctx);
    cr_expect_eq(now.launches, 2);
    cr_expect_eq(now.program_builds, 1);
    ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, tensor, memory, sizeof memory));
    ADCL_TEST_OK(ctx, adcl_tensor_read(ctx, tensor, memory, sizeof memory));
    ADCL_TEST_OK(ctx, adcl_context_finish(ctx));
    now = adcl_context_counters(ctx);
    cr_expect_eq(now.transfers, 3);
    cr_expect_eq(now.host_waits, 3);
    adcl_tensor_destroy(&tensor);
    adcl_context_destroy(&ctx);
}

/* ---- peak ------------------------------------------------------------------------------------ */

/* Any device of this century does 10 MFLOP/s and 10 MB/s, and none 10 EFLOP/s; what it really does
 * is not a test's business. */
Test(peak, gives_plausible_numbers, .timeout = 300)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_peak peak = {-1.0, -1.0};
    ADCL_TEST_OK(ctx, adcl_peak_measure(ctx, &peak));
    cr_expect(peak.gflops > 0.01 && peak.gflops < 1e10, "%g GFLOP/s", peak.gflops);
    cr_expect(peak.gbs > 0.01 && peak.gbs < 1e10, "%g GB/s", peak.gbs);
    ADCL_TEST_FAILS(ctx, INVALID_ARGUMENT, "got NULL", adcl_peak_measure(ctx, NULL));
    cr_expect_eq(adcl_peak_measure(NULL, &peak), ADCL_ERR_INVALID_ARGUMENT);
    adcl_context_destroy(&ctx);
}
