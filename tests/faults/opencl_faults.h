/* SPDX-License-Identifier: MIT */
/* opencl_faults.h – an OpenCL layer that makes calls fail on demand and counts objects.
 *
 *      program ──► OpenCL loader ──► this layer ──► driver
 *
 * The loader puts it there when OPENCL_LAYERS names its file; it then sees the calls of every library
 * of the process. A program that links it reaches the same copy. One thread at a time. */
#ifndef ADCL_TESTS_OPENCL_FAULTS_H
#define ADCL_TESTS_OPENCL_FAULTS_H

#include <stdbool.h>

/* Calls from now on: the `first`-th (from 1) fails with CL_OUT_OF_RESOURCES, and, if `lasting`, all
 * after it. 0: none. Restarts the count of calls. Calls that release never fail. */
void opencl_faults_arm(unsigned first, bool lasting);

/* Calls that could have failed since the last arming. 0 after some work: the layer was not loaded. */
unsigned opencl_faults_calls(void);

/* The name of the first call that was made to fail since the last arming; NULL if none was. */
const char *opencl_faults_name(void);

/* References held on all objects that were created: 0 when everything was released. */
long opencl_faults_references(void);

/* "1 context, 2 buffers": what is held, for messages. A static string. */
const char *opencl_faults_held(void);

#endif
