/* SPDX-License-Identifier: MIT */
#include "encoder/encoder_reference_parts.h"

#include "base/size.h"

#include <stdlib.h>

typedef struct adcl__reference_block {
    struct adcl__reference_block *next;
    double numbers[]; /* or structs of sizes and pointers, which need no more alignment */
} block;

void *adcl__reference_take(adcl__reference_memory *memory, size_t count, size_t size)
{
    size_t bytes;
    block *taken = NULL;
    if (adcl__size_mul(count, size, &bytes) && adcl__size_add(bytes, sizeof *taken, &bytes))
        taken = calloc(1, bytes);
    if (taken == NULL) {
        memory->exhausted = true;
        return NULL;
    }
    taken->next = memory->blocks;
    memory->blocks = taken;
    return taken->numbers;
}

double *adcl__reference_take_matrix(adcl__reference_memory *memory, size_t rows, size_t cols)
{
    size_t count;
    if (adcl__size_mul(rows, cols, &count))
        return adcl__reference_take(memory, count, sizeof(double));
    memory->exhausted = true;
    return NULL;
}

void adcl__reference_release(adcl__reference_memory *memory)
{
    while (memory->blocks != NULL) {
        block *next = memory->blocks->next;
        free(memory->blocks);
        memory->blocks = next;
    }
}
