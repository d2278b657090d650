# SPDX-License-Identifier: MIT
"""adapter-cl apply: y = adapter(x) and its gradients, against the formulas in plain Python."""

import math
import resource
import signal
import subprocess
import unittest

from support import PROGRAM, Array, CliTest, matrix, read_npy, read_safetensors, write_npy
from support import write_safetensors

ROWS, HIDDEN, BOTTLENECK = 5, 6, 3

# f32 sums of at most six products of numbers below 1 are off by a few roundings of 6e-8.
TOLERANCE = 2e-6


def parameters(name="adapter", first=0):
    return {
        f"{name}_down.kernel": matrix(HIDDEN, BOTTLENECK, first),
        f"{name}_down.bias": Array([BOTTLENECK], matrix(1, BOTTLENECK, first + 40).values),
        f"{name}_up.kernel": matrix(BOTTLENECK, HIDDEN, first + 50),
        f"{name}_up.bias": Array([HIDDEN], matrix(1, HIDDEN, first + 80).values),
    }


def metadata(name="adapter", **options):
    return {"format": "adapter_cl", "format_version": "1", "name": name, "activation": "tanh",
            "hidden_size": str(HIDDEN), "bottleneck_size": str(BOTTLENECK), **options}


def product(a, b):
    return [[sum(x * y for x, y in zip(row, col)) for col in zip(*b)] for row in a]


def transposed(a):
    return [list(col) for col in zip(*a)]


def flat(rows):
    return [value for row in rows for value in row]


def forward(p, x, scaling=1.0, parallel=False):
    """y and h of the adapter with tanh."""
    down, up = p["adapter_down.kernel"].rows(), p["adapter_up.kernel"].rows()
    z = [[v + b for v, b in zip(row, p["adapter_down.bias"].values)] for row in product(x, down)]
    h = [[math.tanh(v) for v in row] for row in z]
    u = [[scaling * (v + b) for v, b in zip(row, p["adapter_up.bias"].values)]
         for row in product(h, up)]
    y = [[(0 if parallel else a) + b for a, b in zip(*rows)] for rows in zip(x, u)]
    return y, h


def backward(p, x, h, dy):
    down, up = p["adapter_down.kernel"].rows(), p["adapter_up.kernel"].rows()
    dz = [[g * (1 - v * v) for g, v in zip(*rows)] for rows in zip(product(dy, transposed(up)), h)]
    dx = [[a + b for a, b in zip(*rows)] for rows in zip(dy, product(dz, transposed(down)))]
    return {
        "x": dx,
        "adapter_down.kernel": product(transposed(x), dz),
        "adapter_down.bias": [[sum(col) for col in zip(*dz)]],
        "adapter_up.kernel": product(transposed(h), dy),
        "adapter_up.bias": [[sum(col) for col in zip(*dy)]],
    }


