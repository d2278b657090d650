/* SPDX-License-Identifier: MIT */
/* platform.h – what POSIX has and C11 has not: locks, synced files, a clock. The only file to port
 * for another system is platform.c. */
#ifndef ADCL_BASE_PLATFORM_H
#define ADCL_BASE_PLATFORM_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef pthread_mutex_t adcl__mutex;
#define ADCL__MUTEX_INIT PTHREAD_MUTEX_INITIALIZER

int adcl__mutex_init(adcl__mutex *mutex); /* 0 on success */
void adcl__mutex_destroy(adcl__mutex *mutex);
void adcl__mutex_lock(adcl__mutex *mutex);
void adcl__mutex_unlock(adcl__mutex *mutex);

/* Seconds on a clock that never goes back. */
double adcl__clock_seconds(void);

/* Reads a whole regular file into malloc'd memory: *bytes, *size; the caller frees. An empty file
 * gives *size 0 and a non-NULL pointer. `path` is named in the sentence.
 * Errors: FILE (not there, a folder, not a regular file, shorter than it said),
 * OUT_OF_HOST_MEMORY. */
adcl_status adcl__file_read(const char *path, unsigned char **bytes, size_t *size,
                            adcl_error *error);

/* A file's bytes, to be read only: mapped where it is large and the system can, else a copy. A file
 * that is replaced by renaming, as this library replaces its files, leaves a mapping as it is. */
typedef struct adcl__file_view {
    const unsigned char *bytes;
    size_t size;
    bool mapped;
} adcl__file_view;

/* Errors: those of adcl__file_read. On failure *out is all zeros. */
adcl_status adcl__file_view_open(adcl__file_view *out, const char *path, adcl_error *error);
/* All zeros are fine. */
void adcl__file_view_close(adcl__file_view *view);

/* True when something has that name. */
bool adcl__file_exists(const char *path);

/* Removes a file; one that is not there is fine. Errors: FILE. */
adcl_status adcl__file_remove(const char *path, adcl_error *error);

/* Makes a folder, for its owner alone, and those above it; one that is there already is fine.
 * Errors: FILE, OUT_OF_HOST_MEMORY. */
adcl_status adcl__folder_create(const char *path, adcl_error *error);

/* A file under construction: written under a temporary name in the folder of `path`, and either
 * committed (synced, renamed over `path`, folder synced) or discarded (removed). After commit,
 * failed or not, and after discard the object is gone. */
typedef struct adcl__new_file adcl__new_file;

adcl_status adcl__new_file_create(adcl__new_file **out, const char *path, adcl_error *error);
adcl_status adcl__new_file_write(adcl__new_file *file, const void *bytes, size_t size,
                                 adcl_error *error);
adcl_status adcl__new_file_commit(adcl__new_file **file, adcl_error *error);
void adcl__new_file_discard(adcl__new_file **file);

#endif
