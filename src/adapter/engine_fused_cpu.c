/* SPDX-License-Identifier: MIT */
/* engine_fused_cpu.c – whole passes in one to four launches of cl/fused_cpu.cl.
 *
 *   forward    inference, once: pack the kernels          w_down_packed, w_up_packed
 *              training, many rows: both ways             and w_up_t, w_down_t
 *              one launch, two for few rows of large kernels   z, h
 *   backward   not so many: pack the transposes,          w_up_t, w_down_t
 *              but for one or two rows
 *              dz (and dx)                                dz, du under dropout
 *              gradients                                  into the adapter's
 *              dx, if it takes dy's place or forward took two
 *
 * Parameters that have been handed out may change between passes at any time: of these nothing is
 * kept. */
#include "adapter/engine.h"

#include "ops/fused_cpu.h"

#include <stdlib.h>

typedef struct fused_state {
    adcl__fused_cpu program;
    adcl_tensor *z;  /* (max_rows, R): kept from forward for backward */
    adcl_tensor *h;  /* (max_rows, W); NULL in inference, where h takes z's place */
    adcl_tensor *dz; /* (max_rows, R); training */
    adcl_tensor *du; /* (max_rows, D); with dropout */
    adcl_tensor *w_down_packed, *w_up_packed; /* of (D, R), (W, D); inference, and where rows are many */
    uint64_t packed_of;                       /* the adapter whose kernels these still are; 0: none's */
    uint64_t last;                            /* that of the last forward, if its kernels may be kept */
    adcl_tensor *w_up_t, *w_down_t;           /* of (D, W), (R, D); training */
    adcl_tensor *rooms;                       /* training, where rows are many */
} fused_state;

/* ---- memory ----------------------------------------------------------------------------------- */

/* Columns of each of the state's matrices of max_rows rows, and floats of the rest; 0 for those that this
 * workspace does without. */
typedef struct fused_sizes {
    size_t z, h, dz, du;
    size_t w_down_packed, w_up_packed, w_up_t, w_down_t, rooms;
} fused_sizes;

static adcl__fused_cpu program_of(const adcl_context *ctx, const adcl_workspace *ws)
{
    return adcl__fused_cpu_describe(
        ctx, ws->activation, ws->hidden_size, ws->bottleneck_size, adcl__workspace_drops(ws),
        ws->mode == ADCL_TRAINING ? ADCL__FUSED_ALL : ADCL__FUSED_INFERENCE);
}

static fused_sizes sizes_of(const adcl__fused_cpu *program, const adcl_workspace *ws)
{
    bool training = ws->mode == ADCL_TRAINING, one_column = ws->width != ws->bottleneck_size;
    bool packs = !training || adcl__fused_cpu_packs(program, ws->max_rows);
    size_t hidden = ws->hidden_size, bottleneck = ws->bottleneck_size, width = ws->width;
    return (fused_sizes){
        .z = adcl__fused_cpu_padded(bottleneck),
        .h = training || one_column ? adcl__fused_cpu_padded(width) : 0,
        .dz = training ? adcl__fused_cpu_padded(bottleneck) : 0,
        .du = adcl__workspace_drops(ws) ? hidden : 0,
        .w_down_packed = packs ? adcl__fused_cpu_packed(program, hidden, bottleneck) : 0,
        .w_up_packed = packs ? adcl__fused_cpu_packed(program, width, hidden) : 0,
        .w_up_t = training ? adcl__fused_cpu_packed(program, hidden, width) : 0,
        .w_down_t = training ? adcl__fused_cpu_packed(program, bottleneck, hidden) : 0,
        .rooms = training ? adcl__fused_cpu_rooms(program, ws->max_rows) : 0,
    };
}

static adcl_status fused_bytes(adcl_context *ctx, const adcl_workspace *ws, size_t *bytes)
{
    const adcl__fused_cpu program = program_of(ctx, ws);
    fused_sizes sizes = sizes_of(&program, ws);
    *bytes = sizeof(float) *
             (ws->max_rows * (sizes.z + sizes.h + sizes.dz + sizes.du) + sizes.w_down_packed +
              sizes.w_up_packed + sizes.w_up_t + sizes.w_down_t + sizes.rooms);
    return ADCL_OK;
}

static adcl_status fused_prepare(adcl_context *ctx, adcl_workspace *ws)
{
    fused_state *s = ws->state = calloc(1, sizeof *s);
    if (s == NULL)
        return adcl__fail(ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "workspace: no memory for it");
    s->program = program_of(ctx, ws);
    fused_sizes sizes = sizes_of(&s->program, ws);
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, sizes.z, &s->z));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, sizes.h, &s->h));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, sizes.dz, &s->dz));
    ADCL_TRY(adcl__make_matrix(ctx, ws->max_rows, sizes.du, &s->du));
    ADCL_TRY(adcl__make_matrix(ctx, 1, sizes.w_down_packed, &s->w_down_packed));
    ADCL_TRY(adcl__make_matrix(ctx, 1, sizes.w_up_packed, &s->w_up_packed));
    ADCL_TRY(adcl__make_matrix(ctx, 1, sizes.w_up_t, &s->w_up_t));
    ADCL_TRY(adcl__make_matrix(ctx, 1, sizes.w_down_t, &s->w_down_t));
    return adcl__make_matrix(ctx, 1, sizes.rooms, &s->rooms);
}

