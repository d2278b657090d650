/* SPDX-License-Identifier: MIT */
/* tokenizer_bench.c – how many megabytes of text a second one core turns into ids.
 *
 *     usage: tokenizer_bench MODEL TEXT…
 *
 * Each line of a file is encoded alone, as applications do. The time is the processor's, the best
 * of several passes: it counts what the tokenizer does, not what else the machine does meanwhile.
 */
#include <adapter_cl/tokenizer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASSES = 7 };
#define PASS_SECONDS 0.2

typedef struct bench {
    adcl_tokenizer *tokenizer;
    adcl_encoding *encoding;
    char *text;
    size_t size;
    size_t lines, tokens; /* of one pass */
    adcl_error error;
} bench;

static double processor_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static int complain(const char *about, const char *sentence)
{
    fprintf(stderr, "tokenizer_bench: %s: %s\n", about, sentence);
    return 1;
}

static int read_text(bench *b, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return complain(path, "cannot be opened");
    size_t capacity = 1 << 16, step;
    b->size = 0;
    b->text = malloc(capacity);
    while (b->text != NULL && (step = fread(b->text + b->size, 1, capacity - b->size, file)) > 0) {
        b->size += step;
        if (b->size < capacity) continue;
        char *larger = realloc(b->text, capacity *= 2);
        if (larger == NULL) free(b->text);
        b->text = larger;
    }
    fclose(file);
    if (b->text == NULL) return complain(path, "no memory to read it");
    return b->size > 0 ? 0 : complain(path, "expected text, got an empty file");
}

/* Encodes every line once. */
static int encode_lines(bench *b)
{
    b->lines = b->tokens = 0;
    for (size_t start = 0; start < b->size; b->lines++) {
        const char *line = b->text + start, *end = memchr(line, '\n', b->size - start);
        size_t length = end == NULL ? b->size - start : (size_t)(end - line);
        if (adcl_tokenizer_encode(b->tokenizer, b->encoding, &(adcl_text_span){line, length}, NULL,
                                  0, &b->error) != ADCL_OK)
            return complain("a line", b->error.message);
        b->tokens += adcl_encoding_count(b->encoding);
        start += length + 1;
    }
    return 0;
}

/* *seconds = the time of encode_lines, the mean of as many as fill PASS_SECONDS. */
static int time_pass(bench *b, double *seconds)
{
    int times = 0;
    double start = processor_seconds();
    do {
        if (encode_lines(b) != 0) return 1;
        times++;
    } while (processor_seconds() - start < PASS_SECONDS);
    *seconds = (processor_seconds() - start) / times;
    return 0;
}

static int measure(bench *b, const char *path)
{
    double best = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        double seconds;
        if (time_pass(b, &seconds) != 0) return 1;
        if (pass == 0 || seconds < best) best = seconds;
    }
    printf("%-32s %9zu bytes %8zu lines %9zu tokens %8.1f MB/s %7.2f million tokens/s\n", path,
           b->size, b->lines, b->tokens, 1e-6 * (double)b->size / best,
           1e-6 * (double)b->tokens / best);
    return 0;
}

static int load(bench *b, const char *folder)
{
    double start = processor_seconds();
    if (adcl_tokenizer_load(&b->tokenizer, folder, &b->error) != ADCL_OK ||
        adcl_encoding_create(&b->encoding, &b->error) != ADCL_OK)
        return complain("loading", b->error.message);
    printf("%-32s %9zu tokens, loaded in %.1f ms\n", folder, adcl_tokenizer_size(b->tokenizer),
           1e3 * (processor_seconds() - start));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) return complain("usage", "tokenizer_bench MODEL TEXT…");
    bench b = {0};
    int failed = load(&b, argv[1]);
    for (int i = 2; i < argc && !failed; i++) {
        failed = read_text(&b, argv[i]);
        if (!failed) failed = measure(&b, argv[i]);
        free(b.text);
    }
    adcl_encoding_destroy(&b.encoding);
    adcl_tokenizer_destroy(&b.tokenizer);
    return failed;
}
