/* SPDX-License-Identifier: MIT */
/* A real model, all-MiniLM-L6-v2, with AdapterHub's folders for it, by the engines of the
 * device. The model is not in the repository: ADCL_TEST_MODEL names its folder, and without it
 * this fails. scripts/test.sh --model runs it. */
#include "support/encoder_case.h"

#include <criterion/criterion.h>

/* PyTorch's own f32 stays within 2.2e-5 of its f64. */
static double tolerance_of(const char *name)
{
    (void)name;
    return 3e-5;
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
