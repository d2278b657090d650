/* SPDX-License-Identifier: MIT */
/* describe_folder.h – what adapter-cl info says of an AdapterHub folder. */
#ifndef ADCL_CLI_DESCRIBE_FOLDER_H
#define ADCL_CLI_DESCRIBE_FOLDER_H

#include "cli/command.h"

#include <jansson.h>

/* Whether the folder is one of AdapterHub's. */
bool is_adapter_folder(const char *path);

/* *out = a JSON object that says all. */
int describe_adapter_folder(session *s, const char *path, json_t **out);

/* The same as text, without the tensors. */
void print_adapter_folder(const json_t *object);

#endif
