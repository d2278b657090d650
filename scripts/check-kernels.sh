#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles every kernel as the library does (common.cl, then the file, in each of its variants) with
# clang's OpenCL front end, warnings being errors, and generates code for GPUs that need not be there.
#
#   usage: scripts/check-kernels.sh [--registers]
#
#   --registers   instead, what the kernels of the GPU plan need of an AMD and an NVIDIA device, tile by
#                 tile: registers, local memory, spills, of which there must be none. Wants a clang for
#                 which libclc is installed, and CUDA's ptxas for the second; without, it says so.
set -eu
cd "$(dirname "$0")/.."

variants() # FILE: the numbers of the programs that are made from it
{
    case $1 in
    cl/activation.cl | cl/fused_cpu.cl | cl/fused_gpu.cl) seq 0 23 ;;
    cl/packed.cl) echo 0 6 9 14 ;; # activations of models, and linear, which all other products are
    cl/peak.cl) sed -n 's/^static const int variants\[\] = {\(.*\)};$/\1/p' src/runtime/peak.c |
                    tr -d ',' ;;
    *) echo 0 ;;
    esac
}

needs() # FILE: the files that come before it
{
    case $1 in
    cl/activation.cl) echo common activation_math ;;
    cl/fused_cpu.cl) echo common activation_math cpu_tile cpu_output ;;
    cl/fused_gpu.cl) echo common activation_math gpu_tile ;;
    cl/fused_gpu_gradients.cl) echo common gpu_tile ;;
    cl/packed.cl) echo common activation_math cpu_tile ;;
    cl/packed_gpu.cl) echo common activation_math gpu_tile ;;
    cl/attention.cl | cl/attention_gpu.cl) echo common activation_math attention_dropout ;;
    cl/layer_norm.cl) echo common activation_math ;;
    *) echo common ;;
    esac
}

# Two warnings are off: get_global_id gives 64 bits of which the kernels keep 32, for the library
# launches no more; and one variant may have no use for a parameter that the others read.
compile_with() # CLANG FILE VARIANT OPTION…
{
    clang=$1 file=$2 variant=$3
    shift 3
    for need in $(needs "$file"); do set -- "$@" -include "cl/$need.cl"; done
    "$clang" -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -Wall -Wextra -Wconversion \
        -Wno-sign-conversion -Wno-shorten-64-to-32 -Wno-unused-parameter -Werror \
        -DADCL_VARIANT="$variant" "$@" "$file"
}

# On builtins.cl alone, as POCL is told to.
compile_with_builtins() # FILE VARIANT OPTION…
{
    file=$1 variant=$2
    shift 2
    for need in builtins $(needs "$file"); do set -- "$@" -include "cl/$need.cl"; done
    clang -x cl -cl-std=CL1.2 -cl-no-stdinc -include opencl-c-base.h -Werror -target spir64 -fsyntax-only \
        -DADCL_VARIANT="$variant" "$@" "$file"
}

compile() # FILE VARIANT OPTION…: for three targets; what is made of cpu_tile.cl is no code for GPUs
{
    compile_with clang "$@" -target spir64 -fsyntax-only
    compile_with_builtins "$@"
    case " $(needs "$1") " in *" cpu_tile "*) return 0 ;; esac
    compile_with clang "$@" -target amdgcn-amd-amdhsa -mcpu=gfx906 -nogpulib -S -o /dev/null
    compile_with clang "$@" -target nvptx64-nvidia-nvcl -S -o /dev/null
}

tiles() # FILE: the tiles of the GPU plan that are in it, as options
{
    sed -n '/^static const adcl__gpu_tile/,/;$/p' "$1" |
        grep -o '{[0-9]*, [0-9]*, [0-9]*, [0-9]*, [0-9]*}' | tr -d '{},' |
        sed 's/\(.*\) \(.*\) \(.*\) \(.*\) \(.*\)/-DADCL_TEAMS=\1 -DADCL_ITEMS=\2 -DADCL_COLS=\3 -DADCL_ITEM_ROWS=\4 -DADCL_STEP=\5/'
}

