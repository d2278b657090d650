#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page of C in README.md is examples/minimal.c, word for word."""
import pathlib
import sys

root = pathlib.Path(sys.argv[1])
licence, page = (root / "examples/minimal.c").read_text().split("\n", 1)
if "```c\n" + page + "```\n" not in (root / "README.md").read_text():
    sys.exit("README.md: expected the page of C to be examples/minimal.c behind its first line")
