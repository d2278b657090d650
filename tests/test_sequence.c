/* SPDX-License-Identifier: MIT */
/* What happens to tokens and sequences outside the products, beside plain C. */
#include "ops/sequence.h"
#include "support/compare.h"
#include "support/matrix.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Sequences of one token first, in the middle and last. D is no multiple of any vector or
 * work-group. */
enum { SEQUENCES = 5, TOKENS = 80, HIDDEN = 67 };
static const int32_t starts[SEQUENCES + 1] = {0, 1, 8, 73, 79, TOKENS};

/* Sums of up to 80·67 numbers near 1, whose own size is counted. */
static const double tolerance = 1e-5;

typedef struct fixture {
    adcl_context *ctx;
    adcl_tensor *starts, *of_token;
    adcl__sequences sequences;
    adcl_test_matrix x, u, dout, out; /* (T, D) */
} fixture;

static fixture make_fixture(void)
{
    fixture f = {.ctx = adcl_test_context_create()};
    int32_t of_token[TOKENS];
    for (int32_t s = 0; s < SEQUENCES; s++)
        for (int32_t t = starts[s]; t < starts[s + 1]; t++) of_token[t] = s;
    f.starts = adcl_test_indices_create(f.ctx, SEQUENCES + 1, starts);
    f.of_token = adcl_test_indices_create(f.ctx, TOKENS, of_token);
    f.sequences = (adcl__sequences){SEQUENCES, f.starts, f.of_token};
    f.x = adcl_test_matrix_draw(f.ctx, 1, TOKENS, HIDDEN);
    f.u = adcl_test_matrix_draw(f.ctx, 2, TOKENS, HIDDEN);
    f.dout = adcl_test_matrix_draw(f.ctx, 3, TOKENS, HIDDEN);
    f.out = adcl_test_matrix_empty(f.ctx, 4, TOKENS, HIDDEN);
    return f;
}

static void discard_fixture(fixture *f)
{
    adcl_test_matrix_destroy(&f->x);
    adcl_test_matrix_destroy(&f->u);
    adcl_test_matrix_destroy(&f->dout);
    adcl_test_matrix_destroy(&f->out);
    adcl_tensor_destroy(&f->starts);
    adcl_tensor_destroy(&f->of_token);
    adcl_context_destroy(&f->ctx);
}

/* What the test did not write must be as it was. */
static void check_inputs(const fixture *f)
{
    adcl_test_matrix_check(f->ctx, "x", &f->x, 0.0);
    adcl_test_matrix_check(f->ctx, "u", &f->u, 0.0);
    adcl_test_matrix_check(f->ctx, "dout", &f->dout, 0.0);
}

static double length_of(size_t s)
{
    return (double)(starts[s + 1] - starts[s]);
}

/* ---- pooling --------------------------------------------------------------------------------- */

/* What row t counts in the pooled row of its sequence. */
static double share_of(size_t s, size_t t, bool mean)
{
    return mean ? 1.0 / length_of(s) : t == (size_t)starts[s] ? 1.0 : 0.0;
}

static void check_pooling(bool mean)
{
    fixture f = make_fixture();
    adcl_test_matrix pooled = adcl_test_matrix_empty(f.ctx, 5, SEQUENCES, HIDDEN);
    adcl_test_matrix dpooled = adcl_test_matrix_draw(f.ctx, 6, SEQUENCES, HIDDEN);
    for (size_t s = 0; s < SEQUENCES; s++)
        for (size_t t = (size_t)starts[s]; t < (size_t)starts[s + 1]; t++)
            for (size_t c = 0; c < HIDDEN; c++) {
                double share = share_of(s, t, mean);
                pooled.expected[s * HIDDEN + c] += share * f.x.expected[t * HIDDEN + c];
                f.out.expected[t * HIDDEN + c] = share * dpooled.expected[s * HIDDEN + c];
            }
    ADCL_TEST_OK(f.ctx, adcl__pool_forward(f.ctx, f.x.tensor, &f.sequences, mean, pooled.tensor));
    ADCL_TEST_OK(f.ctx,
                 adcl__pool_backward(f.ctx, dpooled.tensor, &f.sequences, mean, f.out.tensor));
    adcl_test_matrix_check(f.ctx, "pooled", &pooled, mean ? tolerance : 0.0);
    adcl_test_matrix_check(f.ctx, "gradient of what is pooled", &f.out, mean ? tolerance : 0.0);
    adcl_test_matrix_check(f.ctx, "dpooled", &dpooled, 0.0);
    check_inputs(&f);
    adcl_test_matrix_destroy(&pooled);
    adcl_test_matrix_destroy(&dpooled);
    discard_fixture(&f);
}

