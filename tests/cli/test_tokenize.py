# SPDX-License-Identifier: MIT
"""adapter-cl tokenize: texts, lines of JSON, standard input that stays open."""

import json
import pathlib
import subprocess
import unittest

from support import PROGRAM, CliTest

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/tokenizer"


class Tokenize(CliTest):

    def tokenize(self, *arguments, model=GOLDEN):
        lines = self.done("tokenize", "--model", model, *arguments).splitlines()
        return [json.loads(line) for line in lines]

    def piped(self, text, *arguments):
        return subprocess.run([PROGRAM, "tokenize", "--model", GOLDEN, *arguments], input=text,
                              capture_output=True, timeout=600)

    def json_lines(self, *objects, name="in.jsonl"):
        path = self.path(name)
        path.write_text("".join(json.dumps(object) + "\n" for object in objects))
        return path

    def test_texts_become_ids_types_and_tokens(self):
        first, second = self.tokenize("Unaffable, isn't it?", "naïve")
        self.assertEqual(list(first), ["ids", "type_ids", "tokens"])
        self.assertEqual(first["tokens"], ["[CLS]", "una", "##ffa", "##ble", ",", "isn", "'", "t",
                                           "it", "?", "[SEP]"])
        self.assertEqual(first["type_ids"], [0] * 11)
        self.assertEqual(second["ids"], [101, 15743, 102])

    def test_every_golden_line_has_the_ids_of_the_reference(self):
        expected = [json.loads(line) for line in (GOLDEN / "cases.jsonl").open()]
        got = self.tokenize("--input", GOLDEN / "cases.jsonl")
        self.assertEqual([case["ids"] for case in expected], [case["ids"] for case in got])
        for a, b in zip(expected, got):
            self.assertEqual(a.get("type_ids", [0] * len(a["ids"])), b["type_ids"])

    def test_pairs_stand_behind_a_tab_where_asked(self):
        pair = self.tokenize("--pairs", "a b\tc\td", "a")
        self.assertEqual(pair[0]["tokens"], ["[CLS]", "a", "b", "[SEP]", "c", "d", "[SEP]"])
        self.assertEqual(pair[0]["type_ids"], [0, 0, 0, 0, 1, 1, 1])
        self.assertEqual(pair[1]["tokens"], ["[CLS]", "a", "[SEP]"])
        self.assertEqual(self.tokenize("a\tb")[0]["tokens"], ["[CLS]", "a", "b", "[SEP]"])

    def test_length_is_bounded_for_all_and_for_each_line(self):
        self.assertEqual(self.tokenize("--max-length", "3", "a b c")[0]["ids"], [101, 1037, 102])
        lines = self.json_lines({"text": "a b c"}, {"text": "a b c", "max_length": 4},
                                {"text": "a", "pair": "b", "max_length": None},
                                {"text": "a", "pair": None})
        got = self.tokenize("--input", lines, "--max-length", "3")
        self.assertEqual([len(line["ids"]) for line in got], [3, 4, 3, 3])

    def test_other_formats(self):
        run = ["tokenize", "--model", GOLDEN, "hugs all", "x", "--format"]
        self.assertEqual(self.done(*run, "ids"), "101 24459 2035 102\n101 1060 102\n")
        self.assertEqual(self.done(*run, "tokens"), "[CLS] hugs all [SEP]\n[CLS] x [SEP]\n")
        self.refused(*run, "yaml", status=2, says=["yaml", "json, ids or tokens"])

    def test_texts_may_be_empty_begin_with_a_dash_and_be_many(self):
        self.assertEqual(self.tokenize("")[0]["ids"], [101, 102])
        self.assertEqual(self.tokenize("--", "-x")[0]["tokens"], ["[CLS]", "-", "x", "[SEP]"])
        self.assertEqual(len(self.tokenize(*"abcdefgh")), 8)

    def test_lines_of_standard_input_are_texts(self):
        result = self.piped("first\r\n\nlast".encode(), "--format", "tokens")
        self.assertEqual(result.stdout,
                         b"[CLS] first [SEP]\n[CLS] [SEP]\n[CLS] last [SEP]\n")
        result = self.piped(b"a\0b\n", "--format", "tokens")
        self.assertEqual(result.stdout, b"[CLS] ab [SEP]\n")
        self.assertEqual(self.piped(b"").stdout, b"")

    def test_lines_of_json_may_come_from_standard_input(self):
        result = self.piped(b'{"text": "a"}\n{"text": "b"}', "--input", "-", "--format", "tokens")
        self.assertEqual(result.stdout, b"[CLS] a [SEP]\n[CLS] b [SEP]\n")

    def test_each_line_is_answered_before_the_next_is_read(self):
        for arguments, line in ([], b"a\n"), (["--input", "-"], b'{"text": "a"}\n'):
            program = subprocess.Popen([PROGRAM, "tokenize", "--model", GOLDEN, *arguments],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(3):
                program.stdin.write(line)
                program.stdin.flush()
                self.assertEqual(json.loads(program.stdout.readline())["ids"], [101, 1037, 102])
            program.stdin.close()
            self.assertEqual(program.stdout.read(), b"")
            program.stdout.close()
            self.assertEqual(program.wait(), 0)

    def test_a_line_of_a_megabyte(self):
        result = self.piped(b"word " * 200000 + b"\n" + b"x" * 1000000, "--max-length", "128")
        first, second = map(json.loads, result.stdout.splitlines())
        self.assertEqual((len(first["ids"]), second["ids"]), (128, [101, 100, 102]))

    def test_case_is_kept_where_the_folder_says_so(self):
        self.path("vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\nThe\nthe\n")
        self.assertEqual(self.tokenize("The", model=self.folder)[0]["ids"], [1, 4, 2])
        self.path("tokenizer_config.json").write_text('{"do_lower_case": false}')
        self.assertEqual(self.tokenize("The", model=self.folder)[0]["ids"], [1, 3, 2])

    def test_what_cannot_be_tokenized_is_refused_with_its_place(self):
        def says(content, *parts):
            path = self.path("in.jsonl")
            path.write_bytes(content)
            self.refused("tokenize", "--model", GOLDEN, "--input", path, says=["line 1", *parts])
        says(b"\n", "JSON")
        says(b"{", "JSON")
        says(b'{"text": "\xff"}\n', "JSON")
        says(b'{"pair": "a"}\n', '"text"')
        says(b'["a"]\n', '"text"')
        says(b'{"text": 1}\n', '"text"')
        says(b'{"text": "a", "pair": 1}\n', '"pair"')
        says(b'{"text": "a", "max_length": 0}\n', '"max_length"')
        says(b'{"text": "a", "max_length": 1}\n', "at least 2")
        result = self.piped(b"good\nba\xffd\nnever\n", "--format", "tokens")
        self.assert_failed(result)
        self.assertEqual(result.stdout, b"[CLS] good [SEP]\n")
        self.assertIn(b"standard input: line 2: text: expected UTF-8", result.stderr)
        self.refused("tokenize", "--model", GOLDEN, b"\xff".decode(errors="surrogateescape"),
                     says="text 1: text: expected UTF-8")

    def test_a_bad_folder_is_refused_by_name(self):
        self.refused("tokenize", "--model", self.folder, "a", says="vocab.txt")
        self.refused("tokenize", "--model", GOLDEN, "--input", self.path("none"), says="none")
        self.refused("tokenize", "--model", GOLDEN, "--input", self.folder, says="cannot be read")
        self.path("vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n")
        self.path("tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
        self.refused("tokenize", "--model", self.folder, "a", says="T5Tokenizer")

    def test_usage(self):
        self.refused("tokenize", "a", status=2, says="--model")
        self.refused("tokenize", "--model", GOLDEN, "a", "--input", "b", status=2, says="both")
        self.refused("tokenize", "--model", GOLDEN, "--max-length", "x", "a", status=2,
                     says="--max-length")


if __name__ == "__main__":
    unittest.main()
