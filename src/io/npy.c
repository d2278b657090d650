/* SPDX-License-Identifier: MIT */
/* npy.c – arrays of NumPy. The header of a file is described in npy_header.h; its elements follow
 * to the end of the file. */
#include "io/npy_parse.h"

#include "base/platform.h"
#include "base/text.h"
#include "io/array.h"
#include "io/describe.h"
#include "io/npy_header.h"

#include <stdlib.h>

struct adcl_npy {
    adcl__npy_header header;
    char *path; /* for sentences */
    size_t count;
    void *data; /* in C order, aligned for every dtype */
};

/* ---- reading ---------------------------------------------------------------------------------*/

/* Copies elements whose first index varies fastest to where the last one does. `from` is where the
 * element of the running index lies: a step along an axis moves it by that axis' stride. */
static void copy_fortran_order(const adcl_npy *array, const unsigned char *source)
{
    const adcl__npy_header *header = &array->header;
    size_t width = adcl_dtype_size(header->dtype);
    size_t index[ADCL_NPY_MAX_RANK] = {0}, stride[ADCL_NPY_MAX_RANK];
    for (size_t axis = 0; axis < header->rank; axis++)
        stride[axis] = axis == 0 ? width : stride[axis - 1] * header->shape[axis - 1];
    unsigned char *destination = array->data;
    size_t from = 0;
    for (size_t i = 0; i < array->count; i++, destination += width) {
        memcpy(destination, source + from, width);
        for (size_t axis = header->rank; axis-- > 0;) {
            from += stride[axis];
            if (++index[axis] < header->shape[axis]) break;
            from -= stride[axis] * header->shape[axis];
            index[axis] = 0;
        }
    }
}

static adcl_status read_array(adcl_npy *array, const unsigned char *bytes, size_t size,
                              adcl_error *error)
{
    const char *path = array->path;
    adcl__npy_header *header = &array->header;
    ADCL_TRY(adcl__npy_header_parse(header, path, bytes, size, error));
    size_t needed = 0;
    if (!adcl__array_size(header->dtype, header->rank, header->shape, &array->count, &needed))
        return adcl__error_set(error, ADCL_ERR_SIZE_OVERFLOW, 0,
                               "%s: the size of shape %s does not fit", path,
                               adcl__describe_shape(header->rank, header->shape).text);
    if (needed != size - header->size)
        return adcl__error_set(error, ADCL_ERR_FORMAT, 0,
                               "%s: expected %zu bytes for %s of shape %s, got %zu", path, needed,
                               header->descr,
                               adcl__describe_shape(header->rank, header->shape).text,
                               size - header->size);
    array->data = malloc(needed + 1);
    if (array->data == NULL)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory for %zu bytes",
                               path, needed);
    if (header->fortran_order)
        copy_fortran_order(array, bytes + header->size);
    else
        memcpy(array->data, bytes + header->size, needed);
    return ADCL_OK;
}

adcl_status adcl__npy_parse(adcl_npy **out, const char *path, const unsigned char *bytes,
                            size_t size, adcl_error *error)
{
    *out = NULL;
    adcl_npy *array = calloc(1, sizeof *array);
    if (array == NULL || (array->path = adcl__string_copy(path)) == NULL) {
        adcl_npy_destroy(&array);
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                               path);
    }
    adcl_status status = read_array(array, bytes, size, error);
    if (status != ADCL_OK) {
        adcl_npy_destroy(&array);
        return status;
    }
    *out = array;
    return ADCL_OK;
}

adcl_status adcl_npy_load(adcl_npy **out, const char *path, adcl_error *error)
{
    *out = NULL;
    if (path == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "npy: expected the path of a file, got NULL");
    unsigned char *bytes;
    size_t size;
    ADCL_TRY(adcl__file_read(path, &bytes, &size, error));
    adcl_status status = adcl__npy_parse(out, path, bytes, size, error);
    free(bytes);
    return status;
}

