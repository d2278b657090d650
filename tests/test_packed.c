/* SPDX-License-Identifier: MIT */
/* Packed products beside plain C, for vectors of every width that a device may claim: POCL takes
 * those that its processor lacks apart. */
#include "ops/packed.h"
#include "reference/reference.h"
#include "support/compare.h"
#include "support/matrix.h"

#include <stdlib.h>

static const size_t row_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 47, 48, 49, 97};
static const size_t input_counts[] = {1, 7, 383, 384, 385, 769};
static const size_t output_counts[] = {1, 7, 8, 15, 16, 17, 63, 65, 129};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { MOST_ROWS = 97 };

/* What follows the product, in every combination that the encoder uses, and in some more. */
typedef struct ending {
    const char *name;
    bool bias, own, in_place, activates, keeps, slope;
} ending;

static const ending endings[] = {
    {"nothing", false, false, false, false, false, false},
    {"a bias", true, false, false, false, false, false},
    {"a bias and own", true, true, false, false, false, false},
    {"own in place", false, true, true, false, false, false},
    {"an activation", true, false, false, true, false, false},
    {"an activation, kept", true, false, false, true, true, false},
    {"own in place and an activation, kept", true, true, true, true, true, false},
    {"a slope", false, false, false, false, false, true},
    {"own in place and a slope", false, true, true, false, false, true},
};

/* A sum of n products near 1 wanders away to sqrt(n) and is rounded with 3e-8 of that at each step:
 * 1e-7·n for the worst of 10⁴ sums. What follows rounds a few times more. */
static double tolerance_of(size_t inputs)
{
    return 3e-7 + 1e-7 * (double)inputs;
}

/* ---- one matrix ------------------------------------------------------------------------------ */

/* What is multiplied, for MOST_ROWS rows, of which the cases take the first ones. */
typedef struct problem {
    adcl_context *ctx;
    size_t inputs, outputs;
    float *a, *own, *slopes; /* (MOST_ROWS, K or M) */
    float *weight, *bias; /* (K, M) or, turned, (M, K); M */
    double *products;     /* (MOST_ROWS, M), exact enough */
    bool turned;          /* W lies there as PyTorch keeps it */
    adcl__packed with_bias, without;
} problem;

static float weight_of(const problem *p, size_t k, size_t m)
{
    return p->turned ? p->weight[m * p->inputs + k] : p->weight[k * p->outputs + m];
}

static void multiply(const problem *p)
{
    for (size_t r = 0; r < MOST_ROWS; r++)
        for (size_t m = 0; m < p->outputs; m++) {
            double sum = 0.0;
            for (size_t k = 0; k < p->inputs; k++)
                sum += (double)p->a[r * p->inputs + k] * (double)weight_of(p, k, m);
            p->products[r * p->outputs + m] = sum;
        }
}

static problem make_problem(adcl_context *ctx, size_t inputs, size_t outputs, bool turned)
{
    problem p = {.ctx = ctx, .inputs = inputs, .outputs = outputs, .turned = turned};
    p.a = adcl_test_numbers(1, MOST_ROWS * inputs);
    p.own = adcl_test_numbers(2, MOST_ROWS * outputs);
    p.slopes = adcl_test_numbers(3, MOST_ROWS * outputs);
    p.weight = adcl_test_numbers(4, inputs * outputs);
    p.bias = adcl_test_numbers(5, outputs);
    p.products = calloc(MOST_ROWS * outputs, sizeof(double));
    cr_assert_not_null(p.products);
    multiply(&p);
    size_t k_stride = turned ? 1 : outputs, m_stride = turned ? inputs : 1;
    const adcl__packed_source source = {inputs, outputs, p.weight, k_stride, m_stride, p.bias};
    ADCL_TEST_OK(ctx, adcl__packed_create(ctx, &source, &p.with_bias));
    const adcl__packed_source bare = {inputs, outputs, p.weight, k_stride, m_stride, NULL};
    ADCL_TEST_OK(ctx, adcl__packed_create(ctx, &bare, &p.without));
    return p;
}

static void discard_problem(problem *p)
{
    adcl__packed_release(&p->with_bias);
    adcl__packed_release(&p->without);
    float *arrays[] = {p->a, p->own, p->slopes, p->weight, p->bias};
    for (size_t i = 0; i < COUNT(arrays); i++) free(arrays[i]);
    free(p->products);
}

/* ---- what plain C gives ---------------------------------------------------------------------- */

