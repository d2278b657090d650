# SPDX-License-Identifier: MIT
"""adapter-cl bench: the shape of its reports. How fast it is depends on the machine."""

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import unittest
import xml.etree.ElementTree

from support import PROGRAM, CliTest

TINY_MODEL = pathlib.Path(os.environ["ADCL_TEST_TINY"], "bert")

KEYS = {"device", "driver", "platform", "version", "bench", "engine", "rows", "hidden",
        "bottleneck", "pass", "ms_median", "ms_min", "gflops", "gbs", "peak_gflops", "peak_gbs",
        "share_of_peak", "activation", "n", "d", "r", "median_s", "spread_s", "repeats",
        "workspace_bytes", "bottleneck_bytes"}
TEXT = {"device", "driver", "platform", "version", "bench", "engine", "pass", "activation",
        "verdict"}
SVG = "{http://www.w3.org/2000/svg}"


class Bench(CliTest):

    SMALL = ["bench", "adapter", "--rows", "1,33", "--hidden", "16", "--bottleneck", "4"]

    def check_rows(self, rows):
        self.assertEqual([(row["rows"], row["pass"]) for row in rows if row["engine"] == "gemm"],
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
        self.check_rows([{key: value if key in TEXT else float(value)
                          for key, value in row.items()} for row in rows])

    def test_markdown_is_a_table_with_the_peak_above(self):
        lines = self.done(*self.SMALL[:1], *self.SMALL[2:]).splitlines()
        self.assertIn("GFLOP/s", lines[1])
        table = [line for line in lines if line.startswith("|")]
        rows = [line for line in table if "| gemm |" in line and "forward" in line]
        self.assertEqual(len(rows), 4)
        self.assertEqual({line.count("|") for line in rows}, {table[0].count("|")})

    def test_shapes_come_from_a_file(self):
        shapes = self.path("shapes.txt")
        shapes.write_text("# rows hidden bottleneck\n\n 2 8  3\n1 4 4\n")
        rows = json.loads(self.done("bench", "--shapes", shapes, "-o", "json"))
        self.assertEqual([(row["rows"], row["hidden"], row["bottleneck"]) for row in rows
                          if (row["engine"], row["pass"]) == ("gemm", "forward")],
                         [(2, 8, 3), (1, 4, 4)])

    TINY = ["bench", "--rows", "2", "--hidden", "8", "--bottleneck", "3"]

    def rows(self, *arguments):
        return json.loads(self.done(*self.TINY, *arguments, "-o", "json"))

    def test_passes_and_activations_are_chosen_and_gemm_has_its_row_beside_auto(self):
        rows = self.rows("--passes", "forward,step,latency", "--activation", "gelu,log_sumexp")
        rows = [row for row in rows if row["engine"] == "gemm"]
        self.assertEqual([(row["activation"], row["pass"]) for row in rows],
                         [(activation, name) for activation in ("gelu", "log_sumexp")
                          for name in ("forward", "step", "latency")])
        self.assertEqual(rows[2]["passes_per_sample"], 1)
        self.assertEqual({row["bottleneck_bytes"] for row in rows}, {2 * 3 * 4})

    def test_a_shapes_file_may_name_passes_and_activation(self):
        shapes = self.path("shapes.txt")
        shapes.write_text("2 8 3 step silu\n2 8 3\n")
        rows = json.loads(self.done("bench", "--shapes", shapes, "--format", "json",
                                    "--passes", "forward"))
        self.assertEqual([(row["pass"], row["activation"])
                          for row in rows if row["engine"] == "gemm"],
                         [("step", "silu"), ("forward", "relu")])

    def test_all_engines_and_devices(self):
        result = self.run_program(*self.TINY, "--engine", "all", "--device", "all",
                                  "--passes", "forward", "-o", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = json.loads(result.stdout)
        engines = [row["engine"] for row in rows]
        self.assertLessEqual({"gemm", "reference"}, set(engines))
        # What the library lacks is said by name.
        self.assertTrue("fused" in engines or "engine fused: passed over" in result.stderr)
        listed = json.loads(self.done("devices", "-o", "json"))
        self.assertEqual({row["device"] for row in rows},
                         {device["name"] for device in listed if device["usable"]})

    def test_rounds_give_the_rows_of_one(self):
        once = self.rows("--engine", "reference")
        thrice = self.rows("--engine", "reference", "--rounds", "3")
        self.assertEqual([row["pass"] for row in thrice], [row["pass"] for row in once])
        self.assertGreaterEqual(min(row["samples"] for row in thrice), 15)
        self.refused("bench", "--rounds", "0", says=["--rounds", "got 0"])

    def test_a_start_is_timed_in_processes_of_its_own(self):
        forward, cold, warm = self.rows("--engine", "reference", "--passes", "forward,start")
        self.assertEqual([row["engine"] for row in (forward, cold, warm)], ["reference"] * 3)
        self.assertEqual((cold["pass"], warm["pass"]), ("start_cold", "start_warm"))
        self.assertEqual(cold["samples"], 1)
        self.assertGreater(warm["samples"], 1)
        self.assertGreater(warm["ms_median"], 0)
        self.assertIsNone(warm["gflops"])
        self.assertIsNone(warm["share_of_peak"])
        self.assertEqual(self.done("bench", "first-forward", "--engine", "reference"),
                         "reference\n")

    def base(self, **row):
        """A baseline file of one row."""
        devices = json.loads(self.done("devices", "-o", "json"))
        name = next(device["name"] for device in devices if device["default"])
        path = self.path("base.json")
        path.write_text(json.dumps([{"device": name, "pass": "forward", **row}]))
        return path

    def test_compare_gives_every_row_a_verdict_and_fails_when_asked_to(self):
        base = self.base(engine="reference", rows=2, hidden=8, bottleneck=3, ms_median=1e-9)
        result = self.run_program(*self.TINY, "--engine", "reference", "--compare", base,
                                  "--fail-slower", "-o", "json")
        rows = {row["pass"]: row for row in json.loads(result.stdout)}
        self.assertEqual(rows["forward"]["verdict"], "slower")
        self.assertEqual(rows["forward_backward"]["verdict"], "new")
        self.assertIsNone(rows["forward_backward"]["speedup"])
        self.assertIn("0 faster, 1 slower, 0 the same, 1 new", result.stderr)
        self.assert_failed(result)
        self.assertIn("rows slower than", result.stderr)

    PEERS = {"machine": "m & n", "date": "today", "rows": [
        {"peer": "Peer <1>", "pass": "forward+backward", "n": 2, "d": 8, "r": 3,
         "activation": "relu", "threads": 2, "median_s": 2e-9, "spread_s": 0, "repeats": 5}]}

    def check_markdown(self, text):
        """Peers stand beside ours, verdicts behind them."""
        head = next(line for line in text.splitlines() if "Peer <1> |" in line)
        row = next(line for line in text.splitlines() if "**2e-06**" in line)
        self.assertEqual(head.count("|"), row.count("|"))
        self.assertIn("forward_backward", row)
        self.assertIn("| faster |", text)

    def check_page(self, page):
        root = xml.etree.ElementTree.parse(page).getroot()
        pictures = list(root.iter(SVG + "svg"))
        titles = " ".join(picture.findtext(SVG + "title") or "" for picture in pictures)
        for title in ("Roofline", "Over N", "Over D"):
            self.assertIn(title, titles)
        text = page.read_text()
        self.assertIn("Peer &lt;1&gt;", text)
        self.assertIn('class="word faster"', text)
        for foreign in ("<script", "src=", "href=", "url(", "@import", "nan", "inf "):
            self.assertNotIn(foreign, text)
        for element in (element for picture in pictures for element in picture.iter()):
            for key in ("x", "y", "width", "height"):  # whatever is drawn has a place
                self.assertLess(abs(float(element.get(key, 0))), 1e4)

    def test_report_is_one_well_formed_page(self):
        peers, page = self.path("peers.json"), self.path("page.html")
        peers.write_text(json.dumps(self.PEERS))
        page.write_text("earlier")
        base = self.base(engine="reference", rows=2, hidden=8, bottleneck=3, ms_median=1e6,
                         ms_min=1e6)
        self.check_markdown(self.done(
            "bench", "--rows", "1,2", "--hidden", "8,9", "--bottleneck", "3", "--engine",
            "reference", "--peers", peers, "--report", page, "--compare", base, "--fail-slower"))
        self.assertEqual([path.name for path in sorted(self.folder.iterdir())],
                         ["base.json", "page.html", "peers.json"])
        self.check_page(page)

    ENCODER = ["bench", "encoder", "--model", TINY_MODEL]
    ENCODER_KEYS = KEYS | {"model", "config", "batches", "sequences", "length", "tokens",
                           "tokens_per_second", "tokens_per_second_spread",
                           "workspace_bytes_per_token", "encoder_bytes"}

    def texts(self):
        path = self.path("texts.tsv")
        path.write_text("label\ttext_a\n" + "".join(
            f"0\tcard {'the ' * (i % 4)}\n" for i in range(9)))
        return path

    def test_an_encoder_is_measured_at_sizes_and_at_texts(self):
        rows = json.loads(self.done(*self.ENCODER, "--sizes", "1x4,3x2", "--input", self.texts(),
                                    "--batch", "4", "--passes",
                                    "forward,step,step_recomputed,base,latency", "-o", "json"))
        several = ["forward", "step", "step_recomputed", "base"]
        self.assertEqual([(row["sequences"], row["length"], row["pass"]) for row in rows],
                         [(1, 4, name) for name in several[:3] + ["latency", "base"]] +
                         [(3, 2, name) for name in several] +
                         [(4, None, name) for name in several])
        for row in rows:
            self.assertLessEqual(self.ENCODER_KEYS, set(row))
            self.assertEqual((row["bench"], row["model"], row["config"], row["hidden"]),
                             ("encoder", "bert", "houlsby", 32))
            self.assertEqual(row["rows"], row["tokens"])
            self.assertAlmostEqual(row["tokens_per_second"] * row["ms_median"] /
                                   (1e3 * row["tokens"]), 1, places=4)
            self.assertTrue(0 < row["share_of_peak"] <= 1)
        self.assertEqual([row["batches"] for row in rows], [1] * 9 + [2] * 4)
        forward, step, recomputed = rows[:3]
        # An encoder for training holds each matrix of a layer a second time.
        self.assertGreater(step["encoder_bytes"], forward["encoder_bytes"])
        self.assertGreater(step["workspace_bytes"], recomputed["workspace_bytes"])
        self.assertGreater(recomputed["workspace_bytes"], forward["workspace_bytes"])
        self.assertAlmostEqual(recomputed["gflops"] * recomputed["ms_median"],
                               step["gflops"] * step["ms_median"], delta=1e-3)
        self.assertGreater(step["gflops"] * step["ms_median"],
                           forward["gflops"] * forward["ms_median"])

    def test_an_encoder_has_its_table_and_its_page_and_is_compared(self):
        arguments = [*self.ENCODER, "--sizes", "2x3", "--passes", "forward", "--config",
                     "pfeiffer", "--engine", "reference"]
        base, page = self.path("base.json"), self.path("page.html")
        base.write_text(self.done(*arguments, "-o", "json"))
        text = self.done(*arguments, "--compare", base, "--report", page)
        self.assertIn("| bert | pfeiffer | 2 × 3 | 6 | forward | reference |", text)
        self.assertNotIn("| new |", text)
        self.assertIn("2 × 3 tokens, bert, pfeiffer", page.read_text())
        xml.etree.ElementTree.parse(page)

    def test_a_start_of_an_encoder_is_timed(self):
        rows = json.loads(self.done(*self.ENCODER, "--sizes", "1x2,2x2", "--passes", "start",
                                    "--engine", "reference", "-o", "json"))
        self.assertEqual([(row["sequences"], row["pass"], row["engine"]) for row in rows],
                         [(1, name, "reference") for name in ("start_cold", "start_warm",
                                                              "first_step_cold",
                                                              "first_step_warm")])
        for work in ("first-answer", "first-step"):
            self.assertEqual(self.done("bench", work, "--model", TINY_MODEL, "--sizes", "1x2",
                                       "--engine", "reference"), "reference\n")

    def test_bad_options_of_an_encoder_are_refused(self):
        self.refused("bench", "encoder", status=2, says="--model")
        self.refused("bench", "encoder", "-q", "--model", self.path("gone"), says="gone")
        for sizes in ("16", "1x", "x2", "0x4", "1x4,", "1x4;2x2", "-1x4"):
            self.refused(*self.ENCODER, f"--sizes={sizes}", status=2, says=["--sizes", sizes])
        self.refused(*self.ENCODER, "--config", "adapterhub", says="adapterhub")
        self.refused(*self.ENCODER, "--input", self.path("gone.tsv"), says="gone.tsv")

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
        self.refused("bench", "--report", self.path("gone") / "r.html", says=["gone", "created"])
        self.refused("bench", "--passes", "sideways", status=2, says=["--passes", "sideways"])
        self.refused("bench", "--activation", "relux", says="relux")
        self.refused("bench", "--engine", "warp", says="warp")
        self.refused("bench", "--fail-slower", status=2, says=["--fail-slower", "--compare"])
        base = self.path("base.json")
        for text, says in (("[{}]", "row 1"), ("[", "line 1"), ("", "empty")):
            base.write_text(text)
            self.refused("bench", "--compare", base, says=["base.json", says])
        base.write_text('{"rows": [{"peer": "P"}]}')
        self.refused("bench", "--peers", base, says=["base.json", "row 1", "pass"])


if __name__ == "__main__":
    unittest.main()
