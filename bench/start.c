/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#include "bench/start.h"

#include "bench/clock.h"

#include <errno.h>
#include <ftw.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define WARM_RUNS 7
#define FOLDER_NAME "adapter_cl_start_XXXXXX"

/* Where drivers look for the folder of their caches: POCL, Mesa, NVIDIA, Intel, AMD, and those that
 * follow the XDG rules. */
static const char *const cache_variables[] = {
    "POCL_CACHE_DIR", "MESA_SHADER_CACHE_DIR", "CUDA_CACHE_PATH",
    "NEO_CACHE_DIR",  "AMD_COMGR_CACHE_DIR",   "XDG_CACHE_HOME",
};

static adcl_status fail(adcl_error *error, const char *what, int code)
{
    *error = (adcl_error){.status = ADCL_ERR_FILE};
    snprintf(error->message, sizeof error->message, "start: %s%s%s", what, code != 0 ? ": " : "",
             code != 0 ? strerror(code) : "");
    return error->status;
}

/* ---- the folder ------------------------------------------------------------------------------*/

static bool make_folder(char *path, size_t size)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0') parent = "/tmp";
    int length = snprintf(path, size, "%s/%s", parent, FOLDER_NAME);
    return length > 0 && (size_t)length < size && mkdtemp(path) != NULL;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static void remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- one process -----------------------------------------------------------------------------*/

#define CACHE_VARIABLES (sizeof cache_variables / sizeof cache_variables[0])

/* The environment of the child: this one's, with the caches in the folder. */
typedef struct child_environment {
    char settings[CACHE_VARIABLES][4200];
    char **entries; /* NULL-terminated; the caller frees it */
} child_environment;

static bool names_a_cache(const char *entry)
{
    for (size_t i = 0; i < CACHE_VARIABLES; i++) {
        size_t length = strlen(cache_variables[i]);
        if (strncmp(entry, cache_variables[i], length) == 0 && entry[length] == '=') return true;
    }
    return false;
}

static bool describe_environment(child_environment *e, const char *cache_folder)
{
    size_t count = 0;
    while (environ[count] != NULL) count++;
    e->entries = calloc(count + CACHE_VARIABLES + 1, sizeof *e->entries);
    if (e->entries == NULL) return false;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!names_a_cache(environ[i])) e->entries[kept++] = environ[i];
    for (size_t i = 0; i < CACHE_VARIABLES; i++) {
        snprintf(e->settings[i], sizeof e->settings[i], "%s=%s", cache_variables[i], cache_folder);
        e->entries[kept++] = e->settings[i];
    }
    return true;
}

/* This program once more, its standard output being the pipe. Gives 0 or what errno would be. */
static int spawn(char *const argv[], const child_environment *e, const int ends[2], pid_t *child)
{
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0) return code;
    code = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (code == 0) code = posix_spawn_file_actions_addclose(&actions, ends[0]);
    if (code == 0) code = posix_spawn_file_actions_addclose(&actions, ends[1]);
    if (code == 0) code = posix_spawn(child, "/proc/self/exe", &actions, NULL, argv, e->entries);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* Waits for the line, and then for the end. False: the process failed. */
static bool wait_for_line(pid_t child, int input, double *line_seconds)
{
    char byte = '\0';
    ssize_t count;
    do count = read(input, &byte, 1);
    while ((count < 0 && errno == EINTR) || (count == 1 && byte != '\n'));
    *line_seconds = clock_seconds();
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return false;
    return count == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static adcl_status time_process(char *const argv[], const child_environment *e, double *ms,
                                adcl_error *error)
{
    int ends[2];
    if (pipe(ends) != 0) return fail(error, "no pipe", errno);
    pid_t child;
    double start = clock_seconds();
    double line = start;
    int code = spawn(argv, e, ends, &child);
    close(ends[1]);
    bool done = code == 0 && wait_for_line(child, ends[0], &line);
    close(ends[0]);
    if (code != 0) return fail(error, "no process", code);
    if (!done) return fail(error, "the process that makes one forward failed", 0);
    *ms = 1e3 * (line - start);
    return ADCL_OK;
}

static adcl_status measure(char *const argv[], const char *folder, bench_timing *cold,
                           bench_timing *warm, adcl_error *error)
{
    child_environment e;
    double first;
    double later[WARM_RUNS];
    if (!describe_environment(&e, folder)) return fail(error, "no memory", 0);
    adcl_status status = time_process(argv, &e, &first, error);
    for (int i = 0; i < WARM_RUNS && status == ADCL_OK; i++)
        status = time_process(argv, &e, &later[i], error);
    free(e.entries);
    if (status != ADCL_OK) return status;
    *cold = bench_summarise(&first, 1, 1);
    *warm = bench_summarise(later, WARM_RUNS, 1);
    return ADCL_OK;
}

adcl_status bench_start_measure(char *const argv[], bench_timing *cold, bench_timing *warm,
                                adcl_error *error)
{
    char folder[4096];
    if (!make_folder(folder, sizeof folder)) return fail(error, "no temporary folder", errno);
    adcl_status status = measure(argv, folder, cold, warm, error);
    remove_folder(folder);
    return status;
}
