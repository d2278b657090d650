/* SPDX-License-Identifier: MIT */
#include <adapter_cl/schedule.h>

#include "base/random.h"
#include "base/text.h"

#include <math.h>

static const char *const kind_names[] = {
    [ADCL_SCHEDULE_CONSTANT] = "constant",
    [ADCL_SCHEDULE_LINEAR] = "linear",
    [ADCL_SCHEDULE_COSINE] = "cosine",
};

#define KIND_COUNT (sizeof kind_names / sizeof kind_names[0])

const char *adcl_schedule_kind_name(adcl_schedule_kind kind)
{
    return (unsigned)kind < KIND_COUNT ? kind_names[kind] : "?";
}

adcl_status adcl_schedule_kind_from_name(const char *name, adcl_schedule_kind *out,
                                         adcl_error *error)
{
    size_t index;
    ADCL_TRY(adcl__find_name(error, "schedule", name, kind_names, KIND_COUNT,
                             out == NULL ? NULL : &index));
    *out = (adcl_schedule_kind)index;
    return ADCL_OK;
}

double adcl_schedule_factor(const adcl_schedule *schedule, uint64_t step)
{
    const double pi = 3.14159265358979323846;
    uint64_t warmup = schedule->warmup_steps, total = schedule->total_steps;
    bool decays = schedule->kind != ADCL_SCHEDULE_CONSTANT;
    if (decays && step >= total) return 0.0;
    if (step < warmup) return (double)step / (double)warmup;
    if (!decays) return 1.0;

    /* Here warmup <= step < total. */
    double left = (double)(total - step) / (double)(total - warmup);
    return schedule->kind == ADCL_SCHEDULE_LINEAR ? left : (1.0 + cos(pi * (1.0 - left))) / 2.0;
}

/* An integer below `bound` (> 0), each equally probable: a word w gives the high half of w·bound,
 * and the few words that would make some results more probable are redrawn (Lemire 2019). */
static uint32_t draw_below(uint64_t seed, uint64_t epoch, uint32_t position, uint32_t bound)
{
    uint32_t surplus = -bound % bound; /* 2³² mod bound */
    for (uint32_t attempt = 0;; attempt++) {
        uint32_t counter[4] = {position, ADCL__RANDOM_ROW_ORDER | attempt, (uint32_t)epoch,
                               (uint32_t)(epoch >> 32)};
        uint32_t words[4];
        adcl__random_words(seed, counter, words);
        uint64_t product = (uint64_t)words[0] * bound;
        if ((uint32_t)product >= surplus) return (uint32_t)(product >> 32);
    }
}

void adcl_shuffled_order(uint64_t seed, uint64_t epoch, size_t count, int32_t *order)
{
    /* Fisher–Yates while the list grows: row i is put at the end, then swaps places with a random
     * one of the first i + 1 rows, perhaps itself. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = draw_below(seed, epoch, i, i + 1);
        order[i] = (int32_t)i;
        order[i] = order[place];
        order[place] = (int32_t)i;
    }
}
