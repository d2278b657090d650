#!/bin/sh
# SPDX-License-Identifier: MIT
# From a fresh Debian 12 or Ubuntu 24.04 to a language model that has learned a task: installs the
# packages that are missing, builds, fetches a small model, trains adapters in it on 10,003 questions to
# a bank, and answers three others, then yours. Without a network to fetch the model it trains on
# sentence embeddings that are here already: a filter that tells spam from ham.
#
#   usage: scripts/quickstart.sh [OPTION…]     options for the training, e.g. --device gpu
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
   ! meson compile -C build/release adapter-cl >>"$built" 2>&1; then
    tail -n 30 "$built" >&2
    echo "The build failed; the lines above are its end." >&2
    exit 1
fi

# POCL keeps what it compiles here, not in the home folder.
export POCL_CACHE_DIR="${POCL_CACHE_DIR:-$PWD/build/pocl-cache}"
cl=build/release/src/cli/adapter-cl
runs=build/quickstart
mkdir -p "$POCL_CACHE_DIR" "$runs"

title "OpenCL devices"
$cl devices

# ---- adapters in a language model ----------------------------------------------------------------

text_quickstart() # MODEL OPTION…
{
    model=$1
    shift
    data=data/banking77-text

    title "Adapters in a language model learn 77 kinds of questions to a bank"
    $cl finetune --model "$model" --train $data/train.tsv --dev $data/dev.tsv --epochs 2 \
        --report $runs/banking77.html "$@" --force -o $runs/banking77 >$runs/banking77.txt

    title "Accuracy on 3,080 other questions"
    printf '  here, two epochs                          %s\n' \
        "$(sed -n '$s/^accuracy //p' $runs/banking77.txt)"
    printf '  AdapterHub on PyTorch, two of three       0.912\n'

    title "Three questions to the saved adapters"
    $cl predict --model "$model" $runs/banking77 \
        'My new card should have been here a week ago, where is it?' \
        'Why do I have to pay extra for using a cash machine?' \
        'Somebody took my phone, what should I do?'

    if [ -t 0 ] && [ -t 1 ]; then
        title "Your own questions"
        $cl predict --model "$model" $runs/banking77
    fi

    title "What next"
    cat <<END
How it learned, and what it confuses: $runs/banking77.html
What was saved, in AdapterHub's form:
    $cl info $runs/banking77
The saved adapters measured again:
    $cl eval --model $model $runs/banking77 $data/dev.tsv
Texts of your own, with a class before each:
    $cl finetune --model $model --train F.tsv --dev G.tsv -o FOLDER
Texts as vectors:
    $cl embed --model $model --normalize "a text" -o e.npy
More: docs/finetuning.md. Every test: scripts/test.sh
END
}

# ---- an adapter on embeddings --------------------------------------------------------------------

data=data/sms-features

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

feature_quickstart() # OPTION…
{
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
With a network once, scripts/quickstart.sh trains adapters in a language model.
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
}

title "A language model"
scripts/install-packages.sh model || true
if model=$(scripts/fetch-model.sh); then
    echo "all-MiniLM-L6-v2 in $model"
    text_quickstart "$model" "$@"
else
    echo "Going on without it."
    feature_quickstart "$@"
fi
