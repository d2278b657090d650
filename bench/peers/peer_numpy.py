# SPDX-License-Identifier: MIT
"""The adapter in NumPy, whose products are OpenBLAS's; everything into memory allocated once."""

import ctypes
import os
import pathlib

import numpy as np

import problem as given
from worker import BeginAgain, Pass, Unsupported

# What OpenBLAS falls back to on a processor that it does not know, or that hides its name.
FALLBACK_CORES = {"Generic", "Prescott", "Core2", "Nehalem", "ARMV8"}


def openblas_core():
    """The kind of core that NumPy's OpenBLAS took this one for; "" if that cannot be asked."""
    folder = pathlib.Path(np.__file__).parent.parent / "numpy.libs"
    for path in sorted(folder.glob("*openblas*")):
        library = ctypes.CDLL(str(path))
        for symbol in ("scipy_openblas_get_corename64_", "openblas_get_corename64_",
                       "openblas_get_corename"):
            if hasattr(library, symbol):
                function = getattr(library, symbol)
                function.restype = ctypes.c_char_p
                return function().decode()
    return ""


def better_core():
    """The core to name instead of a fallback, by what the processor can do; None: none."""
    try:
        flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return None
    return "SkylakeX" if "avx512f" in flags else "Haswell" if {"avx2", "fma"} <= flags else None


def insist_on_a_good_core():
    """The core that is used. OpenBLAS reads OPENBLAS_CORETYPE as it loads."""
    core = openblas_core()
    if core in FALLBACK_CORES and "OPENBLAS_CORETYPE" not in os.environ and better_core():
        raise BeginAgain({"OPENBLAS_CORETYPE": better_core()})
    return core


class Peer:
    passes = ("forward", "forward+backward", "step")

    def __init__(self, threads):
        del threads  # OPENBLAS_NUM_THREADS, which is set before NumPy loads
        core = insist_on_a_good_core()
        self.name = f"NumPy {np.__version__}, OpenBLAS" + (f" for {core}" if core else "")

    def prepare(self, pass_name, problem):
        if problem.activation == "gelu":
            raise Unsupported("NumPy has no error function for gelu")
        return {"forward": Forward, "forward+backward": Backward, "step": Step}[pass_name](problem)


class Forward(Pass):
    def __init__(self, problem):
        self.problem = problem
        self.h = np.empty((problem.rows, problem.bottleneck), np.float32)
        self.slope = np.empty_like(self.h)
        self.y = np.empty_like(problem.x)
        self.p = dict(zip(given.PARAMETERS, (a.copy() for a in problem.parameters())))

    def run(self):
        p, h, y = self.p, self.h, self.y
        np.matmul(self.problem.x, p["w_down"], out=h)
        h += p["b_down"]
        self.activate(h)
        np.matmul(h, p["w_up"], out=y)
        y += p["b_up"]
        y += self.problem.x

    def activate(self, h):
        """In place."""
        if self.problem.activation == "relu":
            np.maximum(h, 0, out=h)
        elif self.problem.activation == "tanh":
            np.tanh(h, out=h)
        else:
            h /= 1 + np.exp(-h)

    def results(self):
        return {"y": self.y}


class Backward(Forward):
    def __init__(self, problem):
        super().__init__(problem)
        self.dy = problem.dy
        self.dz = np.empty_like(self.h)
        self.dx = np.empty_like(self.y)
        self.gradients = {name: np.empty_like(a) for name, a in self.p.items()}

    def activate(self, h):
        """In place, and act'(z) into slope."""
        if self.problem.activation == "silu":
            s = 1 / (1 + np.exp(-h))
            np.multiply(s, 1 + h * (1 - s), out=self.slope)
            h *= s
            return
        super().activate(h)
        if self.problem.activation == "relu":
            np.greater(h, 0, out=self.slope, casting="unsafe")
        else:
            np.subtract(1, h * h, out=self.slope)

    def run(self):
        super().run()
        self.backward()

    def backward(self):
        x, dy, dz, g = self.problem.x, self.dy, self.dz, self.gradients
        np.matmul(dy, self.p["w_up"].T, out=dz)
        dz *= self.slope
        np.matmul(dz, self.p["w_down"].T, out=self.dx)
        self.dx += dy
        np.matmul(x.T, dz, out=g["w_down"])
        np.matmul(self.h.T, dy, out=g["w_up"])
        np.sum(dz, axis=0, out=g["b_down"])
        np.sum(dy, axis=0, out=g["b_up"])

    def results(self):
        return {"y": self.y, "dx": self.dx, **self.gradients}


class Step(Backward):
    def __init__(self, problem):
        super().__init__(problem)
        self.dy = np.empty_like(problem.dy)
        self.first = {name: np.zeros_like(a) for name, a in self.p.items()}
        self.second = {name: np.zeros_like(a) for name, a in self.p.items()}
        self.count = 0
        self.loss = 0.0

    def run(self):
        Forward.run(self)
        np.subtract(self.y, self.problem.target, out=self.dy)
        flat = self.dy.reshape(-1)
        self.loss = float(flat @ flat) / flat.size
        self.dy *= 2 / flat.size
        self.backward()
        norm = sum(float(g.reshape(-1) @ g.reshape(-1)) for g in self.gradients.values()) ** 0.5
        self.update(min(1.0, given.CLIP_NORM / norm))

    def update(self, scale):
        self.count += 1
        rate = given.LEARNING_RATE / (1 - given.BETA_1 ** self.count)
        correction = 1 / (1 - given.BETA_2 ** self.count)
        for name, g in self.gradients.items():
            m, v = self.first[name], self.second[name]
            g *= scale
            m += (1 - given.BETA_1) * (g - m)
            v += (1 - given.BETA_2) * (g * g - v)
            self.p[name] -= rate * m / (np.sqrt(correction * v) + given.EPSILON)

    def results(self):
        before = dict(zip(given.PARAMETERS, self.problem.parameters()))
        return {"dx": self.dx, **{name: self.p[name] - before[name] for name in self.p}}
