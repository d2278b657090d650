/* SPDX-License-Identifier: MIT */
/* parameters.h – a named set of parameters with their gradients: what an optimizer trains and a
 * checkpoint keeps. The set borrows its tensors; adapters and layers in it must outlive it.
 * Thread-safety: one thread at a time. */
#ifndef ADAPTER_CL_PARAMETERS_H
#define ADAPTER_CL_PARAMETERS_H

#include <adapter_cl/adapter.h>
#include <adapter_cl/linear.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One parameter. Strings and tensors are borrowed from the set. */
typedef struct adcl_parameter {
    const char *name;          /* e.g. "adapter_down.kernel" */
    adcl_tensor *value;        /* F32 */
    adcl_tensor *gradient;     /* same shape */
    int decays;                /* 1: weight decay applies (kernels); 0: not (biases, norms) */
    float learning_rate_scale; /* the step's learning rate is multiplied by it */
} adcl_parameter;

typedef struct adcl_parameters adcl_parameters;

/* An empty set. The caller owns *out. Errors: OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_parameters_create(adcl_parameters **out, adcl_context *ctx);
ADCL_API void adcl_parameters_destroy(adcl_parameters **set);

/* Adds one parameter; the name is copied. Errors: INVALID_ARGUMENT when the name or a tensor's
 * memory is in the set already or a pointer is NULL, SHAPE_MISMATCH, OUT_OF_HOST_MEMORY. A failed
 * add changes nothing. */
ADCL_API adcl_status adcl_parameters_add(adcl_context *ctx, adcl_parameters *set,
                                         const adcl_parameter *parameter);

/* Adds an adapter's parameters as <name>_down.kernel … (none of a frozen one, and none whose
 * gradient it does not keep). Two adapters of one name in one set are refused with
 * INVALID_ARGUMENT, frozen or not: two adapters would answer to one name in its files. */
ADCL_API adcl_status adcl_parameters_add_adapter(adcl_context *ctx, adcl_parameters *set,
                                                 const adcl_adapter *adapter,
                                                 float learning_rate_scale);

/* Adds a linear layer's kernel and bias as <name>.kernel and <name>.bias. */
ADCL_API adcl_status adcl_parameters_add_linear(adcl_context *ctx, adcl_parameters *set,
                                                const adcl_linear *linear, const char *name,
                                                float learning_rate_scale);

ADCL_API size_t adcl_parameters_count(const adcl_parameters *set);
/* NULL when index is out of range. */
ADCL_API const adcl_parameter *adcl_parameters_get(const adcl_parameters *set, size_t index);
/* How many numbers they are together. */
ADCL_API size_t adcl_parameters_size(const adcl_parameters *set);

/* All gradients = 0. Enqueues. */
ADCL_API adcl_status adcl_parameters_zero_grad(adcl_context *ctx, adcl_parameters *set);

#ifdef __cplusplus
}
#endif
#endif
