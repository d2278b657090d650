# SPDX-License-Identifier: MIT
"""One adapter's numbers, and what each pass must give, in double.

    forward           y = x + act(x·w_down + b_down)·w_up + b_up
    forward+backward  y; dx and the gradients of all four parameters, for a given dy
    step              dy is the gradient of mean((y − target)²); dx; the gradients clipped to a
                      global norm of 1; the change of the parameters in the first step of Adam

x, dy, target: (N, D); w_down: (D, R); w_up: (R, D)."""

import math

import numpy as np

PARAMETERS = ("w_down", "b_down", "w_up", "b_up")

CLIP_NORM = 1.0
# So little that thousands of steps leave the adapter what it was: neither dead nor saturated.
LEARNING_RATE = 1e-5
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

# Of the largest expected number. Float32 stays below a tenth of it; bfloat16, float16 and
# TensorFloat-32 do not.
TOLERANCE = 1e-4
# Adam divides a gradient by its size, so where it is nearly 0 its rounding decides: changes are
# compared by their root mean square, which a few such elements do not move.
STEP_TOLERANCE = 5e-3


class Problem:
    def __init__(self, rows, hidden, bottleneck, activation):
        self.rows, self.hidden, self.bottleneck = rows, hidden, bottleneck
        self.activation = activation
        random = np.random.default_rng(1)

        def uniform(*shape, most=1.0):
            return random.uniform(-most, most, shape).astype(np.float32)
        self.x = uniform(rows, hidden)
        self.dy = uniform(rows, hidden)
        self.target = uniform(rows, hidden)
        self.w_down = uniform(hidden, bottleneck, most=hidden ** -0.5)
        self.b_down = uniform(bottleneck, most=0.1)
        self.w_up = uniform(bottleneck, hidden, most=bottleneck ** -0.5)
        self.b_up = uniform(hidden, most=0.1)
        self._leave_kinks_out()

    def parameters(self):
        return [getattr(self, name) for name in PARAMETERS]

    def _leave_kinks_out(self):
        """A z of nearly 0 may fall on either side of relu's kink, and then dz differs by all of
        dh. Rows with one get no gradient."""
        z, _, _, y = self._forward()
        near = np.any(np.abs(z) < 1e-5, axis=1)
        self.dy[near] = 0
        self.target[near] = y[near]

    def _forward(self):
        x, w_down, b_down, w_up, b_up = (a.astype(np.float64) for a in [self.x, *self.parameters()])
        z = x @ w_down + b_down
        h, slope = activate(self.activation, z)
        return z, h, slope, x + h @ w_up + b_up

    def expected(self, pass_name):
        """{name: array in double}."""
        _, h, slope, y = self._forward()
        if pass_name == "forward":
            return {"y": y}
        if pass_name == "forward+backward":
            return {"y": y, **self._backward(h, slope, self.dy.astype(np.float64))}
        dy = 2 * (y - self.target) / y.size
        gradients = self._backward(h, slope, dy)
        dx = gradients.pop("dx")
        return {"dx": dx, **first_step(gradients)}

    def _backward(self, h, slope, dy):
        x, w_down, w_up = (a.astype(np.float64) for a in (self.x, self.w_down, self.w_up))
        dz = (dy @ w_up.T) * slope
        return {"dx": dy + dz @ w_down.T, "w_down": x.T @ dz, "b_down": dz.sum(0),
                "w_up": h.T @ dy, "b_up": dy.sum(0)}

    def check(self, pass_name, results):
        """None when all results are right, else a sentence."""
        for name, expected in self.expected(pass_name).items():
            got = np.asarray(results[name], dtype=np.float64)
            if got.shape != expected.shape:
                return f"{name}: expected shape {expected.shape}, got {got.shape}"
            is_change = pass_name == "step" and name != "dx"
            size = root_mean_square if is_change else largest
            allowed = (STEP_TOLERANCE if is_change else TOLERANCE) * size(expected)
            difference = size(got - expected)
            if not difference <= allowed:
                return (f"wrong result: {name} differs from NumPy in double by {difference:.3g}, "
                        f"expected at most {allowed:.3g}")
        return None


def largest(array):
    return np.abs(array).max()


def root_mean_square(array):
    return math.sqrt(np.mean(array * array))


def activate(name, z):
    """act(z), act'(z)."""
    if name == "relu":
        return np.maximum(z, 0), (z > 0).astype(np.float64)
    if name == "tanh":
        t = np.tanh(z)
        return t, 1 - t * t
    if name == "silu":
        s = 1 / (1 + np.exp(-z))
        return z * s, s + z * s * (1 - s)
    if name == "gelu":
        share = 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
        return z * share, share + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    raise ValueError(f"unknown activation {name}")


def first_step(gradients):
    """{name: change}. In the first step Adam's corrected means are the gradient and its square."""
    norm = math.sqrt(sum(np.sum(g * g) for g in gradients.values()))
    scale = min(1.0, CLIP_NORM / norm)
    return {name: -LEARNING_RATE * scale * g / (np.abs(scale * g) + EPSILON)
            for name, g in gradients.items()}
