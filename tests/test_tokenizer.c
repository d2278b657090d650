/* SPDX-License-Identifier: MIT */
#include "support/files.h"

#include <adapter_cl/tokenizer.h>

#include <criterion/criterion.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(tokenizer_load, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);
TestSuite(tokenizer_rules, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static adcl_error error;

/* ---- making tokenizers -----------------------------------------------------------------------*/

static const char *golden_path(const char *name)
{
    static char path[4096];
    const char *folder = getenv("ADCL_TEST_DATA");
    cr_assert_not_null(folder, "ADCL_TEST_DATA names no folder");
    snprintf(path, sizeof path, "%s/tokenizer/%s", folder, name);
    return path;
}

static adcl_tokenizer *load(const char *folder)
{
    adcl_tokenizer *tokenizer;
    cr_assert_eq(adcl_tokenizer_load(&tokenizer, folder, &error), ADCL_OK, "%s", error.message);
    return tokenizer;
}

static adcl_encoding *new_encoding(void)
{
    adcl_encoding *encoding;
    cr_assert_eq(adcl_encoding_create(&encoding, &error), ADCL_OK);
    return encoding;
}

static void write_text(const char *name, const char *text)
{
    adcl_test_file_write(adcl_test_path(name), text, strlen(text));
}

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

/* A small vocabulary: the special tokens are 0 to 4. */
#define SMALL SPECIALS "hug\n##s\n##gable\nthe\nun\n##hug\n!\nThe\ne\n\xC3\xA9\n"
enum { PAD, UNK, CLS, SEP, MASK, HUG, S, GABLE, THE, UN, HUG_REST, BANG, BIG_THE, E, E_ACUTE,
       SIZE };

#define CONFIG "tokenizer_config.json"
#define ADDED(tokens) "{\"added_tokens_decoder\": {" tokens "}}"

static adcl_tokenizer *load_small(const char *vocabulary)
{
    write_text("vocab.txt", vocabulary);
    return load(adcl_test_path(""));
}

static adcl_tokenizer *load_with(const char *file, const char *content)
{
    write_text(file, content);
    return load_small(SMALL);
}

/* ---- expecting -------------------------------------------------------------------------------*/

static void expect_list(const char *what, const int32_t *got, size_t got_count,
                        const int32_t *expected, size_t count)
{
    cr_expect_eq(got_count, count, "%s: expected %zu, got %zu", what, count, got_count);
    for (size_t i = 0; i < count && i < got_count; i++)
        cr_expect_eq(got[i], expected[i], "%s: %zu: expected %d, got %d", what, i, expected[i],
                     got[i]);
}

static void encode(const adcl_tokenizer *t, adcl_encoding *e, const char *text, const char *pair,
                   size_t max_length)
{
    adcl_text_span first = {text, strlen(text)};
    adcl_text_span second = {pair, pair != NULL ? strlen(pair) : 0};
    adcl_status status =
        adcl_tokenizer_encode(t, e, &first, pair != NULL ? &second : NULL, max_length, &error);
    cr_assert_eq(status, ADCL_OK, "%s", error.message);
}

/* Fails the test unless the text becomes [CLS] the ids [SEP]. */
static void expect_ids(const adcl_tokenizer *t, const char *text, size_t count, const int32_t *ids)
{
    adcl_encoding *e = new_encoding();
    encode(t, e, text, NULL, 0);
    cr_assert_geq(adcl_encoding_count(e), 2);
    cr_expect_eq(adcl_encoding_ids(e)[0], adcl_tokenizer_special(t, ADCL_TOKEN_CLS));
    cr_expect_eq(adcl_encoding_ids(e)[adcl_encoding_count(e) - 1],
                 adcl_tokenizer_special(t, ADCL_TOKEN_SEP));
    expect_list(text, adcl_encoding_ids(e) + 1, adcl_encoding_count(e) - 2, ids, count);
    adcl_encoding_destroy(&e);
}

#define EXPECT_IDS(t, text, ...)                                              \
    expect_ids((t), (text), sizeof(int32_t[]){__VA_ARGS__} / sizeof(int32_t), \
               (int32_t[]){__VA_ARGS__})

/* ---- golden cases ----------------------------------------------------------------------------*/

static size_t read_ids(const json_t *array, int32_t *ids, size_t most)
{
    size_t count = json_array_size(array);
    cr_assert_leq(count, most);
    for (size_t i = 0; i < count; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return count;
}

static adcl_text_span span_of(const json_t *value)
{
    return (adcl_text_span){json_string_value(value), json_string_length(value)};
}

static void expect_case(const adcl_tokenizer *t, adcl_encoding *e, const json_t *object,
                        size_t line)
{
    enum { MOST = 4096 };
    int32_t ids[MOST], types[MOST] = {0};
    char what[32];
    snprintf(what, sizeof what, "line %zu", line);
    const json_t *pair = json_object_get(object, "pair");
    adcl_text_span first = span_of(json_object_get(object, "text")), second = span_of(pair);
    size_t max_length = (size_t)json_integer_value(json_object_get(object, "max_length"));
    adcl_status status = adcl_tokenizer_encode(t, e, &first, json_is_string(pair) ? &second : NULL,
                                               max_length, &error);
    cr_assert_eq(status, ADCL_OK, "%s: %s", what, error.message);
    size_t count = read_ids(json_object_get(object, "ids"), ids, MOST);
    if (json_object_get(object, "type_ids") != NULL)
        cr_assert_eq(read_ids(json_object_get(object, "type_ids"), types, MOST), count);
    expect_list(what, adcl_encoding_ids(e), adcl_encoding_count(e), ids, count);
    expect_list(what, adcl_encoding_type_ids(e), adcl_encoding_count(e), types, count);
}

/* Calls `handle` with each line's object; gives the number of lines. */
static size_t for_each_line(const char *path, void (*handle)(const json_t *, size_t, void *),
                            void *user)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s cannot be opened", path);
    size_t lines = 0;
    json_error_t why;
    for (json_t *object;
         (object = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &why)) != NULL;) {
        handle(object, ++lines, user);
        json_decref(object);
    }
    cr_assert(feof(file), "%s: line %zu: %s", path, lines + 1, why.text);
    fclose(file);
    return lines;
}

