/* SPDX-License-Identifier: MIT */
#include "ops/reduce.h"

#include "runtime/program.h"

/* Rows are cut into blocks of at least ROWS_LEAST and into at most BLOCKS_MOST of them: a function
 * of N alone, so that the order of the sum is too. */
#define BLOCKS_MOST 256
#define ROWS_LEAST 64

size_t adcl__colsum_scratch(size_t cols)
{
    return BLOCKS_MOST * cols;
}

adcl_status adcl__colsum(adcl_context *ctx, const adcl_tensor *x, float scale, cl_mem scratch,
                         adcl_tensor *sums)
{
    size_t block_rows = (x->rows + BLOCKS_MOST - 1) / BLOCKS_MOST;
    if (block_rows < ROWS_LEAST) block_rows = ROWS_LEAST;
    size_t blocks = (x->rows + block_rows - 1) / block_rows;
    const adcl__argument first[] = {ADCL__TENSOR_ARGS(x), {sizeof(cl_mem), &scratch},
                                    ADCL__UINT_ARG(x->rows), ADCL__UINT_ARG(x->cols),
                                    ADCL__UINT_ARG(block_rows)};
    ADCL_TRY(ADCL__LAUNCH(
        ctx, ((adcl__kernel_id){.program = ADCL__PROGRAM_REDUCE, .name = "adcl_colsum_blocks"}),
        ((adcl__range){.items = {x->cols, blocks}}), first));
    const adcl__argument second[] = {{sizeof(cl_mem), &scratch},
                                     ADCL__VECTOR_ARGS(sums),
                                     ADCL__UINT_ARG(blocks), ADCL__UINT_ARG(x->cols),
                                     ADCL__ARG(scale)};
    return ADCL__LAUNCH(
        ctx, ((adcl__kernel_id){.program = ADCL__PROGRAM_REDUCE, .name = "adcl_colsum_finish"}),
        ((adcl__range){.items = {x->cols, 1}}), second);
}
