/* SPDX-License-Identifier: MIT */
/* test_threads.c – contexts in several threads at once. A plain program, for ThreadSanitizer does not
 * work under Criterion. Each thread must get the bits that one thread alone gets. */
#include <adapter_cl/adapter_cl.h>
#include <adapter_cl/opencl.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, PASSES = 20, ROWS = 17, HIDDEN = 33, BOTTLENECK = 9 };

/* What one thread works with, and what comes out. */
typedef struct job {
    const char *what;
    adcl_context *ctx;           /* the thread's own */
    const adcl_adapter *adapter; /* shared, only read; NULL: the thread makes its own and trains it */
    float y[ROWS * HIDDEN];
    adcl_status status;
    char message[ADCL_ERROR_MESSAGE_SIZE];
} job;

typedef struct objects {
    adcl_adapter *own;
    adcl_workspace *workspace;
    adcl_parameters *parameters;
    adcl_optimizer *optimizer;
    adcl_tensor *x, *y, *dy; /* (ROWS, HIDDEN) */
} objects;

static adcl_status make_adapter(adcl_adapter **out, adcl_context *ctx)
{
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = HIDDEN;
    params.bottleneck_size = BOTTLENECK;
    params.activation = ADCL_ACTIVATION_GELU;
    params.init = ADCL_INIT_BERT;
    return adcl_adapter_create(out, ctx, &params);
}

static adcl_status make_tensors(objects *o, adcl_context *ctx)
{
    float numbers[ROWS * HIDDEN];
    for (int i = 0; i < ROWS * HIDDEN; i++) numbers[i] = (float)(i % 13) / 8.0f - 0.75f;
    adcl_status status = adcl_tensor_create(&o->x, ctx, ADCL_F32, ROWS, HIDDEN);
    if (status == ADCL_OK) status = adcl_tensor_create(&o->y, ctx, ADCL_F32, ROWS, HIDDEN);
    if (status == ADCL_OK) status = adcl_tensor_create(&o->dy, ctx, ADCL_F32, ROWS, HIDDEN);
    if (status == ADCL_OK) status = adcl_tensor_write(ctx, o->x, numbers, sizeof numbers);
    if (status == ADCL_OK) status = adcl_tensor_fill(ctx, o->dy, 0.125f);
    return status;
}

static adcl_status make_training(objects *o, adcl_context *ctx)
{
    adcl_status status = make_adapter(&o->own, ctx);
    if (status == ADCL_OK) status = adcl_parameters_create(&o->parameters, ctx);
    if (status == ADCL_OK)
        status = adcl_parameters_add_adapter(ctx, o->parameters, o->own, 1.0f);
    if (status == ADCL_OK)
        status = adcl_optimizer_create(&o->optimizer, ctx, o->parameters, NULL);
    return status;
}

static adcl_status infer(adcl_context *ctx, const adcl_adapter *adapter, objects *o)
{
    return adcl_adapter_forward(ctx, adapter, o->workspace, o->x, o->y);
}

static adcl_status train(adcl_context *ctx, objects *o)
{
    adcl_status status = adcl_adapter_zero_grad(ctx, o->own);
    if (status == ADCL_OK) status = infer(ctx, o->own, o);
    if (status == ADCL_OK)
        status = adcl_adapter_backward(ctx, o->own, o->workspace, o->dy, NULL);
    if (status == ADCL_OK) status = adcl_optimizer_step(ctx, o->optimizer, 0.01);
    return status;
}

static adcl_status work(job *j, objects *o)
{
    adcl_workspace_params room = ADCL_WORKSPACE_PARAMS_INIT;
    room.max_rows = ROWS;
    room.mode = j->adapter == NULL ? ADCL_TRAINING : ADCL_INFERENCE;
    adcl_status status = make_tensors(o, j->ctx);
    if (status == ADCL_OK && j->adapter == NULL) status = make_training(o, j->ctx);
    const adcl_adapter *adapter = j->adapter == NULL ? o->own : j->adapter;
    if (status == ADCL_OK)
        status = adcl_workspace_create(&o->workspace, j->ctx, adapter, &room);
    for (int i = 0; i < PASSES && status == ADCL_OK; i++)
        status = j->adapter == NULL ? train(j->ctx, o) : infer(j->ctx, adapter, o);
    if (status == ADCL_OK) status = adcl_tensor_read(j->ctx, o->y, j->y, sizeof j->y);
    return status;
}

static void *run(void *argument)
{
    job *j = argument;
    objects o = {0};
    j->status = work(j, &o);
    if (j->status != ADCL_OK)
        snprintf(j->message, sizeof j->message, "%s", adcl_context_error(j->ctx)->message);
    adcl_optimizer_destroy(&o.optimizer);
    adcl_parameters_destroy(&o.parameters);
    adcl_tensor_destroy(&o.dy);
    adcl_tensor_destroy(&o.y);
    adcl_tensor_destroy(&o.x);
    adcl_workspace_destroy(&o.workspace);
    adcl_adapter_destroy(&o.own);
    return NULL;
}

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "FAILED: %s\n", what);
    exit(1);
}

