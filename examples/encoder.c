/* SPDX-License-Identifier: MIT */
/* encoder.c – a frozen model and its adapters: one is loaded and asked, another is placed, trained
 * on two sentences, saved, replaced by its copy and removed. The model stays where it is all the
 * while.
 *
 *     usage: encoder [MODEL ADAPTER OUT]     folders; OUT is written
 */
#include <adapter_cl/adapter_cl.h>

#include <stdio.h>
#include <string.h>

enum { SEQUENCES = 2, MOST_TOKENS = 64, MOST_LABELS = 8, MOST_HIDDEN = 1024, STEPS = 30 };

/* Sequences one after the other, as a batch wants them. */
typedef struct sentences {
    size_t count, starts[SEQUENCES + 1];
    int32_t ids[MOST_TOKENS], type_ids[MOST_TOKENS];
} sentences;

/* What lives from beginning to end; all NULL at first, so that destroying is always right. */
typedef struct session {
    adcl_context *ctx;
    adcl_encoder *encoder;
    adcl_tokenizer *tokenizer;
    adcl_encoding *encoding;
    sentences text;
} session;

/* A set of adapters at work: the memory of a batch, and what its head says. */
typedef struct placed {
    adcl_adapter_set *set; /* NULL: the model alone */
    adcl_encoder_workspace *workspace;
    adcl_tensor *logits; /* (SEQUENCES, labels) */
} placed;

static adcl_status add_sentence(session *s, const char *sentence, adcl_error *error)
{
    adcl_text_span span = {sentence, strlen(sentence)};
    adcl_status status = adcl_tokenizer_encode(s->tokenizer, s->encoding, &span, NULL,
                                               MOST_TOKENS / SEQUENCES, error);
    if (status != ADCL_OK) return status;
    size_t count = adcl_encoding_count(s->encoding), first = s->text.starts[s->text.count++];
    memcpy(s->text.ids + first, adcl_encoding_ids(s->encoding), count * sizeof(int32_t));
    memcpy(s->text.type_ids + first, adcl_encoding_type_ids(s->encoding), count * sizeof(int32_t));
    s->text.starts[s->text.count] = first + count;
    return ADCL_OK;
}

static adcl_status open_session(session *s, const char *model, adcl_error *error)
{
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    params.mode = ADCL_TRAINING;
    adcl_status status = adcl_context_create(&s->ctx, NULL, error);
    if (status == ADCL_OK) status = adcl_tokenizer_load(&s->tokenizer, model, error);
    if (status == ADCL_OK) status = adcl_encoding_create(&s->encoding, error);
    if (status == ADCL_OK) status = add_sentence(s, "how is my new card working?", error);
    if (status == ADCL_OK) status = add_sentence(s, "the bank lost money", error);
    if (status != ADCL_OK) return status;
    status = adcl_encoder_load(&s->encoder, s->ctx, model, &params);
    if (status != ADCL_OK) *error = *adcl_context_error(s->ctx);
    return status;
}

static void close_session(session *s)
{
    adcl_encoder_destroy(&s->encoder);
    adcl_encoding_destroy(&s->encoding);
    adcl_tokenizer_destroy(&s->tokenizer);
    adcl_context_destroy(&s->ctx);
}

/* Gives a set that was just made or loaded what it needs to work. */
static adcl_status place(session *s, placed *p)
{
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = MOST_TOKENS;
    params.max_sequences = SEQUENCES;
    params.mode = p->set == NULL ? ADCL_INFERENCE : ADCL_TRAINING;
    adcl_status status =
        adcl_encoder_workspace_create(&p->workspace, s->ctx, s->encoder, p->set, &params);
    if (status != ADCL_OK || p->set == NULL) return status;
    size_t labels = adcl_adapter_set_describe(p->set)->labels;
    return adcl_tensor_create(&p->logits, s->ctx, ADCL_F32, SEQUENCES, labels);
}

static void take_away(placed *p)
{
    adcl_tensor_destroy(&p->logits);
    adcl_encoder_workspace_destroy(&p->workspace);
    adcl_adapter_set_destroy(&p->set);
}

