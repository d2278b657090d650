/* SPDX-License-Identifier: MIT */
#include "encoder/pickle.h"
#include "encoder/pickle_machine.h"
#include "support/files.h"
#include "support/tensors.h"

#include <criterion/criterion.h>

#include <zip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(pickle, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;

/* ---- programs --------------------------------------------------------------------------------*/

typedef struct seen {
    size_t count;
    adcl__pickled_tensor last;
} seen;

static adcl_status see(void *user, const adcl__pickled_tensor *tensor)
{
    seen *s = user;
    s->count++;
    s->last = *tensor;
    return ADCL_OK;
}

/* Programs are written as literals, whose last NUL is none of theirs. */
#define RUN(literal, out) run(literal, sizeof literal - 1, out)

static adcl_status run(const char *program, size_t size, seen *out)
{
    *out = (seen){0};
    return adcl__pickle_run("x.bin", (const unsigned char *)program, size, see, out, &error);
}

#define STRING(length, text) "X" length "\0\0\0" text
#define STORAGE "(" STRING("\7", "storage") "ctorch\nFloatStorage\n" STRING("\1", "0")             \
                STRING("\3", "cpu") "K\6tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define HOOKS "ccollections\nOrderedDict\n)R"
#define TENSOR(sizes) REBUILD "(" STORAGE sizes "\x89" HOOKS "tR"
#define MATRIX "K\0K\2K\3\x86K\3K\1\x86"

Test(pickle, a_dictionary_of_tensors_is_described)
{
    seen s;
    cr_assert_eq(RUN("\x80\2}q\0(" STRING("\1", "a") "q\1" TENSOR(MATRIX) "u.", &s), ADCL_OK, "%s",
                 error.message);
    cr_expect_eq(s.count, 1);
    cr_expect(s.last.name_length == 1 && s.last.name[0] == 'a');
    cr_expect(s.last.storage_length == 1 && s.last.storage[0] == '0');
    cr_expect_eq(s.last.dtype, ADCL_F32);
    cr_expect_eq(s.last.storage_count, 6);
    cr_expect_eq(s.last.rank, 2);
    cr_expect_eq(s.last.shape[1], 3);
    cr_expect_eq(s.last.strides[0], 3);
}

Test(pickle, state_dictionaries_may_have_attributes)
{
    seen s;
    cr_assert_eq(RUN("\x80\2ccollections\nOrderedDict\n)R" STRING("\1", "a") TENSOR(MATRIX) "s"
                     "}" STRING("\x09", "_metadata") HOOKS STRING("\0", "") "}"
                     STRING("\7", "version") "K\1ss" "sb.", &s),
                 ADCL_OK, "%s", error.message);
    cr_expect_eq(s.count, 1);
}

static void expect_refused(const char *program, size_t size, adcl_status status, const char *words)
{
    seen s;
    /* Memory of its own size, so that a sanitizer sees a read beyond it. */
    char *copy = malloc(size + (size == 0));
    cr_assert_not_null(copy);
    memcpy(copy, program, size);
    cr_expect_eq(run(copy, size, &s), status, "%s: got %s: %s", words,
                 adcl_status_name(error.status), error.message);
    cr_expect(strstr(error.message, words) != NULL, "expected \"%s\", got: %s", words,
              error.message);
    cr_expect(strncmp(error.message, "x.bin: pickle: ", 15) == 0, "%s", error.message);
    cr_expect_eq(s.count, 0);
    free(copy);
}

