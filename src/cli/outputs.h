/* SPDX-License-Identifier: MIT */
/* outputs.h – output files: found impossible before the work instead of after it, and written all
 * or none where there are two. */
#ifndef ADCL_CLI_OUTPUTS_H
#define ADCL_CLI_OUTPUTS_H

#include "cli/command.h"

/* Fails when a file of that name cannot be made: a folder has the name, or its folder is not there
 * or cannot be written. */
int output_check(const session *s, const char *path);
/* Fails when a folder of that name is not there and cannot be made either. */
int output_check_folder(const session *s, const char *path);

/* A name beside `path` for a file that is not to have its own name yet; the caller frees *out. */
int output_pending_name(const session *s, char **out, const char *path);
int output_rename(const session *s, const char *from, const char *to);

/* A file of these bytes, all of it or none: written under another name, synced, renamed. */
int output_write(const session *s, const char *path, const void *bytes, size_t size);

#endif
