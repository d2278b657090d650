#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/peers, without any of the peers: its tables, its files, and how it talks to workers."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PEERS = pathlib.Path(os.environ["ADCL_TEST_PEERS"])
PRODUCTS = os.environ["CLBLAST_PRODUCTS"]
sys.path.insert(0, str(PEERS))

import cases
import compare
import contestants
import encoder_task
import results
import worker

SHAPE = cases.Shape(512, 768, 64, "relu")
CASE = cases.Case("forward", SHAPE)
EAGER = results.Column("PyTorch 9 eager", "PyTorch eager", ours=False, whole=True)
JAX = results.Column("JAX 9", "JAX", ours=False, whole=True)
PRODUCTS_ONLY = results.Column("CLBlast 9", "CLBlast products", ours=False, whole=False)
FUSED = results.Column("adapter_cl 9 fused", "ours: fused", ours=True, whole=True)
GEMM = results.Column("adapter_cl 9 gemm", "ours: gemm", ours=True, whole=True)


def sample(median, spread=0.0, repeats=10):
    return results.Sample(median, spread, repeats)


def example():
    """Three rounds: the fused engine takes 1 ms, JAX 2 ms, PyTorch 4 ms."""
    all_of_it = results.Results("a machine", "2000-01-31", "bench/peers/run.sh")
    for drift in (0.9, 1.0, 1.2):
        for column, seconds in ((EAGER, 4e-3), (FUSED, 1e-3), (JAX, 2e-3), (PRODUCTS_ONLY, 5e-4),
                                (GEMM, 8e-3)):
            all_of_it.add(CASE, 2, column, sample(drift * seconds))
    all_of_it.see_peak(2, 200.0)
    all_of_it.see_peak(2, 190.0)
    return all_of_it


class TextsOfShapes(unittest.TestCase):

    def test_a_line_gives_its_passes(self):
        self.assertEqual(cases.parse_line("1 2 3"),
                         [("forward", (1, 2, 3, "relu")), ("forward+backward", (1, 2, 3, "relu"))])
        self.assertEqual(cases.parse_line("1 2 3 forward_backward,latency,step gelu"),
                         [("forward+backward", (1, 2, 3, "gelu")), ("step", (1, 2, 3, "gelu"))])
        self.assertEqual(cases.parse_line("1 2 3 start"), [])

    def test_bad_lines_are_refused_with_their_number(self):
        for line, says in (("1 2", "rows hidden"), ("1 2 0", "got 1 2 0"), ("1 -2 3", "at least 1"),
                           ("1 2 3 sideways", "sideways"), ("1 2 3 forward sigh", "sigh"),
                           ("1 2 3 forward relu more", "expected `rows")):
            with self.subTest(line), tempfile.NamedTemporaryFile("w") as file:
                print("# a comment\n", line, file=file, sep="\n", flush=True)
                with self.assertRaisesRegex(ValueError, "line 3: .*" + says):
                    cases.read_cases(file.name)

    def test_the_default_shapes_are_readable_and_grouped(self):
        groups = cases.group_by_shape(cases.read_cases(PEERS.parent / "shapes/targets.txt"))
        self.assertEqual(groups[SHAPE], ["forward", "forward+backward", "step"])

    def test_flop_are_those_of_adapter_cl_bench(self):
        self.assertEqual(CASE.flop(), 4 * 512 * 768 * 64)
        self.assertEqual(cases.Case("step", SHAPE).flop(), 12 * 512 * 768 * 64)


