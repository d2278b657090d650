/* SPDX-License-Identifier: MIT */
/* fuzz_adapter_config.c – adapter_config.json and, behind the first NUL, head_config.json. What is
 * accepted must be written so that it is accepted again, and mean the same. */
#include "fuzz/target.h"

#include "encoder/adapter_config.h"
#include "encoder/set_params.h"

#include <stdlib.h>
#include <string.h>

static void check(int promise)
{
    if (!promise) abort();
}

/* *params = a complete copy of what the files say; false where they are refused. */
static int read_params(json_t *adapter, json_t *head, adcl__model_config *model,
                       adcl_adapter_set_params *params)
{
    adcl__adapter_config config;
    adcl_error error = {.status = ADCL_OK};
    adcl_status status = adcl__adapter_config_read(&config, adapter, head, "input", &error);
    check(error.status == status);
    if (status == ADCL_OK) {
        *model = (adcl__model_config){.family = config.family, .hidden_size = config.hidden_size,
                                      .layers = config.layers};
        status = adcl__adapter_config_place(&config, config.layers, "input", &error);
        check(error.status == status);
    }
    check(status == ADCL_OK || strncmp(error.message, "input", 5) == 0);
    if (status == ADCL_OK)
        status = adcl__set_params_copy(params, &config.params, model->layers, &error);
    adcl__adapter_config_release(&config);
    return status == ADCL_OK;
}

static void check_equal(const adcl_adapter_set_params *a, const adcl_adapter_set_params *b,
                        const adcl__model_config *model)
{
    check(strcmp(a->name, b->name) == 0);
    check(a->scaling == b->scaling && a->scaling_kind == b->scaling_kind);
    check(a->dropout == b->dropout && a->head_dropout == b->head_dropout);
    check(a->activation == b->activation && a->residual == b->residual && a->init == b->init);
    check(a->leave_out_count == b->leave_out_count && a->labels == b->labels);
    for (size_t i = 0; i < model->layers && !a->head_only; i++) {
        check(adcl__set_params_has_layer(a, i) == adcl__set_params_has_layer(b, i));
        check(adcl__bottleneck_of(model->hidden_size, (double)adcl__set_params_reduction(a, i)) ==
              adcl__bottleneck_of(model->hidden_size, (double)adcl__set_params_reduction(b, i)));
    }
    for (size_t i = 0; i < a->labels; i++) check(strcmp(a->label_names[i], b->label_names[i]) == 0);
}

static json_t *again(json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    check(text != NULL);
    json_t *result = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    check(result != NULL);
    free(text);
    return result;
}

static json_t *parse(const uint8_t *bytes, size_t size)
{
    json_t *json = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json)) return json;
    json_decref(json);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(bytes, '\0', size) : NULL;
    size_t length = nul == NULL ? size : (size_t)(nul - bytes);
    adcl_adapter_set_params first, second;
    adcl__model_config model, same;
    json_t *head = nul == NULL ? NULL : parse(nul + 1, size - length - 1);
    if (!read_params(parse(bytes, length), head, &model, &first)) return 0;
    if (first.labels < 1000) {
        json_t *adapter = first.head_only ? NULL : again(adcl__adapter_config_json(&first, &model));
        head = first.labels == 0 ? NULL : again(adcl__head_config_json(&first, &model));
        check(read_params(adapter, head, &same, &second));
        check(same.layers <= model.layers && same.hidden_size == model.hidden_size);
        check_equal(&first, &second, &same);
        adcl__set_params_free(&second);
    }
    adcl__set_params_free(&first);
    return 0;
}
