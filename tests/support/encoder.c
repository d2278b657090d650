/* SPDX-License-Identifier: MIT */
#include "support/encoder.h"

adcl_context *adcl_test_engine_context(adcl_engine engine)
{
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.engine = engine;
    return adcl_test_context_create_with(&params);
}

adcl_encoder *adcl_test_encoder_load(adcl_context *ctx, const char *folder, adcl_mode mode)
{
    adcl_encoder_params params = ADCL_ENCODER_PARAMS_INIT;
    adcl_encoder *encoder = NULL;
    params.mode = mode;
    ADCL_TEST_OK(ctx, adcl_encoder_load(&encoder, ctx, folder, &params));
    return encoder;
}

adcl_adapter_set *adcl_test_set_create(adcl_context *ctx, const adcl_encoder *encoder,
                                       const adcl_adapter_set_params *params)
{
    adcl_adapter_set *set = NULL;
    adcl_test_arrays arrays;
    ADCL_TEST_OK(ctx, adcl_adapter_set_create(&set, ctx, encoder, params));
    adcl_test_draw_set(&set->host);
    adcl_test_list_arrays(&set->host, &arrays);
    const adcl_parameters *parameters = adcl_adapter_set_parameters(set);
    cr_assert_eq(adcl_parameters_count(parameters), arrays.count);
    for (size_t i = 0; i < arrays.count; i++) {
        const adcl_parameter *p = adcl_parameters_get(parameters, i);
        const adcl_test_array *a = adcl_test_array_named(&arrays, p->name);
        ADCL_TEST_OK(ctx, adcl_tensor_write(ctx, p->value, a->values,
                                            a->rows * a->cols * sizeof *a->values));
    }
    return set;
}

adcl_encoder_workspace *adcl_test_encoder_workspace(adcl_context *ctx, const adcl_encoder *encoder,
                                                    const adcl_adapter_set *set,
                                                    const adcl_encoder_workspace_params *params)
{
    adcl_encoder_workspace *ws = NULL;
    ADCL_TEST_OK(ctx, adcl_encoder_workspace_create(&ws, ctx, encoder, set, params));
    return ws;
}
