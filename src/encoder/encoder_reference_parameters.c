/* SPDX-License-Identifier: MIT */
/* encoder_reference_parameters.c – the floats of a set become doubles, and each array whose
 * gradient is wanted gets sums in double, which are rounded into the set of gradients at the end of
 * the run. */
#include "encoder/encoder_reference_parts.h"

/* AdapterHub's own norms are torch.nn.LayerNorm with its default. */
static const double adapter_norm_epsilon = 1e-5;

/* A gradient while it is summed up. */
typedef struct adcl__reference_sum {
    struct adcl__reference_sum *next;
    float *gradient;
    double *sum;
    size_t count;
} gradient_sum;

/* What the functions below build from and into. */
typedef struct builder {
    adcl__reference_memory *memory;
    const adcl__model_weights *model;
    adcl__reference_parameters *out;
} builder;

static double *widen(const builder *b, const float *values, size_t count)
{
    double *wide = adcl__reference_take_matrix(b->memory, 1, count);
    for (size_t i = 0; wide != NULL && i < count; i++) wide[i] = (double)values[i];
    return wide;
}

/* The sums of one gradient; NULL where it is not wanted. */
static double *sums_of(const builder *b, float *gradient, size_t count)
{
    if (gradient == NULL) return NULL;
    gradient_sum *entry = adcl__reference_take(b->memory, 1, sizeof *entry);
    double *sum = adcl__reference_take_matrix(b->memory, 1, count);
    if (entry == NULL || sum == NULL) return NULL;
    *entry = (gradient_sum){b->out->sums, gradient, sum, count};
    b->out->sums = entry;
    return sum;
}

/* gradient: of the same place in the set of gradients, empty where there is none. */
static adcl__reference_linear make_linear(const builder *b, const adcl__host_dense *dense,
                                          const adcl__host_dense *gradient, size_t inputs,
                                          size_t outputs)
{
    if (dense->kernel == NULL) return (adcl__reference_linear){0};
    return (adcl__reference_linear){
        .input_size = inputs,
        .output_size = outputs,
        .kernel = widen(b, dense->kernel, inputs * outputs),
        .bias = widen(b, dense->bias, outputs),
        .kernel_gradient = sums_of(b, gradient->kernel, inputs * outputs),
        .bias_gradient = sums_of(b, gradient->bias, outputs),
    };
}

static adcl__reference_norm make_norm(const builder *b, const adcl__host_norm *norm,
                                      const adcl__host_norm *gradient, double epsilon)
{
    size_t d = b->model->config.hidden_size;
    if (norm->weight == NULL) return (adcl__reference_norm){0};
    return (adcl__reference_norm){
        .size = d,
        .epsilon = epsilon,
        .weight = widen(b, norm->weight, d),
        .bias = widen(b, norm->bias, d),
        .weight_gradient = sums_of(b, gradient->weight, d),
        .bias_gradient = sums_of(b, gradient->bias, d),
    };
}

/* A norm of the model: the set's values stand in for the model's where it trains them. */
static adcl__reference_norm make_model_norm(const builder *b, const adcl__norm_weights *frozen,
                                            const adcl__host_norm *trained,
                                            const adcl__host_norm *gradient)
{
    size_t d = b->model->config.hidden_size;
    double epsilon = b->model->config.layer_norm_epsilon;
    if (trained->weight != NULL) return make_norm(b, trained, gradient, epsilon);
    return (adcl__reference_norm){.size = d,
                                  .epsilon = epsilon,
                                  .weight = widen(b, frozen->weight, d),
                                  .bias = widen(b, frozen->bias, d)};
}

static void make_scaling(const builder *b, const adcl_adapter_set_params *options,
                         const adcl__host_site *site, const adcl__host_site *gradient,
                         adcl__reference_site *out)
{
    float constant = options->scaling == 0.0f ? 1.0f : options->scaling;
    bool channel = options->scaling_kind == ADCL_SCALING_CHANNEL;
    bool trained = options->scaling_kind != ADCL_SCALING_CONSTANT;
    out->scaling_count = channel ? b->model->config.hidden_size : 1;
    out->scaling = widen(b, trained ? site->scaling : &constant, out->scaling_count);
    if (trained) out->scaling_gradient = sums_of(b, gradient->scaling, out->scaling_count);
}

