# SPDX-License-Identifier: MIT
"""adapter-cl finetune and eval, on models of a few thousand parameters."""

import json
import math
import os
import random
import re
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree

from support import PROGRAM, TINY, CliTest, read_safetensors

MODEL = TINY / "bert"
FILLERS = "the is was money how what where my new transfer pay work city".split()
CLASSES = {"cards": "card", "banks": "bank", "rivers": "river"}
NAMES = list(CLASSES)

BATCH = 16
TRAIN, DEV = 90, 45
STEPS = math.ceil(TRAIN / BATCH)

RESULTS = ["adapter.safetensors", "adapter_config.json", "head_config.json",
           "model_head.safetensors", "checkpoint.safetensors"]
SPEED = "tokens_per_second"


def texts(count, seed):
    """(class, text): a text's class is that of the one word in it that has a class."""
    source = random.Random(seed)
    result = []
    for _ in range(count):
        name = source.choice(NAMES)
        words = [source.choice(FILLERS) for _ in range(source.randint(1, 5))]
        words.insert(source.randrange(len(words) + 1), CLASSES[name])
        result.append((name, " ".join(words)))
    return result


def tsv(examples, header="label\ttext_a"):
    return "\n".join([header, *("\t".join(map(str, example)) for example in examples), ""])


