/* SPDX-License-Identifier: MIT */
/* schedule.h – learning rates over a training, and the order in which it sees its rows. Pure
 * functions on the host; thread-safe. */
#ifndef ADAPTER_CL_SCHEDULE_H
#define ADAPTER_CL_SCHEDULE_H

#include <adapter_cl/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adcl_schedule_kind {
    ADCL_SCHEDULE_CONSTANT = 0, /* after warm-up: 1 */
    ADCL_SCHEDULE_LINEAR,       /* after warm-up: linearly to 0 at total_steps */
    ADCL_SCHEDULE_COSINE        /* after warm-up: (1 + cos(π·progress)) / 2 to 0 at total_steps */
} adcl_schedule_kind;

/* "constant", "linear", "cosine". A static string, "?" outside the list. */
ADCL_API const char *adcl_schedule_kind_name(adcl_schedule_kind kind);
/* Errors: INVALID_ARGUMENT for NULL, NOT_FOUND with the list of names. */
ADCL_API adcl_status adcl_schedule_kind_from_name(const char *name, adcl_schedule_kind *out,
                                                  adcl_error *error);

typedef struct adcl_schedule {
    adcl_schedule_kind kind;
    uint64_t warmup_steps; /* the factor rises as step / warmup_steps from 0 */
    uint64_t total_steps;  /* steps in the whole training */
} adcl_schedule;

/* The factor in [0, 1] of the base learning rate for step 0, 1, … (the first update is step 0).
 * Linear: (total − step) / (total − warmup); steps past total_steps give 0. */
ADCL_API double adcl_schedule_factor(const adcl_schedule *schedule, uint64_t step);

/* A permutation of 0 … count−1 in order[count] that depends on (seed, epoch, count) alone, the same
 * on every machine: Fisher–Yates over Philox4x32-10 (Salmon et al. 2011). count < 2³¹. */
ADCL_API void adcl_shuffled_order(uint64_t seed, uint64_t epoch, size_t count, int32_t *order);

#ifdef __cplusplus
}
#endif
#endif
