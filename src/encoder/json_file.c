/* SPDX-License-Identifier: MIT */
#include "encoder/json_file.h"

#include "base/platform.h"
#include "io/describe.h"

#include <stdlib.h>
#include <string.h>

static adcl_status parse(json_t **out, const char *path, const unsigned char *bytes, size_t size,
                         adcl_error *error)
{
    json_error_t why;
    *out = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &why);
    if (*out == NULL && json_error_code(&why) == json_error_out_of_memory)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                               path);
    if (*out == NULL)
        return adcl__error_set(error, ADCL_ERR_FORMAT, 0, "%s: expected JSON, got at line %d: %s",
                               path, why.line, adcl__describe_name(why.text).text);
    if (json_is_object(*out)) return ADCL_OK;
    json_decref(*out);
    *out = NULL;
    return adcl__error_set(error, ADCL_ERR_FORMAT, 0, "%s: expected a JSON object", path);
}

adcl_status adcl__json_file_read(json_t **out, const char *path, adcl_error *error)
{
    *out = NULL;
    unsigned char *bytes;
    size_t size;
    ADCL_TRY(adcl__file_read(path, &bytes, &size, error));
    adcl_status status = parse(out, path, bytes, size, error);
    free(bytes);
    return status;
}

adcl_status adcl__json_file_write(const json_t *json, const char *path, adcl_error *error)
{
    /* 9 digits are enough for every float, and few enough that 0.1f is written 0.1. */
    size_t flags = JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9);
    char *text = json != NULL ? json_dumps(json, flags) : NULL;
    if (text == NULL)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to write it",
                               path);
    adcl__new_file *file = NULL;
    adcl_status status = adcl__new_file_create(&file, path, error);
    if (status == ADCL_OK) status = adcl__new_file_write(file, text, strlen(text), error);
    if (status == ADCL_OK) status = adcl__new_file_commit(&file, error);
    adcl__new_file_discard(&file);
    free(text);
    return status;
}

const json_t *adcl__json_get(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}
