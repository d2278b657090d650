/* SPDX-License-Identifier: MIT */
/* describe.h – what files say, made fit for a sentence. The results are structs so that they can be
 * made inside an argument list: adcl__describe_name(name).text. */
#ifndef ADCL_IO_DESCRIBE_H
#define ADCL_IO_DESCRIBE_H

#include <stddef.h>

typedef struct adcl__description {
    char text[128];
} adcl__description;

/* Replaces control characters, which could play tricks on a terminal, by question marks. */
void adcl__replace_controls(char *text);

/* A name in quotation marks. Files choose their names, so a long one is cut and control characters
 * are replaced. */
adcl__description adcl__describe_name(const char *name);

/* "(768, 64)"; a shape of many axes is cut. */
adcl__description adcl__describe_shape(size_t rank, const size_t *shape);

#endif
