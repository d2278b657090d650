/* SPDX-License-Identifier: MIT */
#include "cli/text_input.h"

#include <string.h>

int text_input_check(const session *s, const text_input *o)
{
    if (o->path == NULL || o->count == 0) return DONE;
    return session_misused(s, "expected texts or --input, got both");
}

typed_text text_input_split(const text_input *o, const char *bytes, size_t size)
{
    typed_text typed = {.text = {bytes, size}};
    const char *tab = o->pairs ? memchr(bytes, '\t', size) : NULL;
    if (tab == NULL) return typed;
    typed.text.size = (size_t)(tab - bytes);
    typed.pair = (adcl_text_span){tab + 1, size - typed.text.size - 1};
    typed.has_pair = true;
    return typed;
}
