/* SPDX-License-Identifier: MIT */
/* text_model.h – what text goes through: a model's tokenizer, its frozen encoder, and the adapters
 * with their head that a folder holds. */
#ifndef ADCL_CLI_TEXT_MODEL_H
#define ADCL_CLI_TEXT_MODEL_H

#include "cli/batches.h"
#include "cli/dataset.h"

#include <adapter_cl/encoder.h>

typedef struct text_model {
    adcl_tokenizer *tokenizer;
    adcl_encoding *encoding;
    adcl_encoder *encoder;
    adcl_adapter_set *set; /* NULL: the model alone */
    size_t max_length;     /* tokens of a text, or of a pair, at most */
} text_model;

/* Opens the device and loads the folder of a model. max_length 0: as many tokens as the model has
 * positions. Free *out in any case. */
int text_model_load(session *s, text_model *out, const char *folder, adcl_mode mode,
                    size_t max_length);
/* Loads adapters and head of an AdapterHub folder. */
int text_model_load_set(session *s, text_model *m, const char *folder);
void text_model_free(text_model *m);

/* Fails where the set has no head; `folder` is named. */
int text_model_need_head(const session *s, const text_model *m, const char *folder);
/* C, and 1 for a regression. */
size_t text_model_labels(const text_model *m);
bool text_model_is_regression(const text_model *m);
/* The names of the head's classes. Starts from *out = {0}; free it in any case. */
int text_model_name_classes(const session *s, const text_model *m, class_names *out);

/* Encodes one text or pair (NULL: none) and appends it. */
int text_model_encode(session *s, const text_model *m, token_list *list, const adcl_text_span *text,
                      const adcl_text_span *pair, const char *what, size_t number);
/* Encodes all examples; says how many had to be cut. */
int text_model_encode_dataset(session *s, const text_model *m, token_list *list, const dataset *d);
/* Says how many of `list` were cut, if any. */
void text_model_warn_of_cuts(const session *s, const text_model *m, const token_list *list,
                             const char *what);

#endif