typedef struct golden {
    adcl_tokenizer *tokenizer;
    adcl_encoding *encoding;
} golden;

static void expect_golden_line(const json_t *object, size_t line, void *user)
{
    golden *g = user;
    expect_case(g->tokenizer, g->encoding, object, line);
}

Test(tokenizer_golden, gives_the_ids_of_the_reference_line_by_line)
{
    golden g = {load(golden_path("")), new_encoding()};
    cr_expect_eq(for_each_line(golden_path("cases.jsonl"), expect_golden_line, &g), 415);
    adcl_encoding_destroy(&g.encoding);
    adcl_tokenizer_destroy(&g.tokenizer);
}

static void expect_options_line(const json_t *object, size_t line, void *user)
{
    char *config = json_dumps(json_object_get(object, "config"), 0);
    write_text("tokenizer_config.json", config);
    free(config);
    adcl_tokenizer *tokenizer = load(adcl_test_path(""));
    size_t i;
    const json_t *pair;
    json_array_foreach(json_object_get(object, "cases"), i, pair) {
        json_t *one = json_pack("{s:O, s:O}", "text", json_array_get(pair, 0), "ids",
                                json_array_get(pair, 1));
        expect_case(tokenizer, user, one, 100 * line + i);
        json_decref(one);
    }
    adcl_tokenizer_destroy(&tokenizer);
}

Test(tokenizer_rules, gives_the_ids_of_the_reference_under_each_option)
{
    size_t size;
    unsigned char *vocabulary = adcl_test_file_read(golden_path("vocab.txt"), &size);
    adcl_test_file_write(adcl_test_path("vocab.txt"), vocabulary, size);
    free(vocabulary);
    adcl_encoding *encoding = new_encoding();
    cr_expect_eq(for_each_line(golden_path("options.jsonl"), expect_options_line, encoding), 7);
    adcl_encoding_destroy(&encoding);
}

/* ---- words and pieces ------------------------------------------------------------------------*/

