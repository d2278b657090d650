/* SPDX-License-Identifier: MIT */
/* Forward and backward of adapters: what they compute. When they may be called is in
 * test_workspace.c. */
#include "base/random.h"
#include "reference/reference.h"
#include "runtime/context.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a pass and all that belongs to it ------------------------------------------------------- */

typedef struct setup {
    size_t rows; /* N */
    adcl_adapter_params params;
    adcl_engine engine;
    uint64_t seed; /* of numbers, offsets and strides */
    uint64_t dropout_seed, dropout_step;
    bool unwanted[ADCL_ADAPTER_SLOT_COUNT]; /* gradients that the block does not keep */
    bool no_dx;
    bool in_place; /* dx takes the place of dy */
} setup;

/* What goes in. gradients: what they hold before. */
typedef struct numbers {
    float *x, *dy;
    float *values[ADCL_ADAPTER_SLOT_COUNT];
    float *gradients[ADCL_ADAPTER_SLOT_COUNT];
} numbers;

/* What comes out; NULL where it is not wanted. */
typedef struct outcome {
    float *y, *dx;
    float *gradients[ADCL_ADAPTER_SLOT_COUNT];
} outcome;

typedef struct expectation {
    const double *y, *dx;
    const double *gradients[ADCL_ADAPTER_SLOT_COUNT];
} expectation;

/* Those that run on the device; and those and the reference. */
static const adcl_engine device_engines[] = {ADCL_ENGINE_GEMM, ADCL_ENGINE_FUSED};
static const adcl_engine every_engine[] = {ADCL_ENGINE_GEMM, ADCL_ENGINE_FUSED,
                                           ADCL_ENGINE_REFERENCE};
enum { DEVICE_ENGINE_COUNT = sizeof device_engines / sizeof device_engines[0] };

static setup make_setup(size_t rows, size_t hidden_size, size_t bottleneck_size,
                        adcl_activation activation)
{
    setup s = {.rows = rows, .params = ADCL_ADAPTER_PARAMS_INIT, .engine = ADCL_ENGINE_AUTO};
    s.params.hidden_size = hidden_size;
    s.params.bottleneck_size = bottleneck_size;
    s.params.activation = activation;
    return s;
}

static size_t slot_rows(const setup *s, int slot)
{
    if (slot == ADCL_DOWN_KERNEL) return s->params.hidden_size;
    if (slot == ADCL_UP_KERNEL)
        return adcl_activation_width(s->params.activation, s->params.bottleneck_size);
    return 1;
}

static size_t slot_cols(const setup *s, int slot)
{
    return slot == ADCL_DOWN_KERNEL || slot == ADCL_DOWN_BIAS ? s->params.bottleneck_size
                                                              : s->params.hidden_size;
}

static size_t slot_count(const setup *s, int slot)
{
    return slot_rows(s, slot) * slot_cols(s, slot);
}

/* Numbers of few bits, of deviation near 1/√terms: of so many products a sum is near 1. The sums in
 * z are then exact in float, whatever their order, and nothing depends on the side of a kink to
 * which rounding would have pushed them. */
static float *draw(uint64_t seed, size_t count, size_t terms)
{
    float *drawn = adcl_test_numbers(seed, count);
    float scale = exp2f(-roundf(0.5f * log2f((float)terms)));
    for (size_t i = 0; i < count; i++)
        drawn[i] = scale * fminf(fmaxf(roundf(drawn[i] * 16.0f) / 16.0f, -4.0f), 4.0f);
    return drawn;
}

static numbers draw_numbers(const setup *s)
{
    numbers drawn;
    uint64_t seed = 100 * s->seed;
    size_t d = s->params.hidden_size, width = slot_rows(s, ADCL_UP_KERNEL);
    drawn.x = draw(seed, s->rows * d, 1);
    /* dy is in sums over N rows, and in sums over D columns with w_up, which is made for sums over
     * the columns of h. */
    drawn.dy = draw(seed + 1, s->rows * d, s->rows * (1 + d / width));
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        uint64_t own = seed + 2 + 2 * (uint64_t)slot;
        drawn.values[slot] = draw(own, slot_count(s, slot), slot_rows(s, slot));
        drawn.gradients[slot] = draw(own + 1, slot_count(s, slot), 1);
    }
    return drawn;
}

static void discard_numbers(numbers *drawn)
{
    free(drawn->x);
    free(drawn->dy);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        free(drawn->values[slot]);
        free(drawn->gradients[slot]);
    }
}

