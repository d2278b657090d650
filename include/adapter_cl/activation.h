/* SPDX-License-Identifier: MIT */
/* activation.h – the nonlinearity h = act(z) between the two products of an adapter.
 * Formulas, derivatives and kinks: docs/activations.md. */
#ifndef ADAPTER_CL_ACTIVATION_H
#define ADAPTER_CL_ACTIVATION_H

#include <adapter_cl/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, value, "name"): values never change, for files name activations but kernels number
 * them. */
#define ADCL_ACTIVATION_MAP(X)                                                                     \
    X(RELU, 0, "relu")                                                                             \
    X(RELU6, 1, "relu6")                                                                           \
    X(LEAKY_RELU, 2, "leaky_relu")                                                                 \
    X(ELU, 3, "elu")                                                                               \
    X(CELU, 4, "celu")                                                                             \
    X(SELU, 5, "selu")                                                                             \
    X(GELU, 6, "gelu")                                                                             \
    X(GELU_TANH, 7, "gelu_tanh")                                                                   \
    X(QUICK_GELU, 8, "quick_gelu")                                                                 \
    X(SILU, 9, "silu")                                                                             \
    X(MISH, 10, "mish")                                                                            \
    X(SIGMOID, 11, "sigmoid")                                                                      \
    X(TANH, 12, "tanh")                                                                            \
    X(EXP, 13, "exp")                                                                              \
    X(LINEAR, 14, "linear")                                                                        \
    X(SOFTPLUS, 15, "softplus")                                                                    \
    X(SOFTSIGN, 16, "softsign")                                                                    \
    X(LOG_SIGMOID, 17, "log_sigmoid")                                                              \
    X(HARD_TANH, 18, "hard_tanh")                                                                  \
    X(HARD_SIGMOID, 19, "hard_sigmoid")                                                            \
    X(HARD_SILU, 20, "hard_silu")                                                                  \
    X(SOFTMAX, 21, "softmax")                                                                      \
    X(LOG_SOFTMAX, 22, "log_softmax")                                                              \
    X(LOG_SUMEXP, 23, "log_sumexp")

typedef enum adcl_activation {
#define ADCL_ACTIVATION_ENUM(NAME, value, name) ADCL_ACTIVATION_##NAME = value,
    ADCL_ACTIVATION_MAP(ADCL_ACTIVATION_ENUM)
#undef ADCL_ACTIVATION_ENUM
} adcl_activation;

#define ADCL_ACTIVATION_COUNT 24

/* The name, a static string; "?" outside the list. */
ADCL_API const char *adcl_activation_name(adcl_activation activation);

/* The activation of that name; the names that model files use are understood too (swish → silu,
 * gelu_new, gelu_fast and gelu_pytorch_tanh → gelu_tanh, leakyrelu → leaky_relu, gelu_orig and
 * gelu_python → gelu; "null" → linear). Errors: INVALID_ARGUMENT for NULL, NOT_FOUND with the list
 * of names; *out is then unchanged. */
ADCL_API adcl_status adcl_activation_from_name(const char *name, adcl_activation *out,
                                               adcl_error *error);

/* Columns of h when z has `bottleneck_size` columns: 1 for log_sumexp, else bottleneck_size. */
ADCL_API size_t adcl_activation_width(adcl_activation activation, size_t bottleneck_size);

#ifdef __cplusplus
}
#endif
#endif
