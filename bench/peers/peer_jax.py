# SPDX-License-Identifier: MIT
"""The adapter in JAX, each pass one compiled function. Threads: the processors that this process
may run on."""

import jax
import jax.numpy as jnp

import problem as given
from worker import Pass

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


class Peer:
    passes = ("forward", "forward+backward", "step")

    def __init__(self, threads):
        del threads
        jax.config.update("jax_platforms", "cpu")
        jax.devices()
        self.name = f"JAX {jax.__version__} jit"

    def prepare(self, pass_name, problem):
        return {"forward": Forward, "forward+backward": Backward, "step": Step}[pass_name](problem)


class Forward(Pass):
    def __init__(self, problem):
        self.x, self.dy, self.target = map(jnp.asarray, (problem.x, problem.dy, problem.target))
        self.p = tuple(map(jnp.asarray, problem.parameters()))
        activation = ACTIVATIONS[problem.activation]

        def adapter(x, w_down, b_down, w_up, b_up):
            return x + activation(x @ w_down + b_down) @ w_up + b_up
        self.adapter = adapter
        self.function = jax.jit(self.make())
        self.out = None

    def make(self):
        return self.adapter

    def run(self):
        self.out = self.function(self.x, *self.p)

    def wait(self):
        jax.block_until_ready(self.out)

    def results(self):
        return {"y": self.out}


class Backward(Forward):
    def make(self):
        def forward_backward(x, dy, *p):
            y, pull = jax.vjp(self.adapter, x, *p)
            return y, pull(dy)  # y is given back, or its product would be left out
        return forward_backward

    def run(self):
        self.out = self.function(self.x, self.dy, *self.p)

    def results(self):
        y, (dx, *gradients) = self.out
        return {"y": y, "dx": dx, **dict(zip(given.PARAMETERS, gradients))}


class Step(Forward):
    def __init__(self, problem):
        super().__init__(problem)
        self.before = self.p
        self.function = jax.jit(self.make(), donate_argnums=(2,))
        zeros = tuple(map(jnp.zeros_like, self.p))
        # Its own copies, for they are given away in every step.
        self.state = (tuple(p.copy() for p in self.p), zeros, tuple(z.copy() for z in zeros),
                      jnp.zeros(()))

    def make(self):
        def loss(x, p, target):
            return jnp.mean((self.adapter(x, *p) - target) ** 2)

        def step(x, target, state):
            p, m, v, count = state
            value, (dx, g) = jax.value_and_grad(loss, argnums=(0, 1))(x, p, target)
            norm = jnp.sqrt(sum(jnp.sum(one * one) for one in g))
            scale = jnp.minimum(1.0, given.CLIP_NORM / norm)
            count = count + 1
            g = [scale * one for one in g]
            m = tuple(a + (1 - given.BETA_1) * (one - a) for a, one in zip(m, g))
            v = tuple(a + (1 - given.BETA_2) * (one * one - a) for a, one in zip(v, g))
            rate = given.LEARNING_RATE / (1 - given.BETA_1 ** count)
            correction = 1 / (1 - given.BETA_2 ** count)
            p = tuple(a - rate * b / (jnp.sqrt(correction * c) + given.EPSILON)
                      for a, b, c in zip(p, m, v))
            return value, dx, (p, m, v, count)
        return step

    def run(self):
        self.out = self.function(self.x, self.target, self.state)
        self.state = self.out[2]

    def results(self):
        _, dx, (p, *_) = self.out
        return {"dx": dx, **{name: now - before for name, now, before
                             in zip(given.PARAMETERS, p, self.before)}}
