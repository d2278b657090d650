/* SPDX-License-Identifier: MIT */
/* test_faults.c – what happens when OpenCL calls and allocations fail.
 *
 * A world is built in stages. For each stage and n = 1, 2, … the n-th call that the stage makes is
 * made to fail, and, if asked, all calls after it too. Then the stage must say so with a status and a
 * sentence, must succeed when it is called again, and in the end nothing may be held. The sweep ends
 * when the stage makes fewer than n calls.
 *
 *     usage: test_faults opencl|memory once|lasting
 *
 * A plain program: leaks of host memory are LeakSanitizer's, which Criterion keeps from being seen. */
#define _POSIX_C_SOURCE 200809L /* glob */
#include "faults/memory_faults.h"
#include "faults/model_folder.h"
#include "faults/opencl_faults.h"

#include "encoder/adapter_folder.h"
#include "encoder/encoder_reference.h"
#include "encoder/model_weights.h"

#include <adapter_cl/adapter_cl.h>

#include <clblast_c.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 5, HIDDEN = 12, BOTTLENECK = 3, CLASSES = 4, TEXTS = 2 };

typedef struct world {
    adcl_error error; /* of calls that have no context */
    adcl_context *ctx, *sibling;
    adcl_adapter *adapter, *loaded;
    adcl_workspace *workspace, *fused, *reference;
    adcl_linear *head, *gemm_head;
    adcl_loss *loss;
    adcl_parameters *parameters;
    adcl_optimizer *optimizer;
    adcl_tensor *x, *y, *dy, *dx; /* (ROWS, HIDDEN) */
    adcl_tensor *logits;          /* (ROWS, CLASSES) */
    adcl_tensor *labels;          /* (ROWS, 1) I32 */
    adcl_tensor *value;           /* (1, 1) */
    adcl_tensor *on_host;         /* (ROWS, HIDDEN) over `memory` */
    float memory[ROWS * HIDDEN];
    adcl_safetensors *checkpoint;
    adcl_cache *cache;
    adcl_tokenizer *tokenizer;
    adcl_encoding *encoding;
    adcl_encoder *encoder;
    adcl_adapter_set *set, *saved_set;
    adcl_encoder_workspace *passes;
    adcl_tensor *of_texts; /* (TEXTS, CLASSES) */
} world;

/* In the working folder, named after the sweep, so that sweeps may run at the same time. */
static char adapter_path[64], checkpoint_path[64], cache_path[64], model_path[64];
static char native_path[64], folder_path[64], set_path[64];

/* Ends the program with a sentence unless `condition` holds. */
static void require(bool condition, const char *format, ...)
{
    if (condition) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void world_destroy(world *w)
{
    adcl_cache_close(&w->cache);
    adcl_tensor_destroy(&w->of_texts);
    adcl_encoder_workspace_destroy(&w->passes);
    adcl_adapter_set_destroy(&w->saved_set);
    adcl_adapter_set_destroy(&w->set);
    adcl_encoder_destroy(&w->encoder);
    adcl_encoding_destroy(&w->encoding);
    adcl_tokenizer_destroy(&w->tokenizer);
    adcl_safetensors_destroy(&w->checkpoint);
    adcl_tensor *tensors[] = {w->x, w->y, w->dy, w->dx, w->logits, w->labels, w->value, w->on_host};
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) adcl_tensor_destroy(&tensors[i]);
    adcl_optimizer_destroy(&w->optimizer);
    adcl_parameters_destroy(&w->parameters);
    adcl_loss_destroy(&w->loss);
    adcl_linear_destroy(&w->gemm_head);
    adcl_linear_destroy(&w->head);
    adcl_workspace_destroy(&w->reference);
    adcl_workspace_destroy(&w->fused);
    adcl_workspace_destroy(&w->workspace);
    adcl_adapter_destroy(&w->loaded);
    adcl_adapter_destroy(&w->adapter);
    adcl_context_destroy(&w->sibling);
    adcl_context_destroy(&w->ctx);
}

