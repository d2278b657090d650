# SPDX-License-Identifier: MIT
"""Everybody who takes part: workers that live as long as the comparison, and adapter-cl bench.

Each has measure(shape, passes, repeats), which gives {pass: Sample, or why there is none}."""

import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

from cases import Case
from results import Column, Sample, sample_of

# Compilers take their time; a peer that takes longer is hung.
ANSWER_SECONDS = 900
# Threads that wait for work by spinning have gone to sleep by then.
SETTLE_SECONDS = 0.05

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                    "POCL_MAX_PTHREAD_COUNT")
BENCH_PASSES = {"forward": "forward", "forward+backward": "forward_backward", "step": "step",
                "base": "base"}


class Missing(Exception):
    """This contestant cannot take part; the sentence says why."""


class Machine:
    """As much of the machine as the contestants may use: so many threads, on so many processors."""

    def __init__(self, threads):
        self.threads = threads
        self.processors = set(sorted(os.sched_getaffinity(0))[:threads])
        self.environment = {**os.environ, **{name: str(threads) for name in THREAD_VARIABLES}}

    def options(self, **more):
        """For subprocess."""
        environment = {**self.environment, **more}
        return {"env": environment,
                "preexec_fn": lambda: os.sched_setaffinity(0, self.processors)}


class Worker:
    """A peer, speaking the protocol of worker.py."""

    def __init__(self, title, command, machine, whole=True):
        self.answer_seconds = ANSWER_SECONDS
        self.said = b""
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, bufsize=0, **machine.options())
        try:
            greeting = self.read_answer()
        except Missing:
            self.close()
            raise
        if "peer" not in greeting:
            self.close()
            raise Missing(greeting.get("missing", f"unexpected greeting {greeting}"))
        self.column = Column(greeting["peer"], title, ours=False, whole=whole)

    def measure(self, shape, passes, repeats):
        return {name: self.measure_pass(shape, name, repeats) for name in passes}

    def measure_pass(self, shape, pass_name, repeats):
        try:
            self.process.stdin.write(f"run {pass_name} {shape.words()} {repeats}\n".encode())
            answer = self.read_answer()
        except BrokenPipeError:
            return self.why_it_ended()
        except Missing as reason:
            return str(reason)
        if answer.get("times"):
            return sample_of(answer["times"])
        return answer.get("skipped", f"unexpected answer {answer}")

    def read_answer(self):
        end = time.monotonic() + self.answer_seconds
        while b"\n" not in self.said:
            readable, _, _ = select.select([self.process.stdout], [], [],
                                           max(0, end - time.monotonic()))
            if not readable:
                self.process.kill()
                raise Missing(f"no answer in {self.answer_seconds} seconds")
            more = self.process.stdout.read(65536)
            if not more:
                raise Missing(self.why_it_ended())
            self.said += more
        line, _, self.said = self.said.partition(b"\n")
        try:
            return json.loads(line)
        except ValueError:
            raise Missing(f"expected a line of JSON, got {line[:80]!r}") from None

    def why_it_ended(self):
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"it ended with status {self.process.returncode}" + (
            f": {lines[-1]}" if lines else "")

    def close(self):
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


class Bench:
    """One of our engines on one device: adapter-cl bench, once a round. The peaks that it measures
    go to see_peak."""

    def __init__(self, title, program, engine, device, machine, see_peak, **environment):
        self.program = str(program)
        self.engine = engine
        self.device = device
        self.options = machine.options(**environment)
        self.see_peak = see_peak
        version = self.run("--version").split()[-1]
        # Older ones measure both passes of relu only.
        self.knows_passes = "passes" in self.run("bench", "--help")
        self.column = Column(f"adapter_cl {version} {title}", f"ours: {title}", ours=True,
                             whole=True)

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True,
                              check=False, timeout=ANSWER_SECONDS, **self.options)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            raise Missing(lines[-1] if lines else f"it ended with status {done.returncode}")
        return done.stdout

    def measure(self, shape, passes, repeats):
        """Of its own it chooses the repeats."""
        del repeats
        try:
            rows = self.measure_rows(shape, passes)
        except (Missing, subprocess.TimeoutExpired) as reason:
            return dict.fromkeys(passes, str(reason))
        return {name: rows.get(BENCH_PASSES[name], f"adapter-cl bench gave no {name}")
                for name in passes}

    def measure_rows(self, shape, passes):
        """{pass as bench names it: Sample}"""
        rows = self.rows_of(shape, passes)
        for row in rows:
            self.see_peak(row["peak_gflops"])
        return {row["pass"]: sample_of_row(row) for row in rows if row["engine"] == self.engine}

    def rows_of(self, shape, passes):
        if shape.activation != "relu" and not self.knows_passes:
            raise Missing("this adapter-cl bench measures relu only")
        line = f"{shape.rows} {shape.hidden} {shape.bottleneck}"
        if self.knows_passes:
            line += f" {','.join(BENCH_PASSES[name] for name in passes)} {shape.activation}"
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as shapes:
            print(line, file=shapes, flush=True)
            printed = self.run("bench", "adapter", "--shapes", shapes.name, "-o", "jsonl",
                               "--engine", self.engine, "--device", self.device)
        return [json.loads(text) for text in printed.splitlines()]

    def close(self):
        pass


