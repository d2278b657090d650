/* SPDX-License-Identifier: MIT */
#include "io/npy_header.h"

#include "base/text.h"
#include "io/array.h"
#include "io/describe.h"

#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { magic_size = sizeof magic - 1 };

static const struct {
    const char *descr;
    adcl_dtype dtype;
} dtype_names[] = {
    {"|b1", ADCL_BOOL}, {"|i1", ADCL_I8},  {"|u1", ADCL_U8},  {"<i2", ADCL_I16},
    {"<u2", ADCL_U16},  {"<f2", ADCL_F16}, {"<i4", ADCL_I32}, {"<u4", ADCL_U32},
    {"<f4", ADCL_F32},  {"<i8", ADCL_I64}, {"<u8", ADCL_U64}, {"<f8", ADCL_F64},
};
enum { dtype_count = sizeof dtype_names / sizeof dtype_names[0] };

const char *adcl__npy_descr(adcl_dtype dtype)
{
    for (size_t i = 0; i < dtype_count; i++)
        if (dtype_names[i].dtype == dtype) return dtype_names[i].descr;
    return NULL;
}

/* ---- words of the dictionary -----------------------------------------------------------------*/

/* The text that is still to be read. */
typedef struct cursor {
    const char *path;
    adcl_error *error;
    const char *begin;
    const char *next;
    const char *end;
} cursor;

static adcl_status expected(const cursor *at, const char *what)
{
    return adcl__error_set(at->error, ADCL_ERR_FORMAT, 0,
                           "%s: header: expected %s at character %zu of the dictionary", at->path,
                           what, (size_t)(at->next - at->begin));
}

static void skip_spaces(cursor *at)
{
    while (at->next < at->end && (*at->next == ' ' || *at->next == '\n')) at->next++;
}

/* Takes `word` if it comes next. */
static bool take(cursor *at, const char *word)
{
    skip_spaces(at);
    size_t length = strlen(word);
    if ((size_t)(at->end - at->next) < length || memcmp(at->next, word, length) != 0) return false;
    at->next += length;
    return true;
}

/* A string in either kind of quotes, without escapes or NULs, into text[size]; a longer one is cut,
 * which keeps it different from all that are expected. */
static bool take_string(cursor *at, char *text, size_t size)
{
    skip_spaces(at);
    if (at->next == at->end || (*at->next != '\'' && *at->next != '"')) return false;
    const char *begin = at->next + 1;
    const char *end = memchr(begin, *at->next, (size_t)(at->end - begin));
    if (end == NULL) return false;
    size_t length = (size_t)(end - begin);
    if (memchr(begin, '\\', length) != NULL || memchr(begin, '\0', length) != NULL) return false;
    if (length >= size) length = size - 1;
    memcpy(text, begin, length);
    text[length] = '\0';
    at->next = end + 1;
    return true;
}

static bool is_digit(const cursor *at)
{
    return at->next < at->end && *at->next >= '0' && *at->next <= '9';
}

static adcl_status read_size(cursor *at, size_t *out)
{
    skip_spaces(at);
    const char *begin = at->next;
    size_t value = 0;
    for (; is_digit(at); at->next++)
        if (!adcl__size_mul(value, 10, &value) ||
            !adcl__size_add(value, (size_t)(*at->next - '0'), &value))
            return adcl__error_set(at->error, ADCL_ERR_SIZE_OVERFLOW, 0,
                                   "%s: header: a size of the shape does not fit", at->path);
    bool leading_zero = at->next - begin > 1 && *begin == '0';
    if (at->next == begin || leading_zero) {
        at->next = begin;
        return expected(at, "a non-negative integer");
    }
    *out = value;
    return ADCL_OK;
}

/* ---- the three values ------------------------------------------------------------------------*/

/* Byte order is none ('|') or does not matter for single bytes; '=' is never written to files. */
static bool descr_matches(const char *descr, const char *known)
{
    bool order_matches = descr[0] == known[0] || (known[0] == '|' && descr[0] == '<');
    return order_matches && strcmp(descr + 1, known + 1) == 0;
}

static adcl_status refuse_descr(const cursor *at, const char *descr)
{
    const char *kind = "";
    if (descr[0] == '>') kind = ", big-endian data";
    if (strchr(descr, 'O') != NULL) kind = ", Python objects";
    return adcl__error_set(at->error, ADCL_ERR_UNSUPPORTED, 0,
                           "%s: expected a descr of booleans, integers or floats such as \"<f4\", "
                           "got %s%s",
                           at->path, adcl__describe_name(descr).text, kind);
}

