/* SPDX-License-Identifier: MIT */
#include <adapter_cl/optimizer.h>

#include "base/text.h"
#include "ops/update.h"
#include "train/parameters.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* The part of the state that belongs to one parameter. */
typedef struct state_part {
    char *name;
    adcl_tensor *tensor;
} state_part;

struct adcl_optimizer {
    const adcl_parameters *set;   /* borrowed */
    size_t parameter_count;       /* of the set when the state was made */
    adcl_optimizer_params params; /* complete but for the betas, which are here: */
    double beta1, beta2;
    uint64_t steps;
    adcl_tensor *state; /* (1, size): SGD's v; (2, size): Adam's m and v; NULL: plain SGD */
    state_part *parts;
    size_t part_count;
    adcl_tensor *norm; /* (1, 1) */
    cl_mem partials;   /* of the norm; NULL when none is wanted */
};

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
    [ADCL_ADAM] = "adam",
    [ADCL_ADAMW] = "adamw",
    [ADCL_SGD] = "sgd",
};

#define KIND_COUNT (sizeof kind_names / sizeof kind_names[0])

const char *adcl_optimizer_kind_name(adcl_optimizer_kind kind)
{
    return (unsigned)kind < KIND_COUNT ? kind_names[kind] : "?";
}

adcl_status adcl_optimizer_kind_from_name(const char *name, adcl_optimizer_kind *out,
                                          adcl_error *error)
{
    size_t index;
    ADCL_TRY(adcl__find_name(error, "optimizer", name, kind_names, KIND_COUNT,
                             out == NULL ? NULL : &index));
    *out = (adcl_optimizer_kind)index;
    return ADCL_OK;
}

/* ---- checking params ------------------------------------------------------------------------- */

static adcl_status check_number(adcl_context *ctx, const char *name, float number, bool valid,
                                const char *expected)
{
    if (valid && isfinite(number)) return ADCL_OK;
    return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0, "optimizer %s: expected %s, got %g", name,
                      expected, (double)number);
}

static adcl_status check_params(adcl_context *ctx, const adcl_optimizer_params *p)
{
    static const char at_least_zero[] = "a finite number of at least 0";
    if ((unsigned)p->kind >= KIND_COUNT)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "optimizer kind: expected ADCL_ADAM, ADCL_ADAMW or ADCL_SGD, got %d",
                          (int)p->kind);
    ADCL_TRY(check_number(ctx, "momentum", p->momentum, p->momentum >= 0.0f && p->momentum < 1.0f,
                          "a number in [0, 1)"));
    ADCL_TRY(check_number(ctx, "beta1", p->beta1, p->beta1 >= 0.0f && p->beta1 < 1.0f,
                          "a number in (0, 1), or 0 for 0.9"));
    ADCL_TRY(check_number(ctx, "beta2", p->beta2, p->beta2 >= 0.0f && p->beta2 < 1.0f,
                          "a number in (0, 1), or 0 for 0.999"));
    ADCL_TRY(check_number(ctx, "epsilon", p->epsilon, p->epsilon >= 0.0f,
                          "a finite number above 0, or 0 for 1e-8"));
    ADCL_TRY(check_number(ctx, "epsilon_root", p->epsilon_root, p->epsilon_root >= 0.0f,
                          at_least_zero));
    ADCL_TRY(check_number(ctx, "weight_decay", p->weight_decay, p->weight_decay >= 0.0f,
                          at_least_zero));
    return check_number(ctx, "clip_norm", p->clip_norm, p->clip_norm >= 0.0f,
                        "a finite number of at least 0 (0: no clipping)");
}