class Numbers(unittest.TestCase):

    def test_rounds_are_combined_by_their_median(self):
        combined = results.combine([sample(3.0), sample(1.0), sample(2.0)])
        self.assertEqual((combined.median, combined.repeats), (2.0, 30))
        self.assertEqual(combined.spread, 2.0)

    def test_spread_inside_rounds_counts_where_it_is_more(self):
        self.assertEqual(results.combine([sample(1.0, 0.5), sample(1.0, 0.7)]).spread, 0.6)

    def test_a_sample_is_the_median_of_its_times(self):
        self.assertEqual(results.sample_of([4, 1, 2, 3, 100]), (3, 2, 5))

    def test_ours_is_compared_with_the_best_peer_that_does_all(self):
        (_, _, samples), = example().lines()
        self.assertEqual(results.ours_against_best(samples), 2.0)
        self.assertIsNone(results.ours_against_best({EAGER: sample(1.0)}))
        self.assertIsNone(results.ours_against_best({FUSED: sample(1.0),
                                                     PRODUCTS_ONLY: sample(1.0)}))

    def test_three_digits_without_exponent(self):
        self.assertEqual([cases.milliseconds(s) for s in (2.0801e-5, 1e-3, 0.0123, 1.5)],
                         ["0.0208", "1.00", "12.3", "1500"])


class Table(unittest.TestCase):

    def cells(self, line):
        return [cell.strip() for cell in line.strip("|").split("|")]

    def test_has_everybody_with_ours_last(self):
        head, rule, body = example().table()
        self.assertEqual(self.cells(head)[6:], ["PyTorch eager", "JAX", "CLBlast products",
                                                "ours: fused", "ours: gemm", "best peer ÷ ours",
                                                "of peak"])
        self.assertEqual(self.cells(body),
                         ["forward", "512", "768", "64", "relu", "2", "4.00", "2.00", "**0.500**",
                          "1.00", "8.00", "2.00", "0.50"])
        self.assertEqual(len({len(line) for line in (head, rule, body)}), 1)

    def test_a_narrow_column_has_a_rule_too(self):
        self.assertEqual(results.align(["N"], [["1"]]), ["|  N |", "| -: |", "|  1 |"])

    def test_what_is_missing_is_a_dash(self):
        all_of_it = example()
        all_of_it.add(cases.Case("step", SHAPE), 1, EAGER, sample(1e-3))
        cells = self.cells(all_of_it.table()[3])
        self.assertEqual(cells[5:], ["1", "**1.00**", "–", "–", "–", "–", "–", "–"])

    def test_says_machine_peak_command_versions_and_who_is_missing(self):
        all_of_it = example()
        all_of_it.skip("OpenVINO: not installed")
        all_of_it.skip("OpenVINO: not installed")
        text = all_of_it.as_markdown()
        for part in ("a machine; 2000-01-31", "200.0 GFLOP/s with 2 threads",
                     "`bench/peers/run.sh`", "* PyTorch 9 eager", "* OpenVINO: not installed"):
            self.assertEqual(text.count(part), 1, part)


class Json(unittest.TestCase):

    def test_peers_and_ours_stand_apart(self):
        written = json.loads(json.dumps(example().as_json()))
        self.assertEqual(written["peak_gflops"], 200.0)
        self.assertEqual([row["peer"] for row in written["rows"]],
                         ["PyTorch 9 eager", "JAX 9", "CLBlast 9"])
        self.assertEqual([row["peer"] for row in written["ours"]],
                         ["adapter_cl 9 fused", "adapter_cl 9 gemm"])
        self.assertEqual(written["rows"][1],
                         {"peer": "JAX 9", "pass": "forward", "n": 512, "d": 768, "r": 64,
                          "activation": "relu", "threads": 2, "median_s": 2e-3,
                          "spread_s": 6e-4, "repeats": 30})

    def test_without_a_peak_it_is_null(self):
        self.assertIsNone(results.Results("", "", "").as_json()["peak_gflops"])


BATCHES = cases.Batches(32, 16, 1, 512)