static void fused_release(adcl_workspace *ws)
{
    fused_state *s = ws->state;
    if (s == NULL) return;
    adcl_tensor_destroy(&s->z);
    adcl_tensor_destroy(&s->h);
    adcl_tensor_destroy(&s->dz);
    adcl_tensor_destroy(&s->du);
    adcl_tensor_destroy(&s->w_down_packed);
    adcl_tensor_destroy(&s->w_up_packed);
    adcl_tensor_destroy(&s->w_up_t);
    adcl_tensor_destroy(&s->w_down_t);
    adcl_tensor_destroy(&s->rooms);
    free(s);
    ws->state = NULL;
}

/* ---- passes ----------------------------------------------------------------------------------- */

static adcl__fused_pass pass_of(const adcl_adapter *a, const adcl_workspace *ws)
{
    const fused_state *s = ws->state;
    return (adcl__fused_pass){
        .program = &s->program,
        .w_down = a->values[ADCL_DOWN_KERNEL],
        .b_down = a->values[ADCL_DOWN_BIAS],
        .w_up = a->values[ADCL_UP_KERNEL],
        .b_up = a->values[ADCL_UP_BIAS],
        .z = s->z,
        .h = s->h != NULL ? s->h : s->z,
        .dz = s->dz,
        .w_up_t = s->w_up_t,
        .w_down_t = s->w_down_t,
        .rooms = s->rooms,
        .mask = adcl__workspace_drops(ws) ? &ws->mask : NULL,
        .scaling = a->scaling,
        .residual = !a->parallel,
    };
}

/* Kernels that nobody can change are packed when an adapter comes for the second time in a row, and kept; others where
 * rows are so many that it pays for one pass. */
static adcl_status fused_forward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                 const adcl_tensor *x, adcl_tensor *y)
{
    fused_state *s = ws->state;
    adcl__fused_pass pass = pass_of(a, ws);
    const bool training = ws->mode == ADCL_TRAINING;
    const uint64_t kept = training || *a->handed_out ? 0 : a->id;
    const bool again = kept != 0 && kept == s->last, packed = kept != 0 && kept == s->packed_of;
    s->last = kept;
    if (packed || again || adcl__fused_cpu_packs(&s->program, x->rows)) {
        pass.w_down_packed = s->w_down_packed;
        pass.w_up_packed = s->w_up_packed;
    }
    if (!packed && pass.w_down_packed != NULL) {
        s->packed_of = 0;
        ADCL_TRY(adcl__fused_cpu_pack(ctx, &pass, true, training));
        s->packed_of = kept;
    }
    return adcl__fused_cpu_forward(ctx, &pass, x, y);
}

static adcl_status fused_backward(adcl_context *ctx, const adcl_adapter *a, adcl_workspace *ws,
                                  const adcl_tensor *dy, adcl_tensor *dx)
{
    const fused_state *s = ws->state;
    adcl__fused_pass pass = pass_of(a, ws);
    adcl_tensor du = s->du != NULL ? adcl__tensor_head(s->du, dy->rows) : *dy;
    const adcl__fused_gradients to = {
        adcl__adapter_wanted_gradient(a, ADCL_DOWN_KERNEL),
        adcl__adapter_wanted_gradient(a, ADCL_DOWN_BIAS),
        adcl__adapter_wanted_gradient(a, ADCL_UP_KERNEL),
        adcl__adapter_wanted_gradient(a, ADCL_UP_BIAS)};
    bool any = to.w_down != NULL || to.b_down != NULL || to.w_up != NULL || to.b_up != NULL;
    bool needs_dz = dx != NULL || to.w_down != NULL || to.b_down != NULL;
    bool needs_du = pass.mask != NULL && any;
    /* dx in dy's place waits until the gradients have read dy; where rows are split, dz and dx are two launches. */
    bool splits = adcl__fused_cpu_splits(&s->program, dy->rows);
    bool dx_last = dx != NULL && (splits || adcl__tensors_equal(dx, dy));
    int parts = ADCL__FUSED_DZ | (dx != NULL && !dx_last ? ADCL__FUSED_DX : 0);
    if (needs_dz || needs_du) {
        if (!adcl__fused_cpu_packs(&s->program, dy->rows) &&
            !adcl__fused_cpu_turns(&s->program, dy->rows))
            ADCL_TRY(adcl__fused_cpu_pack(ctx, &pass, false, true));
        ADCL_TRY(adcl__fused_cpu_backward(ctx, &pass, parts, dy, &du, dx));
    }
    if (any) ADCL_TRY(adcl__fused_cpu_gradients(ctx, &pass, &ws->x, &du, &to));
    return dx_last ? adcl__fused_cpu_backward(ctx, &pass, ADCL__FUSED_DX, dy, &du, dx) : ADCL_OK;
}

const adcl__engine_functions adcl__engine_fused_cpu = {
    .id = ADCL_ENGINE_FUSED,
    .plan = "fused/cpu/3",
    .bytes = fused_bytes,
    .prepare = fused_prepare,
    .release = fused_release,
    .forward = fused_forward,
    .backward = fused_backward,
};
