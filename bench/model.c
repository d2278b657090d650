/* SPDX-License-Identifier: MIT */
#include "bench/model.h"

/* Numbers in the frozen matrices of a layer's feed-forward part, and of all of it. */
static double feed_forward_of(const bench_model *m)
{
    return 2.0 * (double)m->hidden * (double)m->inner;
}

static double matrices_of(const bench_model *m)
{
    return 4.0 * (double)m->hidden * (double)m->hidden + feed_forward_of(m);
}

static bool trains_adapters(const bench_model *m)
{
    return m->lowest < m->layers;
}

/* Layers that backward passes wholly. */
static double layers_passed(const bench_model *m)
{
    return trains_adapters(m) ? (double)(m->layers - m->lowest - 1) : 0.0;
}

/* Numbers in the frozen matrices that it passes. */
static double matrices_passed(const bench_model *m)
{
    double last = trains_adapters(m) && m->lowest_is_attention ? feed_forward_of(m) : 0.0;
    return layers_passed(m) * matrices_of(m) + last;
}

static double attention_flops(const bench_model *m, const bench_load *load)
{
    return 4.0 * (double)m->hidden * load->squares;
}

double bench_model_flops(const bench_model *m, const bench_load *load, bench_extent extent)
{
    double tokens = (double)load->tokens, layers = (double)m->layers;
    double sequences = (double)(load->sequences * load->batches);
    double flops = layers * (2.0 * tokens * matrices_of(m) + attention_flops(m, load));
    if (extent == BENCH_MODEL_ALONE) return flops;
    double adapters = 4.0 * tokens * m->adapter_products, head = 2.0 * sequences * m->head_products;
    flops += adapters + head;
    if (extent == BENCH_MODEL_FORWARD) return flops;
    return flops + 2.0 * (adapters + head + layers_passed(m) * attention_flops(m, load)) +
           2.0 * tokens * matrices_passed(m);
}

double bench_model_bytes(const bench_model *m, const bench_load *load, bench_extent extent)
{
    double batches = (double)load->batches, layers = (double)m->layers;
    double states = 4.0 * (double)load->tokens * (double)m->hidden, trained = 4.0 * m->trained;
    double bytes = layers * (4.0 * matrices_of(m) * batches + 2.0 * states);
    if (extent == BENCH_MODEL_ALONE) return bytes;
    bytes += trained * batches;
    if (extent == BENCH_MODEL_FORWARD) return bytes;
    double passed = trains_adapters(m) ? (double)(m->layers - m->lowest) : 0.0;
    bytes += 4.0 * matrices_passed(m) * batches + 3.0 * passed * states + 3.0 * trained * batches;
    return extent == BENCH_MODEL_STEP ? bytes + 7.0 * trained * batches : bytes;
}
