/* SPDX-License-Identifier: MIT */
/* traits.h – what the result of a training depends on: its options, and what stands for its data. A
 * checkpoint keeps them, and a training that goes on must have the same. */
#ifndef ADCL_CLI_TRAITS_H
#define ADCL_CLI_TRAITS_H

#include <stddef.h>
#include <stdint.h>

typedef struct trait {
    const char *option; /* without its dashes; static */
    char value[192];    /* names have at most 127 bytes */
} trait;

#define TRAITS_MOST 64

/* Starts as {0}. */
typedef struct traits {
    trait items[TRAITS_MOST];
    size_t count;
} traits;

void traits_add(traits *list, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The shortest decimal number that reads back as `value`. */
void traits_add_double(traits *list, const char *option, double value);
void traits_add_float(traits *list, const char *option, float value);

/* Numbers that tell data apart (FNV-1a, 64 bits), and are no protection against malice. */
#define DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t digest_bytes(uint64_t digest, const void *data, size_t bytes);

#endif
