# SPDX-License-Identifier: MIT
"""Writes the model alone as ONNX, as people do who serve it by something else than PyTorch, and
what it gives for a small padded batch.

    usage: encoder_export.py TASK.json

Writes model.onnx, fused.onnx (ONNX Runtime's own tool has fused attention, GELU and norms) and
check.npz beside the task."""

import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers

from encoder_task import EncoderTask, padded

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
LENGTHS = (7, 3, 12)


def load(task):
    # The plain form of attention is the one that the tool below knows.
    return transformers.AutoModel.from_pretrained(task.model, add_pooling_layer=False,
                                                  attn_implementation="eager").eval()


class LastState(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids, attention_mask, token_type_ids).last_hidden_state


def check_batch(task):
    random = np.random.default_rng(1)
    ids, mask = padded([random.integers(0, task.vocabulary, n).tolist() for n in LENGTHS])
    ids, mask = torch.tensor(ids), torch.tensor(mask)
    return [ids, mask, torch.zeros_like(ids)]


def export(task):
    module = LastState(load(task))
    batch = check_batch(task)
    axes = {name: {0: "sequences", 1: "tokens"} for name in (*INPUTS, "states")}
    with torch.inference_mode():
        expected = module(*batch)
    torch.onnx.export(module, tuple(batch), str(task.folder / "model.onnx"), dynamo=False,
                      input_names=list(INPUTS), output_names=["states"], dynamic_axes=axes,
                      opset_version=17)
    np.savez(task.folder / "check.npz", states=expected.numpy(),
             **{name: tensor.numpy() for name, tensor in zip(INPUTS, batch)})
    return module.model.config


def fuse(task, config):
    from onnxruntime.transformers import optimizer
    fused = optimizer.optimize_model(str(task.folder / "model.onnx"), model_type="bert",
                                     num_heads=config.num_attention_heads,
                                     hidden_size=config.hidden_size, opt_level=0)
    fused.save_model_to_file(str(task.folder / "fused.onnx"))


def main():
    task = EncoderTask.read(sys.argv[1])
    config = export(task)
    try:
        fuse(task, config)
    except ImportError:
        pass  # ONNX Runtime is not installed, so nobody will ask for it


if __name__ == "__main__":
    main()
