/* SPDX-License-Identifier: MIT */
#include "encoder/folder_tensors.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name: at most 127 bytes of an adapter's, and less than 100 of ours. */
#define NAME_BYTES 256

typedef struct family_names {
    const char *prefix;
    const char *layer;
    const char *attention, *output; /* what holds adapters, behind the layer's number */
    const char *attention_norm, *output_norm;
} family_names;

static const family_names families[] = {
    [ADCL__MODEL_BERT] = {"bert.", "encoder.layer.", "attention.output.adapters",
                          "output.adapters", "attention.output.LayerNorm", "output.LayerNorm"},
    [ADCL__MODEL_DISTILBERT] = {"distilbert.", "transformer.layer.",
                                "attention_adapters.adapters", "output_adapters.adapters",
                                "sa_layer_norm", "output_layer_norm"},
};

const char *adcl__folder_prefix(adcl__model_family family)
{
    return families[family].prefix;
}

size_t adcl__folder_layer_of(const char *name, adcl__model_family family)
{
    const char *layer = families[family].layer;
    size_t length = strlen(layer);
    if (strncmp(name, layer, length) != 0) return SIZE_MAX;
    name += length;
    size_t digits = strspn(name, "0123456789");
    if (digits < 1 || digits > 4 || name[digits] != '.') return SIZE_MAX;
    return (size_t)strtoul(name, NULL, 10);
}

/* ---- parts -----------------------------------------------------------------------------------*/

typedef struct walk {
    adcl__folder_visit visit;
    void *user;
    size_t hidden_size;
    char place[NAME_BYTES]; /* what names begin with */
} walk;

static adcl_status visit(const walk *w, const char *ending, const char *alias_ending,
                         adcl__folder_tensor *tensor)
{
    char name[NAME_BYTES + 32], alias[NAME_BYTES + 32];
    if (tensor->values == NULL) return ADCL_OK;
    snprintf(name, sizeof name, "%s.%s", w->place, ending);
    tensor->name = name;
    if (alias_ending != NULL) {
        snprintf(alias, sizeof alias, "%s.%s", w->place, alias_ending);
        tensor->alias = alias;
    }
    return w->visit(w->user, tensor);
}

static adcl_status visit_vector(const walk *w, const char *ending, const char *alias_ending,
                                float *values, size_t size)
{
    adcl__folder_tensor tensor = {.values = values, .rows = 1, .cols = size};
    return visit(w, ending, alias_ending, &tensor);
}

/* `part`: "adapter_up" and the like. */
static adcl_status visit_dense(const walk *w, const char *part, const adcl__host_dense *dense,
                               size_t inputs, size_t outputs)
{
    char ending[32];
    adcl__folder_tensor kernel = {
        .values = dense->kernel, .rows = inputs, .cols = outputs, .is_matrix = 1};
    snprintf(ending, sizeof ending, "%s.weight", part);
    ADCL_TRY(visit(w, ending, NULL, &kernel));
    snprintf(ending, sizeof ending, "%s.bias", part);
    return visit_vector(w, ending, NULL, dense->bias, outputs);
}

/* ---- adapters --------------------------------------------------------------------------------*/

/* The norm before an adapter is the first module of the sequence adapter_down as well. */
static adcl_status visit_site(const walk *w, const adcl_adapter_set_params *p,
                              const adcl__host_site *site)
{
    size_t d = w->hidden_size, r = site->bottleneck;
    const char *down = p->ln_before ? "adapter_down.1" : "adapter_down.0";
    ADCL_TRY(visit_vector(w, "adapter_norm_before.weight", "adapter_down.0.weight",
                          site->norm_before.weight, d));
    ADCL_TRY(visit_vector(w, "adapter_norm_before.bias", "adapter_down.0.bias",
                          site->norm_before.bias, d));
    ADCL_TRY(visit_dense(w, down, &site->down, d, r));
    ADCL_TRY(visit_dense(w, "adapter_up", &site->up, r, d));
    ADCL_TRY(visit_vector(w, "scaling", NULL, site->scaling,
                          p->scaling_kind == ADCL_SCALING_CHANNEL ? d : 1));
    ADCL_TRY(visit_dense(w, "gate", &site->gate, d, 1));
    ADCL_TRY(visit_vector(w, "adapter_norm_after.weight", NULL, site->norm_after.weight, d));
    return visit_vector(w, "adapter_norm_after.bias", NULL, site->norm_after.bias, d);
}

adcl_status adcl__folder_each_adapter(const adcl__host_set *set, adcl__model_family family,
                                      adcl__folder_visit visit_tensor, void *user)
{
    const family_names *names = &families[family];
    walk w = {.visit = visit_tensor, .user = user, .hidden_size = set->hidden_size};
    for (size_t i = 0; i < set->layers; i++) {
        snprintf(w.place, sizeof w.place, "%s%zu.%s.%s", names->layer, i, names->attention,
                 set->params.name);
        ADCL_TRY(visit_site(&w, &set->params, &set->layer[i].attention));
        snprintf(w.place, sizeof w.place, "%s%zu.%s.%s", names->layer, i, names->output,
                 set->params.name);
        ADCL_TRY(visit_site(&w, &set->params, &set->layer[i].output));
    }
    return ADCL_OK;
}

/* ---- norms and head --------------------------------------------------------------------------*/

static adcl_status visit_norm(const walk *w, const adcl__host_norm *norm)
{
    ADCL_TRY(visit_vector(w, "weight", NULL, norm->weight, w->hidden_size));
    return visit_vector(w, "bias", NULL, norm->bias, w->hidden_size);
}

adcl_status adcl__folder_each_norm(const adcl__host_set *set, adcl__model_family family,
                                   adcl__folder_visit visit_tensor, void *user)
{
    const family_names *names = &families[family];
    walk w = {.visit = visit_tensor, .user = user, .hidden_size = set->hidden_size,
              .place = "embeddings.LayerNorm"};
    ADCL_TRY(visit_norm(&w, &set->embeddings_norm));
    for (size_t i = 0; i < set->layers; i++) {
        snprintf(w.place, sizeof w.place, "%s%zu.%s", names->layer, i, names->attention_norm);
        ADCL_TRY(visit_norm(&w, &set->layer[i].attention_norm));
        snprintf(w.place, sizeof w.place, "%s%zu.%s", names->layer, i, names->output_norm);
        ADCL_TRY(visit_norm(&w, &set->layer[i].output_norm));
    }
    return ADCL_OK;
}

/* A head is a sequence of dropout, product, tanh, dropout, product; or of the first two. */
adcl_status adcl__folder_each_head(const adcl__host_set *set, const char *name,
                                   adcl__folder_visit visit_tensor, void *user)
{
    const adcl_adapter_set_params *p = &set->params;
    walk w = {.visit = visit_tensor, .user = user, .hidden_size = set->hidden_size};
    snprintf(w.place, sizeof w.place, "heads.%s", name);
    size_t first = p->head_layers == 2 ? set->hidden_size : p->labels;
    ADCL_TRY(visit_dense(&w, "1", &set->head[0], set->hidden_size, first));
    return visit_dense(&w, "4", &set->head[1], set->hidden_size, p->labels);
}