static void discard_outcome(outcome *result)
{
    free(result->y);
    free(result->dx);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) free(result->gradients[slot]);
}

/* The adapter over guarded matrices of its own, which have its parameters and gradients. */
static adcl_adapter *create_adapter(adcl_context *ctx, const setup *s, const numbers *in,
                                    adcl_test_guarded gradients[ADCL_ADAPTER_SLOT_COUNT])
{
    adcl_test_guarded values[ADCL_ADAPTER_SLOT_COUNT];
    adcl_tensor *value_tensors[ADCL_ADAPTER_SLOT_COUNT], *gradient_tensors[ADCL_ADAPTER_SLOT_COUNT];
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        size_t rows = slot_rows(s, slot), cols = slot_cols(s, slot);
        values[slot] = adcl_test_guarded_draw(ctx, s->seed + 10 + (uint64_t)slot, rows, cols,
                                              in->values[slot]);
        gradients[slot] = adcl_test_guarded_draw(ctx, s->seed + 20 + (uint64_t)slot, rows, cols,
                                                 in->gradients[slot]);
        value_tensors[slot] = values[slot].tensor;
        gradient_tensors[slot] = s->unwanted[slot] ? NULL : gradients[slot].tensor;
    }
    adcl_adapter *adapter = NULL;
    ADCL_TEST_OK(ctx, adcl_adapter_block(&adapter, ctx, &s->params, value_tensors,
                                         gradient_tensors));
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        adcl_test_guarded_destroy(&values[slot]);
    return adapter;
}

/* A workspace for a few rows more than N. */
static adcl_workspace *create_workspace(adcl_context *ctx, const setup *s,
                                        const adcl_adapter *adapter, adcl_mode mode)
{
    adcl_workspace_params params = ADCL_WORKSPACE_PARAMS_INIT;
    params.max_rows = s->rows + s->seed % 3;
    params.mode = mode;
    params.engine = s->engine;
    adcl_workspace *workspace = NULL;
    ADCL_TEST_OK(ctx, adcl_workspace_create(&workspace, ctx, adapter, &params));
    adcl_workspace_set_dropout_step(workspace, s->dropout_seed, s->dropout_step);
    return workspace;
}

/* One forward and `backwards` backwards in training, all matrices strided between guards. */
static outcome run(adcl_context *ctx, const setup *s, const numbers *in, int backwards)
{
    size_t n = s->rows, d = s->params.hidden_size;
    adcl_test_guarded gradients[ADCL_ADAPTER_SLOT_COUNT];
    adcl_adapter *adapter = create_adapter(ctx, s, in, gradients);
    adcl_workspace *workspace = create_workspace(ctx, s, adapter, ADCL_TRAINING);
    adcl_test_guarded x = adcl_test_guarded_draw(ctx, s->seed + 1, n, d, in->x);
    adcl_test_guarded y = adcl_test_guarded_draw(ctx, s->seed + 2, n, d, NULL);
    adcl_test_guarded dy = adcl_test_guarded_draw(ctx, s->seed + 3, n, d, in->dy);
    adcl_test_guarded dx = adcl_test_guarded_draw(ctx, s->seed + 4, n, d, NULL);
    const adcl_test_guarded *on_dx = s->in_place ? &dy : &dx;
    ADCL_TEST_OK(ctx, adcl_adapter_forward(ctx, adapter, workspace, x.tensor, y.tensor));
    adcl_workspace_set_dropout_step(workspace, 77, 77); /* for the next forward only */
    for (int i = 0; i < backwards; i++)
        ADCL_TEST_OK(ctx, adcl_adapter_backward(ctx, adapter, workspace, dy.tensor,
                                                s->no_dx ? NULL : on_dx->tensor));
    outcome result = {.y = adcl_test_guarded_read(ctx, &y),
                      .dx = s->no_dx ? NULL : adcl_test_guarded_read(ctx, on_dx)};
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        result.gradients[slot] = adcl_test_guarded_read(ctx, &gradients[slot]);
        adcl_test_guarded_destroy(&gradients[slot]);
    }
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_test_guarded_destroy(&x);
    adcl_test_guarded_destroy(&y);
    adcl_test_guarded_destroy(&dy);
    adcl_test_guarded_destroy(&dx);
    return result;
}

