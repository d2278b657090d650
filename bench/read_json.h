/* SPDX-License-Identifier: MIT */
/* read_json.h – reading JSON files of results. */
#ifndef ADCL_BENCH_READ_JSON_H
#define ADCL_BENCH_READ_JSON_H

#include <adapter_cl/status.h>
#include <jansson.h>

/* "<path>: <what>"; returns FORMAT. */
adcl_status bench_json_fail(adcl_error *error, const char *path, const char *what);

/* A file of one value, or of several objects one after the other (JSON Lines), which become an
 * array. The caller owns *out; on failure it is NULL. Errors: FILE, FORMAT with the line. */
adcl_status bench_json_load(const char *path, json_t **out, adcl_error *error);

#endif