Test(sequence, pools_first_tokens_forward_and_backward)
{
    check_pooling(false);
}

Test(sequence, pools_means_forward_and_backward)
{
    check_pooling(true);
}

Test(sequence, divides_rows_by_their_norms_and_leaves_zeros)
{
    fixture f = make_fixture();
    float *numbers = adcl_test_numbers(7, TOKENS * HIDDEN);
    for (size_t c = 0; c < HIDDEN; c++) numbers[13 * HIDDEN + c] = 0.0f;
    adcl_test_matrix x = adcl_test_matrix_create(f.ctx, 7, TOKENS, HIDDEN, numbers);
    for (size_t t = 0; t < TOKENS; t++) {
        double sum = 0.0;
        for (size_t c = 0; c < HIDDEN; c++) sum += pow(x.expected[t * HIDDEN + c], 2.0);
        for (size_t c = 0; c < HIDDEN && sum > 0.0; c++) x.expected[t * HIDDEN + c] /= sqrt(sum);
    }
    ADCL_TEST_OK(f.ctx, adcl__normalize_rows(f.ctx, x.tensor));
    adcl_test_matrix_check(f.ctx, "rows of norm 1", &x, tolerance);
    free(numbers);
    adcl_test_matrix_destroy(&x);
    discard_fixture(&f);
}

/* ---- element by element ---------------------------------------------------------------------- */

Test(sequence, adds_matrices_into_a_third_and_into_either)
{
    fixture f = make_fixture();
    for (size_t i = 0; i < TOKENS * HIDDEN; i++)
        f.out.expected[i] = f.x.expected[i] + f.u.expected[i];
    ADCL_TEST_OK(f.ctx, adcl__add(f.ctx, f.x.tensor, f.u.tensor, f.out.tensor));
    adcl_test_matrix_check(f.ctx, "x + u", &f.out, 1e-7);
    check_inputs(&f);
    memcpy(f.u.expected, f.out.expected, TOKENS * HIDDEN * sizeof(double));
    ADCL_TEST_OK(f.ctx, adcl__add(f.ctx, f.x.tensor, f.u.tensor, f.u.tensor));
    adcl_test_matrix_check(f.ctx, "u = x + u", &f.u, 1e-7);
    for (size_t i = 0; i < TOKENS * HIDDEN; i++) f.x.expected[i] += f.u.expected[i];
    ADCL_TEST_OK(f.ctx, adcl__add(f.ctx, f.x.tensor, f.u.tensor, f.x.tensor));
    adcl_test_matrix_check(f.ctx, "x = x + u", &f.x, 2e-7);
    discard_fixture(&f);
}

Test(sequence, takes_tanh_and_its_gradient_apart_and_in_place)
{
    fixture f = make_fixture();
    for (size_t i = 0; i < TOKENS * HIDDEN; i++) {
        f.out.expected[i] = tanh(f.x.expected[i]);
        f.dout.expected[i] *= 1.0 - f.out.expected[i] * f.out.expected[i];
    }
    ADCL_TEST_OK(f.ctx, adcl__tanh_forward(f.ctx, f.x.tensor, f.out.tensor));
    ADCL_TEST_OK(f.ctx, adcl__tanh_backward(f.ctx, f.out.tensor, f.dout.tensor));
    adcl_test_matrix_check(f.ctx, "tanh", &f.out, 1e-6);
    check_inputs(&(fixture){.ctx = f.ctx, .x = f.x, .u = f.u, .dout = f.u});
    adcl_test_matrix_check(f.ctx, "gradient of tanh", &f.dout, 1e-6);
    ADCL_TEST_OK(f.ctx, adcl__tanh_forward(f.ctx, f.x.tensor, f.x.tensor));
    memcpy(f.x.expected, f.out.expected, TOKENS * HIDDEN * sizeof(double));
    adcl_test_matrix_check(f.ctx, "tanh in place", &f.x, 1e-6);
    discard_fixture(&f);
}

/* ---- learned scaling ------------------------------------------------------------------------- */

