/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/platform.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int adcl__mutex_init(adcl__mutex *mutex)
{
    return pthread_mutex_init(mutex, NULL);
}

void adcl__mutex_destroy(adcl__mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

void adcl__mutex_lock(adcl__mutex *mutex)
{
    pthread_mutex_lock(mutex);
}

void adcl__mutex_unlock(adcl__mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

double adcl__clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- reading ---------------------------------------------------------------------------------*/

/* Opens a regular file; the caller closes *descriptor. */
static adcl_status open_regular(const char *path, int *descriptor, size_t *size, adcl_error *error)
{
    /* Without O_NONBLOCK a named pipe would hold the process here; regular files ignore it. */
    *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*descriptor < 0)
        return adcl__error_set(error, ADCL_ERR_FILE, errno, "%s: cannot be opened: %s", path,
                               strerror(errno));
    struct stat status;
    adcl_status failure = ADCL_OK;
    if (fstat(*descriptor, &status) != 0)
        failure = adcl__error_set(error, ADCL_ERR_FILE, errno, "%s: cannot be examined: %s", path,
                                  strerror(errno));
    else if (!S_ISREG(status.st_mode))
        failure = adcl__error_set(error, ADCL_ERR_FILE, 0, "%s: expected a file, got %s", path,
                                  S_ISDIR(status.st_mode) ? "a folder" : "something else");
    if (failure != ADCL_OK)
        close(*descriptor);
    else
        *size = (size_t)status.st_size;
    return failure;
}

static adcl_status read_descriptor(int descriptor, const char *path, size_t expected,
                                   unsigned char **bytes, adcl_error *error)
{
    unsigned char *buffer = malloc(expected + 1);
    if (buffer == NULL)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory for %zu bytes",
                               path, expected);
    size_t done = 0;
    while (done < expected) {
        ssize_t step = read(descriptor, buffer + done, expected - done);
        if (step < 0 && errno == EINTR) continue;
        if (step <= 0) {
            int code = step < 0 ? errno : 0;
            free(buffer);
            return adcl__error_set(error, ADCL_ERR_FILE, code,
                                   "%s: expected %zu bytes, reading ended after %zu%s%s", path,
                                   expected, done, code ? ": " : "", code ? strerror(code) : "");
        }
        done += (size_t)step;
    }
    *bytes = buffer;
    return ADCL_OK;
}

adcl_status adcl__file_read(const char *path, unsigned char **bytes, size_t *size,
                            adcl_error *error)
{
    *bytes = NULL;
    *size = 0;
    int descriptor;
    size_t expected = 0;
    ADCL_TRY(open_regular(path, &descriptor, &expected, error));
    adcl_status status = read_descriptor(descriptor, path, expected, bytes, error);
    close(descriptor);
    if (status == ADCL_OK) *size = expected;
    return status;
}

/* What a smaller file is copied for: setting up a mapping takes longer. */
#define MAPPED_LEAST ((size_t)1 << 20)

/* False where the system does not map this file. */
static bool map_descriptor(int descriptor, size_t size, adcl__file_view *out)
{
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED) return false;
    *out = (adcl__file_view){bytes, size, true};
    return true;
}

adcl_status adcl__file_view_open(adcl__file_view *out, const char *path, adcl_error *error)
{
    *out = (adcl__file_view){0};
    int descriptor;
    size_t size = 0;
    ADCL_TRY(open_regular(path, &descriptor, &size, error));
    adcl_status status = ADCL_OK;
    unsigned char *copy = NULL;
    if (size < MAPPED_LEAST || !map_descriptor(descriptor, size, out)) {
        status = read_descriptor(descriptor, path, size, &copy, error);
        if (status == ADCL_OK) *out = (adcl__file_view){copy, size, false};
    }
    close(descriptor);
    return status;
}

void adcl__file_view_close(adcl__file_view *view)
{
    void *bytes = (void *)(uintptr_t)view->bytes;
    if (view->mapped)
        munmap(bytes, view->size);
    else
        free(bytes);
    *view = (adcl__file_view){0};
}

bool adcl__file_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

adcl_status adcl__file_remove(const char *path, adcl_error *error)
{
    if (unlink(path) == 0 || errno == ENOENT) return ADCL_OK;
    return adcl__error_set(error, ADCL_ERR_FILE, errno, "%s: cannot be removed: %s", path,
                           strerror(errno));
}

/* ---- writing ---------------------------------------------------------------------------------*/