void adcl_npy_destroy(adcl_npy **array)
{
    if (array == NULL || *array == NULL) return;
    free((*array)->data);
    free((*array)->path);
    free(*array);
    *array = NULL;
}

/* ---- looking inside --------------------------------------------------------------------------*/

adcl_dtype adcl_npy_dtype(const adcl_npy *array)
{
    return array->header.dtype;
}

size_t adcl_npy_rank(const adcl_npy *array)
{
    return array->header.rank;
}

const size_t *adcl_npy_shape(const adcl_npy *array)
{
    return array->header.shape;
}

size_t adcl_npy_count(const adcl_npy *array)
{
    return array->count;
}

const void *adcl_npy_data(const adcl_npy *array)
{
    return array->data;
}

const char *adcl_npy_descr(const adcl_npy *array)
{
    return array->header.descr;
}

/* ---- converting ------------------------------------------------------------------------------*/

static adcl_status check_count(const adcl_npy *array, size_t count, adcl_error *error)
{
    if (count == array->count) return ADCL_OK;
    return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                           "%s: expected room for the array's %zu elements, got %zu", array->path,
                           array->count, count);
}

/* One loop over elements of `type`; `convert` turns one of them into a float. */
#define TO_F32(type, convert)                                                                      \
    for (size_t i = 0; i < count; i++) out[i] = convert(((const type *)array->data)[i])

static float boolean_to_float(uint8_t value)
{
    return value != 0 ? 1.0f : 0.0f;
}

adcl_status adcl_npy_to_f32(const adcl_npy *array, int cast, float *out, size_t count,
                            adcl_error *error)
{
    ADCL_TRY(check_count(array, count, error));
    adcl_dtype dtype = array->header.dtype;
    if (!cast && dtype != ADCL_F32 && dtype != ADCL_F16)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected elements of type <f4 or <f2, got %s", array->path,
                               array->header.descr);
    switch (dtype) {
    case ADCL_F32: TO_F32(float, (float)); break;
    case ADCL_F16: TO_F32(uint16_t, adcl__half_to_float); break;
    case ADCL_F64: TO_F32(double, (float)); break;
    case ADCL_I64: TO_F32(int64_t, (float)); break;
    case ADCL_I32: TO_F32(int32_t, (float)); break;
    case ADCL_I16: TO_F32(int16_t, (float)); break;
    case ADCL_I8: TO_F32(int8_t, (float)); break;
    case ADCL_U64: TO_F32(uint64_t, (float)); break;
    case ADCL_U32: TO_F32(uint32_t, (float)); break;
    case ADCL_U16: TO_F32(uint16_t, (float)); break;
    case ADCL_U8: TO_F32(uint8_t, (float)); break;
    case ADCL_BOOL: TO_F32(uint8_t, boolean_to_float); break;
    case ADCL_BF16: break; /* the format has none */
    }
    return ADCL_OK;
}

/* *value = element i of an integer array; false when it is beyond 63 bits. */
static bool integer_at(const adcl_npy *array, size_t i, int64_t *value)
{
    const void *data = array->data;
    switch (array->header.dtype) {
    case ADCL_I64: *value = ((const int64_t *)data)[i]; return true;
    case ADCL_I32: *value = ((const int32_t *)data)[i]; return true;
    case ADCL_I16: *value = ((const int16_t *)data)[i]; return true;
    case ADCL_I8: *value = ((const int8_t *)data)[i]; return true;
    case ADCL_U64: *value = (int64_t)((const uint64_t *)data)[i]; return *value >= 0;
    case ADCL_U32: *value = ((const uint32_t *)data)[i]; return true;
    case ADCL_U16: *value = ((const uint16_t *)data)[i]; return true;
    case ADCL_U8: *value = ((const uint8_t *)data)[i]; return true;
    case ADCL_BOOL: *value = ((const uint8_t *)data)[i] != 0; return true;
    default: return false; /* the floats, which adcl_npy_to_i32 refuses before */
    }
}