class Encoders(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "config.json").write_text('{"vocab_size": 7}')

    def texts(self, text="label\ttext_a\n" + "".join(f"0\ttext {i}\n" for i in range(7))):
        path = self.folder / "input.tsv"
        path.write_text(text)
        return str(path)

    def task(self, texts=()):
        return encoder_task.EncoderTask(self.folder, str(self.folder), "houlsby", list(texts), 2)

    def test_cases_are_sizes_and_texts_in_three_passes(self):
        texts = [[1, 2], [1], [3, 3, 3], [4]]
        made = cases.group_by_shape(cases.encoder_cases([(1, 16), (32, 64)], texts, 2))
        self.assertEqual(made, {shape: ["step", "forward", "base"] for shape in (
            cases.Batches(1, 16, 1, 16), cases.Batches(32, 64, 1, 2048),
            cases.Batches(2, 0, 2, 7), cases.Batches(2, 0, 2, 7, True))})
        self.assertEqual(cases.encoder_cases([], [], 2), [])

    def test_texts_are_a_shuffled_sample_of_whole_batches(self):
        chosen = encoder_task.choose_texts(self.texts(), 2, 9)
        self.assertEqual((len(chosen), len(set(chosen))), (6, 6))
        self.assertEqual(chosen, encoder_task.choose_texts(self.texts(), 2, 9))
        self.assertEqual(len(encoder_task.choose_texts(self.texts(), 2, 1)), 2)
        for text, says in (("label\tb\n", "text_a"), ("text_a\none\n", "at least 2 texts, got 1")):
            with self.assertRaisesRegex(ValueError, says):
                encoder_task.choose_texts(self.texts(text), 2, 9)

    def test_a_task_is_the_same_for_whoever_reads_it(self):
        task = self.task([[1, 2], [3], [4], [5, 6, 6]])
        task.write()
        read = encoder_task.EncoderTask.read(task.path)
        self.assertEqual(read.problem("2", "0", "0").batches, [[[1, 2], [3]], [[4], [5, 6, 6]]])
        self.assertEqual(read.problem("2", "0", "1").batches, [[[3], [4]], [[1, 2], [5, 6, 6]]])
        (batch,) = read.problem("3", "5", "0").batches
        self.assertEqual([len(sequence) for sequence in batch], [5, 5, 5])
        self.assertLess(max(map(max, batch)), 7)
        self.assertEqual(read.problem("3", "5", "0"), task.problem("3", "5", "0"))

    def test_padding_has_a_mask(self):
        self.assertEqual(encoder_task.padded([[5, 6], [7]]), ([[5, 6], [7, 0]], [[1, 1], [1, 0]]))

    def test_the_table_shows_tokens_a_second_and_what_one_sentence_takes(self):
        all_of_it = results.Results("a machine", "2000-01-31", "bench/peers/run.sh")
        one = cases.Batches(1, 16, 1, 16)
        for shape, ours, theirs in ((one, 2e-3, 4e-3), (BATCHES, 0.1, 0.25)):
            all_of_it.add(cases.Case("base", shape), 2, FUSED, sample(ours))
            all_of_it.add(cases.Case("base", shape), 2, EAGER, sample(theirs))
        all_of_it.see_flop(cases.Case("base", BATCHES), 1e10)
        all_of_it.see_peak(2, 200.0)
        head, _, single, batch = ([cell.strip() for cell in line.strip("|").split("|")]
                                  for line in all_of_it.table())
        self.assertEqual(head[:4], ["pass", "batch", "tokens", "threads"])
        self.assertEqual(single, ["base", "1 × 16", "16", "2", "4,000 (4.00 ms)",
                                  "**8,000 (2.00 ms)**", "2.00", "–"])
        self.assertEqual(batch, ["base", "32 × 16", "512", "2", "2,048", "**5,120**", "2.50",
                                 "0.50"])
        row = all_of_it.as_json()["rows"][1]
        self.assertEqual((row["sequences"], row["length"], row["tokens"]), (32, 16, 512))

    def test_ours_is_asked_for_the_same_batches(self):
        program = self.folder / "adapter-cl"
        program.write_text(f"#!{sys.executable}\n" + FAKE_ENCODER_BENCH)
        program.chmod(0o755)
        seen = {}
        one = contestants.EncoderBench(self.task(), seen.__setitem__, "fused", program, "fused",
                                       "cpu", contestants.Machine(1), lambda gflops: None)
        self.assertEqual(one.measure(BATCHES, ["step", "base"], 3),
                         {"step": (0.1, 0.01, 5), "base": "adapter-cl bench gave no base"})
        self.assertEqual({case: round(flop) for case, flop in seen.items()},
                         {cases.Case("step", BATCHES): 5000000000})
        texts = cases.Batches(2, 0, 2, 7)
        self.assertEqual(one.measure(texts, ["step"], 3), {"step": "expected 7 tokens, got 512"})

    def test_options_of_an_encoder(self):
        folder = str(self.folder)
        options = compare.read_options(["--encoder", folder, "--sizes", "1x2,3x4"])
        self.assertEqual((options.sizes, options.rounds, options.only),
                         ([(1, 2), (3, 4)], 3, list(contestants.ENCODER_DEFAULT)))
        self.assertEqual(compare.read_options([]).only, list(contestants.NAMES))
        for arguments, says in ((["--encoder", folder + "/gone"], "config.json"),
                                (["--encoder", folder, "--only", "jax"], "jax"),
                                (["--encoder", folder, "--sizes", "16"], "1x16"),
                                (["--input", "F.tsv"], "--encoder")):
            said = io.StringIO()
            with contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
                compare.read_options(arguments)
            self.assertIn(says, said.getvalue())

    def test_workers_of_an_encoder_say_what_is_missing(self):
        task = self.task()
        task.write()
        (self.folder / "onnxruntime.py").write_text("raise ImportError('no runtime here')")
        done = subprocess.run([sys.executable, PEERS / "worker.py", "onnxruntime", "1", task.path],
                              text=True, stdout=subprocess.PIPE, check=True,
                              env={**os.environ, "PYTHONPATH": str(self.folder)})
        self.assertEqual(json.loads(done.stdout), {"missing": "ImportError: no runtime here"})