/* One forward in inference: y, from where it lies apart from x or takes its place. */
static float *infer(adcl_context *ctx, const setup *s, const numbers *in, bool in_place)
{
    adcl_test_guarded gradients[ADCL_ADAPTER_SLOT_COUNT];
    adcl_adapter *adapter = create_adapter(ctx, s, in, gradients);
    adcl_workspace *workspace = create_workspace(ctx, s, adapter, ADCL_INFERENCE);
    adcl_test_guarded x = adcl_test_guarded_draw(ctx, s->seed, s->rows, s->params.hidden_size,
                                                 in->x);
    adcl_test_guarded y = adcl_test_guarded_draw(ctx, s->seed + 1, s->rows, s->params.hidden_size,
                                                 NULL);
    const adcl_test_guarded *on_y = in_place ? &x : &y;
    ADCL_TEST_OK(ctx, adcl_adapter_forward(ctx, adapter, workspace, x.tensor, on_y->tensor));
    float *result = adcl_test_guarded_read(ctx, on_y);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        adcl_test_guarded_destroy(&gradients[slot]);
    adcl_test_guarded_destroy(&x);
    adcl_test_guarded_destroy(&y);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    return result;
}

static void expect_close(const char *label, const setup *s, const outcome *got,
                         const expectation *expected, double tolerance)
{
    size_t count = s->rows * s->params.hidden_size;
    cr_expect(adcl_test_close_floats(adcl_test_label("%s, y", label), got->y, expected->y, count,
                                     tolerance));
    cr_expect(adcl_test_close_floats(adcl_test_label("%s, dx", label), got->dx, expected->dx, count,
                                     tolerance));
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        cr_expect(adcl_test_close_floats(
            adcl_test_label("%s, gradient of %s", label,
                            adcl_adapter_slot_name((adcl_adapter_slot)slot)),
            got->gradients[slot], expected->gradients[slot], slot_count(s, slot), tolerance));
}

static void expect_same_bits(const char *label, const setup *s, const outcome *got,
                             const outcome *expected)
{
    size_t bytes = s->rows * s->params.hidden_size * sizeof(float);
    cr_expect(adcl_test_same_bits(label, got->y, expected->y, bytes), "%s: y", label);
    if (got->dx != NULL && expected->dx != NULL)
        cr_expect(adcl_test_same_bits(label, got->dx, expected->dx, bytes), "%s: dx", label);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
        cr_expect(adcl_test_same_bits(label, got->gradients[slot], expected->gradients[slot],
                                      slot_count(s, slot) * sizeof(float)),
                  "%s: gradient of %s", label, adcl_adapter_slot_name((adcl_adapter_slot)slot));
}

/* ---- golden data ----------------------------------------------------------------------------- */

static const char *const golden_keys[ADCL_ADAPTER_SLOT_COUNT] = {
    "adapter_down.kernel", "adapter_down.bias", "adapter_up.kernel", "adapter_up.bias"};

/* golden.h hands out const numbers; a pass only reads them. */
static float *golden_copy(adcl_test_golden *golden, size_t count, const char *prefix,
                          const char *key)
{
    float *copy = malloc(count * sizeof *copy);
    cr_assert_not_null(copy);
    memcpy(copy, adcl_test_golden_floats(golden, count, "%s/in/%s", prefix, key),
           count * sizeof *copy);
    return copy;
}

static void check_golden(adcl_context *ctx, adcl_test_golden *golden, setup s, double tolerance)
{
    char prefix[64], key[64];
    size_t count = s.rows * s.params.hidden_size;
    snprintf(prefix, sizeof prefix, "%s/b%zu_h%zu_r%zu", adcl_activation_name(s.params.activation),
             s.rows, s.params.hidden_size, s.params.bottleneck_size);
    numbers in = {.x = golden_copy(golden, count, prefix, "x"),
                  .dy = golden_copy(golden, count, prefix, "dy")};
    expectation expected = {.y = adcl_test_golden_doubles(golden, count, "%s/f64/y", prefix),
                            .dx = adcl_test_golden_doubles(golden, count, "%s/f64/gx", prefix)};
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        snprintf(key, sizeof key, "p.%s", golden_keys[slot]);
        in.values[slot] = golden_copy(golden, slot_count(&s, slot), prefix, key);
        in.gradients[slot] = calloc(slot_count(&s, slot), sizeof(float));
        cr_assert_not_null(in.gradients[slot]);
        expected.gradients[slot] = adcl_test_golden_doubles(golden, slot_count(&s, slot),
                                                            "%s/f64/g.%s", prefix,
                                                            golden_keys[slot]);
    }
    outcome got = run(ctx, &s, &in, 1);
    expect_close(prefix, &s, &got, &expected, tolerance);
    discard_outcome(&got);
    discard_numbers(&in);
}