static adcl_status read_descr(cursor *at, adcl__npy_header *header)
{
    if (take(at, "["))
        return adcl__error_set(at->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected an array of numbers, got a structured array",
                               at->path);
    char descr[32];
    if (!take_string(at, descr, sizeof descr)) return expected(at, "a string");
    for (size_t i = 0; i < dtype_count; i++)
        if (descr_matches(descr, dtype_names[i].descr)) {
            memcpy(header->descr, descr, sizeof header->descr);
            header->dtype = dtype_names[i].dtype;
            return ADCL_OK;
        }
    return refuse_descr(at, descr);
}

static adcl_status read_order(cursor *at, adcl__npy_header *header)
{
    header->fortran_order = take(at, "True");
    if (!header->fortran_order && !take(at, "False")) return expected(at, "True or False");
    return ADCL_OK;
}

/* (), (3,), (3, 4) or (3, 4,); as in Python, (3) is no tuple. */
static adcl_status read_shape(cursor *at, adcl__npy_header *header)
{
    if (!take(at, "(")) return expected(at, "a tuple");
    bool comma = false;
    for (header->rank = 0; !take(at, ")"); header->rank++) {
        if (header->rank > 0 && !comma) return expected(at, "a comma or )");
        if (header->rank == ADCL_NPY_MAX_RANK)
            return adcl__error_set(at->error, ADCL_ERR_UNSUPPORTED, 0,
                                   "%s: expected a shape of at most %d sizes, got more", at->path,
                                   ADCL_NPY_MAX_RANK);
        ADCL_TRY(read_size(at, &header->shape[header->rank]));
        comma = take(at, ",");
    }
    if (header->rank == 1 && !comma) return expected(at, "a comma in a tuple of one size");
    return ADCL_OK;
}

/* ---- the dictionary --------------------------------------------------------------------------*/

static const struct {
    const char *key;
    adcl_status (*read)(cursor *at, adcl__npy_header *header);
} items[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
enum { item_count = sizeof items / sizeof items[0] };

static adcl_status read_item(cursor *at, adcl__npy_header *header, bool seen[item_count])
{
    cursor before = *at;
    char key[16];
    bool is_string = take_string(at, key, sizeof key);
    for (size_t i = 0; is_string && i < item_count; i++) {
        if (strcmp(key, items[i].key) != 0 || seen[i]) continue;
        seen[i] = true;
        if (!take(at, ":")) return expected(at, "a colon");
        return items[i].read(at, header);
    }
    return expected(&before, "each of 'descr', 'fortran_order' and 'shape' once");
}

static adcl_status read_dictionary(cursor *at, adcl__npy_header *header)
{
    if (!take(at, "{")) return expected(at, "{");
    bool seen[item_count] = {false};
    for (size_t i = 0; i < item_count; i++) {
        ADCL_TRY(read_item(at, header, seen));
        bool comma = take(at, ",");
        if (!comma && i + 1 < item_count) return expected(at, "a comma");
    }
    if (!take(at, "}")) return expected(at, "}");
    skip_spaces(at);
    return at->next == at->end ? ADCL_OK : expected(at, "nothing but spaces and a newline");
}

/* ---- the whole -------------------------------------------------------------------------------*/

/* *begin, *end = where the dictionary lies in the file. */
static adcl_status find_dictionary(const char *path, const unsigned char *bytes, size_t size,
                                   size_t *begin, size_t *end, adcl_error *error)
{
    if (size < magic_size + 4 || memcmp(bytes, magic, magic_size) != 0)
        return adcl__error_set(error, ADCL_ERR_FORMAT, 0,
                               "%s: not a .npy file: expected it to begin with \\x93NUMPY, a "
                               "version and a length",
                               path);
    unsigned major = bytes[magic_size], minor = bytes[magic_size + 1];
    if (major < 1 || major > 3 || minor != 0)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected .npy version 1.0, 2.0 or 3.0, got %u.%u", path, major,
                               minor);
    size_t width = major == 1 ? 2 : 4;
    *begin = magic_size + 2 + width;
    uint32_t length = 0;
    if (size >= *begin) memcpy(&length, bytes + magic_size + 2, width);
    if (size < *begin || length > size - *begin)
        return adcl__error_set(error, ADCL_ERR_FORMAT, 0,
                               "%s: truncated: the file ends inside its header, at byte %zu", path,
                               size);
    *end = *begin + length;
    return ADCL_OK;
}

adcl_status adcl__npy_header_parse(adcl__npy_header *header, const char *path,
                                   const unsigned char *bytes, size_t size, adcl_error *error)
{
    size_t begin = 0, end = 0;
    ADCL_TRY(find_dictionary(path, bytes, size, &begin, &end, error));
    const char *text = (const char *)bytes;
    /* Latin-1 until version 2, UTF-8 in version 3: what is expected is ASCII in both. */
    cursor at = {path, error, text + begin, text + begin, text + end};
    header->size = end;
    return read_dictionary(&at, header);
}