static adcl_status read_optimizer_params(adcl_context *ctx, const adcl_parameters *set,
                                         const adcl_optimizer_params *given,
                                         adcl_optimizer_params *p)
{
    if (ctx == NULL || set == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "optimizer: expected a context and a set of parameters, got NULL");
    *p = (adcl_optimizer_params)ADCL_OPTIMIZER_PARAMS_INIT;
    ADCL_TRY(adcl__read_params(&ctx->error, "adcl_optimizer_params", p, sizeof *p, given));
    ADCL_TRY(check_params(ctx, p));
    if (p->epsilon == 0.0f) p->epsilon = 1e-8f;
    if (set->count == 0)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "optimizer: expected at least 1 parameter in the set, got none; frozen "
                          "adapters add none");
    return adcl__check_tensor(ctx, "optimizer: parameters", set->entries[0].parameter.value,
                              ADCL_F32);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static bool wants_norm(const adcl_optimizer *o)
{
    return o->params.clip_norm > 0.0f || o->params.record_norm;
}

/* One step over all runs. */
typedef struct step {
    double learning_rate;
    uint64_t number; /* from 1: the t of bias correction */
    /* NULL for a real step. In a warm-up these (1, size) zeros take the place of all values and
     * gradients: no parameter is touched, and the state stays zero. */
    const adcl_tensor *zeros;
} step;

static void put_zeros(const step *s, adcl__run *run)
{
    if (s->zeros == NULL) return;
    size_t rows = run->value.rows, cols = run->value.cols;
    run->value = *s->zeros;
    run->value.rows = rows;
    run->value.cols = run->value.row_stride = cols;
    run->gradient = run->value;
}

/* The norm of all gradients, for which nothing but their being neighbours matters. */
static adcl_status compute_norm(adcl_context *ctx, const adcl_optimizer *o, const step *s)
{
    adcl__run_rule rule = {.skip_frozen = true};
    adcl__run run = {0};
    size_t count = 0;
    while (adcl__run_next(o->set, rule, &run)) {
        put_zeros(s, &run);
        ADCL_TRY(adcl__norm_partials(ctx, &run.gradient, o->partials, count));
        count += adcl__norm_partial_count(&run.gradient);
    }
    return adcl__norm_finish(ctx, o->partials, count, o->norm);
}

/* What belongs to a run in a row of the state: a value for one call. */
static adcl_tensor state_of(const adcl_optimizer *o, size_t row, const adcl__run *run)
{
    adcl_tensor part = *o->state;
    part.offset += row * part.row_stride + run->first;
    return part;
}

static adcl_status step_sgd(adcl_context *ctx, const adcl_optimizer *o, const adcl__run *run,
                            const adcl__update *update)
{
    if (o->state == NULL) return adcl__sgd_step(ctx, update, NULL, 0.0f);
    adcl_tensor velocity = state_of(o, 0, run);
    return adcl__sgd_step(ctx, update, &velocity, o->params.momentum);
}

/* The bias corrections are formed here in double: 1 − βᵗ cancels in float. */
static adcl_status step_adam(adcl_context *ctx, const adcl_optimizer *o, const adcl__run *run,
                             double learning_rate, const step *s, adcl__update *update)
{
    bool corrects = !o->params.no_bias_correction;
    double m_correction = corrects ? 1.0 - pow(o->beta1, (double)s->number) : 1.0;
    double v_correction = corrects ? 1.0 - pow(o->beta2, (double)s->number) : 1.0;
    const adcl__adam adam = {.m = state_of(o, 0, run),
                             .v = state_of(o, 1, run),
                             .beta1 = o->beta1,
                             .beta2 = o->beta2,
                             .v_scale = (float)(1.0 / v_correction),
                             .epsilon_root = o->params.epsilon_root,
                             .epsilon = o->params.epsilon};
    update->rate = (float)(learning_rate / m_correction);
    if (o->params.kind == ADCL_ADAMW) {
        update->shrink = (float)(learning_rate * (double)update->decay);
        update->decay = 0.0f;
    }
    return adcl__adam_step(ctx, update, &adam);
}