static adcl_status forward(session *s, placed *p)
{
    adcl_encoder_batch batch = {.sequences = s->text.count,
                                .starts = s->text.starts,
                                .ids = s->text.ids,
                                .type_ids = s->text.type_ids};
    return adcl_encoder_forward(s->ctx, s->encoder, p->set, p->workspace, &batch, p->logits);
}

/* out: MOST_LABELS numbers a sentence at most. */
static adcl_status ask(session *s, placed *p, const char *who, float *out)
{
    adcl_status status = forward(s, p);
    if (status != ADCL_OK) return status;
    size_t labels = adcl_tensor_cols(p->logits);
    if (labels > MOST_LABELS) return ADCL_ERR_INVALID_ARGUMENT;
    status = adcl_tensor_read(s->ctx, p->logits, out, SEQUENCES * labels * sizeof *out);
    for (size_t r = 0; status == ADCL_OK && r < SEQUENCES; r++) {
        printf("%-10s sentence %zu:", who, r);
        for (size_t c = 0; c < labels; c++) printf(" %8.4f", (double)out[r * labels + c]);
        printf("\n");
    }
    return status;
}

/* ---- an adapter that others have trained -------------------------------------------------------
 */

static adcl_status use_folder(session *s, const char *folder, const char *who, float *logits)
{
    placed loaded = {0};
    adcl_status status = adcl_adapter_set_load(&loaded.set, s->ctx, s->encoder, folder);
    if (status == ADCL_OK) status = place(s, &loaded);
    if (status == ADCL_OK) status = ask(s, &loaded, who, logits);
    take_away(&loaded);
    return status;
}

/* ---- one of our own ----------------------------------------------------------------------------
 */

typedef struct training {
    adcl_parameters *parameters; /* the set's */
    adcl_loss *loss;
    adcl_optimizer *optimizer;
    adcl_tensor *labels, *value, *dlogits;
} training;

static adcl_status open_training(session *s, placed *p, training *t)
{
    static const int32_t labels[SEQUENCES] = {0, 1};
    adcl_loss_params loss = ADCL_LOSS_PARAMS_INIT;
    loss.max_rows = SEQUENCES;
    loss.cols = adcl_tensor_cols(p->logits);
    t->parameters = adcl_adapter_set_parameters(p->set);
    adcl_status status = adcl_loss_create(&t->loss, s->ctx, &loss);
    if (status == ADCL_OK)
        status = adcl_optimizer_create(&t->optimizer, s->ctx, t->parameters, NULL);
    if (status == ADCL_OK) status = adcl_tensor_create(&t->labels, s->ctx, ADCL_I32, SEQUENCES, 1);
    if (status == ADCL_OK) status = adcl_tensor_create(&t->value, s->ctx, ADCL_F32, 1, 1);
    if (status == ADCL_OK)
        status = adcl_tensor_create(&t->dlogits, s->ctx, ADCL_F32, SEQUENCES, loss.cols);
    if (status == ADCL_OK) status = adcl_tensor_write(s->ctx, t->labels, labels, sizeof labels);
    return status;
}

static void close_training(training *t)
{
    adcl_tensor_destroy(&t->dlogits);
    adcl_tensor_destroy(&t->value);
    adcl_tensor_destroy(&t->labels);
    adcl_optimizer_destroy(&t->optimizer);
    adcl_loss_destroy(&t->loss);
}

static adcl_status step(session *s, placed *p, training *t)
{
    adcl_status status = adcl_parameters_zero_grad(s->ctx, t->parameters);
    if (status == ADCL_OK) status = forward(s, p);
    if (status == ADCL_OK)
        status = adcl_loss_compute(s->ctx, t->loss, p->logits, t->labels, t->value, t->dlogits);
    if (status == ADCL_OK)
        status = adcl_encoder_backward(s->ctx, s->encoder, p->set, p->workspace, t->dlogits);
    if (status == ADCL_OK) status = adcl_optimizer_step(s->ctx, t->optimizer, 0.005);
    return status;
}