/* ---- the stages -------------------------------------------------------------------------------*/

static adcl_status load_tokenizer(world *w)
{
    return adcl_tokenizer_load(&w->tokenizer, model_path, &w->error);
}

/* Longer than what an encoding has room for at first, and with tokens of both added kinds. */
static adcl_status encode_pair(world *w)
{
    static char text[4096];
    for (size_t i = 0; i + 10 < sizeof text; i += 10) memcpy(text + i, "a [SEP] A ", 10);
    adcl_text_span span = {text, sizeof text - 6};
    if (w->encoding == NULL && adcl_encoding_create(&w->encoding, &w->error) != ADCL_OK)
        return w->error.status;
    return adcl_tokenizer_encode(w->tokenizer, w->encoding, &span, &span, 0, &w->error);
}

static adcl_status read_model_config(world *w)
{
    adcl__model_config config;
    return adcl__model_config_read(&config, model_path, &w->error);
}

/* What the run below holds. */
typedef struct encoder_run {
    adcl__model_weights model;
    adcl__host_set set, gradients;
} encoder_run;

static adcl_status load_reference(encoder_run *r, adcl_error *error)
{
    const char *data = getenv("ADCL_TEST_DATA");
    require(data != NULL, "ADCL_TEST_DATA must name the folder tests/golden");
    char model[1024], adapter[1024];
    snprintf(model, sizeof model, "%s/tiny/bert", data);
    snprintf(adapter, sizeof adapter, "%s/tiny/bert/adapters/parallel_gated_channel", data);
    adcl_status status = adcl__model_weights_load(&r->model, model, error);
    if (status == ADCL_OK)
        status = adcl__adapter_folder_read(&r->set, adapter, &r->model.config, error);
    if (status == ADCL_OK)
        status = adcl__host_set_create(&r->gradients, &r->model.config, &r->set.params, error);
    return status;
}

static adcl_status run_reference_encoder(world *w)
{
    static double hidden[4 * 3 * 32]; /* (layers + 1) matrices (T, D) */
    static const size_t starts[] = {0, 2, 3};
    static const int32_t ids[] = {2, 7, 3};
    static const double dlogits[2 * 3] = {1.0, -1.0, 0.0, 0.5, 0.5, -1.0};
    double logits[2 * 3];
    encoder_run r = {0};
    adcl_status status = load_reference(&r, &w->error);
    if (status == ADCL_OK)
        status = adcl__encoder_reference_run(&r.model, &r.set,
                                             &(adcl__reference_batch){2, starts, ids, NULL}, hidden,
                                             logits, dlogits, &r.gradients, &w->error);
    adcl__host_set_release(&r.gradients);
    adcl__host_set_release(&r.set);
    adcl__model_weights_release(&r.model);
    return status;
}

/* A model or a folder of tests/golden; valid until four more are asked for. */
static const char *golden(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/tiny/%s", getenv("ADCL_TEST_DATA"), name);
    return path;
}

static adcl_status load_model_weights(world *w)
{
    adcl__model_weights weights;
    ADCL_TRY(adcl__model_weights_load(&weights, golden("bert"), &w->error));
    adcl__model_weights_release(&weights);
    return ADCL_OK;
}

/* Both forms of weights, and a map of reduction factors. */
static adcl_status read_folders(world *w)
{
    static const char *const names[] = {"bert/adapters/ln_before", "bert/adapters/gated"};
    for (size_t i = 0; i < 2; i++) {
        adcl__host_set set;
        ADCL_TRY(adcl__adapter_folder_read(&set, golden(names[i]), NULL, &w->error));
        adcl__host_set_release(&set);
    }
    return ADCL_OK;
}

/* Few tensors: every file that is written is synced, which takes long. */
static adcl_status write_folder(world *w)
{
    const adcl__model_config model = {.hidden_size = HIDDEN, .layers = 1};
    adcl_adapter_set_params params;
    adcl__host_set set;
    ADCL_TRY(adcl_adapter_set_preset("none", &params, &w->error));
    params.labels = CLASSES;
    params.head_layers = 1;
    ADCL_TRY(adcl__host_set_create(&set, &model, &params, &w->error));
    adcl_status status = adcl__adapter_folder_write(&set, folder_path, &model, &w->error);
    adcl__host_set_release(&set);
    return status;
}

