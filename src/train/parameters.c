/* SPDX-License-Identifier: MIT */
#include "train/parameters.h"

#include "adapter/adapter.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and destroying ------------------------------------------------------------------- */

static adcl_status no_memory(adcl_context *ctx)
{
    return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "parameters: no memory for them");
}

adcl_status adcl_parameters_create(adcl_parameters **out, adcl_context *ctx)
{
    if (ctx == NULL || out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "parameters: expected a context and a place for the result, got NULL");
    *out = calloc(1, sizeof **out);
    return *out == NULL ? no_memory(ctx) : ADCL_OK;
}

/* Forgets all entries but the first `count`. */
static void truncate_entries(adcl_parameters *set, size_t count)
{
    while (set->count > count) {
        set->size = set->entries[--set->count].first;
        free(set->entries[set->count].name);
    }
}

void adcl_parameters_destroy(adcl_parameters **set)
{
    if (set == NULL || *set == NULL) return;
    truncate_entries(*set, 0);
    free((*set)->entries);
    free((*set)->adapters);
    free(*set);
    *set = NULL;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static adcl_status check_name(adcl_context *ctx, const adcl_parameters *set, const char *name)
{
    if (name[0] == '\0' || !adcl__utf8_valid(name, strlen(name)))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "parameters: expected a name of at least 1 byte of UTF-8, got %s",
                          name[0] == '\0' ? "an empty one" : "other bytes");
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->entries[i].parameter.name, name) == 0)
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "parameters: \"%s\" is in the set already", name);
    return ADCL_OK;
}

static adcl_status check_tensors(adcl_context *ctx, const adcl_parameter *p)
{
    char what[256];
    snprintf(what, sizeof what, "parameter \"%.200s\": value", p->name);
    ADCL_TRY(adcl__check_tensor(ctx, what, p->value, ADCL_F32));
    snprintf(what, sizeof what, "parameter \"%.200s\": gradient", p->name);
    ADCL_TRY(adcl__check_shape(ctx, what, p->gradient, ADCL_F32, p->value->rows, p->value->cols));
    if (p->value->rows == 0)
        return adcl__fail(ctx, ADCL_ERR_SHAPE_MISMATCH, 0,
                          "parameter \"%s\": expected at least 1 row, got shape (0, %zu)", p->name,
                          p->value->cols);
    if (!(p->learning_rate_scale >= 0.0f && isfinite(p->learning_rate_scale)))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "parameter \"%s\": learning_rate_scale: expected a finite number of at "
                          "least 0, got %g", p->name, (double)p->learning_rate_scale);
    return ADCL_OK;
}

static bool shares_memory(const adcl_parameter *a, const adcl_parameter *b)
{
    return adcl__tensors_overlap(a->value, b->value) ||
           adcl__tensors_overlap(a->value, b->gradient) ||
           adcl__tensors_overlap(a->gradient, b->value) ||
           adcl__tensors_overlap(a->gradient, b->gradient);
}

/* Memory that is two parameters would be updated twice in a step. */
static adcl_status check_apart(adcl_context *ctx, const adcl_parameters *set,
                               const adcl_parameter *p)
{
    if (adcl__tensors_overlap(p->value, p->gradient))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "parameter \"%s\": value and gradient overlap", p->name);
    for (size_t i = 0; i < set->count; i++)
        if (shares_memory(p, &set->entries[i].parameter))
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "parameter \"%s\" overlaps \"%s\", which is in the set already",
                              p->name, set->entries[i].parameter.name);
    return ADCL_OK;
}

static adcl_status reserve_entry(adcl_context *ctx, adcl_parameters *set)
{
    if (set->count < set->capacity) return ADCL_OK;
    size_t capacity = set->capacity == 0 ? 8 : 2 * set->capacity;
    adcl__parameter_entry *entries = realloc(set->entries, capacity * sizeof *entries);
    if (entries == NULL) return no_memory(ctx);
    set->entries = entries;
    set->capacity = capacity;
    return ADCL_OK;
}

