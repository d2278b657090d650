/* SPDX-License-Identifier: MIT */
/* normalizer.c – the steps of Hugging Face's BertNormalizer, in its order, in one pass:
 *
 *     a character ─► clean ─► Chinese? ' ' c ' ' ─► NFD ─► drop Mn ─► lower case ─► bytes
 *
 * utf8proc knows the characters. ASCII, most of most texts, takes a table instead. */
#include "encoder/normalizer.h"

#include <utf8proc.h>

#include <stdlib.h>
#include <string.h>

/* ---- bytes that grow -------------------------------------------------------------------------*/

bool adcl__bytes_reserve(adcl__bytes *bytes, size_t more)
{
    if (more <= bytes->capacity - bytes->size) return true;
    if (more > SIZE_MAX / 4 || bytes->size > SIZE_MAX / 4) return false;
    size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
    while (capacity < bytes->size + more) capacity *= 2;
    unsigned char *data = realloc(bytes->data, capacity);
    if (data == NULL) return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

void adcl__bytes_free(adcl__bytes *bytes)
{
    free(bytes->data);
    *bytes = (adcl__bytes){0};
}

/* ---- characters ------------------------------------------------------------------------------*/

/* The character at `text`, of well-formed UTF-8; *length is its number of bytes. */
static int32_t decode(const unsigned char *text, size_t *length)
{
    if (text[0] < 0x80) {
        *length = 1;
        return text[0];
    }
    if (text[0] < 0xE0) {
        *length = 2;
        return (text[0] & 0x1F) << 6 | (text[1] & 0x3F);
    }
    if (text[0] < 0xF0) {
        *length = 3;
        return (text[0] & 0x0F) << 12 | (text[1] & 0x3F) << 6 | (text[2] & 0x3F);
    }
    *length = 4;
    return (text[0] & 0x07) << 18 | (text[1] & 0x3F) << 12 | (text[2] & 0x3F) << 6 |
           (text[3] & 0x3F);
}

static bool is_ascii_space(int32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* BERT counts all of ASCII's signs as punctuation, $ and + among them. */
static bool is_ascii_punctuation(int32_t c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

static bool is_space(int32_t c)
{
    if (c < 0x80) return is_ascii_space(c);
    utf8proc_category_t category = utf8proc_category(c);
    return c == 0x85 || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

static bool is_punctuation(int32_t c)
{
    if (c < 0x80) return is_ascii_punctuation(c);
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/* Tab and line ends are white space to BERT; the other controls are nothing. */
static bool is_dropped(int32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r') return false;
    utf8proc_category_t category = utf8proc_category(c);
    return c == 0xFFFD || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CO;
}

/* The blocks of ideographs, with the gap at 2B820 that the original has. */
static bool is_chinese(int32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x2F800 && c <= 0x2FA1F);
}

adcl__character_class adcl__classify(const unsigned char *text, size_t *length)
{
    int32_t c = decode(text, length);
    if (is_space(c)) return ADCL__CHARACTER_SPACE;
    return is_punctuation(c) ? ADCL__CHARACTER_PUNCTUATION : ADCL__CHARACTER_OF_WORD;
}

bool adcl__is_word_character(const unsigned char *text)
{
    size_t length;
    int32_t c = decode(text, &length);
    utf8proc_category_t category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D;
}

/* ---- one character after another -------------------------------------------------------------*/

/* A word of more characters than the tokenizers take is unknown in whatever order they are, so no
 * more marks than that need be put in order. */
#define MARKS_MOST 128

/* What one character may need in the output: four characters of its decomposition, a lower case of
 * two characters, spaces around; and the marks that still wait. */
#define SLACK (64 + 8 * MARKS_MOST)

typedef struct mark {
    int32_t character;
    int combining_class;
} mark;

typedef struct writer {
    const adcl__normalizer *rules;
    adcl__bytes *out;
    mark marks[MARKS_MOST]; /* behind the last character that is no mark, in canonical order */
    size_t mark_count;
} writer;

static void write_character(writer *w, int32_t c)
{
    w->out->size += (size_t)utf8proc_encode_char(c, w->out->data + w->out->size);
}

/* The only character whose lower case is two: I with a dot above. */
#define CAPITAL_I_DOTTED 0x130
#define COMBINING_DOT_ABOVE 0x307

static void write_lowered(writer *w, int32_t c)
{
    if (!w->rules->lowercase) {
        write_character(w, c);
    } else if (c == CAPITAL_I_DOTTED) {
        write_character(w, 'i');
        write_character(w, COMBINING_DOT_ABOVE);
    } else {
        write_character(w, utf8proc_tolower(c));
    }
}

static void flush_marks(writer *w)
{
    for (size_t i = 0; i < w->mark_count; i++) write_lowered(w, w->marks[i].character);
    w->mark_count = 0;
}

/* Canonical order: by combining class, marks of one class as they came. */
static void add_mark(writer *w, int32_t c, int combining_class)
{
    if (w->mark_count == MARKS_MOST) flush_marks(w);
    size_t i = w->mark_count++;
    for (; i > 0 && w->marks[i - 1].combining_class > combining_class; i--)
        w->marks[i] = w->marks[i - 1];
    w->marks[i] = (mark){c, combining_class};
}

/* Nonspacing marks that have a combining class may be dropped before the others are put in order;
 * those without one keep marks before and behind them apart. */
static void write_stripped(writer *w, int32_t c)
{
    const utf8proc_property_t *property = utf8proc_get_property(c);
    bool dropped = property->category == UTF8PROC_CATEGORY_MN;
    if (property->combining_class == 0) {
        flush_marks(w);
        if (!dropped) write_lowered(w, c);
    } else if (!dropped) {
        add_mark(w, c, property->combining_class);
    }
}

static void write_decomposed(writer *w, int32_t c)
{
    utf8proc_int32_t parts[8];
    int boundary = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(c, parts, 8, UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < count; i++) write_stripped(w, parts[i]);
}

static void write_accented(writer *w, int32_t c)
{
    if (w->rules->strip_accents)
        write_decomposed(w, c);
    else
        write_lowered(w, c);
}

static void write_cleaned(writer *w, int32_t c)
{
    if (w->rules->clean_text) {
        if (is_dropped(c)) return;
        if (is_space(c)) c = ' ';
    }
    bool apart = w->rules->split_chinese && is_chinese(c);
    if (apart) write_accented(w, ' ');
    write_accented(w, c);
    if (apart) write_accented(w, ' ');
}

/* Copies the ASCII characters at the beginning of `text`; gives their number. */
static size_t write_ascii(writer *w, const unsigned char *text, size_t size)
{
    bool clean = w->rules->clean_text, lowercase = w->rules->lowercase;
    unsigned char *to = w->out->data + w->out->size;
    size_t i = 0;
    for (; i < size && text[i] < 0x80; i++) {
        unsigned char c = text[i];
        if (c >= 'A' && c <= 'Z') {
            if (lowercase) c = (unsigned char)(c - 'A' + 'a');
        } else if (clean && (c < ' ' || c == 0x7F)) {
            if (c != '\t' && c != '\n' && c != '\r') continue;
            c = ' ';
        }
        *to++ = c;
    }
    w->out->size = (size_t)(to - w->out->data);
    return i;
}

bool adcl__normalize(const adcl__normalizer *rules, const unsigned char *text, size_t size,
                     adcl__bytes *out)
{
    writer w = {.rules = rules, .out = out};
    /* Room for all that is left as ASCII, so that write_ascii need not look. */
    for (size_t i = 0; i < size;) {
        if (!adcl__bytes_reserve(out, size - i + SLACK)) return false;
        if (text[i] < 0x80 && w.mark_count == 0) {
            i += write_ascii(&w, text + i, size - i);
        } else {
            size_t length;
            write_cleaned(&w, decode(text + i, &length));
            i += length;
        }
    }
    flush_marks(&w);
    return true;
}