static void make_adapter(const builder *b, const adcl_adapter_set_params *options,
                         const adcl__host_site *site, const adcl__host_site *gradient,
                         adcl__reference_site *out)
{
    size_t d = b->model->config.hidden_size, r = site->bottleneck;
    size_t width = adcl_activation_width(options->activation, r);
    out->bottleneck = r;
    if (r > b->out->bottleneck) b->out->bottleneck = r;
    out->down = make_linear(b, &site->down, &gradient->down, d, r);
    out->up = make_linear(b, &site->up, &gradient->up, width, d);
    out->gate = make_linear(b, &site->gate, &gradient->gate, d, 1);
    out->norm_before =
        make_norm(b, &site->norm_before, &gradient->norm_before, adapter_norm_epsilon);
    out->norm_after = make_norm(b, &site->norm_after, &gradient->norm_after, adapter_norm_epsilon);
    make_scaling(b, options, site, gradient, out);
}

/* set and gradients: NULL as in adcl__reference_parameters_make. */
static void make_layer(const builder *b, size_t index, const adcl__host_set *set,
                       const adcl__host_set *gradients)
{
    const adcl__layer_weights *frozen = &b->model->layers[index];
    const adcl__host_layer none = {0};
    const adcl__host_layer *own = set == NULL ? &none : &set->layer[index];
    const adcl__host_layer *gradient = gradients == NULL ? &none : &gradients->layer[index];
    adcl__reference_layer *out = &b->out->layers[index];
    if (own->attention.bottleneck > 0)
        make_adapter(b, &set->params, &own->attention, &gradient->attention, &out->attention);
    if (own->output.bottleneck > 0)
        make_adapter(b, &set->params, &own->output, &gradient->output, &out->output);
    out->attention.model_norm = make_model_norm(b, &frozen->attention_norm, &own->attention_norm,
                                                &gradient->attention_norm);
    out->output.model_norm =
        make_model_norm(b, &frozen->output_norm, &own->output_norm, &gradient->output_norm);
}

static void make_head(const builder *b, const adcl__host_set *set, const adcl__host_set *gradients)
{
    const adcl__host_dense none = {0};
    size_t d = b->model->config.hidden_size;
    size_t layers = set->head[0].kernel == NULL ? 0 : set->head[1].kernel == NULL ? 1 : 2;
    b->out->head_layers = layers;
    for (size_t l = 0; l < layers; l++) {
        size_t outputs = l + 1 < layers ? d : set->params.labels;
        b->out->head[l] = make_linear(b, &set->head[l],
                                      gradients == NULL ? &none : &gradients->head[l], d, outputs);
    }
}

void adcl__reference_parameters_make(adcl__reference_parameters *out,
                                     adcl__reference_memory *memory,
                                     const adcl__model_weights *model, const adcl__host_set *set,
                                     const adcl__host_set *gradients)
{
    const builder b = {memory, model, out};
    const adcl__host_norm none = {0};
    size_t layers = model->config.layers;
    *out = (adcl__reference_parameters){0};
    out->layers = adcl__reference_take(memory, layers, sizeof *out->layers);
    if (out->layers == NULL) return;
    out->embeddings_norm =
        make_model_norm(&b, &model->embeddings_norm, set == NULL ? &none : &set->embeddings_norm,
                        gradients == NULL ? &none : &gradients->embeddings_norm);
    for (size_t l = 0; l < layers; l++) make_layer(&b, l, set, gradients);
    if (set != NULL) make_head(&b, set, gradients);
}

void adcl__reference_parameters_add_sums(const adcl__reference_parameters *parameters)
{
    for (const gradient_sum *entry = parameters->sums; entry != NULL; entry = entry->next)
        for (size_t i = 0; i < entry->count; i++)
            entry->gradient[i] = (float)((double)entry->gradient[i] + entry->sum[i]);
}
