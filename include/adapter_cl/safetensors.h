/* SPDX-License-Identifier: MIT */
/* safetensors.h – the safetensors file format: a JSON header of names, dtypes and shapes, then the
 * numbers. A strict reader: a file that breaks any rule of the format is refused with a sentence.
 * No OpenCL is involved. */
#ifndef ADAPTER_CL_SAFETENSORS_H
#define ADAPTER_CL_SAFETENSORS_H

#include <adapter_cl/dtype.h>
#include <adapter_cl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADCL_SAFETENSORS_MAX_RANK 32

/* One tensor, little-endian and dense in C order. Reading: everything is borrowed from the file
 * object, data is aligned to 1 byte only. Writing: everything is borrowed from the caller. */
typedef struct adcl_safetensors_entry {
    const char *name;
    adcl_dtype dtype;
    size_t rank;         /* 0 for a scalar */
    const size_t *shape; /* rank sizes */
    const void *data;
    size_t bytes;        /* product of shape × dtype size */
} adcl_safetensors_entry;

/* One string of the __metadata__ object. */
typedef struct adcl_metadata {
    const char *key;
    const char *value;
} adcl_metadata;

/* A file in memory: read, or mapped where it is large, so it must not be written over in place
 * while the object lives (this library never does: it renames). Thread-safety: reading an object
 * from many threads is fine. */
typedef struct adcl_safetensors adcl_safetensors;

/* Errors: FILE, FORMAT, UNSUPPORTED (a dtype outside dtype.h), SIZE_OVERFLOW, OUT_OF_HOST_MEMORY.
 * On failure *out is NULL. */
ADCL_API adcl_status adcl_safetensors_load(adcl_safetensors **out, const char *path,
                                           adcl_error *error);
ADCL_API void adcl_safetensors_destroy(adcl_safetensors **file);

/* Tensors in the order of their place in the file. NULL when out of range / not there. */
ADCL_API size_t adcl_safetensors_count(const adcl_safetensors *file);
ADCL_API const adcl_safetensors_entry *adcl_safetensors_get(const adcl_safetensors *file,
                                                            size_t index);
ADCL_API const adcl_safetensors_entry *adcl_safetensors_find(const adcl_safetensors *file,
                                                             const char *name);
/* Metadata in the order of the file; NULL when out of range / not there. */
ADCL_API size_t adcl_safetensors_metadata_count(const adcl_safetensors *file);
ADCL_API const adcl_metadata *adcl_safetensors_metadata_get(const adcl_safetensors *file,
                                                            size_t index);
ADCL_API const char *adcl_safetensors_metadata_find(const adcl_safetensors *file, const char *key);

/* Writes the tensors (sorted by alignment, then name; header padded to 8) and the metadata: a
 * temporary file beside `path`, synced, then renamed over it, so `path` is either old or complete.
 * The same input gives the same bytes. Errors: INVALID_ARGUMENT (a name twice, bytes that
 * contradict the shape, a name or string that is not UTF-8), FILE, SIZE_OVERFLOW,
 * OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_safetensors_save(const char *path,
                                           const adcl_safetensors_entry *entries,
                                           size_t entry_count, const adcl_metadata *metadata,
                                           size_t metadata_count, adcl_error *error);

/* Writes the file at `from` again with every F32 tensor as F16 or BF16, rounded to nearest; names,
 * shapes, metadata and all other tensors stay as they are. Errors: those of load and save; FORMAT
 * (a finite number that would become infinite: names the tensor), INVALID_ARGUMENT (another dtype,
 * a file without F32 tensors). */
ADCL_API adcl_status adcl_safetensors_convert(const char *from, const char *to, adcl_dtype dtype,
                                              adcl_error *error);

#ifdef __cplusplus
}
#endif
#endif
