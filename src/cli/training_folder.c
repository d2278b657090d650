/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/training_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[TRAINING_FILE_COUNT] = {
    [TRAINING_CHECKPOINT] = "checkpoint.safetensors",
    [TRAINING_LOG] = "log.jsonl",
    [TRAINING_ADAPTER] = "adapter.safetensors",
    [TRAINING_HEAD] = "head.safetensors",
    [TRAINING_TEST_LOGITS] = "test_logits.npy",
    [TRAINING_ADAPTER_CONFIG] = "adapter_config.json",
    [TRAINING_HEAD_CONFIG] = "head_config.json",
    [TRAINING_MODEL_HEAD] = "model_head.safetensors",
    [TRAINING_LAYER_NORMS] = "layer_norms.safetensors",
};

int training_folder_open(const session *s, training_folder *out, const char *path)
{
    *out = (training_folder){0};
    out->path = strdup(path);
    bool complete = out->path != NULL;
    for (size_t i = 0; i < TRAINING_FILE_COUNT; i++) {
        size_t size = strlen(path) + strlen(names[i]) + 2;
        out->files[i] = malloc(size);
        complete = complete && out->files[i] != NULL;
        if (complete) snprintf(out->files[i], size, "%s/%s", path, names[i]);
    }
    return complete ? DONE : session_fail(s, "no memory for the paths in %s", path);
}

void training_folder_close(training_folder *folder)
{
    free(folder->path);
    for (size_t i = 0; i < TRAINING_FILE_COUNT; i++) free(folder->files[i]);
    *folder = (training_folder){0};
}

const char *training_folder_path(const training_folder *folder, training_file file)
{
    return folder->files[file];
}

bool training_folder_has(const training_folder *folder, training_file file)
{
    return access(folder->files[file], F_OK) == 0;
}

bool training_folder_is_used(const training_folder *folder)
{
    for (int file = 0; file < TRAINING_FILE_COUNT; file++)
        if (training_folder_has(folder, (training_file)file)) return true;
    return false;
}

int training_folder_make(const session *s, const training_folder *folder)
{
    struct stat status;
    if (mkdir(folder->path, 0777) == 0) return DONE;
    int code = errno;
    if (code == EEXIST && stat(folder->path, &status) == 0 && S_ISDIR(status.st_mode)) return DONE;
    return session_fail(s, "%s: the folder cannot be made: %s", folder->path, strerror(code));
}

int training_folder_empty(const session *s, const training_folder *folder)
{
    for (size_t i = 0; i < TRAINING_FILE_COUNT; i++)
        if (unlink(folder->files[i]) != 0 && errno != ENOENT)
            return session_fail(s, "%s: cannot be removed: %s", folder->files[i], strerror(errno));
    return DONE;
}