Test(tokenizer_rules, the_longest_piece_goes_first_and_unknown_words_are_whole)
{
    adcl_tokenizer *t = load_small(SMALL);
    EXPECT_IDS(t, "hug hugs huggable unhugs", HUG, HUG, S, HUG, GABLE, UN, HUG_REST, S);
    EXPECT_IDS(t, "hugx the", UNK, THE);
    EXPECT_IDS(t, "hug!!the", HUG, BANG, BANG, THE);
    EXPECT_IDS(t, "?", UNK);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, a_word_of_more_than_100_characters_is_unknown)
{
    adcl_tokenizer *t = load_small(SPECIALS "a\n##a\n##\xC3\x9F\n");
    char text[512] = "a";
    int32_t ids[100] = {5};
    for (int i = 1; i < 100; i++) {
        strcat(text, "\xC3\x9F"); /* characters count, not bytes */
        ids[i] = 7;
    }
    expect_ids(t, text, 100, ids);
    strcat(text, "a");
    EXPECT_IDS(t, text, UNK);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, a_word_of_a_megabyte_is_one_unknown_token)
{
    adcl_tokenizer *t = load_small(SMALL);
    enum { LENGTH = 1 << 20 };
    char *text = malloc(LENGTH + 1);
    cr_assert_not_null(text);
    memset(text, 's', LENGTH);
    text[LENGTH] = '\0';
    EXPECT_IDS(t, text, UNK);
    for (size_t i = 3; i < LENGTH; i += 4) text[i] = ' ';
    memcpy(text, "hug", 3);
    adcl_encoding *e = new_encoding();
    encode(t, e, text, NULL, 16);
    cr_expect_eq(adcl_encoding_count(e), 16);
    cr_expect_eq(adcl_encoding_ids(e)[1], HUG);
    cr_expect_eq(adcl_encoding_truncated(e), LENGTH / 4 + 2 - 16);
    adcl_encoding_destroy(&e);
    free(text);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, marks_are_put_in_order_before_they_are_compared)
{
    /* U+302E and U+1B44 are spacing marks of the classes 224 and 9, which stripping keeps. */
    adcl_tokenizer *t = load_small(SPECIALS "e\xE1\xAD\x84\xE3\x80\xAE\n");
    EXPECT_IDS(t, "e\xE1\xAD\x84\xE3\x80\xAE", 5);
    EXPECT_IDS(t, "e\xE3\x80\xAE\xCC\x81\xE1\xAD\x84", 5);
    char text[2048] = "e"; /* more marks than are put in order: a word too long anyway */
    for (int i = 0; i < 300; i++) strcat(text, i % 2 ? "\xE1\xAD\x84" : "\xE3\x80\xAE");
    EXPECT_IDS(t, text, UNK);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, lines_may_end_in_crlf_and_the_last_one_in_nothing)
{
    adcl_tokenizer *t = load_small("[UNK]\r\n[CLS]\r\n[SEP]\r\nthe\r\n##m");
    EXPECT_IDS(t, "them", 3, 4);
    cr_expect_str_eq(adcl_tokenizer_token(t, 4), "##m");
    cr_expect_eq(adcl_tokenizer_special(t, ADCL_TOKEN_MASK), -1);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, ids_and_tokens_name_each_other)
{
    adcl_tokenizer *t = load_with("added_tokens.json", "{\"<new>\": 20}");
    cr_expect_eq(adcl_tokenizer_size(t), 21);
    cr_expect_str_eq(adcl_tokenizer_token(t, GABLE), "##gable");
    cr_expect_str_eq(adcl_tokenizer_token(t, 20), "<new>");
    cr_expect_null(adcl_tokenizer_token(t, SIZE));
    cr_expect_null(adcl_tokenizer_token(t, -1));
    cr_expect_null(adcl_tokenizer_token(t, 21));
    cr_expect_eq(adcl_tokenizer_id(t, "##gable"), GABLE);
    cr_expect_eq(adcl_tokenizer_id(t, "gable"), -1);
    cr_expect_eq(adcl_tokenizer_id(t, "<new>"), 20);
    cr_expect_eq(adcl_tokenizer_id(t, NULL), -1);
    cr_expect_eq(adcl_tokenizer_special(t, ADCL_TOKEN_PAD), PAD);
    cr_expect_eq(adcl_tokenizer_special(t, ADCL_TOKEN_MASK), MASK);
    cr_expect_eq(adcl_tokenizer_special(t, (adcl_special_token)5), -1);
    EXPECT_IDS(t, "hug<new>s", HUG, 20, UNK);
    adcl_tokenizer_destroy(&t);
}

