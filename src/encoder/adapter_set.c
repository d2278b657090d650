/* SPDX-License-Identifier: MIT */
/* adapter_set.c – the parameters of adapters and head on the device.
 *
 *      one buffer of values    [ kernels, which decay | everything else ]      and one of gradients,
 *
 * so that an optimizer takes them with two launches. adcl__host_set_each names them all. */
#include "encoder/encoder.h"

#include "adapter/init.h"
#include "base/random.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* ---- entries: all parameters by name ---------------------------------------------------------- */

static adcl_status no_memory(adcl_context *ctx)
{
    return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "adapter set: no memory for it");
}

static bool ends(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

static bool is_kernel(const char *name)
{
    return ends(name, ".kernel");
}

typedef struct collector {
    adcl_context *ctx;
    adcl_adapter_set *set;
    bool kernels; /* those, or all others */
} collector;

static adcl_status collect(void *user, const char *name, float **values, size_t rows, size_t cols)
{
    const collector *c = user;
    adcl_adapter_set *set = c->set;
    if (is_kernel(name) != c->kernels) return ADCL_OK;
    if (set->entry_count == set->entry_capacity) {
        size_t capacity = 2 * set->entry_capacity + 32;
        adcl__set_entry *grown = realloc(set->entries, capacity * sizeof *grown);
        if (grown == NULL) return no_memory(c->ctx);
        set->entries = grown;
        set->entry_capacity = capacity;
    }
    char *copy = malloc(strlen(name) + 1);
    if (copy == NULL) return no_memory(c->ctx);
    strcpy(copy, name);
    set->entries[set->entry_count++] = (adcl__set_entry){copy, values, rows, cols, NULL, NULL};
    return ADCL_OK;
}

static adcl_status collect_entries(adcl_context *ctx, adcl_adapter_set *set)
{
    ADCL_TRY(adcl__host_set_each(&set->host, collect, &(collector){ctx, set, true}));
    return adcl__host_set_each(&set->host, collect, &(collector){ctx, set, false});
}

/* Makes the two buffers and every entry's part of them. */
static adcl_status make_tensors(adcl_context *ctx, adcl_adapter_set *set)
{
    size_t total = 0, offset = 0;
    for (size_t e = 0; e < set->entry_count; e++)
        total += set->entries[e].rows * set->entries[e].cols;
    if (total == 0) return ADCL_OK;
    if (total > INT32_MAX)
        return adcl__fail(ctx, ADCL_ERR_SIZE_OVERFLOW, 0,
                          "adapter set: %zu parameters are too many", total);
    adcl_tensor *values = NULL, *gradients = NULL;
    adcl_status status = adcl_tensor_create(&values, ctx, ADCL_F32, 1, total);
    if (status == ADCL_OK) status = adcl_tensor_create(&gradients, ctx, ADCL_F32, 1, total);
    for (size_t e = 0; status == ADCL_OK && e < set->entry_count; e++) {
        adcl__set_entry *entry = &set->entries[e];
        status = adcl__tensor_part(&entry->value, ctx, values, offset, entry->rows, entry->cols);
        if (status == ADCL_OK)
            status =
                adcl__tensor_part(&entry->gradient, ctx, gradients, offset, entry->rows, entry->cols);
        offset += entry->rows * entry->cols;
    }
    adcl_tensor_destroy(&values); /* its parts keep the memory */
    adcl_tensor_destroy(&gradients);
    return status;
}

static adcl_status make_parameters(adcl_context *ctx, adcl_adapter_set *set)
{
    ADCL_TRY(adcl_parameters_create(&set->parameters, ctx));
    for (size_t e = 0; e < set->entry_count; e++) {
        const adcl__set_entry *entry = &set->entries[e];
        const adcl_parameter parameter = {.name = entry->name,
                                          .value = entry->value,
                                          .gradient = entry->gradient,
                                          .decays = is_kernel(entry->name),
                                          .learning_rate_scale = 1.0f};
        ADCL_TRY(adcl_parameters_add(ctx, set->parameters, &parameter));
    }
    return ADCL_OK;
}

/* The entry of a host array; NULL if the set does without. */
static const adcl__set_entry *entry_of(const adcl_adapter_set *set, float **host)
{
    for (size_t e = 0; e < set->entry_count; e++)
        if (set->entries[e].host == host) return &set->entries[e];
    return NULL;
}

static void find_tensor(const adcl_adapter_set *set, float **host, adcl_tensor **value,
                        adcl_tensor **gradient)
{
    const adcl__set_entry *entry = entry_of(set, host);
    *value = entry == NULL ? NULL : entry->value;
    *gradient = entry == NULL ? NULL : entry->gradient;
}

static void find_dense(const adcl_adapter_set *set, adcl__host_dense *host, adcl__dense_tensors *out)
{
    find_tensor(set, &host->kernel, &out->kernel, &out->kernel_gradient);
    find_tensor(set, &host->bias, &out->bias, &out->bias_gradient);
}

static void find_norm(const adcl_adapter_set *set, adcl__host_norm *host, adcl__norm_tensors *out)
{
    find_tensor(set, &host->weight, &out->weight, &out->weight_gradient);
    find_tensor(set, &host->bias, &out->bias, &out->bias_gradient);
}

/* ---- sites ------------------------------------------------------------------------------------ */

/* Whether the library's sequential adapter with its own residual is the whole update, or there is none. */
static bool is_simple(const adcl_adapter_set_params *p)
{
    if (p->head_only) return true;
    return !p->parallel && !p->gated && !p->ln_before && !p->ln_after && !p->original_ln_before &&
           p->original_ln_after && p->scaling_kind == ADCL_SCALING_CONSTANT &&
           p->residual != ADCL_RESIDUAL_POST_ADD;
}

static adcl_status make_adapter(adcl_context *ctx, const adcl_adapter_set *set,
                                adcl__host_site *host, adcl__site *site)
{
    const adcl_adapter_set_params *p = &set->host.params;
    adcl__dense_tensors down, up;
    find_dense(set, &host->down, &down);
    find_dense(set, &host->up, &up);
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = set->host.hidden_size;
    params.bottleneck_size = host->bottleneck;
    params.activation = p->activation;
    params.scaling = p->scaling_kind == ADCL_SCALING_CONSTANT ? p->scaling : 1.0f;
    params.dropout = p->dropout;
    params.parallel = !set->simple;
    adcl_tensor *const values[ADCL_ADAPTER_SLOT_COUNT] = {down.kernel, down.bias, up.kernel, up.bias};
    adcl_tensor *const gradients[ADCL_ADAPTER_SLOT_COUNT] = {
        down.kernel_gradient, down.bias_gradient, up.kernel_gradient, up.bias_gradient};
    return adcl_adapter_block(&site->adapter, ctx, &params, values, gradients);
}

static adcl_status make_site(adcl_context *ctx, const adcl_adapter_set *set, adcl__host_site *host,
                             adcl__host_norm *model_norm, adcl__site *site)
{
    site->bottleneck = host->bottleneck;
    find_norm(set, model_norm, &site->model_norm);
    if (host->bottleneck == 0) return ADCL_OK;
    find_tensor(set, &host->scaling, &site->scaling, &site->scaling_gradient);
    find_dense(set, &host->gate, &site->gate);
    find_norm(set, &host->norm_before, &site->norm_before);
    find_norm(set, &host->norm_after, &site->norm_after);
    return make_adapter(ctx, set, host, site);
}

static bool is_trained(const adcl__site *site)
{
    return site->bottleneck > 0 || site->model_norm.weight != NULL;
}

static size_t find_lowest(const adcl_adapter_set *set)
{
    size_t lowest = 0;
    if (set->embeddings_norm.weight != NULL) return 0;
    while (lowest < set->host.layers && !is_trained(&set->sites[2 * lowest]) &&
           !is_trained(&set->sites[2 * lowest + 1]))
        lowest++;
    return lowest;
}

static adcl_status make_sites(adcl_context *ctx, adcl_adapter_set *set)
{
    size_t layers = set->host.layers;
    set->simple = is_simple(&set->host.params);
    set->sites = calloc(2 * layers, sizeof *set->sites);
    if (set->sites == NULL) return no_memory(ctx);
    for (size_t l = 0; l < layers; l++) {
        adcl__host_layer *layer = &set->host.layer[l];
        ADCL_TRY(make_site(ctx, set, &layer->attention, &layer->attention_norm, &set->sites[2 * l]));
        ADCL_TRY(make_site(ctx, set, &layer->output, &layer->output_norm, &set->sites[2 * l + 1]));
    }
    find_norm(set, &set->host.embeddings_norm, &set->embeddings_norm);
    find_dense(set, &set->host.head[0], &set->head[0]);
    find_dense(set, &set->host.head[1], &set->head[1]);
    set->lowest = find_lowest(set);
    return ADCL_OK;
}

/* ---- initial values --------------------------------------------------------------------------- */

/* A seed for each array of a set: its place in the order of adcl__host_set_each. */
typedef struct initialiser {
    const adcl__model_weights *weights;
    const adcl_adapter_set_params *params;
    size_t hidden, index;
} initialiser;

/* AdapterHub's gates and heads, as BERT's: normal 0.02. */
static const double bert_deviation = 0.02;

static void fill(float *numbers, size_t count, float value)
{
    for (size_t i = 0; i < count; i++) numbers[i] = value;
}

static adcl_status initialise(void *user, const char *name, float **values, size_t rows, size_t cols)
{
    initialiser *in = user;
    const adcl_adapter_set_params *p = in->params;
    uint64_t seed = p->seed + UINT64_C(0x9E3779B97F4A7C15) * in->index++;
    size_t count = rows * cols;
    if (ends(name, ".down.kernel"))
        adcl__init_fill(p->init, seed, ADCL_DOWN_KERNEL, rows, cols, *values, count);
    else if (ends(name, ".up.kernel"))
        adcl__init_fill(p->init, seed, ADCL_UP_KERNEL, cols, rows, *values, count);
    else if (is_kernel(name))
        adcl__random_fill_normal(seed, ADCL__STREAM_LINEAR_KERNEL, bert_deviation, 0.0, *values, count);
    else if (ends(name, ".scaling"))
        fill(*values, count, p->scaling);
    else if (strstr(name, ".norm_") != NULL && ends(name, ".weight"))
        fill(*values, count, 1.0f);
    return ADCL_OK;
}

static void copy_norm(const adcl__norm_weights *from, size_t hidden, adcl__host_norm *to)
{
    if (to->weight == NULL) return;
    memcpy(to->weight, from->weight, hidden * sizeof *to->weight);
    memcpy(to->bias, from->bias, hidden * sizeof *to->bias);
}

/* The model's own norms start as the model has them. */
static void copy_model_norms(const adcl__model_weights *weights, adcl__host_set *set)
{
    copy_norm(&weights->embeddings_norm, set->hidden_size, &set->embeddings_norm);
    for (size_t l = 0; l < set->layers; l++) {
        copy_norm(&weights->layers[l].attention_norm, set->hidden_size,
                  &set->layer[l].attention_norm);
        copy_norm(&weights->layers[l].output_norm, set->hidden_size, &set->layer[l].output_norm);
    }
}

/* ---- making ----------------------------------------------------------------------------------- */

static adcl_status upload(adcl_context *ctx, adcl_adapter_set *set)
{
    for (size_t e = 0; e < set->entry_count; e++) {
        const adcl__set_entry *entry = &set->entries[e];
        ADCL_TRY(adcl_tensor_write(ctx, entry->value, *entry->host,
                                   entry->rows * entry->cols * sizeof(float)));
    }
    return ADCL_OK;
}

const adcl__set_entry *adcl__adapter_set_entry(const adcl_adapter_set *set, const char *name)
{
    for (size_t e = 0; e < set->entry_count; e++)
        if (strcmp(set->entries[e].name, name) == 0) return &set->entries[e];
    return NULL;
}

typedef struct downloader {
    adcl_context *ctx;
    const adcl_adapter_set *set;
} downloader;

static adcl_status download(void *user, const char *name, float **values, size_t rows, size_t cols)
{
    const downloader *d = user;
    return adcl_tensor_read(d->ctx, adcl__adapter_set_entry(d->set, name)->value, *values,
                            rows * cols * sizeof **values);
}

adcl_status adcl__adapter_set_download(adcl_context *ctx, const adcl_adapter_set *set,
                                       adcl__host_set *out)
{
    downloader d = {ctx, set};
    ADCL_TRY(adcl__host_set_create(out, &set->model, &set->host.params, adcl__context_error(ctx)));
    adcl_status status = adcl__host_set_each(out, download, &d);
    if (status != ADCL_OK) adcl__host_set_release(out);
    return status;
}

static adcl_status build(adcl_context *ctx, adcl_adapter_set *set)
{
    ADCL_TRY(collect_entries(ctx, set));
    ADCL_TRY(make_tensors(ctx, set));
    ADCL_TRY(make_parameters(ctx, set));
    ADCL_TRY(make_sites(ctx, set));
    return upload(ctx, set);
}

/* An empty set for the encoder. */
static adcl_status begin(adcl_context *ctx, adcl_adapter_set **out, const adcl_encoder *encoder)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (out == NULL || encoder == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter set: expected an encoder and a place for the result, got NULL");
    if (encoder->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "adapter set: expected an encoder of this context or of one it shares "
                          "with, got one of another");
    adcl_adapter_set *set = calloc(1, sizeof *set);
    if (set == NULL) return no_memory(ctx);
    set->family = ctx->family;
    adcl__family_retain(set->family);
    set->model = encoder->weights.config;
    *out = set;
    return ADCL_OK;
}

static adcl_status finish(adcl_context *ctx, adcl_status status, adcl_adapter_set **out)
{
    if (status == ADCL_OK) status = build(ctx, *out);
    if (status != ADCL_OK) adcl_adapter_set_destroy(out);
    return status;
}

adcl_status adcl_adapter_set_create(adcl_adapter_set **out, adcl_context *ctx,
                                    const adcl_encoder *encoder,
                                    const adcl_adapter_set_params *params)
{
    ADCL_TRY(begin(ctx, out, encoder));
    adcl_adapter_set *set = *out;
    const adcl__model_weights *weights = &encoder->weights;
    adcl_status status =
        adcl__host_set_create(&set->host, &weights->config, params, adcl__context_error(ctx));
    if (status == ADCL_OK) {
        initialiser in = {weights, &set->host.params, set->host.hidden_size, 0};
        status = adcl__host_set_each(&set->host, initialise, &in);
        copy_model_norms(weights, &set->host);
    }
    return finish(ctx, status, out);
}

adcl_status adcl_adapter_set_load(adcl_adapter_set **out, adcl_context *ctx,
                                  const adcl_encoder *encoder, const char *folder)
{
    ADCL_TRY(begin(ctx, out, encoder));
    adcl_status status =
        folder == NULL ? adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                                    "adapter set: expected a folder, got NULL")
                       : adcl__adapter_folder_read(&(*out)->host, folder, &encoder->weights.config,
                                                   adcl__context_error(ctx));
    return finish(ctx, status, out);
}

