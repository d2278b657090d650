/* SPDX-License-Identifier: MIT */
/* encoder_on_host.c – the engine reference: passes by encoder_reference.c, with the parameters as they are on
 * the device now. */
#include "encoder/encoder.h"
#include "encoder/encoder_reference.h"

#include "adapter/host_matrix.h"

#include <stdlib.h>
#include <string.h>

static adcl__reference_batch batch_of(const adcl_encoder_workspace *ws)
{
    return (adcl__reference_batch){.sequences = ws->sequences.count,
                                   .starts = ws->host_starts,
                                   .ids = ws->host_ids,
                                   .type_ids = ws->host_has_types ? ws->host_types : NULL};
}

/* Backward computes the forward once more, from a copy of the batch. */
static void keep_batch(adcl_encoder_workspace *ws, const adcl_encoder_batch *b, bool one_type)
{
    memcpy(ws->host_starts, b->starts, (b->sequences + 1) * sizeof *ws->host_starts);
    memcpy(ws->host_ids, b->ids, ws->tokens * sizeof *ws->host_ids);
    ws->host_has_types = b->type_ids != NULL && !one_type;
    if (ws->host_has_types) memcpy(ws->host_types, b->type_ids, ws->tokens * sizeof *ws->host_types);
}

/* The forward in ws->host_hidden and ws->host_logits. */
static adcl_status compute(const adcl__encoder_pass *p, bool wants_logits)
{
    const adcl__reference_batch batch = batch_of(p->ws);
    adcl__host_set set = {0};
    if (p->set != NULL) ADCL_TRY(adcl__adapter_set_download(p->ctx, p->set, &set));
    adcl_status status = adcl__encoder_reference_run(
        &p->encoder->weights, p->set == NULL ? NULL : &set, &batch, p->ws->host_hidden,
        wants_logits ? p->ws->host_logits : NULL, NULL, NULL, adcl__context_error(p->ctx));
    adcl__host_set_release(&set);
    return status;
}

adcl_status adcl__encoder_reference_forward(const adcl__encoder_pass *p,
                                            const adcl_encoder_batch *b, adcl_tensor *logits)
{
    adcl_encoder_workspace *ws = p->ws;
    keep_batch(ws, b, p->encoder->weights.config.token_types < 2);
    ADCL_TRY(compute(p, logits != NULL));
    size_t count = ws->tokens * p->encoder->weights.config.hidden_size;
    size_t first = ws->keeps_hidden ? 0 : ws->layers;
    for (size_t l = first; l <= ws->layers; l++)
        ADCL_TRY(adcl__matrix_from_host(p->ctx, ws->host_hidden + l * count, ws->hidden[l]));
    /* The pooling of adcl_encoder_pool runs on the device. */
    int32_t *starts = ws->staging;
    for (size_t s = 0; s <= b->sequences; s++) starts[s] = (int32_t)b->starts[s];
    adcl_tensor head = *ws->starts;
    head.cols = head.row_stride = b->sequences + 1;
    ADCL_TRY(adcl_tensor_write(p->ctx, &head, starts, (b->sequences + 1) * sizeof *starts));
    return logits == NULL ? ADCL_OK : adcl__matrix_from_host(p->ctx, ws->host_logits, logits);
}

/* Adds an array of the gradients to that of the set. */
static adcl_status add_gradient(void *user, const char *name, float **values, size_t rows,
                                size_t cols)
{
    const adcl__encoder_pass *p = user;
    const adcl__set_entry *entry = adcl__adapter_set_entry(p->set, name);
    size_t count = rows * cols;
    float *sum = malloc(count * sizeof *sum);
    if (sum == NULL)
        return adcl__fail(p->ctx, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "encoder: no memory for it");
    adcl_status status = adcl_tensor_read(p->ctx, entry->gradient, sum, count * sizeof *sum);
    for (size_t i = 0; i < count; i++) sum[i] += (*values)[i];
    if (status == ADCL_OK)
        status = adcl_tensor_write(p->ctx, entry->gradient, sum, count * sizeof *sum);
    free(sum);
    return status;
}

adcl_status adcl__encoder_reference_backward(const adcl__encoder_pass *p,
                                             const adcl_tensor *dlogits)
{
    adcl_encoder_workspace *ws = p->ws;
    const adcl__reference_batch batch = batch_of(ws);
    adcl__host_set set, gradients = {0};
    ADCL_TRY(adcl__adapter_set_download(p->ctx, p->set, &set));
    adcl_status status = adcl__host_set_create(&gradients, &p->set->model, &p->set->host.params,
                                               adcl__context_error(p->ctx));
    if (status == ADCL_OK) status = adcl__matrix_to_host(p->ctx, dlogits, ws->host_dlogits);
    if (status == ADCL_OK)
        status = adcl__encoder_reference_run(&p->encoder->weights, &set, &batch, ws->host_hidden,
                                             ws->host_logits, ws->host_dlogits, &gradients,
                                             adcl__context_error(p->ctx));
    adcl__encoder_pass pass = *p;
    if (status == ADCL_OK) status = adcl__host_set_each(&gradients, add_gradient, &pass);
    adcl__host_set_release(&gradients);
    adcl__host_set_release(&set);
    return status;
}
