# SPDX-License-Identifier: MIT
"""adapter-cl bench: the shape of its reports. How fast it is depends on the machine."""

import csv
import io
import json
import signal
import subprocess
import unittest

from support import PROGRAM, CliTest

KEYS = {"device", "driver", "platform", "version", "bench", "engine", "rows", "hidden",
        "bottleneck", "pass", "ms_median", "ms_min", "gflops", "gbs", "peak_gflops", "peak_gbs",
        "share_of_peak"}


class Bench(CliTest):

    SMALL = ["bench", "adapter", "--rows", "1,33", "--hidden", "16", "--bottleneck", "4"]

    def check_rows(self, rows):
        self.assertEqual([(row["rows"], row["pass"]) for row in rows],
                         [(1, "forward"), (1, "forward_backward"),
                          (33, "forward"), (33, "forward_backward")])
        for row in rows:
            self.assertLessEqual(KEYS, set(row))
            self.assertLessEqual(row["ms_min"], row["ms_median"])
            factor = 4 if row["pass"] == "forward" else 12
            flop = factor * row["rows"] * row["hidden"] * row["bottleneck"]
            # Six digits are printed.
            self.assertAlmostEqual(row["gflops"] / (1e-6 * flop / row["ms_median"]), 1, places=4)
            self.assertAlmostEqual(row["share_of_peak"] * row["peak_gflops"] / row["gflops"], 1,
                                   places=4)
            self.assertTrue(0 < row["share_of_peak"] <= 1)

    def test_json_has_the_promised_keys(self):
        self.check_rows(json.loads(self.done(*self.SMALL, "-o", "json")))

    def test_json_lines_and_csv_have_the_same_rows(self):
        self.check_rows([json.loads(line)
                         for line in self.done(*self.SMALL, "-o", "jsonl").splitlines()])
        rows = list(csv.DictReader(io.StringIO(self.done(*self.SMALL, "-o", "csv"))))
        text = {"device", "driver", "platform", "version", "bench", "engine", "pass"}
        self.check_rows([{key: value if key in text else float(value)
                          for key, value in row.items()} for row in rows])

    def test_markdown_is_a_table_with_the_peak_above(self):
        lines = self.done(*self.SMALL[:1], *self.SMALL[2:]).splitlines()
        self.assertIn("GFLOP/s", lines[1])
        table = [line for line in lines if line.startswith("|")]
        self.assertEqual(len(table), 2 + 4)
        self.assertEqual(len({line.count("|") for line in table}), 1)

    def test_shapes_come_from_a_file(self):
        shapes = self.path("shapes.txt")
        shapes.write_text("# rows hidden bottleneck\n\n 2 8  3\n1 4 4\n")
        rows = json.loads(self.done("bench", "--shapes", shapes, "-o", "json"))
        self.assertEqual([(row["rows"], row["hidden"], row["bottleneck"]) for row in rows[::2]],
                         [(2, 8, 3), (1, 4, 4)])

    def test_an_interrupt_ends_it(self):
        process = subprocess.Popen([PROGRAM, *self.SMALL], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        process.stderr.readline()  # it has begun
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)

    def test_bad_input_is_refused_in_a_sentence(self):
        for text, says in (("2 8", "line 1"), ("# none\n", "got none"), ("1 2 3\n4 0 1", "line 2"),
                           ("1 2 3 4", "line 1"), ("1 2 -3", "line 1")):
            with self.subTest(text):
                shapes = self.path("shapes.txt")
                shapes.write_text(text)
                self.refused("bench", "--shapes", shapes, says=["shapes.txt", says])
        self.refused("bench", "--shapes", self.path("gone"), says="gone")
        self.refused("bench", "gemm", status=2, says=["gemm", "adapter"])
        self.refused("bench", "-o", "yaml", status=2, says=["yaml", "jsonl"])
        self.refused("bench", "--rows", "1,,2", status=2, says="--rows")
        self.refused("bench", "--rows", "1,0", says=["--rows", "got 0"])
        self.refused("bench", "--report", "r.html", status=2, says="--report")


if __name__ == "__main__":
    unittest.main()
