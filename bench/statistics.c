/* SPDX-License-Identifier: MIT */
#include "bench/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

/* The value below which `share` of the sorted samples lie, between two of them by a straight
 * line. */
static double quantile(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count) return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

bench_timing bench_summarise(double *samples_ms, size_t count, size_t passes_per_sample)
{
    qsort(samples_ms, count, sizeof samples_ms[0], compare_doubles);
    return (bench_timing){
        .median_ms = quantile(samples_ms, count, 0.5),
        .min_ms = samples_ms[0],
        .spread_ms = quantile(samples_ms, count, 0.75) - quantile(samples_ms, count, 0.25),
        .samples = count,
        .passes_per_sample = passes_per_sample,
    };
}

const char *bench_verdict_name(bench_verdict verdict)
{
    static const char *const names[] = {"not compared", "new", "same", "faster", "slower"};
    return names[verdict];
}

/* Every sample of a run lies clearly above the other's. */
static bool is_wholly_above(const bench_timing *run, const bench_timing *other, double tolerance)
{
    return run->min_ms > other->median_ms + fmax(other->spread_ms, tolerance * other->median_ms);
}

bench_verdict bench_compare(const bench_timing *now, const bench_timing *base, double tolerance)
{
    if (is_wholly_above(now, base, tolerance)) return BENCH_SLOWER;
    if (is_wholly_above(base, now, tolerance)) return BENCH_FASTER;
    double difference = now->median_ms - base->median_ms;
    double noise = hypot(now->spread_ms, base->spread_ms);
    if (fabs(difference) <= fmax(noise, tolerance * base->median_ms)) return BENCH_SAME;
    return difference < 0.0 ? BENCH_FASTER : BENCH_SLOWER;
}
