#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles every kernel as the library does (common.cl, then the file, in each of its variants) with
# clang's OpenCL front end, warnings being errors, and generates code for GPUs that need not be there.
#
#   usage: scripts/check-kernels.sh
set -eu
cd "$(dirname "$0")/.."

variants() # FILE: the numbers of the programs that are made from it
{
    case $1 in
    cl/activation.cl) seq 0 23 ;;
    cl/peak.cl) sed -n 's/^static const int variants\[\] = {\(.*\)};$/\1/p' src/runtime/peak.c |
                    tr -d ',' ;;
    *) echo 0 ;;
    esac
}

# Two warnings are off: get_global_id gives 64 bits of which the kernels keep 32, for the library
# launches no more; and one variant may have no use for a parameter that the others read.
compile() # FILE VARIANT OPTION…
{
    file=$1 variant=$2
    shift 2
    clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -Wall -Wextra -Wconversion \
        -Wno-sign-conversion -Wno-shorten-64-to-32 -Wno-unused-parameter -Werror \
        -DADCL_VARIANT="$variant" -include cl/common.cl "$@" "$file"
}

count=0
for file in cl/*.cl; do
    [ "$file" = cl/common.cl ] && continue
    for variant in $(variants "$file"); do
        compile "$file" "$variant" -target spir64 -fsyntax-only
        compile "$file" "$variant" -target amdgcn-amd-amdhsa -mcpu=gfx906 -nogpulib -S -o /dev/null
        compile "$file" "$variant" -target nvptx64-nvidia-nvcl -S -o /dev/null
        count=$((count + 1))
    done
done
echo "$count programs compile without a warning for spir64, amdgcn and nvptx64"