static adcl_status extract_adapter(world *w)
{
    adcl_adapter_folder *folder = NULL;
    ADCL_TRY(adcl_adapter_folder_load(&folder, golden("bert/adapters/a name with spaces"),
                                      &w->error));
    adcl_status status = adcl_adapter_folder_extract(folder, 0, native_path, &w->error);
    adcl_adapter_folder_destroy(&folder);
    return status;
}

static adcl_status open_context(world *w)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.profiling = 1; /* so that every launch has an event that could be lost */
    return adcl_context_create(&w->ctx, &params, &w->error);
}

static adcl_status share_context(world *w)
{
    return adcl_context_share(&w->sibling, w->ctx, &w->error);
}

static adcl_status create_adapter(world *w)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = HIDDEN;
    params.bottleneck_size = BOTTLENECK;
    params.init = ADCL_INIT_BERT;
    params.dropout = 0.25f;
    return adcl_adapter_create(&w->adapter, w->ctx, &params);
}

static adcl_status create_workspace_of(world *w, adcl_workspace **out, adcl_engine engine)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = ROWS;
    params.mode = ADCL_TRAINING;
    params.engine = engine;
    return adcl_workspace_create(out, w->ctx, w->adapter, &params);
}

static adcl_status create_workspace(world *w)
{
    return create_workspace_of(w, &w->workspace, ADCL_ENGINE_GEMM);
}

static adcl_status create_fused_workspace(world *w)
{
    return create_workspace_of(w, &w->fused, ADCL_ENGINE_FUSED);
}

static adcl_status create_reference_workspace(world *w)
{
    return create_workspace_of(w, &w->reference, ADCL_ENGINE_REFERENCE);
}

static adcl_status create_tensors(world *w)
{
    const struct {
        adcl_tensor **tensor;
        adcl_dtype dtype;
        size_t rows, cols;
    } wanted[] = {{&w->x, ADCL_F32, ROWS, HIDDEN},       {&w->y, ADCL_F32, ROWS, HIDDEN},
                  {&w->dy, ADCL_F32, ROWS, HIDDEN},      {&w->dx, ADCL_F32, ROWS, HIDDEN},
                  {&w->logits, ADCL_F32, ROWS, CLASSES}, {&w->labels, ADCL_I32, ROWS, 1},
                  {&w->value, ADCL_F32, 1, 1}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (*wanted[i].tensor != NULL) continue; /* made before the failure */
        adcl_status status = adcl_tensor_create(wanted[i].tensor, w->ctx, wanted[i].dtype,
                                                wanted[i].rows, wanted[i].cols);
        if (status != ADCL_OK) return status;
    }
    return ADCL_OK;
}

static adcl_status wrap_host(world *w)
{
    return adcl_tensor_wrap_host(&w->on_host, w->ctx, ADCL_F32, ROWS, HIDDEN, w->memory);
}

static adcl_status move_numbers(world *w)
{
    adcl_status status = adcl_tensor_write(w->ctx, w->x, w->memory, sizeof w->memory);
    if (status == ADCL_OK) status = adcl_tensor_fill(w->ctx, w->dy, 1.0f);
    if (status == ADCL_OK) status = adcl_tensor_copy(w->ctx, w->x, w->dx);
    if (status == ADCL_OK) status = adcl_tensor_gather_rows(w->ctx, w->x, w->labels, w->y);
    if (status == ADCL_OK) status = adcl_tensor_read(w->ctx, w->y, w->memory, sizeof w->memory);
    return status;
}

static adcl_status map_host(world *w)
{
    void *data;
    return adcl_tensor_map(w->ctx, w->on_host, ADCL_MAP_READ_WRITE, &data);
}