adcl_status adcl__folder_create(const char *path, adcl_error *error)
{
    struct stat status;
    char *part = adcl__string_copy(path);
    if (part == NULL)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to make it",
                               path);
    /* Each folder on the way: the name up to each slash, and all of it. */
    for (char *end = part; *end != '\0'; end++) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = '\0';
        (void)mkdir(part, 0700);
        *end = kept;
        if (kept == '\0') break;
    }
    int code = mkdir(part, 0700) != 0 ? errno : 0;
    free(part);
    if (code == 0 || (code == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)))
        return ADCL_OK;
    return adcl__error_set(error, ADCL_ERR_FILE, code, "%s: the folder cannot be made: %s", path,
                           strerror(code));
}

struct adcl__new_file {
    int descriptor; /* −1 when closed */
    int created;    /* the temporary file exists */
    char *path;
    char *temporary; /* <path>.<process>.<attempt>.tmp */
};

static void new_file_free(adcl__new_file *file)
{
    if (file->descriptor >= 0) close(file->descriptor);
    if (file->created) unlink(file->temporary);
    free(file->path);
    free(file->temporary);
    free(file);
}

void adcl__new_file_discard(adcl__new_file **file)
{
    if (file == NULL || *file == NULL) return;
    new_file_free(*file);
    *file = NULL;
}

/* Opens a new file beside `path` with ordinary permissions (mkstemp's are for the owner alone) and
 * stores its name in file->temporary. */
static adcl_status open_temporary(adcl__new_file *file, const char *path, adcl_error *error)
{
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        adcl__text name = {0};
        adcl__text_append(&name, "%s.%ld.%u.tmp", path, (long)getpid(), attempt);
        if (name.failed)
            return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                                   "%s: no memory to write it", path);
        free(file->temporary);
        file->temporary = name.bytes;
        file->descriptor = open(name.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->descriptor >= 0 || errno != EEXIST) break;
    }
    if (file->descriptor < 0)
        return adcl__error_set(error, ADCL_ERR_FILE, errno, "%s: cannot be created: %s", path,
                               strerror(errno));
    file->created = 1;
    return ADCL_OK;
}

adcl_status adcl__new_file_create(adcl__new_file **out, const char *path, adcl_error *error)
{
    *out = NULL;
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return adcl__error_set(error, ADCL_ERR_FILE, EISDIR,
                               "%s: expected a file's name, got a folder", path);
    adcl__new_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to write it",
                               path);
    file->descriptor = -1;
    adcl_status failure = open_temporary(file, path, error);
    if (failure == ADCL_OK && (file->path = adcl__string_copy(path)) == NULL)
        failure = adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                                  "%s: no memory to write it", path);
    if (failure != ADCL_OK) {
        new_file_free(file);
        return failure;
    }
    *out = file;
    return ADCL_OK;
}

adcl_status adcl__new_file_write(adcl__new_file *file, const void *bytes, size_t size,
                                 adcl_error *error)
{
    const unsigned char *next = bytes;
    while (size > 0) {
        ssize_t step = write(file->descriptor, next, size);
        if (step < 0 && errno == EINTR) continue;
        if (step <= 0)
            return adcl__error_set(error, ADCL_ERR_FILE, errno, "%s: cannot be written: %s",
                                   file->path, strerror(errno));
        next += step;
        size -= (size_t)step;
    }
    return ADCL_OK;
}

/* A rename is durable only once its folder is synced. Some file systems cannot sync a folder
 * (EINVAL); there the rename itself is all there is. */
static int sync_folder_of(const char *path)
{
    char *copy = adcl__string_copy(path);
    if (copy == NULL) return ENOMEM;
    int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = descriptor < 0 ? errno : 0;
    if (descriptor >= 0) {
        if (fsync(descriptor) != 0 && errno != EINVAL) code = errno;
        close(descriptor);
    }
    free(copy);
    return code;
}

adcl_status adcl__new_file_commit(adcl__new_file **file_pointer, adcl_error *error)
{
    adcl__new_file *file = *file_pointer;
    *file_pointer = NULL;
    adcl_status status = ADCL_OK;
    int code = fsync(file->descriptor) != 0 ? errno : 0;
    if (close(file->descriptor) != 0 && code == 0) code = errno;
    file->descriptor = -1;
    if (code == 0 && rename(file->temporary, file->path) != 0) code = errno;
    if (code == 0) {
        file->created = 0; /* it has its final name now */
        code = sync_folder_of(file->path);
    }
    if (code != 0)
        status = adcl__error_set(error, ADCL_ERR_FILE, code, "%s: cannot be completed: %s",
                                 file->path, strerror(code));
    new_file_free(file);
    return status;
}
