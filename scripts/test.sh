#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and runs the tests on POCL.
#
#   usage: scripts/test.sh [CHECK…]     without a CHECK: gcc
#          scripts/test.sh --all        every check: what continuous integration runs
#          scripts/test.sh --model [DIR]       a real model beside AdapterHub's numbers
#          scripts/test.sh --interop [OPTION…] AdapterHub's own software beside adapter-cl
#
#   gcc        every test
#   clang      the same built by clang, without the suites `long`, `cli` and `faults`
#   asan       all but the suite `long` under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer
#   tsan       the tests with threads under ThreadSanitizer
#   coverage   all but the suite `long`; lines and branches of src that they reach
#   oclgrind   every kernel in a simulated device that finds bad accesses, races and API misuse
#   rusticl    adapters and golden data by both plans of the engine fused on Mesa's OpenCL, where that is there
#   kernels    every kernel through clang's OpenCL front end, and its code for GPUs
#   install    the examples against an installed library, found by pkg-config
#   fuzz       the readers of files, for a few seconds each
#   model      all-MiniLM-L6-v2 in DIR, or where ADCL_TEST_MODEL or scripts/fetch-model.sh says
#   interop    folders of either side read by the other; OPTION: --venv DIR, a virtual environment
#              that has, or receives, the Python packages `adapters`, `transformers` and `torch`
#
# Each build is a folder of build/; warnings are errors. The last line counts. OCL_ICD_VENDORS chooses
# another driver than POCL.
set -euo pipefail
cd "$(dirname "$0")/.."

