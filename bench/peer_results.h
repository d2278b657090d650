/* SPDX-License-Identifier: MIT */
/* peer_results.h – what other libraries took for the same work, measured by bench/peers:
 *
 *     {"machine": "…", "date": "…", "rows": [
 *       {"peer": "PyTorch 2.15 eager", "pass": "forward", "n": 512, "d": 768, "r": 64,
 *        "activation": "relu", "threads": 2, "median_s": 0.00119, "spread_s": 0.00003,
 *        "repeats": 50}, …]}
 *
 * pass: a name of bench_pass, or forward+backward. activation, threads, spread_s and repeats may be
 * missing. */
#ifndef ADCL_BENCH_PEER_RESULTS_H
#define ADCL_BENCH_PEER_RESULTS_H

#include "bench/row.h"

#include <adapter_cl/status.h>
#include <jansson.h>

typedef struct bench_peers {
    json_t *file;        /* keeps the strings below alive */
    const char *machine; /* these two say so where the file does not say */
    const char *date;
    bench_row *rows; /* their engine is the peer's name */
    size_t count;
} bench_peers;

/* Errors: FILE, FORMAT with the row's number, OUT_OF_HOST_MEMORY. */
adcl_status bench_peers_load(const char *path, bench_peers *out, adcl_error *error);
void bench_peers_free(bench_peers *peers);

#endif
