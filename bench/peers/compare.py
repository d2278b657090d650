# SPDX-License-Identifier: MIT
"""Measures the same adapters in everybody's software, in turns, and prints one table.

Rounds over all contestants at each shape, so that a machine that drifts hits all of them alike.
bench/peers/run.sh calls this with a Python that has the peers."""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import signal
import sys
import time

import contestants
from cases import Case, group_by_shape, read_cases
from results import Results, Sample, count_of, replace_between_markers, write_file

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs/performance.md"


def read_options(arguments):
    parser = argparse.ArgumentParser(
        prog="run.sh", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__.splitlines()[0],
        epilog=f"contestants: {', '.join(contestants.NAMES)}; -basic: one row on POCL's "
               "single-threaded device.\nThe environment's OCL_ICD_VENDORS, POCL_CACHE_DIR and "
               "pip's variables are used as they are.")
    # run.sh reads this one; it stands here for --help.
    parser.add_argument("--venv", metavar="DIR",
                        help="virtual environment of the peers (default: in the cache folder)")
    parser.add_argument("--build-dir", metavar="DIR", type=pathlib.Path,
                        default=ROOT / "build/release",
                        help="where adapter-cl is built, if need be (default: build/release)")
    parser.add_argument("--shapes", metavar="FILE", default=str(HERE / "targets.txt"),
                        help="lines of `rows hidden bottleneck [passes [activation]]`")
    parser.add_argument("--rounds", metavar="N", type=whole_number, default=5,
                        help="rounds over all contestants at each shape (default 5)")
    parser.add_argument("--repeats", metavar="N", type=whole_number, default=10,
                        help="samples of a peer in a round (default 10)")
    parser.add_argument("--threads", metavar="N,...", type=whole_numbers,
                        default=[len(os.sched_getaffinity(0))],
                        help="threads for everybody, each number in turn (default: all cores)")
    parser.add_argument("--only", metavar="NAME,...", type=known_names,
                        default=list(contestants.NAMES), help="these contestants only")
    parser.add_argument("--device", metavar="SEL", default="cpu",
                        help="our OpenCL device, for adapter-cl (default cpu)")
    parser.add_argument("--format", choices=("md", "json"), default="md",
                        help="what goes to standard output (default md)")
    parser.add_argument("--output", metavar="FILE",
                        help="also write the JSON here, for adapter-cl bench --peers")
    parser.add_argument("--check", action="store_true",
                        help="read options and shapes, measure nothing")
    parser.add_argument("--update-docs", action="store_true",
                        help="also put the table into docs/performance.md")
    options = parser.parse_args(arguments)
    too_many = [n for n in options.threads if n > len(os.sched_getaffinity(0))]
    if too_many:
        parser.error(f"--threads: expected at most {len(os.sched_getaffinity(0))}, the cores of "
                     f"this machine, got {too_many[0]}")
    options.python = sys.executable
    return options


def whole_number(text):
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)


def whole_numbers(text):
    return [whole_number(word) for word in text.split(",")]


def known_names(text):
    names = text.split(",")
    for name in names:
        if name not in contestants.NAMES:
            raise argparse.ArgumentTypeError(
                f"unknown contestant {name}; expected some of {', '.join(contestants.NAMES)}")
    return names


def describe_machine():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    name = fields.get("model name", os.uname().machine)
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return f"{name}, {count_of(len(os.sched_getaffinity(0)), 'core')}"


def start_all(options, machine, results, started):
    """Adds to `started`, so that those there are can be ended even when this is interrupted."""
    for name in options.only:
        say(f"{count_of(machine.threads, 'thread')}: starting {name}")
        try:
            started.append(contestants.start(
                name, machine, options, lambda gflops: results.see_peak(machine.threads, gflops)))
        except (contestants.Missing, OSError) as reason:
            results.skip(f"{contestants.PEER_TITLES.get(name, name)}: {reason}")


def measure_shape(options, machine, started, shape, passes, results):
    """Who cannot do a pass once is not asked again."""
    able = {one: list(passes) for one in started}
    for _ in range(options.rounds):
        for one in started:
            time.sleep(contestants.SETTLE_SECONDS)
            for pass_name, outcome in one.measure(shape, able[one], options.repeats).items():
                if isinstance(outcome, Sample):
                    results.add(Case(pass_name, shape), machine.threads, one.column, outcome)
                else:
                    able[one].remove(pass_name)
                    results.skip(why(one.column, pass_name, shape, outcome))


def why(column, pass_name, shape, reason):
    """Short where the reason has nothing to do with the shape."""
    if reason in (f"no {pass_name}", f"adapter-cl bench gave no {pass_name}"):
        return f"{column.title}: no {pass_name}"
    if shape.activation in reason or not any(c.isdigit() for c in reason):
        return f"{column.title}: {reason}"
    return (f"{column.title}: {pass_name} of ({shape.rows}, {shape.hidden}, {shape.bottleneck}), "
            f"{shape.activation}: {reason}")


def compare(options, cases, results):
    groups = group_by_shape(cases)
    for threads in options.threads:
        machine = contestants.Machine(threads)
        started = []
        try:
            start_all(options, machine, results, started)
            if not started:
                return
            for number, (shape, passes) in enumerate(groups.items(), 1):
                say(f"{count_of(threads, 'thread')}: {number} of {len(groups)}: "
                    f"{count_of(shape.rows, 'row')}, hidden {shape.hidden}, "
                    f"bottleneck {shape.bottleneck}, {shape.activation}")
                measure_shape(options, machine, started, shape, passes, results)
        finally:
            for one in started:
                one.close()


def say(sentence):
    print(sentence, file=sys.stderr, flush=True)


def publish(options, results):
    text = json.dumps(results.as_json(), indent=1, ensure_ascii=False) + "\n"
    if options.output:
        write_file(options.output, text)
        say(f"written: {options.output}")
    if options.update_docs:
        page = PAGE.read_text(encoding="utf-8")
        write_file(PAGE, replace_between_markers(page, results.as_markdown()))
        say(f"written: {PAGE}")
    print(text if options.format == "json" else results.as_markdown(), end="")


def the_command(arguments):
    """As others would type it: folders of this machine are nobody's business."""
    shown = []
    skip = False
    for word in arguments:
        if skip or word.split("=")[0] in ("--venv", "--build-dir", "--output"):
            skip = not skip and "=" not in word
            continue
        shown.append(word)
    return shlex.join(["bench/peers/run.sh", *shown])


def main(arguments):
    options = read_options(arguments)
    try:
        cases = read_cases(options.shapes)
    except ValueError as error:
        sys.exit(f"run.sh: {error}")
    if options.check:
        return
    results = Results(describe_machine(), datetime.date.today().isoformat(),
                      the_command(arguments))
    results.notes.append(
        f"Milliseconds of one pass, float32: the median over {count_of(options.rounds, 'round')} "
        f"of a round's median, of {count_of(options.repeats, 'sample')} of at least 2 ms each.")
    compare(options, cases, results)
    if not results.columns:
        sys.exit("run.sh: nobody could be measured: " + "; ".join(results.skipped))
    publish(options, results)


if __name__ == "__main__":
    # Whoever ends this also ends the workers.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"run.sh: {error.filename}: {error.strerror}" if error.filename else
                 f"run.sh: {error}")