static adcl_status add_entry(adcl_context *ctx, adcl_parameters *set, const adcl_parameter *p,
                             const adcl_adapter *adapter)
{
    ADCL_TRY(check_name(ctx, set, p->name));
    ADCL_TRY(check_tensors(ctx, p));
    ADCL_TRY(check_apart(ctx, set, p));
    ADCL_TRY(reserve_entry(ctx, set));
    char *name = adcl__string_copy(p->name);
    if (name == NULL) return no_memory(ctx);
    adcl__parameter_entry *entry = &set->entries[set->count++];
    *entry = (adcl__parameter_entry){*p, name, adapter, set->size};
    entry->parameter.name = name;
    set->size += p->value->rows * p->value->cols;
    return ADCL_OK;
}

adcl_status adcl_parameters_add(adcl_context *ctx, adcl_parameters *set,
                                const adcl_parameter *parameter)
{
    if (ctx == NULL || set == NULL || parameter == NULL || parameter->name == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "parameters: expected a set and a parameter with a name, got NULL");
    return add_entry(ctx, set, parameter, NULL);
}

/* Adds what is called <name><ending>. */
static adcl_status add_named(adcl_context *ctx, adcl_parameters *set, const char *name,
                             const char *ending, adcl_parameter parameter,
                             const adcl_adapter *adapter)
{
    adcl__text key = {0};
    adcl__text_append(&key, "%s%s", name, ending);
    parameter.name = key.bytes;
    adcl_status status = key.failed ? no_memory(ctx) : add_entry(ctx, set, &parameter, adapter);
    adcl__text_free(&key);
    return status;
}

/* Remembers the adapter, so that another one of its name is refused. */
static adcl_status note_adapter(adcl_context *ctx, adcl_parameters *set,
                                const adcl_adapter *adapter)
{
    for (size_t i = 0; i < set->adapter_count; i++)
        if (strcmp(set->adapters[i]->name, adapter->name) == 0)
            return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                              "parameters: an adapter \"%s\" is in the set already; adapters of "
                              "one set need names of their own", adapter->name);
    size_t bytes = (set->adapter_count + 1) * sizeof *set->adapters;
    const adcl_adapter **adapters = realloc(set->adapters, bytes);
    if (adapters == NULL) return no_memory(ctx);
    set->adapters = adapters;
    set->adapters[set->adapter_count++] = adapter;
    return ADCL_OK;
}

adcl_status adcl_parameters_add_adapter(adcl_context *ctx, adcl_parameters *set,
                                        const adcl_adapter *adapter, float learning_rate_scale)
{
    /* As they lie in the adapter's memory: kernels, which decay, before biases, which do not. */
    static const struct {
        adcl_adapter_slot slot;
        const char *ending;
        int decays;
    } order[ADCL_ADAPTER_SLOT_COUNT] = {{ADCL_DOWN_KERNEL, "_down.kernel", 1},
                                        {ADCL_UP_KERNEL, "_up.kernel", 1},
                                        {ADCL_DOWN_BIAS, "_down.bias", 0},
                                        {ADCL_UP_BIAS, "_up.bias", 0}};
    if (ctx == NULL || set == NULL || adapter == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "parameters: expected a set and an adapter, got NULL");
    size_t count = set->count;
    ADCL_TRY(note_adapter(ctx, set, adapter));
    *adapter->handed_out = true;
    adcl_status status = ADCL_OK;
    for (int i = 0; i < ADCL_ADAPTER_SLOT_COUNT && status == ADCL_OK; i++) {
        adcl_tensor *gradient = adcl__adapter_wanted_gradient(adapter, order[i].slot);
        if (gradient == NULL) continue;
        adcl_parameter parameter = {.value = adapter->values[order[i].slot],
                                    .gradient = gradient,
                                    .decays = order[i].decays,
                                    .learning_rate_scale = learning_rate_scale};
        status = add_named(ctx, set, adapter->name, order[i].ending, parameter, adapter);
    }
    if (status != ADCL_OK) {
        truncate_entries(set, count);
        set->adapter_count--;
    }
    return status;
}