static void check_all_golden(adcl_engine engine, double tolerance)
{
    adcl_context *ctx = adcl_test_context_create();
    adcl_test_golden *golden = adcl_test_golden_open("adapter.safetensors");
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++) {
        if (i == ADCL_ACTIVATION_GELU_TANH || i == ADCL_ACTIVATION_QUICK_GELU) continue;
        setup small = make_setup(3, 16, 4, (adcl_activation)i);
        setup odd = make_setup(5, 33, 7, (adcl_activation)i);
        small.engine = odd.engine = engine;
        small.seed = odd.seed = (uint64_t)i;
        check_golden(ctx, golden, small, tolerance);
        check_golden(ctx, golden, odd, tolerance);
    }
    adcl_test_golden_close(golden);
    adcl_context_destroy(&ctx);
}

/* What the golden data supports for float arithmetic. */
Test(adapter_pass, of_engine_gemm_matches_golden_data_for_every_activation_and_shape, .timeout = 300)
{
    check_all_golden(ADCL_ENGINE_GEMM, 1e-5);
}

/* Each activation with each shape is a program of its own, which a driver compiles for seconds. */
Test(adapter_pass, of_engine_fused_matches_golden_data_for_every_activation_and_shape, .timeout = 900)
{
    check_all_golden(ADCL_ENGINE_FUSED, 1e-5);
}

/* Engine reference rounds once, to float: by 2⁻²⁴, and a little for the sums in double. */
Test(adapter_pass, of_engine_reference_matches_golden_data_to_the_last_bit_of_a_float)
{
    check_all_golden(ADCL_ENGINE_REFERENCE, 0x1p-24 * 1.0001);
}

/* ---- against the reference ------------------------------------------------------------------- */

/* Runs the reference on the same numbers and compares. */
static void compare_with_reference(const char *label, const setup *s, const numbers *in,
                                   const outcome *got, double tolerance)
{
    size_t n = s->rows, d = s->params.hidden_size, r = s->params.bottleneck_size;
    double *x = adcl_test_doubles(in->x, n * d), *dy = adcl_test_doubles(in->dy, n * d);
    double *values[ADCL_ADAPTER_SLOT_COUNT], *gradients[ADCL_ADAPTER_SLOT_COUNT];
    double *y = calloc(n * d, sizeof *y), *z = calloc(n * r, sizeof *z);
    adcl__reference_adapter reference = {
        .hidden_size = d,
        .bottleneck_size = r,
        .activation = s->params.activation,
        .scaling = s->params.scaling == 0.0f ? 1.0 : (double)s->params.scaling,
        .parallel = s->params.parallel,
        .dropout = s->params.dropout,
        .dropout_seed = s->dropout_seed,
        .dropout_step = s->dropout_step,
        .scratch = calloc(adcl__reference_scratch_size(d, r), sizeof(double)),
    };
    cr_assert(y != NULL && z != NULL && reference.scratch != NULL);
    expectation expected = {.y = y, .dx = dy};
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        reference.values[slot] = values[slot] = adcl_test_doubles(in->values[slot],
                                                                  slot_count(s, slot));
        gradients[slot] = adcl_test_doubles(in->gradients[slot], slot_count(s, slot));
        reference.gradients[slot] = s->unwanted[slot] ? NULL : gradients[slot];
        expected.gradients[slot] = gradients[slot];
    }
    adcl__reference_adapter_forward(&reference, n, x, z, y);
    adcl__reference_adapter_backward(&reference, n, x, z, dy, dy);
    expect_close(label, s, got, &expected, tolerance);
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        free(values[slot]);
        free(gradients[slot]);
    }
    free(x);
    free(dy);
    free(y);
    free(z);
    free(reference.scratch);
}

/* Runs a setup twice on the device and once through the reference. Sums are near 1, and each of at
 * most 1000 roundings of 6e-8 goes either way: in the root mean square 2e-6, at the worst of
 * millions some five times as much. */
