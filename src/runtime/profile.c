/* SPDX-License-Identifier: MIT */
#include "runtime/profile.h"

#include <stdlib.h>
#include <string.h>

typedef struct recorded_launch {
    size_t entry; /* index into entries */
    cl_event before;
    cl_event event;
} recorded_launch;

/* Launches whose times are not read yet are bounded, so that a long training with profiling on does
 * not collect events without end. */
#define PENDING_MOST 1024

struct adcl__profile {
    adcl_profile_entry *entries; /* one per kernel name */
    size_t entry_count;
    recorded_launch pending[PENDING_MOST];
    size_t pending_count;
};

adcl__profile *adcl__profile_create(void)
{
    return calloc(1, sizeof(adcl__profile));
}

static void release_launch(const recorded_launch *launch)
{
    if (launch->before != NULL) clReleaseEvent(launch->before);
    clReleaseEvent(launch->event);
}

void adcl__profile_destroy(adcl__profile *profile)
{
    if (profile == NULL) return;
    for (size_t i = 0; i < profile->pending_count; i++) release_launch(&profile->pending[i]);
    free(profile->entries);
    free(profile);
}

static adcl_status find_entry(adcl_context *ctx, const char *name, size_t *index)
{
    adcl__profile *profile = ctx->profile;
    for (*index = 0; *index < profile->entry_count; (*index)++)
        if (strcmp(profile->entries[*index].name, name) == 0) return ADCL_OK;
    adcl_profile_entry *grown =
        realloc(profile->entries, (profile->entry_count + 1) * sizeof *grown);
    if (grown == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "profile: no memory for %s", name);
    profile->entries = grown;
    profile->entries[profile->entry_count++] = (adcl_profile_entry){name, 0, 0.0};
    return ADCL_OK;
}

/* Adds the times of all pending launches to their entries; the queue must be finished. */
static adcl_status settle(adcl_context *ctx)
{
    adcl__profile *profile = ctx->profile;
    cl_int code = CL_SUCCESS;
    for (size_t i = 0; i < profile->pending_count; i++) {
        const recorded_launch *launch = &profile->pending[i];
        cl_event first = launch->before != NULL ? launch->before : launch->event;
        cl_ulong start = 0, end = 0;
        if (code == CL_SUCCESS)
            code = clGetEventProfilingInfo(
                first, launch->before != NULL ? CL_PROFILING_COMMAND_END : CL_PROFILING_COMMAND_START,
                sizeof start, &start, NULL);
        if (code == CL_SUCCESS)
            code = clGetEventProfilingInfo(launch->event, CL_PROFILING_COMMAND_END, sizeof end, &end,
                                           NULL);
        if (code == CL_SUCCESS && end > start)
            profile->entries[launch->entry].seconds += 1e-9 * (double)(end - start);
        release_launch(launch);
    }
    profile->pending_count = 0;
    return code == CL_SUCCESS ? ADCL_OK : adcl__fail_cl(ctx, code, "profile");
}

adcl_status adcl__profile_record(adcl_context *ctx, const char *name, cl_event before,
                                 cl_event event)
{
    adcl__profile *profile = ctx->profile;
    recorded_launch launch = {0, before, event};
    adcl_status status = find_entry(ctx, name, &launch.entry);
    if (status == ADCL_OK && profile->pending_count == PENDING_MOST) {
        status = adcl__finish(ctx);
        if (status == ADCL_OK) status = settle(ctx);
    }
    if (status != ADCL_OK) {
        release_launch(&launch);
        return status;
    }
    profile->entries[launch.entry].launches++;
    profile->pending[profile->pending_count++] = launch;
    return ADCL_OK;
}

static adcl_status check_profiling(adcl_context *ctx)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (ctx->profile == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "profile: expected a context made with profiling = 1, got one without");
    return ADCL_OK;
}

static int longer_first(const void *a, const void *b)
{
    const adcl_profile_entry *left = a, *right = b;
    return (left->seconds < right->seconds) - (left->seconds > right->seconds);
}

adcl_status adcl_profile_read(adcl_context *ctx, adcl_profile_entry *entries, size_t *count)
{
    ADCL_TRY(check_profiling(ctx));
    if (count == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "profile: expected a place for the count, got NULL");
    ADCL_TRY(adcl__finish(ctx));
    ADCL_TRY(settle(ctx));
    adcl__profile *profile = ctx->profile;
    if (profile->entry_count > 0) /* indices of pending launches are free to move: there are none */
        qsort(profile->entries, profile->entry_count, sizeof *profile->entries, longer_first);
    for (size_t i = 0; entries != NULL && i < *count && i < profile->entry_count; i++)
        entries[i] = profile->entries[i];
    *count = profile->entry_count;
    return ADCL_OK;
}

adcl_status adcl_profile_reset(adcl_context *ctx)
{
    ADCL_TRY(check_profiling(ctx));
    ADCL_TRY(adcl__finish(ctx));
    ADCL_TRY(settle(ctx));
    ctx->profile->entry_count = 0;
    return ADCL_OK;
}
