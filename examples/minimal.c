/* SPDX-License-Identifier: MIT */
/* minimal.c – from choosing a device to y = adapter(x), in one page. */
#include <adapter_cl/adapter_cl.h>

#include <stdio.h>

enum { ROWS = 4, HIDDEN = 768 };

int main(void)
{
    static float x[ROWS * HIDDEN], y[ROWS * HIDDEN];
    adcl_context *ctx = NULL;
    adcl_adapter *adapter = NULL;
    adcl_workspace *workspace = NULL;
    adcl_tensor *input = NULL, *output = NULL;
    adcl_error error;
    for (int i = 0; i < ROWS * HIDDEN; i++) x[i] = 0.001f * (float)i;

    if (adcl_context_create(&ctx, NULL, &error) != ADCL_OK) { /* the best device there is */
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT; /* bottleneck 64, relu, identity */
    params.hidden_size = HIDDEN;
    adcl_workspace_params batch = ADCL_WORKSPACE_PARAMS_INIT; /* for inference */
    batch.max_rows = ROWS;

    if (adcl_adapter_create(&adapter, ctx, &params) != ADCL_OK ||
        adcl_workspace_create(&workspace, ctx, adapter, &batch) != ADCL_OK ||
        adcl_tensor_create(&input, ctx, ADCL_F32, ROWS, HIDDEN) != ADCL_OK ||
        adcl_tensor_create(&output, ctx, ADCL_F32, ROWS, HIDDEN) != ADCL_OK ||
        adcl_tensor_write(ctx, input, x, sizeof x) != ADCL_OK ||
        adcl_adapter_forward(ctx, adapter, workspace, input, output) != ADCL_OK ||
        adcl_tensor_read(ctx, output, y, sizeof y) != ADCL_OK) /* waits */
        fprintf(stderr, "%s\n", adcl_context_error(ctx)->message);
    else
        printf("%s: x[1] = %g, y[1] = %g (a new adapter changes nothing)\n",
               adcl_context_device(ctx)->name, (double)x[1], (double)y[1]);

    int failed = adcl_context_error(ctx)->status != ADCL_OK || y[1] != x[1];
    adcl_tensor_destroy(&output);
    adcl_tensor_destroy(&input);
    adcl_workspace_destroy(&workspace);
    adcl_adapter_destroy(&adapter);
    adcl_context_destroy(&ctx);
    return failed;
}
