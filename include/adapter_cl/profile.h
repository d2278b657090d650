/* SPDX-License-Identifier: MIT */
/* profile.h – what a context did: time per kernel, and counts of launches, builds, allocations and
 * waits. Counting is always on; times need params.profiling of context.h. */
#ifndef ADAPTER_CL_PROFILE_H
#define ADAPTER_CL_PROFILE_H

#include <adapter_cl/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adcl_profile_entry {
    const char *name; /* the kernel's name, or "CLBlast Sgemm"; lives as long as the context */
    uint64_t launches;
    double seconds; /* on the device, all launches together */
} adcl_profile_entry;

/* Waits for the queue, then gives the kernels launched since the last reset, longest first. *count
 * in: room in entries; out: how many there are (may be more than the room; entries NULL to ask).
 * Errors: INVALID_STATE when the context was made without profiling, OPENCL. */
ADCL_API adcl_status adcl_profile_read(adcl_context *ctx, adcl_profile_entry *entries,
                                       size_t *count);
ADCL_API adcl_status adcl_profile_reset(adcl_context *ctx);

/* Counts since the context was made. */
typedef struct adcl_counters {
    uint64_t launches;          /* kernels enqueued by this library; a CLBlast call is one */
    uint64_t transfers;         /* copies, fills, reads, writes and maps enqueued */
    uint64_t program_builds;    /* programs compiled */
    uint64_t buffer_allocations; /* clCreateBuffer calls */
    uint64_t bytes_allocated;   /* by them */
    uint64_t host_waits;        /* calls that waited for the device */
} adcl_counters;

ADCL_API adcl_counters adcl_context_counters(const adcl_context *ctx);

/* What this device can do at most, measured now with our own kernels; blocks for a few seconds.
 *   gflops: the best of several kernels of independent float multiply-adds (2 FLOP each), with
 *           different numbers of accumulators and vector widths;
 *   gbs:    the best rate of a copy (bytes read + bytes written) of a buffer larger than caches. */
typedef struct adcl_peak {
    double gflops;
    double gbs;
} adcl_peak;

/* Errors: OPENCL, PROGRAM_BUILD, OUT_OF_DEVICE_MEMORY. */
ADCL_API adcl_status adcl_peak_measure(adcl_context *ctx, adcl_peak *peak);

#ifdef __cplusplus
}
#endif
#endif
