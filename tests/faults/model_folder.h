/* SPDX-License-Identifier: MIT */
/* model_folder.h – the folder of a BERT of one layer and eleven words, with every file of a tokenizer. */
#ifndef ADCL_TESTS_MODEL_FOLDER_H
#define ADCL_TESTS_MODEL_FOLDER_H

#include <stdbool.h>

/* False where a file cannot be written. */
bool model_folder_make(const char *folder);
void model_folder_remove(const char *folder);

#endif