static void check_setup(adcl_context *ctx, const setup *s)
{
    char label[200];
    snprintf(label, sizeof label, "%s, N %zu, D %zu, R %zu, %s, scaling %g, dropout %g, parallel %d, "
             "seed %llu", adcl_engine_name(s->engine), s->rows, s->params.hidden_size, s->params.bottleneck_size,
             adcl_activation_name(s->params.activation), (double)s->params.scaling,
             (double)s->params.dropout, s->params.parallel, (unsigned long long)s->seed);
    numbers in = draw_numbers(s);
    outcome first = run(ctx, s, &in, 1), second = run(ctx, s, &in, 1);
    compare_with_reference(label, s, &in, &first, 1e-5);
    expect_same_bits(label, s, &second, &first);
    discard_outcome(&first);
    discard_outcome(&second);
    discard_numbers(&in);
}

/* Options of all kinds, another mixture for every index. */
static setup mix(size_t index, size_t rows, size_t hidden_size, size_t bottleneck_size)
{
    static const float scalings[] = {0.0f, 0.5f, -1.5f}, dropouts[] = {0.0f, 0.0f, 0.1f, 0.5f};
    setup s = make_setup(rows, hidden_size, bottleneck_size,
                         (adcl_activation)(index % ADCL_ACTIVATION_COUNT));
    s.params.scaling = scalings[index % 3];
    s.params.dropout = dropouts[index % 4];
    s.params.parallel = index % 5 == 0;
    s.seed = index;
    s.dropout_seed = 0xFEDCBA9876543210u + index;
    s.dropout_step = index << 30;
    return s;
}

/* Has the device claim so many compute units: with 1, 129 rows are so many that kernels are packed for them; with 8,
 * 64 are so few that passes are cut into parts. */
static void claim_units(adcl_context *ctx, unsigned units)
{
    ctx->family->info.compute_units = units;
}

/* Three sizes that lie at least four places apart in a circle of thirteen: small ones meet large
 * ones, and each size is N, D and R four times. */
static void check_covering(adcl_engine engine)
{
    static const size_t sizes[13] = {1, 2, 3, 7, 16, 33, 63, 64, 65, 127, 384, 768, 1000};
    static const size_t steps[4][2] = {{4, 8}, {8, 4}, {5, 9}, {9, 5}};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < 13; i++) {
            setup s = mix(13 * k + i, sizes[i], sizes[(i + steps[k][0]) % 13],
                          sizes[(i + steps[k][1]) % 13]);
            s.engine = engine;
            claim_units(ctx, i % 2 == 0 ? 1 : 8);
            check_setup(ctx, &s);
        }
    adcl_context_destroy(&ctx);
}

Test(adapter_pass, of_engine_gemm_agrees_with_the_reference_over_a_covering_of_sizes, .timeout = 600)
{
    check_covering(ADCL_ENGINE_GEMM);
}

Test(adapter_pass, of_engine_fused_agrees_with_the_reference_over_a_covering_of_sizes, .timeout = 900)
{
    check_covering(ADCL_ENGINE_FUSED);
}

/* The sizes that people use, and R > D. */
static void check_large(adcl_engine engine)
{
    static const size_t sizes[][3] = {{64, 768, 64}, {384, 1000, 63}, {127, 384, 768},
                                      {1000, 127, 384}, {65, 768, 1}};
    static const adcl_activation activations[] = {ADCL_ACTIVATION_RELU, ADCL_ACTIVATION_GELU,
                                                  ADCL_ACTIVATION_SILU, ADCL_ACTIVATION_TANH,
                                                  ADCL_ACTIVATION_HARD_TANH};
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        setup s = mix(100 + i, sizes[i][0], sizes[i][1], sizes[i][2]);
        s.params.activation = activations[i];
        s.engine = engine;
        check_setup(ctx, &s);
    }
    adcl_context_destroy(&ctx);
}

Test(adapter_pass, of_engine_gemm_agrees_with_the_reference_for_large_sizes, .timeout = 600)
{
    check_large(ADCL_ENGINE_GEMM);
}

Test(adapter_pass, of_engine_fused_agrees_with_the_reference_for_large_sizes, .timeout = 600)
{
    check_large(ADCL_ENGINE_FUSED);
}

