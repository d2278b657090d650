/* SPDX-License-Identifier: MIT */
#include "cli/traits.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void traits_add(traits *list, const char *option, const char *format, ...)
{
    assert(list->count < TRAITS_MOST);
    trait *item = &list->items[list->count++];
    item->option = option;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(item->value, sizeof item->value, format, arguments);
    va_end(arguments);
}

void traits_add_double(traits *list, const char *option, double value)
{
    char text[32];
    int digits = 0;
    do {
        snprintf(text, sizeof text, "%.*g", ++digits, value);
    } while (digits < 17 && strtod(text, NULL) != value);
    traits_add(list, option, "%s", text);
}

void traits_add_float(traits *list, const char *option, float value)
{
    char text[32];
    int digits = 0;
    do {
        snprintf(text, sizeof text, "%.*g", ++digits, (double)value);
    } while (digits < 9 && strtof(text, NULL) != value);
    traits_add(list, option, "%s", text);
}

/* Eight bytes at a time, then the rest: a model's file has a hundred megabytes. */
uint64_t digest_bytes(uint64_t digest, const void *data, size_t bytes)
{
    const unsigned char *byte = data;
    for (; bytes >= 8; bytes -= 8, byte += 8) {
        uint64_t word;
        memcpy(&word, byte, sizeof word);
        digest = (digest ^ word) * UINT64_C(0x100000001b3);
        digest ^= digest >> 32; /* multiplication moves bits up only */
    }
    for (; bytes > 0; bytes--, byte++) digest = (digest ^ *byte) * UINT64_C(0x100000001b3);
    return digest;
}
