# SPDX-License-Identifier: MIT
"""One peer in a process of its own, which lives as long as the comparison.

    usage: worker.py PEER THREADS [TASK.json]

It first writes a line {"peer": "NumPy 2.4.1"} or {"missing": "why"}. Then it answers each line
    run PASS ROWS HIDDEN BOTTLENECK ACTIVATION REPEATS
or, with a task, which is an encoder's (encoder_task.py),
    run PASS SEQUENCES LENGTH REPEATS
on standard input by a line {"times": [seconds of one pass, ...]} or {"skipped": "why"}."""

import gc
import importlib
import json
import os
import sys
import time

# A sample is as many passes as fill this, and one wait, as in bench/harness.h.
SAMPLE_SECONDS = 2e-3
WARM_UP_SECONDS = 0.05
MOST_PASSES = 1000

# {name: (module, what its class is called with)}
PEERS = {
    "torch-eager": ("peer_torch", {"compiled": False}),
    "torch-compile": ("peer_torch", {"compiled": True}),
    "jax": ("peer_jax", {}),
    "onnxruntime": ("peer_onnxruntime", {}),
    "openvino": ("peer_openvino", {}),
    "numpy": ("peer_numpy", {}),
}


# The same for an encoder with adapters.
ENCODER_PEERS = {
    "adapterhub": ("peer_adapterhub", {"dropout": False}),
    "adapterhub-dropout": ("peer_adapterhub", {"dropout": True}),
    "onnxruntime": ("peer_encoder_onnxruntime", {}),
    "openvino": ("peer_encoder_openvino", {}),
}


class Unsupported(Exception):
    """This peer cannot do this pass; the sentence says why."""


class BeginAgain(Exception):
    """The peer needs a process that has begun with these environment variables."""

    def __init__(self, variables):
        super().__init__(", ".join(variables))
        self.variables = variables


class Pass:
    """A pass that is ready to run, and its results.

    run() starts it once, wait() returns when all that was started is done, results() gives what
    the last pass made: {name: array}, as in problem.py."""

    def wait(self):
        pass


def adapter_problem(rows, hidden, bottleneck, activation):
    from problem import Problem
    return Problem(int(rows), int(hidden), int(bottleneck), activation)


class Worker:
    """make_problem(*words of the shape) gives the numbers, and what is right."""

    def __init__(self, peer, make_problem):
        self.peer = peer
        self.make_problem = make_problem
        self.shape = None
        self.problem = None
        self.ready = {}  # {pass: Pass}, of this shape only

    def answer(self, words):
        command, pass_name, *shape, repeats = words
        if command != "run":
            raise ValueError(f"unknown command {command}")
        try:
            prepared = self.prepare(pass_name, shape)
        except Unsupported as reason:
            return {"skipped": str(reason)}
        return {"times": measure(prepared, int(repeats))}

    def prepare(self, pass_name, shape):
        if shape != self.shape:
            self.ready.clear()
            self.problem = self.make_problem(*shape)
            self.shape = shape
        if pass_name not in self.ready:
            if pass_name not in self.peer.passes:
                raise Unsupported(f"no {pass_name}")
            prepared = self.peer.prepare(pass_name, self.problem)
            prepared.run()
            prepared.wait()
            wrong = self.problem.check(pass_name, prepared.results())
            if wrong:
                raise Unsupported(wrong)
            self.ready[pass_name] = prepared
        return self.ready[pass_name]


def time_passes(prepared, count):
    """Seconds of one of `count` passes."""
    run = prepared.run
    start = time.perf_counter()
    for _ in range(count):
        run()
    prepared.wait()
    return (time.perf_counter() - start) / count


def measure(prepared, repeats):
    gc.collect()
    gc.disable()
    # The fastest pass says how many fill a sample: another may have been interrupted.
    end = time.perf_counter() + WARM_UP_SECONDS
    seconds = time_passes(prepared, 1)
    while time.perf_counter() < end:
        seconds = min(seconds, time_passes(prepared, 1))
    passes = max(1, min(MOST_PASSES, int(SAMPLE_SECONDS / seconds)))
    times = [time_passes(prepared, passes) for _ in range(repeats)]
    gc.enable()
    return times


def first_line(error):
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"


def take_standard_output():
    """Answers go to where standard output went; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def make_peer(name, threads, task=None):
    """The peer, and what makes its problems."""
    module, options = (ENCODER_PEERS if task else PEERS)[name]
    problems = adapter_problem
    if task:
        from encoder_task import EncoderTask
        options = {**options, "task": EncoderTask.read(task)}
        problems = options["task"].problem
    return importlib.import_module(module).Peer(threads=int(threads), **options), problems


def main():
    # Found by the modules of the peers under its own name, too.
    sys.modules["worker"] = sys.modules["__main__"]
    answers = take_standard_output()

    def say(answer):
        answers.write(json.dumps(answer) + "\n")
    try:
        peer, make_problem = make_peer(*sys.argv[1:])
    except BeginAgain as wish:
        os.dup2(answers.fileno(), 1)
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wish.variables})
    except Exception as error:  # whatever a broken installation raises
        say({"missing": first_line(error)})
        return
    say({"peer": peer.name})
    worker = Worker(peer, make_problem)
    for line in sys.stdin:
        try:
            say(worker.answer(line.split()))
        except Exception as error:  # one case that fails must not end the others
            say({"skipped": first_line(error)})


if __name__ == "__main__":
    main()