#define REFUSED(literal, status, words)                                                            \
    expect_refused(literal, sizeof literal - 1, ADCL_ERR_##status, words)

Test(pickle, functions_and_instructions_that_no_tensor_needs_are_refused_by_name)
{
    REFUSED("\x80\2cposix\nsystem\n" STRING("\4", "true") "\x85R.", UNSUPPORTED,
            "\"posix.system\", which is never run");
    REFUSED("c\n\n.", UNSUPPORTED, "got \".\"");
    REFUSED("ctorch\nFloat\n.", UNSUPPORTED, "\"torch.Float\"");
    REFUSED("c__builtin__\neval\n.", UNSUPPORTED, "\"__builtin__.eval\"");
    REFUSED("ctorch\n_utils._rebuild_tensor_v2\n.", UNSUPPORTED, "torch._utils");
    REFUSED("c\xff\nx\n.", UNSUPPORTED, "which is never run");
    REFUSED("\x80\2(cposix\nsystem\no.", UNSUPPORTED, "posix.system");
    REFUSED("(iposix\nsystem\n.", UNSUPPORTED, "0x69 (INST)");
    REFUSED("}\x81.", UNSUPPORTED, "0x81 (NEWOBJ)");
    REFUSED("\x93", UNSUPPORTED, "0x93 (STACK_GLOBAL)");
    REFUSED("\x82\1", UNSUPPORTED, "(EXT1)");
    REFUSED("]", UNSUPPORTED, "(EMPTY_LIST)");
    REFUSED("\xfe", UNSUPPORTED, "0xFE (none of Python's)");
    REFUSED("\x80\4", UNSUPPORTED, "expected protocol 2, as torch.save writes, got 4");
    REFUSED("ctorch\nFloatStorage\n)R.", UNSUPPORTED, "no call of FloatStorage with 0 arguments");
    REFUSED("ccollections\nOrderedDict\n}\x85R.", UNSUPPORTED, "OrderedDict with 1");
    REFUSED("\x8a\x09\0\0\0\0\0\0\0\0\1.", UNSUPPORTED, "at most 8 bytes, got 9");
}

Test(pickle, damaged_programs_are_refused)
{
    REFUSED("", FORMAT, "truncated");
    REFUSED("}", FORMAT, "truncated");
    REFUSED("X\xff\xff\xff\xff" "a", FORMAT, "truncated");
    REFUSED("X\1\0\0\0\xff.", FORMAT, "UTF-8");
    REFUSED("ctorch\nx", FORMAT, "a line's end");
    REFUSED(".", FORMAT, "a value on the stack");
    REFUSED("}}.", FORMAT, "one value and nothing behind it");
    REFUSED("}.}", FORMAT, "one value and nothing behind it");
    REFUSED("K\1.", FORMAT, "a dictionary of tensors, got another");
    REFUSED("t.", FORMAT, "a mark, got none");
    REFUSED("K\1\x86.", FORMAT, "got too few");
    REFUSED("K\1(\x85.", FORMAT, "got too few");
    REFUSED("}(K\1u.", FORMAT, "a value for every key");
    REFUSED("K\1(u.", FORMAT, "a dictionary for pairs");
    REFUSED("}K\1K\1s.", FORMAT, "a dictionary from names to tensors");
    REFUSED("}" STRING("\1", "a") "K\1s.", FORMAT, "a dictionary from names to tensors");
    REFUSED("h\0.", FORMAT, "a value that was kept");
    REFUSED("}q\1.", FORMAT, "without a gap");
    REFUSED("K\1K\1R.", FORMAT, "a function and its arguments");
    REFUSED("K\1Q.", FORMAT, "a storage's kind");
    REFUSED("(" STRING("\7", "storage") "ccollections\nOrderedDict\n" STRING("\1", "0")
            STRING("\3", "cpu") "K\6tQ.", FORMAT, "a storage's kind");
    REFUSED("}" STRING("\1", "a") REBUILD "(K\1K\1K\1K\1K\1K\1tRs.", FORMAT, "a tensor's storage");
    REFUSED("}" STRING("\1", "a") TENSOR("K\0K\2\x85K\3K\1\x86") "s.", FORMAT, "a tensor's storage");
    REFUSED("}" STRING("\1", "a") TENSOR("J\xff\xff\xff\xffK\2\x85K\1\x85") "s.", FORMAT,
            "a tensor's storage");
}

/* Every beginning of a good program ends too early, and nothing else happens. */
Test(pickle, every_truncation_is_refused)
{
    static const char good[] = "\x80\2}q\0(" STRING("\1", "a") "q\1" TENSOR(MATRIX) "u.";
    for (size_t size = 0; size < sizeof good - 1; size++)
        expect_refused(good, size, ADCL_ERR_FORMAT, "expected");
}

/* ---- files -----------------------------------------------------------------------------------*/

typedef struct member {
    const char *name;
    const void *bytes;
    size_t size;
} member;

/* Makes a zip file of these members, stored as torch.save does, and reads it. */
static adcl_status read_zip(const member *members, size_t count, bool compressed,
                            adcl__pickle **out)
{
    int code;
    const char *path = adcl_test_path("x.bin");
    remove(path);
    zip_t *zip = zip_open(path, ZIP_CREATE, &code);
    cr_assert_not_null(zip);
    for (size_t i = 0; i < count; i++) {
        zip_source_t *source = zip_source_buffer(zip, members[i].bytes, members[i].size, 0);
        zip_int64_t index = zip_file_add(zip, members[i].name, source, 0);
        cr_assert_geq(index, 0);
        zip_set_file_compression(zip, (zip_uint64_t)index, compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                 0);
    }
    cr_assert_eq(zip_close(zip), 0);
    return adcl__pickle_load(out, path, &error);
}

static const float six[] = {1, 2, 3, 4, 5, 6};

#define PROGRAM(items) {"m/data.pkl", "\x80\2}(" items "u.", sizeof "\x80\2}(" items "u." - 1}
#define ITEM(name, sizes) STRING("\1", name) TENSOR(sizes)
#define SIX {"m/data/0", six, sizeof six}

Test(pickle, tensors_share_storages_and_may_lie_across_them)
{
    /* Two names for all, the second column, and the transpose. */
    const member members[] = {
        PROGRAM(ITEM("a", MATRIX) ITEM("b", MATRIX) ITEM("c", "K\1K\2\x85K\3\x85")
                ITEM("t", "K\0K\3K\2\x86K\1K\3\x86") ITEM("s", "K\5))") ITEM("e", "K\0K\0\x85K\1\x85")),
        SIX, {"m/byteorder", "little", 6}, {"m/version", "3\n", 2}};
    adcl__pickle *p;
    cr_assert_eq(read_zip(members, 4, false, &p), ADCL_OK, "%s", error.message);
    cr_assert_eq(adcl__pickle_count(p), 6);
    const adcl_safetensors_entry *a = adcl__pickle_get(p, 0), *b = adcl__pickle_get(p, 1);
    cr_expect_str_eq(a->name, "a");
    cr_expect(a->dtype == ADCL_F32 && a->rank == 2 && a->shape[0] == 2 && a->bytes == sizeof six);
    cr_expect_arr_eq(a->data, six, sizeof six);
    cr_expect_eq(a->data, b->data);
    static const float column[] = {2, 5}, transposed[] = {1, 4, 2, 5, 3, 6};
    cr_expect_arr_eq(adcl__pickle_get(p, 2)->data, column, sizeof column);
    cr_expect_arr_eq(adcl__pickle_get(p, 3)->data, transposed, sizeof transposed);
    cr_expect(adcl__pickle_get(p, 4)->rank == 0 && *(const float *)adcl__pickle_get(p, 4)->data == 6);
    cr_expect_eq(adcl__pickle_get(p, 5)->bytes, 0);
    cr_expect_null(adcl__pickle_get(p, 6));
    adcl__pickle_destroy(&p);
    cr_expect_null(p);
}

static void expect_zip_refused(const member *members, size_t count, bool compressed,
                               adcl_status status, const char *words)
{
    adcl__pickle *p;
    cr_expect_eq(read_zip(members, count, compressed, &p), status, "%s: got %s: %s", words,
                 adcl_status_name(error.status), error.message);
    cr_expect(strstr(error.message, words) != NULL, "expected \"%s\", got: %s", words,
              error.message);
    cr_expect_null(p);
}

Test(pickle, files_that_contradict_their_program_are_refused)
{
    const member good[] = {PROGRAM(ITEM("a", MATRIX)), SIX};
    const member short_storage[] = {good[0], {"m/data/0", six, 20}};
    const member elsewhere[] = {good[0], {"n/data/0", six, 24}};
    const member big_endian[] = {good[0], SIX, {"m/byteorder", "big", 3}};
    const member two[] = {good[0], SIX, {"n/data.pkl", "}.", 2}};
    const member beyond[] = {PROGRAM(ITEM("a", "K\1K\2K\3\x86K\3K\1\x86")), SIX};
    const member expanded[] = {PROGRAM(ITEM("a", "K\0K\7K\1\x86K\0K\1\x86")), SIX};
    const member far[] = {PROGRAM(ITEM("a", "K\0K\2K\2\x86\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7fK\1\x86")),
                          SIX};
    const member huge[] = {
        PROGRAM(ITEM("a", "K\0J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87K\1K\1K\1\x87")),
        SIX};
    const member twice[] = {PROGRAM(ITEM("a", MATRIX) ITEM("a", MATRIX)), SIX};
    expect_zip_refused(short_storage, 2, false, ADCL_ERR_FORMAT, "expected 6 numbers of F32, got 20");
    expect_zip_refused(elsewhere, 2, false, ADCL_ERR_FORMAT, "expected 6 numbers of F32, got 0");
    expect_zip_refused(big_endian, 3, false, ADCL_ERR_UNSUPPORTED, "byteorder: expected little");
    expect_zip_refused(two, 3, false, ADCL_ERR_FORMAT, "with one data.pkl, got 2");
    expect_zip_refused(good + 1, 1, false, ADCL_ERR_FORMAT, "with one data.pkl, got 0");
    expect_zip_refused(beyond, 2, false, ADCL_ERR_FORMAT, "within the 6 numbers of its storage");
    expect_zip_refused(expanded, 2, false, ADCL_ERR_FORMAT, "within the 6 numbers");
    expect_zip_refused(far, 2, false, ADCL_ERR_FORMAT, "within the 6 numbers");
    expect_zip_refused(huge, 2, false, ADCL_ERR_FORMAT, "within the 6 numbers");
    expect_zip_refused(twice, 2, false, ADCL_ERR_FORMAT, "got \"a\" twice");
    static const char zeros[10000];
    const member bomb[] = {{"m/data.pkl", zeros, sizeof zeros}, SIX};
    expect_zip_refused(bomb, 2, true, ADCL_ERR_UNSUPPORTED, "neither compressed nor encrypted");
    const member evil[] = {{"m/data.pkl", "cos\nsystem\n.", 12}, SIX};
    expect_zip_refused(evil, 2, false, ADCL_ERR_UNSUPPORTED, "\"os.system\"");
}

Test(pickle, other_files_are_refused)
{
    adcl__pickle *p;
    static const unsigned char old[] = "\x80\2\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    cr_expect_eq(adcl__pickle_parse(&p, "x.bin", old, sizeof old - 1, &error), ADCL_ERR_UNSUPPORTED);
    cr_expect(strstr(error.message, "its older form") != NULL, "%s", error.message);
    cr_expect_eq(adcl__pickle_parse(&p, "x.bin", old, 3, &error), ADCL_ERR_FORMAT);
    cr_expect_eq(adcl__pickle_parse(&p, "x.bin", old, 0, &error), ADCL_ERR_FORMAT);
    cr_expect_eq(adcl__pickle_load(&p, adcl_test_path("none"), &error), ADCL_ERR_FILE);
    cr_expect_null(p);
}

/* A file cut anywhere, or with a byte changed, is refused or is still a file of tensors. */
Test(pickle, damaged_files_never_do_more_than_fail)
{
    size_t size;
    unsigned char *bytes = adcl_test_file_read(
        adcl_test_golden_path("tiny/bert/adapters/ln_before/pytorch_model_head.bin"), &size);
    adcl__pickle *p;
    cr_assert_eq(adcl__pickle_parse(&p, "x.bin", bytes, size, &error), ADCL_OK, "%s", error.message);
    cr_expect_eq(adcl__pickle_count(p), 4);
    adcl__pickle_destroy(&p);
    for (size_t cut = 0; cut < size; cut += 7) {
        unsigned char *copy = malloc(cut + (cut == 0));
        cr_assert_not_null(copy);
        memcpy(copy, bytes, cut);
        cr_expect_neq(adcl__pickle_parse(&p, "x.bin", copy, cut, &error), ADCL_OK, "cut at %zu", cut);
        free(copy);
    }
    for (size_t at = 0; at < size; at += 11) {
        bytes[at] ^= 0x55;
        if (adcl__pickle_parse(&p, "x.bin", bytes, size, &error) == ADCL_OK) adcl__pickle_destroy(&p);
        bytes[at] ^= 0x55;
    }
    free(bytes);
}