FAKE_ENCODER_BENCH = """
import sys
arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("adapter-cl 9.9")
elif "--help" not in arguments:
    assert arguments[6:8] in (["--sizes", "32x16"], ["--sizes", "none"]), arguments
    print('{"engine": "fused", "pass": "step", "tokens": 512, "ms_median": 100, "ms_spread": 10, '
          '"samples": 5, "gflops": 50, "peak_gflops": 200}')
"""


class Options(unittest.TestCase):

    def refused(self, arguments, says):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as end:
            compare.main(arguments)
        self.assertRegex(f"{end.exception.code} {said.getvalue()}", says)

    def test_wrong_ones_are_refused_before_anything_starts(self):
        for arguments, says in ((["--only", "abacus"], "2 .*abacus"), (["--rounds", "0"], "got 0"),
                                (["--threads", "100000"], "at most"),
                                (["--threads", "1,x"], "got x"),
                                (["--shapes", os.devnull], "got none"), (["--speed"], "--speed")):
            with self.subTest(arguments):
                self.refused([*arguments, "--check"], "(?s)" + says)
        compare.main(["--check"])


class Pages(unittest.TestCase):

    def test_only_what_is_between_the_markers_changes(self):
        page = f"before\n{results.BEGIN_MARKER}\nold\n{results.END_MARKER}\nafter\n"
        once = results.replace_between_markers(page, "new\n")
        self.assertEqual(once, f"before\n{results.BEGIN_MARKER}\n\nnew\n\n{results.END_MARKER}\n"
                               "after\n")
        self.assertEqual(results.replace_between_markers(once, "new\n"), once)

    def test_a_page_without_markers_is_refused(self):
        for page in ("", results.BEGIN_MARKER, results.END_MARKER + results.BEGIN_MARKER):
            with self.assertRaises(ValueError):
                results.replace_between_markers(page, "new")

    def test_the_manual_has_the_markers(self):
        page = compare.PAGE.read_text(encoding="utf-8")
        results.replace_between_markers(page, "")
        results.replace_between_markers(page, "", results.ENCODER_MARKERS)

    def test_the_command_is_told_without_folders(self):
        self.assertEqual(compare.the_command(["--venv", "/a", "--rounds", "2", "--build-dir=/b",
                                              "--output", "/c", "--threads=1,2"]),
                         "bench/peers/run.sh --rounds 2 --threads=1,2")
        self.assertEqual(compare.the_command(["--encoder", "/a/minilm/", "--input=/b/train.tsv",
                                              "--rounds", "2"]),
                         "bench/peers/run.sh --encoder minilm --input train.tsv --rounds 2")


