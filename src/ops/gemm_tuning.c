/* SPDX-License-Identifier: MIT */
#include "ops/gemm_tuning.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parameters of a product C (m, n) in tiles: a work-group makes a tile MWG × NWG of C with
 * MDIMC × NDIMC work-items, KWG columns at a time, vectors of VWM and VWN floats wide; SA, SB: the
 * tiles of A and B go through local memory. */
static const char *const indirect_names[] = {"GEMMK", "KREG", "KWG",   "KWI", "MDIMA", "MDIMC",
                                             "MWG",   "NDIMB", "NDIMC", "NWG", "SA",    "SB",
                                             "STRM",  "STRN", "VWM",   "VWN"};
static const char *const direct_names[] = {"KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD",
                                           "PADA", "PADB",   "VWMD",   "VWND",   "WGD"};
static const char *const routine_names[] = {"XGEMM_MIN_INDIRECT_SIZE"};

/* Where each group's values begin, and those that conditions below speak of. */
enum {
    GEMMK, KREG, KWG, KWI, MDIMA, MDIMC, MWG, NDIMB, NDIMC, NWG, SA, SB, STRM, STRN, VWM, VWN,
    KWID, MDIMAD, MDIMCD, NDIMBD, NDIMCD, PADA, PADB, VWMD, VWND, WGD,
    MIN_INDIRECT
};

const adcl__gemm_group adcl__gemm_groups[ADCL__GEMM_GROUP_COUNT] = {
    {"Xgemm", sizeof indirect_names / sizeof indirect_names[0], indirect_names},
    {"XgemmDirect", sizeof direct_names / sizeof direct_names[0], direct_names},
    {"GemmRoutine", sizeof routine_names / sizeof routine_names[0], routine_names},
};

/* The largest value of any parameter: a tile of 1024, or a threshold of 4096. */
#define VALUE_MOST 4096

/* ---- sets that are worth trying ---------------------------------------------------------------*/

/* On a processor the kernel that keeps its tile in registers (GEMMK 1) wins by far, with vectors as
 * wide as the machine's, equal in both directions, and without local memory, which is memory like
 * any other there; and it wins from the smallest sizes on, copies of operands included, for the
 * other kernel goes through local memory always. */
