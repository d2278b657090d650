#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Trains adapters on tasks with three seeds each and prints a table of what they reach on texts that
# they were not trained on: where the figures in docs/learning.md come from. A task is a folder with
# train.tsv, dev.tsv and, where classes have names, meta.json. Run scripts/quickstart.sh first: it builds.
#
#   usage: scripts/learning.sh FOLDER[:N]… [-- OPTION…]
#
#   N        only the first N texts of train.tsv
#   OPTION   for adapter-cl finetune
#
#   scripts/learning.sh data/banking77-text -- --epochs 3
#   scripts/learning.sh sst2:8000 -- --epochs 2
set -euo pipefail

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

tasks=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    folder=$1
    if [[ $1 =~ ^(.*):([0-9]+)$ ]]; then folder=${BASH_REMATCH[1]}; fi
    for file in train.tsv dev.tsv; do
        [ -f "$folder/$file" ] ||
            { echo "learning.sh: $folder: expected a folder with $file" >&2; exit 1; }
    done
    tasks+=("$1")
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
result() # FOLDER TRAIN.tsv SEED OPTION…
{
    local folder=$1 train=$2 seed=$3
    shift 3
    "$cl" finetune --model "$model" --train "$train" --dev "$folder/dev.tsv" \
        --seed "$seed" --keep last --quiet --force -o "$run" "$@" >/dev/null
    sed -n "\$s/.*\"$(metric "$folder")\":\([-0-9.e]*\).*/\1/p" "$run/log.jsonl"
}

echo '| task | figure | seed 0 | seed 1 | seed 2 | mean |'
echo '|---|---|---|---|---|---|'
for task in "${tasks[@]}"; do
    folder=$task train=$task/train.tsv name=$(basename "$task")
    if [[ $task =~ ^(.*):([0-9]+)$ ]]; then
        folder=${BASH_REMATCH[1]} train=$run-texts/train.tsv
        name="$(basename "$folder"), the first ${BASH_REMATCH[2]} texts"
        rm -rf "$run-texts"
        mkdir "$run-texts"
        head -n $((BASH_REMATCH[2] + 1)) "$folder/train.tsv" >"$train" # and the header
        if [ -f "$folder/meta.json" ]; then cp "$folder/meta.json" "$run-texts"; fi
    fi
    line="| $name | $(metric "$folder" | sed 's/^dev_//') |"
    for seed in 0 1 2; do
        line="$line $(result "$folder" "$train" $seed "$@") |"
    done
    echo "$line" |
        awk -F'|' '{ printf "|%s|%s| %.4f | %.4f | %.4f | %.4f |\n",
                            $2, $3, $4, $5, $6, ($4 + $5 + $6) / 3 }'
done
