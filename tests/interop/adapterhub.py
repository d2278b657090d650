# SPDX-License-Identifier: MIT
"""AdapterHub's own software and adapter-cl read each other's folders, and say the same of the same
texts.

Needs the Python packages torch, transformers, adapters: scripts/test.sh --interop installs them."""

import json
import logging
import os
import pathlib
import subprocess
import tempfile
import unittest

os.environ["HF_HUB_OFFLINE"] = "1"

import adapters
import torch
import transformers
from safetensors.torch import load_file

PROGRAM = os.environ["ADAPTER_CL"]
MODEL = str(pathlib.Path(os.environ["ADCL_TEST_TINY"], "bert"))
TEXTS = ("where is my card", "the bank lost money", "transfer", "how was the city, and what now?",
         "pay 15.20 - not 1520!", "lost")
# Both compute in float32, in different orders.
TOLERANCE = 1e-5

# What finetune is called with, and what theirs is told.
OURS = {
    "houlsby": ["--config", "houlsby"],
    "pfeiffer": ["--config", "pfeiffer"],
    "parallel": ["--config", "parallel"],
    "learned_scaling": ["--config", "houlsby", "--scaling", "learned", "--leave-out", "1"],
    "narrow_one_layer_head": ["--config", "pfeiffer", "--reduction-factor", "4", "--activation",
                              "gelu", "--head-layers", "1"],
}
THEIRS = {
    "houlsby": adapters.DoubleSeqBnConfig(),
    "pfeiffer": adapters.SeqBnConfig(),
    "parallel": adapters.ParBnConfig(),
    "gated": adapters.DoubleSeqBnConfig(use_gating=True, reduction_factor=8),
    "ln_after": adapters.SeqBnConfig(ln_after=True, scaling="channel", leave_out=[0]),
}


class Warnings(logging.Handler):
    """What a library logs as a warning or worse."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.sentences = []

    def emit(self, record):
        self.sentences.append(record.getMessage())


def run(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"adapter-cl {arguments[0]}: {done.stderr}")
    return done.stdout


def tokens_of_texts():
    """From adapter-cl, whose ids are compared with theirs elsewhere."""
    return [json.loads(line) for line in run("tokenize", "--model", MODEL, *TEXTS).splitlines()]


def logits_of_theirs(model):
    model.eval()
    rows = []
    with torch.inference_mode():
        for line in tokens_of_texts():
            ids = torch.tensor([line["ids"]])
            types = torch.tensor([line["type_ids"]])
            rows.append(model(input_ids=ids, token_type_ids=types,
                              attention_mask=torch.ones_like(ids)).logits[0])
    return torch.stack(rows)


def logits_of_ours(folder):
    lines = run("predict", "--model", MODEL, folder, "-o", "jsonl", *TEXTS).splitlines()
    return torch.tensor([json.loads(line)["logits"] for line in lines])


class Interop(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.model = adapters.AutoAdapterModel.from_pretrained(MODEL)

    def compare(self, ours, theirs, what):
        off = ((ours - theirs).abs() / (1 + theirs.abs())).max().item()
        print(f"{what}: logits differ by {off:.2g} of 1 + |theirs|", flush=True)
        self.assertLessEqual(off, TOLERANCE)
        # Adapters that do nothing would be equal, too.
        self.assertGreater((theirs[0] - theirs[1]).abs().max().item(), 1e-3)

    # ---- ours, read by theirs ----------------------------------------------------------------

    def train(self, options):
        """A folder with adapters and a head that learned a little."""
        texts = self.folder / "texts.tsv"
        texts.write_text("label\ttext_a\n" + "".join(
            f"{i % 3}\t{text}\n" for i, text in enumerate(TEXTS)))
        out = self.folder / "ours"
        run("finetune", "--model", MODEL, "--train", texts, "--epochs", "6", "--lr", "0.02",
            "--warmup", "0", "--name", "interop", *options, "-o", out)
        return out

    def load_strictly(self, folder):
        """Everything in the files is in the model then, and nothing of the adapter is elsewhere."""
        log, warnings = logging.getLogger("adapters"), Warnings()
        log.addHandler(warnings)
        try:
            name = self.model.load_adapter(str(folder), use_safetensors=True, set_active=True)
        finally:
            log.removeHandler(warnings)
        wrong = [sentence for sentence in warnings.sentences
                 if any(word in sentence for word in ("weights", "missing", "unexpected"))]
        self.assertEqual(wrong, [])
        self.assertEqual(name, "interop")
        state = self.model.state_dict()
        for file, part in (("adapter.safetensors", ".adapters.interop."),
                           ("model_head.safetensors", "heads.interop.")):
            written = load_file(folder / file)
            self.assertEqual(set(written), {key for key in state if part in key})
            for key, tensor in written.items():
                self.assertTrue(torch.equal(tensor, state[key]), key)

    def test_folders_of_ours_are_read_by_theirs(self):
        for name, options in OURS.items():
            with self.subTest(name):
                self.setUp()
                folder = self.train(options)
                self.load_strictly(folder)
                self.compare(logits_of_ours(folder), logits_of_theirs(self.model),
                             f"ours to theirs, {name}")

    # ---- theirs, read by ours ----------------------------------------------------------------

    def make_theirs(self, name, config):
        """An adapter and a head with random numbers in all of their parameters."""
        torch.manual_seed(0)
        self.model.add_adapter(name, config=config)
        self.model.add_classification_head(name, num_labels=3)
        self.model.set_active_adapters(name)
        with torch.no_grad():
            for key, parameter in self.model.named_parameters():
                if f".adapters.{name}." in key or f"heads.{name}." in key:
                    parameter.add_(0.2 * torch.randn_like(parameter))

    def test_folders_of_theirs_are_read_by_ours(self):
        for name, config in THEIRS.items():
            for safe in (True, False):
                with self.subTest(name, safetensors=safe):
                    self.setUp()
                    self.make_theirs(name, config)
                    folder = self.folder / "theirs"
                    self.model.save_adapter(str(folder), name, use_safetensors=safe)
                    form = "safetensors" if safe else "pickle"
                    self.compare(logits_of_ours(folder), logits_of_theirs(self.model),
                                 f"theirs to ours, {name}, {form}")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    unittest.main()