static adcl_status unmap_host(world *w)
{
    return adcl_tensor_unmap(w->ctx, w->on_host);
}

static adcl_status pass(world *w, adcl_workspace *workspace)
{
    adcl_status status = adcl_adapter_zero_grad(w->ctx, w->adapter);
    if (status == ADCL_OK)
        status = adcl_adapter_forward(w->ctx, w->adapter, workspace, w->x, w->y);
    if (status == ADCL_OK)
        status = adcl_adapter_backward(w->ctx, w->adapter, workspace, w->dy, w->dx);
    return status;
}

static adcl_status pass_on_device(world *w)
{
    return pass(w, w->workspace);
}

static adcl_status pass_fused(world *w)
{
    return pass(w, w->fused);
}

static adcl_status pass_on_host(world *w)
{
    return pass(w, w->reference);
}

static adcl_status read_profile(world *w)
{
    adcl_profile_entry entries[32];
    size_t count = 32;
    return adcl_profile_read(w->ctx, entries, &count);
}

static adcl_status create_head_of(world *w, adcl_linear **out, adcl_engine engine)
{
    adcl_linear_params params = ADCL_LINEAR_PARAMS_INIT;
    params.input_size = HIDDEN;
    params.output_size = CLASSES;
    params.max_rows = ROWS;
    params.engine = engine;
    return adcl_linear_create(out, w->ctx, &params);
}

static adcl_status create_head(world *w)
{
    return create_head_of(w, &w->head, ADCL_ENGINE_FUSED);
}

static adcl_status create_gemm_head(world *w)
{
    return create_head_of(w, &w->gemm_head, ADCL_ENGINE_GEMM);
}

static adcl_status create_loss(world *w)
{
    adcl_loss_params params = ADCL_LOSS_PARAMS_INIT;
    params.max_rows = ROWS;
    params.cols = CLASSES;
    return adcl_loss_create(&w->loss, w->ctx, &params);
}

static adcl_status create_parameters(world *w)
{
    return adcl_parameters_create(&w->parameters, w->ctx);
}

static adcl_status add_adapter(world *w)
{
    return adcl_parameters_add_adapter(w->ctx, w->parameters, w->adapter, 1.0f);
}

static adcl_status add_head(world *w)
{
    return adcl_parameters_add_linear(w->ctx, w->parameters, w->head, "head", 1.0f);
}

static adcl_status create_optimizer(world *w)
{
    adcl_optimizer_params params = ADCL_OPTIMIZER_PARAMS_INIT;
    params.clip_norm = 1.0f;
    return adcl_optimizer_create(&w->optimizer, w->ctx, w->parameters, &params);
}

/* A loss and a step of the optimizer. */
static adcl_status update(world *w)
{
    adcl_status status = adcl_parameters_zero_grad(w->ctx, w->parameters);
    if (status == ADCL_OK)
        status = adcl_loss_compute(w->ctx, w->loss, w->logits, w->labels, w->value, w->logits);
    if (status == ADCL_OK) status = adcl_optimizer_step(w->ctx, w->optimizer, 1e-3);
    if (status == ADCL_OK) status = adcl_context_finish(w->ctx);
    return status;
}

static adcl_status pass_of(world *w, adcl_linear *head)
{
    adcl_status status = adcl_linear_forward(w->ctx, head, w->x, w->logits);
    if (status == ADCL_OK) status = adcl_linear_backward(w->ctx, head, w->x, w->logits, w->dx);
    return status;
}

static adcl_status pass_of_head(world *w)
{
    return pass_of(w, w->head);
}

static adcl_status pass_of_gemm_head(world *w)
{
    return pass_of(w, w->gemm_head);
}

static adcl_status save_adapter(world *w)
{
    const adcl_adapter *adapters[] = {w->adapter};
    return adcl_adapter_save(w->ctx, adapter_path, adapters, 1, NULL);
}

static adcl_status load_adapter(world *w)
{
    return adcl_adapter_load(&w->loaded, w->ctx, adapter_path, NULL);
}