static adcl_status step_run(adcl_context *ctx, const adcl_optimizer *o, adcl__run *run,
                            const step *s)
{
    double learning_rate = s->learning_rate * (double)run->learning_rate_scale;
    adcl__update update = {.value = &run->value,
                           .gradient = &run->gradient,
                           .norm = o->norm,
                           .clip_norm = o->params.clip_norm,
                           .rate = (float)learning_rate,
                           .decay = run->decays ? o->params.weight_decay : 0.0f};
    return o->params.kind == ADCL_SGD ? step_sgd(ctx, o, run, &update)
                                      : step_adam(ctx, o, run, learning_rate, s, &update);
}

static adcl_status step_all(adcl_context *ctx, const adcl_optimizer *o, const step *s)
{
    adcl__run_rule rule = {.skip_frozen = true,
                           .equal_scale = true,
                           .equal_decay = o->params.weight_decay > 0.0f};
    adcl__run run = {0};
    if (wants_norm(o)) ADCL_TRY(compute_norm(ctx, o, s));
    while (adcl__run_next(o->set, rule, &run)) {
        put_zeros(s, &run);
        ADCL_TRY(step_run(ctx, o, &run, s));
    }
    return ADCL_OK;
}

adcl_status adcl_optimizer_step(adcl_context *ctx, adcl_optimizer *o, double learning_rate)
{
    if (ctx == NULL || o == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "optimizer step: expected a context and an optimizer, got NULL");
    if (o->norm->family != ctx->family)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "optimizer step: expected an optimizer of this context or of one it "
                          "shares with, got one of another");
    if (!(learning_rate >= 0.0 && learning_rate <= (double)FLT_MAX))
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "optimizer step: learning_rate: expected a finite number of at least 0, "
                          "got %g", learning_rate);
    if (o->set->count != o->parameter_count)
        return adcl__fail(ctx, ADCL_ERR_INVALID_STATE, 0,
                          "optimizer step: expected the set of %zu parameters that the optimizer "
                          "was made for, got one that has grown to %zu", o->parameter_count,
                          o->set->count);
    ADCL_TRY(step_all(ctx, o, &(step){learning_rate, o->steps + 1, NULL}));
    o->steps++;
    return ADCL_OK;
}

/* ---- making and destroying ------------------------------------------------------------------- */

static adcl_status no_memory(adcl_context *ctx)
{
    return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "optimizer: no memory for it");
}

/* A parameter's part of one row of the state, named after the parameter and the row. */
static adcl_status make_part(adcl_context *ctx, adcl_optimizer *o, size_t row, const char *ending,
                             const adcl__parameter_entry *entry)
{
    const adcl_tensor *value = entry->parameter.value;
    adcl__text name = {0};
    adcl__text_append(&name, "%s%s", entry->name, ending);
    state_part *part = &o->parts[o->part_count++];
    part->name = name.bytes;
    if (name.failed) return no_memory(ctx);
    return adcl__tensor_part(&part->tensor, ctx, o->state, row * o->set->size + entry->first,
                             value->rows, value->cols);
}

static adcl_status make_state(adcl_context *ctx, adcl_optimizer *o)
{
    static const char *const sgd_endings[] = {".momentum"}, *const adam_endings[] = {".m", ".v"};
    bool sgd = o->params.kind == ADCL_SGD;
    const char *const *endings = sgd ? sgd_endings : adam_endings;
    size_t rows = sgd ? 1 : 2;
    if (sgd && o->params.momentum == 0.0f) return ADCL_OK;
    ADCL_TRY(adcl_tensor_create(&o->state, ctx, ADCL_F32, rows, o->set->size));
    o->parts = calloc(rows * o->set->count, sizeof *o->parts);
    if (o->parts == NULL) return no_memory(ctx);
    for (size_t i = 0; i < o->set->count; i++)
        for (size_t row = 0; row < rows; row++)
            ADCL_TRY(make_part(ctx, o, row, endings[row], &o->set->entries[i]));
    return ADCL_OK;
}

