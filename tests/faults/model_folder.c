/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* mkdir, rmdir */
#include "faults/model_folder.h"

#include <adapter_cl/safetensors.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const model_files[][2] = {
    {"vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n##a\n"},
    {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"9\": {\"content\": \"A\"}}}"},
    {"tokenizer.json",
     "{\"model\": {\"vocab\": {}}, \"normalizer\": {\"type\": \"BertNormalizer\"}, "
     "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}}"},
    {"added_tokens.json", "{\"b\": 10}"},
    {"config.json", "{\"model_type\": \"bert\", \"vocab_size\": 11, \"hidden_size\": 8, "
                    "\"num_hidden_layers\": 1, \"num_attention_heads\": 1, "
                    "\"intermediate_size\": 8, \"max_position_embeddings\": 8}"},
};

#define MODEL_FILES (sizeof model_files / sizeof model_files[0])

/* Until the next call. */
static const char *path_of(const char *folder, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* The tensors of a model of one layer, sizes as in config.json above; rows 0: a vector. */
static const struct {
    const char *name;
    size_t rows, cols;
} model_tensors[] = {
    {"embeddings.word_embeddings.weight", 11, 8},
    {"embeddings.position_embeddings.weight", 8, 8},
    {"embeddings.token_type_embeddings.weight", 2, 8},
    {"embeddings.LayerNorm.weight", 0, 8},
    {"embeddings.LayerNorm.bias", 0, 8},
#define DENSE(name) {"encoder.layer.0." name ".weight", 8, 8}, {"encoder.layer.0." name ".bias", 0, 8}
#define NORM(name) {"encoder.layer.0." name ".weight", 0, 8}, {"encoder.layer.0." name ".bias", 0, 8}
    DENSE("attention.self.query"),
    DENSE("attention.self.key"),
    DENSE("attention.self.value"),
    DENSE("attention.output.dense"),
    NORM("attention.output.LayerNorm"),
    DENSE("intermediate.dense"),
    DENSE("output.dense"),
    NORM("output.LayerNorm"),
};

#define MODEL_TENSORS (sizeof model_tensors / sizeof model_tensors[0])

/* All tensors have numbers of the same memory. */
static bool make_weights(const char *folder)
{
    static float numbers[11 * 8];
    static adcl_safetensors_entry entries[MODEL_TENSORS];
    static size_t shapes[MODEL_TENSORS][2];
    adcl_error error;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        numbers[i] = (float)(i % 7) / 8.0f - 0.25f;
    for (size_t i = 0; i < MODEL_TENSORS; i++) {
        size_t rows = model_tensors[i].rows, cols = model_tensors[i].cols;
        shapes[i][0] = rows > 0 ? rows : cols;
        shapes[i][1] = cols;
        entries[i] = (adcl_safetensors_entry){model_tensors[i].name, ADCL_F32, rows > 0 ? 2 : 1,
                                              shapes[i], numbers,
                                              (rows > 0 ? rows : 1) * cols * sizeof(float)};
    }
    return adcl_safetensors_save(path_of(folder, "model.safetensors"), entries, MODEL_TENSORS, NULL, 0,
                                 &error) == ADCL_OK;
}

bool model_folder_make(const char *folder)
{
    mkdir(folder, 0777);
    if (!make_weights(folder)) return false;
    for (size_t i = 0; i < MODEL_FILES; i++) {
        FILE *file = fopen(path_of(folder, model_files[i][0]), "w");
        if (file == NULL) return false;
        bool written = fputs(model_files[i][1], file) >= 0;
        if (fclose(file) != 0 || !written) return false;
    }
    return true;
}

void model_folder_remove(const char *folder)
{
    for (size_t i = 0; i < MODEL_FILES; i++) remove(path_of(folder, model_files[i][0]));
    remove(path_of(folder, "model.safetensors"));
    rmdir(folder);
}