class EncoderBench(Bench):
    """The same for an encoder; how many FLOP there are goes to see_flop."""

    def __init__(self, task, see_flop, *arguments):
        super().__init__(*arguments)
        self.task = task
        self.see_flop = see_flop

    def rows_of(self, shape, passes):
        what = ["--sizes", f"{shape.sequences}x{shape.length}"] if shape.length else [
            "--sizes", "none", "--input", self.task.texts_path, "--batch", str(shape.sequences),
            "--batches", str(shape.batches), *(["--sorted"] if shape.is_sorted else [])]
        printed = self.run("bench", "encoder", "--model", self.task.model, "--config",
                           self.task.config, *what, "--passes", ",".join(passes), "-o", "jsonl",
                           "--engine", self.engine, "--device", self.device)
        rows = [json.loads(text) for text in printed.splitlines()]
        for row in rows:
            if row["tokens"] != shape.tokens:
                raise Missing(f"expected {shape.tokens} tokens, got {row['tokens']}")
            self.see_flop(Case(row["pass"], shape), 1e6 * row["gflops"] * row["ms_median"])
        return rows


def sample_of_row(row):
    return Sample(1e-3 * row["ms_median"], 1e-3 * row.get("ms_spread", 0.0), row.get("samples", 1))


def find_single_threaded_device(program, machine):
    """(selector, variables) of the device of POCL that computes in the calling thread, for which
    the user has to ask POCL. Missing where there is none."""
    variables = {"POCL_DEVICES": "basic pthread"}
    done = subprocess.run([str(program), "devices", "-o", "json"], capture_output=True, text=True,
                          check=False, **machine.options(**variables))
    devices = json.loads(done.stdout) if done.returncode == 0 else []
    for device in devices:
        if device["usable"] and device["name"].startswith(("basic", "cpu-minimal")):
            return device["selector"], variables
    raise Missing("no device of POCL that computes in the calling thread")


# ---- who there is ----------------------------------------------------------------------------

HERE = pathlib.Path(__file__).resolve().parent

PEER_TITLES = {
    "torch-eager": "PyTorch eager",
    "torch-compile": "PyTorch compile",
    "jax": "JAX",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "numpy": "NumPy",
}
ENGINES = ("fused", "gemm")
NAMES = (*PEER_TITLES, "clblast", *ENGINES, *(f"{engine}-basic" for engine in ENGINES))


# The same for an encoder with adapters. The last two have no adapters: they run the model alone.
ENCODER_TITLES = {
    "adapterhub": "AdapterHub",
    "adapterhub-dropout": "AdapterHub, dropout",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}
ENCODER_NAMES = (*ENCODER_TITLES, *ENGINES)
# gemm takes minutes where fused takes seconds.
ENCODER_DEFAULT = (*ENCODER_TITLES, "fused")


def title_of(name):
    return ENCODER_TITLES.get(name) or PEER_TITLES.get(name, name)


def start_encoder(name, machine, setup, results):
    """The contestant of that name; Missing with the reason. `setup` also has an EncoderTask."""
    if name in ENCODER_TITLES:
        command = [setup.python, str(HERE / "worker.py"), name, str(machine.threads),
                   setup.task.path]
        return Worker(ENCODER_TITLES[name], command, machine)
    program = find(setup.build_dir / "src/cli/adapter-cl")
    return EncoderBench(setup.task, results.see_flop, name, program, name, setup.device, machine,
                        lambda gflops: results.see_peak(machine.threads, gflops))


def start(name, machine, setup, see_peak):
    """The contestant of that name; Missing with the reason. `setup` has python, build_dir and
    device."""
    if name in PEER_TITLES:
        command = [setup.python, str(HERE / "worker.py"), name, str(machine.threads)]
        return Worker(PEER_TITLES[name], command, machine)
    if name == "clblast":
        program = setup.build_dir / "bench/peers/clblast_products"
        return Worker("CLBlast products", [find(program), setup.device], machine, whole=False)
    program = find(setup.build_dir / "src/cli/adapter-cl")
    engine, _, basic = name.partition("-")
    if basic:
        selector, variables = find_single_threaded_device(program, machine)
        return SingleRow(f"{engine}, basic device", program, engine, selector, machine,
                         lambda gflops: None, **variables)
    return Bench(engine, program, engine, setup.device, machine, see_peak)


class SingleRow(Bench):
    """A device of one thread is for one row."""

    def measure(self, shape, passes, repeats):
        return super().measure(shape, passes, repeats) if shape.rows == 1 else {}


def find(program):
    if not os.access(program, os.X_OK):
        raise Missing(f"{program.name} is not there: it was not built")
    return str(program)
