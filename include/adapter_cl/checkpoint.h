/* SPDX-License-Identifier: MIT */
/* checkpoint.h – a training's state in one safetensors file: named device tensors (parameters and
 * optimizer state) and strings (step, epoch, seed, plan, whatever the caller needs). */
#ifndef ADAPTER_CL_CHECKPOINT_H
#define ADAPTER_CL_CHECKPOINT_H

#include <adapter_cl/optimizer.h>
#include <adapter_cl/safetensors.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads all tensors back from the device and writes them: temporary file, sync, rename, sync of the
 * folder; `path` is either the old checkpoint or the new one. Metadata gets format =
 * adapter_cl_checkpoint, format_version = 1 besides the caller's. Waits.
 * Errors: INVALID_ARGUMENT (a name twice), FILE, OPENCL, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_checkpoint_save(adcl_context *ctx, const char *path,
                                          const adcl_named_tensor *tensors, size_t tensor_count,
                                          const adcl_metadata *metadata, size_t metadata_count);

/* Opens a checkpoint and checks that it is one; its strings are read with
 * adcl_safetensors_metadata_find. Errors: FILE, FORMAT, UNSUPPORTED, OUT_OF_HOST_MEMORY. */
ADCL_API adcl_status adcl_checkpoint_open(adcl_safetensors **out, const char *path,
                                          adcl_error *error);

/* Writes the file's tensors into `tensors`. Both must hold the same names with the same shapes and
 * dtypes: a missing, unexpected or different one is refused by name before anything is written.
 * Waits. Errors: FORMAT, OPENCL. */
ADCL_API adcl_status adcl_checkpoint_restore(adcl_context *ctx, const adcl_safetensors *file,
                                             const adcl_named_tensor *tensors, size_t tensor_count);

#ifdef __cplusplus
}
#endif
#endif
