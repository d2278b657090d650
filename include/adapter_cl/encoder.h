/* SPDX-License-Identifier: MIT */
/* encoder.h – a frozen transformer of the BERT family, and the adapters in it.
 *
 *     adcl_encoder_load(&encoder, ctx, "minilm", NULL);                       the frozen model
 *     adcl_adapter_set_load(&set, ctx, encoder, "run");                       or _create: a new one
 *     adcl_encoder_workspace_create(&workspace, ctx, encoder, set, &params);  memory of a batch
 *     adcl_encoder_forward(ctx, encoder, set, workspace, &batch, logits);
 *     adcl_encoder_backward(ctx, encoder, set, workspace, dlogits);           adds to the gradients
 *
 * T tokens, S sequences of a batch, D hidden size, F inner size, R bottleneck of an adapter, C outputs
 * of the head. Sequences of a batch lie one after the other, without padding: row t of every (T, D)
 * matrix is token t. One post-LN layer, with its two places for adapters:
 *
 *     i ─► attention ─► h ─► [adapter] ─► + i ─► LN ─► x ─► feed-forward ─► h ─► [adapter] ─► + x ─► LN
 *
 * docs/encoder.md has the placements; their source is AdapterHub (Poth et al. 2023). */
#ifndef ADAPTER_CL_ENCODER_H
#define ADAPTER_CL_ENCODER_H

#include <adapter_cl/adapter.h>
#include <adapter_cl/parameters.h>
#include <adapter_cl/workspace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the frozen model ------------------------------------------------------------------------- */

typedef struct adcl_encoder_params {
    size_t struct_size;
    adcl_mode mode;     /* 0: inference. Training keeps packed matrices a second time, for backward */
    adcl_engine engine; /* 0 (AUTO): the context's. FUSED: packed matrices, for devices that are
                           CPUs; GEMM: CLBlast; REFERENCE: on the host, in double */
} adcl_encoder_params;

#define ADCL_ENCODER_PARAMS_INIT {sizeof(adcl_encoder_params), ADCL_INFERENCE, ADCL_ENGINE_AUTO}

/* A model that never changes. Thread-safety: any number of threads may use it, each with a context of
 * the same family. */
typedef struct adcl_encoder adcl_encoder;

/* Reads config.json and model.safetensors of a Hugging Face folder (BERT or DistilBERT; F32, F16 or
 * BF16). params NULL: the defaults. The caller owns *out; on failure *out is NULL.
 * Errors: FILE, FORMAT (a tensor that is missing, or whose shape config.json contradicts: names it),
 * UNSUPPORTED (another architecture), INVALID_ARGUMENT, memory, OPENCL. */
ADCL_API adcl_status adcl_encoder_load(adcl_encoder **out, adcl_context *ctx, const char *folder,
                                       const adcl_encoder_params *params);
ADCL_API void adcl_encoder_destroy(adcl_encoder **encoder);

ADCL_API size_t adcl_encoder_hidden_size(const adcl_encoder *encoder);     /* D */
ADCL_API size_t adcl_encoder_inner_size(const adcl_encoder *encoder);      /* F */
ADCL_API size_t adcl_encoder_layers(const adcl_encoder *encoder);
ADCL_API size_t adcl_encoder_vocabulary_size(const adcl_encoder *encoder);
ADCL_API size_t adcl_encoder_positions(const adcl_encoder *encoder);       /* the longest sequence */
ADCL_API size_t adcl_encoder_parameter_count(const adcl_encoder *encoder);
ADCL_API adcl_mode adcl_encoder_mode(const adcl_encoder *encoder);
/* The engine of its products: never AUTO. */
ADCL_API adcl_engine adcl_encoder_engine(const adcl_encoder *encoder);
/* Bytes of device memory that it holds. */
ADCL_API size_t adcl_encoder_bytes(const adcl_encoder *encoder);

/* ---- what adapters are placed, and how -------------------------------------------------------- */

/* Where the value comes from that is added to an adapter's update after the feed-forward or
 * attention part (AdapterHub's residual_before_ln). */
typedef enum adcl_residual {
    ADCL_RESIDUAL_BEFORE_LN = 0, /* true: h */
    ADCL_RESIDUAL_AFTER_LN,      /* false: the value that enters the adapter */
    ADCL_RESIDUAL_POST_ADD       /* "post_add": h + i */
} adcl_residual;

typedef enum adcl_scaling_kind {
    ADCL_SCALING_CONSTANT = 0,
    ADCL_SCALING_LEARNED, /* one number an adapter, trained */
    ADCL_SCALING_CHANNEL  /* D numbers an adapter, trained */
} adcl_scaling_kind;

