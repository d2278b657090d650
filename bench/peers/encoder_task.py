# SPDX-License-Identifier: MIT
"""The work of an encoder with adapters: the model, the texts, and the batches that a worker runs.

compare.py writes it to a file and workers read it: everybody has the same texts, as tokens."""

import json
import pathlib
import random
import tempfile
import typing

LABELS = 6
# So little that thousands of steps leave the adapters what they were.
LEARNING_RATE = 1e-6
CLIP_NORM = 1.0


class Problem(typing.NamedTuple):
    """The batches of one shape: lists of sequences of ids."""
    batches: list

    def check(self, pass_name, results):
        """Peers verify themselves when they start: see check.json there."""
        del pass_name, results


def padded(batch):
    """(ids, mask) as lists of lists, every sequence as long as the longest."""
    longest = max(map(len, batch))
    ids = [list(sequence) + [0] * (longest - len(sequence)) for sequence in batch]
    mask = [[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in batch]
    return ids, mask


class EncoderTask:
    """`folder`: where its files are; `texts`: lists of ids; `batch` of them are a batch."""

    def __init__(self, folder, model, config, texts, batch):
        self.folder = pathlib.Path(folder)
        self.model = model
        self.config = config
        self.texts = texts
        self.batch = batch
        with open(pathlib.Path(model, "config.json"), encoding="utf-8") as file:
            self.vocabulary = json.load(file)["vocab_size"]

    @property
    def path(self):
        return str(self.folder / "task.json")

    @property
    def texts_path(self):
        """The same texts for adapter-cl."""
        return str(self.folder / "texts.tsv")

    def write(self):
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump({"model": self.model, "config": self.config, "texts": self.texts,
                       "batch": self.batch}, file)

    @classmethod
    def read(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(pathlib.Path(path).parent, **json.load(file))

    def problem(self, sequences, length, is_sorted):
        sequences, length = int(sequences), int(length)
        if length == 0:
            texts = sorted(self.texts, key=len) if int(is_sorted) else self.texts
            return Problem([texts[i:i + sequences] for i in range(0, len(texts), sequences)])
        ids = random.Random(1)
        return Problem([[[ids.randrange(self.vocabulary) for _ in range(length)]
                         for _ in range(sequences)]])


# ---- texts -----------------------------------------------------------------------------------

def choose_texts(path, batch, batches, seed=0):
    """A shuffled sample of the text_a of a TSV file: a whole number of batches, at most `batches`.
    ValueError with a sentence."""
    with open(path, encoding="utf-8") as file:
        head, *lines = file.read().splitlines()
    names = head.split("\t")
    if "text_a" not in names:
        raise ValueError(f"{path}: expected a header with text_a, got {head[:80]!r}")
    place = names.index("text_a")
    texts = [line.split("\t")[place] for line in lines if line.count("\t") >= place]
    random.Random(seed).shuffle(texts)
    count = min(batches, len(texts) // batch) * batch
    if count == 0:
        raise ValueError(f"{path}: expected at least {batch} texts, got {len(texts)}")
    return texts[:count]


def write_texts(path, texts):
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in ("text_a", *texts)))


def tokenize(run, model, texts):
    """The ids of each text, from adapter-cl; run(*arguments) gives what it prints."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as lines:
        for text in texts:
            print(json.dumps({"text": text}), file=lines)
        lines.flush()
        printed = run("tokenize", "--model", model, "--input", lines.name)
    return [json.loads(line)["ids"] for line in printed.splitlines()]