adcl_status adcl_parameters_add_linear(adcl_context *ctx, adcl_parameters *set,
                                       const adcl_linear *linear, const char *name,
                                       float learning_rate_scale)
{
    if (ctx == NULL || set == NULL || linear == NULL || name == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "parameters: expected a set, a linear layer and its name, got NULL");
    size_t count = set->count;
    adcl_parameter kernel = {.value = adcl_linear_kernel(linear),
                             .gradient = adcl_linear_kernel_gradient(linear),
                             .decays = 1,
                             .learning_rate_scale = learning_rate_scale};
    adcl_parameter bias = {.value = adcl_linear_bias(linear),
                           .gradient = adcl_linear_bias_gradient(linear),
                           .decays = 0,
                           .learning_rate_scale = learning_rate_scale};
    adcl_status status = add_named(ctx, set, name, ".kernel", kernel, NULL);
    if (status == ADCL_OK) status = add_named(ctx, set, name, ".bias", bias, NULL);
    if (status != ADCL_OK) truncate_entries(set, count);
    return status;
}

/* ---- asking ---------------------------------------------------------------------------------- */

size_t adcl_parameters_count(const adcl_parameters *set)
{
    return set == NULL ? 0 : set->count;
}

const adcl_parameter *adcl_parameters_get(const adcl_parameters *set, size_t index)
{
    return set == NULL || index >= set->count ? NULL : &set->entries[index].parameter;
}

size_t adcl_parameters_size(const adcl_parameters *set)
{
    return set == NULL ? 0 : set->size;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static bool is_dense(const adcl_tensor *t)
{
    return t->row_stride == t->cols || t->rows == 1;
}

/* The tensor as one row where it is dense and a row may be so long. */
static adcl_tensor flat(const adcl_tensor *tensor)
{
    adcl_tensor row = *tensor;
    if (is_dense(tensor) && tensor->rows <= INT32_MAX / tensor->cols) {
        row.rows = 1;
        row.cols = row.row_stride = tensor->rows * tensor->cols;
    }
    return row;
}

/* True when `next` begins where `row` ends; both are flat. */
static bool continues(const adcl_tensor *row, const adcl_tensor *next)
{
    return row->rows == 1 && next->rows == 1 && row->buffer == next->buffer &&
           row->offset + row->cols == next->offset && row->cols <= INT32_MAX - next->cols;
}

static bool is_left_out(const adcl__parameter_entry *entry, adcl__run_rule rule)
{
    return rule.skip_frozen && entry->adapter != NULL && entry->adapter->frozen;
}

/* Lengthens the run by a parameter; false, with nothing changed, when it does not fit. */
static bool lengthen(adcl__run *run, const adcl__parameter_entry *entry, adcl__run_rule rule)
{
    const adcl_parameter *p = &entry->parameter;
    adcl_tensor value = flat(p->value), gradient = flat(p->gradient);
    if (is_left_out(entry, rule) || !continues(&run->value, &value) ||
        !continues(&run->gradient, &gradient) ||
        (rule.equal_scale && p->learning_rate_scale != run->learning_rate_scale) ||
        (rule.equal_decay && (p->decays != 0) != run->decays))
        return false;
    run->value.cols = run->value.row_stride += value.cols;
    run->gradient.cols = run->gradient.row_stride += gradient.cols;
    return true;
}

/* A run of one parameter. Value and gradient are flat or not together: one shape serves both. */
static adcl__run run_of(const adcl__parameter_entry *entry)
{
    const adcl_parameter *p = &entry->parameter;
    bool both = is_dense(p->value) && is_dense(p->gradient);
    return (adcl__run){.value = both ? flat(p->value) : *p->value,
                       .gradient = both ? flat(p->gradient) : *p->gradient,
                       .decays = p->decays != 0,
                       .learning_rate_scale = p->learning_rate_scale,
                       .first = entry->first};
}

bool adcl__run_next(const adcl_parameters *set, adcl__run_rule rule, adcl__run *run)
{
    size_t index = run->next;
    while (index < set->count && is_left_out(&set->entries[index], rule)) index++;
    if (index == set->count) return false;
    *run = run_of(&set->entries[index++]);
    while (index < set->count && lengthen(run, &set->entries[index], rule)) index++;
    run->next = index;
    return true;
}

adcl_status adcl_parameters_zero_grad(adcl_context *ctx, adcl_parameters *set)
{
    if (ctx == NULL || set == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "zero_grad: expected a context and a set of parameters, got NULL");
    adcl__run run = {0};
    while (adcl__run_next(set, (adcl__run_rule){0}, &run))
        ADCL_TRY(adcl_tensor_fill(ctx, &run.gradient, 0.0f));
    return ADCL_OK;
}
