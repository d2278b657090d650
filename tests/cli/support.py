# SPDX-License-Identifier: MIT
"""What the tests of adapter-cl share: running it, and its file formats in plain Python."""

import json
import math
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["ADAPTER_CL"]
FEATURES = pathlib.Path(os.environ["ADCL_TEST_FEATURES"])
# scripts/test.sh has programs under AddressSanitizer end with 0 where the leak tracer dies beside a
# driver's threads, whatever they said themselves. Builds without it see every status.
STATUS_MAY_BE_LOST = "exitcode=0" in os.environ.get("ASAN_OPTIONS", "")
TINY = pathlib.Path(__file__).resolve().parents[1] / "golden/tiny"  # models, with adapters


class Array:
    """A shape and its numbers in C order."""

    def __init__(self, shape, values):
        self.shape = tuple(shape)
        self.values = list(values)
        assert len(self.values) == math.prod(self.shape)

    def rows(self):
        """The rows of a matrix; leading axes count as rows."""
        cols = self.shape[-1]
        return [self.values[i:i + cols] for i in range(0, len(self.values), cols)]


NPY_CODES = {"<f2": "e", "<f4": "f", "<f8": "d", "|i1": "b", "<i4": "i", "<i8": "q", "|u1": "B"}


def write_npy(path, shape, values, descr="<f4", fortran=False):
    """`values` lie in the file as given: for Fortran order the caller has them transposed."""
    shape_text = "(" + "".join(f"{size}, " for size in shape) + ")"
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape_text}}}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    values = list(values)
    data = struct.pack(f"<{len(values)}{NPY_CODES[descr]}", *values)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)
    return path


def read_npy(path):
    content = path.read_bytes()
    assert content[:8] == b"\x93NUMPY\x01\x00"
    size = struct.unpack("<H", content[8:10])[0]
    header = eval(content[10:10 + size], {"__builtins__": {}})
    assert not header["fortran_order"]
    count = math.prod(header["shape"])
    code = NPY_CODES[header["descr"]]
    return Array(header["shape"], struct.unpack(f"<{count}{code}", content[10 + size:]))


SAFETENSORS_CODES = {"F32": "f", "I32": "i"}


def read_safetensors(path):
    """{name: Array of its tensor}, metadata."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    metadata = header.pop("__metadata__", {})
    data = content[8 + size:]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        code = SAFETENSORS_CODES[entry["dtype"]]
        values = struct.unpack(f"<{(end - begin) // 4}{code}", data[begin:end])
        tensors[name] = Array(entry["shape"], values)
    return tensors, metadata


def write_safetensors(path, tensors, metadata=None):
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, array in tensors.items():
        chunk = struct.pack(f"<{len(array.values)}f", *array.values)
        header[name] = {"dtype": "F32", "shape": array.shape,
                        "data_offsets": [len(data), len(data) + len(chunk)]}
        data += chunk
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def number(i):
    """A reproducible number in [-1, 1) that f2 can hold."""
    return ((i * 7919 + 13) % 64 - 32) / 32


def matrix(rows, cols, first=0):
    return Array((rows, cols), [number(first + i) for i in range(rows * cols)])


class CliTest(unittest.TestCase):
    """Each test has an empty folder and the program."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def path(self, name):
        return self.folder / name

    def write(self, name, content):
        """A file of this text, or of these bytes."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_program(self, *arguments, environment=None, text_input=None):
        return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                              input=text_input, timeout=600,
                              env={**os.environ, **(environment or {})})

    def assert_failed(self, result, status=1):
        lost = STATUS_MAY_BE_LOST and result.returncode == 0
        self.assertEqual(status if lost else result.returncode, status, result.stderr)

    def done(self, *arguments, environment=None):
        """Runs to success; gives standard output."""
        result = self.run_program(*arguments, environment=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def files(self):
        """All files in the test's folder with their content."""
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def refused(self, *arguments, says, status=1, environment=None):
        """Runs to failure: one sentence with all of `says`, nothing printed, no file touched."""
        before = self.files()
        result = self.run_program(*arguments, environment=environment)
        self.assert_failed(result, status)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1 if status == 1 else 2, result.stderr)
        self.assertTrue(lines[0].startswith("adapter-cl"), result.stderr)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, lines[0])
        self.assertEqual(self.files(), before)

    def assert_close(self, got, expected, tolerance):
        self.assertEqual(got.shape, expected.shape)
        for i, (a, b) in enumerate(zip(got.values, expected.values)):
            self.assertLessEqual(abs(a - b), tolerance * (1 + abs(b)), f"element {i}")
