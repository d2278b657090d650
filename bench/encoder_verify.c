/* SPDX-License-Identifier: MIT */
#include "bench/encoder_verify.h"

#include "bench/compare_numbers.h"

#include <stdlib.h>

/* Sums of up to some thousand products in f32, layer after layer: a real model of six layers
 * stays below 3e-5, and twelve layers are no more than twice as far off. */
#define TOLERANCE 2e-4

/* Three sequences: the second of one token, none as long as another. */
static const size_t starts[] = {0, 5, 6, 13};
#define SEQUENCES 3
#define TOKENS 13

static bool make_batches(const bench_encoder *f, bench_batches *out)
{
    size_t vocabulary = adcl_encoder_vocabulary_size(f->encoder);
    if (!bench_batches_random(out, 1, TOKENS, vocabulary)) return false;
    out->items[0].sequences = SEQUENCES;
    out->items[0].starts = starts;
    out->load.sequences = SEQUENCES;
    return true;
}

static adcl_status compute(bench_encoder *f, const bench_batches *batches)
{
    BENCH_TRY(bench_encoder_take(f, batches, false));
    BENCH_TRY(adcl_parameters_zero_grad(f->ctx, adcl_adapter_set_parameters(f->set)));
    return bench_encoder_forward_backward(f);
}

static adcl_status compare(const bench_encoder *f, const adcl_tensor *got,
                           const adcl_tensor *expected, const char *what, const bench_shape *shape,
                           adcl_error *error)
{
    size_t count = adcl_tensor_rows(got) * adcl_tensor_cols(got);
    size_t bytes = count * sizeof(float);
    float *values = malloc(2 * bytes);
    if (values == NULL) return ADCL_ERR_OUT_OF_HOST_MEMORY;
    adcl_status status = adcl_tensor_read(f->ctx, got, values, bytes);
    if (status == ADCL_OK) status = adcl_tensor_read(f->ctx, expected, values + count, bytes);
    if (status == ADCL_OK)
        status = bench_compare_numbers(shape, what, values, values + count, count, 1.0,
                                       TOLERANCE, error);
    free(values);
    return status;
}

static adcl_status compare_all(const bench_encoder *f, const bench_encoder *reference,
                               const bench_shape *shape, adcl_error *error)
{
    const adcl_parameters *got = adcl_adapter_set_parameters(f->set);
    const adcl_parameters *expected = adcl_adapter_set_parameters(reference->set);
    BENCH_TRY(compare(f, f->logits, reference->logits, "logits", shape, error));
    for (size_t i = 0; i < adcl_parameters_count(got); i++) {
        const adcl_parameter *p = adcl_parameters_get(got, i);
        BENCH_TRY(compare(f, p->gradient, adcl_parameters_get(expected, i)->gradient, p->name,
                          shape, error));
    }
    return ADCL_OK;
}

static adcl_status verify(bench_encoder *f, bench_encoder *reference,
                          const bench_encoder_params *params, const bench_batches *batches,
                          const bench_shape *shape, adcl_error *error)
{
    f->steps = 0; /* the same dropout for both */
    BENCH_TRY(compute(f, batches));
    BENCH_TRY(bench_encoder_make(reference, params));
    BENCH_TRY(compute(reference, batches));
    return compare_all(f, reference, shape, error);
}

adcl_status bench_encoder_verify(bench_encoder *f, const char *folder,
                                 const adcl_adapter_set_params *set, const bench_shape *shape,
                                 adcl_error *error)
{
    const bench_encoder_params params = {folder, set, ADCL_ENGINE_REFERENCE, ADCL_TRAINING};
    bench_encoder reference = {.ctx = f->ctx};
    bench_batches batches = {0};
    adcl_status status = ADCL_ERR_OUT_OF_HOST_MEMORY;
    if (make_batches(f, &batches)) status = verify(f, &reference, &params, &batches, shape, error);
    bench_keep_sentence(f->ctx, status, error);
    bench_encoder_free(&reference);
    f->batches = NULL;
    bench_batches_free(&batches);
    return status;
}
