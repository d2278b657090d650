# SPDX-License-Identifier: MIT
"""adapter-cl tune: what it stores, keeps and prints. How fast it is depends on the machine."""

import json
import signal
import subprocess
import os
import unittest

from support import PROGRAM, CliTest

SMALL = ["tune", "--rows", "5", "--hidden", "16", "--bottleneck", "4", "--candidates", "1"]
ENGINES = {"gemm", "fused"}


class Tune(CliTest):

    def setUp(self):
        super().setUp()
        self.cache = self.path("cache")
        self.environment = {"ADCL_CACHE_DIR": str(self.cache)}

    def tune(self, *arguments):
        text = self.done(*SMALL, "-o", "json", *arguments, environment=self.environment)
        return json.loads(text)

    def stored(self):
        return {path.name: path.read_bytes() for path in self.cache.glob("*.adcl")}

    def test_stores_what_it_found_and_keeps_it(self):
        row, = self.tune()
        self.assertEqual((row["rows"], row["hidden"], row["bottleneck"]), (5, 16, 4))
        self.assertGreater(row["forward_before"], 0)
        self.assertGreater(row["forward_backward_after"], 0)
        self.assertGreater(row["peak_gflops"], 0)
        self.assertIn(row["engine"], ENGINES)
        self.assertLessEqual({"gemm"}, set(row["engines"]))
        self.assertFalse(row["engine_kept"] or row["parameters_kept"])
        first = self.stored()
        self.assertTrue(any(b"16x4" + row["engine"].encode() in value for value in first.values()))
        row, = self.tune()
        self.assertTrue(row["engine_kept"] and row["parameters_kept"])
        self.assertIsNone(row["forward_before"])
        self.assertEqual(self.stored(), first)
        # Other commands find it.
        adapter = self.path("a.safetensors")
        self.done("init", "--hidden", "16", "--bottleneck", "4", "-o", adapter)
        result = self.run_program("bench", "--rows", "1", "--hidden", "16", "--bottleneck", "4",
                                  environment=self.environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("the fastest that was measured", result.stderr)
        row, = self.tune("--force")
        self.assertFalse(row["engine_kept"] or row["parameters_kept"])

    def test_a_damaged_folder_is_rebuilt(self):
        self.tune()
        for path in self.cache.glob("*.adcl"):
            path.write_bytes(path.read_bytes()[:-3] + b"???")
        row, = self.tune()
        self.assertFalse(row["engine_kept"] or row["parameters_kept"])
        row, = self.tune()
        self.assertTrue(row["engine_kept"] and row["parameters_kept"])

    def test_stores_nothing_when_told(self):
        for arguments in (["--dry-run"], ["--cache", "off"]):
            self.tune(*arguments)
            self.assertFalse(self.cache.exists())
        environment = {"ADCL_CACHE_DIR": "", "XDG_CACHE_HOME": "", "HOME": ""}
        result = self.run_program(*SMALL, environment=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("nothing was stored", result.stderr)

    def test_prints_a_table(self):
        lines = self.done(*SMALL, "--dry-run", environment=self.environment).splitlines()
        self.assertIn("peak", lines[0])
        self.assertIn("gemm", lines[-1])

    def test_an_interrupt_ends_it_and_leaves_whole_files(self):
        process = subprocess.Popen([PROGRAM, *SMALL[:-2]], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **self.environment})
        process.stderr.readline()  # it has begun
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        self.assert_failed(process, 130)
        self.assertEqual(out, "")
        self.assertIn("goes on from here", err)
        self.assertEqual(list(self.cache.glob("*.tmp")), [])

    def test_bad_input_is_refused_in_a_sentence(self):
        blocked = self.path("file")
        blocked.write_text("")
        self.refused(*SMALL, "--cache", blocked, says=["file", "folder"])
        self.refused("tune", "--shapes", self.path("gone"), says="gone")
        self.refused("tune", "-o", "md", status=2, says=["md", "json"])
        self.refused("tune", "--candidates", "0", says=["--candidates", "got 0"])
        self.refused("tune", "--tuning", "never", says=["never", "off"])
        self.refused("devices", "extra", status=2, says="extra")


if __name__ == "__main__":
    unittest.main()
