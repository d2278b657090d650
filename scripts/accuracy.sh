#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains the quickstart's two classifiers with three seeds each and prints a table of their accuracies:
# where the figures in docs/training.md come from. Run scripts/quickstart.sh first: it builds.
#
#   usage: scripts/accuracy.sh [OPTION…]     options for adapter-cl train, e.g. --device gpu
set -eu

cd "$(dirname "$0")/.."
cl=build/release/src/cli/adapter-cl
data=data/sms-features
run=build/quickstart/accuracy
[ -x $cl ] || { echo "$cl is missing: run scripts/quickstart.sh first" >&2; exit 1; }
export POCL_CACHE_DIR="${POCL_CACHE_DIR:-$PWD/build/pocl-cache}"
mkdir -p build/quickstart

train() # OPTION…: prints the accuracy
{
    $cl train --train $data/train_x.npy $data/train_y.npy --test $data/test_x.npy $data/test_y.npy \
        "$@" --force --quiet -o $run | sed -n 's/^accuracy //p'
}

row() # LABEL OPTION…
{
    label=$1
    shift
    line="| $label |"
    for seed in 0 1 2; do
        line="$line $(train --seed $seed "$@") |"
    done
    echo "$line" | awk -F'|' '{ printf "%s %.4f |\n", $0, ($3 + $4 + $5) / 3 }'
}

echo '| | seed 0 | seed 1 | seed 2 | mean |'
echo '|---|---|---|---|---|'
row 'head alone, lr 3e-3' --head-only --lr 3e-3 "$@"
row 'adapter + head, lr 1e-3' "$@"
