#!/bin/sh
# SPDX-License-Identifier: MIT
# The same adapters in PyTorch, JAX, ONNX Runtime, OpenVINO, NumPy, CLBlast alone and ours, measured
# in turns on this machine; one table. With --encoder DIR the same for a model with adapters:
# PyTorch with AdapterHub's `adapters`, ONNX Runtime, OpenVINO and ours. Builds adapter-cl and makes
# the virtual environment of the peers first, where they are missing. A peer that cannot be
# installed is left out, by name.
#
#   usage: bench/peers/run.sh [OPTION…]     --help lists them
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PYTHONDONTWRITEBYTECODE=1

venv=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/adapter_cl/peers-venv
build=$root/build/release
previous=
for word in "$@"; do
    case $previous in
    --venv) venv=$word ;;
    --build-dir) build=$word ;;
    esac
    case $word in
    --venv=*) venv=${word#*=} ;;
    --build-dir=*) build=${word#*=} ;;
    --help | -h) exec python3 "$here/compare.py" --help ;;
    esac
    previous=$word
done

say()
{
    echo "$*" >&2
}

build_ours()
{
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { [ -f "$build/build.ninja" ] ||
               meson setup "$build" "$root" --buildtype=release -Dtests=false; } >"$log" 2>&1 ||
       ! meson compile -C "$build" >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        say "run.sh: adapter-cl does not build in $build, as the lines above say: it is left out."
    fi
}

# A Python with whatever peers can be had; sets $python.
make_environment()
{
    python=$venv/bin/python
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        mkdir -p "$(dirname "$venv")"
        if ! python3 -m venv "$venv" >&2; then
            say "run.sh: no virtual environment could be made in $venv: install the package" \
                "python3-venv. Going on with what python3 has."
            python=python3
            return
        fi
    fi
    grep -v '^#' "$here/requirements.txt" | while read -r name; do
        "$python" -c "import importlib.metadata as m; m.version('$name')" 2>/dev/null && continue
        say "installing $name"
        "$python" -m pip install --quiet --disable-pip-version-check "$name" </dev/null >&2 ||
            say "run.sh: $name could not be installed, so what needs it is left out."
    done
}

# Wrong options are refused before anything is built or downloaded.
python3 "$here/compare.py" --check "$@"
build_ours
make_environment
"$python" "$here/compare.py" "$@"
