/* SPDX-License-Identifier: MIT */
#include "support/random_model.h"

#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

static adcl_error error;
static adcl__host_set set;

Test(host_set, has_every_array_in_one_order)
{
    adcl_test_arrays list;
    static const char *const first[] = {
        "embeddings.norm.weight", "embeddings.norm.bias",
        "layer.0.attention.norm_before.weight", "layer.0.attention.norm_before.bias",
        "layer.0.attention.down.kernel", "layer.0.attention.down.bias",
        "layer.0.attention.up.kernel", "layer.0.attention.up.bias", "layer.0.attention.scaling",
        "layer.0.attention.gate.kernel", "layer.0.attention.gate.bias",
        "layer.0.attention.norm_after.weight", "layer.0.attention.norm_after.bias",
        "layer.0.attention.norm.weight", "layer.0.attention.norm.bias",
        "layer.0.output.norm_before.weight"};
    adcl__model_config model = {.hidden_size = 32, .layers = 2};
    adcl_adapter_set_params p;
    cr_assert_eq(adcl_adapter_set_preset("houlsby", &p, &error), ADCL_OK);
    p.ln_before = p.ln_after = p.gated = p.train_layer_norms = 1;
    p.scaling_kind = ADCL_SCALING_CHANNEL;
    p.labels = 3;
    cr_assert_eq(adcl__host_set_create(&set, &model, &p, &error), ADCL_OK, "%s", error.message);
    adcl_test_list_arrays(&set, &list);
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        cr_expect_str_eq(list.at[i].name, first[i]);
    cr_expect_eq(list.count, 2 + 4 * (11 + 2) + 4);
    cr_expect_str_eq(list.at[list.count - 1].name, "head.1.bias");
    cr_expect(list.at[4].rows == 32 && list.at[4].cols == 2);
    cr_expect_eq(list.at[8].rows * list.at[8].cols, 32);
    cr_expect_eq(list.at[list.count - 1].rows * list.at[list.count - 1].cols, 3);
    for (size_t i = 0; i < list.count; i++)
        cr_expect_eq(list.at[i].values[list.at[i].rows * list.at[i].cols - 1], 0.0f);
    adcl__host_set_release(&set);
}

Test(host_set, presets_are_adapterhubs)
{
    adcl_adapter_set_params p;
    cr_assert_eq(adcl_adapter_set_preset("houlsby", &p, &error), ADCL_OK);
    cr_expect(p.attention_adapters && p.output_adapters && !p.original_ln_before &&
              p.original_ln_after && p.activation == ADCL_ACTIVATION_SILU &&
              p.reduction_factor == 16 && p.init == ADCL_INIT_BERT);
    cr_assert_eq(adcl_adapter_set_preset("pfeiffer", &p, &error), ADCL_OK);
    cr_expect(!p.attention_adapters && p.output_adapters && p.original_ln_before &&
              p.activation == ADCL_ACTIVATION_RELU && p.residual == ADCL_RESIDUAL_BEFORE_LN);
    cr_assert_eq(adcl_adapter_set_preset("parallel", &p, &error), ADCL_OK);
    cr_expect(p.parallel && p.scaling == 4 && p.reduction_factor == 2 && p.init == ADCL_INIT_MAM);
    cr_assert_eq(adcl_adapter_set_preset("none", &p, &error), ADCL_OK);
    cr_expect(p.head_only);
    cr_expect_eq(adcl_adapter_set_preset("lora", &p, &error), ADCL_ERR_NOT_FOUND);
    cr_expect(strstr(error.message, "houlsby, pfeiffer, parallel, none") != NULL);
    cr_expect_eq(adcl_adapter_set_preset(NULL, &p, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_eq(adcl_adapter_set_preset("none", NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
}

Test(host_set, params_that_contradict_are_refused)
{
    static const char *const twice[] = {"a", "b", "a"}, *const none[] = {"a", NULL, "b"};
    static const size_t far[] = {2};
    adcl__model_config model = {.hidden_size = 32, .layers = 2};
    adcl_adapter_set_params good;
    cr_assert_eq(adcl_adapter_set_preset("houlsby", &good, &error), ADCL_OK);
    good.labels = 3;
#define BAD(number, ...) case number: p = good; __VA_ARGS__; break
    for (int i = 0; i < 19; i++) {
        adcl_adapter_set_params p = good;
        adcl_status status = ADCL_ERR_INVALID_ARGUMENT;
        switch (i) {
            BAD(0, p.struct_size = 0);
            BAD(1, p.name = "a.b");
            BAD(2, p.name = "");
            BAD(3, p.name = "\xff");
            BAD(4, p.reduction_factor = -1);
            BAD(5, p.reduction_factor = NAN);
            BAD(6, p.reduction_factor = 1e-30f; status = ADCL_ERR_SIZE_OVERFLOW);
            BAD(7, p.leave_out = far; p.leave_out_count = 1);
            BAD(8, p.leave_out_count = 1);
            BAD(9, p.scaling = INFINITY);
            BAD(10, p.dropout = 1);
            BAD(11, p.head_dropout = -0.5f);
            BAD(12, p.head_layers = 3);
            BAD(13, p.label_names = twice);
            BAD(14, p.label_names = none);
            BAD(15, p.head_only = 1; p.labels = 0);
            BAD(16, p.attention_adapters = p.output_adapters = 0);
            BAD(17, p.residual = ADCL_RESIDUAL_POST_ADD);
            BAD(18, p.activation = ADCL_ACTIVATION_LOG_SUMEXP);
        }
        cr_expect_eq(adcl__host_set_create(&set, &model, &p, &error), status, "case %d: %s", i,
                     error.message);
        cr_expect_null(set.layer);
    }
#undef BAD
    cr_expect_eq(adcl__host_set_create(&set, &model, NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
}
