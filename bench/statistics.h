/* SPDX-License-Identifier: MIT */
/* statistics.h – what samples of a time say, and whether two such times differ. */
#ifndef ADCL_BENCH_STATISTICS_H
#define ADCL_BENCH_STATISTICS_H

#include <stddef.h>

typedef struct bench_timing {
    double median_ms;
    double min_ms;
    double spread_ms; /* between the first and the third quartile */
    size_t samples;
    size_t passes_per_sample; /* enqueued before the host waits */
} bench_timing;

/* Of `count` samples (at least 1) in milliseconds for one pass, which are sorted in place. */
bench_timing bench_summarise(double *samples_ms, size_t count, size_t passes_per_sample);

typedef enum bench_verdict {
    BENCH_NOT_COMPARED = 0, /* no earlier run was given */
    BENCH_NEW,              /* the earlier run has no such row */
    BENCH_SAME,
    BENCH_FASTER,
    BENCH_SLOWER
} bench_verdict;

/* "not compared", "new", "same", "faster", "slower". Static. */
const char *bench_verdict_name(bench_verdict verdict);

/* Two medians are the same when they differ by no more than the two spreads together (the root of
 * the sum of their squares, for they are independent), or by no more than `tolerance` of the
 * earlier one. However far samples spread, when even the least of one run is above the other's
 * median by that run's own spread and the tolerance, they are not. A base without a least or a
 * spread has 0 there. */
bench_verdict bench_compare(const bench_timing *now, const bench_timing *base, double tolerance);

#endif