/* scale: one number, or one for each column. */
static void check_scaling(size_t scales)
{
    fixture f = make_fixture();
    adcl_test_matrix scale = adcl_test_matrix_draw(f.ctx, 5, 1, scales);
    adcl_test_matrix gradient = adcl_test_matrix_draw(f.ctx, 6, 1, scales);
    adcl_test_matrix sums = adcl_test_matrix_empty(f.ctx, 7, 1, HIDDEN);
    for (size_t i = 0; i < TOKENS * HIDDEN; i++) {
        size_t of_scale = scales > 1 ? i % HIDDEN : 0;
        f.out.expected[i] = scale.expected[of_scale] * f.u.expected[i];
        gradient.expected[of_scale] += f.dout.expected[i] * f.u.expected[i];
    }
    ADCL_TEST_OK(f.ctx, adcl__scale_forward(f.ctx, f.u.tensor, scale.tensor, f.out.tensor));
    ADCL_TEST_OK(f.ctx, adcl__scale_gradient(f.ctx, f.dout.tensor, f.u.tensor, sums.tensor,
                                             gradient.tensor));
    adcl_test_matrix_check(f.ctx, "scaled", &f.out, 1e-7);
    adcl_test_matrix_check(f.ctx, "gradient of the scale", &gradient, tolerance);
    adcl_test_matrix_check(f.ctx, "scale", &scale, 0.0);
    check_inputs(&f);
    float *of_sums = adcl_test_guarded_read(f.ctx, &sums.guarded); /* its guards */
    free(of_sums);
    adcl_test_matrix_destroy(&scale);
    adcl_test_matrix_destroy(&gradient);
    adcl_test_matrix_destroy(&sums);
    discard_fixture(&f);
}

Test(sequence, scales_by_one_number)
{
    check_scaling(1);
}

Test(sequence, scales_each_column)
{
    check_scaling(HIDDEN);
}

/* ---- gates ----------------------------------------------------------------------------------- */

/* A gate beside plain C's numbers. */
typedef struct gate_case {
    fixture f;
    adcl_test_matrix kernel, dkernel; /* (D, 1) */
    adcl_test_matrix bias, dbias;     /* (1, 1) */
    adcl_test_matrix dx;              /* (T, D) */
    adcl_tensor *tokens, *gates, *dlogits;
    double of_token[TOKENS], of_sequence[SEQUENCES];
    adcl__gate gate;
} gate_case;

static void expect_gates(gate_case *c)
{
    for (size_t s = 0; s < SEQUENCES; s++)
        for (size_t t = (size_t)starts[s]; t < (size_t)starts[s + 1]; t++) {
            double sum = c->bias.expected[0];
            for (size_t k = 0; k < HIDDEN; k++)
                sum += c->f.x.expected[t * HIDDEN + k] * c->kernel.expected[k];
            c->of_token[t] = 1.0 / (1.0 + exp(-sum));
            c->of_sequence[s] += c->of_token[t] / length_of(s);
        }
}

static gate_case make_gate(void)
{
    gate_case c = {.f = make_fixture()};
    adcl_context *ctx = c.f.ctx;
    c.kernel = adcl_test_matrix_draw(ctx, 5, HIDDEN, 1);
    c.dkernel = adcl_test_matrix_draw(ctx, 6, HIDDEN, 1);
    c.bias = adcl_test_matrix_draw(ctx, 7, 1, 1);
    c.dbias = adcl_test_matrix_draw(ctx, 8, 1, 1);
    c.dx = adcl_test_matrix_draw(ctx, 9, TOKENS, HIDDEN);
    c.tokens = adcl_test_tensor_create(ctx, TOKENS, 1, NULL);
    c.gates = adcl_test_tensor_create(ctx, SEQUENCES, 1, NULL);
    c.dlogits = adcl_test_tensor_create(ctx, TOKENS, 1, NULL);
    c.gate = (adcl__gate){c.kernel.tensor, c.bias.tensor, c.tokens, c.gates, c.dlogits};
    expect_gates(&c);
    return c;
}

static void discard_gate(gate_case *c)
{
    adcl_test_matrix *all[] = {&c->kernel, &c->dkernel, &c->bias, &c->dbias, &c->dx};
    for (size_t i = 0; i < COUNT(all); i++) adcl_test_matrix_destroy(all[i]);
    adcl_tensor_destroy(&c->tokens);
    adcl_tensor_destroy(&c->gates);
    adcl_tensor_destroy(&c->dlogits);
    discard_fixture(&c->f);
}

static void expect_gated(const gate_case *c, const adcl_test_matrix *from, adcl_test_matrix *out)
{
    for (size_t s = 0; s < SEQUENCES; s++)
        for (size_t i = (size_t)starts[s] * HIDDEN; i < (size_t)starts[s + 1] * HIDDEN; i++)
            out->expected[i] = c->of_sequence[s] * from->expected[i];
}

