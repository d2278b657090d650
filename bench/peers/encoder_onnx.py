# SPDX-License-Identifier: MIT
"""What the peers that run the model as ONNX share: its files, its inputs, and a check."""

import numpy as np

from encoder_task import padded

# Of 1 + |expected|: float32 stays below a tenth of it, float16 and bfloat16 do not.
TOLERANCE = 1e-4
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def arrays_of(batch):
    """The model's inputs for sequences of ids, padded to the longest."""
    ids, mask = (np.array(rows, dtype=np.int64) for rows in padded(batch))
    return dict(zip(INPUTS, (ids, mask, np.zeros_like(ids))))


def find(task, name):
    path = task.folder / name
    if not path.exists():
        raise RuntimeError("the model could not be exported as ONNX")
    return str(path)


def verify(task, run):
    """run(inputs) gives the last hidden state. RuntimeError with a sentence when it is wrong."""
    with np.load(find(task, "check.npz")) as check:
        got, expected = run({name: check[name] for name in INPUTS}), check["states"]
        real = check["attention_mask"] == 1
    off = (np.abs(got - expected) / (1 + np.abs(expected)))[real].max()
    if not off <= TOLERANCE:
        raise RuntimeError("wrong result: the last hidden state differs from PyTorch's by "
                           f"{off:.3g}")
