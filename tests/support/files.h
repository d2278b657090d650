/* SPDX-License-Identifier: MIT */
/* files.h – a folder of its own for every test that makes files:
 *
 *     TestSuite(npy, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);
 */
#ifndef ADCL_TESTS_FILES_H
#define ADCL_TESTS_FILES_H

#include <stddef.h>

/* Makes an empty folder below the working folder; removes it with all that is in it. A test that
 * skips itself must call the second one first: Criterion does not then. */
void adcl_test_folder_create(void);
void adcl_test_folder_remove(void);

/* The path of `name` in the folder, that of the folder for "". Valid until eight more are asked
 * for. */
const char *adcl_test_path(const char *name);

/* How many files and folders are in the folder. */
size_t adcl_test_file_count(void);

/* Writes and reads whole files; the caller frees. What cannot be done ends the test. */
void adcl_test_file_write(const char *path, const void *bytes, size_t size);
unsigned char *adcl_test_file_read(const char *path, size_t *size);

/* Fails the test unless the file holds exactly these bytes. */
void adcl_test_file_expect(const char *path, const void *bytes, size_t size);

#endif
