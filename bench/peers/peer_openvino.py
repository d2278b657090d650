# SPDX-License-Identifier: MIT
"""The adapter in OpenVINO, made for latency: one stream, float32, its tensors allocated once."""

import numpy as np
import openvino
from openvino import opset13 as ops

from worker import Pass

ACTIVATIONS = {
    "relu": ops.relu,
    "gelu": lambda z: ops.gelu(z, "erf"),
    "silu": ops.swish,
    "tanh": ops.tanh,
}


class Peer:
    passes = ("forward",)

    def __init__(self, threads):
        self.core = openvino.Core()
        self.options = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        version = openvino.get_version().split("-")[0]
        self.name = f"OpenVINO {version}"

    def prepare(self, pass_name, problem):
        w_down, b_down, w_up, b_up = map(ops.constant, problem.parameters())
        x = ops.parameter([problem.rows, problem.hidden], dtype=np.float32, name="x")
        z = ops.add(ops.matmul(x, w_down, False, False), b_down)
        h = ACTIVATIONS[problem.activation](z)
        y = ops.add(ops.add(ops.matmul(h, w_up, False, False), b_up), x)
        model = openvino.Model([ops.result(y)], [x], "adapter")
        return Forward(self.core.compile_model(model, "CPU", self.options), problem)


class Forward(Pass):
    def __init__(self, compiled, problem):
        self.request = compiled.create_infer_request()
        self.request.get_input_tensor().data[:] = problem.x

    def run(self):
        self.request.start_async()
        self.request.wait()

    def results(self):
        return {"y": self.request.get_output_tensor().data}
