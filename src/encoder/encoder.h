/* SPDX-License-Identifier: MIT */
/* encoder.h – what an encoder, a set of adapters and a workspace are made of.
 *
 *      adcl_encoder            the model: frozen matrices, norms; embeddings in the mapped file
 *      adcl_adapter_set        parameters and gradients of the adapters and the head
 *      adcl_encoder_workspace  matrices of one batch
 *
 *      encoder_pass.c ──► encoder_layer.c ──► encoder_site.c      a batch, a layer, an adapter's place
 *                    └──► encoder_head.c
 *
 * T tokens, S sequences, D hidden, F inner, H heads, R bottleneck, C labels. */
#ifndef ADCL_ENCODER_ENCODER_H
#define ADCL_ENCODER_ENCODER_H

#include "encoder/adapter_folder.h"
#include "encoder/frozen.h"
#include "encoder/model_weights.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/layer_norm.h"
#include "ops/sequence.h"

#include <adapter_cl/encoder.h>
#include <adapter_cl/linear.h>
#include <adapter_cl/workspace.h>

/* ---- the model -------------------------------------------------------------------------------- */

/* A layer norm's numbers on the device, (1, D) each; gradients NULL: not trained. */
typedef struct adcl__norm_tensors {
    adcl_tensor *weight, *bias, *weight_gradient, *bias_gradient;
} adcl__norm_tensors;

typedef struct adcl__encoder_layer {
    adcl__frozen qkv;              /* D → 3·D */
    adcl__frozen attention_output; /* D → D */
    adcl__frozen inner;            /* D → F */
    adcl__frozen output;           /* F → D */
    adcl__norm_tensors attention_norm, output_norm;
} adcl__encoder_layer;

struct adcl_encoder {
    adcl__family *family; /* retained */
    adcl__model_weights weights;
    adcl_engine engine;         /* of the frozen products: FUSED (packed), GEMM or REFERENCE */
    adcl_engine adapter_engine; /* of the adapters: as asked for */
    adcl_mode mode;
    adcl__attention attention;
    adcl__norm_tensors embeddings_norm;
    adcl__encoder_layer *layers;
};

/* ---- a set of adapters ------------------------------------------------------------------------ */

typedef struct adcl__dense_tensors {
    adcl_tensor *kernel, *bias, *kernel_gradient, *bias_gradient;
} adcl__dense_tensors;

/* One place for an adapter. Parameters of what the options do without are NULL. */
typedef struct adcl__site {
    size_t bottleneck;     /* R; 0: no adapter here */
    adcl_adapter *adapter; /* down, act, up */
    adcl_tensor *scaling, *scaling_gradient; /* (1, 1) or (1, D) */
    adcl__dense_tensors gate;
    adcl__norm_tensors norm_before, norm_after;
    adcl__norm_tensors model_norm; /* where the set trains it; weight NULL: the encoder's */
} adcl__site;

/* One parameter of the set: where it lies on the host and on the device. */
typedef struct adcl__set_entry {
    char *name;
    float **host; /* in adcl_adapter_set.host */
    size_t rows, cols;
    adcl_tensor *value, *gradient;
} adcl__set_entry;

struct adcl_adapter_set {
    adcl__family *family; /* retained */
    adcl__model_config model;
    adcl__host_set host; /* the options, and the numbers that it began with */
    adcl__set_entry *entries;
    size_t entry_count, entry_capacity;
    bool simple; /* a = adapter(h) with its own residual, then LN(a + i): no option interferes */
    adcl__site *sites; /* 2 a layer: attention, output */
    adcl__norm_tensors embeddings_norm;
    adcl__dense_tensors head[2];
    adcl_parameters *parameters;
    size_t lowest;
};

/* The entry of that name; NULL where there is none. */
const adcl__set_entry *adcl__adapter_set_entry(const adcl_adapter_set *set, const char *name);
/* Makes *out, with all parameters as they are now: not in set->host, for other threads may be reading it.
 * Waits. */
