/* SPDX-License-Identifier: MIT */
/* A real model, all-MiniLM-L6-v2, with AdapterHub's folders for it, by the engines of the
 * device. The model is not in the repository: ADCL_TEST_MODEL names its folder, and without it
 * this fails. scripts/test.sh --model runs it. */
#include "support/encoder_case.h"

#include <criterion/criterion.h>
#include <string.h>

/* Six layers of sums of up to 1536 products in f32: hidden states stay within 5e-6 of the f64
 * numbers, here as in PyTorch's own f32. The head of learned_scaling, one product with weights
 * of up to 1.5, makes 8e-5 of that in its logits, and 2.2e-5 of PyTorch's. */
static double tolerance_of(const char *name)
{
    return strcmp(name, "learned_scaling") == 0 ? 1e-4 : 3e-5;
}

static void check_folders(adcl_engine engine)
{
    const char *model = adcl_test_tiny_model_folder(ADCL_TEST_MINILM);
    cr_assert(model != NULL && model[0] != '\0',
              "ADCL_TEST_MODEL must name the folder of all-MiniLM-L6-v2; scripts/fetch-model.sh "
              "fetches it and prints where it is");
    cr_expect_eq(adcl_test_encoder_check_folders(engine, adcl_test_minilm_folders, tolerance_of),
                 4);
}

Test(encoder_model, matches_adapterhub_by_packed_products)
{
    check_folders(ADCL_ENGINE_FUSED);
}

Test(encoder_model, matches_adapterhub_by_clblast)
{
    check_folders(ADCL_ENGINE_GEMM);
}
