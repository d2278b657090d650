/* SPDX-License-Identifier: MIT */
/* program.h – from embedded sources to running kernels.
 *
 * A program is one .cl file with common.cl and the parts that it needs (activation_math.cl, if it
 * computes activations) before it, one variant (the number of the activation, else 0), one part of its kernels or all of
 * them, and more options where the file asks for them; built at first use and shared by the family. Kernel objects belong to a context, for setting
 * the arguments of a shared one is a race. */
#ifndef ADCL_RUNTIME_PROGRAM_H
#define ADCL_RUNTIME_PROGRAM_H

#include "runtime/context.h"

typedef enum adcl__program_id {
    ADCL__PROGRAM_ACTIVATION,
    ADCL__PROGRAM_ATTENTION,
    ADCL__PROGRAM_ATTENTION_GPU,
    ADCL__PROGRAM_ELEMENTWISE,
    ADCL__PROGRAM_FUSED_CPU,
    ADCL__PROGRAM_FUSED_GPU,
    ADCL__PROGRAM_FUSED_GPU_GRADIENTS,
    ADCL__PROGRAM_GATE,
    ADCL__PROGRAM_LAYER_NORM,
    ADCL__PROGRAM_LAYER_NORM_GPU,
    ADCL__PROGRAM_LOSS,
    ADCL__PROGRAM_PACKED,
    ADCL__PROGRAM_PACKED_GPU,
    ADCL__PROGRAM_PEAK,
    ADCL__PROGRAM_REDUCE,
    ADCL__PROGRAM_RESIDUAL,
    ADCL__PROGRAM_SEQUENCE,
    ADCL__PROGRAM_UPDATE
} adcl__program_id;

typedef struct adcl__kernel_id {
    adcl__program_id program;
    int variant;         /* -DADCL_VARIANT of the program */
    const char *name;    /* a string literal */
    const char *options; /* more for the compiler, copied where kept; NULL: none */
    int part;            /* -DADCL_PART: which of the file's kernels this program has; 0: all */
} adcl__kernel_id;

typedef struct adcl__argument {
    size_t size;
    const void *value; /* NULL: `size` bytes of local memory */
} adcl__argument;

#define ADCL__ARG(variable) {sizeof(variable), &(variable)}

/* A 2-D range of work-items: `items` of them are wanted; the launch rounds up to whole work-groups,
 * so kernels check their bounds. local {0, 0}: chosen here, from the device alone. */
typedef struct adcl__range {
    size_t items[2];
    size_t local[2];
} adcl__range;

/* How many columns a work-item of an elementwise kernel takes: one on a GPU, whose neighbours read
 * neighbouring columns; many on a CPU, whose compiler makes vectors of the loop over them. */
size_t adcl__item_columns(const adcl_context *ctx);
/* Work-items of so many columns each, over (rows, cols). */
adcl__range adcl__column_range(const adcl_context *ctx, size_t rows, size_t cols);

/* Enqueues a kernel, building its program first if this is its first use. An empty range does
 * nothing. Errors: OPENCL, PROGRAM_BUILD, OUT_OF_HOST_MEMORY. */
adcl_status adcl__launch(adcl_context *ctx, adcl__kernel_id id, adcl__range range,
                         const adcl__argument *arguments, size_t count);

#define ADCL__LAUNCH(ctx, id, range, arguments)                                                    \
    adcl__launch(ctx, id, range, arguments, sizeof(arguments) / sizeof((arguments)[0]))

void adcl__programs_destroy(adcl__program *list);
void adcl__kernels_destroy(adcl__kernel *list);

#endif