typedef enum adcl_pooling {
    ADCL_POOLING_CLS = 0, /* the first token of each sequence */
    ADCL_POOLING_MEAN     /* the mean over all of its tokens, [CLS] and [SEP] among them */
} adcl_pooling;

/* The options of a set of adapters and its head. Fields are AdapterHub's, see docs/adapterhub.md. */
typedef struct adcl_adapter_set_params {
    size_t struct_size;
    const char *name;            /* NULL: "adapter". No dots, see ADCL_ADAPTER_NAME_BYTES */
    int attention_adapters;      /* mh_adapter: after attention */
    int output_adapters;         /* output_adapter: after the feed-forward part */
    int parallel;                /* is_parallel: beside the feed-forward part */
    float reduction_factor;      /* R = max(1, ⌊D / it⌋); 0: 16 */
    const float *layer_reduction_factors; /* one for each layer, 0: the one above; NULL: none */
    const size_t *leave_out;     /* layers without adapters */
    size_t leave_out_count;
    adcl_activation activation;  /* non_linearity */
    adcl_init init;              /* init_weights */
    uint64_t seed;
    adcl_scaling_kind scaling_kind;
    float scaling;               /* constant, or what a learned one starts with; 0: 1 */
    float dropout;
    int gated;                   /* use_gating */
    int ln_before, ln_after;     /* an own layer norm before down, after up */
    int adapter_residual_before_ln;
    adcl_residual residual;      /* residual_before_ln */
    int original_ln_before, original_ln_after;
    /* the head */
    size_t labels;               /* C; 0: no head. 1: regression */
    const char *const *label_names; /* C of them; NULL: LABEL_0, … */
    adcl_pooling pooling;
    size_t head_layers;          /* 1, or 2 with tanh between; 0: 2 for CLS, 1 for MEAN */
    float head_dropout;
    int train_layer_norms;       /* the model's own layer norms are trained, too, as in Houlsby et al. */
    int head_only;               /* no adapters at all */
} adcl_adapter_set_params;

/* The presets "houlsby", "pfeiffer", "parallel" of AdapterHub, and "none" (head_only), as complete
 * params. Errors: INVALID_ARGUMENT, NOT_FOUND with the list. */
ADCL_API adcl_status adcl_adapter_set_preset(const char *name, adcl_adapter_set_params *out,
                                             adcl_error *error);

/* ---- a set of adapters and its head ----------------------------------------------------------- */

/* Parameters and their gradients. Any number of sets may be made for one encoder; each forward names
 * the one that it uses. Thread-safety: as adcl_adapter. */
typedef struct adcl_adapter_set adcl_adapter_set;

/* A new set, initialised. Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, memory, OPENCL. */
ADCL_API adcl_status adcl_adapter_set_create(adcl_adapter_set **out, adcl_context *ctx,
                                             const adcl_encoder *encoder,
                                             const adcl_adapter_set_params *params);

/* Reads an AdapterHub folder: adapter_config.json with adapter.safetensors or pytorch_adapter.bin,
 * head_config.json with model_head.safetensors or pytorch_model_head.bin where there is a head, and
 * layer_norms.safetensors where layer norms were trained. Errors: FILE, FORMAT (a missing or
 * unexpected tensor, another shape, another model's hidden size), UNSUPPORTED (an option of
 * AdapterHub's that this library lacks, by name), memory, OPENCL. */
ADCL_API adcl_status adcl_adapter_set_load(adcl_adapter_set **out, adcl_context *ctx,
                                           const adcl_encoder *encoder, const char *folder);

/* Writes the same files (safetensors), each to a temporary name, synced and renamed; the folder is
 * made where it is not there. Waits. Errors: FILE, OPENCL, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_adapter_set_save(adcl_context *ctx, const adcl_adapter_set *set,
                                           const char *folder);
ADCL_API void adcl_adapter_set_destroy(adcl_adapter_set **set);

/* What it is: borrowed, as complete as adcl_adapter_set_create wants it. */
ADCL_API const adcl_adapter_set_params *adcl_adapter_set_describe(const adcl_adapter_set *set);
/* Its trainable parameters with their gradients, for adcl_optimizer and checkpoints; owned by the set:
 * "layer.0.attention.down.kernel", …, "head.0.kernel", "layer.0.output.norm.weight". */
ADCL_API adcl_parameters *adcl_adapter_set_parameters(const adcl_adapter_set *set);

/* The lowest layer with something to train, or with an adapter: everything below it gives the same
 * output for the same text, whatever is learned. The number of layers for a head alone. */
ADCL_API size_t adcl_adapter_set_lowest_layer(const adcl_adapter_set *set);

/* ---- passes ----------------------------------------------------------------------------------- */

/* S sequences; tokens of sequence s are ids[starts[s] … starts[s + 1] − 1]: host memory, read before
 * the call returns. */
