/* SPDX-License-Identifier: MIT */
/* json_file.h – the JSON objects of a model's folder. */
#ifndef ADCL_ENCODER_JSON_FILE_H
#define ADCL_ENCODER_JSON_FILE_H

#include "base/error.h"

#include <jansson.h>

/* Reads a file that holds one JSON object; the caller releases *out, which is NULL on failure. A
 * file that is not there is FILE with the native code ENOENT. Errors: FILE, FORMAT,
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__json_file_read(json_t **out, const char *path, adcl_error *error);

/* Writes an object as Python's json does with indent=2 and sort_keys=True: a temporary file,
 * synced, then renamed over `path`. json NULL: memory ran out while it was made. Errors: FILE,
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__json_file_write(const json_t *json, const char *path, adcl_error *error);

/* A value of an object; NULL where there is none and where it is null. */
const json_t *adcl__json_get(const json_t *object, const char *key);

#endif