/* ---- which file is believed ------------------------------------------------------------------*/

#define FAST(normalizer, added)                                                                \
    "{\"normalizer\": {\"type\": \"BertNormalizer\"" normalizer "}, \"added_tokens\": [" added \
    "], \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"model\": {\"type\": "           \
    "\"WordPiece\", \"max_input_chars_per_word\": 4, \"vocab\": {\"hug\": 5, \"<extra>\": 15}}}"

Test(tokenizer_rules, case_is_kept_where_tokenizer_json_or_before_it_the_config_says_so)
{
    adcl_tokenizer *t = load_small(SMALL);
    EXPECT_IDS(t, "The \xC3\xA9", THE, E);
    adcl_tokenizer_destroy(&t);
    t = load_with("tokenizer.json", FAST(", \"lowercase\": false", ""));
    EXPECT_IDS(t, "The \xC3\xA9 hugs hugss", BIG_THE, E_ACUTE, HUG, S, UNK);
    adcl_tokenizer_destroy(&t);
    t = load_with(CONFIG, "{\"strip_accents\": true}");
    EXPECT_IDS(t, "The \xC3\xA9", BIG_THE, E);
    adcl_tokenizer_destroy(&t);
    t = load_with(CONFIG, "{\"do_lower_case\": true, \"strip_accents\": false}");
    EXPECT_IDS(t, "The \xC3\xA9 \xC3\x89", THE, E_ACUTE, E_ACUTE);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, control_characters_stay_where_the_file_says_so)
{
    adcl_tokenizer *t = load_with("tokenizer.json", FAST(", \"clean_text\": false", ""));
    EXPECT_IDS(t, "the\x07", UNK);
    EXPECT_IDS(t, "hug\x0Bhug\xC2\x85hug", HUG, HUG, HUG);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, special_tokens_have_the_names_of_the_files)
{
    write_text("special_tokens_map.json", "{\"mask_token\": \"!\", \"sep_token\": \"e\"}");
    adcl_tokenizer *t =
        load_with(CONFIG, "{\"cls_token\": {\"content\": \"the\"}, \"sep_token\": "
                                           "\"un\", \"pad_token\": null, \"additional_special_"
                                           "tokens\": [\"hug\", \"nowhere\"]}");
    cr_expect_eq(adcl_tokenizer_special(t, ADCL_TOKEN_CLS), THE);
    cr_expect_eq(adcl_tokenizer_special(t, ADCL_TOKEN_SEP), UN);
    cr_expect_eq(adcl_tokenizer_special(t, ADCL_TOKEN_MASK), BANG);
    cr_expect_eq(adcl_tokenizer_special(t, ADCL_TOKEN_PAD), PAD);
    EXPECT_IDS(t, "ehughug", E, HUG, HUG);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, added_tokens_come_from_three_files_and_the_first_is_believed)
{
    write_text(
        "tokenizer_config.json",
        "{\"added_tokens_decoder\": {\"15\": {\"content\": \"Big\", \"normalized\": true}}}");
    write_text("tokenizer.json",
               FAST("", "{\"id\": 15, \"content\": \"Big\", \"normalized\": false}, "
                        "{\"id\": 16, \"content\": \"Small\", \"special\": true}"));
    adcl_tokenizer *t = load_with("added_tokens.json", "{\"<c>\": 18, \"Small\": 16}");
    cr_expect_eq(adcl_tokenizer_size(t), 19);
    EXPECT_IDS(t, "bigBIG Small small<C>", 15, 15, 16, UNK, 18);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, of_several_added_tokens_the_longest_is_found)
{
    adcl_tokenizer *t = load_with(
        "tokenizer_config.json",
        "{\"added_tokens_decoder\": {\"15\": {\"content\": \"ab\", \"special\": true}, \"16\": "
        "{\"content\": \"abc\", \"special\": true}, \"17\": {\"content\": \"hugs\", \"special\": "
        "true, \"single_word\": true}, \"18\": {\"content\": \"\", \"special\": true}, "
        "\"19\": {\"content\": \"\\u0301\", \"special\": false}}}");
    EXPECT_IDS(t, "abcab abhug abab", 16, 15, 15, HUG, 15, 15);
    EXPECT_IDS(t, "hugs hugshug !hugs! \xC3\xA9hugs", 17, HUG, S, HUG_REST, BANG, 17, BANG, E,
               HUG_REST, S);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, a_token_that_does_not_stand_alone_hides_what_is_in_it)
{
    adcl_tokenizer *t = load_with(
        CONFIG, ADDED("\"15\": {\"content\": \"hugs\", \"special\": true, \"single_word\": true}, "
                      "\"16\": {\"content\": \"s\", \"special\": true}"));
    EXPECT_IDS(t, "hugss s", HUG, S, 16, 16);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, the_blocks_of_chinese_characters_are_those_of_the_original)
{
    adcl_tokenizer *t = load_small(SMALL);
    EXPECT_IDS(t, "hug\xF0\xAB\xA0\x9Fhug", HUG, UNK, HUG); /* U+2B81F */
    EXPECT_IDS(t, "hug\xF0\xAB\xA0\xA0hug", UNK);           /* U+2B820 */
    EXPECT_IDS(t, "hug\xF0\xAB\xA4\xA0hug", HUG, UNK, HUG); /* U+2B920 */
    adcl_tokenizer_destroy(&t);
}