#define REGISTERS(kreg, dim, tile, width)                                                          \
    {{1, kreg, 1, 1, dim, dim, tile, dim, dim, tile, 0, 0, 0, 0, width, width,                     \
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}
/* For GPUs, tiles through local memory; products smaller than 448³ stay with the kernel that copies
 * nothing. */
#define LOCAL(kwg, dim, tile, width)                                                               \
    {{0, 1, kwg, 2, dim, dim, tile, dim, dim, tile, 1, 1, 0, 0, width, width,                      \
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 448}}

static const adcl__gemm_tuning candidates[] = {
    REGISTERS(8, 2, 16, 8), /* small tiles also suit small batches */
    REGISTERS(8, 4, 32, 8),
    REGISTERS(8, 8, 64, 8),
    REGISTERS(16, 2, 32, 16),
    REGISTERS(16, 4, 64, 16),
    REGISTERS(4, 8, 32, 4),
    REGISTERS(4, 4, 16, 4),
    REGISTERS(4, 4, 64, 4),
    REGISTERS(2, 4, 64, 1),
    LOCAL(16, 8, 64, 4),
    LOCAL(32, 8, 64, 2),
    LOCAL(16, 16, 64, 4),
    LOCAL(16, 16, 128, 4),
};

const adcl__gemm_tuning *adcl__gemm_candidates(size_t *count)
{
    *count = sizeof candidates / sizeof candidates[0];
    return candidates;
}

/* CLBlast's database has no processor under POCL and takes what suits a GPU. Elsewhere, processors
 * of other drivers among them, its own set stays until somebody tunes: a set is only trusted where
 * its results were checked. */
adcl__gemm_tuning adcl__gemm_table(const adcl_device_info *device)
{
    bool known = device->type == ADCL_DEVICE_CPU &&
                 adcl__string_contains(device->platform, "Portable Computing Language");
    return known ? candidates[0] : (adcl__gemm_tuning){{0}};
}

/* ---- sets as text -----------------------------------------------------------------------------*/

bool adcl__gemm_tuning_is_none(const adcl__gemm_tuning *tuning)
{
    for (size_t i = 0; i < ADCL__GEMM_VALUE_COUNT; i++)
        if (tuning->values[i] != 0) return false;
    return true;
}

void adcl__gemm_tuning_print(const adcl__gemm_tuning *tuning, char text[ADCL__GEMM_TUNING_TEXT])
{
    size_t length = 0;
    for (size_t i = 0; i < ADCL__GEMM_VALUE_COUNT; i++)
        length += (size_t)snprintf(text + length, ADCL__GEMM_TUNING_TEXT - length, "%s%zu",
                                   i == 0 ? "" : ",", tuning->values[i]);
}

/* Both are at least 1 and the first is a multiple of the second. */
static bool divides(size_t product, size_t factor)
{
    return product > 0 && factor > 0 && product % factor == 0;
}

static bool fits_indirect(const size_t *v)
{
    if (v[GEMMK] > 1 || v[SA] > 1 || v[SB] > 1 || v[STRM] > 1 || v[STRN] > 1) return false;
    if (!divides(v[KWG], v[KWI]) || !divides(v[MWG], v[MDIMC] * v[VWM]) ||
        !divides(v[NWG], v[NDIMC] * v[VWN]) || !divides(v[MWG], v[MDIMA] * v[VWM]) ||
        !divides(v[NWG], v[NDIMB] * v[VWN]))
        return false;
    if (v[GEMMK] == 0)
        return divides(v[MDIMC] * v[NDIMC], v[MDIMA]) && divides(v[MDIMC] * v[NDIMC], v[NDIMB]) &&
               divides(v[KWG], v[MDIMC] * v[NDIMC] / v[MDIMA]) &&
               divides(v[KWG], v[MDIMC] * v[NDIMC] / v[NDIMB]);
    /* Of the kernel that works in registers only square tiles came out right. */
    return v[SA] == 0 && v[SB] == 0 && v[MDIMA] == v[MDIMC] && v[NDIMB] == v[NDIMC] &&
           v[MDIMC] == v[NDIMC] && v[MWG] == v[NWG] && v[VWM] == v[VWN] &&
           divides(v[KREG], v[VWN]);
}

static bool fits_direct(const size_t *v)
{
    size_t items = v[MDIMCD] * v[NDIMCD];
    return v[PADA] <= 1 && v[PADB] <= 1 && divides(v[WGD], v[KWID]) &&
           divides(v[WGD], v[MDIMCD] * v[VWMD]) && divides(v[WGD], v[NDIMCD] * v[VWND]) &&
           divides(v[WGD], v[MDIMAD] * v[VWMD]) && divides(v[WGD], v[NDIMBD] * v[VWND]) &&
           divides(items, v[MDIMAD]) && divides(items, v[NDIMBD]) &&
           divides(v[WGD], items / v[MDIMAD]) && divides(v[WGD], items / v[NDIMBD]);
}

static bool all_zero(const size_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] != 0) return false;
    return true;
}

static bool fits(const adcl__gemm_tuning *tuning)
{
    const size_t *v = tuning->values;
    return (all_zero(v, KWID) || fits_indirect(v)) &&
           (all_zero(v + KWID, MIN_INDIRECT - KWID) || fits_direct(v));
}

/* A number of at most VALUE_MOST at *text, which moves behind it. */
static bool read_value(const char **text, size_t *value)
{
    size_t digits = 0;
    for (*value = 0; isdigit((unsigned char)**text) && digits < 5; digits++)
        *value = *value * 10 + (size_t)(*(*text)++ - '0');
    return digits > 0 && *value <= VALUE_MOST;
}

bool adcl__gemm_tuning_parse(const char *text, adcl__gemm_tuning *out)
{
    adcl__gemm_tuning tuning;
    for (size_t i = 0; i < ADCL__GEMM_VALUE_COUNT; i++)
        if ((i > 0 && *text++ != ',') || !read_value(&text, &tuning.values[i])) return false;
    if (*text != '\0' || !fits(&tuning)) return false;
    *out = tuning;
    return true;
}
