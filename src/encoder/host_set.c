/* SPDX-License-Identifier: MIT */
/* host_set.c – the arrays of a set of adapters: made, named, released. */
#include "encoder/adapter_folder.h"
#include "encoder/set_params.h"

#include "base/size.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- making ----------------------------------------------------------------------------------*/

/* Each of these gives zeros, or false when memory runs out. */
static bool make_array(float **out, size_t rows, size_t cols)
{
    size_t count;
    if (!adcl__size_mul(rows, cols, &count)) return false;
    *out = calloc(count + 1, sizeof **out);
    return *out != NULL;
}

static bool make_dense(adcl__host_dense *out, size_t inputs, size_t outputs)
{
    return make_array(&out->kernel, inputs, outputs) && make_array(&out->bias, 1, outputs);
}

static bool make_norm(adcl__host_norm *out, size_t size)
{
    return make_array(&out->weight, 1, size) && make_array(&out->bias, 1, size);
}

static bool make_site(adcl__host_site *site, const adcl_adapter_set_params *p, size_t d, size_t r)
{
    site->bottleneck = r;
    size_t scales = p->scaling_kind == ADCL_SCALING_CHANNEL ? d : 1;
    return make_dense(&site->down, d, r) && make_dense(&site->up, r, d) &&
           (p->scaling_kind == ADCL_SCALING_CONSTANT || make_array(&site->scaling, 1, scales)) &&
           (!p->gated || make_dense(&site->gate, d, 1)) &&
           (!p->ln_before || make_norm(&site->norm_before, d)) &&
           (!p->ln_after || make_norm(&site->norm_after, d));
}

static adcl_status out_of_memory(adcl_error *error)
{
    return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "adapter set: no memory for it");
}

static adcl_status make_layer(adcl__host_set *set, size_t index, adcl_error *error)
{
    const adcl_adapter_set_params *p = &set->params;
    adcl__host_layer *layer = &set->layer[index];
    size_t d = set->hidden_size;
    bool enough = true;
    if (p->train_layer_norms)
        enough = make_norm(&layer->attention_norm, d) && make_norm(&layer->output_norm, d);
    if (enough && adcl__set_params_has_layer(p, index)) {
        float factor = adcl__set_params_reduction(p, index);
        size_t r = adcl__bottleneck_of(d, (double)factor);
        if (r == 0)
            return adcl__error_set(error, ADCL_ERR_SIZE_OVERFLOW, 0,
                                   "adapter set: reduction_factor: expected a larger one, got %g "
                                   "for %zu columns",
                                   (double)factor, d);
        enough = (!p->attention_adapters || make_site(&layer->attention, p, d, r)) &&
                 (!p->output_adapters || make_site(&layer->output, p, d, r));
    }
    return enough ? ADCL_OK : out_of_memory(error);
}

static adcl_status make_head(adcl__host_set *set, adcl_error *error)
{
    const adcl_adapter_set_params *p = &set->params;
    size_t d = set->hidden_size;
    if (p->labels == 0) return ADCL_OK;
    bool two = p->head_layers == 2;
    bool enough = make_dense(&set->head[0], d, two ? d : p->labels) &&
                  (!two || make_dense(&set->head[1], d, p->labels));
    return enough ? ADCL_OK : out_of_memory(error);
}

static adcl_status make_all(adcl__host_set *set, const adcl__model_config *model,
                            const adcl_adapter_set_params *params, adcl_error *error)
{
    ADCL_TRY(adcl__set_params_copy(&set->params, params, model->layers, error));
    set->hidden_size = model->hidden_size;
    set->layers = model->layers;
    set->layer = calloc(model->layers + 1, sizeof *set->layer);
    if (set->layer == NULL) return out_of_memory(error);
    for (size_t i = 0; i < set->layers; i++) ADCL_TRY(make_layer(set, i, error));
    if (set->params.train_layer_norms && !make_norm(&set->embeddings_norm, set->hidden_size))
        return out_of_memory(error);
    return make_head(set, error);
}

adcl_status adcl__host_set_create(adcl__host_set *out, const adcl__model_config *model,
                                  const adcl_adapter_set_params *params, adcl_error *error)
{
    *out = (adcl__host_set){0};
    adcl_status status = make_all(out, model, params, error);
    if (status != ADCL_OK) adcl__host_set_release(out);
    return status;
}

/* ---- releasing -------------------------------------------------------------------------------*/

static void release_dense(adcl__host_dense *dense)
{
    free(dense->kernel);
    free(dense->bias);
}