/* Runs all jobs at once, then the first one alone, and compares. */
static void run_together(job *jobs)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        require(pthread_create(&threads[i], NULL, run, &jobs[i]) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    job alone = jobs[0];
    run(&alone);
    require(alone.status == ADCL_OK, alone.message);
    for (int i = 0; i < THREADS; i++) {
        require(jobs[i].status == ADCL_OK, jobs[i].message);
        require(memcmp(jobs[i].y, alone.y, sizeof alone.y) == 0, jobs[i].what);
    }
    printf("ok: %s\n", jobs[0].what);
}

/* ---- the cases ----------------------------------------------------------------------------------*/

static adcl_context *open_device(void)
{
    adcl_context *ctx = NULL;
    adcl_error error;
    require(adcl_context_create(&ctx, NULL, &error) == ADCL_OK, error.message);
    return ctx;
}

/* Unrelated contexts, each with its own cl_context: CLBlast's first calls come from all at once. */
static void test_own_contexts(void)
{
    static job jobs[THREADS];
    for (int i = 0; i < THREADS; i++)
        jobs[i] = (job){.what = "unrelated contexts train the same bits", .ctx = open_device()};
    run_together(jobs);
    for (int i = 0; i < THREADS; i++) adcl_context_destroy(&jobs[i].ctx);
}

/* Contexts of one family share the cl_context, the programs, and (or not) an adapter that is read. */
static void test_shared_contexts(const char *what, int share_adapter)
{
    static job jobs[THREADS];
    adcl_context *first = open_device();
    adcl_adapter *adapter = NULL;
    if (share_adapter)
        require(make_adapter(&adapter, first) == ADCL_OK, adcl_context_error(first)->message);
    for (int i = 0; i < THREADS; i++) {
        adcl_error error;
        jobs[i] = (job){.what = what, .adapter = adapter};
        require(adcl_context_share(&jobs[i].ctx, first, &error) == ADCL_OK, error.message);
    }
    run_together(jobs);
    for (int i = 0; i < THREADS; i++) adcl_context_destroy(&jobs[i].ctx);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&first);
}

/* Queues of the application over one cl_context, each borrowed by a context of its own. */
static void test_queues_of_the_application(void)
{
    static job jobs[THREADS];
    adcl_context *device = open_device();
    cl_context context = adcl_context_cl_context(device);
    cl_command_queue queues[THREADS];
    for (int i = 0; i < THREADS; i++) {
        adcl_error error;
        cl_int code;
        queues[i] = clCreateCommandQueue(context, adcl_context_cl_device(device), 0, &code);
        require(code == CL_SUCCESS, "clCreateCommandQueue");
        jobs[i] = (job){.what = "queues of one cl_context train the same bits"};
        require(adcl_context_create_from_cl(&jobs[i].ctx, context, queues[i], NULL, &error) ==
                    ADCL_OK, error.message);
    }
    run_together(jobs);
    for (int i = 0; i < THREADS; i++) {
        adcl_context_destroy(&jobs[i].ctx);
        clReleaseCommandQueue(queues[i]);
    }
    adcl_context_destroy(&device);
}

/* ---- a tokenizer --------------------------------------------------------------------------------*/

/* Gives the tokenizer back when all encodings were right. */
static void *encode_often(void *user)
{
    const adcl_tokenizer *tokenizer = user;
    const char *text = "Huggable [SEP] caf\xC3\xA9!";
    const int32_t expected[] = {101, 8549, 3654, 3468, 102, 7668, 999, 102};
    adcl_encoding *encoding = NULL;
    int good = adcl_encoding_create(&encoding, NULL) == ADCL_OK;
    for (int i = 0; good && i < 500; i++)
        good = adcl_tokenizer_encode(tokenizer, encoding, &(adcl_text_span){text, strlen(text)},
                                     NULL, 0, NULL) == ADCL_OK &&
               adcl_encoding_count(encoding) == 8 &&
               memcmp(adcl_encoding_ids(encoding), expected, sizeof expected) == 0;
    adcl_encoding_destroy(&encoding);
    return good ? user : NULL;
}

static void test_shared_tokenizer(void)
{
    char folder[4096];
    pthread_t threads[THREADS];
    adcl_tokenizer *tokenizer = NULL;
    adcl_error error;
    const char *data = getenv("ADCL_TEST_DATA");
    require(data != NULL, "ADCL_TEST_DATA names no folder");
    snprintf(folder, sizeof folder, "%s/tokenizer", data);
    require(adcl_tokenizer_load(&tokenizer, folder, &error) == ADCL_OK, error.message);
    for (int i = 0; i < THREADS; i++)
        require(pthread_create(&threads[i], NULL, encode_often, tokenizer) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        require(result == tokenizer, "threads encode with one tokenizer");
    }
    adcl_tokenizer_destroy(&tokenizer);
    printf("ok: threads encode with one tokenizer\n");
}

