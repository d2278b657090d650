# SPDX-License-Identifier: MIT
"""adapter-cl predict: AdapterHub's own folders, texts, files, pipes that stay open."""

import json
import subprocess
import unittest

from support import PROGRAM, TINY, CliTest, read_safetensors

MODEL = TINY / "bert"
HOULSBY = MODEL / "adapters/houlsby"
QUESTION = "how is my new card working?"

# Values explode there, as golden's README says.
TOLERANCE = {"no_ln_after": 2e-3}


def expected_logits(folder):
    logits = read_safetensors(folder / "expected.safetensors")[0]["logits"]
    return logits.rows()


class Predict(CliTest):

    def predict(self, *arguments, folder=HOULSBY, model=MODEL, text_input=None):
        result = self.run_program("predict", "--model", model, folder, *arguments,
                                  text_input=text_input)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def objects(self, *arguments, **more):
        return [json.loads(line) for line in
                self.predict("-o", "jsonl", *arguments, **more).splitlines()]

    def test_every_folder_gives_the_logits_of_adapterhub(self):
        for model in "bert", "bert_gelu_new", "distilbert":
            for folder in sorted((TINY / model / "adapters").iterdir()):
                with self.subTest(folder=folder):
                    typed = ["\t".join(filter(None, pair)) for pair in
                             json.loads((folder / "texts.json").read_text())]
                    got = self.objects("--pairs", *typed, folder=folder, model=TINY / model)
                    tolerance = TOLERANCE.get(folder.name, 1e-5)
                    for answer, logits in zip(got, expected_logits(folder), strict=True):
                        for a, b in zip(answer["logits"], logits, strict=True):
                            self.assertLessEqual(abs(a - b), tolerance * (1 + abs(b)))

    def test_an_answer_has_these_fields(self):
        first, second = self.objects("--pairs", QUESTION, "the bank\tlost money")
        self.assertEqual(list(first), ["text", "text_b", "label", "label_id", "probability",
                                       "logits"])
        self.assertEqual((first["text"], first["text_b"]), (QUESTION, None))
        self.assertEqual((second["text"], second["text_b"]), ("the bank", "lost money"))
        logits = first["logits"]
        self.assertEqual(first["label_id"], logits.index(max(logits)))
        self.assertEqual(first["label"], f"LABEL_{first['label_id']}")
        self.assertTrue(1 / 3 < first["probability"] < 1)

    def test_for_people_and_as_a_table(self):
        first, second = self.predict("-o", "text", QUESTION, "what").splitlines()
        self.assertRegex(first, rf"^LABEL_\d  0\.\d{{4}}  {QUESTION[:-1]}\?$")
        self.assertRegex(second, r"^LABEL_\d  0\.\d{4}  what$")
        header, first = self.predict("-o", "tsv", "a\tb").splitlines()
        self.assertEqual(header, "label\tprobability\ttext_a")
        self.assertEqual(first.split("\t")[2:], ["a b"])
        header, first = self.predict("-o", "tsv", "--pairs", "a\tb").splitlines()
        self.assertEqual(header, "label\tprobability\ttext_a\ttext_b")
        self.assertEqual(first.split("\t")[2:], ["a", "b"])
        label, probability = first.split("\t")[:2]
        answer = self.objects("--pairs", "a\tb")[0]
        self.assertEqual((answer["label"], answer["probability"]), (label, float(probability)))

    def test_the_same_bits_alone_from_a_pipe_or_packed_with_others(self):
        texts = ["what", QUESTION, "the river", "my money is lost", "pay", "where is the city ?"]
        path = self.write("texts.tsv", "text_a\n" + "\n".join(texts) + "\n")
        alone = self.objects(*texts)
        self.assertEqual(self.objects("--input", path), alone)
        self.assertEqual(self.objects(text_input="\n".join(texts)), alone)
        self.assertEqual(self.objects(text_input="\r\n".join(texts) + "\r\n"), alone)
        self.assertEqual(self.objects("--input", "-", text_input=path.read_text()), alone)

    def test_a_file_may_have_labels_which_are_passed_over(self):
        labelled = self.write("l.tsv", "label\ttext_a\nanything\twhat\n\tpay\n")
        plain = self.write("p.tsv", "text_a\nwhat\npay\n")
        self.assertEqual(self.objects("--input", labelled), self.objects("--input", plain))
        pairs = self.objects("--input", self.write("b.tsv", "text_a\ttext_b\nwhat\tpay\n"))
        self.assertEqual(pairs, self.objects("--pairs", "what\tpay"))

    def test_a_pipe_that_stays_open_is_answered_at_once(self):
        with subprocess.Popen([PROGRAM, "predict", "--model", MODEL, HOULSBY, "-o", "jsonl"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            for text in "what", "", QUESTION:
                process.stdin.write(text.encode() + b"\n")
                process.stdin.flush()
                self.assertEqual(json.loads(process.stdout.readline())["text"], text)
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"")
        self.assertEqual(process.returncode, 0)

    def test_texts_may_begin_with_a_dash_and_be_empty(self):
        self.assertEqual([a["text"] for a in self.objects("--", "-x", "")], ["-x", ""])
        self.assertEqual(self.predict(text_input=""), "")

    def test_a_long_text_is_cut_with_one_warning_that_counts(self):
        long_text = "card " * 200_000
        result = self.run_program("predict", "--model", MODEL, HOULSBY,
                                  text_input=f"{long_text}\nwhat\n{long_text}\n")
        self.assertEqual(result.returncode, 0)
        warnings = [line for line in result.stderr.splitlines() if "warning" in line]
        self.assertEqual(len(warnings), 1, result.stderr)
        self.assertIn("2 of 3 texts", warnings[0])

    def test_bad_input_is_refused_in_a_sentence(self):
        run = ["predict", "--model", MODEL, HOULSBY]
        self.refused(*run, "what", "--input", self.write("t.tsv", "text_a\nx\n"), status=2,
                     says="got both")
        self.refused(*run, "what", "-o", "xml", status=2, says=["xml", "jsonl"])
        self.refused("predict", HOULSBY, "what", status=2, says="--model is missing")
        self.refused("predict", status=2, says="argument is missing")
        self.refused(*run, "--input", self.write("b.tsv", b"text_a\nok\nth\xe9\n"),
                     says=["b.tsv", "line 3", "UTF-8"])
        self.refused(*run, "--input", self.write("e.tsv", "text_a\nok\n\n"),
                     says=["e.tsv", "line 3", "blank"])
        self.refused(*run, "--input", self.path("gone.tsv"), says="gone.tsv")
        result = subprocess.run([PROGRAM, *map(str, run)], input=b"what\nth\xe9\n",
                                capture_output=True)
        self.assert_failed(result)
        self.assertIn(b"line 2", result.stderr)
        self.assertEqual(len(result.stdout.splitlines()), 1)

    def test_a_folder_that_is_not_whole_is_refused_by_the_name_of_the_file(self):
        for missing in "config.json", "vocab.txt", "model.safetensors":
            model = self.path(f"without_{missing}")
            model.mkdir()
            for path in MODEL.iterdir():
                if path.is_file() and path.name != missing:
                    (model / path.name).write_bytes(path.read_bytes())
            self.refused("predict", "--model", model, HOULSBY, "what", says=missing)
        for missing in "adapter_config.json", "adapter.safetensors", "model_head.safetensors":
            folder = self.path(f"lacks_{missing}")
            folder.mkdir()
            for path in HOULSBY.iterdir():
                if path.name != missing:
                    (folder / path.name).write_bytes(path.read_bytes())
            self.refused("predict", "--model", MODEL, folder, "what", says=missing)
        headless = self.path("headless")
        headless.mkdir()
        for name in "adapter_config.json", "adapter.safetensors":
            (headless / name).write_bytes((HOULSBY / name).read_bytes())
        self.refused("predict", "--model", MODEL, headless, "what", says="head")

    def test_a_model_whose_config_disagrees_with_its_weights_is_refused(self):
        model = self.path("model")
        model.mkdir()
        for name in "vocab.txt", "model.safetensors":
            (model / name).write_bytes((MODEL / name).read_bytes())
        config = json.loads((MODEL / "config.json").read_text())
        for key, value, says in (("intermediate_size", 60, ["intermediate", "60", "64"]),
                                 ("hidden_size", 28, ["28", "32"]),
                                 ("num_hidden_layers", 4, ["layer.3"]),
                                 ("model_type", "gpt2", ["gpt2"])):
            (model / "config.json").write_text(json.dumps({**config, key: value}))
            with self.subTest(key):
                self.refused("predict", "--model", model, HOULSBY, "what", says=says)


if __name__ == "__main__":
    unittest.main()
