/* SPDX-License-Identifier: MIT */
/* device.h – contexts, tensors and numbers for tests that need a device. What cannot be made ends
 * the test with its sentence. */
#ifndef ADCL_TESTS_DEVICE_H
#define ADCL_TESTS_DEVICE_H

#include <adapter_cl/adapter_cl.h>
#include <adapter_cl/opencl.h>

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The call succeeds, or the test ends with the sentence of the context. */
#define ADCL_TEST_OK(ctx, call)                                                                    \
    do {                                                                                           \
        adcl_status adcl_test_status = (call);                                                     \
        cr_assert_eq(adcl_test_status, ADCL_OK, "%s: %s", #call,                                   \
                     adcl_context_error(ctx)->message);                                            \
    } while (0)

/* The call fails with ADCL_ERR_<name>, and the sentence of the context has `words` in it. */
#define ADCL_TEST_FAILS(ctx, name, words, call)                                                    \
    ADCL_TEST_FAILS_WITH(adcl_context_error(ctx), name, words, call)

/* The same for a call whose sentence is in an adcl_error of its own. */
#define ADCL_TEST_FAILS_WITH(error, name, words, call)                                             \
    do {                                                                                           \
        adcl_status adcl_test_status = (call);                                                     \
        const adcl_error *adcl_test_error = (error);                                               \
        cr_expect_eq(adcl_test_status, ADCL_ERR_##name, "%s: got %s (%s)", #call,                  \
                     adcl_status_name(adcl_test_status), adcl_test_error->message);                \
        cr_expect_eq(adcl_test_error->status, ADCL_ERR_##name, "%s: the error says %s", #call,     \
                     adcl_status_name(adcl_test_error->status));                                   \
        cr_expect_not_null(strstr(adcl_test_error->message, words), "%s: no \"%s\" in: %s", #call, \
                           words, adcl_test_error->message);                                       \
    } while (0)

/* A context on the default device. */
adcl_context *adcl_test_context_create(void);
/* A context with these params. */
adcl_context *adcl_test_context_create_with(const adcl_context_params *params);
/* A context whose kernels are those of this plan. */
adcl_context *adcl_test_context_create_for(adcl_fused_plan plan);
/* True where the engine fused has its CPU plan: unless asked for another, on devices that are CPUs. */
bool adcl_test_has_cpu_plan(const adcl_context *ctx);

/* count numbers, normal with mean 0 and deviation 1, the same for the same seed. To be freed. */
float *adcl_test_numbers(uint64_t seed, size_t count);

/* The same numbers in double; to be freed. */
double *adcl_test_doubles(const float *numbers, size_t count);

/* True when both hold the same bits; else prints the label and the first place that differs. */
bool adcl_test_same_bits(const char *label, const void *got, const void *expected, size_t bytes);

/* ---- adapters -------------------------------------------------------------------------------- */

adcl_adapter *adcl_test_adapter_create(adcl_context *ctx, const adcl_adapter_params *params);
/* A workspace with the context's engine. */
adcl_workspace *adcl_test_workspace_create(adcl_context *ctx, const adcl_adapter *adapter,
                                           size_t max_rows, adcl_mode mode);

/* ---- tensors --------------------------------------------------------------------------------- */

/* A dense F32 tensor with these numbers; NULL: zeros. */
adcl_tensor *adcl_test_tensor_create(adcl_context *ctx, size_t rows, size_t cols,
                                     const float *numbers);
/* (rows, 1) I32. */
adcl_tensor *adcl_test_indices_create(adcl_context *ctx, size_t rows, const int32_t *indices);

/* The elements of a tensor, dense; to be freed. Floats or integers: 32 bits each. */
void *adcl_test_tensor_read(adcl_context *ctx, const adcl_tensor *tensor);

/* adcl_test_close_floats for the elements of a tensor. */
bool adcl_test_tensor_close(adcl_context *ctx, const char *label, const adcl_tensor *tensor,
                            const double *expected, double tolerance);

/* An F32 matrix in the middle of a buffer of the application:
 *
 *      guard … guard │ row 0, cols elements │ guard │ row 1 │ guard │ … │ guard … guard
 *                    ↑ offset               ↑ up to row_stride
 *
 * adcl_test_guarded_read fails the test when an element between or around the rows has changed. */
typedef struct adcl_test_guarded {
    adcl_tensor *tensor;
    size_t offset, total; /* elements before the first row, and in the buffer */
} adcl_test_guarded;

/* numbers: rows × cols dense; NULL: the matrix begins as guard too, which is NaN. */
adcl_test_guarded adcl_test_guarded_create(adcl_context *ctx, size_t rows, size_t cols,
                                           size_t offset, size_t row_stride, const float *numbers);
/* Offset and row stride drawn from the seed. */
adcl_test_guarded adcl_test_guarded_draw(adcl_context *ctx, uint64_t seed, size_t rows, size_t cols,
                                         const float *numbers);
/* The elements, dense; to be freed. */
float *adcl_test_guarded_read(adcl_context *ctx, const adcl_test_guarded *guarded);
void adcl_test_guarded_destroy(adcl_test_guarded *guarded);

#endif
