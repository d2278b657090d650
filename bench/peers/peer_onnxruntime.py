# SPDX-License-Identifier: MIT
"""The adapter in ONNX Runtime, input and output bound to memory allocated once."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import problem as given
from worker import Pass

# Gelu is an operator since version 20.
OPSET = 20
IR_VERSION = 9


class Peer:
    passes = ("forward",)

    def __init__(self, threads):
        self.threads = threads
        self.name = f"ONNX Runtime {onnxruntime.__version__}"

    def prepare(self, pass_name, problem):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(make_model(problem).SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
        return Forward(session, problem)


def activation_nodes(name):
    if name == "silu":
        return [helper.make_node("Sigmoid", ["z"], ["s"]),
                helper.make_node("Mul", ["z", "s"], ["h"])]
    return [helper.make_node(name.capitalize(), ["z"], ["h"])]


def make_model(problem):
    nodes = [
        helper.make_node("Gemm", ["x", "w_down", "b_down"], ["z"]),
        *activation_nodes(problem.activation),
        helper.make_node("Gemm", ["h", "w_up", "b_up"], ["u"]),
        helper.make_node("Add", ["x", "u"], ["y"]),
    ]
    shape = [problem.rows, problem.hidden]
    graph = helper.make_graph(
        nodes, "adapter",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name)
         for name, array in zip(given.PARAMETERS, problem.parameters())])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return model


class Forward(Pass):
    def __init__(self, session, problem):
        self.session = session
        self.x = onnxruntime.OrtValue.ortvalue_from_numpy(problem.x)
        self.y = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty_like(problem.x))
        self.binding = session.io_binding()
        self.binding.bind_ortvalue_input("x", self.x)
        self.binding.bind_ortvalue_output("y", self.y)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def results(self):
        return {"y": self.y.numpy()}