/* ---- an encoder ---------------------------------------------------------------------------------*/

enum { TEXTS = 3, WORDS = 12, LABELS = 4 };

/* One thread's work: it reads the encoder and the set that all have. */
typedef struct prediction {
    adcl_context *ctx;
    const adcl_encoder *encoder;
    const adcl_adapter_set *set;
    float logits[TEXTS * LABELS];
    adcl_status status;
    char message[ADCL_ERROR_MESSAGE_SIZE];
} prediction;

static adcl_status predict_often(prediction *p, adcl_encoder_workspace *workspace,
                                 adcl_tensor *logits)
{
    static const size_t starts[TEXTS + 1] = {0, 5, 6, WORDS};
    static const int32_t ids[WORDS] = {2, 7, 3, 90, 2, 10, 0, 3, 44, 5, 6, 7};
    const adcl_encoder_batch batch = {.sequences = TEXTS, .starts = starts, .ids = ids};
    adcl_status status = ADCL_OK;
    for (int i = 0; i < PASSES && status == ADCL_OK; i++)
        status = adcl_encoder_forward(p->ctx, p->encoder, p->set, workspace, &batch, logits);
    if (status != ADCL_OK) return status;
    return adcl_tensor_read(p->ctx, logits, p->logits, sizeof p->logits);
}

static void *predict(void *user)
{
    prediction *p = user;
    adcl_encoder_workspace_params room = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    adcl_encoder_workspace *workspace = NULL;
    adcl_tensor *logits = NULL;
    room.max_tokens = WORDS;
    p->status = adcl_encoder_workspace_create(&workspace, p->ctx, p->encoder, p->set, &room);
    if (p->status == ADCL_OK)
        p->status = adcl_tensor_create(&logits, p->ctx, ADCL_F32, TEXTS, LABELS);
    if (p->status == ADCL_OK) p->status = predict_often(p, workspace, logits);
    if (p->status != ADCL_OK)
        snprintf(p->message, sizeof p->message, "%s", adcl_context_error(p->ctx)->message);
    adcl_tensor_destroy(&logits);
    adcl_encoder_workspace_destroy(&workspace);
    return NULL;
}

static void make_encoder(adcl_context *ctx, adcl_engine engine, adcl_encoder **encoder,
                         adcl_adapter_set **set)
{
    char folder[4096];
    const char *data = getenv("ADCL_TEST_DATA");
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    adcl_adapter_set_params of_set;
    require(data != NULL, "ADCL_TEST_DATA names no folder");
    snprintf(folder, sizeof folder, "%s/tiny/bert", data);
    params.engine = engine;
    require(adcl_encoder_load(encoder, ctx, folder, &params) == ADCL_OK,
            adcl_context_error(ctx)->message);
    require(adcl_adapter_set_preset("pfeiffer", &of_set, NULL) == ADCL_OK, "pfeiffer");
    of_set.labels = LABELS;
    require(adcl_adapter_set_create(set, ctx, *encoder, &of_set) == ADCL_OK,
            adcl_context_error(ctx)->message);
}

/* Two threads and then one alone, with an encoder and a set that nobody changes. */
static void test_shared_encoder(adcl_engine engine)
{
    static prediction predictions[3];
    pthread_t threads[2];
    adcl_context *first = open_device();
    adcl_encoder *encoder = NULL;
    adcl_adapter_set *set = NULL;
    make_encoder(first, engine, &encoder, &set);
    for (int i = 0; i < 3; i++) {
        adcl_error error;
        predictions[i] = (prediction){.encoder = encoder, .set = set};
        require(adcl_context_share(&predictions[i].ctx, first, &error) == ADCL_OK, error.message);
    }
    for (int i = 0; i < 2; i++)
        require(pthread_create(&threads[i], NULL, predict, &predictions[i]) == 0, "pthread_create");
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    predict(&predictions[2]);
    for (int i = 0; i < 3; i++) {
        require(predictions[i].status == ADCL_OK, predictions[i].message);
        require(memcmp(predictions[i].logits, predictions[2].logits,
                       sizeof predictions[i].logits) == 0, "threads predict the same bits");
        adcl_context_destroy(&predictions[i].ctx);
    }
    adcl_adapter_set_destroy(&set);
    adcl_encoder_destroy(&encoder);
    adcl_context_destroy(&first);
    printf("ok: threads predict with one encoder and one set, engine %s\n", adcl_engine_name(engine));
}

int main(void)
{
    test_shared_tokenizer();
    test_own_contexts();
    test_shared_contexts("shared contexts read one adapter", 1);
    test_shared_contexts("shared contexts train the same bits", 0);
    test_queues_of_the_application();
    test_shared_encoder(ADCL_ENGINE_FUSED);
    test_shared_encoder(ADCL_ENGINE_REFERENCE);
    return 0;
}