/* ---- pairs and truncation --------------------------------------------------------------------*/

static void expect_pair(const char *text, const char *pair, size_t max_length, size_t first,
                        size_t second)
{
    adcl_tokenizer *t = load_small(SMALL);
    adcl_encoding *e = new_encoding();
    encode(t, e, text, pair, max_length);
    const int32_t *ids = adcl_encoding_ids(e), *types = adcl_encoding_type_ids(e);
    cr_assert_eq(adcl_encoding_count(e), first + second + 3, "expected %zu and %zu, got %zu", first,
                 second, adcl_encoding_count(e));
    for (size_t i = 0; i < first + second + 3; i++) {
        cr_expect_eq(types[i], i >= first + 2);
        int32_t id = i == 0 ? CLS : i == first + 1 || i == first + second + 2 ? SEP : ids[i];
        cr_expect_eq(ids[i], id, "%zu: expected %d, got %d", i, id, ids[i]);
    }
    for (size_t i = 0; i < first; i++) cr_expect_eq(ids[1 + i], HUG);
    for (size_t i = 0; i < second; i++) cr_expect_eq(ids[first + 2 + i], THE);
    adcl_encoding_destroy(&e);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, of_a_pair_the_longer_text_is_cut)
{
    expect_pair("hug hug", "the", 0, 2, 1);
    expect_pair("hug hug", "the", 6, 2, 1);
    expect_pair("hug hug hug hug hug", "the the", 8, 3, 2);
    expect_pair("hug", "the the the the", 6, 1, 2);
    expect_pair("hug hug hug hug hug", "the the the the", 8, 3, 2);
    expect_pair("hug hug hug", "the the the", 6, 1, 2);
    expect_pair("hug hug hug", "the the the", 4, 0, 1);
    expect_pair("hug hug hug", "the the the", 3, 0, 0);
    expect_pair("", "", 0, 0, 0);
    expect_pair("", "the the", 4, 0, 1);
}

Test(tokenizer_rules, an_encoding_is_used_again_and_counts_what_was_cut)
{
    adcl_tokenizer *t = load_small(SMALL);
    adcl_encoding *e = new_encoding();
    encode(t, e, "hug hug hug hug", NULL, 4);
    expect_list("cut", adcl_encoding_ids(e), adcl_encoding_count(e),
                (int32_t[]){CLS, HUG, HUG, SEP}, 4);
    cr_expect_eq(adcl_encoding_truncated(e), 2);
    encode(t, e, "the", NULL, 2);
    expect_list("cut to nothing", adcl_encoding_ids(e), adcl_encoding_count(e),
                (int32_t[]){CLS, SEP}, 2);
    encode(t, e, "the", NULL, 3);
    cr_expect_eq(adcl_encoding_count(e), 3);
    cr_expect_eq(adcl_encoding_truncated(e), 0);
    adcl_encoding_destroy(&e);
    cr_expect_null(e);
    adcl_encoding_destroy(NULL);
    adcl_tokenizer_destroy(&t);
    cr_expect_null(t);
    adcl_tokenizer_destroy(NULL);
}

