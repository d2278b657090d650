#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the symbols that the library exports with the functions that its headers declare.

usage: exported_symbols.py LIBRARY.so HEADER.h …
"""
import pathlib
import re
import subprocess
import sys


def exported(library):
    listing = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", library],
                             check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listing.splitlines()}


def declared(headers):
    declaration = re.compile(r"^ADCL_API\b[^;(]*?\b(\w+)\(", re.MULTILINE)
    return {name for header in headers
            for name in declaration.findall(pathlib.Path(header).read_text(encoding="utf-8"))}


def main(library, *headers):
    have, want = exported(library), declared(headers)
    for name in sorted(have - want):
        print("exported, but in no header:", name)
    for name in sorted(want - have):
        print("declared, but not exported:", name)
    print(len(have & want), "symbols are declared and exported")
    return have != want or not want


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