static adcl_status save_checkpoint(world *w)
{
    const adcl_named_tensor tensors[] = {{"x", w->x}, {"labels", w->labels}};
    const adcl_metadata metadata[] = {{"step", "7"}};
    return adcl_checkpoint_save(w->ctx, checkpoint_path, tensors, 2,
                                metadata, 1);
}

static adcl_status open_checkpoint(world *w)
{
    return adcl_checkpoint_open(&w->checkpoint, checkpoint_path,
                                &w->error);
}

static adcl_status restore_checkpoint(world *w)
{
    const adcl_named_tensor tensors[] = {{"x", w->x}, {"labels", w->labels}};
    return adcl_checkpoint_restore(w->ctx, w->checkpoint, tensors, 2);
}

static adcl_status open_cache(world *w)
{
    return adcl_cache_open(&w->cache, cache_path, &w->error);
}

static adcl_status put_in_cache(world *w)
{
    return adcl_cache_put(w->cache, "key", "value", 5, &w->error);
}

static adcl_status get_from_cache(world *w)
{
    char bytes[5];
    size_t size;
    return adcl_cache_get(w->cache, "key", bytes, sizeof bytes, &size, &w->error);
}

/* ---- an encoder -------------------------------------------------------------------------------*/

static adcl_status load_encoder(world *w)
{
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    params.mode = ADCL_TRAINING;
    params.engine = ADCL_ENGINE_FUSED;
    return adcl_encoder_load(&w->encoder, w->ctx, model_path, &params);
}

/* With every option that has memory of its own. */
static adcl_status create_set(world *w)
{
    const adcl_adapter_set_params params = {
        .struct_size = sizeof params, .reduction_factor = 4.0f, .labels = CLASSES,
        .activation = ADCL_ACTIVATION_GELU, .attention_adapters = 1, .output_adapters = 1,
        .original_ln_before = 1, .original_ln_after = 1, .gated = 1, .ln_before = 1, .ln_after = 1,
        .scaling_kind = ADCL_SCALING_CHANNEL, .dropout = 0.25f, .head_dropout = 0.25f,
        .train_layer_norms = 1};
    return adcl_adapter_set_create(&w->set, w->ctx, w->encoder, &params);
}

static adcl_status save_set(world *w)
{
    return adcl_adapter_set_save(w->ctx, w->set, set_path);
}

static adcl_status load_set(world *w)
{
    return adcl_adapter_set_load(&w->saved_set, w->ctx, w->encoder, set_path);
}

static adcl_status create_passes(world *w)
{
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = ROWS;
    params.mode = ADCL_TRAINING;
    return adcl_encoder_workspace_create(&w->passes, w->ctx, w->encoder, w->set, &params);
}

static adcl_status create_logits(world *w)
{
    return adcl_tensor_create(&w->of_texts, w->ctx, ADCL_F32, TEXTS, CLASSES);
}

static adcl_status pass_through_encoder(world *w)
{
    static const size_t starts[TEXTS + 1] = {0, 2, ROWS};
    static const int32_t ids[ROWS] = {1, 2, 1, 3, 2};
    const adcl_encoder_batch batch = {.sequences = TEXTS, .starts = starts, .ids = ids};
    adcl_status status =
        adcl_encoder_forward(w->ctx, w->encoder, w->set, w->passes, &batch, w->of_texts);
    if (status == ADCL_OK)
        status = adcl_encoder_backward(w->ctx, w->encoder, w->set, w->passes, w->of_texts);
    return status;
}

/* A stage that is `once` leaves behind what its next run would trip over. One that is `sampled` makes
 * hundreds of calls, most of them like their neighbours, for each of which a world would have to be built. */
typedef struct stage {
    const char *name;
    adcl_status (*run)(world *w);
    bool once, sampled;
} stage;

#define STAGE(run, once) {#run, run, once, false}
#define SAMPLED(run) {#run, run, true, true}

