/* SPDX-License-Identifier: MIT */
#include "cli/training_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensors ---------------------------------------------------------------------------------*/

/* All that changes while it trains; the caller frees *out. */
static int list_tensors(const training *t, adcl_named_tensor **out, size_t *count)
{
    size_t parameters = adcl_parameters_count(t->trainee->parameters);
    size_t states = adcl_optimizer_state_count(t->trainee->optimizer);
    void *memory;
    TRY(session_allocate(t->s, &memory, parameters + states, 1, sizeof **out));
    *out = memory;
    *count = parameters + states;
    for (size_t i = 0; i < parameters; i++) {
        const adcl_parameter *parameter = adcl_parameters_get(t->trainee->parameters, i);
        (*out)[i] = (adcl_named_tensor){parameter->name, parameter->value};
    }
    for (size_t i = 0; i < states; i++)
        (*out)[parameters + i] = adcl_optimizer_state(t->trainee->optimizer, i);
    return DONE;
}

/* ---- saving ----------------------------------------------------------------------------------*/

#define STEP_KEY "step"
#define DEVICE_KEY "device"
#define BEST_KEY "best"
#define EXTRA_KEYS 3
#define DEVICE_TEXT_SIZE 256

/* What, besides the engine's plan, the same bits depend on. */
static void describe_device(const training *t, char text[DEVICE_TEXT_SIZE])
{
    const adcl_device_info *device = adcl_context_device(t->s->ctx);
    snprintf(text, DEVICE_TEXT_SIZE, "%s, driver %s", device->name, device->driver);
}

/* "2 0.98750000000000004 0.123": epoch, goodness, loss. */
static void describe_best(const training *t, char *text, size_t size)
{
    snprintf(text, size, "%llu %.17g %.17g", (unsigned long long)t->best.epoch, t->best.goodness,
             t->best.loss);
}

int training_state_save(training *t)
{
    traits list;
    training_describe(t, &list);
    adcl_metadata metadata[TRAITS_MOST + EXTRA_KEYS];
    size_t strings = list.count;
    for (size_t i = 0; i < list.count; i++)
        metadata[i] = (adcl_metadata){list.items[i].option, list.items[i].value};
    char step[24];
    snprintf(step, sizeof step, "%llu", (unsigned long long)t->step);
    metadata[strings++] = (adcl_metadata){STEP_KEY, step};
    char device[DEVICE_TEXT_SIZE];
    describe_device(t, device);
    metadata[strings++] = (adcl_metadata){DEVICE_KEY, device};
    char best[96];
    describe_best(t, best, sizeof best);
    if (t->best.epoch > 0) metadata[strings++] = (adcl_metadata){BEST_KEY, best};

    adcl_named_tensor *tensors = NULL;
    size_t count;
    TRY(list_tensors(t, &tensors, &count));
    int status = session_check_context(
        t->s, adcl_checkpoint_save(t->s->ctx, training_folder_path(&t->folder, TRAINING_CHECKPOINT),
                                   tensors, count, metadata, strings));
    free(tensors);
    return status;
}

/* ---- restoring -------------------------------------------------------------------------------*/

static int compare_traits(const training *t, const adcl_safetensors *file)
{
    traits list;
    training_describe(t, &list);
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

static void restore_best(training *t, const adcl_safetensors *file)
{
    const char *text = adcl_safetensors_metadata_find(file, BEST_KEY);
    best_evaluation best;
    char *end;
    if (text == NULL) return;
    best.epoch = strtoull(text, &end, 10);
    best.goodness = strtod(end, &end);
    best.loss = strtod(end, &end);
    if (*end == '\0') t->best = best;
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
    restore_best(t, file);
    adcl_optimizer_set_step_count(t->trainee->optimizer, step);
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