/* As on devices of other vectors; with dropout, and last panels of each kind. */
Test(adapter_pass, of_engine_fused_agrees_with_the_reference_for_vectors_of_any_width, .timeout = 600)
{
    static const unsigned widths[] = {4, 8, 16};
    static const size_t sizes[][3] = {{70, 152, 24}, {13, 77, 33}, {3, 96, 40}, {2, 96, 48}};
    adcl_context *ctx = adcl_test_context_create();
    claim_units(ctx, 2);
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            setup s = mix(4 * i + 2, sizes[i][0], sizes[i][1], sizes[i][2]);
            s.engine = ADCL_ENGINE_FUSED;
            ctx->family->vector_width = widths[w];
            check_setup(ctx, &s);
        }
    adcl_context_destroy(&ctx);
}

static void check_batches_of_some_rows(adcl_context *ctx, size_t hidden, size_t bottleneck)
{
    enum { ROWS = 300 };
    setup all = make_setup(ROWS, hidden, bottleneck, ADCL_ACTIVATION_GELU);
    all.engine = ADCL_ENGINE_FUSED;
    numbers in = draw_numbers(&all);
    outcome expected = run(ctx, &all, &in, 1);
    for (size_t rows = 1; rows < ROWS; rows = rows < 8 ? rows + 1 : 3 * rows) {
        setup s = all;
        s.rows = rows;
        numbers part = in;
        size_t before = (ROWS - rows) * hidden, bytes = rows * hidden * sizeof(float);
        part.x += before; /* the last rows */
        part.dy += before;
        outcome got = run(ctx, &s, &part, 1);
        cr_expect(adcl_test_same_bits("y", got.y, expected.y + before, bytes), "%zu rows", rows);
        cr_expect(adcl_test_same_bits("dx", got.dx, expected.dx + before, bytes), "%zu rows", rows);
        discard_outcome(&got);
    }
    discard_outcome(&expected);
    discard_numbers(&in);
}

/* A row's bits are the same alone as in batches of any size: passes that are cut in other ways for few
 * rows than for many, or read a kernel instead of its packed transpose, keep one order of every sum. */
Test(adapter_pass, of_engine_fused_gives_a_row_the_same_bits_in_every_batch, .timeout = 300)
{
    adcl_context *ctx = adcl_test_context_create();
    claim_units(ctx, 2);
    check_batches_of_some_rows(ctx, 77, 24);
    check_batches_of_some_rows(ctx, 96, 24); /* whole vectors */
    claim_units(ctx, 4);
    check_batches_of_some_rows(ctx, 1033, 64); /* so large that few rows are split */
    check_batches_of_some_rows(ctx, 1040, 64);
    adcl_context_destroy(&ctx);
}

Test(adapter_pass, of_engine_reference_knows_every_option)
{
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < 12; i++) {
        setup s = mix(i, 1 + i, 9, 5);
        s.engine = ADCL_ENGINE_REFERENCE;
        check_setup(ctx, &s);
    }
    adcl_context_destroy(&ctx);
}

/* ---- what is wanted and what not ------------------------------------------------------------- */

/* Each gradient, and dx, left out by itself: the others keep their bits, the left-out one is never
 * written. */
Test(adapter_pass, forms_the_gradients_that_are_wanted_and_no_other)
{
    adcl_context *ctx = adcl_test_context_create();
    for (size_t e = 0; e < DEVICE_ENGINE_COUNT; e++) {
        setup all = mix(7, 9, 33, 6);
        all.engine = device_engines[e];
        numbers in = draw_numbers(&all);
        outcome expected = run(ctx, &all, &in, 1);
        for (int left_out = 0; left_out <= ADCL_ADAPTER_SLOT_COUNT; left_out++) {
            setup s = all;
            s.no_dx = left_out == ADCL_ADAPTER_SLOT_COUNT;
            if (!s.no_dx) s.unwanted[left_out] = true;
            outcome got = run(ctx, &s, &in, 1), most = expected;
            if (!s.no_dx) most.gradients[left_out] = in.gradients[left_out];
            expect_same_bits(adcl_test_label("without %d", left_out), &s, &got, &most);
            discard_outcome(&got);
        }
        discard_outcome(&expected);
        discard_numbers(&in);
    }
    adcl_context_destroy(&ctx);
}

Test(adapter_pass, of_a_frozen_adapter_forms_dx_only)
{
    adcl_context *ctx = adcl_test_context_create();
    for (size_t e = 0; e < DEVICE_ENGINE_COUNT; e++) {
        setup s = mix(7, 9, 33, 6);
        s.engine = device_engines[e];
        numbers in = draw_numbers(&s);
        outcome expected = run(ctx, &s, &in, 1);
        s.params.frozen = 1;
        outcome got = run(ctx, &s, &in, 1);
        for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
            memcpy(expected.gradients[slot], in.gradients[slot], slot_count(&s, slot) * sizeof(float));
        expect_same_bits("frozen", &s, &got, &expected);
        discard_outcome(&expected);
        discard_outcome(&got);
        discard_numbers(&in);
    }
    adcl_context_destroy(&ctx);
}

