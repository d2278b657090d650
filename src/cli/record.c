/* SPDX-License-Identifier: MIT */
#include "cli/record.h"

int record_create(session *s, record *out)
{
    TRY_DEVICE(s, adcl_tensor_create(&out->all, s->ctx, ADCL_F32, TRAINING_BLOCK_MOST, 1));
    for (size_t i = 0; i < TRAINING_BLOCK_MOST; i++)
        TRY_DEVICE(s, adcl_tensor_view_rows(&out->slots[i], s->ctx, out->all, i, 1));
    return DONE;
}

void record_free(record *r)
{
    for (size_t i = 0; i < TRAINING_BLOCK_MOST; i++) adcl_tensor_destroy(&r->slots[i]);
    adcl_tensor_destroy(&r->all);
}

int record_read(session *s, const record *r, float values[TRAINING_BLOCK_MOST])
{
    TRY_DEVICE(s, adcl_tensor_read(s->ctx, r->all, values, TRAINING_BLOCK_MOST * sizeof *values));
    return DONE;
}