/* Those that use CLBlast come last, for a world with them takes a third of a second. */
static const stage library[] = {
    STAGE(open_cache, true),
    STAGE(put_in_cache, false),
    STAGE(get_from_cache, false),
    STAGE(load_tokenizer, true),
    STAGE(encode_pair, true),
    STAGE(read_model_config, true),
    STAGE(run_reference_encoder, false),
    STAGE(load_model_weights, false),
    STAGE(read_folders, false),
    STAGE(write_folder, false),
    STAGE(extract_adapter, false),
    STAGE(open_context, true),
    STAGE(share_context, true),
    STAGE(create_adapter, true),
    STAGE(create_tensors, true),
    STAGE(wrap_host, true),
    STAGE(move_numbers, false),
    STAGE(map_host, true),
    STAGE(unmap_host, true),
    STAGE(create_reference_workspace, true),
    STAGE(pass_on_host, false),
    STAGE(save_adapter, false),
    STAGE(load_adapter, true),
    STAGE(save_checkpoint, false),
    STAGE(open_checkpoint, true),
    STAGE(restore_checkpoint, false),
    STAGE(create_loss, true),
    STAGE(create_parameters, true),
    STAGE(add_adapter, true),
    STAGE(create_optimizer, true),
    STAGE(update, false),
    STAGE(read_profile, false),
    STAGE(create_fused_workspace, true),
    STAGE(pass_fused, false),
    STAGE(create_head, true),
    STAGE(add_head, true),
    STAGE(pass_of_head, false),
    STAGE(create_gemm_head, true),
    STAGE(pass_of_gemm_head, false),
    STAGE(create_workspace, true),
    STAGE(pass_on_device, false),
};

/* A world of its own, for one with an encoder takes a third of a second, too. */
static const stage encoder[] = {
    STAGE(open_context, true),
    SAMPLED(load_encoder),
    SAMPLED(create_set),
    STAGE(save_set, false),
    SAMPLED(load_set),
    SAMPLED(create_passes),
    STAGE(create_logits, true),
    STAGE(pass_through_encoder, false),
};

typedef struct scene {
    const stage *stages;
    size_t count, first; /* the first that is swept: those before it are in another scene, too */
} scene;

static const scene scenes[] = {{library, sizeof library / sizeof library[0], 0},
                               {encoder, sizeof encoder / sizeof encoder[0], 1}};

/* ---- the sweep --------------------------------------------------------------------------------*/

static const char *allocation(void)
{
    return "allocation";
}

typedef struct injector {
    const char *what;
    void (*arm)(unsigned first, bool lasting);
    unsigned (*calls)(void);
    const char *(*name)(void); /* of the first call that was made to fail */
} injector;

static const injector injectors[] = {
    {"opencl", opencl_faults_arm, opencl_faults_calls, opencl_faults_name},
    {"memory", memory_faults_arm, memory_faults_calls, allocation},
};

/* The sentence of the last failure, wherever it is. */
static const adcl_error *world_error(const world *w)
{
    return w->error.status != ADCL_OK ? &w->error : adcl_context_error(w->ctx);
}

/* The first `count` stages. */
static void build(world *w, const scene *sc, size_t count)
{
    *w = (world){0};
    for (size_t i = 0; i < count; i++)
        require(sc->stages[i].run(w) == ADCL_OK, "%s: %s", sc->stages[i].name,
                world_error(w)->message);
}

static void tear_down(world *w)
{
    world_destroy(w);
    CLBlastClearCache(); /* it holds programs */
}

/* Fails the n-th call of the stage, and runs it once more without. False when it makes fewer. */
static bool survives(world *w, const stage *st, const injector *faults, unsigned n, bool lasting)
{
    const char *name = st->name;
    faults->arm(n, lasting);
    adcl_status status = st->run(w);
    bool reached = faults->calls() >= n;
    const char *call = faults->name();
    faults->arm(0, false);
    const adcl_error *error = world_error(w);
    if (!reached) {
        require(status == ADCL_OK, "%s: %s", name, error->message);
        return false;
    }
    require(status != ADCL_OK, "%s: %s, call %u, failed and nobody said so", name, call, n);
    require(error->status == status && error->message[0] != '\0',
            "%s: %s, call %u: the status is %s, the error's is %s, its sentence \"%s\"", name, call,
            n, adcl_status_name(status), adcl_status_name(error->status), error->message);
    require(st->run(w) == ADCL_OK, "%s, once more after %s, call %u: %s", name, call, n,
            world_error(w)->message);
    return true;
}

