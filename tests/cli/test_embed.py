# SPDX-License-Identifier: MIT
"""adapter-cl embed: hidden states, pooled or not."""

import json
import math
import unittest

from support import TINY, Array, CliTest, read_npy, read_safetensors

MODEL = TINY / "bert"
HOULSBY = MODEL / "adapters/houlsby"
HIDDEN, LAYERS = 32, 3


class Embed(CliTest):

    def setUp(self):
        super().setUp()
        self.output = self.path("e.npy")
        self.texts = [text for text, _ in json.loads((HOULSBY / "texts.json").read_text())]
        expected, _ = read_safetensors(HOULSBY / "expected.safetensors")
        mask = expected["attention_mask"].rows()
        tokens = expected[f"hidden.{LAYERS}"].rows()
        width = len(mask[0])
        # The rows of each text that are no padding.
        self.states = [[tokens[i * width + t] for t in range(width) if mask[i][t]]
                       for i in range(len(mask))]

    def embed(self, *arguments, text_input=None):
        result = self.run_program("embed", "--model", MODEL, *arguments, "-o", self.output,
                                  text_input=text_input)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, "")
        return read_npy(self.output)

    def means(self):
        return [[sum(column) / len(rows) for column in zip(*rows)] for rows in self.states]

    def assert_rows(self, got, rows):
        self.assert_close(got, Array((len(rows), HIDDEN), [v for row in rows for v in row]), 1e-5)

    def test_with_adapters_it_is_what_adapterhub_computes(self):
        run = ["--adapter", HOULSBY, *self.texts]
        self.assert_rows(self.embed(*run), self.means())
        self.assert_rows(self.embed(*run, "--pooling", "cls"), [rows[0] for rows in self.states])
        for row, text in zip(self.states, self.texts):
            self.assert_rows(self.embed("--adapter", HOULSBY, "--pooling", "none", text), row)

    def test_normalized_vectors_have_length_1(self):
        unit = [[v / math.sqrt(sum(v * v for v in row)) for v in row] for row in self.means()]
        self.assert_rows(self.embed("--adapter", HOULSBY, "--normalize", *self.texts), unit)

    def test_without_adapters_it_is_the_model_alone(self):
        alone = self.embed(*self.texts)
        self.assertEqual(alone.shape, (3, HIDDEN))
        difference = max(abs(a - b) for a, b in
                         zip(alone.values, [v for row in self.means() for v in row]))
        self.assertGreater(difference, 1e-3)

    def test_texts_come_from_everywhere(self):
        expected = self.embed(*self.texts).values
        path = self.write("t.tsv", "text_a\n" + "\n".join(self.texts) + "\n")
        self.assertEqual(self.embed("--input", path).values, expected)
        self.assertEqual(self.embed(text_input="\n".join(self.texts)).values, expected)
        self.assertEqual(self.embed(text_input="").shape, (0, HIDDEN))
        pairs = self.write("p.tsv", "label\ttext_a\ttext_b\n0\twhat\tpay\n")
        self.assertEqual(self.embed("--input", pairs).values,
                         self.embed("--pairs", "what\tpay").values)

    def test_the_engines_agree(self):
        fused = self.embed(*self.texts, "--engine", "fused")
        for engine in "gemm", "reference":
            self.assert_close(self.embed(*self.texts, "--engine", engine), fused, 1e-5)

    def test_what_cannot_be_is_refused(self):
        run = ["embed", "--model", MODEL, "-o", self.output]
        self.refused(*run, "a", "b", "--pooling", "none", says=["one text", "got 2"])
        self.refused(*run, "a", "--pooling", "max", status=2, says=["mean, cls or none", "max"])
        self.refused(*run, "a", "--pooling", "none", "--normalize", status=2, says="--normalize")
        self.refused("embed", "--model", MODEL, "a", status=2, says="-o is missing")
        self.refused("embed", "a", "-o", self.output, status=2, says="--model is missing")
        self.refused("embed", "--model", MODEL, "a", "-o", self.path("no/e.npy"), says="no/e.npy")
        self.refused(*run, "a", "--adapter", self.path("gone"), says="gone")
        self.refused(*run, "a", "--max-length", 41, says=["--max-length", "40", "41"])


if __name__ == "__main__":
    unittest.main()
