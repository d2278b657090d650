# SPDX-License-Identifier: MIT
"""What is measured: a pass of one adapter at one shape, from text files; or a pass of an encoder
with adapters over batches of tokens."""

import typing

PASSES = ("forward", "forward+backward", "step")
# What adapter-cl bench measures besides.
OURS_ALONE = ("latency", "start", "start_cold", "start_warm")
ACTIVATIONS = ("relu", "gelu", "silu", "tanh")


def milliseconds(seconds):
    """Three digits, never with an exponent."""
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


class Shape(typing.NamedTuple):
    """Of one adapter. What a shape must know: how a table, a JSON row, a worker and a sentence show
    it, how a time is shown, and how many FLOP a pass has."""
    rows: int
    hidden: int
    bottleneck: int
    activation: str

    HEADS = ("N", "D", "R", "activation")

    def cells(self):
        return list(map(str, self))

    def as_json(self):
        return {"n": self.rows, "d": self.hidden, "r": self.bottleneck,
                "activation": self.activation}

    def words(self):
        return f"{self.rows} {self.hidden} {self.bottleneck} {self.activation}"

    def sentence(self):
        return f"({self.rows}, {self.hidden}, {self.bottleneck}), {self.activation}"

    def figure(self, seconds):
        return milliseconds(seconds)

    def flop(self, pass_name):
        """As `adapter-cl bench` counts; a step's loss, clipping and update are not counted."""
        factor = 4 if pass_name == "forward" else 12
        return factor * self.rows * self.hidden * self.bottleneck


class Batches(typing.NamedTuple):
    """Of an encoder: `sequences` of `length` tokens, or of texts (length 0) in several batches. A
    pass is all of them; padding is no token."""
    sequences: int
    length: int
    batches: int
    tokens: int
    is_sorted: bool = False  # texts of similar length are in a batch

    HEADS = ("batch", "tokens")

    def cells(self):
        return [self.sentence(), str(self.tokens)]

    def as_json(self):
        return {"sequences": self.sequences, "length": self.length or None,
                "batches": self.batches, "sorted": self.is_sorted, "tokens": self.tokens}

    def words(self):
        return f"{self.sequences} {self.length} {int(self.is_sorted)}"

    def sentence(self):
        if self.length:
            return f"{self.sequences} × {self.length}"
        return f"{self.batches} × {self.sequences} {'sorted ' if self.is_sorted else ''}texts"

    def figure(self, seconds):
        """Tokens a second; of a single sequence the milliseconds too, for somebody waits for it."""
        rate = f"{self.tokens / seconds:,.0f}"
        return f"{rate} ({milliseconds(seconds)} ms)" if self.tokens == self.length else rate

    def flop(self, pass_name):
        """adapter-cl bench counts them from the model's sizes."""
        del pass_name


class Case(typing.NamedTuple):
    pass_name: str
    shape: typing.Any

    def flop(self):
        return self.shape.flop(self.pass_name)


# What an encoder does: training, inference, and inference without adapters and head.
ENCODER_PASSES = ("step", "forward", "base")
ENCODER_SIZES = ((1, 16), (32, 16), (32, 64), (16, 128))


def encoder_cases(sizes, texts, batch):
    """`texts`: the tokens of each text, a whole number of batches of them."""
    shapes = [Batches(sequences, length, 1, sequences * length) for sequences, length in sizes]
    if texts:
        shapes += [Batches(batch, 0, len(texts) // batch, sum(map(len, texts)), is_sorted)
                   for is_sorted in (False, True)]
    return [Case(name, shape) for shape in shapes for name in ENCODER_PASSES]


def parse_line(line):
    """The cases of a line `rows hidden bottleneck [passes [activation]]`, as in bench/shapes.
    Passes that only we measure are left out. ValueError with a sentence."""
    words = line.split()
    if not 3 <= len(words) <= 5:
        raise ValueError("expected `rows hidden bottleneck [passes [activation]]`")
    sizes = words[:3]
    if not all(size.isascii() and size.isdigit() and int(size) > 0 for size in sizes):
        raise ValueError(f"expected whole numbers of at least 1, got {' '.join(sizes)}")
    activation = words[4] if len(words) > 4 else "relu"
    if activation not in ACTIVATIONS:
        raise ValueError(f"expected an activation of {', '.join(ACTIVATIONS)}, got {activation}")
    shape = Shape(*map(int, sizes), activation)
    passes = parse_passes(words[3]) if len(words) > 3 else ["forward", "forward+backward"]
    return [Case(pass_name, shape) for pass_name in passes]


def parse_passes(text):
    passes = [name.replace("_", "+") for name in text.split(",") if name not in OURS_ALONE]
    for name in passes:
        if name not in PASSES:
            raise ValueError(f"expected passes of {', '.join(PASSES)}, got {name}")
    return passes


def read_cases(path):
    """The cases of a file, where empty lines and lines that begin with # do not count."""
    cases = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                cases += parse_line(line)
            except ValueError as error:
                raise ValueError(f"{path}: line {number}: {error}") from None
    if not cases:
        raise ValueError(f"{path}: expected cases, got none")
    return cases


def group_by_shape(cases):
    """{shape: its passes}, in the order in which the shapes first come."""
    groups = {}
    for case in cases:
        passes = groups.setdefault(case.shape, [])
        if case.pass_name not in passes:
            passes.append(case.pass_name)
    return groups
