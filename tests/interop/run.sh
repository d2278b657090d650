#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a virtual environment with AdapterHub's software, where there is none, and lets it and
# adapter-cl read each other's folders. Without Python, a network or the packages it fails with a
# sentence.
#
#   usage: ADAPTER_CL=… tests/interop/run.sh [--venv DIR]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/adapter_cl/interop-venv
export PYTHONDONTWRITEBYTECODE=1

fail()
{
    echo "interop: $*" >&2
    exit 1
}

case ${1:-} in
--venv) venv=${2:?interop: --venv needs a folder} ;;
--venv=*) venv=${1#*=} ;;
'') ;;
*) fail "unknown option $1; expected --venv DIR" ;;
esac

command -v python3 >/dev/null || fail "Python 3 is missing: install the package python3"
python=$venv/bin/python
if ! "$python" -c '' 2>/dev/null; then
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv" >&2 ||
        fail "no virtual environment could be made in $venv: install the package python3-venv"
fi
for name in torch transformers adapters safetensors; do
    "$python" -c "import importlib.metadata as m; m.version('$name')" 2>/dev/null && continue
    echo "installing $name" >&2
    "$python" -m pip install --quiet --disable-pip-version-check --timeout 20 --retries 1 "$name" \
        </dev/null >&2 || fail "$name could not be installed: it takes a network, once"
done

ADCL_TEST_TINY=$root/tests/golden/tiny exec "$python" "$here/adapterhub.py" -v