def fake(body):
    """The command of a worker that is a few lines of Python."""
    return [sys.executable, "-c", "import json, sys, time\n" + body]


class Workers(unittest.TestCase):

    def setUp(self):
        self.machine = contestants.Machine(1)

    def start(self, body):
        one = contestants.Worker("Fake", fake(body), self.machine)
        self.addCleanup(one.close)
        return one

    def test_answers_become_samples_and_reasons(self):
        one = self.start('print(json.dumps({"peer": "Fake 1"}), flush=True)\n'
                         'for line in sys.stdin:\n'
                         '    answer = {"times": [2, 1, 3]} if "run forward 512 768 64 relu 3" in '
                         'line else {"skipped": "not today"}\n'
                         '    print(json.dumps(answer), flush=True)')
        self.assertEqual(one.column.name, "Fake 1")
        self.assertEqual(one.measure(SHAPE, ["forward", "step"], 3),
                         {"forward": (2, 2, 3), "step": "not today"})

    def test_they_are_told_how_many_threads_there_are(self):
        one = self.start('import os\nprint(json.dumps({"peer": os.environ["OMP_NUM_THREADS"] + " " '
                         '+ str(len(os.sched_getaffinity(0)))}))')
        self.assertEqual(one.column.name, "1 1")

    def test_one_that_cannot_begin_is_missing_with_its_reason(self):
        for body, says in (('print(json.dumps({"missing": "no such module"}))', "no such module"),
                           ('sys.exit("out of order")', "status 1: out of order"),
                           ('print("hello")', "expected a line of JSON"),
                           ('print("{}")', "unexpected greeting")):
            with self.subTest(body), self.assertRaisesRegex(contestants.Missing, says):
                self.start(body)

    def test_one_that_dies_or_hangs_is_skipped_with_its_reason(self):
        greeting = 'print(json.dumps({"peer": "Fake"}), flush=True)\nsys.stdin.readline()\n'
        dead = self.start(greeting + 'sys.exit("it broke")')
        for _ in range(2):
            self.assertIn("status 1: it broke", dead.measure(SHAPE, ["forward"], 1)["forward"])
        hung = self.start(greeting + "time.sleep(600)")
        hung.answer_seconds = 1  # Not before: on a busy machine Python alone takes that long.
        self.assertIn("no answer", hung.measure(SHAPE, ["forward"], 1)["forward"])

    def test_the_python_worker_warms_up_and_repeats(self):
        class Counter(worker.Pass):
            runs = waits = 0

            def run(self):
                self.runs += 1

            def wait(self):
                self.waits += 1
        counter = Counter()
        times = worker.measure(counter, 4)
        self.assertEqual(len(times), 4)
        self.assertGreater(counter.waits, 4)
        # A pass of nothing is so short that a sample is more than one.
        self.assertGreater(counter.runs, counter.waits)

    def test_a_peer_that_is_not_installed_says_so(self):
        with tempfile.TemporaryDirectory() as empty:
            pathlib.Path(empty, "numpy.py").write_text("raise ImportError('no numpy here')")
            done = subprocess.run([sys.executable, PEERS / "worker.py", "numpy", "1"], text=True,
                                  stdout=subprocess.PIPE, check=True,
                                  env={**os.environ, "PYTHONPATH": empty})
        self.assertEqual(json.loads(done.stdout), {"missing": "ImportError: no numpy here"})


FAKE_BENCH = f"""#!{sys.executable}
import sys
arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("adapter-cl 9.9")
elif "--help" in arguments:
    print(HELP)
elif arguments[arguments.index("--engine") + 1] == "fused":
    sys.exit("adapter-cl bench: no such engine")
else:
    print(open(arguments[arguments.index("--shapes") + 1]).read(), end="", file=sys.stderr)
    for engine, ms in (("gemm", 2.5), ("reference", 99)):
        print('{{"engine": "%s", "pass": "forward_backward", "ms_median": %g, "ms_spread": 0.5, '
              '"samples": 7, "peak_gflops": 123.0}}' % (engine, ms))
"""