class FinetuneTest(CliTest):

    OPTIONS = ["--model", MODEL, "--reduction-factor", 4, "--lr", "1e-2", "--batch", BATCH,
               "--epochs", 2]

    def setUp(self):
        super().setUp()
        self.train_path = self.write("train.tsv", tsv(texts(TRAIN, 1)))
        self.dev_path = self.write("dev.tsv", tsv(texts(DEV, 2)))
        self.run_path = self.path("run")

    def command(self, *options, folder=None):
        return ["finetune", "--train", self.train_path, "--dev", self.dev_path, *self.OPTIONS, "-o",
                folder or self.run_path, *options]

    def finetune(self, *options, folder=None):
        return self.done(*self.command(*options, folder=folder))

    def eval(self, *options, folder=None, data=None):
        return json.loads(self.done("eval", "--model", MODEL, folder or self.run_path,
                                    data or self.dev_path, "-o", "json", *options))

    def results(self, folder=None, names=RESULTS):
        return [((folder or self.run_path) / name).read_bytes() for name in names]

    def log(self, folder=None):
        """The log without its speeds."""
        lines = ((folder or self.run_path) / "log.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k != SPEED} for line in lines]

    def losses(self, folder=None):
        return [line["loss"] for line in self.log(folder) if "loss" in line]

    def evaluations(self, folder=None):
        return [line for line in self.log(folder) if "loss" not in line]


class Finetune(FinetuneTest):

    def test_it_learns_and_says_how_well(self):
        output = self.finetune("--epochs", 25)
        self.assertRegex(output, r"^accuracy \d\.\d{4}\n$")
        self.assertGreater(float(output.split()[-1]), 0.8)
        self.assertEqual(sorted(os.listdir(self.run_path)), sorted([*RESULTS, "log.jsonl"]))
        self.assertEqual(f"accuracy {self.eval()['accuracy']:.4f}\n", output)
        config = json.loads((self.run_path / "head_config.json").read_text())["config"]
        self.assertEqual(config["label2id"], {label: i for i, label in enumerate(
            dict.fromkeys(label for label, _ in texts(TRAIN, 1)))})

    def test_the_log_has_a_line_for_each_step_and_each_evaluation(self):
        self.finetune("--log", self.path("copy.jsonl"))
        lines = [json.loads(line) for line in self.path("copy.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "loss" in line]
        self.assertEqual([line["step"] for line in steps], list(range(1, 2 * STEPS + 1)))
        for line in steps:
            self.assertEqual(set(line), {"step", "epoch", "loss", "lr", "grad_norm", SPEED})
        # Warm-up of a tenth of the steps, which are 12 here, then down to 0.
        rates = [1e-2 * (12 - i) / 11 if i > 0 else 0 for i in range(12)]
        for line, rate in zip(steps, rates):
            self.assertAlmostEqual(line["lr"], rate, places=9)
        evaluations = [line for line in lines if "loss" not in line]
        self.assertEqual([line["step"] for line in evaluations], [STEPS, 2 * STEPS])
        self.assertEqual(set(evaluations[0]), {"step", "epoch", "dev_loss", "dev_accuracy",
                                               "dev_matthews_corrcoef", "dev_macro_f1"})

    def test_the_same_seed_gives_the_same_bits_and_another_gives_others(self):
        for folder, seed in ("a", 7), ("b", 7), ("c", 8):
            self.finetune("--seed", seed, "--dropout", "0.2", "--head-dropout", "0.1",
                          folder=self.path(folder))
        self.assertEqual(self.results(self.path("a")), self.results(self.path("b")))
        for name in RESULTS[0], RESULTS[3]:
            self.assertNotEqual((self.path("a") / name).read_bytes(),
                                (self.path("c") / name).read_bytes())

    def test_the_engines_agree(self):
        for engine in "fused", "gemm", "reference":
            self.finetune("--engine", engine, "--epochs", 1, folder=self.path(engine))
            for a, b in zip(self.losses(self.path(engine)), self.losses(self.path("fused"))):
                self.assertAlmostEqual(a, b, places=4)

    def test_every_epoch_sees_every_text_in_another_order(self):
        # Steps of 1e-30 change no f32 of ordinary size.
        self.finetune("--lr", "1e-30", "--batch", 1, "--epochs", 2)
        first, second = self.losses()[:TRAIN], self.losses()[TRAIN:]
        self.assertNotEqual(first, second)
        self.assertEqual(sorted(first), sorted(second))

    def test_a_batch_may_take_several_passes(self):
        self.finetune("--epochs", 1, folder=self.path("one"))
        self.finetune("--epochs", 1, "--tokens-per-pass", 24, folder=self.path("many"))
        for a, b in zip(self.losses(self.path("one")), self.losses(self.path("many"))):
            self.assertAlmostEqual(a, b, places=4)

    def test_frozen_states_that_are_kept_change_no_bit(self):
        options = ["--leave-out", "0-1"]
        states = self.path("states")
        for name, place in (("off", "off"), ("auto", "auto"), ("memory", "memory"),
                            ("file", states), ("again", states)):
            self.finetune(*options, "--cache-frozen", place, folder=self.path(name))
            self.assertEqual(self.results(self.path(name)), self.results(self.path("off")), name)
        size = states.stat().st_size
        self.assertGreater(size, 4096)
        # Of other layers they are made again, and what is no such file stays as it is.
        self.finetune("--leave-out", "0", "--cache-frozen", states, folder=self.path("other"))
        self.assertEqual(states.stat().st_size, size)
        self.refused(*self.command("-q", *options, "--cache-frozen", self.train_path),
                     says=["--cache-frozen", "train.tsv"])
        result = self.run_program(*self.command("--cache-frozen", "memory"))
        self.assertIn("nothing to keep", result.stderr)

    def test_a_head_alone(self):
        self.finetune("--config", "none")
        self.assertFalse((self.run_path / "adapter.safetensors").exists())
        self.assertEqual(self.evaluations()[-1]["dev_accuracy"],
                         round(self.eval()["accuracy"], 9))

    def finetune_with_each(self, *cases):
        """Trains once for each list of options; all heads must differ from each other."""
        heads = []
        for i, options in enumerate(cases):
            folder = self.path(str(i))
            self.finetune("--keep", "last", "--epochs", 1, *options, folder=folder)
            heads.append((folder / "model_head.safetensors").read_bytes())
        self.assertEqual(len(set(heads)), len(heads))

    def test_every_option_of_the_training_changes_what_comes_out(self):
        self.finetune_with_each(
            [], ["--dropout", "0.3"], ["--head-dropout", "0.3"], ["--model-dropout"],
            ["--init", "houlsby"], ["--head-lr", "1e-3"], ["--epochs", 2], ["--batch", 8],
            ["--lr", "1e-3"], ["--warmup", 3], ["--optimizer", "sgd"], ["--clip", "0.01"])

    def test_every_kind_of_adapters_and_heads_is_saved_and_read_back(self):
        self.finetune_with_each(
            ["--config", "pfeiffer"], ["--config", "parallel"], ["--reduction-factor", 8],
            ["--leave-out", "0,2"], ["--leave-out", "1-2"], ["--activation", "relu"],
            ["--scaling", 2], ["--scaling", "learned"], ["--scaling", "channel"],
            ["--pooling", "mean"], ["--head-layers", 1], ["--train-layer-norms"])
        for folder in map(str, range(12)):
            self.assertAlmostEqual(self.eval(folder=self.path(folder))["loss"],
                                   self.evaluations(self.path(folder))[-1]["dev_loss"], places=6)
        self.assertTrue((self.path("11") / "layer_norms.safetensors").exists())

    def test_layers_run_again_give_the_same_adapters_in_less_memory(self):
        kept, again = self.path("kept"), self.path("again")
        bytes_of = {}
        for folder, options in (kept, []), (again, ["--recompute"]):
            result = self.run_program(*self.command("--epochs", 1, "--dropout", "0.3", *options,
                                                    folder=folder))
            self.assertEqual(result.returncode, 0, result.stderr)
            memory = re.search(r"\((\d+) bytes a token\)", result.stderr)
            bytes_of[folder] = int(memory.group(1))
        for name in "adapter.safetensors", "model_head.safetensors":
            self.assertEqual((kept / name).read_bytes(), (again / name).read_bytes(), name)
        self.assertLess(bytes_of[again], bytes_of[kept])

    def test_a_bound_on_lengths_is_minded(self):
        self.finetune("--max-length", 4)
        self.assertAlmostEqual(self.eval("--max-length", 4)["loss"],
                               self.evaluations()[-1]["dev_loss"], places=6)
        self.assertNotAlmostEqual(self.eval()["loss"], self.evaluations()[-1]["dev_loss"],
                                  places=6)

    def test_the_best_is_kept_and_want_of_progress_stops(self):
        # The rate is so high that no epoch is like another, and so constant that it does not end.
        options = ["--epochs", 30, "--patience", 2, "--lr", "0.05", "--schedule", "constant"]
        output = self.finetune(*options)
        accuracies = [line["dev_accuracy"] for line in self.evaluations()]
        self.assertLess(len(accuracies), 30)
        self.assertEqual(max(accuracies[:-2]), max(accuracies))
        self.assertEqual(output, f"accuracy {max(accuracies):.4f}\n")
        self.assertEqual(f"accuracy {self.eval()['accuracy']:.4f}\n", output)
        before = self.results()
        self.assertEqual(self.finetune(*options, "--resume"), output)
        self.assertEqual(self.results(), before)
        last = self.path("last")
        output = self.finetune("--epochs", len(accuracies), "--lr", "0.05", "--schedule",
                               "constant", "--keep", "last", "--warmup", 18, folder=last)
        self.assertEqual(output, f"accuracy {self.evaluations(last)[-1]['dev_accuracy']:.4f}\n")
        self.assertEqual(f"accuracy {self.eval(folder=last)['accuracy']:.4f}\n", output)

    def test_without_a_development_set_nothing_is_printed(self):
        output = self.done("finetune", "--train", self.train_path, *self.OPTIONS, "-o",
                           self.run_path)
        self.assertEqual(output, "")
        self.assertEqual(self.evaluations(), [])
        self.assertEqual(self.eval()["samples"], DEV)

    def test_the_report_is_a_page_that_needs_nothing_else(self):
        page = self.path("report.html")
        self.finetune("--report", page)
        text = page.read_text()
        xml.etree.ElementTree.fromstring(text.replace("<!DOCTYPE html>", ""))
        for part in "cards", "rivers", "reduction-factor", "was taken for", "Learning":
            self.assertIn(part, text)
        for part in "<script", "<link", "src=", "href=":
            self.assertNotIn(part, text)

    def test_a_loss_that_is_not_finite_stops_the_training(self):
        result = self.run_program(*self.command("--optimizer", "sgd", "--lr", "1e30", "--clip", 0))
        self.assert_failed(result)
        self.assertRegex(result.stderr.splitlines()[-1], r"step \d+: the .* is not finite.*--lr")
        tensors, _ = read_safetensors(self.run_path / "checkpoint.safetensors")
        self.assertTrue(all(map(math.isfinite, tensors["head.0.kernel"].values)))

    def test_a_folder_in_use_is_refused_unless_forced(self):
        self.finetune()
        (self.run_path / "mine.txt").write_text("not made by finetune")
        self.refused(*self.command(), says=["--resume", "--force"])
        self.finetune("--config", "none", "--force")
        self.assertEqual(sorted(os.listdir(self.run_path)),
                         sorted([*RESULTS[2:], "log.jsonl", "mine.txt"]))

    def test_bad_options_are_refused_in_a_sentence(self):
        for options, says in (
                (["--config", "lora"], ["lora", "houlsby"]), (["--activation", "rule"], "rule"),
                (["--max-length", 41], ["--max-length", "40", "41"]),
                (["--leave-out", "7"], ["7"]), (["--head-layers", 3], ["--head-layers", "3"]),
                (["--scaling", "0"], ["--scaling"]), (["--dropout", "1"], "dropout"),
                (["--lr", "0"], ["--lr", "got 0"]),
                (["--model", self.path("none")], "none"),
                (["--report", self.path("no/r.html")], "no/r.html")):
            with self.subTest(options):
                self.refused(*self.command("-q", *options), says=says)
        for options, says in (
                (["--leave-out", "3-1"], "3-1"), (["--leave-out", "a"], "--leave-out"),
                (["--pooling", "max"], ["cls or mean", "max"]), (["--scaling", "x"], "learned"),
                (["--model-dropout", "--cache-frozen", "memory"], "--model-dropout"),
                (["--keep", "all"], ["best or last", "all"]), (["--resume", "--force"], "--force")):
            with self.subTest(options):
                self.refused(*self.command(*options), says=says, status=2)
        self.refused("finetune", "--train", self.train_path, "-o", self.run_path, status=2,
                     says="--model is missing")
        self.refused("finetune", "--model", MODEL, "-o", self.run_path, status=2,
                     says="--train is missing")
        self.refused("finetune", "--model", MODEL, "--train", self.train_path, status=2,
                     says="-o is missing")
        self.refused("finetune", "--model", MODEL, "--train", self.train_path, "--patience", 1,
                     "-o", self.run_path, status=2, says="--dev")


class Data(FinetuneTest):

    def refuses(self, content, *says, name="bad.tsv", options=()):
        bad = self.write(name, content)
        with self.subTest(says):
            self.refused("finetune", *self.OPTIONS, "-q", "--train", bad, *options, "-o",
                         self.run_path, says=[name, *says])

    def test_bad_tables_are_refused_with_the_line(self):
        good = "label\ttext_a\na\tthe card\nb\tthe bank\n"
        self.refuses("", "line 1", "expected the header", "label<TAB>text_a")
        self.refuses("a\tthe card\nb\tthe bank\n", "line 1", "header", "a\tthe card")
        self.refuses("text_a\nthe card\n", "line 1", "header")
        self.refuses("label\ttext\na\tthe card\n", "line 1", "header")
        self.refuses("label\ttext_a\n", "examples", "none")
        self.refuses(good + "c\n", "line 4", "expected 2 columns", "got 1")
        self.refuses(good + "c\td\te\n", "line 4", "expected 2 columns", "got 3")
        self.refuses(good + "\nc\tthe river\n", "line 4", "blank line")
        self.refuses(good + " \t \n", "line 4", "blank line")
        self.refuses(good + "\tthe river\n", "line 4", "expected a label")
        self.refuses(good.encode() + b"a\tth\xe9 card\n", "line 4", "UTF-8", "byte 5")
        self.refuses(good.encode() + b"a\tthe\0card\n", "line 4", "NUL")
        self.refuses("label\ttext_a\na\tthe card\na\tthe bank\n", "two classes", '"a"')
        self.refuses("label\ttext_a\n0\tthe card\n70000\tthe bank\n", "line 3", "70000")
        self.refuses(good, "line 2", "expected a number", '"a"', options=["--regression"])
        self.refused("finetune", *self.OPTIONS, "--train", self.path("gone.tsv"), "-o",
                     self.run_path, says="gone.tsv")

    def test_a_class_that_the_head_has_not_is_refused(self):
        self.finetune("--epochs", 1)
        for content, says in (("label\ttext_a\nlakes\tthe lake\n", "lakes"),
                              ("label\ttext_a\n1\tthe bank\n3\tthe lake\n", "3")):
            bad = self.write("bad.tsv", content)
            self.refused(*self.command("-q", "--dev", bad, "--force"),
                         says=["bad.tsv", says, "3 classes"])
            self.refused("eval", "--model", MODEL, self.run_path, bad,
                         says=["bad.tsv", says, "3 classes"])

    def test_what_is_allowed(self):
        examples = texts(TRAIN, 1)
        self.finetune("--epochs", 1, folder=self.path("plain"))
        text = tsv(examples)
        for name, content in (("crlf", text.replace("\n", "\r\n")), ("mark", "\ufeff" + text),
                              ("last", text.rstrip("\n")),
                              ("order", tsv([(t, l) for l, t in examples], "text_a\tlabel"))):
            self.train_path = self.write(f"{name}.tsv", content)
            self.finetune("--epochs", 1, folder=self.path(name))
            self.assertEqual(self.results(self.path(name)), self.results(self.path("plain")), name)

    def test_classes_have_the_names_of_meta_json_or_of_the_data_or_numbers(self):
        meta = {"labels": ["rivers", "banks", "cards", "lakes"], "task": "single"}
        by_number = [(meta["labels"].index(label), text) for label, text in texts(TRAIN, 1)]
        self.train_path = self.write("meta/train.tsv", tsv(by_number))
        self.write("meta/meta.json", json.dumps(meta))

        def label2id(folder):
            return json.loads((folder / "head_config.json").read_text())["config"]["label2id"]

        self.finetune("--epochs", 1)  # whose development set has names
        self.assertEqual(label2id(self.run_path), {n: i for i, n in enumerate(meta["labels"])})
        by_number_too = self.write("meta/dev.tsv", tsv(
            [(meta["labels"].index(label), text) for label, text in texts(DEV, 2)]))
        self.assertEqual(self.eval(data=by_number_too)["accuracy"], self.eval()["accuracy"])
        self.train_path = self.write("numbers.tsv", tsv(by_number))
        self.dev_path = self.train_path
        self.finetune("--epochs", 1, "--force")
        self.assertEqual(label2id(self.run_path), {f"LABEL_{i}": i for i in range(3)})
        for content, says in (("{", "line 1"), ('{"labels": 3}', "array"),
                              ('{"labels": ["a", "a"]}', "twice"), ('{"labels": [1]}', "names")):
            self.write("meta.json", content)
            self.refused(*self.command("-q", "--force"), says=["meta.json", says])

    def test_a_long_line_is_cut_with_one_warning(self):
        long_line = "card " * 200_000
        self.train_path = self.write("long.tsv", tsv([*texts(TRAIN, 1), ("cards", long_line),
                                                      ("cards", long_line)]))
        result = self.run_program(*self.command())
        self.assertEqual(result.returncode, 0, result.stderr)
        warnings = [line for line in result.stderr.splitlines() if "warning" in line]
        self.assertEqual(len(warnings), 1)
        self.assertRegex(warnings[0], f"long.tsv: 2 of {TRAIN + 2} texts .* 40 tokens")

    def test_pairs(self):
        def pairs(count, seed):
            """Whether both texts have the same class."""
            source = random.Random(seed)
            result = []
            for label, text in texts(count, seed):
                other, second = source.choice(texts(9, seed + 1))
                result.append(("same" if label == other else "other", text, second))
            return result

        header = "label\ttext_a\ttext_b"
        self.train_path = self.write("pairs.tsv", tsv(pairs(TRAIN, 3), header))
        self.dev_path = self.write("dev_pairs.tsv", tsv(pairs(DEV, 5), header))
        self.finetune()
        other_order = [(b, label, a) for label, a, b in pairs(TRAIN, 3)]
        self.train_path = self.write("order.tsv", tsv(other_order, "text_b\tlabel\ttext_a"))
        self.finetune(folder=self.path("order"))
        self.assertEqual(self.losses(self.path("order")), self.losses())
        # Which text is the second one counts.
        self.train_path = self.write("swapped.tsv", tsv(other_order, "text_a\tlabel\ttext_b"))
        self.finetune(folder=self.path("swapped"))
        self.assertNotEqual(self.losses(self.path("swapped")), self.losses())
        self.refused(*self.command("-q", "--dev", self.write("single.tsv", tsv(texts(9, 1)))),
                     "--force", says=["single.tsv", "expected pairs"])

    def test_regression(self):
        examples = [(f"{len(t.split()) / 3:.3f}", t) for _, t in texts(TRAIN, 1)]
        self.train_path = self.dev_path = self.write("numbers.tsv", tsv(examples))
        output = self.finetune("--regression", "--epochs", 15)
        self.assertRegex(output, r"^pearson \d\.\d{4}\n$")
        self.assertGreater(float(output.split()[1]), 0.5)
        self.assertEqual(set(self.evaluations()[0]),
                         {"step", "epoch", "dev_mse", "dev_pearson", "dev_spearman"})
        got = self.eval()
        self.assertEqual(set(got), {"pearson", "spearman", "mse", "samples", "seconds",
                                    "tokens_per_second"})
        self.assertEqual(output, f"pearson {got['pearson']:.4f}\n")
        self.write("regression/meta.json",
                   json.dumps({"labels": None, "task": "single-regression 0..5"}))
        self.train_path = self.write("regression/train.tsv", tsv(examples))
        self.finetune("--epochs", 15, folder=self.path("by_meta"))
        self.assertEqual(self.losses(self.path("by_meta")), self.losses())


class Resume(FinetuneTest):

    EPOCHS = 60  # long enough to be stopped on the way
    MORE = ["--epochs", EPOCHS, "--dropout", "0.2", "--checkpoint-every", 2, "--leave-out", 0]

    def start(self):
        with self.path("errors").open("w") as errors:
            return subprocess.Popen([PROGRAM, *map(str, self.command(*self.MORE, "--resume"))],
                                    stderr=errors)

    def step(self):
        """The step of the last checkpoint; -1 when there is none."""
        checkpoint = self.run_path / "checkpoint.safetensors"
        return int(read_safetensors(checkpoint)[1]["step"]) if checkpoint.exists() else -1

    def wait_for_step(self, step):
        deadline = time.monotonic() + 300
        while self.step() <= step:
            self.assertLess(time.monotonic(), deadline, self.path("errors").read_text())
            time.sleep(0.01)

    def check_end(self):
        """The training ends as one that was never stopped."""
        output = self.finetune(*self.MORE, "--resume")
        whole = self.path("whole")
        self.assertEqual(self.finetune(*self.MORE, folder=whole), output)
        self.assertEqual(self.results(), self.results(whole))
        self.assertEqual(self.log(), self.log(whole))

    def test_a_training_that_was_interrupted_ends_with_the_same_bits(self):
        for _ in range(2):
            before = self.step()
            process = self.start()
            self.wait_for_step(before + 10)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=300), 130, self.path("errors").read_text())
            self.assertIn("--resume", self.path("errors").read_text().splitlines()[-1])
        self.assertLess(self.step(), self.EPOCHS * STEPS)
        self.check_end()

    def test_a_training_that_was_killed_ends_with_the_same_bits(self):
        for step in 20, 70:
            process = self.start()
            self.wait_for_step(step)
            process.kill()
            process.wait()
        with (self.run_path / "log.jsonl").open("a") as log:
            log.write(json.dumps({"step": self.step() + 1, "loss": 0.5}) + '\n{"step":3,"epo')
        self.check_end()

    def test_other_options_or_data_are_refused_by_name(self):
        self.finetune()
        for option, *value in (
                ["--seed", 1], ["--epochs", 4], ["--batch", 8], ["--lr", "0.1"],
                ["--head-lr", "0.1"], ["--schedule", "cosine"], ["--warmup", 1],
                ["--optimizer", "sgd"], ["--weight-decay", "0.1"], ["--clip", 2],
                ["--dropout", "0.1"], ["--head-dropout", "0.1"], ["--config", "pfeiffer"],
                ["--leave-out", "0"], ["--reduction-factor", 2], ["--activation", "gelu"],
                ["--init", "mam"], ["--scaling", 2], ["--pooling", "mean"], ["--head-layers", 1],
                ["--max-length", 39], ["--name", "n"], ["--keep", "last"], ["--patience", 1],
                ["--train-layer-norms"], ["--model-dropout"],
                ["--tokens-per-pass", 24], ["--engine", "gemm"]):
            with self.subTest(option):
                self.refused(*self.command("-q", "--resume", option, *value),
                             says=["was started with", option])
        self.train_path = self.write("train.tsv", tsv(texts(TRAIN, 9)))
        self.refused(*self.command("-q", "--resume"), says=["was started with", "--train"])


class Eval(FinetuneTest):

    def test_the_figures_are_those_of_the_answers(self):
        self.finetune("--epochs", 6)
        got = self.eval()
        self.assertEqual(set(got), {"loss", "accuracy", "matthews_corrcoef", "macro_f1", "samples",
                                    "seconds", "tokens_per_second"})
        lines = self.done("predict", "--model", MODEL, self.run_path, "--input", self.dev_path,
                          "-o", "jsonl").splitlines()
        answers = [json.loads(line) for line in lines]
        right = [label for label, _ in texts(DEV, 2)]
        said = [answer["label"] for answer in answers]
        self.assertAlmostEqual(got["accuracy"], sum(map(str.__eq__, right, said)) / DEV, places=8)
        names = sorted(set(right) | set(said))
        f1 = [2 * sum(r == s == n for r, s in zip(right, said)) /
              (right.count(n) + said.count(n)) for n in names]
        self.assertAlmostEqual(got["macro_f1"], sum(f1) / len(f1), places=8)
        total = sum(r == s for r, s in zip(right, said)) * DEV - sum(
            right.count(n) * said.count(n) for n in names)
        root = math.sqrt((DEV ** 2 - sum(said.count(n) ** 2 for n in names)) *
                         (DEV ** 2 - sum(right.count(n) ** 2 for n in names)))
        self.assertAlmostEqual(got["matthews_corrcoef"], total / root, places=8)
        self.assertEqual(got["samples"], DEV)

    def test_for_people(self):
        self.finetune()
        output = self.done("eval", "--model", MODEL, self.run_path, self.dev_path)
        self.assertRegex(output, r"(?m)^accuracy +\d\.\d{4}$")
        self.assertRegex(output, r"(?m)^confused +\d+ times \w+ was taken for \w+$")

    def test_what_does_not_fit_is_refused(self):
        self.finetune()
        eval_run = ["eval", "--model", MODEL, self.run_path]
        self.refused(*eval_run, status=2, says="an argument is missing")
        self.refused("eval", self.run_path, self.dev_path, status=2, says="--model is missing")
        self.refused(*eval_run, self.dev_path, "-o", "yaml", status=2, says="yaml")
        self.refused(*eval_run, self.write("none.tsv", "text_a\nthe card\n"), says="label")
        self.refused("eval", "--model", TINY / "bert_gelu_new", self.run_path, self.dev_path,
                     says=["32", "48"])
        self.refused("eval", "--model", MODEL, self.path("nothing"), self.dev_path, says="nothing")


if __name__ == "__main__":
    unittest.main()
