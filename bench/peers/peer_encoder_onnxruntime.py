# SPDX-License-Identifier: MIT
"""The model alone in ONNX Runtime, fused by its own tool for transformers."""

import onnxruntime

from encoder_onnx import arrays_of, find, verify
from worker import Pass


class Peer:
    passes = ("base",)

    def __init__(self, threads, task):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(find(task, "fused.onnx"), options,
                                                    providers=["CPUExecutionProvider"])
        self.wanted = {given.name for given in self.session.get_inputs()}
        verify(task, lambda inputs: self.session.run(None, self.choose(inputs))[0])
        self.name = f"ONNX Runtime {onnxruntime.__version__}, no adapters"

    def choose(self, inputs):
        return {name: array for name, array in inputs.items() if name in self.wanted}

    def prepare(self, pass_name, problem):
        return Base(self.session, [self.choose(arrays_of(batch)) for batch in problem.batches])


class Base(Pass):
    def __init__(self, session, batches):
        self.session = session
        self.batches = batches

    def run(self):
        for batch in self.batches:
            self.session.run(None, batch)

    def results(self):
        return {}
