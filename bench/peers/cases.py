# SPDX-License-Identifier: MIT
"""What is measured: a pass of one adapter at one shape, from text files."""

import typing

PASSES = ("forward", "forward+backward", "step")
# What adapter-cl bench measures besides.
OURS_ALONE = ("latency", "start", "start_cold", "start_warm")
ACTIVATIONS = ("relu", "gelu", "silu", "tanh")


class Shape(typing.NamedTuple):
    rows: int
    hidden: int
    bottleneck: int
    activation: str


class Case(typing.NamedTuple):
    pass_name: str
    shape: Shape

    def flop(self):
        """As `adapter-cl bench` counts; a step's loss, clipping and update are not counted."""
        factor = 4 if self.pass_name == "forward" else 12
        return factor * self.shape.rows * self.shape.hidden * self.shape.bottleneck


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