/* The last step for one number; *kept: the activation's slope there. */
static double finish(const problem *p, const ending *e, adcl_activation activation, size_t index,
                     double *kept)
{
    double value = p->products[index], one = 1.0, out;
    if (e->bias) value += (double)p->bias[index % p->outputs];
    if (e->own) value += (double)p->own[index];
    out = e->slope ? value * (double)p->slopes[index] : value;
    *kept = 0.0;
    if (e->keeps) adcl__reference_activation_backward(activation, 1, 1, &value, &one, kept);
    if (e->activates) adcl__reference_activation_forward(activation, 1, 1, &value, &out);
    return out;
}

/* ---- a product on the device ----------------------------------------------------------------- */

typedef struct product {
    adcl_test_matrix a, own, slope, out;
} product;

static product make_product(const problem *p, const ending *e, size_t rows)
{
    uint64_t seed = 1000 * rows + p->outputs;
    return (product){
        .a = adcl_test_matrix_create(p->ctx, seed, rows, p->inputs, p->a),
        .own = adcl_test_matrix_create(p->ctx, seed + 1, rows, p->outputs, p->own),
        .slope = adcl_test_matrix_create(p->ctx, seed + 2, rows, p->outputs, e->keeps ? NULL : p->slopes),
        .out = adcl_test_matrix_create(p->ctx, seed + 3, rows, p->outputs, NULL),
    };
}

static void discard_product(product *d)
{
    adcl_test_matrix_destroy(&d->a);
    adcl_test_matrix_destroy(&d->own);
    adcl_test_matrix_destroy(&d->slope);
    adcl_test_matrix_destroy(&d->out);
}

static adcl_test_matrix *result_of(product *d, const ending *e)
{
    return e->in_place ? &d->own : &d->out;
}

static void run_product(const problem *p, const ending *e, adcl_activation activation, product *d)
{
    const adcl__packed *packed = e->bias ? &p->with_bias : &p->without;
    const adcl__product_end end = {.own = e->own ? d->own.tensor : NULL,
                                   .activates = e->activates,
                                   .keep = e->keeps ? d->slope.tensor : NULL,
                                   .slope = e->slope ? d->slope.tensor : NULL,
                                   .activation = activation};
    ADCL_TEST_OK(p->ctx,
                 adcl__packed_product(p->ctx, packed, d->a.tensor, &end, result_of(d, e)->tensor));
}

/* Also what must not change is looked at. */
static void check_product(const problem *p, const ending *e, adcl_activation activation,
                          size_t rows)
{
    const char *label =
        adcl_test_label("width %u, N=%zu K=%zu M=%zu, %s", (unsigned)p->ctx->family->vector_width,
                        rows, p->inputs, p->outputs, e->name);
    product d = make_product(p, e, rows);
    run_product(p, e, activation, &d);
    adcl_test_matrix *out = result_of(&d, e);
    for (size_t i = 0; i < rows * p->outputs; i++) {
        double kept;
        out->expected[i] = finish(p, e, activation, i, &kept);
        if (e->keeps) d.slope.expected[i] = kept;
    }
    adcl_test_matrix_check(p->ctx, label, &d.a, 0.0);
    adcl_test_matrix_check(p->ctx, label, out, tolerance_of(p->inputs));
    adcl_test_matrix_check(p->ctx, label, &d.slope, e->keeps ? tolerance_of(p->inputs) : 0.0);
    if (!e->in_place) adcl_test_matrix_check(p->ctx, label, &d.own, 0.0);
    discard_product(&d);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Endings and numbers of compute units go round as the sizes do, for their counts have no divisor
 * in common with 17 numbers of rows. */
static void check_sizes(adcl_context *ctx, adcl_activation plain)
{
    static const unsigned units[] = {1, 3, 64};
    size_t turn = 0;
    for (size_t i = 0; i < COUNT(input_counts); i++)
        for (size_t o = 0; o < COUNT(output_counts); o++) {
            problem p = make_problem(ctx, input_counts[i], output_counts[o], o % 2 == 0);
            for (size_t r = 0; r < COUNT(row_counts); r++, turn++) {
                const ending *e = &endings[turn % COUNT(endings)];
                ctx->family->info.compute_units = units[turn / COUNT(endings) % COUNT(units)];
                bool acts = e->activates || e->slope;
                check_product(&p, e, acts ? ADCL_ACTIVATION_GELU : plain, row_counts[r]);
            }
            discard_problem(&p);
        }
}

static void check_width(unsigned width, adcl_activation plain)
{
    adcl_context *ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_CPU);
    ctx->family->vector_width = width;
    check_sizes(ctx, plain);
    adcl_context_destroy(&ctx);
}

Test(packed, matches_plain_c_in_vectors_of_16, .timeout = 300)
{
    check_width(16, ADCL_ACTIVATION_LINEAR);
}

