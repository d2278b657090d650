/* SPDX-License-Identifier: MIT */
/* adapter.h – the bottleneck adapter of Houlsby et al. 2019 (arXiv 1902.00751, section 2.1).
 *
 *     z = x·w_down + b_down        x (N, D)    w_down (D, R)   b_down (1, R)     z (N, R)
 *     h = act(z)                               h (N, R); (N, 1) for log_sumexp
 *     u = scaling · (h·w_up + b_up)            w_up (R, D); (1, D) for log_sumexp   b_up (1, D)
 *     y = x + dropout(u)           y (N, D); without "x +" for a parallel adapter
 *
 * N rows, D hidden_size, R bottleneck_size; float32. An adapter is parameters and gradients only;
 * what belongs to one batch is in a workspace (workspace.h), so an adapter that is only read serves
 * many threads at once.
 *
 * Life cycle: create the adapter, create a workspace, (forward → backward)*, destroy. Everything
 * slow happens in the create calls; forward and backward enqueue and return. */
#ifndef ADAPTER_CL_ADAPTER_H
#define ADAPTER_CL_ADAPTER_H

#include <adapter_cl/activation.h>
#include <adapter_cl/context.h>
#include <adapter_cl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- initial values --------------------------------------------------------------------------*/

/* X(NAME, value, "name", down kernel, up kernel); biases are always 0.  docs/initialisers.md */
#define ADCL_INIT_MAP(X)                                                                           \
    X(IDENTITY, 0, "identity")           /* glorot uniform; zeros: y = x exactly */                \
    X(HOULSBY, 1, "houlsby")             /* both normal 1e-3, redrawn beyond 2 std */              \
    X(HOULSBY_PAPER, 2, "houlsby_paper") /* both normal 1e-2, redrawn beyond 2 std */              \
    X(BERT, 3, "bert")                   /* both normal 0.02 */                                    \
    X(MAM, 4, "mam")                     /* Kaiming uniform with a = sqrt(5); zeros */

typedef enum adcl_init {
#define ADCL_INIT_ENUM(NAME, value, name) ADCL_INIT_##NAME = value,
    ADCL_INIT_MAP(ADCL_INIT_ENUM)
#undef ADCL_INIT_ENUM
} adcl_init;

/* The name, a static string; "?" outside the list. */
ADCL_API const char *adcl_init_name(adcl_init init);
/* The initialiser of that name. Errors: INVALID_ARGUMENT for NULL, NOT_FOUND with the list. */
ADCL_API adcl_status adcl_init_from_name(const char *name, adcl_init *out, adcl_error *error);

/* ---- making an adapter -----------------------------------------------------------------------*/

/* An adapter's name is 1 to this many bytes of UTF-8 without control characters. */
#define ADCL_ADAPTER_NAME_BYTES 127

typedef struct adcl_adapter_params {
    size_t struct_size;
    size_t hidden_size;         /* D; required */
    size_t bottleneck_size;     /* R; 0: 64. R > D is allowed */
    adcl_activation activation; /* 0: relu */
    const char *name;           /* NULL: "adapter"; see ADCL_ADAPTER_NAME_BYTES */
    adcl_init init;             /* 0: identity */
    uint64_t seed;              /* the same seed gives the same bits on every machine and device */
    float scaling;              /* 0: 1. Finite */
    float dropout;              /* probability of dropping an element of u in training; [0, 1) */
    int parallel;               /* 1: y = u, no own residual; the caller adds it beside the sublayer */
    int frozen;                 /* 1: no gradients of the parameters, see adcl_adapter_freeze */
} adcl_adapter_params;

#define ADCL_ADAPTER_PARAMS_INIT {sizeof(adcl_adapter_params), 0, 0, ADCL_ACTIVATION_RELU, NULL, \
                                  ADCL_INIT_IDENTITY, 0, 0.0f, 0.0f, 0, 0}

typedef struct adcl_adapter adcl_adapter;

/* A new adapter with its own parameters, initialised on the host in double and rounded once, and
 * zero gradients. The caller owns *out; on failure *out is NULL.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY, OPENCL. */