/* ---- bad input -------------------------------------------------------------------------------*/

/* Fails the test unless encoding fails with this status and a sentence of these words. */
static void expect_refused(const adcl_tokenizer *t, const adcl_text_span *text,
                           const adcl_text_span *pair, size_t max_length, const char *words)
{
    adcl_encoding *e = new_encoding();
    encode(t, e, "hug", NULL, 0);
    cr_expect_eq(adcl_tokenizer_encode(t, e, text, pair, max_length, &error),
                 ADCL_ERR_INVALID_ARGUMENT);
    cr_expect(strstr(error.message, words) != NULL, "expected \"%s\", got: %s", words,
              error.message);
    cr_expect_eq(adcl_encoding_count(e), 0, "what failed left a result");
    adcl_encoding_destroy(&e);
}

Test(tokenizer_rules, what_cannot_be_encoded_is_refused)
{
    adcl_tokenizer *t = load_small(SMALL);
    const adcl_text_span good = {"hug", 3}, empty = {NULL, 0}, null = {NULL, 3};
    const adcl_text_span bad[] = {
        {"hug\xFF", 4}, {"\xC3", 1}, {"\xED\xA0\x80", 3}, {"\xC0\x80", 2}, {"\xF4\x90\x80\x80", 4}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_refused(t, &bad[i], NULL, 0,
                       i == 0 ? "text: expected UTF-8, got other bytes behind byte 3"
                              : "text: expected UTF-8");
        expect_refused(t, &good, &bad[i], 0, "pair: expected UTF-8");
    }
    expect_refused(t, &null, NULL, 0, "text: expected 3 bytes, got NULL");
    expect_refused(t, NULL, NULL, 0, "got NULL");
    expect_refused(t, &good, NULL, 1, "expected at least 2");
    expect_refused(t, &good, &good, 2, "expected at least 3");
    adcl_encoding *e = new_encoding();
    cr_expect_eq(adcl_tokenizer_encode(NULL, e, &good, NULL, 0, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_tokenizer_encode(t, NULL, &good, NULL, 0, NULL), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_tokenizer_encode(t, e, &empty, NULL, 0, &error), ADCL_OK);
    cr_expect_eq(adcl_encoding_count(e), 2);
    adcl_encoding_destroy(&e);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_rules, nul_is_a_character_that_cleaning_drops)
{
    adcl_tokenizer *t = load_small(SMALL);
    adcl_encoding *e = new_encoding();
    cr_expect_eq(adcl_tokenizer_encode(t, e, &(adcl_text_span){"\0hu\0g\0", 6}, NULL, 0, &error),
                 ADCL_OK);
    expect_list("NUL", adcl_encoding_ids(e), adcl_encoding_count(e), (int32_t[]){CLS, HUG, SEP}, 3);
    adcl_encoding_destroy(&e);
    adcl_tokenizer_destroy(&t);
}

static void expect_load_fails(adcl_status status, const char *words)
{
    adcl_tokenizer *t = (adcl_tokenizer *)&error;
    cr_expect_eq(adcl_tokenizer_load(&t, adcl_test_path(""), &error), status, "%s: %s", words,
                 error.message);
    cr_expect_null(t);
    cr_expect(strstr(error.message, words) != NULL, "expected \"%s\", got: %s", words,
              error.message);
}

Test(tokenizer_load, a_folder_without_a_vocabulary_is_refused)
{
    adcl_tokenizer *t;
    expect_load_fails(ADCL_ERR_FILE, "vocab.txt: cannot be opened");
    cr_expect_eq(adcl_tokenizer_load(&t, NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_tokenizer_load(&t, "no such folder", NULL), ADCL_ERR_FILE);
}

/* As in the dictionary that Hugging Face reads it to. */
Test(tokenizer_load, a_token_that_stands_there_twice_has_the_later_id)
{
    adcl_tokenizer *t = load_small(SPECIALS "the\n##s\nthe\n##s\n");
    cr_expect_eq(adcl_tokenizer_id(t, "the"), 7);
    cr_expect_eq(adcl_tokenizer_id(t, "##s"), 8);
    cr_expect_str_eq(adcl_tokenizer_token(t, 5), "the");
    cr_expect_eq(adcl_tokenizer_size(t), 9);
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_load, a_damaged_vocabulary_is_refused_with_the_line)
{
    static const struct {
        const char *vocabulary, *words;
    } cases[] = {
        {"", "empty file"},
        {SPECIALS "\nthe\n", "line 6: expected a token, got a blank line"},
        {SPECIALS "the\n\r\n", "line 7: expected a token, got a blank line"},
        {SPECIALS "th\xE9\n", "line 6: expected UTF-8"},
        {"[PAD]\n[CLS]\n[SEP]\nthe\n", "expected a line \"[UNK]\""},
        {"[PAD]\n[UNK]\n[SEP]\nthe\n", "expected a line \"[CLS]\""},
        {"[PAD]\n[UNK]\n[CLS]\nthe\n", "expected a line \"[SEP]\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_text("vocab.txt", cases[i].vocabulary);
        expect_load_fails(ADCL_ERR_FORMAT, cases[i].words);
    }
    adcl_test_file_write(adcl_test_path("vocab.txt"), "[UNK]\nth\0e\n", 11);
    expect_load_fails(ADCL_ERR_FORMAT, "line 2: expected text, got a NUL byte");
    char long_line[2048];
    memset(long_line, 'a', sizeof long_line);
    adcl_test_file_write(adcl_test_path("vocab.txt"), long_line, sizeof long_line);
    expect_load_fails(ADCL_ERR_FORMAT, "line 1: expected a token of at most 1024 bytes, got 2048");
}

typedef struct bad_file {
    const char *file, *content, *words;
} bad_file;

static void expect_each_refused(adcl_status status, const bad_file *cases, size_t count)
{
    write_text("vocab.txt", SMALL);
    for (size_t i = 0; i < count; i++) {
        write_text(cases[i].file, cases[i].content);
        expect_load_fails(status, cases[i].words);
        cr_expect(strstr(error.message, cases[i].file) != NULL, "%s", error.message);
        cr_assert_eq(remove(adcl_test_path(cases[i].file)), 0);
    }
}

Test(tokenizer_load, damaged_settings_are_refused)
{
    static const bad_file cases[] = {
        {CONFIG, "{", "expected JSON, got at line 1"},
        {CONFIG, "[]", "expected a JSON object"},
        {CONFIG, "{\"do_lower_case\": \"yes\"}", "do_lower_case: expected true or false"},
        {CONFIG, "{\"cls_token\": 5}", "cls_token: expected a string"},
        {CONFIG, "{\"additional_special_tokens\": [5]}", "additional_special_tokens: expected"},
        {CONFIG, ADDED("\"x\": {\"content\": \"a\"}"), "expected ids as keys"},
        {CONFIG, ADDED("\"20\": \"a\""), "objects with \"content\""},
        {CONFIG, ADDED("\"-1\": {\"content\": \"a\"}"), "expected an id from 0"},
        {CONFIG, ADDED("\"4294967296\": {\"content\": \"a\"}"), "expected an id from 0"},
        {CONFIG, ADDED("\"5\": {\"content\": \"a\"}"), "token of this id is \"hug\""},
        {CONFIG, ADDED("\"20\": {\"content\": \"hug\"}"), "which has another id for it"},
        {CONFIG, ADDED("\"20\": {\"content\": \"a\"}, \"21\": {\"content\": \"a\"}"),
         "\"a\" of id 21 contradicts \"a\" of id 20"},
        {"added_tokens.json", "{\"a\": 20, \"b\": 20}",
         "\"b\" of id 20 contradicts \"a\" of id 20"},
        {"added_tokens.json", "{\"a\": \"20\"}", "an id for each"},
        {"tokenizer.json", FAST("", "{\"content\": \"a\"}"), "an id for each"},
        {"tokenizer.json", FAST(", \"lowercase\": 1", ""), "lowercase: expected true or false"},
        {"tokenizer.json",
         "{\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": "
         "\"BertPreTokenizer\"}, \"model\": {\"vocab\": {\"hug\": 6}}}",
         "expected the ids of vocab.txt, got another one for \"hug\""},
        {"tokenizer.json",
         "{\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": "
         "\"BertPreTokenizer\"}, \"model\": {\"max_input_chars_per_word\": 0}}",
         "max_input_chars_per_word: expected a whole number"},
    };
    expect_each_refused(ADCL_ERR_FORMAT, cases, sizeof cases / sizeof cases[0]);
}

#define PARTS(normalizer, pre_tokenizer, model, more)                                           \
    "{\"normalizer\": {\"type\": \"" normalizer                                                 \
    "\"}, \"pre_tokenizer\": {\"type\": \"" pre_tokenizer "\"}, \"model\": {\"type\": \"" model \
    "\"" more "}}"
#define TEMPLATE(single, pair)                                                             \
    PARTS("BertNormalizer", "BertPreTokenizer", "WordPiece",                               \
          "}, \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [" single \
          "], \"pair\": [" pair "]")
#define STEP(kind, id, type) "{\"" kind "\": {\"id\": \"" id "\", \"type_id\": " type "}}"
#define SINGLE                         \
    STEP("SpecialToken", "[CLS]", "0") \
    ", " STEP("Sequence", "A", "0") ", " STEP("SpecialToken", "[SEP]", "0")
#define PAIR SINGLE ", " STEP("Sequence", "B", "1") ", " STEP("SpecialToken", "[SEP]", "1")

Test(tokenizer_load, other_tokenizers_are_refused_by_name)
{
    static const bad_file cases[] = {
        {CONFIG, "{\"tokenizer_class\": \"RobertaTokenizer\"}", "got \"RobertaTokenizer\""},
        {CONFIG, "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", "BertJapaneseTokenizer"},
        {CONFIG, "{\"tokenizer_class\": 1}", "got something else"},
        {"tokenizer.json", "{}", "model: expected WordPiece, got something else"},
        {"tokenizer.json", PARTS("BertNormalizer", "BertPreTokenizer", "BPE", ""), "got \"BPE\""},
        {"tokenizer.json", PARTS("NFC", "BertPreTokenizer", "WordPiece", ""), "got \"NFC\""},
        {"tokenizer.json", PARTS("BertNormalizer", "ByteLevel", "WordPiece", ""), "\"ByteLevel\""},
        {"tokenizer.json",
         PARTS("BertNormalizer", "BertPreTokenizer", "WordPiece",
               ", \"continuing_subword_prefix\": \"@@\""),
         "got \"@@\""},
        {"tokenizer.json",
         PARTS("BertNormalizer", "BertPreTokenizer", "WordPiece",
               "}, \"post_processor\": {\"type\": \"RobertaProcessing\""),
         "got \"RobertaProcessing\""},
        {"tokenizer.json", TEMPLATE(SINGLE, SINGLE), "expected the templates"},
        {"tokenizer.json", TEMPLATE("", PAIR), "expected the templates"},
    };
    expect_each_refused(ADCL_ERR_UNSUPPORTED, cases, sizeof cases / sizeof cases[0]);
}

Test(tokenizer_load, names_of_the_same_tokenizer_are_taken)
{
    static const char *const names[] = {"BertTokenizer", "BertTokenizerFast",
                                        "DistilBertTokenizerFast", "PreTrainedTokenizerFast"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char config[128];
        snprintf(config, sizeof config, "{\"tokenizer_class\": \"%s\"}", names[i]);
        adcl_tokenizer *t = load_with(CONFIG, config);
        adcl_tokenizer_destroy(&t);
    }
    adcl_tokenizer *t = load_with("tokenizer.json", TEMPLATE(SINGLE, PAIR));
    adcl_tokenizer_destroy(&t);
}

Test(tokenizer_load, there_are_not_more_added_tokens_than_any_model_has)
{
    char *text = malloc(1 << 20), *end = text;
    cr_assert_not_null(text);
    *end++ = '{';
    for (int i = 0; i < 10001; i++) end += sprintf(end, "%s\"<%d>\": %d", i ? "," : "", i, 100 + i);
    strcpy(end, "}");
    write_text("vocab.txt", SMALL);
    write_text("added_tokens.json", text);
    free(text);
    expect_load_fails(ADCL_ERR_UNSUPPORTED, "at most 10000 added tokens");
}
