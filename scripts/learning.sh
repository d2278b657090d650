#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains adapters on tasks with three seeds each and prints a table of what they reach on texts that
# they were not trained on: where the figures in docs/learning.md come from. A task is a folder with
# train.tsv, dev.tsv and, where classes have names, meta.json. Run scripts/quickstart.sh first: it builds.
#
#   usage: scripts/learning.sh FOLDER… [-- OPTION…]     options for adapter-cl finetune
#
#   scripts/learning.sh data/banking77-text -- --epochs 3
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cl=$root/build/release/src/cli/adapter-cl
run=$root/build/quickstart/learning

usage()
{
    sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
}

case ${1:-} in
-h | --help) usage; exit 0 ;;
'' | --) usage >&2; exit 2 ;;
esac
[ -x "$cl" ] || { echo "$cl is missing: run scripts/quickstart.sh first" >&2; exit 1; }

tasks=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    for file in train.tsv dev.tsv; do
        [ -f "$1/$file" ] || { echo "learning.sh: $1: expected a folder with $file" >&2; exit 1; }
    done
    tasks="$tasks $1"
    shift
done
[ $# -eq 0 ] || shift
model=$("$root/scripts/fetch-model.sh")
export POCL_CACHE_DIR="${POCL_CACHE_DIR:-$root/build/pocl-cache}"
mkdir -p "$root/build/quickstart"

# What counts: Matthews' correlation where meta.json says so, Pearson's of a regression, else accuracy.
metric() # FOLDER
{
    if grep -q '"metric": *"[^"]*matthews' "$1/meta.json" 2>/dev/null; then
        echo dev_matthews_corrcoef
    elif grep -q '"task": *"[^"]*regression' "$1/meta.json" 2>/dev/null; then
        echo dev_pearson
    else
        echo dev_accuracy
    fi
}

# The parameters after the last epoch: choosing the best one on the same texts would flatter it.
result() # FOLDER SEED OPTION…
{
    folder=$1
    seed=$2
    shift 2
    "$cl" finetune --model "$model" --train "$folder/train.tsv" --dev "$folder/dev.tsv" \
        --seed "$seed" --keep last --quiet --force -o "$run" "$@" >/dev/null
    sed -n "\$s/.*\"$(metric "$folder")\":\([-0-9.e]*\).*/\1/p" "$run/log.jsonl"
}

echo '| task | figure | seed 0 | seed 1 | seed 2 | mean |'
echo '|---|---|---|---|---|---|'
for task in $tasks; do
    line="| $(basename "$task") | $(metric "$task" | sed 's/^dev_//') |"
    for seed in 0 1 2; do
        line="$line $(result "$task" $seed "$@") |"
    done
    echo "$line" |
        awk -F'|' '{ printf "|%s|%s| %.4f | %.4f | %.4f | %.4f |\n",
                            $2, $3, $4, $5, $6, ($4 + $5 + $6) / 3 }'
done
