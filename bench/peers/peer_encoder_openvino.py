# SPDX-License-Identifier: MIT
"""The model alone in OpenVINO: one stream, float32, shapes left open, as texts have all lengths."""

import openvino

from encoder_onnx import arrays_of, find, verify
from worker import Pass


class Peer:
    passes = ("base",)

    def __init__(self, threads, task):
        model = openvino.Core().read_model(find(task, "model.onnx"))
        compiled = openvino.Core().compile_model(model, "CPU", {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
        })
        self.wanted = {name for given in compiled.inputs for name in given.get_names()}
        self.request = compiled.create_infer_request()
        verify(task, self.last_state)
        self.name = f"OpenVINO {openvino.get_version().split('-')[0]}, no adapters"

    def choose(self, inputs):
        return {name: array for name, array in inputs.items() if name in self.wanted}

    def last_state(self, inputs):
        self.request.infer(self.choose(inputs))
        return self.request.get_output_tensor(0).data

    def prepare(self, pass_name, problem):
        return Base(self.request, [self.choose(arrays_of(batch)) for batch in problem.batches])


class Base(Pass):
    def __init__(self, request, batches):
        self.request = request
        self.batches = batches

    def run(self):
        for batch in self.batches:
            self.request.infer(batch)

    def results(self):
        return {}
