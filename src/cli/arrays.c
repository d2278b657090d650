/* SPDX-License-Identifier: MIT */
#include "cli/arrays.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- arrays ----------------------------------------------------------------------------------*/

/* The dtypes that are taken without --cast lose nothing on their way to f4. */
static int check_dtype(const session *s, const char *path, const adcl_npy *npy, bool cast)
{
    adcl_dtype dtype = adcl_npy_dtype(npy);
    if (cast || dtype == ADCL_F32 || dtype == ADCL_F16) return DONE;
    return session_fail(s, "%s: expected f4 or f2, got %s; --cast rounds it to f4", path,
                        adcl_npy_descr(npy));
}

static int take_array(session *s, array *out, const adcl_npy *npy, bool cast)
{
    TRY(check_dtype(s, out->path, npy, cast));
    out->rank = adcl_npy_rank(npy);
    if (out->rank < 2)
        return session_fail(s, "%s: expected at least 2 axes, (..., hidden_size), got %zu",
                            out->path, out->rank);
    memcpy(out->shape, adcl_npy_shape(npy), out->rank * sizeof out->shape[0]);
    TRY_HOST(s, adcl_fold_shape(out->rank, out->shape, &out->rows, &out->cols, &s->error));
    size_t count = adcl_npy_count(npy);
    void *values;
    TRY(session_allocate(s, &values, out->rows, out->cols, sizeof(float)));
    out->values = values;
    return session_check(s, adcl_npy_to_f32(npy, cast, out->values, count, &s->error));
}

int array_load(session *s, array *out, const char *path, bool cast)
{
    *out = (array){.path = path};
    adcl_npy *npy = NULL;
    TRY_HOST(s, adcl_npy_load(&npy, path, &s->error));
    int status = take_array(s, out, npy, cast);
    adcl_npy_destroy(&npy);
    return status;
}

void array_free(array *a)
{
    free(a->values);
    a->values = NULL;
}

int features_load(session *s, array *out, const char *path, bool cast)
{
    TRY(array_load(s, out, path, cast));
    if (out->rank != 2)
        return session_fail(s, "%s: expected 2 axes, (rows, columns), got %zu", path, out->rank);
    for (size_t i = 0; i < out->rows * out->cols; i++)
        if (!isfinite(out->values[i]))
            return session_fail(s,
                                "%s: expected finite numbers, got %s in row %zu, column %zu "
                                "(from 0)",
                                path, isnan(out->values[i]) ? "NaN" : "infinity", i / out->cols,
                                i % out->cols);
    return DONE;
}

/* ---- labels ----------------------------------------------------------------------------------*/

static int take_labels(session *s, labels *out, const adcl_npy *npy, const array *features)
{
    size_t count = adcl_npy_count(npy);
    size_t rank = adcl_npy_rank(npy);
    bool is_column = rank == 1 || (rank == 2 && adcl_npy_shape(npy)[1] == 1);
    if (!is_column || count != features->rows)
        return session_fail(s,
                            "%s: expected %zu labels in one axis, one for each row of %s, got "
                            "%zu in %zu axes",
                            out->path, features->rows, features->path, count, rank);
    void *values;
    TRY(session_allocate(s, &values, count, 1, sizeof(int32_t)));
    out->values = values;
    out->count = count;
    TRY_HOST(s, adcl_npy_to_i32(npy, out->values, count, &s->error));
    for (size_t i = 0; i < count; i++) {
        if (out->values[i] < 0)
            return session_fail(s, "%s: expected classes from 0, got %d in row %zu (from 0)",
                                out->path, (int)out->values[i], i);
        if ((size_t)out->values[i] >= out->classes) out->classes = (size_t)out->values[i] + 1;
    }
    return DONE;
}

int labels_load(session *s, labels *out, const char *path, const array *features)
{
    *out = (labels){.path = path};
    adcl_npy *npy = NULL;
    TRY_HOST(s, adcl_npy_load(&npy, path, &s->error));
    int status = take_labels(s, out, npy, features);
    adcl_npy_destroy(&npy);
    return status;
}

void labels_free(labels *l)
{
    free(l->values);
    l->values = NULL;
}

int labels_check_classes(const session *s, const labels *l, size_t classes)
{
    for (size_t i = 0; i < l->count; i++)
        if ((size_t)l->values[i] >= classes)
            return session_fail(s, "%s: expected classes below %zu, got %d in row %zu (from 0)",
                                l->path, classes, (int)l->values[i], i);
    return DONE;
}