static void release_norm(adcl__host_norm *norm)
{
    free(norm->weight);
    free(norm->bias);
}

static void release_site(adcl__host_site *site)
{
    release_dense(&site->down);
    release_dense(&site->up);
    release_dense(&site->gate);
    release_norm(&site->norm_before);
    release_norm(&site->norm_after);
    free(site->scaling);
}

void adcl__host_set_release(adcl__host_set *set)
{
    for (size_t i = 0; set->layer != NULL && i < set->layers; i++) {
        release_site(&set->layer[i].attention);
        release_site(&set->layer[i].output);
        release_norm(&set->layer[i].attention_norm);
        release_norm(&set->layer[i].output_norm);
    }
    free(set->layer);
    release_norm(&set->embeddings_norm);
    release_dense(&set->head[0]);
    release_dense(&set->head[1]);
    adcl__set_params_free(&set->params);
    *set = (adcl__host_set){0};
}

/* ---- visiting --------------------------------------------------------------------------------*/

typedef struct walk {
    adcl__host_visit visit;
    void *user;
    size_t hidden_size;
    char place[48]; /* what names begin with, "layer.0.output" */
} walk;

/* An array that is not there is passed over. */
static adcl_status visit(const walk *w, const char *ending, float **values, size_t rows,
                         size_t cols)
{
    if (*values == NULL) return ADCL_OK;
    char name[96];
    snprintf(name, sizeof name, "%s.%s", w->place, ending);
    return w->visit(w->user, name, values, rows, cols);
}

static adcl_status visit_norm(const walk *w, const char *part, adcl__host_norm *norm)
{
    char ending[32];
    snprintf(ending, sizeof ending, "%s.weight", part);
    ADCL_TRY(visit(w, ending, &norm->weight, 1, w->hidden_size));
    snprintf(ending, sizeof ending, "%s.bias", part);
    return visit(w, ending, &norm->bias, 1, w->hidden_size);
}

static adcl_status visit_site(const walk *w, const adcl_adapter_set_params *p,
                              adcl__host_site *site)
{
    size_t d = w->hidden_size, r = site->bottleneck;
    ADCL_TRY(visit_norm(w, "norm_before", &site->norm_before));
    ADCL_TRY(visit(w, "down.kernel", &site->down.kernel, d, r));
    ADCL_TRY(visit(w, "down.bias", &site->down.bias, 1, r));
    ADCL_TRY(visit(w, "up.kernel", &site->up.kernel, r, d));
    ADCL_TRY(visit(w, "up.bias", &site->up.bias, 1, d));
    ADCL_TRY(visit(w, "scaling", &site->scaling, 1,
                   p->scaling_kind == ADCL_SCALING_CHANNEL ? d : 1));
    ADCL_TRY(visit(w, "gate.kernel", &site->gate.kernel, d, 1));
    ADCL_TRY(visit(w, "gate.bias", &site->gate.bias, 1, 1));
    return visit_norm(w, "norm_after", &site->norm_after);
}

static adcl_status visit_layer(walk *w, adcl__host_set *set, size_t index)
{
    adcl__host_layer *layer = &set->layer[index];
    snprintf(w->place, sizeof w->place, "layer.%zu.attention", index);
    ADCL_TRY(visit_site(w, &set->params, &layer->attention));
    ADCL_TRY(visit_norm(w, "norm", &layer->attention_norm));
    snprintf(w->place, sizeof w->place, "layer.%zu.output", index);
    ADCL_TRY(visit_site(w, &set->params, &layer->output));
    return visit_norm(w, "norm", &layer->output_norm);
}

static adcl_status visit_head(walk *w, adcl__host_set *set)
{
    for (size_t i = 0; i < 2; i++) {
        size_t outputs = i + 1 == set->params.head_layers ? set->params.labels : set->hidden_size;
        snprintf(w->place, sizeof w->place, "head.%zu", i);
        ADCL_TRY(visit(w, "kernel", &set->head[i].kernel, set->hidden_size, outputs));
        ADCL_TRY(visit(w, "bias", &set->head[i].bias, 1, outputs));
    }
    return ADCL_OK;
}

adcl_status adcl__host_set_each(adcl__host_set *set, adcl__host_visit visit_array, void *user)
{
    walk w = {.visit = visit_array, .user = user, .hidden_size = set->hidden_size,
              .place = "embeddings"};
    ADCL_TRY(visit_norm(&w, "norm", &set->embeddings_norm));
    for (size_t i = 0; i < set->layers; i++) ADCL_TRY(visit_layer(&w, set, i));
    return visit_head(&w, set);
}