programs() # lines of FILE VARIANT OPTION…
{
    for file in cl/*.cl; do
        case $file in cl/attention*.cl | cl/builtins.cl | cl/common.cl | cl/activation_math.cl | cl/cpu_output.cl | cl/cpu_tile.cl | cl/gpu_tile.cl | cl/packed_gpu.cl) continue ;; esac
        for variant in $(variants "$file"); do echo "$file $variant"; done
    done
    for width in 1 4 8 16; do
        echo "cl/fused_cpu.cl 6 -DADCL_WIDTH=$width -DADCL_R_VECTORS=2 -DADCL_R_SHIFTED=1" \
            "-DADCL_D_VECTORS=1 -DADCL_D_HALF=1 -DADCL_DROPS=1"
    done
    for width in 4 8 16; do
        for variant in $(variants cl/packed.cl); do echo "cl/packed.cl $variant -DADCL_WIDTH=$width"; done
        echo "cl/layer_norm.cl 0 -DADCL_WIDTH=$width"
    done
    for head in 1 3 32 64; do
        for width in 8 16; do
            echo "cl/attention.cl 0 -DADCL_WIDTH=$width -DADCL_HEAD=$head -DADCL_DROPOUT=0"
            echo "cl/attention.cl 0 -DADCL_WIDTH=$width -DADCL_HEAD=$head -DADCL_DROPOUT=1"
        done
        echo "cl/attention_gpu.cl 0 -DADCL_HEAD=$head -DADCL_DROPOUT=0"
        echo "cl/attention_gpu.cl 0 -DADCL_HEAD=$head -DADCL_DROPOUT=1"
    done
    tiles src/ops/packed.c | while read -r tile; do
        for variant in $(variants cl/packed.cl); do
            echo "cl/packed_gpu.cl $variant $tile -DADCL_WIDTH=4"
        done
    done
    tiles src/ops/fused_gpu.c | while read -r tile; do
        echo "cl/fused_gpu.cl 0 $tile -DADCL_DROPOUT=1"
        echo "cl/fused_gpu_gradients.cl 0 $tile -DADCL_DROPOUT=1"
    done
}

check_all() # as many at a time as there are processors
{
    programs > "$scratch/programs"
    xargs -P "$(nproc)" -L 1 scripts/check-kernels.sh --program < "$scratch/programs"
    echo "$(wc -l < "$scratch/programs") programs compile without a warning for spir64, amdgcn and nvptx64"
}

# ---- registers -----------------------------------------------------------------------------------

library=/usr/lib/clc

find_clang() # the first clang that can link libclc's code
{
    for clang in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
        command -v "$clang" > /dev/null || continue
        compile_with "$clang" cl/reduce.cl 0 -target amdgcn--amdhsa -mcpu=gfx1030 -nogpulib \
            -Wno-linker-warnings -Xclang -mlink-builtin-bitcode -Xclang $library/amdgcn--amdhsa.bc \
            -S -o /dev/null 2> /dev/null && echo "$clang" && return
    done
    return 1
}

amd_registers() # FILE TILE DROPOUT: a line per kernel
{
    # shellcheck disable=SC2086
    compile_with "$clang_with_library" "$1" 6 $2 -DADCL_DROPOUT="$3" -target amdgcn--amdhsa \
        -mcpu=gfx1030 -nogpulib -Wno-linker-warnings -Xclang -mlink-builtin-bitcode \
        -Xclang $library/amdgcn--amdhsa.bc -S -o "$scratch/amd.s"
    awk -v dropout="$3" '
        /^adcl_fused_gpu[a-z_]*:/ { name = $1; sub(":", "", name) }
        /^; NumSgprs:/ { scalar = $3 }
        /^; NumVgprs:/ { vector = $3 }
        /^; ScratchSize:/ { scratch = $3 }
        /^; LDSByteSize:/ { local_bytes = $3 }
        /^; Occupancy:/ && name != "" {
            printf "  %-24s dropout %d  gfx1030: %3d vector, %3d scalar, %5d bytes local, %d bytes spilt, %d waves\n",
                name, dropout, vector, scalar, local_bytes, scratch, $3
            name = ""
        }' "$scratch/amd.s"
}

nvidia_registers() # FILE TILE DROPOUT
{
    # NVIDIA's compiler says that multiply-adds are fast; clang does not.
    # shellcheck disable=SC2086
    compile_with "$clang_with_library" "$1" 6 $2 -DADCL_DROPOUT="$3" -DFP_FAST_FMAF \
        -target nvptx64--nvidiacl -Xclang -target-cpu -Xclang sm_70 -Xclang -target-feature \
        -Xclang +ptx64 -Wno-linker-warnings -Xclang -mlink-builtin-bitcode \
        -Xclang $library/nvptx64--nvidiacl.bc -S -o "$scratch/nvidia.ptx"
    "$ptxas" -v -arch=sm_80 "$scratch/nvidia.ptx" -o "$scratch/nvidia.cubin" 2>&1 |
        awk -v dropout="$3" '
        /Compiling entry function/ { split($0, part, "\047"); name = part[2] }
        /spill stores/ { spilt = $5 + $9 }
        /Used [0-9]* registers/ {
            match($0, /[0-9]+ bytes smem/)
            printf "  %-24s dropout %d  sm_80:   %3d registers, %5d bytes local, %d bytes spilt\n",
                name, dropout, $5, substr($0, RSTART), spilt
        }'
}

show_registers()
{
    clang_with_library=$(find_clang) || {
        echo "skipped: no clang that can link $library (package libclc-N-dev of clang-N)"
        return
    }
    ptxas=$(command -v ptxas || ls /usr/local/cuda/bin/ptxas 2> /dev/null || true)
    [ -n "$ptxas" ] || echo "skipped: NVIDIA, for there is no ptxas"
    tiles src/ops/fused_gpu.c > "$scratch/tiles"
    while read -r tile; do
        echo "$tile"
        for file in cl/fused_gpu.cl cl/fused_gpu_gradients.cl; do
            for dropout in 0 1; do
                amd_registers "$file" "$tile" "$dropout"
                [ -z "$ptxas" ] || nvidia_registers "$file" "$tile" "$dropout"
            done
        done
    done < "$scratch/tiles" | tee "$scratch/registers"
    if grep -q ' [1-9][0-9]* bytes spilt' "$scratch/registers"; then
        echo "some kernels spill registers" >&2
        return 1
    fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case ${1-} in
--registers) show_registers ;;
--program) shift; compile "$@" ;; # of check_all
'') check_all ;;
*) sed -n '5,12s/^# *//p' "$0" >&2; exit 2 ;;
esac