every_check='gcc clang asan tsan coverage oclgrind rusticl kernels install fuzz'
usage() { sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' scripts/test.sh; }

passed=0
failed=0
skipped=0
failures=() # the names of what failed, told at the end

# Counts one check that is no Meson test.
verdict() # STATUS NAME
{
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok: $2"
    else
        failed=$((failed + 1))
        failures+=("$2")
        echo "FAILED: $2"
    fi
}

# Sets up and builds build/NAME; one POCL cache serves all builds.
build() # NAME [MESON OPTION…]
{
    local folder=build/$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        meson setup "$folder" -Dwerror=true "$@" >"$folder.log" 2>&1 || {
            cat "$folder.log"
            return 1
        }
    fi
    ln -sfn ../pocl-cache "$folder/pocl-cache"
    meson compile -C "$folder" >"$folder.log" 2>&1 || {
        tail -n 60 "$folder.log"
        return 1
    }
}

# Runs the Meson tests of build/NAME and counts them; a build that fails counts as one failure.
run_tests() # NAME [MESON TEST OPTION…]
{
    local folder=build/$1 counts ok bad
    shift
    rm -f "$folder"/meson-logs/testlog*.json
    meson test -C "$folder" --no-rebuild --print-errorlogs "$@" || true
    counts=$(python3 - "$folder"/meson-logs/testlog*.json <<'END'
import json, sys
tests = [json.loads(line) for name in sys.argv[1:] for line in open(name)]
bad = [test for test in tests if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")]
print(sum(test["result"] == "OK" for test in tests), len(bad))
for test in bad:
    print(f'{test["name"]}: {test["result"].lower()} after {test["duration"]:.0f} s')
END
    ) || counts=$'0 1\nno log of any test'
    read -r ok bad <<<"$counts"
    passed=$((passed + ok))
    failed=$((failed + bad))
    [ "$bad" -eq 0 ] ||
        mapfile -t -O "${#failures[@]}" failures < <(sed "1d;s|^|$folder: |" <<<"$counts")
}

check_gcc()
{
    if CC=gcc build gcc; then run_tests gcc; else verdict 1 'build of gcc'; fi
}

check_clang()
{
    if CC=clang CXX=clang++ build clang; then
        run_tests clang --no-suite long --no-suite cli --no-suite faults
    else
        verdict 1 'build of clang'
    fi
}

# Criterion does not see what the sanitizers say when a test's process ends, so it goes to files.
# LeakSanitizer's own tracer sometimes dies beside the driver's threads, which is no finding and must
# not become a program's status: what is found is in the files. Leaks of
# the driver's compiler are not ours; with a warm cache there are none.
check_asan()
{
    local logs=$PWD/build/asan-logs
    rm -rf "$logs"
    mkdir -p "$logs"
    CC=gcc build asan -Db_sanitize=address,undefined || { verdict 1 'build of asan'; return; }
    ASAN_OPTIONS="log_path=$logs/asan:detect_stack_use_after_return=1:exitcode=0" \
        UBSAN_OPTIONS="log_path=$logs/ubsan:print_stacktrace=1:halt_on_error=1" \
        LSAN_OPTIONS="suppressions=$PWD/tests/driver_leaks.txt:print_suppressions=0" \
        run_tests asan --no-suite long --timeout-multiplier 4
    local status=0
    grep -hE -A 40 'ERROR: |runtime error: ' -r "$logs" && status=1
    verdict $status 'the sanitizers find nothing'
}

check_tsan()
{
    CC=clang build tsan -Db_sanitize=thread -Db_lundef=false || { verdict 1 'build of tsan'; return; }
    TSAN_OPTIONS=halt_on_error=1 run_tests tsan --suite threads --timeout-multiplier 4
}

check_coverage()
{
    CC=gcc build coverage -Db_coverage=true || { verdict 1 'build of coverage'; return; }
    find build/coverage -name '*.gcda' -delete
    run_tests coverage --no-suite long
    local status=0
    gcovr --root . --filter src/ --exclude-throw-branches --exclude-unreachable-branches \
        --fail-under-line 90 --fail-under-branch 75 --print-summary \
        --html-details build/coverage/coverage.html build/coverage || status=$?
    verdict $status 'coverage of src: at least 90 % of lines, 75 % of branches'
}

# oclgrind's exit status does not tell what it found: its log does, which must be empty. Kernels are
# watched as written: the optimizer makes stores of undefined vectors that it completes later.
check_oclgrind()
{
    local log=$PWD/build/oclgrind.log status=0
    CC=gcc build gcc || { verdict 1 'build of gcc'; return; }
    rm -f "$log"
    oclgrind --build-options -cl-opt-disable --data-races --uninitialized --check-api --log "$log" \
        build/gcc/tests/launch_kernels >build/launched.txt || status=1
    [ ! -s "$log" ] || { head -n 60 "$log"; status=1; }
    verdict $status 'oclgrind finds nothing in our kernels'
    status=0
    sed -n 's/^.*\(kernel\|ADCL_KERNEL\) void \(adcl_[a-z0-9_]*\)(.*/\2/p' cl/*.cl | sort -u |
        diff - <(grep "^adcl_" build/launched.txt | sort -u) || status=1
    verdict $status 'every kernel was launched'
}

# A second implementation, with another compiler and another scheduler than POCL's: one process for each plan.
check_rusticl()
{
    local icd=/etc/OpenCL/vendors/rusticl.icd plan status=0
    [ -f "$icd" ] || {
        skipped=$((skipped + 1))
        echo "skipped: no $icd (package mesa-opencl-icd, from Debian 12 on)"
        return
    }
    CC=gcc build gcc || { verdict 1 'build of gcc'; return; }
    for plan in cpu gpu; do
        (
            export OCL_ICD_VENDORS=$icd RUSTICL_ENABLE=llvmpipe ADCL_FUSED_PLAN=$plan
            export ADCL_TEST_DATA=$PWD/tests/golden ADCL_CACHE_DIR=$PWD/build/no-cache
            build/gcc/tests/test_adapter &&
                build/gcc/tests/test_pass --filter 'adapter_pass/of_engine_fused_matches_golden*'
        ) >"build/rusticl-$plan.log" 2>&1 &
    done
    for plan in cpu gpu; do wait -n || status=1; done
    [ $status -eq 0 ] || tail -n 30 build/rusticl-*.log
    verdict $status 'both plans of the engine fused compute the same on rusticl'
}

check_kernels()
{
    local status=0
    scripts/check-kernels.sh || status=1
    verdict $status "kernels compile without a warning"
}

# What a user does after meson install: pkg-config, compiler, run.
check_install()
{
    local prefix=$PWD/build/installed status=0
    rm -rf "$prefix"
    CC=gcc build install --prefix "$prefix" --libdir lib -Dtests=false --buildtype release &&
        meson install -C build/install --no-rebuild >build/install.log 2>&1 ||
        { verdict 1 'meson install'; return; }
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
    local example flags
    flags=$(pkg-config --cflags --libs adapter_cl OpenCL)
    for example in examples/*.c*; do
        status=0
        case $example in
        *.c) gcc -std=c11 "$example" $flags -lm -o "$prefix/example" ;;
        *) g++ -std=c++17 "$example" $flags -o "$prefix/example" ;;
        esac && "$prefix/example" || status=1
        verdict $status "$example against the installed library"
    done
    status=0
    [ "$("$prefix/bin/adapter-cl" --version)" = \
      "adapter-cl $(pkg-config --modversion adapter_cl)" ] || status=1
    verdict $status 'the installed adapter-cl has the version that pkg-config tells'
    unset PKG_CONFIG_PATH LD_LIBRARY_PATH
}

check_fuzz()
{
    local status=0
    mkdir -p build/fuzz
    tests/fuzz/run.sh 20 build/fuzz >build/fuzz.log 2>&1 || { tail -n 40 build/fuzz.log; status=1; }
    verdict $status 'the readers of files survive fuzzing'
}

# Its folder: as asked for, else as the user's environment says, else what is fetched once.
check_model()
{
    local status=0
    [ -n "${ADCL_TEST_MODEL:-}" ] || ADCL_TEST_MODEL=$(scripts/fetch-model.sh) ||
        { verdict 1 'all-MiniLM-L6-v2 is there'; return; }
    CC=gcc build gcc || { verdict 1 'build of gcc'; return; }
    ADCL_TEST_MODEL=$ADCL_TEST_MODEL ADCL_TEST_DATA=$PWD/tests/golden \
        build/gcc/tests/test_encoder_model || status=1
    verdict $status "the encoder computes what AdapterHub's software does in $ADCL_TEST_MODEL"
}

check_interop()
{
    local status=0
    CC=gcc build gcc || { verdict 1 'build of gcc'; return; }
    ADAPTER_CL=$PWD/build/gcc/src/cli/adapter-cl tests/interop/run.sh "${interop_options[@]}" ||
        status=1
    verdict $status "AdapterHub's software and adapter-cl read each other's folders"
}

interop_options=()
case ${1:-} in
-h | --help) usage; exit ;;
--all) checks=$every_check ;;
--model)
    checks=model
    [ -z "${2:-}" ] || ADCL_TEST_MODEL=$2
    ;;
--interop)
    checks=interop
    interop_options=("${@:2}")
    ;;
*) checks=${*:-gcc} ;;
esac
for check in $checks; do
    case " $every_check model interop " in
    *" $check "*) ;;
    *) echo "test.sh: unknown check \"$check\"; expected --all, or some of:" \
            "$every_check model interop" >&2
       exit 2 ;;
    esac
done

scripts/install-packages.sh build test
export OCL_ICD_VENDORS="${OCL_ICD_VENDORS:-/etc/OpenCL/vendors/pocl.icd}"
mkdir -p build/pocl-cache
export POCL_CACHE_DIR=$PWD/build/pocl-cache
for check in $checks; do
    printf '\n==== %s\n' "$check"
    "check_$check"
done

echo
[ "$failed" -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
[ "$skipped" -eq 0 ] || echo "$skipped of the checks could not run here, as said above"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$((passed + skipped))" -gt 0 ]