static bool is_float(adcl_dtype dtype)
{
    return dtype == ADCL_F16 || dtype == ADCL_F32 || dtype == ADCL_F64;
}

adcl_status adcl_npy_to_i32(const adcl_npy *array, int32_t *out, size_t count, adcl_error *error)
{
    ADCL_TRY(check_count(array, count, error));
    if (is_float(array->header.dtype))
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected elements of an integer type, got %s", array->path,
                               array->header.descr);
    for (size_t i = 0; i < count; i++) {
        int64_t value = 0;
        if (!integer_at(array, i, &value) || value < INT32_MIN || value > INT32_MAX)
            return adcl__error_set(error, ADCL_ERR_FORMAT, 0,
                                   "%s: element %zu does not fit a 32-bit integer", array->path, i);
        out[i] = (int32_t)value;
    }
    return ADCL_OK;
}

/* ---- writing ---------------------------------------------------------------------------------*/

/* The dictionary, padded so that the data begins at a multiple of 64, as NumPy does. */
static adcl_status make_dictionary(adcl__text *text, const char *path, const char *descr,
                                   size_t rank, const size_t *shape, adcl_error *error)
{
    enum { before = 10, alignment = 64 };
    adcl__text_append(text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (size_t axis = 0; axis < rank; axis++)
        adcl__text_append(text, axis == 0 ? "%zu" : ", %zu", shape[axis]);
    adcl__text_append(text, rank == 1 ? ",), }" : "), }");
    size_t length = adcl__round_up(before + text->length + 1, alignment) - before;
    adcl__text_append(text, "%*s\n", (int)(length - text->length - 1), "");
    if (text->failed)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to write it",
                               path);
    return ADCL_OK;
}

static adcl_status write_file(const char *path, const adcl__text *dictionary, const void *data,
                              size_t bytes, adcl_error *error)
{
    /* ADCL_NPY_MAX_RANK sizes of 20 digits are far from the 65535 bytes of version 1.0. */
    uint16_t length = (uint16_t)dictionary->length;
    unsigned char start[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0, 0};
    memcpy(start + 8, &length, sizeof length);
    adcl__new_file *file;
    ADCL_TRY(adcl__new_file_create(&file, path, error));
    adcl_status status;
    if ((status = adcl__new_file_write(file, start, sizeof start, error)) == ADCL_OK &&
        (status = adcl__new_file_write(file, dictionary->bytes, length, error)) == ADCL_OK &&
        (status = adcl__new_file_write(file, data, bytes, error)) == ADCL_OK)
        return adcl__new_file_commit(&file, error);
    adcl__new_file_discard(&file);
    return status;
}

adcl_status adcl_npy_save(const char *path, adcl_dtype dtype, size_t rank, const size_t *shape,
                          const void *data, adcl_error *error)
{
    if (path == NULL || (rank > 0 && shape == NULL))
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "npy: expected a path and a shape, got NULL");
    if (rank > ADCL_NPY_MAX_RANK)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected at most %d axes, got %zu", path, ADCL_NPY_MAX_RANK,
                               rank);
    const char *descr = adcl__npy_descr(dtype);
    if (descr == NULL)
        return adcl__error_set(error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: expected a dtype that .npy files have, got %s", path,
                               adcl_dtype_name(dtype));
    size_t count, bytes;
    if (!adcl__array_size(dtype, rank, shape, &count, &bytes))
        return adcl__error_set(error, ADCL_ERR_SIZE_OVERFLOW, 0,
                               "%s: the size of shape %s does not fit", path,
                               adcl__describe_shape(rank, shape).text);
    if (data == NULL && bytes > 0)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "%s: expected %zu bytes of data, got NULL", path, bytes);
    adcl__text dictionary = {0};
    adcl_status status = make_dictionary(&dictionary, path, descr, rank, shape, error);
    if (status == ADCL_OK) status = write_file(path, &dictionary, data, bytes, error);
    adcl__text_free(&dictionary);
    return status;
}
