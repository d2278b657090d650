# SPDX-License-Identifier: MIT
"""The encoder with adapters in PyTorch and AdapterHub's `adapters`, and the model alone in Hugging
Face's `transformers`."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import adapters
import torch
import transformers

from encoder_task import CLIP_NORM, LABELS, LEARNING_RATE, padded
from worker import Pass, Unsupported

# No model is downloaded, and nothing but the times is of interest.
transformers.logging.set_verbosity_error()


class Peer:
    def __init__(self, threads, task, dropout):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.task = task
        self.dropout = dropout
        # What the model's own dropout costs shows in training only.
        self.passes = ("step",) if dropout else ("step", "forward", "base")
        self.name = (f"AdapterHub {adapters.__version__}, PyTorch {torch.__version__}"
                     + (", the model's dropout as shipped" if dropout else ", dropout off"))
        self.model = self.alone = None

    def prepare(self, pass_name, problem):
        if pass_name == "base":
            return Base(self.load_alone(), problem)
        model = self.load()
        return Step(model, problem) if pass_name == "step" else Forward(model, problem)

    def load(self):
        if self.model is None:
            off = {} if self.dropout else {"hidden_dropout_prob": 0.0,
                                           "attention_probs_dropout_prob": 0.0}
            config = transformers.AutoConfig.from_pretrained(self.task.model, **off)
            self.model = adapters.AutoAdapterModel.from_pretrained(self.task.model, config=config)
            self.model.add_adapter("bench", config=self.task.config)
            self.model.add_classification_head("bench", num_labels=LABELS)
            self.model.train_adapter("bench")
            self.model.set_active_adapters("bench")
        return self.model

    def load_alone(self):
        if self.alone is None:
            self.alone = transformers.AutoModel.from_pretrained(self.task.model,
                                                                add_pooling_layer=False).eval()
        return self.alone


class Batched(Pass):
    """Tensors are made once, padded to each batch's longest sequence, with a mask that says so."""

    def __init__(self, model, problem):
        self.model = model
        self.batches = []
        for batch in problem.batches:
            ids, mask = map(torch.tensor, padded(batch))
            self.batches.append({"input_ids": ids, "attention_mask": mask})
        self.last = None

    def results(self):
        if not torch.isfinite(self.last).all():
            raise Unsupported("a result is not finite")
        return {}


class Base(Batched):
    @torch.inference_mode()
    def run(self):
        for batch in self.batches:
            self.last = self.model(**batch).last_hidden_state


class Forward(Batched):
    @torch.inference_mode()
    def run(self):
        self.model.eval()
        for batch in self.batches:
            self.last = self.model(**batch).logits


class Step(Batched):
    def __init__(self, model, problem):
        super().__init__(model, problem)
        self.labels = [torch.arange(len(batch["input_ids"])) % LABELS for batch in self.batches]
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=LEARNING_RATE, fused=True)

    def run(self):
        self.model.train()
        for batch, labels in zip(self.batches, self.labels):
            self.optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(self.model(**batch).logits, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.trained, CLIP_NORM)
            self.optimizer.step()
            self.last = loss.detach()