adcl_status adcl__adapter_set_download(adcl_context *ctx, const adcl_adapter_set *set,
                                       adcl__host_set *out);

/* ---- a workspace ------------------------------------------------------------------------------ */

/* What the backward of one site needs, or its forward leaves for a moment: in inference all sites share the
 * matrices. */
typedef struct adcl__site_memory {
    adcl_workspace *adapter;
    bool owns_adapter;   /* sites of one size may share a workspace */
    adcl_tensor *h;      /* (T, D) what the sublayer gives */
    adcl_tensor *entered; /* (T, D) LN(h + i) that enters the adapter */
    adcl_tensor *normed; /* (T, D) norm_before of what enters */
    adcl_tensor *up;     /* (T, D) the adapter's update, before it is scaled or gated */
    adcl_tensor *scaled; /* (T, D) after learned scaling */
    adcl_tensor *gate_tokens, *gates; /* (T, 1), (S, 1) */
    adcl__layer_norm_kept entered_norm, norm_before, norm_after, last_norm;
} adcl__site_memory;

typedef struct adcl__layer_memory {
    adcl_tensor *qkv;     /* (T, 3·D) */
    adcl_tensor *log_sum; /* (T, H) */
    adcl_tensor *context; /* (T, D) what attention gives */
    adcl_tensor *middle;  /* (T, D) what enters the feed-forward part */
    adcl_tensor *of_act;  /* (T, F) what the activation's backward wants; NULL where it is not kept */
    adcl_tensor *input;   /* (T, D) the layer's input, kept for parallel adapters; else NULL */
    adcl__site_memory sites[2];
} adcl__layer_memory;

typedef enum adcl__extent { ADCL__EXTENT_TOKENS, ADCL__EXTENT_SEQUENCES, ADCL__EXTENT_FIXED } adcl__extent;

/* A matrix of the workspace and what its rows are: they are set anew for every batch. */
typedef struct adcl__owned_matrix {
    adcl_tensor *tensor;
    adcl__extent extent;
} adcl__owned_matrix;

/* Between the seeds of two streams of dropout. */
#define ADCL__STREAM_DISTANCE UINT64_C(0x9E3779B97F4A7C15)

/* Of a batch: starts, of_token, blocks, embeddings. */
#define ADCL__UPLOADS 4

struct adcl_encoder_workspace {
    adcl__family *family; /* retained */
    adcl_engine engine;
    adcl_mode mode;
    size_t max_tokens, max_sequences, max_blocks, layers, lowest;
    bool keeps_hidden;
    bool model_drops; /* the model's own dropout is on */
    bool recomputes;  /* backward runs each layer forward again, for all have one layer's memory */
    /* What it was made for: */
    size_t heads, hidden_size, inner_size;
    bool has_set;
    adcl_adapter_set_params options; /* of the set; what its pointers point to may be gone */
    size_t *bottlenecks;             /* 2 a layer, as the set's sites */
    adcl__owned_matrix *owned;
    size_t owned_count, owned_capacity, bytes;
    /* The batch: */
    size_t tokens, first_layer;
    adcl_tensor *starts, *of_token, *blocks; /* ints */
    size_t block_count;
    adcl__sequences sequences;
    void *staging;       /* what is on its way to the device */
    adcl__upload uploads[ADCL__UPLOADS];
    /* Forward: */
    adcl_tensor **hidden; /* layers + 1; those that are not kept share two matrices */
    adcl_tensor *wide;    /* (T, F) after the activation */
    adcl_tensor *a, *t1, *t2, *t3; /* (T, D) */
    adcl__layer_memory *memory;    /* one a layer */
    adcl__layer_norm_kept embeddings_kept;
    adcl__frozen_scratch scratch;
    /* Backward: */
    adcl_tensor *dhidden, *dmiddle, *dh, *dcontext, *dqkv, *dwide, *delta, *dlogits_of_gate, *sums;
    /* The head: */
    adcl_tensor *pooled, *dense, *dropped, *dpooled, *dpooled_below; /* (S, D) */
    adcl_linear *linear[2];
    adcl__dropout_mask head_masks[2];
    /* Engine reference: */
    double *host_hidden, *host_logits, *host_dlogits;
    size_t *host_starts;
    int32_t *host_ids, *host_types;
    bool host_has_types;
    /* Of the last forward: */
    bool has_forward, has_logits;
    uint64_t seed, step; /* of its dropout */
    size_t present;      /* the layer that ran last: with `recomputes`, whose matrices are there */
    bool has_embeddings; /* it began with ids, so the embeddings' norm was a part of it */
    uint64_t next_seed, next_step;
};

