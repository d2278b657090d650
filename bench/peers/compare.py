# SPDX-License-Identifier: MIT
"""Measures the same adapters, or the same encoder with adapters, in everybody's software, in turns,
and prints one table.

Rounds over all contestants at each shape, so that a machine that drifts hits all of them alike.
bench/peers/run.sh calls this with a Python that has the peers."""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import contestants
import encoder_task
from cases import ENCODER_SIZES, Case, encoder_cases, group_by_shape, read_cases
from results import (BEGIN_MARKER, ENCODER_MARKERS, END_MARKER, Results, Sample, count_of,
                     replace_between_markers, write_file)

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs/performance.md"


def read_options(arguments):
    parser = argparse.ArgumentParser(
        prog="run.sh", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=" ".join(__doc__.split("\n\n")[0].split()),
        epilog=f"contestants: {', '.join(contestants.NAMES)}; -basic: one row on POCL's "
               "single-threaded device.\n"
               f"with --encoder: {', '.join(contestants.ENCODER_NAMES)} (default: all but gemm)\n"
               "The environment's OCL_ICD_VENDORS, POCL_CACHE_DIR and "
               "pip's variables are used as they are.")
    # run.sh reads this one; it stands here for --help.
    parser.add_argument("--venv", metavar="DIR",
                        help="virtual environment of the peers (default: in the cache folder)")
    parser.add_argument("--build-dir", metavar="DIR", type=pathlib.Path,
                        default=ROOT / "build/release",
                        help="where adapter-cl is built, if need be (default: build/release)")
    parser.add_argument("--shapes", metavar="FILE", default=str(ROOT / "bench/shapes/targets.txt"),
                        help="lines of `rows hidden bottleneck [passes [activation]]`")
    parser.add_argument("--encoder", metavar="DIR",
                        help="a model with adapters instead, at batches of tokens: the folder has "
                             "config.json, vocab.txt and model.safetensors")
    parser.add_argument("--input", metavar="F.tsv",
                        help="with --encoder: also texts, its column text_a, in shuffled batches, "
                             "and the same sorted by length")
    parser.add_argument("--config", metavar="NAME", default="houlsby",
                        help="with --encoder: the adapters (default houlsby)")
    parser.add_argument("--sizes", metavar="SxL,...", type=sizes, default=list(ENCODER_SIZES),
                        help="with --encoder: sequences x tokens (default 1x16,32x16,32x64,16x128)")
    parser.add_argument("--batch", metavar="N", type=whole_number, default=32,
                        help="with --input: texts of a batch (default 32)")
    parser.add_argument("--batches", metavar="N", type=whole_number, default=16,
                        help="with --input: at most so many batches (default 16)")
    parser.add_argument("--rounds", metavar="N", type=whole_number,
                        help="rounds over all contestants at each shape (default 5; encoder 3)")
    parser.add_argument("--repeats", metavar="N", type=whole_number,
                        help="samples of a peer in a round (default 10; encoder 3)")
    parser.add_argument("--threads", metavar="N,...", type=whole_numbers,
                        default=[len(os.sched_getaffinity(0))],
                        help="threads for everybody, each number in turn (default: all cores)")
    parser.add_argument("--only", metavar="NAME,...", help="these contestants only")
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
    set_defaults(parser, options)
    return options


def set_defaults(parser, options):
    """What depends on whether it is an encoder."""
    names, default = ((contestants.ENCODER_NAMES, contestants.ENCODER_DEFAULT) if options.encoder
                      else (contestants.NAMES, contestants.NAMES))
    options.only = options.only.split(",") if options.only else list(default)
    for name in options.only:
        if name not in names:
            parser.error(f"--only: unknown contestant {name}; expected some of {', '.join(names)}")
    if options.input and not options.encoder:
        parser.error("--input: expected --encoder beside it")
    if options.encoder and not os.path.isfile(os.path.join(options.encoder, "config.json")):
        parser.error(f"--encoder: expected a folder with config.json, got {options.encoder}")
    options.rounds = options.rounds or (3 if options.encoder else 5)
    options.repeats = options.repeats or (3 if options.encoder else 10)


def whole_number(text):
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)


def whole_numbers(text):
    return [whole_number(word) for word in text.split(",")]