/* From zero, the second backward adds to each gradient what the first gave: twice as much, exactly, where
 * a gradient is one sum (of 64 rows or fewer). dx is written anew. */
Test(adapter_pass, backward_accumulates_and_may_be_called_again_for_one_forward)
{
    adcl_context *ctx = adcl_test_context_create();
    for (int engine = ADCL_ENGINE_GEMM; engine <= ADCL_ENGINE_REFERENCE; engine++) {
        setup s = mix(7, 61, 33, 6);
        s.engine = (adcl_engine)engine;
        numbers in = draw_numbers(&s);
        for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
            memset(in.gradients[slot], 0, slot_count(&s, slot) * sizeof(float));
        outcome once = run(ctx, &s, &in, 1), twice = run(ctx, &s, &in, 2);
        for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++)
            for (size_t i = 0; i < slot_count(&s, slot); i++)
                once.gradients[slot][i] *= 2.0f;
        expect_same_bits(adcl_engine_name(s.engine), &s, &twice, &once);
        discard_outcome(&once);
        discard_outcome(&twice);
        discard_numbers(&in);
    }
    adcl_context_destroy(&ctx);
}

/* ---- in place -------------------------------------------------------------------------------- */

Test(adapter_pass, y_may_be_x_in_inference, .timeout = 900)
{
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < 3 * ADCL_ACTIVATION_COUNT; i++) {
        setup s = mix(i % ADCL_ACTIVATION_COUNT, 5, 33, 7);
        s.engine = every_engine[i / ADCL_ACTIVATION_COUNT];
        numbers in = draw_numbers(&s);
        float *apart = infer(ctx, &s, &in, false), *in_place = infer(ctx, &s, &in, true);
        cr_expect(adcl_test_same_bits(adcl_activation_name(s.params.activation), in_place, apart,
                                      5 * 33 * sizeof *apart));
        free(apart);
        free(in_place);
        discard_numbers(&in);
    }
    adcl_context_destroy(&ctx);
}

Test(adapter_pass, dx_may_be_dy, .timeout = 300)
{
    adcl_context *ctx = adcl_test_context_create();
    for (size_t i = 0; i < 24; i++) {
        setup s = mix(i % 8, i % 2 == 0 ? 5 : 70, 33, 7);
        s.engine = every_engine[i / 8];
        numbers in = draw_numbers(&s);
        outcome apart = run(ctx, &s, &in, 1);
        s.in_place = true;
        outcome in_place = run(ctx, &s, &in, 1);
        expect_same_bits("dx in place of dy", &s, &in_place, &apart);
        discard_outcome(&apart);
        discard_outcome(&in_place);
        discard_numbers(&in);
    }
    adcl_context_destroy(&ctx);
}

/* ---- identity -------------------------------------------------------------------------------- */

Test(adapter_pass, of_a_fresh_adapter_is_the_exact_identity, .timeout = 900)
{
    enum { N = 33, D = 65 };
    adcl_context *ctx = adcl_test_context_create();
    float *x = adcl_test_numbers(1, N * D);
    adcl_tensor *on_x = adcl_test_tensor_create(ctx, N, D, x);
    adcl_tensor *on_y = adcl_test_tensor_create(ctx, N, D, NULL);
    for (int i = 0; i < 2 * ADCL_ACTIVATION_COUNT; i++) {
        adcl_activation activation = (adcl_activation)(i % ADCL_ACTIVATION_COUNT);
        setup s = make_setup(N, D, 7, activation);
        s.engine = device_engines[i / ADCL_ACTIVATION_COUNT];
        adcl_adapter *adapter = adcl_test_adapter_create(ctx, &s.params);
        adcl_workspace *workspace = create_workspace(ctx, &s, adapter, ADCL_INFERENCE);
        ADCL_TEST_OK(ctx, adcl_adapter_forward(ctx, adapter, workspace, on_x, on_y));
        float *y = adcl_test_tensor_read(ctx, on_y);
        cr_expect(adcl_test_same_bits(adcl_activation_name(activation), y, x, N * D * sizeof *x));
        free(y);
        adcl_workspace_destroy(&workspace);
        adcl_adapter_destroy(&adapter);
    }
    free(x);
    adcl_tensor_destroy(&on_x);
    adcl_tensor_destroy(&on_y);
    adcl_context_destroy(&ctx);
}

