/* SPDX-License-Identifier: MIT */
#include "support/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const adcl_test_tiny_folders[] = {
    "bert",
    "a name with spaces",
    "bert",
    "channel",
    "bert",
    "gated",
    "bert",
    "houlsby",
    "bert",
    "ln_after",
    "bert",
    "ln_after_residual_first",
    "bert",
    "ln_before",
    "bert",
    "no_ln_after",
    "bert",
    "parallel",
    "bert",
    "parallel_gated_channel",
    "bert",
    "pfeiffer",
    "bert",
    "pickled",
    "bert",
    "post_add",
    "bert",
    "residual_after_ln",
    "bert_gelu_new",
    "houlsby",
    "distilbert",
    "houlsby",
    "distilbert",
    "pfeiffer",
    NULL,
};

const char *const adcl_test_minilm_folders[] = {
    ADCL_TEST_MINILM, "houlsby",  ADCL_TEST_MINILM, "learned_scaling",
    ADCL_TEST_MINILM, "parallel", ADCL_TEST_MINILM, "pfeiffer",
    NULL,
};

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes + 1);
    if (memory == NULL) abort();
    return memory;
}

static const char *data_folder(void)
{
    const char *folder = getenv("ADCL_TEST_DATA");
    if (folder != NULL) return folder;
    fputs("golden data: ADCL_TEST_DATA must name the folder tests/golden\n", stderr);
    abort();
}

static bool is_real(const char *model)
{
    return strcmp(model, ADCL_TEST_MINILM) == 0;
}

const char *adcl_test_tiny_model_folder(const char *model)
{
    static char path[4096];
    if (is_real(model)) return getenv("ADCL_TEST_MODEL");
    snprintf(path, sizeof path, "%s/tiny/%s", data_folder(), model);
    return path;
}

/* Below tests/golden. */
static void name_adapter_folder(const char *model, const char *name, char *path, size_t size)
{
    if (is_real(model))
        snprintf(path, size, "adapterhub/%s", name);
    else
        snprintf(path, size, "tiny/%s/adapters/%s", model, name);
}

const char *adcl_test_tiny_adapter_folder(const char *model, const char *name)
{
    static char path[4096];
    char below[256];
    name_adapter_folder(model, name, below, sizeof below);
    snprintf(path, sizeof path, "%s/%s", data_folder(), below);
    return path;
}

/* ---- the batch, without its padding -----------------------------------------------------------
 */

/* out (tokens, cols) = the rows of matrix (sequences·padded, cols) that are tokens. */
static void pack(const adcl_test_tiny *tiny, size_t cols, size_t bytes, const void *matrix,
                 void *out)
{
    for (size_t s = 0; s < tiny->sequences; s++) {
        size_t first = tiny->starts[s], count = tiny->starts[s + 1] - first;
        memcpy((char *)out + first * cols * bytes,
               (const char *)matrix + s * tiny->padded * cols * bytes, count * cols * bytes);
    }
}

/* starts from the mask, whose ones come first in every row. */
static const size_t *count_tokens(const adcl_test_tiny *tiny)
{
    const int32_t *mask =
        adcl_test_golden_indices(tiny->golden, tiny->sequences * tiny->padded, "attention_mask");
    size_t *starts = allocate((tiny->sequences + 1) * sizeof *starts);
    for (size_t s = 0; s < tiny->sequences; s++) {
        size_t count = 0;
        while (count < tiny->padded && mask[s * tiny->padded + count] == 1) count++;
        starts[s + 1] = starts[s] + count;
    }
    return starts;
}

static const int32_t *packed_indices(const adcl_test_tiny *tiny, const char *key)
{
    size_t count = tiny->sequences * tiny->padded;
    if (adcl_test_golden_count(tiny->golden, "%s", key) == 0) return NULL;
    int32_t *out = allocate(tiny->tokens * sizeof *out);
    pack(tiny, 1, sizeof *out, adcl_test_golden_indices(tiny->golden, count, "%s", key), out);
    return out;
}

adcl_test_tiny *adcl_test_tiny_open(const char *model, const char *name)
{
    char folder[256], file[300];
    name_adapter_folder(model, name, folder, sizeof folder);
    snprintf(file, sizeof file, "%s/expected.safetensors", folder);
    adcl_test_tiny *tiny = allocate(sizeof *tiny);
    tiny->model = model;
    tiny->name = name;
    tiny->golden = adcl_test_golden_open(file);
    tiny->sequences = adcl_test_golden_count(tiny->golden, "labels");
    tiny->padded = adcl_test_golden_count(tiny->golden, "input_ids") / tiny->sequences;
    tiny->starts = count_tokens(tiny);
    tiny->tokens = tiny->starts[tiny->sequences];
    tiny->ids = packed_indices(tiny, "input_ids");
    tiny->type_ids = packed_indices(tiny, "token_type_ids");
    tiny->labels = adcl_test_golden_indices(tiny->golden, tiny->sequences, "labels");
    return tiny;
}

