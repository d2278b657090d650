/* SPDX-License-Identifier: MIT */
/* gemm_tuning.h – sets of CLBlast's parameters for its products: those we know to be good, and
 * their form as text. Knows CLBlast's names and none of its calls. */
#ifndef ADCL_OPS_GEMM_TUNING_H
#define ADCL_OPS_GEMM_TUNING_H

#include <adapter_cl/context.h>

#include <stdbool.h>

/* CLBlast's kernels in the order of a set: the product itself, the product without copies of its
 * operands (for small ones), and the sum m·n·k = s³ above which the first is used. */
#define ADCL__GEMM_GROUP_COUNT 3
#define ADCL__GEMM_VALUE_COUNT 27

typedef struct adcl__gemm_group {
    const char *kernel;         /* as CLBlast calls it */
    size_t count;               /* of its parameters */
    const char *const *names;
} adcl__gemm_group;

extern const adcl__gemm_group adcl__gemm_groups[ADCL__GEMM_GROUP_COUNT];

/* The values of all groups, one after the other. A group of zeros leaves CLBlast's own. */
typedef struct adcl__gemm_tuning {
    size_t values[ADCL__GEMM_VALUE_COUNT];
} adcl__gemm_tuning;

/* "1,4,1,…": all values. At most ADCL__GEMM_TUNING_TEXT bytes. */
#define ADCL__GEMM_TUNING_TEXT 160
void adcl__gemm_tuning_print(const adcl__gemm_tuning *tuning, char text[ADCL__GEMM_TUNING_TEXT]);

/* False for a text that is no such list, or whose values do not fit together. CLBlast itself takes
 * some of these and computes nothing. */
bool adcl__gemm_tuning_parse(const char *text, adcl__gemm_tuning *tuning);

/* True when all is left to CLBlast. */
bool adcl__gemm_tuning_is_none(const adcl__gemm_tuning *tuning);

/* What is worth trying, the first one that of the table; *count of them. */
const adcl__gemm_tuning *adcl__gemm_candidates(size_t *count);

/* The set for a device that nobody has tuned; all zeros where CLBlast's own is the best known. */
adcl__gemm_tuning adcl__gemm_table(const adcl_device_info *device);

#endif
