#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian or Ubuntu packages that are missing, by name; says nothing when none is.
#
#   usage: scripts/install-packages.sh SET…
#
#   build  what building the library and adapter-cl takes
#   run    an OpenCL driver, if the machine has none: POCL, which computes on the processor
#   model  what fetching a language model takes: Python's pip
#   test   POCL in any case, the test framework, and what scripts/test.sh measures with
set -eu

build='gcc meson ninja-build pkg-config python3 opencl-headers ocl-icd-opencl-dev libclblast-dev
       libjansson-dev libzip-dev libxxhash-dev libutf8proc-dev librandom123-dev libc6-dev'
run='pocl-opencl-icd'
model='python3-pip ca-certificates'
test='pocl-opencl-icd mesa-opencl-icd libcriterion-dev g++ binutils clang libclang-rt-dev oclgrind gcovr mandoc'

has_driver()
{
    ls /etc/OpenCL/vendors/*.icd >/dev/null 2>&1
}

is_installed()
{
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wanted=
for set in "$@"; do
    case $set in
    build) wanted="$wanted $build" ;;
    run) has_driver || wanted="$wanted $run" ;;
    model) wanted="$wanted $model" ;;
    test) wanted="$wanted $test" ;;
    *) echo "install-packages.sh: unknown set \"$set\"; expected build, run, model or test" >&2; exit 2 ;;
    esac
done

if ! command -v apt-get >/dev/null; then
    echo "This is not Debian or Ubuntu (no apt-get): install what these packages hold:" $wanted >&2
    exit 0
fi

missing=
for package in $wanted; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing from the distribution ($*):$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "Installing packages needs root or sudo. As root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update &&
       $as_root env DEBIAN_FRONTEND=noninteractive \
           apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "Installing failed; the lines above are the end of what apt-get said." >&2
    exit 1
fi
