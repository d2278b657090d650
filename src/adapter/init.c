/* SPDX-License-Identifier: MIT */
/* init.c – the initialisers of adapter.h: their names and what they fill kernels with. */
#include "adapter/init.h"

#include "base/random.h"
#include "base/text.h"

#include <math.h>

static const char *const init_names[] = {
#define INIT_STRING(NAME, value, name) [value] = name,
    ADCL_INIT_MAP(INIT_STRING)
#undef INIT_STRING
};

#define INIT_COUNT (sizeof init_names / sizeof init_names[0])

const char *adcl_init_name(adcl_init init)
{
    return (unsigned)init < INIT_COUNT ? init_names[init] : "?";
}

adcl_status adcl_init_from_name(const char *name, adcl_init *out, adcl_error *error)
{
    size_t index;
    ADCL_TRY(adcl__find_name(error, "initialiser", name, init_names, INIT_COUNT,
                             out == NULL ? NULL : &index));
    *out = (adcl_init)index;
    return ADCL_OK;
}

void adcl__init_fill(adcl_init init, uint64_t seed, adcl_adapter_slot slot, size_t hidden_size,
                     size_t bottleneck_size, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = 0.0f;
    if (slot != ADCL_DOWN_KERNEL && slot != ADCL_UP_KERNEL) return;

    bool down = slot == ADCL_DOWN_KERNEL;
    adcl__random_stream stream = down ? ADCL__STREAM_DOWN_KERNEL : ADCL__STREAM_UP_KERNEL;
    switch (init) {
    case ADCL_INIT_IDENTITY:
        if (down)
            adcl__random_fill_glorot(seed, stream, hidden_size, bottleneck_size, out, count);
        break;
    case ADCL_INIT_HOULSBY:
        adcl__random_fill_normal(seed, stream, 1e-3, 2.0, out, count);
        break;
    case ADCL_INIT_HOULSBY_PAPER:
        adcl__random_fill_normal(seed, stream, 1e-2, 2.0, out, count);
        break;
    case ADCL_INIT_BERT:
        adcl__random_fill_normal(seed, stream, 0.02, 0.0, out, count);
        break;
    case ADCL_INIT_MAM:
        /* Kaiming's limit sqrt(6/((1 + a²)·fan_in)) with a = √5 and fan_in = D. */
        if (down)
            adcl__random_fill_uniform(seed, stream, sqrt(1.0 / (double)hidden_size), out, count);
        break;
    }
}