/* What is const to readers was allocated here. */
static void release(const void *memory)
{
    free((void *)(uintptr_t)memory);
}

void adcl_test_tiny_close(adcl_test_tiny *tiny)
{
    release(tiny->starts);
    release(tiny->ids);
    release(tiny->type_ids);
    free(tiny->numbers);
    adcl_test_golden_close(tiny->golden);
    free(tiny);
}

/* ---- results ----------------------------------------------------------------------------------
 */

static double *hand_out(adcl_test_tiny *tiny, size_t count)
{
    free(tiny->numbers);
    tiny->numbers = allocate(count * sizeof *tiny->numbers);
    return tiny->numbers;
}

const double *adcl_test_tiny_hidden(adcl_test_tiny *tiny, size_t layer, size_t cols)
{
    const double *padded = adcl_test_golden_doubles(
        tiny->golden, tiny->sequences * tiny->padded * cols, "hidden.%zu", layer);
    double *out = hand_out(tiny, tiny->tokens * cols);
    pack(tiny, cols, sizeof *out, padded, out);
    return out;
}

const double *adcl_test_tiny_logits(adcl_test_tiny *tiny, size_t labels)
{
    return adcl_test_golden_doubles(tiny->golden, tiny->sequences * labels, "logits");
}

double adcl_test_tiny_loss(adcl_test_tiny *tiny)
{
    return *adcl_test_golden_doubles(tiny->golden, 1, "loss");
}

/* ---- gradients: their names there -------------------------------------------------------------
 */

/* The end of a name there for the end of one here. */
static const char *ending_there(const adcl_test_tiny *tiny, const char *ending)
{
    static const char *const endings[][2] = {
        {"down.kernel", "adapter_down.0.weight"},
        {"down.bias", "adapter_down.0.bias"},
        {"up.kernel", "adapter_up.weight"},
        {"up.bias", "adapter_up.bias"},
        {"scaling", "scaling"},
        {"gate.kernel", "gate.weight"},
        {"gate.bias", "gate.bias"},
        {"norm_before.weight", "adapter_norm_before.weight"},
        {"norm_before.bias", "adapter_norm_before.bias"},
        {"norm_after.weight", "adapter_norm_after.weight"},
        {"norm_after.bias", "adapter_norm_after.bias"},
    };
    /* There, a norm before makes the product the second member of its sequence. */
    if (strcmp(tiny->name, "ln_before") == 0 && strcmp(ending, "down.kernel") == 0)
        return "adapter_down.1.weight";
    if (strcmp(tiny->name, "ln_before") == 0 && strcmp(ending, "down.bias") == 0)
        return "adapter_down.1.bias";
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(ending, endings[i][0]) == 0) return endings[i][1];
    return "?";
}

static void name_there(const adcl_test_tiny *tiny, const char *name, char *out, size_t size)
{
    size_t layer;
    char place[16];
    int ending = 0;
    if (sscanf(name, "head.%zu.%n", &layer, &ending) == 1) {
        snprintf(out, size, "grad.heads.%s.%d.%s", tiny->name, layer == 0 ? 1 : 4,
                 strcmp(name + ending, "kernel") == 0 ? "weight" : "bias");
        return;
    }
    if (sscanf(name, "layer.%zu.%15[a-z].%n", &layer, place, &ending) != 2) abort();
    bool attention = strcmp(place, "attention") == 0;
    const char *rest = ending_there(tiny, name + ending);
    if (strcmp(tiny->model, "distilbert") == 0)
        snprintf(out, size, "grad.distilbert.transformer.layer.%zu.%s_adapters.adapters.%s.%s",
                 layer, place, tiny->name, rest);
    else
        snprintf(out, size, "grad.bert.encoder.layer.%zu.%soutput.adapters.%s.%s", layer,
                 attention ? "attention." : "", tiny->name, rest);
}

const double *adcl_test_tiny_gradient(adcl_test_tiny *tiny, const char *name, size_t rows,
                                      size_t cols)
{
    char key[256];
    name_there(tiny, name, key, sizeof key);
    const double *there = adcl_test_golden_doubles(tiny->golden, rows * cols, "%s", key);
    double *out = hand_out(tiny, rows * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) out[r * cols + c] = there[c * rows + r];
    return out;
}

size_t adcl_test_tiny_gradient_count(const adcl_test_tiny *tiny)
{
    return adcl_test_golden_named(tiny->golden, "grad.");
}