def sizes(text):
    pairs = [word.split("x") for word in text.split(",")]
    if any(len(pair) != 2 for pair in pairs):
        raise argparse.ArgumentTypeError(f"expected sizes such as 1x16,32x64, got {text}")
    return [(whole_number(sequences), whole_number(length)) for sequences, length in pairs]


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
            started.append(start_one(name, options, machine, results))
        except (contestants.Missing, OSError) as reason:
            results.skip(f"{contestants.title_of(name)}: {reason}")


def start_one(name, options, machine, results):
    if options.encoder:
        return contestants.start_encoder(name, machine, options, results)
    return contestants.start(name, machine, options,
                             lambda gflops: results.see_peak(machine.threads, gflops))


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
    if getattr(shape, "activation", "?") in reason or not any(c.isdigit() for c in reason):
        return f"{column.title}: {reason}"
    return f"{column.title}: {pass_name} of {shape.sentence()}: {reason}"


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
                    f"{shape.sentence()}")
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
        markers = ENCODER_MARKERS if options.encoder else (BEGIN_MARKER, END_MARKER)
        write_file(PAGE, replace_between_markers(page, results.as_markdown(), markers))
        say(f"written: {PAGE}")
    print(text if options.format == "json" else results.as_markdown(), end="")


# Of these nothing is told, and of those the last part of the path.
HIDDEN = ("--venv", "--build-dir", "--output")
SHORTENED = ("--encoder", "--input")


def the_command(arguments):
    """As others would type it: folders of this machine are nobody's business."""
    shown = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option in (*HIDDEN, *SHORTENED):
            value = value if equals else next(words, "")
            if option in SHORTENED:
                shown += [option, pathlib.Path(value).name]
        else:
            shown.append(word)
    return shlex.join(["bench/peers/run.sh", *shown])


# ---- an encoder ------------------------------------------------------------------------------

def make_task(options, folder):
    """The EncoderTask, with its files in `folder`."""
    texts = ids = []
    if options.input:
        texts = encoder_task.choose_texts(options.input, options.batch, options.batches)
        ids = encoder_task.tokenize(lambda *words: run_ours(options, *words), options.encoder,
                                    texts)
    task = encoder_task.EncoderTask(folder, os.path.abspath(options.encoder), options.config, ids,
                                    options.batch)
    encoder_task.write_texts(task.texts_path, texts)
    task.write()
    return task


def run_ours(options, *words):
    program = contestants.find(options.build_dir / "src/cli/adapter-cl")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise contestants.Missing(done.stderr.strip().splitlines()[-1])
    return done.stdout


def export(options, task):
    """The model for those who read ONNX; whoever misses it says so."""
    if not {"onnxruntime", "openvino"} & set(options.only):
        return
    say("exporting the model")
    done = subprocess.run([options.python, HERE / "encoder_export.py", task.path],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(f"run.sh: no ONNX of the model: {done.stderr.strip().splitlines()[-1]}")


def compare_encoders(options, results):
    with tempfile.TemporaryDirectory(prefix="adapter_cl_peers_") as folder:
        options.task = make_task(options, folder)
        export(options, options.task)
        compare(options, encoder_cases(options.sizes, options.task.texts, options.batch), results)


# ---- the run ---------------------------------------------------------------------------------

UNITS = {False: "Milliseconds of one pass, float32",
         True: "Tokens a second, float32; padding is no token. step: a step of training; forward: "
               "inference; base: inference of the model alone, without adapters"}


def main(arguments):
    options = read_options(arguments)
    try:
        cases = [] if options.encoder else read_cases(options.shapes)
    except ValueError as error:
        sys.exit(f"run.sh: {error}")
    if options.check:
        return
    results = Results(describe_machine(), datetime.date.today().isoformat(),
                      the_command(arguments))
    results.notes.append(
        f"{UNITS[bool(options.encoder)]}: the median over {count_of(options.rounds, 'round')} "
        f"of a round's median, of {count_of(options.repeats, 'sample')} of at least 2 ms each.")
    try:
        if options.encoder:
            compare_encoders(options, results)
        else:
            compare(options, cases, results)
    except (ValueError, contestants.Missing) as error:
        sys.exit(f"run.sh: {error}")
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