/* ---- dropout --------------------------------------------------------------------------------- */

/* A parallel linear adapter with w_up = 0 and b_up = 1 gives the mask as y. Where x = w_downᵀ is
 * the first rows of a unit matrix, so is h a unit matrix, and dw_up is the mask times dy, here 1. */
static void check_masks(adcl_engine engine)
{
    enum { N = 7, D = 67 };
    const float p = 0.3f;
    adcl_context *ctx = adcl_test_context_create();
    setup s = make_setup(N, D, N, ADCL_ACTIVATION_LINEAR);
    s.engine = engine;
    s.params.dropout = p;
    s.params.parallel = 1;
    s.dropout_seed = 0xFEDCBA9876543210u;
    s.dropout_step = 0x0123456789ABCDEFu;
    numbers in = {.x = calloc(N * D, sizeof(float)), .dy = calloc(N * D, sizeof(float))};
    for (int slot = 0; slot < ADCL_ADAPTER_SLOT_COUNT; slot++) {
        in.values[slot] = calloc(slot_count(&s, slot), sizeof(float));
        in.gradients[slot] = calloc(slot_count(&s, slot), sizeof(float));
    }
    for (int i = 0; i < N; i++) in.x[i * D + i] = in.values[ADCL_DOWN_KERNEL][i * N + i] = 1.0f;
    for (int i = 0; i < D; i++) in.values[ADCL_UP_BIAS][i] = 1.0f;
    for (int i = 0; i < N * D; i++) in.dy[i] = 1.0f;
    outcome got = run(ctx, &s, &in, 1);
    size_t kept = 0;
    for (uint64_t i = 0; i < N * D; i++) {
        bool keeps = adcl__dropout_keeps(s.dropout_seed, s.dropout_step, i,
                                         adcl__dropout_threshold(p));
        float factor = keeps ? adcl__dropout_scale(p) : 0.0f;
        cr_expect_eq(got.y[i], factor, "forward, element %llu", (unsigned long long)i);
        cr_expect_eq(got.gradients[ADCL_UP_KERNEL][i], factor, "backward, element %llu",
                     (unsigned long long)i);
        kept += keeps;
    }
    cr_expect(kept > N * D / 2 && kept < N * D, "%zu of %d kept", kept, N * D);
    discard_outcome(&got);
    discard_numbers(&in);
    adcl_context_destroy(&ctx);
}

Test(adapter_dropout, masks_are_those_of_the_host_bit_by_bit_and_the_same_in_backward)
{
    for (size_t e = 0; e < DEVICE_ENGINE_COUNT; e++) check_masks(device_engines[e]);
}

/* An element is dropped even where it is infinite. */
Test(adapter_dropout, drops_infinities_too)
{
    adcl_context *ctx = adcl_test_context_create();
    setup s = make_setup(2, 64, 3, ADCL_ACTIVATION_LINEAR);
    s.params.dropout = 0.5f;
    numbers in = draw_numbers(&s);
    for (int i = 0; i < 64; i++) in.values[ADCL_UP_BIAS][i] = INFINITY;
    outcome got = run(ctx, &s, &in, 1);
    for (uint64_t i = 0; i < 128; i++) {
        bool keeps = adcl__dropout_keeps(0, 0, i, adcl__dropout_threshold(0.5f));
        cr_expect_eq(got.y[i], keeps ? INFINITY : in.x[i], "element %llu: %g",
                     (unsigned long long)i, (double)got.y[i]);
    }
    discard_outcome(&got);
    discard_numbers(&in);
    adcl_context_destroy(&ctx);
}

Test(adapter_dropout, is_active_in_training_only)
{
    adcl_context *ctx = adcl_test_context_create();
    setup s = make_setup(4, 33, 3, ADCL_ACTIVATION_GELU);
    numbers in = draw_numbers(&s);
    float *without = infer(ctx, &s, &in, false);
    s.params.dropout = 0.5f;
    float *with = infer(ctx, &s, &in, false);
    cr_expect(adcl_test_same_bits("inference", with, without, 4 * 33 * sizeof *with));
    free(with);
    free(without);
    discard_numbers(&in);
    adcl_context_destroy(&ctx);
}