adcl_status adcl_adapter_set_save(adcl_context *ctx, const adcl_adapter_set *set,
                                  const char *folder)
{
    if (ctx == NULL) return ADCL_ERR_INVALID_ARGUMENT;
    if (set == NULL || folder == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "saving an adapter set: expected a set and a folder, got NULL");
    adcl__host_set now;
    ADCL_TRY(adcl__adapter_set_download(ctx, set, &now));
    adcl_status status =
        adcl__adapter_folder_write(&now, folder, &set->model, adcl__context_error(ctx));
    adcl__host_set_release(&now);
    return status;
}

void adcl_adapter_set_destroy(adcl_adapter_set **set)
{
    if (set == NULL || *set == NULL) return;
    adcl_adapter_set *s = *set;
    for (size_t i = 0; s->sites != NULL && i < 2 * s->host.layers; i++)
        adcl_adapter_destroy(&s->sites[i].adapter);
    free(s->sites);
    adcl_parameters_destroy(&s->parameters);
    for (size_t e = 0; e < s->entry_count; e++) {
        free(s->entries[e].name);
        adcl_tensor_destroy(&s->entries[e].value);
        adcl_tensor_destroy(&s->entries[e].gradient);
    }
    free(s->entries);
    adcl__host_set_release(&s->host);
    adcl__family_release(s->family);
    free(s);
    *set = NULL;
}

/* ---- asking ----------------------------------------------------------------------------------- */

const adcl_adapter_set_params *adcl_adapter_set_describe(const adcl_adapter_set *set)
{
    return set == NULL ? NULL : &set->host.params;
}

adcl_parameters *adcl_adapter_set_parameters(const adcl_adapter_set *set)
{
    return set == NULL ? NULL : set->parameters;
}

size_t adcl_adapter_set_lowest_layer(const adcl_adapter_set *set)
{
    return set == NULL ? 0 : set->lowest;
}
