/* SPDX-License-Identifier: MIT */
/* Whole files: read strictly, replaced as a whole or not at all. */
#define _XOPEN_SOURCE 700 /* setrlimit, mkfifo, seteuid */
#include "base/platform.h"
#include "support/files.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(file_read, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);
TestSuite(new_file, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;

/* ---- reading ---------------------------------------------------------------------------------*/

Test(file_read, gives_every_byte)
{
    static const char bytes[] = "one\0two\n";
    unsigned char *got;
    size_t size;
    adcl_test_file_write(adcl_test_path("a"), bytes, sizeof bytes);
    cr_assert_eq(adcl__file_read(adcl_test_path("a"), &got, &size, &error), ADCL_OK);
    cr_expect_eq(size, sizeof bytes);
    cr_expect_arr_eq(got, bytes, sizeof bytes);
    free(got);
}

Test(file_read, gives_memory_for_an_empty_file)
{
    unsigned char *got;
    size_t size = 1;
    adcl_test_file_write(adcl_test_path("a"), "", 0);
    cr_assert_eq(adcl__file_read(adcl_test_path("a"), &got, &size, &error), ADCL_OK);
    cr_expect_eq(size, 0);
    cr_expect_not_null(got);
    free(got);
}

/* Fails the test unless reading `path` is refused with a sentence that has `part` in it. */
static void expect_unreadable(const char *path, int code, const char *part)
{
    unsigned char *got;
    size_t size;
    cr_expect_eq(adcl__file_read(path, &got, &size, &error), ADCL_ERR_FILE);
    cr_expect_eq(error.native_code, code);
    cr_expect_not_null(strstr(error.message, part), "%s", error.message);
    cr_expect_not_null(strstr(error.message, path), "%s", error.message);
    cr_expect_null(got);
}

Test(file_read, refuses_what_is_not_there)
{
    expect_unreadable(adcl_test_path("none"), ENOENT, "cannot be opened");
}

Test(file_read, refuses_a_folder)
{
    expect_unreadable(adcl_test_path(""), 0, "expected a file, got a folder");
}

Test(file_read, refuses_a_pipe_without_waiting_for_its_writer)
{
    cr_assert_eq(mkfifo(adcl_test_path("pipe"), 0600), 0);
    expect_unreadable(adcl_test_path("pipe"), 0, "expected a file, got something else");
}

Test(file_read, refuses_a_file_shorter_than_its_size)
{
    /* The kernel says 4096 bytes for files that it makes up while they are read. */
    static const char path[] = "/sys/devices/system/cpu/online";
    if (access(path, R_OK) != 0) {
        adcl_test_folder_remove();
        cr_skip_test("%s is not there", path);
    }
    expect_unreadable(path, 0, "expected 4096 bytes, reading ended after");
}

/* ---- writing ---------------------------------------------------------------------------------*/

static adcl_status write_text(const char *path, const char *text)
{
    adcl__new_file *file;
    adcl_status status = adcl__new_file_create(&file, path, &error);
    if (status != ADCL_OK) return status;
    status = adcl__new_file_write(file, text, strlen(text), &error);
    if (status == ADCL_OK) return adcl__new_file_commit(&file, &error);
    adcl__new_file_discard(&file);
    return status;
}

Test(new_file, replaces_the_old_one_and_leaves_nothing_else)
{
    const char *path = adcl_test_path("a");
    cr_assert_eq(write_text(path, "old"), ADCL_OK, "%s", error.message);
    cr_assert_eq(write_text(path, "brand new"), ADCL_OK, "%s", error.message);
    adcl_test_file_expect(path, "brand new", 9);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(new_file, has_the_permissions_of_an_ordinary_file)
{
    umask(022);
    cr_assert_eq(write_text(adcl_test_path("a"), "text"), ADCL_OK);
    struct stat status;
    cr_assert_eq(stat(adcl_test_path("a"), &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0644);
}

Test(new_file, does_not_show_before_commit)
{
    adcl__new_file *file;
    const char *path = adcl_test_path("a");
    adcl_test_file_write(path, "old", 3);
    cr_assert_eq(adcl__new_file_create(&file, path, &error), ADCL_OK);
    cr_assert_eq(adcl__new_file_write(file, "new", 3, &error), ADCL_OK);
    adcl_test_file_expect(path, "old", 3);
    adcl__new_file_discard(&file);
    cr_expect_null(file);
    adcl_test_file_expect(path, "old", 3);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(new_file, may_be_written_twice_at_a_time)
{
    adcl__new_file *first, *second;
    const char *path = adcl_test_path("a");
    cr_assert_eq(adcl__new_file_create(&first, path, &error), ADCL_OK);
    cr_assert_eq(adcl__new_file_create(&second, path, &error), ADCL_OK);
    cr_assert_eq(adcl__new_file_write(first, "first", 5, &error), ADCL_OK);
    cr_assert_eq(adcl__new_file_write(second, "second", 6, &error), ADCL_OK);
    cr_assert_eq(adcl__new_file_commit(&second, &error), ADCL_OK);
    cr_assert_eq(adcl__new_file_commit(&first, &error), ADCL_OK);
    adcl_test_file_expect(path, "first", 5);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(new_file, may_be_discarded_twice)
{
    adcl__new_file *file = NULL;
    adcl__new_file_discard(&file);
    adcl__new_file_discard(NULL);
    cr_expect_null(file);
}

static void expect_unwritable(const char *path, int code)
{
    cr_expect_eq(write_text(path, "text"), ADCL_ERR_FILE);
    cr_expect_eq(error.native_code, code, "expected errno %d, got %d", code, error.native_code);
    cr_expect_not_null(strstr(error.message, path), "%s", error.message);
}

Test(new_file, refuses_an_output_that_is_a_folder)
{
    cr_assert_eq(mkdir(adcl_test_path("folder"), 0700), 0);
    expect_unwritable(adcl_test_path("folder"), EISDIR);
    cr_expect_str_eq(strrchr(error.message, ':'), ": expected a file's name, got a folder");
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(new_file, refuses_a_folder_that_is_not_there)
{
    expect_unwritable(adcl_test_path("none/a"), ENOENT);
}

Test(new_file, refuses_a_path_below_a_file)
{
    adcl_test_file_write(adcl_test_path("a"), "old", 3);
    expect_unwritable(adcl_test_path("a/b"), ENOTDIR);
}

/* Permissions do not hold for root, so the test becomes somebody else for a moment. */
Test(new_file, refuses_a_read_only_folder)
{
    uid_t user = geteuid();
    cr_assert_eq(chmod(adcl_test_path(""), 0555), 0);
    if (user == 0 && seteuid(65534) != 0) {
        adcl_test_folder_remove();
        cr_skip_test("root without another user");
    }
    expect_unwritable(adcl_test_path("a"), EACCES);
    cr_assert_eq(seteuid(user), 0);
    cr_assert_eq(chmod(adcl_test_path(""), 0755), 0);
}

/* A limit on the size of files stands for the full disk: writing fails after some bytes. */
Test(new_file, keeps_the_old_one_when_the_disk_is_full)
{
    const char *path = adcl_test_path("a");
    adcl_test_file_write(path, "old", 3);
    struct rlimit before, limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    adcl_status status = write_text(path, "more than four bytes");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    cr_expect_eq(status, ADCL_ERR_FILE);
    cr_expect_eq(error.native_code, EFBIG);
    cr_expect_not_null(strstr(error.message, "cannot be written"), "%s", error.message);
    adcl_test_file_expect(path, "old", 3);
    cr_expect_eq(adcl_test_file_count(), 1);
}

Test(new_file, is_removed_when_it_cannot_take_its_place)
{
    adcl__new_file *file;
    const char *path = adcl_test_path("a");
    cr_assert_eq(adcl__new_file_create(&file, path, &error), ADCL_OK);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_expect_eq(adcl__new_file_commit(&file, &error), ADCL_ERR_FILE);
    cr_expect_eq(error.native_code, EISDIR);
    cr_expect_null(file);
    cr_expect_eq(adcl_test_file_count(), 1);
}

/* ---- views and removal -----------------------------------------------------------------------*/

TestSuite(file_view, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

/* A small file is read, a large one mapped; both stay as they are when another takes their name. */
Test(file_view, outlives_the_name_of_its_file)
{
    static const size_t sizes[] = {0, 1, 4096, ((size_t)1 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *path = adcl_test_path("a");
        adcl__file_view view;
        unsigned char *bytes = malloc(sizes[i] + 1);
        cr_assert_not_null(bytes);
        for (size_t j = 0; j < sizes[i]; j++) bytes[j] = (unsigned char)(j * 31);
        adcl_test_file_write(path, bytes, sizes[i]);
        cr_assert_eq(adcl__file_view_open(&view, path, &error), ADCL_OK, "%s", error.message);
        cr_assert_eq(write_text(path, "another"), ADCL_OK);
        cr_expect_eq(view.size, sizes[i]);
        cr_expect_eq(view.mapped, i == 3);
        cr_expect(memcmp(view.bytes, bytes, sizes[i]) == 0);
        adcl__file_view_close(&view);
        cr_expect_null(view.bytes);
        adcl__file_view_close(&view);
        free(bytes);
    }
}

Test(file_view, refuses_what_is_no_file)
{
    adcl__file_view view;
    cr_expect_eq(adcl__file_view_open(&view, adcl_test_path("none"), &error), ADCL_ERR_FILE);
    cr_expect_eq(error.native_code, ENOENT);
    cr_expect_eq(adcl__file_view_open(&view, adcl_test_path(""), &error), ADCL_ERR_FILE);
    cr_expect_null(view.bytes);
}

Test(file_view, files_are_removed_whether_they_are_there_or_not)
{
    const char *path = adcl_test_path("a");
    adcl_test_file_write(path, "x", 1);
    cr_expect_eq(adcl__file_remove(path, &error), ADCL_OK);
    cr_expect_eq(adcl_test_file_count(), 0);
    cr_expect_eq(adcl__file_remove(path, &error), ADCL_OK);
    cr_expect_eq(adcl__file_remove(adcl_test_path(""), &error), ADCL_ERR_FILE);
}
