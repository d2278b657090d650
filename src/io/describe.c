/* SPDX-License-Identifier: MIT */
#include "io/describe.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void adcl__replace_controls(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F) *text = '?';
}

/* Length of `name` or of its longest beginning of whole UTF-8 characters within `limit` bytes. */
static size_t length_within(const char *name, size_t limit)
{
    size_t length = strlen(name);
    if (length <= limit) return length;
    length = limit;
    while (length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80) length--;
    return length;
}

adcl__description adcl__describe_name(const char *name)
{
    adcl__description result;
    size_t kept = length_within(name, 100);
    snprintf(result.text, sizeof result.text, "\"%.*s%s\"", (int)kept, name,
             name[kept] == '\0' ? "" : "…");
    adcl__replace_controls(result.text);
    return result;
}

adcl__description adcl__describe_shape(size_t rank, const size_t *shape)
{
    adcl__description result = {"("};
    size_t length = 1;
    /* A size takes at most 22 bytes with its comma; the rest is for "…)". */
    for (size_t axis = 0; axis < rank; axis++) {
        bool fits = length + 22 + sizeof "…)" <= sizeof result.text;
        int step = fits ? snprintf(result.text + length, sizeof result.text - length,
                                   axis == 0 ? "%zu" : ", %zu", shape[axis])
                        : snprintf(result.text + length, sizeof result.text - length, "…");
        length += (size_t)step;
        if (!fits) break;
    }
    snprintf(result.text + length, sizeof result.text - length, ")");
    return result;
}