/* Everything that a pass is about, for one call. */
typedef struct adcl__encoder_pass {
    adcl_context *ctx;
    const adcl_encoder *encoder;
    const adcl_adapter_set *set; /* NULL: none */
    adcl_encoder_workspace *ws;
} adcl__encoder_pass;

/* NULL where the set places nothing there. */
const adcl__site *adcl__site_of(const adcl__encoder_pass *p, size_t layer, int place);
/* The norm after that place: the set's, or the encoder's. */
adcl__norm_tensors adcl__model_norm_of(const adcl__encoder_pass *p, size_t layer, int place);
adcl__layer_norm adcl__norm_of(const adcl_encoder *encoder, const adcl__norm_tensors *norm);
enum { ADCL__PLACE_ATTENTION, ADCL__PLACE_OUTPUT };

/* x ← mask∘x where the model's own dropout is on; the same for gradients. x is a sublayer's result, or the
 * embeddings, which count as layer 0's. */
enum { ADCL__DROP_ATTENTION, ADCL__DROP_OUTPUT, ADCL__DROP_WEIGHTS, ADCL__DROP_EMBEDDINGS };
adcl_status adcl__model_drop(const adcl__encoder_pass *p, size_t layer, int what, adcl_tensor *x);

/* True where backward passes through that layer. */
bool adcl__layer_is_kept(const adcl_encoder_workspace *ws, size_t layer);

/* out (T, D) = the layer of the model, from i (T, D). */
adcl_status adcl__layer_forward(const adcl__encoder_pass *p, size_t layer, const adcl_tensor *i,
                                adcl_tensor *out);
/* ws->dhidden: the gradient of the layer's output becomes that of its input, where something below needs
 * it. */
adcl_status adcl__layer_backward(const adcl__encoder_pass *p, size_t layer);

/* out = what follows the sublayer, which took i and gave h. */
adcl_status adcl__site_forward(const adcl__encoder_pass *p, size_t layer, int place,
                               const adcl_tensor *h, const adcl_tensor *i, adcl_tensor *out);
/* From dout: *dh is where ∂L/∂h is then; di = ∂L/∂i as far as it does not go through the sublayer. wants_dh:
 * false where nothing below is trained: then neither is made. di may be the matrix that *dh points to. */
adcl_status adcl__site_backward(const adcl__encoder_pass *p, size_t layer, int place,
                                adcl_tensor *dout, bool wants_dh, adcl_tensor **dh,
                                adcl_tensor *di);

adcl_status adcl__head_forward(const adcl__encoder_pass *p, const adcl_tensor *hidden,
                               adcl_tensor *logits);
/* ws->dhidden from dlogits. */
adcl_status adcl__head_backward(const adcl__encoder_pass *p, const adcl_tensor *dlogits);

adcl_status adcl__encoder_reference_forward(const adcl__encoder_pass *p,
                                            const adcl_encoder_batch *batch, adcl_tensor *logits);
adcl_status adcl__encoder_reference_backward(const adcl__encoder_pass *p,
                                             const adcl_tensor *dlogits);

#endif
