#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Embeds OpenCL C files into the library.

usage: embed.py OUT.c OUT.h FILE.cl …

Each name.cl becomes `const char adcl__source_name[]`, a NUL-terminated byte array (a string literal
would end at the 4095 characters that C11 promises).
"""
import pathlib
import sys


def byte_array(path):
    # Comments may hold any letters; what a driver's compiler sees is ASCII.
    data = path.read_text(encoding="utf-8").encode("ascii", "replace") + b"\0"
    rows = [", ".join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    return "const char adcl__source_%s[] = {\n    %s};\n" % (path.stem, ",\n    ".join(rows))


def main(out_c, out_h, *inputs):
    paths = [pathlib.Path(name) for name in inputs]
    note = "/* Made by cl/embed.py from the .cl files beside it. */\n"
    declarations = "".join("extern const char adcl__source_%s[];\n" % p.stem for p in paths)
    pathlib.Path(out_h).write_text(
        note + "#ifndef ADCL_KERNEL_SOURCES_H\n#define ADCL_KERNEL_SOURCES_H\n"
        + declarations + "#endif\n")
    pathlib.Path(out_c).write_text(
        note + '#include "kernel_sources.h"\n' + "\n".join(byte_array(p) for p in paths))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
