/* SPDX-License-Identifier: MIT */
/* adapter_file.h – adapters in native files: safetensors with, for each adapter,
 *
 *     <name>_down.kernel (D, R)      <name>_down.bias (R)
 *     <name>_up.kernel   (R, D)      <name>_up.bias   (D)
 *
 * in F32 and metadata strings format = adapter_cl, format_version = 1, name, activation,
 * hidden_size, bottleneck_size, and each option that is not its default (scaling, parallel,
 * dropout). A file of several adapters has the first one's strings under the plain keys and, for
 * each adapter, those that differ under <name>.activation and so on. docs/files.md */
#ifndef ADAPTER_CL_ADAPTER_FILE_H
#define ADAPTER_CL_ADAPTER_FILE_H

#include <adapter_cl/adapter.h>
#include <adapter_cl/safetensors.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A native file, read and checked: its adapters as host memory, its metadata. */
typedef struct adcl_adapter_file adcl_adapter_file;

/* What the file says of one adapter; strings and arrays live as long as the file object. */
typedef struct adcl_adapter_file_info {
    const char *name;
    int has_activation;         /* 0: the file does not say; activation is then relu */
    adcl_activation activation;
    size_t hidden_size;
    size_t bottleneck_size;
    size_t parameter_count;
    float scaling;
    float dropout;
    int parallel;
    const float *values[ADCL_ADAPTER_SLOT_COUNT]; /* dense, in the shapes of adapter.h */
} adcl_adapter_file_info;

/* Errors: FILE, FORMAT (names the tensor or the string, expected and got), UNSUPPORTED (a format
 * version or dtype), OUT_OF_HOST_MEMORY. On failure *out is NULL. */
ADCL_API adcl_status adcl_adapter_file_load(adcl_adapter_file **out, const char *path,
                                            adcl_error *error);
ADCL_API void adcl_adapter_file_destroy(adcl_adapter_file **file);

ADCL_API size_t adcl_adapter_file_count(const adcl_adapter_file *file);
/* NULL when out of range. */
ADCL_API const adcl_adapter_file_info *adcl_adapter_file_get(const adcl_adapter_file *file,
                                                             size_t index);
/* The index of the adapter of that name; name NULL: the only one. Errors: NOT_FOUND and
 * INVALID_ARGUMENT (several, none chosen), with the list of names. */
ADCL_API adcl_status adcl_adapter_file_find(const adcl_adapter_file *file, const char *name,
                                            size_t *index, adcl_error *error);
/* The safetensors file underneath, with all metadata; owned by the file object. */
ADCL_API const adcl_safetensors *adcl_adapter_file_safetensors(const adcl_adapter_file *file);

/* Makes the adapter at `index` on the device. params NULL: all as in the file. Otherwise its
 * `dropout`, `frozen` apply if not 0, and its activation if the file does not say one; params that
 * contradict the file's sizes (unless 0) are refused. Errors: those of adcl_adapter_create;
 * INVALID_ARGUMENT when neither file nor params name the activation (params NULL). */
ADCL_API adcl_status adcl_adapter_file_create_adapter(adcl_adapter **out, adcl_context *ctx,
                                                      const adcl_adapter_file *file, size_t index,
                                                      const adcl_adapter_params *params);

/* Both at once, for the common case: the adapter called `name` (NULL: the only one) of the file. */
ADCL_API adcl_status adcl_adapter_load(adcl_adapter **out, adcl_context *ctx, const char *path,
                                       const char *name);

/* Writes adapters of different names into one file: temporary file, sync, rename. Metadata of
 * `keep` (may be NULL) that this library does not know is carried over. Waits for the device.
 * Errors: INVALID_ARGUMENT (a name twice), FILE, OPENCL, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_adapter_save(adcl_context *ctx, const char *path,
                                       const adcl_adapter *const *adapters, size_t count,
                                       const adcl_adapter_file *keep);

#ifdef __cplusplus
}
#endif
#endif
