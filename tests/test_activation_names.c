/* SPDX-License-Identifier: MIT */
#include <adapter_cl/activation.h>

#include <criterion/criterion.h>

Test(activation_names, lead_there_and_back)
{
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++) {
        adcl_activation got = (adcl_activation)-1;
        const char *name = adcl_activation_name((adcl_activation)i);
        cr_expect_eq(adcl_activation_from_name(name, &got, NULL), ADCL_OK, "%s", name);
        cr_expect_eq((int)got, i, "%s", name);
    }
    cr_expect_str_eq(adcl_activation_name(ADCL_ACTIVATION_GELU_TANH), "gelu_tanh");
    cr_expect_str_eq(adcl_activation_name((adcl_activation)ADCL_ACTIVATION_COUNT), "?");
    cr_expect_str_eq(adcl_activation_name((adcl_activation)-1), "?");
}

Test(activation_names, spellings_of_model_files_are_understood)
{
    static const struct {
        const char *name;
        adcl_activation activation;
    } spellings[] = {
        {"swish", ADCL_ACTIVATION_SILU},
        {"gelu_new", ADCL_ACTIVATION_GELU_TANH},
        {"gelu_fast", ADCL_ACTIVATION_GELU_TANH},
        {"gelu_pytorch_tanh", ADCL_ACTIVATION_GELU_TANH},
        {"leakyrelu", ADCL_ACTIVATION_LEAKY_RELU},
        {"gelu_orig", ADCL_ACTIVATION_GELU},
        {"gelu_python", ADCL_ACTIVATION_GELU},
        {"null", ADCL_ACTIVATION_LINEAR},
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        adcl_activation got = (adcl_activation)-1;
        cr_expect_eq(adcl_activation_from_name(spellings[i].name, &got, NULL), ADCL_OK);
        cr_expect_eq(got, spellings[i].activation, "%s", spellings[i].name);
    }
}

Test(activation_names, unknown_name_is_answered_with_the_list)
{
    adcl_activation got = ADCL_ACTIVATION_MISH;
    adcl_error error;
    cr_expect_eq(adcl_activation_from_name("ReLU", &got, &error), ADCL_ERR_NOT_FOUND);
    cr_expect_eq(got, ADCL_ACTIVATION_MISH);
    cr_expect_str_eq(error.message,
                     "unknown activation \"ReLU\"; expected one of: relu, relu6, leaky_relu, elu, "
                     "celu, selu, gelu, gelu_tanh, quick_gelu, silu, mish, sigmoid, tanh, exp, "
                     "linear, softplus, softsign, log_sigmoid, hard_tanh, hard_sigmoid, hard_silu, "
                     "softmax, log_softmax, log_sumexp");
}

Test(activation_names, null_is_an_invalid_argument)
{
    adcl_activation got = ADCL_ACTIVATION_MISH;
    adcl_error error;
    cr_expect_eq(adcl_activation_from_name(NULL, &got, &error), ADCL_ERR_INVALID_ARGUMENT);
    cr_expect_neq(error.message[0], '\0');
    cr_expect_eq(got, ADCL_ACTIVATION_MISH);
    cr_expect_eq(adcl_activation_from_name("relu", NULL, &error), ADCL_ERR_INVALID_ARGUMENT);
}

Test(activation_width, is_one_for_log_sumexp_only)
{
    for (int i = 0; i < ADCL_ACTIVATION_COUNT; i++)
        cr_expect_eq(adcl_activation_width((adcl_activation)i, 5),
                     i == ADCL_ACTIVATION_LOG_SUMEXP ? 1u : 5u);
}