class Apply(CliTest):

    def setUp(self):
        super().setUp()
        self.p = parameters()
        self.adapter = write_safetensors(self.path("a.safetensors"), self.p, metadata())
        self.x = matrix(ROWS, HIDDEN, 3)
        self.x_path = write_npy(self.path("x.npy"), self.x.shape, self.x.values)
        self.y_path = self.path("y.npy")

    def expected(self, **options):
        return Array((ROWS, HIDDEN), flat(forward(self.p, self.x.rows(), **options)[0]))

    def apply(self, *options, x=None, adapter=None):
        self.done("apply", adapter or self.adapter, x or self.x_path, "-o", self.y_path, *options)
        return read_npy(self.y_path)

    def test_y_is_what_the_formula_says(self):
        self.assert_close(self.apply(), self.expected(), TOLERANCE)

    def test_the_reference_engine_agrees(self):
        self.assert_close(self.apply("--engine", "reference"), self.expected(), 1e-7)

    def test_half_precision_and_fortran_order_are_read(self):
        half = write_npy(self.path("h.npy"), self.x.shape, self.x.values, "<f2")
        self.assert_close(self.apply(x=half), self.expected(), TOLERANCE)
        columns = flat(transposed(self.x.rows()))
        fortran = write_npy(self.path("f.npy"), self.x.shape, columns, fortran=True)
        self.assert_close(self.apply(x=fortran), self.expected(), TOLERANCE)

    def test_every_rank_from_two_keeps_its_shape(self):
        x = write_npy(self.path("x3.npy"), (1, ROWS, 1, HIDDEN), self.x.values)
        y = self.apply(x=x)
        self.assertEqual(y.shape, (1, ROWS, 1, HIDDEN))
        self.assert_close(Array((ROWS, HIDDEN), y.values), self.expected(), TOLERANCE)

    def test_no_rows_give_no_rows(self):
        self.assertEqual(self.apply(x=write_npy(self.path("n.npy"), (0, HIDDEN), [])).shape,
                         (0, HIDDEN))

    def test_nan_stays_in_its_row(self):
        values = [math.nan] * HIDDEN + self.x.values[HIDDEN:]
        y = self.apply(x=write_npy(self.path("nan.npy"), self.x.shape, values))
        self.assertTrue(all(map(math.isnan, y.values[:HIDDEN])))
        self.assert_close(Array((ROWS - 1, HIDDEN), y.values[HIDDEN:]),
                          Array((ROWS - 1, HIDDEN), self.expected().values[HIDDEN:]), TOLERANCE)

    def test_scaling_and_parallel_placement_of_the_file_are_used(self):
        write_safetensors(self.adapter, self.p, metadata(scaling="0.5", parallel="1"))
        self.assert_close(self.apply(), self.expected(scaling=0.5, parallel=True), TOLERANCE)

    def test_other_dtypes_need_cast(self):
        for descr in "<f8", "<i4", "|i1":
            with self.subTest(descr):
                values = [round(v) for v in self.x.values]
                x = write_npy(self.path("c.npy"), self.x.shape, values, descr)
                self.refused("apply", self.adapter, x, "-o", self.path("z.npy"),
                             says=[descr, "--cast"])
                self.x.values = values
                self.assert_close(self.apply("--cast", x=x), self.expected(), TOLERANCE)

    def test_gradients_are_those_of_the_formula(self):
        dy = matrix(ROWS, HIDDEN, 77)
        dy_path = write_npy(self.path("dy.npy"), dy.shape, dy.values)
        # Dropout is for training: here the gradients are those of the y that is written.
        write_safetensors(self.adapter, self.p, metadata(dropout="0.5"))
        y = self.apply("--grad", dy_path, "--grads", self.path("g.safetensors"))
        self.assert_close(y, self.expected(), TOLERANCE)
        got, _ = read_safetensors(self.path("g.safetensors"))
        _, h = forward(self.p, self.x.rows())
        expected = backward(self.p, self.x.rows(), h, dy.rows())
        self.assertEqual(sorted(got), sorted(expected))
        for name, rows in expected.items():
            shape = self.p[name].shape if name in self.p else dy.shape
            with self.subTest(name):
                self.assert_close(got[name], Array(shape, flat(rows)), TOLERANCE)

    def test_gradients_add_up_over_the_parts_of_a_large_file(self):
        rows = 4096 + 3
        x = write_npy(self.path("l.npy"), (rows, HIDDEN), [1.0] * (rows * HIDDEN))
        y = self.apply("--grad", x, "--grads", self.path("g.safetensors"), x=x)
        one = forward(self.p, [[1.0] * HIDDEN])[0]
        self.assert_close(y, Array((rows, HIDDEN), one[0] * rows), TOLERANCE)
        got, _ = read_safetensors(self.path("g.safetensors"))
        # Sums of ones are exact in f32 up to 2 to the 24th.
        self.assertEqual(got["adapter_up.bias"].values, [float(rows)] * HIDDEN)
        self.assertEqual(got["x"].shape, (rows, HIDDEN))

    def test_a_file_of_several_adapters_needs_a_name(self):
        both = write_safetensors(self.path("both.safetensors"),
                                 {**self.p, **parameters("second", 5)},
                                 {**metadata(), "second.activation": "relu"})
        self.refused("apply", both, self.x_path, "-o", self.y_path, says=["adapter", "second"])
        self.refused("apply", both, self.x_path, "-o", self.y_path, "--name", "third",
                     says=["third", "second"])
        self.assert_close(self.apply("--name", "adapter", adapter=both), self.expected(),
                          TOLERANCE)

    def test_a_file_without_metadata_needs_an_activation(self):
        bare = write_safetensors(self.path("bare.safetensors"), self.p)
        self.refused("apply", bare, self.x_path, "-o", self.y_path, says="--activation")
        self.assert_close(self.apply("--activation", "tanh", adapter=bare), self.expected(),
                          TOLERANCE)
        self.refused("apply", self.adapter, self.x_path, "-o", self.y_path, "--activation", "gelu",
                     says=["--activation", "tanh", "gelu"])

    def test_bad_input_is_refused_in_a_sentence(self):
        def refused(says, *arguments):
            with self.subTest(says):
                self.refused("apply", *arguments, "-o", self.path("z.npy"), says=says)
        for cols in 1, HIDDEN - 1:
            x = write_npy(self.path(f"w{cols}.npy"), (ROWS, cols), self.x.values[:ROWS * cols])
            refused([f"expected a last axis of {HIDDEN}", f"got {cols}"], self.adapter, x)
        refused(["at least 2 axes", "got 1"], self.adapter,
                write_npy(self.path("r1.npy"), (HIDDEN,), self.x.values[:HIDDEN]))
        refused("nothing.npy", self.adapter, self.path("nothing.npy"))
        refused("nothing.safetensors", self.path("nothing.safetensors"), self.x_path)
        cut = self.path("cut.npy")
        cut.write_bytes(self.x_path.read_bytes()[:-1])
        refused(["cut.npy", "expected", "got"], self.adapter, cut)
        cut = self.path("cut.safetensors")
        cut.write_bytes(self.adapter.read_bytes()[:-1])
        refused("cut.safetensors", cut, self.x_path)
        refused("x.npy", self.x_path, self.x_path)

    def test_gradients_of_another_shape_are_refused(self):
        dy = write_npy(self.path("dy.npy"), (HIDDEN, ROWS), self.x.values)
        self.refused("apply", self.adapter, self.x_path, "-o", self.y_path, "--grad", dy,
                     "--grads", self.path("g.safetensors"), says=["dy.npy", "shape"])

    def test_outputs_that_cannot_be_are_refused(self):
        self.path("folder").mkdir()
        for name, says in ("folder", "folder"), ("no/y.npy", "cannot be created"):
            with self.subTest(name):
                self.refused("apply", self.adapter, self.x_path, "-o", self.path(name), says=says)
        # Both files or none: the gradients cannot be written, so y is not either.
        self.refused("apply", self.adapter, self.x_path, "-o", self.y_path, "--grad", self.x_path,
                     "--grads", self.path("no/g.safetensors"), says="no/g.safetensors")
        # And the other way round: beside y, whose name is as long as can be, no file can be made.
        self.refused("apply", self.adapter, self.x_path, "-o", self.path("y" * 255), "--grad",
                     self.x_path, "--grads", self.path("g.safetensors"), says="too long")

    def test_a_full_disk_leaves_nothing_behind(self):
        rows = 200000  # 4.8 MB; the compiler in a driver needs files of its own, but smaller ones
        x = write_npy(self.path("l.npy"), (rows, HIDDEN), [1.0] * (rows * HIDDEN))
        command = ["apply", self.adapter, x, "-o", self.y_path, "--grad", x, "--grads",
                   self.path("g.safetensors")]
        self.done(*command)  # so that all kernels are compiled: their cache is on the disk too
        before = self.files()

        def limit_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000000, 4000000))
        result = subprocess.run([PROGRAM, *map(str, command)], capture_output=True, text=True,
                                preexec_fn=limit_files)
        self.assert_failed(result)
        self.assertIn("File too large", result.stderr)
        self.assertEqual(self.files(), before)

    def test_options_that_need_each_other(self):
        for arguments, says in (
                (["-o", self.y_path, "--grad", self.x_path], "--grads"),
                (["-o", self.y_path, "--grads", self.y_path], "--grad"),
                (["-o", self.y_path, "--grad", self.x_path, "--grads", self.y_path], "twice"),
                ([], "-o is missing")):
            with self.subTest(says):
                self.refused("apply", self.adapter, self.x_path, *arguments, says=says, status=2)


if __name__ == "__main__":
    unittest.main()
