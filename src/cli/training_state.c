/* SPDX-License-Identifier: MIT */
#include "cli/training_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the result depends on --------------------------------------------------------------*/

/* An option, or what stands for it, as the checkpoint keeps it. */
typedef struct trait {
    const char *option; /* without its dashes */
    char value[192];    /* names have at most 127 bytes */
} trait;

#define TRAITS_MOST 24

typedef struct traits {
    trait items[TRAITS_MOST];
    size_t count;
} traits;

static void add(traits *list, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(traits *list, const char *option, const char *format, ...)
{
    trait *item = &list->items[list->count++];
    item->option = option;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(item->value, sizeof item->value, format, arguments);
    va_end(arguments);
}

/* The shortest decimal number that reads back as `value`. */
static void add_double(traits *list, const char *option, double value)
{
    char text[32];
    int digits = 0;
    do {
        snprintf(text, sizeof text, "%.*g", ++digits, value);
    } while (digits < 17 && strtod(text, NULL) != value);
    add(list, option, "%s", text);
}

static void add_float(traits *list, const char *option, float value)
{
    char text[32];
    int digits = 0;
    do {
        snprintf(text, sizeof text, "%.*g", ++digits, (double)value);
    } while (digits < 9 && strtof(text, NULL) != value);
    add(list, option, "%s", text);
}

/* FNV-1a, 64 bits: tells two data sets apart, and is no protection against malice. */
static uint64_t digest(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t training_state_digest(const array *x, const labels *l)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = digest(hash, x->values, x->rows * x->cols * sizeof(float));
    return digest(hash, l->values, l->count * sizeof(int32_t));
}

static void add_data(traits *list, const training *t)
{
    add(list, "train", "%zu rows of %zu columns, %zu classes, digest %016llx", t->x.rows, t->x.cols,
        t->model.classes, (unsigned long long)t->digest);
}

static void add_adapter(traits *list, const training *t)
{
    const adcl_adapter *adapter = t->model.adapter;
    add(list, "head-only", "%s", adapter == NULL ? "yes" : "no");
    if (adapter == NULL) return;
    add(list, "adapter", "%s", t->source != NULL ? "a file" : "none");
    add(list, "name", "%s", adcl_adapter_name(adapter));
    add(list, "bottleneck", "%zu", adcl_adapter_bottleneck_size(adapter));
    add(list, "activation", "%s", adcl_activation_name(adcl_adapter_activation(adapter)));
    if (t->source == NULL)
        add(list, "init", "%s", t->o->adapter.init != NULL ? t->o->adapter.init : "identity");
    add_float(list, "scaling", adcl_adapter_scaling(adapter));
    add_float(list, "dropout", adcl_adapter_dropout(adapter));
}

static void add_optimizer(traits *list, const train_options *o)
{
    const adcl_optimizer_params *p = &o->optimizer;
    add(list, "optimizer", "%s", adcl_optimizer_kind_name(p->kind));
    add_float(list, "momentum", p->momentum);
    add_float(list, "beta1", p->beta1);
    add_float(list, "beta2", p->beta2);
    add_float(list, "epsilon", p->epsilon);
    add_float(list, "weight-decay", p->weight_decay);
    add_float(list, "clip", p->clip_norm);
    add(list, "no-bias-correction", "%s", p->no_bias_correction ? "yes" : "no");
    add_double(list, "lr", o->learning_rate);
    add_double(list, "warmup", o->warmup);
    add(list, "schedule", "%s", adcl_schedule_kind_name(o->schedule));
}

/* The plan names the engine and the order of its sums; a head alone has no workspace to ask. */
static void add_engine(traits *list, const training *t)
{
    const adcl_workspace *workspace = t->steps.workspace;
    add(list, "engine", "%s",
        workspace != NULL ? adcl_workspace_plan(workspace)
                          : adcl_engine_name(adcl_context_engine(t->s->ctx)));
}

static void collect(traits *list, const training *t)
{
    list->count = 0;
    add_data(list, t);
    add(list, "seed", "%llu", (unsigned long long)t->s->common.seed);
    add(list, "epochs", "%zu", t->o->epochs);
    add(list, "batch", "%zu", t->o->batch);
    add_adapter(list, t);
    add_optimizer(list, t->o);
    add_engine(list, t);
}

/* ---- tensors ---------------------------------------------------------------------------------*/

/* All that changes while it trains; the caller frees *out. */
static int list_tensors(const training *t, adcl_named_tensor **out, size_t *count)
{
    size_t parameters = adcl_parameters_count(t->steps.parameters);
    size_t states = adcl_optimizer_state_count(t->steps.optimizer);
    void *memory;
    TRY(session_allocate(t->s, &memory, parameters + states, 1, sizeof **out));
    *out = memory;
    *count = parameters + states;
    for (size_t i = 0; i < parameters; i++) {
        const adcl_parameter *parameter = adcl_parameters_get(t->steps.parameters, i);
        (*out)[i] = (adcl_named_tensor){parameter->name, parameter->value};
    }
    for (size_t i = 0; i < states; i++)
        (*out)[parameters + i] = adcl_optimizer_state(t->steps.optimizer, i);
    return DONE;
}

/* ---- saving ----------------------------------------------------------------------------------*/

#define STEP_KEY "step"
#define DEVICE_KEY "device"
#define DEVICE_TEXT_SIZE 256

/* What, besides the engine's plan, the same bits depend on. */
static void describe_device(const training *t, char text[DEVICE_TEXT_SIZE])
{
    const adcl_device_info *device = adcl_context_device(t->s->ctx);
    snprintf(text, DEVICE_TEXT_SIZE, "%s, driver %s", device->name, device->driver);
}

int training_state_save(training *t)
{
    traits list;
    collect(&list, t);
    adcl_metadata metadata[TRAITS_MOST + 2];
    for (size_t i = 0; i < list.count; i++)
        metadata[i] = (adcl_metadata){list.items[i].option, list.items[i].value};
    char step[24];
    snprintf(step, sizeof step, "%llu", (unsigned long long)t->step);
    metadata[list.count] = (adcl_metadata){STEP_KEY, step};
    char device[DEVICE_TEXT_SIZE];
    describe_device(t, device);
    metadata[list.count + 1] = (adcl_metadata){DEVICE_KEY, device};

    adcl_named_tensor *tensors = NULL;
    size_t count;
    TRY(list_tensors(t, &tensors, &count));
    int status = session_check_context(
        t->s, adcl_checkpoint_save(t->s->ctx, training_folder_path(&t->folder, TRAINING_CHECKPOINT),
                                   tensors, count, metadata, list.count + 2));
    free(tensors);
    return status;
}

/* ---- restoring -------------------------------------------------------------------------------*/

static int compare_traits(const training *t, const adcl_safetensors *file)
{
    traits list;
    collect(&list, t);
    for (size_t i = 0; i < list.count; i++) {
        const trait *item = &list.items[i];
        const char *kept = adcl_safetensors_metadata_find(file, item->option);
        if (kept == NULL || strcmp(kept, item->value) != 0)
            return session_fail(t->s,
                                "--resume: the training in %s was started with --%s: %s; "
                                "this command has: %s",
                                t->folder.path, item->option, kept != NULL ? kept : "(not said)",
                                item->value);
    }
    char device[DEVICE_TEXT_SIZE];
    describe_device(t, device);
    const char *kept = adcl_safetensors_metadata_find(file, DEVICE_KEY);
    if (kept != NULL && strcmp(kept, device) != 0)
        session_note(t->s,
                     "warning: the checkpoint was made on %s; on %s the same bits are not "
                     "promised",
                     kept, device);
    return DONE;
}

static int restore_step(training *t, const adcl_safetensors *file)
{
    const char *text = adcl_safetensors_metadata_find(file, STEP_KEY);
    char *end = NULL;
    unsigned long long step = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0' || step > t->schedule.total_steps)
        return session_fail(t->s, "%s: expected a step from 0 to %llu, got %s",
                            training_folder_path(&t->folder, TRAINING_CHECKPOINT),
                            (unsigned long long)t->schedule.total_steps,
                            text != NULL ? text : "none");
    t->step = step;
    adcl_optimizer_set_step_count(t->steps.optimizer, step);
    return DONE;
}

static int restore_tensors(training *t, const adcl_safetensors *file)
{
    adcl_named_tensor *tensors = NULL;
    size_t count;
    TRY(list_tensors(t, &tensors, &count));
    int status =
        session_check_context(t->s, adcl_checkpoint_restore(t->s->ctx, file, tensors, count));
    free(tensors);
    return status;
}

int training_state_restore(training *t)
{
    adcl_safetensors *file = NULL;
    const char *path = training_folder_path(&t->folder, TRAINING_CHECKPOINT);
    TRY_HOST(t->s, adcl_checkpoint_open(&file, path, &t->s->error));
    int status = compare_traits(t, file);
    if (status == DONE) status = restore_step(t, file);
    if (status == DONE) status = restore_tensors(t, file);
    adcl_safetensors_destroy(&file);
    return status;
}
