/* SPDX-License-Identifier: MIT */
/* training_folder.h – the folder that a training writes, and the files in it. */
#ifndef ADCL_CLI_TRAINING_FOLDER_H
#define ADCL_CLI_TRAINING_FOLDER_H

#include "cli/command.h"

typedef enum training_file {
    TRAINING_CHECKPOINT,
    TRAINING_LOG,
    TRAINING_ADAPTER,        /* not for a head alone */
    /* of train: */
    TRAINING_HEAD,
    TRAINING_TEST_LOGITS,    /* of the final parameters, when there is a test set */
    /* of finetune, in AdapterHub's form: */
    TRAINING_ADAPTER_CONFIG, /* not for a head alone */
    TRAINING_HEAD_CONFIG,
    TRAINING_MODEL_HEAD,
    TRAINING_LAYER_NORMS     /* where those were trained */
} training_file;

#define TRAINING_FILE_COUNT 9

typedef struct training_folder {
    char *path;
    char *files[TRAINING_FILE_COUNT];
} training_folder;

/* Makes the paths; touches nothing. Close *out in any case. */
int training_folder_open(const session *s, training_folder *out, const char *path);
void training_folder_close(training_folder *folder);

const char *training_folder_path(const training_folder *folder, training_file file);
bool training_folder_has(const training_folder *folder, training_file file);
/* True when it holds any file of a training. */
bool training_folder_is_used(const training_folder *folder);

/* Makes the folder unless it is there (its parent must be). */
int training_folder_make(const session *s, const training_folder *folder);
/* Removes the files of a training, and no others. */
int training_folder_empty(const session *s, const training_folder *folder);

#endif