ADCL_API adcl_status adcl_adapter_create(adcl_adapter **out, adcl_context *ctx,
                                         const adcl_adapter_params *params);

/* The four parameters, in the order of files and of adcl_adapter_parameter. */
typedef enum adcl_adapter_slot {
    ADCL_DOWN_KERNEL = 0, /* (D, R) */
    ADCL_DOWN_BIAS,       /* (1, R) */
    ADCL_UP_KERNEL,       /* (R, D); (1, D) for log_sumexp */
    ADCL_UP_BIAS          /* (1, D) */
} adcl_adapter_slot;

#define ADCL_ADAPTER_SLOT_COUNT 4

/* The block with the caller's parameters (the reference's adapter_block): `values` are F32 tensors
 * of the shapes above, kept by reference and never initialised; `init` and `seed` are ignored.
 * `gradients`: tensors of the same shapes to accumulate into; NULL makes the adapter frozen; single
 * NULL entries are gradients not wanted. Errors: as create, and SHAPE_MISMATCH. */
ADCL_API adcl_status adcl_adapter_block(adcl_adapter **out, adcl_context *ctx,
                                        const adcl_adapter_params *params,
                                        adcl_tensor *const values[ADCL_ADAPTER_SLOT_COUNT],
                                        adcl_tensor *const gradients[ADCL_ADAPTER_SLOT_COUNT]);

/* Workspaces made for the adapter must be destroyed first. NULL inside is fine. */
ADCL_API void adcl_adapter_destroy(adcl_adapter **adapter);

/* ---- what it is ------------------------------------------------------------------------------*/

ADCL_API const char *adcl_adapter_name(const adcl_adapter *adapter);
ADCL_API size_t adcl_adapter_hidden_size(const adcl_adapter *adapter);
ADCL_API size_t adcl_adapter_bottleneck_size(const adcl_adapter *adapter);
ADCL_API adcl_activation adcl_adapter_activation(const adcl_adapter *adapter);
ADCL_API float adcl_adapter_scaling(const adcl_adapter *adapter);
ADCL_API float adcl_adapter_dropout(const adcl_adapter *adapter);
ADCL_API int adcl_adapter_is_parallel(const adcl_adapter *adapter);
ADCL_API int adcl_adapter_is_frozen(const adcl_adapter *adapter);
/* Columns of y: D, as the reference's output_size. */
ADCL_API size_t adcl_adapter_output_size(const adcl_adapter *adapter);
/* How many numbers the parameters are: 2·D·R + R + D (D = 768, R = 64: 99,136). */
ADCL_API size_t adcl_adapter_parameter_count(const adcl_adapter *adapter);

/* A parameter, or its gradient: owned by the adapter, valid while it lives, to be read, written and
 * mapped like any tensor. The gradient is NULL where none is kept. NULL for a slot out of range.
 * Who has a parameter may change it, so from then on inference packs the kernels anew for each
 * pass, where else it does once: do not ask for it without need. */
ADCL_API adcl_tensor *adcl_adapter_parameter(const adcl_adapter *adapter, adcl_adapter_slot slot);
ADCL_API adcl_tensor *adcl_adapter_gradient(const adcl_adapter *adapter, adcl_adapter_slot slot);
/* "down.kernel", "down.bias", "up.kernel", "up.bias": the ending of the key in files
 * (<name>_down.kernel). A static string, "?" out of range. */
ADCL_API const char *adcl_adapter_slot_name(adcl_adapter_slot slot);

/* A frozen adapter passes gradients through to dx but forms none of its own; optimizers skip it.
 * Unfreezing an adapter that has no gradients allocates them (zero). Errors: OUT_OF_DEVICE_MEMORY,
 * OPENCL; INVALID_STATE when an adcl_adapter_block without gradients is unfrozen. */
ADCL_API adcl_status adcl_adapter_freeze(adcl_context *ctx, adcl_adapter *adapter, int frozen);

/* All gradients = 0. Enqueues. */
ADCL_API adcl_status adcl_adapter_zero_grad(adcl_context *ctx, adcl_adapter *adapter);

#ifdef __cplusplus
}
#endif
#endif
