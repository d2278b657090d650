#!/bin/sh
# SPDX-License-Identifier: MIT
# From a fresh Debian 12 or Ubuntu 24.04 to a trained adapter: installs the packages that are missing,
# builds, and teaches a classifier to tell spam from ham, once without and once with an adapter.
#
#   usage: scripts/quickstart.sh [OPTION…]     options for adapter-cl train, e.g. --device gpu
set -eu

cd "$(dirname "$0")/.."
scripts/install-packages.sh build run

title()
{
    printf '\n== %s\n' "$*"
}

built=$(mktemp)
trap 'rm -f "$built"' EXIT
if ! { [ -f build/release/build.ninja ] ||
           meson setup build/release --buildtype=release -Dtests=false; } >"$built" 2>&1 ||
   ! meson compile -C build/release >>"$built" 2>&1; then
    tail -n 30 "$built" >&2
    echo "The build failed; the lines above are its end." >&2
    exit 1
fi

# POCL keeps what it compiles here, not in the home folder.
export POCL_CACHE_DIR="${POCL_CACHE_DIR:-$PWD/build/pocl-cache}"
cl=build/release/src/cli/adapter-cl
data=data/sms-features
runs=build/quickstart
mkdir -p "$POCL_CACHE_DIR" "$runs"

train() # NAME OPTION…: into the folder of that name
{
    name=$1
    shift
    $cl train --train $data/train_x.npy $data/train_y.npy --test $data/test_x.npy $data/test_y.npy \
        "$@" --force -o "$runs/$name" >"$runs/$name.txt"
}

accuracy() # NAME: the last line of what its training printed
{
    sed -n '$s/^accuracy //p' "$runs/$1.txt"
}

title "OpenCL devices"
$cl devices

title "A head alone, on 4,459 sentence embeddings of real messages"
train head --head-only --lr 3e-3 "$@"

title "The same with an adapter of 64 before the head"
train adapter "$@"

title "Accuracy on 1,115 other messages"
printf '  head alone      %s\n  adapter + head  %s\n' "$(accuracy head)" "$(accuracy adapter)"

title "The saved adapter, scored again by a new process"
$cl score $runs/adapter $data/test_x.npy $data/test_y.npy --logits -o $runs/again.npy
if ! cmp $runs/adapter/test_logits.npy $runs/again.npy; then
    echo "The logits differ from those of the training: this must not happen." >&2
    exit 1
fi
echo "The same logits, to the bit."

title "What next"
cat <<END
What was saved:
    $cl info $runs/adapter
Other rates, sizes, activations, optimizers:
    $cl train --help
How fast this device is:
    $cl bench adapter
An adapter on hidden states of your own, as .npy:
    $cl apply --help
The same from C: examples/minimal.c. Every test: scripts/test.sh
END