/* Partials for every parameter, though runs are fewer: a freeze may cut them anew. */
static adcl_status make_norm(adcl_context *ctx, adcl_optimizer *o)
{
    size_t bytes = o->set->count * ADCL__NORM_PARTIALS_MOST * 2 * sizeof(float);
    ADCL_TRY(adcl_tensor_create(&o->norm, ctx, ADCL_F32, 1, 1));
    return wants_norm(o) ? adcl__buffer_create(ctx, bytes, NULL, &o->partials) : ADCL_OK;
}

/* Launches everything once, in the ranges of real steps: drivers compile a kernel at its first
 * launch, some of them once more for large ranges. */
static adcl_status warm_up(adcl_context *ctx, adcl_optimizer *o)
{
    adcl_tensor *zeros = NULL;
    adcl_status status = adcl_tensor_create(&zeros, ctx, ADCL_F32, 1, o->set->size);
    if (status == ADCL_OK) status = step_all(ctx, o, &(step){0.0, 1, zeros});
    if (status == ADCL_OK) status = adcl_tensor_fill(ctx, zeros, 0.0f); /* as zero_grad does */
    if (status == ADCL_OK) status = adcl__finish(ctx);
    adcl_tensor_destroy(&zeros);
    return status;
}

adcl_status adcl_optimizer_create(adcl_optimizer **out, adcl_context *ctx, adcl_parameters *set,
                                  const adcl_optimizer_params *given)
{
    if (out == NULL)
        return adcl__fail(ctx, ADCL_ERR_INVALID_ARGUMENT, 0,
                          "optimizer: expected a place for the result, got NULL");
    *out = NULL;
    adcl_optimizer_params p;
    ADCL_TRY(read_optimizer_params(ctx, set, given, &p));
    adcl_optimizer *o = calloc(1, sizeof *o);
    if (o == NULL) return no_memory(ctx);
    o->set = set;
    o->parameter_count = set->count;
    o->params = p;
    o->beta1 = p.beta1 != 0.0f ? (double)p.beta1 : 0.9;
    o->beta2 = p.beta2 != 0.0f ? (double)p.beta2 : 0.999;
    adcl_status status = make_state(ctx, o);
    if (status == ADCL_OK) status = make_norm(ctx, o);
    if (status == ADCL_OK) status = warm_up(ctx, o);
    if (status != ADCL_OK) {
        adcl_optimizer_destroy(&o);
        return status;
    }
    *out = o;
    return ADCL_OK;
}

void adcl_optimizer_destroy(adcl_optimizer **optimizer)
{
    if (optimizer == NULL || *optimizer == NULL) return;
    adcl_optimizer *o = *optimizer;
    for (size_t i = 0; i < o->part_count; i++) {
        free(o->parts[i].name);
        adcl_tensor_destroy(&o->parts[i].tensor);
    }
    free(o->parts);
    adcl_tensor_destroy(&o->state);
    adcl_tensor_destroy(&o->norm);
    if (o->partials != NULL) clReleaseMemObject(o->partials);
    free(o);
    *optimizer = NULL;
}

/* ---- asking ---------------------------------------------------------------------------------- */

const adcl_tensor *adcl_optimizer_gradient_norm(const adcl_optimizer *optimizer)
{
    return optimizer == NULL || !wants_norm(optimizer) ? NULL : optimizer->norm;
}

size_t adcl_optimizer_state_count(const adcl_optimizer *optimizer)
{
    return optimizer == NULL ? 0 : optimizer->part_count;
}

adcl_named_tensor adcl_optimizer_state(const adcl_optimizer *optimizer, size_t index)
{
    if (index >= adcl_optimizer_state_count(optimizer)) return (adcl_named_tensor){NULL, NULL};
    return (adcl_named_tensor){optimizer->parts[index].name, optimizer->parts[index].tensor};
}

uint64_t adcl_optimizer_step_count(const adcl_optimizer *optimizer)
{
    return optimizer == NULL ? 0 : optimizer->steps;
}

void adcl_optimizer_set_step_count(adcl_optimizer *optimizer, uint64_t steps)
{
    if (optimizer != NULL) optimizer->steps = steps;
}