/* The first calls one after the other; further on about eight of every power of ten. */
static unsigned next_call(const stage *st, unsigned n)
{
    return n + 1 + (st->sampled ? n / 3 : 0);
}

static void sweep(const scene *sc, size_t index, const injector *faults, bool lasting)
{
    const stage *st = &sc->stages[index];
    world w;
    build(&w, sc, index);
    for (unsigned n = 1; survives(&w, st, faults, n, lasting); n = next_call(st, n)) {
        if (!st->once) continue;
        tear_down(&w);
        require(opencl_faults_references() == 0, "%s: after call %u failed there are still %s",
                st->name, n, opencl_faults_held());
        build(&w, sc, index);
    }
    tear_down(&w);
    require(opencl_faults_references() == 0, "%s: in the end there are still %s", st->name,
            opencl_faults_held());
}

/* A sweep without injectors finds nothing, so both must have seen the calls of a whole world. */
static void require_injectors(void)
{
    world w;
    build(&w, &scenes[0], scenes[0].count);
    require(opencl_faults_calls() > 100, "OPENCL_LAYERS does not name the layer");
    require(opencl_faults_references() > 10, "the layer does not count objects");
    require(memory_faults_calls() > 100, "allocations do not come here");
    tear_down(&w);
}

/* Removes a folder with all that is in it, and tells how many files that was. */
static size_t remove_folder(const char *path)
{
    char pattern[80];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", path);
    size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    for (size_t i = 0; i < count; i++) remove(found.gl_pathv[i]);
    if (count > 0) globfree(&found);
    remove(path);
    return count;
}

int main(int argc, char **argv)
{
    require(argc == 3, "usage: test_faults opencl|memory once|lasting");
    const injector *faults = &injectors[strcmp(argv[1], injectors[0].what) == 0 ? 0 : 1];
    bool lasting = strcmp(argv[2], "lasting") == 0;
    snprintf(adapter_path, sizeof adapter_path, "faults-%s-%d.adapter", faults->what, lasting);
    snprintf(checkpoint_path, sizeof checkpoint_path, "faults-%s-%d.checkpoint", faults->what,
             lasting);
    snprintf(cache_path, sizeof cache_path, "faults-%s-%d.cache", faults->what, lasting);
    snprintf(model_path, sizeof model_path, "faults-%s-%d.model", faults->what, lasting);
    snprintf(native_path, sizeof native_path, "faults-%s-%d.native", faults->what, lasting);
    snprintf(folder_path, sizeof folder_path, "faults-%s-%d.folder", faults->what, lasting);
    snprintf(set_path, sizeof set_path, "faults-%s-%d.set", faults->what, lasting);
    require(model_folder_make(model_path), "%s cannot be written", model_path);
    remove_folder(cache_path); /* of a run that was killed */
    remove_folder(set_path);
    require_injectors();
    for (size_t s = 0; s < sizeof scenes / sizeof scenes[0]; s++)
        for (size_t i = scenes[s].first; i < scenes[s].count; i++)
            sweep(&scenes[s], i, faults, lasting);
    model_folder_remove(model_path);
    remove(adapter_path);
    remove(checkpoint_path);
    remove(native_path);
    size_t written = remove_folder(folder_path);
    require(written == 2, "%s: expected the two files of a head, got %zu: a write that failed left "
            "another", folder_path, written);
    size_t saved = remove_folder(set_path), cached = remove_folder(cache_path);
    require(saved == 5, "%s: expected five files, got %zu: a save that failed left another", set_path,
            saved);
    require(cached == 1, "%s: expected one file, got %zu: a put that failed left another", cache_path,
            cached);
    return 0;
}
