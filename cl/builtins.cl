/* SPDX-License-Identifier: MIT */
/* builtins.cl – the built-in functions that the kernels call, declared as OpenCL C 1.2 has them. Comes before
 * common.cl on drivers that read the declarations of all built-in functions, 18,000 lines, for every program
 * anew: these are told to leave them out (src/runtime/program.c). */

#define ADCL_BUILTIN __attribute__((overloadable, const))
#define ADCL_READS __attribute__((overloadable, pure))

ADCL_BUILTIN size_t get_global_id(uint);
ADCL_BUILTIN size_t get_global_size(uint);
ADCL_BUILTIN size_t get_local_id(uint);
ADCL_BUILTIN size_t get_group_id(uint);
__attribute__((overloadable, convergent)) void barrier(cl_mem_fence_flags);

ADCL_BUILTIN int min(int, int);
ADCL_BUILTIN uint min(uint, uint);
ADCL_BUILTIN ulong min(ulong, ulong);
ADCL_BUILTIN uint max(uint, uint);
ADCL_BUILTIN uint mul_hi(uint, uint);

ADCL_BUILTIN int isfinite(float);
ADCL_BUILTIN float erfc(float);
ADCL_BUILTIN float tanh(float);

/* For numbers alone and in vectors of n. */
#define ADCL_BUILTINS_OF(n)                                                                        \
    ADCL_BUILTIN float##n copysign(float##n, float##n);                                            \
    ADCL_BUILTIN float##n exp(float##n);                                                           \
    ADCL_BUILTIN float##n fabs(float##n);                                                          \
    ADCL_BUILTIN float##n fma(float##n, float##n, float##n);                                       \
    ADCL_BUILTIN float##n fmax(float##n, float##n);                                                \
    ADCL_BUILTIN float##n fmin(float##n, float##n);                                                \
    ADCL_BUILTIN float##n log(float##n);                                                           \
    ADCL_BUILTIN float##n log1p(float##n);                                                         \
    ADCL_BUILTIN float##n mad(float##n, float##n, float##n);                                       \
    ADCL_BUILTIN float##n sqrt(float##n);

#define ADCL_MEMORY_OF(n)                                                                          \
    ADCL_READS float##n vload##n(size_t, const global float *);                                    \
    ADCL_READS float##n vload##n(size_t, const local float *);                                     \
    ADCL_READS float##n vload##n(size_t, const private float *);                                   \
    ADCL_READS uint##n vload##n(size_t, const private uint *);                                     \
    __attribute__((overloadable)) void vstore##n(float##n, size_t, global float *);                \
    __attribute__((overloadable)) void vstore##n(float##n, size_t, local float *);                 \
    __attribute__((overloadable)) void vstore##n(float##n, size_t, private float *);

ADCL_BUILTINS_OF()
ADCL_BUILTINS_OF(2)
ADCL_BUILTINS_OF(4)
ADCL_BUILTINS_OF(8)
ADCL_BUILTINS_OF(16)
ADCL_MEMORY_OF(2)
ADCL_MEMORY_OF(4)
ADCL_MEMORY_OF(8)
ADCL_MEMORY_OF(16)
