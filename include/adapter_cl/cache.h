/* SPDX-License-Identifier: MIT */
/* cache.h – a folder that keeps what was tuned, for the cache callbacks of a context.
 *
 *      adcl_cache *cache = NULL;
 *      adcl_error error;
 *      adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
 *      if (adcl_cache_open(&cache, NULL, &error) == ADCL_OK)
 *          params.cache = adcl_cache_callbacks_of(cache);
 *
 * A file for each key, with the key and a digest in it: a file that is damaged, or not ours, counts
 * as missing and is replaced by the next put. Files are written under another name, synced and
 * renamed, so several processes may use the folder at the same time.
 * Thread-safety: an open cache is only read, so contexts in any number of threads may use it. */
#ifndef ADAPTER_CL_CACHE_H
#define ADAPTER_CL_CACHE_H

#include <adapter_cl/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adcl_cache adcl_cache;

/* Longest value in bytes. */
#define ADCL_CACHE_VALUE_MOST 65536

/* Opens the cache in a folder. directory NULL or "": environment variable ADCL_CACHE_DIR, else
 * $XDG_CACHE_HOME/adapter_cl, else $HOME/.cache/adapter_cl. The folder is made at the first put,
 * for its owner alone, and need not be there before. On success the caller owns *out.
 * Errors: INVALID_ARGUMENT, NOT_FOUND (none of the three variables is set), OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_cache_open(adcl_cache **out, const char *directory, adcl_error *error);

/* Not before the contexts that use it are destroyed. */
ADCL_API void adcl_cache_close(adcl_cache **cache);

/* The folder; lives as long as the cache. */
ADCL_API const char *adcl_cache_directory(const adcl_cache *cache);

/* The callbacks for adcl_context_params. They remain valid while the cache is open. */
ADCL_API adcl_cache_callbacks adcl_cache_callbacks_of(adcl_cache *cache);

/* Copies the value of `key` to bytes[room] and sets *size. Errors: NOT_FOUND (no such file), FORMAT
 * (a file that is damaged, foreign or of another key), SHAPE_MISMATCH (more than `room` bytes),
 * FILE, INVALID_ARGUMENT, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_cache_get(const adcl_cache *cache, const char *key, void *bytes,
                                    size_t room, size_t *size, adcl_error *error);

/* Stores a value of at most ADCL_CACHE_VALUE_MOST bytes. Errors: FILE, INVALID_ARGUMENT,
 * OUT_OF_HOST_MEMORY; then the value from before is still there, or all of the new one. */
ADCL_API adcl_status adcl_cache_put(const adcl_cache *cache, const char *key, const void *bytes,
                                    size_t size, adcl_error *error);

#ifdef __cplusplus
}
#endif
#endif