typedef struct adcl_encoder_batch {
    size_t sequences;
    const size_t *starts;     /* S + 1 of them, from 0; no sequence is empty or longer than positions */
    const int32_t *ids;       /* NULL with hidden */
    const int32_t *type_ids;  /* NULL: 0 everywhere */
    /* Instead of ids: the hidden state (T, D) that enters first_layer, to begin there. */
    const adcl_tensor *hidden;
    size_t first_layer;
} adcl_encoder_batch;

typedef struct adcl_encoder_workspace_params {
    size_t struct_size;
    size_t max_tokens;    /* required */
    size_t max_sequences; /* 0: max_tokens */
    adcl_mode mode;       /* training wants an encoder for training */
    int keep_hidden;      /* 1: adcl_encoder_hidden gives every layer's output, not the last only */
    int model_dropout;    /* 1: in training, the model's own dropout is on, at the rates of config.json:
                             of the embeddings, of what each sublayer gives, of attention's weights */
    int recompute;        /* 1: of each trained layer its input alone is kept; backward runs the layer forward
                             again. Less memory, more time, the same bits (Chen et al. 2016) */
} adcl_encoder_workspace_params;

#define ADCL_ENCODER_WORKSPACE_PARAMS_INIT                                                         \
    {sizeof(adcl_encoder_workspace_params), 0, 0, ADCL_INFERENCE, 0, 0, 0}

/* The memory of one batch in flight, for an encoder and a set (NULL: no adapters, no head) or any
 * other set of the same options. Thread-safety: one thread at a time. */
typedef struct adcl_encoder_workspace adcl_encoder_workspace;

/* Allocates, compiles and launches everything once. Errors: INVALID_ARGUMENT, INVALID_STATE (training
 * with an encoder for inference), SIZE_OVERFLOW, memory, OPENCL, CLBLAST, PROGRAM_BUILD. */
ADCL_API adcl_status adcl_encoder_workspace_create(adcl_encoder_workspace **out, adcl_context *ctx,
                                                   const adcl_encoder *encoder,
                                                   const adcl_adapter_set *set,
                                                   const adcl_encoder_workspace_params *params);
ADCL_API void adcl_encoder_workspace_destroy(adcl_encoder_workspace **workspace);
/* Bytes of device memory that it holds, but for the scratch of the head's dense layers. */
ADCL_API size_t adcl_encoder_workspace_bytes(const adcl_encoder_workspace *workspace);

/* Dropout's masks of the next training forward are a function of (seed, step), as in workspace.h. */
ADCL_API void adcl_encoder_workspace_set_dropout_step(adcl_encoder_workspace *workspace,
                                                      uint64_t seed, uint64_t step);

/* Runs the batch through the model with the set's adapters, and its head where logits (S, C) is not
 * NULL. set NULL: the model alone. By the engine FUSED a sequence's results are the same bits whatever
 * else is in the batch. Enqueues and returns.
 * Errors: INVALID_ARGUMENT (an id outside the vocabulary, an empty or too long sequence, more tokens
 * or sequences than the workspace is for), SHAPE_MISMATCH, OPENCL, CLBLAST. */
ADCL_API adcl_status adcl_encoder_forward(adcl_context *ctx, const adcl_encoder *encoder,
                                          const adcl_adapter_set *set,
                                          adcl_encoder_workspace *workspace,
                                          const adcl_encoder_batch *batch, adcl_tensor *logits);

/* Adds ∂L/∂p of every trainable parameter of the set, given dlogits = ∂L/∂logits (S, C) of the last
 * forward. Goes no lower than the lowest layer with something to train. Enqueues and returns.
 * Errors: INVALID_STATE without a training forward with logits before; SHAPE_MISMATCH, OPENCL. */
ADCL_API adcl_status adcl_encoder_backward(adcl_context *ctx, const adcl_encoder *encoder,
                                           const adcl_adapter_set *set,
                                           adcl_encoder_workspace *workspace,
                                           const adcl_tensor *dlogits);

/* The hidden state (T, D) after `layer` layers of the last forward, 0: what enters the first one.
 * Owned by the workspace and overwritten by the next forward; NULL where it is not kept. */
ADCL_API const adcl_tensor *adcl_encoder_hidden(const adcl_encoder_workspace *workspace, size_t layer);

/* out (S, D) = the last hidden state, pooled; normalize: each row divided by its norm.
 * Errors: INVALID_STATE without a forward before, SHAPE_MISMATCH, OPENCL. */
ADCL_API adcl_status adcl_encoder_pool(adcl_context *ctx, adcl_encoder_workspace *workspace,
                                       adcl_pooling pooling, int normalize, adcl_tensor *out);

#ifdef __cplusplus
}
#endif
#endif
