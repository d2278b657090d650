# SPDX-License-Identifier: MIT
"""The adapter in PyTorch, as it comes and compiled."""

import torch
from torch.nn import functional as F

import problem as given
from worker import Pass

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh}


class Peer:
    passes = ("forward", "forward+backward", "step")

    def __init__(self, threads, compiled):
        torch.set_num_threads(threads)
        self.compiled = compiled
        self.name = f"PyTorch {torch.__version__} {'compile' if compiled else 'eager'}"
        # Every shape is compiled for itself.
        for option in ("recompile_limit", "cache_size_limit"):
            if hasattr(torch._dynamo.config, option):
                setattr(torch._dynamo.config, option, 1000)

    def prepare(self, pass_name, problem):
        kind = {"forward": Forward, "forward+backward": Backward, "step": Step}[pass_name]
        return kind(problem, self.compile if self.compiled else lambda function: function)

    @staticmethod
    def compile(function):
        return torch.compile(function, dynamic=False, fullgraph=True)


class Arrays(Pass):
    """Kernels are stored as torch.nn.Linear stores them: [out, in]."""

    def __init__(self, problem, trainable):
        def tensor(array, requires_grad=False):
            return torch.tensor(array.copy(), requires_grad=requires_grad)
        self.x = tensor(problem.x, trainable)
        self.dy = tensor(problem.dy)
        self.target = tensor(problem.target)
        self.p = [tensor(a.T, trainable) for a in problem.parameters()]
        self.before = [a.detach().clone() for a in self.p]
        activation = ACTIVATIONS[problem.activation]

        def adapter(x, w_down, b_down, w_up, b_up):
            return x + F.linear(activation(F.linear(x, w_down, b_down)), w_up, b_up)
        self.adapter = adapter


class Forward(Arrays):
    def __init__(self, problem, compiler):
        super().__init__(problem, trainable=False)
        self.function = compiler(self.adapter)
        self.y = None

    @torch.inference_mode()
    def run(self):
        self.y = self.function(self.x, *self.p)

    def results(self):
        return {"y": self.y.numpy()}


class Backward(Arrays):
    def __init__(self, problem, compiler):
        super().__init__(problem, trainable=True)
        self.function = compiler(self.adapter)
        self.y = self.gradients = None

    def run(self):
        self.y = self.function(self.x, *self.p)
        self.gradients = torch.autograd.grad(self.y, [self.x, *self.p], self.dy)

    def results(self):
        dx, *gradients = (g.numpy() for g in self.gradients)
        return {"y": self.y.detach().numpy(), "dx": dx,
                **{name: g.T for name, g in zip(given.PARAMETERS, gradients)}}


class Step(Arrays):
    def __init__(self, problem, compiler):
        super().__init__(problem, trainable=True)
        adapter = self.adapter
        self.function = compiler(lambda x, target, *p: F.mse_loss(adapter(x, *p), target))
        self.optimizer = torch.optim.Adam(self.p, lr=given.LEARNING_RATE,
                                          betas=(given.BETA_1, given.BETA_2), eps=given.EPSILON,
                                          fused=True)

    def run(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.x.grad = None
        self.function(self.x, self.target, *self.p).backward()
        torch.nn.utils.clip_grad_norm_(self.p, given.CLIP_NORM)
        self.optimizer.step()

    def results(self):
        changes = (now.detach() - before for now, before in zip(self.p, self.before))
        return {"dx": self.x.grad.numpy(),
                **{name: c.numpy().T for name, c in zip(given.PARAMETERS, changes)}}
