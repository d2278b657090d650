/* SPDX-License-Identifier: MIT */
#include "adapter/adapter.h"

#include "adapter/init.h"
#include "base/size.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *adcl_adapter_slot_name(adcl_adapter_slot slot)
{
    static const char *const names[ADCL_ADAPTER_SLOT_COUNT] = {"down.kernel", "down.bias",
                                                               "up.kernel", "up.bias"};
    return (unsigned)slot < ADCL_ADAPTER_SLOT_COUNT ? names[slot] : "?";
}

void adcl__adapter_slot_shape(const adcl_adapter *a, adcl_adapter_slot slot, size_t *rows,
                              size_t *cols)
{
    *rows = slot == ADCL_DOWN_KERNEL ? a->hidden_size
            : slot == ADCL_UP_KERNEL ? adcl_activation_width(a->activation, a->bottleneck_size)
                                     : 1;
    *cols = slot == ADCL_DOWN_KERNEL || slot == ADCL_DOWN_BIAS ? a->bottleneck_size
                                                               : a->hidden_size;
}

static size_t slot_count(const adcl_adapter *a, adcl_adapter_slot slot)
{
    size_t rows, cols;
    adcl__adapter_slot_shape(a, slot, &rows, &cols);
    return rows * cols;
}

/* ---- checking params --------------------------------------------------------------------------*/

static adcl_status check_name(adcl_context *ctx, const char *name)
{
    size_t length = strlen(name);
    bool plain = length >= 1 && length <= ADCL_ADAPTER_NAME_BYTES && adcl__utf8_valid(name, length);
    for (size_t i = 0; plain && i < length; i++)
        plain = (unsigned char)name[i] >= 0x20 && name[i] != 0x7F;
    if (!plain)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter name: expected 1 to %d bytes of UTF-8 without control "
                          "characters, got %zu bytes", ADCL_ADAPTER_NAME_BYTES, length);
    return ADCL_OK;
}

/* Sizes of all four parameters together, checked for overflow before any of them is computed. */
static adcl_status check_sizes(adcl_context *ctx, const adcl_adapter_params *p)
{
    size_t product;
    if (p->hidden_size == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter hidden_size: expected at least 1, got 0 (it has no default)");
    if (!adcl__size_mul(p->hidden_size, p->bottleneck_size, &product) ||
        p->hidden_size > INT32_MAX || p->bottleneck_size > INT32_MAX ||
        product > SIZE_MAX / (4 * sizeof(double)))
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "adapter: a kernel of hidden_size %zu × bottleneck_size %zu is too large",
                          p->hidden_size, p->bottleneck_size);
    return ADCL_OK;
}

static adcl_status check_params(adcl_context *ctx, const adcl_adapter_params *p)
{
    ADCL_TRY(check_sizes(ctx, p));
    ADCL_TRY(check_name(ctx, p->name));
    if ((unsigned)p->activation >= ADCL_ACTIVATION_COUNT)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter activation: expected a value of adcl_activation below %d, got %d",
                          ADCL_ACTIVATION_COUNT, (int)p->activation);
    if (strcmp(adcl_init_name(p->init), "?") == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter init: expected a value of adcl_init, got %d", (int)p->init);
    if (!isfinite(p->scaling))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter scaling: expected a finite number, got %g", (double)p->scaling);
    if (!(p->dropout >= 0.0f && p->dropout < 1.0f))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter dropout: expected a probability in [0, 1), got %g",
                          (double)p->dropout);
    return ADCL_OK;
}

/* Reads the caller's params, fills in the defaults and checks them. */
static adcl_status complete_params(adcl_context *ctx, const adcl_adapter_params *given,
                                   adcl_adapter_params *p)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    *p = (adcl_adapter_params)ADCL_ADAPTER_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_adapter_params", p, sizeof *p, given));
    if (p->bottleneck_size == 0) p->bottleneck_size = 64;
    if (p->name == NULL) p->name = "adapter";
    if (p->scaling == 0.0f) p->scaling = 1.0f;
    return check_params(ctx, p);
}

/* ---- making and destroying --------------------------------------------------------------------*/

static adcl_adapter *allocate(const adcl_adapter_params *p)
{
    static atomic_uint_fast64_t made;
    adcl_adapter *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    a->id = ++made;
    a->name = adcl__string_copy(p->name);
    a->hidden_size = p->hidden_size;
    a->bottleneck_size = p->bottleneck_size;
    a->activation = p->activation;
    a->scaling = p->scaling;
    a->dropout = p->dropout;
    a->parallel = p->parallel != 0;
    a->frozen = p->frozen != 0;
    a->handed_out = calloc(1, sizeof *a->handed_out);
    if (a->name == NULL || a->handed_out == NULL) adcl_adapter_destroy(&a);
    return a;
}

static adcl_status no_memory(adcl_context *ctx)
{
    return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "adapter: no memory for it");
}

/* One buffer for all four parameters, kernels first: an optimizer then updates what decays and what
 * does not as two runs of memory, or one where nothing decays. */