/* One program is enough here: where nothing is activated, the activation does not matter. */
Test(packed, matches_plain_c_in_vectors_of_8, .timeout = 300)
{
    check_width(8, ADCL_ACTIVATION_GELU);
}

Test(packed, matches_plain_c_in_vectors_of_4_which_is_also_for_devices_that_have_none,
     .timeout = 300)
{
    check_width(1, ADCL_ACTIVATION_GELU);
}

/* Numbers of compute units decide on the tile. */
Test(packed, matches_plain_c_in_work_groups, .timeout = 300)
{
    adcl_context *ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_GPU);
    check_sizes(ctx, ADCL_ACTIVATION_GELU);
    adcl_context_destroy(&ctx);
}

/* ---- bits ------------------------------------------------------------------------------------ */

static float *bits_of(const problem *p, const ending *e, size_t rows, size_t units)
{
    p->ctx->family->info.compute_units = (unsigned)units;
    product d = make_product(p, e, rows);
    run_product(p, e, ADCL_ACTIVATION_GELU, &d);
    float *bits = adcl_test_guarded_read(p->ctx, &result_of(&d, e)->guarded);
    discard_product(&d);
    return bits;
}

static void check_bits(adcl_context *ctx, size_t inputs, size_t outputs, const ending *e)
{
    problem p = make_problem(ctx, inputs, outputs, false);
    float *all = bits_of(&p, e, MOST_ROWS, 1);
    for (size_t r = 0; r < COUNT(row_counts); r++) {
        float *some = bits_of(&p, e, row_counts[r], 1 + 5 * r);
        const char *label =
            adcl_test_label("N=%zu K=%zu M=%zu, %s", row_counts[r], inputs, outputs, e->name);
        cr_expect(adcl_test_same_bits(label, some, all, row_counts[r] * outputs * sizeof *some));
        free(some);
    }
    free(all);
    discard_problem(&p);
}

Test(packed, gives_a_row_the_same_bits_among_any_number_of_rows, .timeout = 300)
{
    static const unsigned widths[] = {4, 8, 16};
    adcl_context *ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_CPU);
    for (size_t w = 0; w < COUNT(widths); w++) {
        ctx->family->vector_width = widths[w];
        check_bits(ctx, 385, 129, &endings[1]);
        check_bits(ctx, 769, 63, &endings[6]);
    }
    adcl_context_destroy(&ctx);
    ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_GPU);
    check_bits(ctx, 385, 129, &endings[1]);
    check_bits(ctx, 769, 63, &endings[6]);
    adcl_context_destroy(&ctx);
}

/* ---- activations ----------------------------------------------------------------------------- */

/* Those that models of the family have. */
Test(packed, knows_the_activations_of_models, .timeout = 300)
{
    static const adcl_activation activations[] = {ADCL_ACTIVATION_RELU, ADCL_ACTIVATION_GELU_TANH};
    adcl_context *ctx = adcl_test_context_create();
    problem p = make_problem(ctx, 33, 35, true);
    for (size_t i = 0; i < COUNT(activations); i++) {
        check_product(&p, &endings[5], activations[i], 13);
        check_product(&p, &endings[7], activations[i], 13);
    }
    discard_problem(&p);
    adcl_context_destroy(&ctx);
}

/* The larger tile's groups have 256 items. */
Test(packed, is_for_devices_whose_work_groups_are_large_enough)
{
    adcl_context *ctx = adcl_test_context_create_for(ADCL_FUSED_PLAN_GPU);
    ctx->family->max_work_group_size = 256;
    cr_expect(adcl__packs_products(ctx));
    ctx->family->max_work_group_size = 128;
    cr_expect_not(adcl__packs_products(ctx));
    ctx->fused_plan = ADCL_FUSED_PLAN_CPU;
    cr_expect(adcl__packs_products(ctx));
    adcl_context_destroy(&ctx);
}

/* ---- what is refused ------------------------------------------------------------------------- */

Test(packed, says_that_a_matrix_is_too_large)
{
    adcl_context *ctx = adcl_test_context_create();
    const size_t sizes[][2] = {{SIZE_MAX, 1}, {SIZE_MAX / 2, 3}, {3, SIZE_MAX / 2}};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        adcl__packed packed = {.inputs = 1};
        const adcl__packed_source source = {sizes[i][0], sizes[i][1], NULL, 1, 1, NULL};
        ADCL_TEST_FAILS(ctx, SIZE_OVERFLOW, "too large",
                        adcl__packed_create(ctx, &source, &packed));
        cr_expect_eq(packed.inputs, 0, "something is left after a failure");
    }
    adcl_context_destroy(&ctx);
}
