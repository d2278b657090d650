/* SPDX-License-Identifier: MIT */
/* adapter_cl.h – bottleneck adapters on any OpenCL device. Includes everything except opencl.h,
 * which needs CL/cl.h and is for applications that bring their own OpenCL objects.
 *
 * Where to start: context.h (a device), tensor.h (data), adapter.h and workspace.h (the adapter),
 * adapter_file.h (saving it); then loss.h, parameters.h and optimizer.h to train. For text:
 * tokenizer.h. */
#ifndef ADAPTER_CL_ADAPTER_CL_H
#define ADAPTER_CL_ADAPTER_CL_H

#include <adapter_cl/activation.h>
#include <adapter_cl/adapter.h>
#include <adapter_cl/adapter_file.h>
#include <adapter_cl/adapter_folder.h>
#include <adapter_cl/cache.h>
#include <adapter_cl/checkpoint.h>
#include <adapter_cl/context.h>
#include <adapter_cl/dtype.h>
#include <adapter_cl/encoder.h>
#include <adapter_cl/linear.h>
#include <adapter_cl/loss.h>
#include <adapter_cl/npy.h>
#include <adapter_cl/optimizer.h>
#include <adapter_cl/parameters.h>
#include <adapter_cl/profile.h>
#include <adapter_cl/safetensors.h>
#include <adapter_cl/schedule.h>
#include <adapter_cl/status.h>
#include <adapter_cl/tensor.h>
#include <adapter_cl/tokenizer.h>
#include <adapter_cl/tune.h>
#include <adapter_cl/version.h>
#include <adapter_cl/workspace.h>
#include <adapter_cl/wrap.h>

#endif