static adcl_status make_storage(adcl_context *ctx, const adcl_adapter *a, adcl_tensor **storage,
                                adcl_tensor *parts[ADCL_ADAPTER_SLOT_COUNT])
{
    static const adcl_adapter_slot order[ADCL_ADAPTER_SLOT_COUNT] = {
        ADCL_DOWN_KERNEL, ADCL_UP_KERNEL, ADCL_DOWN_BIAS, ADCL_UP_BIAS};
    ADCL_TRY(adcl_tensor_create(storage, ctx, ADCL_F32, 1, adcl_adapter_parameter_count(a)));
    size_t offset = 0;
    for (int i = 0; i < ADCL_ADAPTER_SLOT_COUNT; i++) {
        size_t rows, cols;
        adcl__adapter_slot_shape(a, order[i], &rows, &cols);
        ADCL_TRY(adcl__tensor_part(&parts[order[i]], ctx, *storage, offset, rows, cols));
        offset += rows * cols;
    }
    return ADCL_OK;
}

static adcl_status make_gradients(adcl_context *ctx, adcl_adapter *a)
{
    return make_storage(ctx, a, &a->gradient_storage, a->gradients);
}

static void destroy_tensors(adcl_tensor *tensors[ADCL_ADAPTER_SLOT_COUNT])
{
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) adcl_tensor_destroy(&tensors[slot]);
}

static adcl_status initialise(adcl_context *ctx, adcl_adapter *a, adcl_init init, uint64_t seed)
{
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        size_t count = slot_count(a, (adcl_adapter_slot)slot);
        float *numbers = malloc(count * sizeof *numbers);
        if (numbers == NULL) return no_memory(ctx);
        adcl__init_fill(init, seed, (adcl_adapter_slot)slot, a->hidden_size, a->bottleneck_size,
                        numbers, count);
        adcl_status status =
            adcl_tensor_write(ctx, a->values[slot], numbers, count * sizeof *numbers);
        free(numbers);
        if (status != ADCL_OK) return status;
    }
    return ADCL_OK;
}

adcl_status adcl_adapter_create(adcl_adapter **out, adcl_context *ctx,
                                const adcl_adapter_params *given)
{
    if (out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter: expected a place for the result, got NULL");
    *out = NULL;
    adcl_adapter_params p;
    ADCL_TRY(complete_params(ctx, given, &p));
    adcl_status status = ADCL_OK;
    adcl_tensor *storage = NULL;
    adcl_adapter *a = allocate(&p);
    if (a == NULL) return no_memory(ctx);
    status = make_storage(ctx, a, &storage, a->values);
    adcl_tensor_destroy(&storage); /* its parts keep the memory */
    if (status != ADCL_OK) goto fail;
    if ((status = initialise(ctx, a, p.init, p.seed)) != ADCL_OK) goto fail;
    if (!a->frozen && (status = make_gradients(ctx, a)) != ADCL_OK) goto fail;
    *out = a;
    return ADCL_OK;

fail:
    adcl_adapter_destroy(&a);
    return status;
}

/* Keeps a reference of its own to a caller's tensor, after checking its shape. */
static adcl_status borrow(adcl_context *ctx, const adcl_adapter *a, adcl_adapter_slot slot,
                          const char *kind, const adcl_tensor *tensor, adcl_tensor **kept)
{
    size_t rows, cols;
    char name[64];
    adcl__adapter_slot_shape(a, slot, &rows, &cols);
    snprintf(name, sizeof name, "adapter block: %s of %s", kind, adcl_adapter_slot_name(slot));
    ADCL_TRY(adcl__check_shape(ctx, name, tensor, ADCL_F32, rows, cols));
    return adcl_tensor_view_rows(kept, ctx, tensor, 0, rows);
}

/* A gradient that shares memory with a value or another gradient would corrupt it. */
static adcl_status check_apart(adcl_context *ctx, const adcl_adapter *a)
{
    for (int i = 0; i < ADCL_ADAPTER_SLOT_COUNT; i++) {
        const adcl_tensor *gradient = a->gradients[i];
        for (int j = 0; gradient != NULL && j < ADCL_ADAPTER_SLOT_COUNT; j++) {
            const adcl_tensor *other = j < i ? a->gradients[j] : NULL;
            if (adcl__tensors_overlap(gradient, a->values[j]) ||
                (other != NULL && adcl__tensors_overlap(gradient, other)))
                return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                                  "adapter block: the gradient of %s overlaps another tensor of the "
                                  "block", adcl_adapter_slot_name((adcl_adapter_slot)i));
        }
    }
    return ADCL_OK;
}

