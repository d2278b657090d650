/* SPDX-License-Identifier: MIT */
/* The encoder on the device, by each engine, beside AdapterHub's numbers. */
#include "support/encoder_case.h"

#include <criterion/criterion.h>
#include <string.h>

/* Ours adds in another order than theirs does; without the last layer norm values grow to
 * thousands. */
static double tolerance_of(const char *name)
{
    return strcmp(name, "no_ln_after") == 0 ? 2e-3 : 1e-5;
}

static void check_folders(adcl_engine engine)
{
    cr_expect_eq(adcl_test_encoder_check_folders(engine, adcl_test_tiny_folders, tolerance_of), 17);
}

Test(encoder, matches_adapterhub_by_packed_products)
{
    check_folders(ADCL_ENGINE_FUSED);
}

Test(encoder, matches_adapterhub_by_clblast)
{
    check_folders(ADCL_ENGINE_GEMM);
}

Test(encoder, matches_adapterhub_on_the_host)
{
    check_folders(ADCL_ENGINE_REFERENCE);
}
