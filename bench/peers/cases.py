# SPDX-License-Identifier: MIT
"""What is measured: a pass of one adapter at one shape, from text files."""

import typing

PASSES = ("forward", "forward+backward", "step")
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


def parse_case(line):
    """The case of a line `pass rows hidden bottleneck [activation]`; ValueError with a sentence."""
    words = line.split()
    if len(words) not in (4, 5):
        raise ValueError("expected `pass rows hidden bottleneck [activation]`")
    pass_name, sizes, activation = words[0], words[1:4], (words[4:] or ["relu"])[0]
    if pass_name not in PASSES:
        raise ValueError(f"expected a pass of {', '.join(PASSES)}, got {pass_name}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"expected an activation of {', '.join(ACTIVATIONS)}, got {activation}")
    if not all(size.isascii() and size.isdigit() and int(size) > 0 for size in sizes):
        raise ValueError(f"expected whole numbers of at least 1, got {' '.join(sizes)}")
    return Case(pass_name, Shape(*map(int, sizes), activation))


def read_cases(path):
    """The cases of a file, where empty lines and lines that begin with # do not count."""
    cases = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                cases.append(parse_case(line))
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
