#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzzes the readers of files and the tokenizer with libFuzzer under the address and undefined-behaviour sanitizers.
# What it finds stays in FOLDER; add it to the corpus under a name that says what it is.
set -eu
if [ $# -ne 2 ]; then
    echo "usage: $0 SECONDS FOLDER   (SECONDS for each target; findings go to FOLDER)" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=$1
mkdir -p "$2"
cd "$2"
for target in safetensors npy tokenizer pickle adapter_config; do
    "${CC:-clang}" -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        -I"$root/include" -I"$root/src" -I"$root/tests" -o "fuzz_$target" \
        "$root/tests/fuzz/fuzz_$target.c" "$root"/src/base/*.c "$root/src/adapter/init.c" "$root/src/io/describe.c" \
        "$root/src/io/npy.c" "$root/src/io/npy_header.c" "$root/src/io/safetensors.c" \
        "$root/src/encoder/adapter_config.c" "$root/src/encoder/adapter_config_write.c" \
        "$root/src/encoder/config_options.c" "$root/src/encoder/set_params.c" \
        "$root/src/encoder/pickle.c" "$root/src/encoder/pickle_machine.c" \
        "$root/src/encoder/added_tokens.c" "$root/src/encoder/encoding.c" \
        "$root/src/encoder/json_file.c" "$root/src/encoder/normalizer.c" \
        "$root"/src/encoder/tokenizer*.c "$root/src/encoder/vocabulary.c" \
        -ljansson -lutf8proc -lzip -lpthread -lm
    mkdir -p "$target"
    "./fuzz_$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$target-" \
        "$target" "$root/tests/fuzz/corpus/$target"
done
