#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exchanges files with NumPy and with Python's safetensors, in both directions, through the C API.
Usage: interop_files.py LIBRARY. Skipped (exit 77) where the two packages are not installed."""
import ctypes
import pathlib
import sys
import tempfile

try:
    import numpy
    import safetensors
    import safetensors.numpy
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SHAPES = [(), (1,), (7,), (2, 3), (5, 0, 2), (2, 3, 4), (1, 2, 1, 3)]
# In the order of adcl_dtype; bfloat16, which NumPy has not, is left out.
DTYPES = {0: "f4", 1: "i4", 2: "f8", 3: "f2", 5: "i8", 6: "i2", 7: "i1", 8: "u8", 9: "u4",
          10: "u2", 11: "u1", 12: "?"}


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("native_code", ctypes.c_int),
                ("message", ctypes.c_char * 1024)]


class Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_size_t),
                ("shape", ctypes.POINTER(ctypes.c_size_t)), ("data", ctypes.c_void_p),
                ("bytes", ctypes.c_size_t)]


class Metadata(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class Library:
    """The calls that are needed, each with its result's type and with errors as exceptions."""

    def __init__(self, path):
        self.adcl = ctypes.CDLL(path)
        size, pointer = ctypes.c_size_t, ctypes.c_void_p
        for name, result in (("npy_rank", size), ("npy_count", size), ("npy_data", pointer),
                             ("npy_shape", ctypes.POINTER(size)), ("safetensors_count", size),
                             ("safetensors_metadata_count", size),
                             ("safetensors_find", ctypes.POINTER(Entry)),
                             ("safetensors_metadata_get", ctypes.POINTER(Metadata))):
            getattr(self.adcl, "adcl_" + name).restype = result

    def get(self, name, *arguments):
        return getattr(self.adcl, "adcl_" + name)(*arguments)

    def call(self, name, *arguments):
        error = Error()
        if self.get(name, *arguments, ctypes.byref(error)) != 0:
            raise RuntimeError(error.message.decode())

    def load(self, kind, path):
        handle = ctypes.c_void_p()
        self.call(kind + "_load", ctypes.byref(handle), str(path).encode())
        return handle


def shape_of(array):
    return (ctypes.c_size_t * array.ndim)(*array.shape)


def arrays():
    """One array for each dtype and shape, with every byte of it drawn, NaN and all."""
    random = numpy.random.default_rng(0)
    for code, name in DTYPES.items():
        for shape in SHAPES:
            dtype = numpy.dtype(name)
            size = int(numpy.prod(shape, dtype=int)) * dtype.itemsize
            content = random.integers(0, 2 if name == "?" else 256, size, dtype="u1")
            yield code, numpy.frombuffer(content.tobytes(), dtype).reshape(shape)


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(map(str, what)))


def check_loaded_npy(library, path, array):
    handle = library.load("npy", path)
    rank = library.get("npy_rank", handle)
    check(tuple(library.get("npy_shape", handle)[:rank]) == array.shape, path, "shape")
    data = ctypes.string_at(library.get("npy_data", handle), array.nbytes)
    check(data == array.tobytes(), path, "data", array.dtype, array.shape)
    library.get("npy_destroy", ctypes.byref(handle))


def exchange_npy(library, path):
    for code, array in arrays():
        for version in ((1, 0), (2, 0), (3, 0)):
            for order in "CF":
                with open(path, "wb") as file:
                    numpy.lib.format.write_array(file, numpy.asarray(array, order=order), version)
                check_loaded_npy(library, path, array)
        library.call("npy_save", str(path).encode(), code, ctypes.c_size_t(array.ndim),
                     shape_of(array), array.ctypes.data_as(ctypes.c_void_p))
        back = numpy.load(path)
        check(back.dtype == array.dtype and back.shape == array.shape, "numpy.load", array.shape)
        check(back.tobytes() == array.tobytes(), "numpy.load", array.dtype, array.shape)


def exchange_safetensors(library, path):
    tensors = {f"t{i}/ü": (code, array) for i, (code, array) in enumerate(arrays())}
    strings = {"format": "pt", "Schlüssel": "Zeile\n\"2\""}
    plain = {name: array for name, (_, array) in tensors.items()}

    safetensors.numpy.save_file(plain, path, strings)
    handle = library.load("safetensors", path)
    check(library.get("safetensors_count", handle) == len(tensors), "count")
    for name, (code, array) in tensors.items():
        entry = library.get("safetensors_find", handle, name.encode()).contents
        check(entry.dtype == code and tuple(entry.shape[:entry.rank]) == array.shape, name)
        check(ctypes.string_at(entry.data, entry.bytes) == array.tobytes(), name, "data")
    count = library.get("safetensors_metadata_count", handle)
    items = [library.get("safetensors_metadata_get", handle, ctypes.c_size_t(i)).contents
             for i in range(count)]
    check({i.key.decode(): i.value.decode() for i in items} == strings, "metadata")
    library.get("safetensors_destroy", ctypes.byref(handle))

    entries = (Entry * len(tensors))(*(
        Entry(name.encode(), code, array.ndim, shape_of(array), array.ctypes.data, array.nbytes)
        for name, (code, array) in tensors.items()))
    metadata = (Metadata * len(strings))(*(
        Metadata(key.encode(), value.encode()) for key, value in strings.items()))
    library.call("safetensors_save", str(path).encode(), entries, ctypes.c_size_t(len(tensors)),
                 metadata, ctypes.c_size_t(len(strings)))
    with safetensors.safe_open(path, "numpy") as file:
        check(file.metadata() == strings, "safe_open metadata")
        check(set(file.keys()) == set(tensors), "safe_open keys")
        for name, (_, array) in tensors.items():
            back = file.get_tensor(name)
            check(back.dtype == array.dtype and back.shape == array.shape, "safe_open", name)
            check(back.tobytes() == array.tobytes(), "safe_open", name, "data")


def main():
    library = Library(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        exchange_npy(library, pathlib.Path(folder, "x.npy"))
        exchange_safetensors(library, pathlib.Path(folder, "x.safetensors"))


if __name__ == "__main__":
    main()