class OurBench(unittest.TestCase):

    def start(self, engine, help_text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = pathlib.Path(folder.name, "adapter-cl")
        program.write_text(FAKE_BENCH.replace("HELP", repr(help_text)))
        program.chmod(0o755)
        self.peaks = []
        return contestants.Bench(engine, program, engine, "cpu", contestants.Machine(1),
                                 self.peaks.append)

    def test_its_rows_become_samples_in_seconds(self):
        one = self.start("gemm", "rows hidden bottleneck [passes [activation]]")
        self.assertEqual(one.column.name, "adapter_cl 9.9 gemm")
        self.assertEqual(one.measure(SHAPE, ["forward+backward", "step"], 3),
                         {"forward+backward": (2.5e-3, 5e-4, 7),
                          "step": "adapter-cl bench gave no step"})
        self.assertEqual(self.peaks, [123.0, 123.0])

    def test_an_engine_that_is_not_there_gives_its_sentence(self):
        one = self.start("fused", "")
        self.assertEqual(one.measure(SHAPE, ["forward"], 3),
                         {"forward": "adapter-cl bench: no such engine"})

    def test_an_older_one_is_asked_for_relu_only(self):
        gelu = SHAPE._replace(activation="gelu")
        self.assertEqual(self.start("gemm", "").measure(gelu, ["forward"], 3),
                         {"forward": "this adapter-cl bench measures relu only"})


class Products(unittest.TestCase):

    def test_clblast_speaks_the_protocol_and_checks_itself(self):
        requests = ("run forward 5 16 4 relu 3\nrun forward+backward 33 16 5 relu 2\n"
                    "run step 5 16 4 relu 3\nrun forward 0 16 4 relu 3\nwalk\n")
        done = subprocess.run([PRODUCTS], input=requests, capture_output=True, text=True,
                              timeout=600, check=True)
        greeting, *answers = map(json.loads, done.stdout.splitlines())
        self.assertIn("CLBlast", greeting["peer"])
        self.assertEqual([len(answer.get("times", [])) for answer in answers], [3, 2, 0, 0, 0])
        self.assertEqual(answers[2], {"skipped": "no step"})
        self.assertTrue(all("run PASS" in answer["skipped"] for answer in answers[3:]))

    def test_a_device_that_is_not_there_is_said(self):
        done = subprocess.run([PRODUCTS, "no such device"], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertIn("no such device", json.loads(done.stdout)["missing"])

    def test_a_whole_comparison_skips_who_is_missing(self):
        with tempfile.TemporaryDirectory() as folder, \
                contextlib.redirect_stderr(io.StringIO()), \
                contextlib.redirect_stdout(io.StringIO()) as printed:
            program = pathlib.Path(folder, "bench/peers/clblast_products")
            program.parent.mkdir(parents=True)
            program.symlink_to(PRODUCTS)
            shapes = pathlib.Path(folder, "shapes.txt")
            shapes.write_text("5 16 4\n")
            written = pathlib.Path(folder, "peers.json")
            compare.main(["--build-dir", folder, "--shapes", str(shapes), "--rounds", "2",
                          "--repeats", "3", "--only", "clblast,gemm", "--threads", "1",
                          "--device", os.environ.get("ADCL_DEVICE", "cpu"),
                          "--output", str(written)])
            rows = json.loads(written.read_text(encoding="utf-8"))["rows"]
        self.assertEqual([(row["pass"], row["repeats"]) for row in rows],
                         [("forward", 6), ("forward+backward", 6)])
        self.assertIn("CLBlast products", printed.getvalue())
        self.assertRegex(printed.getvalue(), r"\* gemm: adapter-cl is not there")


if __name__ == "__main__":
    unittest.main()