adcl_status adcl_adapter_block(adcl_adapter **out, adcl_context *ctx,
                               const adcl_adapter_params *given,
                               adcl_tensor *const values[ADCL_ADAPTER_SLOT_COUNT],
                               adcl_tensor *const gradients[ADCL_ADAPTER_SLOT_COUNT])
{
    if (out == NULL || values == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter block: expected values and a place for the result, got NULL");
    *out = NULL;
    adcl_adapter_params p;
    ADCL_TRY(complete_params(ctx, given, &p));
    adcl_adapter *a = allocate(&p);
    if (a == NULL) return no_memory(ctx);
    a->borrowed = true;
    *a->handed_out = true;
    a->frozen = a->frozen || gradients == NULL;
    adcl_status status = ADCL_OK;
    for (int i = 0; i < ADCL_ADAPTER_SLOT_COUNT && status == ADCL_OK; i++) {
        adcl_adapter_slot slot = (adcl_adapter_slot)i;
        status = borrow(ctx, a, slot, "value", values[i], &a->values[i]);
        if (status == ADCL_OK && gradients != NULL && gradients[i] != NULL)
            status = borrow(ctx, a, slot, "gradient", gradients[i], &a->gradients[i]);
    }
    if (status == ADCL_OK) status = check_apart(ctx, a);
    if (status != ADCL_OK) {
        adcl_adapter_destroy(&a);
        return status;
    }
    *out = a;
    return ADCL_OK;
}

void adcl_adapter_destroy(adcl_adapter **adapter)
{
    if (adapter == NULL || *adapter == NULL) return;
    adcl_adapter *a = *adapter;
    destroy_tensors(a->values);
    destroy_tensors(a->gradients);
    adcl_tensor_destroy(&a->gradient_storage);
    free(a->handed_out);
    free(a->name);
    free(a);
    *adapter = NULL;
}

/* ---- what it is -------------------------------------------------------------------------------*/

const char *adcl_adapter_name(const adcl_adapter *adapter)
{
    return adapter == NULL ? "" : adapter->name;
}

size_t adcl_adapter_hidden_size(const adcl_adapter *adapter)
{
    return adapter == NULL ? 0 : adapter->hidden_size;
}

size_t adcl_adapter_bottleneck_size(const adcl_adapter *adapter)
{
    return adapter == NULL ? 0 : adapter->bottleneck_size;
}

adcl_activation adcl_adapter_activation(const adcl_adapter *adapter)
{
    return adapter == NULL ? ADCL_ACTIVATION_RELU : adapter->activation;
}

float adcl_adapter_scaling(const adcl_adapter *adapter)
{
    return adapter == NULL ? 1.0f : adapter->scaling;
}

float adcl_adapter_dropout(const adcl_adapter *adapter)
{
    return adapter == NULL ? 0.0f : adapter->dropout;
}

int adcl_adapter_is_parallel(const adcl_adapter *adapter)
{
    return adapter != NULL && adapter->parallel;
}

int adcl_adapter_is_frozen(const adcl_adapter *adapter)
{
    return adapter != NULL && adapter->frozen;
}

size_t adcl_adapter_output_size(const adcl_adapter *adapter)
{
    return adcl_adapter_hidden_size(adapter);
}

size_t adcl_adapter_parameter_count(const adcl_adapter *adapter)
{
    size_t count = 0;
    for (int slot = 0; adapter != NULL && slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        count += slot_count(adapter, (adcl_adapter_slot)slot);
    return count;
}

adcl_tensor *adcl_adapter_parameter(const adcl_adapter *adapter, adcl_adapter_slot slot)
{
    if (adapter == NULL || (unsigned)slot >= ADCL_ADAPTER_SLOT_COUNT) return NULL;
    *adapter->handed_out = true;
    return adapter->values[slot];
}

adcl_tensor *adcl_adapter_gradient(const adcl_adapter *adapter, adcl_adapter_slot slot)
{
    if (adapter == NULL || (unsigned)slot >= ADCL_ADAPTER_SLOT_COUNT) return NULL;
    return adapter->gradients[slot];
}

adcl_tensor *adcl__adapter_wanted_gradient(const adcl_adapter *adapter, adcl_adapter_slot slot)
{
    return adapter->frozen ? NULL : adapter->gradients[slot];
}

adcl_status adcl_adapter_freeze(adcl_context *ctx, adcl_adapter *adapter, int frozen)
{
    if (ctx == NULL || adapter == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter freeze: expected an adapter, got NULL");
    ADCL_TRY(adcl__check_tensor(ctx, "adapter freeze: the adapter's parameters",
                                adapter->values[0], ADCL_F32));
    bool has_gradients = false;
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        has_gradients = has_gradients || adapter->gradients[slot] != NULL;
    if (!frozen && !has_gradients) {
        if (adapter->borrowed)
            return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                              "adapter \"%s\": a block made without gradients stays frozen",
                              adapter->name);
        adcl_status status = make_gradients(ctx, adapter);
        if (status != ADCL_OK) {
            destroy_tensors(adapter->gradients);
            adcl_tensor_destroy(&adapter->gradient_storage);
            return status;
        }
    }
    adapter->frozen = frozen != 0;
    return ADCL_OK;
}

adcl_status adcl_adapter_zero_grad(adcl_context *ctx, adcl_adapter *adapter)
{
    if (ctx == NULL || adapter == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter zero_grad: expected an adapter, got NULL");
    if (adapter->gradient_storage != NULL)
        return adcl_tensor_fill(ctx, adapter->gradient_storage, 0.0f);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        if (adapter->gradients[slot] != NULL)
            ADCL_TRY(adcl_tensor_fill(ctx, adapter->gradients[slot], 0.0f));
    return ADCL_OK;
}