static void expect_gate_gradients(gate_case *c)
{
    fixture *f = &c->f;
    for (size_t s = 0; s < SEQUENCES; s++) {
        double dgate = 0.0;
        for (size_t i = (size_t)starts[s] * HIDDEN; i < (size_t)starts[s + 1] * HIDDEN; i++)
            dgate += f->dout.expected[i] * f->u.expected[i];
        for (size_t t = (size_t)starts[s]; t < (size_t)starts[s + 1]; t++) {
            double dlogit = dgate / length_of(s) * c->of_token[t] * (1.0 - c->of_token[t]);
            c->dbias.expected[0] += dlogit;
            for (size_t k = 0; k < HIDDEN; k++) {
                c->dkernel.expected[k] += dlogit * f->x.expected[t * HIDDEN + k];
                c->dx.expected[t * HIDDEN + k] += dlogit * c->kernel.expected[k];
            }
        }
    }
}

static void forward_gate(gate_case *c)
{
    fixture *f = &c->f;
    ADCL_TEST_OK(f->ctx, adcl__gate_forward(f->ctx, &c->gate, &f->sequences, f->x.tensor,
                                            f->u.tensor, f->out.tensor));
}

Test(sequence, gates_forward_and_backward)
{
    gate_case c = make_gate();
    fixture *f = &c.f;
    forward_gate(&c);
    expect_gated(&c, &f->u, &f->out);
    adcl_test_matrix_check(f->ctx, "gated", &f->out, tolerance);
    cr_expect(adcl_test_tensor_close(f->ctx, "tokens", c.tokens, c.of_token, tolerance));
    cr_expect(adcl_test_tensor_close(f->ctx, "gates", c.gates, c.of_sequence, tolerance));
    expect_gate_gradients(&c);
    ADCL_TEST_OK(f->ctx, adcl__gate_backward(f->ctx, &c.gate, &f->sequences, f->x.tensor,
                                             f->u.tensor, f->dout.tensor, c.dkernel.tensor,
                                             c.dbias.tensor, c.dx.tensor));
    adcl_test_matrix_check(f->ctx, "gradient of the gate's kernel", &c.dkernel, tolerance);
    adcl_test_matrix_check(f->ctx, "gradient of the gate's bias", &c.dbias, tolerance);
    adcl_test_matrix_check(f->ctx, "gradient of x", &c.dx, tolerance);
    adcl_test_matrix_check(f->ctx, "kernel", &c.kernel, 0.0);
    check_inputs(f);
    ADCL_TEST_OK(f->ctx,
                 adcl__gate_apply(f->ctx, &c.gate, &f->sequences, f->dout.tensor, f->dout.tensor));
    expect_gated(&c, &f->dout, &f->dout);
    adcl_test_matrix_check(f->ctx, "gated in place", &f->dout, tolerance);
    discard_gate(&c);
}

Test(sequence, gives_only_the_gradients_of_a_gate_that_are_wanted)
{
    gate_case c = make_gate(), d = make_gate();
    forward_gate(&c);
    ADCL_TEST_OK(c.f.ctx,
                 adcl__gate_backward(c.f.ctx, &c.gate, &c.f.sequences, c.f.x.tensor, c.f.u.tensor,
                                     c.f.dout.tensor, NULL, NULL, c.dx.tensor));
    adcl_test_matrix_check(c.f.ctx, "the gate's kernel is frozen", &c.dkernel, 0.0);
    expect_gate_gradients(&c);
    adcl_test_matrix_check(c.f.ctx, "gradient of x", &c.dx, tolerance);
    forward_gate(&d);
    ADCL_TEST_OK(d.f.ctx,
                 adcl__gate_backward(d.f.ctx, &d.gate, &d.f.sequences, d.f.x.tensor, d.f.u.tensor,
                                     d.f.dout.tensor, d.dkernel.tensor, d.dbias.tensor, NULL));
    adcl_test_matrix_check(d.f.ctx, "x has no gradient", &d.dx, 0.0);
    expect_gate_gradients(&d);
    adcl_test_matrix_check(d.f.ctx, "gradient of the gate's kernel", &d.dkernel, tolerance);
    discard_gate(&c);
    discard_gate(&d);
}

/* exp(−x) must not overflow where x is far below 0. */
Test(sequence, closes_and_opens_a_gate_wholly)
{
    gate_case c = make_gate();
    double closed[SEQUENCES] = {0.0}, open[SEQUENCES] = {1.0, 1.0, 1.0, 1.0, 1.0};
    ADCL_TEST_OK(c.f.ctx, adcl_tensor_fill(c.f.ctx, c.bias.tensor, -1e4f));
    forward_gate(&c);
    cr_expect(adcl_test_tensor_close(c.f.ctx, "closed", c.gates, closed, 0.0));
    ADCL_TEST_OK(c.f.ctx, adcl_tensor_fill(c.f.ctx, c.bias.tensor, 1e4f));
    forward_gate(&c);
    cr_expect(adcl_test_tensor_close(c.f.ctx, "open", c.gates, open, 0.0));
    discard_gate(&c);
}