/* The loss before the first step and before the last one. */
static adcl_status train(session *s, placed *p, float *first, float *last)
{
    training t = {0};
    adcl_status status = open_training(s, p, &t);
    for (int i = 0; i < STEPS && status == ADCL_OK; i++) {
        status = step(s, p, &t);
        if (status == ADCL_OK && i == 0)
            status = adcl_tensor_read(s->ctx, t.value, first, sizeof *first);
    }
    if (status == ADCL_OK) status = adcl_tensor_read(s->ctx, t.value, last, sizeof *last);
    close_training(&t);
    return status;
}

/* Places a new set, trains it and saves it. logits: what it says at the end. */
static adcl_status make_folder(session *s, const char *folder, float *logits, int *learned)
{
    placed fresh = {0};
    float first = 0.0f, last = 0.0f;
    adcl_adapter_set_params params;
    adcl_status status = adcl_adapter_set_preset("houlsby", &params, NULL);
    params.name = "example";
    params.labels = 2;
    if (status == ADCL_OK)
        status = adcl_adapter_set_create(&fresh.set, s->ctx, s->encoder, &params);
    if (status == ADCL_OK) status = place(s, &fresh);
    if (status == ADCL_OK) status = train(s, &fresh, &first, &last);
    if (status == ADCL_OK) status = ask(s, &fresh, "trained", logits);
    if (status == ADCL_OK) status = adcl_adapter_set_save(s->ctx, fresh.set, folder);
    printf("loss %.4f → %.4f in %d steps\n", (double)first, (double)last, STEPS);
    *learned = last < 0.5f * first;
    take_away(&fresh);
    return status;
}

/* ---- the model alone ---------------------------------------------------------------------------
 */

/* out: the mean over the tokens of each sentence. */
static adcl_status embed(session *s, float *out)
{
    placed alone = {0};
    adcl_tensor *pooled = NULL;
    size_t d = adcl_encoder_hidden_size(s->encoder);
    if (d > MOST_HIDDEN) return ADCL_ERR_INVALID_ARGUMENT;
    adcl_status status = place(s, &alone);
    if (status == ADCL_OK) status = adcl_tensor_create(&pooled, s->ctx, ADCL_F32, SEQUENCES, d);
    if (status == ADCL_OK) status = forward(s, &alone);
    if (status == ADCL_OK)
        status = adcl_encoder_pool(s->ctx, alone.workspace, ADCL_POOLING_MEAN, 0, pooled);
    if (status == ADCL_OK)
        status = adcl_tensor_read(s->ctx, pooled, out, SEQUENCES * d * sizeof *out);
    adcl_tensor_destroy(&pooled);
    take_away(&alone);
    return status;
}

int main(int argc, char **argv)
{
    const char *model = argc > 1 ? argv[1] : "tests/golden/tiny/bert";
    const char *adapter = argc > 2 ? argv[2] : "tests/golden/tiny/bert/adapters/houlsby";
    const char *out = argc > 3 ? argv[3] : "encoder-example";
    static float before[SEQUENCES * MOST_HIDDEN], after[SEQUENCES * MOST_HIDDEN];
    float logits[SEQUENCES * MOST_LABELS], trained[SEQUENCES * MOST_LABELS] = {0};
    float copy[SEQUENCES * MOST_LABELS] = {0};
    int learned = 0;
    session s = {0};
    adcl_error error = {0};
    if (open_session(&s, model, &error) != ADCL_OK) {
        fprintf(stderr, "%s\n", error.message);
        close_session(&s);
        return 1;
    }
    adcl_status status = embed(&s, before);
    if (status == ADCL_OK) status = use_folder(&s, adapter, "loaded", logits);
    if (status == ADCL_OK) status = make_folder(&s, out, trained, &learned);
    if (status == ADCL_OK) status = use_folder(&s, out, "its copy", copy);
    if (status == ADCL_OK) status = embed(&s, after);
    if (status != ADCL_OK) fprintf(stderr, "%s\n", adcl_context_error(s.ctx)->message);

    size_t bytes = SEQUENCES * adcl_encoder_hidden_size(s.encoder) * sizeof(float);
    int same = status == ADCL_OK && memcmp(trained, copy, sizeof copy) == 0 &&
               memcmp(before, after, bytes) == 0;
    printf("the copy's logits and the model alone are %s\n", same ? "the same bits" : "CHANGED");
    close_session(&s);
    return !same || !learned;
}
