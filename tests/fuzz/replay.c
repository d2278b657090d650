/* SPDX-License-Identifier: MIT */
/* replay.c – runs a fuzz target once on every file of a folder: an ordinary test, with any
 * compiler, that what the fuzzer found once stays fixed. */
#define _POSIX_C_SOURCE 200809L /* opendir */
#include "fuzz/target.h"

#include "base/platform.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* 1 when the target was run on the file; folders and the like are passed over. */
static int replay(const char *folder, const char *name)
{
    char path[4096];
    unsigned char *bytes;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (adcl__file_read(path, &bytes, &size, NULL) != ADCL_OK) return 0;
    unsigned char *exact = malloc(size == 0 ? 1 : size); /* a sanitizer sees a read beyond it */
    if (exact == NULL) abort();
    for (size_t i = 0; i < size; i++) exact[i] = bytes[i];
    printf("%s\n", name);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(bytes);
    return 1;
}

int main(int count, char **arguments)
{
    DIR *folder = count == 2 ? opendir(arguments[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    int replayed = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        replayed += replay(arguments[1], entry->d_name);
    closedir(folder);
    printf("%d files\n", replayed);
    return replayed > 0 ? 0 : 1;
}
